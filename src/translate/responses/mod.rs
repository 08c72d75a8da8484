//! OpenAI's Responses API as a client dialect, without state: requests in, answers and event
//! streams out.
//!
//! Follows the `openai` SDK 3.51 (2026-11), OpenRouter's description of `/responses`, and what
//! Codex 0.169 sends. Nothing is kept between requests, so whatever refers to an earlier response
//! is refused. Tools of other kinds than functions are offered to the model as functions and their
//! calls told in their own form (see `tool`); what the model must give back unchanged in the next
//! turn (proofs of thinking) travels in `encrypted_content` (see `proof`).

mod call;
mod content;
mod event;
mod input;
mod item;
mod output;
mod proof;
mod read;
mod response;
mod shape;
mod tool;
mod value;
mod writer;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::{About, AnswerWriter, Conversation, Dialect};
use crate::error::{Error, OpenAiError};

pub use read::LOSSES;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

impl Dialect for Responses {
    fn read<'a>(&self, body: &'a [u8]) -> Result<Conversation<'a>, Error> {
        read::conversation(body)
    }

    fn writer(&self, about: About) -> Box<dyn AnswerWriter> {
        Box::new(writer::Writer::new(about))
    }
}

/// The body of a whole answer that is an error.
pub fn error_body(error: &Error) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        error: OpenAiError<'a>,
    }
    let message = error.to_string();
    serde_json::to_vec(&Body { error: error_object(error, &message) }).unwrap_or_default()
}

/// OpenAI's `error` object, its `code` never null: OpenRouter's clients of this dialect read
/// nothing else.
fn error_object<'a>(error: &'a Error, message: &'a str) -> OpenAiError<'a> {
    let mut object = error.openai(message);
    object.code.get_or_insert(code(error));
    object
}

/// The code of a failed response, from the words this dialect has for it. Codex tells by it whether
/// to try again.
fn code(error: &Error) -> &'static str {
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
