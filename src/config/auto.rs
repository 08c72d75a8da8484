//! `routing.auto` of the document: which models `openrouter/auto` stands for.
//!
//! Its rules are about what the gateway sees of a request without understanding it. The first one
//! whose conditions hold decides.

use super::ConfigErrorKind;
use super::document::quoted;
use super::field::{Field, MAX_INTEGER};
use super::pricing;
use super::reader::Object;
use super::rule;
use crate::catalog::{AUTO, Catalog, ModelId, Price};
use crate::request::{MaxPrice, RESPONSE_FORMATS};

/// Reads `routing.auto`; `model` is the catalogue's entry that stands for the choice.
#[inline(never)]
pub(super) fn read(section: &Field<'_>, model: ModelId, catalog: &Catalog) -> Auto {
    let Some(mut o) = section.object() else { return Auto::default() };
    let rules = o.optional("rules").map(|field| rules(&field, catalog)).unwrap_or_default();
    let models = models(&mut o, catalog);
    let auto = Auto {
        model,
        rules,
        models,
        allowed_models: o.strings("allowed_models", &rule::MODEL_PATTERN).unwrap_or_default(),
        excluded_models: o.strings("excluded_models", &rule::MODEL_PATTERN).unwrap_or_default(),
        max_price: o.optional("max_price").map(|field| max_price(&field)).unwrap_or_default(),
    };
    o.finish();
    auto
}

/// `routing.auto` of the document. The catalogue knows all names of models in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auto {
    /// The catalogue's entry that stands for the choice.
    pub model: ModelId,
    /// Rules, of which the first that holds decides; each has `when` and `models`. Default: none.
    pub rules: Vec<AutoRule>,
    /// The models to choose where no rule holds, the most wanted first. Required.
    pub models: Vec<String>,
    /// Patterns of the only ids that may be chosen, with `*` for anything. Default: all.
    pub allowed_models: Vec<String>,
    /// Patterns of ids that may not be chosen. Default: none.
    pub excluded_models: Vec<String>,
    /// Upper bounds on the prices of what is chosen: USD per million tokens (`prompt`,
    /// `completion`, `audio`), per `request` and per `image`; an unknown price is too high.
    /// Default: none.
    pub max_price: MaxPrice,
}

/// Conditions, all of which must hold, and the models that are chosen then.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AutoRule {
    /// The input is estimated to have more tokens than this. Default: any.
    pub input_tokens_over: Option<u64>,
    /// Whether the request has tools, `true` or `false`. Default: any.
    pub tools: Option<bool>,
    /// Whether the request has images, `true` or `false`. Default: any.
    pub images: Option<bool>,
    /// Whether the model is asked to think, `true` or `false`. Default: any.
    pub reasoning: Option<bool>,
    /// The form of the answer that is asked for: `text`, the usual one, `json_object`,
    /// `json_schema`, `grammar` or `python`. Default: any.
    pub response_format: Option<&'static str>,
    /// A header that the request has, by its `name`, and its whole value, which `equals` this.
    /// Default: any.
    ///
    /// Here the name is in lower case.
    pub header: Option<(String, String)>,
    /// The models to choose where the rule holds, the most wanted first. Required.
    pub models: Vec<String>,
}

impl AutoRule {
    /// The names of the rule's conditions.
    pub fn conditions(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("input_tokens_over", self.input_tokens_over.is_some()),
            ("tools", self.tools.is_some()),
            ("images", self.images.is_some()),
            ("reasoning", self.reasoning.is_some()),
            ("response_format", self.response_format.is_some()),
            ("header", self.header.is_some()),
        ];
        all.into_iter().filter_map(|(name, is_there)| is_there.then_some(name))
    }
}

fn rules(section: &Field<'_>, catalog: &Catalog) -> Vec<AutoRule> {
    section.items().iter().filter_map(|field| rule(field, catalog)).collect()
}

fn rule(field: &Field<'_>, catalog: &Catalog) -> Option<AutoRule> {
    let mut o = field.object()?;
    let when = o.required("when", "an object of conditions");
    let rule = when.map(|when| conditions(&when)).unwrap_or_default();
    let models = models(&mut o, catalog);
    o.finish();
    Some(AutoRule { models, ..rule })
}

fn conditions(field: &Field<'_>) -> AutoRule {
    let Some(mut o) = field.object() else { return AutoRule::default() };
    let rule = AutoRule {
        input_tokens_over: o.integer("input_tokens_over", 0..=MAX_INTEGER),
        tools: o.boolean("tools"),
        images: o.boolean("images"),
        reasoning: o.boolean("reasoning"),
        response_format: o.optional("response_format").and_then(|field| response_format(&field)),
        header: o.optional("header").and_then(|field| header(&field)),
        models: Vec::new(),
    };
    if field.is_empty() {
        // A rule without conditions always holds, so that no later one would ever be tried.
        field.invalid("at least one condition");
    }
    o.finish();
    rule
}

fn response_format(field: &Field<'_>) -> Option<&'static str> {
    let names: Vec<_> = std::iter::once("text").chain(RESPONSE_FORMATS).collect();
    field.one_of(&names)
}

fn header(field: &Field<'_>) -> Option<(String, String)> {
    let mut o = field.object()?;
    let name = o.required_string("name", &rule::HEADER_NAME);
    let value = o.required_string("equals", &rule::HEADER_VALUE);
    o.finish();
    Some((name?.to_ascii_lowercase(), value?.to_owned()))
}

/// Names of models that can be asked for, with a variant or not, but not of the choice itself.
fn models(o: &mut Object<'_>, catalog: &Catalog) -> Vec<String> {
    let Some(field) = o.required("models", "a list of at least one model") else {
        return Vec::new();
    };
    let items = field.items();
    if field.is_empty() {
        field.invalid("at least one model");
    }
    items.iter().filter_map(|field| model(field, catalog)).collect()
}

fn model(field: &Field<'_>, catalog: &Catalog) -> Option<String> {
    let name = field.string(&rule::MODEL_NAME)?;
    let auto = catalog.find(AUTO);
    let found = catalog.resolve(name).filter(|asked| auto != Some((asked.model, asked.rest)));
    if found.is_none() {
        let models = catalog.models().iter().filter(|model| model.id != AUTO);
        let known = models.map(|model| model.id.clone()).collect();
        field.error(ConfigErrorKind::NotFound { value: quoted(name), known });
    }
    found.map(|_| name.to_owned())
}

fn max_price(field: &Field<'_>) -> MaxPrice {
    let Some(mut o) = field.object() else { return MaxPrice::default() };
    let max = MaxPrice {
        prompt: price(&mut o, "prompt"),
        completion: price(&mut o, "completion"),
        request: price(&mut o, "request"),
        image: price(&mut o, "image"),
        audio: price(&mut o, "audio"),
    };
    o.finish();
    max
}

fn price(o: &mut Object<'_>, key: &'static str) -> Option<Price> {
    pricing::price(&o.optional(key)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Price;
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Each row has what stands in `routing.auto`, and the errors it makes, without the path in
    /// front.
    #[track_caller]
    fn check(rows: &[(&str, &str)]) {
        for (value, expected) in rows {
            let lines: Vec<_> =
                expected.lines().map(|line| format!("routing.auto{line}")).collect();
            check_errors(&[("/routing", &format!("{{\"auto\": {value}}}"), &lines.join("\n"))]);
        }
    }

    #[test]
    fn rules_of_auto() {
        let pattern = "(allowed: a model's id, with `*` for anything, at most 1024 bytes, \
                       without spaces, `?`, `[`, `]`, `{`, `}`)";
        check(&[
            (r#"{"models": ["a/b"]}"#, ""),
            (r#"{"models": ["a/b:floor", "a/b:nitro"], "rules": []}"#, ""),
            ("{}", ".models: missing (expected: a list of at least one model)"),
            (r#"{"models": []}"#, ".models: invalid (allowed: at least one model)"),
            (r#"{"models": ["a/b", "a/c"]}"#, ".models[1]: not found: \"a/c\" (known: a/b)"),
            (r#"{"models": ["auto"]}"#, ".models[0]: not found: \"auto\" (known: a/b)"),
            (
                r#"{"models": ["openrouter/auto:floor"]}"#,
                ".models[0]: not found: \"openrouter/auto:floor\" (known: a/b)",
            ),
            (r#"{"models": "a/b"}"#, ".models: wrong type: string (allowed: list)"),
            (
                r#"{"models": ["a/b"], "model": 1}"#,
                ".model: unknown key \
                 (known: allowed_models, excluded_models, max_price, models, rules)",
            ),
            (
                r#"{"models": ["a/b"],
                    "allowed_models": ["a/*", "a/[bc]"], "excluded_models": ["", "a b"]}"#,
                &format!(
                    ".allowed_models[1]: invalid: \"a/[bc]\" {pattern}\n\
                     .excluded_models[0]: invalid: \"\" {pattern}\n\
                     .excluded_models[1]: invalid: \"a b\" {pattern}"
                ),
            ),
            (
                r#"{"models": ["a/b"], "max_price": {"prompt": "x", "input": 1}}"#,
                ".max_price.prompt: invalid price: \"x\" (not a non-negative decimal number)\n\
                 .max_price.input: unknown key (known: audio, completion, image, prompt, request)",
            ),
        ]);
    }

    fn with_rule(when: &str, models: &str) -> String {
        format!(r#"{{"models": ["a/b"], "rules": [{{"when": {when}, "models": {models}}}]}}"#)
    }

    #[test]
    fn rules_of_rules() {
        let known = "unknown key \
                     (known: header, images, input_tokens_over, reasoning, response_format, tools)";
        for (when, expected) in [
            (r#"{"tools": true, "images": false, "reasoning": true, "input_tokens_over": 0}"#, ""),
            (r#"{"response_format": "text", "header": {"name": "X-Tier", "equals": "gold"}}"#, ""),
            ("{}", ".rules[0].when: invalid (allowed: at least one condition)"),
            ("null", ".rules[0].when: missing (expected: an object of conditions)"),
            (r#"{"tool": true}"#, &format!(".rules[0].when.tool: {known}")),
            (
                r#"{"tools": 1}"#,
                ".rules[0].when.tools: wrong type: number (allowed: true or false)",
            ),
            (
                r#"{"response_format": "xml"}"#,
                ".rules[0].when.response_format: invalid: \"xml\" \
                 (allowed: text, json_object, json_schema, grammar, python)",
            ),
            (
                r#"{"input_tokens_over": -1}"#,
                ".rules[0].when.input_tokens_over: invalid: -1 \
                 (allowed: a whole number, at least 0)",
            ),
            (
                r#"{"header": {"name": "x"}}"#,
                ".rules[0].when.header.equals: missing (expected: text without control characters)",
            ),
        ] {
            check(&[(&with_rule(when, r#"["a/b"]"#), expected)]);
        }
        check(&[(
            &with_rule(r#"{"tools": true}"#, r#"["x"]"#),
            ".rules[0].models[0]: not found: \"x\" (known: a/b)",
        )]);
        check(&[(
            r#"{"models": ["a/b"], "rules": [{"if": {}}]}"#,
            ".rules[0].when: missing (expected: an object of conditions)\n\
             .rules[0].models: missing (expected: a list of at least one model)\n\
             .rules[0].if: unknown key (known: models, when)",
        )]);
    }

    #[test]
    fn the_section_is_read_whole() {
        let value = r#"{"auto": {
            "rules": [{
                "when": {"header": {"name": "X-Tier", "equals": "gold"}, "tools": true},
                "models": ["a/b:nitro"]
            }],
            "models": ["a/b"],
            "excluded_models": ["*:free"],
            "max_price": {"prompt": 3, "completion": "15"}
        }}"#;
        let config = config_with("/routing", value);
        let auto = config.routing.auto.unwrap();
        let header = Some(("x-tier".to_owned(), "gold".to_owned()));
        let rule = AutoRule {
            header,
            tools: Some(true),
            models: vec!["a/b:nitro".to_owned()],
            ..AutoRule::default()
        };
        assert_eq!(rule.conditions().collect::<Vec<_>>(), ["tools", "header"]);
        assert_eq!((auto.rules, auto.models), (vec![rule], vec!["a/b".to_owned()]));
        assert_eq!(
            (auto.allowed_models, auto.excluded_models),
            (vec![], vec!["*:free".to_owned()])
        );
        let [prompt, completion] = ["3", "15"].map(|usd| Price::parse(usd).ok());
        assert_eq!(auto.max_price, MaxPrice { prompt, completion, ..MaxPrice::default() });
        let model = config.catalog.model(auto.model).unwrap();
        assert_eq!(
            (model.id.as_str(), model.aliases.as_slice()),
            ("openrouter/auto", &["auto".to_owned()][..])
        );
    }

    #[test]
    fn its_names_are_taken_where_it_is_configured_and_free_where_not() {
        let models = r#"[{"id": "auto", "endpoints": [{"provider": "openai", "model": "m"}]}]"#;
        assert!(config_with("/models", models).catalog.find("auto").is_some());
        assert!(config_with("/routing", "{}").catalog.find("auto").is_none());
        let taken =
            "models[0].aliases[0]: already used: \"openrouter/auto\" (first at routing.auto)";
        let document = r#"{"auto": {"models": ["a/b"]}}"#;
        let mut both = crate::config::tests::smallest();
        both["models"][0]["aliases"] = serde_json::json!(["openrouter/auto"]);
        both["routing"] = serde_json::from_str(document).unwrap();
        let errors =
            crate::config::Config::parse(both.to_string().as_bytes(), &|_| None).unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [taken]);
    }
}
