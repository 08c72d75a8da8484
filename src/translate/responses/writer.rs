//! Writes an answer: gathers its deltas into items, and tells each step as an event.
//!
//! One message or piece of thinking is open at a time; whatever else comes closes it. Calls may be open side by side,
//! as upstreams may send their arguments by turns: one is closed when its arguments are whole and something else begins,
//! so that clients can start on it, the rest at the end. A whole answer takes the same way with the events left out.

use serde::Deserialize;

use super::event::{Event, Numbering, PieceEvents, Place};
use super::item::{Citation, Item, Piece, PieceKind, Status};
use super::proof;
use super::response::{Echo, Failed, Response, Said, State};
use super::tool::{Kind, Names};
use super::value::Str;
use super::{code, error_object};
use crate::error::{Error, Failure};
use crate::translate::delta::{Answer, Block, Delta, FinishReason};
use crate::translate::{About, AnswerWriter};
use crate::usage::Usage;
use crate::wire::json::{Kind as JsonKind, Reader};
use crate::wire::openai::ErrorFields;

pub(super) struct Writer {
    about: About,
    /// `resp_…`
    id: String,
    echo: Echo,
    names: Names,
    items: Vec<Item>,
    /// The message or piece of thinking that grows.
    open: Option<usize>,
    /// The calls whose arguments grow.
    calls: Vec<Call>,
    call_count: usize,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    numbering: Numbering,
    phase: Phase,
}

/// A call whose arguments are not all there.
struct Call {
    /// In the answer's own count of calls.
    index: usize,
    output_index: usize,
    kind: Kind,
    json: String,
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
            items: Vec::new(),
            open: None,
            calls: Vec::new(),
            call_count: 0,
            usage: None,
            finish: None,
            numbering: Numbering::default(),
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

    fn lifecycle(&mut self, r#type: &'static str, state: State, error: Option<Failed<'_>>, events: &mut Vec<u8>) {
        // Borrowed apart from the response, which borrows everything else.
        let mut numbering = std::mem::take(&mut self.numbering);
        let response = self.response(state, error);
        numbering.write(Event { r#type, response: Some(&response), ..Event::default() }, events);
        self.numbering = numbering;
    }

    fn response<'a>(&'a self, status: State, error: Option<Failed<'a>>) -> Response<'a> {
        let said = Said {
            id: &self.id,
            created_at: self.about.created,
            model: &self.about.model,
            status,
            incomplete: self.incomplete().filter(|_| status == State::Incomplete),
            error,
            output: &self.items,
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
        if more.is_empty() {
            return;
        }
        let output_index = self.open_piece(kind, events);
        let Some(item) = self.items.get_mut(output_index) else { return };
        if let Some(piece) = item.pieces(kind).and_then(|pieces| pieces.last_mut()) {
            piece.text_mut().push_str(more);
        }
        let Some((piece_index, _)) = item.last_piece() else { return };
        let place = Place { item_id: item.id(), output_index, piece_index };
        let logprobs = (kind == PieceKind::OutputText).then_some([]);
        let event = Event::of_piece(PieceEvents::of(kind).delta, kind, place);
        self.numbering.write(Event { delta: Some(more), logprobs, ..event }, events);
    }

    /// Makes sure that a part of this kind is open, and says in which item.
    fn open_piece(&mut self, kind: PieceKind, events: &mut Vec<u8>) -> usize {
        let open = self.open.filter(|index| self.takes(*index, kind));
        let output_index = open.unwrap_or_else(|| self.open_item(kind, events));
        let item = self.items.get(output_index);
        if item.and_then(Item::last_piece).is_some_and(|(_, piece)| piece.kind() == kind) {
            return output_index;
        }
        self.close_piece(output_index, events);
        let Some(item) = self.items.get_mut(output_index) else { return output_index };
        if let Some(pieces) = item.pieces(kind) {
            pieces.push(Piece::empty(kind));
        }
        if let Some((piece_index, piece)) = item.last_piece() {
            let place = Place { item_id: item.id(), output_index, piece_index };
            let event = Event::of_piece(PieceEvents::of(kind).added, kind, place);
            self.numbering.write(Event { part: Some(piece), ..event }, events);
        }
        output_index
    }

    /// Whether the item can have another part of this kind: thinking that is proven has ended.
    fn takes(&mut self, output_index: usize, kind: PieceKind) -> bool {
        self.items.get_mut(output_index).is_some_and(|item| {
            let proven = matches!(item, Item::Reasoning { encrypted_content: Some(_), .. });
            !proven && item.pieces(kind).is_some()
        })
    }

    fn open_item(&mut self, kind: PieceKind, events: &mut Vec<u8>) -> usize {
        let output_index = match kind {
            PieceKind::OutputText | PieceKind::Refusal => self.add(Self::message, events),
            PieceKind::SummaryText | PieceKind::ReasoningText => self.add(Self::reasoning, events),
        };
        self.open = Some(output_index);
        output_index
    }

    fn message(id: &str, index: usize) -> Item {
        let id = format!("msg_{id}_{index}");
        Item::Message { id, status: Status::InProgress, role: "assistant", content: Vec::new() }
    }

    fn reasoning(id: &str, index: usize) -> Item {
        let (summary, content) = (Vec::new(), Vec::new());
        let id = format!("rs_{id}_{index}");
        Item::Reasoning { id, status: Status::InProgress, summary, content, encrypted_content: None }
    }

    /// Closes what has ended and adds an item.
    fn add(&mut self, item: impl FnOnce(&str, usize) -> Item, events: &mut Vec<u8>) -> usize {
        self.start(events);
        self.close_open(Status::Completed, events);
        self.close_calls(is_whole, Status::Completed, events);
        let output_index = self.items.len();
        let item = item(&self.about.id, output_index);
        let event = Event { r#type: "response.output_item.added", ..Event::default() };
        self.numbering.write(Event { output_index: Some(output_index), item: Some(&item), ..event }, events);
        self.items.push(item);
        output_index
    }

    fn close_open(&mut self, status: Status, events: &mut Vec<u8>) {
        if let Some(output_index) = self.open.take() {
            self.close_piece(output_index, events);
            self.close_item(output_index, status, events);
        }
    }

    /// Closes the last part of an item, if it has one.
    fn close_piece(&mut self, output_index: usize, events: &mut Vec<u8>) {
        let Some(item) = self.items.get(output_index) else { return };
        let Some((piece_index, piece)) = item.last_piece() else { return };
        let (kind, types) = (piece.kind(), PieceEvents::of(piece.kind()));
        let place = Place { item_id: item.id(), output_index, piece_index };
        let refusal = kind == PieceKind::Refusal;
        let done = Event {
            text: (!refusal).then_some(piece.text()),
            refusal: refusal.then_some(piece.text()),
            logprobs: (kind == PieceKind::OutputText).then_some([]),
            ..Event::of_piece(types.text_done, kind, place)
        };
        self.numbering.write(done, events);
        self.numbering.write(Event { part: Some(piece), ..Event::of_piece(types.done, kind, place) }, events);
    }

    fn close_item(&mut self, output_index: usize, ended: Status, events: &mut Vec<u8>) {
        let Some(item) = self.items.get_mut(output_index) else { return };
        *item.status() = ended;
        let event = Event { r#type: "response.output_item.done", ..Event::default() };
        self.numbering.write(Event { output_index: Some(output_index), item: Some(item), ..event }, events);
    }

    /// Adds a proof to the thinking that is open, or where that has one or there is none, to an item of its own.
    fn prove(&mut self, prefix: &str, proof: &str, events: &mut Vec<u8>) {
        let output_index = match self.open {
            Some(index) if self.is_unproven(index, prefix) => index,
            _ => self.add(Self::reasoning, events),
        };
        self.open = Some(output_index);
        if let Some(Item::Reasoning { encrypted_content, .. }) = self.items.get_mut(output_index) {
            encrypted_content.get_or_insert_with(|| prefix.to_owned()).push_str(proof);
        }
    }

    /// Whether an item is thinking that has no proof, or one of this kind, which may come in pieces.
    fn is_unproven(&self, output_index: usize, prefix: &str) -> bool {
        match self.items.get(output_index) {
            Some(Item::Reasoning { encrypted_content: Some(proof), .. }) => proof.starts_with(prefix),
            Some(Item::Reasoning { .. }) => true,
            _ => false,
        }
    }

    fn call(&mut self, index: usize, call_id: &str, name: &str, events: &mut Vec<u8>) {
        let name = self.names.find(name);
        let kind = name.kind;
        let call_id = match call_id {
            "" => format!("call_{}_{}", self.about.id, self.call_count),
            id => id.to_owned(),
        };
        self.call_count += 1;
        let (status, namespace, name) = (Status::InProgress, name.namespace, name.name);
        let output_index = self.add(
            |id, index| match kind {
                Kind::Function => {
                    let id = format!("fc_{id}_{index}");
                    Item::FunctionCall { id, status, call_id, name, namespace, arguments: String::new() }
                }
                Kind::Custom => {
                    let id = format!("ctc_{id}_{index}");
                    Item::CustomToolCall { id, status, call_id, name, namespace, input: String::new() }
                }
                Kind::Search => {
                    let id = format!("tsc_{id}_{index}");
                    Item::ToolSearchCall { id, status, call_id, execution: "client", arguments: None }
                }
            },
            events,
        );
        self.calls.push(Call { index, output_index, kind, json: String::new() });
    }

    fn arguments(&mut self, index: usize, json: &str, events: &mut Vec<u8>) {
        let Some(call) = self.calls.iter_mut().rfind(|call| call.index == index) else { return };
        call.json.push_str(json);
        let (kind, output_index) = (call.kind, call.output_index);
        if kind == Kind::Function && !json.is_empty() {
            self.tell_arguments(output_index, json, events);
        }
    }

    fn tell_arguments(&mut self, output_index: usize, json: &str, events: &mut Vec<u8>) {
        let event = Event {
            r#type: "response.function_call_arguments.delta",
            item_id: self.items.get(output_index).map(Item::id),
            output_index: Some(output_index),
            delta: Some(json),
            ..Event::default()
        };
        self.numbering.write(event, events);
    }

    /// Closes the calls whose arguments are ready; others end with `otherwise`.
    fn close_calls(&mut self, is_ready: fn(&str) -> bool, otherwise: Status, events: &mut Vec<u8>) {
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.calls).into_iter().partition(|call| is_ready(&call.json));
        self.calls = waiting;
        for mut call in ready {
            if call.kind == Kind::Function && call.json.is_empty() {
                // A function without arguments: clients parse what they get.
                call.json.push_str("{}");
                self.tell_arguments(call.output_index, "{}", events);
            }
            let status = if is_whole(&call.json) { Status::Completed } else { otherwise };
            self.settle_call(&call);
            self.tell_call(&call, events);
            self.close_item(call.output_index, status, events);
        }
    }

    /// Puts a call's arguments into its item.
    fn settle_call(&mut self, call: &Call) {
        match self.items.get_mut(call.output_index) {
            Some(Item::FunctionCall { arguments, .. }) => arguments.clone_from(&call.json),
            Some(Item::CustomToolCall { input, .. }) => *input = free_form(&call.json),
            Some(Item::ToolSearchCall { arguments, .. }) => *arguments = serde_json::from_str(&call.json).ok(),
            _ => {}
        }
    }

    fn tell_call(&mut self, call: &Call, events: &mut Vec<u8>) {
        let Some(item) = self.items.get(call.output_index) else { return };
        let event = || Event { item_id: Some(item.id()), output_index: Some(call.output_index), ..Event::default() };
        match item {
            Item::FunctionCall { arguments, .. } => {
                let r#type = "response.function_call_arguments.done";
                self.numbering.write(Event { r#type, arguments: Some(arguments), ..event() }, events);
            }
            Item::CustomToolCall { input, .. } => {
                let r#type = "response.custom_tool_call_input.delta";
                self.numbering.write(Event { r#type, delta: Some(input), ..event() }, events);
                let r#type = "response.custom_tool_call_input.done";
                self.numbering.write(Event { r#type, input: Some(input), ..event() }, events);
            }
            _ => {}
        }
    }

    fn cite(&mut self, json: &str, events: &mut Vec<u8>) {
        let Some(citation) = Citation::parse(json) else { return };
        let output_index = self.open_piece(PieceKind::OutputText, events);
        let Some(item) = self.items.get_mut(output_index) else { return };
        let pieces = item.pieces(PieceKind::OutputText).and_then(|pieces| pieces.last_mut());
        let Some(Piece::OutputText { annotations, .. }) = pieces else { return };
        let annotation_index = annotations.len();
        annotations.push(citation.clone());
        let Some((piece_index, _)) = item.last_piece() else { return };
        let place = Place { item_id: item.id(), output_index, piece_index };
        let event = Event::of_piece("response.output_text.annotation.added", PieceKind::OutputText, place);
        let (annotation_index, annotation) = (Some(annotation_index), Some(&citation));
        self.numbering.write(Event { annotation_index, annotation, ..event }, events);
    }

    /// Closes whatever is open; what the answer ended in the middle of stays incomplete.
    fn close_all(&mut self, events: &mut Vec<u8>) {
        let status = if self.incomplete().is_some() { Status::Incomplete } else { Status::Completed };
        self.close_open(status, events);
        self.close_calls(|_| true, status, events);
    }

    fn fail(&mut self, error: &Error, events: &mut Vec<u8>) {
        if self.phase == Phase::Ended {
            return;
        }
        self.start(events);
        self.phase = Phase::Ended;
        for call in std::mem::take(&mut self.calls) {
            self.settle_call(&call);
        }
        for item in &mut self.items {
            if *item.status() == Status::InProgress {
                *item.status() = Status::Incomplete;
            }
        }
        let message = error.to_string();
        self.numbering.write_error(&error_object(error, &message), events);
        let failed = Failed { code: code(error), message: &message };
        self.lifecycle("response.failed", State::Failed, Some(failed), events);
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
            Block::EncryptedThinking(data) => self.delta(&Delta::EncryptedThinking(data.into()), events),
            Block::ToolCall { id, name, arguments, signature } => {
                let index = self.call_count;
                let signature = signature.as_ref().map(Into::into);
                self.delta(&Delta::ToolCall { index, id: id.into(), name: name.into(), signature }, events);
                self.delta(&Delta::Arguments { index, json: arguments.into() }, events);
            }
            Block::Annotation(json) => self.delta(&Delta::Annotation(json.into()), events),
        }
    }
}

impl AnswerWriter for Writer {
    fn delta(&mut self, delta: &Delta<'_>, events: &mut Vec<u8>) {
        if self.phase == Phase::Ended {
            return;
        }
        match delta {
            Delta::Start { .. } => self.start(events),
            Delta::Text(text) => self.say(PieceKind::OutputText, text, events),
            Delta::Refusal(text) => self.say(PieceKind::Refusal, text, events),
            Delta::Thinking(text) if self.echo.summarises() => self.say(PieceKind::SummaryText, text, events),
            Delta::Thinking(text) => self.say(PieceKind::ReasoningText, text, events),
            Delta::Signature(proof) => self.prove(proof::THINKING, proof, events),
            Delta::EncryptedThinking(data) => {
                self.close_open(Status::Completed, events);
                self.prove("", data, events);
                self.close_open(Status::Completed, events);
            }
            Delta::ToolCall { index, id, name, signature } => {
                if let Some(proof) = signature {
                    self.prove(proof::CALL, proof, events);
                }
                self.call(*index, id, name, events);
            }
            Delta::Arguments { index, json } => self.arguments(*index, json, events),
            Delta::Annotation(json) => self.cite(json, events),
            Delta::Finish { reason, .. } => self.finish = Some(*reason),
            Delta::Usage(usage) => self.usage = Some(*usage),
            Delta::Error(fields) => self.fail(&of_upstream(fields), events),
            Delta::Done => {}
        }
    }

    fn end(&mut self, events: &mut Vec<u8>) {
        if self.finish == Some(FinishReason::Error) {
            self.fail(&of_upstream(&ErrorFields::default()), events);
        }
        if self.phase == Phase::Ended {
            return;
        }
        self.start(events);
        self.close_all(events);
        self.phase = Phase::Ended;
        match self.incomplete() {
            Some(_) => self.lifecycle("response.incomplete", State::Incomplete, None, events),
            None => self.lifecycle("response.completed", State::Completed, None, events),
        }
    }

    fn error(&mut self, error: &Error, events: &mut Vec<u8>) {
        self.fail(error, events);
    }

    fn whole(&mut self, answer: &Answer) -> Vec<u8> {
        let mut events = Vec::new();
        self.numbering.silent = true;
        for block in &answer.blocks {
            self.block(block, &mut events);
        }
        self.finish = answer.finish.as_ref().map(|(reason, _)| *reason);
        self.usage = answer.usage;
        self.close_all(&mut events);
        let error = of_upstream(&ErrorFields::default());
        let message = error.to_string();
        let (state, failed) = match self.finish {
            Some(FinishReason::Error) => (State::Failed, Some(Failed { code: code(&error), message: &message })),
            _ if self.incomplete().is_some() => (State::Incomplete, None),
            _ => (State::Completed, None),
        };
        serde_json::to_vec(&self.response(state, failed)).unwrap_or_default()
    }
}

/// Whether arguments are a whole JSON object.
fn is_whole(json: &str) -> bool {
    let mut reader = Reader::new(json.as_bytes());
    reader.peek() == Ok(JsonKind::Object) && reader.skip().is_ok() && reader.end().is_ok()
}

/// The text a free-form tool gets; the arguments as they are where the model did not keep to their form.
fn free_form(json: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments<'a> {
        #[serde(borrow)]
        input: Str<'a>,
    }
    let arguments = serde_json::from_str::<Arguments<'_>>(json);
    arguments.map_or_else(|_| json.to_owned(), |arguments| arguments.input.0.into_owned())
}

/// An upstream's own error as the gateway's.
fn of_upstream(fields: &ErrorFields) -> Error {
    Error::Upstream(Failure {
        status: fields.status().unwrap_or(502),
        message: fields.message.clone().unwrap_or_else(|| "Provider returned error".to_owned()),
        code: fields.code.clone(),
        ..Failure::default()
    })
}
