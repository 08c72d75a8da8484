//! The document as a tree, which sections are read from.
//!
//! The tree lives only while the configuration is read, but the host never gets the memory of a
//! large one back. So it is small: texts are borrowed from the document's bytes wherever they stand
//! there as they are, and an object is a sorted list.

use std::borrow::Cow;

use serde_json::Number;

use crate::wire::json::quoted;

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Box<[Value<'a>]>),
    Object(Entries<'a>),
}

/// The members of an object in order of their keys, each key once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entries<'a>(Box<[(Cow<'a, str>, Value<'a>)]>);

impl<'a> Entries<'a> {
    /// Sorts members that come in any order; the last one of a key wins.
    pub(super) fn new(mut members: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        members.reverse();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|later, first| later.0 == first.0);
        Self(members.into())
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Value<'a>> {
        let at = self.0.binary_search_by(|(known, _)| known.as_ref().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Every key and value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value<'_> {
    /// The text, if the value is one.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value as JSON text.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::String(text) => quoted(text),
            Self::Array(items) => format!("[{}]", joined(items.iter().map(Self::json))),
            Self::Object(entries) => {
                let members = entries.iter();
                let members =
                    members.map(|(key, value)| [&quoted(key), ":", &value.json()].concat());
                format!("{{{}}}", joined(members))
            }
        }
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// As tests write them.
#[cfg(test)]
impl From<serde_json::Value> for Value<'_> {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number),
            serde_json::Value::String(text) => Self::String(text.into()),
            serde_json::Value::Array(items) => {
                Self::Array(items.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(entries) => Self::Object(Entries::new(
                entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            )),
        }
    }
}
