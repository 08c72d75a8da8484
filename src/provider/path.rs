//! The path and query of an attempt, made of the provider's and of its wire format's.

use super::{Way, secret};
use crate::config::{Auth, Key, Provider};
use crate::operation::Operation;
use crate::translate;
use crate::wire::percent::Escaped;

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
    base_path.replace("{model}", &Escaped(model).to_string())
}
