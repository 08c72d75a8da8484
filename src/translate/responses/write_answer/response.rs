//! The response object: stands whole in the answer, and in a stream's first, second and last event.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{Error as _, Serializer};
use serde_json::value::RawValue;

use super::item::Item;
use crate::catalog::ServiceTier;
use crate::error::OpenAiError;
use crate::translate::responses::shape::{Field, Shape, maybe, parse, raw};
use crate::translate::responses::value::{Object, Value};
use crate::usage::Usage;

/// What a response repeats of its request.
const ECHO: &[Field] = &[
    raw("instructions"),
    raw("max_output_tokens"),
    raw("max_tool_calls"),
    raw("temperature"),
    raw("top_p"),
    raw("frequency_penalty"),
    raw("presence_penalty"),
    raw("top_logprobs"),
    raw("tools"),
    raw("tool_choice"),
    raw("parallel_tool_calls"),
    maybe("text", Shape::Object(&[raw("format"), raw("verbosity")])),
    maybe("reasoning", Shape::Object(&[raw("effort"), raw("summary")])),
    raw("truncation"),
    raw("user"),
    raw("safety_identifier"),
    raw("prompt_cache_key"),
    raw("metadata"),
];

/// The fields of [`ECHO`] that a request has, those of its inner objects by their own names.
#[derive(Debug, Default)]
pub(super) struct Echo(Vec<(&'static str, Box<RawValue>)>);

impl Echo {
    /// Reads a request that was accepted before.
    pub(super) fn of(request: &[u8]) -> Self {
        let request = match memchr::memchr2(b'\n', b'\r', request) {
            Some(_) => Cow::Owned(request.iter().map(in_line).collect()),
            None => Cow::Borrowed(request),
        };
        let mut echo = Self::default();
        if let Ok(Value::Object(fields)) = parse(&request, &Shape::Object(ECHO)) {
            echo.keep(fields);
        }
        echo
    }

    fn keep(&mut self, fields: Object<'_>) {
        for (name, value) in fields.0 {
            match value {
                Value::Object(inner) => self.keep(inner),
                Value::Raw(json) => {
                    self.0.extend(serde_json::from_str(json).ok().map(|json| (name, json)))
                }
                _ => {}
            }
        }
    }

    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    fn given(&self, name: &str, default: &'static str) -> Given<'_> {
        Given(self.get(name), default)
    }

    /// Whether the client asked for a summary of the thinking, and not for the thinking.
    pub(super) fn summarises(&self) -> bool {
        self.get("summary").is_some()
    }
}

/// A byte of JSON within a line: a line end would end that of the event. It stands between tokens
/// only, as any white space may.
fn in_line(byte: &u8) -> u8 {
    if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }
}

/// How far a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

/// What a response says besides what it repeats.
pub(super) struct Said<'a> {
    pub(super) id: &'a str,
    pub(super) created_at: u64,
    pub(super) completed_at: Option<u64>,
    pub(super) model: &'a str,
    pub(super) status: State,
    pub(super) incomplete: Option<&'static str>,
    pub(super) error: Option<Failed<'a>>,
    pub(super) output: &'a [Item],
    pub(super) usage: Option<Usage>,
}

/// Why a response failed.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Failed<'a> {
    code: &'a str,
    message: &'a str,
    r#type: &'a str,
    /// Stands beside the error, not in it.
    #[serde(skip)]
    error_type: &'a str,
}

impl<'a> Failed<'a> {
    /// With a code of this dialect's own in place of the error's, which may be anything.
    pub(super) fn new(error: &OpenAiError<'a>, code: &'a str) -> Self {
        Self { code, message: error.message, r#type: error.r#type, error_type: error.error_type }
    }
}

/// The object. Where the request says nothing, it says what OpenAI's does.
#[derive(Serialize)]
pub(super) struct Response<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: State,
    background: bool,
    completed_at: Option<u64>,
    error: Option<Failed<'a>>,
    /// OpenRouter's.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    frequency_penalty: Given<'a>,
    incomplete_details: Option<Incomplete>,
    instructions: Given<'a>,
    max_output_tokens: Given<'a>,
    max_tool_calls: Given<'a>,
    metadata: Given<'a>,
    model: &'a str,
    output: &'a [Item],
    parallel_tool_calls: Given<'a>,
    presence_penalty: Given<'a>,
    previous_response_id: Option<&'a str>,
    prompt_cache_key: Given<'a>,
    reasoning: Reasoning<'a>,
    safety_identifier: Given<'a>,
    service_tier: &'static str,
    store: bool,
    temperature: Given<'a>,
    text: Text<'a>,
    tool_choice: Given<'a>,
    tools: Given<'a>,
    top_logprobs: Given<'a>,
    top_p: Given<'a>,
    truncation: Given<'a>,
    usage: Option<Tokens>,
    user: Given<'a>,
}

impl<'a> Response<'a> {
    pub(super) fn new(said: Said<'a>, echo: &'a Echo) -> Self {
        Self {
            id: said.id,
            object: "response",
            created_at: said.created_at,
            status: said.status,
            background: false,
            completed_at: said.completed_at,
            error: said.error,
            error_type: said.error.map(|failed| failed.error_type),
            frequency_penalty: echo.given("frequency_penalty", "0.0"),
            incomplete_details: said.incomplete.map(|reason| Incomplete { reason }),
            instructions: echo.given("instructions", "null"),
            max_output_tokens: echo.given("max_output_tokens", "null"),
            max_tool_calls: echo.given("max_tool_calls", "null"),
            metadata: echo.given("metadata", "{}"),
            model: said.model,
            output: said.output,
            parallel_tool_calls: echo.given("parallel_tool_calls", "true"),
            presence_penalty: echo.given("presence_penalty", "0.0"),
            previous_response_id: None,
            prompt_cache_key: echo.given("prompt_cache_key", "null"),
            reasoning: Reasoning {
                effort: echo.given("effort", "null"),
                summary: echo.given("summary", "null"),
            },
            safety_identifier: echo.given("safety_identifier", "null"),
            service_tier: said
                .usage
                .and_then(|usage| usage.tier)
                .map_or("default", ServiceTier::name),
            store: false,
            temperature: echo.given("temperature", "1.0"),
            text: Text {
                format: echo.given("format", r#"{"type":"text"}"#),
                verbosity: echo.given("verbosity", "\"medium\""),
            },
            tool_choice: echo.given("tool_choice", "\"auto\""),
            tools: echo.given("tools", "[]"),
            top_logprobs: echo.given("top_logprobs", "0"),
            top_p: echo.given("top_p", "1.0"),
            truncation: echo.given("truncation", "\"disabled\""),
            usage: said.usage.map(Tokens::of),
            user: echo.given("user", "null"),
        }
    }
}

/// A field of the request, or the JSON text that stands for its absence.
struct Given<'a>(Option<&'a RawValue>, &'static str);

impl Serialize for Given<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(given) => given.serialize(serializer),
            None => serde_json::from_str::<&RawValue>(self.1)
                .map_err(S::Error::custom)?
                .serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct Incomplete {
    reason: &'static str,
}

#[derive(Serialize)]
struct Reasoning<'a> {
    effort: Given<'a>,
    summary: Given<'a>,
}

#[derive(Serialize)]
struct Text<'a> {
    format: Given<'a>,
    verbosity: Given<'a>,
}

#[derive(Serialize)]
struct Tokens {
    input_tokens: u64,
    input_tokens_details: InputTokens,
    output_tokens: u64,
    output_tokens_details: OutputTokens,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputTokens {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputTokens {
    reasoning_tokens: u64,
}

impl Tokens {
    fn of(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input,
            input_tokens_details: InputTokens {
                cached_tokens: usage.cached,
                cache_write_tokens: usage.cache_write,
            },
            output_tokens: usage.output,
            output_tokens_details: OutputTokens { reasoning_tokens: usage.reasoning },
            total_tokens: usage.input.saturating_add(usage.output),
        }
    }
}
