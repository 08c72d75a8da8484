//! Errors in Anthropic's form: `{"type":"error","error":{"type":…,"message":…}}`, as a body or as
//! an event.

use serde::Serialize;

use super::Error;

/// How the message must begin for Anthropic's clients to shorten a conversation and try again.
const CLIENTS_TOO_LONG: &str = "prompt is too long";

/// The body of an answer that is an error, for an Anthropic client.
pub(crate) fn error_body(error: &Error) -> Vec<u8> {
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

/// Whether a message begins with a text, in whatever case.
pub(crate) fn begins(message: &str, start: &str) -> bool {
    message.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
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
    /// Always null: strict clients of OpenRouter's want the member, and the gateway's own id stands
    /// in `x-generation-id`.
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Fields<'a> {
    r#type: &'static str,
    message: &'a str,
    error_type: &'static str,
}
