//! Comments keep a silent stream alive once its answer has begun, and never before: fallback goes
//! first.

use serde_json::json;

use crate::client::Reply;
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::Setup;

fn setup() -> Setup {
    Setup::new()
        .chain("paused", &["interval=400,tokens=2"])
        .chain("fast", &["size=10000,tokens=40"])
        .chain("pieces", &["bytes=7,tokens=40"])
        .chain("trailers", &["trailers,interval=200,tokens=2"])
        .chain("reset", &["reset=3,interval=200"])
        .chain("stalled", &["stall=3"])
        .chain("late", &["stall=headers", "tokens=3"])
        .hurry("late", "600ms")
        .chain("oversized", &["size=500000,tokens=2,bytes=200000,interval=250"])
        .chain("plain", &["interval=250,tokens=4"])
        .formats("translated", &[("anthropic", "interval=400,tokens=2")])
        .document(json!({"telemetry": {"keep_alive": "150ms"}, "limits": {"event_bytes": 1 << 16}}))
}

on_envoy! { setup:
    a_silent_stream_gets_comments,
    a_stalled_stream_gets_comments_until_it_ends,
    nothing_is_sent_before_the_first_content,
    a_stream_that_flows_stays_as_it_is,
    an_answer_that_is_no_stream_gets_none,
    no_comment_stands_within_an_event,
    streams_end_as_they_do_without_comments,
}

const COMMENTS: [&str; 2] = [": keep-alive\n\n", ": OPENROUTER PROCESSING\n\n"];

/// The comments in a stream, and what it is without them.
fn parted(reply: &Reply, comment: &str) -> (usize, String) {
    let text = reply.text();
    (text.matches(comment).count(), text.replace(comment, ""))
}

fn a_silent_stream_gets_comments(gateway: &Gateway) {
    for name in ["paused", "translated"] {
        for (face, comment) in FACES.into_iter().zip(COMMENTS) {
            let reply = gateway.ask(face, &stream(name));
            assert!(reply.whole, "{reply:?}");
            let (comments, rest) = parted(&reply, comment);
            assert!(comments >= 2, "{face}: {reply:?}");
            assert!(
                !rest.contains("\n:") && rest.ends_with("data: [DONE]\n\n"),
                "{face}: {reply:?}"
            );
            assert!(reply.content().starts_with("Hello from"), "{reply:?}");
            assert_eq!(gateway.entry(&reply)["record"]["attempts"][0]["outcome"], "ok");
        }
    }
}

fn a_stalled_stream_gets_comments_until_it_ends(gateway: &Gateway) {
    let mut connection = gateway.connect();
    let body = stream("stalled").to_string();
    connection.send(
        "POST",
        "/v1/chat/completions",
        &[("content-type", "application/json")],
        body.as_bytes(),
    );
    let reply = connection.read_until(COMMENTS[0], 4);
    assert_eq!(
        parted(&reply, COMMENTS[0]).1.matches("data: ").count(),
        4,
        "the opening and three: {reply:?}"
    );
    connection.abort();
}

fn nothing_is_sent_before_the_first_content(gateway: &Gateway) {
    for face in FACES {
        let reply = gateway.ask(face, &stream("late"));
        assert_eq!(
            (reply.status, reply.header("x-modelyard-provider")),
            (200, Some("late-1")),
            "{reply:?}"
        );
        assert!(reply.whole && reply.text().starts_with("data: "), "{reply:?}");
    }
}

fn a_stream_that_flows_stays_as_it_is(gateway: &Gateway) {
    for name in ["fast", "pieces"] {
        let replies: Vec<Reply> = (0..8).map(|_| gateway.ask("/v1", &stream(name))).collect();
        for reply in replies {
            assert!(
                reply.whole && reply.text().ends_with("data: [DONE]\n\n"),
                "{name}: {}",
                reply.body.len()
            );
            assert_eq!(reply.chunks().len(), 42, "the opening and the end: {name}");
        }
    }
    assert_eq!(gateway.ask("/v1", &stream("fast")).content().len(), 400_000);
}

fn an_answer_that_is_no_stream_gets_none(gateway: &Gateway) {
    for face in FACES {
        let reply = gateway.ask(face, &chat("plain"));
        assert!(reply.whole && reply.content().starts_with("Hello from"), "{reply:?}");
    }
}

fn no_comment_stands_within_an_event(gateway: &Gateway) {
    let reply = gateway.ask("/v1", &stream("oversized"));
    assert!(reply.whole, "{}", reply.body.len());
    assert_eq!(reply.content().len(), 1_000_000);
}

fn streams_end_as_they_do_without_comments(gateway: &Gateway) {
    let reply = gateway.ask("/v1", &stream("trailers"));
    assert!(reply.whole && reply.text().contains("data: [DONE]\n\n"), "{reply:?}");
    let reply = gateway.ask("/v1", &stream("reset"));
    assert!(!reply.whole, "{reply:?}");
    assert_eq!(gateway.entry(&reply)["record"]["attempts"][0]["outcome"], "reset");
}
