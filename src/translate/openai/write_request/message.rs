//! The turns of a conversation as `messages` for an upstream.
//!
//! One turn becomes as many messages as OpenAI wants: each tool result is a message of its own,
//! before what else the user says. Results are text only, so their pictures and files follow in the
//! user's message, each under the call's id. Sources: OpenAI's API reference, messages (2026-11);
//! `reasoning_details` is OpenRouter's, `reasoning_content` DeepSeek's.

use std::borrow::Cow;

use serde::Serialize;

use super::piece::Piece;
use crate::translate::form::{Content, Conversation, Part, Role, Thinking, Turn};
use crate::translate::loss::Lost;
use crate::translate::openai::reasoning::DetailJson;
use crate::translate::openai::{Quirks, ThinkingForm};

/// What parts texts that are made one; those of an answer go on from each other.
const BETWEEN: &str = "\n\n";

/// A message.
#[derive(Debug, Default, Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Option<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<DetailJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

/// `content`: one text alone is a string, as servers that know no parts want it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Piece<'a>>),
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    id: Cow<'a, str>,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Writes messages for one upstream.
pub(super) struct Writer<'w> {
    pub(super) quirks: &'w Quirks,
    pub(super) dropped: &'w mut Lost,
}

impl Writer<'_> {
    /// All messages, the instructions first.
    pub(super) fn messages<'a>(&mut self, conversation: &'a Conversation<'_>) -> Vec<Message<'a>> {
        let mut messages = Vec::with_capacity(conversation.turns.len() + 1);
        let instructions = self.pieces(&conversation.system);
        if !instructions.is_empty() {
            let content = self.said(instructions, BETWEEN);
            messages.push(Message { role: "system", content, ..Message::default() });
        }
        for turn in &conversation.turns {
            match turn.role {
                Role::User => self.user(turn, &mut messages),
                Role::Assistant => messages.extend(self.assistant(turn)),
            }
        }
        messages
    }

    fn pieces<'a>(&mut self, parts: &'a [Part<'_>]) -> Vec<Piece<'a>> {
        parts.iter().filter_map(|part| Piece::of(part, self.quirks, self.dropped)).collect()
    }

    /// `content`, where `between` parts the texts of an upstream that wants one string.
    fn said<'a>(&self, pieces: Vec<Piece<'a>>, between: &str) -> Option<Said<'a>> {
        let said = Said::of(pieces);
        let joined = if self.quirks.text_parts { None } else { said.joined(between) };
        Some(joined.map_or(said, |text| Said::Text(text.into())))
    }

    fn user<'a>(&mut self, turn: &'a Turn<'_>, messages: &mut Vec<Message<'a>>) {
        let mut said = Vec::new();
        for part in &turn.parts {
            match &part.content {
                Content::ToolResult { id, parts, is_error } => {
                    let id = self.quirks.call_ids.fit(id);
                    let mut texts = self.result(&id, parts, *is_error, &mut said);
                    self.mark(part, texts.last_mut());
                    let content = self.said(texts, BETWEEN);
                    messages.push(Message {
                        role: "tool",
                        content,
                        tool_call_id: Some(id),
                        ..Message::default()
                    });
                }
                _ => said.extend(Piece::of(part, self.quirks, self.dropped)),
            }
        }
        if !said.is_empty() {
            messages.push(Message {
                role: "user",
                content: self.said(said, BETWEEN),
                ..Message::default()
            });
        }
    }

    /// A result's texts, at least one; its media go to `said`.
    fn result<'a>(
        &mut self,
        id: &str,
        parts: &'a [Part<'_>],
        is_error: bool,
        said: &mut Vec<Piece<'a>>,
    ) -> Vec<Piece<'a>> {
        let (mut texts, media): (Vec<_>, Vec<_>) =
            self.pieces(parts).into_iter().partition(|piece| matches!(piece, Piece::Text { .. }));
        if !media.is_empty() {
            self.dropped.add("messages.tool.content");
            said.push(Piece::text(format!("Returned by tool call {id}:")));
            said.extend(media);
        }
        if is_error {
            self.dropped.add("messages.tool.is_error");
            texts.insert(0, Piece::text("The tool failed:"));
        }
        if texts.is_empty() {
            texts.push(Piece::text(""));
        }
        texts
    }

    /// Moves the breakpoint of a part that is no content of its own to a piece that can bear it.
    fn mark(&mut self, part: &Part<'_>, piece: Option<&mut Piece<'_>>) {
        let Some(cache) = part.cache else { return };
        match piece {
            Some(Piece::Text { cache_control, .. }) if self.quirks.cache_control => {
                *cache_control = Some(cache.into())
            }
            _ if self.quirks.cache_control => self.dropped.add("messages.tool_calls.cache_control"),
            _ => self.dropped.add("messages.cache_control"),
        }
    }

    /// `None`: nothing is left of it.
    fn assistant<'a>(&mut self, turn: &'a Turn<'_>) -> Option<Message<'a>> {
        let mut message = Message { role: "assistant", ..Message::default() };
        let mut said = Vec::new();
        for part in &turn.parts {
            match &part.content {
                Content::Text(_) => said.extend(Piece::of(part, self.quirks, self.dropped)),
                Content::Media(_) => self.dropped.add("messages.images"),
                Content::Thinking(thinking) => self.think(thinking, &mut message),
                Content::ToolCall { id, name, arguments, signature } => {
                    let id = self.quirks.call_ids.fit(id);
                    message.tool_calls.push(Call::new(id.clone(), name, arguments));
                    if let Some(proof) = signature {
                        self.prove(id, proof, &mut message);
                    }
                    self.mark(part, None);
                }
                Content::ToolResult { .. } => {}
            }
        }
        message.content = if said.is_empty() { None } else { self.said(said, "") };
        let thinks = message.reasoning_content.is_some() || !message.reasoning_details.is_empty();
        (message.content.is_some() || !message.tool_calls.is_empty() || thinks).then_some(message)
    }

    fn think<'a>(&mut self, thinking: &'a Thinking<'_>, message: &mut Message<'a>) {
        match self.quirks.thinking {
            ThinkingForm::Details => {
                let details = &mut message.reasoning_details;
                for detail in DetailJson::of(thinking) {
                    details.push(detail.at(details.len()));
                }
            }
            ThinkingForm::Content => {
                if thinking.signature.is_some() || thinking.encrypted.is_some() {
                    self.dropped.add("messages.reasoning");
                }
                if !thinking.text.is_empty() {
                    message.reasoning_content.get_or_insert_default().push_str(&thinking.text);
                }
            }
            ThinkingForm::None => self.dropped.add("messages.reasoning"),
        }
    }

    fn prove<'a>(&mut self, id: Cow<'a, str>, proof: &'a str, message: &mut Message<'a>) {
        let details = &mut message.reasoning_details;
        match self.quirks.thinking {
            ThinkingForm::Details => details.push(DetailJson::of_call(id, proof).at(details.len())),
            ThinkingForm::Content | ThinkingForm::None => self.dropped.add("messages.reasoning"),
        }
    }
}

impl<'a> Said<'a> {
    fn of(mut pieces: Vec<Piece<'a>>) -> Self {
        if let [Piece::Text { cache_control: None, text }] = pieces.as_mut_slice() {
            return Self::Text(std::mem::take(text));
        }
        Self::Parts(pieces)
    }

    /// All texts in one, if there is nothing else.
    fn joined(&self, between: &str) -> Option<String> {
        let Self::Parts(pieces) = self else { return None };
        let texts = pieces.iter().map(|piece| match piece {
            Piece::Text { text, .. } => Some(text.as_ref()),
            _ => None,
        });
        Some(texts.collect::<Option<Vec<_>>>()?.join(between))
    }
}

impl<'a> Call<'a> {
    fn new(id: Cow<'a, str>, name: &'a str, arguments: &'a str) -> Self {
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        Self { id, r#type: "function", function: Function { name, arguments } }
    }
}
