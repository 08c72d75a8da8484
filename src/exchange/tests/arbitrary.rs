//! Whatever an upstream sends, cut however: no panic, no more memory than the limits, one
//! settlement.

use super::*;
use crate::exchange::answer::{Answer, Progress};
use crate::exchange::framing::Events;
use crate::translate::HideUsageEvent;
use crate::translate::source::Passing;
use crate::wire::split::Random;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Pieces that answers are made of, right and wrong.
const PARTS: &[&[u8]] = &[
    b"data: ",
    b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n",
    b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1e300,\
      \"completion_tokens\":18446744073709551615}}\n\n",
    b"data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\r\n\r\n",
    b"data: {\"error\":{\"message\":7,\"code\":\"x\"}}\n\n",
    b"data: [DONE]\n\n",
    b": ping\n\n",
    b"{\"id\":1,\"choices\":[{\"finish_reason\":null},7,{}],\"usage\":null}",
    b"{\"error\":",
    b"{\"usage\":{\"prompt_tokens\":-1}}",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u",
    b"\xf0\x9f",
    b"\xff",
    b"\0",
    b" ",
    b"<html>",
    &[b'x'; 115],
];

fn random_bytes(random: &mut Random) -> Vec<u8> {
    let count = random.below(40);
    (0..count).flat_map(|_| PARTS[random.below(PARTS.len())].iter().copied()).collect()
}

fn small() -> Rc<Config> {
    let mut document = document();
    document["limits"] = json!({"event_bytes": 1024, "answer_bytes": 1024, "request_bytes": 4096});
    config(&document)
}

#[test]
fn whole_exchanges_survive_whatever_upstreams_send() {
    let config = small();
    let mut random = Random::new(21);
    for _ in 0..4_000 {
        let face = FACES[random.below(2)];
        let operation =
            [Operation::Chat, Operation::Completions, Operation::Embeddings][random.below(3)];
        let request = [CHAT, STREAM, r#"{"models":["m/one","m/two","m/pass"],"stream":true}"#]
            [random.below(3)];
        let mut world =
            World::open_with(&config, (face, operation), &[], request, Health::default());
        let steps = world.exchange.plan.steps.len();
        for step in 0..steps {
            world.begin();
            let (verdict, sent) = play_random(&mut world, &mut random);
            let is_over = world.got.status != 0 || world.got.reset;
            if verdict == Verdict::Retry {
                assert!(step + 1 < steps, "no endpoint is left");
                assert!(!is_over, "the client has something already");
                continue;
            }
            if is_over {
                assert!(
                    world.got.body.len() <= 20 * sent + 20_000,
                    "{} of {sent}",
                    world.got.body.len()
                );
                break;
            }
        }
        let books = world.settle();
        assert_eq!(books.tags(&crate::stats::REQUESTS).len(), 1);
        assert_eq!(world.settle(), Books::default());
    }
}

/// One attempt of random headers, bytes, pauses and end.
fn play_random(world: &mut World, random: &mut Random) -> (Verdict, usize) {
    let status = [200, 200, 200, 200, 201, 204, 302, 400, 401, 404, 429, 500, 599, 999, 103]
        [random.below(15)];
    let kind = ["application/json", "text/event-stream", "", "text/html"][random.below(4)];
    let encoding = ["identity", "identity", "identity", "gzip", ""][random.below(5)];
    let wait = ["1", "1e9", "-1", "x", "99999999999999999999", "NaN", "inf"][random.below(7)];
    let headers = [("content-type", kind), ("content-encoding", encoding), ("retry-after", wait)];
    let bytes = random_bytes(random);
    if status < 200 {
        world.headers(status, &headers, false);
    }
    let mut verdict = world.headers(status.max(200), &headers, random.below(20) == 0);
    let mut rest = bytes.as_slice();
    while !rest.is_empty() && world.exchange.is_open(world.attempt) {
        let (piece, next) = rest.split_at((1 + random.below(200)).min(rest.len()));
        rest = next;
        verdict = world.body(piece, rest.is_empty() && random.below(3) > 0);
        if random.below(50) == 0 {
            world.wait(20_000);
            verdict = world.tick().unwrap_or(verdict);
        }
    }
    if world.exchange.is_open(world.attempt) && random.below(2) == 0 {
        verdict = world.body(b"", true);
    }
    world.close([Broken::Connect, Broken::Reset][random.below(2)]);
    (verdict, bytes.len())
}

#[test]
fn an_answer_never_holds_more_than_its_limits() {
    let config = small();
    let limits = &config.limits;
    let world = World::begun(&config, Face::OpenRouter, STREAM);
    let identity = world.exchange.identity(world.exchange.step(0).unwrap());
    let mut random = Random::new(22);
    for _ in 0..4_000 {
        let mut answer = match random.below(7) {
            0 => Answer::stream(
                limits,
                Events::Sse,
                Box::new(Passing::openai(Some(Box::new(HideUsageEvent)))),
            ),
            1 => Answer::stream(limits, Events::Sse, Box::new(Passing::openai(None))),
            2 => {
                Answer::stream(limits, Events::Sse, Box::new(Passing::openrouter(identity.clone())))
            }
            3 => Answer::plain(limits),
            4 => Answer::whole(limits, Box::new(Passing::openrouter(identity.clone()))),
            5 => Answer::error(limits),
            _ => Answer::opaque(limits),
        };
        for _ in 0..random.below(60) {
            let piece = random_bytes(&mut random);
            let progress = answer.push(&piece, random.below(40) == 0, &Duration::default);
            if matches!(progress, Progress::Failed(_) | Progress::Cut(..) | Progress::Error(_)) {
                break;
            }
            assert!(answer.held() <= 2 * 1024, "{} held after {progress:?}", answer.held());
        }
    }
}
