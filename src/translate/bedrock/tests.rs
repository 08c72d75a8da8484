//! Golden requests, answers and streams, written after the API's reference; `UPDATE_GOLDEN=1 cargo
//! test` rewrites what is expected.

mod answer;
mod fault;
mod request;
mod stream;
mod thinking;

use super::Bedrock;
use crate::translate::delta::{Answer, Delta};
use crate::translate::{AnswerReader, Format};

/// Compares with the fixture at `path`.
fn check_golden(path: &str, expected: &str, actual: &str) {
    #[cfg(not(target_family = "wasm"))]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/translate/bedrock/fixtures")
            .join(path);
        return std::fs::write(file, actual).unwrap();
    }
    assert_eq!(actual, expected, "{path}");
}

/// Names a fixture once for the compiler, which reads it, and for the message.
macro_rules! golden {
    ($path:expr, $actual:expr) => {
        super::check_golden($path, include_str!(concat!("../fixtures/", $path)), $actual)
    };
}
use golden;

/// One line for each delta.
fn shown(delta: &Delta<'_>) -> String {
    format!("{delta:?}\n")
}

/// What a whole answer says.
fn whole(body: &[u8]) -> Option<String> {
    let mut lines = String::new();
    let read = Bedrock.reader().whole(body, &mut |delta| lines.push_str(&shown(&delta)));
    assert!(read.is_ok() || lines.is_empty());
    read.ok().map(|()| lines)
}

/// A whole answer, gathered.
fn gathered(body: &[u8]) -> Answer {
    let mut answer = Answer::default();
    Bedrock.reader().whole(body, &mut |delta| answer.take(delta)).unwrap();
    answer
}

fn reader() -> Box<dyn AnswerReader> {
    Bedrock.reader()
}
