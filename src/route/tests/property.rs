//! What holds for every plan.

use std::collections::HashMap;

use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::wire::split::Random;

/// Endpoints that differ in what filters look at.
fn varied() -> Value {
    json!([
        {
            "provider": "alpha",
            "model": "a",
            "tag": "eu",
            "context_length": 100,
            "supported_parameters": ["tools"],
        },
        {
            "provider": "alpha",
            "model": "a",
            "quantization": "fp8",
            "pricing": {"prompt": "0.000001"},
        },
        {"provider": "beta", "model": "b", "supported_parameters": ["response_format", "seed"]},
        {"provider": "gamma", "model": "c", "max_completion_tokens": 5, "weight": 3},
        {"provider": "keyless", "model": "k"},
    ])
}

fn varied_body(random: &mut Random) -> Value {
    let preferences = [
        json!({"only": ["alpha", "Beta"]}),
        json!({"ignore": ["alpha/eu"], "allow_fallbacks": false}),
        json!({"order": ["gamma", "beta"], "sort": "price"}),
        json!({"zdr": true, "require_parameters": true}),
        json!({"quantizations": ["fp8"], "max_price": {"prompt": 1}}),
        json!({"data_collection": "deny", "sort": "latency"}),
        json!({
            "sort": {"by": "price", "partition": "none"},
            "preferred_max_latency": {"p90": 0.1},
        }),
        json!({"sort": {"by": "exacto", "partition": "none"}, "only": ["alpha", "gamma"]}),
    ];
    let first = ["m", "x/other", "wild/z"][random.below(3)];
    let provider = any(random, &preferences);
    let mut body = json!({"models": [first, "x/other"], "provider": provider});
    if random.below(2) == 0 {
        body["tools"] = json!([{}]);
    }
    if random.below(2) == 0 {
        body["max_tokens"] = random.below(150).into();
    }
    body
}

#[test]
fn a_plan_never_holds_what_it_dropped_nor_anything_twice_that_was_not_asked_twice() {
    let mut random = Random::new(7);
    for seed in 0..3_000 {
        let mut document = document(&varied());
        document["routing"]["sort"] =
            any(&mut random, &["order", "price", "balanced", "throughput"]).into();
        document["routing"]["max_attempts"] = (1 + random.below(8)).into();
        let config = config(&document);
        let body = varied_body(&mut random);
        let health = troubled(random.below(2) == 0, random.below(2) == 0);
        let plan = plan_in(&config, &body, &health, seed);
        let mut all = ids(&config, &plan);
        all.extend(plan.dropped.iter().map(|drop| drop.endpoint.clone()));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(
            all.len(),
            count,
            "{body}: each endpoint once, in the plan or dropped: {plan:?}"
        );
        assert!(plan.steps.len() <= config.routing.max_attempts);
        assert_eq!(plan.seed, seed);
        assert_eq!(plan, plan_in(&config, &body, &health, seed));
    }
}

/// One of the items.
fn any<T: Clone>(random: &mut Random, items: &[T]) -> T {
    items[random.below(items.len())].clone()
}

/// One of the items of a list in JSON.
fn any_of(random: &mut Random, list: Value) -> Value {
    any(random, list.as_array().unwrap())
}

/// Up to four endpoints with whatever an endpoint may have. Prices are whole micro-dollars.
fn random_endpoints(random: &mut Random, model: &str) -> Value {
    let count = 1 + random.below(4);
    (0..count).map(|index| random_endpoint(random, &format!("{model}-{index}"))).collect()
}

fn random_endpoint(random: &mut Random, model: &str) -> Value {
    let prices = json!([null, "0", "0.000001", "0.000004"]);
    let overrides = json!([
        [],
        [{"min_prompt_tokens": 100, "prompt": "0.000003"}],
        [{"utc_start": "0700", "utc_end": "0900", "prompt": "0.000002", "completion": "0"}],
    ]);
    let mut endpoint = json!({"model": model});
    for (name, values) in [
        ("provider", json!(["alpha", "beta", "gamma", "keyless"])),
        ("tag", json!([null, "eu", "flex", "eu/priority"])),
        ("overrides", overrides),
        ("quantization", json!(["unknown", "fp8", "mxfp8", "int4"])),
        ("context_length", json!([null, 40, 400])),
        ("max_completion_tokens", json!([null, 30])),
        ("supported_parameters", json!([null, [], ["tools", "max_tokens"]])),
        ("data_policy", json!([{}, {"trains": false}, {"trains": false, "retains": false}])),
    ] {
        endpoint[name] = any_of(random, values);
    }
    endpoint["pricing"] = json!({
        "prompt": any_of(random, prices.clone()),
        "completion": any_of(random, prices),
    });
    endpoint
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
            provider[name] = any_of(random, values);
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
            body[name] = any_of(random, values);
        }
    }
    body
}

/// An endpoint of a model that a request asks for by `name`: all that a hard filter looks at, told
/// from the two documents alone.
struct Candidate<'a> {
    model: &'a Value,
    endpoint: &'a Value,
    body: &'a Value,
    name: &'a str,
    /// How many tokens the input has at least, and by estimate.
    tokens: (u64, u64),
}

impl Candidate<'_> {
    fn is_forbidden(&self) -> bool {
        self.provider() == "keyless"
            || self.is_unwanted()
            || self.is_of_another_tier()
            || self.costs_too_much()
            || self.does_too_much_with_data()
            || self.is_too_coarse()
            || self.is_too_small()
            || self.cannot_do_it()
    }

    fn preference(&self, name: &str) -> &Value {
        &self.body["provider"][name]
    }

    fn provider(&self) -> &str {
        self.endpoint["provider"].as_str().unwrap()
    }

    fn tag(&self) -> &str {
        self.endpoint["tag"].as_str().unwrap_or_default()
    }

    /// Whether a list of preferences has the full slug.
    fn has_slug(&self, list: &str) -> bool {
        is_listed(self.preference(list), &format!("{}/{}", self.provider(), self.tag()))
    }

    fn is_unwanted(&self) -> bool {
        let only = self.preference("only");
        let is_only =
            self.has_slug("only") || self.is_of_asked_tier() && is_listed(only, self.provider());
        only.is_array() && !is_only
            || is_listed(self.preference("ignore"), self.provider())
            || self.has_slug("ignore")
    }

    fn service_tier(&self) -> &str {
        match self.body["service_tier"].as_str() {
            Some("fast") => "priority",
            other => other.unwrap_or_default(),
        }
    }

    /// Whether the endpoint has no tier, or the one that is asked for or that the variant admits.
    fn is_of_asked_tier(&self) -> bool {
        let last = self.tag().rsplit('/').next().unwrap_or_default();
        if !["flex", "priority"].contains(&last) {
            return true;
        }
        let admits = match self.name.rsplit(':').next() {
            Some("floor") => "flex",
            Some("nitro") => "priority",
            _ => "none",
        };
        let is_ordered = self.preference("order").as_array().is_some_and(|order| !order.is_empty());
        last == self.service_tier()
            || !is_ordered && self.service_tier() != "default" && last == admits
    }

    fn is_of_another_tier(&self) -> bool {
        let siblings = self.model["endpoints"].as_array().unwrap();
        let is_named = self.has_slug("order") || self.has_slug("only");
        !self.is_of_asked_tier() && !is_named
            || self.service_tier() == "flex"
                && self.endpoint["tag"] != "flex"
                && siblings.iter().any(|endpoint| endpoint["tag"] == "flex")
    }

    /// What a token costs in micro-dollars: the request comes at eight o'clock.
    fn price(&self, key: &str) -> Option<u64> {
        let mut price = &self.endpoint["pricing"][key];
        for change in self.endpoint["overrides"].as_array().unwrap() {
            let (_, estimate) = self.tokens;
            if change["min_prompt_tokens"].as_u64().is_none_or(|tokens| estimate > tokens) {
                price = change.get(key).unwrap_or(price);
            }
        }
        price.as_str().map(|price| (price.parse::<f64>().unwrap() * 1e6).round() as u64)
    }

    fn costs_too_much(&self) -> bool {
        let is_free = ["prompt", "completion"].iter().all(|key| self.price(key) == Some(0));
        self.name.ends_with(":free") && !is_free
            || ["prompt", "completion"].iter().any(|key| {
                let max = &self.preference("max_price")[key];
                let max = max.as_u64().or_else(|| max.as_str().map(|max| max.parse().unwrap()));
                max.is_some_and(|max| self.price(key).is_none_or(|price| price > max))
            })
    }

    fn does_too_much_with_data(&self) -> bool {
        // What the document does not say of an endpoint's policy, it says of its provider's.
        let (trains, retains) = match self.provider() {
            "alpha" => (false, false),
            "beta" => (false, true),
            _ => (true, true),
        };
        let policy = &self.endpoint["data_policy"];
        let trains = policy["trains"].as_bool().unwrap_or(trains);
        let retains = policy["retains"].as_bool().unwrap_or(retains);
        self.preference("data_collection") == "deny" && trains
            || self.preference("zdr") == true && retains
            || self.preference("enforce_distillable_text") == true
                && self.model["distillable"] != true
    }

    fn is_too_coarse(&self) -> bool {
        let quantization = self.endpoint["quantization"].as_str().unwrap();
        let width = if quantization == "mxfp8" { "fp8" } else { quantization };
        let asked = self.preference("quantizations");
        asked.is_array() && ![quantization, width].iter().any(|name| is_listed(asked, name))
    }

    fn is_too_small(&self) -> bool {
        let output = self.body["max_tokens"].as_u64().unwrap_or(0);
        let (least, _) = self.tokens;
        self.endpoint["max_completion_tokens"].as_u64().is_some_and(|most| output > most)
            || self.endpoint["context_length"].as_u64().is_some_and(|most| least + output > most)
    }

    fn cannot_do_it(&self) -> bool {
        let supported = &self.endpoint["supported_parameters"];
        let lacks_one = ["tools", "max_tokens"].iter().any(|parameter| {
            self.body.get(parameter).is_some()
                && supported.is_array()
                && !is_listed(supported, parameter)
        });
        self.preference("require_parameters") == true && lacks_one
            || self.body.get("messages").is_some() && self.model["input_modalities"].is_array()
    }
}

fn is_listed(list: &Value, wanted: &str) -> bool {
    list.as_array().is_some_and(|list| {
        list.iter().any(|name| name.as_str().unwrap().eq_ignore_ascii_case(wanted))
    })
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
                let candidate = Candidate { model, endpoint, body: &body, name, tokens };
                let must_go = candidate.is_forbidden();
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
    let [provider, model, tag] =
        ["provider", "model", "tag"].map(|key| endpoint[key].as_str().unwrap_or_default());
    let hash = if tag.is_empty() { "" } else { "#" };
    format!("{provider}/{model}{hash}{tag}")
}
