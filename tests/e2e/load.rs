//! Many requests at once, and ten thousand clients that hang up: all are served, and nothing stays
//! behind. The fake keeps no requests here: it would keep the last thousand only.

use std::thread;
use std::time::Duration;

use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::Setup;

const THREADS: usize = 32;
const ROUNDS: usize = 5_000 / THREADS + 1;

fn setup() -> Setup {
    Setup { record: false, ..Setup::new() }
        .chain("endless", &["status=503", "interval=20,tokens=60"])
        .chain("silent", &["stall=headers"])
        .chain("stalled", &["stall=first"])
        .chain("good", &[""])
        .chain("many", &["status=503", ""])
}

on_envoy! { setup:
    two_thousand_requests_fall_back_at_once,
    ten_thousand_aborted_streams_leave_nothing_behind,
}

/// Hangs up at one of five moments.
fn abort(gateway: &Gateway, round: usize) {
    let path = format!("{}/chat/completions", FACES[round / 5 % 2]);
    let mut connection = gateway.connect();
    match round % 5 {
        0 => {
            connection.head("POST", &path, &[("content-length", "1000")]);
            connection.write(b"{\"model\":");
        }
        1 => connection.send("POST", &path, &[], chat("silent").to_string().as_bytes()),
        2 => {
            connection.send("POST", &path, &[], stream("stalled").to_string().as_bytes());
            thread::sleep(Duration::from_millis(10));
        }
        _ => {
            connection.send("POST", &path, &[], stream("endless").to_string().as_bytes());
            connection.read_until("data: ", 2);
        }
    }
    connection.abort();
}

fn abort_five_thousand(gateway: &Gateway) -> u64 {
    thread::scope(|scope| {
        for first in 0..THREADS {
            scope.spawn(move || (first..first + ROUNDS).for_each(|round| abort(gateway, round)));
        }
    });
    assert!(
        gateway.becomes(|| active(gateway).lines().all(|line| line.ends_with(": 0"))),
        "{}",
        active(gateway)
    );
    gateway.envoy.resident()
}

/// How many connections and requests of clients there are, and requests to upstreams.
fn active(gateway: &Gateway) -> String {
    let downstream = "http.gateway.downstream_(rq|cx)_active";
    gateway.envoy.get(&format!("/stats?filter={downstream}|cluster.*upstream_rq_active"))
}

fn ten_thousand_aborted_streams_leave_nothing_behind(gateway: &Gateway) {
    let first = abort_five_thousand(gateway);
    let second = abort_five_thousand(gateway);
    println!("resident after 5,000: {first} KiB, after 10,000: {second} KiB");
    assert!(second * 10 < first * 13, "memory grows: {first} KiB, then {second} KiB");
    let stats = gateway.envoy.get("/stats?filter=modelyard.requests");
    assert!(stats.contains("model=t/endless.operation=chat.status=aborted"), "{stats}");
    assert_eq!(gateway.ask("/v1", &chat("good")).status, 200);
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
