//! Presets: request fields that the configuration keeps under a name.
//!
//! They hold by OpenRouter's rules: each field that the request has itself wins; `tools` are united
//! by name, the preset's first.

use crate::wire::edit::Edits;
use crate::wire::json::{JsonError, Reader, Span, elements, member, quoted};

/// The fields of a preset: names and JSON texts.
pub type Preset = Vec<(String, String)>;

/// The model and the preset of a name like `author/slug@preset/name` or `@preset/name`.
pub fn split(model: &str) -> Option<(&str, &str)> {
    // Looking for more than one byte is long code, which nearly no name needs.
    if model.bytes().any(|byte| byte == b'@') { model.split_once("@preset/") } else { None }
}

/// Adds to a valid body the fields of a preset that it does not have. `model` is the body's own
/// model, and where that stands.
pub(super) fn merge(body: &[u8], preset: &Preset, model: Option<(&str, Span)>) -> Vec<u8> {
    let (object, own) = members(body);
    let mut edits = Edits::new();
    let mut added = String::new();
    for (name, json) in preset {
        match find(&own, name) {
            Some(span) if name == "tools" => edits.replace(span.clone(), &united(body, span, json)),
            Some(_) => {}
            None if name == "model" && find(&own, "models").is_some() => {}
            None => added.extend(["\"", name, "\":", json, ","]),
        }
    }
    if own.is_empty() {
        added.pop();
    }
    edits.insert(object.start + 1, added.as_bytes());
    if let Some(((base, _), span)) = model.and_then(|(model, span)| Some((split(model)?, span))) {
        let preset =
            preset.iter().find(|(name, _)| name == "model").map_or("null", |(_, json)| json);
        let base = if base.is_empty() { preset.to_owned() } else { quoted(base) };
        edits.replace(span, base.as_bytes());
    }
    edits.apply(body)
}

/// Where the value of a member stands.
fn find<'a>(members: &'a [(String, Span)], name: &str) -> Option<&'a Span> {
    members.iter().find(|(own, _)| own == name).map(|(_, span)| span)
}

/// Where an object stands, and its members' values.
fn members(body: &[u8]) -> (Span, Vec<(String, Span)>) {
    let mut members = Vec::new();
    let object = Reader::new(body).object(|reader, member| {
        members.push((member.key.decode().into_owned(), reader.skip()?));
        Ok::<_, JsonError>(())
    });
    (object.unwrap_or_default(), members)
}

/// The preset's tools, each in the request's version if that has one, then the request's other
/// tools.
fn united(body: &[u8], span: &Span, preset: &str) -> Vec<u8> {
    let own = elements(body.get(span.clone()).unwrap_or_default());
    let mut own: Vec<(Option<String>, &[u8])> =
        own.into_iter().map(|json| (identity(json), json)).collect();
    let mut tools: Vec<&[u8]> = Vec::new();
    for tool in elements(preset.as_bytes()) {
        let name = identity(tool);
        let same = own.iter().position(|(own, _)| own.is_some() && *own == name);
        tools.push(same.map_or(tool, |at| own.remove(at).1));
    }
    tools.extend(own.into_iter().map(|(_, json)| json));
    [b"[".as_slice(), &tools.join(b",".as_slice()), b"]"].concat()
}

/// What tells a tool from others: its function's name, else its own name, else its type.
fn identity(tool: &[u8]) -> Option<String> {
    let name = member(tool, "function").and_then(|function| member(function, "name"));
    let name = name.or_else(|| member(tool, "name")).or_else(|| member(tool, "type"))?;
    Some(Reader::new(name).string().ok()?.decode().into_owned())
}

#[cfg(test)]
mod tests {
    use crate::request::Limits;
    use crate::request::Request;
    use serde_json::{Value, json};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Columns: the body, the preset, and both merged.
    #[track_caller]
    fn check(body: &str, preset: &Value, expected: &str) {
        let request = Request::parse(body.into(), &Limits::default()).unwrap();
        let fields = preset.as_object().unwrap().iter();
        let preset = fields.map(|(name, value)| (name.clone(), value.to_string())).collect();
        let merged = request.with_preset(&preset, &Limits::default()).unwrap();
        assert_eq!(String::from_utf8_lossy(merged.body()), expected);
        assert!(merged.is_merged());
    }

    #[test]
    fn the_requests_fields_win_and_the_presets_fill_in() {
        let preset = json!({"model": "a/b", "temperature": 0.5});
        check("{}", &preset, r#"{"model":"a/b","temperature":0.5}"#);
        check(r#"{ "seed": 1 }"#, &preset, r#"{"model":"a/b","temperature":0.5, "seed": 1 }"#);
        check(r#"{"temperature":1,"model":"c"}"#, &preset, r#"{"temperature":1,"model":"c"}"#);
        check(
            r#"{"temperature":null,"models":["c"]}"#,
            &preset,
            r#"{"temperature":null,"models":["c"]}"#,
        );
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

    fn tool(name: &str, text: &str) -> Value {
        json!({"type": "function", "function": {"name": name, "description": text}})
    }

    #[test]
    fn tools_are_united_by_name_the_presets_first() {
        let preset =
            json!({"tools": [tool("a", "preset"), tool("b", "preset"), {"type": "web_search"}]});
        let body =
            json!({"tools": [tool("c", "own"), tool("b", "own"), {"type": "web_search", "x": 1}]});
        let expected = json!({"tools": [
            tool("a", "preset"),
            tool("b", "own"),
            {"type": "web_search", "x": 1},
            tool("c", "own"),
        ]});
        check(&body.to_string(), &preset, &expected.to_string());
        check(
            r#"{"seed":1}"#,
            &json!({"tools": [{"type": "t"}]}),
            r#"{"tools":[{"type":"t"}],"seed":1}"#,
        );
    }
}
