//! A client's request (`POST messages`, `POST messages/count_tokens`) in the common form.
//!
//! Server tools run at Anthropic and nowhere else: they are left out and noted as dropped, and a
//! request that forces one is the client's error. Fields of OpenRouter's own (`models`, `provider`
//! …) are read elsewhere.

mod block;

use crate::error::Error;
use crate::translate::form::{
    Cache, Conversation, Effort, Reasoning, ResponseFormat, Role, Text, Tool, ToolChoice, Turn,
};
use crate::translate::tolerant::{member, number, raw, raw_value, text};
use crate::wire::json::{JsonError, Kind, Reader};
use block::{Blocks, cache};

/// Why reading stopped.
pub(super) enum Wrong {
    Json(JsonError),
    Field(&'static str, &'static str),
}

impl From<JsonError> for Wrong {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Json(error) => error.into(),
            Wrong::Field(field, problem) => {
                Self::InvalidField { field, problem: problem.to_owned() }
            }
        }
    }
}

/// Fields that only Anthropic's own servers understand: they are noted as dropped.
const UNREAD: [&str; 9] = [
    "container",
    "context_management",
    "diagnostics",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "service_tier",
    "speed",
    "user_profile_id",
];

/// Fields that are read elsewhere: those for the route, and those that every upstream is told anew.
const ELSEWHERE: [&str; 12] = [
    "model",
    "models",
    "provider",
    "plugins",
    "transforms",
    "route",
    "usage",
    "preset",
    "session_id",
    "trace",
    "debug",
    "betas",
];

/// Fields that are read here, and what their values must be.
const SHAPES: [(&str, &str); 7] = [
    ("messages", "must be an array"),
    ("tools", "must be an array"),
    ("stop_sequences", "must be an array"),
    ("tool_choice", "must be an object"),
    ("thinking", "must be an object"),
    ("output_config", "must be an object"),
    ("metadata", "must be an object"),
];

/// Values that ask for what would happen anyway.
const DEFAULTS: [&str; 3] = ["auto", "standard_only", "standard"];

struct Request<'a> {
    json: &'a [u8],
    said: Conversation<'a>,
    /// Names of tools left out.
    server_tools: Vec<Text<'a>>,
    reasoning: Option<Reasoning>,
    /// Of the whole request: a breakpoint after its last part.
    cache: Option<Cache>,
    messages: bool,
}

/// Reads a request body.
pub(super) fn read(body: &[u8]) -> Result<Conversation<'_>, Error> {
    let mut request = Request {
        json: body,
        said: Conversation::default(),
        server_tools: Vec::new(),
        reasoning: None,
        cache: None,
        messages: false,
    };
    members(&mut Reader::new(body), |reader, key| request.member(reader, key))?;
    Ok(request.finish()?)
}

impl<'a> Request<'a> {
    fn member(&mut self, reader: &mut Reader<'a>, key: &str) -> Result<(), Wrong> {
        match key {
            "messages" if reader.peek()? == Kind::Array => {
                self.messages = true;
                reader.array(|reader, _| self.message(reader))?;
            }
            "system" => {
                let system = Blocks::new(self.json, &mut self.said.dropped).content(reader)?;
                // A system message may have come before; what it said stands behind this.
                self.said.system.splice(0..0, system);
            }
            "tools" if reader.peek()? == Kind::Array => {
                reader.array(|reader, _| self.tool(reader))?;
            }
            "tool_choice" if reader.peek()? == Kind::Object => self.tool_choice(reader)?,
            "thinking" if reader.peek()? == Kind::Object => self.thinking(reader)?,
            "output_config" if reader.peek()? == Kind::Object => self.output_config(reader)?,
            "output_format" => self.said.response_format = response_format(self.json, reader)?,
            "metadata" if reader.peek()? == Kind::Object => {
                self.said.user = member(reader, "user_id", text)?.or(self.said.user.take());
            }
            "max_tokens" if is_set(reader)? => {
                self.said.max_tokens = Some(whole(reader, "max_tokens")?)
            }
            "stop_sequences" if reader.peek()? == Kind::Array => {
                reader.array(|reader, _| {
                    self.said.stop.extend(text(reader)?);
                    Ok::<_, Wrong>(())
                })?;
            }
            "stream" => self.said.stream = reader.boolean()? == Some(true),
            "temperature" if is_set(reader)? => {
                self.said.sampling.temperature = Some(fraction(self.json, reader, "temperature")?);
            }
            "top_p" if is_set(reader)? => {
                self.said.sampling.top_p = Some(fraction(self.json, reader, "top_p")?)
            }
            "top_k" if is_set(reader)? => self.said.sampling.top_k = Some(whole(reader, "top_k")?),
            "cache_control" => self.cache = cache(reader)?,
            "user" => self.said.user = self.said.user.take().or(text(reader)?),
            key => self.other(reader, key)?,
        }
        Ok(())
    }

    /// Notes a field that the common form has no place for, unless it asks for nothing. A field
    /// that has a place comes here only where its value has a wrong type.
    fn other(&mut self, reader: &mut Reader<'a>, key: &str) -> Result<(), Wrong> {
        if !is_set(reader)? {
            return Ok(());
        }
        if let Some((field, shape)) = SHAPES.into_iter().find(|(field, _)| *field == key) {
            return Err(Wrong::Field(field, shape));
        }
        if ELSEWHERE.contains(&key) || text(reader)?.is_some_and(|it| DEFAULTS.contains(&&*it)) {
            return Ok(());
        }
        match UNREAD.into_iter().find(|known| *known == key) {
            Some(known) => self.said.lose(known),
            None => self.said.lose_unknown(key),
        }
        Ok(())
    }

    fn message(&mut self, reader: &mut Reader<'a>) -> Result<(), Wrong> {
        if reader.peek()? != Kind::Object {
            return Err(Wrong::Field("messages", "each must be an object"));
        }
        let (mut role, mut parts) = (None, Vec::new());
        members(reader, |reader, key| {
            match key {
                "role" => role = text(reader)?,
                "content" => {
                    parts = Blocks::new(self.json, &mut self.said.dropped).content(reader)?
                }
                _ => {}
            }
            Ok(())
        })?;
        match role.as_deref() {
            Some("user") => self.said.say(Role::User, parts),
            Some("assistant") => self.said.say(Role::Assistant, parts),
            // Not every upstream takes instructions between turns, and that they are heard counts
            // more than where they stand.
            Some("system") => {
                self.said.lose("messages.role.system");
                self.said.system.extend(parts);
            }
            _ => return Err(Wrong::Field("messages", "role must be user, assistant or system")),
        }
        Ok(())
    }

    fn tool(&mut self, reader: &mut Reader<'a>) -> Result<(), Wrong> {
        if reader.peek()? != Kind::Object {
            return Err(Wrong::Field("tools", "each must be an object"));
        }
        let mut tool = Tool {
            name: Text::default(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
        };
        let mut kind = None;
        members(reader, |reader, key| {
            match key {
                "type" => kind = text(reader)?,
                "name" => tool.name = text(reader)?.unwrap_or_default(),
                "description" => tool.description = text(reader)?,
                "input_schema" => tool.parameters = raw_value(self.json, reader)?,
                "strict" => tool.strict = reader.boolean()?,
                "cache_control" => tool.cache = cache(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        match kind.as_deref() {
            None | Some("custom") if tool.name.is_empty() => {
                return Err(Wrong::Field("tools", "name is missing"));
            }
            None | Some("custom") => self.said.tools.push(tool),
            Some(kind) => {
                self.said.lose(server_tool(kind));
                self.server_tools.push(tool.name);
            }
        }
        Ok(())
    }

    fn tool_choice(&mut self, reader: &mut Reader<'a>) -> Result<(), Wrong> {
        let (mut kind, mut name) = (Text::default(), None);
        members(reader, |reader, key| {
            match key {
                "type" => kind = text(reader)?.unwrap_or_default(),
                "name" => name = text(reader)?,
                "disable_parallel_tool_use" => {
                    self.said.parallel_tool_calls =
                        reader.boolean()?.filter(|disabled| *disabled).map(|_| false);
                }
                _ => {}
            }
            Ok(())
        })?;
        self.said.tool_choice = Some(match (kind.as_ref(), name) {
            ("auto", _) => ToolChoice::Auto,
            ("any", _) => ToolChoice::Required,
            ("none", _) => ToolChoice::None,
            ("tool", Some(name)) => ToolChoice::Tool(name),
            _ => {
                return Err(Wrong::Field(
                    "tool_choice",
                    "must be auto, any, none, or tool with a name",
                ));
            }
        });
        Ok(())
    }

    fn thinking(&mut self, reader: &mut Reader<'a>) -> Result<(), Wrong> {
        let reasoning = self.reasoning.get_or_insert_default();
        members(reader, |reader, key| {
            match key {
                "type" => reasoning.enabled = thinks(text(reader)?.unwrap_or_default().as_ref()),
                "budget_tokens" => reasoning.max_tokens = reader.u64()?,
                "display" => {
                    reasoning.exclude = text(reader)?.is_some_and(|display| display == "omitted")
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }

    fn output_config(&mut self, reader: &mut Reader<'a>) -> Result<(), Wrong> {
        members(reader, |reader, key| {
            match key {
                "effort" => {
                    if let Some(effort) = text(reader)?.and_then(|name| Effort::of(&name)) {
                        self.reasoning.get_or_insert_default().effort = Some(effort);
                    }
                }
                "format" => self.said.response_format = response_format(self.json, reader)?,
                "task_budget" if is_set(reader)? => self.said.lose("output_config.task_budget"),
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }

    fn finish(mut self) -> Result<Conversation<'a>, Wrong> {
        if !self.messages {
            return Err(Wrong::Field("messages", "must be an array"));
        }
        match &self.said.tool_choice {
            Some(ToolChoice::Tool(name)) if self.server_tools.contains(name) => {
                return Err(Wrong::Field("tool_choice", "this tool runs at Anthropic only"));
            }
            Some(ToolChoice::Required)
                if self.said.tools.is_empty() && !self.server_tools.is_empty() =>
            {
                return Err(Wrong::Field("tool_choice", "these tools run at Anthropic only"));
            }
            _ => {}
        }
        self.said.reasoning = self.reasoning;
        self.said.turns.iter_mut().for_each(put_results_first);
        let last = self
            .said
            .turns
            .last_mut()
            .and_then(|turn| turn.parts.last_mut())
            .or(self.said.system.last_mut());
        if let Some(last) = last {
            last.cache = last.cache.or(self.cache);
        }
        Ok(self.said)
    }
}

/// Neighbouring messages of one role have become one turn, where a result may stand behind a text.
fn put_results_first(turn: &mut Turn<'_>) {
    let mut results: Vec<_> = turn.parts.extract_if(.., |part| part.is_result()).collect();
    if !results.is_empty() {
        results.append(&mut turn.parts);
        turn.parts = results;
    }
}

/// The members of an object, each with its key before its value.
fn members<'a>(
    reader: &mut Reader<'a>,
    mut member: impl FnMut(&mut Reader<'a>, &str) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    reader.object(|reader, found| member(reader, &found.key.decode()))?;
    Ok(())
}

/// Whether a value stands here that is not null.
fn is_set(reader: &mut Reader<'_>) -> Result<bool, JsonError> {
    Ok(reader.peek()? != Kind::Null)
}

fn whole(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, Wrong> {
    reader.u64()?.ok_or(Wrong::Field(field, "must be a whole number"))
}

fn fraction<'a>(
    json: &'a [u8],
    reader: &mut Reader<'a>,
    field: &'static str,
) -> Result<f64, Wrong> {
    number(json, reader)?.ok_or(Wrong::Field(field, "must be a number"))
}

fn thinks(kind: &str) -> Option<bool> {
    match kind {
        "enabled" | "adaptive" => Some(true),
        "disabled" | "between_tools" => Some(false),
        _ => None,
    }
}

/// What is noted as dropped for a tool that the common form cannot describe, as its schema is
/// Anthropic's own.
fn server_tool(kind: &str) -> &'static str {
    const KNOWN: [(&str, &str); 10] = [
        ("web_search", "tools.web_search"),
        ("web_fetch", "tools.web_fetch"),
        ("code_execution", "tools.code_execution"),
        ("computer", "tools.computer"),
        ("browser", "tools.browser"),
        ("bash", "tools.bash"),
        ("text_editor", "tools.text_editor"),
        ("memory", "tools.memory"),
        ("tool_search", "tools.tool_search"),
        ("mcp_toolset", "tools.mcp_toolset"),
    ];
    KNOWN.iter().find(|(prefix, _)| kind.starts_with(prefix)).map_or("tools.type", |(_, name)| name)
}

/// Reads `output_config.format`. Anthropic's has no name, which others demand.
fn response_format<'a>(
    json: &'a [u8],
    reader: &mut Reader<'a>,
) -> Result<Option<ResponseFormat<'a>>, Wrong> {
    let schema = member(reader, "schema", |reader| Ok(Some(raw(json, reader)?)))?
        .and_then(|schema| serde_json::from_str(schema).ok());
    Ok(schema.map(|schema| ResponseFormat::JsonSchema {
        name: "output".into(),
        description: None,
        schema,
        // OpenAI's strict schemas allow less than Anthropic's.
        strict: None,
    }))
}
