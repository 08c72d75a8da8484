//! The calls of an answer whose arguments are not all there.

use std::borrow::Cow;

use super::event::Event;
use super::item::{Item, Status};
use super::output::Output;
use crate::translate::responses::shape::{Field, Shape, must, parse};
use crate::translate::responses::tool::{Kind, Name};
use crate::translate::responses::value::Value;
use crate::wire::json::{Kind as JsonKind, Reader};

/// Open calls, oldest first.
#[derive(Default)]
pub(super) struct Calls {
    open: Vec<Call>,
    count: usize,
}

struct Call {
    /// In the answer's own count of calls.
    index: usize,
    output_index: usize,
    kind: Kind,
    /// The arguments so far. Only a function's are told piece by piece: others have another form in
    /// the end.
    json: String,
}

impl Calls {
    /// How many calls there were.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adds a call, whose item was added.
    pub(super) fn open(&mut self, index: usize, output_index: usize, kind: Kind) {
        self.count += 1;
        self.open.push(Call { index, output_index, kind, json: String::new() });
    }

    /// Adds to the arguments of the open call `index`; what comes for any other says nothing.
    pub(super) fn extend(
        &mut self,
        index: usize,
        json: &str,
        output: &mut Output,
        events: &mut Vec<u8>,
    ) {
        let Some(call) = self.open.iter_mut().rfind(|call| call.index == index) else { return };
        call.json.push_str(json);
        if call.kind == Kind::Function && !json.is_empty() {
            call.tell_arguments(json, output, events);
        }
    }

    /// Closes the calls whose arguments are whole.
    pub(super) fn close_whole(&mut self, output: &mut Output, events: &mut Vec<u8>) {
        let (whole, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.open).into_iter().partition(|call| is_whole(&call.json));
        self.open = rest;
        whole.into_iter().for_each(|call| call.close(Status::Completed, output, events));
    }

    /// Closes all calls; those whose arguments are not whole end like the answer.
    pub(super) fn close_all(&mut self, ended: Status, output: &mut Output, events: &mut Vec<u8>) {
        for call in std::mem::take(&mut self.open) {
            let status = if is_whole(&call.json) { Status::Completed } else { ended };
            call.close(status, output, events);
        }
    }

    /// Keeps what there is of the arguments, and tells nobody.
    pub(super) fn break_off(&mut self, output: &mut Output) {
        std::mem::take(&mut self.open).iter().for_each(|call| call.settle(output));
    }
}

impl Call {
    fn close(mut self, status: Status, output: &mut Output, events: &mut Vec<u8>) {
        if self.kind == Kind::Function && self.json.is_empty() {
            // A function without arguments: clients parse what they get.
            self.json.push_str("{}");
            self.tell_arguments("{}", output, events);
        }
        self.settle(output);
        self.tell(output, events);
        output.close_item(self.output_index, status, events);
    }

    fn tell_arguments(&self, json: &str, output: &mut Output, events: &mut Vec<u8>) {
        let event = Event {
            r#type: "response.function_call_arguments.delta",
            item_id: output.items.get(self.output_index).map(Item::id),
            output_index: Some(self.output_index),
            delta: Some(json),
            ..Event::default()
        };
        output.numbering.write(event, events);
    }

    /// Puts the arguments into the item, in its own form.
    fn settle(&self, output: &mut Output) {
        match output.items.get_mut(self.output_index) {
            Some(Item::FunctionCall { arguments, .. }) => arguments.clone_from(&self.json),
            Some(Item::CustomToolCall { input, .. }) => *input = free_form(&self.json),
            Some(Item::ToolSearchCall { arguments, .. }) => {
                *arguments = serde_json::from_str(&self.json).ok()
            }
            _ => {}
        }
    }

    fn tell(&self, output: &mut Output, events: &mut Vec<u8>) {
        let Some(item) = output.items.get(self.output_index) else { return };
        let event = Event {
            item_id: Some(item.id()),
            output_index: Some(self.output_index),
            ..Event::default()
        };
        match item {
            Item::FunctionCall { name, arguments, .. } => {
                let r#type = "response.function_call_arguments.done";
                let done = Event { r#type, name: Some(name), arguments: Some(arguments), ..event };
                output.numbering.write(done, events);
            }
            Item::CustomToolCall { input, .. } => {
                let r#type = "response.custom_tool_call_input.delta";
                output.numbering.write(Event { r#type, delta: Some(input), ..event }, events);
                let r#type = "response.custom_tool_call_input.done";
                output.numbering.write(Event { r#type, input: Some(input), ..event }, events);
            }
            _ => {}
        }
    }
}

/// The item of a call that begins, in the form its client knows it by.
pub(super) fn item(id: &str, call_id: String, name: Name) -> Item {
    let Name { kind, name, namespace, .. } = name;
    let status = Status::InProgress;
    match kind {
        Kind::Function => {
            let (id, arguments) = (format!("fc_{id}"), String::new());
            Item::FunctionCall { id, status, call_id, name, namespace, arguments }
        }
        Kind::Custom => {
            let (id, input) = (format!("ctc_{id}"), String::new());
            Item::CustomToolCall { id, status, call_id, name, namespace, input }
        }
        Kind::Search => {
            let id = format!("tsc_{id}");
            Item::ToolSearchCall { id, status, call_id, execution: "client", arguments: None }
        }
    }
}

/// Whether arguments are a whole JSON object.
fn is_whole(json: &str) -> bool {
    let mut reader = Reader::new(json.as_bytes());
    reader.peek() == Ok(JsonKind::Object) && reader.skip().is_ok() && reader.end().is_ok()
}

/// The text a free-form tool gets; the arguments as they are where the model did not keep to their
/// form.
fn free_form(json: &str) -> String {
    const ARGUMENTS: &[Field] = &[must("input", Shape::Text)];
    let arguments = parse(json.as_bytes(), &Shape::Object(ARGUMENTS)).ok().and_then(Value::object);
    let input = arguments.and_then(|mut arguments| arguments.text("input"));
    input.map_or_else(|| json.to_owned(), Cow::into_owned)
}
