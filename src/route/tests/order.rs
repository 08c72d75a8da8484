//! The order of what is left.

use serde_json::json;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn without_wishes_the_configured_order_holds() {
    check(&three(), &json!({}), &[A, B, C], &[]);
    check(&three(), &json!({"provider": null}), &[A, B, C], &[]);
    check(&three(), &json!({"provider": {"unheard_of": 1}}), &[A, B, C], &[]);
}

#[test]
fn an_asked_order_comes_first_and_the_rest_follows() {
    check(&three(), &json!({"provider": {"order": ["gamma"]}}), &[C, A, B], &[]);
    check(
        &three(),
        &json!({"provider": {"order": ["Beta", "nobody", "alpha ai"]}}),
        &[B, A, C],
        &[],
    );
    check(&three(), &json!({"provider": {"order": []}}), &[A, B, C], &[]);
    check(
        &three(),
        &json!({"provider": {"order": ["gamma", "beta"], "allow_fallbacks": false}}),
        &[C],
        &[(B, Reason::AllowFallbacks), (A, Reason::AllowFallbacks)],
    );
    check(
        &regional(),
        &json!({"provider": {"order": ["alpha/us"]}}),
        &["alpha/a#us", "alpha/a#eu"],
        &[],
    );
}

#[test]
fn a_plan_has_at_most_as_many_steps_as_configured() {
    let mut document = document(&three());
    document["routing"]["max_attempts"] = 2.into();
    let config = config(&document);
    let plan = plan_in(&config, &json!({"models": ["x/m", "x/other"]}), &Health::default(), 1);
    assert_eq!(ids(&config, &plan), [A, B]);
    let told: Vec<_> =
        plan.dropped.iter().map(|drop| (drop.endpoint.as_str(), drop.reason.clone())).collect();
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

#[test]
fn latency_and_throughput_sort_by_what_was_seen() {
    let config = config(&document(&three()));
    let mut health = Health::default();
    let seen = Observation::measured;
    health.observe(B, seen(100, 10.0), NOW);
    health.observe(C, seen(50, 5.0), NOW);
    for (sort, expected) in [("latency", [C, B, A]), ("throughput", [B, C, A])] {
        let plan = plan_in(&config, &json!({"model": "m", "provider": {"sort": sort}}), &health, 1);
        assert_eq!(ids(&config, &plan), expected, "{sort}");
    }
}

#[test]
fn trouble_goes_last_within_what_was_asked_and_never_away() {
    // Columns: the request's preferences, the configured sort, whether alpha has an outage and beta
    // a cooldown; the plan.
    let rows = [
        (json!({}), "price", false, false, [A, B, C]),
        (json!({}), "price", true, false, [B, C, A]),
        (json!({}), "price", false, true, [A, C, B]),
        (json!({}), "price", true, true, [C, A, B]),
        // Neither an outage nor a cooldown changes an order that is written in the document.
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
fn a_model_asked_for_twice_is_planned_twice_under_either_name() {
    let config = config(&document(&three()));
    let plan = plan_in(&config, &json!({"models": ["x/m", "m"]}), &Health::default(), 1);
    assert_eq!(ids(&config, &plan), [A, B, C, A, B, C]);
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
        (
            json!({"sort": {"by": "price", "partition": "none"}, "order": ["gamma"]}),
            [nc, C, B, na, A],
        ),
        (json!({"order": ["gamma"]}), [C, A, B, nc, na]),
    ];
    for (preferences, expected) in rows {
        let body = json!({"models": ["x/m", "x/n"], "provider": preferences});
        assert_eq!(
            ids(&config, &plan_in(&config, &body, &Health::default(), 1)),
            expected,
            "{body}"
        );
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
    for (endpoint, speed) in [(C, 50.0), (A, 20.0)] {
        let seen = Observation { tokens_per_second: Some(speed), ..Observation::default() };
        health.observe(endpoint, seen, NOW);
    }
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
    let seen = Observation::measured;
    for slow in [false, false, false, true] {
        health.observe(
            A,
            seen(if slow { 9_000 } else { 500 }, if slow { 1.0 } else { 100.0 }),
            NOW,
        );
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
