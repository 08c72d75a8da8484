//! A request in the common form as the body for an upstream.
//!
//! What models of a generation reject (see [`model`]) is left out or put the way they take
//! it, and noted.

mod base64;
mod content;
mod model;
mod thinking;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::translate::form::{
    Conversation, ResponseFormat, Role, Sampling, Text, Tool, ToolChoice,
};
use crate::translate::loss::Lost;
use crate::translate::schema;
use content::{Block, Blocks, CacheControl, breakpoints};
use model::{Model, Samples};
use thinking::{Plan, Thinking};

/// `max_tokens`, which the API demands, where the client names none.
const DEFAULT_MAX_TOKENS: u64 = 8192;

/// Longest `metadata.user_id` the API takes, in characters.
const LONGEST_USER: usize = 256;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolParam<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
struct ToolParam<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Cow<'a, RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
struct Choice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<JsonSchema<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "json_schema")]
struct JsonSchema<'a> {
    schema: Cow<'a, RawValue>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// Writes the body for `model`.
pub(super) fn write(conversation: &Conversation<'_>, model: &str, dropped: &mut Lost) -> Vec<u8> {
    let rules = Model::named(model);
    let mut max_tokens = conversation.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let plan = Plan::of(conversation, &rules, &mut max_tokens, dropped);
    let sampling = sampling(&conversation.sampling, &rules, &plan, dropped);
    let mut blocks = Blocks::new(all_breakpoints(conversation), dropped);
    let tools = conversation.tools.iter().map(|tool| tool_param(tool, &mut blocks)).collect();
    let system = blocks.of(Role::Assistant, &conversation.system);
    let messages = messages(conversation, &mut blocks);
    let body = Body {
        model,
        max_tokens,
        system,
        messages,
        tools,
        tool_choice: tool_choice(conversation, &rules, dropped),
        thinking: plan.thinking,
        output_config: output_config(conversation.response_format.as_ref(), &rules, &plan, dropped),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        stop_sequences: stop_sequences(&conversation.stop, dropped),
        stream: conversation.stream,
        metadata: metadata(conversation.user.as_ref(), dropped),
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn all_breakpoints(conversation: &Conversation<'_>) -> usize {
    conversation.tools.iter().filter(|tool| tool.cache.is_some()).count()
        + breakpoints(&conversation.system)
        + conversation.turns.iter().map(|turn| breakpoints(&turn.parts)).sum::<usize>()
}

/// The turns that have anything left to say. The API wants the user to begin.
fn messages<'a>(conversation: &'a Conversation<'a>, blocks: &mut Blocks<'_>) -> Vec<Message<'a>> {
    let mut messages = Vec::with_capacity(conversation.turns.len() + 1);
    for turn in &conversation.turns {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let content = blocks.of(turn.role, &turn.parts);
        if !content.is_empty() {
            messages.push(Message { role, content });
        }
    }
    if messages.first().is_none_or(|first| first.role != "user") {
        blocks.dropped.add("messages");
        messages.insert(
            0,
            Message { role: "user", content: vec![Block::text("(The conversation begins.)")] },
        );
    }
    // The beginning of an answer that Claude is to go on from may not end in white space.
    let begun = messages.last_mut().filter(|last| last.role == "assistant");
    begun.and_then(|answer| answer.content.last_mut()).into_iter().for_each(Block::trim_end);
    messages
}

fn tool_param<'a>(tool: &'a Tool<'a>, blocks: &mut Blocks<'_>) -> ToolParam<'a> {
    let strict = tool.strict == Some(true);
    let mut input_schema = schema::of_object(tool.parameters, &[schema::TYPE]);
    if strict {
        let (enforceable, lost) = schema::enforceable(&input_schema);
        if lost {
            blocks.dropped.add("tools.strict");
        }
        input_schema = Cow::Owned(enforceable.into_owned());
    }
    ToolParam {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema,
        strict,
        cache_control: blocks.breakpoint(tool.cache),
    }
}

/// Without tools the API wants no choice.
fn tool_choice<'a>(
    conversation: &'a Conversation<'a>,
    rules: &Model,
    dropped: &mut Lost,
) -> Option<Choice<'a>> {
    if conversation.tools.is_empty() {
        return None;
    }
    let single = conversation.parallel_tool_calls == Some(false);
    let (r#type, name) = match &conversation.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Tool(_)) if !rules.forces_tools => {
            dropped.add("tool_choice");
            ("auto", None)
        }
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Tool(name)) => ("tool", Some(name.as_ref())),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Auto) => ("auto", None),
        None if single => ("auto", None),
        None => return None,
    };
    Some(Choice { r#type, name, disable_parallel_tool_use: single && r#type != "none" })
}

fn output_config<'a>(
    format: Option<&ResponseFormat<'a>>,
    rules: &Model,
    plan: &Plan,
    dropped: &mut Lost,
) -> Option<OutputConfig<'a>> {
    let format = match format {
        Some(ResponseFormat::JsonSchema { schema, .. }) if rules.schemas => {
            let (schema, lost) = schema::enforceable(schema);
            if lost {
                dropped.add("response_format");
            }
            Some(JsonSchema { schema })
        }
        Some(ResponseFormat::JsonSchema { .. } | ResponseFormat::JsonObject) => {
            dropped.add("response_format");
            None
        }
        Some(ResponseFormat::Text) | None => None,
    };
    (format.is_some() || plan.effort.is_some())
        .then_some(OutputConfig { effort: plan.effort, format })
}

/// What of the sampling numbers the model takes. One that is left out but says the default is no
/// loss.
fn sampling(wanted: &Sampling, rules: &Model, plan: &Plan, dropped: &mut Lost) -> Sampling {
    let mut taken = Sampling { top_p: wanted.top_p, top_k: wanted.top_k, ..Sampling::default() };
    taken.temperature = wanted.temperature.map(|temperature| temperature.clamp(0.0, 1.0));
    if plan.thinks() {
        (taken.temperature, taken.top_k) = (None, None);
        taken.top_p = taken.top_p.filter(|top_p| (0.95..=1.0).contains(top_p));
    }
    match rules.samples {
        Samples::All => {}
        Samples::One if taken.temperature.is_none() => {}
        Samples::One => taken.top_p = None,
        Samples::None => taken = Sampling::default(),
    }
    let losses = [
        ("temperature", wanted.temperature.unwrap_or(1.0) != taken.temperature.unwrap_or(1.0)),
        ("top_p", wanted.top_p.unwrap_or(1.0) != taken.top_p.unwrap_or(1.0)),
        ("top_k", wanted.top_k != taken.top_k),
        ("frequency_penalty", wanted.frequency_penalty.unwrap_or(0.0) != 0.0),
        ("presence_penalty", wanted.presence_penalty.unwrap_or(0.0) != 0.0),
        ("seed", wanted.seed.is_some()),
    ];
    losses.into_iter().filter(|(_, lost)| *lost).for_each(|(name, _)| dropped.add(name));
    taken
}

/// The API rejects a stop sequence of white space only.
fn stop_sequences<'a>(stop: &'a [Text<'a>], dropped: &mut Lost) -> Vec<&'a str> {
    let kept: Vec<&str> =
        stop.iter().map(AsRef::as_ref).filter(|text: &&str| !text.trim().is_empty()).collect();
    if kept.len() < stop.len() {
        dropped.add("stop");
    }
    kept
}

fn metadata<'a>(user: Option<&'a Text<'a>>, dropped: &mut Lost) -> Option<Metadata<'a>> {
    let user_id: &str = user?;
    if user_id.chars().nth(LONGEST_USER).is_some() {
        dropped.add("user");
        return None;
    }
    Some(Metadata { user_id })
}
