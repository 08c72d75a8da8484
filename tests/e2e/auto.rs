//! `openrouter/auto` and service tiers, on a real Envoy.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::Setup;

/// A model in three tiers at one provider.
fn tiered(provider: &str) -> Value {
    let tiers = [("eu", "0.000004"), ("flex", "0.000002"), ("eu/priority", "0.000008")];
    let endpoints = tiers.map(|(tag, usd)| {
        let pricing = json!({"prompt": usd, "completion": usd});
        json!({"provider": provider, "model": "up", "tag": tag, "pricing": pricing})
    });
    json!({ "endpoints": endpoints })
}

fn setup() -> Setup {
    Setup::new()
        .chain("small", &[""])
        .chain("broken", &["status=503"])
        .chain("large", &[""])
        .chain("gold", &[""])
        .chain("tiers", &[""])
        .model("tiers", tiered("tiers-0"))
        .chain("spare", &[""])
        .model("spare", tiered("spare-0"))
        .chain("served", &[""])
        .model("served", tiered("served-0"))
        .document(json!({
            "routing": {"auto": {
                "rules": [
                    {
                        "when": {"header": {"name": "X-Tier", "equals": "gold"}},
                        "models": ["t/gold"],
                    },
                    {"when": {"tools": true}, "models": ["t/broken", "t/large"]},
                ],
                "models": ["t/small", "t/spare:floor"],
            }},
            "presets": {"cheap": {"model": "openrouter/auto:floor", "temperature": 0.25}},
        }))
}

on_envoy! { setup:
    auto_chooses_by_its_rules_and_falls_back_among_its_models,
    auto_may_be_narrowed_by_the_client,
    auto_is_listed_and_explained,
    a_tier_is_for_those_who_ask_for_it,
    the_tier_that_the_provider_served_is_paid,
}

/// Asks for `auto` with metadata.
fn ask(gateway: &Gateway, base: &str, more: &[(&str, &str)], members: &Value) -> Reply {
    let mut body = chat("small");
    body["model"] = "openrouter/auto".into();
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let usual = [("content-type", "application/json"), ("X-OpenRouter-Metadata", "enabled")];
    let headers: Vec<_> = usual.iter().chain(more).copied().collect();
    gateway.request(
        "POST",
        &format!("{base}/chat/completions"),
        &headers,
        body.to_string().as_bytes(),
    )
}

fn auto_chooses_by_its_rules_and_falls_back_among_its_models(gateway: &Gateway) {
    let tools =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let (none, gold) = (&[][..], &[("x-tier", "gold")][..]);
    let rows = [
        (none, json!({}), "t/small", "1", "routing.auto.models"),
        (gold, json!({"tools": tools}), "t/gold", "1", "routing.auto.rules[0] (header)"),
        (none, json!({"tools": tools}), "t/large", "2", "routing.auto.rules[1] (tools)"),
        (
            none,
            json!({"model": "@preset/cheap", "tools": tools}),
            "t/large",
            "2",
            "routing.auto.rules[1] (tools)",
        ),
    ];
    for (headers, members, model, attempts, reason) in rows {
        for face in FACES {
            let reply = ask(gateway, face, headers, &members);
            assert_eq!(
                (reply.status, reply.header("x-modelyard-model")),
                (200, Some(model)),
                "{members}: {reply:?}"
            );
            assert_eq!(reply.header("x-modelyard-attempts"), Some(attempts), "{members}");
            let record = gateway.entry(&reply)["record"].clone();
            assert!(record["choice"].as_str().unwrap().contains(reason), "{record}");
            if face == "/api/v1" {
                let answer = reply.json();
                let metadata = &answer["openrouter_metadata"];
                assert_eq!(
                    (&answer["model"], &metadata["strategy"]),
                    (&json!(model), &json!("auto")),
                    "{answer}"
                );
                assert!(
                    metadata["pipeline"][0]["summary"].as_str().unwrap().contains(reason),
                    "{metadata}"
                );
            }
        }
    }
}

fn auto_may_be_narrowed_by_the_client(gateway: &Gateway) {
    let narrowed = json!({"plugins": [{"id": "auto-router", "excluded_models": ["*/small"]}]});
    let reply = ask(gateway, "/v1", &[], &narrowed);
    assert_eq!(
        (reply.status, reply.header("x-modelyard-model")),
        (200, Some("t/spare")),
        "{reply:?}"
    );
    assert_eq!(reply.header("x-modelyard-dropped"), None);
    let sent = gateway.fake.received("spare-0").pop().unwrap().json();
    assert_eq!((&sent["service_tier"], sent.get("plugins")), (&json!("flex"), None), "{sent}");
    let empty = json!({"plugins": [{"id": "auto-router", "allowed_models": ["nobody/*"]}]});
    let none = ask(gateway, "/api/v1", &[], &empty);
    let message = none.json()["error"]["message"].clone();
    assert_eq!(none.status, 404);
    assert!(
        message
            .as_str()
            .unwrap()
            .starts_with("No models match your request and model restrictions."),
        "{message}"
    );
}

fn auto_is_listed_and_explained(gateway: &Gateway) {
    let list = gateway.request("GET", "/api/v1/models", &[], b"").json();
    assert!(
        list["data"].as_array().unwrap().iter().any(|model| model["id"] == "openrouter/auto"),
        "{list}"
    );
    let explained = gateway.explain("?header=x-tier:gold", br#"{"model":"auto"}"#).json();
    assert_eq!(explained["plan"][0]["model"], "t/gold", "{explained}");
    assert_eq!(explained["choice"], "auto is routing.auto.rules[0] (header): t/gold");
}

fn a_tier_is_for_those_who_ask_for_it(gateway: &Gateway) {
    // Columns: members of the body; the endpoints of the plan, and the tier that the first one is
    // told.
    let (default, flex, priority) = ("tiers-0/up#eu", "tiers-0/up#flex", "tiers-0/up#eu/priority");
    let rows: [(Value, &[&str], Value); 8] = [
        (json!({}), &[default], Value::Null),
        (json!({"service_tier": "flex"}), &[flex], json!("flex")),
        (json!({"service_tier": "fast"}), &[priority, default], json!("priority")),
        (json!({"service_tier": "default"}), &[default], json!("default")),
        (json!({"model": "t/tiers:floor"}), &[flex, default], json!("flex")),
        (
            json!({"model": "t/tiers:floor", "service_tier": "default"}),
            &[default],
            json!("default"),
        ),
        (json!({"provider": {"order": ["tiers-0/flex"]}}), &[flex, default], json!("flex")),
        (json!({"provider": {"only": ["tiers-0"]}}), &[default], Value::Null),
    ];
    for (members, plan, told) in rows {
        let mut body = chat("tiers");
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let reply = gateway.ask("/v1", &body);
        assert_eq!(reply.status, 200, "{body}: {reply:?}");
        assert_eq!(gateway.entry(&reply)["record"]["plan"], json!(plan), "{body}");
        let sent = gateway.fake.received("tiers-0").pop().unwrap().json();
        assert_eq!(sent["service_tier"], told, "{body}");
    }
}

fn the_tier_that_the_provider_served_is_paid(gateway: &Gateway) {
    // The fake provider serves everybody in the default tier, and says so.
    for mut body in [chat("served"), stream("served")] {
        body["service_tier"] = json!("priority");
        let reply = gateway.ask("/api/v1", &body);
        let usage = match reply.chunks().last() {
            Some(chunk) => chunk["usage"].clone(),
            None => reply.json()["usage"].clone(),
        };
        let cost = usage["total_tokens"].as_f64().unwrap() * 0.000_004;
        assert!((usage["cost"].as_f64().unwrap() / cost - 1.0).abs() < 1e-9, "{usage}");
        let record = gateway.entry(&reply)["record"].clone();
        assert_eq!(
            (&record["plan"][0], &record["service_tier"]),
            (&json!("served-0/up#eu/priority"), &json!("default"))
        );
        assert_eq!(
            record["cost_usd"].as_str().unwrap().parse::<f64>().unwrap(),
            usage["cost"].as_f64().unwrap()
        );
    }
}
