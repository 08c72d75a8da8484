//! Answers, whole or streamed, into deltas. A field of a wrong type counts as absent; an event
//! without sense is nothing.
//!
//! A stream is `messageStart`, blocks, `messageStop`, `metadata`. It ended well when both of the
//! last two were there: one that stops between them was cut, and its usage is not known.

mod block;

use std::borrow::Cow;

use super::read_error;
use crate::translate::delta::{Delta, FinishReason};
use crate::translate::form::Text;
use crate::translate::tolerant::{array, member, object, text};
use crate::translate::{AnswerReader, Malformed, Tell};
use crate::usage::Usage;
use crate::wire::event_stream;
use crate::wire::json::{JsonError, Kind, Reader, Span};
use crate::wire::openai::ErrorFields;
use block::{Citations, Piece, Thought, ToolUse, say, usage};

/// Why the model stopped. What is not here was an ordinary end.
const REASONS: &[(&str, FinishReason)] = &[
    ("end_turn", FinishReason::Stop),
    ("stop_sequence", FinishReason::Stop),
    ("tool_use", FinishReason::ToolCalls),
    ("max_tokens", FinishReason::Length),
    ("model_context_window_exceeded", FinishReason::Length),
    ("guardrail_intervened", FinishReason::ContentFilter),
    ("content_filtered", FinishReason::ContentFilter),
    ("malformed_model_output", FinishReason::Error),
    ("malformed_tool_use", FinishReason::Error),
];

/// One answer being read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    started: bool,
    /// The block of each call that was told; `None`: in a whole answer.
    calls: Vec<Option<u64>>,
    stopped: bool,
    counted: bool,
    /// Nothing is told any more: the answer is complete, or failed.
    over: bool,
}

impl AnswerReader for Reading {
    fn whole(&mut self, body: &[u8], tell: &mut Tell<'_>) -> Result<(), Malformed> {
        let parts = Parts::of(body)?;
        self.start(tell);
        let _ = array(&mut Reader::new(parts.content), |reader| {
            self.block(reader, parts.content, tell)
        });
        self.finish(parts.stop_reason.unwrap_or_default(), tell);
        if let Some(usage) = parts.usage {
            tell(Delta::Usage(usage));
        }
        self.over = true;
        tell(Delta::Done);
        Ok(())
    }

    fn event(&mut self, event: &[u8], tell: &mut Tell<'_>) {
        let Some(message) = event_stream::message(event).filter(|_| !self.over) else {
            return;
        };
        match message.header(":message-type") {
            Some("exception") => {
                let kind = message.header(":exception-type").unwrap_or_default();
                self.fail(read_error::exception(kind, message.payload), tell);
            }
            Some("error") => {
                let kind = message.header(":error-code").unwrap_or_default();
                let text = message.header(":error-message").unwrap_or_default();
                self.fail(read_error::unmodelled(kind, text), tell);
            }
            _ => {
                let kind = message.header(":event-type").unwrap_or_default();
                // An event is told once all of its JSON was read, so that one that is none is not
                // told in part.
                let _ = self.modelled(kind, message.payload, tell);
            }
        }
    }
}

impl Reading {
    fn modelled(
        &mut self,
        kind: &str,
        payload: &[u8],
        tell: &mut Tell<'_>,
    ) -> Result<(), JsonError> {
        match kind {
            "messageStart" => self.start(tell),
            "contentBlockDelta" => self.block_delta(payload, tell)?,
            "contentBlockStart" => self.block_start(payload, tell)?,
            "messageStop" => {
                let reason = member(&mut Reader::new(payload), "stopReason", text)?;
                self.stopped = true;
                self.finish(reason.unwrap_or_default(), tell);
            }
            "metadata" => {
                let usage = member(&mut Reader::new(payload), "usage", usage)?;
                if let Some(usage) = usage {
                    tell(Delta::Usage(usage));
                }
                self.counted = true;
            }
            _ => {}
        }
        if self.stopped && self.counted {
            self.over = true;
            tell(Delta::Done);
        }
        Ok(())
    }

    fn fail(&mut self, error: ErrorFields, tell: &mut Tell<'_>) {
        self.over = true;
        tell(Delta::Error(error));
    }

    /// The API names neither answers nor, in them, models.
    fn start(&mut self, tell: &mut Tell<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            tell(Delta::Start { id: Cow::Borrowed(""), model: Cow::Borrowed("") });
        }
    }

    fn finish(&mut self, native: Text<'_>, tell: &mut Tell<'_>) {
        self.start(tell);
        let known = REASONS.iter().find(|(name, _)| *name == native);
        let reason = match known.map_or(FinishReason::Stop, |(_, reason)| *reason) {
            // Some models end their turn with calls and do not say that they wait for them.
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            reason => reason,
        };
        tell(Delta::Finish { reason, native });
    }

    /// A call; one without a name cannot be made. Calls of the provider's own tools are not the
    /// client's.
    fn call(
        &mut self,
        block: Option<u64>,
        call: ToolUse<'_>,
        tell: &mut Tell<'_>,
    ) -> Option<usize> {
        let name = call.name.filter(|name| !name.is_empty() && !call.by_server)?;
        let index = self.calls.len();
        self.calls.push(block);
        let id =
            call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{index}").into());
        tell(Delta::ToolCall { index, id, name, signature: None });
        Some(index)
    }

    /// `contentBlockStart`: only tools have something to say at their start.
    fn block_start(&mut self, payload: &[u8], tell: &mut Tell<'_>) -> Result<(), JsonError> {
        let (mut block, mut call) = (None, None);
        object(&mut Reader::new(payload), |reader, key| {
            match key {
                "contentBlockIndex" => block = reader.u64()?,
                "start" => {
                    call = member(reader, "toolUse", |reader| ToolUse::read(payload, reader))?
                }
                _ => {}
            }
            Ok(())
        })?;
        self.start(tell);
        if let Some(call) = call {
            self.call(block, call, tell);
        }
        Ok(())
    }

    /// `contentBlockDelta`, nearly every event of a stream.
    fn block_delta(&mut self, payload: &[u8], tell: &mut Tell<'_>) -> Result<(), JsonError> {
        let (mut block, mut piece) = (None, None);
        object(&mut Reader::new(payload), |reader, key| {
            match key {
                "delta" => piece = Piece::read(reader)?,
                "contentBlockIndex" => block = reader.u64()?,
                _ => {}
            }
            Ok(())
        })?;
        self.start(tell);
        match piece {
            Some(Piece::Say(delta)) => say(delta, tell),
            Some(Piece::Arguments(json)) if block.is_some() => {
                if let Some(index) = self.calls.iter().rposition(|call| *call == block) {
                    say(Delta::Arguments { index, json }, tell);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A block of a whole answer.
    fn block<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        json: &'a [u8],
        tell: &mut Tell<'_>,
    ) -> Result<(), JsonError> {
        object(reader, |reader, key| {
            match key {
                "text" => text(reader)?.into_iter().for_each(|text| say(Delta::Text(text), tell)),
                "toolUse" => {
                    if let Some(mut call) = ToolUse::read(json, reader)? {
                        let json = call.input.take().unwrap_or_default().into();
                        if let Some(index) = self.call(None, call, tell) {
                            tell(Delta::Arguments { index, json });
                        }
                    }
                }
                "reasoningContent" => Thought::read(reader)?.tell(tell),
                "citationsContent" => Citations::read(reader)?.tell(tell),
                _ => {}
            }
            Ok(())
        })
    }
}

/// The parts of a whole answer that are read.
struct Parts<'a> {
    content: &'a [u8],
    stop_reason: Option<Text<'a>>,
    usage: Option<Usage>,
}

impl<'a> Parts<'a> {
    /// It is an answer of this format if it has a message with a list of blocks.
    fn of(body: &'a [u8]) -> Result<Self, Malformed> {
        let (mut content, mut stop_reason, mut counted) = (None, None, None);
        let mut reader = Reader::new(body);
        let read = object(&mut reader, |reader, key| {
            match key {
                "output" => {
                    content = member(reader, "message", |reader| member(reader, "content", list))?
                }
                "stopReason" => stop_reason = text(reader)?,
                "usage" => counted = usage(reader)?,
                _ => {}
            }
            Ok(())
        });
        read.and_then(|()| reader.end()).map_err(|_| Malformed)?;
        let content = content.and_then(|span| body.get(span)).ok_or(Malformed)?;
        Ok(Self { content, stop_reason, usage: counted })
    }
}

/// Where an array stands.
fn list(reader: &mut Reader<'_>) -> Result<Option<Span>, JsonError> {
    Ok(if reader.peek()? == Kind::Array { Some(reader.skip()?) } else { None })
}
