//! Whatever bytes come, nothing panics, and a stream that is cut has told what came before.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::wire::split::Random;

#[test]
fn a_truncated_stream_tells_what_there_was() {
    for stream in [OPENAI, OPENROUTER, ODD, ERROR] {
        let whole = deltas_of(&[stream.as_bytes()]);
        for end in 0..stream.len() {
            let deltas = deltas_of(&[&stream.as_bytes()[..end]]);
            assert_eq!(deltas, whole[..deltas.len()], "cut at {end}");
        }
    }
}

/// Bytes that mean something in JSON and event streams.
const BYTES: &[u8] = b"\"\\{}[]:,0-.9eEtfnu \n\r\xc3\xa9\x00";

fn mutated(text: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let byte = BYTES[random.below(BYTES.len())];
        match random.below(4) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => {
                bytes.remove(at);
            }
            _ => {
                let end = (at + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
        if bytes.is_empty() {
            return bytes;
        }
    }
    bytes
}

#[test]
fn mutated_requests_never_panic() {
    let mut random = Random::new(11);
    for text in [ROUND_TRIP, CORNERS] {
        for _ in 0..3000 {
            let body = mutated(text, &mut random);
            let Ok(conversation) = Client.read(&body) else { continue };
            for (_, quirks) in Quirks::ALL {
                let written = upstream(*quirks).request(&conversation, "m", &mut Lost::default());
                assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&written).is_ok());
            }
        }
    }
}

#[test]
fn mutated_answers_never_panic() {
    let mut random = Random::new(12);
    for text in [OPENAI, OPENROUTER, ODD, ERROR, WHOLE] {
        for _ in 0..2000 {
            let bytes = mutated(text, &mut random);
            let deltas = deltas_of(&[&bytes]);
            written(&deltas, about(true));
            Client.writer(about(true)).whole(&gathered(&deltas), 0);
            let _ = whole_of(&bytes);
            upstream(Quirks::OPENAI).error(&bytes);
        }
    }
}

#[test]
fn every_value_of_a_wrong_type_is_passed_over() {
    for value in ["null", "7", "\"x\"", "[]", "{}", "true", "[7]", "[{}]", "[null]"] {
        for key in [
            "content",
            "refusal",
            "reasoning",
            "reasoning_content",
            "reasoning_details",
            "tool_calls",
            "function_call",
            "annotations",
        ] {
            let body = format!(
                r#"{{"id":"a","choices":[{{"delta":{{"{key}":{value},"content":"y"}}}}]}}"#
            );
            let deltas = deltas_of(&[format!("data: {body}\n\n").as_bytes()]);
            assert!(deltas.contains(&Delta::Text("y".into())), "{body}: {deltas:?}");
        }
        for key in ["id", "model", "usage", "created", "object"] {
            let body = format!(r#"{{"{key}":{value},"choices":[{{"delta":{{"content":"y"}}}}]}}"#);
            let deltas = deltas_of(&[format!("data: {body}\n\n").as_bytes()]);
            assert!(deltas.contains(&Delta::Text("y".into())), "{body}: {deltas:?}");
        }
    }
}
