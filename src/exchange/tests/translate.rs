//! Upstreams that speak another wire format than the client.

use super::*;
use crate::config::FORMATS;
use crate::stats;
use crate::wire::event_stream::encode;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

pub(super) const AWS: (&str, &str) = ("content-type", "application/vnd.amazon.eventstream");
const MESSAGE: &str = r#"{"type":"message","id":"m","model":"up",
    "content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn",
    "usage":{"input_tokens":10,"output_tokens":5}}"#;

/// A configuration that offers `m/one` at `a`, which speaks `api`, and at `b`.
fn speaking(api: &str) -> Rc<Config> {
    let mut document = document();
    document["providers"]["a"]["api"] = api.into();
    if api == "bedrock" {
        document["providers"]["a"]["auth"] = json!({"type": "sigv4", "region": "eu-central-1"});
    }
    config(&document)
}

fn begun(api: &str, operation: Operation, body: &str) -> World {
    begun_at(Face::OpenAi, api, operation, body)
}

fn begun_at(face: Face, api: &str, operation: Operation, body: &str) -> World {
    let asked = (face, operation);
    let mut world = World::open_with(&speaking(api), asked, &[], body, Health::default());
    world.begin();
    world
}

/// A message of Converse's stream.
pub(super) fn message(kind: &str, payload: &str) -> Vec<u8> {
    let (header, message) = if kind.ends_with("Exception") {
        (":exception-type", "exception")
    } else {
        (":event-type", "event")
    };
    encode(&[(header, kind), (":message-type", message)], payload.as_bytes()).unwrap()
}

fn converse_stream() -> Vec<u8> {
    let events = [
        ("messageStart", r#"{"role":"assistant"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"hello"}}"#),
        ("messageStop", r#"{"stopReason":"end_turn"}"#),
        ("metadata", r#"{"usage":{"inputTokens":10,"outputTokens":5,"totalTokens":15}}"#),
    ];
    events.map(|(kind, payload)| message(kind, payload)).concat()
}

#[test]
fn the_content_type_is_of_what_an_answer_became() {
    let mut world = begun("bedrock", Operation::Chat, STREAM);
    world.headers(200, &[AWS], false);
    world.body(converse_stream(), true);
    assert_eq!(world.got.header("content-type"), Some("text/event-stream"));
    assert!(world.got.text().contains("\"content\":\"hello\"") && world.got.text().ends_with(DONE));
    let mut world = begun("anthropic", Operation::Chat, CHAT);
    world.headers(200, &[("content-type", "application/json; charset=utf-8")], false);
    world.body(MESSAGE, true);
    assert_eq!(world.got.header("content-type"), Some("application/json"));
    assert_eq!(world.got.json()["choices"][0]["message"]["content"], "hello");
    let mut world = begun("anthropic", Operation::Messages, CHAT);
    world.headers(200, &[JSON], false);
    world.body(MESSAGE, true);
    assert_eq!(
        (world.got.header("content-type"), world.got.text()),
        (None, MESSAGE),
        "what passes keeps its own"
    );
}

#[test]
fn an_exception_before_any_content_moves_on_and_after_it_ends_the_stream() {
    let throttled = message("throttlingException", r#"{"message":"too fast"}"#);
    let mut world = begun("bedrock", Operation::Chat, STREAM);
    world.headers(200, &[AWS], false);
    assert_eq!(world.body(&throttled, false), Verdict::Retry);
    let mut world = begun("bedrock", Operation::Chat, STREAM);
    world.headers(200, &[AWS], false);
    let content = message("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"hel"}}"#);
    world.body([content, throttled].concat(), true);
    assert!(
        world.got.text().contains("\"hel\"") && world.got.text().contains("too fast"),
        "{}",
        world.got.text()
    );
}

#[test]
fn an_error_within_a_stream_names_its_provider() {
    let content = message("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"hel"}}"#);
    let throttled = message("throttlingException", r#"{"message":"too fast"}"#);
    let mut world = begun_at(Face::OpenRouter, "bedrock", Operation::Chat, STREAM);
    world.headers(200, &[AWS], false);
    world.body([content, throttled].concat(), true);
    let last = world.got.text().trim_end().rsplit("data: ").next().unwrap();
    let chunk: Value = serde_json::from_str(last).unwrap();
    assert_eq!(chunk["error"]["metadata"]["provider_name"], "A Inc", "{chunk}");
}

#[test]
fn a_translated_error_has_the_providers_own_code() {
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let mut document = document();
    document["providers"]["b"]["api"] = "anthropic".into();
    let asked = (Face::OpenAi, Operation::Chat);
    let mut world = World::open_with(&config(&document), asked, &[], CHAT, Health::default());
    world.begin();
    world.headers(503, &[JSON], false);
    world.begin();
    world.headers(503, &[JSON], false);
    world.body(overloaded, true);
    assert_eq!(world.got.json()["error"]["code"], "overloaded_error");
}

fn gemini_event(text: &str) -> String {
    format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}}}]}}\n\n"
    )
}

#[test]
fn an_event_that_is_too_large_to_be_translated_is_not_left_out_in_silence() {
    let mut document = document();
    document["providers"]["a"]["api"] = "gemini".into();
    document["limits"] = json!({"event_bytes": 1024});
    let (small, large) = (gemini_event("hel"), gemini_event(&"x".repeat(2000)));
    for (before, verdict) in [("", Some(Verdict::Retry)), (small.as_str(), None)] {
        let asked = (Face::OpenAi, Operation::Chat);
        let mut world = World::open_with(&config(&document), asked, &[], STREAM, Health::default());
        world.begin();
        world.headers(200, &[SSE], false);
        let got = world.body([before, &large, &gemini_event("lo")].concat(), true);
        match verdict {
            Some(verdict) => assert_eq!(got, verdict),
            None => {
                let text = world.got.text();
                assert!(
                    text.contains("\"hel\"") && !text.contains("\"lo\"") && !text.contains(DONE),
                    "{text}"
                );
                assert!(
                    text.contains("An event of the provider's answer is larger than 1024 bytes"),
                    "{text}"
                );
                assert_eq!(world.settle().tags(&stats::ATTEMPTS), ["a m/one error_event"]);
            }
        }
    }
}

#[test]
fn an_html_page_in_place_of_an_answer_moves_on() {
    let foreign = FORMATS.iter().filter(|(_, api)| !api.passes(Operation::Chat));
    for (api, _) in foreign {
        for (body, content_type) in [(CHAT, "text/html"), (STREAM, "text/html"), (CHAT, JSON.1)] {
            let mut world = begun(api, Operation::Chat, body);
            world.headers(200, &[("content-type", content_type)], false);
            assert_eq!(
                world.body("<html>Welcome</html>", true),
                Verdict::Retry,
                "{api} {content_type}"
            );
        }
    }
}

const MESSAGE_STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// A stream in Anthropic's dialect whose client has its last event, while the upstream's stream has
/// not ended yet.
fn said_its_last() -> World {
    let mut world = begun("openai", Operation::Messages, STREAM);
    world.headers(200, &[SSE], false);
    world.body(stream(), false);
    assert!(world.got.text().ends_with(MESSAGE_STOP), "{}", world.got.text());
    world
}

#[test]
fn a_translated_stream_ends_when_its_upstream_has_said_its_last() {
    let mut ended = said_its_last();
    assert_eq!(ended.wait(10).body(content("more"), false), Verdict::Replace(Vec::new()));
    assert_eq!(ended.body("", true), Verdict::Replace(Vec::new()));
    let mut broken = said_its_last();
    broken.close(Broken::Reset);
    let mut left_open = said_its_last();
    assert_eq!(left_open.wait(59_000).tick(), None);
    assert_eq!(left_open.wait(2_000).tick(), Some(Verdict::Reset), "it has its time, and no more");
    for mut world in [ended, broken, left_open, said_its_last()] {
        let books = world.settle();
        assert_eq!(books.tags(&stats::ATTEMPTS), ["a m/one ok"]);
        assert_eq!(books.properties.get("error_type"), None);
    }
    let mut world = begun("openai", Operation::Messages, STREAM);
    world.headers(200, &[SSE], false);
    world.body([&stream(), "data: {"].concat(), false);
    assert!(!world.got.text().contains("message_stop"), "an event has begun behind the last");
    world.body("}\n\n", true);
    assert!(world.got.text().ends_with(MESSAGE_STOP), "{}", world.got.text());
}
