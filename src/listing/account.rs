//! `key` and `generation`: what the caller has spent, and how a recent exchange went.
//!
//! A generation is made from the exchange's record when it is asked for, so that keeping one costs
//! a copy and no more.

use std::borrow::Cow;
use std::time::Duration;

use super::query::Query;
use super::{Known, data};
use crate::calendar;
use crate::error::Error;
use crate::usage::Spent;
use crate::wire::json::{Object, Reader, elements, member};
use crate::wire::openai::finish_reason_of;

/// Members that a generation must have, and that this gateway knows nothing of.
const UNKNOWN: [&str; 19] = [
    "upstream_id",
    "router",
    "moderation_latency",
    "native_tokens_completion_images",
    "num_media_prompt",
    "num_input_audio_prompt",
    "num_media_completion",
    "num_search_results",
    "num_fetches",
    "web_search_engine",
    "cache_discount",
    "session_id",
    "external_user",
    "http_referer",
    "user_agent",
    "app_id",
    "preset_id",
    "response_cache_source_id",
    "workspace_id",
];

/// The operator's account, which has no limits. `None`: somebody else asks, whose key there is
/// none of, so that nothing was spent with it.
pub(super) fn key(spent: Option<Spent>) -> String {
    let mut key = Object::new();
    key.text_or_null("label", spent.map(|_| "default"));
    let spent = spent.map(|Spent { total, day, week, month }| [total, day, week, month]);
    let names = ["usage", "usage_daily", "usage_weekly", "usage_monthly"];
    for (name, usd) in names.into_iter().zip(spent.unwrap_or_default()) {
        key.json(name, &usd.to_string()).json(&format!("byok_{name}"), "0");
    }
    const NONE: [&str; 7] = [
        "limit",
        "limit_remaining",
        "limit_reset",
        "creator_user_id",
        "expires_at",
        "organization_id",
        "workspace_id",
    ];
    for name in NONE {
        key.json(name, "null");
    }
    for name in
        ["include_byok_in_limit", "is_free_tier", "is_management_key", "is_provisioning_key"]
    {
        key.flag(name, false);
    }
    let rate_limit = Object::new()
        .json("requests", "-1")
        .text("interval", "10s")
        .text("note", "There is no limit")
        .end();
    let free_models =
        Object::new().json("limit", "-1").json("remaining", "-1").json("used", "0").end();
    key.json("rate_limit", &rate_limit).json("free_model_daily_requests", &free_models);
    data(&key.json("allowed_data_regions", "[\"global\"]").end())
}

/// How a recent exchange went.
pub(super) fn generation(known: &Known<'_>, query: &Query<'_>) -> Result<String, Error> {
    let Some(id) = query.text("id") else {
        return Err(Error::InvalidField { field: "id", problem: "is missing".to_owned() });
    };
    let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let record = if is_id { (known.record)(&id) } else { None };
    let record = record.filter(|record| Reader::new(record).skip().is_ok());
    match record {
        Some(record) => Ok(data(&entry(known, &id, &record))),
        None => Err(Error::NotFound { what: "Generation", name: id }),
    }
}

/// OpenRouter's GenerationResponse. Times are in milliseconds.
fn entry(known: &Known<'_>, id: &str, record: &[u8]) -> String {
    let attempts = member(record, "attempts").map(elements).unwrap_or_default();
    let responses: Vec<String> = attempts.iter().map(|attempt| response(known, attempt)).collect();
    let duration = number(record, "duration_ms");
    let first = attempts.last().and_then(|attempt| number(attempt, "first_token_ms"));
    let model = text(record, "response_model").or_else(|| text(record, "request_model"));
    let provider = text(record, "provider");
    let finish_reason = text(record, "finish_reason");
    let mut entry = Object::new();
    entry
        .text("id", id)
        .text_or_null("request_id", text(record, "request_id").as_deref())
        .text("model", &model.unwrap_or_default())
        .text_or_null("provider_name", provider.as_deref().map(|id| provider_name(known, id)))
        .list("provider_responses", &responses)
        .flag("streamed", member(record, "stream") == Some(b"true"))
        .flag("cancelled", text(record, "error_type").as_deref() == Some("aborted"))
        .text("created_at", &calendar::iso(Duration::from_secs(began(id))))
        .text_or_null("api_type", api_type(&text(record, "operation").unwrap_or_default()))
        .text_or_null("finish_reason", finish_reason.as_deref().map(finish_reason_of))
        .text_or_null("native_finish_reason", finish_reason.as_deref())
        .text_or_null("service_tier", text(record, "service_tier").as_deref())
        .number("latency", first.or(duration))
        .number(
            "generation_time",
            duration.zip(first).map(|(duration, first)| duration.saturating_sub(first)),
        )
        .flag("is_byok", false)
        .text("data_region", "global")
        .text("origin", "");
    write_usage(&mut entry, record);
    for name in UNKNOWN {
        entry.json(name, "null");
    }
    entry.end()
}

fn write_usage(entry: &mut Object, record: &[u8]) {
    for (name, kind) in [("prompt", "input_tokens"), ("completion", "output_tokens")] {
        entry.number(&format!("tokens_{name}"), number(record, kind));
        entry.number(&format!("native_tokens_{name}"), number(record, kind));
    }
    for (name, kind) in [("reasoning", "reasoning_tokens"), ("cached", "cached_tokens")] {
        entry.number(&format!("native_tokens_{name}"), number(record, kind));
    }
    // The record has it as a decimal in quotes, which is a JSON number without them.
    let cost = text(record, "cost_usd").unwrap_or(Cow::Borrowed("0"));
    for name in ["total_cost", "usage", "upstream_inference_cost"] {
        entry.json(name, &cost);
    }
}

/// OpenRouter's ProviderResponse.
fn response(known: &Known<'_>, attempt: &[u8]) -> String {
    let endpoint = text(attempt, "endpoint").unwrap_or_default();
    let provider = endpoint.split('/').next().unwrap_or_default();
    Object::new()
        .text("provider_name", provider_name(known, provider))
        .text("endpoint_id", &endpoint)
        .number("status", number(attempt, "status"))
        .number("latency", number(attempt, "duration_ms"))
        .flag("is_byok", false)
        .end()
}

fn text<'a>(object: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    Some(Reader::new(member(object, name)?).string().ok()?.decode())
}

fn number(object: &[u8], name: &str) -> Option<u64> {
    Reader::new(member(object, name)?).u64().ok()?
}

/// The display name of a provider; its id where the configuration has changed since.
fn provider_name<'a>(known: &Known<'a>, id: &'a str) -> &'a str {
    let provider = known.config.providers.iter().find(|provider| provider.id == id);
    provider.map_or(id, |provider| &provider.name)
}

/// When an exchange began, in Unix seconds, which stand in its id.
fn began(id: &str) -> u64 {
    id.split('-').nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
}

fn api_type(operation: &str) -> Option<&'static str> {
    match operation {
        "chat" | "text_completion" => Some("completions"),
        "embeddings" => Some("embeddings"),
        _ => None,
    }
}
