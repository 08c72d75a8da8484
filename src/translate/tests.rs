//! Golden answers: `golden/<case>.openai.*` as an upstream wrote it, `golden/<case>.openrouter.*`
//! as a client gets it.
//!
//! `UPDATE_GOLDEN=1 cargo test` writes the latter anew on the host; a person reads the difference.

use super::openrouter::{Identity, OpenRouterEvents};
use super::{
    Change, Conversation, Dialect as _, Format, Loss, Lost, Stage, anthropic, bedrock, format,
    gemini, openai,
};
use crate::catalog::Price;
use crate::catalog::{PriceOverride, Pricing};
use crate::config::{Config, FORMATS};
use crate::operation::Operation;
use crate::translate::Meter;
use crate::wire::sse::{Piece, Splitter};
use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

struct Golden {
    /// File names without folder.
    name: &'static str,
    operation: Operation,
    from: &'static str,
    expected: &'static str,
}

macro_rules! golden {
    ($($case:literal $extension:literal $operation:ident,)*) => {
        &[$(Golden {
            name: concat!($case, ".openrouter.", $extension),
            operation: Operation::$operation,
            from: include_str!(concat!("golden/", $case, ".openai.", $extension)),
            expected: include_str!(concat!("golden/", $case, ".openrouter.", $extension)),
        }),*]
    };
}

const CASES: &[Golden] = golden! {
    "plain" "json" Chat,
    "no_usage" "json" Chat,
    "tools" "json" Chat,
    "finish_reasons" "json" Chat,
    "logprobs_and_reasoning" "json" Chat,
    "completions" "json" Completions,
    "embeddings" "json" Embeddings,
    "stream" "sse" Chat,
    "stream_usage" "sse" Chat,
    "stream_tools" "sse" Chat,
    "stream_completions" "sse" Completions,
    "stream_completions_usage" "sse" Completions,
    "stream_error" "sse" Chat,
    "stream_nulls" "sse" Chat,
    "stream_lines" "sse" Chat,
};

fn price(usd: &str) -> Option<Price> {
    Price::parse(usd).ok()
}

pub(super) fn identity(operation: Operation) -> Identity {
    let long = Pricing { prompt: price("0.001"), ..Pricing::default() };
    let usual = Pricing {
        prompt: price("0.0000004"),
        completion: price("0.0000016"),
        input_cache_read: price("0.0000001"),
        ..Pricing::default()
    };
    Identity {
        id: "gen-1791084135-7wgkROHXIojJJ2sMtIIm".to_owned(),
        model: "openai/gpt-4.1-mini".to_owned(),
        provider: "OpenAI \"EU\"".to_owned(),
        operation,
        prices: vec![(
            None,
            usual,
            vec![PriceOverride { min_prompt_tokens: Some(1000), utc: None, pricing: long }],
        )],
        minute_of_day: 0,
        created: 1_791_084_135,
        input_estimate: 7,
        metadata: None,
    }
}

fn translate(case: &Golden) -> String {
    let bytes = match case.name.ends_with(".sse") {
        true => translate_stream(case),
        false => {
            let mut meter = Meter::default();
            meter.plain(case.from.as_bytes());
            meter.plain_end();
            identity(case.operation).whole(case.from.as_bytes(), &meter).expect("an object")
        }
    };
    String::from_utf8(bytes).expect("text")
}

fn translate_stream(case: &Golden) -> Vec<u8> {
    let (mut stage, mut meter, mut output) =
        (OpenRouterEvents::new(identity(case.operation)), Meter::default(), Vec::new());
    Splitter::new(1 << 20).push(case.from.as_bytes(), &mut |piece| {
        let Piece::Event(event) = piece else { panic!("an event over the limit") };
        let seen = meter.event(event);
        match stage.event(event, seen, &meter) {
            Change::Keep => output.extend_from_slice(event),
            Change::Drop => {}
            Change::Replace(bytes) => output.extend_from_slice(&bytes),
        }
    });
    if meter.is_complete() {
        output.extend_from_slice(&stage.end(&meter));
    }
    output
}

/// Writes the file anew if that is asked for.
#[cfg(not(target_family = "wasm"))]
fn update(case: &Golden, told: &str) -> bool {
    let asked = std::env::var_os("UPDATE_GOLDEN").is_some();
    if asked {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/translate/golden");
        std::fs::write(folder.join(case.name), told).expect("a folder to write to");
    }
    asked
}

#[cfg(target_family = "wasm")]
fn update(_: &Golden, _: &str) -> bool {
    false
}

#[test]
fn answers_are_told_in_openrouters_form() {
    for case in CASES {
        let told = translate(case);
        if !update(case, &told) {
            assert_eq!(told, case.expected, "{}", case.name);
        }
    }
}

#[test]
fn an_answer_in_openrouters_form_stays_as_it_is() {
    for case in CASES.iter().filter(|case| case.name.ends_with(".json")) {
        let again = Golden { from: case.expected, ..*case };
        assert_eq!(translate(&again), case.expected, "{}", case.name);
    }
}

/// A chat request with every field that some format cannot express, each with a value that asks for
/// something.
const EVERYTHING: &str = r#"{
    "model": "m", "messages": [{"role": "user", "content": "Hi"}], "n": 2,
    "modalities": ["text", "audio"], "audio": {"voice": "alloy"},
    "image_config": {"aspect_ratio": "1:1"}, "web_search_options": {}, "min_p": 0.1, "top_a": 0.2,
    "top_k": 5, "top_p": 0.5, "temperature": 1.9, "frequency_penalty": 0.5,
    "presence_penalty": 0.5, "repetition_penalty": 1.2, "seed": 7, "logit_bias": {"1": 2},
    "logprobs": true, "top_logprobs": 3, "user": "u", "parallel_tool_calls": false,
    "tool_choice": "none", "prediction": {"type": "content", "content": "x"},
    "service_tier": "flex", "verbosity": "low", "metadata": {"a": "b"}, "store": true,
    "max_tool_calls": 3, "prompt_cache_key": "k", "prompt_cache_retention": "24h",
    "prompt_cache_options": {"a": 1}, "stop": ["a", "b", "c", "d", "e", "f"],
    "reasoning": {"effort": "high"}, "response_format": {"type": "json_object"},
    "tools": [{"type": "function",
        "function": {"name": "f", "strict": true, "parameters": {"type": "object"}}}]
}"#;

/// Models of a format that are not told the same.
const MODELS: [(&str, &[&str]); 3] = [
    ("anthropic", &["claude-sonnet-4-5", "claude-opus-4-6", "claude-3-5-haiku"]),
    ("gemini", &["gemini-2.5-flash", "gemini-3-pro"]),
    ("bedrock", &["amazon.nova-lite-v1:0", "anthropic.claude-sonnet-4-5", "meta.llama3-3-70b"]),
];

fn format_named(name: &str) -> &'static dyn Format {
    let document = serde_json::json!({"providers": {"p": {"api": name}}});
    let (config, _) = Config::parse(document.to_string().as_bytes(), &|_| None).unwrap();
    format(&config.providers[0])
}

#[test]
fn what_gets_lost_is_declared() {
    let conversation = openai::Client.read(EVERYTHING.as_bytes()).unwrap();
    // Those that a chat request is translated to.
    for (name, _) in FORMATS.iter().filter(|(_, api)| !api.passes(Operation::Chat)) {
        let format = format_named(name);
        let models = MODELS.iter().find(|(known, _)| known == name);
        for model in models.map_or(["m"].as_slice(), |(_, models)| models) {
            let mut lost = conversation.dropped.clone();
            format.request(&conversation, model, &mut lost);
            let undeclared = lost.iter().filter(|lost| format.losses().of(lost).is_none());
            assert_eq!(undeclared.collect::<Vec<_>>(), Vec::<&&str>::new(), "{model}");
        }
    }
}

#[test]
fn what_a_format_loses_is_told_once() {
    for (name, _) in FORMATS {
        let fields: Vec<_> = format_named(name).losses().iter().map(|(field, _)| field).collect();
        let twice = fields.iter().enumerate().find(|(at, field)| fields[..*at].contains(field));
        assert_eq!(twice, None, "{name}");
    }
}

#[test]
fn schemas_of_tools_say_what_each_upstream_insists_on() {
    let tools = r#""tools": [{"name": "f", "input_schema": {}},
        {"name": "g", "input_schema": {"type": "object"}},
        {"name": "h", "input_schema": {"properties": {"a": {"type": "string"}}}}]"#;
    let body = format!(r#"{{"messages": [{{"role": "user", "content": "Hi"}}], {tools}}}"#);
    let conversation = anthropic::Anthropic.read(body.as_bytes()).unwrap();
    let typed = r#"{"type":"object","properties": {"a": {"type": "string"}}}"#;
    let openai = openai::Upstream { quirks: openai::Quirks::OPENAI };
    let formats: [(&dyn Format, [&str; 3]); 4] = [
        (
            &openai,
            [
                r#"{"type":"object","properties":{}}"#,
                r#"{"properties":{},"type": "object"}"#,
                typed,
            ],
        ),
        (&bedrock::Bedrock, [r#"{"type":"object"}"#, r#"{"type": "object"}"#, typed]),
        (&anthropic::Anthropic, [r#"{"type":"object"}"#, r#"{"type": "object"}"#, typed]),
        (&gemini::Gemini, [r#""name":"f"}"#, r#"{"type": "object"}"#, typed]),
    ];
    for (format, expected) in formats {
        let body =
            String::from_utf8(format.request(&conversation, "m", &mut Lost::default())).unwrap();
        for schema in expected {
            assert!(body.contains(schema), "{schema} in {body}");
        }
    }
}

#[test]
fn an_answer_to_go_on_from_does_not_end_in_white_space() {
    let body = r#"{"messages": [{"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "As is. "},
        {"role": "user", "content": "Go on"}, {"role": "assistant", "content": "Title: \n"}]}"#;
    let conversation = openai::Client.read(body.as_bytes()).unwrap();
    for (format, model) in [
        (&anthropic::Anthropic as &dyn Format, "claude-sonnet-4-5"),
        (&bedrock::Bedrock, "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ] {
        let body =
            String::from_utf8(format.request(&conversation, model, &mut Lost::default())).unwrap();
        assert!(body.contains("\"Title:\"") && body.contains("\"As is. \""), "{body}");
    }
}

#[test]
fn schemas_of_answers_say_nothing_that_structured_outputs_refuse() {
    let schema = r##"{"type": "object", "properties": {
        "minimum": {"type": "integer", "minimum": 1, "maximum": 9, "description": "1 to 9"},
        "tags": {"type": "array", "minItems": 1, "maxItems": 3,
            "items": {"type": ["object", "null"], "additionalProperties": true}},
        "map": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 5}},
        "any": {"anyOf": [{"$ref": "#/$defs/a"}, {"const": {"minimum": 1}}]}
    }, "required": ["minimum"],
    "$defs": {"a": {"type": "object", "properties": {}, "additionalProperties": false}}}"##;
    let expected = json!({"type": "object", "properties": {
        "minimum": {"type": "integer", "description": "1 to 9"},
        "tags": {
            "type": "array",
            "minItems": 1,
            "items": {"type": ["object", "null"], "additionalProperties": false},
        },
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "any": {"anyOf": [{"$ref": "#/$defs/a"}, {"const": {"minimum": 1}}]}
    }, "required": ["minimum"], "additionalProperties": false,
    "$defs": {"a": {"type": "object", "properties": {}, "additionalProperties": false}}});
    let strict = r#"{"type": "function", "function": {"name": "f", "strict": true, "parameters":
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 2}},
        "additionalProperties": false}}}"#;
    let format =
        format!(r#"{{"type": "json_schema", "json_schema": {{"name": "n", "schema": {schema}}}}}"#);
    let body = format!(
        r#"{{"messages": [{{"role": "user", "content": "Hi"}}], "tools": [{strict}],
        "response_format": {format}}}"#
    );
    let conversation = openai::Client.read(body.as_bytes()).unwrap();
    let (body, dropped) = written_for_claude(&anthropic::Anthropic, &conversation);
    assert_eq!(body["output_config"]["format"]["schema"], expected);
    assert!(!body["tools"].to_string().contains("minLength"), "it is strict, too");
    assert_eq!(dropped, ["tools.strict", "response_format"]);
    let (body, _) = written_for_claude(&bedrock::Bedrock, &conversation);
    let schema = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"];
    assert_eq!(serde_json::from_str::<Value>(schema.as_str().unwrap()).unwrap(), expected);
    let body = gemini::Gemini.request(&conversation, "gemini-3-pro", &mut Lost::default());
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains(r#""maximum": 9"#), "Gemini takes it as it is");
}

/// The body for a model of Claude, and what got lost.
fn written_for_claude(
    format: &dyn Format,
    conversation: &Conversation<'_>,
) -> (Value, Vec<&'static str>) {
    let mut dropped = Lost::default();
    let model = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let body = format.request(conversation, model, &mut dropped);
    (serde_json::from_slice(&body).unwrap(), dropped.to_vec())
}

#[test]
fn a_file_that_cannot_be_told_takes_the_endpoint_out() {
    let docx = r#"{"filename": "a.docx", "file_data": "UEsDBA=="}"#;
    let uploaded = r#"{"file_id": "file-abc"}"#;
    for (format, file) in [
        (&anthropic::Anthropic as &dyn Format, docx),
        (&gemini::Gemini, uploaded),
        (&bedrock::Bedrock, uploaded),
    ] {
        let text = r#"{"type": "text", "text": "Sum it up"}"#;
        let content = format!(r#"[{text}, {{"type": "file", "file": {file}}}]"#);
        let body = format!(r#"{{"messages": [{{"role": "user", "content": {content}}}]}}"#);
        let mut dropped = Lost::default();
        format.request(&openai::Client.read(body.as_bytes()).unwrap(), "m", &mut dropped);
        let losses = format.losses();
        assert!(dropped.iter().any(|name| losses.of(name) == Some(Loss::Refused)), "{dropped:?}");
    }
}
