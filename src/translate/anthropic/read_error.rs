//! Reads errors in Anthropic's form, a body or an event.

use crate::error::anthropic::begins;
use crate::wire::openai::ErrorFields;

/// Types of error and the status each stands for, which is all an event in a stream says of it.
const TYPES: [(&str, &str); 11] = [
    ("invalid_request_error", "400"),
    ("authentication_error", "401"),
    ("billing_error", "402"),
    ("permission_error", "403"),
    ("not_found_error", "404"),
    ("conflict_error", "409"),
    ("request_too_large", "413"),
    ("rate_limit_error", "429"),
    ("api_error", "500"),
    ("timeout_error", "504"),
    ("overloaded_error", "529"),
];

/// How a message begins that says the context window is too small. There is no type or code of its
/// own.
const TOO_LONG: [&str; 2] =
    ["prompt is too long", "input length and `max_tokens` exceed context limit"];

/// Reads an error body or event; `None` if it is none.
pub(super) fn read(json: &[u8]) -> Option<ErrorFields> {
    let mut error = ErrorFields::parse(json)?;
    let message = error.message.as_deref().unwrap_or_default();
    if TOO_LONG.into_iter().any(|start| begins(message, start)) {
        error.code = Some("context_length_exceeded".to_owned());
    } else if error.code.is_none() {
        let kind = error.kind.as_deref();
        error.code = TYPES
            .iter()
            .find(|(name, _)| Some(*name) == kind)
            .map(|(_, status)| (*status).to_owned());
    }
    Some(error)
}
