//! Streams: fixtures name one event a line, its type and payload; `!` before an exception.

use super::{golden, reader, shown};
use crate::translate::delta::{Answer, Delta};
use crate::wire::event_stream::{Frames, Piece, encode};
use crate::wire::split::{Random, every_split};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TEXT: &str = include_str!("../fixtures/streams/text.events");
const THINKING_TOOLS: &str = include_str!("../fixtures/streams/thinking_tools.events");
const THROTTLED: &str = include_str!("../fixtures/streams/throttled.events");
const CITATIONS: &str = include_str!("../fixtures/streams/citations.events");

/// One message for each line.
fn messages(events: &str) -> Vec<Vec<u8>> {
    events.lines().map(message).collect()
}

fn message(line: &str) -> Vec<u8> {
    let (kind, payload) = line.split_once(' ').unwrap();
    let (kind_header, message_type, kind) = match kind.strip_prefix('!') {
        Some(exception) => (":exception-type", "exception", exception),
        None => (":event-type", "event", kind),
    };
    let headers = [
        (kind_header, kind),
        (":content-type", "application/json"),
        (":message-type", message_type),
    ];
    encode(&headers, payload.as_bytes()).unwrap()
}

fn told<'m>(messages: impl IntoIterator<Item = &'m Vec<u8>>) -> String {
    let mut lines = String::new();
    let mut reader = reader();
    for message in messages {
        reader.event(message, &mut |delta| lines.push_str(&shown(&delta)));
    }
    lines
}

fn gathered(events: &str) -> Answer {
    let mut answer = Answer::default();
    let mut reader = reader();
    messages(events)
        .iter()
        .for_each(|message| reader.event(message, &mut |delta| answer.take(delta)));
    answer
}

/// What a stream in these pieces tells, and the line `broken` where it breaks.
fn from_pieces(pieces: &[&[u8]]) -> String {
    let mut lines = String::new();
    let mut reader = reader();
    let mut frames = Frames::new(1 << 16);
    for piece in pieces {
        frames.push(piece, &mut |piece| match piece {
            Piece::Event(message) => {
                reader.event(message, &mut |delta| lines.push_str(&shown(&delta)))
            }
            Piece::Broken => lines.push_str("broken\n"),
        });
    }
    lines
}

#[test]
fn streams_are_told() {
    golden!("streams/text.deltas", &told(&messages(TEXT)));
    golden!("streams/thinking_tools.deltas", &told(&messages(THINKING_TOOLS)));
    golden!("streams/throttled.deltas", &told(&messages(THROTTLED)));
    golden!("streams/citations.deltas", &told(&messages(CITATIONS)));
}

#[test]
fn every_split_tells_the_same() {
    for events in [TEXT, THINKING_TOOLS, THROTTLED, CITATIONS] {
        let messages = messages(events);
        let expected = told(&messages);
        every_split(&messages.concat(), |pieces| assert_eq!(from_pieces(pieces), expected));
    }
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let whole = super::gathered(include_bytes!("../fixtures/answers/thinking_tools.json"));
    let mut streamed = gathered(THINKING_TOOLS);
    // The arguments that follow differ in their bytes, though not in what they say.
    streamed.blocks.truncate(3);
    assert_eq!(streamed.blocks, whole.blocks[..3]);
    assert_eq!((streamed.usage, streamed.finish), (whole.usage, whole.finish));
}

#[test]
fn a_stream_that_was_cut_has_no_end() {
    for events in [TEXT, THINKING_TOOLS] {
        let messages = messages(events);
        for cut in 0..messages.len() {
            let told = told(&messages[..cut]);
            assert!(!told.contains("Done"), "{told}");
            assert_eq!(told.contains("Finish"), cut + 1 == messages.len());
        }
        assert!(told(&messages).ends_with("Done\n"));
    }
}

#[test]
fn an_end_needs_stop_and_metadata_in_any_order() {
    let metadata = r#"metadata {"usage":{"inputTokens":1,"outputTokens":2}}"#;
    let stop = r#"messageStop {"stopReason":"end_turn"}"#;
    assert!(told(&messages(&format!("{metadata}\n{stop}"))).ends_with("Done\n"));
    assert!(told(&messages(&format!("{stop}\nmetadata {{}}"))).ends_with("Done\n"));
    let late =
        messages(&format!("{stop}\n{metadata}\n{stop}\n{metadata}\n!internalServerException {{}}"));
    assert_eq!(told(&late).matches("Done").count(), 1);
    assert!(told(&late).ends_with("Done\n"));
}

fn error(events: &str) -> (Option<String>, Option<String>, Option<String>) {
    let mut found = None;
    reader().event(&messages(events)[0], &mut |delta| match delta {
        Delta::Error(error) => found = Some(error),
        other => panic!("{other:?}"),
    });
    let error = found.unwrap();
    (error.code, error.kind, error.message)
}

#[test]
fn exceptions_carry_a_status() {
    for (event, code) in [
        (r#"!throttlingException {"message":"m"}"#, "429"),
        (r#"!internalServerException {"message":"m"}"#, "500"),
        (r#"!serviceUnavailableException {"message":"m"}"#, "503"),
        (r#"!validationException {"message":"m"}"#, "400"),
        (r#"!modelStreamErrorException {"message":"m"}"#, "502"),
        (
            "!modelStreamErrorException \
             {\"message\":\"m\",\"originalStatusCode\":429,\"originalMessage\":\"o\"}",
            "429",
        ),
        (r#"!modelStreamErrorException {"message":"m","originalStatusCode":200}"#, "502"),
        (r#"!modelTimeoutException {"message":"m"}"#, "408"),
        (r#"!somethingNewException {"message":"m"}"#, "500"),
    ] {
        let (found, kind, message) = error(event);
        assert_eq!((found.as_deref(), message.as_deref()), (Some(code), Some("m")), "{event}");
        assert!(event.trim_start_matches('!').starts_with(&kind.unwrap()));
    }
    let (code, ..) =
        error(r#"!validationException {"message":"Input is too long for requested model."}"#);
    assert_eq!(code.as_deref(), Some("context_length_exceeded"));
    let (code, _, message) = error("!throttlingException oops");
    assert_eq!((code.as_deref(), message), (Some("429"), None));
}

#[test]
fn errors_without_a_shape_are_errors_too() {
    let headers = [
        (":message-type", "error"),
        (":error-code", "InternalFailure"),
        (":error-message", "It broke."),
    ];
    let message = encode(&headers, b"").unwrap();
    let expected = concat!(
        r#"Error(ErrorFields { message: Some("It broke."), code: Some("500"), "#,
        r#"kind: Some("InternalFailure") })"#,
        "\n"
    );
    assert_eq!(told([&message]), expected);
}

#[test]
fn events_that_make_no_sense_are_passed_over() {
    let events = r#"initial-response {}
messageStart oops
unknownEvent {"a":1}
contentBlockDelta [1,2]
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"cut
contentBlockDelta {"contentBlockIndex":"x","delta":{"text":7}}
contentBlockDelta {"delta":{"text":"kept"}}
contentBlockDelta {"contentBlockIndex":0,"delta":"x"}
contentBlockDelta {"contentBlockIndex":5,"delta":{"toolUse":{"input":"of no call"}}}
contentBlockDelta {"delta":{"toolUse":{"input":"of no block"}}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":[]}}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"image":{"source":{"bytes":"AAAA"}}}}
contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"x"}}}
contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"name":"f"}}}
contentBlockStart {"contentBlockIndex":2,"start":3}
messageStop {"stopReason":null}
metadata {"usage":{"inputTokens":"many"}}"#;
    let expected = r#"Start { id: "", model: "" }
Text("kept")
ToolCall { index: 0, id: "call_0", name: "f", signature: None }
Finish { reason: ToolCalls, native: "" }
Done
"#;
    assert_eq!(told(&messages(events)), expected);
    let mut reader = reader();
    for event in [&b""[..], b"data: {\"text\":\"x\"}\n\n", &[0; 16], &[0xff; 100]] {
        reader.event(event, &mut |delta| panic!("{delta:?}"));
    }
}

#[test]
fn content_without_a_start_gets_one() {
    let told = told(&messages(r#"contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"a"}}"#));
    assert_eq!(told, "Start { id: \"\", model: \"\" }\nText(\"a\")\n");
}

#[test]
fn no_change_of_a_byte_panics() {
    let mut random = Random::new(23);
    for events in [TEXT, THINKING_TOOLS, THROTTLED, CITATIONS] {
        let intact = messages(events);
        for _ in 0..300 {
            // The checksums tell of the first kind of damage. The second kind is in the payload
            // alone, before the checksums are made.
            let mut damaged = intact.clone();
            let which = random.below(damaged.len());
            let message = &mut damaged[which];
            let at = random.below(message.len());
            message[at] = random.below(256) as u8;
            told(&damaged);
            let mut lines: Vec<String> = events.lines().map(str::to_owned).collect();
            let line = &mut lines[which];
            let space = line.find(' ').unwrap();
            let cut = space + 1 + random.below(line.len() - space);
            if line.is_char_boundary(cut) {
                line.truncate(cut);
                line.push_str(["", "\"", "}", "]]", "\\", "{\"text\":"][random.below(6)]);
            }
            told(&messages(&lines.join("\n")));
            from_pieces(&[&damaged.concat()]);
        }
    }
}
