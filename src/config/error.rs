//! What can be wrong with a configuration, and what is merely worth saying.
//!
//! Errors are data, not texts, so that tests and tools compare values; `Display` alone makes
//! sentences of them. None ever holds a secret: the reader leaves out the values of fields that may
//! be one.

use std::fmt;

use crate::catalog::PriceError;

/// How many of the allowed names a message lists.
const MAX_LISTED: usize = 20;

/// One thing that makes a document unusable, and where.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfigError {
    /// Where it stands, e.g. `models[2].endpoints[0].provider`; empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub kind: ConfigErrorKind,
}

/// What is wrong at a path. A `value` is as written, shortened; empty where it may be a secret.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The document is no JSON text.
    Syntax {
        /// What the parser says.
        message: String,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1 in bytes.
        column: usize,
    },
    /// The document looks like a serialised `google.protobuf.Struct`, but is none.
    NotStruct {
        /// Offset of the first byte that makes no sense.
        at: usize,
    },
    /// A number is infinite, or is none at all.
    NotFinite,
    /// Objects and lists are nested deeper than in any valid document.
    TooDeep,
    /// The key stands in its object more than once.
    DuplicateKey,
    /// The object has no key of that name.
    UnknownKey {
        /// The keys that may stand there.
        known: Vec<String>,
    },
    /// A required value is absent or null.
    Missing {
        /// What must stand there.
        expected: String,
    },
    /// The value is of a JSON type that must not stand there.
    WrongType {
        /// The type it has.
        found: &'static str,
        /// The type it must have.
        allowed: &'static str,
    },
    /// The value is of the right type, but is none of those allowed.
    Invalid {
        /// What was written.
        value: String,
        /// What may be written.
        allowed: String,
    },
    /// The value is no price, or one that cannot be held exactly.
    Price {
        /// What was written.
        value: String,
        /// Why it is refused.
        reason: PriceError,
    },
    /// The value names something that the document does not define.
    NotFound {
        /// What was written.
        value: String,
        /// What is defined.
        known: Vec<String>,
    },
    /// The value may stand only once, and already stands elsewhere.
    Duplicate {
        /// What was written.
        value: String,
        /// The path where it stands first.
        first: String,
    },
    /// The value is part of the documented configuration, but of a later version's.
    NotSupported {
        /// What was written; empty for a whole section.
        value: String,
        /// What this build supports.
        supported: String,
    },
}

/// Something that the operator should know, though the document can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Where it stands, as in [`ConfigError::path`].
    pub path: String,
    /// What there is to know.
    pub kind: WarningKind,
}

/// What an operator should know about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// The variable of a provider's key is not set or empty, so its endpoints cannot be used.
    KeyUnset {
        /// The variable's name.
        env: String,
    },
    /// The variable of a provider's key holds control characters, so its endpoints cannot be used.
    KeyMalformed {
        /// The variable's name.
        env: String,
    },
    /// A price of a token that is more like one of a million tokens.
    PriceOfMillion {
        /// What a million tokens cost by it, in USD.
        million: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "document" } else { &self.path };
        write!(f, "{path}: {}", self.kind)
    }
}

impl fmt::Display for ConfigErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message, line, column } => {
                let allowed = "JSON as text, or YAML as a google.protobuf.Struct";
                write!(f, "not JSON: {message} at line {line} column {column} (allowed: {allowed})")
            }
            Self::NotStruct { at } => {
                write!(f, "neither JSON text nor a google.protobuf.Struct (malformed at byte {at})")
            }
            Self::NotFinite => f.write_str("not a finite number"),
            Self::TooDeep => f.write_str("nested too deep (allowed: 64 levels)"),
            Self::DuplicateKey => f.write_str("key appears more than once"),
            Self::UnknownKey { known } => write!(f, "unknown key (known: {})", Listed(known)),
            Self::Missing { expected } => write!(f, "missing (expected: {expected})"),
            Self::WrongType { found, allowed } => {
                write!(f, "wrong type: {found} (allowed: {allowed})")
            }
            Self::Invalid { value, allowed } => {
                write!(f, "invalid{} (allowed: {allowed})", After(value))
            }
            Self::Price { value, reason } => write!(f, "invalid price{} ({reason})", After(value)),
            Self::NotFound { value, known } => {
                write!(f, "not found{} (known: {})", After(value), Listed(known))
            }
            Self::Duplicate { value, first } => {
                write!(f, "already used{} (first at {first})", After(value))
            }
            Self::NotSupported { value, supported } => {
                write!(f, "not supported by this build{} (supported: {supported})", After(value))
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyUnset { env } => {
                write!(f, "environment variable {env} is not set, so the provider cannot be used")
            }
            Self::KeyMalformed { env } => {
                write!(
                    f,
                    "environment variable {env} holds control characters, \
                     so the provider cannot be used"
                )
            }
            Self::PriceOfMillion { million } => {
                write!(f, "a million tokens would cost {million} USD (prices are USD per token)")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// A value after a colon, or nothing where there is none to show.
struct After<'a>(&'a str);

impl fmt::Display for After<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// Names separated by commas, the first few of a long list.
struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, name) in self.0.iter().take(MAX_LISTED).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        match self.0.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn long_lists_of_names_are_cut() {
        let known: Vec<String> = (0..23).map(|n| n.to_string()).collect();
        let text = ConfigErrorKind::UnknownKey { known }.to_string();
        assert!(text.ends_with("18, 19, and 3 more)"), "{text}");
    }

    #[test]
    fn errors_of_the_document_itself_name_it() {
        let error = ConfigError { path: String::new(), kind: ConfigErrorKind::NotStruct { at: 3 } };
        assert_eq!(
            error.to_string(),
            "document: neither JSON text nor a google.protobuf.Struct (malformed at byte 3)"
        );
    }
}
