//! Answers, streamed and whole.

use serde_json::Value;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::request::REQUESTS;
use super::*;
use crate::translate::Format;
use crate::translate::Lost;
use crate::translate::anthropic::Anthropic;
use crate::translate::delta::{Answer, Delta, FinishReason};
use crate::translate::form::Content;
use crate::translate::gemini::Gemini;
use crate::usage::{Source, Usage};
use crate::wire::openai::ErrorFields;
use crate::wire::split::Random;
use crate::wire::sse::{Piece, Splitter, fields};

fn text(text: &str) -> Delta<'_> {
    Delta::Text(text.into())
}

fn call<'a>(index: usize, id: &'a str, name: &'a str) -> Delta<'a> {
    Delta::ToolCall { index, id: id.into(), name: name.into(), signature: None }
}

fn arguments(index: usize, json: &str) -> Delta<'_> {
    Delta::Arguments { index, json: json.into() }
}

fn finish(reason: FinishReason) -> Delta<'static> {
    Delta::Finish { reason, native: "native".into() }
}

fn usage() -> Delta<'static> {
    Delta::Usage(Usage {
        input: 100,
        output: 20,
        cached: 40,
        cache_write: 5,
        reasoning: 8,
        audio: 0,
        source: Source::Reported,
        tier: None,
    })
}

struct Case {
    request: &'static str,
    deltas: Vec<Delta<'static>>,
    events: Fixture,
    whole: Fixture,
}

const TEXT: &str = r#"{"model":"m","input":"Hi"}"#;
const TOOLS: &str = r#"{
  "input": "Hi", "instructions": "Be brief.", "max_output_tokens": 64, "temperature": 0,
  "metadata": {"a": "b"}, "user": "u",
  "tools": [{"type": "function", "name": "get_weather", "description": null, "strict": true,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}],
  "parallel_tool_calls": true
}"#;
const SUMMARY: &str = r#"{"input":"Hi","reasoning":{"effort":"high","summary":"auto"},
    "include":["reasoning.encrypted_content"]}"#;
const CITATION: &str = concat!(
    r#"{"type":"url_citation","url_citation":{"url":"https://a.b","title":"A","#,
    r#""start_index":0,"end_index":5}}"#
);

fn start() -> Delta<'static> {
    Delta::Start { id: "msg_01".into(), model: "claude-sonnet-4-5".into() }
}

/// An answer that begins with `start` and is told as the fixtures of its name say.
macro_rules! case {
    ($name:literal, $request:expr, [$($delta:expr),* $(,)?]) => {
        Case {
            request: $request,
            deltas: vec![start(), $($delta),*],
            events: fixture!("answer/", $name, ".sse"),
            whole: fixture!("answer/", $name, ".json"),
        }
    };
}

fn cases() -> Vec<Case> {
    [texts(), calls(), thoughts(), ends()].into_iter().flatten().collect()
}

/// Answers of text, and of refusals.
fn texts() -> Vec<Case> {
    vec![
        case!(
            "text",
            TEXT,
            [
                text("Hello"),
                text(", wörld\n\"🦀\""),
                Delta::Annotation(CITATION.into()),
                finish(FinishReason::Stop),
                usage(),
                Delta::Done,
            ]
        ),
        case!(
            "refusal",
            TEXT,
            [
                text("Well. "),
                Delta::Refusal("I can".into()),
                Delta::Refusal("not.".into()),
                finish(FinishReason::Stop),
                usage(),
            ]
        ),
    ]
}

/// Answers that call tools.
fn calls() -> Vec<Case> {
    vec![
        case!(
            "tools",
            TOOLS,
            [
                text("I look."),
                call(0, "toolu_1", "get_weather"),
                call(1, "", "get_weather"),
                arguments(1, "{\"ci"),
                arguments(0, "{\"city\":"),
                arguments(1, "ty\":\"Rome\"}"),
                arguments(0, "\"Paris\"}"),
                text("And more."),
                call(2, "toolu_3", "now"),
                finish(FinishReason::ToolCalls),
                usage(),
                Delta::Done,
            ]
        ),
        case!(
            "codex",
            REQUESTS[1].0.text,
            [
                call(0, "c1", "exec_command"),
                arguments(0, "{\"cmd\":\"ls\"}"),
                call(1, "c2", "mcp__fake__weather"),
                arguments(1, "{\"city\":\"Rome\"}"),
                call(2, "c3", "apply_patch"),
                arguments(2, "{\"input\":\"*** Begin"),
                arguments(2, " Patch\\n\\u00e9\"}"),
                call(3, "c4", "tool_search"),
                arguments(3, "{\"query\":\"x\"}"),
                call(4, "c5", "mcp__mail__send"),
                arguments(4, "{}"),
                call(5, "c6", "apply_patch"),
                arguments(5, "*** raw"),
                finish(FinishReason::ToolCalls),
                usage(),
            ]
        ),
    ]
}

/// Answers with the thinking before them.
fn thoughts() -> Vec<Case> {
    vec![
        case!(
            "thinking",
            SUMMARY,
            [
                Delta::Thinking("Let me".into()),
                Delta::Thinking(" see.".into()),
                Delta::Signature("c2ln".into()),
                Delta::EncryptedThinking("UkVEQUNURUQ=".into()),
                Delta::Thinking("Again.".into()),
                text("Yes."),
                Delta::ToolCall {
                    index: 0,
                    id: "c1".into(),
                    name: "f".into(),
                    signature: Some("Z2Vt".into())
                },
                arguments(0, "{}"),
                finish(FinishReason::ToolCalls),
                usage(),
                Delta::Done,
            ]
        ),
        case!(
            "raw_thinking",
            TEXT,
            [
                Delta::Thinking("Hm, ".into()),
                Delta::Thinking("yes.".into()),
                text("Yes."),
                finish(FinishReason::Stop),
                usage(),
            ]
        ),
    ]
}

/// Answers that end in other ways than well, or say nothing.
fn ends() -> Vec<Case> {
    vec![
        case!(
            "length",
            TEXT,
            [
                text("One"),
                call(0, "c1", "f"),
                arguments(0, "{\"a\":[1,"),
                finish(FinishReason::Length),
                usage(),
            ]
        ),
        case!("filter", TEXT, [text("One"), finish(FinishReason::ContentFilter), usage()]),
        case!("empty", TEXT, [finish(FinishReason::Stop), usage(), Delta::Done]),
        case!("failed", TEXT, [text("Hel"), finish(FinishReason::Error), usage()]),
    ]
}

fn stream(case: &Case) -> Vec<u8> {
    let (mut writer, mut events) = (writer(case.request), Vec::new());
    case.deltas.iter().for_each(|delta| writer.delta(delta, &mut events));
    writer.end(NOW, &mut events);
    events
}

fn whole(request: &str, deltas: &[Delta<'static>]) -> Vec<u8> {
    let mut answer = Answer::default();
    deltas.iter().for_each(|delta| answer.take(delta.clone()));
    writer(request).whole(&answer, NOW)
}

/// The events of a stream, after a check of what holds for every stream.
fn checked(stream: &[u8]) -> Vec<Value> {
    let mut events = Vec::new();
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(stream, &mut |piece| {
        let Piece::Event(event) = piece else { panic!("opaque") };
        let fields = fields(event);
        let value: Value = serde_json::from_slice(&fields.data.unwrap()).unwrap();
        assert_eq!(value["type"], std::str::from_utf8(fields.event.unwrap()).unwrap());
        assert_eq!(value["sequence_number"], events.len());
        events.push(value);
    });
    assert!(splitter.take_rest().is_empty());
    check_order(&events);
    events
}

fn check_order(events: &[Value]) {
    assert_eq!(events[0]["type"], "response.created");
    assert_eq!(events[1]["type"], "response.in_progress");
    let mut items: Vec<Value> = Vec::new();
    let mut texts = std::collections::BTreeMap::<String, String>::new();
    let (last, steps) = events.split_last().unwrap();
    for event in &steps[2..] {
        let kind = event["type"].as_str().unwrap();
        let index = event["output_index"].as_u64().map(|index| index as usize);
        if let Some(id) = event["item_id"].as_str() {
            assert_eq!(items[index.unwrap()]["id"], id, "{event}");
        }
        let key = format!("{index:?} {} {}", event["content_index"], event["summary_index"]);
        match kind {
            "response.output_item.added" => {
                assert_eq!(index, Some(items.len()));
                assert_eq!(event["item"]["status"], "in_progress");
                items.push(event["item"].clone());
            }
            "response.output_item.done" => {
                assert_eq!(items[index.unwrap()]["status"], "in_progress", "done twice");
                items[index.unwrap()] = event["item"].clone();
            }
            _ if kind.ends_with(".delta") => {
                texts.entry(key).or_default().push_str(event["delta"].as_str().unwrap())
            }
            _ if kind.ends_with(".added") => {
                assert!(event["annotation"].is_object() || !texts.contains_key(&key))
            }
            "error" => assert_eq!(last["type"], "response.failed"),
            _ if kind.ends_with("_part.done") => {}
            _ => {
                let done = ["text", "refusal", "arguments", "input"]
                    .into_iter()
                    .find_map(|name| event[name].as_str());
                assert_eq!(done.unwrap(), texts.get(&key).map_or("", String::as_str), "{event}");
            }
        }
    }
    if last["type"] != "response.failed" {
        assert_eq!(last["response"]["output"], Value::Array(items));
    }
    assert_eq!(last["type"], format!("response.{}", last["response"]["status"].as_str().unwrap()));
}

#[test]
fn answers_are_streamed_and_whole() {
    for case in cases() {
        let stream = stream(&case);
        let events = checked(&stream);
        case.events.check(std::str::from_utf8(&stream).unwrap());
        let whole = whole(case.request, &case.deltas);
        case.whole.check(std::str::from_utf8(&whole).unwrap());
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(whole, events.last().unwrap()["response"], "{}", case.whole.name);
    }
}

#[test]
fn however_texts_are_cut_the_response_is_the_same() {
    for case in cases() {
        let expected = checked(&stream(&case)).last().unwrap()["response"].clone();
        for at in 1..12 {
            let (mut writer, mut events) = (writer(case.request), Vec::new());
            for delta in &case.deltas {
                for piece in cut(delta, at) {
                    writer.delta(&piece, &mut events);
                }
            }
            writer.end(NOW, &mut events);
            assert_eq!(checked(&events).last().unwrap()["response"], expected);
        }
    }
}

/// The delta in two parts, the first one of `at` bytes, if it is a text that may be cut there.
fn cut<'a>(delta: &Delta<'a>, at: usize) -> Vec<Delta<'a>> {
    let (text, make): (_, fn(&Delta<'a>, String) -> Delta<'a>) = match delta {
        Delta::Text(text) => (text, |_, text| Delta::Text(text.into())),
        Delta::Refusal(text) => (text, |_, text| Delta::Refusal(text.into())),
        Delta::Thinking(text) => (text, |_, text| Delta::Thinking(text.into())),
        Delta::Signature(text) => (text, |_, text| Delta::Signature(text.into())),
        Delta::Arguments { json, .. } => (json, |delta, text| match delta {
            Delta::Arguments { index, .. } => Delta::Arguments { index: *index, json: text.into() },
            other => other.clone(),
        }),
        other => return vec![other.clone()],
    };
    match text.split_at_checked(at) {
        Some((left, right)) => vec![make(delta, left.to_owned()), make(delta, right.to_owned())],
        None => vec![delta.clone()],
    }
}

#[test]
fn deltas_in_any_order_give_a_well_formed_stream() {
    let all: Vec<_> = cases().into_iter().flat_map(|case| case.deltas).collect();
    let mut random = Random::new(11);
    for _ in 0..3000 {
        let (mut writer, mut events) = (writer(SUMMARY), Vec::new());
        for _ in 0..random.below(20) {
            writer.delta(&all[random.below(all.len())], &mut events);
        }
        writer.end(NOW, &mut events);
        checked(&events);
    }
}

#[test]
fn a_broken_stream_ends_with_its_error_and_what_there_was() {
    let error = Error::Upstream(Failure {
        status: 429,
        message: "Slow down".into(),
        code: Some("rate_limited".into()),
        ..Failure::default()
    });
    let (mut writer, mut events) = (writer(TEXT), Vec::new());
    for delta in [text("Hel"), call(0, "c1", "f"), arguments(0, "{\"a"), usage()] {
        writer.delta(&delta, &mut events);
    }
    writer.error(&error, &mut events);
    let length = events.len();
    writer.error(&error, &mut events);
    writer.delta(&text("x"), &mut events);
    writer.end(NOW, &mut events);
    assert_eq!(events.len(), length, "nothing follows");
    checked(&events);
    fixture!("answer/broken.sse").check(std::str::from_utf8(&events).unwrap());
}

#[test]
fn an_upstreams_error_ends_the_stream() {
    let (mut writer, mut events) = (writer(TEXT), Vec::new());
    let fields = ErrorFields {
        message: Some("Too long".into()),
        code: Some("context_length_exceeded".into()),
        kind: None,
    };
    writer.delta(&Delta::Error(fields), &mut events);
    writer.end(NOW, &mut events);
    let events = checked(&events);
    assert_eq!(events[2]["type"], "error");
    assert_eq!(events[3]["response"]["error"]["code"], "context_length_exceeded");
    assert_eq!(events.len(), 4);
}

/// The text, the signature and the encrypted content of a thought.
fn thinking<'a>(content: &'a Content<'_>) -> (&'a str, Option<&'a str>, Option<&'a str>) {
    match content {
        Content::Thinking(thinking) => {
            (thinking.text.as_ref(), thinking.signature.as_deref(), thinking.encrypted.as_deref())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_an_answer_says_comes_back_in_the_next_request() {
    let case = &thoughts()[0];
    let whole: Value = serde_json::from_slice(&whole(case.request, &case.deltas)).unwrap();
    let request = serde_json::json!({"input": whole["output"]}).to_string();
    let conversation = Responses.read(request.as_bytes()).unwrap();
    let parts: Vec<_> =
        conversation.turns.iter().flat_map(|turn| &turn.parts).map(|part| &part.content).collect();
    assert_eq!(thinking(parts[0]), ("Let me see.", Some("c2ln"), None));
    assert_eq!(thinking(parts[1]), ("", None, Some("UkVEQUNURUQ=")));
    assert_eq!(thinking(parts[2]), ("Again.", None, None));
    assert!(matches!(parts[3], Content::Text(text) if text == "Yes."));
    assert!(matches!(parts[4], Content::ToolCall { signature: Some(proof), arguments, .. }
        if proof == "Z2Vt" && arguments == "{}"));
    assert_eq!(parts.len(), 5);
}

#[test]
fn thinking_finds_back_to_who_can_check_it() {
    let mut events = Vec::new();
    let mut writer =
        Responses.writer(About { thinking_format: Some("google-gemini-v1"), ..About::default() });
    for delta in [
        Delta::Thinking("Hm.".into()),
        Delta::Signature("c2ln".into()),
        text("Yes."),
        Delta::EncryptedThinking("c2ln".into()),
    ] {
        writer.delta(&delta, &mut events);
    }
    writer.end(NOW, &mut events);
    let response = checked(&events).pop().unwrap();
    let request = serde_json::json!({"input": response["response"]["output"]}).to_string();
    let conversation = Responses.read(request.as_bytes()).unwrap();
    let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    let thoughts: Vec<_> = parts
        .filter_map(|part| match &part.content {
            Content::Thinking(thinking) => Some(thinking),
            _ => None,
        })
        .collect();
    assert_eq!(
        (thoughts[0].text.as_ref(), thoughts[0].signature.as_deref()),
        ("Hm.", Some("c2ln"))
    );
    assert_eq!(thoughts[1].encrypted.as_deref(), Some("c2ln"));
    assert!(thoughts.iter().all(|thinking| thinking.format.as_deref() == Some("google-gemini-v1")));
    // A thought of another model is not sent to Claude, which would refuse it.
    for (format, takes_it) in [(&Anthropic as &dyn Format, false), (&Gemini, true)] {
        let body = format.request(&conversation, "claude-opus-4-6", &mut Lost::default());
        assert_eq!(String::from_utf8(body).unwrap().contains("c2ln"), takes_it);
    }
}
