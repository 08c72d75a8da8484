//! What a client is told when no attempt came to an answer, or none was made.

use super::*;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn twice(act: &Act) -> [Act; 2] {
    [act.clone(), act.clone()]
}

/// One attempt in the metadata of an error.
fn tried(provider: &str, status: Option<u16>, reason: &str) -> Value {
    match status {
        Some(status) => json!({"provider": provider, "status": status, "reason": reason}),
        None => json!({"provider": provider, "reason": reason}),
    }
}

#[test]
fn the_last_error_is_told_in_the_dialect_with_who_was_tried() {
    let html = Act::Answer(500, only(("content-type", "text/html")), vec![b"<html>".to_vec()]);
    // Columns: what both endpoints do, a plain or a streamed request; the status, the reason, the
    // status in `tried`, and the error_type.
    let rows = [
        (Act::Refuse, CHAT, 502, "connect", None, "provider_unavailable"),
        (Act::Break, CHAT, 502, "reset", None, "provider_unavailable"),
        (Act::Silence, CHAT, 504, "timeout", None, "timeout"),
        (Act::Silence, STREAM, 504, "first_token", None, "timeout"),
        (html, CHAT, 500, "status_5xx", Some(500), "server"),
        (answers(503, ERROR), STREAM, 503, "status_5xx", Some(503), "provider_overloaded"),
        (answers(429, ERROR), CHAT, 429, "status_429", Some(429), "rate_limit_exceeded"),
        (answers(404, ERROR), CHAT, 404, "status_4xx", Some(404), "not_found"),
        (answers(408, ""), CHAT, 408, "status_4xx", Some(408), "timeout"),
        (answers(401, ERROR), CHAT, 401, "key", Some(401), "authentication"),
        (answers(200, ""), CHAT, 502, "empty", Some(200), "provider_unavailable"),
        (streams(": x\n\n"), STREAM, 502, "empty", Some(200), "provider_unavailable"),
        (streams(ERROR_EVENT), STREAM, 503, "error_event", Some(200), "provider_overloaded"),
        (answers(200, ERROR), CHAT, 502, "error_event", Some(200), "provider_unavailable"),
        (answers(200, "<html>"), CHAT, 502, "error_event", Some(200), "provider_unavailable"),
    ];
    for (act, body, status, reason, seen, kind) in rows {
        let mut world = play(Face::OpenRouter, body, &twice(&act));
        let told = world.got.json();
        let error = &told["error"];
        assert_eq!((world.got.status, &error["code"]), (status, &json!(status)), "{act:?}");
        assert_eq!(error["metadata"]["error_type"], kind, "{act:?}: {told}");
        assert_eq!(error["metadata"]["provider_name"], "B Org", "{act:?}");
        let both = json!([tried("a", seen, reason), tried("b", seen, reason)]);
        assert_eq!(error["metadata"]["tried"], both, "{act:?}");
        let code = if status == 504 || seen.is_some_and(|seen| seen >= 400) { status } else { 502 };
        let previous =
            json!([{"provider": "A Inc", "code": code, "status": seen, "reason": reason}]);
        assert_eq!(error["metadata"]["previous_errors"], previous, "{act:?}");
        assert_eq!(world.settle().properties["error_type"], kind);

        let mut world = play(Face::OpenAi, body, &twice(&act));
        let told = world.got.json();
        assert_eq!(world.got.status, status, "{act:?}");
        assert!(told["error"]["message"].is_string(), "{act:?}: {told}");
        let status = seen.map(|status| format!(";status={status}")).unwrap_or_default();
        let tried = format!("a;reason={reason}{status}, b;reason={reason}{status}");
        assert_eq!(world.got.header("x-modelyard-tried"), Some(tried.as_str()), "{act:?}");
        assert_eq!(world.settle().properties["error_type"], kind, "{act:?}");
    }
}

#[test]
fn an_openai_error_body_reaches_openais_face_as_it_came() {
    for body in [ERROR, "{ \"error\" : {\"message\":\"x\",\"extra\":[1.0]} , \"more\":1}"] {
        let world = play(Face::OpenAi, CHAT, &twice(&answers(500, body)));
        assert_eq!((world.got.status, world.got.text()), (500, body));
    }
    for body in [
        "",
        "<html>",
        "{}",
        "[1]",
        "{\"message\":\"no\"}",
        "{\"error\":null}",
        "{\"error\":{\"message\":\"cut",
    ] {
        let world = play(Face::OpenAi, CHAT, &twice(&answers(500, body)));
        assert_eq!(world.got.status, 500);
        assert_eq!(world.got.json()["error"]["type"], "api_error", "{body}");
        assert_eq!(world.got.header("content-type"), Some("application/json"), "{body}");
    }
}

#[test]
fn openrouters_face_wraps_the_providers_body() {
    let error = play(Face::OpenRouter, CHAT, &twice(&answers(500, ERROR))).got.json();
    assert_eq!(error["error"]["message"], "Provider returned error");
    assert_eq!(error["error"]["metadata"]["raw"], ERROR);
    assert_eq!(error["error"]["metadata"]["provider_code"], "oops");
    assert_eq!(error["error"]["metadata"]["is_byok"], false);
}

#[test]
fn a_status_in_place_of_a_code_is_not_told_as_one() {
    let rows = [
        // vLLM has the status where others have a code.
        (
            400,
            json!({
                "message": "This model's maximum context length is 9 tokens.",
                "type": "BadRequestError",
                "code": 400,
            }),
            "context_length_exceeded",
            "context_length_exceeded",
        ),
        (
            400,
            json!({"message": "no", "type": "BadRequestError", "code": 400}),
            "BadRequestError",
            "invalid_request",
        ),
        (
            503,
            json!({"message": "no", "type": "api_error", "code": null}),
            "",
            "provider_overloaded",
        ),
        (503, json!({"message": "no", "code": "500"}), "500", "provider_overloaded"),
        (500, json!({"message": "no", "type": "t", "code": 1302}), "1302", "server"),
    ];
    for (status, error, code, kind) in rows {
        let body = json!({"error": error}).to_string();
        let told = play(Face::OpenRouter, CHAT, &twice(&answers(status, &body))).got.json();
        let metadata = &told["error"]["metadata"];
        assert_eq!(metadata["provider_code"].as_str().unwrap_or_default(), code, "{told}");
        assert_eq!(metadata["error_type"], kind, "{told}");
    }
}

#[test]
fn a_rejected_keys_message_is_hidden() {
    let message = "Incorrect API key provided: sk-gate****way";
    let secret = json!({"error": {"message": message, "code": "invalid_api_key"}}).to_string();
    for face in FACES {
        for status in [401, 402, 403] {
            for body in [secret.as_str(), "sk-gate****way", ""] {
                let mut world = play(face, CHAT, &twice(&answers(status, body)));
                assert_eq!(world.got.status, status);
                assert!(!world.got.text().contains("sk-gate"), "{}", world.got.text());
                assert!(world.got.json()["error"]["message"].is_string());
                let books = world.settle();
                assert!(!books.record.to_string().contains("sk-gate"));
            }
        }
    }
}

#[test]
fn nobody_is_sent_elsewhere() {
    for face in FACES {
        for status in [300, 302, 304, 307] {
            let headers = vec![
                (JSON.0, JSON.1.to_owned()),
                ("location", "http://elsewhere.test/".to_owned()),
            ];
            let act = Act::Answer(status, headers, vec![ERROR.as_bytes().to_vec()]);
            let world = play(face, CHAT, &twice(&act));
            assert_eq!((world.got.status, world.got.header("location")), (502, None));
            assert!(world.got.json()["error"]["message"].is_string());
        }
    }
}

fn limited(status: u16, wait: &str) -> Act {
    let headers = vec![(JSON.0, JSON.1.to_owned()), ("retry-after", wait.to_owned())];
    Act::Answer(status, headers, vec![ERROR.as_bytes().to_vec()])
}

#[test]
fn the_smallest_retry_after_is_passed_on() {
    for face in FACES {
        for (first, second, expected) in [
            (limited(429, "20"), limited(429, "7"), Some("7")),
            (limited(429, "3"), limited(503, "7"), Some("3")),
            (limited(429, "3"), Act::Refuse, Some("3")),
            (limited(429, "0.2"), answers(500, ERROR), Some("1")),
            (limited(429, "soon"), limited(429, "-1"), None),
            (answers(500, ERROR), answers(500, ERROR), None),
        ] {
            let world = play(face, CHAT, &[first, second]);
            assert_eq!(world.got.header("retry-after"), expected);
        }
    }
}

#[test]
fn retry_after_becomes_a_cooldown_of_that_endpoint() {
    let mut world = play(Face::OpenAi, CHAT, &[limited(429, "20"), answers(200, ANSWER)]);
    world.settle();
    assert!(world.health.in_cooldown("a/up-a", world.now));
    assert!(!world.health.in_cooldown("a/up-a", world.now + Duration::from_secs(20)));
    assert!(!world.health.in_cooldown("b/up-b", world.now));
    let mut world = World::open_with(
        &config(&document()),
        (Face::OpenAi, Operation::Chat),
        &[],
        CHAT,
        world.health,
    );
    world.begin();
    assert_eq!(world.clusters, ["cluster-b"]);
}

#[test]
fn what_cannot_be_served_is_told_before_any_attempt() {
    // Columns: the body; the status, the code and the error_type.
    let rows = [
        ("hello", 400, json!("invalid_json"), "invalid_request"),
        ("{\"model\":\"m/one\"", 400, json!("invalid_json"), "invalid_request"),
        ("{}", 400, json!(null), "invalid_request"),
        ("{\"model\":7}", 400, json!(null), "invalid_request"),
        ("{\"model\":\"a\",\"model\":\"b\"}", 400, json!("duplicate_key"), "invalid_request"),
        ("{\"model\":\"nobody/knows\"}", 400, json!("model_not_found"), "not_found"),
        ("{\"models\":[\"m/one\",\"nobody/knows\"]}", 400, json!("model_not_found"), "not_found"),
        (
            "{\"model\":\"m/one\",\"provider\":{\"only\":[\"zzz\"]}}",
            404,
            json!("no_endpoints"),
            "not_found",
        ),
    ];
    for (body, status, code, kind) in rows {
        for face in FACES {
            let mut world = World::open(&config(&document()), face, body);
            let error = world.got.json()["error"].clone();
            assert_eq!(world.got.status, status, "{body}");
            match face {
                Face::OpenAi => assert_eq!(
                    (&error["code"], &error["error_type"]),
                    (&code, &json!(kind)),
                    "{body}"
                ),
                Face::OpenRouter => {
                    assert_eq!(
                        (&error["code"], &error["metadata"]["error_type"]),
                        (&json!(status), &json!(kind)),
                        "{body}"
                    )
                }
            }
            assert_eq!(world.got.header("x-modelyard-attempts"), Some("0"));
            let id = world.got.header("x-generation-id").unwrap();
            assert!(id.starts_with("gen-1800000000-") && id.len() == 35, "{id}");
            let books = world.settle();
            assert_eq!(books.properties["error_type"], kind);
            assert_eq!(books.stats.len(), 1, "{:?}", books.stats);
            assert_eq!(books.record["attempts"], json!([]));
        }
    }
}

#[test]
fn routing_errors_have_the_texts_clients_match_on() {
    assert_eq!(message(r#"{"model":"nobody/knows"}"#), "nobody/knows is not a valid model ID");
    let none = message(r#"{"model":"m/one","provider":{"ignore":["a","b"]}}"#);
    assert!(none.starts_with("No allowed providers are available"), "{none}");
    assert!(none.contains("a/up-a"), "what removed each endpoint: {none}");
}

/// What OpenRouter's face says of a request that goes nowhere.
fn message(body: &str) -> String {
    let error = World::open(&config(&document()), Face::OpenRouter, body).got.json();
    error["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn the_default_model_stands_in_for_a_missing_one() {
    let mut document = document();
    document["default_model"] = "w/some-model".into();
    for body in ["{}", "{\"model\":null}"] {
        let mut world = World::open(&config(&document), Face::OpenAi, body);
        let dispatch = world.begin();
        let sent: Value = serde_json::from_slice(&dispatch.body.apply(&world.client_body)).unwrap();
        assert_eq!(sent, json!({"model": "some-model"}));
    }
}

#[test]
fn compressed_and_oversized_requests_are_refused() {
    let surface = (Face::OpenAi, Operation::Chat);
    let usual = config(&document());
    for (encoding, status) in [("gzip", 415), ("Identity", 0)] {
        let headers = [("content-encoding", encoding)];
        let world = World::open_with(&usual, surface, &headers, CHAT, Health::default());
        assert_eq!(world.got.status, status, "{encoding}");
    }
    let mut document = document();
    document["limits"] = json!({"request_bytes": 1024});
    let small = config(&document);
    // A body as large as the limit would be larger upstream, because the gateway adds to it.
    for (length, status) in [(1025, 413), (1024, 413), (900, 0)] {
        let padded = format!("{STREAM}{}", " ".repeat(length - STREAM.len()));
        assert_eq!(World::open(&small, Face::OpenAi, &padded).got.status, status, "{length}");
    }
}

#[test]
fn an_answer_past_the_filter_never_passes_for_ours() {
    for face in FACES {
        // No attempt passed the upstream filter, and yet the host has a success for the client.
        let mut world = World::open(&config(&document()), face, CHAT);
        world.host_answers(200, 1);
        assert_eq!(world.got.status, 502);
        assert!(world.got.text().contains("cluster-a"), "{}", world.got.text());
        assert_eq!(world.settle().properties["error_type"], "provider_unavailable");
        // The first attempt passed the upstream filter, but the second one did not.
        let mut world = World::begun(&config(&document()), face, CHAT);
        world.headers(500, &[JSON], false);
        world.host_answers(200, 2);
        assert_eq!(world.got.status, 502);
        assert!(world.got.text().contains("cluster-b"), "{}", world.got.text());
    }
}

#[test]
fn nor_does_an_error_past_the_filter() {
    for (status, attempts) in [(503, 0), (504, 1)] {
        let mut world = World::open(&config(&document()), Face::OpenAi, CHAT);
        if attempts > 0 {
            world.begin();
            world.headers(500, &[JSON], false);
        }
        world.host_answers(status, attempts + 1);
        let error = &world.got.json()["error"];
        assert_eq!((world.got.status, &error["code"]), (502, &json!("filter_bypassed")), "{error}");
    }
}

#[test]
fn a_retry_the_host_refused_is_named() {
    let cases = [
        (Refusal::Overflow, ["max_retries", "cluster-a"]),
        (Refusal::NoHealthyUpstream, ["no healthy hosts", "cluster-b"]),
        (Refusal::Unknown, ["retry_policy", "request_body_buffer_limit"]),
    ];
    for (face, (refusal, named)) in
        FACES.into_iter().flat_map(|face| cases.map(|case| (face, case)))
    {
        let mut world = World::begun(&config(&document()), face, CHAT);
        assert_eq!(world.headers(500, &[JSON], false), Verdict::Retry);
        // The host counts a retry also where the cluster has no healthy host to send it to.
        world.host_refuses(500, 1 + usize::from(refusal == Refusal::NoHealthyUpstream), refusal);
        assert_eq!(world.got.status, 503);
        assert!(named.iter().all(|name| world.got.text().contains(name)), "{}", world.got.text());
    }
}

#[test]
fn an_attempt_the_host_could_not_make_names_the_cluster() {
    let cases = [
        (Refusal::NoHealthyUpstream, "no_healthy_upstream"),
        (Refusal::Overflow, "upstream_overflow"),
    ];
    for ((refusal, code), attempts) in cases.into_iter().flat_map(|case| [(case, 0), (case, 1)]) {
        let mut world = World::open(&config(&document()), Face::OpenAi, CHAT);
        if attempts > 0 {
            world.begin();
            world.headers(500, &[JSON], false);
        }
        world.host_refuses(503, attempts + 1, refusal);
        let error = &world.got.json()["error"];
        assert_eq!((world.got.status, &error["code"]), (503, &json!(code)));
        assert!(
            error["message"].to_string().contains(["cluster-a", "cluster-b"][attempts]),
            "{error}"
        );
    }
}

#[test]
fn the_hosts_own_timeout_is_one_of_the_provider() {
    for (body, outcome) in [(CHAT, "timeout"), (STREAM, "first_token")] {
        for is_closed in [false, true] {
            let mut world = World::begun(&config(&document()), Face::OpenAi, body);
            world.wait(20);
            if is_closed {
                world.close(Broken::Reset);
            }
            world.host_answers(504, 1);
            assert_eq!(world.got.status, 504, "{}", world.got.text());
            assert!(world.got.text().contains("did not answer in time"), "{}", world.got.text());
            assert_eq!(
                world.settle().tags(&crate::stats::ATTEMPTS),
                [format!("a m/one {outcome}")]
            );
        }
        let mut world = World::begun(&config(&document()), Face::OpenAi, body);
        world.wait(100_000).host_refuses(504, 1, Refusal::Overflow);
        assert!(
            world.got.text().contains("max_retries"),
            "the attempt had its time: another one was refused"
        );
    }
}

#[test]
fn the_hosts_own_refusals_are_told_in_the_dialect() {
    for face in FACES {
        for (status, expected) in [(413, 413), (503, 503), (408, 408)] {
            let mut world = World::open(&config(&document()), face, CHAT);
            world.host_answers(status, 0);
            assert_eq!(world.got.status, expected);
            assert!(world.got.json()["error"]["message"].is_string());
        }
    }
    let mut world = World::begun(&config(&document()), Face::OpenAi, CHAT);
    world.wait(20).host_answers(503, 1);
    assert_eq!(
        world.got.status, 503,
        "an attempt that broke with others left: the host refused to try them"
    );
}

#[test]
fn facts_in_headers_can_be_switched_off() {
    let mut document = document();
    document["telemetry"] = json!({"expose_headers": false});
    let mut world = World::open(&config(&document), Face::OpenAi, CHAT);
    world.play(&twice(&answers(500, ERROR)));
    let names = world.got.headers.keys().filter(|name| name.starts_with("x-"));
    assert_eq!(names.collect::<Vec<_>>(), ["x-generation-id"]);
}

#[test]
fn with_the_facts_go_the_names_of_providers() {
    let mut document = document();
    document["telemetry"] = json!({"expose_headers": false});
    let config = config(&document);
    let names: Vec<String> =
        config.providers.iter().flat_map(|p| [p.name.clone(), p.id.clone()]).collect();
    let bodies = [CHAT, r#"{"model":"m/one","messages":[],"provider":{"only":["nobody"]}}"#];
    for (face, body) in FACES.into_iter().flat_map(|face| bodies.map(|body| (face, body))) {
        let mut world = World::open(&config, face, body);
        world.play(&twice(&answers(500, ERROR)));
        let error = &world.got.json()["error"];
        for text in [&error["message"], &error["metadata"], &error["availability"]] {
            let words = text.to_string();
            let mut words = words.split(|c: char| !c.is_alphanumeric());
            assert!(!words.any(|word| names.iter().any(|name| name == word)), "{error}");
        }
        assert!(!world.got.headers.contains_key("x-modelyard-tried"));
    }
}

#[test]
fn a_large_error_body_keeps_its_status() {
    let mut document = document();
    document["limits"] = json!({"event_bytes": 1024});
    let config = config(&document);
    let long = format!("<html>{}</html>", "x".repeat(5_000));
    for face in FACES {
        for (status, attempts) in [(500, 2), (400, 1)] {
            let mut world = World::open(&config, face, CHAT);
            world.play(&twice(&answers(status, &long)));
            assert_eq!((world.got.status, world.clusters.len()), (status, attempts));
            assert!(world.got.body.len() < 2048);
        }
    }
}
