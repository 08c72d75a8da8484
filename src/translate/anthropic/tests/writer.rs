//! What a client gets: streams, whole messages, errors.

use std::time::Duration;

use super::super::has_foreign_parts;
use super::*;
use crate::error::anthropic::error_body;
use crate::error::{Error, Failure};
use crate::translate::delta::{Block, FinishReason};
use crate::usage::Usage;
use crate::wire::sse;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn rewritten(stream: &str) -> String {
    written(about(), &deltas(&[stream.as_bytes()]))
}

fn call(index: usize, id: &'static str) -> Delta<'static> {
    Delta::ToolCall { index, id: id.into(), name: format!("f{index}").into(), signature: None }
}

fn arguments(index: usize, json: &'static str) -> Delta<'static> {
    Delta::Arguments { index, json: json.into() }
}

/// The data of each event.
fn data(events: &str) -> Vec<serde_json::Value> {
    events
        .split_inclusive("\n\n")
        .map(|event| serde_json::from_slice(&sse::fields(event.as_bytes()).data.unwrap()).unwrap())
        .collect()
}

/// Every event as `type index`, with the type of block or the piece.
fn outline(events: &str) -> Vec<String> {
    data(events).iter().map(outline_of).collect()
}

fn outline_of(event: &serde_json::Value) -> String {
    match event["type"].as_str().unwrap() {
        "content_block_start" => {
            format!("start {} {}", event["index"], text(&event["content_block"]["type"]))
        }
        "content_block_stop" => format!("stop {}", event["index"]),
        "content_block_delta" => {
            let mut members = event["delta"].as_object().unwrap().iter();
            let (_, piece) = members.find(|(key, _)| *key != "type").unwrap();
            format!("{} {}", event["index"], text(piece))
        }
        "message_delta" => text(&event["delta"]["stop_reason"]).to_owned(),
        other => other.to_owned(),
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn streams_are_written() {
    golden!(
        "thinking_and_tools.client.sse",
        &rewritten(include_str!("../fixtures/thinking_and_tools.sse"))
    );
    golden!("citations.client.sse", &rewritten(include_str!("../fixtures/citations.sse")));
    golden!(
        "omitted_and_refused.client.sse",
        &rewritten(include_str!("../fixtures/omitted_and_refused.sse"))
    );
}

#[test]
fn a_broken_stream_ends_with_an_error_event() {
    let (mut writer, mut events) = (Anthropic.writer(about()), Vec::new());
    for delta in deltas(&[include_bytes!("../fixtures/overloaded.sse")]) {
        writer.delta(&delta, &mut events);
    }
    let failure = Failure { status: 529, message: "Overloaded".to_owned(), ..Failure::default() };
    writer.error(&Error::Upstream(failure), &mut events);
    golden!("overloaded.client.sse", std::str::from_utf8(&events).unwrap());
}

#[test]
fn event_names_are_the_types() {
    let events = rewritten(include_str!("../fixtures/thinking_and_tools.sse"));
    for event in events.split_inclusive("\n\n") {
        let fields = sse::fields(event.as_bytes());
        let data: serde_json::Value = serde_json::from_slice(&fields.data.unwrap()).unwrap();
        assert_eq!(fields.event.unwrap(), data["type"].as_str().unwrap().as_bytes());
    }
}

#[test]
fn whole_messages_are_written() {
    let mut told = Vec::new();
    let message = include_bytes!("../fixtures/message.json");
    Anthropic.reader().whole(message, &mut |delta| told.push(owned(&delta))).unwrap();
    golden!("message.client.json", &pretty(&Anthropic.writer(about()).whole(&gathered(&told), 0)));
}

#[test]
fn calls_told_at_once_come_one_after_the_other() {
    let told = [
        call(0, "a"),
        call(1, ""),
        arguments(0, "{\"x\": \"}"),
        arguments(1, "{\"y\""),
        arguments(0, "\"}"),
        arguments(1, ": 2}"),
        call(2, "c:3"),
        arguments(7, "{}"),
        Delta::Finish { reason: FinishReason::Stop, native: "STOP".into() },
    ];
    let events = written(about(), &told);
    let expected = [
        "message_start",
        "start 0 tool_use",
        "0 {\"x\": \"}",
        "0 \"}",
        "stop 0",
        "start 1 tool_use",
        "1 {\"y\"",
        "1 : 2}",
        "stop 1",
        "start 2 tool_use",
        "stop 2",
        "tool_use",
        "message_stop",
    ];
    assert_eq!(outline(&events), expected);
    let ids: Vec<_> = data(&events)
        .iter()
        .filter_map(|event| Some(event["content_block"]["id"].as_str()?.to_owned()))
        .collect();
    assert_eq!(ids, ["a", "toolu_gen-1791084135-7wgkROHXIojJJ2sMtIIm_1", "c_3"]);
}

#[test]
fn a_call_without_arguments_holds_none_up() {
    let told = [call(0, "a"), call(1, "b"), arguments(1, "{}"), Delta::Text("so".into())];
    let expected = [
        "message_start",
        "start 0 tool_use",
        "stop 0",
        "start 1 tool_use",
        "1 {}",
        "stop 1",
        "start 2 text",
        "2 so",
        "stop 2",
        "tool_use",
        "message_stop",
    ];
    assert_eq!(outline(&written(about(), &told)), expected);
}

#[test]
fn foreign_proofs_find_back() {
    let mut about = about();
    about.thinking_format = Some("google-gemini-v1");
    let told = [
        Delta::Thinking("Hm".into()),
        Delta::Signature("c2ln".into()),
        Delta::EncryptedThinking("ZW5j".into()),
        Delta::ToolCall {
            index: 0,
            id: "a".into(),
            name: "f".into(),
            signature: Some("Y2FsbA==".into()),
        },
        arguments(0, "{}"),
    ];
    let events = written(about.clone(), &told);
    let expected = [
        "message_start",
        "start 0 thinking",
        "0 Hm",
        "0 google-gemini-v1:c2ln",
        "stop 0",
        "start 1 redacted_thinking",
        "stop 1",
        "start 2 redacted_thinking",
        "stop 2",
        "start 3 tool_use",
        "3 {}",
        "stop 3",
        "tool_use",
        "message_stop",
    ];
    assert_eq!(outline(&events), expected);

    let whole: serde_json::Value =
        serde_json::from_slice(&Anthropic.writer(about).whole(&gathered(&told), 0)).unwrap();
    let request =
        serde_json::json!({"messages": [{"role": "assistant", "content": whole["content"]}]})
            .to_string();
    assert!(has_foreign_parts(request.as_bytes()));
    let read = Anthropic.read(request.as_bytes()).unwrap();
    let shown = format!("{:?}", read.turns[0].parts);
    for proof in ["c2ln", "ZW5j", "Y2FsbA=="] {
        assert!(shown.contains(&format!("Some(\"{proof}\")")), "{shown}");
    }
    assert_eq!(shown.matches("format: Some(\"google-gemini-v1\")").count(), 2);
}

#[test]
fn foreign_parts_of_a_request_are_seen() {
    let rows = [
        (r#"{"type":"thinking","thinking":"t","signature":"EqQB"}"#, false),
        (r#"{"type":"redacted_thinking","data":"EmwK"}"#, false),
        (r#"{"type":"text","text":"thinking\""}"#, false),
        (r#"{"type":"thinking","thinking":"t","signature":""}"#, true),
        (r#"{"type":"redacted_thinking","data":"openai-responses-v1:gAAA"}"#, true),
        (
            r#"{"type":"text","text":"t","citations":[
                {"type":"web_search_result_location","encrypted_index":""}]}"#,
            true,
        ),
        (r#"{"type":"text","text":"t","citations":[{"encrypted_index" : "" }]}"#, true),
        (r#"{"type":"text","text":"t","citations":[{"encrypted_index":"EpEB"}]}"#, false),
        (r#"{"type":"redacted_thinking","data":"modelyard-call-v1:gAAA"}"#, true),
    ];
    for (block, foreign) in rows {
        let body = format!(r#"{{"messages":[{{"role":"assistant","content":[{block}]}}]}}"#);
        assert_eq!(has_foreign_parts(body.as_bytes()), foreign, "{block}");
    }
}

#[test]
fn ends_have_anthropics_names() {
    use FinishReason::*;
    let rows = [
        (Stop, "end_turn", "end_turn"),
        (Stop, "stop", "end_turn"),
        (Stop, "pause_turn", "pause_turn"),
        (Stop, "stop_sequence", "stop_sequence"),
        (Length, "length", "max_tokens"),
        (Length, "MAX_TOKENS", "max_tokens"),
        (Length, "model_context_window_exceeded", "model_context_window_exceeded"),
        (ToolCalls, "tool_calls", "tool_use"),
        (ContentFilter, "SAFETY", "refusal"),
        (Error, "error", "end_turn"),
    ];
    for (reason, native, expected) in rows {
        let events = written(about(), &[Delta::Finish { reason, native: native.into() }]);
        assert_eq!(outline(&events), ["message_start", expected, "message_stop"]);
    }
    assert_eq!(outline(&written(about(), &[Delta::Refusal("No.".into())]))[4], "refusal");
}

#[test]
fn the_only_stop_sequence_is_the_one_met() {
    let told = [Delta::Finish { reason: FinishReason::Stop, native: "stop_sequence".into() }];
    for (sequences, expected) in [(r#"["END"]"#, Some("END")), (r#"["END","FIN"]"#, None)] {
        let request = format!(r#"{{"messages":[],"stop_sequences":{sequences}}}"#).into_bytes();
        let events = data(&written(About { request, ..about() }, &told));
        assert_eq!(events[1]["delta"]["stop_sequence"].as_str(), expected);
    }
}

#[test]
fn arguments_that_are_no_object_are_wrapped() {
    for (arguments, expected) in
        [("", "{}"), (" {\"a\":1} ", "{\"a\":1}"), ("{\"a\":", ""), ("[1]", "")]
    {
        let block = Block::ToolCall {
            id: "a".to_owned(),
            name: "f".to_owned(),
            arguments: arguments.to_owned(),
            signature: None,
        };
        let answer = Answer { blocks: vec![block], ..Answer::default() };
        let body: serde_json::Value =
            serde_json::from_slice(&Anthropic.writer(about()).whole(&answer, 0)).unwrap();
        let input = &body["content"][0]["input"];
        match expected {
            "" => assert_eq!(input["invalid_arguments"], arguments),
            expected => assert_eq!(input.to_string(), expected),
        }
    }
}

#[test]
fn usage_is_taken_apart() {
    let usage = Usage {
        input: 100,
        output: 9,
        cached: 60,
        cache_write: 30,
        reasoning: 4,
        ..Usage::default()
    };
    let events = data(&written(about(), &[Delta::Usage(usage)]));
    let expected = serde_json::json!({
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
        "cache_creation": null,
        "inference_geo": null,
        "server_tool_use": null,
        "service_tier": null,
    });
    assert_eq!(events[1]["usage"], expected);
    let nonsense = Usage { input: 1, cached: 5, cache_write: 5, ..Usage::default() };
    assert_eq!(data(&written(about(), &[Delta::Usage(nonsense)]))[1]["usage"]["input_tokens"], 0);
}

#[test]
fn errors_have_anthropics_types() {
    let rows = [
        (400, "invalid_request_error", "invalid_request"),
        (401, "authentication_error", "authentication"),
        (402, "billing_error", "payment_required"),
        (403, "permission_error", "permission_denied"),
        (404, "not_found_error", "not_found"),
        (408, "timeout_error", "timeout"),
        (413, "request_too_large", "payload_too_large"),
        (422, "invalid_request_error", "unprocessable"),
        (429, "rate_limit_error", "rate_limit_exceeded"),
        (500, "api_error", "server"),
        (502, "api_error", "provider_unavailable"),
        (503, "overloaded_error", "provider_overloaded"),
        (504, "timeout_error", "timeout"),
        (529, "overloaded_error", "provider_overloaded"),
    ];
    for (status, kind, error_type) in rows {
        let failure = Failure {
            status,
            message: "m".to_owned(),
            retry_after: Some(Duration::from_secs(1)),
            ..Failure::default()
        };
        let body = String::from_utf8(error_body(&Error::Upstream(failure))).unwrap();
        let error = format!(r#"{{"type":"{kind}","message":"m","error_type":"{error_type}"}}"#);
        assert_eq!(body, format!(r#"{{"type":"error","error":{error},"request_id":null}}"#));
    }
    let long = Failure {
        status: 400,
        message: "maximum context length is 8192 tokens".to_owned(),
        code: Some("context_length_exceeded".to_owned()),
        ..Failure::default()
    };
    let body = String::from_utf8(error_body(&Error::Upstream(long))).unwrap();
    assert!(body.contains("\"prompt is too long: maximum context length"), "{body}");
}
