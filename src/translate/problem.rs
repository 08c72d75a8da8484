//! What is wrong with a value of a client's request, and where it stands.

use std::borrow::Cow;

use crate::error::Error;
use crate::wire::json::JsonError;

/// Why a value cannot be read.
#[derive(Debug)]
pub(super) enum Problem {
    /// The body is not JSON after all.
    Json(JsonError),
    /// A value is not what it must be.
    Wrong {
        /// Where, from the inside out: `[2].content`
        path: String,
        /// What is wrong with it.
        what: Cow<'static, str>,
    },
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl Problem {
    /// At the value being read.
    pub(super) fn wrong(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Wrong { path: String::new(), what: what.into() }
    }

    /// The same, as seen from the object that has it as `key`.
    pub(super) fn in_member(self, key: &str) -> Self {
        self.within(|path| format!(".{key}{path}"))
    }

    /// The same, as seen from the array.
    pub(super) fn in_element(self, index: usize) -> Self {
        self.within(|path| format!("[{index}]{path}"))
    }

    /// As the client is told it of a field that was being read.
    pub(super) fn of_field(self, field: &'static str) -> Error {
        match self {
            Self::Json(error) => error.into(),
            Self::Wrong { path, what } if path.is_empty() => {
                Error::InvalidField { field, problem: what.into_owned() }
            }
            Self::Wrong { path, what } => {
                let path = path.trim_start_matches('.');
                Error::InvalidField { field, problem: format!("{path}: {what}") }
            }
        }
    }

    fn within(self, longer: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Wrong { path, what } => Self::Wrong { path: longer(path), what },
            json @ Self::Json(_) => json,
        }
    }
}

/// What reading a value leads to.
pub(super) type Read<T> = Result<T, Problem>;
