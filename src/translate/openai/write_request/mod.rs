//! The common form as a chat request for an upstream.
//!
//! Written in one pass, members always in the same order, so that the same conversation gives the
//! same bytes. Usage is asked for on streams, as the gateway counts it. Source: OpenAI's API
//! reference, chat completions (2026-11).

mod message;
mod piece;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{OutputLimit, Quirks, ReasoningForm};
use crate::translate::form::{self, Conversation, Effort, ToolChoice};
use crate::translate::loss::Lost;
use crate::translate::schema;
use message::{Message, Writer};
use piece::CacheControl;

#[derive(Debug, Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(flatten)]
    sampling: Sampling,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [form::Text<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Serialize)]
struct Sampling {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Mode(&'static str),
    Tool { r#type: &'static str, function: Named<'a> },
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    Text,
    JsonObject,
    JsonSchema { json_schema: JsonSchema<'a> },
}

#[derive(Debug, Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    exclude: bool,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// The body for the upstream's `model`.
pub(super) fn write(
    conversation: &Conversation<'_>,
    model: &str,
    quirks: &Quirks,
    dropped: &mut Lost,
) -> Vec<u8> {
    let messages = Writer { quirks, dropped }.messages(conversation);
    let has_tools = !conversation.tools.is_empty();
    let stream = conversation.stream.then_some(true);
    let (max_completion_tokens, max_tokens) = match quirks.output_limit {
        OutputLimit::MaxCompletionTokens => (conversation.max_tokens, None),
        OutputLimit::MaxTokens => (None, conversation.max_tokens),
    };
    let body = Body {
        model,
        messages,
        tools: conversation.tools.iter().map(|tool| Tool::of(tool, quirks, dropped)).collect(),
        // OpenAI refuses both where there are no tools, and then they say nothing.
        tool_choice: conversation.tool_choice.as_ref().filter(|_| has_tools).map(Choice::of),
        parallel_tool_calls: conversation.parallel_tool_calls.filter(|_| has_tools),
        response_format: conversation.response_format.as_ref().map(ResponseFormat::of),
        reasoning_effort: effort(conversation, quirks, dropped),
        reasoning: conversation
            .reasoning
            .filter(|_| quirks.reasoning == ReasoningForm::Object)
            .map(Reasoning::of),
        max_completion_tokens,
        max_tokens,
        sampling: Sampling::of(&conversation.sampling, quirks, dropped),
        stop: stop(&conversation.stop, quirks, dropped),
        user: user(conversation, quirks, dropped),
        service_tier: conversation.service_tier,
        stream,
        stream_options: stream
            .filter(|_| quirks.stream_options)
            .map(|include_usage| StreamOptions { include_usage }),
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The level asked for, or the one nearest to the budget.
pub fn effort(
    conversation: &Conversation<'_>,
    quirks: &Quirks,
    dropped: &mut Lost,
) -> Option<&'static str> {
    let reasoning = conversation.reasoning.filter(|_| quirks.reasoning == ReasoningForm::Effort)?;
    if reasoning.max_tokens.is_some() {
        dropped.add("reasoning.max_tokens");
    }
    reasoning.level().map(Effort::name)
}

fn stop<'a>(
    stop: &'a [form::Text<'a>],
    quirks: &Quirks,
    dropped: &mut Lost,
) -> &'a [form::Text<'a>] {
    match stop.get(..quirks.stop_limit) {
        Some(first) if first.len() < stop.len() => {
            dropped.add("stop");
            first
        }
        _ => stop,
    }
}

/// Agents make a user of account, device and session: longer than most upstreams take.
fn user<'a>(
    conversation: &'a Conversation<'_>,
    quirks: &Quirks,
    dropped: &mut Lost,
) -> Option<&'a str> {
    let user = conversation.user.as_deref()?;
    if user.chars().nth(quirks.user_limit).is_some() {
        dropped.add("user");
        return None;
    }
    Some(user)
}

impl Sampling {
    fn of(sampling: &form::Sampling, quirks: &Quirks, dropped: &mut Lost) -> Self {
        dropped.add_if(sampling.top_k.is_some() && !quirks.top_k, "top_k");
        Self {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            top_k: sampling.top_k.filter(|_| quirks.top_k),
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            seed: sampling.seed,
        }
    }
}

impl<'a> Tool<'a> {
    fn of(tool: &'a form::Tool<'_>, quirks: &Quirks, dropped: &mut Lost) -> Self {
        if tool.cache.is_some() && !quirks.cache_control {
            dropped.add("tools.cache_control");
        }
        let form::Tool { name, description, parameters, strict, cache } = tool;
        let parameters = parameters
            .map(|schema| schema::of_object(Some(schema), &[schema::TYPE, schema::PROPERTIES]));
        Self {
            r#type: "function",
            function: Function {
                name,
                description: description.as_deref(),
                parameters,
                strict: *strict,
            },
            cache_control: cache.filter(|_| quirks.cache_control).map(CacheControl::from),
        }
    }
}

impl<'a> Choice<'a> {
    fn of(choice: &'a ToolChoice<'_>) -> Self {
        match choice {
            ToolChoice::Auto => Self::Mode("auto"),
            ToolChoice::None => Self::Mode("none"),
            ToolChoice::Required => Self::Mode("required"),
            ToolChoice::Tool(name) => Self::Tool { r#type: "function", function: Named { name } },
        }
    }
}

impl<'a> ResponseFormat<'a> {
    fn of(format: &'a form::ResponseFormat<'_>) -> Self {
        match format {
            form::ResponseFormat::Text => Self::Text,
            form::ResponseFormat::JsonObject => Self::JsonObject,
            form::ResponseFormat::JsonSchema { name, description, schema, strict } => {
                let description = description.as_deref();
                Self::JsonSchema {
                    json_schema: JsonSchema { name, description, schema, strict: *strict },
                }
            }
        }
    }
}

impl Reasoning {
    fn of(reasoning: form::Reasoning) -> Self {
        let form::Reasoning { effort, max_tokens, exclude, enabled } = reasoning;
        Self { effort: effort.map(Effort::name), max_tokens, enabled, exclude }
    }
}
