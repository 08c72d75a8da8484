//! Nobody makes endpoints look ill to others: what clients can cause leaves no trace in the plans of
//! other clients.

use serde_json::json;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::wire::split::Random;

/// What one client asks of providers that are well, and what they answer to that.
struct Prank {
    name: &'static str,
    body: &'static str,
    acts: fn() -> Vec<Act>,
}

const PRANKS: [Prank; 12] = [
    Prank {
        name: "a deadline that nobody can keep",
        body: r#"{"model":"m/one","stream":true,"provider":{"first_token_timeout":0.001}}"#,
        acts: || vec![Act::Silence, Act::Silence],
    },
    Prank {
        name: "a misspelt model below a wildcard",
        body: r#"{"model":"w/missspelt"}"#,
        acts: || vec![answers(404, ERROR), answers(200, ANSWER)],
    },
    Prank {
        name: "a model below a wildcard that the account may not use",
        body: r#"{"model":"w/secret"}"#,
        acts: || vec![answers(403, ERROR), answers(200, ANSWER)],
    },
    Prank {
        name: "a wrong key of its own",
        body: r#"{"model":"m/pass"}"#,
        acts: || vec![answers(401, ERROR)],
    },
    Prank {
        name: "its own account's limit",
        body: r#"{"model":"m/pass"}"#,
        acts: || vec![limited(), answers(200, ANSWER)],
    },
    Prank {
        name: "a bad request",
        body: r#"{"model":"m/one","temperature":9}"#,
        acts: || vec![answers(400, ERROR)],
    },
    Prank {
        name: "a request that is too large",
        body: r#"{"model":"m/one"}"#,
        acts: || vec![answers(413, ERROR)],
    },
    Prank {
        name: "too much context",
        body: r#"{"model":"m/one"}"#,
        acts: || vec![answers(400, TOO_LONG)],
    },
    Prank {
        name: "a bad request that is told in a stream",
        body: r#"{"model":"m/one","stream":true}"#,
        acts: || vec![streams(BAD_EVENT), streams(BAD_EVENT)],
    },
    Prank {
        name: "what a moderator refuses",
        body: r#"{"model":"m/one"}"#,
        acts: || vec![answers(403, MODERATED)],
    },
    Prank {
        name: "an answer larger than may be held",
        body: r#"{"model":"m/one"}"#,
        acts: || vec![answers(200, &large()), answers(200, &large())],
    },
    Prank { name: "an abort", body: r#"{"model":"m/one","stream":true}"#, acts: Vec::new },
];

const ANSWER: &str = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;
const TOO_LONG: &str = r#"{"error":{"message":"long","code":"context_length_exceeded"}}"#;
const MODERATED: &str = r#"{"error":{"message":"no","code":"content_policy_violation"}}"#;
const BAD_EVENT: &str =
    "data: {\"error\":{\"message\":\"bad\",\"type\":\"invalid_request_error\",\"code\":400}}\n\n";

fn limited() -> Act {
    let wait = [("retry-after", "600".to_owned())];
    Act::Answer(429, only(JSON).into_iter().chain(wait).collect(), vec![ERROR.into()])
}

fn large() -> String {
    format!(r#"{{"choices":[{{"message":{{"content":"{}"}}}}]}}"#, "x".repeat(40_000))
}

/// Small limits, so that large answers need not be large, and an order that endpoints which do
/// badly leave.
fn bounded() -> Rc<Config> {
    let mut document = document();
    document["routing"] = json!({"sort": "price"});
    let second = json!({"provider": "b", "model": "*"});
    document["models"][3]["endpoints"].as_array_mut().unwrap().push(second);
    document["limits"] = json!({"answer_bytes": 20_000, "event_bytes": 20_000});
    config(&document)
}

fn messages(body: &str) -> String {
    body.replacen('{', r#"{"messages":[{"role":"user","content":"Hi"}],"#, 1)
}

/// The clusters of another client's plans, at this time.
fn plans(config: &Rc<Config>, health: &Health, now: Duration) -> Vec<Vec<String>> {
    let models = ["m/one", "m/two", "m/pass", "w/good"];
    let plan_of = |model: &str| {
        let body = messages(&json!({"model": model}).to_string()).into_bytes();
        let arrival = Arrival {
            face: Face::OpenAi,
            operation: Operation::Chat,
            headers: &[],
            body,
            random: [1, 2],
            now,
        };
        let exchange = Exchange::open(config.clone(), arrival, &mut health.clone());
        (0..exchange.plan.steps.len()).map(|step| exchange.cluster(step).to_owned()).collect()
    };
    models.map(plan_of).to_vec()
}

/// Plays a prank; returns what the gateway knows of its endpoints then.
fn play_prank(config: &Rc<Config>, prank: &Prank, face: Face, health: Health) -> Health {
    let asked = (face, Operation::Chat);
    let credentials = [("authorization", "Bearer client")];
    let mut world = World::open_with(config, asked, &credentials, &messages(prank.body), health);
    match (prank.acts)().as_slice() {
        [] => drop(world.begin()),
        acts => drop(world.play(acts)),
    }
    world.settle();
    world.health
}

#[test]
fn no_prank_changes_the_plan_of_another_client() {
    let config = bounded();
    let untouched = plans(&config, &Health::default(), START);
    for prank in &PRANKS {
        for face in FACES {
            let mut health = Health::default();
            for _ in 0..5 {
                health = play_prank(&config, prank, face, health);
            }
            assert_eq!(plans(&config, &health, START), untouched, "{}", prank.name);
        }
    }
}

#[test]
fn nor_does_any_sequence_of_them() {
    let config = bounded();
    let untouched = plans(&config, &Health::default(), START);
    let mut random = Random::new(7);
    for sequence in 0..20 {
        let mut health = Health::default();
        let mut played = Vec::new();
        for _ in 0..30 {
            let prank = &PRANKS[random.below(PRANKS.len())];
            played.push(prank.name);
            health = play_prank(&config, prank, FACES[random.below(2)], health);
        }
        assert_eq!(plans(&config, &health, START), untouched, "{sequence}: {played:?}");
    }
}

#[test]
fn nor_do_they_hide_that_an_endpoint_is_ill() {
    let config = bounded();
    let untouched = plans(&config, &Health::default(), START);
    let ill = Prank {
        name: "an endpoint that is ill",
        body: r#"{"model":"m/one"}"#,
        acts: || vec![answers(500, ERROR), answers(200, ANSWER)],
    };
    let mut health = Health::default();
    for _ in 0..3 {
        health = play_prank(&config, &ill, Face::OpenAi, health);
    }
    assert_ne!(plans(&config, &health, START), untouched);
    for _ in 0..20 {
        health = play_prank(&config, &PRANKS[5], Face::OpenAi, health);
    }
    assert_ne!(plans(&config, &health, START), untouched);
}

#[test]
fn a_deadline_of_the_documents_own_still_counts() {
    let config = bounded();
    let prank = Prank {
        name: "silence",
        body: r#"{"model":"m/one","stream":true}"#,
        acts: || vec![Act::Silence, streams(&stream())],
    };
    let mut health = Health::default();
    for _ in 0..3 {
        health = play_prank(&config, &prank, Face::OpenAi, health);
    }
    let later = START + Duration::from_secs(12);
    let untouched = plans(&config, &Health::default(), later);
    assert_ne!(plans(&config, &health, later), untouched);
}
