//! Large prompts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Connection, Reply};
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::{REFUSED, Setup};

fn setup() -> Setup {
    Setup::new()
        .document(json!({"limits": {"request_bytes": 1 << 25}}))
        .chain("large", &["status=503", "status=429", ""])
        .chain("chunked", &["status=503", "status=429", ""])
        .chain("crowded", &["status=503", ""])
        .cluster(
            "crowded-1",
            json!({"circuit_breakers": {"thresholds": [{"max_pending_requests": 0}]}}),
        )
        .chain("unreachable", &[REFUSED, "reset", "status=503", ""])
        .chain("left", &["status=503", "stall=headers"])
        .chain("stuck", &["stall=headers", ""])
        .hurry("stuck", "1500ms")
        .formats(
            "mixed",
            &[
                ("openai", "status=503"),
                ("openai", "status=429"),
                ("bedrock", "signed,status=500"),
                ("anthropic", ""),
            ],
        )
        .formats(
            "around",
            &[("bedrock", "signed,status=500"), ("openai", "status=429"), ("openai", "")],
        )
        .formats("direct", &[("bedrock", "signed")])
        .formats("unfit", &[("openai", "status=503"), ("anthropic", "")])
}

on_envoy! { setup:
    five_megabytes_reach_the_third_provider_intact,
    translations_and_signatures_are_of_the_whole_prompt,
    bodies_in_chunks_and_with_trailers_reach_every_attempt,
    attempts_that_never_answer_leave_the_next_one_the_whole_prompt,
    a_client_that_leaves_a_later_attempt_is_noticed,
    a_crowded_cluster_ends_the_request,
    what_cannot_be_translated_is_refused_at_a_later_attempt,
}

const MEGABYTE: usize = 1024 * 1024;

fn large(mut body: Value, size: usize) -> String {
    let text = "naïve 😀 \"quoted\" \\ ";
    body["messages"][0]["content"] = text.repeat(size / text.len()).into();
    body.to_string()
}

fn outcomes(gateway: &Gateway, reply: &Reply) -> Vec<String> {
    let attempts = gateway.entry(reply)["record"]["attempts"].clone();
    attempts
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap().to_owned())
        .collect()
}

/// Hashes of the bodies that a provider got.
fn hashes(gateway: &Gateway, provider: &str) -> Vec<String> {
    let received = gateway.fake.received(provider);
    received.iter().map(|request| request.0["body_fnv"].as_str().unwrap().to_owned()).collect()
}

/// 64-bit FNV-1a, by which the fake knows large bodies.
fn fnv(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn five_megabytes_reach_the_third_provider_intact(gateway: &Gateway) {
    let mut expected = Vec::new();
    for (index, (base, streamed)) in
        FACES.iter().flat_map(|base| [(base, false), (base, true)]).enumerate()
    {
        let mut body: Value = if streamed { stream("large") } else { chat("large") };
        let text = format!("{index} naïve 😀 \"quoted\" \\ ");
        body["messages"][0]["content"] = text.repeat(5 * 1024 * 1024 / text.len()).into();
        let bytes = body.to_string();
        let reply = gateway.post(base, bytes.as_bytes());
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.content().starts_with("Hello from large-2"), "{reply:?}");
        let outcomes = gateway.entry(&reply)["record"]["attempts"].clone();
        let outcomes: Vec<&Value> =
            outcomes.as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
        assert_eq!(outcomes, ["status_5xx", "status_429", "ok"]);
        if !streamed {
            expected.push(fnv(bytes.replace("\"t/large\"", "\"up-large\"").as_bytes()));
        }
    }
    for step in 0..3 {
        let received = gateway.fake.received(&format!("large-{step}"));
        assert_eq!(received.len(), 4, "at step {step}");
        for hash in &expected {
            assert!(
                received.iter().any(|request| request.0["body_fnv"] == hash.as_str()),
                "at step {step}"
            );
        }
    }
}

fn translations_and_signatures_are_of_the_whole_prompt(gateway: &Gateway) {
    for base in FACES {
        for (size, streamed) in [(2, true), (5, false)] {
            let [mixed, around, direct] = ["mixed", "around", "direct"].map(|name| {
                let body = if streamed { stream(name) } else { chat(name) };
                gateway.post(base, large(body, size * MEGABYTE).as_bytes())
            });
            assert!(mixed.content().starts_with("Hello from mixed-3"), "{mixed:?}");
            assert_eq!(outcomes(gateway, &mixed), ["status_5xx", "status_429", "status_5xx", "ok"]);
            assert!(around.content().starts_with("Hello from around-2"), "{around:?}");
            assert_eq!(direct.status, 200);
        }
    }
    assert_eq!(hashes(gateway, "mixed-0").len(), 4);
    assert_eq!(hashes(gateway, "mixed-0"), hashes(gateway, "mixed-1"));
    assert_eq!(hashes(gateway, "mixed-2"), hashes(gateway, "direct-0"));
    assert_eq!(hashes(gateway, "around-0"), hashes(gateway, "direct-0"));
    assert_eq!(hashes(gateway, "around-1"), hashes(gateway, "around-2"));
}

fn bodies_in_chunks_and_with_trailers_reach_every_attempt(gateway: &Gateway) {
    let body = large(chat("chunked"), 2 * MEGABYTE);
    let expected = fnv(body.replace("t/chunked", "up-chunked").as_bytes());
    let ends: [fn(&mut Connection); 2] = [
        |connection| connection.chunk(b"", ""),
        |connection| connection.write(b"0\r\nx-sum: 1\r\n\r\n"),
    ];
    for (name, end) in FACES.iter().flat_map(|base| ends.map(|end| (base, end))) {
        let mut connection = gateway.connect();
        let headers = [("transfer-encoding", "chunked"), ("te", "trailers"), ("trailer", "x-sum")];
        connection.head("POST", &format!("{name}/chat/completions"), &headers);
        body.as_bytes().chunks(300_000).for_each(|piece| connection.chunk(piece, ""));
        end(&mut connection);
        let reply = connection.read("POST");
        assert!(reply.content().starts_with("Hello from chunked-2"), "{reply:?}");
    }
    for step in 0..3 {
        assert_eq!(
            hashes(gateway, &format!("chunked-{step}")),
            vec![expected.clone(); 4],
            "at step {step}"
        );
    }
}

fn attempts_that_never_answer_leave_the_next_one_the_whole_prompt(gateway: &Gateway) {
    let body = large(stream("unreachable"), 2 * MEGABYTE);
    let reply = gateway.post("/v1", body.as_bytes());
    assert!(reply.content().starts_with("Hello from unreachable-3"), "{reply:?}");
    assert_eq!(outcomes(gateway, &reply), ["connect", "reset", "status_5xx", "ok"]);
    assert_eq!(hashes(gateway, "unreachable-2"), hashes(gateway, "unreachable-3"));
    let reply = gateway.post("/v1", large(stream("stuck"), 2 * MEGABYTE).as_bytes());
    assert!(reply.content().starts_with("Hello from stuck-1"), "{reply:?}");
    assert_eq!(outcomes(gateway, &reply), ["first_token", "ok"]);
    assert_eq!(hashes(gateway, "stuck-0"), hashes(gateway, "stuck-1"));
}

fn a_client_that_leaves_a_later_attempt_is_noticed(gateway: &Gateway) {
    let mut connection = gateway.connect();
    let body = large(stream("left"), 2 * MEGABYTE);
    connection.send("POST", "/v1/chat/completions", &[], body.as_bytes());
    assert!(gateway.becomes(|| !gateway.fake.received("left-1").is_empty()));
    std::thread::sleep(Duration::from_millis(100));
    connection.abort();
    gateway.expect_stat("requests.tenant=default.model=t/left.operation=chat.status=aborted", 1);
    gateway.expect_stat("attempts.provider=left-1.model=t/left.outcome=aborted", 1);
    assert_eq!(hashes(gateway, "left-0"), hashes(gateway, "left-1"));
}

fn what_cannot_be_translated_is_refused_at_a_later_attempt(gateway: &Gateway) {
    for base in FACES {
        let mut body = chat("unfit");
        body["messages"] = json!([
            {"role": "user", "content": "x".repeat(MEGABYTE)},
            {"role": "user", "content": 5},
        ]);
        let reply = gateway.ask(base, &body);
        assert_eq!((reply.status, reply.whole), (400, true), "{reply:?}");
        assert_eq!(outcomes(gateway, &reply), ["status_5xx"]);
    }
    assert!(gateway.fake.received("unfit-1").is_empty());
}

fn a_crowded_cluster_ends_the_request(gateway: &Gateway) {
    for size in [100, 2 * MEGABYTE] {
        let reply = gateway.post("/v1", large(chat("crowded"), size).as_bytes());
        assert_eq!((reply.status, reply.whole), (503, true), "{reply:?}");
        assert_eq!(reply.json()["error"]["code"], "upstream_overflow");
        assert!(reply.text().contains("crowded-1"), "{reply:?}");
        assert_eq!(outcomes(gateway, &reply), ["status_5xx"]);
    }
}
