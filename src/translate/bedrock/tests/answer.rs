//! Whole answers.

use super::{gathered, golden, whole};
use crate::translate::delta::{Block, FinishReason};
use crate::wire::split::Random;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TEXT: &str = include_str!("../fixtures/answers/text.json");
const THINKING_TOOLS: &str = include_str!("../fixtures/answers/thinking_tools.json");
const GUARDRAIL: &str = include_str!("../fixtures/answers/guardrail.json");
const CITATIONS: &str = include_str!("../fixtures/answers/citations.json");

#[test]
fn answers_are_told_as_the_streams_they_could_have_been() {
    golden!("answers/text.deltas", &whole(TEXT.as_bytes()).unwrap());
    golden!("answers/thinking_tools.deltas", &whole(THINKING_TOOLS.as_bytes()).unwrap());
    golden!("answers/guardrail.deltas", &whole(GUARDRAIL.as_bytes()).unwrap());
    golden!("answers/citations.deltas", &whole(CITATIONS.as_bytes()).unwrap());
}

#[test]
fn input_counts_caches_too() {
    let usage = gathered(THINKING_TOOLS.as_bytes()).usage.unwrap();
    assert_eq!(
        (usage.input, usage.cached, usage.cache_write, usage.output),
        (3030, 2000, 1026, 187)
    );
}

fn finish(stop_reason: &str, content: &str) -> (FinishReason, String) {
    let body = format!(
        r#"{{"output":{{"message":{{"content":[{content}]}}}},"stopReason":{stop_reason}}}"#
    );
    gathered(body.as_bytes()).finish.unwrap()
}

#[test]
fn reasons_are_openais_and_the_native_one_is_kept() {
    for (native, reason) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("tool_use", FinishReason::ToolCalls),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("guardrail_intervened", FinishReason::ContentFilter),
        ("content_filtered", FinishReason::ContentFilter),
        ("malformed_model_output", FinishReason::Error),
        ("malformed_tool_use", FinishReason::Error),
        ("something_new", FinishReason::Stop),
    ] {
        assert_eq!(finish(&format!("\"{native}\""), ""), (reason, native.to_owned()));
    }
    let call = r#"{"toolUse":{"toolUseId":"a","name":"b","input":{}}}"#;
    assert_eq!(finish("\"end_turn\"", call), (FinishReason::ToolCalls, "end_turn".to_owned()));
    assert_eq!(finish("\"max_tokens\"", call), (FinishReason::Length, "max_tokens".to_owned()));
    assert_eq!(finish("7", ""), (FinishReason::Stop, String::new()));
}

#[test]
fn wrong_types_count_as_absent() {
    let body = r#"{"output":{"message":{"role":1,"content":[7,null,"x",[],{"text":5},{"text":"a"},
        {"toolUse":"x"},{"toolUse":{"toolUseId":1,"name":2,"input":3}},
        {"toolUse":{"toolUseId":4,"name":"f","input":"oops"}},
        {"reasoningContent":{"reasoningText":[],"redactedContent":1}},
        {"citationsContent":{"content":3,"citations":[4]}},{"text":"b"}]}},"stopReason":{},
        "usage":{"inputTokens":"9","outputTokens":2.5,"totalTokens":null}}"#;
    let answer = gathered(body.as_bytes());
    let call = Block::ToolCall {
        id: "call_0".to_owned(),
        name: "f".to_owned(),
        arguments: "\"oops\"".to_owned(),
        signature: None,
    };
    assert_eq!(answer.blocks, [Block::Text("a".to_owned()), call, Block::Text("b".to_owned())]);
    assert_eq!(answer.usage, None);
}

#[test]
fn what_is_no_answer_is_malformed() {
    for body in [
        "",
        "<html></html>",
        "[]",
        "{}",
        r#"{"message":"no"}"#,
        r#"{"output":{}}"#,
        r#"{"output":{"message":{"content":"x"}},"stopReason":"end_turn"}"#,
        r#"{"output":{"message":{"content":[{"text":"cut"#,
        r#"{"output":{"message":{"content":[{"text":"x"}]}}} trailing"#,
        r#"{"choices":[{"message":{"content":"x"}}]}"#,
    ] {
        assert_eq!(whole(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn no_change_of_a_byte_panics() {
    let mut random = Random::new(17);
    for text in [TEXT, THINKING_TOOLS, GUARDRAIL, CITATIONS] {
        for _ in 0..500 {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..1 + random.below(4) {
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 => bytes[at] = b"\"{}[]:,\\0n\xff"[random.below(11)],
                    1 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let _ = whole(&bytes);
        }
    }
}
