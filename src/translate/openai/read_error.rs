//! Errors of OpenAI-compatible upstreams, in a body or an event.
//!
//! Besides OpenAI's `{"error": {…}}` (2026-11): the bare object with `"object": "error"` of vLLM
//! and Mistral.

use crate::translate::tolerant::{member, text};
use crate::wire::json::Reader;
use crate::wire::openai::ErrorFields;

/// What an error says; `None` if the text is none.
pub(super) fn read(json: &[u8]) -> Option<ErrorFields> {
    ErrorFields::parse(json).or_else(|| if is_bare(json) { bare(json) } else { None })
}

/// What an object says that is itself the error.
pub(super) fn bare(json: &[u8]) -> Option<ErrorFields> {
    ErrorFields::parse(&[b"{\"error\":", json, b"}"].concat())
}

fn is_bare(json: &[u8]) -> bool {
    let object = member(&mut Reader::new(json), "object", text);
    object.is_ok_and(|object| object.is_some_and(|object| object == "error"))
}
