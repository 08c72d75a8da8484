//! Reads JSON whose values may be of any type: one of a wrong type is as good as none. For answers
//! of upstreams, and for what clients only give back.
//!
//! What is not read here is left where it stands; whoever reads the object or array around it
//! passes it over.

use serde_json::value::RawValue;

use super::form::Text;
use crate::wire::json::{JsonError, Kind, Reader};

/// What reading a value leads to.
type Read<T> = Result<T, JsonError>;

/// The members of an object, each with its key before its value.
pub(super) fn object<'a>(
    reader: &mut Reader<'a>,
    mut member: impl FnMut(&mut Reader<'a>, &str) -> Read<()>,
) -> Read<()> {
    members(reader, &mut member)
}

/// The same, once and not once for each caller: the module would be tens of kilobytes larger.
fn members<'a>(
    reader: &mut Reader<'a>,
    member: &mut dyn FnMut(&mut Reader<'a>, &str) -> Read<()>,
) -> Read<()> {
    if reader.peek()? == Kind::Object {
        reader.object(|reader, found| member(reader, &found.key.decode()))?;
    }
    Ok(())
}

/// The elements of an array.
pub(super) fn array<'a>(
    reader: &mut Reader<'a>,
    mut element: impl FnMut(&mut Reader<'a>) -> Read<()>,
) -> Read<()> {
    elements(reader, &mut element)
}

/// The same, once and not once for each caller.
fn elements<'a>(
    reader: &mut Reader<'a>,
    element: &mut dyn FnMut(&mut Reader<'a>) -> Read<()>,
) -> Read<()> {
    if reader.peek()? == Kind::Array {
        reader.array(|reader, _| element(reader))?;
    }
    Ok(())
}

/// What `read` finds in the member `key` of an object.
pub(super) fn member<'a, T>(
    reader: &mut Reader<'a>,
    key: &str,
    mut read: impl FnMut(&mut Reader<'a>) -> Read<Option<T>>,
) -> Read<Option<T>> {
    let mut value = None;
    object(reader, |reader, found| {
        if found == key {
            value = read(reader)?;
        }
        Ok(())
    })?;
    Ok(value)
}

/// A string.
#[inline]
pub(super) fn text<'a>(reader: &mut Reader<'a>) -> Read<Option<Text<'a>>> {
    match reader.peek()? {
        Kind::String => Ok(Some(reader.string()?.decode())),
        _ => Ok(None),
    }
}

/// A string that is not empty.
pub(super) fn non_empty_text<'a>(reader: &mut Reader<'a>) -> Read<Option<Text<'a>>> {
    Ok(text(reader)?.filter(|text| !text.is_empty()))
}

/// Any value as it stands in `json`, the text that `reader` reads.
pub(super) fn raw<'a>(json: &'a [u8], reader: &mut Reader<'a>) -> Read<&'a str> {
    let span = reader.skip()?;
    Ok(json.get(span).and_then(|value| str::from_utf8(value).ok()).unwrap_or_default())
}

/// An object as it stands in `json`.
pub(super) fn raw_object<'a>(json: &'a [u8], reader: &mut Reader<'a>) -> Read<Option<&'a str>> {
    match reader.peek()? {
        Kind::Object => raw(json, reader).map(Some),
        _ => Ok(None),
    }
}

/// A JSON Schema, or another object that is handed on as it stands in `json`.
pub(super) fn raw_value<'a>(json: &'a [u8], reader: &mut Reader<'a>) -> Read<Option<&'a RawValue>> {
    Ok(raw_object(json, reader)?.and_then(|object| serde_json::from_str(object).ok()))
}

/// A number.
pub(super) fn number<'a>(json: &'a [u8], reader: &mut Reader<'a>) -> Read<Option<f64>> {
    match reader.peek()? {
        Kind::Number => Ok(raw(json, reader)?.parse().ok()),
        _ => Ok(None),
    }
}
