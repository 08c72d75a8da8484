//! Headers of one attempt, row by row.

use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::request::Limits;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CLIENT: &[(&str, &str)] = &[
    ("authorization", "Bearer client"),
    ("x-api-key", "client"),
    ("api-key", "client"),
    ("cookie", "c=1"),
    ("content-type", "application/json; charset=utf-8"),
    ("accept", "text/event-stream"),
    ("user-agent", "sdk"),
    ("openai-organization", "org"),
    ("openai-project", "proj"),
    ("openai-beta", "assistants=v2"),
    ("x-stainless-lang", "js"),
    ("x-forwarded-for", "1.2.3.4"),
    ("accept-encoding", "gzip"),
    ("content-length", "999"),
    ("te", "trailers"),
];

/// A key that may not stand in a query as it is.
const KEY: &str = "a&b=c/\u{e9}";

/// Headers for a provider that is configured as told.
fn headers(provider: &Value, operation: Operation) -> Vec<(String, String)> {
    let mut provider = provider.clone();
    provider["api"] = "openai".into();
    let document = json!({"providers": {"p": provider}});
    let (config, _) =
        Config::parse(document.to_string().as_bytes(), &|_| Some(KEY.to_owned())).unwrap();
    let request =
        Request::parse(b"{\"model\":\"m\",\"messages\":[]}".to_vec(), &Limits::default()).unwrap();
    let current = [
        (":scheme", "https"),
        ("traceparent", "00-now"),
        ("x-request-id", "r"),
        ("x-b3-traceid", "t"),
    ];
    let client = ClientHeaders::keep(CLIENT);
    let target = Target { provider: &config.providers[0], model: "up", service_tier: None };
    let prepared = prepare(&request, operation, &client, target, &current, Duration::ZERO).unwrap();
    owned(&prepared)
}

fn owned(prepared: &Prepared<'_>) -> Vec<(String, String)> {
    prepared
        .headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone().into_owned()))
        .collect()
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[test]
fn lines_of_one_name_are_one_list_and_of_what_is_none_the_first_counts() {
    let client = ClientHeaders::keep(&[
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-version", "2099-01-01"),
        ("anthropic-beta", "a"),
        ("user-agent", "sdk"),
        ("x-api-key", "one"),
        ("anthropic-beta", "b,c"),
        ("openai-beta", "x"),
        ("x-api-key", "two"),
        ("anthropic-beta", "d"),
    ]);
    let told: Vec<_> = client.iter(false).collect();
    assert_eq!(
        told,
        [
            ("content-type", "application/json"),
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "a, b,c, d"),
            ("user-agent", "sdk"),
            ("openai-beta", "x"),
        ]
    );
    assert_eq!(client.iter(true).collect::<Vec<_>>(), [("x-api-key", "one"), ("x-api-key", "two")]);
}

#[test]
fn only_what_is_on_the_list_reaches_a_provider() {
    let headers = headers(&json!({"host": "h.example"}), Operation::Chat);
    let told: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(
        told,
        [
            ":method: POST",
            ":scheme: https",
            ":authority: h.example",
            ":path: /v1/chat/completions",
            "content-type: application/json; charset=utf-8",
            "content-length: 28",
            "accept: text/event-stream",
            "user-agent: sdk",
            "openai-beta: assistants=v2",
            "accept-encoding: identity",
            "traceparent: 00-now",
        ]
    );
}

#[test]
fn a_body_is_called_json_whatever_the_client_calls_it() {
    let document = json!({"providers": {"p": {"api": "openai", "host": "h.example"}}});
    let (config, _) = Config::parse(document.to_string().as_bytes(), &|_| None).unwrap();
    let request = Request::parse(br#"{"model": "m"}"#.to_vec(), &Limits::default()).unwrap();
    let target = Target { provider: &config.providers[0], model: "up", service_tier: None };
    for (said, expected) in [
        ("application/x-www-form-urlencoded", "application/json"),
        ("text/plain", "application/json"),
        ("", "application/json"),
        ("application/jsonlines", "application/json"),
        ("text/plain,application/json", "application/json"),
        ("application/json,text/plain", "application/json"),
        ("application/json; x=y, text/plain", "application/json"),
        ("Application/JSON", "Application/JSON"),
        ("application/json;charset=utf-8", "application/json;charset=utf-8"),
    ] {
        let client = ClientHeaders::keep(&[("content-type", said)]);
        let prepared =
            prepare(&request, Operation::Chat, &client, target, &[], Duration::ZERO).unwrap();
        let told = prepared
            .headers
            .iter()
            .find(|(name, _)| *name == "content-type")
            .map(|(_, value)| value.as_ref());
        assert_eq!(told, Some(expected), "{said}");
    }
}

#[test]
fn a_provider_is_authenticated_in_its_own_way() {
    let by_query = "/v1/embeddings?key=a%26b%3Dc%2F%C3%A9";
    for (auth, credentials, path) in [
        (
            json!({"type": "bearer", "env": "K"}),
            [&format!("Bearer {KEY}"), "", ""],
            "/v1/embeddings",
        ),
        (json!({"type": "header", "name": "Api-Key", "env": "K"}), ["", "", KEY], "/v1/embeddings"),
        (json!({"type": "none"}), [""; 3], "/v1/embeddings"),
        (json!({"type": "passthrough"}), ["Bearer client", "client", "client"], "/v1/embeddings"),
        (json!({"type": "query", "name": "key", "env": "K"}), [""; 3], by_query),
    ] {
        let headers = headers(&json!({"auth": auth}), Operation::Embeddings);
        let told = ["authorization", "x-api-key", "api-key"]
            .map(|name| value(&headers, name).unwrap_or_default());
        assert_eq!((told, value(&headers, ":path")), (credentials, Some(path)), "{auth}");
    }
}

#[test]
fn only_a_provider_that_gets_the_clients_key_is_told_of_its_account() {
    for (auth, expected) in [("none", None), ("passthrough", Some("org"))] {
        let headers = headers(&json!({"auth": {"type": auth}}), Operation::Chat);
        assert_eq!(value(&headers, "openai-organization"), expected);
        assert_eq!(value(&headers, "openai-project"), expected.map(|_| "proj"));
    }
}

#[test]
fn a_providers_own_headers_and_path_win() {
    let provider = json!({
        "base_path": "/openai/deployments/x",
        "headers": {"X-Team": "search", "User-Agent": "gateway"},
    });
    let headers = headers(&provider, Operation::Completions);
    assert_eq!(value(&headers, ":path"), Some("/openai/deployments/x/completions"));
    assert_eq!(
        (value(&headers, "x-team"), value(&headers, "user-agent")),
        (Some("search"), Some("gateway"))
    );
}

#[test]
fn what_is_said_of_the_clients_dialect_does_not_reach_a_provider_of_another() {
    let headers = headers(&json!({"host": "h.example"}), Operation::Messages);
    assert_eq!(value(&headers, "content-type"), Some("application/json"));
    assert_eq!((value(&headers, "accept"), value(&headers, "openai-beta")), (None, None));
    assert_eq!(value(&headers, "user-agent"), Some("sdk"));
}

/// Whether a request of Anthropic's dialect with this block passes to an Anthropic provider, and
/// what is sent.
fn body_with(block: &Value) -> (bool, String) {
    let document = json!({"providers": {"p": {"api": "anthropic", "host": "h.example"}}});
    let (config, _) = Config::parse(document.to_string().as_bytes(), &|_| None).unwrap();
    let client = ClientHeaders::keep(&[("anthropic-beta", "b")]);
    let turns =
        json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": [block]}]);
    let body = json!({"model": "m", "max_tokens": 9, "stream": true, "own": 1, "messages": turns})
        .to_string();
    let request = Request::parse(body.into_bytes(), &Limits::default()).unwrap();
    let target = Target { provider: &config.providers[0], model: "up", service_tier: None };
    let prepared =
        prepare(&request, Operation::Messages, &client, target, &[], Duration::ZERO).unwrap();
    assert_eq!(value(&owned(&prepared), "anthropic-beta"), Some("b"));
    assert_eq!(value(&owned(&prepared), ":path"), Some("/v1/messages"));
    (
        matches!(prepared.body, Body::Edited(_)),
        String::from_utf8(prepared.body.apply(request.body()).into()).unwrap(),
    )
}

#[test]
fn an_anthropic_body_passes_unless_other_providers_left_their_parts_in_it() {
    for own in [
        json!({"type": "text", "text": "thinking"}),
        json!({"type": "thinking", "thinking": "t", "signature": "c2ln"}),
        json!({"type": "redacted_thinking", "data": "ZGF0YQ=="}),
    ] {
        let (passes, body) = body_with(&own);
        assert!(passes && body.contains("\"own\":1") && body.contains("\"up\""), "{own}: {body}");
    }
    for foreign in [
        json!({"type": "thinking", "thinking": "t", "signature": "google-gemini-v1:c2ln"}),
        json!({"type": "thinking", "thinking": "t", "signature": ""}),
        json!({"type": "redacted_thinking", "data": "modelyard-call-v1:c2ln"}),
    ] {
        let (passes, body) = body_with(&foreign);
        assert!(!passes, "{foreign}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["model"], &body["stream"]), (&json!("up"), &json!(true)), "{body}");
        assert!(!body.to_string().contains("c2ln"), "{body}");
    }
}

#[test]
fn what_could_steer_host_or_filter_is_stripped() {
    let stripped = [
        "authorization",
        "x-api-key",
        "api-key",
        "x-envoy-max-retries",
        "x-modelyard-retry",
        "x-modelyard-",
    ];
    assert!(stripped.into_iter().all(ClientHeaders::is_stripped));
    assert!(
        !["x-request-id", "cookie", "x-envoy", "content-type"]
            .into_iter()
            .any(ClientHeaders::is_stripped)
    );
}

/// What a provider of an API is told as `service_tier`, and whether the loss of the client's is
/// told.
fn told_tier(
    api: &str,
    operation: Operation,
    body: &Value,
    tier: Option<&'static str>,
) -> (Value, bool) {
    let document = json!({"providers": {"p": {"api": api, "host": "h.example"}}});
    let (config, _) = Config::parse(document.to_string().as_bytes(), &|_| None).unwrap();
    let request = Request::parse(body.to_string().into_bytes(), &Limits::default()).unwrap();
    let target = Target { provider: &config.providers[0], model: "up", service_tier: tier };
    let client = ClientHeaders::default();
    let prepared = prepare(&request, operation, &client, target, &[], Duration::ZERO).unwrap();
    let sent: Value = serde_json::from_slice(&prepared.body.apply(request.body())).unwrap();
    (sent["service_tier"].clone(), prepared.dropped.iter().any(|name| name == "service_tier"))
}

#[test]
fn a_service_tier_is_told_in_the_words_of_the_dialect() {
    use Operation::{Chat, Completions, Messages, Responses};
    let (flex, priority, default) = (Some("flex"), Some("priority"), Some("default"));
    let rows = [
        ("openai", Chat, json!("fast"), priority, json!("priority"), false),
        ("openai", Chat, Value::Null, flex, json!("flex"), false),
        ("openai", Chat, json!("flex"), default, json!("default"), false),
        ("openai", Chat, json!("scale"), None, json!("scale"), false),
        ("openai", Completions, Value::Null, flex, Value::Null, false),
        ("openai", Responses, json!("fast"), None, json!("priority"), false),
        ("openai", Responses, json!("flex"), default, json!("default"), false),
        ("openai", Responses, json!("default"), None, Value::Null, false),
        ("openai", Responses, json!("scale"), None, Value::Null, true),
        ("azure-openai", Messages, json!("standard_only"), flex, json!("flex"), false),
        ("anthropic", Messages, json!("standard_only"), priority, json!("auto"), false),
        ("anthropic", Messages, json!("priority"), default, json!("standard_only"), false),
        ("anthropic", Messages, json!("auto"), None, json!("auto"), false),
        ("anthropic", Chat, json!("flex"), flex, Value::Null, true),
    ];
    for (api, operation, said, tier, expected, lost) in rows {
        let mut body = json!({"model": "m", "max_tokens": 9, "service_tier": said});
        let text = json!([{"role": "user", "content": "Hi"}]);
        body[if operation == Responses { "input" } else { "messages" }] = text;
        assert_eq!(
            told_tier(api, operation, &body, tier),
            (expected, lost),
            "{api} {operation:?} {said} {tier:?}"
        );
    }
}
