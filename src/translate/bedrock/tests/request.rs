//! Requests.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::golden;
use crate::translate::bedrock::{Bedrock, LOSSES};
use crate::translate::form::*;
use crate::translate::{Format, Lost};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

pub(super) const SONNET_4_5: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub(super) const SONNET_3_7: &str = "us.anthropic.claude-3-7-sonnet-20250219-v1:0";
pub(super) const OPUS_4_7: &str = "global.anthropic.claude-opus-4-7";
const NOVA: &str = "us.amazon.nova-pro-v1:0";
/// The id of a call that is longer than the API allows.
const LONG_ID: &str = "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii";
pub(super) const LLAMA: &str = "meta.llama3-70b-instruct-v1:0";

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

fn part(content: Content<'_>) -> Part<'_> {
    Part { content, cache: None }
}

fn cached<'a>(text: &'a str, cache: Cache) -> Part<'a> {
    Part { content: Content::Text(text.into()), cache: Some(cache) }
}

fn media<'a>(kind: MediaKind, source: Source<'a>, name: Option<&'a str>) -> Part<'a> {
    part(Content::Media(Media { kind, source, name: name.map(Into::into), detail: None }))
}

fn data<'a>(mime: &'a str, base64: &'a str) -> Source<'a> {
    Source::Data { mime: mime.into(), base64: base64.into() }
}

fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> Part<'a> {
    part(Content::ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        signature: None,
    })
}

fn result<'a>(id: &'a str, parts: Vec<Part<'a>>, is_error: bool) -> Part<'a> {
    part(Content::ToolResult { id: id.into(), parts, is_error })
}

fn signed<'a>(text: &'a str, signature: &'a str) -> Part<'a> {
    let signature = Some(signature.into());
    part(Content::Thinking(Thinking { text: text.into(), signature, ..Thinking::default() }))
}

pub(super) fn tool<'a>(name: &'a str, cache: Option<Cache>) -> Tool<'a> {
    let parameters = Some(raw(
        r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#,
    ));
    Tool {
        name: name.into(),
        description: Some("Tells the weather.".into()),
        parameters,
        strict: None,
        cache,
    }
}

pub(super) fn hello<'a>() -> Conversation<'a> {
    let mut conversation = Conversation::default();
    conversation.say(Role::User, [Part::text("Hello")]);
    conversation
}

/// The body as JSON and what got lost; written twice, it is the same.
pub(super) fn written(conversation: &Conversation<'_>, model: &str) -> (Value, Vec<&'static str>) {
    let (mut dropped, mut again) = (Lost::default(), Lost::default());
    let body = Bedrock.request(conversation, model, &mut dropped);
    assert_eq!(Bedrock.request(conversation, model, &mut again), body);
    assert_eq!(dropped, again);
    for field in dropped.iter() {
        assert!(LOSSES.of(field).is_some(), "{field} is not in the table");
    }
    (serde_json::from_slice(&body).unwrap(), dropped.to_vec())
}

/// The body and what got lost, as a fixture has them.
fn shown(conversation: &Conversation<'_>, model: &str) -> String {
    let (body, dropped) = written(conversation, model);
    serde_json::to_string_pretty(&json!({"model": model, "dropped": dropped, "body": body}))
        .unwrap()
        + "\n"
}

#[test]
fn texts_instructions_and_numbers() {
    let mut conversation = hello();
    conversation.system = vec![Part::text("Be brief."), cached("You are \"Ada\".", Cache::Short)];
    conversation.say(Role::Assistant, [Part::text("Hi! "), Part::text(" \n")]);
    conversation.say(Role::User, [cached("Zürich 模 🦀?", Cache::Long)]);
    conversation.max_tokens = Some(500);
    conversation.stop = vec!["\n\nHuman:".into(), " ".into()];
    conversation.user = Some("user-17@example.com".into());
    conversation.sampling = Sampling {
        temperature: Some(1.5),
        top_p: Some(0.9),
        top_k: Some(40),
        frequency_penalty: Some(0.5),
        presence_penalty: Some(0.0),
        seed: Some(7),
    };
    golden!("requests/text_claude.json", &shown(&conversation, SONNET_3_7));
    golden!("requests/text_nova.json", &shown(&conversation, NOVA));
    golden!("requests/text_llama.json", &shown(&conversation, LLAMA));
}

#[test]
fn media_go_into_blocks_by_their_type() {
    let mut conversation = Conversation::default();
    conversation.say(
        Role::User,
        [
            Part::text("What are these?"),
            media(MediaKind::Image, data("image/png", "iVBORw0KGgo="), None),
            media(MediaKind::Image, data("IMAGE/JPG; x=y", "/9j/4AAQ"), None),
            media(
                MediaKind::File,
                data("application/pdf", "JVBERi0="),
                Some("Q3_report (final)é.v2.pdf"),
            ),
            media(
                MediaKind::File,
                data("application/pdf", "JVBERi0="),
                Some("q3 report (FINAL) v2.PDF"),
            ),
            media(MediaKind::File, data("application/json", "e30="), None),
            media(MediaKind::File, data("text/x-rust", "Zm4="), Some("main.rs")),
            media(
                MediaKind::File,
                data("application/octet-stream", "UEsDBA=="),
                Some("table.xlsx"),
            ),
            media(MediaKind::Video, Source::Url("s3://bucket/cut.mov".into()), None),
            media(MediaKind::File, Source::Url("s3://bucket/folder/paper.pdf".into()), None),
            media(MediaKind::Audio, data("audio/wav", "UklGRg=="), None),
        ],
    );
    golden!("requests/media.json", &shown(&conversation, NOVA));
}

#[test]
fn media_the_api_cannot_take_are_told() {
    let sources = [
        (Source::Url("https://example.com/a.png".into()), "messages.url"),
        (Source::Id("file-123".into()), "messages.file_id"),
        (data("application/zip", "UEsDBA=="), "messages.media"),
        (Source::Url("s3://bucket/unknown".into()), "messages.media"),
    ];
    for (source, field) in sources {
        let mut conversation = hello();
        conversation.say(Role::User, [media(MediaKind::File, source, None)]);
        let (body, dropped) = written(&conversation, NOVA);
        assert_eq!(dropped, [field]);
        assert_eq!(body["messages"], json!([{"role": "user", "content": [{"text": "Hello"}]}]));
    }
    let mut conversation = hello();
    let detail = Some("low".into());
    let source = data("image/png", "iVBORw0KGgo=");
    let image = Content::Media(Media { kind: MediaKind::Image, source, name: None, detail });
    conversation.say(Role::User, [part(image.clone())]);
    conversation.say(Role::Assistant, [Part::text("A dot."), part(image)]);
    assert_eq!(written(&conversation, NOVA).1, ["messages.image_url.detail", "messages.media"]);
}

#[test]
fn a_document_alone_is_introduced_by_its_name() {
    let mut conversation = Conversation::default();
    conversation
        .say(Role::User, [media(MediaKind::File, data("text/csv", "YSxi"), Some("numbers.csv"))]);
    let (body, dropped) = written(&conversation, NOVA);
    assert_eq!(body["messages"][0]["content"][1], json!({"text": "numbers"}));
    assert!(dropped.is_empty());
}

#[test]
fn names_of_documents_fit_the_api() {
    let long = "x".repeat(300) + ".pdf";
    let names = ["", ".pdf", "..", "模型.pdf", "a\tb  c.pdf", "[1] (2)-3.pdf", &long, &long];
    let mut conversation = Conversation::default();
    conversation.say(
        Role::User,
        names.map(|name| media(MediaKind::File, data("text/csv", "YQ=="), Some(name))),
    );
    let (body, _) = written(&conversation, NOVA);
    let content = body["messages"][0]["content"].as_array().unwrap();
    let found: Vec<_> =
        content.iter().filter_map(|block| block["document"]["name"].as_str()).collect();
    let x = "x".repeat(190);
    let second = format!("{x} 2");
    let expected = [
        "Document",
        "Document 2",
        "Document 3",
        "Document 4",
        "a b c",
        "[1] (2)-3",
        x.as_str(),
        second.as_str(),
    ];
    assert_eq!(found, expected);
}

pub(super) fn with_tools<'a>() -> Conversation<'a> {
    let mut conversation = Conversation::default();
    conversation.say(Role::User, [Part::text("Weather in Paris and Rome?")]);
    conversation.say(
        Role::Assistant,
        [
            Part::text("I look."),
            call("tooluse_a1", "weather", "{\"city\": \"Paris\",\"n\":1.50}"),
            call("call|with spaces", "weather", ""),
            call(LONG_ID, "now", "{\"cut\":"),
        ],
    );
    let mut broken = Part::text("no such city");
    broken.cache = Some(Cache::Short);
    conversation.say(
        Role::User,
        [
            result("tooluse_a1", vec![Part::text("{\"celsius\": 21}")], false),
            result("call|with spaces", vec![broken], true),
            result(
                LONG_ID,
                vec![
                    media(MediaKind::Image, data("image/png", "iVBORw0KGgo="), None),
                    media(MediaKind::Audio, data("audio/wav", "UklGRg=="), None),
                    Part::text(""),
                ],
                false,
            ),
            Part::text("Go on."),
        ],
    );
    conversation.tools =
        vec![tool("weather", Some(Cache::Long)), Tool { parameters: None, ..tool("now", None) }];
    conversation.tools[1].description = Some(" ".into());
    conversation
}

#[test]
fn tools_calls_and_results() {
    let mut conversation = with_tools();
    conversation.tool_choice = Some(ToolChoice::Auto);
    conversation.parallel_tool_calls = Some(false);
    conversation.tools[0].strict = Some(true);
    golden!("requests/tools_claude.json", &shown(&conversation, SONNET_4_5));
    golden!("requests/tools_llama.json", &shown(&conversation, LLAMA));
}

#[test]
fn ids_of_calls_are_what_claude_takes() {
    let mut conversation = hello();
    conversation.say(Role::Assistant, [call("functions.now:0", "now", "{}")]);
    conversation.say(Role::User, [result("functions.now:0", vec![Part::text("12:00")], false)]);
    for (model, kept) in [(SONNET_4_5, false), (LLAMA, true)] {
        let (body, _) = written(&conversation, model);
        let id = body["messages"][1]["content"][0]["toolUse"]["toolUseId"].as_str().unwrap();
        assert_eq!(id == "functions.now:0", kept);
        assert!(
            kept || id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
            "{id}"
        );
        assert_eq!(body["messages"][2]["content"][0]["toolResult"]["toolUseId"], id);
    }
}

/// `toolConfig` where tools are to be called like this, and what got lost.
fn tool_config(
    choice: ToolChoice<'_>,
    conversation: Conversation<'_>,
) -> (Value, Vec<&'static str>) {
    let (body, dropped) =
        written(&Conversation { tool_choice: Some(choice), ..conversation }, NOVA);
    (body["toolConfig"].clone(), dropped)
}

#[test]
fn whether_tools_are_called() {
    for (choice, expected) in [
        (ToolChoice::Auto, json!({"auto": {}})),
        (ToolChoice::Required, json!({"any": {}})),
        (ToolChoice::Tool("weather".into()), json!({"tool": {"name": "weather"}})),
    ] {
        let offered = Conversation { tools: vec![tool("weather", None)], ..hello() };
        assert_eq!(tool_config(choice, offered).0["toolChoice"], expected);
    }
    let offered = Conversation { tools: vec![tool("weather", None)], ..hello() };
    assert_eq!(tool_config(ToolChoice::None, offered), (Value::Null, vec![]));

    // The API wants the tools wherever the history has calls, even if none may be called.
    let (config, dropped) = tool_config(ToolChoice::None, with_tools());
    assert_eq!(config["tools"].as_array().map(Vec::len), Some(2));
    assert_eq!(config.get("toolChoice"), None);
    assert!(dropped.contains(&"tool_choice"));
    let (body, dropped) = written(&Conversation { tools: vec![], ..with_tools() }, NOVA);
    let names: Vec<_> = body["toolConfig"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["toolSpec"]["name"])
        .collect();
    assert_eq!(names, ["weather", "now"]);
    assert!(dropped.contains(&"tool_choice"));
}

#[test]
fn thinking_is_given_back_to_who_thought_it() {
    let mut conversation = Conversation::default();
    let foreign = Thinking {
        text: "…".into(),
        encrypted: Some("gAAA".into()),
        format: Some("openai-responses-v1".into()),
        ..Thinking::default()
    };
    let redacted = Thinking {
        encrypted: Some("RW5jcnlwdGVk".into()),
        format: Some("anthropic-claude-v1".into()),
        ..Thinking::default()
    };
    conversation.say(Role::User, [Part::text("2+2?")]);
    conversation.say(
        Role::Assistant,
        [
            signed("Two and two…", "ErUBCkYI"),
            signed("", "EqQBCgIY"),
            part(Content::Thinking(redacted)),
            part(Content::Thinking(foreign)),
            part(Content::Thinking(Thinking { text: "unsigned".into(), ..Thinking::default() })),
            call("tooluse_1", "add", "{\"a\":2,\"b\":2}"),
        ],
    );
    conversation.say(Role::User, [result("tooluse_1", vec![Part::text("4")], false)]);
    conversation.tools = vec![Tool { name: "add".into(), ..tool("add", None) }];
    conversation.reasoning = Some(Reasoning { max_tokens: Some(4000), ..Reasoning::default() });
    golden!("requests/thinking_claude.json", &shown(&conversation, SONNET_4_5));
    golden!("requests/thinking_nova.json", &shown(&conversation, NOVA));
}

#[test]
fn the_form_of_the_answer() {
    let schema = raw("{\"type\":\"object\",\n \"properties\":{\"a\":{\"type\":\"integer\"}}}");
    let format = ResponseFormat::JsonSchema {
        name: "numbers".into(),
        description: Some("A number.".into()),
        schema,
        strict: Some(true),
    };
    let reasoning = Some(Reasoning { effort: Some(Effort::Medium), ..Reasoning::default() });
    let conversation = Conversation { response_format: Some(format), reasoning, ..hello() };
    golden!("requests/schema_claude.json", &shown(&conversation, OPUS_4_7));
    let (body, dropped) = written(
        &Conversation { response_format: Some(ResponseFormat::JsonObject), ..hello() },
        NOVA,
    );
    assert_eq!((body.get("outputConfig"), dropped), (None, vec!["response_format.json_object"]));
    let (body, dropped) =
        written(&Conversation { response_format: Some(ResponseFormat::Text), ..hello() }, NOVA);
    assert_eq!((body.get("outputConfig"), dropped), (None, vec![]));
}

#[test]
fn breakpoints_are_for_models_that_cache() {
    let mut conversation = Conversation::default();
    conversation.say(
        Role::User,
        [cached("", Cache::Long), cached("a", Cache::Short), cached(" ", Cache::Long)],
    );
    let point = json!({"cachePoint": {"type": "default"}});
    let rows: [(_, _, &[&str]); 3] = [
        (SONNET_4_5, json!([{"text": "a"}, point]), &[]),
        (NOVA, json!([{"text": "a"}, point]), &["messages.cache_control.ttl"]),
        (LLAMA, json!([{"text": "a"}]), &["messages.cache_control"]),
    ];
    for (model, content, lost) in rows {
        let (body, dropped) = written(&conversation, model);
        assert_eq!((&body["messages"][0]["content"], dropped.as_slice()), (&content, lost));
    }
    let offered = Conversation { tools: vec![tool("weather", Some(Cache::Short))], ..hello() };
    assert_eq!(written(&offered, NOVA).1, ["tools.cache_control"]);
}

#[test]
fn the_last_four_breakpoints_are_kept_and_long_ones_come_first() {
    let mut conversation =
        Conversation { tools: vec![tool("weather", Some(Cache::Long))], ..Conversation::default() };
    conversation.system = vec![cached("a", Cache::Long), cached("b", Cache::Long)];
    conversation.say(
        Role::User,
        [cached("c", Cache::Short), cached("d", Cache::Long), cached("e", Cache::Short)],
    );
    let (body, dropped) = written(&conversation, SONNET_4_5);
    let long = json!({"cachePoint": {"type": "default", "ttl": "1h"}});
    let short = json!({"cachePoint": {"type": "default"}});
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|text| json!({ "text": text }));
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["system"], json!([a, b, long]));
    assert_eq!(body["messages"][0]["content"], json!([c, short, d, short, e, short]));
    assert_eq!(dropped, ["messages.cache_control", "messages.cache_control.ttl"]);
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"text": text}]})
}

#[test]
fn roles_alternate_and_the_user_begins() {
    let mut greeting = Conversation::default();
    greeting.say(Role::Assistant, [Part::text("Welcome!")]);
    greeting.say(Role::User, [Part::text("Hi")]);
    let (body, dropped) = written(&greeting, NOVA);
    let welcome = json!({"role": "assistant", "content": [{"text": "Welcome!"}]});
    assert_eq!(body["messages"], json!([user("(no content)"), welcome, user("Hi")]));
    assert_eq!(dropped, ["messages.role"]);

    let mut blank = hello();
    blank.say(Role::Assistant, [Part::text("")]);
    blank.say(Role::User, [Part::text("Again")]);
    let (body, dropped) = written(&blank, NOVA);
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": [{"text": "Hello"}, {"text": "Again"}]}])
    );
    assert!(dropped.is_empty());

    let instructions =
        Conversation { system: vec![Part::text("Tell a joke.")], ..Conversation::default() };
    let (body, dropped) = written(&instructions, NOVA);
    assert_eq!(
        (&body["messages"], body.get("system"), dropped),
        (&json!([user("Tell a joke.")]), None, vec![])
    );
    assert_eq!(
        written(&Conversation::default(), NOVA).0,
        json!({"messages": [user("(no content)")]})
    );
}

#[test]
fn users_that_do_not_fit_are_not_sent() {
    for (user, fits) in [
        ("a:b_c@d$#=/+,-. 9", true),
        ("", true),
        ("naïve", false),
        ("a\"b", false),
        (&*"x".repeat(257), false),
    ] {
        let (body, dropped) = written(&Conversation { user: Some(user.into()), ..hello() }, NOVA);
        assert_eq!(body["requestMetadata"]["user"].as_str(), fits.then_some(user));
        assert_eq!(dropped.is_empty(), fits, "{user}");
    }
}
