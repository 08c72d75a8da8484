//! Requests are compared with their common form, answers with their events and their whole, as
//! reviewed. `UPDATE_GOLDEN=1 cargo test` writes what is compared anew.

mod answer;
mod refusal;
mod request;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::error::Failure;
use crate::error::responses::error_body;

macro_rules! fixture {
    ($($part:literal),+) => {
        Fixture {
            name: concat!($($part),+),
            text: include_str!(concat!("../fixtures/", $($part),+)),
        }
    };
}

struct Fixture {
    name: &'static str,
    text: &'static str,
}

impl Fixture {
    fn check(&self, actual: &str) {
        if cfg!(not(target_family = "wasm")) && std::env::var_os("UPDATE_GOLDEN").is_some() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/translate/responses/fixtures/");
            std::fs::write([folder, self.name].concat(), actual).unwrap();
        } else {
            assert_eq!(actual, self.text, "{}", self.name);
        }
    }
}

use fixture;

/// When every answer here is complete, in Unix seconds.
const NOW: u64 = 1_791_084_140;

fn writer(request: &str) -> Box<dyn AnswerWriter> {
    Responses.writer(About {
        id: "gen-1791084135-7wgkROHXIojJJ2sMtIIm".into(),
        model: "anthropic/claude-sonnet-4.5".into(),
        created: 1_791_084_135,
        include_usage: false,
        thinking_format: None,
        request: request.as_bytes().to_vec(),
    })
}

#[test]
fn errors_have_openais_form_and_always_a_code() {
    let overloaded = Failure { status: 529, message: "Overloaded".into(), ..Failure::default() };
    for (error, expected) in [
        (
            Error::InvalidField { field: "store", problem: "must be false".into() },
            concat!(
                r#"{"error":{"message":"store: must be false","type":"invalid_request_error","#,
                r#""param":"store","code":"invalid_prompt","error_type":"invalid_request"}}"#
            ),
        ),
        (
            Error::UnknownModel("x".into()),
            concat!(
                r#"{"error":{"message":"x is not a valid model ID","#,
                r#""type":"invalid_request_error","param":"model","#,
                r#""code":"model_not_found","error_type":"not_found"}}"#
            ),
        ),
        (
            Error::Upstream(overloaded),
            concat!(
                r#"{"error":{"message":"Overloaded","type":"api_error","param":null,"#,
                r#""code":"server_error","error_type":"provider_overloaded"}}"#
            ),
        ),
    ] {
        assert_eq!(String::from_utf8(error_body(&error)).unwrap(), expected);
    }
}
