//! A record says why its endpoint was chosen: what ordered the plan, by which figures, and what
//! moved whom.

use super::*;
use crate::exchange::generation_id;
use crate::route::Observation;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The usual document, but with prices at both endpoints of `m/one`, also for cached input, and
/// this order.
fn priced(sort: &str) -> Rc<Config> {
    let mut document = document();
    let price =
        json!({"prompt": "0.000002", "completion": "0.000004", "input_cache_read": "0.0000001"});
    document["models"][0]["endpoints"][1]["pricing"] = price;
    document["routing"] = json!({"sort": sort, "sticky": {"ttl": "10m"}});
    config(&document)
}

fn record_of(config: &Rc<Config>, patch: &str, health: Health) -> Value {
    let body = CHAT.replace("\"messages\"", &format!("{patch}\"messages\""));
    let headers = [("x-request-id", "3f1c\n")];
    let mut world =
        World::open_with(config, (Face::OpenAi, Operation::Chat), &headers, &body, health);
    world.play(&[answers(200, ANSWER)]);
    world.settle().record
}

/// The members that say why.
fn reasons(record: &Value) -> Value {
    let names = ["rule", "draw_percent", "first_token_ms", "tokens_per_second", "prices", "moved"];
    let told =
        names.into_iter().filter_map(|name| Some((name.to_owned(), record.get(name)?.clone())));
    Value::Object(told.collect())
}

/// Health that knows how both endpoints of `m/one` have been doing.
fn measured() -> Health {
    let mut health = Health::default();
    health.observe("a/up-a", Observation::measured(300, 40.4), START);
    health.observe("b/up-b", Observation::measured(100, 20.6), START);
    health
}

#[test]
fn the_rule_and_its_figures_are_told() {
    let rows = [
        (
            "balanced",
            "",
            json!({
                "rule": "routing.sort=balanced",
                "draw_percent": [20, 80],
                "prices": [2.5, 1.25],
            }),
        ),
        ("price", "", json!({"rule": "routing.sort=price", "prices": [1.25, 2.5]})),
        ("order", "", json!({"rule": "routing.sort=order"})),
        ("latency", "", json!({"rule": "routing.sort=latency", "first_token_ms": [102, 296]})),
        (
            "order",
            r#""provider":{"sort":"throughput"},"#,
            json!({"rule": "provider.sort=throughput", "tokens_per_second": [41, 21]}),
        ),
        (
            "price",
            r#""provider":{"order":["b"]},"#,
            json!({"rule": "provider.order, then routing.sort=price", "prices": [2.5, 1.25]}),
        ),
        (
            "order",
            r#""provider":{"preferred_max_latency":0.2},"#,
            json!({
                "rule": "routing.sort=order",
                "moved": [{"endpoint": "a/up-a", "reason": "slow"}],
            }),
        ),
    ];
    for (sort, patch, expected) in rows {
        let record = record_of(&priced(sort), patch, measured());
        assert_eq!(reasons(&record), expected, "{sort} {patch}: {record}");
        assert_eq!(record["request_id"], "3f1c\u{fffd}", "fit for a line of a log");
        assert!(record.to_string().len() < 1024, "{record}");
    }
}

#[test]
fn the_prices_told_are_those_that_were_compared() {
    let mut document = document();
    let price = json!({"prompt": "0.000002", "completion": "0.000002"});
    document["models"][0]["endpoints"][1]["pricing"] = price;
    document["models"][0]["endpoints"][0]["overrides"] = json!([{
        "utc_start": "0000",
        "utc_end": "2359",
        "prompt": "0.000008",
        "completion": "0.000008",
    }]);
    document["routing"] = json!({"sort": "price"});
    let record = record_of(&config(&document), "", Health::default());
    assert_eq!(
        (&record["plan"], &record["prices"]),
        (&json!(["b/up-b", "a/up-a"]), &json!([2, 8])),
        "{record}"
    );
}

#[test]
fn variants_are_told_as_the_client_wrote_them() {
    for (variant, name) in [(":floor", "prices"), (":nitro", "tokens_per_second")] {
        let body = CHAT.replace("m/one", &format!("m/one{variant}"));
        let mut world = World::open(&priced("order"), Face::OpenAi, &body);
        world.play(&[answers(200, ANSWER)]);
        let record = world.settle().record;
        assert_eq!((&record["rule"], record[name].is_array()), (&json!(variant), true), "{record}");
    }
}

#[test]
fn who_is_ill_is_told_with_the_reason() {
    for (wait, times, reason) in [(None, 3, "outage"), (Some(60), 1, "cooldown")] {
        let failed = Observation {
            failed: true,
            retry_after: wait.map(Duration::from_secs),
            ..Default::default()
        };
        let mut health = Health::default();
        (0..times).for_each(|_| health.observe("a/up-a", failed, START));
        let record = record_of(&priced("price"), "", health);
        assert_eq!(record["moved"], json!([{"endpoint": "a/up-a", "reason": reason}]), "{record}");
        assert_eq!(record["plan"], json!(["b/up-b", "a/up-a"]), "{record}");
    }
}

#[test]
fn what_has_no_plan_has_no_rule() {
    let mut world = World::open(&priced("price"), Face::OpenAi, &CHAT.replace("m/one", "m/none"));
    assert_eq!(reasons(&world.settle().record), json!({}));
}

#[test]
fn generation_ids_differ_with_every_bit_that_counts() {
    assert_eq!(generation_id(START, [u64::MAX, 0]), "gen-1800000000-zzzzzzzzzz0000000000");
    let mut seen = std::collections::BTreeSet::from([generation_id(START, [0, 0])]);
    // Five digits to the base 62 hold only 29 bits of each number, so the lowest three do not
    // count.
    for bit in (3..32).chain(35..64) {
        for random in [[1 << bit, 0], [0, 1 << bit]] {
            assert!(seen.insert(generation_id(START, random)), "{bit}");
        }
    }
}
