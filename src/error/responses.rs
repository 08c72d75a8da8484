//! Errors in the form of OpenAI's Responses.

use serde::Serialize;

use super::{Error, OpenAiError};

/// The body of a whole answer that is an error.
pub(crate) fn error_body(error: &Error) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        error: OpenAiError<'a>,
    }
    let message = error.to_string();
    serde_json::to_vec(&Body { error: error_object(error, &message) }).unwrap_or_default()
}

/// OpenAI's `error` object, its `code` never null: OpenRouter's clients of this dialect read
/// nothing else.
pub(crate) fn error_object<'a>(error: &'a Error, message: &'a str) -> OpenAiError<'a> {
    let mut object = error.openai(message);
    object.code.get_or_insert(code(error));
    object
}

/// The code of a failed response, from the words this dialect has for it. Codex tells by it whether
/// to try again.
pub(crate) fn code(error: &Error) -> &'static str {
    if error.error_type() == "context_length_exceeded" {
        return "context_length_exceeded";
    }
    match error.status() {
        402 => "insufficient_quota",
        429 => "rate_limit_exceeded",
        400..=499 => "invalid_prompt",
        _ => "server_error",
    }
}
