//! Reads the JSON of a request by tables that say what it must be.
//!
//! One function reads every object of this dialect; a function of its own for each would be many times the code. The
//! first thing wrong in the text is what is told, keys that come twice and missing ones included; unknown keys are
//! passed over. What is a client's own text is never part of what is told: it may be of any length.

use std::borrow::Cow;

use super::value::{Object, Value};
use crate::error::Error;
use crate::translate::form::Text;
use crate::wire::json::{self, JsonError, Kind, Reader, Span};

/// What a value must be.
pub(super) enum Shape {
    Text,
    Flag,
    Whole,
    Number,
    /// Anything, left as it stands.
    Raw,
    List(&'static Shape),
    /// `input`, `content`, `output`.
    TextOrList(&'static Shape),
    Object(&'static Record),
}

impl Shape {
    /// As told to clients.
    fn name(&self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Flag => "a boolean",
            Self::Whole => "u64",
            Self::Number => "f64",
            Self::Raw => "a value",
            Self::List(_) => "a sequence",
            Self::TextOrList(_) => "a string or an array",
            Self::Object(record) => record.name,
        }
    }
}

/// What an object must have.
pub(super) struct Record {
    /// As told to clients.
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
}

/// A field of an object.
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    need: Need,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It may be missing, and null counts as missing.
    Maybe,
    /// It may be missing, but is not null.
    NotNull,
    Must,
}

/// A field that may be missing or null.
pub(super) const fn maybe(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, need: Need::Maybe }
}

/// A field that may be missing, but is not null.
pub(super) const fn not_null(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, need: Need::NotNull }
}

/// A field that is there.
pub(super) const fn must(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, need: Need::Must }
}

/// A text that may be missing or null.
pub(super) const fn text(name: &'static str) -> Field {
    maybe(name, Shape::Text)
}

/// Anything that may be missing or null.
pub(super) const fn raw(name: &'static str) -> Field {
    maybe(name, Shape::Raw)
}

/// Why a value cannot be read.
#[derive(Debug)]
pub(super) enum Problem {
    /// It is not JSON.
    Json(JsonError),
    /// It is not what it must be: what is wrong, and at which byte of the text.
    Wrong(String, usize),
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl Problem {
    /// As told to the client, with its place in the text that was read.
    pub(super) fn told(self, json: &[u8]) -> String {
        match self {
            Self::Json(error) => error.to_string(),
            Self::Wrong(what, at) => {
                let mut lines = json.get(..at).unwrap_or_default().rsplit(|byte| *byte == b'\n');
                let column = lines.next().map_or(0, <[u8]>::len);
                let line = 1 + lines.count();
                format!("{what} at line {line} column {column}")
            }
        }
    }
}

/// A field the client got wrong.
pub(super) fn wrong(field: &'static str, problem: &str) -> Error {
    Error::InvalidField { field, problem: problem.to_owned() }
}

/// Reads one field of the request.
pub(super) fn field<'a>(name: &'static str, json: Option<&'a str>, shape: &Shape) -> Result<Value<'a>, Error> {
    let Some(json) = json else { return Ok(Value::Null) };
    parse(json.as_bytes(), shape).map_err(|problem| wrong(name, &problem.told(json.as_bytes())))
}

/// Reads a whole JSON text.
pub(super) fn parse<'a>(json: &'a [u8], shape: &Shape) -> Result<Value<'a>, Problem> {
    let mut reader = Reader::new(json);
    let value = value(json, &mut reader, shape)?;
    reader.end()?;
    Ok(value)
}

/// Reads a whole JSON text that is an object, and gathers the keys that are not in the table, unless their value is null.
pub(super) fn members<'a>(json: &'a [u8], record: &Record, unknown: &mut Vec<Text<'a>>) -> Result<Object<'a>, Problem> {
    let mut reader = Reader::new(json);
    let object = object(json, &mut reader, record, Some(unknown))?;
    reader.end()?;
    Ok(object)
}

fn value<'a>(json: &'a [u8], reader: &mut Reader<'a>, shape: &Shape) -> Result<Value<'a>, Problem> {
    match (shape, reader.peek()?) {
        (Shape::Text | Shape::TextOrList(_), Kind::String) => Ok(Value::Text(decoded(json, &reader.string()?)?)),
        (Shape::Flag, Kind::True | Kind::False) => Ok(reader.boolean()?.map_or(Value::Null, Value::Flag)),
        (Shape::Whole, Kind::Number) => {
            let span = reader.skip()?;
            let number = scalar(json, &span)?.as_u64().map(Value::Whole);
            number.ok_or_else(|| other(json, span, shape, Kind::Number))
        }
        (Shape::Number, Kind::Number) => {
            let span = reader.skip()?;
            let number = scalar(json, &span)?.as_f64().map(Value::Number);
            number.ok_or_else(|| other(json, span, shape, Kind::Number))
        }
        (Shape::Raw, _) => {
            let span = reader.skip()?;
            Ok(Value::Raw(json.get(span).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()))
        }
        (Shape::List(shape) | Shape::TextOrList(shape), Kind::Array) => list(json, reader, shape),
        (Shape::Object(record), Kind::Object) => object(json, reader, record, None).map(Value::Object),
        (shape, kind) => Err(other(json, reader.skip()?, shape, kind)),
    }
}

/// The characters meant. Half a surrogate pair, which only such an escape can be, is refused.
fn decoded<'a>(json: &[u8], text: &json::Text<'a>) -> Result<Text<'a>, Problem> {
    if text.escaped
        && memchr::memmem::find(text.raw, b"\\u").is_some()
        && let serde_json::Value::String(text) = scalar(json, &text.span)?
    {
        return Ok(Cow::Owned(text));
    }
    Ok(text.decode())
}

/// A number or a text, if `serde_json` can hold it: half a surrogate pair or a number out of range it cannot.
fn scalar(json: &[u8], span: &Span) -> Result<serde_json::Value, Problem> {
    serde_json::from_slice(json.get(span.clone()).unwrap_or_default()).map_err(|error| {
        let said = error.to_string();
        let what = said.split_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        Problem::Wrong(what.to_owned(), span.start + error.column())
    })
}

fn list<'a>(json: &'a [u8], reader: &mut Reader<'a>, shape: &Shape) -> Result<Value<'a>, Problem> {
    let mut values = Vec::new();
    reader.array(|reader, _| {
        values.push(value(json, reader, shape)?);
        Ok::<_, Problem>(())
    })?;
    Ok(Value::List(values))
}

fn object<'a>(
    json: &'a [u8],
    reader: &mut Reader<'a>,
    record: &Record,
    mut unknown: Option<&mut Vec<Text<'a>>>,
) -> Result<Object<'a>, Problem> {
    let mut found: Vec<(&'static str, Value<'a>)> = Vec::new();
    let span = reader.object(|reader, member| {
        let key = decoded(json, &member.key)?;
        let Some(field) = record.fields.iter().find(|field| field.name == key) else {
            if let Some(unknown) = &mut unknown
                && reader.peek()? != Kind::Null
            {
                unknown.push(key);
            }
            return Ok(());
        };
        if found.iter().any(|(name, _)| *name == field.name) {
            let what = format!("duplicate field `{key}`");
            return Err(Problem::Wrong(what, past_space(json, member.key.span.end)));
        }
        let null = field.need == Need::Maybe && reader.peek()? == Kind::Null;
        let value = if null { Value::Null } else { value(json, reader, &field.shape)? };
        found.push((field.name, value));
        Ok(())
    })?;
    let is_missing = |field: &&Field| field.need == Need::Must && !found.iter().any(|(name, _)| *name == field.name);
    match record.fields.iter().find(is_missing) {
        Some(field) => Err(Problem::Wrong(format!("missing field `{}`", field.name), span.end)),
        None => Ok(Object(found)),
    }
}

/// What is wrong with a value of another shape. Its place is where reading it ended: a scalar is read whole, an object
/// or array mostly not at all.
fn other(json: &[u8], span: Span, shape: &Shape, kind: Kind) -> Problem {
    if matches!(kind, Kind::String | Kind::Number)
        && let Err(problem) = scalar(json, &span)
    {
        return problem;
    }
    let (mut at, mut what) = (span.end, format!("expected {}", shape.name()));
    match (shape, kind) {
        (Shape::TextOrList(_), Kind::Object) => {
            // Read up to its first key, or to its end if it has none.
            at = past_space(json, span.start + 1);
            at += usize::from(at + 1 == span.end);
        }
        (Shape::Object(record), Kind::Array) => {
            let s = if record.fields.len() == 1 { "" } else { "s" };
            what += &format!(" with {} element{s}", record.fields.len());
        }
        (_, Kind::Object | Kind::Array) => at = span.start,
        _ => {}
    }
    Problem::Wrong(what, at)
}

/// Where the white space at `at` ends.
fn past_space(json: &[u8], at: usize) -> usize {
    json.len() - json.get(at..).unwrap_or_default().trim_ascii_start().len()
}
