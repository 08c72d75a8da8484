//! Answers on their way: what is held, passed, changed, cut, and given up in time.

use super::*;
use crate::stats;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ASKS_FOR_USAGE: &str =
    r#"{"model":"m/one","stream":true,"stream_options":{"include_usage":true}}"#;

fn with_limits(limits: Value) -> Rc<Config> {
    let mut document = document();
    document["limits"] = limits;
    config(&document)
}

/// The data of each event as JSON; other events as text.
fn events(text: &str) -> Vec<Value> {
    let events = text.split_terminator("\n\n");
    events.map(|event| data(event).unwrap_or_else(|| event.into())).collect()
}

fn data(event: &str) -> Option<Value> {
    serde_json::from_str(event.strip_prefix("data: ")?).ok()
}

#[test]
fn comments_wait_for_the_first_content() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, ASKS_FOR_USAGE);
    assert_eq!(world.headers(200, &[SSE], false), Verdict::Hold { strip_length: false });
    assert_eq!(world.body(": a\n\n", false), Verdict::Hold { strip_length: false });
    assert_eq!(world.body(": b\n", false), Verdict::Hold { strip_length: false });
    let first = content("x");
    assert_eq!(
        world.body(format!("\n{first}"), false),
        Verdict::Replace(format!(": a\n\n: b\n\n{first}").into_bytes())
    );
    assert_eq!(world.body(": c\n\n", false), Verdict::Pass, "afterwards nothing waits");
    assert_eq!(world.body(content("y"), false), Verdict::Pass);
}

#[test]
fn what_need_not_change_passes_without_a_copy() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, ASKS_FOR_USAGE);
    world.headers(200, &[SSE], false);
    for event in
        [&content("a"), "not json at all\n\n", "data: {broken\n\n", FINISH, USAGE, ": x\n\n"]
    {
        assert_eq!(world.body(event, false), Verdict::Pass, "{event}");
    }
    assert_eq!(world.body(DONE, true), Verdict::Pass);
    let mut world = World::begun(&config(&document()), Face::OpenAi, CHAT);
    assert_eq!(world.headers(200, &[JSON], false), Verdict::Hold { strip_length: false });
    let (left, right) = ANSWER.split_at(100);
    assert_eq!((world.body(left, false), world.body(right, true)), (Verdict::Pass, Verdict::Pass));
    assert_eq!(world.got.text(), ANSWER);
}

#[test]
fn an_unfinished_event_waits_for_its_end() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, ASKS_FOR_USAGE);
    world.headers(200, &[SSE], false);
    let (first, second) = (content("a"), content("b"));
    let (left, right) = second.split_at(20);
    assert_eq!(world.body(format!("{first}{left}"), false), Verdict::Replace(first.into_bytes()));
    assert_eq!(world.body(right, false), Verdict::Replace(second.into_bytes()));
}

#[test]
fn the_usage_event_is_taken_out_unless_the_client_asked_for_it() {
    for (body, expected) in [(ASKS_FOR_USAGE, stream()), (STREAM, stream().replace(USAGE, ""))] {
        assert_eq!(play(Face::OpenAi, body, &[streams(&stream())]).got.text(), expected);
    }
    let text = play(Face::OpenRouter, STREAM, &[streams(&stream())]).got;
    let told = events(text.text());
    assert_eq!(told[3]["usage"]["cost"], json!(0.00002), "10 in at 1, 5 out at 2 microdollars");
    assert_eq!(told[3]["choices"][0]["index"], 0);
}

#[test]
fn an_error_in_mid_stream_is_told_once_and_is_the_end() {
    for after in ["", DONE] {
        for pieces in [true, false] {
            let body = [content("hel"), ERROR_EVENT.to_owned(), after.to_owned()];
            let pieces: Vec<Vec<u8>> = match pieces {
                true => body.iter().map(|event| event.clone().into_bytes()).collect(),
                false => vec![body.concat().into_bytes()],
            };
            let act = Act::Answer(200, only(SSE), pieces);
            let mut world = play(Face::OpenAi, STREAM, &[act.clone(), streams(&stream())]);
            assert_eq!(world.got.text(), body.concat());
            let books = world.settle();
            assert_eq!(books.tags(&stats::ATTEMPTS), ["a m/one error_event"]);
            assert_eq!(
                books.properties["error_type"], "provider_overloaded",
                "as its status is told under OpenRouter's face"
            );
            assert_eq!(books.tags(&stats::TOKENS).len(), 2, "what was produced is charged");

            let mut world = play(Face::OpenRouter, STREAM, &[act, streams(&stream())]);
            let told = events(world.got.text());
            assert_eq!(told.len(), 2 + usize::from(!after.is_empty()), "{told:?}");
            assert_eq!(told[1]["error"]["code"], 503);
            assert_eq!(told[1]["error"]["message"], "broken here");
            assert_eq!(told[1]["choices"][0]["finish_reason"], "error");
            assert_eq!(world.settle().tags(&stats::ATTEMPTS), ["a m/one error_event"]);
        }
    }
}

#[test]
fn a_stream_that_ends_too_early_is_told_as_an_error() {
    for rest in ["", "data: {\"id\":\"c\",\"choi", ": bye\n\n"] {
        let mut world = play(Face::OpenAi, STREAM, &[streams(&[&content("hel"), rest].concat())]);
        let text = world.got.text().to_owned();
        assert!(text.starts_with(&content("hel")), "{text}");
        let mut told = events(&text);
        assert!(
            !told.iter().filter_map(Value::as_str).any(|event| event.starts_with("data")),
            "half an event would stop a client before the error: {text}"
        );
        let last = told.pop().unwrap();
        assert_eq!(last["error"]["error_type"], "provider_unavailable", "{text}");
        assert!(!text.contains("[DONE]"));
        let books = world.settle();
        assert_eq!(books.tags(&stats::ATTEMPTS), ["a m/one reset"]);
        assert_eq!(books.properties["error_type"], "provider_unavailable");
        assert_eq!(books.tags(&stats::REQUESTS), ["default m/one chat 2xx"]);

        let world = play(Face::OpenRouter, STREAM, &[streams(&[&content("hel"), rest].concat())]);
        let last = events(world.got.text()).pop().unwrap();
        assert_eq!(
            (&last["error"]["code"], &last["choices"][0]["finish_reason"]),
            (&json!(502), &json!("error"))
        );
        assert_eq!((&last["provider"], &last["model"]), (&json!("A Inc"), &json!("m/one")));
    }
}

#[test]
fn an_error_event_stands_apart_from_an_unfinished_one() {
    let world =
        play(Face::OpenAi, STREAM, &[streams(&[&content("hel"), "data: {\"id\":"].concat())]);
    let mut seen = Vec::new();
    let mut splitter = crate::wire::sse::Splitter::new(1 << 20);
    splitter.push(&world.got.body, &mut |piece| {
        if let crate::wire::sse::Piece::Event(event) = piece {
            let data = crate::wire::sse::fields(event).data.unwrap_or_default().into_owned();
            seen.push(
                serde_json::from_slice::<Value>(&data)
                    .is_ok_and(|value| value.get("error").is_some()),
            );
        }
    });
    assert_eq!(seen.last(), Some(&true), "{}", world.got.text());
}

#[test]
fn a_stream_without_its_end_mark_is_complete_once_it_gave_a_finish_reason() {
    let body = [&content("hel"), FINISH].concat();
    let mut world = play(Face::OpenAi, STREAM, &[streams(&body)]);
    assert_eq!(world.got.text(), body);
    assert_eq!(world.settle().tags(&stats::ATTEMPTS), ["a m/one ok"]);
    let world = play(Face::OpenRouter, STREAM, &[streams(&body)]);
    let told = events(world.got.text());
    assert_eq!(told.len(), 4);
    assert!(told[2]["usage"]["cost"].is_number(), "{}", told[2]);
    assert_eq!(told[3], "data: [DONE]");
}

#[test]
fn a_stream_that_is_reset_is_metered_and_recorded_as_such() {
    let act =
        Act::Broken(200, only(SSE), vec![content("hel").into_bytes(), content("lo").into_bytes()]);
    let mut world = play(Face::OpenAi, STREAM, &[act]);
    let books = world.settle();
    assert_eq!(books.tags(&stats::ATTEMPTS), ["a m/one reset"]);
    assert_eq!(books.tokens("output", "estimated"), 2);
}

#[test]
fn compressed_answers_pass_untouched_and_are_estimated() {
    let gzip: Vec<u8> = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".iter().copied().chain(0..90).collect();
    for face in FACES {
        for (kind, body) in [(SSE, STREAM), (JSON, CHAT)] {
            let headers =
                vec![(kind.0, kind.1.to_owned()), ("content-encoding", "gzip".to_owned())];
            let pieces = gzip.chunks(7).map(<[u8]>::to_vec).collect();
            let mut world = play(face, body, &[Act::Answer(200, headers, pieces)]);
            assert_eq!((world.got.status, &world.got.body), (200, &gzip));
            let books = world.settle();
            assert_eq!(books.tags(&stats::ATTEMPTS), ["a m/one ok"]);
            assert!(books.tags(&stats::TOKENS).iter().all(|tags| tags.ends_with("estimated")));
            assert_eq!(books.record["estimated"], true);
        }
    }
    let mut world = World::begun(&config(&document()), Face::OpenRouter, CHAT);
    assert_eq!(
        world.headers(200, &[JSON, ("content-encoding", "br")], false),
        Verdict::Hold { strip_length: false }
    );
}

#[test]
fn an_event_over_the_limit_passes_as_it_is() {
    let config = with_limits(json!({"event_bytes": 1024}));
    let long = content(&"x".repeat(3000));
    for face in FACES {
        let mut world = World::open(&config, face, STREAM);
        world.play(&[Act::Answer(
            200,
            only(SSE),
            [&long, &content("y"), FINISH, DONE]
                .concat()
                .as_bytes()
                .chunks(100)
                .map(<[u8]>::to_vec)
                .collect(),
        )]);
        assert!(world.got.text().starts_with(&long), "{face:?}");
        assert_eq!(world.settle().tags(&stats::ATTEMPTS), ["a m/one ok"]);
    }
}

#[test]
fn an_answer_that_must_be_held_whole_has_a_limit() {
    let config = with_limits(json!({"answer_bytes": 1024}));
    let long = ANSWER.replace("hello", &"x".repeat(2000));
    let mut world = World::open(&config, Face::OpenRouter, CHAT);
    world.play(&[answers(200, &long), answers(200, ANSWER)]);
    assert_eq!(world.got.header("x-modelyard-provider"), Some("b"));
    let mut world = World::open(&config, Face::OpenRouter, CHAT);
    world.play(&[answers(200, &long), answers(200, &long)]);
    assert_eq!((world.got.status, world.got.json()["error"]["code"].clone()), (502, json!(502)));
    let mut world = World::open(&config, Face::OpenAi, CHAT);
    world.play(&[answers(200, &long)]);
    assert_eq!(world.got.text(), long, "nothing is held on OpenAI's face");
}

#[test]
fn an_upstream_that_only_sends_signs_of_life_is_given_up() {
    let config = with_limits(json!({"event_bytes": 1024}));
    for (kind, body, sign) in
        [(SSE, STREAM, ": still thinking\n\n"), (JSON, CHAT, "                    \n")]
    {
        let mut world = World::open(&config, Face::OpenAi, body);
        let pieces = vec![sign.as_bytes().to_vec(); 100];
        let good = if body == STREAM { streams(&stream()) } else { answers(200, ANSWER) };
        world.play(&[Act::Broken(200, only(kind), pieces), good]);
        assert_eq!(world.got.header("x-modelyard-provider"), Some("b"));
        assert_eq!(world.settle().tags(&stats::FALLBACKS), ["a m/one error_event"]);
    }
}

#[test]
fn a_plain_answer_to_a_streamed_request_stays_plain() {
    let world = play(Face::OpenAi, STREAM, &[answers(200, ANSWER)]);
    assert_eq!(world.got.text(), ANSWER);
    let (half, _) = ANSWER.split_at(ANSWER.len() / 2);
    let pieces = vec![half.as_bytes().to_vec(), b"".to_vec()];
    let mut world = play(Face::OpenAi, STREAM, &[Act::Answer(200, only(JSON), pieces)]);
    assert_eq!(world.got.text(), half, "an event has no place in JSON");
    assert_eq!(world.settle().tags(&stats::ATTEMPTS), ["a m/one reset"]);
}

#[test]
fn a_plain_answer_goes_on_with_its_first_member_or_when_that_is_long() {
    let config = with_limits(json!({"event_bytes": 1024}));
    let mut world = World::begun(&config, Face::OpenAi, CHAT);
    world.headers(200, &[JSON], false);
    assert!(matches!(world.body("{\"data\":[", false), Verdict::Hold { .. }));
    assert!(matches!(world.body("1,".repeat(500), false), Verdict::Hold { .. }));
    assert!(matches!(world.body("1,".repeat(500), false), Verdict::Replace(_)));
    assert_eq!(world.body("1]}", true), Verdict::Pass);
    assert_eq!(world.got.body.len(), 9 + 2000 + 3);
}

#[test]
fn informational_headers_pass() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, CHAT);
    assert_eq!(world.headers(103, &[], false), Verdict::Pass);
    world.headers(200, &[JSON], false);
    world.body(ANSWER, true);
    assert_eq!((world.got.status, world.got.text()), (200, ANSWER));
}

#[test]
fn the_host_is_given_the_largest_deadline_of_the_plan() {
    for (body, seconds) in [(STREAM, 10), (CHAT, 100)] {
        let world = World::open(&config(&document()), Face::OpenAi, body);
        assert_eq!(
            world.exchange.departure().unwrap().per_try_timeout,
            Duration::from_secs(seconds)
        );
    }
}

#[test]
fn each_endpoints_own_deadline_for_the_first_token_holds_after_headers() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, STREAM);
    assert_eq!(world.wait(7_000).tick(), None, "before headers it is the host's");
    let mut world = World::begun(&config(&document()), Face::OpenAi, STREAM);
    world.wait(1_000).headers(200, &[SSE], false);
    world.body(": alive\n\n", false);
    assert_eq!(world.wait(3_999).tick(), None);
    assert_eq!(world.wait(1).tick(), Some(Verdict::Retry), "comments are no tokens");
    assert_eq!(world.tick(), None, "once is enough");
    assert_eq!(world.body(content("late"), false), Verdict::Pass);
    world.got = Got::default();
    world.begin();
    world.headers(200, &[SSE], false);
    assert_eq!(world.wait(9_999).tick(), None);
    assert!(matches!(world.wait(1).tick(), Some(Verdict::Answer(_))));
    assert_eq!(world.got.status, 504);
    assert_eq!(
        world.settle().tags(&stats::ATTEMPTS),
        ["a m/one first_token", "b m/one first_token"]
    );
}

#[test]
fn a_stream_under_way_has_the_time_of_a_whole_answer() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, STREAM);
    world.headers(200, &[SSE], false);
    world.body(content("a"), false);
    assert_eq!(world.wait(59_999).tick(), None);
    assert_eq!(world.wait(1).tick(), Some(Verdict::Reset));
    assert!(world.got.reset);
    assert!(!world.exchange.is_open(0));
    let books = world.settle();
    assert_eq!(books.tags(&stats::ATTEMPTS), ["a m/one timeout"]);
    assert_eq!(books.properties["error_type"], "timeout");
}

#[test]
fn a_plain_answer_has_its_time_and_then_moves_on_or_is_reset() {
    for (piece, expected) in
        [(" ", Verdict::Retry), ("{\"id\":", Verdict::Retry), ("{\"id\":1,", Verdict::Reset)]
    {
        let mut world = World::begun(&config(&document()), Face::OpenAi, CHAT);
        world.wait(50_000).headers(200, &[JSON], false);
        world.body(piece, false);
        assert_eq!(world.wait(9_999).tick(), None);
        assert_eq!(world.wait(1).tick(), Some(expected));
    }
}

#[test]
fn a_plain_answer_that_ends_too_early_is_reset() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, CHAT);
    world.headers(200, &[JSON], false);
    assert_eq!(world.body("{\"id\":1,", false), Verdict::Pass);
    assert_eq!(world.body("\"choices\":[", true), Verdict::Reset);
    assert_eq!(world.settle().tags(&stats::ATTEMPTS), ["a m/one reset"]);
}

#[test]
fn a_comment_may_be_sent_only_in_the_middle_of_a_stream() {
    for (face, comment) in
        [(Face::OpenAi, ": keep-alive\n\n"), (Face::OpenRouter, ": OPENROUTER PROCESSING\n\n")]
    {
        let mut world = World::begun(&config(&document()), face, STREAM);
        assert_eq!(world.exchange.comment(), None);
        world.headers(200, &[SSE], false);
        world.body(": waiting\n\n", false);
        assert_eq!(world.exchange.comment(), None, "the answer can still be taken back");
        world.body(content("a"), false);
        assert_eq!(world.exchange.comment(), Some(comment.as_bytes()));
        world.body("data: {\"choices\":", false);
        assert_eq!(
            world.exchange.comment(),
            Some(comment.as_bytes()),
            "what is held has not been sent"
        );
        world.body("x".repeat(1 << 20), false);
        assert_eq!(world.exchange.comment(), None, "the event was too long to be held");
        world.body("\n\n", false);
        assert_eq!(world.exchange.comment(), Some(comment.as_bytes()));
        world.body("data: [DONE]\n\n", true);
        assert_eq!(world.exchange.comment(), None);
    }
    let mut world = World::begun(&config(&document()), Face::OpenAi, CHAT);
    world.headers(200, &[JSON], false);
    world.body("{\"id\":1,", false);
    assert_eq!(world.exchange.comment(), None, "it is no stream");
}
