//! The path of each operation at each kind of provider.

use std::fmt;

use super::Way;
use super::bedrock;
use crate::config::{Api, Auth, Provider};
use crate::request::Operation;
use crate::translate::gemini;

/// Path and query of an attempt, both escaped. A model's name goes into a path as one segment.
pub(super) fn of(provider: &Provider, way: Way, operation: Operation, model: &str, stream: bool) -> (String, String) {
    let base = provider.base_path.replace("{model}", &Escaped(model).to_string());
    let operation = if way == Way::Translate { translated(provider.api) } else { operation.path() };
    let path = match provider.api {
        Api::OpenAi | Api::AzureOpenAi | Api::Anthropic => format!("{base}/{operation}"),
        Api::Gemini => format!("{base}/{}", gemini::path(model, stream)),
        Api::Bedrock => format!("{base}{}", bedrock::path(model, stream)),
    };
    let (path, own) = path.split_once('?').unwrap_or((&path, ""));
    let key = match &provider.auth {
        Auth::Query { name, key } => format!("{}={}", Escaped(name), Escaped(key.value.as_deref().unwrap_or_default())),
        _ => String::new(),
    };
    let queries: Vec<&str> = [own, &provider.query, &key].into_iter().filter(|query| !query.is_empty()).collect();
    (path.to_owned(), queries.join("&"))
}

/// Where a translated request goes.
fn translated(api: Api) -> &'static str {
    match api {
        Api::Anthropic => Operation::Messages.path(),
        _ => Operation::Chat.path(),
    }
}

/// A text percent-encoded as one path segment or query value.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => write!(f, "{}", byte as char)?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}
