//! Service tiers: which requests get to their endpoints, in which order, and what the upstream is
//! told.

use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::catalog::Tier;

const FLEX: &str = "alpha/a#flex";
const PRIORITY: &str = "alpha/a#eu/priority";

/// `alpha` in three tiers, and `beta`, which is the dearest.
fn tiered() -> Value {
    let mut priority = offer("alpha", "a", "0.000008");
    priority["tag"] = "eu/priority".into();
    let mut flex = offer("alpha", "a", "0.000002");
    flex["tag"] = "flex".into();
    json!([offer("beta", "b", "0.000009"), priority, offer("alpha", "a", "0.000004"), flex])
}

/// Plans a body with these members; then come the expected steps, and what was dropped, without the
/// tiers that were not asked for.
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
    for tier in
        [json!(null), json!("auto"), json!("default"), json!("scale"), json!("ultrafast"), json!(7)]
    {
        check_tiers("x/m", &json!({"service_tier": tier}), &[B, A], &[]);
    }
    // A variant admits tiers to the plan, but where they come in it depends on the sort.
    check_tiers("x/m:floor", &json!({}), &[FLEX, A, B], &[]);
    check_tiers("x/m:nitro", &json!({}), &[B, PRIORITY, A], &[]);
    check_tiers("x/m:exacto", &json!({}), &[B, A], &[]);
    check_tiers("x/m:floor", &preferring(json!({"sort": "throughput"})), &[B, A, FLEX], &[]);
    check_tiers("x/m:floor", &json!({"service_tier": "default"}), &[A, B], &[]);
    check_tiers("x/m:floor", &preferring(json!({"order": ["alpha"]})), &[A, B], &[]);
    check_tiers("x/m:floor", &preferring(json!({"order": []})), &[FLEX, A, B], &[]);
    check_tiers(
        "x/m:nitro",
        &preferring(json!({"only": ["alpha"]})),
        &[PRIORITY, A],
        &[(B, Reason::Only), (FLEX, Reason::Only)],
    );
    check_tiers("x/m", &preferring(json!({"sort": "price"})), &[A, B], &[]);
}

#[test]
fn a_base_slug_never_means_a_tier_and_a_full_one_does() {
    for name in ["alpha", "Alpha AI", "ALPHA"] {
        let out = [(B, Reason::Only), (PRIORITY, Reason::Only), (FLEX, Reason::Only)];
        check_tiers("x/m", &preferring(json!({"only": [name]})), &[A], &out);
        check_tiers("x/m", &preferring(json!({"order": [name]})), &[A, B], &[]);
    }
    check_tiers("x/m", &preferring(json!({"order": ["alpha/flex", "alpha"]})), &[FLEX, A, B], &[]);
    check_tiers("x/m", &preferring(json!({"order": ["alpha", "alpha/flex"]})), &[A, FLEX, B], &[]);
    check_tiers(
        "x/m",
        &preferring(json!({"only": ["alpha/eu/priority"]})),
        &[PRIORITY],
        &[(B, Reason::Only), (A, Reason::Only), (FLEX, Reason::Only)],
    );
    // A request that ignores a provider ignores its tiers as well.
    let out = [(PRIORITY, Reason::Ignore), (A, Reason::Ignore), (FLEX, Reason::Ignore)];
    check_tiers("x/m:floor", &preferring(json!({"ignore": ["alpha"]})), &[B], &out);
    check_tiers(
        "x/m:floor",
        &preferring(json!({"ignore": ["alpha/flex"]})),
        &[A, B],
        &[(FLEX, Reason::Ignore)],
    );
}

#[test]
fn priority_goes_first_and_flex_goes_alone() {
    for name in ["priority", "fast"] {
        let rows: [(&str, Value, &[&str]); 5] = [
            ("x/m", json!({}), &[PRIORITY, B, A]),
            ("x/m", json!({"sort": "price"}), &[PRIORITY, A, B]),
            ("x/m", json!({"order": ["beta"]}), &[B, PRIORITY, A]),
            ("x/m", json!({"order": ["alpha"]}), &[PRIORITY, A, B]),
            ("x/m:floor", json!({}), &[PRIORITY, FLEX, A, B]),
        ];
        for (model, preferences, steps) in rows {
            let body = json!({"service_tier": name, "provider": preferences});
            check_tiers(model, &body, steps, &[]);
        }
    }
    let flex = json!({"service_tier": "flex"});
    check_tiers("x/m", &flex, &[FLEX], &[(B, Reason::NotFlex), (A, Reason::NotFlex)]);
    let none_left = json!({"service_tier": "flex", "provider": {"only": ["beta"]}});
    let out =
        [(B, Reason::NotFlex), (PRIORITY, Reason::Only), (A, Reason::Only), (FLEX, Reason::Only)];
    check_tiers("x/m", &none_left, &[], &out);
    // Where no endpoint has the tier, the request is planned like any other.
    for name in ["flex", "priority"] {
        check(&three(), &json!({"service_tier": name}), &[A, B, C], &[]);
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

/// What the upstreams of a plan are told as their tier.
fn told_tiers(endpoints: &Value, model: &str, tier: Value) -> Vec<Option<&'static str>> {
    let config = config(&document(endpoints));
    let body = json!({"model": model, "service_tier": tier});
    let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
    let plan = plan_in(&config, &body, &Health::default(), 1);
    plan.steps.iter().map(|step| step.target(&config, &request).unwrap().service_tier).collect()
}

#[test]
fn an_upstream_is_told_the_tier_of_its_endpoint() {
    let (tiered, three) = (tiered(), three());
    let (flex, priority, default) = (Some("flex"), Some("priority"), Some("default"));
    let rows: [(&Value, &str, Value, &[Option<&str>]); 7] = [
        (&tiered, "x/m", json!("fast"), &[priority, default, default]),
        (&tiered, "x/m", json!("flex"), &[flex]),
        (&tiered, "x/m:floor", json!(null), &[flex, None, None]),
        (&tiered, "x/m", json!("auto"), &[None, None]),
        (&tiered, "x/m", json!("default"), &[None, None]),
        // Without tiers in the document the upstream gets the tier that the client names, in
        // OpenAI's spelling.
        (&three, "x/m", json!("flex"), &[None; 3]),
        (&three, "x/m", json!("fast"), &[priority; 3]),
    ];
    for (endpoints, model, tier, expected) in rows {
        assert_eq!(told_tiers(endpoints, model, tier.clone()), expected, "{model} {tier}");
    }
    let drop = Reason::Tier(Tier::Flex);
    assert_eq!(drop.to_string(), "service tier flex was not asked for");
}
