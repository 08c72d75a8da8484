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

use super::{AnswerReader, Conversation, Format, Loss};
use crate::wire::openai::ErrorFields;
use crate::wire::percent::Escaped;

/// OpenRouter's name for thinking and signatures that only Gemini can read.
const THINKING_FORMAT: &str = "google-gemini-v1";

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

const LOSSES: &[(&str, Loss)] = &[
    ("audio", Loss::Refused),
    // Depends on the model.
    ("frequency_penalty", Loss::Ignored),
    ("image_config", Loss::Ignored),
    ("logit_bias", Loss::Ignored),
    ("logprobs", Loss::Ignored),
    ("max_tool_calls", Loss::Ignored),
    ("messages.cache_control", Loss::Ignored),
    ("messages.content", Loss::Ignored),
    ("messages.file.filename", Loss::Ignored),
    ("messages.file_id", Loss::Refused),
    ("messages.image_url.detail", Loss::Ignored),
    ("messages.reasoning_details", Loss::Ignored),
    ("messages.tool_call_id", Loss::Approximated),
    ("messages.tool_calls.arguments", Loss::Approximated),
    ("metadata", Loss::Ignored),
    ("min_p", Loss::Ignored),
    // Models that draw do so unasked.
    ("modalities", Loss::Ignored),
    ("n", Loss::Refused),
    ("parallel_tool_calls", Loss::Ignored),
    ("prediction", Loss::Ignored),
    ("presence_penalty", Loss::Ignored),
    ("prompt_cache_key", Loss::Ignored),
    ("prompt_cache_options", Loss::Ignored),
    ("prompt_cache_retention", Loss::Ignored),
    ("reasoning", Loss::Approximated),
    ("repetition_penalty", Loss::Ignored),
    ("response_format", Loss::Ignored),
    ("response_format.json_schema.description", Loss::Ignored),
    ("response_format.json_schema.name", Loss::Ignored),
    ("seed", Loss::Approximated),
    ("service_tier", Loss::Ignored),
    ("stop", Loss::Approximated),
    ("store", Loss::Ignored),
    ("tools.cache_control", Loss::Ignored),
    ("tools.strict", Loss::Ignored),
    ("top_a", Loss::Ignored),
    ("top_logprobs", Loss::Ignored),
    ("user", Loss::Ignored),
    ("verbosity", Loss::Ignored),
    ("web_search_options", Loss::Refused),
];

impl Format for Gemini {
    /// The base path before it is `/v1beta`, or on Vertex
    /// `/v1/projects/{project}/locations/{location}/publishers/google`.
    fn path(&self, model: &str, stream: bool) -> Cow<'static, str> {
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        Cow::Owned(format!("/models/{}:{method}", Escaped(model)))
    }

    fn losses(&self) -> &'static [(&'static str, Loss)] {
        LOSSES
    }

    fn request(
        &self,
        conversation: &Conversation<'_>,
        model: &str,
        dropped: &mut Vec<&'static str>,
    ) -> Vec<u8> {
        write_request::write(conversation, model, &mut Dropped(dropped))
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

/// Names of what got lost, each once.
struct Dropped<'a>(&'a mut Vec<&'static str>);

impl Dropped<'_> {
    fn add(&mut self, name: &'static str) {
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    fn add_if(&mut self, lost: bool, name: &'static str) {
        if lost {
            self.add(name);
        }
    }
}
