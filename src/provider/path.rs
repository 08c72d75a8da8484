//! The path of each operation at each kind of provider.

use std::fmt;

use super::Way;
use super::bedrock;
use crate::config::{Api, Auth, Key, Provider};
use crate::operation::Operation;
use crate::translate::gemini;

/// Path and query of an attempt, both escaped. A model's name goes into a path as one segment.
pub(super) fn of(
    provider: &Provider,
    way: Way,
    operation: Operation,
    model: &str,
    stream: bool,
) -> String {
    let mut path = String::with_capacity(128);
    // Looking for more than one byte is long code.
    if provider.base_path.bytes().any(|byte| byte == b'{') {
        path.push_str(&filled_in(&provider.base_path, model));
    } else {
        path.push_str(&provider.base_path);
    }
    match provider.api {
        Api::OpenAi | Api::AzureOpenAi | Api::Anthropic => {
            let operation =
                if way == Way::Translate { translated(provider.api) } else { operation.path() };
            path.push('/');
            path.push_str(operation);
        }
        Api::Gemini | Api::Bedrock => add_method(&mut path, provider.api, model, stream),
    }
    if !provider.query.is_empty() {
        add_query(&mut path, &[&provider.query]);
    }
    if let Auth::Query { name, key } = &provider.auth {
        add_key(&mut path, name, key);
    }
    path
}

/// A path that names the model.
#[inline(never)]
fn add_method(path: &mut String, api: Api, model: &str, stream: bool) {
    match api {
        Api::Gemini => path.extend(["/", &gemini::path(model, stream)]),
        _ => path.push_str(&bedrock::path(model, stream)),
    }
}

#[inline(never)]
fn add_key(path: &mut String, name: &str, key: &Key) {
    let key = Escaped(key.value.as_deref().unwrap_or_default());
    add_query(path, &[&Escaped(name).to_string(), "=", &key.to_string()]);
}

#[cold]
fn add_query(path: &mut String, parts: &[&str]) {
    path.push(if path.contains('?') { '&' } else { '?' });
    path.extend(parts.iter().copied());
}

#[cold]
fn filled_in(base_path: &str, model: &str) -> String {
    base_path.replace("{model}", &Escaped(model).to_string())
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
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    write!(f, "{}", byte as char)?
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}
