//! What the benchmarks of the core share: a catalogue, and exchanges played as the shell plays
//! them.
#![allow(clippy::expect_used, reason = "a benchmark may end where something is wrong")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use modelyard::config::Config;
use modelyard::exchange::{Arrival, Dispatch, Exchange, Verdict};
use modelyard::operation::{Face, Operation};
use modelyard::route::Health;

/// The key of every provider: as long as theirs are, because answers are searched for it.
const KEY: &str = "sk-proj-4fTq8ZrWn1LxKc6VbY0uHs3JdPe7GmAo_R5iUw9XtB2vQyNkSa-hDlEjFzCgMp";

/// The time at which everything happens.
pub(crate) const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A whole answer of an upstream that speaks OpenAI's format.
pub(crate) const ANSWER: &str = concat!(
    r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"up-7","choices":[{"#,
    r#""index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"#,
    r#""usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#
);

thread_local! {
    static HEALTH: RefCell<Health> = RefCell::default();
}

const PARAMETERS: [&str; 15] = [
    "tools",
    "tool_choice",
    "response_format",
    "structured_outputs",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "reasoning",
    "include_reasoning",
];

/// A document of `models` models, each offered by `endpoints` providers with everything an endpoint
/// may say.
///
/// `m/model-0` to the last speak OpenAI's format; `m/claude` is Anthropic's.
pub(crate) fn catalogue(models: usize, endpoints: usize) -> String {
    let mut providers: serde_json::Map<String, Value> =
        (0..endpoints).map(|index| (format!("p{index}"), provider(index))).collect();
    providers.insert("claude".to_owned(), json!({"api": "anthropic", "host": "claude.example"}));
    let mut models: Vec<_> = (0..models).map(|index| model(index, endpoints)).collect();
    let claude = json!({"provider": "claude", "model": "claude-sonnet-4-5"});
    models.push(json!({"id": "m/claude", "endpoints": [claude]}));
    json!({"providers": providers, "models": models}).to_string()
}

fn provider(index: usize) -> Value {
    let auth = json!({"type": "bearer", "env": "KEY"});
    json!({"api": "openai", "host": format!("p{index}.example"), "auth": auth})
}

fn model(index: usize, endpoints: usize) -> Value {
    let endpoints: Vec<_> = (0..endpoints).map(|provider| endpoint(provider, index)).collect();
    json!({
        "id": format!("m/model-{index}"),
        "name": format!("Model number {index}"),
        "aliases": [format!("model-{index}")],
        "context_length": 1_048_576,
        "input_modalities": ["text", "image"],
        "endpoints": endpoints,
    })
}

fn endpoint(provider: usize, model: usize) -> Value {
    json!({
        "provider": format!("p{provider}"),
        "model": format!("up-{model}"),
        "pricing": {
            "prompt": "0.000001",
            "completion": "0.000002",
            "input_cache_read": "0.0000001",
        },
        "context_length": 1_048_576,
        "max_completion_tokens": 32_768,
        "quantization": "fp8",
        "supported_parameters": PARAMETERS,
        "regions": ["us"],
        "data_policy": {"retains": false, "trains": false},
    })
}

/// Reads a document.
pub(crate) fn config(document: &str) -> Rc<Config> {
    let (config, _) =
        Config::parse(document.as_bytes(), &|_| Some(KEY.to_owned())).expect("a good document");
    Rc::new(config)
}

/// A chat request of about `size` bytes.
pub(crate) fn chat(model: &str, size: usize, stream: bool) -> Vec<u8> {
    let words = "The quick brown fox jumps over the lazy dog; \"quoted\", and on a\nnew line. ";
    let content: String = words.chars().cycle().take(size.saturating_sub(200)).collect();
    let message = json!({"role": "user", "content": content});
    format!(
        "{{\"model\":\"{model}\",\"stream\":{stream},\"temperature\":0.7,\"messages\":[{message}]}}"
    )
    .into_bytes()
}

/// Runs `use_it` with what is known of the endpoints' health, which a worker keeps from request to
/// request.
pub(crate) fn with_health<R>(use_it: impl FnOnce(&mut Health) -> R) -> R {
    HEALTH.with_borrow_mut(use_it)
}

/// Takes in a request.
pub(crate) fn open(config: &Rc<Config>, face: Face, body: Vec<u8>, seed: u64) -> Exchange {
    let headers = [
        (":method", "POST"),
        (":path", "/v1/chat/completions"),
        (":authority", "gateway.example"),
        ("content-type", "application/json"),
        ("user-agent", "bench"),
        ("accept", "*/*"),
        ("authorization", "Bearer client"),
    ];
    let arrival = Arrival {
        face,
        operation: Operation::Chat,
        headers: &headers,
        body,
        random: [seed, 2],
        now: NOW,
    };
    let exchange = with_health(|health| Exchange::open(config.clone(), arrival, health));
    assert!(exchange.departure().is_ok(), "the request was refused");
    exchange
}

/// Begins the first attempt.
pub(crate) fn begin(exchange: &mut Exchange) -> Dispatch<'_> {
    let current = [
        (":method", "POST"),
        (":path", "/v1/chat/completions"),
        ("content-type", "application/json"),
    ];
    exchange.begin_attempt(&current, &|| NOW).expect("an attempt")
}

/// Gives the attempt its answer's headers.
pub(crate) fn answer(exchange: &mut Exchange, kind: &str) {
    exchange.answer_headers(0, 200, &[(":status", "200"), ("content-type", kind)], false, &|| NOW);
}

/// Gives the attempt a piece of its answer, which must not be refused.
pub(crate) fn piece(exchange: &mut Exchange, piece: &[u8], end: bool) -> Verdict {
    let verdict = exchange.answer_body(0, piece, end, &|| NOW);
    let refused = matches!(verdict, Verdict::Retry | Verdict::Answer(_) | Verdict::Reset);
    assert!(!refused, "the answer was refused");
    verdict
}
