//! The path of each operation at each kind of provider.

use std::fmt;

use super::bedrock;
use super::{Target, Way};
use crate::config::{Api, Auth, Key, Provider};
use crate::error::{Error, echo};
use crate::operation::Operation;
use crate::translate::gemini;

/// What a `base_path` says where the model goes.
const MODEL: &str = "{model}";

/// How often a name's escapes are read before it is looked at.
const MOST_READINGS: usize = 4;

/// Refuses a model whose name would lead elsewhere, were it to stand in the provider's path: it is
/// one escaped segment, but servers read escapes sooner or later.
pub fn check(target: Target<'_>) -> Result<(), Error> {
    let is_in_path = match target.provider.api {
        Api::Gemini | Api::Bedrock => true,
        Api::OpenAi | Api::AzureOpenAi | Api::Anthropic => {
            target.provider.base_path.contains(MODEL)
        }
    };
    if is_in_path && leads_elsewhere(target.model) {
        let problem = format!("{} cannot stand in the provider's path", echo(target.model));
        return Err(Error::InvalidField { field: "model", problem });
    }
    Ok(())
}

/// Whether a segment of a path is nothing but one dot or two, for a server that reads escapes, maybe
/// more than once.
fn leads_elsewhere(path: &str) -> bool {
    let mut path = path.as_bytes().to_vec();
    for _ in 0..MOST_READINGS {
        path = unescaped(&path);
    }
    let mut segments = path.split(|byte| br"/\;".contains(byte));
    segments.any(|segment| matches!(segment, b"." | b".."))
}

fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut read = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        let escape = if *first == b'%' { escaped(behind) } else { None };
        let (byte, behind) = escape.unwrap_or((*first, behind));
        read.push(byte);
        rest = behind;
    }
    read
}

/// The byte that two digits stand for, and what follows them.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, behind) = text.split_first_chunk::<2>()?;
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    Some(((16 * high? + low?) as u8, behind))
}

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
    base_path.replace(MODEL, &Escaped(model).to_string())
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

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn dots_lead_elsewhere_however_they_are_written() {
        for path in [
            ".",
            "..",
            "%2e",
            "%2E%2e",
            ".%2E",
            "%252e.",
            "%25252E",
            "a/..",
            "../a",
            "a/./b",
            "a%2f..%2Fb",
            r"a\..\b",
            "..;x",
            "a%5c%2e%2e",
            "%25%32%65",
        ] {
            assert!(leads_elsewhere(path), "{path}");
        }
        for path in [
            "",
            "...",
            "a",
            ".a",
            "a.",
            "..a",
            "gpt-4.1",
            "a/b",
            "%",
            "%2",
            "%2g",
            "%2e%2e%2e",
            "%25",
            "arn:aws:bedrock:eu:1:inference-profile/eu.x-v1:0",
            "é..",
        ] {
            assert!(!leads_elsewhere(path), "{path}");
        }
    }
}
