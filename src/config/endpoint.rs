//! `endpoints` of a model: who offers it, under which name, limits and policy.

use std::collections::BTreeMap;

use super::ConfigErrorKind;
use super::document::quoted;
use super::field::Field;
use super::pricing;
use super::provider::Upstreams;
use super::reader::Object;
use super::rule;
use super::terms::Terms;
use crate::catalog::{Endpoint, QUANTIZATIONS};

/// What stands above an endpoint in the document.
pub(super) struct Above<'u, 'a> {
    /// Whether the model takes any name that begins like its id.
    pub(super) is_wildcard: bool,
    /// The model's terms.
    pub(super) terms: Terms,
    /// Every provider.
    pub(super) upstreams: &'u Upstreams<'a>,
}

/// Reads `endpoints` of a model; the same endpoint may not stand in it twice.
pub(super) fn read_all(section: &Field<'_>, above: &Above<'_, '_>) -> Vec<Endpoint> {
    let items = section.items();
    if section.is_empty() {
        section.invalid("at least one endpoint");
    }
    let mut paths = BTreeMap::new();
    let mut endpoints = Vec::new();
    for field in &items {
        let Some(endpoint) = endpoint(field, above) else {
            continue;
        };
        if let Some(first) = paths.insert(endpoint.id.clone(), field.path.clone()) {
            field.error(ConfigErrorKind::Duplicate { value: quoted(&endpoint.id), first });
        }
        endpoints.push(endpoint);
    }
    endpoints
}

fn endpoint(field: &Field<'_>, above: &Above<'_, '_>) -> Option<Endpoint> {
    let mut o = field.object()?;
    let expected = "the id of a provider";
    let provider = o.required("provider", expected).and_then(|f| above.upstreams.find(&f));
    let model = upstream_model(&mut o, above.is_wildcard);
    let tag = o.string("tag", &rule::TAG);
    let pricing = o.optional("pricing").map(|f| pricing::read(&f)).unwrap_or_default();
    let overrides = o.optional("overrides").map(|f| pricing::overrides(&f)).unwrap_or_default();
    let weight = o.optional("weight").and_then(|f| f.positive()).unwrap_or(1.0);
    let quantization = o.optional("quantization").and_then(|f| f.one_of(&QUANTIZATIONS));
    let supported_parameters = o.strings("supported_parameters", &rule::PARAMETER);
    let own_terms = Terms::read(&mut o);
    o.finish();
    let (provider, provider_id, provider_terms) = provider?;
    let terms = own_terms.or(&above.terms).or(provider_terms);
    let model = model?;
    Some(Endpoint {
        id: endpoint_id(provider_id, model, tag),
        provider,
        model: (model != "*").then(|| model.to_owned()),
        tag: tag.map(str::to_owned),
        pricing,
        overrides,
        weight,
        context_length: terms.context_length,
        max_completion_tokens: terms.max_completion_tokens,
        quantization: quantization.unwrap_or("unknown").to_owned(),
        supported_parameters,
        data_policy: terms.data_policy(),
        cache_ttl: terms.cache_ttl,
        regions: terms.into_regions(),
    })
}

fn upstream_model<'a>(o: &mut Object<'a>, is_wildcard: bool) -> Option<&'a str> {
    let field = o.required("model", rule::UPSTREAM_MODEL.allowed)?;
    let model = field.string(&rule::UPSTREAM_MODEL)?;
    if model == "*" && !is_wildcard {
        field.invalid("a name; `*` only in a model whose id ends in `*`");
        return None;
    }
    Some(model)
}

/// `provider/model#tag`
fn endpoint_id(provider: &str, model: &str, tag: Option<&str>) -> String {
    match tag {
        Some(tag) => format!("{provider}/{model}#{tag}"),
        None => format!("{provider}/{model}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{check_errors, check_fields, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn first_endpoint(pointer: &str, value: &str) -> Endpoint {
        config_with(pointer, value).catalog.models()[0].endpoints[0].clone()
    }

    /// Each row has an endpoint's field, its value, and the error it makes, without the path in
    /// front.
    #[track_caller]
    fn check(rows: &[(&str, &str, &str)]) {
        check_fields("/models/0/endpoints/0", "models[0].endpoints[0]", rows);
    }

    #[test]
    fn rules_of_endpoints() {
        let path = "models[0].endpoints";
        check_errors(&[
            (
                "/models/0/endpoints/0",
                "{}",
                &format!(
                    "{path}[0].provider: missing (expected: the id of a provider)\n\
                     {path}[0].model: missing (expected: a name of at most 256 bytes, \
                     without spaces, or `*` in a wildcard model)"
                ),
            ),
            (
                "/models/0/endpoints/-",
                r#"{"provider": "openai", "model": "b"}"#,
                &format!("{path}[1]: already used: \"openai/b\" (first at {path}[0])"),
            ),
            ("/models/0/endpoints/-", r#"{"provider": "openai", "model": "b", "tag": "eu"}"#, ""),
            ("/models/0/endpoints/-", r#"{"provider": "anthropic", "model": "b"}"#, ""),
            (
                "/models/0/endpoints",
                "[]",
                &format!("{path}: invalid (allowed: at least one endpoint)"),
            ),
        ]);
    }

    #[test]
    fn rules_of_an_endpoints_names() {
        check(&[
            (
                "provider",
                r#""opnai""#,
                ".provider: not found: \"opnai\" (known: anthropic, openai)",
            ),
            (
                "model",
                r#""*""#,
                ".model: invalid: \"*\" \
                 (allowed: a name; `*` only in a model whose id ends in `*`)",
            ),
            (
                "model",
                r#""x-*""#,
                ".model: invalid: \"x-*\" (allowed: a name of at most \
                 256 bytes, without spaces, or `*` in a wildcard model)",
            ),
            (
                "tag",
                r#""EU""#,
                ".tag: invalid: \"EU\" \
                 (allowed: a-z, 0-9, `.`, `_`, `-`, `/`, first a letter or digit)",
            ),
            (
                "quantization",
                r#""fp7""#,
                ".quantization: invalid: \"fp7\" (allowed: int4, int8, fp4, \
                 mxfp4, nvfp4, fp6, fp8, mxfp8, fp16, bf16, fp32, unknown)",
            ),
            ("supported_parameters", r#"["tools", "whatever"]"#, ""),
            (
                "supported_parameters",
                r#"[7]"#,
                ".supported_parameters[0]: wrong type: number (allowed: string)",
            ),
        ]);
    }

    #[test]
    fn rules_of_an_endpoints_numbers() {
        let weight = "(allowed: a number above 0)";
        check(&[
            ("weight", r#""0.7""#, ""),
            ("weight", "2", ""),
            ("weight", "0", &format!(".weight: invalid: 0 {weight}")),
            ("weight", "-0.5", &format!(".weight: invalid: -0.5 {weight}")),
            ("weight", r#""NaN""#, ".weight: invalid: \"NaN\" (allowed: number)"),
            (
                "max_completion_tokens",
                "0",
                ".max_completion_tokens: invalid: 0 (allowed: a whole number, at least 1)",
            ),
        ]);
    }

    #[test]
    fn ids_are_provider_model_and_tag() {
        let endpoint = first_endpoint("/models/0/endpoints/0/tag", r#""eu/turbo""#);
        assert_eq!(endpoint.id, "openai/b#eu/turbo");
        let wild = r#"[{"id": "v*", "endpoints": [{"provider": "openai", "model": "*", "tag": "t"},
                                                  {"provider": "openai", "model": "fixed"}]}]"#;
        let config = config_with("/models", wild);
        let [any, fixed] = config.catalog.models()[0].endpoints.as_slice() else { panic!() };
        assert_eq!((any.id.as_str(), any.upstream_model(Some("rest"))), ("openai/*#t", "rest"));
        assert_eq!(
            (fixed.id.as_str(), fixed.upstream_model(Some("rest"))),
            ("openai/fixed", "fixed")
        );
    }

    #[test]
    fn terms_come_from_the_endpoint_then_the_model_then_the_provider() {
        let provider = r#"{"api": "openai", "regions": ["us"], "data_policy": {"retains": false}}"#;
        let endpoint = first_endpoint("/providers/openai", provider);
        assert_eq!(endpoint.regions, ["us"]);
        assert!(!endpoint.data_policy.retains && endpoint.data_policy.trains);

        let models = r#"[{"id": "a/b", "context_length": 100, "max_completion_tokens": 10,
            "regions": ["eu"], "data_policy": {"trains": false},
            "endpoints": [
                {"provider": "openai", "model": "b"},
                {"provider": "anthropic", "model": "b", "context_length": 50, "regions": [],
                 "data_policy": {"retains": false, "trains": true}}]}]"#;
        let config = config_with("/models", models);
        let [first, second] = config.catalog.models()[0].endpoints.as_slice() else { panic!() };
        assert_eq!((first.context_length, first.max_completion_tokens), (Some(100), Some(10)));
        assert_eq!((second.context_length, second.max_completion_tokens), (Some(50), Some(10)));
        assert_eq!(first.regions, ["eu"]);
        assert!(second.regions.is_empty());
        assert!(first.data_policy.retains && !first.data_policy.trains);
        assert!(!second.data_policy.retains && second.data_policy.trains);
    }
}
