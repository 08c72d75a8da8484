//! Clients' requests in the common form.

use super::*;
use crate::error::Error;
use crate::translate::form::{Cache, Content, Effort, Reasoning, Role};
use crate::wire::split::Random;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const REQUEST: &str = include_str!("../fixtures/request.json");

#[test]
fn requests_are_read() {
    golden!("request.form", &format!("{:#?}\n", Anthropic.read(REQUEST.as_bytes()).unwrap()));
}

fn reasoning(fields: &str) -> Option<Reasoning> {
    let body = format!(r#"{{"messages":[],{fields}}}"#);
    Anthropic.read(body.as_bytes()).unwrap().reasoning
}

#[test]
fn thinking_and_effort_are_reasoning() {
    let on = Reasoning { enabled: Some(true), ..Reasoning::default() };
    let off = Reasoning { enabled: Some(false), ..Reasoning::default() };
    let max = Reasoning { effort: Some(Effort::Max), ..Reasoning::default() };
    let rows = [
        (r#""max_tokens":1"#, None),
        (r#""thinking":null,"output_config":null"#, None),
        (
            r#""thinking":{"type":"enabled","budget_tokens":4096}"#,
            Some(Reasoning { max_tokens: Some(4096), ..on }),
        ),
        (
            r#""thinking":{"type":"adaptive","display":"omitted"}"#,
            Some(Reasoning { exclude: true, ..on }),
        ),
        (r#""thinking":{"type":"disabled"}"#, Some(off)),
        (r#""thinking":{"type":"between_tools"}"#, Some(off)),
        (r#""output_config":{"effort":"max"}"#, Some(max)),
        (
            r#""output_config":{"effort":"low"},"thinking":{"type":"adaptive"}"#,
            Some(Reasoning { effort: Some(Effort::Low), ..on }),
        ),
    ];
    for (fields, expected) in rows {
        assert_eq!(reasoning(fields), expected, "{fields}");
    }
}

#[test]
fn a_breakpoint_for_the_whole_is_one_after_its_last_part() {
    let body = br#"{"cache_control":{"type":"ephemeral","ttl":"1h"},
        "messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(Anthropic.read(body).unwrap().turns[0].parts[0].cache, Some(Cache::Long));
}

#[test]
fn instructions_between_turns_join_the_others() {
    let body = br#"{"messages":[{"content":"a","role":"user"},{"role":"system","content":"b"}],
        "system":"s"}"#;
    let read = Anthropic.read(body).unwrap();
    let said: Vec<_> = read.system.iter().map(|part| format!("{:?}", part.content)).collect();
    assert_eq!(said, ["Text(\"s\")", "Text(\"b\")"]);
    assert_eq!((read.turns.len(), read.turns[0].role), (1, Role::User));
    assert_eq!(*read.dropped, ["messages.role.system"]);
}

#[test]
fn texts_without_escapes_are_borrowed() {
    let read = Anthropic.read(br#"{"messages":[{"role":"user","content":"plain"}]}"#).unwrap();
    assert!(matches!(&read.turns[0].parts[0].content, Content::Text(Cow::Borrowed("plain"))));
}

#[test]
fn what_clients_get_wrong_is_their_error() {
    let rows = [
        (r#"{}"#, "messages"),
        (r#"{"messages":"hi"}"#, "messages"),
        (r#"{"messages":["hi"]}"#, "messages"),
        (r#"{"messages":[{"role":"robot","content":"hi"}]}"#, "messages"),
        (r#"{"messages":[{"content":"hi"}]}"#, "messages"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages"),
        (r#"{"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}"#, "messages"),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image",
                "source":{"type":"base64"}}]}]}"#,
            "messages",
        ),
        (r#"{"messages":[],"max_tokens":"many"}"#, "max_tokens"),
        (r#"{"messages":[],"max_tokens":-1}"#, "max_tokens"),
        (r#"{"messages":[],"temperature":"hot"}"#, "temperature"),
        (r#"{"messages":[],"tools":{}}"#, "tools"),
        (r#"{"messages":[],"tools":[{"description":"d"}]}"#, "tools"),
        (r#"{"messages":[],"tool_choice":"auto"}"#, "tool_choice"),
        (r#"{"messages":[],"tool_choice":{"type":"tool"}}"#, "tool_choice"),
        (
            r#"{"messages":[],"tool_choice":{"type":"tool","name":"w"},
                "tools":[{"type":"web_search_20250305","name":"w"}]}"#,
            "tool_choice",
        ),
        (
            r#"{"messages":[],"tool_choice":{"type":"any"},
                "tools":[{"type":"web_fetch_20250910","name":"w"}]}"#,
            "tool_choice",
        ),
    ];
    for (body, expected) in rows {
        match Anthropic.read(body.as_bytes()) {
            Err(Error::InvalidField { field, .. }) => assert_eq!(field, expected, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    assert!(matches!(Anthropic.read(b"[]"), Err(Error::InvalidJson(_))));
}

#[test]
fn random_bodies_do_no_harm() {
    let mut random = Random::new(11);
    for _ in 0..3000 {
        let mut bytes = REQUEST.as_bytes().to_vec();
        for _ in 0..1 + random.below(6) {
            let at = random.below(bytes.len() - 1);
            match random.below(3) {
                0 => bytes[at] = b"{}[]\",:0n\\\xff"[random.below(11)],
                1 => drop(bytes.drain(at..(at + random.below(40)).min(bytes.len() - 1))),
                _ => bytes.insert(at, b"{}[]\",:0n\\"[random.below(10)]),
            }
        }
        if let Ok(read) = Anthropic.read(&bytes) {
            Anthropic.request(&read, "claude-opus-4-6", &mut Lost::default());
        }
    }
}
