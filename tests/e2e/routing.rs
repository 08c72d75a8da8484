//! What OpenRouter's clients ask of routing: presets, variants, preferences, conversations, on a
//! real Envoy.

use serde_json::{Value, json};

use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::Setup;

/// A model of a dear endpoint with a cache, and a cheap one.
fn priced(name: &str) -> Value {
    let endpoints = [("0", "0.000002"), ("1", "0.000001")].map(|(step, usd)| {
        let pricing = json!({"prompt": usd, "completion": usd, "input_cache_read": "0.0000000001"});
        json!({"provider": format!("{name}-{step}"), "model": "up", "pricing": pricing})
    });
    json!({ "endpoints": endpoints })
}

fn setup() -> Setup {
    Setup::new()
        .chain("preset", &["", ""])
        .chain("variant", &["", ""])
        .model("variant", priced("variant"))
        .chain("other", &[""])
        .chain("talk", &["", ""])
        .model("talk", priced("talk"))
        .chain("slow", &["stall=first", ""])
        .chain("left-out", &[""])
        .document(json!({
            "presets": {"calm": {
                "model": "t/preset",
                "temperature": 0.25,
                "provider": {"only": ["preset-1"]},
                "metadata": {"long": "x".repeat(10_000)},
            }},
            "routing": {"sticky": {"ttl": "10m"}},
        }))
}

on_envoy! { setup:
    a_presets_fields_reach_the_provider,
    variants_and_partitions_order_the_endpoints,
    a_conversation_stays_where_it_was_answered,
    a_client_shortens_the_wait_for_the_first_token,
    fields_left_out_are_told,
    refusals_say_which_field,
}

fn provider(gateway: &Gateway, body: &Value) -> String {
    let reply = gateway.ask("/v1", body);
    assert_eq!(reply.status, 200, "{body}: {reply:?}");
    reply.header("x-modelyard-provider").unwrap().to_owned()
}

/// First the provider's body is longer than the client's, then it is shorter.
fn a_presets_fields_reach_the_provider(gateway: &Gateway) {
    for model in ["@preset/calm", "t/preset@preset/calm"] {
        let mut body = chat("preset");
        body["model"] = model.into();
        assert_eq!(provider(gateway, &body), "preset-1");
        let sent = gateway.fake.received("preset-1").pop().unwrap().json();
        assert_eq!(
            (&sent["temperature"], &sent["model"]),
            (&json!(0.25), &json!("up-preset")),
            "{sent}"
        );
        assert_eq!(sent["messages"], body["messages"]);
        assert_eq!(sent["metadata"]["long"].as_str().unwrap().len(), 10_000);
    }
    let mut body = chat("preset");
    body["preset"] = "calm".into();
    body["metadata"] = Value::Null;
    body["provider"] = json!({"only": ["preset-0"]});
    assert_eq!(provider(gateway, &body), "preset-0");
    let sent = gateway.fake.received("preset-0").pop().unwrap().json();
    assert_eq!((&sent["metadata"], &sent["temperature"]), (&Value::Null, &json!(0.25)), "{sent}");
}

fn variants_and_partitions_order_the_endpoints(gateway: &Gateway) {
    assert_eq!(provider(gateway, &chat("variant")), "variant-0");
    assert_eq!(provider(gateway, &chat("variant:floor")), "variant-1");
    let mut body = chat("other");
    body["models"] = json!(["t/variant"]);
    body["provider"] =
        json!({"max_price": {"prompt": 1.5}, "sort": {"by": "price", "partition": "none"}});
    assert_eq!(provider(gateway, &body), "variant-1", "the cheapest of all models");
    body["models"] = json!(["t/other"]);
    body["model"] = "t/variant".into();
    body["provider"] = json!({"order": ["OTHER-0"], "sort": {"partition": "none"}});
    assert_eq!(provider(gateway, &body), "other-0");
    let free = gateway.ask("/api/v1", &chat("variant:free"));
    assert_eq!(free.status, 404);
    assert!(
        free.json()["error"]["message"].as_str().unwrap().contains("variant-0/up (not free)"),
        "{free:?}"
    );
}

/// Every request goes over one connection, so one worker serves them all.
fn a_conversation_stays_where_it_was_answered(gateway: &Gateway) {
    let mut connection = gateway.connect();
    // Columns: the session, its preferences, and what the record says of staying. All come to
    // `talk-1`, either by their preferences or because their session was answered there.
    for (session, preferences, sticky) in [
        ("one", json!({"order": ["talk-1"]}), Value::Null),
        ("one", Value::Null, json!(true)),
        ("one", json!({"order": ["talk-0", "talk-1"]}), json!(true)),
        ("two", json!({"ignore": ["talk-0"]}), Value::Null),
        ("three", json!({"only": ["talk-1"]}), Value::Null),
    ] {
        let mut body = chat("talk");
        body["session_id"] = session.into();
        body["provider"] = preferences;
        connection.send("POST", "/v1/chat/completions", &[], body.to_string().as_bytes());
        let reply = connection.read("POST");
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("x-modelyard-provider"), Some("talk-1"), "{body}");
        assert_eq!(gateway.entry(&reply)["record"]["sticky"], sticky, "{body}");
    }
}

fn a_client_shortens_the_wait_for_the_first_token(gateway: &Gateway) {
    let mut body = stream("slow");
    body["provider"] = json!({"first_token_timeout": "300ms"});
    let reply = gateway.ask("/v1", &body);
    assert_eq!(
        (reply.status, reply.header("x-modelyard-provider")),
        (200, Some("slow-1")),
        "{reply:?}"
    );
    assert_eq!(gateway.entry(&reply)["record"]["attempts"][0]["outcome"], "first_token");
}

fn fields_left_out_are_told(gateway: &Gateway) {
    let mut body = chat("left-out");
    body["transforms"] = json!(["middle-out"]);
    body["plugins"] = json!([{"id": "response-healing"}, {"id": "web", "enabled": false}]);
    for face in FACES {
        let reply = gateway.ask(face, &body);
        assert_eq!(reply.header("x-modelyard-dropped"), Some("plugins, transforms"), "{reply:?}");
    }
    let sent = gateway.fake.received("left-out-0").pop().unwrap().json();
    assert!(sent.get("transforms").is_none() && sent.get("plugins").is_none(), "{sent}");
}

fn refusals_say_which_field(gateway: &Gateway) {
    // Columns: members of the body, the status, and how the message begins.
    let rows = [
        (json!({"provider": {"order": "a"}}), 400, "provider.order: must be an array of strings"),
        (
            json!({"provider": {"data_collection": "no"}}),
            400,
            "provider.data_collection: must be allow or deny",
        ),
        (json!({"plugins": [{"id": "web"}]}), 400, "plugins: web is not supported by this gateway"),
        (json!({"preset": "wild"}), 400, "preset: wild is not known"),
        (json!({"model": "t/variant:online"}), 400, "model: the variant :online is not supported"),
        (json!({"model": "t/variant:huge"}), 400, "t/variant:huge is not a valid model ID"),
        (
            json!({"provider": {"only": ["x"]}}),
            404,
            "No allowed providers are available for the selected model.",
        ),
        (json!({"provider": {"zdr": true}}), 404, "No endpoints found matching your data policy"),
        (
            json!({"provider": {"max_price": {"prompt": 0}}}),
            404,
            "No endpoints found for t/variant. Removed: variant-0",
        ),
    ];
    for (members, status, text) in rows {
        let mut body = chat("variant");
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        for face in FACES {
            let reply = gateway.ask(face, &body);
            assert_eq!(reply.status, status, "{body}: {reply:?}");
            let error = reply.json()["error"].clone();
            assert!(error["message"].as_str().unwrap().starts_with(text), "{body}: {error}");
        }
    }
}
