//! Reads the upstream's own figures out of an answer as it passes, and estimates where it gives none.
//!
//! Never changes a byte. Speaks the upstream's wire format; so far there is one, OpenAI's.

use std::borrow::Cow;

use memchr::memmem;

use super::{Source, Usage};
use crate::wire::openai::{ChunkFields, UsageFields};
use crate::wire::sse;
use crate::wire::watch::Watch;

/// What an event turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A comment, or nothing to read.
    Nothing,
    /// Content, or anything else that is passed on.
    Content,
    /// A chunk without choices that only carries usage.
    UsageOnly,
    /// An error instead of content.
    Error,
    /// `[DONE]`
    Done,
}

/// Counts one answer.
#[derive(Debug)]
pub struct Meter {
    usage: Option<UsageFields>,
    finish_reason: Option<String>,
    done: bool,
    failed: bool,
    events: u64,
    bytes: usize,
    smallest: usize,
    watch: Watch,
}

const WATCHED: &[(u8, &str)] = &[(1, "usage"), (3, "finish_reason"), (1, "error")];

impl Default for Meter {
    fn default() -> Self {
        Self {
            usage: None,
            finish_reason: None,
            done: false,
            failed: false,
            events: 0,
            bytes: 0,
            smallest: usize::MAX,
            watch: Watch::new(WATCHED),
        }
    }
}

impl Meter {
    /// Reads one raw event of a stream.
    pub fn event(&mut self, event: &[u8]) -> Seen {
        let interesting = ["\"usage\"", "\"finish_reason\"", "\"error\"", "[DONE]"];
        let fields = sse::fields(event);
        let Some(data) = fields.data.filter(|data| !data.is_empty()) else { return Seen::Nothing };
        if sse::is_done(&data) {
            self.done = true;
            return Seen::Done;
        }
        self.events += 1;
        self.bytes += data.len();
        self.smallest = self.smallest.min(data.len());
        if !interesting.iter().any(|needle| memmem::find(&data, needle.as_bytes()).is_some()) {
            return Seen::Content;
        }
        let Some(chunk) = ChunkFields::parse(&data) else { return Seen::Content };
        self.chunk(chunk)
    }

    fn chunk(&mut self, chunk: ChunkFields<'_>) -> Seen {
        if chunk.error {
            self.failed = true;
            return Seen::Error;
        }
        if let Some(reason) = chunk.finish_reason {
            self.finish_reason = Some(reason.into_owned());
        }
        if chunk.usage.is_some() {
            self.usage = chunk.usage;
            if chunk.no_choices {
                self.events -= 1;
                return Seen::UsageOnly;
            }
        }
        Seen::Content
    }

    /// Reads a piece of an answer that is not a stream.
    pub fn plain(&mut self, piece: &[u8]) {
        self.bytes += piece.len();
        self.watch.feed(piece);
    }

    /// Reads a piece of an answer nobody here can read, such as a compressed one.
    pub fn opaque(&mut self, piece: &[u8]) {
        self.bytes += piece.len();
    }

    /// To be called once when a plain answer is whole.
    pub fn plain_end(&mut self) {
        self.usage = self.watch.captured(0).and_then(UsageFields::parse);
        let reason = self.watch.captured(1).and_then(|json| serde_json::from_slice::<Cow<'_, str>>(json).ok());
        self.finish_reason = reason.map(Cow::into_owned);
        self.done = self.watch.complete();
    }

    /// The first byte of a plain answer that is not white space.
    pub fn first_byte(&self) -> Option<u8> {
        self.watch.first_byte()
    }

    /// Whether a plain answer, as far as it is known, is an error in place of content.
    pub fn is_plain_error(&self) -> bool {
        self.watch.captured(2).is_some_and(|error| error != b"null")
    }

    /// The upstream's own finish reason, as it spelled it.
    pub fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_deref()
    }

    /// Whether the answer came to its proper end.
    pub fn is_complete(&self) -> bool {
        self.done || self.finish_reason.is_some()
    }

    /// Whether the terminal event was seen.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the upstream itself told of an error in its stream.
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// Whether the upstream has given its figures.
    pub fn is_reported(&self) -> bool {
        self.usage.is_some()
    }

    /// Whether there is any output to charge for.
    pub fn has_output(&self) -> bool {
        self.bytes > 0
    }

    /// The upstream's figures, or an estimate: `input_estimate` tokens in; out, one token to an event or to four
    /// bytes beyond the bare envelope, whichever is more.
    pub fn usage(&self, input_estimate: u64) -> Usage {
        match self.usage {
            Some(fields) => fields.into(),
            None => {
                let envelope = (self.events as usize).saturating_mul(self.smallest.min(self.bytes));
                let text = Usage::estimate(self.bytes.saturating_sub(envelope));
                let output = self.events.max(text);
                Usage { input: input_estimate, output, source: Source::Estimated, ..Usage::default() }
            }
        }
    }
}

impl From<UsageFields> for Usage {
    fn from(fields: UsageFields) -> Self {
        Self {
            input: fields.prompt_tokens,
            output: fields.completion_tokens,
            cached: fields.cached_tokens,
            cache_write: fields.cache_write_tokens,
            reasoning: fields.reasoning_tokens,
            audio: fields.audio_tokens,
            source: Source::Reported,
        }
    }
}
