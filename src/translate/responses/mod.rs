//! OpenAI's Responses API as a client dialect, without state: requests in, answers and event
//! streams out.
//!
//! Follows the `openai` SDK 3.51 (2026-11), OpenRouter's description of `/responses`, and what
//! Codex 0.169 sends. Nothing is kept between requests, so whatever refers to an earlier response
//! is refused. Tools of other kinds than functions are offered to the model as functions and their
//! calls told in their own form (see `tool`); what the model must give back unchanged in the next
//! turn (proofs of thinking) travels in `encrypted_content` (see `proof`).

mod cache;
mod proof;
mod read_request;
mod shape;
mod tool;
mod value;
mod write_answer;

#[cfg(test)]
mod tests;

use super::{About, AnswerWriter, Conversation, Dialect};
use crate::error::Error;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

impl Dialect for Responses {
    fn read<'a>(&self, body: &'a [u8]) -> Result<Conversation<'a>, Error> {
        read_request::read(body)
    }

    fn writer(&self, about: About) -> Box<dyn AnswerWriter> {
        Box::new(write_answer::Writer::new(about))
    }
}
