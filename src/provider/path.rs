//! The path and query of an attempt, made of the provider's and of its wire format's.

use std::borrow::Cow;

use super::{Target, Way, secret};
use crate::config::{Auth, Key, Provider};
use crate::error::{Error, echo};
use crate::operation::Operation;
use crate::translate;
use crate::wire::percent::{Escaped, unescaped};

/// What a `base_path` says where the model goes.
const MODEL: &str = "{model}";

/// How often a name's escapes are read before it is looked at.
const MOST_READINGS: usize = 4;

/// Refuses a model whose name would lead elsewhere, were it to stand in the provider's path: it is
/// one escaped segment, but servers read escapes sooner or later.
pub fn check(target: Target<'_>) -> Result<(), Error> {
    if is_in_path(target) && leads_elsewhere(target.model) {
        let problem = format!("{} cannot stand in the provider's path", echo(target.model));
        return Err(Error::InvalidField { field: "model", problem });
    }
    Ok(())
}

/// Whether the model's name is part of the provider's path, or of its wire format's, which is none
/// of a constant then.
fn is_in_path(Target { provider, model, .. }: Target<'_>) -> bool {
    let path = translate::format(provider).path(model, false);
    provider.base_path.contains(MODEL) || matches!(path, Cow::Owned(_))
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

/// Path and query of an attempt, both escaped. A model's name goes into a path as one segment.
pub(super) fn of(
    provider: &Provider,
    way: Way,
    operation: Operation,
    model: &str,
    stream: bool,
) -> String {
    let mut path = String::with_capacity(128);
    // Looking for the whole of `{model}` would be much more code, and almost no path has a brace.
    if provider.base_path.bytes().any(|byte| byte == b'{') {
        path.push_str(&filled_in(&provider.base_path, model));
    } else {
        path.push_str(&provider.base_path);
    }
    match way {
        Way::Pass => path.extend(["/", operation.path()]),
        Way::Translate => path.push_str(&translate::format(provider).path(model, stream)),
    }
    if !provider.query.is_empty() {
        add_query(&mut path, &[&provider.query]);
    }
    if let Auth::Query { name, key } = &provider.auth {
        add_key(&mut path, name, key);
    }
    path
}

#[inline(never)]
fn add_key(path: &mut String, name: &str, key: &Key) {
    let key = Escaped(secret(key));
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
