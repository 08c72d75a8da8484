//! Finds the gateway document in a file: it stands there alone, or inside a configuration of
//! Envoy's.

use std::error::Error;

use serde_json::Value;

/// The document of a file's text, as JSON.
pub(crate) fn read(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    // JSON goes to the parser as it is, which also finds keys that stand twice.
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) => serde_yaml_ng::from_str(text)?,
    };
    let mut found = Vec::new();
    find(&value, &mut found);
    found.dedup();
    match found.as_slice() {
        [] if serde_json::from_str::<Value>(text).is_ok() => Ok(text.as_bytes().to_vec()),
        [] => Ok(serde_json::to_vec(&value)?),
        [document] => Ok(document.clone()),
        _ => Err(format!("holds {} gateway documents that differ", found.len()).into()),
    }
}

/// Collects what messages of Envoy's hold: a `Struct`'s value, or the text of a `StringValue`.
fn find(value: &Value, found: &mut Vec<Vec<u8>>) {
    if let (Some(kind), Some(inner)) =
        (value.get("@type").and_then(Value::as_str), value.get("value"))
    {
        match inner {
            Value::Object(document)
                if kind.ends_with("google.protobuf.Struct")
                    && document.contains_key("providers") =>
            {
                found.push(inner.to_string().into_bytes());
            }
            Value::String(text)
                if kind.ends_with("google.protobuf.StringValue")
                    && text.contains("\"providers\"") =>
            {
                found.push(text.clone().into_bytes());
            }
            _ => {}
        }
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| find(member, found)),
        Value::Array(items) => items.iter().for_each(|item| find(item, found)),
        _ => {}
    }
}
