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
}

impl Endpoint {
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        match *method {
            Method::POST if path.ends_with("/chat/completions") => Some(Self::Chat),
            Method::POST if path.ends_with("/completions") => Some(Self::Completions),
            Method::POST if path.ends_with("/embeddings") => Some(Self::Embeddings),
            Method::GET if path.ends_with("/models") => Some(Self::Models),
            _ => None,
        }
    }
}

/// The fields of a request body that shape the answer.
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
    encoding_format: Option<String>,
    messages: Option<IgnoredAny>,
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
struct Tool {
    function: Option<Function>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function {
    name: Option<String>,
}

impl Ask {
    /// Reads the body of a request to `endpoint`; the error is a sentence for the client.
    pub(crate) fn read(endpoint: Endpoint, body: &[u8]) -> Result<Self, String> {
        // Serde would also read a struct from an array.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err("the body is not a JSON object".to_owned());
        }
        let mut ask: Self = serde_json::from_slice(body).map_err(|error| format!("the body is not valid: {error}"))?;
        let (present, field) = match endpoint {
            Endpoint::Chat => (ask.messages.is_some(), "messages"),
            Endpoint::Completions => (ask.prompt.is_some(), "prompt"),
            Endpoint::Embeddings => (ask.input.is_some(), "input"),
            Endpoint::Models => (true, ""),
        };
        if !present {
            return Err(format!("missing required parameter: '{field}'"));
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
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// The name of the first function offered as a tool.
    pub(crate) fn first_tool(&self) -> Option<&str> {
        let tools = self.tools.as_deref().unwrap_or_default();
        tools.iter().find_map(|tool| tool.function.as_ref()?.name.as_deref())
    }

    /// How many vectors an embedding request asks for; a list of numbers is one tokenised text.
    pub(crate) fn input_count(&self) -> usize {
        match &self.input {
            Some(Value::Array(items)) if !items.iter().all(Value::is_number) => items.len(),
            _ => 1,
        }
    }
}

/// Characters of UTF-8 text: every byte that does not continue one.
fn characters(body: &[u8]) -> u64 {
    body.iter().map(|byte| u64::from(byte & 0xC0 != 0x80)).sum()
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
        ] {
            assert_eq!(Endpoint::of(&Method::POST, path), expected, "{path}");
        }
        assert_eq!(Endpoint::of(&Method::GET, "/v1/models"), Some(Endpoint::Models));
        assert_eq!(Endpoint::of(&Method::GET, "/v1/chat/completions"), None);
    }

    #[test]
    fn bodies_without_the_required_field_are_refused() {
        for body in ["", "[]", "{", "{}", r#"{"messages":null}"#, r#"{"prompt":"x"}"#] {
            assert!(Ask::read(Endpoint::Chat, body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn prompt_tokens_count_characters_not_bytes() {
        let body = r#"{"messages":["ééééééééé"]}"#;
        assert_eq!(Ask::read(Endpoint::Chat, body.as_bytes()).unwrap().prompt_tokens, 6);
    }

    #[test]
    fn inputs_are_counted_by_text() {
        for (input, expected) in [(r#""a""#, 1), (r#"["a","b"]"#, 2), ("[1,2,3]", 1), ("[[1],[2]]", 2)] {
            let body = format!(r#"{{"input":{input}}}"#);
            let ask = Ask::read(Endpoint::Embeddings, body.as_bytes()).unwrap();
            assert_eq!(ask.input_count(), expected, "{input}");
        }
    }
}
