//! Why a text is not JSON, or not the JSON that was asked for.

use std::fmt;

/// What is wrong and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Offset of the offending byte.
    pub at: usize,
    /// What is wrong with it.
    pub kind: JsonErrorKind,
}

/// What can be wrong with a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The text stops inside a value, or before one.
    UnexpectedEnd,
    /// A byte that cannot stand here.
    UnexpectedByte,
    /// An unescaped byte below 0x20 in a string.
    ControlCharacter,
    /// A backslash followed by something else than RFC 8259 lists.
    InvalidEscape,
    /// A string is not UTF-8.
    InvalidUtf8,
    /// A number with a leading zero, or without digits where they must be.
    InvalidNumber,
    /// More than [`MAX_DEPTH`](super::MAX_DEPTH) arrays and objects inside one another.
    TooDeep,
    /// Something follows the document.
    TrailingBytes,
    /// An object was asked for and another value is there.
    NotAnObject,
    /// An array was asked for and another value is there.
    NotAnArray,
    /// A string was asked for and another value is there.
    NotAString,
}

impl JsonErrorKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::UnexpectedEnd => "unexpected end of text",
            Self::UnexpectedByte => "unexpected character",
            Self::ControlCharacter => "control character in a string",
            Self::InvalidEscape => "invalid escape",
            Self::InvalidUtf8 => "invalid utf-8",
            Self::InvalidNumber => "invalid number",
            Self::TooDeep => "nested too deeply",
            Self::TrailingBytes => "text after the document",
            Self::NotAnObject => "not an object",
            Self::NotAnArray => "not an array",
            Self::NotAString => "not a string",
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind.as_str(), self.at)
    }
}

impl std::error::Error for JsonError {}
