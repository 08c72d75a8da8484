//! Values of requests as `serde` reads them, borrowing wherever the text allows it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::translate::form::Text;

/// A string. `serde` borrows a bare `Cow`, but not one in an `Option`; this it does.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Str<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// What may be a string or a list: `input`, `content`, `output`.
#[derive(Debug)]
pub(super) enum OneOrMany<'a, T> {
    One(Text<'a>),
    Many(Vec<T>),
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<'de, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(elements)).map(OneOrMany::Many)
    }
}

/// Reads one field of the request; `None` if it is absent or null.
pub(super) fn field<'a, T: Deserialize<'a>>(name: &'static str, raw: Option<&'a RawValue>) -> Result<Option<T>, Error> {
    let read = raw.map(|raw| serde_json::from_str(raw.get())).transpose();
    read.map_err(|error| wrong(name, &problem(&error)))
}

/// A field the client got wrong.
pub(super) fn wrong(field: &'static str, problem: &str) -> Error {
    Error::InvalidField { field, problem: problem.to_owned() }
}

/// What `serde` says is wrong, without the value it found: that is the client's own text, of any length.
fn problem(error: &serde_json::Error) -> String {
    let said = error.to_string();
    match said.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => said,
    }
}
