//! `presets` of the document: request fields under a name, for `@preset/name`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::document::quoted;
use super::field::Field;
use super::rule;
use super::{ConfigErrorKind, Limits};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::request::{Request, split_preset};

/// Request fields by preset.
pub type Presets = BTreeMap<String, Map<String, Value>>;

/// What a request says for itself.
const FOREIGN: &[&str] = &["messages", "prompt", "input", "preset", "session_id", "user"];

/// Fields whose texts stay texts even if they spell a number.
const TEXTS: &[&str] = &["model", "stop", "prompt_cache_key"];

/// Reads the section.
pub(super) fn read(section: Option<Field<'_>>, catalog: &Catalog) -> Presets {
    let mut presets = Presets::new();
    for (name, field) in section.map(|field| field.entries()).unwrap_or_default() {
        if !(rule::PROVIDER_ID.holds)(name) {
            let allowed = rule::PROVIDER_ID.allowed.to_owned();
            field.error(ConfigErrorKind::Invalid { value: quoted(name), allowed });
        } else if let Some(fields) = fields(&field, catalog) {
            presets.insert(name.to_owned(), fields);
        }
    }
    presets
}

/// What a request could say, and nothing that only a request can.
fn fields(preset: &Field<'_>, catalog: &Catalog) -> Option<Map<String, Value>> {
    preset.object()?;
    let mut fields = Map::new();
    for (name, field) in preset.entries() {
        if FOREIGN.contains(&name) {
            field.invalid("any field of a request that is not about one conversation");
        }
        // In a `Struct` made from YAML numbers may be texts.
        let value = if TEXTS.contains(&name) { field.json() } else { field.number_or_json() };
        fields.insert(name.to_owned(), value);
    }
    let body = Value::Object(fields.clone()).to_string().into_bytes();
    match Request::parse(body, &Limits::default()) {
        Ok(request) => models(preset, &request, catalog),
        Err(error) => preset.invalid(&said(&error)),
    }
    Some(fields)
}

fn models(preset: &Field<'_>, request: &Request, catalog: &Catalog) {
    for model in request.models() {
        if split_preset(model).is_some() || catalog.resolve(model).is_none() {
            let known = catalog.models().iter().map(|model| model.id.clone()).collect();
            preset.error(ConfigErrorKind::NotFound { value: quoted(model), known });
        }
    }
}

/// The text of a request's error, as the end of "allowed: a request, but …".
fn said(error: &Error) -> String {
    format!("what a request may say, but {error}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rules_of_presets() {
        check_errors(&[
            ("/presets", r#"{"x": {}}"#, ""),
            ("/presets", r#"{"x": {"model": "a/b:nitro", "temperature": 0.5, "provider": {"only": ["openai"]}}}"#, ""),
            (
                "/presets",
                r#"{"X y": {}}"#,
                "presets[\"X y\"]: invalid: \"X y\" (allowed: a-z, 0-9, `.`, `_`, `-`, first a letter or digit)",
            ),
            ("/presets", r#"{"x": 1}"#, "presets.x: wrong type: number (allowed: object)"),
            (
                "/presets",
                r#"{"x": {"messages": []}}"#,
                "presets.x.messages: invalid (allowed: any field of a request that is not about one conversation)",
            ),
            (
                "/presets",
                r#"{"x": {"provider": {"sort": "best"}}}"#,
                "presets.x: invalid (allowed: what a request may say, but provider.sort: \
                 must be price, throughput, latency or exacto)",
            ),
            ("/presets", r#"{"x": {"model": "c/d"}}"#, "presets.x: not found: \"c/d\" (known: a/b)"),
            ("/presets", r#"{"x": {"model": "@preset/x"}}"#, "presets.x: not found: \"@preset/x\" (known: a/b)"),
        ]);
    }

    #[test]
    fn presets_keep_their_fields() {
        let config = config_with("/presets", r#"{"x": {"seed": 1, "provider": {"zdr": true}}}"#);
        assert_eq!(json!(config.presets), json!({"x": {"seed": 1, "provider": {"zdr": true}}}));
    }
}
