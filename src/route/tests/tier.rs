//! Service tiers: who gets to their endpoints, in which order, and what the upstream is told.

use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::catalog::Tier;

const FLEX: &str = "alpha/a#flex";
const PRIORITY: &str = "alpha/a#eu/priority";

/// `alpha` in three tiers, and `beta`, which is the dearest.
fn tiered() -> Value {
    let offer = |provider: &str, tag: Value, usd: &str| {
        let price = json!({"prompt": usd, "completion": usd});
        json!({"provider": provider, "model": if provider == "alpha" { "a" } else { "b" }, "tag": tag, "pricing": price})
    };
    json!([
        offer("beta", Value::Null, "0.000009"),
        offer("alpha", json!("eu/priority"), "0.000008"),
        offer("alpha", Value::Null, "0.000004"),
        offer("alpha", json!("flex"), "0.000002"),
    ])
}

/// The body's members; the steps, and what was dropped besides tiers that were not asked for.
#[track_caller]
fn check_tiers(model: &str, body: &Value, steps: &[&str], dropped: &[(&str, Reason)]) {
    let config = config(&document(&tiered()));
    let mut body = body.clone();
    body["model"] = model.into();
    let plan = plan_in(&config, &body, &Health::default(), 1);
    assert_eq!(ids(&config, &plan), steps, "{body}");
    let told = plan.dropped.iter().filter(|drop| !matches!(drop.reason, Reason::Tier(_)));
    let told: Vec<_> = told.map(|drop| (drop.endpoint.as_str(), drop.reason.clone())).collect();
    assert_eq!(told, dropped, "{body}");
    assert_eq!(plan.steps.len() + plan.dropped.len(), 4, "{body}");
}

#[test]
fn a_tier_is_for_those_who_ask_for_it() {
    let by = |provider: Value| json!({ "provider": provider });
    for tier in
        [json!(null), json!("auto"), json!("default"), json!("scale"), json!("ultrafast"), json!(7)]
    {
        check_tiers("x/m", &json!({"service_tier": tier}), &[B, A], &[]);
    }
    // Variants admit, and what they admit must win the sort.
    check_tiers("x/m:floor", &json!({}), &[FLEX, A, B], &[]);
    check_tiers("x/m:nitro", &json!({}), &[B, PRIORITY, A], &[]);
    check_tiers("x/m:exacto", &json!({}), &[B, A], &[]);
    check_tiers("x/m:floor", &by(json!({"sort": "throughput"})), &[B, A, FLEX], &[]);
    check_tiers("x/m:floor", &json!({"service_tier": "default"}), &[A, B], &[]);
    check_tiers("x/m:floor", &by(json!({"order": ["alpha"]})), &[A, B], &[]);
    check_tiers("x/m:floor", &by(json!({"order": []})), &[FLEX, A, B], &[]);
    check_tiers(
        "x/m:nitro",
        &by(json!({"only": ["alpha"]})),
        &[PRIORITY, A],
        &[(B, Reason::Only), (FLEX, Reason::Only)],
    );
    check_tiers("x/m", &by(json!({"sort": "price"})), &[A, B], &[]);
}

#[test]
fn a_base_slug_never_means_a_tier_and_a_full_one_does() {
    let by = |provider: Value| json!({ "provider": provider });
    for name in ["alpha", "Alpha AI", "ALPHA"] {
        let out = [(B, Reason::Only), (PRIORITY, Reason::Only), (FLEX, Reason::Only)];
        check_tiers("x/m", &by(json!({"only": [name]})), &[A], &out);
        check_tiers("x/m", &by(json!({"order": [name]})), &[A, B], &[]);
    }
    check_tiers("x/m", &by(json!({"order": ["alpha/flex", "alpha"]})), &[FLEX, A, B], &[]);
    check_tiers("x/m", &by(json!({"order": ["alpha", "alpha/flex"]})), &[A, FLEX, B], &[]);
    check_tiers(
        "x/m",
        &by(json!({"only": ["alpha/eu/priority"]})),
        &[PRIORITY],
        &[(B, Reason::Only), (A, Reason::Only), (FLEX, Reason::Only)],
    );
    // Who wants nothing of a provider wants nothing of its tiers.
    let out = [(PRIORITY, Reason::Ignore), (A, Reason::Ignore), (FLEX, Reason::Ignore)];
    check_tiers("x/m:floor", &by(json!({"ignore": ["alpha"]})), &[B], &out);
    check_tiers(
        "x/m:floor",
        &by(json!({"ignore": ["alpha/flex"]})),
        &[A, B],
        &[(FLEX, Reason::Ignore)],
    );
}

#[test]
fn priority_goes_first_and_flex_goes_alone() {
    let tier = |tier: &str| json!({ "service_tier": tier });
    for name in ["priority", "fast"] {
        check_tiers("x/m", &tier(name), &[PRIORITY, B, A], &[]);
        let mut body = tier(name);
        body["provider"] = json!({"sort": "price"});
        check_tiers("x/m", &body, &[PRIORITY, A, B], &[]);
        body["provider"] = json!({"order": ["beta"]});
        check_tiers("x/m", &body, &[B, PRIORITY, A], &[]);
        body["provider"] = json!({"order": ["alpha"]});
        check_tiers("x/m", &body, &[PRIORITY, A, B], &[]);
        check_tiers("x/m:floor", &tier(name), &[PRIORITY, FLEX, A, B], &[]);
    }
    check_tiers("x/m", &tier("flex"), &[FLEX], &[(B, Reason::NotFlex), (A, Reason::NotFlex)]);
    let mut none_left = tier("flex");
    none_left["provider"] = json!({"only": ["beta"]});
    let out =
        [(B, Reason::NotFlex), (PRIORITY, Reason::Only), (A, Reason::Only), (FLEX, Reason::Only)];
    check_tiers("x/m", &none_left, &[], &out);
    // Where nobody has the tier, the request runs as any other.
    for name in ["flex", "priority"] {
        check(&three(), &tier(name), &[A, B, C], &[]);
    }
}

#[test]
fn within_the_priority_tier_the_fastest_goes_first_and_trouble_last_of_all() {
    let mut endpoints = tiered();
    endpoints
        .as_array_mut()
        .unwrap()
        .push(json!({"provider": "gamma", "model": "c", "tag": "priority"}));
    let config = config(&document(&endpoints));
    let body = json!({"model": "x/m", "service_tier": "priority"});
    let mut health = Health::default();
    let fast = Observation { tokens_per_second: Some(50.0), ..Observation::default() };
    health.observe("gamma/c#priority", fast, NOW);
    assert_eq!(
        ids(&config, &plan_in(&config, &body, &health, 1)),
        ["gamma/c#priority", PRIORITY, B, A]
    );
    let failed = Observation {
        retry_after: Some(Duration::from_secs(9)),
        failed: true,
        ..Observation::default()
    };
    health.observe("gamma/c#priority", failed, NOW);
    assert_eq!(
        ids(&config, &plan_in(&config, &body, &health, 1)),
        [PRIORITY, B, A, "gamma/c#priority"]
    );
}

#[test]
fn an_upstream_is_told_the_tier_of_its_endpoint() {
    let told = |endpoints: &Value, model: &str, tier: Value| {
        let config = config(&document(endpoints));
        let body = json!({"model": model, "service_tier": tier});
        let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
        let plan = plan_in(&config, &body, &Health::default(), 1);
        let targets =
            plan.steps.iter().map(|step| step.target(&config, &request).unwrap().service_tier);
        targets.collect::<Vec<_>>()
    };
    let default = Some("default");
    assert_eq!(told(&tiered(), "x/m", json!("fast")), [Some("priority"), default, default]);
    assert_eq!(told(&tiered(), "x/m", json!("flex")), [Some("flex")]);
    assert_eq!(told(&tiered(), "x/m:floor", json!(null)), [Some("flex"), None, None]);
    assert_eq!(told(&tiered(), "x/m", json!("auto")), [None, None]);
    assert_eq!(told(&tiered(), "x/m", json!("default")), [None, None]);
    // Without tiers in the document the client's word stands, in OpenAI's spelling.
    assert_eq!(told(&three(), "x/m", json!("flex")), [None; 3]);
    assert_eq!(told(&three(), "x/m", json!("fast")), [Some("priority"); 3]);
    let drop = Reason::Tier(Tier::Flex);
    assert_eq!(drop.to_string(), "service tier flex was not asked for");
}
