//! What recent behaviour does to an order, and how an endpoint gets back into it.

use super::*;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const DRAWS: u64 = 4_000;

/// The three endpoints, ordered as told; `alpha/a` is the cheapest.
fn sorted(sort: &str) -> Config {
    let mut document = document(&priced());
    document["routing"]["sort"] = sort.into();
    config(&document)
}

/// How many of all draws are probes. A probe has the same endpoints as any plan, but the probed one
/// comes first.
fn probes(config: &Config, health: &Health) -> usize {
    (0..DRAWS).filter(|seed| is_probe(config, health, *seed)).count()
}

fn is_probe(config: &Config, health: &Health, seed: u64) -> bool {
    let body = json!({"model": "m"});
    let plan = plan_in(config, &body, health, seed);
    assert_eq!(plan, plan_in(config, &body, health, seed), "the same seed");
    let mut all = ids(config, &plan);
    assert_eq!(all[0] == A, plan.is_probe(), "{all:?}");
    all.sort();
    assert_eq!(all, [A, B, C]);
    plan.is_probe()
}

fn probes_preferring(preferences: &Value, config: &Config, health: &Health) -> usize {
    let body = json!({"model": "m", "provider": preferences});
    (0..DRAWS).filter(|seed| plan_in(config, &body, health, *seed).is_probe()).count()
}

#[test]
fn one_in_twenty_requests_finds_out_if_an_outage_is_over() {
    let share = probes(&sorted("price"), &troubled(true, false)) as f64 / DRAWS as f64;
    assert!((share * 20.0 - 1.0).abs() < 0.2, "{share}");
    // The weights are 1, 1/4 and 1/9.
    let share = probes(&sorted("balanced"), &troubled(true, false)) as f64 / DRAWS as f64;
    assert!(
        (share * 20.0 / (36.0 / 49.0) - 1.0).abs() < 0.2,
        "of those that it would be first for: {share}"
    );
}

#[test]
fn nobody_probes_in_vain() {
    let (config, health) = (sorted("price"), troubled(true, false));
    assert_eq!(plan_in(&config, &json!({"model": "x/other"}), &health, 1).steps.len(), 1);
    for (preferences, why) in [
        (json!({"allow_fallbacks": false}), "nobody could take over"),
        (json!({"only": ["alpha"]}), "nobody else"),
        (json!({"sort": "throughput"}), "it would not be first"),
    ] {
        assert_eq!(probes_preferring(&preferences, &config, &health), 0, "{why}");
    }
    assert!(probes_preferring(&json!({"only": ["alpha", "beta"]}), &config, &health) > 0);
    let mut probing = health.clone();
    probing.begin_probe(A, NOW);
    assert_eq!(probes(&config, &probing), 0, "one is under way");
    probing.observe(
        A,
        Observation {
            failed: true,
            retry_after: Some(Duration::from_secs(9)),
            ..Default::default()
        },
        NOW,
    );
    probing.end_probe(A);
    assert_eq!(probes(&config, &probing), 0, "it wants to be left alone");
    let mut document = document(&priced());
    document["routing"] = json!({"sort": "price", "max_attempts": 1});
    let single = self::config(&document);
    assert_eq!(probes_preferring(&json!({}), &single, &health), 0, "nobody comes after it");
}

#[test]
fn explicit_orders_are_not_probed_because_they_do_not_mind() {
    let health = troubled(true, false);
    for (sort, preferences) in [("order", json!({})), ("price", json!({"order": ["alpha"]}))] {
        let config = sorted(sort);
        let body = json!({"model": "m", "provider": preferences});
        assert!((0..200).all(|seed| !plan_in(&config, &body, &health, seed).is_probe()), "{body}");
    }
}

#[test]
fn worse_percentages_go_after_better_ones() {
    let mut health = Health::default();
    let failed = Observation { failed: true, ..Observation::default() };
    for (endpoint, failures) in [(A, 30), (B, 10), (C, 5)] {
        let earlier = NOW - Duration::from_secs(100);
        (0..failures).for_each(|_| health.observe(endpoint, failed, earlier));
        (failures..100).for_each(|_| health.observe(endpoint, Observation::default(), earlier));
    }
    health.flush(NOW);
    let standings = [A, B, C].map(|endpoint| health.standing(endpoint, NOW));
    assert_eq!(standings, [Standing::Down, Standing::Degraded, Standing::Normal]);
    let body = json!({"model": "m"});
    let by_price = sorted("price");
    let mut plans = (0..100).map(|seed| plan_in(&by_price, &body, &health, seed));
    assert_eq!(ids(&by_price, &plans.find(|plan| !plan.is_probe()).unwrap()), [C, B, A]);
    let as_written = sorted("order");
    assert_eq!(ids(&as_written, &plan_in(&as_written, &body, &health, 1)), [C, A, B]);
}

/// The endpoints, all with a cache.
fn cached() -> Value {
    let mut endpoints = priced();
    for endpoint in endpoints.as_array_mut().unwrap() {
        endpoint["pricing"]["input_cache_read"] = "0.0000001".into();
    }
    endpoints
}

#[test]
fn a_conversation_does_not_probe_while_its_own_endpoint_is_well_and_follows_it_when_it_is_not() {
    let mut document = document(&cached());
    document["routing"]["sort"] = "price".into();
    let config = config(&document);
    let body = json!({"model": "m", "session_id": "s"});
    let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
    let conversation = conversation("t", "x/m", request.conversation(None).unwrap().key);
    let health = troubled(true, false);
    health.learn(&Place::at(conversation, endpoint(&config, B), NOW, Duration::from_secs(60)));
    for seed in 0..200 {
        let plan = plan_in(&config, &body, &health, seed);
        assert_eq!(
            (ids(&config, &plan)[0].as_str(), plan.is_sticky(), plan.is_probe()),
            (B, true, false)
        );
    }
    health.learn(&Place::at(conversation, endpoint(&config, A), NOW, Duration::from_secs(60)));
    let plans = (0..200).map(|seed| plan_in(&config, &body, &health, seed));
    let stays = plans.filter(Plan::is_sticky).count();
    assert!((1..50).contains(&stays), "an outage ends a conversation's stay, but for probes");
}
