//! What moves on to the next endpoint, and what does not.

use super::*;
use crate::stats;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The first endpoint does `act`, the second answers; how the first attempt must have ended.
#[track_caller]
fn check_moves_on(act: &Act, is_stream: bool, outcome: Outcome) {
    let (body, good) =
        if is_stream { (STREAM, streams(&stream())) } else { (CHAT, answers(200, ANSWER)) };
    for face in FACES {
        let mut world = play(face, body, &[act.clone(), good.clone()]);
        let told = format!("{act:?} {face:?} stream={is_stream}");
        assert_eq!(world.clusters, ["cluster-a", "cluster-b"], "{told}");
        assert_eq!(world.got.status, 200, "{told}: {}", world.got.text());
        assert!(world.got.text().contains("hel"), "{told}: {}", world.got.text());
        assert!(!world.got.text().contains("broken here"), "{told}: {}", world.got.text());
        assert_eq!(world.got.header("x-modelyard-provider"), Some("b"), "{told}");
        assert_eq!(world.got.header("x-modelyard-attempts"), Some("2"), "{told}");
        assert_eq!(world.got.header("x-modelyard-tried"), None, "{told}");
        assert_eq!(world.got.header("retry-after"), None, "{told}");
        let books = world.settle();
        let first = format!("a m/one {}", outcome.name());
        assert_eq!(books.tags(&stats::ATTEMPTS), [first.as_str(), "b m/one ok"], "{told}");
        assert_eq!(books.tags(&stats::FALLBACKS), [first.as_str()], "{told}");
        assert_eq!(books.tags(&stats::REQUESTS), ["default m/one chat 2xx"], "{told}");
        assert_eq!(books.properties.get("error_type"), None, "{told}");
    }
}

#[test]
fn connections_that_fail_move_on() {
    for is_stream in [false, true] {
        check_moves_on(&Act::Refuse, is_stream, Outcome::Connect);
        check_moves_on(&Act::Break, is_stream, Outcome::Reset);
    }
    check_moves_on(&Act::Silence, true, Outcome::FirstToken);
    check_moves_on(&Act::Silence, false, Outcome::Timeout);
}

#[test]
fn statuses_that_speak_against_the_endpoint_move_on() {
    let rows: &[(&[u16], Outcome)] = &[
        (&[500, 501, 502, 503, 504, 520, 529, 599], Outcome::Status5xx),
        (&[404, 408, 301, 302, 307], Outcome::Status4xx),
        (&[429], Outcome::Status429),
        (&[401, 402, 403], Outcome::Key),
    ];
    for (statuses, outcome) in rows {
        for status in *statuses {
            for is_stream in [false, true] {
                check_moves_on(&answers(*status, ERROR), is_stream, *outcome);
                check_moves_on(&Act::Answer(*status, vec![], vec![]), is_stream, *outcome);
            }
        }
    }
}

#[test]
fn successes_without_content_move_on() {
    for is_stream in [false, true] {
        for status in [200, 204] {
            check_moves_on(&Act::Answer(status, vec![], vec![]), is_stream, Outcome::Empty);
        }
        let zero = vec![(JSON.0, JSON.1.to_owned()), ("content-length", "0".to_owned())];
        check_moves_on(&Act::Answer(200, zero, vec![b"".to_vec()]), is_stream, Outcome::Empty);
        for (header, pieces) in [
            (JSON, vec![b"".to_vec()]),
            (JSON, vec![b" \r\n".to_vec(), b"\n".to_vec()]),
            (SSE, vec![b"".to_vec()]),
        ] {
            check_moves_on(&Act::Answer(200, only(header), pieces), is_stream, Outcome::Empty);
        }
    }
    for body in [
        ": hi\n\n",
        ": hi\n\n: hi\n\n",
        "\n\n\n",
        "data: [DONE]\n\n",
        ": hi\n\ndata: [DONE]\n\n",
        "data:\n\n",
        "id: 1\n\n",
        ":",
    ] {
        check_moves_on(&streams(body), true, Outcome::Empty);
    }
}

#[test]
fn an_error_in_place_of_the_first_content_moves_on() {
    check_moves_on(&answers(200, ERROR), false, Outcome::ErrorEvent);
    check_moves_on(&answers(200, r#"{"error":"broken here"}"#), false, Outcome::ErrorEvent);
    check_moves_on(
        &answers(
            200,
            "\n\n  {\"error\":{\"message\":\"broken here\",\"code\":500},\"user_id\":\"u\"}",
        ),
        false,
        Outcome::ErrorEvent,
    );
    check_moves_on(&answers(200, ERROR), true, Outcome::ErrorEvent);
    check_moves_on(&streams(ERROR_EVENT), true, Outcome::ErrorEvent);
    check_moves_on(
        &streams(&[": wait\n\n", ERROR_EVENT, DONE].concat()),
        true,
        Outcome::ErrorEvent,
    );
    check_moves_on(&streams("data: {\"error\":\"broken here\"}\n\n"), true, Outcome::ErrorEvent);
    check_moves_on(
        &streams("event: error\ndata: {\"error\":{\"message\":\"broken here\"}}\n\n"),
        true,
        Outcome::ErrorEvent,
    );
    check_moves_on(&streams(&[ERROR_EVENT, &content("hel")].concat()), true, Outcome::ErrorEvent);
    let bytes = [": wait\r\n\r\n", ERROR_EVENT].concat().into_bytes();
    let pieces = bytes.chunks(1).map(<[u8]>::to_vec).collect();
    check_moves_on(&Act::Answer(200, only(SSE), pieces), true, Outcome::ErrorEvent);
}

#[test]
fn what_is_not_the_promised_format_moves_on() {
    let html = "<!DOCTYPE html><html><body>It works!</body></html>";
    let as_html =
        Act::Answer(200, only(("content-type", "text/html")), vec![html.as_bytes().to_vec()]);
    for is_stream in [false, true] {
        check_moves_on(&as_html, is_stream, Outcome::ErrorEvent);
        check_moves_on(&answers(200, html), is_stream, Outcome::ErrorEvent);
        check_moves_on(&answers(200, "[]"), is_stream, Outcome::ErrorEvent);
        check_moves_on(&answers(200, "ok"), is_stream, Outcome::ErrorEvent);
        check_moves_on(
            &answers(200, ANSWER.strip_suffix('}').unwrap()),
            is_stream,
            Outcome::ErrorEvent,
        );
    }
    check_moves_on(&streams(html), true, Outcome::Empty);
}

#[test]
fn connections_that_break_before_the_first_content_move_on() {
    for (header, body) in
        [(SSE, ""), (SSE, ": wait\n\n"), (SSE, "data: {\"choices\":[{\"de"), (JSON, " ")]
    {
        let act = Act::Broken(200, only(header), vec![body.as_bytes().to_vec()]);
        check_moves_on(&act, header == SSE, Outcome::Reset);
    }
}

#[test]
fn nothing_moves_on_after_the_first_content() {
    for face in FACES {
        for more in [
            ERROR_EVENT.to_owned(),
            DONE.to_owned(),
            String::new(),
            "garbage\n\n".to_owned(),
            content("lo"),
        ] {
            for ends in [true, false] {
                let mut world = World::begun(&config(&document()), face, STREAM);
                world.headers(200, &[SSE], false);
                world.body(content("hel"), false);
                assert!(world.got.text().contains("hel"), "content is not delayed");
                let verdict = world.body(&more, ends);
                assert!(
                    matches!(verdict, Verdict::Pass | Verdict::Replace(_) | Verdict::Hold { .. }),
                    "{more:?}: {verdict:?}"
                );
                if !ends {
                    world.close(Broken::Reset);
                }
                assert_eq!(world.got.status, 200);
                assert_eq!(world.settle().tags(&stats::FALLBACKS), Vec::<String>::new());
            }
        }
    }
}

#[test]
fn the_clients_own_mistakes_are_returned_at_once() {
    for status in [400, 405, 406, 409, 410, 413, 415, 422, 451] {
        for face in FACES {
            for body in [CHAT, STREAM] {
                let mut world = play(face, body, &[answers(status, ERROR), answers(200, ANSWER)]);
                assert_eq!((world.got.status, world.clusters.len()), (status, 1), "{face:?}");
                assert!(world.got.text().contains("broken here"), "{}", world.got.text());
                let books = world.settle();
                assert_eq!(books.tags(&stats::ATTEMPTS), ["a m/one status_4xx"]);
                assert_eq!(books.tags(&stats::REQUESTS), ["default m/one chat 4xx"]);
                assert!(!world.health.in_outage("a/up-a", world.now));
            }
        }
    }
}

#[test]
fn under_passthrough_a_rejected_key_is_the_clients() {
    let body = CHAT.replace("m/one", "m/pass");
    for status in [401, 402, 403] {
        let world = play(Face::OpenAi, &body, &[answers(status, ERROR), answers(200, ANSWER)]);
        assert_eq!((world.got.status, world.got.text(), world.clusters.len()), (status, ERROR, 1));
    }
    let world = play(Face::OpenAi, &body, &[answers(429, ERROR), answers(200, ANSWER)]);
    assert_eq!(world.clusters, ["cluster-c", "cluster-b"]);
}

const TOO_LONG: &str = r#"{"error":{"message":"too long","type":"invalid_request_error",
    "code":"context_length_exceeded"}}"#;

#[test]
fn context_and_moderation_errors_move_on_to_the_next_model() {
    let body = r#"{"models":["m/one","m/two"]}"#;
    for code in ["context_length_exceeded", "content_policy_violation", "content_filter"] {
        for face in FACES {
            let error = TOO_LONG.replace("context_length_exceeded", code);
            let mut world = play(face, body, &[answers(400, &error), answers(200, ANSWER)]);
            assert_eq!(world.got.status, 200, "{code}");
            assert_eq!(
                world.got.header("x-modelyard-model"),
                Some("m/two"),
                "past the same model's other endpoint"
            );
            let books = world.settle();
            assert_eq!(books.tags(&stats::FALLBACKS), ["a m/one status_4xx"]);
            assert_eq!(books.tags(&stats::REQUESTS), ["default m/two chat 2xx"]);
        }
    }
    // An error of a filter of content, in the forms of OpenRouter and of others.
    let flagged = r#"{"error":{"message":"flagged","code":403,
        "metadata":{"reasons":["violence"],"flagged_input":"x"}}}"#;
    for error in [flagged, &TOO_LONG.replace("context_length_exceeded", "content_filter")] {
        let world = play(Face::OpenAi, body, &[answers(403, error), answers(200, ANSWER)]);
        assert_eq!(world.got.header("x-modelyard-model"), Some("m/two"), "{error}");
        let only = play(Face::OpenAi, CHAT, &[answers(403, error), answers(200, ANSWER)]);
        assert_eq!((only.got.status, only.got.text(), only.clusters.len()), (403, error, 1));
    }
    let key = play(Face::OpenAi, body, &[answers(403, ERROR), answers(200, ANSWER)]);
    assert_eq!(
        key.got.header("x-modelyard-model"),
        Some("m/one"),
        "the key is another endpoint's matter"
    );
    let other = play(Face::OpenAi, body, &[answers(400, ERROR), answers(200, ANSWER)]);
    assert_eq!((other.got.status, other.clusters.len()), (400, 1), "any other mistake is returned");
}

#[test]
fn a_context_error_of_the_only_model_is_returned() {
    for face in FACES {
        let world = play(face, CHAT, &[answers(400, TOO_LONG), answers(200, ANSWER)]);
        assert_eq!((world.got.status, world.clusters.len()), (400, 1));
        assert!(world.got.text().contains("context_length_exceeded"));
    }
}

#[test]
fn long_prompts_are_not_held_against_an_endpoint() {
    let config = config(&document());
    let mut health = Health::default();
    for _ in 0..5 {
        let body = r#"{"models":["m/one","m/two"]}"#;
        let mut world =
            World::open_with(&config, (Face::OpenAi, Operation::Chat), &[], body, health);
        world.play(&[answers(400, TOO_LONG), answers(200, ANSWER)]).settle();
        health = world.health;
    }
    assert!(!health.in_outage("a/up-a", START));
    assert!(!health.in_outage("b/two", START));
}

#[test]
fn failures_are_held_against_an_endpoint() {
    let config = config(&document());
    let mut health = Health::default();
    for _ in 0..3 {
        let mut world =
            World::open_with(&config, (Face::OpenAi, Operation::Chat), &[], CHAT, health);
        let books = world.play(&[answers(500, ERROR), answers(200, ANSWER)]).settle();
        health = world.health;
        assert_eq!(books.tags(&stats::ENDPOINT_HEALTH), ["a m/one", "b m/one"]);
    }
    assert!(health.in_outage("a/up-a", START) && !health.in_outage("b/up-b", START));
}

#[test]
fn without_fallbacks_one_endpoint_is_tried() {
    let body = CHAT.replace("}]}", r#"}],"provider":{"allow_fallbacks":false}}"#);
    let world = play(Face::OpenAi, &body, &[answers(500, ERROR), answers(200, ANSWER)]);
    assert_eq!((world.got.status, world.got.text(), world.clusters.len()), (500, ERROR, 1));
}

#[test]
fn each_attempt_gets_the_clients_request_made_for_its_provider() {
    let mut document = document();
    document["providers"]["b"]["headers"] = json!({"x-b": "1"});
    let config = config(&document);
    let headers = [
        ("authorization", "Bearer client"),
        ("x-api-key", "client"),
        ("cookie", "c"),
        ("user-agent", "u"),
        ("openai-beta", "x"),
    ];
    let body = CHAT.replace("m/one", "one");
    let mut world = World::open_with(
        &config,
        (Face::OpenAi, Operation::Chat),
        &headers,
        &body,
        Health::default(),
    );
    let departure = world.exchange.departure().unwrap();
    assert_eq!((departure.cluster, departure.max_retries), ("cluster-a", 5));
    let mut seen = Vec::new();
    for (host, next, model) in [("a.example", "cluster-b", "up-a"), ("b.example", "", "up-b")] {
        let dispatch = world.begin();
        for (name, value) in [
            (":authority", Some(host)),
            (":path", Some("/v1/chat/completions")),
            ("authorization", Some("Bearer sk-gateway")),
            ("accept-encoding", Some("identity")),
            ("user-agent", Some("u")),
            ("openai-beta", Some("x")),
            ("cookie", None),
            ("x-api-key", None),
            ("x-b", (host == "b.example").then_some("1")),
        ] {
            assert_eq!(dispatch.header(name), value, "{name}");
        }
        assert_eq!(world.exchange.next_cluster(), next);
        let sent = dispatch.body.apply(&world.client_body).into_owned();
        assert_eq!(String::from_utf8(sent.clone()).unwrap(), CHAT.replace("m/one", model));
        assert_eq!(dispatch.header("content-length"), Some(sent.len().to_string().as_str()));
        seen.push(dispatch.attempt);
        world.close(Broken::Connect);
    }
    assert_eq!(seen, [0, 1]);
    let now = world.now;
    assert!(world.exchange.begin_attempt(&[], &|| now).is_err(), "the plan is over");
}

#[test]
fn passthrough_gives_the_client_s_own_key_and_nobody_else_gets_it() {
    let mut world =
        World::open(&config(&document()), Face::OpenAi, &CHAT.replace("m/one", "m/pass"));
    for key in ["Bearer client", "Bearer sk-gateway"] {
        assert_eq!(world.begin().header("authorization"), Some(key));
        world.close(Broken::Connect);
    }
}
