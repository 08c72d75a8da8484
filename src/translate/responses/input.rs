//! Items of `input`: what was said, thought, called and returned so far.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::{PartFields, parts, texts};
use super::proof::Proof;
use super::tool::{self, SEARCH, flat};
use super::value::{OneOrMany, Str, field, wrong};
use crate::error::{Error, echo};
use crate::translate::form::{Content, Conversation, Part, Role, Text, Thinking};

/// Calls of tools that OpenAI's servers ran; nothing refers to them. By what the loss is called.
const LEFT_OUT: [(&str, &str); 2] =
    [("web_search_call", "input.web_search_call"), ("image_generation_call", "input.image_generation_call")];

/// An item, whatever its type; each type uses some of the fields.
#[derive(Debug, Deserialize)]
struct ItemFields<'a> {
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
    #[serde(borrow)]
    id: Option<Str<'a>>,
    // A message.
    #[serde(borrow)]
    role: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<OneOrMany<'a, PartFields<'a>>>,
    #[serde(borrow)]
    phase: Option<Str<'a>>,
    // A call and what came of it.
    #[serde(borrow)]
    call_id: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    namespace: Option<Str<'a>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<Str<'a>>,
    #[serde(borrow)]
    output: Option<OneOrMany<'a, PartFields<'a>>>,
    // A piece of thinking; the last two are OpenRouter's.
    #[serde(borrow)]
    summary: Option<Vec<PartFields<'a>>>,
    #[serde(borrow)]
    encrypted_content: Option<Str<'a>>,
    #[serde(borrow)]
    signature: Option<Str<'a>>,
    #[serde(borrow)]
    format: Option<Str<'a>>,
    // More tools.
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

/// Reads `input` into turns, and the tools that its items bring along.
pub(super) fn read<'a>(raw: Option<&'a RawValue>, conversation: &mut Conversation<'a>) -> Result<(), Error> {
    match field("input", raw)? {
        None => Err(wrong("input", "is missing")),
        Some(OneOrMany::One(text)) => {
            conversation.say(Role::User, [Part::text(text)]);
            Ok(())
        }
        Some(OneOrMany::Many(items)) => {
            let mut reading = Reading { conversation, proof: None };
            for (index, item) in items.into_iter().enumerate() {
                reading.item(item).map_err(|problem| wrong("input", &format!("item {index}: {problem}")))?;
            }
            Ok(())
        }
    }
}

struct Reading<'c, 'a> {
    conversation: &'c mut Conversation<'a>,
    /// Belongs to the call that comes next.
    proof: Option<Text<'a>>,
}

impl<'a> Reading<'_, 'a> {
    fn item(&mut self, item: ItemFields<'a>) -> Result<(), String> {
        let r#type = item.r#type.as_ref().map(|r#type| r#type.0.as_ref());
        match r#type {
            Some("message") => self.message(item),
            None if item.role.is_some() => self.message(item),
            Some("reasoning") => {
                self.reasoning(item);
                Ok(())
            }
            Some("function_call" | "custom_tool_call" | "tool_search_call") => self.call(item),
            Some("function_call_output" | "custom_tool_call_output" | "tool_search_output") => self.result(item),
            Some("additional_tools") => self.offer(item.tools),
            Some("item_reference") | None => {
                Err("item_reference is not supported: no items are kept, send the item itself".to_owned())
            }
            Some(other) => match LEFT_OUT.iter().find(|(name, _)| *name == other) {
                Some((_, lost)) => {
                    self.conversation.lose(lost);
                    Ok(())
                }
                None => Err(format!("an item of type {:?} is not supported", echo(other))),
            },
        }
    }

    fn offer(&mut self, tools: Option<&'a RawValue>) -> Result<(), String> {
        tool::read(tools, self.conversation).map_err(|error| error.to_string())
    }

    fn message(&mut self, item: ItemFields<'a>) -> Result<(), String> {
        if item.phase.is_some() {
            self.conversation.lose("input.phase");
        }
        let content = item.content.map(parts).transpose()?.unwrap_or_default();
        if content.is_empty() {
            return Ok(());
        }
        let role = item.role.map(|role| role.0).unwrap_or_default();
        match role.as_ref() {
            "user" => self.conversation.say(Role::User, content),
            "assistant" => self.conversation.say(Role::Assistant, content),
            "system" | "developer" if self.conversation.turns.is_empty() => self.conversation.system.extend(content),
            "system" | "developer" => {
                // Moved to the front it would say something else, and no cached prompt would fit any more.
                self.conversation.lose("input.role");
                self.conversation.say(Role::User, content);
            }
            other => return Err(format!("the role {:?} is not known", echo(other))),
        }
        Ok(())
    }

    fn reasoning(&mut self, item: ItemFields<'a>) {
        let raw = match item.content {
            Some(OneOrMany::One(text)) => Some(text),
            Some(OneOrMany::Many(parts)) => texts(parts),
            None => None,
        };
        let mut thinking = Thinking {
            text: raw.or_else(|| item.summary.and_then(texts)).unwrap_or_default(),
            signature: item.signature.map(|signature| signature.0),
            id: item.id.map(|id| id.0),
            format: item.format.map(|format| format.0),
            ..Thinking::default()
        };
        match item.encrypted_content.map(|content| Proof::of(content.0)) {
            Some(Proof::Encrypted(content)) => thinking.encrypted = Some(content),
            Some(Proof::Thinking(proof)) => thinking.signature = Some(proof),
            Some(Proof::Call(proof)) => self.proof = Some(proof),
            None => {}
        }
        if !thinking.text.is_empty() || thinking.signature.is_some() || thinking.encrypted.is_some() {
            self.conversation.say(Role::Assistant, [Part { content: Content::Thinking(thinking), cache: None }]);
        }
    }

    fn call(&mut self, item: ItemFields<'a>) -> Result<(), String> {
        let (name, arguments) = match item.r#type.as_ref().map(|r#type| r#type.0.as_ref()) {
            Some("custom_tool_call") => (item.name, free_form(item.input.ok_or("input is missing")?)),
            Some("tool_search_call") => (Some(Str(SEARCH.into())), arguments(item.arguments)),
            _ => (item.name, arguments(item.arguments)),
        };
        let namespace = item.namespace.as_ref().map(|namespace| namespace.0.as_ref());
        let name = flat(namespace, name.ok_or("name is missing")?.0);
        let id = item.call_id.ok_or("call_id is missing")?.0;
        let content = Content::ToolCall { id, name, arguments, signature: self.proof.take() };
        self.conversation.say(Role::Assistant, [Part { content, cache: None }]);
        Ok(())
    }

    fn result(&mut self, item: ItemFields<'a>) -> Result<(), String> {
        self.offer(item.tools)?;
        let id = item.call_id.ok_or("call_id is missing")?.0;
        let found = item.tools.map(|tools| Part::text(tools.get()));
        let parts = item.output.map(parts).transpose()?.unwrap_or_default();
        let parts = found.into_iter().chain(parts).collect();
        let result = Part { content: Content::ToolResult { id, parts, is_error: false }, cache: None };
        self.conversation.say(Role::User, []);
        if let Some(turn) = self.conversation.turns.last_mut() {
            let at = turn.parts.iter().take_while(|part| matches!(part.content, Content::ToolResult { .. })).count();
            turn.parts.insert(at, result);
        }
        Ok(())
    }
}

/// Arguments as JSON text: a string holds it, and of a tool search they are the object itself.
fn arguments(raw: Option<&RawValue>) -> Text<'_> {
    let Some(raw) = raw else { return Cow::Borrowed("") };
    serde_json::from_str::<Str<'_>>(raw.get()).map_or(Cow::Borrowed(raw.get()), |text| text.0)
}

fn free_form(input: Str<'_>) -> Text<'static> {
    let input = serde_json::to_string(&input.0).unwrap_or_default();
    Cow::Owned(["{\"input\":", &input, "}"].concat())
}
