//! `models` of the document: what may be asked for.

use std::collections::BTreeMap;

use super::ConfigErrorKind;
use super::document::quoted;
use super::endpoint;
use super::field::Field;
use super::provider::Upstreams;
use super::rule;
use super::terms::Terms;
use crate::catalog::{AUTO, AUTO_ALIAS, Catalog, Model};

const MODALITIES: [&str; 5] = ["text", "image", "file", "audio", "video"];

/// Reads `models`; without it there are no models but the one that `routing.auto` adds.
#[inline(never)]
pub(super) fn read(
    section: Option<Field<'_>>,
    upstreams: &Upstreams<'_>,
    auto: Option<&Field<'_>>,
) -> Catalog {
    let mut names = Names::default();
    if let Some(field) = auto {
        for name in [AUTO, AUTO_ALIAS] {
            names.claim(field, name);
        }
    }
    let models = section.map(|field| field.items()).unwrap_or_default();
    let models = models.iter().filter_map(|field| model(field, upstreams, &mut names));
    Catalog::new(models.chain(auto.map(|_| stand_in())).collect())
}

/// The model that `routing.auto` chooses others for: it is asked for and listed as one, and offered
/// by nobody.
fn stand_in() -> Model {
    Model {
        id: AUTO.to_owned(),
        name: "Auto Router".to_owned(),
        aliases: vec![AUTO_ALIAS.to_owned()],
        context_length: None,
        input_modalities: None,
        distillable: false,
        endpoints: Vec::new(),
    }
}

fn model(field: &Field<'_>, upstreams: &Upstreams<'_>, names: &mut Names) -> Option<Model> {
    let mut o = field.object()?;
    let id = o
        .required("id", rule::MODEL_ID.allowed)
        .and_then(|field| names.claim(&field, field.string(&rule::MODEL_ID)?));
    let is_wildcard = id.is_none_or(|id| id.ends_with('*'));
    let id = id.unwrap_or_default();
    let name = o.string("name", &rule::TITLE).unwrap_or(id).to_owned();
    let aliases = o.optional("aliases").map(|field| aliases(&field, id, names)).unwrap_or_default();
    let input_modalities = o.optional("input_modalities").map(|field| modalities(&field));
    let distillable = o.boolean("distillable").unwrap_or(false);
    let terms = Terms::read(&mut o);
    let context_length = terms.context_length;
    let endpoints = o
        .required("endpoints", "a list of at least one endpoint")
        .map(|field| endpoint::read_all(&field, &endpoint::Above { is_wildcard, terms, upstreams }))
        .unwrap_or_default();
    o.finish();
    Some(Model {
        id: id.to_owned(),
        name,
        aliases,
        context_length,
        input_modalities,
        distillable,
        endpoints,
    })
}

/// Reads `aliases`. A wildcard model can have none: an alias holds no part of a name that could be
/// asked of the upstream.
fn aliases(section: &Field<'_>, id: &str, names: &mut Names) -> Vec<String> {
    if id.ends_with('*') && !section.is_empty() {
        section.invalid("no aliases of a wildcard model");
        return Vec::new();
    }
    let items = section.items();
    let claimed = items.iter().filter_map(|f| names.claim(f, f.string(&rule::MODEL_NAME)?));
    claimed.map(str::to_owned).collect()
}

fn modalities(section: &Field<'_>) -> Vec<String> {
    let items = section.items();
    if section.is_empty() {
        section.invalid("at least one modality");
    }
    items.iter().filter_map(|f| f.one_of(&MODALITIES)).map(str::to_owned).collect()
}

/// Every id and alias that was read so far, with the path where it stands.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    /// Takes a name, unless another model or alias has it.
    fn claim<'a>(&mut self, field: &Field<'_>, name: &'a str) -> Option<&'a str> {
        if let Some(first) = self.0.get(name) {
            let (value, first) = (quoted(name), first.clone());
            field.error(ConfigErrorKind::Duplicate { value, first });
            return None;
        }
        self.0.insert(name.to_owned(), field.path.clone());
        Some(name)
    }
}

/// Reads the model that requests without one ask for.
pub(super) fn read_default(field: Option<Field<'_>>, catalog: &Catalog) -> Option<String> {
    let field = field?;
    let name = field.string(&rule::MODEL_NAME)?;
    let found = catalog.find(name);
    if found.is_none() {
        let known = catalog.models().iter().map(|model| model.id.clone()).collect();
        field.error(ConfigErrorKind::NotFound { value: quoted(name), known });
    }
    found.map(|_| name.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{check_errors, check_fields, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const ENDPOINTS: &str = r#""endpoints": [{"provider": "openai", "model": "m"}]"#;

    #[test]
    fn rules_of_ids() {
        let allowed = "(allowed: author/slug, a name, or either ending in its only `*`, \
                       at most 256 bytes, without spaces)";
        let long = format!("a/{}", "b".repeat(255));
        for (id, is_valid) in [
            ("c/d", true),
            ("c/d/e:free", true),
            ("*", true),
            ("c/*", true),
            ("c/d*", true),
            ("c", true),
            ("/d", false),
            ("c/", false),
            ("c//d", false),
            ("c/*d", false),
            ("c/**", false),
            ("c /d", false),
            ("", false),
            (long.as_str(), false),
        ] {
            let shown = super::quoted(id);
            let expected = format!("models[1].id: invalid: {shown} {allowed}");
            let value = format!(r#"{{"id": "{id}", {ENDPOINTS}}}"#);
            check_errors(&[("/models/-", &value, if is_valid { "" } else { &expected })]);
        }
    }

    #[test]
    fn rules_of_models() {
        check_errors(&[("/models", "[]", "")]);
        for (model, expected) in [
            (
                format!("{{{ENDPOINTS}}}"),
                "models[1].id: missing (expected: author/slug, a name, or either ending in its \
                 only `*`, at most 256 bytes, without spaces)",
            ),
            (
                format!(r#"{{"id": "a/b", {ENDPOINTS}}}"#),
                "models[1].id: already used: \"a/b\" (first at models[0].id)",
            ),
            (
                format!(r#"{{"id": "v/*", "aliases": ["x"], {ENDPOINTS}}}"#),
                "models[1].aliases: invalid (allowed: no aliases of a wildcard model)",
            ),
            (format!(r#"{{"id": "v/*", "aliases": [], {ENDPOINTS}}}"#), ""),
            (
                r#"{"id": "c/d"}"#.to_owned(),
                "models[1].endpoints: missing (expected: a list of at least one endpoint)",
            ),
        ] {
            check_errors(&[("/models/-", &model, expected)]);
        }
    }

    #[test]
    fn rules_of_a_models_fields() {
        let rows = [
            ("name", r#""A B""#, ""),
            ("aliases", r#"["~a/b-latest", "a/b:free"]"#, ""),
            ("distillable", "true", ""),
            ("distillable", "1", ".distillable: wrong type: number (allowed: true or false)"),
            (
                "name",
                r#""A\nB""#,
                ".name: invalid: \"A\\nB\" (allowed: text without control characters)",
            ),
            (
                "aliases",
                r#"["x", "y", "x"]"#,
                ".aliases[2]: already used: \"x\" (first at models[0].aliases[0])",
            ),
            (
                "aliases",
                r#"["x*"]"#,
                ".aliases[0]: invalid: \"x*\" \
                 (allowed: a name of at most 256 bytes, without spaces and `*`)",
            ),
            (
                "context_length",
                "0",
                ".context_length: invalid: 0 (allowed: a whole number, at least 1)",
            ),
            (
                "input_modalities",
                r#"["text", "smell"]"#,
                ".input_modalities[1]: invalid: \"smell\" \
                 (allowed: text, image, file, audio, video)",
            ),
            (
                "input_modalities",
                "[]",
                ".input_modalities: invalid (allowed: at least one modality)",
            ),
            (
                "pricing",
                "{}",
                ".pricing: unknown key (known: aliases, cache_ttl, context_length, data_policy, \
                 distillable, endpoints, id, input_modalities, max_completion_tokens, name, \
                 regions)",
            ),
        ];
        check_fields("/models/0", "models[0]", &rows);
    }

    #[test]
    fn models_keep_the_order_written() {
        let value = format!(r#"[{{"id": "z/z", {ENDPOINTS}}}, {{"id": "a/a", {ENDPOINTS}}}]"#);
        let config = config_with("/models", &value);
        let ids: Vec<_> = config.catalog.models().iter().map(|model| model.id.as_str()).collect();
        assert_eq!(ids, ["z/z", "a/a"]);
        assert_eq!(config.catalog.models()[0].name, "z/z");
    }
}
