//! Requests in the common form as bodies for upstreams.

use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::translate::Lost;
use crate::translate::form::{
    Cache, Content, Conversation, Effort, Media, MediaKind, Part, Reasoning, ResponseFormat, Role,
    Source, Thinking, Tool, ToolChoice,
};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const REQUEST: &str = include_str!("../fixtures/request.json");

/// The body for `model` on many lines, and what got lost.
fn body(conversation: &Conversation<'_>, model: &str) -> String {
    let mut dropped = Lost::default();
    let body = Anthropic.request(conversation, model, &mut dropped);
    assert_eq!(body, Anthropic.request(conversation, model, &mut Lost::default()));
    format!("{}dropped: {dropped:?}\n", pretty(&body))
}

fn written(conversation: &Conversation<'_>, model: &str) -> (Value, Vec<&'static str>) {
    let mut dropped = Lost::default();
    let body = Anthropic.request(conversation, model, &mut dropped);
    (serde_json::from_slice(&body).unwrap(), dropped.to_vec())
}

fn hello<'a>() -> Conversation<'a> {
    let mut conversation = Conversation::default();
    conversation.say(Role::User, [Part::text("Hello")]);
    conversation
}

fn tool(name: &str) -> Tool<'_> {
    Tool { name: name.into(), description: None, parameters: None, strict: None, cache: None }
}

#[test]
fn requests_are_written_as_each_generation_takes_them() {
    let read = Anthropic.read(REQUEST.as_bytes()).unwrap();
    golden!("request.claude-sonnet-4-5.json", &body(&read, "claude-sonnet-4-5"));
    golden!("request.claude-opus-4-6.json", &body(&read, "claude-opus-4-6"));
    golden!("request.claude-opus-5-5.json", &body(&read, "claude-opus-5-5"));
}

#[test]
fn the_least_request_is_small() {
    let body = Anthropic.request(&hello(), "claude-haiku-4-5", &mut Lost::default());
    let expected = concat!(
        r#"{"model":"claude-haiku-4-5","max_tokens":8192,"#,
        r#""messages":[{"role":"user","content":[{"type":"text","text":"Hello"}]}]}"#
    );
    assert_eq!(std::str::from_utf8(&body).unwrap(), expected);
}

fn effort(effort: Effort) -> Reasoning {
    Reasoning { effort: Some(effort), ..Reasoning::default() }
}

fn budget(tokens: u64) -> Reasoning {
    Reasoning { max_tokens: Some(tokens), ..Reasoning::default() }
}

/// `thinking` of a request, with this budget.
fn enabled(tokens: u64) -> String {
    format!(r#"{{"budget_tokens":{tokens},"type":"enabled"}}"#)
}

#[test]
fn reasoning_is_put_the_way_the_model_takes_it() {
    let off = Reasoning { enabled: Some(false), ..Reasoning::default() };
    let hidden = Reasoning { exclude: true, ..effort(Effort::High) };
    let adaptive = r#"{"display":"summarized","type":"adaptive"}"#;
    let rows: [(_, _, _, _, _, &[&str]); 17] = [
        ("claude-3-5-haiku", effort(Effort::High), "null", "null", 4000, &["reasoning"]),
        ("claude-sonnet-4-5", effort(Effort::Medium), &enabled(2000), "null", 4000, &[]),
        ("claude-sonnet-4-5", effort(Effort::Minimal), &enabled(1024), "null", 4000, &[]),
        ("claude-sonnet-4-5", budget(8000), &enabled(8000), "null", 12000, &["max_tokens"]),
        ("claude-sonnet-4-5", off, "null", "null", 4000, &[]),
        ("deepseek-chat", off, r#"{"type":"disabled"}"#, "null", 4000, &[]),
        ("claude-opus-4-6", effort(Effort::Max), adaptive, "\"max\"", 4000, &[]),
        ("claude-opus-4-6", budget(2048), &enabled(2048), "null", 4000, &[]),
        ("claude-opus-4-7", effort(Effort::Max), adaptive, "\"xhigh\"", 4000, &[]),
        ("claude-opus-4-7", budget(9000), adaptive, "\"medium\"", 4000, &["reasoning.max_tokens"]),
        ("claude-opus-4-7", off, "null", "null", 4000, &[]),
        ("claude-opus-5", off, r#"{"type":"disabled"}"#, "null", 4000, &[]),
        ("claude-opus-5-5", off, "null", "\"low\"", 4000, &["reasoning"]),
        ("claude-sonnet-5-5", off, r#"{"type":"between_tools"}"#, "null", 4000, &[]),
        (
            "claude-sonnet-5-5",
            hidden,
            r#"{"display":"omitted","type":"adaptive"}"#,
            "\"high\"",
            4000,
            &[],
        ),
        (
            "claude-sonnet-4-5",
            hidden,
            r#"{"budget_tokens":3200,"display":"omitted","type":"enabled"}"#,
            "null",
            4000,
            &[],
        ),
        ("claude-sonnet-5-5", Reasoning::default(), "null", "null", 4000, &[]),
    ];
    for (model, reasoning, thinking, effort, max_tokens, lost) in rows {
        let conversation =
            Conversation { reasoning: Some(reasoning), max_tokens: Some(4000), ..hello() };
        let (body, dropped) = written(&conversation, model);
        assert_eq!(body["thinking"].to_string(), thinking, "{model} {reasoning:?}");
        assert_eq!(body["output_config"]["effort"].to_string(), effort, "{model} {reasoning:?}");
        assert_eq!(
            (&body["max_tokens"], dropped.as_slice()),
            (&Value::from(max_tokens), lost),
            "{model} {reasoning:?}"
        );
    }
}

#[test]
fn no_call_is_forced_while_thinking() {
    let conversation = Conversation {
        tools: vec![tool("f")],
        tool_choice: Some(ToolChoice::Tool("f".into())),
        reasoning: Some(effort(Effort::Low)),
        ..hello()
    };
    for (model, choice, thinks, lost) in [
        ("claude-sonnet-4-5", "tool", false, "reasoning"),
        ("claude-opus-5-5", "auto", true, "tool_choice"),
    ] {
        let (body, dropped) = written(&conversation, model);
        assert_eq!(body["tool_choice"]["type"], choice, "{model}");
        assert_eq!((!body["thinking"].is_null(), dropped), (thinks, vec![lost]), "{model}");
    }
}

fn part(content: Content<'_>) -> Part<'_> {
    Part { content, cache: None }
}

fn call<'a>(id: &'a str, arguments: &'a str) -> Part<'a> {
    part(Content::ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        signature: None,
    })
}

fn result<'a>(id: &'a str, parts: Vec<Part<'a>>) -> Part<'a> {
    part(Content::ToolResult { id: id.into(), parts, is_error: false })
}

/// A turn that has called a tool, having thought this.
fn called(thinking: Option<Thinking<'static>>) -> Conversation<'static> {
    let mut conversation = hello();
    let thought = thinking.map(|thinking| part(Content::Thinking(thinking)));
    conversation.say(Role::Assistant, thought.into_iter().chain([call("a", "")]));
    conversation.say(Role::User, [result("a", vec![Part::text("1")])]);
    conversation.reasoning = Some(effort(Effort::Low));
    conversation
}

#[test]
fn a_budget_needs_the_thinking_before_the_calls() {
    let own = Thinking { signature: Some("E".into()), ..Thinking::default() };
    let foreign = Thinking { format: Some("openai-responses-v1".into()), ..own.clone() };
    for (thinking, model, thinks) in [
        (Some(own), "claude-sonnet-4-5", true),
        (None, "claude-sonnet-4-5", false),
        (Some(foreign.clone()), "claude-sonnet-4-5", false),
        (None, "claude-opus-4-6", true),
    ] {
        let (body, _) = written(&called(thinking.clone()), model);
        assert_eq!(!body["thinking"].is_null(), thinks, "{model} {thinking:?}");
    }
    assert_eq!(
        written(&called(Some(foreign)), "claude-opus-4-6").1,
        ["messages.reasoning_details"]
    );
}

#[test]
fn sampling_is_what_the_model_takes() {
    let rows: [(_, _, _, _, &[&str]); 7] = [
        ("claude-3-7-sonnet", Some(1.5), Some(0.5), "1.0 0.5", &["temperature"]),
        ("claude-sonnet-4-5", Some(0.2), Some(0.5), "0.2 null", &["top_p"]),
        ("claude-sonnet-4-5", None, Some(0.5), "null 0.5", &[]),
        ("claude-sonnet-4-5", Some(1.0), Some(1.0), "1.0 null", &[]),
        ("claude-opus-5", Some(0.2), Some(0.5), "null null", &["temperature", "top_p"]),
        ("claude-opus-5", Some(1.0), None, "null null", &[]),
        ("kimi-k2", Some(2.0), None, "1.0 null", &["temperature"]),
    ];
    for (model, temperature, top_p, expected, lost) in rows {
        let mut conversation = hello();
        (conversation.sampling.temperature, conversation.sampling.top_p) = (temperature, top_p);
        let (body, dropped) = written(&conversation, model);
        assert_eq!(format!("{} {}", body["temperature"], body["top_p"]), expected, "{model}");
        assert_eq!(dropped, lost, "{model}");
    }
}

#[test]
fn what_the_api_lacks_is_reported() {
    let mut conversation = hello();
    conversation.sampling.seed = Some(1);
    conversation.sampling.frequency_penalty = Some(0.5);
    conversation.sampling.presence_penalty = Some(0.0);
    conversation.response_format = Some(ResponseFormat::JsonObject);
    conversation.stop = vec!["\n".into(), "END".into()];
    conversation.user = Some("u".repeat(300).into());
    let sound = Media {
        kind: MediaKind::Audio,
        source: Source::Data { mime: "audio/wav".into(), base64: "UklG".into() },
        name: None,
        detail: None,
    };
    let word = Source::Data { mime: "application/msword".into(), base64: "0M8R".into() };
    let word = Media { kind: MediaKind::File, source: word, ..sound.clone() };
    conversation.say(Role::User, [sound, word].map(|media| part(Content::Media(media))));
    let (body, dropped) = written(&conversation, "claude-haiku-4-5");
    let expected = [
        "frequency_penalty",
        "seed",
        "messages.input_audio",
        "messages.file",
        "response_format",
        "stop",
        "user",
    ];
    assert_eq!(dropped, expected);
    assert_eq!(body["stop_sequences"], serde_json::json!(["END"]));
    assert_eq!(body["messages"][0]["content"].as_array().unwrap().len(), 1);
}

#[test]
fn the_last_four_breakpoints_are_kept_and_long_ones_come_first() {
    let mut conversation = hello();
    conversation.tools = vec![Tool { cache: Some(Cache::Long), ..tool("f") }];
    conversation.system = vec![Part { cache: Some(Cache::Long), ..Part::text("s") }];
    for cache in [Cache::Short, Cache::Long, Cache::Short] {
        conversation.say(Role::User, [Part { cache: Some(cache), ..Part::text("u") }]);
    }
    let (body, dropped) = written(&conversation, "claude-haiku-4-5");
    let long = serde_json::json!({"type": "ephemeral", "ttl": "1h"});
    let short = serde_json::json!({"type": "ephemeral"});
    assert!(body["tools"][0]["cache_control"].is_null());
    assert_eq!(body["system"][0]["cache_control"], long);
    let content = body["messages"][0]["content"].as_array().unwrap();
    assert!(content[1..].iter().all(|block| block["cache_control"] == short), "{body}");
    assert_eq!(dropped, ["messages.cache_control"]);
}

#[test]
fn schemas_say_they_are_objects() {
    let rows = [
        (None, r#"{"type":"object"}"#),
        (Some("{ }"), r#"{"type":"object" }"#),
        (Some(r#"{"properties":{}}"#), r#"{"type":"object","properties":{}}"#),
        (
            Some(r#"{"properties":{"type":{}}, "type":"object"}"#),
            r#"{"properties":{"type":{}}, "type":"object"}"#,
        ),
        (Some("true"), r#"{"type":"object"}"#),
    ];
    for (schema, expected) in rows {
        let schema: Option<Box<RawValue>> =
            schema.map(|schema| RawValue::from_string(schema.to_owned()).unwrap());
        let tools = vec![Tool { parameters: schema.as_deref(), ..tool("f") }];
        let body = Anthropic.request(
            &Conversation { tools, ..hello() },
            "claude-haiku-4-5",
            &mut Lost::default(),
        );
        let expected = format!(r#""tools":[{{"name":"f","input_schema":{expected}}}]"#);
        assert!(String::from_utf8(body).unwrap().contains(&expected), "{expected}");
    }
}

#[test]
fn foreign_ids_and_arguments_are_made_to_fit() {
    let mut conversation = Conversation::default();
    conversation.say(Role::Assistant, [call("functions.f:0", "{\"a\":1}"), call("b", "not json")]);
    conversation.say(Role::User, [Part::text("so"), result("functions.f:0", vec![])]);
    let (body, dropped) = written(&conversation, "claude-haiku-4-5");
    assert_eq!(dropped, ["messages.tool_calls.arguments", "messages"]);
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(body["messages"][1]["content"][0]["id"], "functions_f_0");
    assert_eq!(body["messages"][1]["content"][1]["input"]["invalid_arguments"], "not json");
    assert_eq!(body["messages"][2]["content"][0]["tool_use_id"], "functions_f_0");
    assert_eq!(body["messages"][2]["content"][1]["text"], "so");
}

#[test]
fn text_files_are_decoded() {
    let media = Media {
        kind: MediaKind::File,
        source: Source::Data { mime: "text/markdown".into(), base64: "IyBIaQ==".into() },
        name: Some("a.md".into()),
        detail: None,
    };
    let mut conversation = Conversation::default();
    conversation.say(Role::User, [part(Content::Media(media))]);
    let (body, dropped) = written(&conversation, "claude-haiku-4-5");
    let expected = serde_json::json!({
        "type": "document",
        "title": "a.md",
        "source": {"type": "text", "media_type": "text/plain", "data": "# Hi"},
    });
    assert_eq!((&body["messages"][0]["content"][0], dropped.len()), (&expected, 0));
}
