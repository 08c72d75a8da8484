//! What `routing.auto` chooses, and what may be chosen.

use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::catalog::Asked;

type Headers = &'static [(&'static str, &'static str)];

/// Three rules over `x/m`, `x/other` and `wild/z`.
fn automatic() -> Value {
    let mut document = document(&three());
    document["routing"]["auto"] = json!({
        "rules": [
            {
                "when": {"header": {"name": "X-Tier", "equals": "gold"}, "tools": false},
                "models": ["wild/z"],
            },
            {"when": {"input_tokens_over": 100, "images": false}, "models": ["x/other", "x/m"]},
            {"when": {"tools": true}, "models": ["x/m:floor"]},
            {"when": {"images": true}, "models": ["wild/images"]},
            {"when": {"response_format": "json_schema"}, "models": ["wild/schema"]},
            {"when": {"reasoning": true}, "models": ["wild/thinks"]},
        ],
        "models": ["x/m"],
    });
    document
}

#[test]
fn the_first_rule_that_holds_decides() {
    let config = config(&automatic());
    let auto = config.routing.auto.as_ref().unwrap();
    let long = "x".repeat(1_000);
    let image = image("data:,");
    let schema =
        json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}});
    let (none, gold): (Headers, Headers) = (&[], &[("x-tier", "lead"), ("x-tier", "gold")]);
    let default = ("routing.auto.models", "x/m");
    let rows = [
        (json!({}), none, default),
        (json!({}), gold, ("routing.auto.rules[0] (tools, header)", "wild/z")),
        (json!({}), &[("x-tier", "Gold"), ("x-tie", "gold")], default),
        (json!({"tools": []}), gold, ("routing.auto.rules[2] (tools)", "x/m:floor")),
        (json!({"tools": null}), none, default),
        (
            json!({"prompt": long, "tools": [{}]}),
            none,
            ("routing.auto.rules[1] (input_tokens_over, images)", "x/other"),
        ),
        (json!({"prompt": "x".repeat(90)}), none, default),
        (json!({"messages": image}), none, ("routing.auto.rules[3] (images)", "wild/images")),
        (
            json!({"messages": image, "prompt": long}),
            none,
            ("routing.auto.rules[3] (images)", "wild/images"),
        ),
        (
            json!({"response_format": schema}),
            none,
            ("routing.auto.rules[4] (response_format)", "wild/schema"),
        ),
        (
            json!({"text": {"format": schema}}),
            none,
            ("routing.auto.rules[4] (response_format)", "wild/schema"),
        ),
        (json!({"response_format": {"type": "json_object"}}), none, default),
        (
            json!({"reasoning_effort": "low"}),
            none,
            ("routing.auto.rules[5] (reasoning)", "wild/thinks"),
        ),
        (json!({"reasoning_effort": "none"}), none, default),
        (json!({"reasoning": {"enabled": false}}), none, default),
    ];
    for (body, headers, (reason, first)) in rows {
        let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
        let choice = choose(auto, &request, headers);
        assert_eq!(
            (choice.reason.as_str(), choice.models[0].as_str()),
            (reason, first),
            "{body} {headers:?}"
        );
    }
}

/// The plan where `routing.auto`, changed as told, has chosen `x/m` and `x/other`.
fn chosen(auto: &Value, body: &Value) -> (Vec<String>, Vec<(String, String)>) {
    let mut document = automatic();
    document["models"][0]["endpoints"] = priced();
    for (key, value) in auto.as_object().unwrap() {
        document["routing"]["auto"][key] = value.clone();
    }
    let config = config(&document);
    let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
    let asked = ["x/m", "x/other"]
        .map(|name| Asked { auto: true, ..config.catalog.resolve(name).unwrap() });
    let health = Health::default();
    let with =
        Circumstances { health: &health, tenant: "t", conversation: None, seed: 1, now: NOW };
    let plan = plan(&config, &asked, (Operation::Chat, &request), &with);
    assert!(plan.steps.iter().all(Step::is_auto));
    let dropped = plan.dropped.iter().map(|drop| (drop.endpoint.clone(), drop.reason.to_string()));
    (ids(&config, &plan), dropped.collect())
}

/// What is chosen where nothing forbids it.
const ALL: [&str; 4] = [C, A, B, "gamma/other"];

#[test]
fn what_may_not_be_chosen_is_dropped_with_what_forbids_it() {
    // The document's lists, and the request's.
    let m = [C, A, B];
    let rows: [(_, _, &[&str], _); 11] = [
        (json!({}), None, &ALL, None),
        (json!({"allowed_models": ["x/*"]}), None, &ALL, None),
        (
            json!({"allowed_models": ["x/o*", "y/*"]}),
            None,
            &["gamma/other"],
            Some("routing.auto.allowed_models"),
        ),
        (
            json!({"excluded_models": ["*/m"]}),
            None,
            &["gamma/other"],
            Some("routing.auto.excluded_models"),
        ),
        (
            json!({}),
            Some(json!({"allowed_models": ["*/m"]})),
            &m,
            Some("plugins.auto-router.allowed_models"),
        ),
        (json!({}), Some(json!({"allowed_models": []})), &ALL, None),
        (
            json!({}),
            Some(json!({"excluded_models": ["x/other"]})),
            &m,
            Some("plugins.auto-router.excluded_models"),
        ),
        (json!({}), Some(json!({"excluded_models": ["x/other"], "enabled": false})), &ALL, None),
        // Both lists hold, and what is excluded is out even if it is allowed.
        (
            json!({"allowed_models": ["x/m"]}),
            Some(json!({"allowed_models": ["x/*"]})),
            &m,
            Some("routing.auto.allowed_models"),
        ),
        (
            json!({}),
            Some(json!({"allowed_models": ["x/*"], "excluded_models": ["x/other"]})),
            &m,
            Some("plugins.auto-router.excluded_models"),
        ),
        (json!({"excluded_models": ["x/m"]}), Some(json!({"allowed_models": ["x/m"]})), &[], None),
    ];
    for (auto, plugin, steps, reason) in rows {
        let (plan, dropped) = chosen(&auto, &body_with(plugin));
        assert_eq!(plan, steps, "{auto} {dropped:?}");
        if let Some(reason) = reason {
            assert!(
                dropped.iter().all(|(_, told)| told == reason) && !dropped.is_empty(),
                "{auto} {reason}: {dropped:?}"
            );
        }
    }
}

/// A body with these settings of its auto router, if any.
fn body_with(plugin: Option<Value>) -> Value {
    plugin.map_or(json!({}), |mut plugin| {
        plugin["id"] = "auto-router".into();
        json!({ "plugins": [plugin] })
    })
}

#[test]
fn what_costs_more_than_auto_may_cost_is_dropped_and_so_is_what_nobody_knows_the_price_of() {
    // Columns: the limit, whose prices are per million tokens, and the steps of the plan.
    let rows: [(Value, &[&str]); 3] = [
        (json!({"prompt": "2"}), &[A, B]),
        (json!({"prompt": 3, "completion": "1.5"}), &[A]),
        (json!({"image": 0}), &ALL),
    ];
    for (max, steps) in rows {
        let (plan, _) = chosen(&json!({"max_price": max}), &json!({}));
        assert_eq!(plan, steps, "{max}");
    }
    let (_, dropped) = chosen(&json!({"max_price": {"prompt": "2"}}), &json!({}));
    let above = "routing.auto.max_price".to_owned();
    assert_eq!(dropped, [(C.to_owned(), above.clone()), ("gamma/other".to_owned(), above)]);
}

#[test]
fn what_a_client_asks_for_by_name_is_not_bound_by_auto() {
    let mut document = automatic();
    document["routing"]["auto"]["excluded_models"] = json!(["*"]);
    let config = config(&document);
    let body =
        json!({"model": "x/m", "plugins": [{"id": "auto-router", "allowed_models": ["y/*"]}]});
    let plan = plan_in(&config, &body, &Health::default(), 1);
    assert_eq!(
        (ids(&config, &plan), plan.dropped),
        (vec![A.to_owned(), B.to_owned(), C.to_owned()], vec![])
    );
}
