//! Reading JSON whose values may be of any type: a wrong one is as good as none, and is left to be
//! skipped.

use crate::translate::form::Text;
use crate::wire::json::{JsonError, Kind, Member, Reader, Span};

/// Consumes an object, or leaves what is none.
///
/// One function for all closures: with one for each, the module would be tens of kilobytes larger.
pub(super) fn object<'a>(
    reader: &mut Reader<'a>,
    read: &mut dyn FnMut(&mut Reader<'a>, Member<'a>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    if reader.peek()? == Kind::Object {
        reader.object(read)?;
    }
    Ok(())
}

/// Consumes an array, calling `read` before each element, or leaves what is none.
pub(super) fn each<'a>(
    reader: &mut Reader<'a>,
    read: &mut dyn FnMut(&mut Reader<'a>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    if reader.peek()? == Kind::Array {
        reader.array(|reader, _| read(reader))?;
    }
    Ok(())
}

/// The member `key` of an object, read by `read`.
pub(super) fn nested<'a, T>(
    reader: &mut Reader<'a>,
    key: &str,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<Option<T>, JsonError>,
) -> Result<Option<T>, JsonError> {
    let mut found = None;
    object(reader, &mut |reader, member| {
        if member.key.is(key) {
            found = read(reader)?;
        }
        Ok(())
    })?;
    Ok(found)
}

/// The member `key` of the text's top-level object.
pub(super) fn member<'a, T>(
    json: &'a [u8],
    key: &str,
    read: impl FnMut(&mut Reader<'a>) -> Result<Option<T>, JsonError>,
) -> Result<Option<T>, JsonError> {
    nested(&mut Reader::new(json), key, read)
}

/// A string.
pub(super) fn string<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, JsonError> {
    Ok(if reader.peek()? == Kind::String { Some(reader.string()?.decode()) } else { None })
}

/// Where an array stands.
pub(super) fn list(reader: &mut Reader<'_>) -> Result<Option<Span>, JsonError> {
    Ok(if reader.peek()? == Kind::Array { Some(reader.skip()?) } else { None })
}
