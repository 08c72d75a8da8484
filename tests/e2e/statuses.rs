//! Every status an error may have, in each dialect: the status, the text that clients match on, the
//! machine-readable type, what was tried, and whether it is worth trying again.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{FACES, Gateway, chat};
use crate::schema::Answers;
use crate::setup::{REFUSED, Setup};

/// A provider's status, our type of error, and what `availability` says.
type Row = (u16, &'static str, Option<&'static str>);

const UPSTREAM: [Row; 14] = [
    (400, "invalid_request", None),
    (401, "authentication", None),
    (402, "payment_required", None),
    (403, "permission_denied", None),
    (404, "not_found", Some("model_unavailable_upstream")),
    (408, "timeout", Some("temporarily_unavailable")),
    (413, "payload_too_large", None),
    (422, "unprocessable", None),
    (429, "rate_limit_exceeded", Some("capacity_exhausted")),
    (500, "server", Some("temporarily_unavailable")),
    (502, "provider_unavailable", Some("temporarily_unavailable")),
    (503, "provider_overloaded", Some("temporarily_unavailable")),
    (524, "server", Some("temporarily_unavailable")),
    (529, "provider_overloaded", Some("temporarily_unavailable")),
];

/// A time later than any run of these tests. Of the forms of an HTTP date it is the one without a
/// comma, which would separate two faults.
const DATE: &str = "Fri Dec 31 23:59:59 2100";
const DATE_SECONDS: u64 = 4_133_980_799;

fn setup() -> Setup {
    let mut setup = Setup::new()
        .document(json!({"limits": {"request_bytes": 1 << 20}}))
        .chain("good", &[""])
        .chain("plain", &["", ""])
        .model("plain", json!({"input_modalities": ["text"]}))
        .chain("dated", &[&format!("status=429,retry-after={DATE}")])
        .chain("past", &["status=503,retry-after=Thu Jan  1 00:00:00 1970"])
        .chain(
            "tried",
            &["status=503,retry-after=9", "status=429,retry-after=4", REFUSED, "empty", ""],
        )
        .chain("long", &["status=400,error-code=context_length_exceeded"])
        .chain("moderated", &["status=400,error-code=content_filter"]);
    for (status, ..) in UPSTREAM {
        let name = format!("s{status}");
        setup = setup.chain(&name, &[&format!("status={status},error-code=its_code")]);
        // Only where the key is the client's own, the client is told what is wrong with it.
        setup.document["providers"][format!("{name}-0")]["auth"] = json!({"type": "passthrough"});
    }
    for provider in setup.document["providers"].as_object_mut().unwrap().values_mut() {
        provider["name"] = "Nebius".into();
    }
    for endpoint in setup.document["models"][1]["endpoints"].as_array_mut().unwrap() {
        endpoint["supported_parameters"] = json!(["max_tokens"]);
    }
    setup
}

on_envoy! { setup:
    a_providers_error_has_its_status_in_every_dialect,
    what_the_gateway_refuses_has_openrouters_texts,
    what_is_no_request_is_refused_in_openrouters_form,
    an_error_names_every_attempt_and_what_removed_the_rest,
    a_dated_retry_after_is_passed_on_as_seconds,
    codes_of_providers_become_types,
}

/// Asks in one of the dialects.
fn ask(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    gateway.request(
        "POST",
        path,
        &[("content-type", "application/json")],
        body.to_string().as_bytes(),
    )
}

fn a_providers_error_has_its_status_in_every_dialect(gateway: &Gateway) {
    let answers = Answers::default();
    for row in UPSTREAM {
        check_chat(gateway, &answers, row);
        for base in FACES {
            check_messages(gateway, &answers, row, base);
            check_responses(gateway, row, base);
        }
        check_openais_chat(gateway, row);
    }
    answers.validate();
}

/// How the header that names the attempts begins.
fn tried(status: u16) -> String {
    format!("s{status}-0;reason=status_")
}

fn check_chat(gateway: &Gateway, answers: &Answers, (status, kind, availability): Row) {
    let reply = ask(gateway, "/api/v1/chat/completions", &chat(&format!("s{status}")));
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (status, &json!(status)), "{reply:?}");
    assert_eq!(error["message"], "Provider returned error");
    let metadata = &error["metadata"];
    for (name, expected) in [
        ("error_type", json!(kind)),
        ("provider_code", json!("its_code")),
        ("provider_name", json!("Nebius")),
        ("is_byok", json!(false)),
    ] {
        assert_eq!(metadata[name], expected, "{name}: {error}");
    }
    assert!(metadata["raw"].as_str().unwrap().contains("scripted status"), "{error}");
    assert_eq!(metadata["tried"][0]["status"], status, "{error}");
    assert_eq!(error["availability"]["code"].as_str(), availability, "{error}");
    let retryable = matches!(availability, Some("capacity_exhausted" | "temporarily_unavailable"));
    assert_eq!(error["availability"]["retryable"] == true, retryable, "{error}");
    assert_eq!(metadata["limit_source"].is_string(), status == 429, "{error}");
    answers.whole(&format!("a provider's {status}"), "/chat/completions", &reply);
}

fn check_messages(gateway: &Gateway, answers: &Answers, (status, kind, _): Row, base: &str) {
    let turn = json!({"role": "user", "content": "Hi"});
    let body = json!({"model": format!("t/s{status}"), "max_tokens": 9, "messages": [turn]});
    let reply = ask(gateway, &format!("{base}/messages"), &body);
    let told = reply.json();
    assert_eq!((reply.status, &told["type"]), (status, &json!("error")), "{base}: {reply:?}");
    assert_eq!(told["error"]["error_type"], kind, "{base}: {reply:?}");
    let header = reply.header("x-modelyard-tried").unwrap();
    assert!(header.starts_with(&tried(status)), "{base}: {reply:?}");
    // OpenRouter's description lacks the type that Anthropic has for a request that is too large.
    if status != 413 {
        answers.named(&format!("a provider's {status}"), "AnthropicMessagesErrorResponse", &told);
    }
}

fn check_responses(gateway: &Gateway, (status, kind, _): Row, base: &str) {
    let body = json!({"model": format!("t/s{status}"), "input": "Hi"});
    let reply = ask(gateway, &format!("{base}/responses"), &body);
    let error = &reply.json()["error"];
    assert_eq!(reply.status, status, "{base}: {reply:?}");
    assert!(error["message"].is_string(), "{base}: {reply:?}");
    if base == "/v1" {
        assert_eq!(error["error_type"], kind, "{reply:?}");
        assert!(error["code"].is_string(), "{reply:?}");
        let header = reply.header("x-modelyard-tried").unwrap();
        assert!(header.starts_with(&tried(status)), "{reply:?}");
    } else {
        // On OpenRouter's face the error has the same form as for chat completions.
        assert_eq!(error["metadata"]["error_type"], kind, "{reply:?}");
        assert_eq!(error["code"], status, "{reply:?}");
        assert_eq!(error["metadata"]["tried"][0]["status"], status, "{reply:?}");
    }
}

/// The body is the provider's own; what the gateway adds stands in headers.
fn check_openais_chat(gateway: &Gateway, (status, kind, _): Row) {
    let reply = ask(gateway, "/v1/chat/completions", &chat(&format!("s{status}")));
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.json()["error"]["code"], "its_code", "{reply:?}");
    let header = reply.header("x-modelyard-tried").unwrap();
    assert!(header.starts_with(&tried(status)), "{reply:?}");
    assert_eq!(gateway.entry(&reply)["error_type"], kind);
}

/// A request that the gateway refuses, and why.
struct Refused {
    /// What the request has besides a usual one.
    patch: Value,
    status: u16,
    /// How the message begins.
    text: &'static str,
    /// The code of `availability`.
    availability: Option<&'static str>,
    /// What excluded all endpoints.
    excluded_by: Option<&'static str>,
}

/// Requests that are wrong in themselves.
fn mistakes() -> [Refused; 3] {
    [
        (json!({"model": "t/nobody"}), "t/nobody is not a valid model ID", Some("model_not_found")),
        (json!({"provider": {"sort": 7}}), "provider.sort: ", None),
        (
            json!({"models": ["a", "b", "c", "d"]}),
            "models: 'models' array must have 3 items or fewer.",
            None,
        ),
    ]
    .map(|(patch, text, availability)| Refused {
        patch,
        status: 400,
        text,
        availability,
        excluded_by: None,
    })
}

/// Requests that no endpoint may serve.
fn exclusions() -> [Refused; 6] {
    let look = json!({"name": "look", "parameters": {"type": "object"}});
    let tool = json!({"type": "function", "function": look});
    let image = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]);
    let filtered = "constraint_filtered";
    [
        (
            json!({"provider": {"only": ["azure"]}}),
            "No allowed providers are available for the selected model. \
             Providers serving t/plain: plain-0, plain-1, \
             but your request's provider.only preference permits only: azure.",
            filtered,
            "allowed_providers",
        ),
        (
            json!({"tools": [tool], "provider": {"require_parameters": true}}),
            "No endpoints found that support tool use",
            filtered,
            "require_parameters",
        ),
        (
            json!({"messages": [{"role": "user", "content": image}]}),
            "No endpoints found that support image input",
            filtered,
            "require_parameters",
        ),
        (
            json!({"top_k": 5, "provider": {"require_parameters": true}}),
            "No endpoints found that can handle the requested parameters.",
            filtered,
            "require_parameters",
        ),
        (
            json!({"provider": {"data_collection": "deny"}}),
            "No endpoints found matching your data policy",
            "privacy_restricted",
            "data_policy:training",
        ),
        (
            json!({"provider": {"max_price": {"prompt": 0.5}}}),
            "No endpoints found for t/plain.",
            filtered,
            "max_price",
        ),
    ]
    .map(|(patch, text, availability, excluded_by)| Refused {
        patch,
        status: 404,
        text,
        availability: Some(availability),
        excluded_by: Some(excluded_by),
    })
}

fn what_the_gateway_refuses_has_openrouters_texts(gateway: &Gateway) {
    let answers = Answers::default();
    for refused in mistakes().into_iter().chain(exclusions()) {
        let Refused { patch, status, text, availability, excluded_by } = refused;
        let mut body = chat("plain");
        crate::setup::merge(&mut body, &patch);
        // OpenAI's face has no bound on the number of models.
        if patch.get("models").is_none() {
            let reply = gateway.ask("/v1", &body);
            let error = &reply.json()["error"];
            assert_eq!(reply.status, status, "{patch}: {reply:?}");
            assert!(error["message"].as_str().unwrap().starts_with(text), "{patch}: {error}");
            assert_eq!(error["type"], "invalid_request_error", "{patch}: {error}");
        }
        let reply = gateway.ask("/api/v1", &body);
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["code"]), (status, &json!(status)), "{patch}: {reply:?}");
        assert!(error["message"].as_str().unwrap().starts_with(text), "{patch}: {error}");
        let told = &error["availability"];
        assert_eq!(told["code"].as_str(), availability, "{patch}: {error}");
        assert_eq!(told["excluded_by"][0].as_str(), excluded_by, "{patch}: {error}");
        let dropped = error["metadata"]["dropped"].as_array().map_or(0, Vec::len);
        assert_eq!(dropped, if excluded_by.is_some() { 2 } else { 0 }, "{patch}: {error}");
        answers.whole(&patch.to_string(), "/chat/completions", &reply);
    }
    answers.validate();
}

fn what_is_no_request_is_refused_in_openrouters_form(gateway: &Gateway) {
    let answers = Answers::default();
    let large = format!(r#"{{"model": "t/good", "messages": [], "x": "{}"}}"#, "x".repeat(1 << 20));
    let zipped = [("content-type", "application/json"), ("content-encoding", "gzip")];
    for (context, reply, status) in [
        ("no JSON", gateway.post("/api/v1", b"no JSON"), 400),
        ("too large", gateway.post("/api/v1", large.as_bytes()), 413),
        ("compressed", gateway.request("POST", "/api/v1/chat/completions", &zipped, b"{}"), 415),
        ("a wrong method", gateway.request("PUT", "/api/v1/chat/completions", &[], b"{}"), 405),
    ] {
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (status, &json!(status)),
            "{context}: {reply:?}"
        );
        answers.named(context, "BadRequestResponse", &reply.json());
    }
    answers.validate();
}

fn an_error_names_every_attempt_and_what_removed_the_rest(gateway: &Gateway) {
    let mut body = chat("tried");
    body["provider"] =
        json!({"ignore": ["tried-4"], "order": ["tried-0", "tried-1", "tried-2", "tried-3"]});
    let reply = gateway.ask("/v1", &body);
    let told = reply.header("x-modelyard-tried").unwrap();
    for part in [
        "tried-0;reason=status_5xx;status=503",
        "tried-1;reason=status_429;status=429",
        "tried-2;reason=connect",
        "tried-3;reason=empty;status=200",
        "tried-4;dropped=\"provider.ignore\"",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert_eq!(reply.header("retry-after"), Some("4"), "{reply:?}");

    // The endpoints that failed first cool down now and come last, so the order of the attempts is
    // not known.
    let reply = gateway.ask("/api/v1", &body);
    let error = &reply.json()["error"];
    let metadata = &error["metadata"];
    let previous = metadata["previous_errors"].as_array().unwrap();
    assert_eq!(previous.len(), 3, "{error}");
    for attempt in previous {
        assert_eq!(attempt["provider"], "Nebius", "{error}");
        let code = match attempt["reason"].as_str().unwrap() {
            "status_5xx" => 503,
            "status_429" => 429,
            "connect" | "empty" => 502,
            other => panic!("{other}: {error}"),
        };
        assert_eq!(attempt["code"], code, "{error}");
    }
    assert_eq!(
        metadata["dropped"],
        json!([{"endpoint": "tried-4/up-tried", "reason": "provider.ignore"}])
    );
    let availability = &error["availability"];
    assert_eq!(availability["requested_models"], json!(["t/tried"]));
    assert_eq!(
        (&availability["retryable"], &availability["retry_after"]),
        (&json!(true), &json!(4)),
        "{error}"
    );
    assert_eq!(availability["affected_providers"].as_array().unwrap().len(), 4, "{error}");
}

fn a_dated_retry_after_is_passed_on_as_seconds(gateway: &Gateway) {
    let before =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for base in FACES {
        let reply = gateway.ask(base, &chat("dated"));
        let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        let expected = DATE_SECONDS - before;
        assert!(
            (expected.saturating_sub(120)..=expected + 1).contains(&seconds),
            "{seconds}: {reply:?}"
        );
        let record = &gateway.entry(&reply)["record"];
        assert!(
            record["attempts"][0]["retry_after_s"].as_u64().unwrap() > 1_000_000_000,
            "{record}"
        );
        assert_eq!(gateway.ask(base, &chat("past")).header("retry-after"), Some("1"));
    }
}

fn codes_of_providers_become_types(gateway: &Gateway) {
    for (name, kind) in
        [("long", "context_length_exceeded"), ("moderated", "content_policy_violation")]
    {
        let reply = gateway.ask("/api/v1", &chat(name));
        assert_eq!(
            (reply.status, &reply.json()["error"]["metadata"]["error_type"]),
            (400, &json!(kind)),
            "{reply:?}"
        );
        assert!(reply.json()["error"]["availability"].is_null(), "{reply:?}");
    }
}
