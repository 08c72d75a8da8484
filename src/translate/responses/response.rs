//! The response object: stands whole in the answer, and in a stream's first, second and last event.

use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::item::Item;
use crate::error::OpenAiError;
use crate::usage::Usage;

/// What a response repeats of its request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Echo {
    instructions: Option<Box<RawValue>>,
    max_output_tokens: Option<Box<RawValue>>,
    max_tool_calls: Option<Box<RawValue>>,
    temperature: Option<Box<RawValue>>,
    top_p: Option<Box<RawValue>>,
    frequency_penalty: Option<Box<RawValue>>,
    presence_penalty: Option<Box<RawValue>>,
    top_logprobs: Option<Box<RawValue>>,
    tools: Option<Box<RawValue>>,
    tool_choice: Option<Box<RawValue>>,
    parallel_tool_calls: Option<Box<RawValue>>,
    text: Option<TextEcho>,
    reasoning: Option<ReasoningEcho>,
    truncation: Option<Box<RawValue>>,
    user: Option<Box<RawValue>>,
    safety_identifier: Option<Box<RawValue>>,
    prompt_cache_key: Option<Box<RawValue>>,
    metadata: Option<Box<RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TextEcho {
    format: Option<Box<RawValue>>,
    verbosity: Option<Box<RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReasoningEcho {
    effort: Option<Box<RawValue>>,
    summary: Option<Box<RawValue>>,
}

impl Echo {
    /// Reads a request that was accepted before.
    pub(super) fn of(request: &[u8]) -> Self {
        if memchr::memchr2(b'\n', b'\r', request).is_none() {
            return serde_json::from_slice(request).unwrap_or_default();
        }
        // A line end would end the line of the event. In JSON it stands between tokens only, as any white space may.
        let line = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
        let request: Vec<u8> = request.iter().map(line).collect();
        serde_json::from_slice(&request).unwrap_or_default()
    }

    /// Whether the client asked for a summary of the thinking, and not for the thinking.
    pub(super) fn summarises(&self) -> bool {
        self.reasoning.as_ref().is_some_and(|reasoning| reasoning.summary.is_some())
    }
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
            frequency_penalty: Given(&echo.frequency_penalty, "0.0"),
            incomplete_details: said.incomplete.map(|reason| Incomplete { reason }),
            instructions: Given(&echo.instructions, "null"),
            max_output_tokens: Given(&echo.max_output_tokens, "null"),
            max_tool_calls: Given(&echo.max_tool_calls, "null"),
            metadata: Given(&echo.metadata, "{}"),
            model: said.model,
            output: said.output,
            parallel_tool_calls: Given(&echo.parallel_tool_calls, "true"),
            presence_penalty: Given(&echo.presence_penalty, "0.0"),
            previous_response_id: None,
            prompt_cache_key: Given(&echo.prompt_cache_key, "null"),
            reasoning: Reasoning::of(echo.reasoning.as_ref()),
            safety_identifier: Given(&echo.safety_identifier, "null"),
            service_tier: "default",
            store: false,
            temperature: Given(&echo.temperature, "1.0"),
            text: Text::of(echo.text.as_ref()),
            tool_choice: Given(&echo.tool_choice, "\"auto\""),
            tools: Given(&echo.tools, "[]"),
            top_logprobs: Given(&echo.top_logprobs, "0"),
            top_p: Given(&echo.top_p, "1.0"),
            truncation: Given(&echo.truncation, "\"disabled\""),
            usage: said.usage.map(Tokens::of),
            user: Given(&echo.user, "null"),
        }
    }
}

/// A field of the request, or the JSON text that stands for its absence.
struct Given<'a>(&'a Option<Box<RawValue>>, &'static str);

impl Serialize for Given<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(given) => given.serialize(serializer),
            None => serde_json::from_str::<&RawValue>(self.1).map_err(S::Error::custom)?.serialize(serializer),
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

impl<'a> Reasoning<'a> {
    fn of(echo: Option<&'a ReasoningEcho>) -> Self {
        const NONE: &ReasoningEcho = &ReasoningEcho { effort: None, summary: None };
        let ReasoningEcho { effort, summary } = echo.unwrap_or(NONE);
        Self { effort: Given(effort, "null"), summary: Given(summary, "null") }
    }
}

#[derive(Serialize)]
struct Text<'a> {
    format: Given<'a>,
    verbosity: Given<'a>,
}

impl<'a> Text<'a> {
    fn of(echo: Option<&'a TextEcho>) -> Self {
        const NONE: &TextEcho = &TextEcho { format: None, verbosity: None };
        let TextEcho { format, verbosity } = echo.unwrap_or(NONE);
        Self { format: Given(format, r#"{"type":"text"}"#), verbosity: Given(verbosity, "\"medium\"") }
    }
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
            input_tokens_details: InputTokens { cached_tokens: usage.cached, cache_write_tokens: usage.cache_write },
            output_tokens: usage.output,
            output_tokens_details: OutputTokens { reasoning_tokens: usage.reasoning },
            total_tokens: usage.input.saturating_add(usage.output),
        }
    }
}
