//! What a client says of tools and of the answer's form: `tools`, `tool_choice`, `response_format`.
//!
//! Only functions are understood. Tools that run at OpenAI or OpenRouter, and free-form `custom`
//! ones, are noted as lost. Source: OpenAI's API reference (2026-11); `functions` and
//! `function_call` are its deprecated first form.

use super::part::cache_control;
use super::value::{array, boolean, needed, object, schema, text};
use crate::translate::form::{Conversation, ResponseFormat, Text, Tool, ToolChoice};
use crate::translate::problem::{Problem, Read};
use crate::wire::json::{Kind, Reader};

/// `tools`
pub(super) fn tools<'a>(
    reader: &mut Reader<'a>,
    body: &'a [u8],
    conversation: &mut Conversation<'a>,
) -> Read<()> {
    array(reader, |reader, _| {
        let (mut kind, mut function, mut cache) = (None, None, None);
        object(reader, |reader, key| {
            match key {
                "type" => kind = text(reader)?,
                "function" => function = Some(self::function(reader, body)?),
                "cache_control" => cache = cache_control(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        match needed(kind, "type")?.as_ref() {
            "function" => {
                let function =
                    function.ok_or_else(|| Problem::wrong("is required").in_member("function"))?;
                conversation.tools.push(Tool { cache, ..function });
            }
            _ => conversation.lose("tools"),
        }
        Ok(())
    })?;
    Ok(())
}

/// `functions`
pub(super) fn functions<'a>(reader: &mut Reader<'a>, body: &'a [u8]) -> Read<Vec<Tool<'a>>> {
    let mut tools = Vec::new();
    array(reader, |reader, _| {
        tools.push(function(reader, body)?);
        Ok(())
    })?;
    Ok(tools)
}

fn function<'a>(reader: &mut Reader<'a>, body: &'a [u8]) -> Read<Tool<'a>> {
    let mut tool = Tool {
        name: Text::default(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
    };
    object(reader, |reader, key| {
        match key {
            "name" => tool.name = text(reader)?.unwrap_or_default(),
            "description" => tool.description = text(reader)?,
            "parameters" => tool.parameters = schema(reader, body)?,
            "strict" => tool.strict = boolean(reader)?,
            _ => {}
        }
        Ok(())
    })?;
    if tool.name.is_empty() {
        return Err(Problem::wrong("must be a string, not empty").in_member("name"));
    }
    Ok(tool)
}

/// What `tool_choice` may be.
#[derive(Default)]
struct Choice<'a> {
    kind: Option<Text<'a>>,
    /// `function.name`, or the `name` of the deprecated form.
    name: Option<Text<'a>>,
    /// `allowed_tools.mode`
    mode: Option<Text<'a>>,
    /// `allowed_tools.tools[].function.name`
    allowed: Vec<Text<'a>>,
}

/// `tool_choice` or `function_call`; `allowed` takes the names of the only tools that may be used,
/// where it says so.
pub(super) fn tool_choice<'a>(
    reader: &mut Reader<'a>,
    conversation: &mut Conversation<'a>,
    allowed: &mut Option<Vec<Text<'a>>>,
) -> Read<()> {
    if reader.peek()? == Kind::String {
        let name = text(reader)?.unwrap_or_default();
        conversation.tool_choice = Some(mode(&name)?);
        return Ok(());
    }
    let mut choice = Choice::default();
    if !object(reader, |reader, key| choice.member(reader, key))? {
        return Ok(());
    }
    match (choice.kind.as_deref(), choice.name) {
        (Some("function") | None, name) => {
            let name = needed(name, "name").map_err(|problem| problem.in_member("function"))?;
            conversation.tool_choice = Some(ToolChoice::Tool(name));
        }
        (Some("allowed_tools"), _) => {
            conversation.tool_choice = Some(mode(choice.mode.as_deref().unwrap_or("auto"))?);
            *allowed = Some(choice.allowed);
        }
        (Some(_), _) => conversation.lose("tool_choice"),
    }
    Ok(())
}

fn mode<'a>(name: &str) -> Read<ToolChoice<'a>> {
    Ok(match name {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" | "any" => ToolChoice::Required,
        _ => {
            return Err(Problem::wrong(
                "must be auto, none, required, or an object that names a function",
            ));
        }
    })
}

impl<'a> Choice<'a> {
    fn member(&mut self, reader: &mut Reader<'a>, key: &str) -> Read<()> {
        match key {
            "type" => self.kind = text(reader)?,
            "name" => self.name = text(reader)?,
            "function" => self.name = name(reader)?,
            "allowed_tools" => {
                object(reader, |reader, key| self.allowed(reader, key))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn allowed(&mut self, reader: &mut Reader<'a>, key: &str) -> Read<()> {
        match key {
            "mode" => self.mode = text(reader)?,
            "tools" => {
                array(reader, |reader, _| {
                    object(reader, |reader, key| {
                        if key == "function" {
                            self.allowed.extend(name(reader)?);
                        }
                        Ok(())
                    })?;
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn name<'a>(reader: &mut Reader<'a>) -> Read<Option<Text<'a>>> {
    let mut name = None;
    object(reader, |reader, key| {
        if key == "name" {
            name = text(reader)?;
        }
        Ok(())
    })?;
    Ok(name)
}

/// `response_format`
pub(super) fn response_format<'a>(
    reader: &mut Reader<'a>,
    body: &'a [u8],
    conversation: &mut Conversation<'a>,
) -> Read<()> {
    let (mut kind, mut schema) = (None, ResponseFormat::JsonObject);
    let given = object(reader, |reader, key| {
        match key {
            "type" => kind = text(reader)?,
            "json_schema" => schema = json_schema(reader, body)?,
            _ => {}
        }
        Ok(())
    })?;
    if !given {
        return Ok(());
    }
    conversation.response_format = match needed(kind, "type")?.as_ref() {
        "text" => Some(ResponseFormat::Text),
        "json_object" => Some(ResponseFormat::JsonObject),
        "json_schema" => Some(schema),
        _ => {
            conversation.lose("response_format");
            None
        }
    };
    Ok(())
}

/// Any JSON object will do where a schema should be and is not.
fn json_schema<'a>(reader: &mut Reader<'a>, body: &'a [u8]) -> Read<ResponseFormat<'a>> {
    let (mut name, mut description, mut rules, mut strict) = (None, None, None, None);
    object(reader, |reader, key| {
        match key {
            "name" => name = text(reader)?,
            "description" => description = text(reader)?,
            "schema" => rules = schema(reader, body)?,
            "strict" => strict = boolean(reader)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(match rules {
        Some(schema) => ResponseFormat::JsonSchema {
            name: name.unwrap_or("response".into()),
            description,
            schema,
            strict,
        },
        None => ResponseFormat::JsonObject,
    })
}
