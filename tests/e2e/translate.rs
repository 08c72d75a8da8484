//! Every client dialect over every upstream format: the client never knows who answered, nor how.

use std::time::{Duration, SystemTime};

use modelyard::provider::sigv4;
use serde_json::{Value, json};

use crate::client::{Connection, Reply};
use crate::dialect::{DIALECTS, Dialect, Said};
use crate::fake::Received;
use crate::gateway::{Gateway, chat, stream};
use crate::setup::{Setup, key};

const CLAUDE_ON_BEDROCK: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const VERTEX: &str = "/v1/projects/p/locations/eu/publishers/google";
const USAGE: &str = "prompt-tokens=1000,cached=400,reasoning=50,tokens=8";

/// Azure's differs from OpenAI's in nothing but its path: it has a test of its own.
fn formats() -> impl Iterator<Item = &'static str> {
    crate::setup::formats().filter(|format| *format != "azure-openai")
}

fn setup() -> Setup {
    let mut setup = Setup::new();
    for api in formats() {
        let own = |what: &str| format!("{api}-{what}");
        let faults = |faults: &str| {
            if api == "bedrock" { format!("{faults},signed") } else { faults.to_owned() }
        };
        setup = setup.formats(&own("good"), &[(api, &faults(USAGE))]);
        setup = setup.formats(&own("tool"), &[(api, &faults("tool-call"))]);
        setup = setup.formats(&own("tiny"), &[(api, &faults("tool-call,reasoning=3,bytes=1"))]);
        setup = setup.formats(&own("think"), &[(api, "tool-call,reasoning=3")]);
        let model = if api == "bedrock" { CLAUDE_ON_BEDROCK } else { "claude-sonnet-4-5" };
        let endpoint = json!({"provider": format!("{api}-think-0"), "model": model});
        setup = setup.model(&own("think"), json!({"endpoints": [endpoint]}));
        setup = setup.formats(&own("limit"), &[(api, "tokens=200")]);
        setup = setup.formats(&own("counted"), &[(api, USAGE)]);
        setup = setup.formats(&own("silent"), &[(api, "no-usage")]);
        setup = setup.formats(&own("refusing"), &[(api, "status=400")]);
        setup = setup.formats(&own("busy"), &[(api, "status=429,retry-after=7")]);
        setup = setup.formats(&own("cut"), &[(api, "cut=2")]);
        setup = setup.formats(&own("failing"), &[(api, "error-event=2")]);
        setup = setup.formats(&own("html"), &[(api, "body=html"), ("openai", "")]);
        setup = setup.formats(&own("zipped"), &[(api, "gzip"), ("openai", "")]);
        setup = setup.formats(&own("returned"), &[(api, "tool-call")]);
        setup = setup.formats(&own("picture"), &[(api, "")]);
        setup = setup.formats(&own("late"), &[(api, "error-event"), ("openai", "")]);
        setup = setup.formats(&own("early"), &[(api, "error-event=0"), ("openai", "")]);
        setup = setup.formats(&own("vain"), &[(api, "cut=0"), ("openai", "")]);
        setup = setup
            .formats(&own("stuck"), &[(api, "stall=0"), ("openai", "")])
            .hurry(&own("stuck"), "1500ms");
    }
    setup = setup.formats("down", &[("openai", "status=503"), ("anthropic", USAGE)]);
    setup = setup.formats("overloaded", &[("anthropic", "status=529"), ("gemini", USAGE)]);
    setup = setup.formats("throttled", &[("bedrock", "error-event"), ("openai", USAGE)]);
    setup = setup.formats(
        "around",
        &[
            ("gemini", "status=503"),
            ("bedrock", "status=429"),
            ("openai", "status=500"),
            ("anthropic", USAGE),
        ],
    );
    setup = setup.formats("passing", &[("anthropic", USAGE)]);
    setup = setup.formats("foreign", &[("anthropic", USAGE)]);
    setup = setup.formats("lossy", &[("anthropic", "")]);
    setup = setup
        .formats("several", &[("anthropic", ""), ("gemini", ""), ("bedrock", ""), ("openai", "")]);
    setup = setup.formats("single", &[("anthropic", "")]);
    setup = setup.formats("azure", &[("azure-openai", "")]);
    setup = setup.formats("deployed", &[("azure-openai", "")]);
    setup = setup.provider(
        "deployed-0",
        json!({"base_path": "/openai/deployments/{model}?api-version=2024-10-21"}),
    );
    setup = setup
        .formats("vertex", &[("openai", "")])
        .provider("vertex-0", json!({"api": "gemini", "base_path": VERTEX}));
    let endpoint = json!({"provider": "signed-0", "model": CLAUDE_ON_BEDROCK});
    setup = setup
        .formats("signed", &[("bedrock", "signed")])
        .model("signed", json!({"endpoints": [endpoint]}));
    setup = setup.formats("counting", &[("anthropic", "prompt-tokens=77")]);
    setup = setup.formats("crc-first", &[("bedrock", "garbage=first"), ("gemini", "")]);
    setup = setup.formats("crc-only", &[("bedrock", "garbage=first")]);
    setup.formats("crc-later", &[("bedrock", "garbage=2")])
}

on_envoy! { setup:
    every_dialect_reaches_every_format,
    tools_are_called_through_every_pair,
    streams_in_single_bytes_say_the_same,
    what_a_tool_returned_reaches_every_format,
    proofs_of_thinking_find_back_and_nowhere_else,
    pictures_reach_every_format,
    limits_are_told_in_the_clients_words,
    every_format_gets_a_request_of_its_own,
    the_client_never_knows_who_failed,
    an_exception_as_first_event_moves_on,
    whatever_fails_before_the_first_content_moves_on,
    signatures_are_of_what_arrives,
    vertex_is_gemini_with_another_path_and_a_bearer_token,
    the_clients_own_format_passes_untouched,
    parts_of_other_providers_do_not_pass,
    the_last_error_is_in_the_clients_dialect,
    waiting_times_are_passed_on,
    what_got_lost_is_told,
    several_choices_are_openais_alone,
    azure_has_two_forms_of_path,
    tokens_of_a_prompt_are_counted_or_estimated,
    tokens_and_cost_are_the_same_in_every_format,
    without_usage_there_is_an_estimate,
    a_cut_stream_ends_in_the_clients_own_error,
    an_error_in_mid_stream_is_told_once,
    a_broken_checksum_moves_on_or_ends_the_stream,
    a_page_of_html_is_no_answer_of_any_format,
    a_compressed_answer_is_translated_by_nobody,
    the_gateways_own_errors_are_in_the_clients_dialect,
}

/// Every dialect with every format, plain and streamed.
fn pairs() -> impl Iterator<Item = (Dialect, &'static str, bool)> {
    let formats = DIALECTS.into_iter().flat_map(|dialect| formats().map(move |api| (dialect, api)));
    formats.flat_map(|(dialect, api)| [false, true].map(|streamed| (dialect, api, streamed)))
}

/// Whether this face of this dialect gets the upstream's own bytes.
fn passes(dialect: Dialect, api: &str) -> bool {
    matches!((dialect, api), (Dialect::Chat("/v1"), "openai") | (Dialect::Messages, "anthropic"))
}

fn last_received(gateway: &Gateway, provider: &str) -> Received {
    gateway.fake.received(provider).pop().unwrap_or_else(|| panic!("{provider} got nothing"))
}

fn every_dialect_reaches_every_format(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-good");
        let reply = dialect.ask(gateway, &dialect.question(&name, streamed));
        let said = dialect.said(&reply);
        let thought = if api == "openai" { "" } else { "Let me think this through." };
        let expected = Said {
            model: if passes(dialect, api) { format!("up-{name}") } else { format!("t/{name}") },
            text: format!("Hello from {name}-0 and this is a scripted"),
            thought: thought.to_owned(),
            finish: "stop".to_owned(),
            input: 1000,
            cached: 400,
            output: 58,
            call: None,
        };
        assert_eq!(said, expected, "{dialect:?} over {api}, streamed: {streamed}: {reply:?}");
        assert_eq!(reply.header("x-modelyard-model"), Some(format!("t/{name}").as_str()));
        assert_eq!(reply.header("x-modelyard-dropped"), None, "{reply:?}");
    }
}

fn assert_called(dialect: Dialect, reply: &Reply, name: &str) {
    let said = dialect.said(reply);
    let arguments = json!({"text": format!("Hello from {name}-0 and this is a scripted")});
    assert_eq!(said.call, Some(("look".to_owned(), arguments)), "{dialect:?}: {reply:?}");
    assert_eq!(
        (said.text.as_str(), said.finish.as_str()),
        ("", "tool_calls"),
        "{dialect:?}: {reply:?}"
    );
}

fn tools_are_called_through_every_pair(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-tool");
        let reply = dialect.ask(gateway, &dialect.question_with_tool(&name, streamed));
        assert_called(dialect, &reply, &name);
    }
}

fn streams_in_single_bytes_say_the_same(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-tiny");
        let reply = dialect.ask(gateway, &dialect.question_with_tool(&name, streamed));
        assert_called(dialect, &reply, &name);
    }
}

fn what_a_tool_returned_reaches_every_format(gateway: &Gateway) {
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

fn proofs_of_thinking_find_back_and_nowhere_else(gateway: &Gateway) {
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

fn pictures_reach_every_format(gateway: &Gateway) {
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
                "bedrock" => (
                    &received["messages"][0]["content"][0]["image"],
                    json!({"format": "png", "source": {"bytes": DATA}}),
                ),
                _ => panic!("where {api} has a picture is not written here"),
            };
            assert_eq!(picture, &expected, "{dialect:?} over {api}: {received}");
        }
    }
}

fn limits_are_told_in_the_clients_words(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-limit"), streamed));
        let said = dialect.said(&reply);
        assert_eq!(
            (said.finish.as_str(), said.output),
            ("length", 99),
            "{dialect:?} over {api}: {reply:?}"
        );
    }
}

fn every_format_gets_a_request_of_its_own(gateway: &Gateway) {
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
    let body = received.json();
    let key = key(0).1;
    let (path, text, tool, limit) = match api {
        "openai" => {
            assert_eq!(received.header("authorization"), Some(format!("Bearer {key}").as_str()));
            assert_eq!(
                (&body["model"], body["stream"] == true),
                (&json!(model), streamed),
                "{body}"
            );
            let tool = &body["tools"][0]["function"]["name"];
            ("/v1/chat/completions".to_owned(), &body["messages"][0]["content"], tool, None)
        }
        "anthropic" => {
            assert_eq!(received.header("x-api-key"), Some(key.as_str()));
            assert_eq!(received.header("anthropic-version"), Some("2023-06-01"));
            assert_eq!(
                (&body["model"], body["stream"] == true),
                (&json!(model), streamed),
                "{body}"
            );
            let tool = &body["tools"][0]["name"];
            (
                "/v1/messages".to_owned(),
                &body["messages"][0]["content"],
                tool,
                Some(&body["max_tokens"]),
            )
        }
        "gemini" => {
            let verb = if streamed { "streamGenerateContent?alt=sse&" } else { "generateContent?" };
            let parts = &body["contents"][0]["parts"][0]["text"];
            let tool = &body["tools"][0]["functionDeclarations"][0]["name"];
            let limit = Some(&body["generationConfig"]["maxOutputTokens"]);
            (format!("/v1beta/models/{model}:{verb}key={key}"), parts, tool, limit)
        }
        "bedrock" => {
            let scope = format!("AWS4-HMAC-SHA256 Credential={key}/");
            let authorization = received.header("authorization").unwrap();
            assert!(authorization.starts_with(&scope), "{authorization}");
            assert!(
                authorization.contains("/eu-central-1/bedrock/aws4_request"),
                "{authorization}"
            );
            assert_eq!(
                received.header("x-amz-security-token"),
                Some(crate::setup::key(7).1.as_str())
            );
            let verb = if streamed { "converse-stream" } else { "converse" };
            let tool = &body["toolConfig"]["tools"][0]["toolSpec"]["name"];
            let limit = Some(&body["inferenceConfig"]["maxTokens"]);
            (
                format!("/model/{model}/{verb}"),
                &body["messages"][0]["content"][0]["text"],
                tool,
                limit,
            )
        }
        _ => panic!("what a request of {api} looks like is not written here"),
    };
    assert_eq!(received.path(), path, "{received:?}");
    let text = if text.is_array() { &text[0]["text"] } else { text };
    assert_eq!((text, tool), (&json!("Hello there"), &json!("look")), "{body}");
    assert!(limit.is_none_or(|limit| limit == 99), "{body}");
    let others = ["authorization", "x-api-key", "anthropic-version", "api-key"];
    let own: &[&str] = match api {
        "openai" | "bedrock" => &["authorization"],
        "anthropic" => &["x-api-key", "anthropic-version"],
        _ => &[],
    };
    let foreign = others.iter().find(|name| !own.contains(name) && received.header(name).is_some());
    assert_eq!(foreign, None, "{received:?}");
}

fn the_client_never_knows_who_failed(gateway: &Gateway) {
    for (name, last) in [("down", 1), ("overloaded", 1), ("around", 3)] {
        for dialect in DIALECTS {
            for streamed in [false, true] {
                let reply = dialect.ask(gateway, &dialect.question(name, streamed));
                let said = dialect.said(&reply);
                assert_eq!(
                    said.text,
                    format!("Hello from {name}-{last} and this is a scripted"),
                    "{reply:?}"
                );
                assert_eq!(
                    (said.finish.as_str(), said.input, said.output),
                    ("stop", 1000, 58),
                    "{reply:?}"
                );
                let provider = format!("{name}-{last}");
                assert_eq!(
                    reply.header("x-modelyard-provider"),
                    Some(provider.as_str()),
                    "{reply:?}"
                );
            }
        }
    }
}

fn an_exception_as_first_event_moves_on(gateway: &Gateway) {
    for dialect in DIALECTS {
        let reply = dialect.ask(gateway, &dialect.question("throttled", true));
        assert!(dialect.said(&reply).text.starts_with("Hello from throttled-1"), "{reply:?}");
        let entry = gateway.entry(&reply);
        assert_eq!(entry["record"]["attempts"][0]["outcome"], "error_event", "{entry}");
        for api in formats() {
            let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-late"), true));
            assert!(
                dialect.said(&reply).text.starts_with(&format!("Hello from {api}-late-1")),
                "{reply:?}"
            );
        }
    }
}

fn whatever_fails_before_the_first_content_moves_on(gateway: &Gateway) {
    for what in ["early", "vain", "stuck"] {
        for api in formats() {
            // Of OpenAI's own bytes every chunk is content.
            for dialect in DIALECTS
                .into_iter()
                .filter(|dialect| api != "openai" || !matches!(dialect, Dialect::Chat(_)))
            {
                let name = format!("{api}-{what}");
                let reply = dialect.ask(gateway, &dialect.question(&name, true));
                let said = dialect.said(&reply);
                assert!(
                    said.text.starts_with(&format!("Hello from {name}-1")),
                    "{dialect:?} over {api}: {reply:?}"
                );
            }
        }
    }
}

fn signatures_are_of_what_arrives(gateway: &Gateway) {
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
    let value = |headers: &[(&str, String)], name: &str| {
        headers.iter().find(|(known, _)| *known == name).unwrap().1.clone()
    };
    let date = received.header("x-amz-date").unwrap();
    let headers = signed.into_iter().find(|headers| value(headers, "x-amz-date") == date).unwrap();
    value(&headers, "authorization")
}

fn vertex_is_gemini_with_another_path_and_a_bearer_token(gateway: &Gateway) {
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
        {"role":"assistant","content":[{"type":"thinking","thinking":"Hm","signature":"RXFRQg=="},{"type":"text","text":"Hi"}]},
        {"role":"user","content":[{"type":"text","text":"there","cache_control":{"type":"ephemeral"}}]}]}"#;

fn the_clients_own_format_passes_untouched(gateway: &Gateway) {
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

/// The same answer twice differs in its id.
fn without_ids(answer: &str) -> String {
    let (before, after) = answer.split_once("\"msg_fake").unwrap();
    format!("{before}{}", after.split_once('"').unwrap().1)
}

fn parts_of_other_providers_do_not_pass(gateway: &Gateway) {
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

fn the_last_error_is_in_the_clients_dialect(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-refusing");
        let reply = dialect.ask(gateway, &dialect.question(&name, streamed));
        assert_eq!(reply.status, 400, "{reply:?}");
        let error = dialect.error(&reply);
        let message = format!("{name}-0: scripted status 400");
        match dialect {
            Dialect::Chat("/api/v1") => {
                assert_eq!(error["message"], "Provider returned error");
                assert!(error["metadata"]["raw"].as_str().unwrap().contains(&message), "{error}");
            }
            Dialect::Chat(_) | Dialect::Messages => {
                assert_eq!(
                    (&error["type"], &error["message"]),
                    (&json!("invalid_request_error"), &json!(message))
                );
            }
            Dialect::Responses => assert_eq!(error["message"], message, "{error}"),
        }
    }
}

fn waiting_times_are_passed_on(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-busy"), streamed));
        dialect.error(&reply);
        assert_eq!((reply.status, reply.header("retry-after")), (429, Some("7")), "{reply:?}");
    }
}

fn what_got_lost_is_told(gateway: &Gateway) {
    for (base, streamed) in [("/v1", false), ("/v1", true), ("/api/v1", false), ("/api/v1", true)] {
        let mut body = if streamed { stream("lossy") } else { chat("lossy") };
        crate::setup::merge(
            &mut body,
            &json!({"logit_bias": {"1": 5}, "seed": 7, "temperature": 0.5}),
        );
        let reply = gateway.ask(base, &body);
        assert_eq!(
            (reply.status, reply.header("x-modelyard-dropped")),
            (200, Some("logit_bias, seed")),
            "{reply:?}"
        );
        let entry = gateway.entry(&reply);
        let told = &entry["record"]["attempts"][0]["dropped_parameters"];
        assert_eq!(told, &json!(["logit_bias", "seed"]), "{entry}");
    }
    let mut body = chat("lossy");
    crate::setup::merge(&mut body, &json!({"seed": 7, "provider": {"require_parameters": true}}));
    let reply = gateway.ask("/v1", &body);
    assert_eq!(reply.status, 404, "{reply:?}");
    assert!(reply.text().contains("seed"), "{reply:?}");
}

fn several_choices_are_openais_alone(gateway: &Gateway) {
    let mut body = chat("several");
    body["n"] = json!(2);
    let reply = gateway.ask("/v1", &body);
    assert_eq!(reply.json()["choices"].as_array().map(Vec::len), Some(2), "{reply:?}");
    assert_eq!(reply.header("x-modelyard-provider"), Some("several-3"));
    let entry = gateway.entry(&reply);
    let dropped = entry["record"]["dropped"].as_array().unwrap();
    assert_eq!(dropped.len(), 3, "{entry}");
    assert!(
        dropped.iter().all(|dropped| dropped["reason"] == "unsupported parameter: n"),
        "{entry}"
    );
    body["model"] = "t/single".into();
    assert_eq!(gateway.ask("/v1", &body).status, 404);
    body["n"] = json!(1);
    assert_eq!(gateway.ask("/v1", &body).status, 200);
}

fn azure_has_two_forms_of_path(gateway: &Gateway) {
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

fn tokens_of_a_prompt_are_counted_or_estimated(gateway: &Gateway) {
    let count = |name: &str| {
        let body = json!({"model": format!("t/{name}"), "messages": [{"role": "user", "content": "word ".repeat(100)}]});
        let reply =
            gateway.request("POST", "/v1/messages/count_tokens", &[], body.to_string().as_bytes());
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["input_tokens"].as_u64().unwrap()
    };
    assert_eq!(count("counting"), 77);
    let received = last_received(gateway, "counting-0");
    assert_eq!(
        (received.path(), received.json()["model"].as_str()),
        ("/v1/messages/count_tokens", Some("up-counting"))
    );
    for api in ["openai", "gemini", "bedrock"] {
        assert!((80..300).contains(&count(&format!("{api}-limit"))), "{api}");
    }
}

fn tokens_and_cost_are_the_same_in_every_format(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-good"), streamed));
        let entry = gateway.entry(&reply);
        for (name, expected) in [
            ("input_tokens", "1000"),
            ("output_tokens", "58"),
            ("cached_tokens", "400"),
            ("cost_usd", "0.001116"),
        ] {
            assert_eq!(
                entry[name], expected,
                "{dialect:?} over {api}, streamed: {streamed}: {name}: {entry}"
            );
        }
        assert_eq!(entry["record"]["estimated"], false, "{entry}");
        assert_eq!(entry["operation"], "chat", "{entry}");
    }
    for api in formats() {
        let stats =
            gateway.envoy.get(&format!("/stats?filter=modelyard.tokens.*model=t/{api}-good"));
        let value = |kind: &str| {
            let line = stats
                .lines()
                .find(|line| line.contains(&format!("token_type={kind}.source=reported")));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
        };
        let requests = value("input") / 1000;
        assert!(requests >= 8, "{stats}");
        assert_eq!((value("output"), value("cached")), (58 * requests, 400 * requests), "{stats}");
        assert!(!stats.contains("estimated"), "{stats}");
    }
}

fn without_usage_there_is_an_estimate(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-silent"), streamed));
        assert!(dialect.said(&reply).text.starts_with("Hello from"), "{reply:?}");
        let entry = gateway.entry(&reply);
        assert_eq!(
            entry["record"]["estimated"], true,
            "{dialect:?} over {api}, streamed: {streamed}: {entry}"
        );
        let output: u64 = entry["output_tokens"].as_str().unwrap().parse().unwrap();
        assert!((4..=400).contains(&output), "{entry}");
    }
}

/// The stream breaks after two pieces of text; its last event is the error, in the client's form.
fn assert_breaks(gateway: &Gateway, dialect: Dialect, name: &str) -> Value {
    let reply = dialect.ask(gateway, &dialect.question(name, true));
    assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
    assert!(reply.text().contains("Hello") && reply.text().contains(" from"), "{reply:?}");
    let error =
        dialect.last_error(&reply).unwrap_or_else(|| panic!("{dialect:?} of {name}: {reply:?}"));
    assert!(error["message"].is_string(), "{reply:?}");
    let is_error = |chunk: &Value| match dialect {
        Dialect::Responses => chunk["type"] == "response.failed",
        _ => chunk["error"].is_object(),
    };
    let errors = reply.chunks().iter().filter(|chunk| is_error(chunk)).count();
    assert_eq!(errors, 1, "{reply:?}");
    gateway.entry(&reply)
}

fn a_cut_stream_ends_in_the_clients_own_error(gateway: &Gateway) {
    for dialect in DIALECTS {
        for api in formats() {
            let entry = assert_breaks(gateway, dialect, &format!("{api}-cut"));
            assert_eq!(entry["record"]["attempts"][0]["outcome"], "reset", "{entry}");
            assert!(entry["output_tokens"].is_string(), "what was produced is charged: {entry}");
        }
    }
}

fn an_error_in_mid_stream_is_told_once(gateway: &Gateway) {
    for dialect in DIALECTS {
        for api in formats() {
            let entry = assert_breaks(gateway, dialect, &format!("{api}-failing"));
            assert_eq!(entry["record"]["attempts"][0]["outcome"], "error_event", "{entry}");
        }
    }
}

fn a_broken_checksum_moves_on_or_ends_the_stream(gateway: &Gateway) {
    for dialect in DIALECTS {
        let reply = dialect.ask(gateway, &dialect.question("crc-first", true));
        assert!(dialect.said(&reply).text.starts_with("Hello from crc-first-1"), "{reply:?}");
        let reply = dialect.ask(gateway, &dialect.question("crc-only", true));
        assert_eq!(reply.status, 502, "{reply:?}");
        dialect.error(&reply);
        assert_breaks(gateway, dialect, "crc-later");
    }
}

fn assert_second_answers(gateway: &Gateway, what: &str) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-{what}");
        let reply = dialect.ask(gateway, &dialect.question(&name, streamed));
        let said = dialect.said(&reply);
        assert!(
            said.text.starts_with(&format!("Hello from {name}-1")),
            "{dialect:?} over {api}: {reply:?}"
        );
    }
}

fn a_page_of_html_is_no_answer_of_any_format(gateway: &Gateway) {
    assert_second_answers(gateway, "html");
}

fn a_compressed_answer_is_translated_by_nobody(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs().filter(|(dialect, api, _)| !passes(*dialect, api)) {
        if dialect == Dialect::Chat("/api/v1") && api == "openai" {
            continue;
        }
        let name = format!("{api}-zipped");
        let reply = dialect.ask(gateway, &dialect.question(&name, streamed));
        let said = dialect.said(&reply);
        assert!(
            said.text.starts_with(&format!("Hello from {name}-1")),
            "{dialect:?} over {api}: {reply:?}"
        );
    }
}

fn the_gateways_own_errors_are_in_the_clients_dialect(gateway: &Gateway) {
    for dialect in DIALECTS {
        let reply = dialect.ask(gateway, &dialect.question("nobody", false));
        let error = dialect.error(&reply);
        assert_eq!(
            (reply.status, &error["message"]),
            (400, &json!("t/nobody is not a valid model ID")),
            "{reply:?}"
        );
        let reply = gateway.request("POST", &dialect.path(), &[], b"{\"model\":");
        assert_eq!(reply.status, 400, "{reply:?}");
        dialect.error(&reply);
        let reply = gateway.request("GET", &dialect.path(), &[], b"");
        assert_eq!(reply.status, 405, "{reply:?}");
        dialect.error(&reply);
    }
}
