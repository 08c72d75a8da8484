//! JSON Schemas of tools' arguments, as upstreams insist on them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::wire::json::{JsonError, Reader};

/// What the schema of an object must say of itself: Anthropic, Bedrock and Gemini refuse one that does not.
pub(super) const TYPE: (&str, &str) = ("type", "\"object\"");
/// What OpenAI wants besides, even of a function without arguments.
pub(super) const PROPERTIES: (&str, &str) = ("properties", "{}");

/// A schema of an object with all that is `demanded`: what it lacks goes in front. One that is no JSON object says nothing.
pub(super) fn of_object<'a>(given: Option<&'a RawValue>, demanded: &[(&str, &str)]) -> Cow<'a, RawValue> {
    let json = given.map(|schema| schema.get().trim_ascii()).filter(|json| json.starts_with('{')).unwrap_or("{}");
    let mut missing = demanded.to_vec();
    let _ = Reader::new(json.as_bytes()).object(|_, member| {
        missing.retain(|(name, _)| !member.key.is(name));
        Ok::<_, JsonError>(())
    });
    match given {
        Some(schema) if missing.is_empty() => Cow::Borrowed(schema),
        _ => {
            let members = json.strip_prefix('{').unwrap_or("}");
            let mut json = String::from("{");
            for (name, value) in missing {
                json.extend(["\"", name, "\":", value, ","]);
            }
            if members.trim_ascii_start().starts_with('}') {
                json.pop();
            }
            json.push_str(members);
            Cow::Owned(RawValue::from_string(json).unwrap_or_default())
        }
    }
}
