//! Google's Gemini API: `generateContent` and `streamGenerateContent?alt=sse`.
//!
//! Source: Gemini API reference, v1beta of generativelanguage (2026-09), and Vertex AI v1
//! `publishers/google/models`, whose bodies are the same: where the two differ, what both take is
//! written. What a model can do beyond that depends on its generation, which is read from its name
//! (`write_request/model`).

mod read_answer;
mod read_error;
mod write_request;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::loss::{CHAT_ONLY, Loss, Losses, Lost};
use super::{AnswerReader, Conversation, Format};
use crate::wire::openai::ErrorFields;
use crate::wire::percent::Escaped;

/// OpenRouter's name for thinking and signatures that only Gemini can read.
const THINKING_FORMAT: &str = "google-gemini-v1";

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

/// What the API cannot express.
const LOSSES: Losses = Losses(&[
    CHAT_ONLY,
    &[
        ("image_config", Loss::Ignored),
        ("messages.cache_control", Loss::Ignored),
        ("messages.content", Loss::Ignored),
        ("messages.file.filename", Loss::Ignored),
        ("messages.file_id", Loss::Refused),
        ("messages.image_url.detail", Loss::Ignored),
        ("messages.reasoning_details", Loss::Ignored),
        ("messages.tool_call_id", Loss::Approximated),
        ("messages.tool_calls.arguments", Loss::Approximated),
        // Models that draw do so unasked.
        ("modalities", Loss::Ignored),
        ("parallel_tool_calls", Loss::Ignored),
        ("reasoning", Loss::Approximated),
        ("response_format", Loss::Ignored),
        ("response_format.json_schema.description", Loss::Ignored),
        ("response_format.json_schema.name", Loss::Ignored),
        ("seed", Loss::Approximated),
        ("stop", Loss::Approximated),
        ("tools.cache_control", Loss::Ignored),
        ("tools.strict", Loss::Ignored),
        ("user", Loss::Ignored),
    ],
]);

impl Format for Gemini {
    /// The base path before it is `/v1beta`, or on Vertex
    /// `/v1/projects/{project}/locations/{location}/publishers/google`.
    fn path(&self, model: &str, stream: bool) -> Cow<'static, str> {
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        Cow::Owned(format!("/models/{}:{method}", Escaped(model)))
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
