//! Conditional prices, wherever a plan looks at prices.

use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// `alpha` costs 1, but 5 beyond 200 tokens of input; `beta` costs 3, but nothing from 22:00 to
/// 6:00.
fn conditional() -> Value {
    let mut alpha = offer("alpha", "a", "0.000001");
    alpha["pricing"]["input_cache_read"] = "0.000002".into();
    alpha["overrides"] =
        json!([{"min_prompt_tokens": 200, "prompt": "0.000005", "completion": "0.000005"}]);
    let mut beta = offer("beta", "b", "0.000003");
    beta["pricing"]["input_cache_read"] = "0.000002".into();
    beta["overrides"] = json!([{
        "utc_start": "2200",
        "utc_end": "0600",
        "prompt": "0",
        "completion": "0",
        "input_cache_read": "0",
    }]);
    json!([alpha, beta])
}

/// 3:00 of the day on whose 8:00 these tests usually play.
const NIGHT: Duration = Duration::from_secs(NOW.as_secs() - 5 * 3600);

fn plan_at(now: Duration, body: &Value) -> (Config, Plan) {
    let config = config(&document(&conditional()));
    let mut body = body.clone();
    if body.get("model").is_none() {
        body["model"] = "x/m".into();
    }
    let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
    let asked: Vec<_> =
        request.models().map(|model| config.catalog.resolve(model).unwrap()).collect();
    let health = Health::default();
    let with = Circumstances { health: &health, tenant: "t", conversation: None, seed: 1, now };
    let plan = plan(&config, &asked, (Operation::Chat, &request), &with);
    (config, plan)
}

#[test]
fn the_prices_that_hold_for_the_request_are_the_ones_that_count() {
    let long = json!("x".repeat(1_000));
    let rows: [(Duration, Value, &[&str]); 9] = [
        (NOW, json!({"provider": {"sort": "price"}}), &[A, B]),
        (NOW, json!({"provider": {"sort": "price"}, "prompt": long}), &[B, A]),
        (NOW, json!({"model": "x/m:floor", "prompt": long}), &[B, A]),
        (NIGHT, json!({"model": "x/m:floor"}), &[B, A]),
        (NOW, json!({"provider": {"max_price": {"prompt": 2}}}), &[A]),
        (NOW, json!({"provider": {"max_price": {"prompt": 4}}, "prompt": long}), &[B]),
        (NIGHT, json!({"provider": {"max_price": {"prompt": "0.5"}}}), &[B]),
        (NOW, json!({"model": "x/m:free"}), &[]),
        (NIGHT, json!({"model": "x/m:free"}), &[B]),
    ];
    for (now, body, expected) in rows {
        let (config, plan) = plan_at(now, &body);
        assert_eq!(ids(&config, &plan), expected, "{now:?} {body}");
    }
}

#[test]
fn cached_input_is_compared_with_the_price_that_holds() {
    let mut document = document(&conditional());
    document["routing"]["sort"] = "order".into();
    document["routing"]["sticky"] = json!({"ttl": "10m"});
    let config = config(&document);
    // At `alpha` cached input is dearer than fresh input, except for a long prompt, which makes
    // fresh input dear.
    for (prompt, is_sticky) in [("short".to_owned(), false), ("x".repeat(1_000), true)] {
        let health = Health::default();
        let body = json!({"model": "x/m", "session_id": "s", "prompt": prompt});
        let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
        let conversation = conversation("t", "x/m", request.conversation(None).unwrap().key);
        let endpoint = endpoint(&config, A);
        health.learn(&Place::at(conversation, endpoint, NOW, Duration::from_secs(60)));
        assert_eq!(plan_in(&config, &body, &health, 1).is_sticky(), is_sticky);
    }
}
