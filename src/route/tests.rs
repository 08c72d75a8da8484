//! Plans: one row a rule, and what holds for all of them.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Limits};
use crate::request::{Modality, Operation, Request};
use crate::wire::split::Random;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod standing;

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A document whose model `m` is offered as told, in the order written.
fn document(endpoints: &Value) -> Value {
    json!({
        "providers": {
            "alpha": {"name": "Alpha AI", "api": "openai", "data_policy": {"retains": false, "trains": false}},
            "beta": {"name": "Beta", "api": "openai", "data_policy": {"retains": true, "trains": false}},
            "gamma": {"api": "openai"},
            "keyless": {"api": "openai", "auth": {"type": "bearer", "env": "NOT_SET"}},
        },
        "models": [
            {"id": "x/m", "aliases": ["m"], "endpoints": endpoints},
            {"id": "x/other", "endpoints": [{"provider": "gamma", "model": "other"}]},
            {"id": "wild/*", "endpoints": [{"provider": "alpha", "model": "*"}, {"provider": "beta", "model": "fixed"}]},
        ],
        "routing": {"sort": "order"},
    })
}

/// One endpoint at each provider.
fn three() -> Value {
    json!([{"provider": "alpha", "model": "a"}, {"provider": "beta", "model": "b"}, {"provider": "gamma", "model": "c"}])
}

fn config(document: &Value) -> Config {
    let parsed = Config::parse(document.to_string().as_bytes(), &|_| None);
    parsed.unwrap_or_else(|errors| panic!("{document}: {}", errors[0])).0
}

/// The plan for a body that asks for models of the catalogue.
fn plan_in(config: &Config, body: &Value, health: &Health, seed: u64) -> Plan {
    let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
    let asked: Vec<_> = request.models().iter().map(|model| config.catalog.resolve(model).unwrap()).collect();
    let conversation = request.conversation(None);
    let with = Circumstances { health, tenant: "t", conversation, seed, now: NOW };
    plan(config, &asked, (Operation::Chat, &request), &with)
}

fn ids(config: &Config, plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.endpoint(config).unwrap().id.clone()).collect()
}

/// Endpoints of `x/m`, members of the body beside `model`, the expected steps, and what was dropped why.
#[track_caller]
fn check(endpoints: &Value, body: &Value, steps: &[&str], dropped: &[(&str, Reason)]) {
    let config = config(&document(endpoints));
    let mut body = body.clone();
    if body.get("models").is_none() {
        body["model"] = "x/m".into();
    }
    let plan = plan_in(&config, &body, &Health::default(), 1);
    assert_eq!(ids(&config, &plan), steps, "{body}");
    let told: Vec<_> = plan.dropped.iter().map(|drop| (drop.endpoint.as_str(), drop.reason.clone())).collect();
    assert_eq!(told, dropped, "{body}");
}

const A: &str = "alpha/a";
const B: &str = "beta/b";
const C: &str = "gamma/c";

#[test]
fn without_wishes_the_configured_order_holds() {
    check(&three(), &json!({}), &[A, B, C], &[]);
    check(&three(), &json!({"provider": null}), &[A, B, C], &[]);
    check(&three(), &json!({"provider": {"unheard_of": 1}}), &[A, B, C], &[]);
}

#[test]
fn what_a_wire_format_cannot_say_takes_its_endpoint_out() {
    let mut document = document(&three());
    document["providers"]["beta"]["api"] = "bedrock".into();
    let config = config(&document);
    let text = json!([{"role": "user", "content": "Hi"}]);
    let image = |url: &str| json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]);
    let strict = json!({"require_parameters": true});
    for (body, lost) in [
        (json!({"messages": text}), None),
        (json!({"messages": text, "n": 1}), None),
        (json!({"messages": text, "n": 2}), Some("n")),
        (json!({"messages": image("data:image/png;base64,AAAA")}), None),
        (json!({"messages": image("https://x.test/y.png")}), Some("messages.url")),
        (json!({"messages": text, "seed": 7}), None),
        (json!({"messages": text, "seed": 7, "provider": strict}), Some("seed")),
        (json!({"messages": text, "temperature": 0.5, "provider": strict}), None),
    ] {
        let mut body = body;
        body["model"] = "x/m".into();
        let plan = plan_in(&config, &body, &Health::default(), 1);
        let reasons: Vec<_> = plan.dropped.iter().map(|drop| drop.reason.clone()).collect();
        assert_eq!(reasons, lost.map(Reason::Parameter).into_iter().collect::<Vec<_>>(), "{body}");
    }
}

#[test]
fn an_endpoint_without_a_key_is_dropped() {
    let endpoints = json!([{"provider": "keyless", "model": "k"}, {"provider": "beta", "model": "b"}]);
    check(&endpoints, &json!({}), &[B], &[("keyless/k", Reason::NoKey("NOT_SET".to_owned()))]);
}

#[test]
fn only_and_ignore_name_providers_in_every_way_a_client_knows() {
    let tagged = json!([
        {"provider": "alpha", "model": "a", "tag": "eu"},
        {"provider": "alpha", "model": "a", "tag": "us/fp8"},
        {"provider": "beta", "model": "b"},
    ]);
    let (eu, us) = ("alpha/a#eu", "alpha/a#us/fp8");
    for name in ["alpha", "ALPHA", "Alpha AI", "alpha ai"] {
        check(&tagged, &json!({"provider": {"only": [name]}}), &[eu, us], &[(B, Reason::Only)]);
        check(&tagged, &json!({"provider": {"ignore": [name]}}), &[B], &[(eu, Reason::Ignore), (us, Reason::Ignore)]);
    }
    check(&tagged, &json!({"provider": {"only": ["alpha/eu"]}}), &[eu], &[(us, Reason::Only), (B, Reason::Only)]);
    check(&tagged, &json!({"provider": {"ignore": ["alpha/us/fp8"]}}), &[eu, B], &[(us, Reason::Ignore)]);
    check(
        &tagged,
        &json!({"provider": {"only": ["beta/eu", "beta/", "alpha/x", "al"]}}),
        &[],
        &[(eu, Reason::Only), (us, Reason::Only), (B, Reason::Only)],
    );
    check(
        &tagged,
        &json!({"provider": {"only": ["alpha"], "ignore": ["alpha/eu"]}}),
        &[us],
        &[(eu, Reason::Ignore), (B, Reason::Only)],
    );
    check(&tagged, &json!({"provider": {"only": null, "ignore": []}}), &[eu, us, B], &[]);
}

#[test]
fn data_policy_is_a_hard_filter_and_unknown_counts_as_the_worst() {
    let body = |preferences: Value| json!({ "provider": preferences });
    check(&three(), &body(json!({"data_collection": "deny"})), &[A, B], &[(C, Reason::Trains)]);
    check(&three(), &body(json!({"data_collection": "allow"})), &[A, B, C], &[]);
    check(&three(), &body(json!({"zdr": true})), &[A], &[(B, Reason::Retains), (C, Reason::Retains)]);
    check(&three(), &body(json!({"zdr": false})), &[A, B, C], &[]);
}

#[test]
fn quantizations_are_a_hard_filter_in_which_a_width_covers_its_variants() {
    let endpoints = json!([
        {"provider": "alpha", "model": "a", "quantization": "fp8"},
        {"provider": "beta", "model": "b", "quantization": "mxfp8"},
        {"provider": "gamma", "model": "c"},
    ]);
    let body = |names: &[&str]| json!({"provider": {"quantizations": names}});
    let drop = Reason::Quantization;
    check(&endpoints, &body(&["fp8"]), &[A, B], &[(C, drop.clone())]);
    check(&endpoints, &body(&["mxfp8", "unknown"]), &[B, C], &[(A, drop.clone())]);
    check(&endpoints, &body(&["fp4"]), &[], &[(A, drop.clone()), (B, drop.clone()), (C, drop)]);
    let fours = json!([
        {"provider": "alpha", "model": "a", "quantization": "nvfp4"},
        {"provider": "beta", "model": "b", "quantization": "mxfp4"},
        {"provider": "gamma", "model": "c", "quantization": "int4"},
    ]);
    check(&fours, &body(&["fp4"]), &[A, B], &[(C, Reason::Quantization)]);
}

#[test]
fn prices_are_bounded_per_million_tokens_and_unknown_ones_are_too_high() {
    let endpoints = json!([
        {"provider": "alpha", "model": "a", "pricing": {"prompt": "0.000001", "completion": "0.000002"}},
        {"provider": "beta", "model": "b", "pricing": {"prompt": "0.0000010001", "completion": "0.000002", "request": "0.1"}},
        {"provider": "gamma", "model": "c"},
    ]);
    let body = |max: Value| json!({"provider": {"max_price": max}});
    let high = Reason::MaxPrice;
    for one in [json!(1), json!("1"), json!(1.0), json!("1.00")] {
        check(&endpoints, &body(json!({"prompt": one})), &[A], &[(B, high.clone()), (C, high.clone())]);
    }
    check(&endpoints, &body(json!({"completion": 2})), &[A, B], &[(C, high.clone())]);
    check(
        &endpoints,
        &body(json!({"prompt": 5, "completion": 1.99})),
        &[],
        &[(A, high.clone()), (B, high.clone()), (C, high.clone())],
    );
    check(&endpoints, &body(json!({"request": "0.09"})), &[A, C], &[(B, high)]);
    check(&endpoints, &body(json!({"image": 0})), &[A, B, C], &[]);
    check(&endpoints, &body(json!({})), &[A, B, C], &[]);
}

#[test]
fn what_does_not_fit_is_dropped() {
    let endpoints = json!([
        {"provider": "alpha", "model": "a", "context_length": 100, "max_completion_tokens": 50},
        {"provider": "beta", "model": "b", "context_length": 1000},
        {"provider": "gamma", "model": "c"},
    ]);
    let long = "x".repeat(798);
    let (output, context) = (Reason::OutputLength, Reason::ContextLength);
    check(&endpoints, &json!({"max_tokens": 50}), &[A, B, C], &[]);
    check(&endpoints, &json!({"max_tokens": 51}), &[B, C], &[(A, output.clone())]);
    check(&endpoints, &json!({"max_completion_tokens": 1001}), &[C], &[(A, output), (B, context.clone())]);
    check(&endpoints, &json!({"prompt": long}), &[A, B, C], &[]);
    check(&endpoints, &json!({"prompt": long, "max_tokens": 1}), &[B, C], &[(A, context)]);
}

#[test]
fn kinds_of_input_are_a_hard_filter() {
    let mut document = document(&three());
    document["models"][0]["input_modalities"] = json!(["text", "image"]);
    let config = config(&document);
    let part = |kind: &str| json!({"model": "m", "messages": [{"content": [{"type": kind}]}]});
    for (kind, dropped) in [("image_url", None), ("text", None), ("input_audio", Some(Modality::Audio))] {
        let plan = plan_in(&config, &part(kind), &Health::default(), 1);
        let reasons: Vec<_> = plan.dropped.iter().map(|drop| drop.reason.clone()).collect();
        match dropped {
            None => assert_eq!((plan.steps.len(), reasons), (3, vec![]), "{kind}"),
            Some(modality) => assert_eq!(reasons, vec![Reason::Modality(modality); 3], "{kind}"),
        }
    }
}

#[test]
fn required_parameters_are_a_hard_filter_and_capabilities_a_preference() {
    let endpoints = json!([
        {"provider": "alpha", "model": "a", "supported_parameters": ["temperature", "response_format"]},
        {"provider": "beta", "model": "b", "supported_parameters": ["tools", "seed"]},
    ]);
    let lacks = Reason::Parameter;
    // Required: every parameter.
    let required = |body: Value| {
        let mut body = body;
        body["provider"] = json!({"require_parameters": true});
        body
    };
    check(&endpoints, &required(json!({"temperature": 1})), &[A], &[(B, lacks("temperature"))]);
    check(&endpoints, &required(json!({"seed": 1})), &[B], &[(A, lacks("seed"))]);
    check(&endpoints, &required(json!({"seed": null})), &[A, B], &[]);
    check(&endpoints, &required(json!({"top_k": 1})), &[], &[(A, lacks("top_k")), (B, lacks("top_k"))]);
    check(&endpoints, &required(json!({"unheard_of": 1})), &[A, B], &[]);
    // Preferred: tools and the response format, where anyone has them.
    check(&endpoints, &json!({"temperature": 1, "top_k": 1}), &[A, B], &[]);
    check(&endpoints, &json!({"tools": [{}]}), &[B], &[(A, lacks("tools"))]);
    check(&endpoints, &json!({"response_format": {}}), &[A], &[(B, lacks("response_format"))]);
    check(&endpoints, &json!({"tools": null}), &[A, B], &[]);
    let nobody = json!([{"provider": "alpha", "model": "a", "supported_parameters": []}]);
    check(&nobody, &json!({"tools": [{}]}), &[A], &[]);
    let unknown =
        json!([{"provider": "alpha", "model": "a"}, {"provider": "beta", "model": "b", "supported_parameters": []}]);
    check(&unknown, &json!({"tools": [{}]}), &[A], &[(B, lacks("tools"))]);
}

#[test]
fn an_asked_order_comes_first_and_the_rest_follows() {
    check(&three(), &json!({"provider": {"order": ["gamma"]}}), &[C, A, B], &[]);
    check(&three(), &json!({"provider": {"order": ["Beta", "nobody", "alpha ai"]}}), &[B, A, C], &[]);
    check(&three(), &json!({"provider": {"order": []}}), &[A, B, C], &[]);
    check(
        &three(),
        &json!({"provider": {"order": ["gamma", "beta"], "allow_fallbacks": false}}),
        &[C],
        &[(B, Reason::AllowFallbacks), (A, Reason::AllowFallbacks)],
    );
    let tagged =
        json!([{"provider": "alpha", "model": "a", "tag": "eu"}, {"provider": "alpha", "model": "a", "tag": "us"}]);
    check(&tagged, &json!({"provider": {"order": ["alpha/us"]}}), &["alpha/a#us", "alpha/a#eu"], &[]);
}

#[test]
fn a_plan_has_at_most_as_many_steps_as_configured() {
    let mut document = document(&three());
    document["routing"]["max_attempts"] = 2.into();
    let config = config(&document);
    let plan = plan_in(&config, &json!({"models": ["x/m", "x/other"]}), &Health::default(), 1);
    assert_eq!(ids(&config, &plan), [A, B]);
    let told: Vec<_> = plan.dropped.iter().map(|drop| (drop.endpoint.as_str(), drop.reason.clone())).collect();
    assert_eq!(told, [(C, Reason::MaxAttempts), ("gamma/other", Reason::MaxAttempts)]);
}

#[test]
fn endpoints_of_later_models_come_after_those_of_earlier_ones() {
    check(&three(), &json!({"models": ["x/other", "x/m"]}), &["gamma/other", A, B, C], &[]);
    check(
        &three(),
        &json!({"models": ["m", "x/other"], "provider": {"only": ["gamma"]}}),
        &[C, "gamma/other"],
        &[(A, Reason::Only), (B, Reason::Only)],
    );
}

#[test]
fn a_wildcard_gives_the_upstream_what_it_took_of_the_name() {
    let config = config(&document(&three()));
    let plan = plan_in(&config, &json!({"model": "wild/some/model:tag"}), &Health::default(), 1);
    let names: Vec<_> = plan.steps.iter().map(|step| step.upstream_model(&config)).collect();
    assert_eq!(names, ["some/model:tag", "fixed"]);
    assert!(plan.steps.iter().all(|step| step.model_id(&config) == "wild/some/model:tag"));
    let plan = plan_in(&config, &json!({"models": ["wild/a", "wild/b"]}), &Health::default(), 1);
    assert_eq!(plan.steps.len(), 4);
    assert!(plan.steps[0].same_model(&plan.steps[1]) && !plan.steps[1].same_model(&plan.steps[2]));
}

/// Endpoints at prices 1, 2 and 3 for input and output alike, and one whose price nobody knows.
fn priced() -> Value {
    let price = |usd: &str| json!({"prompt": usd, "completion": usd});
    json!([
        {"provider": "gamma", "model": "c", "pricing": price("0.000003")},
        {"provider": "alpha", "model": "a", "pricing": price("0.000001")},
        {"provider": "beta", "model": "b", "pricing": price("0.000002")},
    ])
}

#[test]
fn sorting_by_price_is_strict_whoever_asks_for_it() {
    check(&priced(), &json!({"provider": {"sort": "price"}}), &[A, B, C], &[]);
    let mut document = document(&priced());
    document["routing"]["sort"] = "price".into();
    document["models"][0]["endpoints"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"provider": "alpha", "model": "unpriced"}));
    let config = config(&document);
    for seed in 0..20 {
        let plan = plan_in(&config, &json!({"model": "m"}), &Health::default(), seed);
        assert_eq!(ids(&config, &plan), [A, B, C, "alpha/unpriced"]);
    }
}

#[test]
fn a_sort_may_be_an_object_and_one_without_data_changes_nothing() {
    for sort in [json!({"by": "price"}), json!({"by": "price", "partition": "none"})] {
        check(&priced(), &json!({"provider": {"sort": sort}}), &[A, B, C], &[]);
    }
    for sort in [json!("exacto"), json!({}), json!({"by": null}), json!(null)] {
        check(&priced(), &json!({"provider": {"sort": sort}}), &[C, A, B], &[]);
    }
}

/// How often each endpoint comes first in `draws` draws.
fn first_places(endpoints: &Value, draws: u64) -> HashMap<String, f64> {
    let mut document = document(endpoints);
    document["routing"]["sort"] = "balanced".into();
    let config = config(&document);
    let mut first = HashMap::new();
    for seed in 0..draws {
        let plan = plan_in(&config, &json!({"model": "m"}), &Health::default(), seed);
        assert_eq!(plan.steps.len(), endpoints.as_array().unwrap().len());
        assert_eq!(plan, plan_in(&config, &json!({"model": "m"}), &Health::default(), seed), "the same seed");
        *first.entry(ids(&config, &plan).remove(0)).or_insert(0.0) += 1.0;
    }
    first
}

#[test]
fn balanced_draws_by_the_square_of_the_price() {
    let first = first_places(&priced(), 5_000);
    let share = |id: &str| first[id] / first[C];
    assert!((share(A) - 9.0).abs() < 1.2, "{first:?}");
    assert!((share(B) - 2.25).abs() < 0.35, "{first:?}");
}

#[test]
fn a_weight_multiplies_and_an_unknown_price_is_the_highest_known() {
    let mut endpoints = priced();
    endpoints[0]["weight"] = 9.into();
    endpoints[2].as_object_mut().unwrap().remove("pricing");
    let first = first_places(&endpoints, 5_000);
    assert!((first[C] / first[A] - 1.0).abs() < 0.15, "{first:?}");
    assert!((first[A] / first[B] - 9.0).abs() < 1.5, "{first:?}");
    let free = json!([{"provider": "alpha", "model": "a"}, {"provider": "beta", "model": "b"}]);
    let first = first_places(&free, 2_000);
    assert!((first[A] / first[B] - 1.0).abs() < 0.15, "no price at all: {first:?}");
}

#[test]
fn latency_and_throughput_sort_by_what_was_seen() {
    let config = config(&document(&three()));
    let mut health = Health::default();
    let seen = |ms, speed| Observation {
        first_token: Some(Duration::from_millis(ms)),
        tokens_per_second: Some(speed),
        ..Observation::default()
    };
    health.observe(B, seen(100, 10.0), NOW);
    health.observe(C, seen(50, 5.0), NOW);
    for (sort, expected) in [("latency", [C, B, A]), ("throughput", [B, C, A])] {
        let plan = plan_in(&config, &json!({"model": "m", "provider": {"sort": sort}}), &health, 1);
        assert_eq!(ids(&config, &plan), expected, "{sort}");
    }
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

#[test]
fn trouble_goes_last_within_what_was_asked_and_never_away() {
    // The request's preferences, the configured sort, an outage of alpha, a cooldown of beta; the plan.
    let rows = [
        (json!({}), "price", false, false, [A, B, C]),
        (json!({}), "price", true, false, [B, C, A]),
        (json!({}), "price", false, true, [A, C, B]),
        (json!({}), "price", true, true, [C, A, B]),
        // As written, and as asked: an outage changes nothing.
        (json!({}), "order", true, false, [C, A, B]),
        (json!({}), "order", false, true, [C, A, B]),
        (json!({"sort": "price"}), "order", true, false, [B, C, A]),
        (json!({"order": ["alpha"]}), "price", true, false, [A, B, C]),
        (json!({"order": ["beta", "alpha"]}), "price", false, true, [A, C, B]),
        (json!({"order": ["beta", "alpha"]}), "price", true, true, [A, C, B]),
    ];
    for (preferences, sort, outage, cooldown, expected) in rows {
        let mut document = document(&priced());
        document["routing"]["sort"] = sort.into();
        let config = config(&document);
        let body = json!({"model": "m", "provider": preferences});
        let plan = plan_in(&config, &body, &troubled(outage, cooldown), 1);
        assert_eq!(ids(&config, &plan), expected, "{body} {sort} {outage} {cooldown}");
        assert_eq!(plan.dropped, []);
    }
}

#[test]
fn a_plan_never_holds_what_it_dropped_nor_anything_twice_that_was_not_asked_twice() {
    let endpoints = json!([
        {"provider": "alpha", "model": "a", "tag": "eu", "context_length": 100, "supported_parameters": ["tools"]},
        {"provider": "alpha", "model": "a", "quantization": "fp8", "pricing": {"prompt": "0.000001"}},
        {"provider": "beta", "model": "b", "supported_parameters": ["response_format", "seed"]},
        {"provider": "gamma", "model": "c", "max_completion_tokens": 5, "weight": 3},
        {"provider": "keyless", "model": "k"},
    ]);
    let preferences = [
        json!({"only": ["alpha", "Beta"]}),
        json!({"ignore": ["alpha/eu"], "allow_fallbacks": false}),
        json!({"order": ["gamma", "beta"], "sort": "price"}),
        json!({"zdr": true, "require_parameters": true}),
        json!({"quantizations": ["fp8"], "max_price": {"prompt": 1}}),
        json!({"data_collection": "deny", "sort": "latency"}),
        json!({"sort": {"by": "price", "partition": "none"}, "preferred_max_latency": {"p90": 0.1}}),
        json!({"sort": {"by": "exacto", "partition": "none"}, "only": ["alpha", "gamma"]}),
    ];
    let mut random = Random::new(7);
    for seed in 0..3_000 {
        let mut document = document(&endpoints);
        document["routing"]["sort"] = ["order", "price", "balanced", "throughput"][random.below(4)].into();
        document["routing"]["max_attempts"] = (1 + random.below(8)).into();
        let config = config(&document);
        let first = ["m", "x/other", "wild/z"][random.below(3)];
        let mut body = json!({"models": [first, "x/other"]});
        body["provider"] = preferences[random.below(preferences.len())].clone();
        if random.below(2) == 0 {
            body["tools"] = json!([{}]);
        }
        if random.below(2) == 0 {
            body["max_tokens"] = random.below(150).into();
        }
        let health = troubled(random.below(2) == 0, random.below(2) == 0);
        let plan = plan_in(&config, &body, &health, seed);
        let steps = ids(&config, &plan);
        let (mut all, kept) = (steps.clone(), steps.len());
        all.extend(plan.dropped.iter().map(|drop| drop.endpoint.clone()));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "{body}: each endpoint once, in the plan or dropped: {plan:?}");
        assert!(kept <= config.routing.max_attempts);
        assert_eq!(plan.seed, seed);
        assert_eq!(plan, plan_in(&config, &body, &health, seed));
    }
}

#[test]
fn a_model_asked_for_twice_is_planned_twice_under_either_name() {
    let config = config(&document(&three()));
    let plan = plan_in(&config, &json!({"models": ["x/m", "m"]}), &Health::default(), 1);
    assert_eq!(ids(&config, &plan), [A, B, C, A, B, C]);
}

/// Model `x/m` at three providers and `x/n` at two, with prices per million tokens.
fn two_models() -> Value {
    let offer = |provider: &str, model: &str, usd: &str| json!({"provider": provider, "model": model, "pricing": {"prompt": usd, "completion": usd}});
    let mut document = document(&json!([
        offer("alpha", "a", "0.000003"),
        offer("beta", "b", "0.000001"),
        offer("gamma", "c", "0.000005"),
    ]));
    let other = json!({"id": "x/n", "endpoints": [offer("alpha", "na", "0.000002"), offer("gamma", "nc", "0")]});
    document["models"].as_array_mut().unwrap().push(other);
    document
}

#[test]
fn without_partition_one_order_holds_over_all_models() {
    let config = config(&two_models());
    let (na, nc) = ("alpha/na", "gamma/nc");
    let rows = [
        (json!({"sort": "price"}), [B, A, C, nc, na]),
        (json!({"sort": {"by": "price", "partition": "model"}}), [B, A, C, nc, na]),
        (json!({"sort": {"by": "price", "partition": "none"}}), [nc, B, na, A, C]),
        (json!({"sort": {"partition": "none"}}), [A, B, C, na, nc]),
        (json!({"sort": {"by": "price", "partition": "none"}, "order": ["gamma"]}), [nc, C, B, na, A]),
        (json!({"order": ["gamma"]}), [C, A, B, nc, na]),
    ];
    for (preferences, expected) in rows {
        let body = json!({"models": ["x/m", "x/n"], "provider": preferences});
        assert_eq!(ids(&config, &plan_in(&config, &body, &Health::default(), 1)), expected, "{body}");
    }
    let body = json!({"models": ["x/m", "x/n"], "provider": {"sort": "price"}, "route": "sort"});
    let plan = plan_in(&config, &body, &Health::default(), 1);
    assert_eq!(ids(&config, &plan), [nc, B, na, A, C]);
    let models: Vec<_> = plan.steps.iter().map(|step| step.model_id(&config)).collect();
    assert_eq!(models, ["x/n", "x/m", "x/n", "x/m", "x/m"]);
}

#[test]
fn variants_ask_for_an_order_or_for_what_is_free() {
    let config = config(&two_models());
    let mut health = Health::default();
    let failed = Observation { failed: true, ..Observation::default() };
    let fast = |speed| Observation { tokens_per_second: Some(speed), ..Observation::default() };
    health.observe(C, fast(50.0), NOW);
    health.observe(A, fast(20.0), NOW);
    health.observe(C, failed, NOW);
    let rows: [(&str, Value, &[&str]); 7] = [
        ("x/m:nitro", json!({}), &[C, A, B]),
        ("x/m:floor", json!({}), &[B, A, C]),
        ("x/m:exacto", json!({}), &[A, B, C]),
        ("m:floor", json!({"sort": "throughput"}), &[C, A, B]),
        ("x/m:nitro", json!({"order": ["beta"]}), &[B, C, A]),
        ("x/n:free", json!({}), &["gamma/nc"]),
        ("x/m:free", json!({}), &[]),
    ];
    for (model, preferences, expected) in rows {
        let plan = plan_in(&config, &json!({"model": model, "provider": preferences}), &health, 1);
        assert_eq!(ids(&config, &plan), expected, "{model} {preferences}");
    }
    let plan = plan_in(&config, &json!({"model": "x/n:free"}), &health, 1);
    assert_eq!(plan.dropped[0].reason, Reason::NotFree);
}

#[test]
fn a_preferred_speed_moves_endpoints_last_and_never_away() {
    let config = config(&document(&three()));
    let mut health = Health::default();
    let seen = |ms, speed| Observation {
        first_token: Some(Duration::from_millis(ms)),
        tokens_per_second: Some(speed),
        ..Observation::default()
    };
    for slow in [false, false, false, true] {
        health.observe(A, seen(if slow { 9_000 } else { 500 }, if slow { 1.0 } else { 100.0 }), NOW);
        health.observe(B, seen(2_000, 40.0), NOW);
    }
    let rows = [
        (json!({"preferred_max_latency": 1}), [A, C, B]),
        (json!({"preferred_max_latency": {"p50": 1}}), [A, C, B]),
        (json!({"preferred_max_latency": {"p90": 5}}), [B, C, A]),
        (json!({"preferred_max_latency": {"p50": 1, "p90": 5}}), [C, A, B]),
        (json!({"preferred_max_latency": {"p50": 0.1}, "allow_fallbacks": true}), [C, A, B]),
        (json!({"preferred_min_throughput": 50}), [A, C, B]),
        (json!({"preferred_min_throughput": {"p75": 50}}), [A, C, B]),
        (json!({"preferred_min_throughput": {"p99": 10}}), [B, C, A]),
        (json!({"preferred_min_throughput": 50, "order": ["beta"]}), [B, A, C]),
    ];
    for (preferences, expected) in rows {
        let plan = plan_in(&config, &json!({"model": "m", "provider": preferences}), &health, 1);
        assert_eq!(
            (ids(&config, &plan), plan.dropped.len()),
            (expected.map(str::to_owned).to_vec(), 0),
            "{preferences}"
        );
    }
}

#[test]
fn only_distillable_models_may_be_asked_for_by_name() {
    let body = json!({"provider": {"enforce_distillable_text": true}});
    let no = Reason::Distillable;
    check(&three(), &body, &[], &[(A, no.clone()), (B, no.clone()), (C, no)]);
    check(&three(), &json!({"provider": {"enforce_distillable_text": false}}), &[A, B, C], &[]);
    let mut document = document(&three());
    document["models"][0]["distillable"] = true.into();
    let config = config(&document);
    let plan = plan_in(&config, &json!({"model": "m", "provider": body["provider"]}), &Health::default(), 1);
    assert_eq!(plan.steps.len(), 3);
}

#[test]
fn audio_has_a_price_bound_where_there_is_audio() {
    let endpoints = json!([
        {"provider": "alpha", "model": "a", "pricing": {"audio": "0.00004"}},
        {"provider": "beta", "model": "b"},
    ]);
    let audio = json!([{"role": "user", "content": [{"type": "input_audio"}]}]);
    let high = Reason::MaxPrice;
    let body = |max: Value, messages: &Value| json!({"messages": messages, "provider": {"max_price": {"audio": max}}});
    check(&endpoints, &body(json!(40), &audio), &[A], &[(B, high.clone())]);
    check(&endpoints, &body(json!(39), &audio), &[], &[(A, high.clone()), (B, high.clone())]);
    check(&endpoints, &body(json!(39), &json!([])), &[B], &[(A, high)]);
}

#[test]
fn a_fallback_model_never_loses_a_capability_in_silence() {
    let mut document = document(&json!([{"provider": "alpha", "model": "a", "supported_parameters": ["tools"]}]));
    document["models"][1]["endpoints"][0]["supported_parameters"] = json!([]);
    let config = config(&document);
    for models in [["x/m", "x/other"], ["x/other", "x/m"]] {
        let plan = plan_in(&config, &json!({"models": models, "tools": [{}]}), &Health::default(), 1);
        assert_eq!(ids(&config, &plan), [A], "{models:?}");
        assert_eq!(plan.dropped[0].reason, Reason::Parameter("tools"));
    }
}

#[test]
fn full_slugs_are_read_without_regard_to_case() {
    let tagged =
        json!([{"provider": "alpha", "model": "a", "tag": "eu"}, {"provider": "alpha", "model": "a", "tag": "us"}]);
    let only = |name: &str| json!({"provider": {"only": [name]}});
    for name in ["alpha/us", "Alpha/US"] {
        check(&tagged, &only(name), &["alpha/a#us"], &[("alpha/a#eu", Reason::Only)]);
    }
    let none = [("alpha/a#eu", Reason::Only), ("alpha/a#us", Reason::Only)];
    for name in ["alphaé/us", "alph", "alpha/", "alpha/u", "alpha/us/x", ""] {
        check(&tagged, &only(name), &[], &none);
    }
}
