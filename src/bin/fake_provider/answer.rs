//! What an answer says and the parts it travels in, whatever wire format it is written in.
//! Everything but ids and the time is a function of the request and the faults: each format says
//! the same words and counts the same tokens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

use crate::fault::Faults;
use crate::request::Ask;

/// What a model that reasons is said to have thought.
pub(crate) const THOUGHT: &str = "Let me think this through.";
/// The proof of it, in base64 as every format has it.
pub(crate) const SIGNATURE: &str = "ZmFrZSBzaWduYXR1cmU=";

/// An answer as it is sent.
pub(crate) enum Answer {
    /// One JSON document.
    Plain(Vec<u8>),
    /// The events of a stream.
    Stream(Vec<Event>),
}

/// One event and the part of the stream it belongs to.
pub(crate) struct Event {
    pub(crate) stage: Stage,
    /// Its type, where the format has one outside the data; else empty.
    pub(crate) kind: &'static str,
    pub(crate) data: Vec<u8>,
}

/// The parts of a stream, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Opening,
    Content,
    Closing,
    /// An error in place of all that would follow.
    Failure,
}

/// What an answer says.
pub(crate) struct Content<'a> {
    /// The text, one piece per event; the pieces of a tool call's arguments when there is a tool.
    pub(crate) pieces: Vec<String>,
    pub(crate) tool: Option<&'a str>,
    /// Whether the request's limit ended it.
    pub(crate) is_limited: bool,
    /// Tokens of `pieces`.
    pub(crate) tokens: u64,
    pub(crate) reasoning: u64,
    /// Includes what was cached.
    pub(crate) prompt_tokens: u64,
    pub(crate) cached: u64,
    /// No other answer of this process has it.
    pub(crate) number: u64,
}

impl<'a> Content<'a> {
    /// `calls` says whether this kind of answer can call tools.
    pub(crate) fn new(name: &str, calls: bool, ask: &'a Ask, faults: &Faults) -> Self {
        let wanted = faults.token_count();
        let count = ask.token_limit().map_or(wanted, |limit| wanted.min(limit));
        let tool = ask.first_tool().filter(|_| faults.tool_call && calls);
        Self {
            pieces: pieces(name, count, tool.is_some(), piece_size(ask, faults, count)),
            tool,
            is_limited: count < wanted,
            tokens: u64::try_from(count).unwrap_or(u64::MAX),
            reasoning: faults.reasoning.unwrap_or(0),
            prompt_tokens: faults.prompt_tokens.unwrap_or(ask.prompt_tokens),
            cached: faults.cached.unwrap_or(0),
            number: next_number(),
        }
    }

    /// Of the formats' names for the reason why an answer ended, the one for this: its tool is to
    /// be called, the limit was reached, or it is complete.
    pub(crate) fn finish<'n>(&self, [call, limit, complete]: [&'n str; 3]) -> &'n str {
        match self.tool {
            Some(_) => call,
            None if self.is_limited => limit,
            None => complete,
        }
    }

    /// Content and reasoning.
    pub(crate) fn output_tokens(&self) -> u64 {
        self.tokens.saturating_add(self.reasoning)
    }

    /// Input that was not cached.
    pub(crate) fn fresh_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_sub(self.cached)
    }
}

pub(crate) fn json<T: Serialize>(document: &T) -> Vec<u8> {
    // These types have string keys and finite numbers only, so that this cannot fail.
    serde_json::to_vec(document).unwrap_or_default()
}

/// Adds a member to an object.
pub(crate) fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A number no other answer of this process has.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Bytes of one piece: `size` is of the whole text in a plain answer and of each event in a stream.
fn piece_size(ask: &Ask, faults: &Faults, count: usize) -> Option<usize> {
    let size = faults.size?;
    Some(if ask.streams() { size } else { size.div_ceil(count.max(1)) })
}

/// `count` words that name the provider; as a tool's arguments they are one JSON object together.
fn pieces(name: &str, count: usize, as_arguments: bool, size: Option<usize>) -> Vec<String> {
    const FILLER: [&str; 6] = ["and", "this", "is", "a", "scripted", "answer"];
    let words = ["Hello", "from", name].into_iter().chain(FILLER.into_iter().cycle());
    let mut pieces: Vec<String> =
        words.take(count).enumerate().map(|(index, word)| piece(index, word, size)).collect();
    if as_arguments {
        if let Some(first) = pieces.first_mut() {
            first.insert_str(0, "{\"text\":\"");
        }
        if let Some(last) = pieces.last_mut() {
            last.push_str("\"}");
        }
    }
    pieces
}

fn piece(index: usize, word: &str, size: Option<usize>) -> String {
    let space = if index == 0 { "" } else { " " };
    match size {
        None => format!("{space}{word}"),
        Some(size) => space
            .chars()
            .chain(word.chars())
            .chain("abcdefghi ".chars().cycle())
            .take(size)
            .collect(),
    }
}
