//! Golden tests of requests and answers; `UPDATE_GOLDEN=1 cargo test gemini` rewrites what is
//! expected.

use super::*;
use crate::translate::Malformed;
use crate::translate::delta::{Answer, Block, FinishReason};
use crate::translate::form::*;
use crate::wire::split::{Random, every_split};
use crate::wire::sse::{Piece, Splitter};
use serde_json::value::RawValue;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod answers;
mod requests;

/// Compares with a file of `fixtures/`, or rewrites it.
fn golden(name: &str, expected: &str, actual: &str) {
    #[cfg(not(target_family = "wasm"))]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/translate/gemini/fixtures")
            .join(name);
        return std::fs::write(path, actual).unwrap();
    }
    assert_eq!(actual, expected, "{name}");
}

#[test]
fn models_are_one_segment_of_the_path() {
    for (model, stream, path) in [
        ("gemini-2.5-flash", false, "/models/gemini-2.5-flash:generateContent"),
        ("gemini-2.5-flash", true, "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        ("../a/b:c?d#e%é", false, "/models/..%2Fa%2Fb%3Ac%3Fd%23e%25%C3%A9:generateContent"),
    ] {
        assert_eq!(Gemini.path(model, stream), path);
    }
}

fn check_error(body: &str, code: Option<&str>, kind: Option<&str>, message: Option<&str>) {
    let fields = Gemini.error(body.as_bytes()).expect(body);
    assert_eq!(fields.code.as_deref(), code, "{body}");
    assert_eq!(fields.kind.as_deref(), kind, "{body}");
    assert_eq!(fields.message.as_deref(), message, "{body}");
}

#[test]
fn errors_are_read_alone_and_in_a_list() {
    let quota = r#"{"error": {"code": 429, "message": "Resource exhausted.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]}}"#;
    check_error(quota, Some("429"), Some("RESOURCE_EXHAUSTED"), Some("Resource exhausted."));
    check_error(
        &format!("[{quota}\n]\n"),
        Some("429"),
        Some("RESOURCE_EXHAUSTED"),
        Some("Resource exhausted."),
    );
    check_error(r#"{"error": {"status": "UNAVAILABLE"}}"#, Some("503"), Some("UNAVAILABLE"), None);
    check_error(
        r#"{"error": {"code": "x", "message": 1, "status": [], "details": {}}}"#,
        None,
        None,
        None,
    );
}

fn invalid_argument(message: &str) -> String {
    format!(r#"{{"error":{{"code":400,"message":"{message}","status":"INVALID_ARGUMENT"}}}}"#)
}

#[test]
fn errors_that_have_no_code_get_one() {
    let kind = Some("INVALID_ARGUMENT");
    for message in [
        "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
        "Unable to submit request because the input token count is 1200293 but model only supports \
         up to 1048576.",
    ] {
        check_error(
            &invalid_argument(message),
            Some("context_length_exceeded"),
            kind,
            Some(message),
        );
    }
    check_error(
        &invalid_argument("contents is not specified"),
        Some("400"),
        kind,
        Some("contents is not specified"),
    );
    let key = r#"{"error": {"code": 400, "message": "API key not valid.",
        "status": "INVALID_ARGUMENT", "details": [
        7, {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}}"#;
    check_error(key, Some("invalid_api_key"), kind, Some("API key not valid."));
}

#[test]
fn what_is_no_error_is_none() {
    for body in [
        "",
        "<html>",
        "{}",
        "[]",
        "[1]",
        "7",
        r#"{"error":"x"}"#,
        r#"{"error":{}"#,
        r#"{"error":{}}x"#,
    ] {
        assert_eq!(Gemini.error(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn losses_cover_what_requests_drop() {
    for name in requests::all_drops() {
        assert!(LOSSES.of(name).is_some(), "{name}");
    }
}
