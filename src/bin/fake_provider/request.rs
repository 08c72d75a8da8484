//! Reads what the answer depends on from a request: its endpoint and a few fields of its body.
//! It is as lenient as it can be: a field it does not know or need is not looked at.

use hyper::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// OpenAI's own bound of `n`.
const MAX_CHOICES: u32 = 128;

/// The operation a path asks for; any base path may stand before its tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Embeddings,
    Models,
    /// Anthropic's.
    Messages,
    CountTokens,
    /// Gemini's.
    Generate {
        stream: bool,
    },
    /// Bedrock's.
    Converse {
        stream: bool,
    },
}

impl Endpoint {
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        match *method {
            Method::POST if path.ends_with("/chat/completions") => Some(Self::Chat),
            Method::POST if path.ends_with("/completions") => Some(Self::Completions),
            Method::POST if path.ends_with("/embeddings") => Some(Self::Embeddings),
            Method::POST if path.ends_with("/messages") => Some(Self::Messages),
            Method::POST if path.ends_with("/messages/count_tokens") => Some(Self::CountTokens),
            Method::POST if path.ends_with(":generateContent") => {
                Some(Self::Generate { stream: false })
            }
            Method::POST if path.ends_with(":streamGenerateContent") => {
                Some(Self::Generate { stream: true })
            }
            Method::POST if path.ends_with("/converse") => Some(Self::Converse { stream: false }),
            Method::POST if path.ends_with("/converse-stream") => {
                Some(Self::Converse { stream: true })
            }
            Method::GET if path.ends_with("/models") => Some(Self::Models),
            _ => None,
        }
    }

    /// Whether the path says that the answer is to be streamed; `None`: the body does.
    fn streams(self) -> Option<bool> {
        match self {
            Self::Generate { stream } | Self::Converse { stream } => Some(stream),
            _ => None,
        }
    }
}

/// The fields of a request body that shape the answer, in whichever format they stand.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ask {
    pub(crate) model: Option<String>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    n: Option<u32>,
    tools: Option<Vec<Tool>>,
    /// Where Gemini and Bedrock have the limit of tokens.
    #[serde(alias = "generationConfig", alias = "inferenceConfig")]
    limits: Option<Limits>,
    #[serde(rename = "toolConfig")]
    tool_config: Option<ToolConfig>,
    encoding_format: Option<String>,
    messages: Option<IgnoredAny>,
    contents: Option<IgnoredAny>,
    prompt: Option<IgnoredAny>,
    input: Option<Value>,
    /// Estimated from the length of the body; at least 1.
    #[serde(skip)]
    pub(crate) prompt_tokens: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Limits {
    #[serde(alias = "maxOutputTokens", alias = "maxTokens")]
    tokens: Option<usize>,
}

/// Bedrock's object of tools. Gemini has one of that name, too, but without `tools`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ToolConfig {
    tools: Vec<Tool>,
}

/// OpenAI's `function`, Anthropic's `name`, Gemini's `functionDeclarations`, Bedrock's `toolSpec`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tool {
    #[serde(alias = "toolSpec")]
    function: Option<Function>,
    name: Option<String>,
    #[serde(rename = "functionDeclarations")]
    functions: Vec<Function>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function {
    name: Option<String>,
}

impl Tool {
    fn name(&self) -> Option<&str> {
        let functions = self.function.iter().chain(&self.functions);
        self.name
            .as_deref()
            .or_else(|| functions.into_iter().find_map(|function| function.name.as_deref()))
    }
}

impl Ask {
    /// Reads the path and the body of a request to `endpoint`; the error is a sentence for the
    /// client.
    pub(crate) fn read(endpoint: Endpoint, path: &str, body: &[u8]) -> Result<Self, String> {
        // Serde would also read a struct from an array.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err("the body is not a JSON object".to_owned());
        }
        let mut ask: Self = serde_json::from_slice(body)
            .map_err(|error| format!("the body is not valid: {error}"))?;
        let (present, field) = match endpoint {
            Endpoint::Chat => (ask.messages.is_some(), "messages"),
            Endpoint::Completions => (ask.prompt.is_some(), "prompt"),
            Endpoint::Embeddings => (ask.input.is_some(), "input"),
            Endpoint::Models => (true, ""),
            Endpoint::Messages if ask.max_tokens.is_none() => (false, "max_tokens"),
            Endpoint::Messages | Endpoint::CountTokens | Endpoint::Converse { .. } => {
                (ask.messages.is_some(), "messages")
            }
            Endpoint::Generate { .. } => (ask.contents.is_some(), "contents"),
        };
        if !present {
            return Err(format!("missing required parameter: '{field}'"));
        }
        if let Some(stream) = endpoint.streams() {
            ask.stream = Some(stream);
            ask.model = model_in(path);
        }
        ask.prompt_tokens = (characters(body) / 4).max(1);
        Ok(ask)
    }

    pub(crate) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub(crate) fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }

    pub(crate) fn wants_base64(&self) -> bool {
        self.encoding_format.as_deref() == Some("base64")
    }

    pub(crate) fn choices(&self) -> u32 {
        self.n.unwrap_or(1).clamp(1, MAX_CHOICES)
    }

    pub(crate) fn token_limit(&self) -> Option<usize> {
        let limits = self.limits.as_ref();
        self.max_completion_tokens.or(self.max_tokens).or_else(|| limits?.tokens)
    }

    /// The name of the first function offered as a tool.
    pub(crate) fn first_tool(&self) -> Option<&str> {
        let tools = self.tools.iter().chain(self.tool_config.as_ref().map(|config| &config.tools));
        tools.flatten().find_map(Tool::name)
    }

    /// How many vectors an embedding request asks for; a list of numbers is one tokenised text.
    pub(crate) fn input_count(&self) -> usize {
        match &self.input {
            Some(Value::Array(items)) if !items.iter().all(Value::is_number) => items.len(),
            _ => 1,
        }
    }
}

/// The model of `…/models/{model}:verb` and `/model/{model}/verb`, as it stands there.
fn model_in(path: &str) -> Option<String> {
    let (before, last) = path.rsplit_once('/')?;
    let model = match last.rsplit_once(':') {
        Some((model, _)) => model,
        None => before.rsplit_once('/')?.1,
    };
    Some(model.to_owned())
}

/// Characters of UTF-8 text; the standard library counts many at a time, which this crate's small
/// code would not.
fn characters(body: &[u8]) -> u64 {
    str::from_utf8(body).map_or(body.len(), |text| text.chars().count()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_path_decides() {
        for (path, expected) in [
            ("/v1/chat/completions", Some(Endpoint::Chat)),
            ("/openai/deployments/x/chat/completions", Some(Endpoint::Chat)),
            ("/v1/completions", Some(Endpoint::Completions)),
            ("/fault:reset/embeddings", Some(Endpoint::Embeddings)),
            ("/v1/responses", None),
            ("/v1/messages", Some(Endpoint::Messages)),
            ("/v1/messages/count_tokens", Some(Endpoint::CountTokens)),
            ("/v1beta/models/m:generateContent", Some(Endpoint::Generate { stream: false })),
            ("/v1beta/models/m:streamGenerateContent", Some(Endpoint::Generate { stream: true })),
            ("/model/a%3A0/converse", Some(Endpoint::Converse { stream: false })),
            ("/model/a%3A0/converse-stream", Some(Endpoint::Converse { stream: true })),
        ] {
            assert_eq!(Endpoint::of(&Method::POST, path), expected, "{path}");
        }
        assert_eq!(Endpoint::of(&Method::GET, "/v1/models"), Some(Endpoint::Models));
        assert_eq!(Endpoint::of(&Method::GET, "/v1/chat/completions"), None);
    }

    #[test]
    fn bodies_without_the_required_field_are_refused() {
        for body in ["", "[]", "{", "{}", r#"{"messages":null}"#, r#"{"prompt":"x"}"#] {
            assert!(Ask::read(Endpoint::Chat, "", body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn every_format_names_its_model_limit_and_tool() {
        let converse = Endpoint::Converse { stream: true };
        let generate = Endpoint::Generate { stream: false };
        for (endpoint, path, body) in [
            (
                Endpoint::Messages,
                "",
                r#"{"model":"m","messages":[],"max_tokens":5,"tools":[{"name":"look"}]}"#,
            ),
            (
                generate,
                "/v1beta/models/m:generateContent",
                r#"{"contents":[],"generationConfig":{"maxOutputTokens":5},
                    "toolConfig":{"functionCallingConfig":{}},
                    "tools":[{"functionDeclarations":[{"name":"look"}]}]}"#,
            ),
            (
                converse,
                "/model/m/converse-stream",
                r#"{"messages":[],"inferenceConfig":{"maxTokens":5},
                    "toolConfig":{"tools":[{"toolSpec":{"name":"look"}}]}}"#,
            ),
        ] {
            let ask = Ask::read(endpoint, path, body.as_bytes()).unwrap();
            assert_eq!(
                (ask.model.as_deref(), ask.token_limit(), ask.first_tool()),
                (Some("m"), Some(5), Some("look"))
            );
            assert_eq!(ask.streams(), endpoint == converse);
        }
        assert!(
            Ask::read(Endpoint::Messages, "", br#"{"messages":[]}"#)
                .unwrap_err()
                .contains("max_tokens")
        );
    }

    #[test]
    fn prompt_tokens_count_characters_not_bytes() {
        let body = r#"{"messages":["ééééééééé"]}"#;
        assert_eq!(Ask::read(Endpoint::Chat, "", body.as_bytes()).unwrap().prompt_tokens, 6);
    }

    #[test]
    fn inputs_are_counted_by_text() {
        for (input, expected) in
            [(r#""a""#, 1), (r#"["a","b"]"#, 2), ("[1,2,3]", 1), ("[[1],[2]]", 2)]
        {
            let body = format!(r#"{{"input":{input}}}"#);
            let ask = Ask::read(Endpoint::Embeddings, "", body.as_bytes()).unwrap();
            assert_eq!(ask.input_count(), expected, "{input}");
        }
    }
}
