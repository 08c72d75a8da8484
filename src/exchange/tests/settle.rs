//! What is counted and written down, exactly once.

use super::*;
use crate::route::{self, Measure};
use crate::stats;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// All stats without what their names begin with, each with its value.
fn listed(books: &Books) -> Vec<String> {
    let stats = books.stats.iter();
    stats
        .map(|(name, value)| format!("{} {value}", name.strip_prefix("modelyard.").unwrap()))
        .collect()
}

/// The books of a plain answer that came after a failure.
fn books_after_a_failure() -> Books {
    let mut world =
        World::begun(&config(&document()), Face::OpenAi, &CHAT.replace("m/one", "m/pass"));
    world.wait(10).close(Broken::Connect);
    world.wait(5).begin();
    world.wait(100).headers(200, &[JSON], false);
    let (left, right) = ANSWER.split_at(50);
    world.wait(20).body(left, false);
    world.wait(65).body(right, true);
    world.settle()
}

#[test]
fn a_plain_answer_after_a_failure_is_counted_in_full() {
    assert_eq!(
        listed(&books_after_a_failure()),
        [
            "attempts.provider=b.model=m/pass.outcome=ok 1",
            "attempts.provider=c.model=m/pass.outcome=connect 1",
            "endpoint_health.provider=b.model=m/pass 1",
            "endpoint_health.provider=c.model=m/pass 1",
            "fallbacks.provider=c.model=m/pass.reason=connect 1",
            "request_duration_ms.provider=b.model=m/pass 200",
            "requests.tenant=default.model=m/pass.operation=chat.status=2xx 1",
            "time_to_first_token_ms.provider=b.model=m/pass 135",
            "tokens.tenant=default.provider=b.model=m/pass.token_type=cached.source=reported 4",
            "tokens.tenant=default.provider=b.model=m/pass.token_type=input.source=reported 10",
            "tokens.tenant=default.provider=b.model=m/pass.token_type=output.source=reported 5",
        ]
    );
}

#[test]
fn an_answer_is_told_to_the_host_with_all_that_is_known_of_it() {
    let books = books_after_a_failure();
    let told: Vec<_> =
        books.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        told,
        [
            "attempts=2",
            "cached_tokens=4",
            "finish_reason=stop",
            "generation_id=gen-1800000000-00000000000000000000",
            "input_tokens=10",
            "operation=chat",
            "output_tokens=5",
            "provider=b",
            "request_model=m/pass",
            "response_model=m/pass",
            "tenant=default",
        ],
        "no cost: the price is unknown, not free"
    );
}

#[test]
fn an_exchange_is_written_down_with_all_its_attempts() {
    let books = books_after_a_failure();
    let expected = json!({
        "generation_id": "gen-1800000000-00000000000000000000",
        "tenant": "default",
        "operation": "chat",
        "request_model": "m/pass",
        "response_model": "m/pass",
        "provider": "b",
        "finish_reason": "stop",
        "error_type": null,
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_tokens": 4,
        "reasoning_tokens": 0,
        "estimated": false,
        "cost_usd": null,
        "status": 200,
        "error": null,
        "stream": false,
        "duration_ms": 200,
        "rule": "routing.sort=order",
        "plan": ["c/p", "b/up-b"],
        "dropped": [],
        "attempts": [{
            "endpoint": "c/p",
            "outcome": "connect",
            "start_ms": 0,
            "duration_ms": 10,
        }, {
            "endpoint": "b/up-b",
            "outcome": "ok",
            "status": 200,
            "start_ms": 15,
            "first_token_ms": 135,
            "duration_ms": 185,
        }],
        "seed": "0000000000000001",
        "config": books.record["config"],
    });
    assert_eq!(books.record, expected);
}

#[test]
fn a_stream_is_counted_with_its_cost_and_speed() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, STREAM);
    world.wait(100).headers(200, &[SSE], false);
    world.wait(100).body(content("hel"), false);
    world.wait(1_000).body([FINISH, USAGE, DONE].concat(), true);
    let books = world.settle();
    assert_eq!(
        listed(&books),
        [
            "attempts.provider=a.model=m/one.outcome=ok 1",
            "cost_nanousd.tenant=default.provider=a.model=m/one 20000",
            "endpoint_health.provider=a.model=m/one 1",
            "output_tokens_per_second.provider=a.model=m/one 5",
            "request_duration_ms.provider=a.model=m/one 1200",
            "requests.tenant=default.model=m/one.operation=chat.status=2xx 1",
            "time_to_first_token_ms.provider=a.model=m/one 200",
            "tokens.tenant=default.provider=a.model=m/one.token_type=input.source=reported 10",
            "tokens.tenant=default.provider=a.model=m/one.token_type=output.source=reported 5",
        ]
    );
    assert_eq!(books.properties["cost_usd"], "0.00002");
    world.health.sync(world.now);
    for (measure, range) in [(Measure::FirstToken, 194.0..206.0), (Measure::Throughput, 4.85..5.15)]
    {
        let median = world.health.median("a/up-a", measure, world.now).unwrap();
        assert!(range.contains(&median), "{median}");
    }
}

#[test]
fn cost_is_exact_and_the_same_in_books_and_answer() {
    let mut document = document();
    let endpoint = &mut document["models"][0]["endpoints"][0];
    endpoint["pricing"] = json!({
        "prompt": "0.0000003",
        "completion": "0.0000011",
        "input_cache_read": "0.00000003",
        "request": "0.0001",
    });
    endpoint["overrides"] = json!([{"min_prompt_tokens": 9, "completion": "0.0000022"}]);
    let config = config(&document);
    for (prompt, expected) in [(9, "0.000107120"), (10, "0.00011292")] {
        // Of the input tokens 4 are cached; there are 5 output tokens.
        let cost: f64 = expected.parse().unwrap();
        let answer = ANSWER.replace("\"prompt_tokens\":10", &format!("\"prompt_tokens\":{prompt}"));
        let mut world = World::open(&config, Face::OpenRouter, CHAT);
        world.play(&[answers(200, &answer)]);
        assert_eq!(world.got.json()["usage"]["cost"], json!(cost), "{prompt}");
        let books = world.settle();
        assert_eq!(books.properties["cost_usd"], expected.trim_end_matches('0'), "{prompt}");
    }
}

// The costs of 10 input and 5 output tokens: a million costs 1 and 2 USD in the default tier, 10
// and 20 in the tier priority.
const DEFAULT: &str = "0.00002";
const PRIORITY: &str = "0.0002";

/// The usual document, but `m/one` has tiers; those of `a`, which speaks `api`, are in the region
/// eu.
fn tiered(api: &str) -> Value {
    let mut document = document();
    let endpoints = [
        ("a", "eu/priority", "0.00001", "0.00002"),
        ("a", "us", "1", "1"),
        ("b", "eu", "1", "1"),
        ("a", "eu", "0.000001", "0.000002"),
        ("a", "eu/flex", "0.0000001", "0.0000002"),
    ]
    .map(|(provider, tag, prompt, completion)| {
        let pricing = json!({"prompt": prompt, "completion": completion});
        json!({"provider": provider, "model": "up", "tag": tag, "pricing": pricing})
    });
    document["models"][0]["endpoints"] = json!(endpoints);
    document["providers"]["a"]["api"] = api.into();
    document
}

/// What a request for the tier priority gets as its answer, and what is counted for it.
fn ask(document: &Value, surface: (Face, Operation), body: &str, answer: Act) -> (String, Books) {
    let body = body.replacen('{', r#"{"service_tier":"priority","max_tokens":9,"#, 1);
    let mut world = World::open_with(&config(document), surface, &[], &body, Health::default());
    world.play(&[answer]);
    (world.got.text().to_owned(), world.settle())
}

#[test]
fn the_tier_that_served_the_request_is_paid() {
    let document = tiered("openai");
    for (served, cost, record) in [
        (r#","service_tier":"priority""#, PRIORITY, json!("priority")),
        (r#","service_tier":"default""#, DEFAULT, json!("default")),
        (r#","service_tier":"flex""#, "0.000002", json!("flex")),
        (r#","service_tier":"scale""#, PRIORITY, Value::Null),
        (r#","service_tier":null"#, PRIORITY, Value::Null),
        ("", PRIORITY, Value::Null),
    ] {
        let usage = r#""usage":{"prompt_tokens":10,"completion_tokens":5}"#;
        let whole =
            format!(r#"{{"choices":[{{"message":{{}},"finish_reason":"stop"}}],{usage}{served}}}"#);
        let event = format!("data: {{\"choices\":[],{usage}{served}}}\n\n");
        let events = [&content("hello"), FINISH, &event, DONE].concat();
        for face in FACES {
            for (body, act) in [(CHAT, answers(200, &whole)), (STREAM, streams(&events))] {
                let (answer, books) = ask(&document, (face, Operation::Chat), body, act);
                assert_eq!(books.properties["cost_usd"], cost, "{served} {body}");
                assert_eq!(books.record["service_tier"], record, "{served} {body}");
                let told = answer.contains(&format!("\"cost\":{cost},"));
                assert_eq!(told, face == Face::OpenRouter, "{served} {body}: {answer}");
            }
        }
    }
}

/// A message in Anthropic's form, which says its tier in its usage.
fn message(tier: &str) -> Act {
    let usage = json!({"input_tokens": 10, "output_tokens": 5, "service_tier": tier});
    let message =
        json!({"type": "message", "content": [], "stop_reason": "end_turn", "usage": usage});
    answers(200, &message.to_string())
}

#[test]
fn the_tier_that_served_a_message_is_paid() {
    let document = tiered("anthropic");
    for (tier, cost) in [("standard", DEFAULT), ("priority", PRIORITY), ("batch", PRIORITY)] {
        for surface in [
            (Face::OpenAi, Operation::Messages),
            (Face::OpenRouter, Operation::Messages),
            (Face::OpenAi, Operation::Chat),
        ] {
            let (_, books) = ask(&document, surface, CHAT, message(tier));
            assert_eq!(books.properties["cost_usd"], cost, "{tier} {surface:?}");
        }
    }
}

#[test]
fn a_tier_whose_price_is_not_known_is_paid_as_the_one_that_was_asked_for() {
    let mut document = tiered("anthropic");
    document["models"][0]["endpoints"].as_array_mut().unwrap().truncate(3);
    let surface = (Face::OpenAi, Operation::Messages);
    let (_, books) = ask(&document, surface, CHAT, message("standard"));
    assert_eq!(books.properties["cost_usd"], PRIORITY);
}

#[test]
fn every_kind_of_token_is_counted() {
    let usage = json!({
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {
            "cached_tokens": 40, "cache_write_tokens": 20, "audio_tokens": 3,
        },
        "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 4},
    });
    let answer = json!({"choices": [], "usage": usage}).to_string();
    for face in FACES {
        let books = play(face, CHAT, &[answers(200, &answer)]).settle();
        let kinds = ["input", "output", "cached", "cache_write", "reasoning", "audio"];
        assert_eq!(kinds.map(|kind| books.tokens(kind, "reported")), [100, 50, 40, 20, 30, 7]);
    }
}

#[test]
fn an_exchange_is_settled_once() {
    let mut world = play(Face::OpenAi, CHAT, &[answers(200, ANSWER)]);
    let first = world.settle();
    assert!(!first.stats.is_empty() && !first.properties.is_empty());
    assert_eq!(world.settle(), Books::default());
    let mut world = World::begun(&config(&document()), Face::OpenAi, STREAM);
    world.settle();
    world.close(Broken::Reset);
    assert_eq!(
        world.settle(),
        Books::default(),
        "the upstream's end after the client's changes nothing"
    );
}

#[test]
fn a_client_that_hangs_up_before_the_first_token_is_charged_nothing() {
    for begin in [true, false] {
        let mut world = World::open(&config(&document()), Face::OpenAi, STREAM);
        if begin {
            world.begin();
            world.headers(200, &[SSE], false);
        }
        let books = world.wait(500).settle();
        assert_eq!(books.tags(&stats::REQUESTS), ["default m/one chat aborted"]);
        assert_eq!(
            books.tags(&stats::ATTEMPTS),
            if begin { vec!["a m/one aborted"] } else { vec![] }
        );
        assert_eq!(
            (books.tags(&stats::TOKENS), books.tags(&stats::ENDPOINT_HEALTH)),
            (vec![], vec![])
        );
        assert_eq!(books.properties["error_type"], "aborted");
        assert!(!world.health.in_outage("a/up-a", world.now));
    }
}

#[test]
fn a_client_that_hangs_up_in_mid_stream_pays_for_what_was_produced() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, STREAM);
    world.headers(200, &[SSE], false);
    (0..7).for_each(|_| drop(world.wait(10).body(content("x"), false)));
    let books = world.settle();
    assert_eq!(books.tags(&stats::REQUESTS), ["default m/one chat aborted"]);
    assert_eq!(books.tags(&stats::ATTEMPTS), ["a m/one aborted"]);
    assert_eq!(books.record["estimated"], true);
    // The prompt is eight bytes, which are two tokens, and its quotes make it three; seven events
    // came back.
    assert_eq!(
        (&books.record["input_tokens"], &books.record["output_tokens"]),
        (&json!(3), &json!(7))
    );
    assert_eq!(books.properties["cost_usd"], "0.000017");
    assert!(books.tags(&stats::TOKENS).iter().all(|tags| tags.ends_with("estimated")));
}

#[test]
fn usage_that_came_before_the_client_hung_up_is_reported_not_estimated() {
    let mut world = World::begun(&config(&document()), Face::OpenAi, STREAM);
    world.headers(200, &[SSE], false);
    world.body(content("x"), false);
    world.body(USAGE, false);
    assert_eq!(world.settle().record["estimated"], false);
}

#[test]
fn answers_without_figures_are_estimated() {
    let plain = r#"{"id":"x","choices":[{"message":{"content":"hello"},"finish_reason":"stop"}]}"#;
    for usage in ["", ",\"usage\":null", ",\"usage\":{}", ",\"usage\":\"none\""] {
        let answer = plain.replace("]}", &format!("]{usage}}}"));
        for face in FACES {
            let mut world = play(face, CHAT, &[answers(200, &answer)]);
            if face == Face::OpenRouter {
                assert!(world.got.json()["usage"]["cost"].is_number(), "{}", world.got.text());
            }
            let books = world.settle();
            assert_eq!(books.record["estimated"], true);
            assert_eq!(books.record["input_tokens"], 3);
            assert!(books.record["output_tokens"].as_u64().unwrap() > 5);
        }
    }
    let mut world = play(
        Face::OpenAi,
        STREAM,
        &[streams(&[&content("a"), &content("b"), FINISH, DONE].concat())],
    );
    assert_eq!(world.settle().record["estimated"], true);
}

#[test]
fn embeddings_have_no_output() {
    let config = config(&document());
    let body = r#"{"model":"m/one","input":"12345678"}"#;
    let long: Vec<String> = (0..100).map(|n| format!("0.{n}")).collect();
    let answer =
        format!("{{\"object\":\"list\",\"data\":[{{\"embedding\":[{}]}}]}}", long.join(","));
    for face in FACES {
        let mut world =
            World::open_with(&config, (face, Operation::Embeddings), &[], body, Health::default());
        world.play(&[answers(200, &answer)]);
        let books = world.settle();
        assert_eq!(books.tags(&stats::TOKENS), ["default a m/one input estimated"]);
        assert_eq!(books.tags(&stats::REQUESTS), ["default m/one embeddings 2xx"]);
        assert_eq!(books.properties["cost_usd"], "0.000003");
    }
}

#[test]
fn labels_come_from_the_configuration() {
    let evil = r#"{"model":"w/evil.model=x.tenant=y","messages":[]}"#;
    let mut world = play(Face::OpenAi, evil, &[answers(200, ANSWER)]);
    assert_eq!(world.got.header("x-modelyard-model"), Some("w/evil.model=x.tenant=y"));
    let books = world.settle();
    assert!(books.stats.keys().all(|name| !name.contains("evil")), "{:?}", books.stats);
    assert_eq!(books.tags(&stats::ATTEMPTS), ["a w/* ok"]);
    assert_eq!(books.properties["request_model"], "w/evil.model=x.tenant=y");
    let mut world = play(Face::OpenAi, r#"{"model":"evil"}"#, &[]);
    assert_eq!(world.settle().tags(&stats::REQUESTS), ["default unknown chat 4xx"]);
}

#[test]
fn foreign_text_cannot_break_a_line_or_a_header() {
    let body = r#"{"model":"w/a\r\nx-evil: 1\u0000é\u2028","messages":[]}"#;
    let answer = ANSWER.replace("\"stop\"", "\"st\\nop\"");
    let mut world = play(Face::OpenAi, body, &[answers(200, &answer)]);
    let model = world.got.header("x-modelyard-model").unwrap();
    assert!(model.bytes().all(|byte| byte.is_ascii_graphic()), "{model}");
    let books = world.settle();
    for (name, value) in &books.properties {
        assert!(!value.contains(char::is_control), "{name}: {value:?}");
    }
}

#[test]
fn all_dropped_endpoints_are_in_the_record() {
    let body = CHAT.replace("}]}", r#"}],"provider":{"ignore":["a"],"zdr":null}}"#);
    let books = play(Face::OpenAi, &body, &[answers(200, ANSWER)]).settle();
    assert_eq!(books.record["plan"], json!(["b/up-b"]));
    assert_eq!(
        books.record["dropped"],
        json!([{"endpoint": "a/up-a", "reason": "provider.ignore"}])
    );
}

#[test]
fn the_seed_is_the_request_id_or_else_random() {
    assert_eq!(seed(&[]), "0000000000000001");
    let first = seed(&[("x-request-id", "one")]);
    assert_eq!(first, seed(&[("x-request-id", "one")]));
    assert_ne!(first, seed(&[("x-request-id", "two")]));
}

fn seed(headers: &[(&str, &str)]) -> Value {
    let (config, surface) = (config(&document()), (Face::OpenAi, Operation::Chat));
    let mut world = World::open_with(&config, surface, headers, CHAT, Health::default());
    world.settle().record["seed"].clone()
}

#[test]
fn the_record_can_be_switched_off() {
    let mut document = document();
    document["telemetry"] = json!({"record": "none"});
    let mut world = World::open(&config(&document), Face::OpenAi, CHAT);
    world.play(&[answers(200, ANSWER)]);
    let books = world.settle();
    assert_eq!(books.record, Value::Null);
    assert_eq!(books.properties["output_tokens"], "5", "filter state stays");
}

#[test]
fn nothing_of_prompt_or_completion_is_written_down() {
    let body = CHAT.replace("12345678", "SECRET-PROMPT");
    let answer = ANSWER.replace("hello", "SECRET-ANSWER");
    let error = ERROR.replace("broken here", "SECRET-ERROR");
    for acts in [vec![answers(200, &answer)], vec![answers(500, &error), answers(400, &error)]] {
        for face in FACES {
            let books = play(face, &body, &acts).settle();
            assert!(!format!("{books:?}").contains("SECRET"), "{books:?}");
        }
    }
}

#[test]
fn a_probe_is_in_the_record_and_ends_with_its_exchange() {
    let mut document = document();
    document["routing"]["sort"] = "price".into();
    let config = config(&document);
    let mut health = Health::default();
    for _ in 0..3 {
        health.observe("a/up-a", route::Observation { failed: true, ..Default::default() }, START);
    }
    let mut probes = 0;
    for request in 0..100 {
        let id = [("x-request-id", format!("request-{request}"))];
        let headers = [(id[0].0, id[0].1.as_str())];
        let mut world =
            World::open_with(&config, (Face::OpenAi, Operation::Chat), &headers, CHAT, health);
        let is_probe = world.exchange.plan.is_probe();
        assert_eq!(world.health.is_probed("a/up-a", START), is_probe);
        probes += usize::from(is_probe);
        let acts = [answers(500, ERROR), answers(200, ANSWER)];
        let books = world.play(if is_probe { &acts } else { &acts[1..] }).settle();
        assert_eq!(books.record.get("probe"), is_probe.then_some(&json!(true)));
        assert_eq!(books.record["plan"][0], if is_probe { "a/up-a" } else { "b/up-b" });
        assert!(!world.health.is_probed("a/up-a", START));
        health = world.health;
    }
    assert!((1..20).contains(&probes), "{probes}");
}
