//! Reads one JSON value of a client's request as the type it must have, or tells where it has
//! another one.
//!
//! `null` counts as absent everywhere, as it does at OpenAI.

use serde_json::value::RawValue;

use crate::translate::form::Text;
use crate::translate::problem::{Problem, Read};
use crate::wire::json::{Kind, Reader};

/// Consumes a `null`, if there is one.
pub(super) fn null(reader: &mut Reader<'_>) -> Read<bool> {
    let null = reader.peek()? == Kind::Null;
    if null {
        reader.skip()?;
    }
    Ok(null)
}

/// A string.
pub(super) fn text<'a>(reader: &mut Reader<'a>) -> Read<Option<Text<'a>>> {
    match reader.peek()? {
        Kind::String => Ok(Some(reader.string()?.decode())),
        _ if null(reader)? => Ok(None),
        _ => Err(Problem::wrong("must be a string")),
    }
}

/// The text that a member must be.
pub(super) fn needed<'a>(text: Option<Text<'a>>, member: &str) -> Read<Text<'a>> {
    text.ok_or_else(|| Problem::wrong("must be a string").in_member(member))
}

/// `true` or `false`.
pub(super) fn boolean(reader: &mut Reader<'_>) -> Read<Option<bool>> {
    if null(reader)? {
        return Ok(None);
    }
    reader.boolean()?.map(Some).ok_or_else(|| Problem::wrong("must be true or false"))
}

/// A whole number that is not negative.
pub(super) fn whole(reader: &mut Reader<'_>) -> Read<Option<u64>> {
    if null(reader)? {
        return Ok(None);
    }
    reader.u64()?.map(Some).ok_or_else(|| Problem::wrong("must be a whole number"))
}

/// Any number.
pub(super) fn number(reader: &mut Reader<'_>, body: &[u8]) -> Read<Option<f64>> {
    let number = parsed::<f64>(reader, body, "must be a number")?;
    Ok(number.filter(|number| number.is_finite()))
}

/// A whole number.
pub(super) fn integer(reader: &mut Reader<'_>, body: &[u8]) -> Read<Option<i64>> {
    parsed(reader, body, "must be a whole number")
}

fn parsed<T: std::str::FromStr>(
    reader: &mut Reader<'_>,
    body: &[u8],
    otherwise: &'static str,
) -> Read<Option<T>> {
    if null(reader)? {
        return Ok(None);
    }
    let is_number = reader.peek()? == Kind::Number;
    let span = reader.skip()?;
    let parsed = body.get(span).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    parsed.filter(|_| is_number).map(Some).ok_or_else(|| Problem::wrong(otherwise))
}

/// A JSON Schema: an object or a boolean, left as it stands.
pub(super) fn schema<'a>(reader: &mut Reader<'a>, body: &'a [u8]) -> Read<Option<&'a RawValue>> {
    match reader.peek()? {
        Kind::Object | Kind::True | Kind::False => {
            let span = reader.skip()?;
            Ok(body.get(span).and_then(|json| serde_json::from_slice(json).ok()))
        }
        _ if null(reader)? => Ok(None),
        _ => Err(Problem::wrong("must be a JSON Schema")),
    }
}

/// An object, member by member; `false` if it is `null`.
pub(super) fn object<'a>(
    reader: &mut Reader<'a>,
    mut member: impl FnMut(&mut Reader<'a>, &str) -> Read<()>,
) -> Read<bool> {
    members(reader, &mut member)
}

/// [`object`] for any caller: one copy of it. So are the others below.
fn members<'a>(
    reader: &mut Reader<'a>,
    member: &mut dyn FnMut(&mut Reader<'a>, &str) -> Read<()>,
) -> Read<bool> {
    match reader.peek()? {
        Kind::Object => {}
        _ if null(reader)? => return Ok(false),
        _ => return Err(Problem::wrong("must be an object")),
    }
    reader.object(|reader, found| {
        let key = found.key.decode();
        member(reader, &key).map_err(|problem| problem.in_member(&key))
    })?;
    Ok(true)
}

/// An array, element by element; `false` if it is `null`.
pub(super) fn array<'a>(
    reader: &mut Reader<'a>,
    mut element: impl FnMut(&mut Reader<'a>, usize) -> Read<()>,
) -> Read<bool> {
    elements(reader, &mut element)
}

fn elements<'a>(
    reader: &mut Reader<'a>,
    element: &mut dyn FnMut(&mut Reader<'a>, usize) -> Read<()>,
) -> Read<bool> {
    match reader.peek()? {
        Kind::Array => {}
        _ if null(reader)? => return Ok(false),
        _ => return Err(Problem::wrong("must be an array")),
    }
    reader.array(|reader, index| {
        element(reader, index).map_err(|problem| problem.in_element(index))
    })?;
    Ok(true)
}
