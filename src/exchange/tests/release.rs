//! Bodies that the host alone keeps between attempts.

use super::*;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// `m/chain` at providers of these wire formats, one after the other.
fn chain(apis: &[&str]) -> Rc<Config> {
    let mut document = document();
    document["presets"] = json!({"cool": {"temperature": 0}});
    let mut endpoints = Vec::new();
    for (index, api) in apis.iter().enumerate() {
        let id = format!("{index}-{api}");
        document["providers"][&id] = document["providers"]["a"].clone();
        document["providers"][&id]["api"] = (*api).into();
        if *api == "bedrock" {
            document["providers"][&id]["auth"] = json!({"type": "sigv4", "region": "eu-central-1"});
        }
        endpoints.push(json!({"provider": id, "model": "claude-sonnet-4-5"}));
    }
    document["models"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": "m/chain", "endpoints": endpoints}));
    config(&document)
}

fn chat(model: &str) -> String {
    json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "model": model})
        .to_string()
}

fn open(apis: &[&str], operation: Operation, body: &str) -> World {
    World::open_with(&chain(apis), (Face::OpenAi, operation), &[], body, Health::default())
}

/// Whether the exchange lets go of a body while an attempt at this wire format is under way.
fn is_released(api: &str, operation: Operation, body: &str) -> bool {
    let mut world = open(&[api], operation, body);
    world.begin();
    world.exchange.request().released().is_some()
}

#[test]
fn every_attempt_is_the_same_as_with_a_body_that_was_kept() {
    let (apis, body) = (["openai", "bedrock", "openai", "anthropic", "openai"], chat("m/chain"));
    let mut kept = open(&apis, Operation::Chat, &body);
    let mut released = open(&apis, Operation::Chat, &body);
    for api in apis {
        let (kept_sent, sent) = (kept.begin_attempt(), released.begin());
        assert_eq!(sent.headers, kept_sent.headers, "{api}");
        assert_eq!(sent.body, kept_sent.body, "{api}");
        assert_eq!(kept.exchange.request().released(), None);
        assert_eq!(
            released.exchange.request().released(),
            (api == "openai").then_some(body.len()),
            "{api}"
        );
        for world in [&mut kept, &mut released] {
            world.wait(10).headers(200, &[JSON], false);
            world
                .body(if api == "openai" && world.clusters.len() == 5 { ANSWER } else { "" }, true);
        }
    }
    assert_eq!(released.got, kept.got);
    assert_eq!(released.got.json()["choices"][0]["message"]["content"], "hello");
    assert_eq!(released.settle(), kept.settle());
}

#[test]
fn what_the_answer_is_read_by_and_what_the_host_does_not_have_is_kept() {
    let messages =
        r#"{"model":"m/chain","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
    let responses = r#"{"model":"m/chain","input":"hi"}"#;
    assert!(is_released("openai", Operation::Chat, &chat("m/chain")));
    assert!(!is_released("anthropic", Operation::Chat, &chat("m/chain")), "answers are translated");
    assert!(
        !is_released("anthropic", Operation::Messages, messages),
        "answers are read with the request"
    );
    assert!(!is_released("openai", Operation::Responses, responses), "answers repeat the request");
    assert!(
        !is_released("openai", Operation::Chat, &chat("m/chain@preset/cool")),
        "the preset changed it"
    );
    let mut world = open(&["openai"], Operation::Chat, &chat("m/chain"));
    world.begin_attempt();
    world.exchange.release_body(world.client_body.len() - 1);
    assert_eq!(world.exchange.request().released(), None, "the host has another");
}

#[test]
fn no_attempt_begins_without_the_body() {
    let mut world = open(&["openai", "openai"], Operation::Chat, &chat("m/chain"));
    world.begin();
    world.headers(503, &[JSON], false);
    world.exchange.restore_body(b"{}".to_vec());
    let now = world.now;
    let refused = world.exchange.begin_attempt(&[], &|| now);
    assert!(refused.is_err_and(|reply| reply.status == 503), "another body is none");
}
