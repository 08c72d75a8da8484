//! What this format and this dialect read and write, on fixtures written after the API references.

mod answer;
mod broken;
mod request;

use crate::translate::delta::Answer;
use crate::translate::{About, Conversation, Delta, Dialect, Format, Lost, Malformed};
use crate::wire::sse::{Piece, Splitter};

use super::{Client, Quirks, Upstream};

const ROUND_TRIP: &str = include_str!("../fixtures/roundtrip.request.json");
const CORNERS: &str = include_str!("../fixtures/corners.request.json");
const OPENAI: &str = include_str!("../fixtures/openai.stream");
const OPENROUTER: &str = include_str!("../fixtures/openrouter.stream");
const ODD: &str = include_str!("../fixtures/odd.stream");
const ERROR: &str = include_str!("../fixtures/error.stream");
const WHOLE: &str = include_str!("../fixtures/openai.whole.json");

/// Compares with a file of `fixtures/`, or rewrites it where `UPDATE_GOLDEN` is set.
macro_rules! golden {
    ($name:literal, $actual:expr) => {
        $crate::translate::openai::tests::check_golden(
            $name,
            include_str!(concat!("../fixtures/", $name)),
            &$actual,
        )
    };
}
pub(super) use golden;

fn check_golden(name: &str, expected: &str, actual: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = format!("{}/src/translate/openai/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, actual).unwrap();
    } else {
        assert_eq!(
            actual, expected,
            "{name}: if the change is right, run UPDATE_GOLDEN=1 cargo test and read the diff"
        );
    }
}

fn about(include_usage: bool) -> About {
    About {
        id: "gen-7".to_owned(),
        model: "openai/gpt-\"x\"".to_owned(),
        created: 1_763_600_001,
        include_usage,
        ..About::default()
    }
}

fn upstream(quirks: Quirks) -> Upstream {
    Upstream { quirks }
}

fn read(body: &str) -> Conversation<'_> {
    Client.read(body.as_bytes()).unwrap()
}

/// A delta that borrows from nothing.
fn owned(delta: Delta<'_>) -> Delta<'static> {
    fn own(text: std::borrow::Cow<'_, str>) -> std::borrow::Cow<'static, str> {
        text.into_owned().into()
    }
    match delta {
        Delta::Start { id, model } => Delta::Start { id: own(id), model: own(model) },
        Delta::Text(text) => Delta::Text(own(text)),
        Delta::Refusal(text) => Delta::Refusal(own(text)),
        Delta::Thinking(text) => Delta::Thinking(own(text)),
        Delta::Signature(text) => Delta::Signature(own(text)),
        Delta::EncryptedThinking(text) => Delta::EncryptedThinking(own(text)),
        Delta::ToolCall { index, id, name, signature } => {
            Delta::ToolCall { index, id: own(id), name: own(name), signature: signature.map(own) }
        }
        Delta::Arguments { index, json } => Delta::Arguments { index, json: own(json) },
        Delta::Annotation(text) => Delta::Annotation(own(text)),
        Delta::Finish { reason, native } => Delta::Finish { reason, native: own(native) },
        Delta::Usage(usage) => Delta::Usage(usage),
        Delta::Error(error) => Delta::Error(error),
        Delta::Image { mime, base64 } => Delta::Image { mime: own(mime), base64: own(base64) },
        Delta::Done => Delta::Done,
    }
}

/// The deltas of a stream that arrives in `pieces`; what is left at its end is an event, too.
fn deltas_of(pieces: &[&[u8]]) -> Vec<Delta<'static>> {
    let mut reader = upstream(Quirks::OPENAI).reader();
    let mut deltas = Vec::new();
    let mut splitter = Splitter::new(1 << 20);
    for piece in pieces {
        splitter.push(piece, &mut |piece| {
            if let Piece::Event(event) = piece {
                reader.event(event, &mut |delta| deltas.push(owned(delta)));
            }
        });
    }
    reader.event(&splitter.take_rest(), &mut |delta| deltas.push(owned(delta)));
    deltas
}

fn whole_of(body: &[u8]) -> Result<Vec<Delta<'static>>, Malformed> {
    let mut deltas = Vec::new();
    upstream(Quirks::OPENAI).reader().whole(body, &mut |delta| deltas.push(owned(delta)))?;
    Ok(deltas)
}

fn written(deltas: &[Delta<'_>], about: About) -> String {
    let mut writer = Client.writer(about);
    let mut events = Vec::new();
    for delta in deltas {
        writer.delta(delta, &mut events);
    }
    writer.end(0, &mut events);
    String::from_utf8(events).unwrap()
}

fn gathered(deltas: &[Delta<'_>]) -> Answer {
    let mut answer = Answer::default();
    deltas.iter().cloned().for_each(|delta| answer.take(delta));
    answer
}

/// One line for each delta.
fn listed(deltas: &[Delta<'_>]) -> String {
    deltas.iter().map(|delta| format!("{delta:?}\n")).collect()
}
