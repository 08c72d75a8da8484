//! Requests.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::golden;
use crate::translate::bedrock::{Bedrock, LOSSES};
use crate::translate::form::*;
use crate::translate::{Format, Lost};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SONNET_4_5: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const SONNET_3_7: &str = "us.anthropic.claude-3-7-sonnet-20250219-v1:0";
const OPUS_4_7: &str = "global.anthropic.claude-opus-4-7";
const NOVA: &str = "us.amazon.nova-pro-v1:0";
/// Longer than the API allows.
const LONG_ID: &str = "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii";
const LLAMA: &str = "meta.llama3-70b-instruct-v1:0";

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

fn tool<'a>(name: &'a str, cache: Option<Cache>) -> Tool<'a> {
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

fn hello<'a>() -> Conversation<'a> {
    let mut conversation = Conversation::default();
    conversation.say(Role::User, [Part::text("Hello")]);
    conversation
}

/// The body as JSON and what got lost; written twice, it is the same.
fn written(conversation: &Conversation<'_>, model: &str) -> (Value, Vec<&'static str>) {
    let (mut dropped, mut again) = (Lost::default(), Lost::default());
    let body = Bedrock.request(conversation, model, &mut dropped);
    assert_eq!(Bedrock.request(conversation, model, &mut again), body);
    assert_eq!(dropped, again);
    for field in dropped.iter() {
        assert!(LOSSES.of(field).is_some(), "{field} is not in the table");
    }
    (serde_json::from_slice(&body).unwrap(), dropped.to_vec())
}

/// Both, to be compared with a fixture.
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

fn with_tools<'a>() -> Conversation<'a> {
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

#[test]
fn whether_tools_are_called() {
    let choice = |choice: ToolChoice<'static>, conversation: Conversation<'static>| {
        let (body, dropped) =
            written(&Conversation { tool_choice: Some(choice), ..conversation }, NOVA);
        (body["toolConfig"].clone(), dropped)
    };
    let offered = || Conversation { tools: vec![tool("weather", None)], ..hello() };
    assert_eq!(choice(ToolChoice::Auto, offered()).0["toolChoice"], json!({"auto": {}}));
    assert_eq!(choice(ToolChoice::Required, offered()).0["toolChoice"], json!({"any": {}}));
    let (config, _) = choice(ToolChoice::Tool("weather".into()), offered());
    assert_eq!(config["toolChoice"], json!({"tool": {"name": "weather"}}));
    assert_eq!(choice(ToolChoice::None, offered()), (Value::Null, vec![]));

    // Calls in the history demand tools.
    let (config, dropped) = choice(ToolChoice::None, with_tools());
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

/// `thinking`, `effort`, `maxTokens` and what is lost.
fn told(
    reasoning: Reasoning,
    max_tokens: Option<u64>,
    model: &str,
) -> (Value, Value, Value, Vec<&'static str>) {
    let conversation = Conversation { reasoning: Some(reasoning), max_tokens, ..hello() };
    let (body, dropped) = written(&conversation, model);
    let thinking = body["additionalModelRequestFields"]["thinking"].clone();
    (
        thinking,
        body["outputConfig"]["effort"].clone(),
        body["inferenceConfig"]["maxTokens"].clone(),
        dropped,
    )
}

#[test]
fn older_models_think_by_budget() {
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let tokens = |tokens| Reasoning { max_tokens: Some(tokens), ..Reasoning::default() };
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    for (reasoning, max_tokens, expected, sent_max, lost) in [
        (effort(Effort::High), Some(10_000), budget(8000), json!(10_000), None),
        (effort(Effort::Minimal), Some(5000), budget(1024), json!(5000), None),
        (effort(Effort::Medium), None, budget(16_000), json!(32_000), None),
        (tokens(2000), None, budget(2000), json!(32_000), None),
        (tokens(60_000), None, budget(60_000), json!(61_024), None),
        (tokens(6000), Some(4000), budget(3999), json!(4000), Some("reasoning.max_tokens")),
        (tokens(100), Some(4000), budget(1024), json!(4000), Some("reasoning.max_tokens")),
        (effort(Effort::High), Some(1024), Value::Null, json!(1024), Some("reasoning")),
        (effort(Effort::None), Some(4000), Value::Null, json!(4000), None),
        (Reasoning::default(), Some(4000), Value::Null, json!(4000), None),
        (
            Reasoning { enabled: Some(true), ..Reasoning::default() },
            Some(4000),
            budget(2000),
            json!(4000),
            None,
        ),
    ] {
        let expected = (expected, Value::Null, sent_max, lost.into_iter().collect::<Vec<_>>());
        assert_eq!(
            told(reasoning, max_tokens, SONNET_4_5),
            expected,
            "{reasoning:?} {max_tokens:?}"
        );
    }
}

#[test]
fn newer_models_think_by_level() {
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let shown = json!({"type": "adaptive", "display": "summarized"});
    for (model, reasoning, thinking, level, lost) in [
        (OPUS_4_7, effort(Effort::High), shown.clone(), json!("high"), None),
        (OPUS_4_7, effort(Effort::Minimal), shown.clone(), json!("low"), None),
        (OPUS_4_7, effort(Effort::Max), shown.clone(), json!("max"), None),
        (OPUS_4_7, effort(Effort::None), Value::Null, Value::Null, None),
        (
            OPUS_4_7,
            Reasoning { exclude: true, ..effort(Effort::Low) },
            json!({"type": "adaptive"}),
            json!("low"),
            None,
        ),
        (
            OPUS_4_7,
            Reasoning { max_tokens: Some(9000), ..Reasoning::default() },
            shown.clone(),
            json!("medium"),
            Some("reasoning.max_tokens"),
        ),
        (
            "anthropic.claude-opus-4-6-v1",
            effort(Effort::Low),
            json!({"type": "adaptive"}),
            json!("low"),
            None,
        ),
        (
            "anthropic.claude-sonnet-5",
            effort(Effort::None),
            json!({"type": "disabled"}),
            Value::Null,
            None,
        ),
        (
            "anthropic.claude-fable-5",
            effort(Effort::None),
            Value::Null,
            Value::Null,
            Some("reasoning"),
        ),
        (LLAMA, effort(Effort::Low), Value::Null, Value::Null, Some("reasoning")),
        (LLAMA, effort(Effort::None), Value::Null, Value::Null, None),
    ] {
        let expected = (thinking, level, Value::Null, lost.into_iter().collect::<Vec<_>>());
        assert_eq!(told(reasoning, None, model), expected, "{model} {reasoning:?}");
    }
}

#[test]
fn thinking_yields_where_claude_would_refuse_it() {
    let reasoning = Some(Reasoning { effort: Some(Effort::High), ..Reasoning::default() });
    let thinks = |conversation: &Conversation<'_>, model: &str| {
        let (body, dropped) = written(conversation, model);
        (
            body["additionalModelRequestFields"].get("thinking").is_some(),
            dropped.contains(&"reasoning"),
        )
    };
    let forced = Conversation {
        tools: vec![tool("weather", None)],
        tool_choice: Some(ToolChoice::Required),
        reasoning,
        ..hello()
    };
    assert_eq!(thinks(&forced, SONNET_4_5), (false, true));
    assert_eq!(thinks(&forced, OPUS_4_7), (false, true));
    // A turn that called tools without thinking goes on without; by level it need not.
    let begun = Conversation { reasoning, ..with_tools() };
    assert_eq!(thinks(&begun, SONNET_4_5), (false, true));
    assert_eq!(thinks(&begun, OPUS_4_7), (true, false));
}

#[test]
fn numbers_yield_to_thinking_and_to_models_without_them() {
    let numbers = |temperature, top_p, top_k, model: &str, thinks: bool| {
        let sampling = Sampling { temperature, top_p, top_k, ..Sampling::default() };
        let reasoning =
            thinks.then(|| Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
        let (body, dropped) = written(&Conversation { sampling, reasoning, ..hello() }, model);
        let config = &body["inferenceConfig"];
        let top_k = &body["additionalModelRequestFields"]["top_k"];
        (config["temperature"].as_f64(), config["topP"].as_f64(), top_k.as_u64(), dropped)
    };
    let all = (Some(0.5), Some(0.9), Some(9));
    let given = |model, thinks| numbers(all.0, all.1, all.2, model, thinks);
    assert_eq!(given(SONNET_3_7, false), (all.0, all.1, all.2, vec![]));
    assert_eq!(given(SONNET_4_5, false), (all.0, None, all.2, vec!["top_p"]));
    assert_eq!(given(SONNET_4_5, true), (None, None, None, vec!["temperature", "top_p", "top_k"]));
    assert_eq!(given(OPUS_4_7, false), (None, None, None, vec!["temperature", "top_p", "top_k"]));
    assert_eq!(given(LLAMA, false), (all.0, all.1, None, vec!["top_k"]));
    assert_eq!(numbers(Some(1.0), None, None, SONNET_4_5, true), (Some(1.0), None, None, vec![]));
    assert_eq!(numbers(Some(1.0), Some(1.0), None, OPUS_4_7, false), (None, None, None, vec![]));
    assert_eq!(numbers(None, Some(0.97), None, SONNET_4_5, true), (None, Some(0.97), None, vec![]));
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
    let content = |model| {
        let (body, dropped) = written(&conversation, model);
        (body["messages"][0]["content"].clone(), dropped)
    };
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(content(SONNET_4_5), (json!([{"text": "a"}, point]), vec![]));
    assert_eq!(content(NOVA), (json!([{"text": "a"}, point]), vec!["messages.cache_control.ttl"]));
    assert_eq!(content(LLAMA), (json!([{"text": "a"}]), vec!["messages.cache_control"]));
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
    let text = |text: &str| json!({ "text": text });
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["system"], json!([text("a"), text("b"), long]));
    let said = json!([text("c"), short, text("d"), short, text("e"), short]);
    assert_eq!(body["messages"][0]["content"], said);
    assert_eq!(dropped, ["messages.cache_control", "messages.cache_control.ttl"]);
}

#[test]
fn roles_alternate_and_the_user_begins() {
    let user = |text: &str| json!({"role": "user", "content": [{"text": text}]});
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
