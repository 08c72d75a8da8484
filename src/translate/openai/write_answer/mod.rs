//! Writes an answer as OpenAI does: chunks of a stream, or one body.
//!
//! The role goes before the first content, not with the start, so that nothing is sent while the
//! attempt can still be taken back. `end` writes what is owed: arguments of calls that came without
//! any, a finish reason, usage, `[DONE]`. Thinking takes OpenRouter's form. Sources: OpenAI's API
//! reference, chat completion and chunk objects (2026-11); OpenRouter's API description (2026-08).

mod asked;
mod whole;

use std::io::Write as _;

use serde::Serialize;

use super::reasoning::{DEFAULT_FORMAT, DetailJson};
use crate::error::{Error, ErrorForm};
use crate::translate::delta::{Answer, FinishReason};
use crate::translate::{About, AnswerWriter, Delta};
use crate::usage::Usage;
use asked::Asked;

/// Writes one answer.
#[derive(Debug)]
pub(super) struct Writer {
    about: About,
    asked: Asked,
    /// A chunk up to the members of its `delta`.
    head: Vec<u8>,
    begun: bool,
    thought: Thought,
    /// Calls that have no arguments yet.
    bare: Vec<usize>,
    calls: usize,
    finished: bool,
    usage: Option<Usage>,
}

/// Where in the list of details the stream stands.
#[derive(Debug, Default)]
struct Thought {
    /// Place of the present detail.
    index: usize,
    /// What there is of it.
    state: ThoughtState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum ThoughtState {
    /// Nothing.
    #[default]
    Empty,
    /// Text.
    Text,
    /// Its proof: only more of the proof may follow.
    Signature,
    /// It is over.
    Closed,
}

impl Thought {
    /// The place of a piece that brings the detail to `next`.
    fn place(&mut self, next: ThoughtState) -> usize {
        let goes_on = match (self.state, next) {
            (ThoughtState::Empty, _) => true,
            (ThoughtState::Text, next) => next != ThoughtState::Closed,
            (ThoughtState::Signature, next) => next == ThoughtState::Signature,
            (ThoughtState::Closed, _) => false,
        };
        self.index += usize::from(!goes_on);
        self.state = next;
        self.index
    }

    /// Something else was said.
    fn close(&mut self) {
        if self.state != ThoughtState::Empty {
            self.state = ThoughtState::Closed;
        }
    }
}

impl Writer {
    /// A writer at the start of an answer.
    pub(super) fn new(about: About) -> Self {
        let asked = Asked::of(&about.request);
        let mut head = b"data: ".to_vec();
        let _ = write!(
            head,
            "{{\"id\":\"chatcmpl-{}\",\"object\":\"chat.completion.chunk\"",
            Escaped(&about.id)
        );
        let _ =
            write!(head, ",\"created\":{},\"model\":\"{}\"", about.created, Escaped(&about.model));
        head.extend_from_slice(b",\"choices\":[");
        Self {
            about,
            asked,
            head,
            begun: false,
            thought: Thought::default(),
            bare: Vec::new(),
            calls: 0,
            finished: false,
            usage: None,
        }
    }

    /// One chunk whose `delta` has the members that `members` writes.
    fn chunk(&mut self, events: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
        if !std::mem::replace(&mut self.begun, true) {
            self.choice(events, None, |delta| {
                delta.extend_from_slice(br#""role":"assistant","content":"""#)
            });
        }
        self.choice(events, None, members);
    }

    fn choice(
        &self,
        events: &mut Vec<u8>,
        finish: Option<(&str, &str)>,
        members: impl FnOnce(&mut Vec<u8>),
    ) {
        events.extend_from_slice(&self.head);
        events.extend_from_slice(b"{\"index\":0,\"delta\":{");
        members(events);
        events.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
        match finish {
            Some((reason, native)) => {
                push(events, reason);
                events.extend_from_slice(b",\"native_finish_reason\":");
                push(events, native);
            }
            None => events.extend_from_slice(b"null"),
        }
        let usage: &[u8] =
            if self.about.include_usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" };
        events.extend_from_slice(usage);
    }

    fn format(&self) -> &'static str {
        self.about.thinking_format.unwrap_or(DEFAULT_FORMAT)
    }

    fn think(
        &mut self,
        readable: Option<&str>,
        detail: DetailJson<'_>,
        next: ThoughtState,
        events: &mut Vec<u8>,
    ) {
        if self.asked.no_reasoning {
            return;
        }
        let detail = detail.at(self.thought.place(next));
        self.chunk(events, |delta| {
            if let Some(text) = readable {
                delta.extend_from_slice(b"\"reasoning\":");
                push(delta, text);
                delta.push(b',');
            }
            details(delta, &detail);
        });
    }

    fn call(
        &mut self,
        index: usize,
        id: &str,
        name: &str,
        signature: Option<&str>,
        events: &mut Vec<u8>,
    ) {
        self.thought.close();
        self.bare.push(index);
        self.calls += 1;
        let functions = self.asked.functions;
        let proof = signature.filter(|_| !self.asked.no_reasoning).map(|proof| {
            let place = self.thought.place(ThoughtState::Closed);
            DetailJson::of_call(id, proof).at(place)
        });
        self.chunk(events, |delta| {
            if let Some(detail) = &proof {
                details(delta, detail);
                delta.push(b',');
            }
            if functions {
                delta.extend_from_slice(b"\"function_call\":{\"name\":");
                push(delta, name);
                delta.extend_from_slice(b",\"arguments\":\"\"}");
            } else {
                let _ = write!(delta, "\"tool_calls\":[{{\"index\":{index},\"id\":");
                push(delta, id);
                delta.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
                push(delta, name);
                delta.extend_from_slice(b",\"arguments\":\"\"}}]");
            }
        });
    }

    fn arguments(&mut self, index: usize, json: &str, events: &mut Vec<u8>) {
        if json.is_empty() {
            return;
        }
        self.bare.retain(|bare| *bare != index);
        let functions = self.asked.functions;
        self.chunk(events, |delta| {
            if functions {
                delta.extend_from_slice(b"\"function_call\":{\"arguments\":");
                push(delta, json);
                delta.push(b'}');
            } else {
                let _ = write!(
                    delta,
                    "\"tool_calls\":[{{\"index\":{index},\"function\":{{\"arguments\":"
                );
                push(delta, json);
                delta.extend_from_slice(b"}}]");
            }
        });
    }

    fn finish(&mut self, reason: FinishReason, native: &str, events: &mut Vec<u8>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        for index in std::mem::take(&mut self.bare) {
            self.arguments(index, "{}", events);
        }
        if !self.begun {
            self.chunk(events, |delta| delta.extend_from_slice(b"\"content\":\"\""));
        }
        self.choice(events, Some((self.asked.finish_name(reason), native)), |_| {});
    }
}

impl AnswerWriter for Writer {
    fn delta(&mut self, delta: &Delta<'_>, events: &mut Vec<u8>) {
        let format = Some(self.format());
        match delta {
            // An error is told by `error`, the end by `end`: whoever drives this decides on both.
            Delta::Start { .. } | Delta::Error(_) | Delta::Done => {}
            Delta::Text(text) => {
                self.thought.close();
                self.chunk(events, |delta| member(delta, "content", text));
            }
            Delta::Refusal(text) => {
                self.thought.close();
                self.chunk(events, |delta| member(delta, "refusal", text));
            }
            Delta::Thinking(text) => {
                self.think(
                    Some(text),
                    DetailJson::text(Some(text), None, format),
                    ThoughtState::Text,
                    events,
                );
            }
            Delta::Signature(proof) => {
                self.think(
                    None,
                    DetailJson::text(None, Some(proof), format),
                    ThoughtState::Signature,
                    events,
                );
            }
            Delta::EncryptedThinking(data) => {
                self.think(None, DetailJson::encrypted(data, format), ThoughtState::Closed, events);
            }
            Delta::ToolCall { index, id, name, signature } => {
                self.call(*index, id, name, signature.as_deref(), events);
            }
            Delta::Arguments { index, json } => self.arguments(*index, json, events),
            Delta::Annotation(json) => self.chunk(events, |delta| {
                delta.extend_from_slice(b"\"annotations\":[");
                // Line ends are white space in JSON, but would end the event's line.
                delta.extend(
                    json.bytes()
                        .map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }),
                );
                delta.push(b']');
            }),
            Delta::Image { mime, base64 } => self.chunk(events, |delta| {
                delta.extend_from_slice(b"\"images\":[");
                let _ = serde_json::to_writer(&mut *delta, &whole::ImageJson::of(mime, base64));
                delta.push(b']');
            }),
            Delta::Finish { reason, native } => self.finish(*reason, native, events),
            Delta::Usage(usage) => self.usage = Some(*usage),
        }
    }

    fn end(&mut self, _: u64, events: &mut Vec<u8>) {
        let reason = if self.calls > 0 { FinishReason::ToolCalls } else { FinishReason::Stop };
        self.finish(reason, reason.name(), events);
        if let Some(usage) = self.usage.filter(|_| self.about.include_usage) {
            events.extend_from_slice(&self.head);
            events.extend_from_slice(b"],\"usage\":");
            let _ = serde_json::to_writer(&mut *events, &whole::UsageJson::from(usage));
            if let Some(tier) = usage.tier {
                events.extend_from_slice(b",\"service_tier\":\"");
                events.extend_from_slice(tier.name().as_bytes());
                events.push(b'"');
            }
            events.extend_from_slice(b"}\n\n");
        }
        events.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn error(&mut self, error: &Error, events: &mut Vec<u8>) {
        events.extend_from_slice(b"data: ");
        events.extend_from_slice(&error.body(ErrorForm::OpenAi));
        events.extend_from_slice(b"\n\n");
    }

    fn whole(&mut self, answer: &Answer, _: u64) -> Vec<u8> {
        whole::write(answer, &self.about, self.asked, self.format())
    }
}

fn details(delta: &mut Vec<u8>, detail: &DetailJson<'_>) {
    delta.extend_from_slice(b"\"reasoning_details\":[");
    let _ = serde_json::to_writer(&mut *delta, detail);
    delta.push(b']');
}

fn member(delta: &mut Vec<u8>, name: &str, text: &str) {
    let _ = write!(delta, "\"{name}\":");
    push(delta, text);
}

/// Appends a text as a JSON string.
fn push(json: &mut Vec<u8>, text: &str) {
    let _ = text.serialize(&mut serde_json::Serializer::new(json));
}

/// A text as the inside of a JSON string.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quoted = serde_json::to_string(self.0).unwrap_or_default();
        let inside = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        f.write_str(inside.unwrap_or_default())
    }
}
