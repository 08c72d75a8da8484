//! Writes a whole answer as OpenAI's chat completion object (2026-11), thinking in OpenRouter's
//! form (2026-08).

use serde::Serialize;
use serde_json::value::RawValue;

use super::asked::Asked;
use crate::catalog::ServiceTier;
use crate::translate::About;
use crate::translate::delta::{Answer, Block, FinishReason};
use crate::translate::openai::reasoning::DetailJson;
use crate::usage::Usage;

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
    native_finish_reason: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<DetailJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Function<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<ImageJson>,
}

/// A picture in OpenRouter's form.
#[derive(Serialize)]
pub(super) struct ImageJson {
    r#type: &'static str,
    image_url: ImageUrl,
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

impl ImageJson {
    /// A picture as a data URL.
    pub(super) fn of(mime: &str, base64: &str) -> Self {
        Self {
            r#type: "image_url",
            image_url: ImageUrl { url: format!("data:{mime};base64,{base64}") },
        }
    }
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// `usage`
#[derive(Serialize)]
pub(super) struct UsageJson {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: InputDetails,
    completion_tokens_details: OutputDetails,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
    /// Those of the output, too: only their sum is known.
    audio_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<Usage> for UsageJson {
    fn from(usage: Usage) -> Self {
        let Usage { input, output, cached, cache_write, reasoning, audio, .. } = usage;
        Self {
            prompt_tokens: input,
            completion_tokens: output,
            total_tokens: input.saturating_add(output),
            prompt_tokens_details: InputDetails {
                cached_tokens: cached,
                cache_write_tokens: cache_write,
                audio_tokens: audio,
            },
            completion_tokens_details: OutputDetails { reasoning_tokens: reasoning },
        }
    }
}

/// The body of an answer.
pub(super) fn write(answer: &Answer, about: &About, asked: Asked, format: &str) -> Vec<u8> {
    let message = Message::of(answer, asked, format);
    let calls = !message.tool_calls.is_empty() || message.function_call.is_some();
    let (reason, native) = match &answer.finish {
        Some((reason, native)) => (*reason, native.as_str()),
        None if calls => (FinishReason::ToolCalls, "tool_calls"),
        None => (FinishReason::Stop, "stop"),
    };
    let choice = Choice {
        index: 0,
        message,
        logprobs: None,
        finish_reason: asked.finish_name(reason),
        native_finish_reason: native,
    };
    let body = Body {
        id: format!("chatcmpl-{}", about.id),
        object: "chat.completion",
        created: about.created,
        model: &about.model,
        choices: [choice],
        usage: answer.usage.map(UsageJson::from),
        service_tier: answer.usage.and_then(|usage| usage.tier).map(ServiceTier::name),
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

impl<'a> Message<'a> {
    fn of(answer: &'a Answer, asked: Asked, format: &'a str) -> Self {
        let mut message = Self {
            role: "assistant",
            content: None,
            refusal: None,
            reasoning: None,
            reasoning_details: Vec::new(),
            tool_calls: Vec::new(),
            function_call: None,
            annotations: Vec::new(),
            images: Vec::new(),
        };
        for block in &answer.blocks {
            message.add(block, format);
        }
        message.settle(asked);
        message
    }

    fn add(&mut self, block: &'a Block, format: &'a str) {
        match block {
            Block::Text(text) => self.content.get_or_insert_default().push_str(text),
            Block::Refusal(text) => self.refusal.get_or_insert_default().push_str(text),
            Block::Thinking { text, signature } => {
                let readable = Some(text.as_str()).filter(|text| !text.is_empty());
                if let Some(text) = readable {
                    self.reasoning.get_or_insert_default().push_str(text);
                }
                self.detail(DetailJson::text(readable, signature.as_deref(), Some(format)));
            }
            Block::EncryptedThinking(data) => {
                self.detail(DetailJson::encrypted(data, Some(format)))
            }
            Block::ToolCall { id, name, arguments, signature } => {
                if let Some(proof) = signature {
                    self.detail(DetailJson::of_call(id, proof));
                }
                // Clients parse the arguments, and an empty text is no JSON.
                let arguments = if arguments.is_empty() { "{}" } else { arguments };
                self.tool_calls.push(Call {
                    id,
                    r#type: "function",
                    function: Function { name, arguments },
                });
            }
            Block::Image { mime, base64 } => self.images.push(ImageJson::of(mime, base64)),
            Block::Annotation(json) => {
                self.annotations.extend(serde_json::from_str::<&RawValue>(json))
            }
        }
    }

    fn detail(&mut self, detail: DetailJson<'a>) {
        let index = self.reasoning_details.len();
        self.reasoning_details.push(detail.at(index));
    }

    fn settle(&mut self, asked: Asked) {
        if asked.no_reasoning {
            self.reasoning = None;
            self.reasoning_details.clear();
        }
        if asked.functions {
            self.function_call = self.tool_calls.drain(..).next().map(|call| call.function);
        }
        if self.tool_calls.is_empty() && self.function_call.is_none() && self.refusal.is_none() {
            self.content.get_or_insert_default();
        }
    }
}
