//! Requests.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::translate::delta::Delta;
use crate::translate::form::Content;
use crate::wire::split::Random;

pub(super) const REQUESTS: [(Fixture, Fixture); 3] = [
    (fixture!("request/text.json"), fixture!("request/text.txt")),
    (fixture!("request/codex.json"), fixture!("request/codex.txt")),
    (fixture!("request/everything.json"), fixture!("request/everything.txt")),
];

/// What the common form cannot carry, where the request is not refused for it.
const LOST: [&str; 22] = [
    "client_metadata",
    "context_management",
    "input.image_generation_call",
    "input.phase",
    "input.role",
    "input.web_search_call",
    "logprobs",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning.context",
    "reasoning.mode",
    "reasoning.summary",
    "safety_identifier",
    "service_tier",
    "tools.image_generation",
    "tools.tool_search",
    "tools.web_search",
    "top_logprobs",
    "truncation",
    "verbosity",
];

#[test]
fn requests_are_read_into_the_common_form() {
    for (request, expected) in &REQUESTS {
        let conversation = Responses.read(request.text.as_bytes()).unwrap();
        expected.check(&format!("{conversation:#?}\n"));
        for lost in conversation.dropped.iter() {
            assert!(LOST.contains(lost), "{lost}");
        }
    }
}

#[test]
fn texts_are_borrowed() {
    let conversation = Responses
        .read(br#"{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}]}"#);
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
        (
            r#""tools":[{"type":"file_search","vector_store_ids":[]}]"#,
            "tools",
            "\"file_search\" is a tool of OpenAI's",
        ),
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
        (r#""temperature":"private text""#, "temperature", "must be a number"),
        (r#""stream":1"#, "stream", "must be true or false"),
    ];
    for (member, field, problem) in rows {
        refused(&format!("{{\"input\":\"x\",{member}}}"), field, problem);
    }
}

#[test]
fn items_that_cannot_be_read_are_refused_by_their_index() {
    let rows = [
        (r#"{"type":"item_reference","id":"msg_1"}"#, "[1]: item_reference is not supported"),
        (r#"{"id":"msg_1"}"#, "[1]: item_reference is not supported"),
        (r#"{"type":"computer_call_output"}"#, "[1]: an item of type \"computer_call_output\""),
        (r#"{"role":"critic","content":"x"}"#, "[1]: the role \"critic\""),
        (
            r#"{"role":"user","content":[{"type":"input_hologram"}]}"#,
            "[1]: a part of type \"input_hologram\"",
        ),
        (r#"{"role":"user","content":[{"type":"input_image"}]}"#, "image_url is missing"),
        (r#"{"role":"user","content":[{"type":"input_file"}]}"#, "file_data, file_url or file_id"),
        (r#"{"role":"user","content":[{"type":"input_audio"}]}"#, "input_audio is missing"),
        (r#"{"type":"function_call","name":"f","arguments":"{}"}"#, "call_id is missing"),
        (r#"{"type":"function_call_output","output":"x"}"#, "call_id is missing"),
        (r#"{"role":"user","content":5}"#, "[1].content: must be a string or an array"),
    ];
    for (item, problem) in rows {
        refused(
            &format!(r#"{{"input":[{{"role":"user","content":"x"}},{item}]}}"#),
            "input",
            problem,
        );
    }
    refused("{}", "input", "is missing");
    refused(r#"{"input":null}"#, "input", "is missing");
}

#[test]
fn damaged_requests_never_panic() {
    let mut random = Random::new(7);
    for (request, _) in &REQUESTS {
        for _ in 0..400 {
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
            writer.delta(&Delta::Text("x".into()), &mut Vec::new());
            writer.end(NOW, &mut Vec::new());
        }
    }
}
