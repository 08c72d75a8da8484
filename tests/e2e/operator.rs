//! Who may use the operator's paths.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{Gateway, OPERATOR_DIGEST, OPERATOR_KEY, chat};
use crate::setup::Setup;

fn setup() -> Setup {
    let other = "0".repeat(64);
    let keys = json!([{"sha256": other}, {"sha256": OPERATOR_DIGEST}]);
    Setup::new().document(json!({"operator": {"keys": keys}})).chain("known", &[""])
}

on_envoy! { setup:
    only_who_has_a_key_may_ask,
    models_need_none,
    only_an_operator_learns_what_there_is,
}

fn explain(gateway: &Gateway, headers: &[(&str, &str)]) -> Reply {
    gateway.request("POST", "/modelyard/api/explain", headers, chat("known").to_string().as_bytes())
}

fn only_who_has_a_key_may_ask(gateway: &Gateway) {
    let good = format!("Bearer {OPERATOR_KEY}");
    for (header, message) in [
        (None, Some("Missing Authentication header")),
        (Some("Bearer"), Some("Missing Authentication header")),
        (Some(OPERATOR_KEY), Some("Missing Authentication header")),
        (Some("Basic c2stb2YtdGhlLW9wZXJhdG9y"), Some("Missing Authentication header")),
        (Some("Bearer sk-of-somebody"), Some("Invalid API key")),
        (Some(format!("Bearer {OPERATOR_DIGEST}").as_str()), Some("Invalid API key")),
        (Some(good.as_str()), None),
        (Some(good.to_lowercase().as_str()), None),
    ] {
        let headers: Vec<(&str, &str)> =
            header.map(|value| ("authorization", value)).into_iter().collect();
        let reply = explain(gateway, &headers);
        let Some(message) = message else {
            assert_eq!(
                (reply.status, &reply.json()["error"]),
                (200, &Value::Null),
                "{header:?}: {reply:?}"
            );
            continue;
        };
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["code"]), (401, &json!(401)), "{header:?}: {reply:?}");
        assert_eq!(
            (&error["message"], &error["metadata"]["error_type"]),
            (&json!(message), &json!("authentication"))
        );
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        assert!(!reply.text().contains("known-0"), "{reply:?}");
    }
    // A request without a key is refused before its body has come.
    let mut connection = gateway.connect();
    connection.head("POST", "/modelyard/api/explain", &[("content-length", "1000000")]);
    assert_eq!(connection.read("POST").status, 401);
    let log = gateway.envoy.log(0);
    assert!(!log.contains(OPERATOR_KEY) && !log.contains("somebody"), "{log}");
}

fn models_need_none(gateway: &Gateway) {
    assert_eq!(gateway.ask("/v1", &chat("known")).status, 200);
    assert_eq!(gateway.request("GET", "/v1/models", &[], b"").status, 200);
}

fn only_an_operator_learns_what_there_is(gateway: &Gateway) {
    let key = format!("Bearer {OPERATOR_KEY}");
    let rows = [
        ("GET", "/modelyard/api/explain", 405),
        ("GET", "/modelyard/", 404),
        ("GET", "/modelyard/api/x?y=z", 404),
        ("DELETE", "/modelyard/x", 404),
    ];
    for (method, path, status) in rows {
        let reply = gateway.request(method, path, &[("authorization", &key)], b"");
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        assert_eq!(gateway.request(method, path, &[], b"").status, 401, "{method} {path}");
    }
}

#[test]
fn without_keys_the_operators_paths_are_off_and_go_nowhere() {
    let setup = Setup::new().document(json!({"operator": {"keys": []}})).chain("known", &[""]);
    let gateway = Gateway::start(&format!("{}-off", module_path!()), &setup).unwrap();
    gateway.run(|gateway| {
        let key = format!("Bearer {OPERATOR_KEY}");
        for headers in [&[][..], &[("authorization", key.as_str())]] {
            assert_eq!(explain(gateway, headers).status, 404);
        }
        assert_eq!(gateway.fake.received("other").len(), 0);
    });
}
