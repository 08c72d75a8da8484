//! Requests are compared with their common form, answers with their events and their whole, as reviewed.
//! `UPDATE_GOLDEN=1 cargo test` writes what is compared anew.

use serde_json::Value;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::error::Failure;
use crate::translate::delta::{Answer, Delta, FinishReason};
use crate::translate::form::Content;
use crate::usage::{Source, Usage};
use crate::wire::openai::ErrorFields;
use crate::wire::split::{Random, every_split};
use crate::wire::sse::{Piece, Splitter, fields};

macro_rules! fixture {
    ($($part:literal),+) => {
        Fixture { name: concat!($($part),+), text: include_str!(concat!("fixtures/", $($part),+)) }
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

const REQUESTS: [(Fixture, Fixture); 3] = [
    (fixture!("request/text.json"), fixture!("request/text.txt")),
    (fixture!("request/codex.json"), fixture!("request/codex.txt")),
    (fixture!("request/everything.json"), fixture!("request/everything.txt")),
];

#[test]
fn requests_are_read_into_the_common_form() {
    for (request, expected) in &REQUESTS {
        let conversation = Responses.read(request.text.as_bytes()).unwrap();
        expected.check(&format!("{conversation:#?}\n"));
        for lost in &conversation.dropped {
            assert!(LOSSES.iter().any(|(name, _)| name == lost), "{lost}");
        }
    }
}

#[test]
fn texts_are_borrowed() {
    let conversation = Responses.read(br#"{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}]}"#);
    let part = &conversation.unwrap().turns[0].parts[0];
    assert!(matches!(&part.content, Content::Text(std::borrow::Cow::Borrowed("a"))));
}

fn refused(body: &str, field: &str, problem: &str) {
    match Responses.read(body.as_bytes()) {
        Err(Error::InvalidField { field: actual, problem: said }) => {
            assert_eq!(actual, field, "{body}");
            assert!(said.contains(problem), "{body}: {said}");
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn what_needs_state_or_other_servers_is_refused() {
    let rows = [
        (r#""store":true"#, "store", "must be false"),
        (r#""background":true"#, "background", "must be false"),
        (r#""previous_response_id":"resp_1""#, "previous_response_id", "not supported"),
        (r#""conversation":"conv_1""#, "conversation", "not supported"),
        (r#""conversation":{"id":"conv_1"}"#, "conversation", "not supported"),
        (r#""prompt":{"id":"pmpt_1"}"#, "prompt", "not supported"),
        (r#""tools":[{"type":"file_search","vector_store_ids":[]}]"#, "tools", "\"file_search\" is a tool of OpenAI's"),
        (r#""tools":[{"type":"local_shell"}]"#, "tools", "\"local_shell\" is"),
        (r#""tools":[{"type":"mcp","server_label":"x"}]"#, "tools", "\"mcp\" is"),
        (r#""tools":[{"type":"web_search"}]"#, "tools", "\"web_search\" is"),
        (r#""tools":[{"type":"function","function":{"name":"f"}}]"#, "tools", "no name"),
        (r#""tools":[{"type":"namespace","tools":[]}]"#, "tools", "no name"),
        (r#""tool_choice":{"type":"web_search_preview"}"#, "tool_choice", "names no function"),
        (r#""tool_choice":"maybe""#, "tool_choice", "\"maybe\" is not"),
        (r#""text":{"format":{"type":"grammar"}}"#, "text", "\"grammar\" is not supported"),
        (r#""text":{"format":{"type":"json_schema","name":"x"}}"#, "text", "schema is missing"),
        (r#""reasoning":{"effort":"huge"}"#, "reasoning", "\"huge\" is not known"),
        (r#""temperature":"private text""#, "temperature", "expected f64"),
        (r#""stream":1"#, "stream", "expected a boolean"),
    ];
    for (member, field, problem) in rows {
        refused(&format!("{{\"input\":\"x\",{member}}}"), field, problem);
    }
}

#[test]
fn items_that_cannot_be_read_are_refused_by_their_index() {
    let rows = [
        (r#"{"type":"item_reference","id":"msg_1"}"#, "item 1: item_reference is not supported"),
        (r#"{"id":"msg_1"}"#, "item 1: item_reference is not supported"),
        (r#"{"type":"computer_call_output"}"#, "item 1: an item of type \"computer_call_output\""),
        (r#"{"role":"critic","content":"x"}"#, "item 1: the role \"critic\""),
        (r#"{"role":"user","content":[{"type":"input_hologram"}]}"#, "item 1: a part of type \"input_hologram\""),
        (r#"{"role":"user","content":[{"type":"input_image"}]}"#, "image_url is missing"),
        (r#"{"role":"user","content":[{"type":"input_file"}]}"#, "file_data, file_url or file_id"),
        (r#"{"role":"user","content":[{"type":"input_audio"}]}"#, "input_audio is missing"),
        (r#"{"type":"function_call","name":"f","arguments":"{}"}"#, "call_id is missing"),
        (r#"{"type":"function_call_output","output":"x"}"#, "call_id is missing"),
        (r#"{"role":"user","content":5}"#, "expected a string or an array"),
    ];
    for (item, problem) in rows {
        refused(&format!(r#"{{"input":[{{"role":"user","content":"x"}},{item}]}}"#), "input", problem);
    }
    refused("{}", "input", "is missing");
    refused(r#"{"input":null}"#, "input", "is missing");
}

#[test]
fn damaged_requests_never_panic() {
    let mut random = Random::new(7);
    for (request, _) in &REQUESTS {
        for _ in 0..2000 {
            let mut body = request.text.as_bytes().to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(body.len());
                match random.below(3) {
                    0 => body[at] = b"{}[]\",:0n\\"[random.below(10)],
                    1 => body.truncate(at + 1),
                    _ => drop(body.remove(at.min(body.len() - 1))),
                }
                if body.is_empty() {
                    break;
                }
            }
            let _ = Responses.read(&body);
            let mut writer = writer(&String::from_utf8_lossy(&body));
            writer.delta(&text("x"), &mut Vec::new());
            writer.end(&mut Vec::new());
        }
    }
}

fn writer(request: &str) -> Box<dyn AnswerWriter> {
    Responses.writer(About {
        id: "gen-1791084135-7wgkROHXIojJJ2sMtIIm".into(),
        model: "anthropic/claude-sonnet-4.5".into(),
        created: 1_791_084_135,
        include_usage: false,
        request: request.as_bytes().to_vec(),
    })
}

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
  "input": "Hi", "instructions": "Be brief.", "max_output_tokens": 64, "temperature": 0, "metadata": {"a": "b"}, "user": "u",
  "tools": [{"type": "function", "name": "get_weather", "description": null, "strict": true,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}], "parallel_tool_calls": true
}"#;
const SUMMARY: &str =
    r#"{"input":"Hi","reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content"]}"#;

fn cases() -> Vec<Case> {
    let start = || Delta::Start { id: "msg_01".into(), model: "claude-sonnet-4-5".into() };
    let citation =
        r#"{"type":"url_citation","url_citation":{"url":"https://a.b","title":"A","start_index":0,"end_index":5}}"#;
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
    vec![
        case!(
            "text",
            TEXT,
            [
                text("Hello"),
                text(", wörld\n\"🦀\""),
                Delta::Annotation(citation.into()),
                finish(FinishReason::Stop),
                usage(),
                Delta::Done,
            ]
        ),
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
            "thinking",
            SUMMARY,
            [
                Delta::Thinking("Let me".into()),
                Delta::Thinking(" see.".into()),
                Delta::Signature("c2ln".into()),
                Delta::EncryptedThinking("UkVEQUNURUQ=".into()),
                Delta::Thinking("Again.".into()),
                text("Yes."),
                Delta::ToolCall { index: 0, id: "c1".into(), name: "f".into(), signature: Some("Z2Vt".into()) },
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
        case!(
            "length",
            TEXT,
            [text("One"), call(0, "c1", "f"), arguments(0, "{\"a\":[1,"), finish(FinishReason::Length), usage(),]
        ),
        case!("filter", TEXT, [text("One"), finish(FinishReason::ContentFilter), usage()]),
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
        case!("empty", TEXT, [finish(FinishReason::Stop), usage(), Delta::Done]),
        case!("failed", TEXT, [text("Hel"), finish(FinishReason::Error), usage()]),
    ]
}

fn stream(case: &Case) -> Vec<u8> {
    let (mut writer, mut events) = (writer(case.request), Vec::new());
    case.deltas.iter().for_each(|delta| writer.delta(delta, &mut events));
    writer.end(&mut events);
    events
}

fn whole(request: &str, deltas: &[Delta<'static>]) -> Vec<u8> {
    let mut answer = Answer::default();
    deltas.iter().for_each(|delta| answer.take(delta.clone()));
    writer(request).whole(&answer)
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
            _ if kind.ends_with(".delta") => texts.entry(key).or_default().push_str(event["delta"].as_str().unwrap()),
            _ if kind.ends_with(".added") => assert!(event["annotation"].is_object() || !texts.contains_key(&key)),
            "error" => assert_eq!(last["type"], "response.failed"),
            _ if kind.ends_with("_part.done") => {}
            _ => {
                let done = ["text", "refusal", "arguments", "input"].into_iter().find_map(|name| event[name].as_str());
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
        let mut whole: Value = serde_json::from_slice(&whole).unwrap();
        let mut last = events.last().unwrap()["response"].clone();
        if case.whole.name.contains("tools") {
            // Gathered in blocks, the pieces of calls that came by turns are told one call after the other.
            whole["output"].as_array_mut().unwrap().iter_mut().for_each(|item| item["id"].take().take_id());
            last["output"].as_array_mut().unwrap().iter_mut().for_each(|item| item["id"].take().take_id());
        }
        if case.whole.name.contains("failed") {
            whole["output"].take().take_id();
            last["output"].take().take_id();
        }
        assert_eq!(whole, last, "{}", case.whole.name);
    }
}

trait TakeId {
    fn take_id(self);
}

impl TakeId for Value {
    fn take_id(self) {}
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
            writer.end(&mut events);
            assert_eq!(checked(&events).last().unwrap()["response"], expected);
        }
    }
}

/// The delta cut in two after `at` bytes, where it is a text that can be.
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
        writer.end(&mut events);
        checked(&events);
    }
}

#[test]
fn a_stream_can_be_cut_anywhere() {
    let case = &cases()[1];
    let stream = stream(case);
    let whole = checked(&stream);
    every_split(&stream, |pieces| {
        let mut count = 0;
        let mut splitter = Splitter::new(1 << 20);
        pieces.iter().for_each(|piece| splitter.push(piece, &mut |_| count += 1));
        assert_eq!(count, whole.len());
    });
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
    writer.end(&mut events);
    assert_eq!(events.len(), length, "nothing follows");
    checked(&events);
    fixture!("answer/broken.sse").check(std::str::from_utf8(&events).unwrap());
}

#[test]
fn an_upstreams_error_ends_the_stream() {
    let (mut writer, mut events) = (writer(TEXT), Vec::new());
    let fields =
        ErrorFields { message: Some("Too long".into()), code: Some("context_length_exceeded".into()), kind: None };
    writer.delta(&Delta::Error(fields), &mut events);
    writer.end(&mut events);
    let events = checked(&events);
    assert_eq!(events[2]["type"], "error");
    assert_eq!(events[3]["response"]["error"]["code"], "context_length_exceeded");
    assert_eq!(events.len(), 4);
}

#[test]
fn what_an_answer_says_comes_back_in_the_next_request() {
    let case = &cases()[2];
    let whole: Value = serde_json::from_slice(&whole(case.request, &case.deltas)).unwrap();
    let request = serde_json::json!({"input": whole["output"]}).to_string();
    let conversation = Responses.read(request.as_bytes()).unwrap();
    let parts: Vec<_> = conversation.turns.iter().flat_map(|turn| &turn.parts).map(|part| &part.content).collect();
    let thinking = |index: usize| match parts[index] {
        Content::Thinking(thinking) => {
            (thinking.text.as_ref(), thinking.signature.as_deref(), thinking.encrypted.as_deref())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(thinking(0), ("Let me see.", Some("c2ln"), None));
    assert_eq!(thinking(1), ("", None, Some("UkVEQUNURUQ=")));
    assert_eq!(thinking(2), ("Again.", None, None));
    assert!(matches!(parts[3], Content::Text(text) if text == "Yes."));
    assert!(matches!(parts[4], Content::ToolCall { signature: Some(proof), arguments, .. }
        if proof == "Z2Vt" && arguments == "{}"));
    assert_eq!(parts.len(), 5);
}

#[test]
fn errors_have_openais_form_and_always_a_code() {
    let check = |error: Error, expected: &str| {
        assert_eq!(String::from_utf8(error_body(&error)).unwrap(), expected);
    };
    check(
        Error::InvalidField { field: "store", problem: "must be false".into() },
        r#"{"error":{"message":"store: must be false","type":"invalid_request_error","param":"store","code":"invalid_prompt","error_type":"invalid_request"}}"#,
    );
    check(
        Error::UnknownModel("x".into()),
        r#"{"error":{"message":"x is not a valid model ID","type":"invalid_request_error","param":"model","code":"model_not_found","error_type":"not_found"}}"#,
    );
    check(
        Error::Upstream(Failure { status: 529, message: "Overloaded".into(), ..Failure::default() }),
        r#"{"error":{"message":"Overloaded","type":"api_error","param":null,"code":"server_error","error_type":"provider_overloaded"}}"#,
    );
}
