//! Presets: request fields that the configuration keeps under a name.
//!
//! OpenRouter's rules: the request's fields win, one by one; `tools` are united by name, the preset's first.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::wire::edit::Edits;
use crate::wire::json::{JsonError, Kind, Reader, Span};

/// The model and the preset of a name like `author/slug@preset/name` or `@preset/name`.
pub fn split(model: &str) -> Option<(&str, &str)> {
    model.split_once("@preset/")
}

/// A valid body, with the fields of a preset that it does not have. `model` is its own, and where that stands.
pub(super) fn merge(body: &[u8], preset: &Map<String, Value>, model: Option<(&str, Span)>) -> Vec<u8> {
    let (object, own) = members(body);
    let mut edits = Edits::new();
    let has = |name: &str| own.contains_key(name);
    let mut added = Vec::new();
    for (name, value) in preset {
        let named = name == "model" && (has("models") || has("model"));
        match own.get(name) {
            Some(span) if name == "tools" => edits.replace(span.clone(), &united(body, span, value)),
            _ if has(name) || named => {}
            _ => {
                added.extend_from_slice(Value::from(name.as_str()).to_string().as_bytes());
                added.push(b':');
                added.extend_from_slice(value.to_string().as_bytes());
                added.push(b',');
            }
        }
    }
    if own.is_empty() {
        added.pop();
    }
    edits.insert(object.start + 1, &added);
    if let Some(((base, _), span)) = model.and_then(|(model, span)| Some((split(model)?, span))) {
        let base = if base.is_empty() { preset.get("model").cloned().unwrap_or_default() } else { base.into() };
        edits.replace(span, base.to_string().as_bytes());
    }
    edits.apply(body)
}

/// Where an object stands, and its members' values.
fn members(body: &[u8]) -> (Span, BTreeMap<String, Span>) {
    let mut members = BTreeMap::new();
    let object = Reader::new(body).object(|reader, member| {
        members.insert(member.key.decode().into_owned(), reader.skip()?);
        Ok::<_, JsonError>(())
    });
    (object.unwrap_or_default(), members)
}

/// The preset's tools, each in the request's version if that has one, then the request's other tools.
fn united(body: &[u8], span: &Span, preset: &Value) -> Vec<u8> {
    let own = elements(body.get(span.clone()).unwrap_or_default());
    let identify = |json: &[u8]| serde_json::from_slice(json).ok().and_then(|tool: Value| identity(&tool));
    let mut own: Vec<(Option<String>, &[u8])> = own.into_iter().map(|json| (identify(json), json)).collect();
    let mut tools: Vec<Vec<u8>> = Vec::new();
    for tool in preset.as_array().into_iter().flatten() {
        let name = identity(tool);
        let same = own.iter().position(|(own, _)| own.is_some() && *own == name);
        tools.push(match same {
            Some(at) => own.remove(at).1.to_vec(),
            None => tool.to_string().into_bytes(),
        });
    }
    tools.extend(own.into_iter().map(|(_, json)| json.to_vec()));
    [b"[".as_slice(), &tools.join(&b','), b"]"].concat()
}

fn elements(array: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    let mut reader = Reader::new(array);
    if reader.peek() == Ok(Kind::Array) {
        let _ = reader.array(|reader, _| {
            elements.push(array.get(reader.skip()?).unwrap_or_default());
            Ok::<_, JsonError>(())
        });
    }
    elements
}

/// What tells a tool from others: its function's name, else its own name, else its type.
fn identity(tool: &Value) -> Option<String> {
    let name = tool.get("function").and_then(|function| function.get("name"));
    let name = name.or_else(|| tool.get("name")).or_else(|| tool.get("type"))?;
    name.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Body, preset, merged.
    #[track_caller]
    fn check(body: &str, preset: &Value, expected: &str) {
        let request = crate::request::Request::parse(body.into(), &crate::config::Limits::default()).unwrap();
        let merged = request.with_preset(preset.as_object().unwrap(), &crate::config::Limits::default()).unwrap();
        assert_eq!(String::from_utf8_lossy(merged.body()), expected);
        assert!(merged.is_merged());
    }

    #[test]
    fn the_requests_fields_win_and_the_presets_fill_in() {
        let preset = json!({"model": "a/b", "temperature": 0.5});
        check("{}", &preset, r#"{"model":"a/b","temperature":0.5}"#);
        check(r#"{ "seed": 1 }"#, &preset, r#"{"model":"a/b","temperature":0.5, "seed": 1 }"#);
        check(r#"{"temperature":1,"model":"c"}"#, &preset, r#"{"temperature":1,"model":"c"}"#);
        check(r#"{"temperature":null,"models":["c"]}"#, &preset, r#"{"temperature":null,"models":["c"]}"#);
        check(
            r#"{"provider":{"sort":"price"}}"#,
            &json!({"provider": {"only": ["x"]}}),
            r#"{"provider":{"sort":"price"}}"#,
        );
    }

    #[test]
    fn a_preset_behind_the_model_is_taken_off_its_name() {
        let preset = json!({"model": "a/b", "seed": 1});
        check(r#"{"model":"@preset/p"}"#, &preset, r#"{"seed":1,"model":"a/b"}"#);
        check(r#"{"model":"c/d@preset/p"}"#, &preset, r#"{"seed":1,"model":"c/d"}"#);
        check(r#"{"model":"@preset/p"}"#, &json!({}), r#"{"model":null}"#);
    }

    #[test]
    fn tools_are_united_by_name_the_presets_first() {
        let tool =
            |name: &str, text: &str| json!({"type": "function", "function": {"name": name, "description": text}});
        let preset = json!({"tools": [tool("a", "preset"), tool("b", "preset"), {"type": "web_search"}]});
        let body = json!({"tools": [tool("c", "own"), tool("b", "own"), {"type": "web_search", "x": 1}]});
        let expected =
            json!({"tools": [tool("a", "preset"), tool("b", "own"), {"type": "web_search", "x": 1}, tool("c", "own")]});
        check(&body.to_string(), &preset, &expected.to_string());
        check(r#"{"seed":1}"#, &json!({"tools": [{"type": "t"}]}), r#"{"tools":[{"type":"t"}],"seed":1}"#);
    }
}
