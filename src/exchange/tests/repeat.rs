//! A reused connection that breaks is no failure of the endpoint: it is asked once more.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const ANSWER: &str = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;

/// An attempt on a connection that others have used.
fn reuse(world: &mut World) {
    world.begin();
    world.exchange.reuses_connection(world.attempt);
    world.wait(5);
}

#[test]
fn the_same_endpoint_is_asked_once_more() {
    for body in [CHAT, STREAM] {
        let mut world = World::open(&config(&document()), Face::OpenAi, body);
        reuse(&mut world);
        world.close(Broken::Reset);
        world.play(&[if body == CHAT { answers(200, ANSWER) } else { streams(&stream()) }]);
        assert_eq!(world.clusters, ["cluster-a", "cluster-a"]);
        assert_eq!((world.got.status, world.got.header("x-modelyard-attempts")), (200, Some("2")));
        let books = world.settle();
        assert_eq!(books.tags(&crate::stats::FALLBACKS), Vec::<String>::new());
        assert_eq!(books.tags(&crate::stats::ATTEMPTS), ["a m/one ok", "a m/one reset"]);
        let first = &books.record["attempts"][0];
        assert_eq!((&first["outcome"], &first["repeated"]), (&json!("reset"), &json!(true)));
        assert!(world.health.is_well("a/up-a", world.now));
    }
}

#[test]
fn it_is_asked_no_fourth_time() {
    let mut world = World::open(&config(&document()), Face::OpenAi, CHAT);
    for _ in 0..3 {
        reuse(&mut world);
        world.close(Broken::Reset);
    }
    world.play(&[answers(200, ANSWER)]);
    assert_eq!(world.clusters, ["cluster-a", "cluster-a", "cluster-a", "cluster-b"]);
    assert_eq!(world.settle().tags(&crate::stats::FALLBACKS), ["a m/one reset"]);
}

#[test]
fn one_endpoint_without_fallbacks_may_be_asked_again_and_then_the_error_is_told() {
    let body = CHAT.replacen('{', r#"{"provider":{"allow_fallbacks":false},"#, 1);
    let mut world = World::open(&config(&document()), Face::OpenAi, &body);
    let most = world.exchange.departure().unwrap().max_retries;
    for _ in 0..=most {
        reuse(&mut world);
        world.close(Broken::Reset);
    }
    let reply = world.try_begin().unwrap_err();
    assert_eq!((reply.status, world.clusters.len()), (502, 3));
}

#[test]
fn neither_a_fresh_connection_nor_an_answer_that_has_begun_is_repeated() {
    let mut fresh = World::open(&config(&document()), Face::OpenAi, CHAT);
    fresh.play(&[Act::Break, answers(200, ANSWER)]);
    assert_eq!(fresh.clusters, ["cluster-a", "cluster-b"]);
    let mut begun = World::open(&config(&document()), Face::OpenAi, CHAT);
    reuse(&mut begun);
    begun.headers(200, &[JSON], false);
    begun.close(Broken::Reset);
    assert_eq!(begun.exchange.next_cluster(), "cluster-b");
    let mut late = World::open(&config(&document()), Face::OpenAi, STREAM);
    reuse(&mut late);
    late.wait(15_000).close(Broken::Reset);
    assert_eq!(late.exchange.next_cluster(), "cluster-b", "it had its time");
}
