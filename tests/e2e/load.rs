//! Large prompts and many requests at once.

use std::thread;

use serde_json::{Value, json};

use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::Setup;

fn setup() -> Setup {
    Setup::new()
        .document(json!({"limits": {"request_bytes": 1 << 25}}))
        .chain("large", &["status=503", "status=429", ""])
        .chain("many", &["status=503", ""])
}

on_envoy! { setup:
    five_megabytes_reach_the_third_provider_intact,
    two_thousand_requests_fall_back_at_once,
}

/// 64-bit FNV-1a, by which the fake knows large bodies.
fn fnv(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

fn five_megabytes_reach_the_third_provider_intact(gateway: &Gateway) {
    let mut expected = Vec::new();
    for (index, (base, streamed)) in FACES.iter().flat_map(|base| [(base, false), (base, true)]).enumerate() {
        let mut body: Value = if streamed { stream("large") } else { chat("large") };
        let text = format!("{index} naïve 😀 \"quoted\" \\ ");
        body["messages"][0]["content"] = text.repeat(5 * 1024 * 1024 / text.len()).into();
        let bytes = body.to_string();
        let reply = gateway.post(base, bytes.as_bytes());
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.content().starts_with("Hello from large-2"), "{reply:?}");
        if !streamed {
            expected.push(fnv(bytes.replace("\"t/large\"", "\"up-large\"").as_bytes()));
        }
    }
    for step in 0..3 {
        let received = gateway.fake.received(&format!("large-{step}"));
        assert_eq!(received.len(), 4, "at step {step}");
        for hash in &expected {
            assert!(received.iter().any(|request| request.0["body_fnv"] == hash.as_str()), "at step {step}");
        }
    }
}

fn two_thousand_requests_fall_back_at_once(gateway: &Gateway) {
    thread::scope(|scope| {
        for thread in 0..64 {
            scope.spawn(move || {
                let body = if thread % 2 == 0 { chat("many") } else { stream("many") }.to_string();
                let path = format!("{}/chat/completions", FACES[thread / 2 % 2]);
                let mut connection = gateway.connect();
                for _ in 0..32 {
                    connection.send("POST", &path, &[], body.as_bytes());
                    let reply = connection.read("POST");
                    assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
                    assert!(reply.content().starts_with("Hello from many-1"), "{reply:?}");
                }
            });
        }
    });
    gateway.expect_stat("attempts.provider=many-1.model=t/many.outcome=ok", 64 * 32);
    gateway.expect_stat("fallbacks.provider=many-0.model=t/many.reason=status_5xx", 64 * 32);
    gateway.expect_stat("requests.tenant=default.model=t/many.operation=chat.status=2xx", 64 * 32);
}
