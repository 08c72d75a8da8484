//! How much a model is to think, and what that leaves of the numbers.

use serde_json::{Value, json};

use super::request::{LLAMA, OPUS_4_7, SONNET_3_7, SONNET_4_5, hello, tool, with_tools, written};
use crate::translate::form::*;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What a request has as `thinking`, `effort` and `maxTokens`, and what got lost.
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

fn effort(effort: Effort) -> Reasoning {
    Reasoning { effort: Some(effort), ..Reasoning::default() }
}

fn tokens(tokens: u64) -> Reasoning {
    Reasoning { max_tokens: Some(tokens), ..Reasoning::default() }
}

/// `thinking` of a request, with this budget.
fn budget(tokens: u64) -> Value {
    json!({"type": "enabled", "budget_tokens": tokens})
}

#[test]
fn older_models_think_by_budget() {
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
        (OPUS_4_7, tokens(9000), shown.clone(), json!("medium"), Some("reasoning.max_tokens")),
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
    let reasoning = Some(effort(Effort::High));
    let forced = Conversation {
        tools: vec![tool("weather", None)],
        tool_choice: Some(ToolChoice::Required),
        reasoning,
        ..hello()
    };
    // A turn that has called tools without thinking goes on without it, except at models that are
    // told a level.
    let begun = Conversation { reasoning, ..with_tools() };
    for (conversation, model, thinks) in [
        (&forced, SONNET_4_5, false),
        (&forced, OPUS_4_7, false),
        (&begun, SONNET_4_5, false),
        (&begun, OPUS_4_7, true),
    ] {
        let (body, dropped) = written(conversation, model);
        let thinking = body["additionalModelRequestFields"].get("thinking");
        let told = (thinking.is_some(), dropped.contains(&"reasoning"));
        assert_eq!(told, (thinks, !thinks), "{model}");
    }
}

#[test]
fn numbers_yield_to_thinking_and_to_models_without_them() {
    // Columns: temperature, top_p and top_k as asked for; the model, and whether it thinks; the
    // same numbers as sent; and what got lost.
    let all = (Some(0.5), Some(0.9), Some(9));
    let none = (None, None, None);
    let rows: [(_, _, _, _, &[&str]); 8] = [
        (all, SONNET_3_7, false, all, &[]),
        (all, SONNET_4_5, false, (Some(0.5), None, Some(9)), &["top_p"]),
        (all, SONNET_4_5, true, none, &["temperature", "top_p", "top_k"]),
        (all, OPUS_4_7, false, none, &["temperature", "top_p", "top_k"]),
        (all, LLAMA, false, (Some(0.5), Some(0.9), None), &["top_k"]),
        ((Some(1.0), None, None), SONNET_4_5, true, (Some(1.0), None, None), &[]),
        ((Some(1.0), Some(1.0), None), OPUS_4_7, false, none, &[]),
        ((None, Some(0.97), None), SONNET_4_5, true, (None, Some(0.97), None), &[]),
    ];
    for (asked, model, thinks, sent, lost) in rows {
        let (temperature, top_p, top_k) = asked;
        let sampling = Sampling { temperature, top_p, top_k, ..Sampling::default() };
        let reasoning = thinks.then(|| effort(Effort::Low));
        let (body, dropped) = written(&Conversation { sampling, reasoning, ..hello() }, model);
        let config = &body["inferenceConfig"];
        let top_k = body["additionalModelRequestFields"]["top_k"].as_u64();
        let told = (config["temperature"].as_f64(), config["topP"].as_f64(), top_k);
        assert_eq!((told, dropped.as_slice()), (sent, lost), "{model} {asked:?}");
    }
}
