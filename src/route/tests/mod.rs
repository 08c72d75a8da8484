//! Plans: a row for each rule, and what holds for every plan.

mod auto;
mod draw;
mod filter;
mod order;
mod price;
mod property;
mod standing;
mod tier;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::catalog::Endpoint;
use crate::config::Config;
use crate::error::Reason;
use crate::operation::Operation;
use crate::request::Limits;
use crate::request::Request;

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A document whose model `m` is offered as told, in the order written.
fn document(endpoints: &Value) -> Value {
    json!({
        "providers": {
            "alpha": {
                "name": "Alpha AI",
                "api": "openai",
                "data_policy": {"retains": false, "trains": false},
            },
            "beta": {
                "name": "Beta",
                "api": "openai",
                "data_policy": {"retains": true, "trains": false},
            },
            "gamma": {"api": "openai"},
            "keyless": {"api": "openai", "auth": {"type": "bearer", "env": "NOT_SET"}},
        },
        "models": [
            {"id": "x/m", "aliases": ["m"], "endpoints": endpoints},
            {"id": "x/other", "endpoints": [{"provider": "gamma", "model": "other"}]},
            {"id": "wild/*", "endpoints": [
                {"provider": "alpha", "model": "*"},
                {"provider": "beta", "model": "fixed"},
            ]},
        ],
        "routing": {"sort": "order"},
    })
}

/// One endpoint at each provider.
fn three() -> Value {
    json!([
        {"provider": "alpha", "model": "a"},
        {"provider": "beta", "model": "b"},
        {"provider": "gamma", "model": "c"},
    ])
}

fn config(document: &Value) -> Config {
    let parsed = Config::parse(document.to_string().as_bytes(), &|_| None);
    parsed.unwrap_or_else(|errors| panic!("{document}: {}", errors[0])).0
}

/// The plan for a body that asks for models of the catalogue.
fn plan_in(config: &Config, body: &Value, health: &Health, seed: u64) -> Plan {
    let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
    let asked: Vec<_> =
        request.models().map(|model| config.catalog.resolve(model).unwrap()).collect();
    let conversation = request.conversation(None);
    let with = Circumstances { health, tenant: "t", conversation, seed, now: NOW };
    plan(config, &asked, (Operation::Chat, &request), &with)
}

/// The members of a body with these preferences.
fn preferring(preferences: Value) -> Value {
    json!({ "provider": preferences })
}

/// A conversation that begins with an image.
fn image(url: &str) -> Value {
    json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])
}

/// An endpoint of `x/m`.
fn endpoint<'a>(config: &'a Config, id: &str) -> &'a Endpoint {
    config.catalog.models()[0].endpoints.iter().find(|endpoint| endpoint.id == id).unwrap()
}

fn ids(config: &Config, plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.endpoint(config).unwrap().id.clone()).collect()
}

/// Plans a request for `x/m` with these endpoints and these members of the body; then come the
/// expected steps, and what was dropped for which reason.
#[track_caller]
fn check(endpoints: &Value, body: &Value, steps: &[&str], dropped: &[(&str, Reason)]) {
    let config = config(&document(endpoints));
    let mut body = body.clone();
    if body.get("models").is_none() {
        body["model"] = "x/m".into();
    }
    let plan = plan_in(&config, &body, &Health::default(), 1);
    assert_eq!(ids(&config, &plan), steps, "{body}");
    let told: Vec<_> =
        plan.dropped.iter().map(|drop| (drop.endpoint.as_str(), drop.reason.clone())).collect();
    assert_eq!(told, dropped, "{body}");
}

const A: &str = "alpha/a";

const B: &str = "beta/b";

const C: &str = "gamma/c";

/// Endpoints at prices 3, 1 and 2 for input and output alike.
fn priced() -> Value {
    json!([
        offer("gamma", "c", "0.000003"),
        offer("alpha", "a", "0.000001"),
        offer("beta", "b", "0.000002"),
    ])
}

/// An endpoint whose tokens cost `usd`, in either direction.
fn offer(provider: &str, model: &str, usd: &str) -> Value {
    let pricing = json!({"prompt": usd, "completion": usd});
    json!({"provider": provider, "model": model, "pricing": pricing})
}

/// The endpoint `alpha/a` in two regions.
fn regional() -> Value {
    json!([
        {"provider": "alpha", "model": "a", "tag": "eu"},
        {"provider": "alpha", "model": "a", "tag": "us"},
    ])
}

/// Health in which `alpha/a` has an outage and `beta/b` is in cooldown.
fn troubled(outage: bool, cooldown: bool) -> Health {
    let mut health = Health::default();
    let failed = Observation { failed: true, ..Observation::default() };
    if outage {
        (0..3).for_each(|_| health.observe(A, failed, NOW));
    }
    if cooldown {
        health.observe(B, Observation { retry_after: Some(Duration::from_secs(9)), ..failed }, NOW);
    }
    health
}

/// Model `x/m` at three providers and `x/n` at two, with prices per million tokens.
fn two_models() -> Value {
    let mut document = document(&json!([
        offer("alpha", "a", "0.000003"),
        offer("beta", "b", "0.000001"),
        offer("gamma", "c", "0.000005"),
    ]));
    let endpoints = [offer("alpha", "na", "0.000002"), offer("gamma", "nc", "0")];
    document["models"].as_array_mut().unwrap().push(json!({"id": "x/n", "endpoints": endpoints}));
    document
}
