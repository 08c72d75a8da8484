//! Reads the upstream's own figures out of an answer as it passes, and estimates where it gives
//! none.
//!
//! Never changes a byte. Speaks OpenAI's wire format; readers of other formats tell it their
//! deltas.

use std::borrow::Cow;

use memchr::memchr_iter;

use super::Delta;
use crate::catalog::ServiceTier;
use crate::usage::{Source, Usage};
use crate::wire::json::Reader;
use crate::wire::openai::{ChunkFields, ErrorFields, UsageFields};
use crate::wire::pattern::Pattern;
use crate::wire::sse;
use crate::wire::watch::Watch;

/// What an event turned out to be.
///
/// Later ones outweigh earlier ones where one event says several things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// A comment, or nothing to read.
    Nothing,
    /// The terminal event.
    Done,
    /// A chunk without choices that only carries usage.
    UsageOnly,
    /// Content, or anything else that is passed on.
    Content,
    /// An error instead of content.
    Error,
}

/// Counts one answer.
#[derive(Debug)]
pub struct Meter {
    usage: Option<Usage>,
    error: Option<ErrorFields>,
    finish_reason: Option<String>,
    done: bool,
    failed: bool,
    events: u64,
    /// How many there were when the upstream gave its figures.
    events_reported: u64,
    bytes: usize,
    smallest: usize,
    /// The last event that only had content.
    pattern: Pattern,
    /// How many bytes of that event were not data.
    envelope: usize,
    watch: Watch,
}

/// Keys, without their first quote, whose values say more than content does.
const TELLING: [&[u8]; 3] = [b"usage\"", b"finish_reason\"", b"error\""];

const WATCHED: &[(u8, &str)] = &[
    (1, "usage"),
    (3, "finish_reason"),
    (1, "error"),
    (1, "stop_reason"),
    (1, "service_tier"),
    (2, "service_tier"),
];

impl Default for Meter {
    fn default() -> Self {
        Self {
            usage: None,
            error: None,
            finish_reason: None,
            done: false,
            failed: false,
            events: 0,
            events_reported: 0,
            bytes: 0,
            smallest: usize::MAX,
            pattern: Pattern::default(),
            envelope: 0,
            watch: Watch::new(WATCHED),
        }
    }
}

impl Meter {
    /// Reads one raw event of a stream.
    pub fn event(&mut self, event: &[u8]) -> Seen {
        let fields = sse::fields(event);
        let Some(data) = fields.data.filter(|data| !data.is_empty()) else { return Seen::Nothing };
        if sse::is_done(&data) {
            self.done = true;
            return Seen::Done;
        }
        if !says_more_than_content(&data) {
            self.content_event(data.len());
            self.pattern.learn(event);
            self.envelope = event.len() - data.len();
            return Seen::Content;
        }
        let chunk = ChunkFields::parse(&data).unwrap_or_default();
        if chunk.error {
            self.error = ErrorFields::parse(&data);
            self.failed = true;
            return Seen::Error;
        }
        let smallest = self.smallest;
        self.content_event(data.len());
        if chunk.finish_reason.as_ref().is_some_and(|reason| !reason.is_empty()) {
            // What ends an answer has less around its text than content has.
            self.smallest = smallest;
        }
        self.chunk(chunk)
    }

    /// Counts all whole events at the start of `bytes` that are like the last one that only had
    /// content, and returns their length.
    pub fn familiar(&mut self, bytes: &[u8]) -> usize {
        let mut length = 0;
        while let Some(event) = bytes.get(length..).and_then(|rest| self.pattern.matches(rest)) {
            self.count_familiar(event);
            length += event;
        }
        length
    }

    /// Counts one such event, known by other means, by its length.
    pub fn count_familiar(&mut self, event: usize) {
        self.content_event(event.saturating_sub(self.envelope));
    }

    fn content_event(&mut self, bytes: usize) {
        self.events += 1;
        self.bytes += bytes;
        self.smallest = self.smallest.min(bytes);
    }

    fn chunk(&mut self, chunk: ChunkFields<'_>) -> Seen {
        if let Some(reason) = chunk.finish_reason {
            self.finish_reason = Some(reason.into_owned());
        }
        if let Some(fields) = chunk.usage {
            let tier = chunk.service_tier.and_then(|name| ServiceTier::named(&name));
            // One without choices is no content.
            self.events -= u64::from(chunk.no_choices);
            self.reported(Usage { tier, ..fields.into() });
            if chunk.no_choices {
                return Seen::UsageOnly;
            }
        }
        Seen::Content
    }

    /// Reads one delta of an answer in another format.
    pub fn delta(&mut self, delta: &Delta<'_>) -> Seen {
        match delta {
            Delta::Start { .. } | Delta::Signature(_) => Seen::Nothing,
            Delta::Text(text)
            | Delta::Refusal(text)
            | Delta::Thinking(text)
            | Delta::Arguments { json: text, .. } => self.content(text.len()),
            Delta::EncryptedThinking(_)
            | Delta::ToolCall { .. }
            | Delta::Annotation(_)
            | Delta::Image { .. } => self.content(0),
            Delta::Finish { native, .. } => {
                self.finish_reason = Some(native.clone().into_owned());
                Seen::Content
            }
            Delta::Usage(usage) => {
                self.reported(*usage);
                Seen::Nothing
            }
            Delta::Error(fields) => {
                self.failed = true;
                self.error = Some(fields.clone());
                Seen::Error
            }
            Delta::Done => {
                self.done = true;
                Seen::Done
            }
        }
    }

    fn reported(&mut self, usage: Usage) {
        self.usage = Some(usage);
        self.events_reported = self.events;
    }

    fn content(&mut self, bytes: usize) -> Seen {
        self.events += 1;
        self.bytes += bytes;
        self.smallest = 0;
        Seen::Content
    }

    /// What the upstream's error event said.
    pub fn error(&self) -> Option<&ErrorFields> {
        self.error.as_ref()
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
        // OpenAI's name and place of a member first, then Anthropic's.
        if let Some(fields) = self.watch.captured(0).and_then(UsageFields::parse) {
            let tier =
                self.text(4).or_else(|| self.text(5)).and_then(|name| ServiceTier::named(&name));
            self.usage = Some(Usage { tier, ..fields.into() });
        }
        self.finish_reason = self.text(1).or_else(|| self.text(3)).map(Cow::into_owned);
        self.done = self.watch.complete();
    }

    /// What was watched, where it is a text.
    fn text(&self, index: usize) -> Option<Cow<'_, str>> {
        Some(Reader::new(self.watch.captured(index)?).string().ok()?.decode())
    }

    /// The first byte of a plain answer that is not white space.
    pub fn first_byte(&self) -> Option<u8> {
        self.watch.first_byte()
    }

    /// Whether a plain answer, as far as it is known, is an error in place of content.
    pub fn is_plain_error(&self) -> bool {
        self.watch.captured(2).is_some_and(|error| error != b"null")
    }

    /// What that error says.
    pub fn plain_error(&self) -> Option<ErrorFields> {
        let error = self.watch.captured(2)?;
        ErrorFields::parse(&[b"{\"error\":", error, b"}"].concat())
    }

    /// Whether enough of a plain answer is known to tell content from an error in its place.
    pub fn is_plain_content(&self) -> bool {
        self.watch.has_member()
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

    /// The upstream's figures, or an estimate: `input_estimate` tokens in; out, one token to an
    /// event or to four bytes beyond the bare envelope, whichever is more.
    ///
    /// Figures that came before the content, as Anthropic's and Gemini's do, say little of an
    /// answer that broke off.
    pub fn usage(&self, input_estimate: u64) -> Usage {
        match self.usage {
            Some(usage) if self.is_complete() || !self.is_outrun(&usage) => usage,
            Some(usage) => self.estimated(usage),
            None => self.estimated(Usage { input: input_estimate, ..Usage::default() }),
        }
    }

    /// The same with an estimate of the output.
    fn estimated(&self, usage: Usage) -> Usage {
        Usage { output: self.output_estimate(), source: Source::Estimated, ..usage }
    }

    /// Whether there is more content than the upstream's figures can have counted.
    fn is_outrun(&self, usage: &Usage) -> bool {
        (self.events > self.events_reported || usage.output == 0)
            && self.output_estimate() > usage.output
    }

    fn output_estimate(&self) -> u64 {
        let envelope = (self.events as usize).saturating_mul(self.smallest.min(self.bytes));
        self.events.max(Usage::estimate(self.bytes.saturating_sub(envelope)))
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
            ..Self::default()
        }
    }
}

/// Whether an event may have one of the [`TELLING`] keys with a value other than null. Almost none
/// has, so this is what an event costs: one pass that stops at quotes.
fn says_more_than_content(data: &[u8]) -> bool {
    memchr_iter(b'"', data).any(|quote| {
        let rest = data.get(quote + 1..).unwrap_or_default();
        matches!(rest.first(), Some(b'u' | b'f' | b'e'))
            && TELLING
                .iter()
                .any(|key| rest.strip_prefix(*key).is_some_and(|rest| !is_null_member(rest)))
    })
}

/// Whether what follows a key is a colon and null.
fn is_null_member(rest: &[u8]) -> bool {
    let value = rest.trim_ascii_start().strip_prefix(b":");
    value.is_some_and(|value| value.trim_ascii_start().starts_with(b"null"))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn events_are_told_apart() {
        for (event, expected) in [
            (": ping\n\n", Seen::Nothing),
            ("\n", Seen::Nothing),
            ("data:\n\n", Seen::Nothing),
            ("event: x\n\n", Seen::Nothing),
            ("data: [DONE]\n\n", Seen::Done),
            ("data:[DONE] \r\n\r\n", Seen::Done),
            ("data: {}\n\n", Seen::Content),
            ("data: garbage \"usage\"\n\n", Seen::Content),
            ("data: {\"choices\":[{\"delta\":{\"content\":\"[DONE]\"}}]}\n\n", Seen::Content),
            ("data: {\"choices\":[],\"usage\":null}\n\n", Seen::Content),
            ("data: {\"choices\":[],\"usage\":{}}\n\n", Seen::Content),
            ("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", Seen::UsageOnly),
            ("data: {\"usage\":{\"prompt_tokens\":1},\"choices\":[{}]}\n\n", Seen::Content),
            ("data: {\"error\":null,\"choices\":[]}\n\n", Seen::Content),
            ("data: {\"error\":\"x\"}\n\n", Seen::Error),
            (
                "data: {\"error\":{\"message\":\"x\"},\
                 \"choices\":[{\"finish_reason\":\"error\"}]}\n\n",
                Seen::Error,
            ),
            (
                "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\":1\"}}]}\n\n",
                Seen::Content,
            ),
        ] {
            assert_eq!(Meter::default().event(event.as_bytes()), expected, "{event:?}");
        }
    }

    #[test]
    fn the_last_figures_of_a_stream_count() {
        let mut meter = Meter::default();
        for tokens in [1, 2, 3] {
            let usage = format!("\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":{tokens}}}");
            meter.event(
                format!("data: {{\"choices\":[{{\"delta\":{{}}}}],{usage}}}\n\n").as_bytes(),
            );
        }
        assert_eq!(
            (meter.usage(5).input, meter.usage(5).output, meter.usage(5).source),
            (9, 3, Source::Reported)
        );
    }

    fn event(choice: &str) -> String {
        format!("data: {{\"choices\":[{{{choice}}}]}}\n\n")
    }

    #[test]
    fn what_ends_a_stream_does_not_make_its_content_dearer() {
        let content =
            event("\"delta\":{\"content\":\"abc\"},\"logprobs\":null,\"finish_reason\":null");
        let finish = event("\"delta\":{},\"finish_reason\":\"stop\"");
        for (end, output) in [(finish.as_str(), 11), ("data: {\"error\":{\"code\":503}}\n\n", 10)] {
            let mut meter = Meter::default();
            for _ in 0..10 {
                meter.event(content.as_bytes());
            }
            meter.event(end.as_bytes());
            assert_eq!(meter.usage(5).output, output, "{end}");
        }
    }

    #[test]
    fn figures_from_before_the_content_do_not_count_for_an_answer_that_broke_off() {
        let early = Usage { input: 9, output: 1, cached: 3, ..Usage::default() };
        let mut meter = Meter::default();
        meter.delta(&Delta::Usage(early));
        assert_eq!(meter.usage(5), early);
        for _ in 0..10 {
            meter.delta(&Delta::Text("hello".into()));
        }
        assert_eq!(meter.usage(5), Usage { output: 13, source: Source::Estimated, ..early });
        let counted = Usage { output: 8, ..early };
        meter.delta(&Delta::Usage(counted));
        assert_eq!(meter.usage(5), counted, "they came after the content");
        meter.delta(&Delta::Text("hello".into()));
        meter.delta(&Delta::Done);
        assert_eq!(meter.usage(5), counted, "the answer is complete");
        let mut meter = Meter::default();
        meter.delta(&Delta::Text("hello".into()));
        meter.delta(&Delta::Usage(Usage { output: 0, ..early }));
        assert_eq!((meter.usage(5).output, meter.usage(5).source), (2, Source::Estimated));
    }

    fn content(text: &str) -> String {
        event(&format!("\"delta\":{{\"content\":\"{text}\"}}"))
    }

    #[test]
    fn events_are_a_token_each_and_long_ones_more() {
        let mut meter = Meter::default();
        for _ in 0..10 {
            meter.event(content("a").as_bytes());
        }
        assert_eq!((meter.usage(5).input, meter.usage(5).output), (5, 10));
        meter.event(content(&"b".repeat(401)).as_bytes());
        assert_eq!((meter.usage(5).output, meter.usage(5).source), (100, Source::Estimated));
        meter.event(b"data: {\"error\":{}}\n\n");
        assert_eq!(meter.usage(5).output, 100, "an error's envelope is not that of content");
        assert_eq!(Meter::default().usage(5).output, 0);
    }
}
