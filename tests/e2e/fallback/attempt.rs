//! What a provider gets to see of the client, of other providers, and of the request.

use serde_json::{Value, json};

use crate::gateway::{FACES, Gateway, chat};
use crate::setup::key;

pub(super) fn no_secret_reaches_another_provider(gateway: &Gateway) {
    let reply = gateway.ask("/v1", &chat("secrets"));
    assert_eq!(reply.status, 200, "{reply:?}");
    let received: Vec<_> =
        (0..3).map(|step| gateway.fake.received(&format!("secrets-{step}")).remove(0)).collect();
    assert_eq!(received[0].header("authorization"), Some(format!("Bearer {}", key(0).1).as_str()));
    assert_eq!(received[0].header("x-own"), Some("of-0"));
    assert_eq!(received[0].header("openai-organization"), Some("org-of-0"));
    assert_eq!(received[1].header("api-key"), Some(key(1).1.as_str()));
    assert_eq!(received[1].header("authorization"), None);
    assert_eq!(received[2].header("authorization"), Some(format!("Bearer {}", key(2).1).as_str()));
    for (step, request) in received.iter().enumerate() {
        assert_eq!(request.0["authority"], format!("secrets-{step}.test"));
        let text = request.0.to_string();
        for other in (0..3).filter(|other| *other != step) {
            assert!(
                !text.contains(&key(other).1) && !text.contains(&format!("of-{other}\"")),
                "{text}"
            );
        }
    }
}

pub(super) fn nothing_of_the_client_reaches_a_provider_unasked(gateway: &Gateway) {
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "kept/1"),
        ("openai-beta", "kept"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("authorization", "Bearer client-secret"),
        ("x-api-key", "client-secret"),
        ("api-key", "client-secret"),
        ("cookie", "session=client-secret"),
        ("proxy-authorization", "client-secret"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-envoy-max-retries", "0"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-original-path", "/secret"),
        ("x-envoy-decorator-operation", "x"),
        ("x-modelyard-retry", "1"),
        ("x-modelyard-anything", "1"),
        ("x-modelyard-exchange", "abcdefghijklmnopabcdefghijklmnop"),
        ("x-custom", "1"),
        ("accept-encoding", "gzip, br"),
    ];
    let body = chat("s503").to_string();
    let reply = gateway.request(
        "POST",
        "/v1/chat/completions",
        &[&headers[..], &[("x-mark", "x")]].concat(),
        body.as_bytes(),
    );
    assert_eq!(reply.status, 200, "{reply:?}");
    for provider in ["s503-0", "s503-1"] {
        let received = gateway.fake.received(provider);
        let request =
            received.iter().find(|request| request.header("user-agent") == Some("kept/1")).unwrap();
        assert_eq!(request.header("openai-beta"), Some("kept"));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert!(request.header("traceparent").is_some());
        assert!(!request.0.to_string().contains("client-secret"), "{request:?}");
        let allowed = [
            "host",
            "content-type",
            "content-length",
            "user-agent",
            "openai-beta",
            "accept",
            "accept-encoding",
            "authorization",
            "traceparent",
            "tracestate",
            "transfer-encoding",
        ];
        let extra: Vec<&str> =
            request.header_names().into_iter().filter(|name| !allowed.contains(name)).collect();
        assert!(extra.is_empty(), "{extra:?}");
    }
}

pub(super) fn a_key_in_the_query_stays_with_its_provider(gateway: &Gateway) {
    assert_eq!(gateway.ask("/v1", &chat("query")).status, 200);
    let first = gateway.fake.received("query-0").remove(0);
    assert_eq!(first.path(), format!("/v1/chat/completions?key={}", key(0).1));
    assert_eq!(first.header("authorization"), None);
    assert_eq!(gateway.fake.received("query-1")[0].path(), "/v1/chat/completions");
}

pub(super) fn passthrough_gives_the_clients_credentials(gateway: &Gateway) {
    let credentials =
        [("authorization", "Bearer client-own"), ("content-type", "application/json")];
    let reply = gateway.request(
        "POST",
        "/v1/chat/completions",
        &credentials,
        chat("pass").to_string().as_bytes(),
    );
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(
        gateway.fake.received("pass-0")[0].header("authorization"),
        Some("Bearer client-own")
    );
}

pub(super) fn a_credential_the_client_passed_through_is_its_own_mistake(gateway: &Gateway) {
    let credentials =
        [("authorization", "Bearer client-own"), ("content-type", "application/json")];
    let reply = gateway.request(
        "POST",
        "/v1/chat/completions",
        &credentials,
        chat("pass401").to_string().as_bytes(),
    );
    assert_eq!((reply.status, reply.header("x-modelyard-attempts")), (401, Some("1")), "{reply:?}");
    assert!(gateway.fake.received("pass401-1").is_empty());
}

/// A body whose every byte would change if somebody wrote it anew.
fn odd_body(model: &str) -> String {
    format!(
        "{{ \"temperature\" : 1.0e+0,\"unknown\":{{\"b\":[ 1 , 2.50,-0 ],\"a\":1E400}},\r\n\t\
         \"mod\\u0065l\":\"{model}\" , \"messages\":[{{\"role\":\"user\",\
         \"content\":\"caf\\u00e9 \\ud83d\\ude00 {{é}} \\/ \\n\"}}],\
         \"big\":12345678901234567890123, \"seed\":-0.0 }} "
    )
}

pub(super) fn every_attempt_gets_the_clients_bytes(gateway: &Gateway) {
    for base in FACES {
        let reply = gateway.post(base, odd_body("t/body").as_bytes());
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    for step in 0..3 {
        for request in gateway.fake.received(&format!("body-{step}")) {
            assert_eq!(request.body(), odd_body("up-body"), "at step {step}");
            assert_eq!(
                request.header("content-length").unwrap(),
                request.0["body_bytes"].to_string()
            );
        }
    }
}

pub(super) fn gateway_only_fields_are_removed(gateway: &Gateway) {
    let body = r#"{"provider":{"order":["roomy-0"]} , "models": ["t/roomy"],"model":"t/roomy",
        "user":"removal", "route":"fallback", "messages":[] ,"usage":{"include":true},"x" : 1,
        "transforms":[] }"#;
    assert_eq!(gateway.post("/api/v1", body.as_bytes()).status, 200);
    let received = gateway.fake.received("roomy-0");
    let request = received.iter().find(|request| request.body().contains("removal")).unwrap();
    let sent: Value = json!({"model": "up-roomy", "user": "removal", "messages": [], "x": 1});
    assert_eq!(request.json(), sent, "{}", request.body());
    assert!(
        request.body().contains("\"x\" : 1") && request.body().contains("\"messages\":[]"),
        "{}",
        request.body()
    );
}
