//! `models/{author}/{slug}/endpoints` and `providers`: who offers what.

use super::model::{architecture, pricing};
use super::{Known, data};
use crate::catalog::{Endpoint, Model};
use crate::config::Config;
use crate::route::{Measure, Standing, Window};
use crate::translate::{self, Loss, Losses};
use crate::wire::json::Object;

/// Every value of OpenRouter's `supported_parameters`: what an endpoint that names none is taken to
/// support.
const PARAMETERS: [&str; 26] = [
    "frequency_penalty",
    "include_reasoning",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "min_p",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "repetition_penalty",
    "response_format",
    "seed",
    "stop",
    "structured_outputs",
    "temperature",
    "tool_choice",
    "tools",
    "top_a",
    "top_k",
    "top_logprobs",
    "top_p",
    "verbosity",
    "web_search_options",
];

/// OpenRouter's EndpointStatus of an endpoint that does well.
const WELL: &str = "0";
/// OpenRouter's EndpointStatus of an endpoint that is used after those that do well.
const DEGRADED: &str = "-1";
/// OpenRouter's EndpointStatus of an endpoint that is used only after all others.
const LAST: &str = "-2";
/// OpenRouter's names of the percentages of successes.
const UPTIMES: [(&str, Window); 3] = [
    ("uptime_last_5m", Window::FiveMinutes),
    ("uptime_last_30m", Window::HalfHour),
    ("uptime_last_1d", Window::Day),
];
/// OpenRouter's names of the percentiles.
const MEASURES: [(&str, Measure); 2] =
    [("latency_last_30m", Measure::FirstToken), ("throughput_last_30m", Measure::Throughput)];

/// The endpoints of a model, which answers to `id`.
pub(super) fn list(known: &Known<'_>, model: &Model, id: &str) -> String {
    let name = if model.is_wildcard() { id } else { &model.name };
    let endpoints: Vec<String> =
        model.endpoints.iter().map(|endpoint| entry(known, model, endpoint, (id, name))).collect();
    let mut listed = Object::new();
    listed.text("id", id).text("name", name).json("created", "0").text("description", "");
    data(&listed.json("architecture", &architecture(model)).list("endpoints", &endpoints).end())
}

/// OpenRouter's PublicEndpoint. A context length that is unknown is 0, because the schema wants a
/// number; percentages and percentiles are null where there was no request.
fn entry(
    known: &Known<'_>,
    model: &Model,
    endpoint: &Endpoint,
    (id, name): (&str, &str),
) -> String {
    let provider = known.config.provider(endpoint.provider);
    let [slug, title] =
        [provider.map_or("", |p| p.id.as_str()), provider.map_or("", |p| p.name.as_str())];
    let health = known.health;
    let status = match health.standing(&endpoint.id, known.now) {
        _ if health.in_cooldown(&endpoint.id, known.now) => LAST,
        Standing::Down => LAST,
        Standing::Degraded => DEGRADED,
        Standing::Normal => WELL,
    };
    let limit = endpoint.context_length.or(model.context_length);
    let tag = endpoint.tag.as_ref().map_or_else(|| slug.to_owned(), |tag| format!("{slug}/{tag}"));
    let parameters = parameters(known.config, endpoint);
    let mut entry = Object::new();
    entry
        .text("name", &format!("{title} | {id}"))
        .text("model_id", id)
        .text("model_name", name)
        .text("provider_name", title)
        .text("tag", &tag)
        .number("context_length", Some(limit.unwrap_or(0)))
        .number("max_completion_tokens", endpoint.max_completion_tokens)
        .json("pricing", &pricing(Some(endpoint)))
        .text("quantization", &endpoint.quantization)
        .texts("supported_parameters", &parameters)
        .json("supports_tool_choice", &tool_choices(parameters.contains(&"tool_choice")))
        .flag("supports_implicit_caching", endpoint.pricing.input_cache_read.is_some())
        .json("status", status);
    for (name, window) in UPTIMES {
        entry.json(name, &json(health.uptime(&endpoint.id, window, known.now)));
    }
    for (name, measure) in MEASURES {
        entry.json(name, &percentiles(known, endpoint, measure));
    }
    entry.json("max_prompt_tokens", "null").end()
}

/// OpenRouter's PercentileStats, of the last half hour.
fn percentiles(known: &Known<'_>, endpoint: &Endpoint, measure: Measure) -> String {
    let mut stats = Object::new();
    for (name, share) in [("p50", 50), ("p75", 75), ("p90", 90), ("p99", 99)] {
        let value =
            known.health.percentile(&endpoint.id, measure, Window::HalfHour, share, known.now);
        if value.is_none() {
            return "null".to_owned();
        }
        stats.json(name, &json(value));
    }
    stats.end()
}

/// A number with two decimals at most, or null.
fn json(number: Option<f64>) -> String {
    number
        .map_or_else(|| "null".to_owned(), |number| ((number * 100.0).round() / 100.0).to_string())
}

/// OpenRouter's ToolChoiceSupport: which values of `tool_choice` an endpoint takes.
fn tool_choices(all: bool) -> String {
    let mut object = Object::new();
    for choice in ["auto", "none", "required", "function"] {
        object.flag(choice, all);
    }
    object.end()
}

/// What an endpoint supports: what it names, else everything its provider's wire format can say.
pub(super) fn parameters<'a>(config: &Config, endpoint: &'a Endpoint) -> Vec<&'a str> {
    if let Some(named) = &endpoint.supported_parameters {
        return named.iter().map(String::as_str).collect();
    }
    let provider = config.provider(endpoint.provider);
    let losses = provider.map(|provider| translate::format(provider).losses());
    PARAMETERS.into_iter().filter(|name| !losses.is_some_and(|it| is_lost(name, it))).collect()
}

/// Whether a wire format cannot say a parameter, not even nearly.
fn is_lost(name: &str, losses: Losses) -> bool {
    losses.of(name).is_some_and(|loss| loss != Loss::Approximated)
}

/// Every provider. Where their policies and data centres are the gateway does not know.
pub(super) fn providers(config: &Config) -> String {
    let entries: Vec<String> = config
        .providers
        .iter()
        .map(|provider| {
            let mut entry = Object::new();
            entry.text("name", &provider.name).text("slug", &provider.id);
            for name in [
                "privacy_policy_url",
                "terms_of_service_url",
                "status_page_url",
                "headquarters",
                "datacenters",
            ] {
                entry.json(name, "null");
            }
            entry.end()
        })
        .collect();
    Object::new().list("data", &entries).end()
}
