//! An answer for a client: one message, or the events of its stream.
//!
//! Blocks come one after the other, each started, added to and stopped; the end of the message and
//! its usage are told last, as upstreams tell them in any order. A tool call that an upstream ends
//! with `stop` is `tool_use` all the same: clients act on the reason.

mod calls;
mod message;

use std::borrow::Cow;

use super::call::{allowed, as_object, wrapped};
use super::tally::{Counts, stop_reason};
use super::{proof, read_request};
use crate::error::Error;
use crate::error::anthropic;
use crate::translate::delta::{self, Answer, Delta, FinishReason};
use crate::translate::{About, AnswerWriter};
use crate::usage::Usage;
use calls::{Call, Calls};
use message::{Block, Caller, Cited, Event, Message, Piece, Stop, no_input};

/// Writes one answer.
#[derive(Debug)]
pub(super) struct Writer {
    about: About,
    /// `msg_…`
    id: String,
    started: bool,
    open: Open,
    /// Index of the block that is open, or of the next one.
    index: usize,
    calls: Calls,
    called: bool,
    refused: bool,
    finish: Option<(FinishReason, String)>,
    usage: Usage,
}

/// The block that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    Call,
}

impl AnswerWriter for Writer {
    fn delta(&mut self, delta: &Delta<'_>, events: &mut Vec<u8>) {
        match delta {
            Delta::Start { .. } => self.start(events),
            Delta::Text(text) => self.text(text, events),
            Delta::Refusal(text) => {
                self.refused = true;
                self.text(text, events);
            }
            Delta::Thinking(thinking) if thinking.is_empty() => {}
            Delta::Thinking(thinking) => {
                self.open(Open::Thinking, empty_thinking, events);
                self.add(Piece::Thinking { thinking }, events);
            }
            Delta::Signature(signature) => {
                let signature = &proof::stamp(self.about.thinking_format, signature);
                self.open(Open::Thinking, empty_thinking, events);
                self.add(Piece::Signature { signature }, events);
                self.close(events);
            }
            Delta::EncryptedThinking(data) => {
                let data = proof::stamp(self.about.thinking_format, data);
                self.close_all(events);
                self.block(Block::RedactedThinking { data }, events);
            }
            Delta::ToolCall { index, id, name, signature } => {
                let id = self.call_id(id, *index).into_owned();
                let proof = signature.as_deref().map(proof::stamp_call);
                self.called = true;
                self.calls.push(Call::new(*index, id, name.to_string(), proof));
                self.pump(false, events);
            }
            Delta::Arguments { index, json } => {
                if self.calls.add(*index, json) && !json.is_empty() {
                    self.add(Piece::Input { partial_json: json }, events);
                }
                self.pump(false, events);
            }
            Delta::Annotation(annotation) => self.annotate(annotation, events),
            Delta::Finish { reason, native } => self.finish = Some((*reason, native.to_string())),
            Delta::Usage(usage) => self.usage = *usage,
            // Pictures are told as text: see `Delta::without_images`.
            Delta::Image { .. } | Delta::Error(_) | Delta::Done => {}
        }
    }

    fn end(&mut self, _: u64, events: &mut Vec<u8>) {
        self.start(events);
        self.close_all(events);
        let sequence = self.stop_sequence();
        let delta = Stop::new(self.stop_reason(), sequence.as_deref());
        Event::MessageDelta { delta, usage: self.usage.into() }.write(events);
        Event::MessageStop {}.write(events);
    }

    fn error(&mut self, error: &Error, events: &mut Vec<u8>) {
        events.extend_from_slice(b"event: error\ndata: ");
        events.extend_from_slice(&anthropic::error_body(error));
        events.extend_from_slice(b"\n\n");
    }

    fn whole(&mut self, answer: &Answer, _: u64) -> Vec<u8> {
        self.finish.clone_from(&answer.finish);
        self.called =
            answer.blocks.iter().any(|block| matches!(block, delta::Block::ToolCall { .. }));
        self.refused = answer.blocks.iter().any(|block| matches!(block, delta::Block::Refusal(_)));
        let sequence = self.stop_sequence();
        let message = Message {
            id: &self.id,
            role: "assistant",
            model: &self.about.model,
            content: self.content(answer),
            stop: Stop::new(self.stop_reason(), sequence.as_deref()),
            usage: answer.usage.unwrap_or_default().into(),
        };
        serde_json::to_vec(&message).unwrap_or_default()
    }
}

impl Writer {
    pub(super) fn new(about: About) -> Self {
        Self {
            id: format!("msg_{}", about.id),
            about,
            started: false,
            open: Open::Nothing,
            index: 0,
            calls: Calls::default(),
            called: false,
            refused: false,
            finish: None,
            usage: Usage::default(),
        }
    }

    /// Begins the message, once. Its usage is not known yet: the counts at the end are the ones
    /// that hold.
    fn start(&mut self, events: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = Message {
            id: &self.id,
            role: "assistant",
            model: &self.about.model,
            content: Vec::new(),
            stop: Stop::default(),
            usage: Counts::from(Usage::default()),
        };
        Event::MessageStart { message }.write(events);
    }

    fn text(&mut self, text: &str, events: &mut Vec<u8>) {
        if !text.is_empty() {
            self.open(Open::Text, || Block::Text { text: "", citations: None }, events);
            self.add(Piece::Text { text }, events);
        }
    }

    /// A citation belongs to the text it stands behind.
    fn annotate(&mut self, annotation: &str, events: &mut Vec<u8>) {
        if let Some(citation) = Cited::of(annotation) {
            self.open(Open::Text, || Block::Text { text: "", citations: None }, events);
            self.add(Piece::Citation { citation }, events);
        }
    }

    /// Writes the calls whose turn it is; `all`: nothing more can come for any of them.
    fn pump(&mut self, all: bool, events: &mut Vec<u8>) {
        while let Some(call) = self.calls.present() {
            if !std::mem::replace(&mut call.begun, true) {
                let (id, name) = (std::mem::take(&mut call.id), std::mem::take(&mut call.name));
                let (proof, held) = (call.proof.take(), std::mem::take(&mut call.held));
                self.close(events);
                if let Some(proof) = proof {
                    self.block(Block::RedactedThinking { data: proof.into() }, events);
                }
                self.open(
                    Open::Call,
                    || Block::ToolUse {
                        id: id.into(),
                        name: &name,
                        input: no_input(),
                        caller: Caller {},
                    },
                    events,
                );
                if !held.is_empty() {
                    self.add(Piece::Input { partial_json: &held }, events);
                }
            }
            if !self.calls.advance(all) {
                return;
            }
            self.close(events);
        }
    }

    /// Makes sure that a block of this kind is open.
    fn open<'a>(&mut self, kind: Open, block: impl FnOnce() -> Block<'a>, events: &mut Vec<u8>) {
        if self.open == kind {
            return;
        }
        if kind == Open::Call {
            self.close(events)
        } else {
            self.close_all(events)
        }
        self.start(events);
        Event::ContentBlockStart { index: self.index, content_block: block() }.write(events);
        self.open = kind;
    }

    fn add(&self, delta: Piece<'_>, events: &mut Vec<u8>) {
        Event::ContentBlockDelta { index: self.index, delta }.write(events);
    }

    fn close(&mut self, events: &mut Vec<u8>) {
        if std::mem::replace(&mut self.open, Open::Nothing) != Open::Nothing {
            Event::ContentBlockStop { index: self.index }.write(events);
            self.index += 1;
        }
    }

    fn close_all(&mut self, events: &mut Vec<u8>) {
        self.pump(true, events);
        self.close(events);
    }

    /// A block that comes whole.
    fn block(&mut self, block: Block<'_>, events: &mut Vec<u8>) {
        self.start(events);
        Event::ContentBlockStart { index: self.index, content_block: block }.write(events);
        Event::ContentBlockStop { index: self.index }.write(events);
        self.index += 1;
    }

    /// The upstream's id, or one derived from the answer's.
    fn call_id<'a>(&self, id: &'a str, index: usize) -> Cow<'a, str> {
        if id.is_empty() { format!("toolu_{}_{index}", self.about.id).into() } else { allowed(id) }
    }

    fn stop_reason(&self) -> &'static str {
        let (reason, native) = match &self.finish {
            Some((reason, native)) => (*reason, native.as_str()),
            None => (FinishReason::Stop, ""),
        };
        match reason {
            FinishReason::Stop if self.called => "tool_use",
            FinishReason::Stop if self.refused => "refusal",
            _ => stop_reason(reason, native),
        }
    }

    /// The sequence that ended the answer. Upstreams do not say which one they met, so it is known
    /// only where the client named just one.
    fn stop_sequence(&self) -> Option<String> {
        if self.stop_reason() != "stop_sequence" {
            return None;
        }
        let request = read_request::read(&self.about.request).ok()?;
        match request.stop.as_slice() {
            [one] => Some(one.to_string()),
            _ => None,
        }
    }

    fn content<'a>(&'a self, answer: &'a Answer) -> Vec<Block<'a>> {
        let mut content = Vec::with_capacity(answer.blocks.len());
        let mut calls = 0..;
        for block in &answer.blocks {
            match block {
                delta::Block::Text(text) | delta::Block::Refusal(text) => {
                    content.push(Block::Text { text, citations: None });
                }
                delta::Block::Thinking { text, signature } => content.push(Block::Thinking {
                    thinking: text,
                    signature: proof::stamp(
                        self.about.thinking_format,
                        signature.as_deref().unwrap_or_default(),
                    ),
                }),
                delta::Block::EncryptedThinking(data) => {
                    content.push(Block::RedactedThinking {
                        data: proof::stamp(self.about.thinking_format, data),
                    });
                }
                delta::Block::ToolCall { id, name, arguments, signature } => {
                    if let Some(signature) = signature {
                        content.push(Block::RedactedThinking {
                            data: proof::stamp_call(signature).into(),
                        });
                    }
                    let id = self.call_id(id, calls.next().unwrap_or(0));
                    let input = as_object(arguments)
                        .map_or_else(|| Cow::Owned(wrapped(arguments)), Cow::Borrowed);
                    content.push(Block::ToolUse { id, name, input, caller: Caller {} });
                }
                // Told as text: see `Delta::without_images`.
                delta::Block::Image { .. } => {}
                delta::Block::Annotation(annotation) => cite(&mut content, annotation),
            }
        }
        content
    }
}

/// Adds a citation to the last text.
fn cite<'a>(content: &mut [Block<'a>], annotation: &'a str) {
    let text = content.iter_mut().rev().find_map(|block| match block {
        Block::Text { citations, .. } => Some(citations),
        _ => None,
    });
    if let (Some(citations), Some(citation)) = (text, Cited::of(annotation)) {
        citations.get_or_insert_default().push(citation);
    }
}

fn empty_thinking<'a>() -> Block<'a> {
    Block::Thinking { thinking: "", signature: "".into() }
}
