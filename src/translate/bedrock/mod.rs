//! Amazon Bedrock's `Converse` and `ConverseStream`, API version 2023-09-30 (botocore's model of
//! 2026-11).
//!
//! An event handed to the reader is one message of the binary event stream
//! ([`crate::wire::event_stream`]), checked before. What models differ in is told by their name
//! (`write_request/model`): the API itself takes the same request for all and refuses what the
//! model behind it does not know.

mod path;
mod read_answer;
mod read_error;
mod write_request;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::loss::{CHAT_ONLY, Loss, Losses, Lost};
use super::{AnswerReader, Conversation, Format};
use crate::wire::openai::ErrorFields;

/// The format of `bedrock-runtime`.
#[derive(Clone, Copy, Debug)]
pub struct Bedrock;

/// Fields that are lost always, or for some models or values only; the latter are told by each
/// request.
const LOSSES: Losses = Losses(&[
    CHAT_ONLY,
    &[
        ("modalities", Loss::Refused),
        ("image_config", Loss::Refused),
        ("seed", Loss::Ignored),
        ("parallel_tool_calls", Loss::Ignored),
        ("messages.image_url.detail", Loss::Ignored),
        // Models take it or refuse the whole request, by no rule that a name would tell.
        ("tools.strict", Loss::Ignored),
        // Depends on the value.
        ("response_format.json_object", Loss::Refused),
        ("response_format", Loss::Approximated),
        ("messages.url", Loss::Refused),
        ("messages.file_id", Loss::Refused),
        ("messages.media", Loss::Refused),
        ("messages.role", Loss::Approximated),
        ("messages.tool_calls.arguments", Loss::Approximated),
        ("messages.reasoning_details", Loss::Ignored),
        ("messages.is_error", Loss::Ignored),
        ("tool_choice", Loss::Approximated),
        ("temperature", Loss::Approximated),
        ("stop", Loss::Ignored),
        ("user", Loss::Ignored),
        // Depends on the model.
        ("reasoning", Loss::Ignored),
        ("reasoning.max_tokens", Loss::Approximated),
        ("top_p", Loss::Ignored),
        ("top_k", Loss::Ignored),
        ("messages.cache_control", Loss::Ignored),
        ("messages.cache_control.ttl", Loss::Approximated),
        ("tools.cache_control", Loss::Ignored),
    ],
]);

impl Format for Bedrock {
    fn path(&self, model: &str, stream: bool) -> Cow<'static, str> {
        Cow::Owned(path::of(model, stream))
    }

    fn losses(&self) -> Losses {
        LOSSES
    }

    fn request(&self, conversation: &Conversation<'_>, model: &str, dropped: &mut Lost) -> Vec<u8> {
        write_request::write(conversation, model, dropped)
    }

    fn reader(&self) -> Box<dyn AnswerReader> {
        Box::new(read_answer::Reading::default())
    }

    fn error(&self, body: &[u8]) -> Option<ErrorFields> {
        read_error::read(body)
    }
}
