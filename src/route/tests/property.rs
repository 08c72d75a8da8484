//! What holds for every plan.

use serde_json::json;
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
