//! `messages`: each is read by itself and then said in the conversation.
//!
//! System and developer messages at the start are the conversation's instructions. Later ones stay
//! where they are, as text of the user's turn, and that is noted: most formats know no instructions
//! in the middle, and to move them to the front would change what they refer to and spoil prompt
//! caches. A speaker's `name` is put before the text, as OpenRouter does. Source: OpenAI's API
//! reference, message types (2026-11).

use super::part;
use super::value::{array, needed, object, text};
use crate::translate::form::{Cache, Content, Conversation, Part, Role, Text, Thinking};
use crate::translate::loss::Lost;
use crate::translate::openai::reasoning::{self, Detail, thought_signature};
use crate::translate::problem::{Problem, Read};
use crate::translate::tolerant::{self, non_empty_text};
use crate::wire::json::{Kind, Reader};

/// Who speaks, as `role` says it.
#[derive(Clone, Copy, PartialEq)]
enum Speaker {
    System,
    User,
    Assistant,
    Tool,
    Function,
}

const SPEAKERS: &[(&str, Speaker)] = &[
    ("system", Speaker::System),
    ("developer", Speaker::System),
    ("user", Speaker::User),
    ("assistant", Speaker::Assistant),
    ("tool", Speaker::Tool),
    ("function", Speaker::Function),
];

/// Reads messages into a conversation.
#[derive(Default)]
pub(super) struct Messages {
    /// Calls of the deprecated form so far: they have no ids.
    function_calls: usize,
}

/// One message as it stands there.
#[derive(Default)]
struct Message<'a> {
    role: Option<Text<'a>>,
    name: Option<Text<'a>>,
    content: Vec<Part<'a>>,
    refusal: Option<Text<'a>>,
    images: Vec<Part<'a>>,
    tool_calls: Vec<Call<'a>>,
    function_call: Option<Call<'a>>,
    tool_call_id: Option<Text<'a>>,
    reasoning: Option<Text<'a>>,
    details: Vec<Detail<'a>>,
    cache: Option<Cache>,
    /// Fields the common form has no place for.
    dropped: Lost,
}

#[derive(Default)]
struct Call<'a> {
    id: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    name: Option<Text<'a>>,
    arguments: Option<Text<'a>>,
    signature: Option<Text<'a>>,
}

impl Messages {
    /// Reads one message and says it.
    pub(super) fn read<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        conversation: &mut Conversation<'a>,
    ) -> Read<()> {
        let mut message = Message::default();
        if !object(reader, |reader, key| message.member(reader, key))? {
            return Err(Problem::wrong("must be an object"));
        }
        let role = message.role.as_deref().unwrap_or_default();
        let Some((_, speaker)) = SPEAKERS.iter().find(|(name, _)| *name == role) else {
            let known = "must be one of system, developer, user, assistant, tool, function";
            return Err(Problem::wrong(known).in_member("role"));
        };
        conversation.dropped.extend(std::mem::take(&mut message.dropped));
        match speaker {
            Speaker::System => message.instruct(conversation),
            Speaker::User => {
                let parts = message.named_content();
                say(conversation, Role::User, parts);
            }
            Speaker::Assistant => self.answer(message, conversation)?,
            Speaker::Tool => {
                let id = needed(message.tool_call_id.take(), "tool_call_id")?;
                message.give_back(id, conversation);
            }
            Speaker::Function => {
                let last = self.function_calls.checked_sub(1);
                let last = last.ok_or_else(|| Problem::wrong("has no function_call before it"))?;
                message.give_back(call_id(last), conversation);
            }
        }
        Ok(())
    }

    /// An assistant's message: thinking, then text, then calls.
    fn answer<'a>(
        &mut self,
        mut message: Message<'a>,
        conversation: &mut Conversation<'a>,
    ) -> Read<()> {
        let mut calls = Vec::with_capacity(message.tool_calls.len());
        for (index, call) in std::mem::take(&mut message.tool_calls).into_iter().enumerate() {
            calls.push(
                call.content()
                    .map_err(|problem| problem.in_element(index).in_member("tool_calls"))?,
            );
        }
        if let Some(call) = message.function_call.take() {
            let call = Call { id: Some(call_id(self.function_calls)), ..call };
            calls.push(call.content().map_err(|problem| problem.in_member("function_call"))?);
            self.function_calls += 1;
        }
        let mut parts: Vec<_> = message
            .thinking(&mut calls)
            .into_iter()
            .map(|thinking| plain(Content::Thinking(thinking)))
            .collect();
        if let Some(refusal) = message.refusal.take().filter(|refusal| !refusal.is_empty()) {
            message.content.push(Part::text(refusal));
            conversation.lose("messages.refusal");
        }
        let images = std::mem::take(&mut message.images);
        parts.extend(message.named_content().into_iter().filter(|part| !is_blank(part)));
        parts.extend(images);
        parts.extend(calls.into_iter().map(plain));
        say(conversation, Role::Assistant, parts);
        Ok(())
    }
}

/// The id of a call that the deprecated form gives none.
fn call_id(index: usize) -> Text<'static> {
    format!("call_{index}").into()
}

impl<'a> Message<'a> {
    fn member(&mut self, reader: &mut Reader<'a>, key: &str) -> Read<()> {
        match key {
            "role" => self.role = text(reader)?,
            "content" => part::content(reader, &mut self.content, &mut self.dropped)?,
            "name" => self.name = text(reader)?,
            "refusal" => self.refusal = text(reader)?,
            "tool_call_id" => self.tool_call_id = text(reader)?,
            "cache_control" => self.cache = part::cache_control(reader)?,
            "function_call" => self.function_call = Call::read(reader, Call::function)?,
            "tool_calls" => {
                array(reader, |reader, _| {
                    self.tool_calls.extend(Call::read(reader, Call::member)?);
                    Ok(())
                })?;
            }
            "images" => {
                array(reader, |reader, _| {
                    self.images.push(part::image(reader)?);
                    Ok(())
                })?;
            }
            _ => self.given_back(reader, key)?,
        }
        Ok(())
    }

    /// Members clients only repeat from an answer: wrong types do not matter.
    fn given_back(&mut self, reader: &mut Reader<'a>, key: &str) -> Read<()> {
        match key {
            "reasoning" | "reasoning_content" => {
                self.reasoning = self.reasoning.take().or(non_empty_text(reader)?);
            }
            "reasoning_details" => tolerant::array(reader, |reader| {
                let detail = Detail::read(reader)?;
                if detail.is_unknown() {
                    self.dropped.add("messages.reasoning_details");
                }
                self.details.push(detail);
                Ok(())
            })?,
            "audio" if reader.peek()? == Kind::Object => self.dropped.add("messages.audio"),
            "annotations" => tolerant::array(reader, |_| {
                self.dropped.add("messages.annotations");
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    }

    /// The thinking, without the proofs of tool calls, which go to the calls.
    fn thinking(&mut self, calls: &mut [Content<'a>]) -> Vec<Thinking<'a>> {
        let mut thinking: Vec<_> = reasoning::thinking(std::mem::take(&mut self.details)).collect();
        thinking.retain_mut(|thinking| match (&mut thinking.encrypted, thinking.id.as_deref()) {
            (Some(proof), Some(thought)) => !calls.iter_mut().any(|call| match call {
                Content::ToolCall { id, signature, .. } if id == thought => {
                    *signature = Some(std::mem::take(proof));
                    true
                }
                _ => false,
            }),
            _ => true,
        });
        match self.reasoning.take() {
            Some(text)
                if thinking
                    .iter()
                    .all(|thinking| thinking.text.is_empty() && thinking.signature.is_none()) =>
            {
                thinking.insert(0, Thinking { text, ..Thinking::default() });
            }
            _ => {}
        }
        thinking
    }

    /// The content with the speaker's name before it and the message's own breakpoint after it.
    fn named_content(&mut self) -> Vec<Part<'a>> {
        let mut parts = std::mem::take(&mut self.content);
        if let Some(name) = self.name.take().filter(|name| !name.is_empty()) {
            match parts.first_mut() {
                Some(Part { content: Content::Text(text), .. }) => {
                    *text = format!("{name}: {text}").into()
                }
                _ => parts.insert(0, Part::text(format!("{name}:"))),
            }
        }
        if let (Some(cache), Some(last)) = (self.cache, parts.last_mut()) {
            last.cache = last.cache.or(Some(cache));
        }
        parts
    }

    fn instruct(mut self, conversation: &mut Conversation<'a>) {
        let parts = self.named_content();
        if conversation.turns.is_empty() {
            return conversation.system.extend(parts);
        }
        conversation.lose("messages.role");
        say(conversation, Role::User, parts);
    }

    fn give_back(self, id: Text<'a>, conversation: &mut Conversation<'a>) {
        let content = Content::ToolResult { id, parts: self.content, is_error: false };
        conversation.say_result(Part { content, cache: self.cache });
    }
}

impl<'a> Call<'a> {
    fn read(
        reader: &mut Reader<'a>,
        member: fn(&mut Self, &mut Reader<'a>, &str) -> Read<()>,
    ) -> Read<Option<Self>> {
        let mut call = Self::default();
        Ok(object(reader, |reader, key| member(&mut call, reader, key))?.then_some(call))
    }

    /// A member of an element of `tool_calls`.
    fn member(&mut self, reader: &mut Reader<'a>, key: &str) -> Read<()> {
        match key {
            "id" => self.id = text(reader)?,
            "type" => self.kind = text(reader)?,
            "function" => {
                object(reader, |reader, key| self.function(reader, key))?;
            }
            "extra_content" => self.signature = thought_signature(reader)?,
            _ => {}
        }
        Ok(())
    }

    /// A member of `function` or `function_call`.
    fn function(&mut self, reader: &mut Reader<'a>, key: &str) -> Read<()> {
        match key {
            "name" => self.name = text(reader)?,
            "arguments" => self.arguments = text(reader)?,
            _ => {}
        }
        Ok(())
    }

    fn content(self) -> Read<Content<'a>> {
        if self.kind.is_some_and(|kind| kind != "function") {
            return Err(Problem::wrong("must be function: no other call can be translated")
                .in_member("type"));
        }
        Ok(Content::ToolCall {
            id: needed(self.id, "id")?,
            name: needed(self.name, "function.name")?,
            arguments: self.arguments.unwrap_or_default(),
            signature: self.signature,
        })
    }
}

/// Says what there is to say: a turn is never empty.
fn say<'a>(conversation: &mut Conversation<'a>, role: Role, parts: Vec<Part<'a>>) {
    if !parts.is_empty() {
        conversation.say(role, parts);
    }
}

/// A part without a breakpoint.
fn plain(content: Content<'_>) -> Part<'_> {
    Part { content, cache: None }
}

/// Whether it is text that says nothing and marks nothing.
fn is_blank(part: &Part<'_>) -> bool {
    part.cache.is_none() && matches!(&part.content, Content::Text(text) if text.is_empty())
}
