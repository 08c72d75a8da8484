//! An upstream's answer as deltas: one message, or the events of its stream.
//!
//! What Anthropic's own tools did (`server_tool_use` and its results) is passed over: only requests
//! that pass as bytes can ask for it. Citations are told where they are of the web; those of
//! documents name nothing a client could open.

mod event;

use super::read_error;
use super::tally::{Tally, finish_reason};
use crate::translate::citation::Citation;
use crate::translate::delta::Delta;
use crate::translate::{AnswerReader, Malformed, Tell};
use crate::wire::sse;
use event::{Cited, Event, Piece};

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Reading {
    tally: Tally,
    /// The index of each tool call's block.
    calls: Vec<u64>,
    /// A call's `input` from the start of its block, which counts unless pieces of it follow.
    whole_input: Option<String>,
    /// The block before was readable thinking.
    thought: bool,
    /// Characters of text so far, and where the present block's begin.
    characters: usize,
    block_start: usize,
}

impl AnswerReader for Reading {
    fn whole(&mut self, body: &[u8], tell: &mut Tell<'_>) -> Result<(), Malformed> {
        let mut event = Event::parse(body, &mut self.tally).ok_or(Malformed)?;
        if let Some(error) = read_error::read(body).filter(|_| event.content.is_none()) {
            tell(Delta::Error(error));
            return Ok(());
        }
        let content = event.content.take().ok_or(Malformed)?;
        self.start(&mut event, tell);
        for (index, mut block) in (0..).zip(content) {
            let citations = std::mem::take(&mut block.citations);
            self.begin(index, block, tell);
            self.cite(citations, tell);
            self.end_input(tell);
        }
        self.stop(event, tell);
        tell(Delta::Done);
        Ok(())
    }

    fn event(&mut self, event: &[u8], tell: &mut Tell<'_>) {
        let fields = sse::fields(event);
        let Some(data) = fields.data.as_deref() else { return };
        let Some(mut event) = Event::parse(data, &mut self.tally) else { return };
        match event.kind.as_ref() {
            "content_block_delta" => self.add(event.index, event.piece, tell),
            "content_block_start" => {
                let index = event.index.unwrap_or(u64::MAX);
                self.begin(index, event.piece, tell);
            }
            "content_block_stop" => self.end_input(tell),
            "message_start" => {
                self.start(&mut event, tell);
                self.count(event.counted, tell);
            }
            "message_delta" => self.stop(event, tell),
            "message_stop" => tell(Delta::Done),
            "error" => tell(Delta::Error(read_error::read(data).unwrap_or_default())),
            _ => {}
        }
    }
}

impl Reading {
    fn start(&mut self, event: &mut Event<'_>, tell: &mut Tell<'_>) {
        let (id, model) =
            (event.id.take().unwrap_or_default(), event.model.take().unwrap_or_default());
        tell(Delta::Start { id, model });
    }

    /// A block starts; in a whole answer all of it is here.
    fn begin(&mut self, index: u64, block: Piece<'_>, tell: &mut Tell<'_>) {
        self.end_input(tell);
        self.block_start = self.characters;
        let thought = std::mem::replace(&mut self.thought, block.kind == "thinking");
        match block.kind.as_ref() {
            // Where their text is omitted, two pieces of thinking would become one but for this.
            "thinking" if thought => tell(Delta::Thinking("".into())),
            "redacted_thinking" => {
                if let Some(data) = block.data {
                    tell(Delta::EncryptedThinking(data));
                }
                return;
            }
            "tool_use" => {
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                tell(Delta::ToolCall { index: self.calls.len(), id, name, signature: None });
                self.calls.push(index);
                self.whole_input = block.input.filter(|input| !is_empty(input)).map(str::to_owned);
                return;
            }
            _ => {}
        }
        self.add(Some(index), block, tell);
    }

    /// More of a block. A start may carry the same fields, mostly empty.
    fn add(&mut self, index: Option<u64>, piece: Piece<'_>, tell: &mut Tell<'_>) {
        if let Some(text) = piece
            .text
            .filter(|text| !text.is_empty() && matches!(&*piece.kind, "text" | "text_delta"))
        {
            self.characters += text.chars().count();
            tell(Delta::Text(text));
        }
        if let Some(thinking) = piece.thinking.filter(|thinking| !thinking.is_empty()) {
            tell(Delta::Thinking(thinking));
        }
        if let Some(signature) = piece.signature.filter(|signature| !signature.is_empty()) {
            tell(Delta::Signature(signature));
        }
        if let Some(json) = piece.partial_json.filter(|json| !json.is_empty()) {
            let call = index.map_or(self.calls.len().checked_sub(1), |index| {
                self.calls.iter().rposition(|block| *block == index)
            });
            if let Some(index) = call {
                self.whole_input = None;
                tell(Delta::Arguments { index, json });
            }
        }
        self.cite(piece.citations, tell);
    }

    fn end_input(&mut self, tell: &mut Tell<'_>) {
        if let Some(input) = self.whole_input.take() {
            let index = self.calls.len().saturating_sub(1);
            tell(Delta::Arguments { index, json: input.into() });
        }
    }

    fn cite(&mut self, cited: Vec<Cited<'_>>, tell: &mut Tell<'_>) {
        for Cited { url, title, text } in cited {
            let Some(url) = url else { continue };
            let citation = Citation {
                url,
                title: Some(title.unwrap_or_default()),
                content: Some(text.unwrap_or_default()),
                start_index: Some(self.block_start),
                end_index: Some(self.characters),
            };
            tell(Delta::Annotation(citation.annotation().into()));
        }
    }

    fn stop(&mut self, event: Event<'_>, tell: &mut Tell<'_>) {
        if let Some(explanation) = event.piece.explanation {
            tell(Delta::Refusal(explanation));
        }
        if let Some(native) = event.piece.stop_reason {
            tell(Delta::Finish { reason: finish_reason(&native), native });
        }
        self.count(event.counted, tell);
    }

    fn count(&self, counted: bool, tell: &mut Tell<'_>) {
        if counted {
            tell(Delta::Usage(self.tally.usage()));
        }
    }
}

fn is_empty(object: &str) -> bool {
    object.bytes().all(|byte| matches!(byte, b'{' | b'}') || byte.is_ascii_whitespace())
}
