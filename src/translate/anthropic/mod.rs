//! Anthropic's Messages API: an upstream's wire format and a client's dialect.
//!
//! Follows `anthropic-version: 2023-06-01` as documented on platform.claude.com and typed in the
//! Python SDK 2.11 (2026-11). No `anthropic-beta` is needed: structured outputs, one-hour caches,
//! files and effort left beta.

mod call;
mod proof;
mod read_answer;
mod read_error;
mod read_request;
mod tally;
mod write_answer;
mod write_request;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::form::Conversation;
use super::loss::{CHAT_ONLY, Loss, Losses, Lost};
use super::{About, AnswerReader, AnswerWriter, Dialect, Format};
use crate::error::Error;
use crate::wire::openai::ErrorFields;

pub use proof::has_foreign_parts;
pub(super) use proof::unstamp;

/// OpenRouter's name for the form of Claude's thinking.
pub(super) const THINKING_FORMAT: &str = "anthropic-claude-v1";

/// The Messages API.
#[derive(Clone, Copy, Debug)]
pub struct Anthropic;

/// What the API cannot express.
const LOSSES: Losses = Losses(&[
    CHAT_ONLY,
    &[
        ("modalities", Loss::Refused),
        ("image_config", Loss::Refused),
        // Of a type that no document has.
        ("messages.file", Loss::Refused),
        ("messages.input_audio", Loss::Refused),
        ("messages.video_url", Loss::Refused),
        ("seed", Loss::Ignored),
        ("top_k", Loss::Ignored),
        ("temperature", Loss::Approximated),
        ("top_p", Loss::Approximated),
        ("stop", Loss::Approximated),
        ("reasoning", Loss::Approximated),
        ("tool_choice", Loss::Approximated),
        ("response_format", Loss::Approximated),
        ("tools.strict", Loss::Approximated),
    ],
]);

impl Format for Anthropic {
    fn path(&self, _: &str, _: bool) -> Cow<'static, str> {
        Cow::Borrowed("/messages")
    }

    fn losses(&self) -> Losses {
        LOSSES
    }

    fn request(&self, conversation: &Conversation<'_>, model: &str, dropped: &mut Lost) -> Vec<u8> {
        write_request::write(conversation, model, dropped)
    }

    fn thinking_format(&self) -> Option<&'static str> {
        Some(THINKING_FORMAT)
    }

    fn reader(&self) -> Box<dyn AnswerReader> {
        Box::<read_answer::Reading>::default()
    }

    fn error(&self, body: &[u8]) -> Option<ErrorFields> {
        read_error::read(body)
    }
}

impl Dialect for Anthropic {
    fn read<'a>(&self, body: &'a [u8]) -> Result<Conversation<'a>, Error> {
        read_request::read(body)
    }

    fn writer(&self, about: About) -> Box<dyn AnswerWriter> {
        Box::new(write_answer::Writer::new(about))
    }
}

/// The answer to `messages/count_tokens`.
pub fn count_tokens_body(tokens: u64) -> Vec<u8> {
    format!("{{\"input_tokens\":{tokens}}}").into_bytes()
}
