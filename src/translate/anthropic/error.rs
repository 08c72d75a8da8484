//! Errors in Anthropic's form: `{"type":"error","error":{"type":…,"message":…}}`, as a body or as
//! an event.

use serde::Serialize;

use crate::error::Error;
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

/// What Anthropic's clients look for to shorten a conversation.
const CLIENTS_TOO_LONG: &str = "prompt is too long";

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

fn begins(message: &str, start: &str) -> bool {
    message.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// The body of an answer that is an error, for an Anthropic client.
pub fn error_body(error: &Error) -> Vec<u8> {
    let mut message = error.to_string();
    if error.error_type() == "context_length_exceeded" && !begins(&message, CLIENTS_TOO_LONG) {
        message = format!("{CLIENTS_TOO_LONG}: {message}");
    }
    let fields = Fields {
        r#type: type_of(error.status()),
        message: &message,
        error_type: error.error_type(),
    };
    let body = Body { r#type: "error", error: fields, request_id: None };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn type_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    error: Fields<'a>,
    /// Strict clients of OpenRouter's want it; what the gateway has to say stands in
    /// `x-generation-id`.
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Fields<'a> {
    r#type: &'static str,
    message: &'a str,
    error_type: &'static str,
}
