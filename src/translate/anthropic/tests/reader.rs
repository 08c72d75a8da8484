//! Upstream answers: streams in pieces of any size, whole messages, errors, and what is none of
//! these.

use super::*;
use crate::translate::Malformed;
use crate::wire::split::{Random, every_split};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const STREAMS: [&str; 5] = [
    include_str!("../fixtures/thinking_and_tools.sse"),
    include_str!("../fixtures/citations.sse"),
    include_str!("../fixtures/omitted_and_refused.sse"),
    include_str!("../fixtures/overloaded.sse"),
    include_str!("../fixtures/malformed.sse"),
];

const MESSAGE: &str = include_str!("../fixtures/message.json");

fn whole(body: &[u8]) -> Result<Vec<Delta<'static>>, Malformed> {
    let mut deltas = Vec::new();
    Anthropic.reader().whole(body, &mut |delta| deltas.push(owned(&delta)))?;
    Ok(deltas)
}

#[test]
fn streams_are_read() {
    golden!("thinking_and_tools.deltas", &listed(&deltas(&[STREAMS[0].as_bytes()])));
    golden!("citations.deltas", &listed(&deltas(&[STREAMS[1].as_bytes()])));
    golden!("omitted_and_refused.deltas", &listed(&deltas(&[STREAMS[2].as_bytes()])));
    golden!("overloaded.deltas", &listed(&deltas(&[STREAMS[3].as_bytes()])));
    golden!("malformed.deltas", &listed(&deltas(&[STREAMS[4].as_bytes()])));
}

#[test]
fn streams_read_the_same_however_cut() {
    for stream in STREAMS {
        let expected = deltas(&[stream.as_bytes()]);
        every_split(stream.as_bytes(), |pieces| assert_eq!(deltas(pieces), expected));
    }
    let lines = STREAMS[3].replace('\n', "\r\n");
    every_split(lines.as_bytes(), |pieces| {
        assert_eq!(deltas(pieces), deltas(&[STREAMS[3].as_bytes()]))
    });
}

#[test]
fn a_cut_stream_tells_what_it_told() {
    for stream in STREAMS {
        let expected = deltas(&[stream.as_bytes()]);
        for end in 0..stream.len() {
            let told = deltas(&[&stream.as_bytes()[..end]]);
            assert_eq!(told.as_slice(), &expected[..told.len()]);
        }
    }
}

#[test]
fn whole_messages_are_read() {
    golden!("message.deltas", &listed(&whole(MESSAGE.as_bytes()).unwrap()));
}

#[test]
fn a_whole_message_says_what_its_stream_says() {
    let stream = gathered(&deltas(&[STREAMS[0].as_bytes()]));
    let content = serde_json::json!([
        {
            "type": "thinking",
            "thinking": "Two cities,\ntwo \"calls\" – grüezi 🌦",
            "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds",
        },
        {
            "type": "redacted_thinking",
            "data": "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIw",
        },
        {"type": "text", "text": "I'll check both."},
        {
            "type": "tool_use",
            "id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6",
            "name": "get_weather",
            "input": {"city": "Zürich }"},
        },
        {"type": "tool_use", "id": "toolu_01Whole", "name": "get_time", "input": {"zone": "CET"}},
        {"type": "tool_use", "id": "toolu_01Empty", "name": "ping", "input": {}},
    ]);
    let message = serde_json::json!({
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "model": "claude-sonnet-4-5-20250929",
        "stop_reason": "tool_use",
        "content": content,
        "usage": {
            "input_tokens": 12,
            "cache_creation_input_tokens": 300,
            "cache_read_input_tokens": 4000,
            "output_tokens": 189,
            "output_tokens_details": {"thinking_tokens": 100},
            "service_tier": "standard",
        },
    });
    let text = message.to_string().replace(r#"{"city":"Zürich }"}"#, r#"{"city": "Zürich }"}"#);
    assert_eq!(gathered(&whole(text.as_bytes()).unwrap()), stream);
}

#[test]
fn what_is_no_message_is_malformed() {
    let rows = [
        "",
        "<html>502</html>",
        "[]",
        "\"x\"",
        "{}",
        r#"{"content":"text"}"#,
        r#"{"id":"msg_1","content":[}"#,
    ];
    for body in rows {
        assert_eq!(whole(body.as_bytes()), Err(Malformed), "{body}");
    }
    let openai = r#"{"choices":[{"message":{"content":"hi"}}]}"#;
    assert_eq!(whole(openai.as_bytes()), Err(Malformed));
}

#[test]
fn errors_have_a_code() {
    let rows = [
        ("overloaded_error", "Overloaded", Some("529")),
        ("rate_limit_error", "This request would exceed …", Some("429")),
        ("invalid_request_error", "max_tokens: Field required", Some("400")),
        (
            "invalid_request_error",
            "prompt is too long: 215432 tokens > 200000 maximum",
            Some("context_length_exceeded"),
        ),
        (
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 199 + 8 > 200",
            Some("context_length_exceeded"),
        ),
        ("request_too_large", "Request exceeds the maximum size", Some("413")),
        ("a_new_error", "?", None),
    ];
    for (kind, message, code) in rows {
        let body =
            serde_json::json!({"type": "error", "error": {"type": kind, "message": message}})
                .to_string();
        let error = Anthropic.error(body.as_bytes()).unwrap();
        assert_eq!((error.kind.as_deref(), error.message.as_deref()), (Some(kind), Some(message)));
        assert_eq!(error.code.as_deref(), code, "{message}");
        assert_eq!(whole(body.as_bytes()), Ok(vec![Delta::Error(error)]));
    }
    for body in ["", "<html>", "{}", r#"{"error":3}"#, MESSAGE] {
        assert_eq!(Anthropic.error(body.as_bytes()), None);
    }
}

#[test]
fn random_bytes_do_no_harm() {
    let mut random = Random::new(7);
    for round in 0..3000 {
        let source = STREAMS.iter().chain([&MESSAGE]).nth(round % 6).unwrap();
        let mut bytes = source.as_bytes().to_vec();
        for _ in 0..1 + random.below(8) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes.truncate(at.max(1)),
                2 => drop(bytes.drain(at..(at + random.below(30)).min(bytes.len()))),
                _ => bytes.insert(at, b"{}[]\",:0n\\"[random.below(10)]),
            }
            if bytes.is_empty() {
                bytes.push(b'{');
            }
        }
        let deltas = deltas(&[&bytes]);
        written(about(), &deltas);
        Anthropic.writer(about()).whole(&gathered(&deltas), 0);
        let _ = whole(&bytes);
        Anthropic.error(&bytes);
    }
}
