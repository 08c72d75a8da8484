//! Every status an error may have, in each dialect: the status, the text that clients match on, the
//! machine-readable type, what was tried, and whether it is worth trying again.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{FACES, Gateway, chat};
use crate::schema::Answers;
use crate::setup::{REFUSED, Setup};

/// A provider's status, our type of error, and what `availability` says.
const UPSTREAM: [(u16, &str, Option<&str>); 14] = [
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

/// Far enough away to be later than any run of this, in the one form of an HTTP date that has no
/// comma.
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
        // Where the key is the client's own, so is what is wrong with it.
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
    for (status, kind, availability) in UPSTREAM {
        let name = format!("s{status}");
        let messages = json!({"model": format!("t/{name}"), "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
        let input = json!({"model": format!("t/{name}"), "input": "Hi"});
        let context = format!("a provider's {status}");
        let tried = format!("{name}-0;reason=status_");

        let reply = ask(gateway, "/api/v1/chat/completions", &chat(&name));
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["code"]), (status, &json!(status)), "{reply:?}");
        assert_eq!(error["message"], "Provider returned error");
        let metadata = &error["metadata"];
        assert_eq!(
            (&metadata["error_type"], &metadata["provider_code"]),
            (&json!(kind), &json!("its_code")),
            "{error}"
        );
        assert_eq!(
            (&metadata["provider_name"], &metadata["is_byok"]),
            (&json!("Nebius"), &json!(false)),
            "{error}"
        );
        assert!(metadata["raw"].as_str().unwrap().contains("scripted status"), "{error}");
        assert_eq!(metadata["tried"][0]["status"], status, "{error}");
        assert_eq!(error["availability"]["code"].as_str(), availability, "{error}");
        let retryable =
            matches!(availability, Some("capacity_exhausted" | "temporarily_unavailable"));
        assert_eq!(error["availability"]["retryable"] == true, retryable, "{error}");
        assert_eq!(metadata["limit_source"].is_string(), status == 429, "{error}");
        answers.whole(&context, "/chat/completions", &reply);

        for base in FACES {
            let reply = ask(gateway, &format!("{base}/messages"), &messages);
            let body = reply.json();
            assert_eq!(
                (reply.status, &body["type"]),
                (status, &json!("error")),
                "{base}: {reply:?}"
            );
            assert_eq!(body["error"]["error_type"], kind, "{base}: {reply:?}");
            assert!(
                reply.header("x-modelyard-tried").unwrap().starts_with(&tried),
                "{base}: {reply:?}"
            );
            // OpenRouter's list of types lacks Anthropic's own for a request that is too large.
            if status != 413 {
                answers.named(&context, "AnthropicMessagesErrorResponse", &body);
            }

            let reply = ask(gateway, &format!("{base}/responses"), &input);
            let error = &reply.json()["error"];
            // OpenRouter's clients want its envelope here, too.
            let (type_, code) = match base {
                "/v1" => (&error["error_type"], error["code"].is_string()),
                _ => (&error["metadata"]["error_type"], error["code"] == status),
            };
            assert_eq!((reply.status, type_), (status, &json!(kind)), "{base}: {reply:?}");
            assert!(code && error["message"].is_string(), "{base}: {reply:?}");
            match base {
                "/v1" => assert!(
                    reply.header("x-modelyard-tried").unwrap().starts_with(&tried),
                    "{reply:?}"
                ),
                _ => assert_eq!(error["metadata"]["tried"][0]["status"], status, "{reply:?}"),
            }
        }

        // The provider's own bytes, and the rest in headers.
        let reply = ask(gateway, "/v1/chat/completions", &chat(&name));
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (status, &json!("its_code")),
            "{reply:?}"
        );
        assert!(reply.header("x-modelyard-tried").unwrap().starts_with(&tried), "{reply:?}");
        assert_eq!(gateway.entry(&reply)["error_type"], kind);
    }
    answers.validate();
}

fn what_the_gateway_refuses_has_openrouters_texts(gateway: &Gateway) {
    let tool =
        json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}});
    let image = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]);
    // What is asked for besides, the status, how the message begins, the code of `availability`,
    // what removed endpoints.
    let rows = [
        (
            json!({"model": "t/nobody"}),
            400,
            "t/nobody is not a valid model ID",
            Some("model_not_found"),
            None,
        ),
        (json!({"provider": {"sort": 7}}), 400, "provider.sort: ", None, None),
        (
            json!({"models": ["a", "b", "c", "d"]}),
            400,
            "models: 'models' array must have 3 items or fewer.",
            None,
            None,
        ),
        (
            json!({"provider": {"only": ["azure"]}}),
            404,
            "No allowed providers are available for the selected model. Providers serving t/plain: plain-0, plain-1, \
             but your request's provider.only preference permits only: azure.",
            Some("constraint_filtered"),
            Some("allowed_providers"),
        ),
        (
            json!({"tools": [tool], "provider": {"require_parameters": true}}),
            404,
            "No endpoints found that support tool use",
            Some("constraint_filtered"),
            Some("require_parameters"),
        ),
        (
            json!({"messages": [{"role": "user", "content": image}]}),
            404,
            "No endpoints found that support image input",
            Some("constraint_filtered"),
            Some("require_parameters"),
        ),
        (
            json!({"top_k": 5, "provider": {"require_parameters": true}}),
            404,
            "No endpoints found that can handle the requested parameters.",
            Some("constraint_filtered"),
            Some("require_parameters"),
        ),
        (
            json!({"provider": {"data_collection": "deny"}}),
            404,
            "No endpoints found matching your data policy",
            Some("privacy_restricted"),
            Some("data_policy:training"),
        ),
        (
            json!({"provider": {"max_price": {"prompt": 0.5}}}),
            404,
            "No endpoints found for t/plain.",
            Some("constraint_filtered"),
            Some("max_price"),
        ),
    ];
    let answers = Answers::default();
    for (patch, status, text, availability, excluded_by) in rows {
        let mut body = chat("plain");
        crate::setup::merge(&mut body, &patch);
        for base in FACES {
            let reply = gateway.ask(base, &body);
            if base == "/v1" && patch.get("models").is_some() {
                continue;
            }
            assert_eq!(reply.status, status, "{base} {patch}: {reply:?}");
            let error = &reply.json()["error"];
            assert!(
                error["message"].as_str().unwrap().starts_with(text),
                "{base} {patch}: {error}"
            );
            if base == "/v1" {
                assert_eq!(error["type"], "invalid_request_error", "{patch}: {error}");
                continue;
            }
            assert_eq!(error["code"], status, "{patch}: {error}");
            assert_eq!(error["availability"]["code"].as_str(), availability, "{patch}: {error}");
            assert_eq!(
                error["availability"]["excluded_by"][0].as_str(),
                excluded_by,
                "{patch}: {error}"
            );
            let dropped = error["metadata"]["dropped"].as_array().map_or(0, Vec::len);
            assert_eq!(dropped, if excluded_by.is_some() { 2 } else { 0 }, "{patch}: {error}");
            answers.whole(&patch.to_string(), "/chat/completions", &reply);
        }
    }
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

    // The first ones cool down now and come last, so only the set is sure.
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
