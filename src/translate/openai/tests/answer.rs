//! Answers: read from upstreams, written for clients.

use serde_json::Value;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::error::{Error, Failure};
use crate::translate::delta::FinishReason;
use crate::usage::Usage;
use crate::wire::split::every_split;

#[test]
fn streams_are_read_alike_however_they_are_cut() {
    for stream in [OPENAI, OPENROUTER, ODD, ERROR] {
        let whole = deltas_of(&[stream.as_bytes()]);
        let bytes = written(&whole, about(true));
        every_split(stream.as_bytes(), |pieces| {
            let deltas = deltas_of(pieces);
            assert_eq!(deltas, whole);
        });
        let crlf = stream.replace('\n', "\r\n");
        assert_eq!(written(&deltas_of(&[crlf.as_bytes()]), about(true)), bytes);
    }
}

#[test]
fn streams_are_read_into_deltas() {
    golden!("openai.deltas.txt", listed(&deltas_of(&[OPENAI.as_bytes()])));
    golden!("openrouter.deltas.txt", listed(&deltas_of(&[OPENROUTER.as_bytes()])));
    golden!("odd.deltas.txt", listed(&deltas_of(&[ODD.as_bytes()])));
    golden!("error.deltas.txt", listed(&deltas_of(&[ERROR.as_bytes()])));
    golden!("whole.deltas.txt", listed(&whole_of(WHOLE.as_bytes()).unwrap()));
}

#[test]
fn streams_are_written_as_openai_does() {
    golden!("openai.events.txt", written(&deltas_of(&[OPENAI.as_bytes()]), about(true)));
    golden!("openrouter.events.txt", written(&deltas_of(&[OPENROUTER.as_bytes()]), about(false)));
}

fn without_start(deltas: &[Delta<'static>]) -> Vec<Delta<'static>> {
    deltas.iter().filter(|delta| !matches!(delta, Delta::Start { .. })).cloned().collect()
}

#[test]
fn what_is_written_reads_as_the_same() {
    for stream in [OPENAI, OPENROUTER] {
        let deltas = deltas_of(&[stream.as_bytes()]);
        let again = deltas_of(&[written(&deltas, about(true)).as_bytes()]);
        assert_eq!(without_start(&again), without_start(&deltas));
        assert_eq!(
            again[0],
            Delta::Start { id: "chatcmpl-gen-7".into(), model: "openai/gpt-\"x\"".into() }
        );
    }
}

#[test]
fn whole_answers_are_written_as_openai_does() {
    for (deltas, is_stream) in
        [(whole_of(WHOLE.as_bytes()).unwrap(), false), (deltas_of(&[OPENROUTER.as_bytes()]), true)]
    {
        let answer = gathered(&deltas);
        let body = Client.writer(about(false)).whole(&answer, 0);
        let value: Value = serde_json::from_slice(&body).unwrap();
        let shown = format!("{value:#}\n");
        if is_stream {
            golden!("openrouter.whole.txt", shown);
        } else {
            golden!("openai.whole.txt", shown);
        }
        let again = gathered(&whole_of(&body).unwrap());
        assert_eq!((again.finish, again.usage), (answer.finish, answer.usage));
    }
}

#[test]
fn nothing_is_sent_before_there_is_content() {
    let mut writer = Client.writer(about(false));
    let mut events = Vec::new();
    writer.delta(&Delta::Start { id: "x".into(), model: "y".into() }, &mut events);
    writer.delta(&Delta::Usage(Usage::default()), &mut events);
    writer.delta(&Delta::Error(Default::default()), &mut events);
    assert!(events.is_empty());
    let error =
        Error::Upstream(Failure { status: 502, message: "gone".to_owned(), ..Failure::default() });
    writer.error(&error, &mut events);
    let expected =
        [b"data: ", error.body(crate::error::ErrorForm::OpenAi).as_slice(), b"\n\n"].concat();
    assert_eq!(events, expected);
}

fn values(stream: &str) -> Vec<Value> {
    let events = stream.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    events
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[test]
fn a_stream_that_says_nothing_still_ends_well() {
    let chunks = values(&written(&[], about(true)));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
    assert!(chunks.iter().all(|chunk| chunk["usage"].is_null()));
}

fn call(index: usize, name: &str) -> Delta<'_> {
    Delta::ToolCall { index, id: "a".into(), name: name.into(), signature: None }
}

#[test]
fn calls_without_arguments_get_an_empty_object() {
    let some = Delta::Arguments { index: 1, json: "{\"a\":1}".into() };
    let stream = written(&[call(0, "f"), call(1, "f"), some], about(false));
    let answer = gathered(&deltas_of(&[stream.as_bytes()]));
    let body: Value =
        serde_json::from_slice(&Client.writer(about(false)).whole(&answer, 0)).unwrap();
    let calls = &body["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"]["arguments"], "{}");
    assert_eq!(calls[1]["function"]["arguments"], "{\"a\":1}");
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
    let bare = gathered(&[call(0, "f")]);
    let body: Value = serde_json::from_slice(&Client.writer(about(false)).whole(&bare, 0)).unwrap();
    assert_eq!(body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{}");
}

#[test]
fn thinking_is_hidden_where_the_client_says_so() {
    let deltas = deltas_of(&[OPENROUTER.as_bytes()]);
    for request in [r#"{"reasoning": {"exclude": true}}"#, r#"{"include_reasoning": false}"#] {
        let about = About { request: request.into(), ..about(false) };
        let stream = written(&deltas, about.clone());
        let body = String::from_utf8(Client.writer(about).whole(&gathered(&deltas), 0)).unwrap();
        assert!(
            !stream.contains("reasoning\"") && !stream.contains("reasoning_details"),
            "{stream}"
        );
        assert!(!body.contains("reasoning\"") && !body.contains("reasoning_details"), "{body}");
    }
    let about = About { request: br#"{"reasoning": {"exclude": false}}"#.to_vec(), ..about(false) };
    assert!(written(&deltas, about).contains("reasoning_details"));
}

#[test]
fn clients_that_offer_functions_get_a_function_call() {
    let about =
        About { request: br#"{"functions": [{"name": "weather"}]}"#.to_vec(), ..about(false) };
    let arguments = Delta::Arguments { index: 0, json: "{}".into() };
    let finish = Delta::Finish { reason: FinishReason::ToolCalls, native: "tool_use".into() };
    let deltas = [call(0, "weather"), arguments, finish];
    let chunks = values(&written(&deltas, about.clone()));
    assert_eq!(chunks[1]["choices"][0]["delta"]["function_call"]["name"], "weather");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "function_call");
    let body: Value =
        serde_json::from_slice(&Client.writer(about).whole(&gathered(&deltas), 0)).unwrap();
    assert_eq!(body["choices"][0]["message"]["function_call"]["arguments"], "{}");
    assert_eq!(body["choices"][0]["finish_reason"], "function_call");
}

#[test]
fn pieces_of_thinking_are_numbered() {
    let deltas = [
        Delta::Thinking("a".into()),
        Delta::Thinking("b".into()),
        Delta::Signature("s".into()),
        Delta::Signature("t".into()),
        Delta::Thinking("c".into()),
        Delta::Text("x".into()),
        Delta::Thinking("d".into()),
        Delta::EncryptedThinking("e".into()),
        Delta::EncryptedThinking("f".into()),
    ];
    let stream =
        written(&deltas, About { thinking_format: Some("openai-responses-v1"), ..about(false) });
    let details = values(&stream)
        .into_iter()
        .map(|chunk| chunk["choices"][0]["delta"]["reasoning_details"][0].clone());
    let details: Vec<_> = details.filter(|detail| !detail.is_null()).collect();
    let numbers: Vec<_> = details.iter().map(|detail| detail["index"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 0, 0, 0, 1, 2, 3, 4]);
    assert!(details.iter().all(|detail| detail["format"] == "openai-responses-v1"));
    assert_eq!(details[0]["summary"], "a");
}

#[test]
fn annotations_stay_on_their_line() {
    let stream = written(&[Delta::Annotation("{\n \"a\":\r\n1}".into())], about(false));
    assert_eq!(values(&stream)[1]["choices"][0]["delta"]["annotations"][0]["a"], 1);
}

#[test]
fn errors_are_told_from_answers() {
    let upstream = upstream(Quirks::OPENAI);
    for (body, message) in [
        (r#"{"error": {"message": "no", "type": "t", "code": "c"}}"#, Some("no")),
        (r#"{"error": "plain"}"#, Some("plain")),
        (r#"{"object": "error", "message": "as vLLM", "code": 400}"#, Some("as vLLM")),
        (r#"{"message": "who knows"}"#, None),
        ("<html>", None),
        ("", None),
    ] {
        let message = message.map(str::to_owned);
        let error = upstream.error(body.as_bytes());
        assert_eq!(error.clone().and_then(|error| error.message), message, "{body}");
        let whole = whole_of(body.as_bytes());
        assert_eq!(whole, error.map(|error| vec![Delta::Error(error)]).ok_or(Malformed), "{body}");
    }
}

#[test]
fn bodies_that_are_no_answer_are_malformed() {
    for body in [
        r#"{"choices": []}"#,
        r#"{"choices": [{}]}"#,
        r#"{"choices": [7]}"#,
        "[]",
        "7",
        r#"{"choices": [{"message": {}}]}x"#,
    ] {
        assert_eq!(whole_of(body.as_bytes()), Err(Malformed), "{body}");
    }
    assert!(whole_of(br#"{"choices": [{"message": {"content": "x"}}]}"#).is_ok());
}
