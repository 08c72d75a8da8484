//! `models`, `models/count` and `model/{author}/{slug}`: the catalogue, in pages.
//!
//! A model shows the prices and limits of its first endpoint of the default tier; wildcards are
//! patterns, not models, and are not listed.

use super::filter::selected;
use super::query::Query;
use super::{Known, endpoint};
use crate::catalog::{Endpoint, Model, PriceOverride, Pricing};
use crate::config::Config;
use crate::error::Error;
use crate::operation::Face;
use crate::wire::json::Object;

/// How many models a page has where only an offset is asked for.
const PAGE: usize = 500;
/// How many models a page may have.
const LARGEST_PAGE: usize = 1000;
/// OpenRouter's ModelGroup of models whose tokenizer is not known, as this gateway knows none.
pub(super) const TOKENIZER: &str = "Other";
/// What OpenRouter says where a price that must be there is not known, so that it never looks free.
const UNKNOWN_PRICE: &str = "-1";

/// The models that a query selects, and where the next ones are.
pub(super) fn list(known: &Known<'_>, face: Face, query: &Query<'_>) -> Result<String, Error> {
    let models = selected(known, query)?;
    let (offset, limit) =
        (query.number("offset", 0..=usize::MAX)?, query.number("limit", 1..=LARGEST_PAGE)?);
    let size = match (offset, limit) {
        (None, None) => models.len(),
        (_, limit) => limit.unwrap_or(PAGE),
    };
    let offset = offset.unwrap_or(0);
    let data: Vec<String> = models
        .iter()
        .skip(offset)
        .take(size)
        .map(|model| entry(known.config, model, &model.id))
        .collect();
    let next = offset.saturating_add(size);
    let base = match face {
        Face::OpenAi => &known.config.paths.openai,
        Face::OpenRouter => &known.config.paths.openrouter,
    };
    let next =
        (next < models.len()).then(|| format!("{base}models?{}", query.with("offset", next)));
    let links = Object::new().text_or_null("next", next.as_deref()).end();
    let mut list = Object::new();
    list.text("object", "list").number("total_count", Some(models.len() as u64));
    Ok(list.json("links", &links).list("data", &data).end())
}

/// Who made a model.
pub(super) fn author(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}

/// The context length of the first endpoint, which most requests go to, else the model's own.
pub(super) fn context_length(model: &Model) -> Option<u64> {
    model.first_endpoint().and_then(|endpoint| endpoint.context_length).or(model.context_length)
}

/// The kinds of input that a model takes. Where the document says nothing, only text is sure.
pub(super) fn inputs(model: &Model) -> Vec<&str> {
    match &model.input_modalities {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => vec!["text"],
    }
}

/// OpenRouter's Model, with OpenAI's fields; `id` is the model's own, or what a wildcard stands
/// for.
pub(super) fn entry(config: &Config, model: &Model, id: &str) -> String {
    let first = model.first_endpoint();
    let context_length = context_length(model);
    let top = Object::new()
        .number("context_length", context_length)
        .number("max_completion_tokens", first.and_then(|endpoint| endpoint.max_completion_tokens))
        .flag("is_moderated", false)
        .end();
    let links = Object::new()
        .text("details", &format!("{}models/{id}/endpoints", config.paths.openrouter))
        .end();
    let mut entry = Object::new();
    entry
        .text("id", id)
        .text("object", "model")
        .json("created", "0")
        .text("owned_by", author(id))
        .text("canonical_slug", id)
        .text("name", if model.is_wildcard() { id } else { &model.name })
        .text("description", "")
        .number("context_length", context_length)
        .json("architecture", &architecture(model))
        .json("pricing", &pricing(first))
        .json("top_provider", &top)
        .texts("supported_parameters", parameters(config, model))
        .json("links", &links);
    for name in ["per_request_limits", "supported_voices", "default_parameters"] {
        entry.json(name, "null");
    }
    entry.end()
}

/// The parameters that at least one endpoint supports.
pub(super) fn parameters<'a>(config: &Config, model: &'a Model) -> Vec<&'a str> {
    let mut names: Vec<&str> = model
        .endpoints
        .iter()
        .flat_map(|endpoint| endpoint::parameters(config, endpoint))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The kinds of input and output of a model. Every model is taken to answer with text.
pub(super) fn architecture(model: &Model) -> String {
    let inputs = inputs(model);
    Object::new()
        .text("modality", &format!("{}->text", inputs.join("+")))
        .texts("input_modalities", &inputs)
        .texts("output_modalities", ["text"])
        .text("tokenizer", TOKENIZER)
        .json("instruct_type", "null")
        .end()
}

/// The prices of an endpoint as decimal strings in USD. One that is unknown is left out, or says so
/// where the schema wants it. A model without endpoints, as `openrouter/auto` is, has none.
pub(super) fn pricing(endpoint: Option<&Endpoint>) -> String {
    let own = endpoint.map(|endpoint| endpoint.pricing.clone()).unwrap_or_default();
    let mut pricing = prices(&own);
    for (name, price) in [("prompt", own.prompt), ("completion", own.completion)] {
        if price.is_none() {
            pricing.text(name, UNKNOWN_PRICE);
        }
    }
    let overrides: Vec<String> =
        endpoint.iter().flat_map(|endpoint| &endpoint.overrides).map(changed).collect();
    if !overrides.is_empty() {
        pricing.list("overrides", &overrides);
    }
    pricing.end()
}

fn prices(pricing: &Pricing) -> Object {
    let mut prices = Object::new();
    for (name, price) in pricing.entries() {
        if let Some(price) = price {
            prices.text(name, &price.to_string());
        }
    }
    prices
}

fn changed(change: &PriceOverride) -> String {
    let mut prices = prices(&change.pricing);
    if change.min_prompt_tokens.is_some() {
        prices.number("min_prompt_tokens", change.min_prompt_tokens);
    }
    if let Some((start, end)) = change.utc {
        for (name, minute) in [("utc_start", start), ("utc_end", end)] {
            // The schema wants times of day as numbers, 2230 for 22:30.
            prices.number(name, Some(u64::from(minute / 60 * 100 + minute % 60)));
        }
    }
    prices.end()
}
