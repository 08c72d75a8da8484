//! Values of a field, read tolerantly: one of a wrong type counts as absent.

use serde_json::value::RawValue;

use crate::translate::form::Text;
use crate::wire::json::{JsonError, Kind, Reader};

/// A string.
#[inline]
pub(super) fn text<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, JsonError> {
    match reader.peek()? {
        Kind::String => Ok(Some(reader.string()?.decode())),
        _ => Ok(None),
    }
}

/// Any number.
pub(super) fn number<'a>(
    json: &'a [u8],
    reader: &mut Reader<'a>,
) -> Result<Option<f64>, JsonError> {
    match reader.peek()? {
        Kind::Number => Ok(raw(json, reader)?.parse().ok()),
        _ => Ok(None),
    }
}

/// Any value as it stands in `json`, the text `reader` reads.
pub(super) fn raw<'a>(json: &'a [u8], reader: &mut Reader<'a>) -> Result<&'a str, JsonError> {
    let span = reader.skip()?;
    Ok(json.get(span).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default())
}

/// An object as it stands in `json`.
pub(super) fn object<'a>(
    json: &'a [u8],
    reader: &mut Reader<'a>,
) -> Result<Option<&'a RawValue>, JsonError> {
    match reader.peek()? {
        Kind::Object => Ok(serde_json::from_str(raw(json, reader)?).ok()),
        _ => Ok(None),
    }
}

/// Whether a value stands here that is not null.
pub(super) fn is_set(reader: &mut Reader<'_>) -> Result<bool, JsonError> {
    Ok(reader.peek()? != Kind::Null)
}
