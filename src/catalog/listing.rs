//! `GET models`: the catalogue in OpenRouter's schema, which is a superset of OpenAI's.
//!
//! Source: OpenRouter's Model schema (2026-11); strict clients want every field, so none is left out.

use serde_json::{Value, json};

use super::{Endpoint, Model};
use crate::config::Config;

/// The body of `GET models`. Wildcard models are patterns, not models, and are not listed.
pub fn models(config: &Config) -> Vec<u8> {
    let models = config.catalog.models().iter().filter(|model| !model.is_wildcard());
    let data: Vec<Value> = models.map(|model| entry(config, model)).collect();
    let body = json!({"object": "list", "total_count": data.len(), "data": data, "links": {"next": null}});
    serde_json::to_vec(&body).unwrap_or_default()
}

fn entry(config: &Config, model: &Model) -> Value {
    let first = model.endpoints.first();
    let context_length = first.and_then(|endpoint| endpoint.context_length).or(model.context_length);
    let owner = model.id.split('/').next().unwrap_or_default();
    json!({
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": owner,
        "canonical_slug": model.id,
        "name": model.name,
        "context_length": context_length,
        "architecture": {
            "modality": modality(model),
            "input_modalities": model.input_modalities.clone().unwrap_or_else(|| vec!["text".to_owned()]),
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "instruct_type": null,
        },
        "pricing": first.map(pricing).unwrap_or_default(),
        "top_provider": {
            "context_length": context_length,
            "max_completion_tokens": first.and_then(|endpoint| endpoint.max_completion_tokens),
            "is_moderated": false,
        },
        "per_request_limits": null,
        "supported_parameters": supported_parameters(model),
        "supported_voices": null,
        "default_parameters": null,
        "links": {"details": format!("{}models/{}/endpoints", config.paths.openrouter, model.id)},
    })
}

fn modality(model: &Model) -> String {
    let inputs = model.input_modalities.as_ref().map_or_else(|| "text".to_owned(), |inputs| inputs.join("+"));
    format!("{inputs}->text")
}

/// Decimal strings in USD; a price that is unknown is left out, so that it never looks free.
fn pricing(endpoint: &Endpoint) -> Value {
    let prices = endpoint.pricing.entries();
    prices
        .into_iter()
        .filter_map(|(name, price)| Some((name.to_owned(), price?.to_string().into())))
        .collect::<serde_json::Map<_, Value>>()
        .into()
}

/// What at least one endpoint supports.
fn supported_parameters(model: &Model) -> Vec<&str> {
    let mut names: Vec<&str> = model
        .endpoints
        .iter()
        .flat_map(|endpoint| endpoint.supported_parameters.iter().flatten())
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
