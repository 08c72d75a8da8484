//! Ids and arguments of tool calls as the API takes them, from clients and to them.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

/// Arguments of a call as the object they must be; no text at all is an empty one.
pub(super) fn as_object(arguments: &str) -> Option<&RawValue> {
    let arguments = arguments.trim_ascii();
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    serde_json::from_str(arguments).ok().filter(|_| arguments.starts_with('{'))
}

/// What a model wrote instead of an object, in an object.
pub(super) fn wrapped(arguments: &str) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Wrapped<'a> {
        invalid_arguments: &'a str,
    }
    serde_json::value::to_raw_value(&Wrapped { invalid_arguments: arguments }).unwrap_or_default()
}

/// An id of letters, digits, `_` and `-` only.
pub(super) fn allowed(id: &str) -> Cow<'_, str> {
    match id.chars().all(is_allowed) {
        true if !id.is_empty() => id.into(),
        true => "_".into(),
        false => id.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect(),
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}
