//! A request's fields, but for its items and tools.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::CacheFields;
use super::value::{Str, field, wrong};
use super::{input, tool};
use crate::error::{Error, echo};
use crate::translate::Loss;
use crate::translate::form::{Conversation, Effort, Part, Reasoning, ResponseFormat, Sampling, Text, ToolChoice};
use crate::wire::json::{JsonError, Kind, Reader};

/// What the common form cannot carry, by the field's name.
pub const LOSSES: &[(&str, Loss)] = &[
    ("background", Loss::Refused),
    ("conversation", Loss::Refused),
    ("previous_response_id", Loss::Refused),
    ("prompt", Loss::Refused),
    ("store", Loss::Refused),
    // Tools of OpenAI's own servers but for those named below.
    ("tools.hosted", Loss::Refused),
    ("client_metadata", Loss::Ignored),
    ("context_management", Loss::Ignored),
    ("input.image_generation_call", Loss::Ignored),
    ("input.phase", Loss::Ignored),
    ("input.role", Loss::Approximated),
    ("input.web_search_call", Loss::Ignored),
    ("logprobs", Loss::Ignored),
    ("moderation", Loss::Ignored),
    ("prompt_cache_key", Loss::Ignored),
    ("prompt_cache_options", Loss::Ignored),
    ("prompt_cache_retention", Loss::Ignored),
    ("reasoning.context", Loss::Ignored),
    ("reasoning.mode", Loss::Ignored),
    ("reasoning.summary", Loss::Approximated),
    ("safety_identifier", Loss::Ignored),
    ("service_tier", Loss::Ignored),
    ("tools.image_generation", Loss::Ignored),
    ("tools.tool_search", Loss::Ignored),
    ("tools.web_search", Loss::Ignored),
    ("top_logprobs", Loss::Ignored),
    ("truncation", Loss::Ignored),
    ("verbosity", Loss::Ignored),
];

/// The request.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    parallel_tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<&'a RawValue>,
    #[serde(borrow)]
    top_p: Option<&'a RawValue>,
    #[serde(borrow)]
    frequency_penalty: Option<&'a RawValue>,
    #[serde(borrow)]
    presence_penalty: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    include: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    safety_identifier: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
    // State: refused.
    #[serde(borrow)]
    store: Option<&'a RawValue>,
    #[serde(borrow)]
    background: Option<&'a RawValue>,
    #[serde(borrow)]
    previous_response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    // Lost.
    #[serde(borrow)]
    client_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    context_management: Option<&'a RawValue>,
    #[serde(borrow)]
    moderation: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_cache_key: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_cache_options: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_cache_retention: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    top_logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    truncation: Option<&'a RawValue>,
}

/// The fields above, those read elsewhere, and those that the answer repeats.
const KNOWN: &[&str] = &[
    "background",
    "cache_control",
    "client_metadata",
    "context_management",
    "conversation",
    "debug",
    "fallbacks",
    "frequency_penalty",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "metadata",
    "model",
    "models",
    "moderation",
    "parallel_tool_calls",
    "plugins",
    "presence_penalty",
    "preset",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "provider",
    "reasoning",
    "route",
    "safety_identifier",
    "service_tier",
    "session_id",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "trace",
    "transforms",
    "truncation",
    "usage",
    "user",
];

/// Reads a request body.
pub(super) fn conversation(json: &[u8]) -> Result<Conversation<'_>, Error> {
    let body: Body<'_> = serde_json::from_slice(json).map_err(|error| Error::InvalidJson(error.to_string()))?;
    body.refuse_state()?;
    let mut conversation = Conversation {
        parallel_tool_calls: field("parallel_tool_calls", body.parallel_tool_calls)?,
        max_tokens: field("max_output_tokens", body.max_output_tokens)?,
        sampling: body.sampling()?,
        stream: field("stream", body.stream)?.unwrap_or_default(),
        ..Conversation::default()
    };
    body.note_losses(&mut conversation)?;
    body.user(&mut conversation)?;
    body.text(&mut conversation)?;
    body.reasoning(&mut conversation)?;
    tool::read(body.tools, &mut conversation)?;
    if let Some(instructions) = field::<Str<'_>>("instructions", body.instructions)? {
        conversation.system.push(Part::text(instructions.0));
    }
    input::read(body.input, &mut conversation)?;
    tool::check(&conversation)?;
    body.tool_choice(&mut conversation)?;
    body.cache(&mut conversation)?;
    note_unknown(json, &mut conversation);
    Ok(conversation)
}

fn note_unknown(json: &[u8], conversation: &mut Conversation<'_>) {
    // It was read before, so that nothing can be wrong with it.
    let _ = Reader::new(json).object(|reader, member| {
        let name = member.key.decode();
        if !KNOWN.contains(&name.as_ref()) && reader.peek()? != Kind::Null {
            conversation.lose_unknown(&name);
        }
        Ok::<_, JsonError>(())
    });
}

impl<'a> Body<'a> {
    fn refuse_state(&self) -> Result<(), Error> {
        if field("store", self.store)? == Some(true) {
            return Err(wrong("store", "must be false: this gateway keeps no responses"));
        }
        if field("background", self.background)? == Some(true) {
            return Err(wrong("background", "must be false: this gateway keeps no responses to be asked for later"));
        }
        let kept = [
            ("previous_response_id", self.previous_response_id),
            ("conversation", self.conversation),
            ("prompt", self.prompt),
        ];
        match kept.into_iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => {
                Err(wrong(name, "is not supported: this gateway keeps nothing; send the whole conversation in input"))
            }
            None => Ok(()),
        }
    }

    /// Notes the fields that get lost unless they say what would happen anyway.
    fn note_losses(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let lost = [
            ("client_metadata", self.client_metadata, "{}"),
            ("context_management", self.context_management, "[]"),
            ("moderation", self.moderation, ""),
            ("prompt_cache_key", self.prompt_cache_key, ""),
            ("prompt_cache_options", self.prompt_cache_options, ""),
            ("prompt_cache_retention", self.prompt_cache_retention, ""),
            ("service_tier", self.service_tier.filter(|tier| tier.get() != "\"auto\""), "\"default\""),
            ("top_logprobs", self.top_logprobs, "0"),
            ("truncation", self.truncation, "\"disabled\""),
        ];
        for (name, value, default) in lost {
            if value.is_some_and(|value| value.get() != default) {
                conversation.lose(name);
            }
        }
        let include: Option<Vec<Str<'_>>> = field("include", self.include)?;
        if include.is_some_and(|include| include.iter().any(|name| name.0 == "message.output_text.logprobs")) {
            conversation.lose("logprobs");
        }
        Ok(())
    }

    fn sampling(&self) -> Result<Sampling, Error> {
        Ok(Sampling {
            temperature: field("temperature", self.temperature)?,
            top_p: field("top_p", self.top_p)?,
            frequency_penalty: field("frequency_penalty", self.frequency_penalty)?,
            presence_penalty: field("presence_penalty", self.presence_penalty)?,
            ..Sampling::default()
        })
    }

    fn user(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let user = field::<Str<'_>>("user", self.user)?;
        let safety = field::<Str<'_>>("safety_identifier", self.safety_identifier)?;
        if user.is_some() && safety.is_some() {
            conversation.lose("safety_identifier");
        }
        conversation.user = user.or(safety).map(|id| id.0);
        Ok(())
    }

    fn text(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let Some(text) = field::<TextFields<'_>>("text", self.text)? else { return Ok(()) };
        if text.verbosity.is_some_and(|verbosity| verbosity.0 != "medium") {
            conversation.lose("verbosity");
        }
        conversation.response_format = text.format.map(FormatFields::read).transpose()?;
        Ok(())
    }

    fn reasoning(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let Some(fields) = field::<ReasoningFields<'_>>("reasoning", self.reasoning)? else { return Ok(()) };
        let given = |value: &Option<Str<'_>>, default| value.as_ref().is_some_and(|value| value.0 != default);
        let lost = [
            (given(&fields.summary, "auto"), "reasoning.summary"),
            (given(&fields.context, "auto"), "reasoning.context"),
            (given(&fields.mode, "standard"), "reasoning.mode"),
        ];
        lost.into_iter().filter(|(lost, _)| *lost).for_each(|(_, name)| conversation.lose(name));
        conversation.reasoning = fields.read()?;
        Ok(())
    }

    fn tool_choice(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let Some(raw) = self.tool_choice else { return Ok(()) };
        if let Ok(mode) = serde_json::from_str::<Str<'_>>(raw.get()) {
            conversation.tool_choice = Some(mode_of(&mode.0)?);
            return Ok(());
        }
        let choice = field::<ChoiceFields<'_>>("tool_choice", Some(raw))?.unwrap_or_default();
        conversation.tool_choice = Some(match choice.r#type() {
            "allowed_tools" => {
                let allowed: Vec<_> = choice.tools.into_iter().filter_map(ChoiceFields::name).collect();
                conversation.tools.retain(|tool| allowed.contains(&tool.name));
                mode_of(choice.mode.as_ref().map_or("auto", |mode| &mode.0))?
            }
            _ => ToolChoice::Tool(choice.name().ok_or_else(|| wrong("tool_choice", "names no function"))?),
        });
        Ok(())
    }

    /// OpenRouter's `cache_control` for the whole request: a breakpoint after the last part.
    fn cache(&self, conversation: &mut Conversation<'a>) -> Result<(), Error> {
        let Some(control) = field::<CacheFields<'_>>("cache_control", self.cache_control)? else { return Ok(()) };
        if let Some(part) = conversation.turns.last_mut().and_then(|turn| turn.parts.last_mut()) {
            part.cache = Some(control.cache());
        }
        Ok(())
    }
}

fn mode_of(mode: &str) -> Result<ToolChoice<'static>, Error> {
    match mode {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        other => Err(wrong("tool_choice", &format!("{:?} is not auto, none or required", echo(other)))),
    }
}

/// `tool_choice`, or one of the tools it allows.
#[derive(Default, Deserialize)]
struct ChoiceFields<'a> {
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    namespace: Option<Str<'a>>,
    #[serde(borrow)]
    mode: Option<Str<'a>>,
    #[serde(borrow, default)]
    tools: Vec<ChoiceFields<'a>>,
}

impl<'a> ChoiceFields<'a> {
    fn r#type(&self) -> &str {
        self.r#type.as_ref().map_or("", |r#type| &r#type.0)
    }

    /// What the model calls the tool; `None` if it is none that can be offered.
    fn name(self) -> Option<Text<'a>> {
        match self.r#type() {
            "function" | "custom" => {
                let namespace = self.namespace.as_ref().map(|namespace| namespace.0.as_ref());
                self.name.map(|name| tool::flat(namespace, name.0))
            }
            tool::SEARCH => Some(tool::SEARCH.into()),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct TextFields<'a> {
    #[serde(borrow)]
    format: Option<FormatFields<'a>>,
    #[serde(borrow)]
    verbosity: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct FormatFields<'a> {
    #[serde(borrow)]
    r#type: Str<'a>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    description: Option<Str<'a>>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    strict: Option<bool>,
}

impl<'a> FormatFields<'a> {
    fn read(self) -> Result<ResponseFormat<'a>, Error> {
        match self.r#type.0.as_ref() {
            "text" => Ok(ResponseFormat::Text),
            "json_object" => Ok(ResponseFormat::JsonObject),
            "json_schema" => Ok(ResponseFormat::JsonSchema {
                name: self.name.ok_or_else(|| wrong("text", "format.name is missing"))?.0,
                description: self.description.map(|description| description.0),
                schema: self.schema.ok_or_else(|| wrong("text", "format.schema is missing"))?,
                strict: self.strict,
            }),
            other => Err(wrong("text", &format!("format.type {:?} is not supported", echo(other)))),
        }
    }
}

/// The last three are OpenRouter's.
#[derive(Deserialize)]
struct ReasoningFields<'a> {
    #[serde(borrow)]
    effort: Option<Str<'a>>,
    #[serde(borrow)]
    summary: Option<Str<'a>>,
    #[serde(borrow)]
    context: Option<Str<'a>>,
    #[serde(borrow)]
    mode: Option<Str<'a>>,
    max_tokens: Option<u64>,
    enabled: Option<bool>,
    exclude: Option<bool>,
}

impl ReasoningFields<'_> {
    /// `None` where only the form of the summary is asked for: that does not turn thinking on.
    fn read(self) -> Result<Option<Reasoning>, Error> {
        let level = |name: Str<'_>| {
            let unknown = || wrong("reasoning", &format!("effort {:?} is not known", echo(&name.0)));
            Effort::of(&name.0).ok_or_else(unknown)
        };
        let reasoning = Reasoning {
            effort: self.effort.map(level).transpose()?,
            max_tokens: self.max_tokens,
            exclude: self.exclude.unwrap_or_default(),
            enabled: self.enabled,
        };
        Ok(Some(reasoning).filter(|reasoning| *reasoning != Reasoning::default()))
    }
}
