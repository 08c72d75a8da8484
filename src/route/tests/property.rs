//! What holds for every plan.

use std::collections::HashMap;

use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::wire::split::Random;

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
        document["routing"]["sort"] =
            ["order", "price", "balanced", "throughput"][random.below(4)].into();
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
        assert_eq!(
            all.len(),
            count,
            "{body}: each endpoint once, in the plan or dropped: {plan:?}"
        );
        assert!(kept <= config.routing.max_attempts);
        assert_eq!(plan.seed, seed);
        assert_eq!(plan, plan_in(&config, &body, &health, seed));
    }
}

/// One of these.
fn any<T: Clone>(random: &mut Random, items: &[T]) -> T {
    items[random.below(items.len())].clone()
}

/// Up to four endpoints with whatever an endpoint may have. Prices are whole micro-dollars.
fn random_endpoints(random: &mut Random, model: &str) -> Value {
    let names = ["alpha", "beta", "gamma", "keyless"];
    let count = 1 + random.below(4);
    let endpoints = (0..count).map(|index| {
        let price = |random: &mut Random| any(random, &[json!(null), json!("0"), json!("0.000001"), json!("0.000004")]);
        json!({
            "provider": any(random, &names),
            "model": format!("{model}-{index}"),
            "tag": any(random, &[json!(null), json!("eu"), json!("flex"), json!("eu/priority")]),
            "pricing": {"prompt": price(random), "completion": price(random)},
            "overrides": any(random, &[
                json!([]),
                json!([{"min_prompt_tokens": 100, "prompt": "0.000003"}]),
                json!([{"utc_start": "0700", "utc_end": "0900", "prompt": "0.000002", "completion": "0"}]),
            ]),
            "quantization": any(random, &["unknown", "fp8", "mxfp8", "int4"]),
            "context_length": any(random, &[json!(null), json!(40), json!(400)]),
            "max_completion_tokens": any(random, &[json!(null), json!(30)]),
            "supported_parameters": any(random, &[json!(null), json!([]), json!(["tools", "max_tokens"])]),
            "data_policy": any(random, &[json!({}), json!({"trains": false}), json!({"trains": false, "retains": false})]),
        })
    });
    endpoints.collect()
}

fn random_document(random: &mut Random) -> Value {
    let mut document = document(&random_endpoints(random, "m"));
    document["models"][0]["input_modalities"] = any(random, &[json!(null), json!(["text"])]);
    document["models"][0]["distillable"] = any(random, &[json!(true), json!(false)]);
    document["models"][1]["endpoints"] = random_endpoints(random, "other");
    document["routing"]["sort"] = any(random, &["order", "price", "balanced", "latency"]).into();
    document["routing"]["max_attempts"] = 20.into();
    document
}

fn random_request(random: &mut Random) -> Value {
    let mut provider = json!({});
    for (name, values) in [
        ("only", json!([["alpha", "beta"], ["alpha/flex", "Beta"], ["gamma"]])),
        ("ignore", json!([["alpha"], ["alpha/eu", "beta/flex"]])),
        ("order", json!([["beta"], ["alpha/eu/priority", "gamma"], []])),
        ("sort", json!(["price", "throughput", {"partition": "none"}])),
        ("data_collection", json!(["deny", "allow"])),
        ("zdr", json!([true, false])),
        ("enforce_distillable_text", json!([true])),
        ("require_parameters", json!([true, false])),
        ("quantizations", json!([["fp8"], ["unknown", "int4"]])),
        ("max_price", json!([{"prompt": 2}, {"prompt": "3", "completion": 1}])),
    ] {
        if random.below(6) == 0 {
            provider[name] = any(random, values.as_array().unwrap());
        }
    }
    let variant = any(random, &["", "", "", ":free", ":floor", ":nitro"]);
    let mut body = json!({"models": [format!("x/m{variant}"), "x/other"], "provider": provider});
    for (name, values) in [
        ("service_tier", json!(["flex", "priority", "fast", "default", "auto"])),
        ("tools", json!([[{}]])),
        ("max_tokens", json!([20, 35, 380])),
        ("prompt", json!(["short", "x".repeat(900)])),
        ("messages", json!([[{"role": "user", "content": [{"type": "image_url"}]}]])),
    ] {
        if random.below(4) == 0 {
            body[name] = any(random, values.as_array().unwrap());
        }
    }
    body
}

/// What a hard filter must say of an endpoint, told from the two documents alone. `estimate` is the
/// input's tokens.
fn is_forbidden(
    model: &Value,
    endpoint: &Value,
    (body, name): (&Value, &str),
    (least, estimate): (u64, u64),
) -> bool {
    let preferences = &body["provider"];
    let (provider, tag) =
        (endpoint["provider"].as_str().unwrap(), endpoint["tag"].as_str().unwrap_or_default());
    let slug = format!("{provider}/{tag}");
    let listed = |list: &Value, wanted: &str| {
        list.as_array().is_some_and(|list| {
            list.iter().any(|name| name.as_str().unwrap().eq_ignore_ascii_case(wanted))
        })
    };
    let tier = tag.rsplit('/').next().filter(|last| ["flex", "priority"].contains(last));
    let service_tier = match body["service_tier"].as_str() {
        Some("fast") => "priority",
        other => other.unwrap_or_default(),
    };
    let ordered = preferences["order"].as_array().is_some_and(|order| !order.is_empty());
    let admits = if name.ends_with(":floor") {
        "flex"
    } else if name.ends_with(":nitro") {
        "priority"
    } else {
        "none"
    };
    let asked = tier.is_none_or(|tier| {
        tier == service_tier || !ordered && service_tier != "default" && tier == admits
    });
    let is_named = |list: &Value| asked && listed(list, provider) || listed(list, &slug);

    let mut prices = endpoint["pricing"].clone();
    for change in endpoint["overrides"].as_array().unwrap() {
        // It is eight o'clock.
        if change["min_prompt_tokens"].as_u64().is_none_or(|tokens| estimate > tokens) {
            for key in ["prompt", "completion"] {
                prices[key] = change.get(key).unwrap_or(&prices[key]).clone();
            }
        }
    }
    let micro = |price: &Value| {
        price.as_str().map(|price| (price.parse::<f64>().unwrap() * 1e6).round() as u64)
    };
    let too_dear = |key: &str| {
        let bound = &preferences["max_price"][key];
        let bound = bound.as_u64().or_else(|| bound.as_str().map(|bound| bound.parse().unwrap()));
        bound.is_some_and(|bound| micro(&prices[key]).is_none_or(|price| price > bound))
    };
    let quantization = endpoint["quantization"].as_str().unwrap();
    let width = if quantization == "mxfp8" { "fp8" } else { quantization };
    let trains = endpoint["data_policy"]["trains"].as_bool();
    // What is not told of an endpoint its provider tells.
    let (trains, retains) = match provider {
        "alpha" => {
            (trains.unwrap_or(false), endpoint["data_policy"]["retains"].as_bool().unwrap_or(false))
        }
        "beta" => {
            (trains.unwrap_or(false), endpoint["data_policy"]["retains"].as_bool().unwrap_or(true))
        }
        _ => (trains.unwrap_or(true), endpoint["data_policy"]["retains"].as_bool().unwrap_or(true)),
    };
    let output = body["max_tokens"].as_u64();
    let lacks = |parameter: &str| {
        body.get(parameter).is_some()
            && endpoint["supported_parameters"].is_array()
            && !listed(&endpoint["supported_parameters"], parameter)
    };
    let siblings = model["endpoints"].as_array().unwrap();
    let is_flex = |endpoint: &Value| endpoint["tag"] == "flex";
    provider == "keyless"
        || preferences["only"].is_array() && !is_named(&preferences["only"])
        || listed(&preferences["ignore"], provider)
        || listed(&preferences["ignore"], &slug)
        || !asked && !listed(&preferences["order"], &slug) && !listed(&preferences["only"], &slug)
        || service_tier == "flex" && !is_flex(endpoint) && siblings.iter().any(is_flex)
        || name.ends_with(":free")
            && !(micro(&prices["prompt"]) == Some(0) && micro(&prices["completion"]) == Some(0))
        || preferences["data_collection"] == "deny" && trains
        || preferences["zdr"] == true && retains
        || preferences["enforce_distillable_text"] == true && model["distillable"] != true
        || preferences["quantizations"].is_array()
            && ![quantization, width].iter().any(|name| listed(&preferences["quantizations"], name))
        || too_dear("prompt")
        || too_dear("completion")
        || output
            .zip(endpoint["max_completion_tokens"].as_u64())
            .is_some_and(|(output, most)| output > most)
        || endpoint["context_length"]
            .as_u64()
            .is_some_and(|most| least + output.unwrap_or(0) > most)
        || body.get("messages").is_some() && model["input_modalities"].is_array()
        || preferences["require_parameters"] == true && (lacks("tools") || lacks("max_tokens"))
}

#[test]
fn hard_filters_drop_what_they_must_and_nothing_else() {
    let mut random = Random::new(11);
    let (mut kept, mut forbidden) = (0, 0);
    for seed in 0..1_500 {
        let (document, body) = (random_document(&mut random), random_request(&mut random));
        let config = config(&document);
        let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
        let tokens = (request.least_input_tokens(), request.input_estimate());
        let plan = plan_in(&config, &body, &Health::default(), seed);
        assert_eq!(plan, plan_in(&config, &body, &Health::default(), seed), "the same inputs");
        let mut steps = ids(&config, &plan);
        let mut dropped: HashMap<_, _> =
            plan.dropped.into_iter().map(|drop| (drop.endpoint, drop.reason)).collect();
        let models =
            document["models"].as_array().unwrap().iter().zip(body["models"].as_array().unwrap());
        for (model, name) in models {
            for endpoint in model["endpoints"].as_array().unwrap() {
                let (id, name) = (id(endpoint), name.as_str().unwrap());
                let must_go = is_forbidden(model, endpoint, (&body, name), tokens);
                if let Some(step) = steps.iter().position(|step| *step == id) {
                    steps.remove(step);
                    kept += 1;
                    assert!(!must_go, "{id} must go: {body} {endpoint}");
                    continue;
                }
                let reason = dropped
                    .remove(&id)
                    .unwrap_or_else(|| panic!("{id} is neither in nor out: {body}"));
                forbidden += usize::from(must_go);
                // What others support better is out by preference.
                let is_soft = matches!(reason, Reason::Parameter("tools"));
                assert!(must_go || is_soft, "{id} may stay, but {reason}: {body} {endpoint}");
            }
        }
        assert!(
            steps.is_empty() && dropped.is_empty(),
            "nothing is there twice: {steps:?} {dropped:?}"
        );
    }
    assert!(kept > 1_000 && forbidden > 1_000, "{kept} {forbidden}");
}

fn id(endpoint: &Value) -> String {
    let text = |key: &str| endpoint[key].as_str().unwrap_or_default();
    let hash = if endpoint["tag"].is_null() { "" } else { "#" };
    format!("{}/{}{hash}{}", text("provider"), text("model"), text("tag"))
}
