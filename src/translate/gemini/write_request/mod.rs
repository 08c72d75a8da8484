//! The body of a request.
//!
//! Schemas go into `parametersJsonSchema` and `responseJsonSchema`, which take JSON Schema as
//! clients write it: the older `parameters` and `responseSchema` are protobuf messages and refuse
//! `$schema`, `additionalProperties`, `$ref` and lists of types with status 400. Both APIs have the
//! new fields.

mod content;
mod media;
mod model;
mod thinking;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::translate::form::{Conversation, ResponseFormat, Tool, ToolChoice};
use crate::translate::loss::Lost;
use crate::translate::schema;
use content::Content;
use model::Model;
use thinking::ThinkingConfig;

/// Most stop sequences the API takes.
const MAX_STOPS: usize = 5;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    generation_config: GenerationConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Cow<'a, RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: FunctionCallingConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionCallingConfig<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

/// The whole body.
pub(super) fn write(conversation: &Conversation<'_>, model: &str, dropped: &mut Lost) -> Vec<u8> {
    let model = Model::of(model);
    let mut system_instruction = content::system(&conversation.system, dropped);
    let mut contents = content::contents(conversation, model, dropped);
    if contents.is_empty() {
        // The API wants something said, so that instructions alone are said by the user.
        contents.extend(system_instruction.take().map(Content::by_user));
    }
    dropped.add_if(conversation.user.is_some(), "user");
    let body = Body {
        system_instruction,
        contents,
        tools: tools(conversation, dropped),
        tool_config: tool_config(conversation),
        generation_config: generation_config(conversation, model, dropped),
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn tools<'a>(conversation: &'a Conversation<'_>, dropped: &mut Lost) -> Option<[Tools<'a>; 1]> {
    if conversation.tools.is_empty() {
        return None;
    }
    dropped.add_if(conversation.parallel_tool_calls == Some(false), "parallel_tool_calls");
    // Where a call is forced, it always follows the schema.
    let forced =
        matches!(conversation.tool_choice, Some(ToolChoice::Required | ToolChoice::Tool(_)));
    for tool in &conversation.tools {
        dropped.add_if(tool.strict == Some(true) && !forced, "tools.strict");
        dropped.add_if(tool.cache.is_some(), "tools.cache_control");
    }
    Some([Tools { function_declarations: conversation.tools.iter().map(declaration).collect() }])
}

fn declaration<'a>(tool: &'a Tool<'_>) -> Declaration<'a> {
    Declaration {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters_json_schema: tool
            .parameters
            .filter(|schema| !says_nothing(schema))
            .map(|schema| schema::of_object(Some(schema), &[schema::TYPE])),
    }
}

/// `{}` is refused, as it does not describe an object; a function without parameters has no schema.
fn says_nothing(schema: &RawValue) -> bool {
    let mut bytes = schema.get().bytes().filter(|byte| !byte.is_ascii_whitespace()).take(5);
    let start = [(); 5].map(|()| bytes.next().unwrap_or_default());
    matches!(&start, b"{}\0\0\0" | b"null\0")
}

/// `None`: as the model likes. Without tools the API refuses it.
fn tool_config<'a>(conversation: &'a Conversation<'_>) -> Option<ToolConfig<'a>> {
    if conversation.tools.is_empty() {
        return None;
    }
    let (mode, allowed_function_names) = match conversation.tool_choice.as_ref()? {
        ToolChoice::Auto => ("AUTO", None),
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Tool(name) => ("ANY", Some([name.as_ref()])),
    };
    Some(ToolConfig {
        function_calling_config: FunctionCallingConfig { mode, allowed_function_names },
    })
}

// Keeps its caller small, as the host's compiler takes memory by the size of the largest function.
#[inline(never)]
fn generation_config<'a>(
    conversation: &'a Conversation<'_>,
    model: Model<'_>,
    dropped: &mut Lost,
) -> GenerationConfig<'a> {
    let sampling = &conversation.sampling;
    let (response_mime_type, response_json_schema) = response_format(conversation, model, dropped);
    GenerationConfig {
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        max_output_tokens: conversation
            .max_tokens
            .map(|tokens| i32::try_from(tokens).unwrap_or(i32::MAX)),
        stop_sequences: stop_sequences(conversation, dropped),
        seed: sampling.seed.map(|seed| small_seed(seed, dropped)),
        presence_penalty: penalty(sampling.presence_penalty, "presence_penalty", model, dropped),
        frequency_penalty: penalty(sampling.frequency_penalty, "frequency_penalty", model, dropped),
        response_mime_type,
        response_json_schema,
        thinking_config: conversation.reasoning.and_then(|reasoning| {
            ThinkingConfig::of(&reasoning, conversation.max_tokens, model, dropped)
        }),
    }
}

fn stop_sequences<'a>(conversation: &'a Conversation<'_>, dropped: &mut Lost) -> Vec<&'a str> {
    let mut stops =
        conversation.stop.iter().map(AsRef::as_ref).filter(|stop: &&str| !stop.is_empty());
    let taken = stops.by_ref().take(MAX_STOPS).collect();
    dropped.add_if(stops.next().is_some(), "stop");
    taken
}

fn penalty(
    wanted: Option<f64>,
    name: &'static str,
    model: Model<'_>,
    dropped: &mut Lost,
) -> Option<f64> {
    let taken = wanted.filter(|penalty| *penalty == 0.0 || model.takes_penalties());
    dropped.add_if(taken != wanted, name);
    taken
}

/// The API's seeds have 32 bits: of a larger one the lowest are as good.
fn small_seed(seed: i64, dropped: &mut Lost) -> i32 {
    i32::try_from(seed).unwrap_or_else(|_| {
        dropped.add("seed");
        seed as i32
    })
}

fn response_format<'a>(
    conversation: &'a Conversation<'_>,
    model: Model<'_>,
    dropped: &mut Lost,
) -> (Option<&'static str>, Option<&'a RawValue>) {
    const JSON: Option<&str> = Some("application/json");
    let wanted = match &conversation.response_format {
        None | Some(ResponseFormat::Text) => return (None, None),
        Some(ResponseFormat::JsonObject) => (JSON, None),
        Some(ResponseFormat::JsonSchema { schema, .. }) => (JSON, Some(*schema)),
    };
    if !conversation.tools.is_empty() && !model.is_third_generation() {
        dropped.add("response_format");
        return (None, None);
    }
    wanted
}
