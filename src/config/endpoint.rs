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
use crate::catalog::Endpoint;

/// OpenRouter's names of weight formats.
const QUANTIZATIONS: &[(&str, Option<&str>)] = &[
    ("int4", Some("int4")),
    ("int8", Some("int8")),
    ("fp4", Some("fp4")),
    ("mxfp4", Some("mxfp4")),
    ("nvfp4", Some("nvfp4")),
    ("fp6", Some("fp6")),
    ("fp8", Some("fp8")),
    ("mxfp8", Some("mxfp8")),
    ("fp16", Some("fp16")),
    ("bf16", Some("bf16")),
    ("fp32", Some("fp32")),
    ("unknown", Some("unknown")),
];

/// What stands above an endpoint in the document.
pub(super) struct Above<'u, 'a> {
    /// Whether the model takes any name that begins like its id.
    pub(super) is_wildcard: bool,
    /// The model's.
    pub(super) terms: Terms,
    /// Every provider.
    pub(super) upstreams: &'u Upstreams<'a>,
}

/// Reads the list; the same endpoint may not stand in it twice.
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
            field.error(ConfigErrorKind::Duplicate {
                value: quoted(&endpoint.id),
                first,
            });
        }
        endpoints.push(endpoint);
    }
    endpoints
}

fn endpoint(field: &Field<'_>, above: &Above<'_, '_>) -> Option<Endpoint> {
    let mut o = field.object()?;
    let expected = "the id of a provider";
    let provider = o
        .required("provider", expected)
        .and_then(|f| above.upstreams.find(&f));
    let model = upstream_model(&mut o, above.is_wildcard);
    let tag = o.string("tag", &rule::TAG);
    let pricing = o
        .optional("pricing")
        .map(|f| pricing::read(&f))
        .unwrap_or_default();
    let overrides = o
        .optional("overrides")
        .map(|f| pricing::overrides(&f))
        .unwrap_or_default();
    let weight = o
        .optional("weight")
        .and_then(|f| f.positive())
        .unwrap_or(1.0);
    let quantization = o
        .optional("quantization")
        .and_then(|f| f.choice(QUANTIZATIONS));
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
