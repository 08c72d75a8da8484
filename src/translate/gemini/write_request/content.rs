//! `contents`: what was said.
//!
//! A thought's signature stands on the part that came after the thought: on the first call of a
//! step, or on the text that ends a turn. It is given back on the part it came on.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::media::{self, Blob, FileData, Located};
use super::model::Model;
use crate::translate::form::{Content as Said, Conversation, Part as Piece, Role, Thinking, Turn};
use crate::translate::gemini::THINKING_FORMAT;
use crate::translate::loss::Lost;

/// From the third generation on, the first call of each step must be signed. Calls made by another
/// provider's model, or given back by a client that lost the signature, get the value the
/// documentation has for that.
const UNSIGNED: &str = "skip_thought_signature_validator";

/// What one side says in its turn.
#[derive(Debug, Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
}

/// One of the kinds a part may be of.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    args: Object<'a>,
}

#[derive(Debug, Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    response: Object<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part<'a>>,
}

/// What the API takes as an object only.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Object<'a> {
    /// It is an object.
    Json(Cow<'a, RawValue>),
    /// What a tool returned.
    Result { result: Cow<'a, str> },
    /// A tool's own description of its failure.
    Failure { error: Cow<'a, RawValue> },
    /// A tool's failure.
    Error { error: Cow<'a, str> },
    /// Arguments that are not JSON.
    Arguments { arguments: &'a str },
    /// No arguments.
    Empty {},
}

impl Content<'_> {
    /// The same, said by the user.
    pub(super) fn by_user(self) -> Self {
        Self { role: Some("user"), ..self }
    }
}

impl<'a> Part<'a> {
    fn text(text: &'a str) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    fn located(located: Located<'a>) -> Self {
        match located {
            Located::Inline(blob) => Self { inline_data: Some(blob), ..Self::default() },
            Located::File(file) => Self { file_data: Some(file), ..Self::default() },
        }
    }

    fn signed(self, signature: Option<&'a str>) -> Self {
        Self { thought_signature: signature, ..self }
    }
}

/// Instructions: text only.
pub(super) fn system<'a>(pieces: &'a [Piece<'_>], dropped: &mut Lost) -> Option<Content<'a>> {
    let mut parts = Vec::with_capacity(pieces.len());
    for piece in pieces {
        dropped.add_if(piece.cache.is_some(), "messages.cache_control");
        match &piece.content {
            Said::Text(text) if text.is_empty() => {}
            Said::Text(text) => parts.push(Part::text(text)),
            _ => dropped.add("messages.content"),
        }
    }
    (!parts.is_empty()).then_some(Content { role: None, parts })
}

/// All turns that say something.
// Keeps its caller small, as the host's compiler takes memory by the size of the largest function.
#[inline(never)]
pub(super) fn contents<'a>(
    conversation: &'a Conversation<'_>,
    model: Model<'_>,
    dropped: &mut Lost,
) -> Vec<Content<'a>> {
    let mut contents = Vec::with_capacity(conversation.turns.len());
    for (index, turn) in conversation.turns.iter().enumerate() {
        let before = conversation.turns.get(..index).unwrap_or_default();
        let writer = Writer {
            before,
            turn,
            with_ids: model.is_third_generation(),
            parts: Vec::with_capacity(turn.parts.len()),
            beside: Vec::new(),
            signature: None,
            called: false,
            dropped,
        };
        let parts = writer.write();
        if !parts.is_empty() {
            let role = match turn.role {
                Role::User => "user",
                Role::Assistant => "model",
            };
            contents.push(Content { role: Some(role), parts });
        }
    }
    contents
}

/// Writes one turn.
struct Writer<'a, 'b> {
    before: &'a [Turn<'a>],
    turn: &'a Turn<'a>,
    /// Whether the model is of the third generation or later.
    with_ids: bool,
    parts: Vec<Part<'a>>,
    /// Media of results that may not stand inside them: they follow all results.
    beside: Vec<Part<'a>>,
    /// A signature that waits for the part it belongs to.
    signature: Option<&'a str>,
    /// A call has been written.
    called: bool,
    dropped: &'b mut Lost,
}

impl<'a> Writer<'a, '_> {
    fn write(mut self) -> Vec<Part<'a>> {
        for piece in self.pieces() {
            self.dropped.add_if(piece.cache.is_some(), "messages.cache_control");
            if !matches!(piece.content, Said::ToolResult { .. }) {
                self.parts.append(&mut self.beside);
            }
            self.piece(piece);
        }
        self.parts.append(&mut self.beside);
        if let Some(signature) = self.signature {
            self.parts.push(Part::text("").signed(Some(signature)));
        }
        self.parts
    }

    /// The turn's pieces, results in the order of their calls: where they have no ids the model
    /// tells them apart by their order.
    fn pieces(&self) -> Vec<&'a Piece<'a>> {
        let calls = self.before.last().map(|turn| turn.parts.as_slice()).unwrap_or_default();
        let mut pieces: Vec<_> = self.turn.parts.iter().collect();
        pieces.sort_by_key(|piece| place_among(calls, piece));
        pieces
    }

    fn piece(&mut self, piece: &'a Piece<'a>) {
        match &piece.content {
            Said::Text(text) if text.is_empty() => {}
            Said::Text(text) => {
                let signature = self.signature.take();
                self.parts.push(Part::text(text).signed(signature));
            }
            Said::Media(media) => {
                if let Some(located) = media::locate(media, self.dropped) {
                    let signature = self.signature.take();
                    self.parts.push(Part::located(located).signed(signature));
                }
            }
            Said::Thinking(thinking) => self.thinking(thinking),
            Said::ToolCall { id, name, arguments, signature } => {
                self.call(id, name, arguments, signature.as_deref())
            }
            Said::ToolResult { id, parts, is_error } => self.result(id, parts, *is_error),
        }
    }

    fn thinking(&mut self, thinking: &'a Thinking<'a>) {
        if thinking.format.as_deref() != Some(THINKING_FORMAT) {
            return self.dropped.add("messages.reasoning_details");
        }
        let signature = thinking.signature.as_deref();
        if !thinking.text.is_empty() {
            let part = Part { thought: Some(true), ..Part::text(&thinking.text) };
            self.parts.push(part.signed(signature));
        } else if signature.is_some() {
            self.signature = signature;
        }
        if thinking.encrypted.is_some() && !thinking.id.as_deref().is_some_and(|id| self.calls(id))
        {
            self.signature = thinking.encrypted.as_deref();
        }
    }

    /// Whether this turn makes the call `id`.
    fn calls(&self, id: &str) -> bool {
        tool_of_call(self.turn, id).is_some()
    }

    fn call(&mut self, id: &'a str, name: &'a str, arguments: &'a str, signature: Option<&'a str>) {
        let signature = signature
            .or_else(|| signature_of_call(self.turn, id))
            .or_else(|| self.signature.take());
        let is_first = !std::mem::replace(&mut self.called, true);
        let signature = signature.or((is_first && self.with_ids).then_some(UNSIGNED));
        let args = self.arguments(arguments);
        let function_call = Some(FunctionCall { id: self.with_ids.then_some(id), name, args });
        self.parts.push(Part { function_call, ..Part::default() }.signed(signature));
    }

    fn arguments(&mut self, arguments: &'a str) -> Object<'a> {
        if let Some(json) = object(arguments) {
            return Object::Json(Cow::Borrowed(json));
        }
        if arguments.trim_ascii().is_empty() || arguments.trim_ascii() == "null" {
            return Object::Empty {};
        }
        self.dropped.add("messages.tool_calls.arguments");
        Object::Arguments { arguments }
    }

    fn result(&mut self, id: &'a str, pieces: &'a [Piece<'a>], is_error: bool) {
        let mut texts = Vec::with_capacity(pieces.len());
        let mut inside = Vec::new();
        for piece in pieces {
            self.dropped.add_if(piece.cache.is_some(), "messages.cache_control");
            match &piece.content {
                Said::Text(text) => texts.push(text.as_ref()),
                Said::Media(media) => match media::locate(media, self.dropped) {
                    Some(Located::Inline(blob)) if self.with_ids && blob.suits_result() => {
                        inside.push(Part::located(Located::Inline(blob)));
                    }
                    Some(located) => self.beside.push(Part::located(located)),
                    None => {}
                },
                _ => self.dropped.add("messages.content"),
            }
        }
        // Ids may repeat from turn to turn: the latest call is meant.
        let Some(name) = self.before.iter().rev().find_map(|turn| tool_of_call(turn, id)) else {
            return self.orphan(texts, inside);
        };
        let response = returned(&texts, is_error);
        let function_response = Some(FunctionResponse {
            id: self.with_ids.then_some(id),
            name,
            response,
            parts: inside,
        });
        self.parts.push(Part { function_response, ..Part::default() });
    }

    /// A result nobody asked for would be refused: what it says is said as text.
    fn orphan(&mut self, texts: Vec<&'a str>, media: Vec<Part<'a>>) {
        self.dropped.add("messages.tool_call_id");
        self.parts.extend(texts.into_iter().filter(|text| !text.is_empty()).map(Part::text));
        self.parts.extend(media);
    }
}

/// Where the call stands whose result a piece is; what is no result comes last.
fn place_among(calls: &[Piece<'_>], piece: &Piece<'_>) -> usize {
    let place = match &piece.content {
        Said::ToolResult { id, .. } => calls.iter().position(|call| is_call(call, id)),
        _ => None,
    };
    place.unwrap_or(usize::MAX)
}

fn is_call(piece: &Piece<'_>, id: &str) -> bool {
    matches!(&piece.content, Said::ToolCall { id: call, .. } if call == id)
}

/// The tool of the call `id`, if `turn` makes it.
fn tool_of_call<'a>(turn: &'a Turn<'_>, id: &str) -> Option<&'a str> {
    turn.parts.iter().find_map(|piece| match &piece.content {
        Said::ToolCall { id: call, name, .. } if call == id => Some(name.as_ref()),
        _ => None,
    })
}

/// OpenRouter's clients hold a call's signature as encrypted thinking that has the call's id.
fn signature_of_call<'a>(turn: &'a Turn<'_>, call: &str) -> Option<&'a str> {
    turn.parts.iter().find_map(|piece| match &piece.content {
        Said::Thinking(Thinking {
            id: Some(id),
            encrypted: Some(signature),
            format: Some(format),
            ..
        }) if id == call && format == THINKING_FORMAT => Some(signature.as_ref()),
        _ => None,
    })
}

/// What a tool returned: as it is where it is an object.
fn returned<'a>(texts: &[&'a str], is_error: bool) -> Object<'a> {
    let text = match texts {
        [text] => Cow::Borrowed(*text),
        _ => Cow::Owned(texts.concat()),
    };
    let json = match &text {
        Cow::Borrowed(text) => object(text).map(Cow::Borrowed),
        Cow::Owned(text) => object(text).map(|json| Cow::Owned(json.to_owned())),
    };
    match (json, is_error) {
        (Some(json), false) => Object::Json(json),
        (Some(error), true) => Object::Failure { error },
        (None, false) => Object::Result { result: text },
        (None, true) => Object::Error { error: text },
    }
}

/// A text that is a JSON object.
fn object(text: &str) -> Option<&RawValue> {
    text.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(text).ok())?
}
