//! Reads the values of a body as what their fields expect. A value of another kind is the client's
//! mistake.

use crate::error::Error;
use crate::wire::json::{Kind, Reader};

/// The error of a client that gave a field, named by its path, a value that it must not have.
pub(super) fn wrong(field: &'static str, problem: &str) -> Error {
    Error::InvalidField { field, problem: problem.to_owned() }
}

/// Reads a text.
pub(super) fn text(reader: &mut Reader<'_>, field: &'static str) -> Result<String, Error> {
    if reader.peek()? != Kind::String {
        return Err(wrong(field, "must be a string"));
    }
    Ok(reader.string()?.decode().into_owned())
}

/// Most items of a list; each takes more memory than its bytes in the body.
const MOST_TEXTS: usize = 1024;

/// Reads a list of texts.
pub(super) fn texts(reader: &mut Reader<'_>, field: &'static str) -> Result<Vec<String>, Error> {
    const EXPECTED: &str = "must be an array of strings";
    if reader.peek()? != Kind::Array {
        return Err(wrong(field, EXPECTED));
    }
    let mut texts = Vec::new();
    reader.array(|reader, _| {
        if reader.peek()? != Kind::String {
            return Err(wrong(field, EXPECTED));
        }
        if texts.len() == MOST_TEXTS {
            return Err(wrong(field, &format!("must have {MOST_TEXTS} items or fewer")));
        }
        texts.push(reader.string()?.decode().into_owned());
        Ok(())
    })?;
    Ok(texts)
}

/// Reads true or false.
pub(super) fn boolean(reader: &mut Reader<'_>, field: &'static str) -> Result<bool, Error> {
    reader.boolean()?.ok_or_else(|| wrong(field, "must be true or false"))
}

/// Reads an object. `read` consumes the value of each key, or leaves it.
// Not generic, so that the module holds it once.
pub(super) fn members(
    reader: &mut Reader<'_>,
    read: &mut dyn FnMut(&mut Reader<'_>, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    reader.object(|reader, member| read(reader, &member.key.decode()))?;
    Ok(())
}
