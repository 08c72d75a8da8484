//! The request's `plugins`: OpenRouter's own services, none of which this gateway has.
//!
//! What would change the answer is refused; what only helps is left out, and the answer's headers say so.

use super::problem::{Problem, wrong};
use crate::wire::json::{Kind, Reader};

const FIELD: &str = "plugins";

/// Whether a request is as well served without it.
const PLUGINS: [(&str, bool); 11] = [
    ("web", false),
    ("web-fetch", false),
    ("file-parser", false),
    ("fusion", false),
    ("moderation", false),
    ("response-healing", true),
    ("context-compression", true),
    // These choose a model where the request names none.
    ("auto-router", true),
    ("auto-beta-router", true),
    ("pareto-router", true),
    ("body-builder", true),
];

/// Reads the list; whether there is something in it that is left out.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<bool, Problem> {
    const EXPECTED: &str = "must be an array of objects with an id";
    if reader.peek()? != Kind::Array {
        return Err(wrong(FIELD, EXPECTED));
    }
    let mut unapplied = false;
    reader.array(|reader, _| {
        if reader.peek()? != Kind::Object {
            return Err(wrong(FIELD, EXPECTED));
        }
        let (mut id, mut enabled) = (None, true);
        reader.object(|reader, member| {
            if member.key.is("id") && reader.peek()? == Kind::String {
                id = Some(reader.string()?.decode().into_owned());
            } else if member.key.is("enabled") {
                enabled = reader.boolean()? != Some(false);
            }
            Ok::<_, Problem>(())
        })?;
        let id = id.ok_or_else(|| wrong(FIELD, EXPECTED))?;
        let known = PLUGINS.iter().find(|(name, _)| *name == id);
        match known {
            _ if !enabled => {}
            Some((_, true)) => unapplied = true,
            Some((name, false)) => {
                return Err(wrong(FIELD, &format!("{name} is not supported by this gateway")));
            }
            None => return Err(wrong(FIELD, "has an unknown id")),
        }
        Ok(())
    })?;
    Ok(unapplied)
}
