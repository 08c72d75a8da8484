//! Items of `input`: what was said, thought, called and returned so far.

use std::borrow::Cow;

use super::content::{PART, parts, texts};
use crate::error::{Error, echo};
use crate::translate::form::{Content, Conversation, Part, Role, Text, Thinking};
use crate::translate::responses::proof::Proof;
use crate::translate::responses::shape::{Field, Shape, field, maybe, parse, raw, text, wrong};
use crate::translate::responses::tool::{self, SEARCH, flat};
use crate::translate::responses::value::{Object, Value};

/// Calls of tools that OpenAI's servers ran; nothing refers to them. By what the loss is called.
const LEFT_OUT: [(&str, &str); 2] = [
    ("web_search_call", "input.web_search_call"),
    ("image_generation_call", "input.image_generation_call"),
];

/// An item, whatever its type; each type uses some of the fields.
const ITEM: &[Field] = &[
    text("type"),
    text("id"),
    // A message.
    text("role"),
    maybe("content", PARTS),
    text("phase"),
    // A call and what came of it.
    text("call_id"),
    text("name"),
    text("namespace"),
    raw("arguments"),
    text("input"),
    maybe("output", PARTS),
    // A piece of thinking; the last two are OpenRouter's.
    maybe("summary", Shape::List(&Shape::Object(PART))),
    text("encrypted_content"),
    text("signature"),
    text("format"),
    // More tools.
    raw("tools"),
];

const PARTS: Shape = Shape::TextOrList(&Shape::Object(PART));

/// Reads `input` into turns, and the tools that its items bring along.
pub(super) fn read<'a>(
    json: Option<&'a str>,
    conversation: &mut Conversation<'a>,
) -> Result<(), Error> {
    match field("input", json, &Shape::TextOrList(&Shape::Object(ITEM)))? {
        Value::Null => Err(wrong("input", "is missing")),
        Value::Text(text) => {
            conversation.say(Role::User, [Part::text(text)]);
            Ok(())
        }
        items => {
            let mut reading = Reading { conversation, proof: None };
            for (index, item) in items.objects().into_iter().enumerate() {
                reading
                    .item(item)
                    .map_err(|problem| wrong("input", &format!("[{index}]: {problem}")))?;
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
    fn item(&mut self, mut item: Object<'a>) -> Result<(), String> {
        let r#type = item.text("type");
        match r#type.as_deref() {
            Some("message") => self.message(item),
            None if item.str("role").is_some() => self.message(item),
            Some("reasoning") => {
                self.reasoning(item);
                Ok(())
            }
            Some(call @ ("function_call" | "custom_tool_call" | "tool_search_call")) => {
                self.call(call, item)
            }
            Some("function_call_output" | "custom_tool_call_output" | "tool_search_output") => {
                self.result(item)
            }
            Some("additional_tools") => self.offer(item.raw("tools")),
            Some("item_reference") | None => {
                Err("item_reference is not supported: no items are kept, send the item itself"
                    .to_owned())
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

    fn offer(&mut self, tools: Option<&'a str>) -> Result<(), String> {
        tool::read(tools, self.conversation).map_err(|error| error.to_string())
    }

    fn message(&mut self, mut item: Object<'a>) -> Result<(), String> {
        if item.str("phase").is_some() {
            self.conversation.lose("input.phase");
        }
        let content = parts(item.take("content"))?;
        if content.is_empty() {
            return Ok(());
        }
        let role = item.text("role").unwrap_or_default();
        match role.as_ref() {
            "user" => self.conversation.say(Role::User, content),
            "assistant" => self.conversation.say(Role::Assistant, content),
            "system" | "developer" if self.conversation.turns.is_empty() => {
                self.conversation.system.extend(content)
            }
            "system" | "developer" => {
                // Moved to the front it would say something else, and no cached prompt would fit
                // any more.
                self.conversation.lose("input.role");
                self.conversation.say(Role::User, content);
            }
            other => return Err(format!("the role {:?} is not known", echo(other))),
        }
        Ok(())
    }

    fn reasoning(&mut self, mut item: Object<'a>) {
        let text = texts(item.take("content")).or_else(|| texts(item.take("summary")));
        let mut thinking = Thinking {
            text: text.unwrap_or_default(),
            signature: item.text("signature"),
            id: item.text("id"),
            format: item.text("format"),
            ..Thinking::default()
        };
        match item.text("encrypted_content").map(Proof::of) {
            Some(Proof::Encrypted(format, content)) => {
                thinking.encrypted = Some(content);
                thinking.format = thinking.format.or(format);
            }
            Some(Proof::Thinking(format, proof)) => {
                thinking.signature = Some(proof);
                thinking.format = thinking.format.or(format);
            }
            Some(Proof::Call(proof)) => self.proof = Some(proof),
            None => {}
        }
        if !thinking.text.is_empty() || thinking.signature.is_some() || thinking.encrypted.is_some()
        {
            self.conversation
                .say(Role::Assistant, [Part { content: Content::Thinking(thinking), cache: None }]);
        }
    }

    fn call(&mut self, r#type: &str, mut item: Object<'a>) -> Result<(), String> {
        let (name, arguments) = match r#type {
            "custom_tool_call" => {
                (item.text("name"), free_form(&item.text("input").ok_or("input is missing")?))
            }
            "tool_search_call" => (Some(SEARCH.into()), arguments(item.raw("arguments"))),
            _ => (item.text("name"), arguments(item.raw("arguments"))),
        };
        let name = flat(item.str("namespace"), name.ok_or("name is missing")?);
        let id = item.text("call_id").ok_or("call_id is missing")?;
        let content = Content::ToolCall { id, name, arguments, signature: self.proof.take() };
        self.conversation.say(Role::Assistant, [Part { content, cache: None }]);
        Ok(())
    }

    fn result(&mut self, mut item: Object<'a>) -> Result<(), String> {
        let tools = item.raw("tools");
        self.offer(tools)?;
        let id = item.text("call_id").ok_or("call_id is missing")?;
        let parts = parts(item.take("output"))?;
        let parts = tools.map(Part::text).into_iter().chain(parts).collect();
        let content = Content::ToolResult { id, parts, is_error: false };
        self.conversation.say_result(Part { content, cache: None });
        Ok(())
    }
}

/// Arguments as JSON text: a string holds it, and of a tool search they are the object itself.
fn arguments(json: Option<&str>) -> Text<'_> {
    let json = json.unwrap_or_default();
    let text = parse(json.as_bytes(), &Shape::Text).ok().and_then(Value::text);
    text.unwrap_or(Cow::Borrowed(json))
}

fn free_form(input: &str) -> Text<'static> {
    let input = serde_json::to_string(input).unwrap_or_default();
    Cow::Owned(["{\"input\":", &input, "}"].concat())
}
