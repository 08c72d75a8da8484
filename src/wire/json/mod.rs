//! A validating pull scanner over one complete JSON text, after RFC 8259.
//!
//! It hands out spans of the text and builds nothing: a reader that wants three members of a
//! megabyte of chat walks over the rest once, without allocating. Numbers, literals, escapes and
//! UTF-8 are checked on the way, so whatever [`Reader::end`] has accepted may be sent on. Whether a
//! key may stand in an object twice is for the caller to say.

mod error;
mod number;
mod object;
mod part;
mod reader;
mod scanner;
mod text;

#[cfg(test)]
mod conformance;

pub use error::{JsonError, JsonErrorKind};
pub use object::{Object, decimal, push_number, push_quoted, quoted};
pub use part::{elements, member};
pub use reader::Reader;
pub use text::Text;

/// Half-open range of byte offsets into a text.
pub type Span = std::ops::Range<usize>;

/// At most this many arrays and objects inside one another, the outermost included.
pub const MAX_DEPTH: usize = 128;

/// What a value is, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// A digit or `-`.
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

/// One member of an object, just before its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its key.
    pub key: Text<'a>,
}
