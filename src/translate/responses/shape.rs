//! Reads the JSON of a request by tables that say what it must be.
//!
//! One function reads every object of this dialect; a function of its own for each would be many
//! times the code. The first thing wrong in the text is what is told, keys that come twice and
//! missing ones included; unknown keys are passed over.

use super::value::{Object, Value};
use crate::error::Error;
use crate::translate::form::Text;
use crate::translate::problem::{Problem, Read};
use crate::wire::json::{Kind, Reader};

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
    Object(&'static [Field]),
}

impl Shape {
    /// What is wrong with any other value.
    fn otherwise(&self) -> &'static str {
        match self {
            Self::Text => "must be a string",
            Self::Flag => "must be true or false",
            Self::Whole => "must be a whole number",
            Self::Number => "must be a number",
            Self::Raw => "must be JSON",
            Self::List(_) => "must be an array",
            Self::TextOrList(_) => "must be a string or an array",
            Self::Object(_) => "must be an object",
        }
    }
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

/// A field the client got wrong.
pub(super) fn wrong(field: &'static str, problem: &str) -> Error {
    Error::InvalidField { field, problem: problem.to_owned() }
}

/// Reads one field of the request.
pub(super) fn field<'a>(
    name: &'static str,
    json: Option<&'a str>,
    shape: &Shape,
) -> Result<Value<'a>, Error> {
    match json {
        Some(json) => parse(json.as_bytes(), shape).map_err(|problem| problem.of_field(name)),
        None => Ok(Value::Null),
    }
}

/// Reads a whole JSON text.
pub(super) fn parse<'a>(json: &'a [u8], shape: &Shape) -> Read<Value<'a>> {
    let mut reader = Reader::new(json);
    let value = value(json, &mut reader, shape)?;
    reader.end()?;
    Ok(value)
}

/// Reads the fields of a request, which may be anything, and gathers the keys of those that it
/// should not have, unless their value is null.
pub(super) fn members<'a>(
    json: &'a [u8],
    fields: &[Field],
    unknown: &mut Vec<Text<'a>>,
) -> Result<Object<'a>, Error> {
    object(json, &mut Reader::new(json), fields, Some(unknown)).map_err(|problem| match problem {
        Problem::Json(error) => error.into(),
        Problem::Wrong { path, .. } => Error::DuplicateKey(path.trim_start_matches('.').to_owned()),
    })
}

fn value<'a>(json: &'a [u8], reader: &mut Reader<'a>, shape: &Shape) -> Read<Value<'a>> {
    let value = match (shape, reader.peek()?) {
        (Shape::Text | Shape::TextOrList(_), Kind::String) => {
            Some(Value::Text(reader.string()?.decode()))
        }
        (Shape::Flag, _) => reader.boolean()?.map(Value::Flag),
        (Shape::Whole, _) => reader.u64()?.map(Value::Whole),
        (Shape::Number, Kind::Number) => {
            let number = standing(json, reader)?.parse().ok();
            number.filter(|number: &f64| number.is_finite()).map(Value::Number)
        }
        (Shape::Raw, _) => Some(Value::Raw(standing(json, reader)?)),
        (Shape::List(shape) | Shape::TextOrList(shape), Kind::Array) => {
            Some(list(json, reader, shape)?)
        }
        (Shape::Object(fields), Kind::Object) => {
            Some(Value::Object(object(json, reader, fields, None)?))
        }
        _ => None,
    };
    value.ok_or_else(|| Problem::wrong(shape.otherwise()))
}

/// The value that comes next, as it stands there.
fn standing<'a>(json: &'a [u8], reader: &mut Reader<'a>) -> Read<&'a str> {
    let span = reader.skip()?;
    Ok(json.get(span).and_then(|value| str::from_utf8(value).ok()).unwrap_or_default())
}

fn list<'a>(json: &'a [u8], reader: &mut Reader<'a>, shape: &Shape) -> Read<Value<'a>> {
    let mut values = Vec::new();
    reader.array(|reader, index| {
        values.push(value(json, reader, shape).map_err(|problem| problem.in_element(index))?);
        Ok::<_, Problem>(())
    })?;
    Ok(Value::List(values))
}

fn object<'a>(
    json: &'a [u8],
    reader: &mut Reader<'a>,
    fields: &[Field],
    mut unknown: Option<&mut Vec<Text<'a>>>,
) -> Read<Object<'a>> {
    let mut found: Vec<(&'static str, Value<'a>)> = Vec::new();
    reader.object(|reader, member| {
        let key = member.key.decode();
        let Some(field) = fields.iter().find(|field| field.name == key) else {
            if let Some(unknown) = &mut unknown
                && reader.peek()? != Kind::Null
            {
                unknown.push(key);
            }
            return Ok(());
        };
        if found.iter().any(|(name, _)| *name == field.name) {
            return Err(Problem::wrong("is there twice").in_member(field.name));
        }
        let null = field.need == Need::Maybe && reader.peek()? == Kind::Null;
        let value = if null { Ok(Value::Null) } else { value(json, reader, &field.shape) };
        found.push((field.name, value.map_err(|problem| problem.in_member(field.name))?));
        Ok(())
    })?;
    let mut needed = fields.iter().filter(|field| field.need == Need::Must);
    match needed.find(|field| found.iter().all(|(name, _)| *name != field.name)) {
        Some(field) => Err(Problem::wrong("is missing").in_member(field.name)),
        None => Ok(Object(found)),
    }
}
