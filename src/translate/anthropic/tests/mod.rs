//! What the tests of this format share: goldens, and the way of a stream.

mod dialect;
mod reader;
mod request;
mod writer;

use std::borrow::Cow;

use super::{Anthropic, THINKING_FORMAT};
use crate::translate::delta::{Answer, Delta};
use crate::translate::{About, Dialect, Format, Lost};
use crate::wire::sse::{Piece, Splitter};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Compares with a file in `fixtures/`. `UPDATE_GOLDEN=1` writes it instead, on the host.
macro_rules! golden {
    ($name:literal, $actual:expr) => {
        super::check_golden($name, $actual, include_str!(concat!("../fixtures/", $name)))
    };
}
use golden;

fn check_golden(name: &str, actual: &str, expected: &str) {
    #[cfg(not(target_family = "wasm"))]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/translate/anthropic/fixtures/");
        return std::fs::write(format!("{folder}{name}"), actual).unwrap();
    }
    assert!(actual == expected, "{name} differs:\n{actual}");
}

/// A JSON text on many lines, every byte of it outside white space as it is.
fn pretty(json: &[u8]) -> String {
    let _: serde_json::Value = serde_json::from_slice(json).unwrap();
    let (mut out, mut depth, mut in_string, mut escaped) = (String::new(), 0, false, false);
    for c in std::str::from_utf8(json).unwrap().chars() {
        match c {
            '}' | ']' if !in_string => {
                depth -= 1;
                out = out + "\n" + &"  ".repeat(depth);
                out.push(c);
            }
            '{' | '[' | ',' if !in_string => {
                out.push(c);
                depth += usize::from(c != ',');
                out = out + "\n" + &"  ".repeat(depth);
            }
            c => out.push(c),
        }
        in_string ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    out + "\n"
}

fn about() -> About {
    About {
        id: "gen-1791084135-7wgkROHXIojJJ2sMtIIm".to_owned(),
        model: "anthropic/claude-sonnet-4.5".to_owned(),
        created: 1_791_084_135,
        thinking_format: Some(THINKING_FORMAT),
        ..About::default()
    }
}

fn own(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// An owned copy of a delta.
fn owned(delta: &Delta<'_>) -> Delta<'static> {
    match delta {
        Delta::Start { id, model } => Delta::Start { id: own(id), model: own(model) },
        Delta::Text(text) => Delta::Text(own(text)),
        Delta::Refusal(text) => Delta::Refusal(own(text)),
        Delta::Thinking(text) => Delta::Thinking(own(text)),
        Delta::Signature(text) => Delta::Signature(own(text)),
        Delta::EncryptedThinking(text) => Delta::EncryptedThinking(own(text)),
        Delta::ToolCall { index, id, name, signature } => Delta::ToolCall {
            index: *index,
            id: own(id),
            name: own(name),
            signature: signature.as_deref().map(own),
        },
        Delta::Arguments { index, json } => Delta::Arguments { index: *index, json: own(json) },
        Delta::Annotation(text) => Delta::Annotation(own(text)),
        Delta::Finish { reason, native } => Delta::Finish { reason: *reason, native: own(native) },
        Delta::Usage(usage) => Delta::Usage(*usage),
        Delta::Error(error) => Delta::Error(error.clone()),
        Delta::Image { mime, base64 } => Delta::Image { mime: own(mime), base64: own(base64) },
        Delta::Done => Delta::Done,
    }
}

/// The deltas of a stream that arrives in pieces.
fn deltas(pieces: &[&[u8]]) -> Vec<Delta<'static>> {
    let (mut splitter, mut reader, mut deltas) =
        (Splitter::new(1 << 20), Anthropic.reader(), Vec::new());
    for piece in pieces {
        splitter.push(piece, &mut |piece| {
            if let Piece::Event(event) = piece {
                reader.event(event, &mut |delta| deltas.push(owned(&delta)));
            }
        });
    }
    deltas
}

/// What a client gets of deltas.
fn written(about: About, deltas: &[Delta<'_>]) -> String {
    let (mut writer, mut events) = (Anthropic.writer(about), Vec::new());
    deltas.iter().for_each(|delta| writer.delta(delta, &mut events));
    writer.end(0, &mut events);
    String::from_utf8(events).unwrap()
}

fn gathered(deltas: &[Delta<'_>]) -> Answer {
    let mut answer = Answer::default();
    deltas.iter().for_each(|delta| answer.take(owned(delta)));
    answer
}

/// One line per delta.
fn listed(deltas: &[Delta<'_>]) -> String {
    deltas.iter().map(|delta| format!("{delta:?}\n")).collect()
}

#[test]
fn a_count_of_tokens_is_told() {
    assert_eq!(super::count_tokens_body(14), br#"{"input_tokens":14}"#);
}
