//! What the providers of each format get.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use modelyard::provider::sigv4;
use serde_json::json;

use super::{VERTEX, formats, last_received};
use crate::client::Connection;
use crate::dialect::{DIALECTS, Dialect};
use crate::fake::Received;
use crate::gateway::Gateway;
use crate::setup::key;

pub(super) fn what_a_tool_returned_reaches_every_format(gateway: &Gateway) {
    for dialect in DIALECTS {
        for api in formats() {
            let name = format!("{api}-returned");
            let body = dialect.question_with_tool(&name, false);
            let answer = dialect.ask(gateway, &body).json();
            let reply = dialect.ask(gateway, &dialect.go_on(body, &answer));
            assert_eq!(reply.status, 200, "{reply:?}");
            let received = last_received(gateway, &format!("{name}-0")).json();
            let turns = if api == "gemini" { &received["contents"] } else { &received["messages"] };
            let result = match api {
                "openai" => &turns[2]["content"],
                "anthropic" => &turns[2]["content"][0]["content"],
                "gemini" => &turns[2]["parts"][0]["functionResponse"]["response"],
                "bedrock" => &turns[2]["content"][0]["toolResult"]["content"],
                _ => panic!("where {api} has a tool's result is not written here"),
            };
            assert!(result.to_string().contains("Sunny"), "{dialect:?} over {api}: {received}");
            assert!(
                turns[1].to_string().contains("Hello from"),
                "the call's arguments: {received}"
            );
            assert_eq!(turns.as_array().map(Vec::len), Some(3), "{received}");
        }
    }
}

/// Which providers can check each other's proofs.
fn family(api: &str) -> &str {
    if api == "bedrock" { "anthropic" } else { api }
}

pub(super) fn proofs_of_thinking_find_back_and_nowhere_else(gateway: &Gateway) {
    for dialect in DIALECTS {
        for from in ["anthropic", "gemini", "bedrock"] {
            for to in ["anthropic", "gemini", "bedrock"] {
                let mut body = dialect.question_with_tool(&format!("{from}-think"), false);
                crate::setup::merge(&mut body, &dialect.thinking());
                let answer = dialect.ask(gateway, &body);
                assert_eq!(answer.status, 200, "{answer:?}");
                let mut body = dialect.go_on(body, &answer.json());
                body["model"] = format!("t/{to}-think").into();
                let reply = dialect.ask(gateway, &body);
                assert_eq!(reply.status, 200, "{reply:?}");
                let received = last_received(gateway, &format!("{to}-think-0"));
                let proof = "ZmFrZSBzaWduYXR1cmU=";
                let expected = family(from) == family(to);
                let context = format!("{dialect:?} from {from} to {to}: {received:?} after {body}");
                assert_eq!(received.body().contains(proof), expected, "{context}");
                assert!(received.body().contains("Sunny"), "{context}");
            }
        }
    }
}

pub(super) fn pictures_reach_every_format(gateway: &Gateway) {
    const DATA: &str = "iVBORw0KGgo=";
    for dialect in DIALECTS {
        let url = format!("data:image/png;base64,{DATA}");
        let source = json!({"type": "base64", "media_type": "image/png", "data": DATA});
        let content = match dialect {
            Dialect::Chat(_) => json!([{"type": "image_url", "image_url": {"url": url}}]),
            Dialect::Messages => json!([{"type": "image", "source": source}]),
            Dialect::Responses => json!([{"type": "input_image", "image_url": url}]),
        };
        for api in formats() {
            let name = format!("{api}-picture");
            let mut body = dialect.question(&name, false);
            let turns = if dialect == Dialect::Responses { "input" } else { "messages" };
            body[turns][0]["content"] = content.clone();
            let reply = dialect.ask(gateway, &body);
            assert_eq!(reply.status, 200, "{reply:?}");
            let received = last_received(gateway, &format!("{name}-0")).json();
            let (picture, expected) = match api {
                "openai" => {
                    (&received["messages"][0]["content"][0]["image_url"]["url"], json!(url))
                }
                "anthropic" => (&received["messages"][0]["content"][0]["source"], source.clone()),
                "gemini" => (
                    &received["contents"][0]["parts"][0]["inlineData"],
                    json!({"mimeType": "image/png", "data": DATA}),
                ),
                _ => (
                    &received["messages"][0]["content"][0]["image"],
                    json!({"format": "png", "source": {"bytes": DATA}}),
                ),
            };
            assert_eq!(picture, &expected, "{dialect:?} over {api}: {received}");
        }
    }
}

pub(super) fn every_format_gets_a_request_of_its_own(gateway: &Gateway) {
    for dialect in DIALECTS {
        for streamed in [false, true] {
            for api in formats() {
                let name = format!("{api}-counted");
                let mut body = dialect.question_with_tool(&name, streamed);
                body["temperature"] = json!(0.5);
                assert_eq!(dialect.ask(gateway, &body).status, 200);
                let received = last_received(gateway, &format!("{name}-0"));
                assert_own(api, &received, &format!("up-{name}"), streamed);
                assert!(!received.body().contains(&format!("t/{name}")), "{received:?}");
                assert!(
                    !received.header_names().iter().any(|name| name.starts_with("x-modelyard")),
                    "{received:?}"
                );
            }
        }
    }
}

/// A request has the format's path, credentials and body.
fn assert_own(api: &str, received: &Received, model: &str, streamed: bool) {
    assert_credentials(api, received);
    let body = received.json();
    let key = key(0).1;
    let (path, text, tool, limit) = match api {
        "openai" => (
            "/v1/chat/completions".to_owned(),
            &body["messages"][0]["content"],
            &body["tools"][0]["function"]["name"],
            None,
        ),
        "anthropic" => (
            "/v1/messages".to_owned(),
            &body["messages"][0]["content"],
            &body["tools"][0]["name"],
            Some(&body["max_tokens"]),
        ),
        "gemini" => {
            let verb = if streamed { "streamGenerateContent?alt=sse&" } else { "generateContent?" };
            (
                format!("/v1beta/models/{model}:{verb}key={key}"),
                &body["contents"][0]["parts"][0]["text"],
                &body["tools"][0]["functionDeclarations"][0]["name"],
                Some(&body["generationConfig"]["maxOutputTokens"]),
            )
        }
        _ => (
            format!("/model/{model}/{}", if streamed { "converse-stream" } else { "converse" }),
            &body["messages"][0]["content"][0]["text"],
            &body["toolConfig"]["tools"][0]["toolSpec"]["name"],
            Some(&body["inferenceConfig"]["maxTokens"]),
        ),
    };
    assert_eq!(received.path(), path, "{received:?}");
    let text = if text.is_array() { &text[0]["text"] } else { text };
    assert_eq!((text, tool), (&json!("Hello there"), &json!("look")), "{body}");
    assert!(limit.is_none_or(|limit| limit == 99), "{body}");
    if ["openai", "anthropic"].contains(&api) {
        let told = (&body["model"], body["stream"] == true);
        assert_eq!(told, (&json!(model), streamed), "{body}");
    }
}

/// A request has the format's headers of who asks, and those of no other format. Gemini has its key
/// in the path.
fn assert_credentials(api: &str, received: &Received) {
    let own: &[(&str, &str)] = match api {
        "openai" => &[("authorization", &format!("Bearer {}", key(0).1))],
        "anthropic" => &[("x-api-key", &key(0).1), ("anthropic-version", "2023-06-01")],
        "gemini" => &[],
        _ => &[("x-amz-security-token", &key(7).1)],
    };
    for (name, value) in own {
        assert_eq!(received.header(name), Some(*value), "{received:?}");
    }
    let is_signed = api == "bedrock";
    if is_signed {
        let authorization = received.header("authorization").unwrap();
        let scope = format!("AWS4-HMAC-SHA256 Credential={}/", key(0).1);
        assert!(authorization.starts_with(&scope), "{authorization}");
        assert!(authorization.contains("/eu-central-1/bedrock/aws4_request"), "{authorization}");
    }
    for name in ["authorization", "x-api-key", "anthropic-version", "api-key"] {
        let is_own =
            own.iter().any(|(known, _)| *known == name) || is_signed && name == "authorization";
        assert!(is_own || received.header(name).is_none(), "{name}: {received:?}");
    }
}

pub(super) fn signatures_are_of_what_arrives(gateway: &Gateway) {
    for (dialect, streamed) in
        DIALECTS.into_iter().flat_map(|dialect| [(dialect, false), (dialect, true)])
    {
        assert_eq!(dialect.ask(gateway, &dialect.question("signed", streamed)).status, 200);
        let verb = if streamed { "converse-stream" } else { "converse" };
        let path = format!("/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/{verb}");
        let received = gateway.fake.received("signed-0");
        let received = received
            .iter()
            .rfind(|received| received.path() == path)
            .unwrap_or_else(|| panic!("{path}"));
        assert_eq!(
            received.header("authorization"),
            Some(signature(received).as_str()),
            "{received:?}"
        );
    }
}

/// The `authorization` that belongs to a request, of the time it says.
fn signature(received: &Received) -> String {
    let unsigned = sigv4::Unsigned {
        method: "POST",
        host: received.0["authority"].as_str().unwrap(),
        path: received.path(),
        query: "",
        headers: &[("content-type", received.header("content-type").unwrap())],
        body_sha256: sigv4::sha256(received.body().as_bytes()),
    };
    let keys = [0, 6, 7].map(|step| key(step).1);
    let credentials = sigv4::Credentials {
        access_key: &keys[0],
        secret_key: &keys[1],
        session_token: Some(keys[2].as_str()),
    };
    let scope = sigv4::Scope { region: "eu-central-1", service: "bedrock" };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let times = (0..600).map(|ago| now - Duration::from_secs(ago));
    let signed = times.map(|time| sigv4::sign(&unsigned, &credentials, scope, time));
    let mut headers = signed.map(BTreeMap::from_iter);
    let date = received.header("x-amz-date").unwrap();
    headers.find(|headers| headers["x-amz-date"] == date).unwrap()["authorization"].clone()
}

pub(super) fn vertex_is_gemini_with_another_path_and_a_bearer_token(gateway: &Gateway) {
    for (dialect, streamed) in
        DIALECTS.into_iter().flat_map(|dialect| [(dialect, false), (dialect, true)])
    {
        let reply = dialect.ask(gateway, &dialect.question("vertex", streamed));
        assert!(dialect.said(&reply).text.starts_with("Hello from vertex-0"), "{reply:?}");
        let received = last_received(gateway, "vertex-0");
        let verb = if streamed { "streamGenerateContent?alt=sse" } else { "generateContent" };
        assert_eq!(received.path(), format!("{VERTEX}/models/up-vertex:{verb}"));
        assert_eq!(received.header("authorization"), Some(format!("Bearer {}", key(0).1).as_str()));
    }
}

/// A conversation with everything that only Anthropic knows, spelled as nobody else would.
const OWN: &str = r#"{ "max_tokens" : 2048,"model":"t/passing",
    "thinking":{"type":"enabled","budget_tokens":1024}, "own_field": [1.0, 1e2, "\u00e9"],
    "system":[{"type":"text","text":"Be brief","cache_control":{"type":"ephemeral","ttl":"1h"}}],
    "messages":[{"role":"user","content":"Hello"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"Hm","signature":"RXFRQg=="},
            {"type":"text","text":"Hi"}]},
        {"role":"user","content":[{"type":"text","text":"there",
            "cache_control":{"type":"ephemeral"}}]}]}"#;

pub(super) fn the_clients_own_format_passes_untouched(gateway: &Gateway) {
    let headers = [
        ("content-type", "application/json"),
        ("anthropic-beta", "context-1m"),
        ("anthropic-version", "2023-01-01"),
    ];
    for streamed in [false, true] {
        let stream = format!(r#"{{"stream":{streamed},"#);
        let body = OWN.replacen('{', &stream, 1);
        let reply = gateway.request("POST", "/v1/messages", &headers, body.as_bytes());
        let received = last_received(gateway, "passing-0");
        assert_eq!(received.body(), body.replace("t/passing", "up-passing"));
        assert_eq!(received.header("anthropic-beta"), Some("context-1m"));
        assert_eq!(received.header("anthropic-version"), Some("2023-01-01"));
        assert_eq!(Dialect::Messages.said(&reply).thought, "Let me think this through.");
        assert_eq!(without_ids(reply.text()), without_ids(&told_directly(gateway, &received)));
        let entry = gateway.entry(&reply);
        assert_eq!(
            (&entry["input_tokens"], &entry["output_tokens"]),
            (&json!("1000"), &json!("58")),
            "{entry}"
        );
        assert_eq!(
            (&entry["cached_tokens"], &entry["finish_reason"]),
            (&json!("400"), &json!("end_turn")),
            "{entry}"
        );
    }
}

/// What the fake answers to the very request it got.
fn told_directly(gateway: &Gateway, received: &Received) -> String {
    let mut connection = Connection::open(gateway.fake.listeners["passing-0"]);
    let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
    connection.send("POST", received.path(), &headers, received.body().as_bytes());
    connection.read("POST").text().to_owned()
}

/// The answer without its id, in which two otherwise equal answers differ.
fn without_ids(answer: &str) -> String {
    let (before, after) = answer.split_once("\"msg_fake").unwrap();
    format!("{before}{}", after.split_once('"').unwrap().1)
}

pub(super) fn parts_of_other_providers_do_not_pass(gateway: &Gateway) {
    for streamed in [false, true] {
        let mut body = Dialect::Messages.question("foreign", streamed);
        let thinking =
            json!({"type": "thinking", "thinking": "Hm", "signature": "google-gemini-v1:c2ln"});
        let turn =
            json!({"role": "assistant", "content": [thinking, {"type": "text", "text": "Hi"}]});
        body["messages"]
            .as_array_mut()
            .unwrap()
            .extend([turn, json!({"role": "user", "content": "And?"})]);
        let reply = Dialect::Messages.ask(gateway, &body);
        assert_eq!(
            Dialect::Messages.said(&reply).model,
            "up-foreign",
            "the answer passes: {reply:?}"
        );
        let received = last_received(gateway, "foreign-0");
        assert!(!received.body().contains("google-gemini-v1"), "{received:?}");
        let sent = received.json();
        assert_eq!(
            (&sent["model"], sent["stream"] == true),
            (&json!("up-foreign"), streamed),
            "{sent}"
        );
        assert_eq!(sent["messages"].as_array().unwrap().len(), 3, "{sent}");
    }
}

pub(super) fn azure_has_two_forms_of_path(gateway: &Gateway) {
    for (name, path) in [
        ("azure", "/openai/v1/chat/completions"),
        ("deployed", "/openai/deployments/up-deployed/chat/completions?api-version=2024-10-21"),
    ] {
        for dialect in DIALECTS {
            for streamed in [false, true] {
                let reply = dialect.ask(gateway, &dialect.question(name, streamed));
                assert!(dialect.said(&reply).text.starts_with("Hello from"), "{reply:?}");
                let received = last_received(gateway, &format!("{name}-0"));
                assert_eq!(received.path(), path);
                assert_eq!(received.header("api-key"), Some(key(0).1.as_str()));
                assert_eq!(received.header("authorization"), None);
            }
        }
    }
}
