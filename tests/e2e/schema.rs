//! What the gateway says on OpenRouter's face fits OpenRouter's API description: see
//! `tests/openrouter/validate.py`.
//!
//! The providers here have names of OpenRouter's own, because the description lists all that there
//! may be.

use std::cell::RefCell;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{Gateway, chat, stream};
use crate::setup::{REFUSED, Setup, formats};

/// An interpreter that has the validator; `make setup` installs it.
const PYTHON: &str = ".tools/venv/bin/python";

/// What the fake does at each format: one model for each.
const FAULTS: [(&str, &str); 4] = [
    ("plain", "cached=100,prompt-tokens=1000,reasoning=5"),
    ("tools", "tool-call"),
    ("silent", "no-usage"),
    ("broken", "error-event=2"),
];

/// Answers to be validated together.
#[derive(Default)]
pub(crate) struct Answers(RefCell<Vec<Value>>);

impl Answers {
    /// A whole answer to a request for a path of OpenRouter's description.
    pub(crate) fn whole(&self, context: &str, path: &str, reply: &Reply) {
        let body = reply.json();
        self.add(json!({"context": context, "path": path, "status": reply.status, "body": body}));
    }

    /// Something of which only the schema's name is known.
    pub(crate) fn named(&self, context: &str, schema: &str, body: &Value) {
        self.add(json!({"context": context, "schema": schema, "body": body}));
    }

    /// Every chunk of a stream of chat completions.
    fn chunks(&self, context: &str, reply: &Reply) {
        let events = reply.events();
        assert!(events.len() > 2 && reply.status == 200, "{context}: {reply:?}");
        for (index, event) in events.iter().enumerate().filter(|(_, event)| *event != "[DONE]") {
            let body: Value = serde_json::from_str(event)
                .unwrap_or_else(|error| panic!("{context}: {error}: {event}"));
            let context = format!("{context}, chunk {index}");
            self.add(json!({
                "context": context,
                "path": "/chat/completions",
                "status": 200,
                "stream": true,
                "body": body,
            }));
        }
    }

    fn add(&self, answer: Value) {
        self.0.borrow_mut().push(answer);
    }

    /// Fails with all that does not fit.
    pub(crate) fn validate(self) {
        let answers = self.0.into_inner();
        assert!(!answers.is_empty());
        let mut command = Command::new(PYTHON);
        command
            .arg("tests/openrouter/validate.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut validator =
            command.spawn().unwrap_or_else(|error| panic!("{PYTHON}: {error} (make setup)"));
        let lines: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
        validator.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = validator.wait_with_output().unwrap();
        let [told, failed] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert!(output.status.success(), "{told}{failed}");
    }
}

fn setup() -> Setup {
    let mut setup = Setup::new()
        .chain("listed", &["prompt-tokens=1000,tokens=10", "status=503", REFUSED])
        .model(
            "listed",
            json!({
                "name": "The Listed",
                "context_length": 8000,
                "input_modalities": ["text", "image"],
            }),
        )
        .chain("bare", &[""])
        .chain("failing", &["status=429,retry-after=7", REFUSED])
        .chain("cut", &["cut=2"]);
    for (format, (name, faults)) in formats().flat_map(|format| FAULTS.map(|fault| (format, fault)))
    {
        setup = setup.formats(&format!("{format}-{name}"), &[(format, faults)]);
    }
    let detailed = json!({
        "tag": "eu",
        "quantization": "fp8",
        "max_completion_tokens": 500,
        "regions": ["eu"],
        "supported_parameters": ["tools", "temperature"],
        "pricing": {"prompt": "0.000003", "request": "0.01", "input_cache_read": "0.0000001"},
        "overrides": [{
            "min_prompt_tokens": 200,
            "utc_start": "2230",
            "utc_end": "0600",
            "prompt": "0.000006",
        }],
    });
    crate::setup::merge(&mut setup.document["models"][0]["endpoints"][1], &detailed);
    setup.document["models"][1]["endpoints"][0].as_object_mut().unwrap().remove("pricing");
    for provider in setup.document["providers"].as_object_mut().unwrap().values_mut() {
        provider["name"] = "Nebius".into();
    }
    let endpoints = json!([{"provider": "bare-0", "model": "*"}]);
    setup.document["models"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": "any/*", "endpoints": endpoints}));
    setup
}

on_envoy! { setup:
    listings_fit,
    generations_fit,
    chat_completions_fit,
    errors_of_listings_fit,
}

fn get(gateway: &Gateway, path: &str) -> Reply {
    gateway.request("GET", &format!("/api/v1{path}"), &[], b"")
}

fn listings_fit(gateway: &Gateway) {
    // A request comes first, so that there are measures and costs to be listed.
    gateway.entry(&gateway.ask("/api/v1", &stream("listed")));
    let answers = Answers::default();
    const QUERIES: [&str; 27] = [
        "",
        "?limit=2",
        "?limit=2&offset=1",
        "?offset=100",
        "?category=programming",
        "?supported_parameters=tools,temperature",
        "?output_modalities=all",
        "?input_modalities=image",
        "?sort=newest",
        "?sort=most-popular",
        "?sort=top-weekly",
        "?sort=pricing-low-to-high",
        "?sort=pricing-high-to-low",
        "?sort=context-high-to-low",
        "?sort=throughput-high-to-low",
        "?sort=latency-low-to-high",
        "?sort=intelligence-high-to-low",
        "?q=listed",
        "?context=8000",
        "?min_price=0.5&max_price=3",
        "?min_output_price=0.5&max_output_price=3",
        "?arch=GPT",
        "?model_authors=t",
        "?providers=nebius",
        "?distillable=false",
        "?zdr=true",
        "?region=eu",
    ];
    for query in QUERIES {
        let reply = get(gateway, &format!("/models{query}"));
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        answers.whole(&format!("models{query}"), "/models", &reply);
        let count = get(gateway, &format!("/models/count{query}")).json();
        assert!(count["data"]["count"].is_u64(), "{query}: {count}");
    }
    for model in ["t/listed", "t/bare", "t/gemini-plain", "any/thing"] {
        answers.named(model, "Model", &get(gateway, &format!("/model/{model}")).json()["data"]);
        let reply = get(gateway, &format!("/models/{model}/endpoints"));
        answers.whole(
            &format!("endpoints of {model}"),
            "/models/{author}/{slug}/endpoints",
            &reply,
        );
    }
    answers.whole("providers", "/providers", &get(gateway, "/providers"));
    answers.whole("key", "/key", &gateway.get_as_operator("/api/v1/key"));
    answers.validate();
}

fn generations_fit(gateway: &Gateway) {
    let answers = Answers::default();
    let embeddings = json!({"model": "t/bare", "input": "Hello there"}).to_string();
    let json = [("content-type", "application/json")];
    let mut refused = chat("listed");
    refused["provider"] = json!({"only": ["nobody"]});
    for (context, reply) in [
        ("a plain answer", gateway.ask("/api/v1", &chat("listed"))),
        ("a streamed answer", gateway.ask("/api/v1", &stream("anthropic-plain"))),
        ("no price", gateway.ask("/api/v1", &chat("bare"))),
        ("embeddings", gateway.request("POST", "/api/v1/embeddings", &json, embeddings.as_bytes())),
        ("a failure", gateway.ask("/api/v1", &chat("failing"))),
        ("a broken stream", gateway.ask("/api/v1", &stream("openai-broken"))),
        ("a refusal", gateway.ask("/api/v1", &refused)),
        ("no model", gateway.ask("/api/v1", &chat("nobody"))),
        ("no JSON", gateway.post("/api/v1", b"no JSON")),
    ] {
        gateway.entry(&reply);
        let id = reply.header("x-generation-id").unwrap();
        let path = format!("/generation?id={id}");
        // Another worker can find it only after the next tick of the one that served it.
        assert!(
            gateway.becomes(|| get(gateway, &path).status == 200),
            "{context}: {:?}",
            get(gateway, &path)
        );
        let told = get(gateway, &path);
        answers.whole(context, "/generation", &told);
    }
    answers.validate();
}

fn ask_for_metadata(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    let headers = [("content-type", "application/json"), ("x-openrouter-metadata", "enabled")];
    let body = body.to_string();
    gateway.request("POST", &format!("/api/v1/{path}"), &headers, body.as_bytes())
}

fn chat_completions_fit(gateway: &Gateway) {
    let answers = Answers::default();
    let tool =
        json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}});
    for (format, (name, _)) in formats().flat_map(|format| FAULTS.map(|fault| (format, fault))) {
        let model = format!("{format}-{name}");
        let mut body = chat(&model);
        body["tools"] = json!([tool]);
        let whole = ask_for_metadata(gateway, "chat/completions", &body);
        assert_eq!(whole.status, 200, "{model}: {whole:?}");
        answers.whole(&model, "/chat/completions", &whole);
        body["stream"] = true.into();
        answers.chunks(&model, &ask_for_metadata(gateway, "chat/completions", &body));
    }
    let cut = ask_for_metadata(gateway, "chat/completions", &stream("cut"));
    answers.chunks("a stream that ends early", &cut);
    let fallback = ask_for_metadata(gateway, "chat/completions", &chat("listed"));
    answers.whole("a fallback", "/chat/completions", &fallback);
    let embeddings = json!({"model": "t/listed", "input": "Hello there"});
    let embedded = ask_for_metadata(gateway, "embeddings", &embeddings);
    answers.whole("embeddings", "/embeddings", &embedded);
    let failed = ask_for_metadata(gateway, "chat/completions", &chat("failing"));
    answers.whole("a failure", "/chat/completions", &failed);
    answers.named(
        "metadata beside an error",
        "OpenRouterMetadata",
        &failed.json()["openrouter_metadata"],
    );
    answers.validate();
}

fn errors_of_listings_fit(gateway: &Gateway) {
    let answers = Answers::default();
    for query in [
        "limit=0",
        "limit=1001",
        "offset=-1",
        "sort=best",
        "category=x",
        "region=mars",
        "min_price=cheap",
    ] {
        let reply = get(gateway, &format!("/models?{query}"));
        assert_eq!(reply.status, 400, "{query}: {reply:?}");
        answers.whole(query, "/models", &reply);
    }
    for (path, described) in [
        ("/models/no/model/endpoints", "/models/{author}/{slug}/endpoints"),
        ("/generation?id=gen-1-x", "/generation"),
    ] {
        let reply = get(gateway, path);
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
        answers.whole(path, described, &reply);
    }
    let wrong = gateway.request("POST", "/api/v1/key", &[], b"{}");
    assert_eq!(wrong.status, 405, "{wrong:?}");
    answers.named("a wrong method", "BadRequestResponse", &wrong.json());
    answers.validate();
}
