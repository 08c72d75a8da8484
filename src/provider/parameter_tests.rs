//! What becomes of every field of OpenRouter's chat requests at every kind of upstream: nothing is
//! lost in silence.
//!
//! `fixtures/parameters.txt` is written anew by `UPDATE_GOLDEN=1 cargo test`; a person reads the
//! difference.

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, FORMATS};
use crate::request::Limits;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A kind of upstream: column, `api`, host and model.
type Upstream = (&'static str, &'static str, &'static str, &'static str);

/// Those that differ by host or model.
const UPSTREAMS: [Upstream; 8] = [
    ("openai", "openai", "api.openai.com", "gpt-5"),
    ("compatible", "openai", "vllm.test", "qwen3"),
    ("mistral", "openai", "api.mistral.ai", "magistral"),
    ("openrouter", "openai", "openrouter.ai", "a/b"),
    ("anthropic", "anthropic", "api.anthropic.com", "claude-sonnet-4-5"),
    ("gemini", "gemini", "generativelanguage.googleapis.com", "gemini-2.5-flash"),
    ("bedrock nova", "bedrock", "bedrock.test", "amazon.nova-lite-v1:0"),
    ("bedrock claude", "bedrock", "bedrock.test", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
];

/// All of them: a format that is not among those has a column of its own.
fn upstreams() -> Vec<Upstream> {
    let others = FORMATS.iter().filter(|(name, api)| {
        !api.passes(Operation::Chat) && UPSTREAMS.iter().all(|(_, known, ..)| known != name)
    });
    UPSTREAMS.into_iter().chain(others.map(|(name, _)| (*name, *name, "other.test", "m"))).collect()
}

/// Fields that the gateway applies itself, wherever the request goes.
const APPLIED: [&str; 8] = [
    "models",
    "provider",
    "route",
    "usage",
    "session_id",
    "fallbacks",
    "stream_options",
    "plugins (off)",
];

/// Values that ask for what upstreams do anyway, or that say how the answer is to be told: the
/// gateway does that.
const IMPLIED: [&str; 4] =
    ["structured_outputs", "reasoning (off)", "include_reasoning", "include_reasoning (not)"];

/// Fields, each with a value that asks for something; what follows a space only tells rows apart.
fn fields() -> Vec<(&'static str, Value)> {
    [openrouters_fields(), chat_fields()].concat()
}

/// Fields of OpenRouter's own: of routing, and of plugins.
fn openrouters_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("models", json!(["x/y"])),
        ("fallbacks", json!([{"model": "x/y"}])),
        ("provider", json!({"sort": "price"})),
        ("route", json!("fallback")),
        ("usage", json!({"include": true})),
        ("session_id", json!("s")),
        ("stream_options", json!({"include_usage": true})),
        ("trace", json!({"trace_id": "t"})),
        ("debug", json!({"echo_upstream_body": true})),
        ("transforms", json!(["middle-out"])),
        ("plugins (off)", json!([{"id": "web", "enabled": false}])),
        ("plugins (web)", json!([{"id": "web"}])),
        ("plugins (web-fetch)", json!([{"id": "web-fetch"}])),
        ("plugins (file-parser)", json!([{"id": "file-parser"}])),
        ("plugins (fusion)", json!([{"id": "fusion"}])),
        ("plugins (moderation)", json!([{"id": "moderation"}])),
        ("plugins (response-healing)", json!([{"id": "response-healing"}])),
        ("plugins (context-compression)", json!([{"id": "context-compression"}])),
        ("plugins (auto-router)", json!([{"id": "auto-router", "cost_tier": "low"}])),
        ("plugins (pareto-router)", json!([{"id": "pareto-router"}])),
        ("plugins (unknown)", json!([{"id": "other"}])),
    ]
}

/// Fields that the upstream has to act on.
fn chat_fields() -> Vec<(&'static str, Value)> {
    let schema = json!({"name": "s", "schema": {"type": "object", "additionalProperties": false}});
    vec![
        ("max_tokens", json!(2048)),
        ("max_completion_tokens", json!(2048)),
        ("temperature", json!(0.5)),
        ("top_p", json!(0.5)),
        ("top_k", json!(5)),
        ("min_p", json!(0.1)),
        ("top_a", json!(0.2)),
        ("frequency_penalty", json!(0.5)),
        ("presence_penalty", json!(0.5)),
        ("repetition_penalty", json!(1.2)),
        ("seed", json!(7)),
        ("logit_bias", json!({"1": 2})),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(3)),
        ("n", json!(2)),
        ("stop", json!(["END"])),
        ("tools", json!([tool()])),
        ("tool_choice", json!("required")),
        ("parallel_tool_calls", json!(false)),
        ("max_tool_calls", json!(3)),
        ("response_format (object)", json!({"type": "json_object"})),
        ("response_format (schema)", json!({"type": "json_schema", "json_schema": schema})),
        ("structured_outputs", json!(true)),
        ("modalities", json!(["image", "text"])),
        ("image_config", json!({"aspect_ratio": "1:1"})),
        ("prediction", json!({"type": "content", "content": "x"})),
        ("reasoning (effort)", json!({"effort": "high"})),
        ("reasoning (max_tokens)", json!({"max_tokens": 1024})),
        ("reasoning (enabled)", json!({"enabled": true})),
        ("reasoning (off)", json!({"enabled": false})),
        ("reasoning (exclude)", json!({"effort": "low", "exclude": true})),
        ("reasoning_effort", json!("high")),
        ("include_reasoning", json!(true)),
        ("include_reasoning (not)", json!(false)),
        ("verbosity", json!("low")),
        ("web_search_options", json!({"search_context_size": "low"})),
        ("service_tier", json!("flex")),
        ("prompt_cache_key", json!("k")),
        ("prompt_cache_options", json!({"mode": "explicit"})),
        ("cache_control", json!({"type": "ephemeral"})),
        ("metadata", json!({"a": "b"})),
        ("user", json!("u")),
        ("stop_server_tools_when", json!([{"type": "step_count", "count": 3}])),
        ("safe_prompt", json!(true)),
        ("of_nobody", json!({"x": 1})),
    ]
}

fn tool() -> Value {
    json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}})
}

fn config() -> Config {
    let providers: serde_json::Map<_, _> = upstreams()
        .into_iter()
        .map(|(name, api, host, _)| (name.replace(' ', "-"), json!({"api": api, "host": host})))
        .collect();
    let document = json!({"providers": providers});
    Config::parse(document.to_string().as_bytes(), &|_| Some("key".to_owned())).unwrap().0
}

fn provider<'a>(config: &'a Config, id: &str) -> &'a Provider {
    config.providers.iter().find(|provider| provider.id == id).unwrap()
}

/// A body for an upstream, and what is said to be dropped.
fn prepared(config: &Config, (column, _, _, model): Upstream, body: &Value) -> Result<Sent, Error> {
    let request = Request::parse(body.to_string().into_bytes(), &Limits::default())?;
    let provider = provider(config, &column.replace(' ', "-"));
    let client = ClientHeaders::default();
    let prepared = prepare(
        &request,
        Operation::Chat,
        &client,
        Target { provider, model, service_tier: None },
        &[],
        Duration::ZERO,
    )?;
    let translates = Way::of(provider.api, Operation::Chat) == Some(Way::Translate);
    let losses = translate::format(provider).losses();
    let lost = prepared.dropped.iter().map(|name| losses.of(name));
    let refused = translates && lost.flatten().any(|loss| loss == translate::Loss::Refused);
    Ok(Sent {
        body: serde_json::from_slice(&prepared.body.apply(request.body())).unwrap(),
        refused,
        dropped: prepared.dropped.iter().map(|name| name.to_string()).collect(),
    })
}

struct Sent {
    body: Value,
    dropped: Vec<String>,
    /// Whether a request with these fields would leave the endpoint out of its plan.
    refused: bool,
}

/// What becomes of a field: `None` if it is lost in silence.
fn fate(config: &Config, upstream: Upstream, row: &str, value: &Value) -> Option<&'static str> {
    let field = row.split(' ').next().unwrap();
    let mut body =
        json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4096});
    if row.starts_with("tool_choice") || row.starts_with("parallel") {
        body["tools"] = json!([tool()]);
    }
    let without = prepared(config, upstream, &body).unwrap();
    body[field] = value.clone();
    let Ok(with) = prepared(config, upstream, &body) else { return Some("error") };
    // Formats other than OpenAI's are written from the common form, which has both as `reasoning`.
    let field =
        if field == "reasoning_effort" && upstream.1 != "openai" { "reasoning" } else { field };
    let is_named = with
        .dropped
        .iter()
        .any(|name| !without.dropped.contains(name) && name.split('.').any(|it| it == field));
    match () {
        () if with.refused => Some("refused"),
        () if APPLIED.contains(&row) => Some("applied"),
        () if with.body == without.body && is_named => Some("dropped"),
        () if with.body == without.body => IMPLIED.contains(&row).then_some("implied"),
        () if is_named => Some("approximated"),
        () if with.body[row.split(' ').next().unwrap()] == *value => Some("passed"),
        () => Some("translated"),
    }
}

#[test]
fn no_field_is_lost_in_silence() {
    let config = config();
    let mut table = format!("{:31}", "");
    table.extend(upstreams().iter().map(|(column, ..)| format!(" {column:14}")));
    let mut lost = Vec::new();
    for (row, value) in fields() {
        table.push_str(&format!("\n{row:31}"));
        for upstream in upstreams() {
            let fate = fate(&config, upstream, row, &value);
            table.push_str(&format!(" {:14}", fate.unwrap_or("LOST")));
            lost.extend(fate.is_none().then(|| format!("{row} at {}", upstream.0)));
        }
    }
    let table: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    assert!(lost.is_empty(), "{lost:#?}\n{table}");
    #[cfg(not(target_family = "wasm"))]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/provider/fixtures/parameters.txt");
        return std::fs::write(file, table).unwrap();
    }
    assert_eq!(table, include_str!("fixtures/parameters.txt"));
}

/// The body for an upstream as bytes, and what is said to be dropped.
fn body_for(column: &str, json: &str) -> (String, String) {
    let config = config();
    let request = Request::parse(json.as_bytes().to_vec(), &Limits::default()).unwrap();
    let provider = provider(&config, column);
    let client = ClientHeaders::default();
    let prepared = prepare(
        &request,
        Operation::Chat,
        &client,
        Target { provider, model: "up", service_tier: None },
        &[],
        Duration::ZERO,
    )
    .unwrap();
    let body = prepared.body.apply(request.body()).into_owned();
    (String::from_utf8(body).unwrap(), prepared.dropped.join(", "))
}

#[test]
fn openrouters_additions_do_not_reach_an_upstream_that_refuses_them() {
    for (body, expected, dropped) in [
        (
            r#"{"model":"m", "max_tokens" : 9, "messages":[ ]}"#,
            r#"{"max_completion_tokens" : 9,"model":"up", "messages":[ ]}"#,
            "",
        ),
        (
            r#"{"model":"m","max_tokens":9,"max_completion_tokens":8}"#,
            r#"{"model":"up","max_completion_tokens":8}"#,
            "",
        ),
        (
            r#"{"model":"m","reasoning":{"effort":"low"},"top_k":null}"#,
            r#"{"reasoning_effort":"low","model":"up"}"#,
            "",
        ),
        (
            r#"{"model":"m","reasoning":{"effort":"low"},"reasoning_effort":"low"}"#,
            r#"{"model":"up","reasoning_effort":"low"}"#,
            "",
        ),
        (r#"{"model":"m","reasoning":{"exclude":true}}"#, r#"{"model":"up"}"#, "reasoning.exclude"),
        (r#"{"model":"m","reasoning":null}"#, r#"{"model":"up"}"#, ""),
        (
            r#"{"model":"m","max_tokens":9,"reasoning":{"max_tokens":5000}}"#,
            r#"{"reasoning_effort":"medium","max_completion_tokens":9,"model":"up"}"#,
            "reasoning.max_tokens",
        ),
        (
            concat!(
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","#,
                r#""cache_control":{"type":"ephemeral"},"text":"a"}]},{"reasoning":"r","#,
                r#""role":"assistant","content":"b", "reasoning_details":[{"a":{}}] , "own":1}]}"#
            ),
            concat!(
                r#"{"model":"up","messages":[{"role":"user","content":[{"type":"text","#,
                r#""text":"a"}]},{"role":"assistant","content":"b" , "own":1}]}"#
            ),
            "messages.cache_control, messages.reasoning",
        ),
    ] {
        assert_eq!(body_for("openai", body), (expected.to_owned(), dropped.to_owned()), "{body}");
        let untouched = body.replace(r#""m""#, r#""up""#);
        assert_eq!(body_for("openrouter", body), (untouched, String::new()), "{body}");
    }
}

#[test]
fn a_reasoning_that_makes_no_sense_is_the_clients_fault() {
    let config = config();
    for reasoning in [json!("high"), json!({"effort": "somewhat"})] {
        let body = json!({"model": "m", "reasoning": reasoning});
        let told = prepared(&config, UPSTREAMS[0], &body).map(|_| ()).unwrap_err();
        assert_eq!(told.status(), 400, "{told}");
    }
}

#[test]
fn a_parameter_that_would_be_taken_out_is_unsupported() {
    let config = config();
    for (body, expected) in [
        (r#"{"temperature":1,"seed":1,"reasoning":{},"include_reasoning":true}"#, None),
        (r#"{"top_k":null}"#, None),
        (r#"{"top_k":1}"#, Some("top_k")),
        (r#"{"repetition_penalty":1}"#, Some("repetition_penalty")),
    ] {
        let request = Request::parse(body.as_bytes().to_vec(), &Limits::default()).unwrap();
        assert_eq!(unsupported(provider(&config, "openai"), &request), expected, "{body}");
        assert_eq!(unsupported(provider(&config, "compatible"), &request), None, "{body}");
    }
}
