//! A request's fields, but for its items and tools.

mod content;
mod input;

use super::cache::{CACHE, cache};
use super::shape::{Field, Shape, field, maybe, members, must, not_null, parse, raw, text, wrong};
use super::tool;
use super::value::{Object, Value};
use crate::error::{Error, echo};
use crate::translate::form::{
    Conversation, Effort, Part, Reasoning, ResponseFormat, Sampling, Text, ToolChoice,
};

/// The request, but for `metadata`, which is only repeated.
const BODY: &[Field] = &[
    raw("input"),
    raw("instructions"),
    raw("tools"),
    raw("tool_choice"),
    raw("parallel_tool_calls"),
    raw("max_output_tokens"),
    raw("temperature"),
    raw("top_p"),
    raw("frequency_penalty"),
    raw("presence_penalty"),
    raw("text"),
    raw("reasoning"),
    raw("include"),
    raw("stream"),
    raw("user"),
    raw("safety_identifier"),
    raw("cache_control"),
    // State: refused.
    raw("store"),
    raw("background"),
    raw("previous_response_id"),
    raw("conversation"),
    raw("prompt"),
    // Lost.
    raw("client_metadata"),
    raw("context_management"),
    raw("moderation"),
    raw("prompt_cache_key"),
    raw("prompt_cache_options"),
    raw("prompt_cache_retention"),
    raw("service_tier"),
    raw("top_logprobs"),
    raw("truncation"),
    // Read elsewhere.
    raw("debug"),
    raw("fallbacks"),
    raw("model"),
    raw("models"),
    raw("plugins"),
    raw("preset"),
    raw("provider"),
    raw("route"),
    raw("session_id"),
    raw("stream_options"),
    raw("trace"),
    raw("transforms"),
    raw("usage"),
];

const TEXT: &[Field] = &[maybe("format", Shape::Object(FORMAT)), text("verbosity")];

const FORMAT: &[Field] = &[
    must("type", Shape::Text),
    text("name"),
    text("description"),
    raw("schema"),
    maybe("strict", Shape::Flag),
];

/// The last three are OpenRouter's.
const REASONING: &[Field] = &[
    text("effort"),
    text("summary"),
    text("context"),
    text("mode"),
    maybe("max_tokens", Shape::Whole),
    maybe("enabled", Shape::Flag),
    maybe("exclude", Shape::Flag),
];

/// `tool_choice`, or one of the tools it allows.
static CHOICE: [Field; 5] = [
    text("type"),
    text("name"),
    text("namespace"),
    text("mode"),
    not_null("tools", Shape::List(&Shape::Object(&CHOICE))),
];

/// Reads a request body.
pub(super) fn read(json: &[u8]) -> Result<Conversation<'_>, Error> {
    let mut unknown = Vec::new();
    let body = Body(members(json, BODY, &mut unknown)?);
    body.refuse_state()?;
    let mut conversation = Conversation {
        parallel_tool_calls: body.field("parallel_tool_calls", &Shape::Flag)?.flag(),
        max_tokens: body.field("max_output_tokens", &Shape::Whole)?.whole(),
        sampling: body.sampling()?,
        stream: body.field("stream", &Shape::Flag)?.flag().unwrap_or_default(),
        ..Conversation::default()
    };
    body.note_losses(&mut conversation)?;
    body.user(&mut conversation)?;
    body.text(&mut conversation)?;
    body.reasoning(&mut conversation)?;
    tool::read(body.raw("tools"), &mut conversation)?;
    let instructions = body.field("instructions", &Shape::Text)?.text();
    conversation.system.extend(instructions.map(Part::text));
    input::read(body.raw("input"), &mut conversation)?;
    tool::check(&conversation)?;
    body.tool_choice(&mut conversation)?;
    body.cache(&mut conversation)?;
    unknown
        .iter()
        .filter(|name| *name != "metadata")
        .for_each(|name| conversation.lose_unknown(name));
    Ok(conversation)
}

/// The fields of the request, which are read one by one.
struct Body<'a>(Object<'a>);

impl<'a> Body<'a> {
    fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.raw(name)
    }

    fn field(&self, name: &'static str, shape: &Shape) -> Result<Value<'a>, Error> {
        field(name, self.raw(name), shape)
    }

    fn number(&self, name: &'static str) -> Result<Option<f64>, Error> {
        Ok(self.field(name, &Shape::Number)?.number())
    }

    fn refuse_state(&self) -> Result<(), Error> {
        if self.field("store", &Shape::Flag)?.flag() == Some(true) {
            return Err(wrong("store", "must be false: this gateway keeps no responses"));
        }
        if self.field("background", &Shape::Flag)?.flag() == Some(true) {
            return Err(wrong(
                "background",
                "must be false: this gateway keeps no responses to be asked for later",
            ));
        }
        match ["previous_response_id", "conversation", "prompt"]
            .into_iter()
            .find(|name| self.raw(name).is_some())
        {
            Some(name) => Err(wrong(
                name,
                "is not supported: this gateway keeps nothing; \
                 send the whole conversation in input",
            )),
            None => Ok(()),
        }
    }

    /// Notes the fields that get lost unless they say what would happen anyway.
    fn note_losses(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        const LOST: [(&str, &[&str]); 9] = [
            ("client_metadata", &["{}"]),
            ("context_management", &["[]"]),
            ("moderation", &[]),
            ("prompt_cache_key", &[]),
            ("prompt_cache_options", &[]),
            ("prompt_cache_retention", &[]),
            ("service_tier", &["\"auto\"", "\"default\""]),
            ("top_logprobs", &["0"]),
            ("truncation", &["\"disabled\""]),
        ];
        for (name, defaults) in LOST {
            if self.raw(name).is_some_and(|value| !defaults.contains(&value)) {
                conversation.lose(name);
            }
        }
        let mut include = self.field("include", &Shape::List(&Shape::Text))?.list().into_iter();
        if include
            .any(|name| name.text().is_some_and(|name| name == "message.output_text.logprobs"))
        {
            conversation.lose("logprobs");
        }
        Ok(())
    }

    fn sampling(&self) -> Result<Sampling, Error> {
        Ok(Sampling {
            temperature: self.number("temperature")?,
            top_p: self.number("top_p")?,
            frequency_penalty: self.number("frequency_penalty")?,
            presence_penalty: self.number("presence_penalty")?,
            ..Sampling::default()
        })
    }

    fn user(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let user = self.field("user", &Shape::Text)?.text();
        let safety = self.field("safety_identifier", &Shape::Text)?.text();
        if user.is_some() && safety.is_some() {
            conversation.lose("safety_identifier");
        }
        conversation.user = user.or(safety);
        Ok(())
    }

    fn text(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let Some(mut text) = self.field("text", &Shape::Object(TEXT))?.object() else {
            return Ok(());
        };
        if text.str("verbosity").is_some_and(|verbosity| verbosity != "medium") {
            conversation.lose("verbosity");
        }
        conversation.response_format =
            text.take("format").object().map(response_format).transpose()?;
        Ok(())
    }

    fn reasoning(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let Some(fields) = self.field("reasoning", &Shape::Object(REASONING))?.object() else {
            return Ok(());
        };
        let lost = [
            ("summary", "auto", "reasoning.summary"),
            ("context", "auto", "reasoning.context"),
            ("mode", "standard", "reasoning.mode"),
        ];
        for (name, default, lost) in lost {
            if fields.str(name).is_some_and(|value| value != default) {
                conversation.lose(lost);
            }
        }
        conversation.reasoning = reasoning(fields)?;
        Ok(())
    }

    fn tool_choice(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let Some(json) = self.raw("tool_choice") else { return Ok(()) };
        if let Ok(Value::Text(mode)) = parse(json.as_bytes(), &Shape::Text) {
            conversation.tool_choice = Some(mode_of(&mode)?);
            return Ok(());
        }
        let choice = field("tool_choice", Some(json), &Shape::Object(&CHOICE))?;
        let mut choice = choice.object().unwrap_or_default();
        conversation.tool_choice = Some(if choice.str("type") == Some("allowed_tools") {
            let allowed: Vec<_> =
                choice.take("tools").objects().into_iter().filter_map(tool_name).collect();
            conversation.tools.retain(|tool| allowed.contains(&tool.name));
            mode_of(choice.str("mode").unwrap_or("auto"))?
        } else {
            ToolChoice::Tool(
                tool_name(choice).ok_or_else(|| wrong("tool_choice", "names no function"))?,
            )
        });
        Ok(())
    }

    /// OpenRouter's `cache_control` for the whole request: a breakpoint after the last part.
    fn cache(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let Some(cache) = cache(self.field("cache_control", &Shape::Object(CACHE))?) else {
            return Ok(());
        };
        if let Some(part) = conversation.turns.last_mut().and_then(|turn| turn.parts.last_mut()) {
            part.cache = Some(cache);
        }
        Ok(())
    }
}

fn mode_of(mode: &str) -> Result<ToolChoice<'static>, Error> {
    match mode {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        other => {
            Err(wrong("tool_choice", &format!("{:?} is not auto, none or required", echo(other))))
        }
    }
}

/// What the model calls a tool; `None` if it is none that can be offered.
fn tool_name(mut choice: Object<'_>) -> Option<Text<'_>> {
    match choice.text("type")?.as_ref() {
        "function" | "custom" => {
            let name = choice.text("name")?;
            Some(tool::flat(choice.str("namespace"), name))
        }
        tool::SEARCH => Some(tool::SEARCH.into()),
        _ => None,
    }
}

fn response_format(mut format: Object<'_>) -> Result<ResponseFormat<'_>, Error> {
    match format.text("type").unwrap_or_default().as_ref() {
        "text" => Ok(ResponseFormat::Text),
        "json_object" => Ok(ResponseFormat::JsonObject),
        "json_schema" => Ok(ResponseFormat::JsonSchema {
            name: format.text("name").ok_or_else(|| wrong("text", "format.name is missing"))?,
            description: format.text("description"),
            schema: format
                .raw("schema")
                .and_then(|json| serde_json::from_str(json).ok())
                .ok_or_else(|| wrong("text", "format.schema is missing"))?,
            strict: format.take("strict").flag(),
        }),
        other => Err(wrong("text", &format!("format.type {:?} is not supported", echo(other)))),
    }
}

/// `None` where only the form of the summary is asked for: that does not turn thinking on.
fn reasoning(mut fields: Object<'_>) -> Result<Option<Reasoning>, Error> {
    let effort = fields.text("effort").map(|name| {
        Effort::of(&name)
            .ok_or_else(|| wrong("reasoning", &format!("effort {:?} is not known", echo(&name))))
    });
    let reasoning = Reasoning {
        effort: effort.transpose()?,
        max_tokens: fields.take("max_tokens").whole(),
        exclude: fields.take("exclude").flag().unwrap_or_default(),
        enabled: fields.take("enabled").flag(),
    };
    Ok(Some(reasoning).filter(|reasoning| *reasoning != Reasoning::default()))
}
