//! The body of a request. What the API lacks is left out and told.

mod media;
mod message;
mod model;
mod thinking;
mod tool;

use std::borrow::Cow;

use serde::Serialize;

use crate::translate::form::{Conversation, ResponseFormat};
use crate::translate::loss::Lost;
use crate::translate::schema;
use message::{Block, Limit, Message, Writer, breakpoints};
use model::{Family, Model, Sampling};
use thinking::{Plan, ThinkingField};
use tool::ToolConfig;

/// The request for the model `name`.
pub(super) fn write(conversation: &Conversation<'_>, name: &str, dropped: &mut Lost) -> Vec<u8> {
    let model = Model::of(name);
    let mut tool_config = tool::config(conversation, model, dropped);
    let plan = thinking::plan(conversation, model, dropped);
    let sampling = Numbers::of(conversation, model, &plan, dropped);
    let (mut system, mut messages) = said(conversation, model, dropped);
    limit_breakpoints(tool_config.as_mut(), &mut system, &mut messages, dropped);
    let body = Body {
        messages,
        system,
        inference_config: inference_config(conversation, &sampling, &plan, dropped),
        tool_config,
        additional_model_request_fields: additional(&sampling, plan.thinking),
        request_metadata: metadata(conversation, dropped),
        output_config: output_config(conversation, plan.effort, dropped),
    };
    lose_what_never_fits(conversation, dropped);
    serde_json::to_vec(&body).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'c> {
    messages: Vec<Message<'c>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inference_config: Option<InferenceConfig<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_request_fields: Option<Additional>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_metadata: Option<Metadata<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'c>>,
}

/// System blocks and messages. Instructions that nothing follows are what the user says: there must
/// be a message.
// Keeps its caller small, as the host's compiler takes memory by the size of the largest function.
#[inline(never)]
fn said<'c>(
    conversation: &'c Conversation<'_>,
    model: Model,
    dropped: &mut Lost,
) -> (Vec<Block<'c>>, Vec<Message<'c>>) {
    let mut writer = Writer::new(model, dropped);
    let system = writer.system(&conversation.system);
    if conversation.turns.is_empty() && !system.is_empty() {
        return (Vec::new(), vec![Message { role: "user", content: system }]);
    }
    (system, writer.messages(&conversation.turns))
}

fn limit_breakpoints(
    tools: Option<&mut ToolConfig<'_>>,
    system: &mut Vec<Block<'_>>,
    messages: &mut [Message<'_>],
    dropped: &mut Lost,
) {
    let in_messages: usize = messages.iter().map(|message| breakpoints(&message.content)).sum();
    let all =
        tools.as_deref().map_or(0, ToolConfig::breakpoints) + breakpoints(system) + in_messages;
    let mut limit = Limit::new(all, dropped);
    if let Some(tools) = tools {
        tools.limit(&mut limit);
    }
    limit.keep_among(system);
    messages.iter_mut().for_each(|message| limit.keep_among(&mut message.content));
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InferenceConfig<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'c str>,
}

fn inference_config<'c>(
    conversation: &'c Conversation<'_>,
    numbers: &Numbers,
    plan: &Plan,
    dropped: &mut Lost,
) -> Option<InferenceConfig<'c>> {
    let stop_sequences: Vec<_> =
        conversation.stop.iter().map(AsRef::as_ref).filter(|stop| !is_blank(stop)).collect();
    if stop_sequences.len() < conversation.stop.len() {
        // Claude refuses stop sequences that are all white space.
        dropped.add("stop");
    }
    let max_tokens = plan.max_tokens.or(conversation.max_tokens);
    let config = InferenceConfig {
        max_tokens,
        temperature: numbers.temperature,
        top_p: numbers.top_p,
        stop_sequences,
    };
    let is_empty = max_tokens.is_none()
        && config.temperature.is_none()
        && config.top_p.is_none()
        && config.stop_sequences.is_empty();
    (!is_empty).then_some(config)
}

/// Numbers that steer sampling, as far as the model takes them.
struct Numbers {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
}

impl Numbers {
    fn of(conversation: &Conversation<'_>, model: Model, plan: &Plan, dropped: &mut Lost) -> Self {
        let fixed = model.sampling == Sampling::Fixed;
        let thinks = plan.thinks();
        let mut asked = conversation.sampling.clone();
        if fixed {
            // What a model without these numbers does anyway is no loss.
            asked.temperature = asked.temperature.filter(|temperature| *temperature != 1.0);
            asked.top_p = asked.top_p.filter(|top_p| *top_p != 1.0);
        }
        // While Claude thinks, temperature must be 1, top_p at least 0.95 and top_k unset.
        let allowed = !fixed && (!thinks || asked.temperature == Some(1.0));
        let temperature = keep(asked.temperature, allowed, "temperature", dropped);
        let alone = model.sampling == Sampling::All || temperature.is_none();
        let allowed =
            !fixed && alone && (!thinks || asked.top_p.is_some_and(|top_p| top_p >= 0.95));
        let top_p = keep(asked.top_p, allowed, "top_p", dropped);
        let top_k = keep(
            asked.top_k,
            model.family == Family::Anthropic && !fixed && !thinks,
            "top_k",
            dropped,
        );
        if temperature.is_some_and(|temperature| temperature > 1.0) {
            dropped.add("temperature");
        }
        Self { temperature: temperature.map(|temperature| temperature.min(1.0)), top_p, top_k }
    }
}

/// The value if it is allowed; if it is not, its field is lost.
fn keep<T>(value: Option<T>, allowed: bool, field: &'static str, dropped: &mut Lost) -> Option<T> {
    if value.is_some() && !allowed {
        dropped.add(field);
    }
    value.filter(|_| allowed)
}

/// Fields of the model's own, in its own spelling.
#[derive(Serialize)]
struct Additional {
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingField>,
}

fn additional(numbers: &Numbers, thinking: Option<ThinkingField>) -> Option<Additional> {
    (numbers.top_k.is_some() || thinking.is_some())
        .then_some(Additional { top_k: numbers.top_k, thinking })
}

/// What the account's invocation log keeps with the request.
#[derive(Serialize)]
struct Metadata<'c> {
    user: &'c str,
}

fn metadata<'c>(conversation: &'c Conversation<'_>, dropped: &mut Lost) -> Option<Metadata<'c>> {
    let user = conversation.user.as_deref()?;
    let allowed = user.len() <= 256 && user.bytes().all(is_allowed_in_metadata);
    Some(Metadata { user: keep(Some(user), allowed, "user", dropped)? })
}

fn is_allowed_in_metadata(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" :_@$#=/+,-.".contains(&byte)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputConfig<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text_format: Option<TextFormat<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
}

#[derive(Serialize)]
struct TextFormat<'c> {
    r#type: &'static str,
    structure: Structure<'c>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Structure<'c> {
    JsonSchema(JsonSchema<'c>),
}

#[derive(Serialize)]
struct JsonSchema<'c> {
    /// JSON Schema as a text, not as an object.
    schema: Cow<'c, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'c str>,
}

fn output_config<'c>(
    conversation: &'c Conversation<'_>,
    effort: Option<&'static str>,
    dropped: &mut Lost,
) -> Option<OutputConfig<'c>> {
    let text_format = match &conversation.response_format {
        Some(ResponseFormat::JsonSchema { name, description, schema, .. }) => {
            let (schema, lost) = schema::enforceable(schema);
            if lost {
                dropped.add("response_format");
            }
            let schema = match schema {
                Cow::Borrowed(schema) => Cow::Borrowed(schema.get()),
                Cow::Owned(schema) => Cow::Owned(schema.get().to_owned()),
            };
            let description = description.as_deref().filter(|description| !is_blank(description));
            Some(JsonSchema { schema, name, description })
        }
        Some(ResponseFormat::JsonObject) => {
            dropped.add("response_format.json_object");
            None
        }
        Some(ResponseFormat::Text) | None => None,
    };
    let text_format = text_format.map(|schema| TextFormat {
        r#type: "json_schema",
        structure: Structure::JsonSchema(schema),
    });
    (text_format.is_some() || effort.is_some()).then_some(OutputConfig { text_format, effort })
}

fn lose_what_never_fits(conversation: &Conversation<'_>, dropped: &mut Lost) {
    let sampling = &conversation.sampling;
    for (given, field) in [
        (sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0), "frequency_penalty"),
        (sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0), "presence_penalty"),
        (sampling.seed.is_some(), "seed"),
        (conversation.parallel_tool_calls == Some(false), "parallel_tool_calls"),
        (conversation.tools.iter().any(|tool| tool.strict == Some(true)), "tools.strict"),
    ] {
        if given {
            dropped.add(field);
        }
    }
}

/// The API refuses texts without anything in them but white space.
pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
