//! Writes an answer: gathers its deltas into items, and tells each step as an event.
//!
//! One message or piece of thinking is open at a time; whatever else comes closes it. Calls may be
//! open side by side, as upstreams may send their arguments by turns: one is closed when its
//! arguments are whole and something else begins, so that clients can start on it, the rest at the
//! end. A whole answer takes the same way with the events left out.

mod call;
mod event;
mod item;
mod output;
mod response;

use super::proof;
use super::tool::Names;
use crate::error::Error;
use crate::error::responses::{code, error_object};
use crate::translate::delta::{Answer, Block, Delta, FinishReason};
use crate::translate::{About, AnswerWriter};
use crate::usage::Usage;
use crate::wire::openai::ErrorFields;
use call::Calls;
use event::Event;
use item::{Cited, Item, PieceKind, Status};
use output::Output;
use response::{Echo, Failed, Response, Said, State};

pub(super) struct Writer {
    about: About,
    /// `resp_…`
    id: String,
    echo: Echo,
    names: Names,
    output: Output,
    /// The message or piece of thinking that grows.
    open: Option<usize>,
    calls: Calls,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    /// Unix seconds.
    completed_at: Option<u64>,
    phase: Phase,
}

#[derive(PartialEq)]
enum Phase {
    New,
    Started,
    Ended,
}

impl Writer {
    pub(super) fn new(mut about: About) -> Self {
        let request = std::mem::take(&mut about.request);
        Self {
            id: ["resp_", &about.id].concat(),
            echo: Echo::of(&request),
            names: Names::of(&request),
            about,
            output: Output::default(),
            open: None,
            calls: Calls::default(),
            usage: None,
            finish: None,
            completed_at: None,
            phase: Phase::New,
        }
    }

    fn start(&mut self, events: &mut Vec<u8>) {
        if self.phase == Phase::New {
            self.phase = Phase::Started;
            self.lifecycle("response.created", State::InProgress, None, events);
            self.lifecycle("response.in_progress", State::InProgress, None, events);
        }
    }

    fn lifecycle(
        &mut self,
        r#type: &'static str,
        state: State,
        error: Option<Failed<'_>>,
        events: &mut Vec<u8>,
    ) {
        // Taken out because the response borrows everything else.
        let mut numbering = std::mem::take(&mut self.output.numbering);
        let response = self.response(state, error);
        numbering.write(Event { r#type, response: Some(&response), ..Event::default() }, events);
        self.output.numbering = numbering;
    }

    fn response<'a>(&'a self, status: State, error: Option<Failed<'a>>) -> Response<'a> {
        let said = Said {
            id: &self.id,
            created_at: self.about.created,
            completed_at: self.completed_at.filter(|_| status == State::Completed),
            model: &self.about.model,
            status,
            incomplete: self.incomplete().filter(|_| status == State::Incomplete),
            error,
            output: &self.output.items,
            usage: self.usage,
        };
        Response::new(said, &self.echo)
    }

    /// Why the answer is not complete, in this dialect's words.
    fn incomplete(&self) -> Option<&'static str> {
        match self.finish {
            Some(FinishReason::Length) => Some("max_output_tokens"),
            Some(FinishReason::ContentFilter) => Some("content_filter"),
            _ => None,
        }
    }

    /// Adds text to a part of this kind, and opens it where it is not open.
    fn say(&mut self, kind: PieceKind, more: &str, events: &mut Vec<u8>) {
        if !more.is_empty() {
            let output_index = self.open_piece(kind, events);
            self.output.extend_piece(output_index, kind, more, events);
        }
    }

    fn cite(&mut self, json: &str, events: &mut Vec<u8>) {
        if let Some(citation) = Cited::of(json) {
            let output_index = self.open_piece(PieceKind::OutputText, events);
            self.output.cite(output_index, citation, events);
        }
    }

    /// Makes sure that a part of this kind is open, and says in which item.
    fn open_piece(&mut self, kind: PieceKind, events: &mut Vec<u8>) -> usize {
        let open = self.open.filter(|index| self.takes(*index, kind));
        let output_index = open.unwrap_or_else(|| self.open_item(kind, events));
        let last = self.output.items.get(output_index).and_then(Item::last_piece);
        if last.is_none_or(|(_, piece)| piece.kind() != kind) {
            self.output.close_piece(output_index, events);
            self.output.open_piece(output_index, kind, events);
        }
        output_index
    }

    /// Whether the item can have another part of this kind: thinking that is proven has ended.
    fn takes(&mut self, output_index: usize, kind: PieceKind) -> bool {
        self.output.items.get_mut(output_index).is_some_and(|item| {
            let proven = matches!(item, Item::Reasoning { encrypted_content: Some(_), .. });
            !proven && item.pieces(kind).is_some()
        })
    }

    fn open_item(&mut self, kind: PieceKind, events: &mut Vec<u8>) -> usize {
        let make = match kind {
            PieceKind::OutputText | PieceKind::Refusal => Item::message,
            PieceKind::SummaryText | PieceKind::ReasoningText => Item::reasoning,
        };
        let output_index = self.add(|id| make(&id), events);
        self.open = Some(output_index);
        output_index
    }

    /// Closes what has ended and adds an item, made from the end of its id.
    fn add(&mut self, make: impl FnOnce(String) -> Item, events: &mut Vec<u8>) -> usize {
        self.start(events);
        self.close_open(Status::Completed, events);
        self.calls.close_whole(&mut self.output, events);
        let item = make(format!("{}_{}", self.about.id, self.output.items.len()));
        self.output.add(item, events)
    }

    fn close_open(&mut self, status: Status, events: &mut Vec<u8>) {
        if let Some(output_index) = self.open.take() {
            self.output.close_piece(output_index, events);
            self.output.close_item(output_index, status, events);
        }
    }

    /// Adds a proof to the thinking that is open, or where that has one or there is none, to an
    /// item of its own.
    fn prove(&mut self, prefix: &str, proof: &str, events: &mut Vec<u8>) {
        let open = self.open.filter(|index| self.is_unproven(*index, prefix));
        let output_index = open.unwrap_or_else(|| self.open_item(PieceKind::ReasoningText, events));
        if let Some(Item::Reasoning { encrypted_content, .. }) =
            self.output.items.get_mut(output_index)
        {
            encrypted_content.get_or_insert_with(|| prefix.to_owned()).push_str(proof);
        }
    }

    /// Whether an item is thinking that has no proof, or one of this kind, which may come in
    /// pieces.
    fn is_unproven(&self, output_index: usize, prefix: &str) -> bool {
        match self.output.items.get(output_index) {
            Some(Item::Reasoning { encrypted_content: Some(proof), .. }) => {
                proof.starts_with(prefix)
            }
            Some(Item::Reasoning { .. }) => true,
            _ => false,
        }
    }

    fn call(&mut self, index: usize, call_id: &str, name: &str, events: &mut Vec<u8>) {
        let name = self.names.find(name);
        let kind = name.kind;
        let call_id = match call_id {
            "" => format!("call_{}_{}", self.about.id, self.calls.count()),
            id => id.to_owned(),
        };
        let output_index = self.add(|id| call::item(&id, call_id, name), events);
        self.calls.open(index, output_index, kind);
    }

    /// Closes whatever is open; what the answer ended in the middle of stays incomplete.
    fn close_all(&mut self, events: &mut Vec<u8>) {
        let status =
            if self.incomplete().is_some() { Status::Incomplete } else { Status::Completed };
        self.close_open(status, events);
        self.calls.close_all(status, &mut self.output, events);
    }

    fn fail(&mut self, error: &Error, events: &mut Vec<u8>) {
        if self.phase == Phase::Ended {
            return;
        }
        self.start(events);
        self.phase = Phase::Ended;
        self.break_off();
        let message = error.to_string();
        let object = error_object(error, &message);
        self.output.numbering.write_error(&object, events);
        self.lifecycle(
            "response.failed",
            State::Failed,
            Some(Failed::new(&object, code(error))),
            events,
        );
    }

    /// A whole answer that its upstream broke off.
    fn whole_failure(&mut self) -> Vec<u8> {
        self.break_off();
        let error = Error::of_upstream(&ErrorFields::default(), "");
        let message = error.to_string();
        let failed = Failed::new(&error_object(&error, &message), code(&error));
        serde_json::to_vec(&self.response(State::Failed, Some(failed))).unwrap_or_default()
    }

    fn break_off(&mut self) {
        self.calls.break_off(&mut self.output);
        self.output.break_off();
    }

    fn block(&mut self, block: &Block, events: &mut Vec<u8>) {
        match block {
            Block::Text(text) => self.delta(&Delta::Text(text.into()), events),
            Block::Refusal(text) => self.delta(&Delta::Refusal(text.into()), events),
            Block::Thinking { text, signature } => {
                self.delta(&Delta::Thinking(text.into()), events);
                if let Some(proof) = signature {
                    self.delta(&Delta::Signature(proof.into()), events);
                }
            }
            Block::EncryptedThinking(data) => {
                self.delta(&Delta::EncryptedThinking(data.into()), events)
            }
            Block::ToolCall { id, name, arguments, signature } => {
                let index = self.calls.count();
                let signature = signature.as_ref().map(Into::into);
                self.delta(
                    &Delta::ToolCall { index, id: id.into(), name: name.into(), signature },
                    events,
                );
                self.delta(&Delta::Arguments { index, json: arguments.into() }, events);
            }
            // Told as text: see `Delta::without_images`.
            Block::Image { .. } => {}
            Block::Annotation(json) => self.delta(&Delta::Annotation(json.into()), events),
        }
    }
}

impl AnswerWriter for Writer {
    fn delta(&mut self, delta: &Delta<'_>, events: &mut Vec<u8>) {
        if self.phase == Phase::Ended {
            return;
        }
        let format = self.about.thinking_format;
        match delta {
            Delta::Start { .. } => self.start(events),
            Delta::Text(text) => self.say(PieceKind::OutputText, text, events),
            Delta::Refusal(text) => self.say(PieceKind::Refusal, text, events),
            Delta::Thinking(text) if self.echo.summarises() => {
                self.say(PieceKind::SummaryText, text, events)
            }
            Delta::Thinking(text) => self.say(PieceKind::ReasoningText, text, events),
            Delta::Signature(proof) => {
                self.prove(&proof::prefix(proof::THINKING, format), proof, events)
            }
            Delta::EncryptedThinking(data) => {
                self.close_open(Status::Completed, events);
                self.prove(&proof::prefix("", format), data, events);
                self.close_open(Status::Completed, events);
            }
            Delta::ToolCall { index, id, name, signature } => {
                if let Some(proof) = signature {
                    self.prove(proof::CALL, proof, events);
                }
                self.call(*index, id, name, events);
            }
            Delta::Arguments { index, json } => {
                self.calls.extend(*index, json, &mut self.output, events)
            }
            Delta::Annotation(json) => self.cite(json, events),
            Delta::Finish { reason, .. } => self.finish = Some(*reason),
            Delta::Usage(usage) => self.usage = Some(*usage),
            Delta::Error(fields) => self.fail(&Error::of_upstream(fields, ""), events),
            // Pictures are told as text: see `Delta::without_images`.
            Delta::Image { .. } | Delta::Done => {}
        }
    }

    fn end(&mut self, now: u64, events: &mut Vec<u8>) {
        if self.finish == Some(FinishReason::Error) {
            self.fail(&Error::of_upstream(&ErrorFields::default(), ""), events);
        }
        if self.phase == Phase::Ended {
            return;
        }
        self.start(events);
        self.close_all(events);
        self.phase = Phase::Ended;
        self.completed_at = Some(now);
        match self.incomplete() {
            Some(_) => self.lifecycle("response.incomplete", State::Incomplete, None, events),
            None => self.lifecycle("response.completed", State::Completed, None, events),
        }
    }

    fn error(&mut self, error: &Error, events: &mut Vec<u8>) {
        self.fail(error, events);
    }

    fn whole(&mut self, answer: &Answer, now: u64) -> Vec<u8> {
        let mut events = Vec::new();
        self.output.numbering.silence();
        answer.blocks.iter().for_each(|block| self.block(block, &mut events));
        self.finish = answer.finish.as_ref().map(|(reason, _)| *reason);
        self.usage = answer.usage;
        if self.finish == Some(FinishReason::Error) {
            return self.whole_failure();
        }
        self.close_all(&mut events);
        self.completed_at = Some(now);
        let state = self.incomplete().map_or(State::Completed, |_| State::Incomplete);
        serde_json::to_vec(&self.response(state, None)).unwrap_or_default()
    }
}
