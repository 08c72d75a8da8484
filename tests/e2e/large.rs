//! Large prompts.

use serde_json::{Value, json};

use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::Setup;

fn setup() -> Setup {
    Setup::new()
        .document(json!({"limits": {"request_bytes": 1 << 25}}))
        .chain("large", &["status=503", "status=429", ""])
}

on_envoy! { setup:
    five_megabytes_reach_the_third_provider_intact,
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
        let outcomes = gateway.entry(&reply)["record"]["attempts"].clone();
        let outcomes: Vec<&Value> = outcomes.as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
        assert_eq!(outcomes, ["status_5xx", "status_429", "ok"]);
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
