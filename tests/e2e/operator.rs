//! Who may use the operator's paths.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{Gateway, chat};
use crate::setup::Setup;

const KEY: &str = "sk-of-the-operator";
/// Of [`KEY`].
const DIGEST: &str = "1e4148c3762ab2b89644b9642a3208e196a39c06b257de78e85ec682c3ae62cf";

fn setup() -> Setup {
    let other = "0".repeat(64);
    let keys = json!([{"sha256": other}, {"sha256": DIGEST}]);
    Setup::new().document(json!({"operator": {"keys": keys}})).chain("known", &[""])
}

on_envoy! { setup:
    only_who_has_a_key_may_ask,
    models_need_none,
}

fn explain(gateway: &Gateway, headers: &[(&str, &str)]) -> Reply {
    gateway.request("POST", "/modelyard/api/explain", headers, chat("known").to_string().as_bytes())
}

fn only_who_has_a_key_may_ask(gateway: &Gateway) {
    let good = format!("Bearer {KEY}");
    for (header, message) in [
        (None, Some("Missing Authentication header")),
        (Some("Bearer"), Some("Missing Authentication header")),
        (Some(KEY), Some("Missing Authentication header")),
        (Some("Basic c2stb2YtdGhlLW9wZXJhdG9y"), Some("Missing Authentication header")),
        (Some("Bearer sk-of-somebody"), Some("Invalid API key")),
        (Some(format!("Bearer {DIGEST}").as_str()), Some("Invalid API key")),
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
    // Refused before its body is there.
    let mut connection = gateway.connect();
    connection.head("POST", "/modelyard/api/explain", &[("content-length", "1000000")]);
    assert_eq!(connection.read("POST").status, 401);
    let log = gateway.envoy.log(0);
    assert!(!log.contains(KEY) && !log.contains("somebody"), "{log}");
}

fn models_need_none(gateway: &Gateway) {
    assert_eq!(gateway.ask("/v1", &chat("known")).status, 200);
    assert_eq!(gateway.request("GET", "/v1/models", &[], b"").status, 200);
}

#[test]
fn what_is_off_passes_like_any_other_path() {
    let setup =
        Setup::new().document(json!({"operator": {"enabled": false}})).chain("known", &[""]);
    let gateway = Gateway::start(&format!("{}-off", module_path!()), &setup).unwrap();
    gateway.run(|gateway| {
        let path = "/modelyard/api/explain";
        explain(gateway, &[]);
        assert_eq!(
            gateway.fake.received("other").iter().filter(|request| request.path() == path).count(),
            1
        );
    });
}
