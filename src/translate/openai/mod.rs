//! OpenAI's chat completions, as a client's dialect and as an upstream's format, with OpenRouter's
//! additions.
//!
//! Used where only one side speaks it; where both do, bytes pass and nothing comes here. Sources:
//! OpenAI's API reference and the types of openai-python (2026-11), OpenRouter's API description
//! (2026-08), DeepSeek's and Mistral's references.

mod media;
mod quirks;
mod read_answer;
mod read_error;
mod read_request;
mod reasoning;
mod write_answer;
mod write_request;

#[cfg(test)]
mod tests;

pub use quirks::{CallIds, OutputLimit, Quirks, ReasoningForm, ThinkingForm};
pub use write_request::effort;

use std::borrow::Cow;

use super::loss::{Losses, Lost};
use super::{About, AnswerReader, AnswerWriter, Conversation, Dialect, Format};
use crate::error::Error;
use crate::wire::openai::ErrorFields;

/// Clients that speak chat completions.
#[derive(Clone, Copy, Debug)]
pub struct Client;

impl Dialect for Client {
    fn read<'a>(&self, body: &'a [u8]) -> Result<Conversation<'a>, Error> {
        read_request::read(body)
    }

    fn writer(&self, about: About) -> Box<dyn AnswerWriter> {
        Box::new(write_answer::Writer::new(about))
    }
}

/// Upstreams that speak chat completions, each with its quirks.
#[derive(Clone, Copy, Debug)]
pub struct Upstream {
    /// Where it departs from the others.
    pub quirks: Quirks,
}

impl Format for Upstream {
    fn path(&self, _: &str, _: bool) -> Cow<'static, str> {
        Cow::Borrowed("/chat/completions")
    }

    fn losses(&self) -> Losses {
        self.quirks.losses
    }

    fn request(&self, conversation: &Conversation<'_>, model: &str, dropped: &mut Lost) -> Vec<u8> {
        write_request::write(conversation, model, &self.quirks, dropped)
    }

    fn reader(&self) -> Box<dyn AnswerReader> {
        Box::new(read_answer::Reading::default())
    }

    fn error(&self, body: &[u8]) -> Option<ErrorFields> {
        read_error::read(body)
    }
}
