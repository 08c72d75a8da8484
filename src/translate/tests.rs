//! Golden answers: `golden/<case>.openai.*` as an upstream wrote it, `golden/<case>.openrouter.*` as a client gets it.
//!
//! `UPDATE_GOLDEN=1 cargo test` writes the latter anew on the host; a person reads the difference.

use super::openrouter::{Identity, OpenRouterEvents, Part};
use super::{Change, Stage};
use crate::catalog::{PriceOverride, Pricing};
use crate::request::Operation;
use crate::usage::{Meter, Price};
use crate::wire::sse::{Piece, Splitter};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

struct Golden {
    /// File names without folder.
    name: &'static str,
    operation: Operation,
    from: &'static str,
    expected: &'static str,
}

macro_rules! golden {
    ($($case:literal $extension:literal $operation:ident,)*) => {
        &[$(Golden {
            name: concat!($case, ".openrouter.", $extension),
            operation: Operation::$operation,
            from: include_str!(concat!("golden/", $case, ".openai.", $extension)),
            expected: include_str!(concat!("golden/", $case, ".openrouter.", $extension)),
        }),*]
    };
}

const CASES: &[Golden] = golden! {
    "plain" "json" Chat,
    "no_usage" "json" Chat,
    "tools" "json" Chat,
    "finish_reasons" "json" Chat,
    "logprobs_and_reasoning" "json" Chat,
    "completions" "json" Completions,
    "embeddings" "json" Embeddings,
    "stream" "sse" Chat,
    "stream_usage" "sse" Chat,
    "stream_tools" "sse" Chat,
    "stream_completions" "sse" Completions,
    "stream_completions_usage" "sse" Completions,
    "stream_error" "sse" Chat,
    "stream_lines" "sse" Chat,
};

fn identity(operation: Operation) -> Identity {
    let price = |text| Price::parse(text).ok();
    let long = Pricing { prompt: price("0.001"), ..Pricing::default() };
    Identity {
        id: "gen-1791084135-7wgkROHXIojJJ2sMtIIm".to_owned(),
        model: "openai/gpt-4.1-mini".to_owned(),
        provider: "OpenAI \"EU\"".to_owned(),
        operation,
        pricing: Pricing {
            prompt: price("0.0000004"),
            completion: price("0.0000016"),
            input_cache_read: price("0.0000001"),
            ..Pricing::default()
        },
        overrides: vec![PriceOverride { min_prompt_tokens: Some(1000), utc: None, pricing: long }],
        minute_of_day: 0,
        created: 1_791_084_135,
        input_estimate: 7,
        metadata: None,
    }
}

fn translate(case: &Golden) -> String {
    let bytes = match case.name.ends_with(".sse") {
        true => translate_stream(case),
        false => {
            let mut meter = Meter::default();
            meter.plain(case.from.as_bytes());
            meter.plain_end();
            identity(case.operation).rewrite(case.from.as_bytes(), Part::Whole(meter.usage(7))).expect("an object")
        }
    };
    String::from_utf8(bytes).expect("text")
}

fn translate_stream(case: &Golden) -> Vec<u8> {
    let (mut stage, mut meter, mut output) =
        (OpenRouterEvents::new(identity(case.operation)), Meter::default(), Vec::new());
    Splitter::new(1 << 20).push(case.from.as_bytes(), &mut |piece| {
        let Piece::Event(event) = piece else { panic!("an event over the limit") };
        let seen = meter.event(event);
        match stage.event(event, seen, &meter) {
            Change::Keep => output.extend_from_slice(event),
            Change::Drop => {}
            Change::Replace(bytes) => output.extend_from_slice(&bytes),
        }
    });
    if meter.is_complete() {
        output.extend_from_slice(&stage.end(&meter));
    }
    output
}

/// Writes the file anew if that is asked for.
#[cfg(not(target_family = "wasm"))]
fn update(case: &Golden, told: &str) -> bool {
    let asked = std::env::var_os("UPDATE_GOLDEN").is_some();
    if asked {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/translate/golden");
        std::fs::write(folder.join(case.name), told).expect("a folder to write to");
    }
    asked
}

#[cfg(target_family = "wasm")]
fn update(_: &Golden, _: &str) -> bool {
    false
}

#[test]
fn answers_are_told_in_openrouters_form() {
    for case in CASES {
        let told = translate(case);
        if !update(case, &told) {
            assert_eq!(told, case.expected, "{}", case.name);
        }
    }
}

#[test]
fn an_answer_in_openrouters_form_stays_as_it_is() {
    for case in CASES.iter().filter(|case| case.name.ends_with(".json")) {
        let again = Golden { from: case.expected, ..*case };
        assert_eq!(translate(&again), case.expected, "{}", case.name);
    }
}
