//! Requests: read from clients, written for upstreams.

use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::error::Error;
use crate::translate::Lost;
use crate::translate::form::{Cache, Effort, Role, ToolChoice};

/// The body written for one upstream, and what got lost on both ways.
fn translated(body: &str, quirks: Quirks) -> String {
    let conversation = read(body);
    let mut dropped = Lost::default();
    let bytes = upstream(quirks).request(&conversation, "m-1", &mut dropped);
    let mut again = Lost::default();
    assert_eq!(
        upstream(quirks).request(&conversation, "m-1", &mut again),
        bytes,
        "the same bytes each time"
    );
    assert_eq!(again, dropped);
    for name in dropped.iter() {
        assert!(quirks.losses.of(name).is_some(), "{name} is in no table");
    }
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    format!("{body:#}\ndropped: {dropped:?}\nlost: {:?}\n", conversation.dropped)
}

#[test]
fn what_is_read_is_written_back() {
    let mut expected: Value = serde_json::from_str(ROUND_TRIP).unwrap();
    expected["model"] = json!("m-1");
    let conversation = read(ROUND_TRIP);
    let mut dropped = Lost::default();
    let bytes = upstream(Quirks::OPENROUTER).request(&conversation, "m-1", &mut dropped);
    let actual: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(format!("{actual:#}"), format!("{expected:#}"));
    assert!(
        dropped.is_empty() && conversation.dropped.is_empty(),
        "{dropped:?} {:?}",
        conversation.dropped
    );
    assert!(
        String::from_utf8(bytes).unwrap().contains(r#""maximum": 1e3"#),
        "schemas stay as they are spelled"
    );
}

#[test]
fn requests_are_translated_for_each_kind_of_upstream() {
    golden!("roundtrip.openai.txt", translated(ROUND_TRIP, Quirks::OPENAI));
    golden!("corners.openai.txt", translated(CORNERS, Quirks::OPENAI));
    golden!("corners.openrouter.txt", translated(CORNERS, Quirks::OPENROUTER));
    golden!("corners.deepseek.txt", translated(CORNERS, Quirks::DEEPSEEK));
    golden!("corners.vllm.txt", translated(CORNERS, Quirks::VLLM));
}

#[test]
fn turns_are_merged_and_results_come_first() {
    let conversation = read(CORNERS);
    assert!(conversation.turns.windows(2).all(|turns| turns[0].role != turns[1].role));
    assert_eq!(conversation.turns.first().unwrap().role, Role::User);
    golden!("corners.form.txt", format!("{conversation:#?}\n"));
}

#[test]
fn a_prompt_is_what_the_user_says() {
    for body in
        [r#"{"prompt": "Hi"}"#, r#"{"prompt": ["Hi"]}"#, r#"{"messages": null, "prompt": "Hi"}"#]
    {
        let conversation = read(body);
        assert_eq!(conversation.turns.len(), 1, "{body}");
        assert_eq!(conversation.turns[0].role, Role::User);
    }
}

fn with(fields: &str) -> String {
    format!(r#"{{"messages": [{{"role": "user", "content": "Hi"}}], {fields}}}"#)
}

#[test]
fn reasoning_has_three_spellings() {
    for (fields, effort, exclude) in [
        (r#""reasoning": {"effort": "max"}"#, Some(Effort::Max), false),
        (r#""reasoning_effort": "low""#, Some(Effort::Low), false),
        (r#""reasoning_effort": "low", "reasoning": {"effort": "low"}"#, Some(Effort::Low), false),
        (r#""include_reasoning": true"#, None, false),
        (r#""include_reasoning": false"#, None, true),
        (
            r#""include_reasoning": false, "reasoning": {"effort": "none"}"#,
            Some(Effort::None),
            false,
        ),
    ] {
        let body = with(fields);
        let reasoning = read(&body).reasoning.unwrap();
        assert_eq!((reasoning.effort, reasoning.exclude), (effort, exclude), "{fields}");
    }
    assert_eq!(read(&with(r#""reasoning": null, "reasoning_effort": null"#)).reasoning, None);
}

#[test]
fn tool_choice_has_many_forms() {
    for (choice, expected) in [
        (r#""auto""#, ToolChoice::Auto),
        (r#""none""#, ToolChoice::None),
        (r#""required""#, ToolChoice::Required),
        (r#""any""#, ToolChoice::Required),
        (r#"{"type": "function", "function": {"name": "f"}}"#, ToolChoice::Tool("f".into())),
    ] {
        assert_eq!(
            read(&with(&format!("\"tool_choice\": {choice}"))).tool_choice,
            Some(expected),
            "{choice}"
        );
    }
    let body = with(r#""function_call": {"name": "f"}"#);
    assert_eq!(read(&body).tool_choice, Some(ToolChoice::Tool("f".into())));
    let body = with(r#""tool_choice": {"type": "openrouter:web_search"}"#);
    assert_eq!(
        (read(&body).tool_choice, read(&body).dropped.to_vec()),
        (None, vec!["tool_choice"])
    );
}

#[test]
fn values_that_ask_for_nothing_are_not_lost() {
    let body = with(
        r#""n": 1, "logit_bias": {}, "logprobs": false, "top_logprobs": null, "min_p": 0,
           "modalities": ["text"], "audio": null, "store": false, "service_tier": "auto",
           "metadata": {}, "verbosity": "medium", "x": 1"#,
    );
    assert!(read(&body).dropped.is_empty());
    assert_eq!(
        *read(&with(r#""n": 3, "modalities": ["text", "audio"]"#)).dropped,
        ["n", "modalities"]
    );
}

#[test]
fn a_breakpoint_at_the_end_spares_thinking() {
    let body = r#"{"messages": [{"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "reasoning": "hm"}],
        "cache_control": {"type": "ephemeral", "ttl": "1h"}}"#;
    assert_eq!(read(body).turns[0].parts[0].cache, Some(Cache::Long));
}

#[test]
fn wrong_messages_are_told_with_their_path() {
    let parts = "must be one of text, refusal, image_url, input_audio, file, video_url";
    // What stands in `messages`.
    for (messages, problem) in [
        ("[]", "must not be empty"),
        ("{}", "must be an array"),
        (r#"["x"]"#, "[0]: must be an object"),
        (
            r#"[{"role": "user", "content": 5}]"#,
            "[0].content: must be a string or an array of parts",
        ),
        (
            r#"[{"role": "bot"}]"#,
            "[0].role: must be one of system, developer, user, assistant, tool, function",
        ),
        (
            r#"[{"role": "user", "content": [{"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": 5}}]}]"#,
            "[0].content[1].image_url.url: must be a string",
        ),
        (
            r#"[{"role": "user", "content": [{"type": "text"}]}]"#,
            "[0].content[0].text: is required",
        ),
        (
            r#"[{"role": "user", "content": [{"type": "hologram"}]}]"#,
            &format!("[0].content[0].type: {parts}"),
        ),
        (
            r#"[{"role": "user", "content": [{"type": "file", "file": {}}]}]"#,
            "[0].content[0].file: must have file_data or file_id",
        ),
        (r#"[{"role": "tool", "content": "x"}]"#, "[0].tool_call_id: must be a string"),
        (r#"[{"role": "function", "content": "x"}]"#, "[0]: has no function_call before it"),
        (
            r#"[{"role": "assistant", "tool_calls": [
                {"id": "a", "function": {"arguments": "{}"}}]}]"#,
            "[0].tool_calls[0].function.name: must be a string",
        ),
        (
            r#"[{"role": "assistant", "tool_calls": [
                {"id": "a", "type": "custom", "custom": {}}]}]"#,
            "[0].tool_calls[0].type: must be function: no other call can be translated",
        ),
    ] {
        check_wrong(&format!(r#"{{"messages": {messages}}}"#), "messages", problem);
    }
    check_wrong("{}", "messages", "is required");
}

#[test]
fn wrong_prompts_are_told() {
    let several = "must be one prompt: several cannot be translated";
    check_wrong(r#"{"prompt": ["a", "b"]}"#, "prompt", several);
    check_wrong(r#"{"prompt": 5}"#, "prompt", "must be a string or an array of strings");
}

#[test]
fn wrong_types_are_told_with_their_path() {
    for (fields, field, problem) in [
        (r#""temperature": "hot""#, "temperature", "must be a number"),
        (r#""max_tokens": -1"#, "max_tokens", "must be a whole number"),
        (r#""seed": 1.5"#, "seed", "must be a whole number"),
        (r#""stream": "yes""#, "stream", "must be true or false"),
        (r#""stop": 5"#, "stop", "must be a string or an array of strings"),
        (r#""stop": ["a", 5]"#, "stop", "[1]: must be a string"),
        (r#""tools": [{"type": "function"}]"#, "tools", "[0].function: is required"),
        (r#""tools": [{"function": {"name": "f"}}]"#, "tools", "[0].type: must be a string"),
        (
            r#""tools": [{"type": "function", "function": {}}]"#,
            "tools",
            "[0].function.name: must be a string, not empty",
        ),
        (
            r#""tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]"#,
            "tools",
            "[0].function.parameters: must be a JSON Schema",
        ),
        (
            r#""tool_choice": "maybe""#,
            "tool_choice",
            "must be auto, none, required, or an object that names a function",
        ),
        (
            r#""reasoning": {"effort": "huge"}"#,
            "reasoning",
            "effort: must be one of none, minimal, low, medium, high, xhigh, max",
        ),
        (
            r#""reasoning": {"effort": "low"}, "reasoning_effort": "high""#,
            "reasoning_effort",
            "differs from reasoning.effort",
        ),
        (r#""response_format": {}"#, "response_format", "type: must be a string"),
    ] {
        check_wrong(&with(fields), field, problem);
    }
}

fn check_wrong(body: &str, field: &'static str, problem: &str) {
    let expected = Error::InvalidField { field, problem: problem.to_owned() };
    assert_eq!(Client.read(body.as_bytes()).unwrap_err(), expected, "{body}");
}

#[test]
fn what_an_upstream_cannot_hear_is_noted() {
    let mut conversation = read(ROUND_TRIP);
    for part in &mut conversation.turns[2].parts {
        if let crate::translate::form::Content::ToolResult { is_error, .. } = &mut part.content {
            *is_error = true;
        }
    }
    let mut dropped = Lost::default();
    let body = upstream(Quirks::COMPATIBLE).request(&conversation, "m", &mut dropped);
    assert!(
        dropped.contains(&"messages.tool.is_error") && dropped.contains(&"messages.reasoning"),
        "{dropped:?}"
    );
    assert!(String::from_utf8(body).unwrap().contains("The tool failed:"));
}

#[test]
fn every_quirk_has_its_losses() {
    for (name, quirks) in Quirks::ALL {
        for loss in [
            "top_k",
            "messages.content.video_url",
            "messages.content.file.url",
            "messages.cache_control",
        ] {
            let can = match loss {
                "top_k" => quirks.top_k,
                "messages.content.video_url" => quirks.video,
                "messages.content.file.url" => quirks.file_urls,
                _ => quirks.cache_control,
            };
            assert_eq!(quirks.losses.of(loss).is_some(), !can, "{name}: {loss}");
        }
    }
}

#[test]
fn a_user_too_long_for_the_upstream_is_left_out() {
    let long = with(&format!(r#""user": "{}""#, "é".repeat(65)));
    let fits = with(&format!(r#""user": "{}""#, "é".repeat(64)));
    for (body, quirks, told) in [
        (&long, Quirks::OPENAI, false),
        (&fits, Quirks::OPENAI, true),
        (&long, Quirks::OPENROUTER, true),
        (&fits, Quirks::MISTRAL, false),
        (&long, Quirks::COMPATIBLE, true),
    ] {
        let written = translated(body, quirks);
        assert_eq!(written.contains("\"user\": \"é"), told, "{written}");
        assert_eq!(written.contains("dropped: [\"user\"]"), !told, "{written}");
    }
}

#[test]
fn ids_of_calls_are_what_the_upstream_takes() {
    let long = "functions.mcp__github__create_pull_request:0";
    let body = json!({"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [
            {"id": long, "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "toolu_01", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "Ab3dE6gH9", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": long, "content": "1"},
        {"role": "tool", "tool_call_id": "toolu_01", "content": "2"},
        {"role": "tool", "tool_call_id": "Ab3dE6gH9", "content": "3"},
    ]})
    .to_string();
    for (quirks, longest, kept) in [
        (Quirks::OPENAI, 40, &["toolu_01", "Ab3dE6gH9"][..]),
        (Quirks::MISTRAL, 9, &["Ab3dE6gH9"]),
        (Quirks::VLLM, 44, &[long]),
    ] {
        let body = upstream(quirks).request(&read(&body), "m", &mut Lost::default());
        let body: Value = serde_json::from_slice(&body).unwrap();
        let called: Vec<_> = (0..3)
            .map(|at| body["messages"][1]["tool_calls"][at]["id"].as_str().unwrap())
            .collect();
        let returned: Vec<_> =
            (2..5).map(|at| body["messages"][at]["tool_call_id"].as_str().unwrap()).collect();
        assert_eq!(called, returned, "results find their calls");
        assert!(called.iter().all(|id| id.len() <= longest), "{called:?}");
        assert!(kept.iter().all(|id| called.contains(id)), "{called:?}");
        assert!(longest > 9 || called.iter().all(|id| is_mistrals(id)), "{called:?}");
    }
}

/// Whether an id is one that Mistral takes.
fn is_mistrals(id: &str) -> bool {
    id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// What each message for the upstream says.
fn contents(quirks: Quirks, body: &str) -> Vec<Value> {
    let body = upstream(quirks).request(&read(body), "m", &mut Lost::default());
    let body: Value = serde_json::from_slice(&body).unwrap();
    let messages = body["messages"].as_array().unwrap().iter();
    messages.map(|message| message["content"].clone()).collect()
}

#[test]
fn texts_are_one_string_where_the_upstream_knows_no_parts() {
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let picture = json!({"type": "image_url", "image_url": {"url": "https://a.b/c.png"}});
    let body = json!({"messages": [
        {"role": "system", "content": [text("A"), text("B")]},
        {"role": "user", "content": [text("C"), text("D")]},
        {"role": "assistant", "content": [text("It is "), text("blue.")], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": [text("E"), text("F")]},
        {"role": "user", "content": [text("G"), picture]},
    ]})
    .to_string();
    let joined = contents(Quirks::COMPATIBLE, &body);
    assert_eq!(
        joined[..4],
        [json!("A\n\nB"), json!("C\n\nD"), json!("It is blue."), json!("E\n\nF")]
    );
    assert!(joined[4].is_array(), "a picture needs parts");
    let parts = contents(Quirks::OPENAI, &body);
    assert!(parts.iter().all(Value::is_array), "OpenAI's caches hold the parts");
}
