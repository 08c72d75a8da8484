//! Between dialects: what a client's request is upstream, and what an upstream's answer is to the
//! client.
//!
//! Where client and upstream speak the same dialect, bytes pass and only stages touch single
//! events. Where they do not, a request goes dialect → common form → format, and an answer format →
//! deltas → dialect. A pair of files per pair of dialects would be twenty-five; this way each
//! dialect or format is one folder and one line in its registry. In every folder the same role has
//! the same name: `read_request` and `write_answer` for a client's dialect; `write_request`,
//! `read_answer` and `read_error` for an upstream's format.

pub mod anthropic;
pub mod bedrock;
mod citation;
pub mod delta;
pub mod form;
pub mod gemini;
pub mod loss;
mod meter;
pub mod openai;
pub mod openrouter;
mod problem;
pub mod responses;
mod schema;
pub mod source;
mod tolerant;
mod usage_event;

pub use delta::Delta;
pub use form::Conversation;
pub use loss::{Loss, Losses, Lost};
pub use meter::{Meter, Seen};
pub use usage_event::HideUsageEvent;

use std::borrow::Cow;

use crate::config::{Api, Provider};
use crate::error::Error;
use crate::fnv::Fnv;
use crate::operation::Operation;
use crate::wire::openai::ErrorFields;

use delta::Answer;

/// The wire format of an upstream.
///
/// Requests are written from the common form; writing the same one twice gives the same bytes.
pub trait Format: Sync {
    /// Where a request to this model goes, below the provider's base path: begins with a slash,
    /// and the model's name is one segment of it whatever it holds.
    fn path(&self, model: &str, stream: bool) -> Cow<'static, str>;

    /// What this format cannot express.
    fn losses(&self) -> Losses;

    /// The request body for the upstream's `model`. Adds to `dropped` the field names of all that
    /// got lost here.
    fn request(&self, conversation: &Conversation<'_>, model: &str, dropped: &mut Lost) -> Vec<u8>;

    /// OpenRouter's name of the form its thinking has (see [`form::Thinking::format`]); `None`: it
    /// has none of its own.
    fn thinking_format(&self) -> Option<&'static str> {
        None
    }

    /// Reads one answer; a new one for each attempt.
    fn reader(&self) -> Box<dyn AnswerReader>;

    /// What the body of an error status says; `None` if it is not an error of this format.
    fn error(&self, body: &[u8]) -> Option<ErrorFields>;
}

/// Reads one answer of an upstream into deltas. Never fails on an event: what makes no sense is
/// passed over.
pub trait AnswerReader {
    /// Reads a whole answer. `Err`: it is not one of this format, and nothing was told.
    fn whole(&mut self, body: &[u8], tell: &mut Tell<'_>) -> Result<(), Malformed>;

    /// Reads one raw event of a stream (for SSE with all its lines; see
    /// [`crate::wire::sse::fields`]).
    fn event(&mut self, event: &[u8], tell: &mut Tell<'_>);
}

/// Where deltas go.
pub type Tell<'t> = dyn FnMut(Delta<'_>) + 't;

/// An answer that is not what its format promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A client's dialect.
pub trait Dialect: Sync {
    /// Reads a request body, which is known to be valid JSON and an object. Errors are the client's
    /// fault.
    fn read<'a>(&self, body: &'a [u8]) -> Result<Conversation<'a>, Error>;

    /// Writes one answer; a new one for each attempt.
    fn writer(&self, about: About) -> Box<dyn AnswerWriter>;
}

/// What an answer says of itself besides its content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The gateway's id of the exchange, `gen-…`; dialects whose ids have a prefix of their own put
    /// it in front.
    pub id: String,
    /// The catalogue's id of the model.
    pub model: String,
    /// Unix seconds.
    pub created: u64,
    /// Whether the client asked for usage in an OpenAI-style stream.
    pub include_usage: bool,
    /// The upstream format's [`Format::thinking_format`]: a proof of thinking must find back to who
    /// can check it.
    pub thinking_format: Option<&'static str>,
    /// The client's request body: some dialects repeat parts of it in their answers.
    pub request: Vec<u8>,
}

/// Writes one answer in a client's dialect.
pub trait AnswerWriter {
    /// Appends the events that a delta leads to, possibly none.
    fn delta(&mut self, delta: &Delta<'_>, events: &mut Vec<u8>);

    /// Appends the events that end a stream whose upstream ended well, at `now` in Unix seconds.
    /// Called once; nothing follows.
    fn end(&mut self, now: u64, events: &mut Vec<u8>);

    /// Appends the events that end a stream that broke.
    fn error(&mut self, error: &Error, events: &mut Vec<u8>);

    /// The body of a whole answer, complete at `now` in Unix seconds.
    fn whole(&mut self, answer: &Answer, now: u64) -> Vec<u8>;
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// It goes on as it is.
    Keep,
    /// It does not go on.
    Drop,
    /// These bytes, whole events, go on instead.
    Replace(Vec<u8>),
}

/// One step on an event's way to the client.
pub trait Stage {
    /// Decides on one raw event, which the meter has read as `seen`.
    fn event(&mut self, event: &[u8], seen: Seen, meter: &Meter) -> Change;

    /// Adds to `written` what stands for the event at the start of `bytes`, if that is whole and
    /// like one that only had content, and returns its length.
    fn familiar(&mut self, _bytes: &[u8], _written: &mut Vec<u8>) -> Option<usize> {
        None
    }

    /// Whole events to append when the upstream ended well.
    fn end(&mut self, meter: &Meter) -> Vec<u8>;
}

/// An id of at most `longest` bytes, all of them `allowed`, in place of one that an upstream does
/// not take. The same for the same one.
fn id_in_place_of(id: &str, longest: usize, allowed: impl Fn(u8) -> bool) -> String {
    const HASH: usize = 17;
    let kept =
        id.bytes().filter(|byte| allowed(*byte)).take(longest.saturating_sub(HASH)).map(char::from);
    format!("{}-{:016x}", kept.collect::<String>(), Fnv::of(id.as_bytes()))
}

/// The wire format of a provider: the only place that has to know of all there are.
pub fn format(provider: &Provider) -> &'static dyn Format {
    match provider.api {
        Api::OpenAi | Api::AzureOpenAi => openai::Upstream::of(provider),
        Api::Anthropic => &anthropic::Anthropic,
        Api::Gemini => &gemini::Gemini,
        Api::Bedrock => &bedrock::Bedrock,
    }
}

/// The dialect a client speaks to have this done; `None`: it is never translated.
pub fn dialect(operation: Operation) -> Option<&'static dyn Dialect> {
    match operation {
        Operation::Chat => Some(&openai::Client),
        Operation::Messages => Some(&anthropic::Anthropic),
        Operation::Responses => Some(&responses::Responses),
        Operation::Completions | Operation::Embeddings | Operation::CountTokens => None,
    }
}

#[cfg(test)]
mod tests;
