//! Answers and streams.

use super::*;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

macro_rules! fixtures {
    ($($name:literal),*) => {
        [$((
            $name,
            include_str!(concat!("../fixtures/", $name)),
            include_str!(concat!("../fixtures/", $name, ".deltas")),
        )),*]
    };
}

const WHOLE: [(&str, &str, &str); 6] = fixtures![
    "text.json",
    "calls.json",
    "blocked.json",
    "safety.json",
    "image.json",
    "sources.json"
];
const STREAMS: [(&str, &str, &str); 7] = fixtures![
    "text.sse",
    "calls.sse",
    "blocked.sse",
    "error.sse",
    "bare_error.sse",
    "every_event_stops.sse",
    "odd.sse"
];

fn whole(body: &str) -> Result<Vec<String>, Malformed> {
    let mut deltas = vec![];
    let read =
        Gemini.reader().whole(body.as_bytes(), &mut |delta| deltas.push(format!("{delta:?}")));
    assert!(read.is_ok() || deltas.is_empty());
    read.map(|()| deltas)
}

fn answer(body: &str) -> Answer {
    let mut answer = Answer::default();
    Gemini.reader().whole(body.as_bytes(), &mut |delta| answer.take(delta)).unwrap();
    answer
}

/// The deltas of a stream that arrives in `pieces`.
fn stream(pieces: &[&[u8]]) -> Vec<String> {
    let (mut splitter, mut reader, mut deltas) = (Splitter::new(1 << 20), Gemini.reader(), vec![]);
    for piece in pieces {
        splitter.push(piece, &mut |piece| {
            if let Piece::Event(event) = piece {
                reader.event(event, &mut |delta| deltas.push(format!("{delta:?}")));
            }
        });
    }
    reader.event(&splitter.take_rest(), &mut |delta| deltas.push(format!("{delta:?}")));
    deltas
}

#[test]
fn whole_answers_are_read() {
    for (name, body, deltas) in WHOLE {
        golden(&format!("{name}.deltas"), deltas, &(whole(body).expect(name).join("\n") + "\n"));
    }
}

#[test]
fn streams_are_read() {
    for (name, body, deltas) in STREAMS {
        golden(&format!("{name}.deltas"), deltas, &(stream(&[body.as_bytes()]).join("\n") + "\n"));
    }
}

#[test]
fn streams_are_read_alike_however_they_are_cut() {
    for (name, body, _) in STREAMS {
        let expected = stream(&[body.as_bytes()]);
        every_split(body.as_bytes(), |pieces| assert_eq!(stream(pieces), expected, "{name}"));
    }
}

#[test]
fn a_stream_says_that_it_ends_and_never_that_nothing_follows() {
    for (name, body, _) in
        STREAMS.iter().filter(|(name, ..)| ["text.sse", "calls.sse", "blocked.sse"].contains(name))
    {
        let json_end = body.trim_end().len();
        for end in 0..=body.len() {
            let deltas = stream(&[&body.as_bytes()[..end]]);
            assert_eq!(
                deltas.iter().any(|delta| delta.starts_with("Finish")),
                end >= json_end,
                "{name} {end}"
            );
            assert!(
                !deltas.iter().any(|delta| delta == "Done"),
                "{name}: older models give a reason in every chunk"
            );
        }
    }
    for name in ["error.sse", "bare_error.sse"] {
        let (_, body, _) = STREAMS.iter().find(|(known, ..)| *known == name).unwrap();
        let deltas = stream(&[body.as_bytes()]);
        assert!(deltas.last().unwrap().starts_with("Error"), "{deltas:?}");
        assert!(!deltas.iter().any(|delta| delta.starts_with("Finish")));
    }
}

#[test]
fn whole_answers_gather_what_they_say() {
    let calls = answer(WHOLE[1].1);
    assert_eq!((calls.id.as_str(), calls.model.as_str()), ("aB-_9", "gemini-3-pro-preview"));
    assert_eq!(calls.finish, Some((FinishReason::ToolCalls, "STOP".to_owned())));
    let usage = calls.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.reasoning), (90, 141, 100));
    let Block::ToolCall { id, arguments, signature, .. } = &calls.blocks[2] else {
        panic!("{calls:?}")
    };
    assert_eq!(id, "u8x2k1qz");
    assert_eq!(arguments, r#"{"city":"San \"Fran\" cisco\\","days":[1,2.50],"note":"a  b"}"#);
    assert_eq!(signature.as_deref(), Some("EqYCCqMCAdHtim8="));
}

#[test]
fn usage_includes_caches_thoughts_and_tools() {
    let usage = answer(WHOLE[0].1).usage.unwrap();
    assert_eq!(
        (usage.input, usage.cached, usage.output, usage.reasoning, usage.audio),
        (2164, 2048, 60, 51, 34)
    );
    assert_eq!(answer(WHOLE[2].1).usage.unwrap().input, 7);
}

#[test]
fn finish_reasons_are_told_in_openais_words() {
    for (native, expected) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("SPII", FinishReason::ContentFilter),
        ("IMAGE_PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", FinishReason::Error),
        ("OTHER", FinishReason::Error),
        ("BRAND_NEW", FinishReason::Stop),
    ] {
        let answer = answer(&format!(r#"{{"candidates":[{{"finishReason":"{native}"}}]}}"#));
        assert_eq!(answer.finish, Some((expected, native.to_owned())));
    }
    let unsaid = answer(r#"{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}"#);
    assert_eq!(unsaid.finish, Some((FinishReason::Stop, "FINISH_REASON_UNSPECIFIED".to_owned())));
}

/// The ids of two calls in an answer with this id of its own.
fn ids(response_id: &str, city: &str) -> Vec<String> {
    let call = format!(r#"{{"functionCall":{{"name":"f","args":{{"city":"{city}"}}}}}}"#);
    let body =
        format!(r#"{{"candidates":[{{"content":{{"parts":[{call},{call}]}}}}]{response_id}}}"#);
    let blocks = answer(&body).blocks.into_iter();
    blocks
        .map(|block| match block {
            Block::ToolCall { id, .. } => id,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn calls_get_ids_of_their_own_that_last() {
    assert_eq!(ids(r#","responseId":"a/b+c-_""#, "x"), ["call_abc-__0", "call_abc-__1"]);
    assert_eq!(ids("", "x"), ids("", "x"));
    assert_ne!(ids("", "x"), ids("", "y"));
    let long = ids(&format!(r#","responseId":"{}""#, "r".repeat(90)), "x");
    assert!(long[0].len() <= 40, "OpenAI's clients store at most 40 characters");
}

#[test]
fn what_is_no_answer_is_malformed() {
    for body in [
        "",
        "<html>502 Bad Gateway</html>",
        "{}",
        "[]",
        r#"{"candidates":[]}"#,
        r#"{"candidates":{}}"#,
        r#"{"usageMetadata":{"promptTokenCount":4}}"#,
        r#"{"promptFeedback":{}}"#,
        r#"{"error":{"code":500,"message":"x","status":"INTERNAL"}}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"cut"#,
        r#"{"candidates":[{}]}}"#,
        r#"{"choices":[{"message":{"content":"another dialect"}}]}"#,
    ] {
        assert_eq!(whole(body), Err(Malformed), "{body}");
    }
}

#[test]
fn nothing_panics_on_damaged_answers() {
    let mut random = Random::new(3);
    for _ in 0..4000 {
        let (_, body, _) = if random.below(2) == 0 {
            WHOLE[random.below(WHOLE.len())]
        } else {
            STREAMS[random.below(STREAMS.len())]
        };
        let mut bytes = body.as_bytes().to_vec();
        for _ in 0..1 + random.below(6) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, b"{}[]\",:0-\\\n\xf0"[random.below(12)]),
                2 => bytes.truncate(at.max(9)),
                _ => bytes[at] = random.below(256) as u8,
            }
        }
        let mut answer = Answer::default();
        let _ = Gemini.reader().whole(&bytes, &mut |delta| answer.take(delta));
        stream(&[&bytes]);
        Gemini.error(&bytes);
    }
}
