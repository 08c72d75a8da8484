//! `presets` of the document: request fields under a name, for `@preset/name`.

use super::document::quoted;
use super::field::Field;
use super::rule;
use super::{ConfigErrorKind, Limits};
use crate::catalog::Catalog;
use crate::request::{Preset, Request, split_preset};

/// Request fields by the name of their preset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Presets(Vec<(String, Preset)>);

impl Presets {
    /// The preset of that name.
    pub fn find(&self, name: &str) -> Option<&Preset> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, preset)| preset)
    }
}

/// Fields that are about one conversation, so that no preset may have them.
const FOREIGN: &[&str] = &["messages", "prompt", "input", "preset", "session_id", "user"];

/// Fields whose texts stay texts even if they spell a number.
const TEXTS: &[&str] = &["model", "stop", "prompt_cache_key"];

/// Reads `presets`.
#[inline(never)]
pub(super) fn read(section: Option<Field<'_>>, catalog: &Catalog) -> Presets {
    let mut presets = Presets::default();
    for (name, field) in section.map(|field| field.entries()).unwrap_or_default() {
        if !(rule::PROVIDER_ID.holds)(name) {
            let allowed = rule::PROVIDER_ID.allowed.to_owned();
            field.error(ConfigErrorKind::Invalid { value: quoted(name), allowed });
        } else if let Some(fields) = fields(&field, catalog) {
            presets.0.push((name.to_owned(), fields));
        }
    }
    presets
}

/// Reads the fields of a preset: all that a request may have, but for what is about one
/// conversation.
fn fields(preset: &Field<'_>, catalog: &Catalog) -> Option<Preset> {
    preset.object()?;
    let mut fields = Preset::new();
    for (name, field) in preset.entries() {
        if FOREIGN.contains(&name) || !(rule::VARIABLE.holds)(name) {
            field.invalid("any field of a request that is not about one conversation");
            return None;
        }
        // In a `Struct` made from YAML numbers may be texts.
        fields.push((name.to_owned(), field.json(!TEXTS.contains(&name))));
    }
    let body = fields.iter().map(|(name, json)| format!("\"{name}\":{json}"));
    let body = format!("{{{}}}", body.collect::<Vec<_>>().join(","));
    match Request::parse(body.into_bytes(), &Limits::default()) {
        Ok(request) => models(preset, &request, catalog),
        Err(error) => preset.invalid(&format!("what a request may say, but {error}")),
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

#[cfg(test)]
mod tests {
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rules_of_presets() {
        check_errors(&[
            ("/presets", r#"{"x": {}}"#, ""),
            (
                "/presets",
                r#"{"x": {
                    "model": "a/b:nitro", "temperature": 0.5, "provider": {"only": ["openai"]}
                }}"#,
                "",
            ),
            (
                "/presets",
                r#"{"X y": {}}"#,
                "presets[\"X y\"]: invalid: \"X y\" \
                 (allowed: a-z, 0-9, `.`, `_`, `-`, first a letter or digit)",
            ),
            ("/presets", r#"{"x": 1}"#, "presets.x: wrong type: number (allowed: object)"),
            (
                "/presets",
                r#"{"x": {"messages": []}}"#,
                "presets.x.messages: invalid \
                 (allowed: any field of a request that is not about one conversation)",
            ),
            (
                "/presets",
                r#"{"x": {"provider": {"sort": "best"}}}"#,
                "presets.x: invalid (allowed: what a request may say, but provider.sort: \
                 must be price, throughput, latency or exacto)",
            ),
            (
                "/presets",
                r#"{"x": {"model": "c/d"}}"#,
                "presets.x: not found: \"c/d\" (known: a/b)",
            ),
            (
                "/presets",
                r#"{"x": {"model": "@preset/x"}}"#,
                "presets.x: not found: \"@preset/x\" (known: a/b)",
            ),
        ]);
    }

    #[test]
    fn presets_keep_their_fields() {
        let config = config_with("/presets", r#"{"x": {"seed": 1, "provider": {"zdr": true}}}"#);
        let expected = [("provider", r#"{"zdr":true}"#), ("seed", "1")]
            .map(|(name, json)| (name.to_owned(), json.to_owned()));
        assert_eq!(config.presets.find("x"), Some(&expected.to_vec()));
        assert_eq!(config.presets.find("y"), None);
    }
}
