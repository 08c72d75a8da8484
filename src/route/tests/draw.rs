//! The draw by weight 1/price², over many seeds.

use std::collections::HashMap;

use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// How often each endpoint comes first in `draws` draws for an empty request.
fn first_places(endpoints: &Value, draws: u64) -> HashMap<String, f64> {
    first_places_of(&json!({"model": "m"}), endpoints, draws)
}

fn first_places_of(body: &Value, endpoints: &Value, draws: u64) -> HashMap<String, f64> {
    let mut document = document(endpoints);
    document["routing"]["sort"] = "balanced".into();
    let config = config(&document);
    let mut first = HashMap::new();
    for seed in 0..draws {
        let plan = plan_in(&config, body, &Health::default(), seed);
        assert_eq!(plan.steps.len(), endpoints.as_array().unwrap().len());
        assert_eq!(plan, plan_in(&config, body, &Health::default(), seed), "the same seed");
        *first.entry(ids(&config, &plan).remove(0)).or_insert(0.0) += 1.0;
    }
    first
}

#[test]
fn balanced_draws_by_the_square_of_the_price() {
    let first = first_places(&priced(), 5_000);
    assert!((first[A] / first[C] - 9.0).abs() < 1.2, "{first:?}");
    assert!((first[B] / first[C] - 2.25).abs() < 0.35, "{first:?}");
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
fn the_prices_of_the_hour_and_of_the_prompt_weigh_the_draw() {
    // At 8:00 `alpha` costs twice as much as otherwise, and any prompt makes `beta` cost as much as
    // `gamma`.
    let mut endpoints = priced();
    endpoints[1]["overrides"] = json!([
        {"utc_start": "0800", "utc_end": "0801", "prompt": "0.000002", "completion": "0.000002"},
        {"utc_start": "0801", "utc_end": "0800", "prompt": "9", "completion": "9"},
    ]);
    endpoints[2]["overrides"] =
        json!([{"min_prompt_tokens": 0, "prompt": "0.000003", "completion": "0.000003"}]);
    let first = first_places(&endpoints, 5_000);
    assert!((first[A] / first[B] - 1.0).abs() < 0.1, "{first:?}");
    assert!((first[B] / first[C] - 2.25).abs() < 0.3, "{first:?}");
    let first =
        first_places_of(&json!({"model": "m", "prompt": "a few tokens"}), &endpoints, 5_000);
    assert!((first[A] / first[B] - 2.25).abs() < 0.3, "{first:?}");
    assert!((first[B] / first[C] - 1.0).abs() < 0.1, "{first:?}");
}
