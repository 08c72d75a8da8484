//! Requests.

use super::*;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn part(content: Content<'static>) -> Part<'static> {
    Part { content, cache: None }
}

fn media(kind: MediaKind, source: Source<'static>) -> Part<'static> {
    part(Content::Media(Media { kind, source, name: None, detail: None }))
}

fn data(mime: &'static str, base64: &'static str) -> Source<'static> {
    Source::Data { mime: mime.into(), base64: base64.into() }
}

fn call(
    id: &'static str,
    name: &'static str,
    arguments: &'static str,
    signature: Option<&'static str>,
) -> Part<'static> {
    let signature = signature.map(Into::into);
    part(Content::ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        signature,
    })
}

fn result(id: &'static str, parts: Vec<Part<'static>>, is_error: bool) -> Part<'static> {
    part(Content::ToolResult { id: id.into(), parts, is_error })
}

fn thinking(
    text: &'static str,
    signature: Option<&'static str>,
    format: &'static str,
) -> Part<'static> {
    let signature = signature.map(Into::into);
    part(Content::Thinking(Thinking {
        text: text.into(),
        signature,
        format: Some(format.into()),
        ..Thinking::default()
    }))
}

fn encrypted(data: &'static str, id: Option<&'static str>) -> Part<'static> {
    part(Content::Thinking(Thinking {
        encrypted: Some(data.into()),
        id: id.map(Into::into),
        format: Some(THINKING_FORMAT.into()),
        ..Thinking::default()
    }))
}

fn tool(name: &'static str, schema: Option<&'static str>) -> Tool<'static> {
    let parameters = schema.map(|schema| serde_json::from_str::<&RawValue>(schema).unwrap());
    Tool { name: name.into(), description: None, parameters, strict: None, cache: None }
}

fn asking(parts: Vec<Part<'static>>) -> Conversation<'static> {
    let mut conversation = Conversation::default();
    conversation.say(Role::User, parts);
    conversation
}

/// A schema as clients of OpenAI write them: `parameters` would refuse nearly all of it.
const SCHEMA: &str = concat!(
    r##"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","##,
    r##""properties":{"city":{"type":["string","null"]},"unit":{"$ref":"#/$defs/unit"}},"##,
    r##""required":["city"],"additionalProperties":false,"$defs":{"unit":{"enum":["C","F"]}}}"##
);

fn everything() -> Conversation<'static> {
    let mut tools =
        vec![tool("get_weather", Some(SCHEMA)), tool("ping", Some(" { } ")), tool("pong", None)];
    tools[0].description = Some("Weather\nof a city.".into());
    tools[0].strict = Some(true);
    tools[1].cache = Some(Cache::Short);
    let mut conversation = Conversation {
        system: vec![
            Part { cache: Some(Cache::Long), ..Part::text("Be brief.") },
            Part::text("Be \"kind\"."),
        ],
        tools,
        tool_choice: Some(ToolChoice::Auto),
        parallel_tool_calls: Some(false),
        response_format: Some(ResponseFormat::JsonObject),
        reasoning: Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() }),
        max_tokens: Some(10_000),
        sampling: Sampling {
            temperature: Some(0.7),
            top_p: Some(0.95),
            top_k: Some(40),
            frequency_penalty: Some(-0.5),
            presence_penalty: Some(0.25),
            seed: Some(1 << 40 | 7),
        },
        stop: ["", "a", "b", "c", "d", "e", "f"].into_iter().map(Into::into).collect(),
        stream: true,
        user: Some("user-1".into()),
        ..Conversation::default()
    };
    conversation.say(Role::User, [Part::text("Weather?")]);
    conversation
}

/// Two steps of an agent: calls at once, with a result of each kind.
fn agent() -> Conversation<'static> {
    let mut conversation = Conversation {
        tools: vec![tool("look", Some(SCHEMA)), tool("say", None)],
        ..asking(vec![Part::text("Go.")])
    };
    conversation.tool_choice = Some(ToolChoice::Tool("look".into()));
    conversation.say(
        Role::Assistant,
        [
            thinking("Two things.", None, THINKING_FORMAT),
            Part::text("On it."),
            call("c1", "look", r#"{"at": "door"}"#, Some("U0lHMQ==")),
            call("c2", "say", "", None),
            call("c3", "say", r#"{"broken"#, None),
        ],
    );
    conversation.say(
        Role::User,
        [
            result("c1", vec![Part::text(" {\"seen\": [1, 2.0]}")], false),
            result("c2", vec![Part::text("[1]"), Part::text("\n2")], false),
            result("c3", vec![Part::text("no such voice")], true),
            Part::text("Go on."),
        ],
    );
    conversation.say(Role::Assistant, [call("c1", "say", "null", None)]);
    conversation.say(
        Role::User,
        [
            result("c1", vec![Part::text("{\"code\":"), Part::text("7}")], true),
            result("gone", vec![Part::text("late"), Part::text("")], false),
        ],
    );
    conversation
}

fn pictures() -> Conversation<'static> {
    use MediaKind::{Audio, File, Image, Video};
    let mut detailed = Media {
        kind: Image,
        source: data("image/jpg", "/9j/"),
        name: None,
        detail: Some("high".into()),
    };
    let first = part(Content::Media(detailed.clone()));
    detailed = Media {
        kind: File,
        source: data("application/pdf", "JVBERi0="),
        name: Some("a.pdf".into()),
        detail: None,
    };
    let mut conversation = asking(vec![
        first,
        part(Content::Media(detailed)),
        media(Image, Source::Url("https://example.com/x/crab.WEBP?size=1.png#a".into())),
        media(Image, Source::Url("https://example.com/crab".into())),
        media(Video, Source::Url("https://www.youtube.com/watch?v=9hE5-98ZeCg".into())),
        media(Video, Source::Url("gs://bucket/clip.mov".into())),
        media(Audio, data("audio/wav", "UklGRg==")),
        media(File, Source::Id("files/abc-123".into())),
        media(
            File,
            Source::Id("https://generativelanguage.googleapis.com/v1beta/files/abc-123".into()),
        ),
        media(File, Source::Id("file-of-openai".into())),
        Part::text("What is all this?"),
    ]);
    conversation
        .say(Role::Assistant, [call("c1", "shoot", "{}", None), call("c2", "shoot", "{}", None)]);
    conversation.say(
        Role::User,
        [
            result("c1", vec![Part::text("done"), media(Image, data("image/png", "iVBO"))], false),
            result(
                "c2",
                vec![media(Image, Source::Url("https://example.com/1.png".into()))],
                false,
            ),
            Part::text("And these?"),
        ],
    );
    conversation
}

/// What Gemini thought, in the forms clients give it back in, and what another model thought.
fn thoughts() -> Conversation<'static> {
    let mut conversation = asking(vec![Part::text("1")]);
    conversation
        .say(Role::Assistant, [thinking("A", Some("c2lnMQ=="), THINKING_FORMAT), Part::text("a")]);
    conversation.say(Role::User, [Part::text("2")]);
    conversation
        .say(Role::Assistant, [encrypted("c2lnMg==", None), Part::text("b"), Part::text("")]);
    conversation.say(Role::User, [Part::text("3")]);
    conversation.say(Role::Assistant, [Part::text("c"), encrypted("c2lnMw==", None)]);
    conversation.say(Role::User, [Part::text("4")]);
    conversation.say(
        Role::Assistant,
        [
            encrypted("c2lnNA==", Some("d2")),
            call("d1", "f", "{}", None),
            call("d2", "f", "{}", None),
        ],
    );
    conversation.say(Role::User, [result("d1", vec![], false), result("d2", vec![], false)]);
    conversation.say(
        Role::Assistant,
        [thinking("", Some("c2lnNQ=="), THINKING_FORMAT), call("e1", "f", "{}", None)],
    );
    conversation.say(Role::User, [result("e1", vec![], true)]);
    conversation.say(Role::Assistant, [thinking("B", Some("claude"), "anthropic-claude-v1")]);
    conversation
}

fn write(conversation: &Conversation<'_>, model: &str) -> (String, Vec<&'static str>) {
    let (mut dropped, mut again) = (Lost::default(), Lost::default());
    let body = Gemini.request(conversation, model, &mut dropped);
    assert_eq!(Gemini.request(conversation, model, &mut again), body);
    assert_eq!(again, dropped);
    (String::from_utf8(body).unwrap(), dropped.to_vec())
}

fn field(
    conversation: &Conversation<'_>,
    model: &str,
    pointer: &str,
) -> (serde_json::Value, Vec<&'static str>) {
    let (body, dropped) = write(conversation, model);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    (body.pointer(pointer).cloned().unwrap_or_default(), dropped)
}

type Case = (&'static str, fn() -> Conversation<'static>, &'static str, &'static str);

macro_rules! cases {
    ($(($name:literal, $conversation:expr, $model:literal)),* $(,)?) => {
        [$((
            $name,
            $conversation,
            $model,
            include_str!(concat!("../fixtures/", $name, ".request")),
        )),*]
    };
}

const CASES: [Case; 8] = cases![
    ("simple", || asking(vec![Part::text("Hi 🦀")]), "gemini-2.5-flash"),
    ("everything_2.5", everything, "gemini-2.5-flash"),
    ("everything_3", everything, "gemini-3.8-flash"),
    ("agent_2.5", agent, "gemini-2.5-pro"),
    ("agent_3", agent, "gemini-3-pro-preview"),
    ("pictures_2.5", pictures, "gemini-2.5-flash"),
    ("pictures_3", pictures, "gemini-flash-latest"),
    ("thoughts", thoughts, "gemini-3.1-pro-preview"),
];

/// Every name that any case drops.
pub(super) fn all_drops() -> Vec<&'static str> {
    CASES.iter().flat_map(|(_, conversation, model, _)| write(&conversation(), model).1).collect()
}

#[test]
fn requests_are_written() {
    for (name, conversation, model, expected) in CASES {
        let (body, dropped) = write(&conversation(), model);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let shown = format!("{model}\ndropped: {}\n{body:#}\n", dropped.join(" "));
        golden(&format!("{name}.request"), expected, &shown);
    }
}

#[test]
fn members_stand_in_one_order() {
    let (body, _) = write(&asking(vec![Part::text("Hi")]), "gemini-2.5-flash");
    assert_eq!(
        body,
        r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{}}"#
    );
}

#[test]
fn schemas_and_arguments_keep_their_bytes() {
    assert!(write(&everything(), "gemini-3.8-flash").0.contains(SCHEMA));
    let (body, _) = write(&agent(), "gemini-3-pro-preview");
    assert!(
        body.contains(r#""args":{"at": "door"}"#)
            && body.contains(r#""response":{"seen": [1, 2.0]}"#)
    );
}

#[test]
fn instructions_alone_are_said_by_the_user() {
    let conversation =
        Conversation { system: vec![Part::text("Say hi.")], ..Conversation::default() };
    let (body, _) = write(&conversation, "gemini-2.5-flash");
    assert_eq!(
        body,
        r#"{"contents":[{"role":"user","parts":[{"text":"Say hi."}]}],"generationConfig":{}}"#
    );
}

#[test]
fn turns_that_say_nothing_are_left_out() {
    let mut conversation = asking(vec![Part::text("a")]);
    conversation.say(Role::Assistant, [Part::text(""), thinking("x", None, "unknown")]);
    conversation.say(Role::User, [Part::text("b")]);
    let (contents, dropped) = field(&conversation, "gemini-2.5-flash", "/contents");
    assert_eq!(contents.as_array().unwrap().len(), 2);
    assert_eq!(dropped, ["messages.reasoning_details"]);
}

#[test]
fn tool_choices_are_modes() {
    for (choice, expected) in [
        (None, "null"),
        (Some(ToolChoice::Auto), r#"{"mode":"AUTO"}"#),
        (Some(ToolChoice::None), r#"{"mode":"NONE"}"#),
        (Some(ToolChoice::Required), r#"{"mode":"ANY"}"#),
        (Some(ToolChoice::Tool("f".into())), r#"{"allowedFunctionNames":["f"],"mode":"ANY"}"#),
    ] {
        let mut conversation = asking(vec![Part::text("a")]);
        conversation.tool_choice = choice;
        assert!(!write(&conversation, "gemini-2.5-flash").0.contains("toolConfig"));
        let mut strict = tool("f", None);
        strict.strict = Some(true);
        conversation.tools = vec![strict];
        let (config, dropped) =
            field(&conversation, "gemini-2.5-flash", "/toolConfig/functionCallingConfig");
        assert_eq!(config.to_string(), expected);
        assert_eq!(dropped.is_empty(), expected.contains("ANY"), "{expected}");
    }
}

#[test]
fn results_stand_in_the_order_of_their_calls() {
    let mut conversation = asking(vec![Part::text("Weather?")]);
    let calls = [
        call("a", "weather", r#"{"city":"Rome"}"#, None),
        call("b", "weather", r#"{"city":"Oslo"}"#, None),
    ];
    conversation.say(Role::Assistant, calls);
    let results =
        [("b", "cold"), ("a", "warm")].map(|(id, text)| result(id, vec![Part::text(text)], false));
    conversation.say(Role::User, results.into_iter().chain([Part::text("Well?")]));
    let (parts, _) = field(&conversation, "gemini-2.5-flash", "/contents/2/parts");
    for (at, text) in ["warm", "cold"].into_iter().enumerate() {
        assert_eq!(parts[at]["functionResponse"]["response"]["result"], text);
    }
    assert_eq!(parts[2]["text"], "Well?");
}

#[test]
fn penalties_are_for_models_that_know_them() {
    let mut conversation = asking(vec![Part::text("a")]);
    conversation.sampling.presence_penalty = Some(0.5);
    conversation.sampling.frequency_penalty = Some(0.0);
    for (model, expected) in
        [("gemini-2.0-flash", Some(0.5)), ("gemini-2.5-pro", None), ("gemini-3-flash", None)]
    {
        let (config, dropped) = field(&conversation, model, "/generationConfig");
        assert_eq!(config["presencePenalty"].as_f64(), expected, "{model}");
        assert_eq!(config["frequencyPenalty"], 0.0, "none is asked for");
        assert_eq!(dropped.is_empty(), expected.is_some(), "{dropped:?}");
    }
}

#[test]
fn response_formats_are_schemas() {
    let schema: &RawValue = serde_json::from_str(SCHEMA).unwrap();
    let mut conversation = asking(vec![Part::text("a")]);
    conversation.response_format = Some(ResponseFormat::JsonSchema {
        name: "x".into(),
        description: None,
        schema,
        strict: Some(true),
    });
    let (config, dropped) = field(&conversation, "gemini-2.5-flash", "/generationConfig");
    assert_eq!(config["responseMimeType"], "application/json");
    assert_eq!(config["responseJsonSchema"]["required"][0], "city");
    assert!(dropped.is_empty());
    conversation.tools = vec![tool("f", None)];
    assert_eq!(
        field(&conversation, "gemini-2.5-flash", "/generationConfig").1,
        ["response_format"]
    );
    assert_eq!(
        field(&conversation, "gemini-3-flash", "/generationConfig").0["responseMimeType"],
        "application/json"
    );
    conversation.response_format = Some(ResponseFormat::Text);
    assert_eq!(field(&conversation, "gemini-2.5-flash", "/generationConfig").0.to_string(), "{}");
}

fn check_thinking(
    model: &str,
    reasoning: Reasoning,
    max_tokens: Option<u64>,
    expected: &str,
    lossy: bool,
) {
    let conversation =
        Conversation { reasoning: Some(reasoning), max_tokens, ..asking(vec![Part::text("a")]) };
    let (config, dropped) = field(&conversation, model, "/generationConfig/thinkingConfig");
    assert_eq!(
        config.to_string().replace('"', ""),
        expected,
        "{model} {reasoning:?} {max_tokens:?}"
    );
    assert_eq!(dropped == ["reasoning"], lossy, "{model} {reasoning:?}: {dropped:?}");
}

const ON: Reasoning =
    Reasoning { enabled: Some(true), effort: None, max_tokens: None, exclude: false };
const OFF: Reasoning = Reasoning { enabled: Some(false), ..ON };

fn effort(effort: Effort) -> Reasoning {
    Reasoning { effort: Some(effort), ..Reasoning::default() }
}

fn tokens(tokens: u64) -> Reasoning {
    Reasoning { max_tokens: Some(tokens), ..Reasoning::default() }
}

fn hidden(reasoning: Reasoning) -> Reasoning {
    Reasoning { exclude: true, ..reasoning }
}

#[test]
fn thinking_is_steered_by_a_budget_where_the_model_has_one() {
    for (reasoning, max_tokens, expected, lossy) in [
        (OFF, None, "{thinkingBudget:0}", false),
        (effort(Effort::None), None, "{thinkingBudget:0}", false),
        (tokens(0), None, "{thinkingBudget:0}", false),
        (Reasoning::default(), None, "{includeThoughts:true}", false),
        (hidden(Reasoning::default()), None, "null", false),
        (hidden(effort(Effort::High)), None, "{thinkingBudget:24576}", false),
        (ON, None, "{includeThoughts:true,thinkingBudget:8192}", false),
        (effort(Effort::Max), None, "{includeThoughts:true,thinkingBudget:24576}", false),
        (effort(Effort::Low), Some(2000), "{includeThoughts:true,thinkingBudget:400}", false),
        (tokens(99_999), None, "{includeThoughts:true,thinkingBudget:24576}", true),
    ] {
        check_thinking("gemini-2.5-flash", reasoning, max_tokens, expected, lossy);
    }
    let lite = "{includeThoughts:true,thinkingBudget:512}";
    check_thinking("gemini-2.5-flash-lite", tokens(100), None, lite, true);
    check_thinking("gemini-2.5-pro", OFF, None, "{thinkingBudget:128}", true);
    let pro = "{includeThoughts:true,thinkingBudget:128}";
    check_thinking("gemini-2.5-pro", effort(Effort::Minimal), Some(100), pro, false);
}

#[test]
fn thinking_is_steered_by_a_level_where_the_model_has_one() {
    for (model, reasoning, level, lossy) in [
        ("gemini-3-pro-preview", effort(Effort::Medium), "HIGH", true),
        ("gemini-3.1-pro-preview", effort(Effort::Medium), "MEDIUM", false),
        ("gemini-3.8-flash", effort(Effort::Minimal), "LOW", true),
        ("gemini-3.1-flash-lite", effort(Effort::Minimal), "MINIMAL", false),
        ("gemini-3.1-flash-image", effort(Effort::Low), "HIGH", true),
        ("gemini-4-hydrogen", effort(Effort::Max), "HIGH", true),
        ("gemini-pro-latest", tokens(4000), "MEDIUM", true),
    ] {
        let expected = format!("{{includeThoughts:true,thinkingLevel:{level}}}");
        check_thinking(model, reasoning, None, &expected, lossy);
    }
    check_thinking("gemini-3-pro-preview", OFF, None, "{thinkingLevel:LOW}", true);
    check_thinking("gemini-3-flash-preview", OFF, None, "{thinkingLevel:MINIMAL}", true);
    let shown = "{includeThoughts:true}";
    check_thinking("gemini-3.5-flash", Reasoning::default(), None, shown, false);
}

#[test]
fn thinking_is_left_out_where_the_model_does_not_think() {
    for (model, reasoning, lossy) in [
        ("gemini-2.5-flash-image", ON, true),
        ("gemini-2.0-flash", ON, true),
        ("gemini-2.0-flash", OFF, false),
        ("gemma-3-27b-it", effort(Effort::High), true),
        ("gemini-3-pro-image-preview", ON, true),
    ] {
        check_thinking(model, reasoning, None, "null", lossy);
    }
}

#[test]
fn names_of_models_never_panic() {
    let long = "9".repeat(40);
    for model in [
        "",
        "gemini-",
        "gemini-é",
        "gemini-2.",
        "gemini-2.x",
        "gemini-99999999999.1",
        "models/gemini-3",
        &long,
    ] {
        write(&everything(), model);
        write(&agent(), model);
    }
}
