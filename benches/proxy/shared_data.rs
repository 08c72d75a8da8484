//! How often a worker reads and writes the host's shared data, counted in the core.

#[allow(dead_code, reason = "only half of what the benchmarks share")]
#[path = "../core/script.rs"]
mod script;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use modelyard::exchange::{Arrival, Exchange};
use modelyard::operation::{Face, Operation};
use modelyard::route::Health;
use modelyard::state::{Memory, Store};
use modelyard::usage::Journal;

use script::{ANSWER, NOW, answer, begin, catalogue, chat, config, piece};

/// The time between two ticks of the shell's timer.
const TICK: Duration = Duration::from_millis(100);
const TICKS: u32 = 100;

/// A store that counts what it is asked.
#[derive(Debug, Default)]
struct Counted {
    memory: Memory,
    calls: Cell<u32>,
}

impl Store for Counted {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.calls.update(|calls| calls + 1);
        self.memory.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: u32) -> bool {
        self.calls.update(|calls| calls + 1);
        self.memory.write(key, value, version)
    }
}

/// Calls of the host for shared data.
pub(crate) struct Calls {
    /// While a request is served, on average.
    pub(crate) per_request: f64,
    /// In a tick of the timer, on average.
    pub(crate) per_tick: f64,
}

/// Serves `per_tick` requests, evenly spread, between two ticks of a worker, each for another of
/// 400 models, for ten seconds.
pub(crate) fn calls(per_tick: u32) -> Calls {
    let config = config(&catalogue(400, 2));
    let store = Rc::new(Counted::default());
    let (mut health, mut journal) = (Health::new(store.clone()), Journal::new(store.clone()));
    health.create_values();
    journal.create_values();
    let (mut in_requests, mut in_ticks, mut served) = (0, 0, 0usize);
    for tick in 1..=TICKS {
        store.calls.set(0);
        for request in 0..per_tick {
            let now = NOW + TICK * (tick - 1) + TICK * request / per_tick;
            let body = chat(&format!("m/model-{}", served * 7 % 400), 1000, false);
            let random = [served as u64, 2];
            let arrival = Arrival {
                face: Face::OpenAi,
                operation: Operation::Chat,
                headers: &[],
                body,
                random,
                now,
            };
            let mut exchange = Exchange::open(config.clone(), arrival, &mut health);
            begin(&mut exchange);
            answer(&mut exchange, "application/json");
            piece(&mut exchange, ANSWER.as_bytes(), true);
            exchange.client_headers(200, &mut |_, _| {});
            let settlement = exchange.settle(now, &mut health, &mut |_, _, _| {}, &mut |_, _| {});
            journal.enter(settlement.cost, settlement.record, now);
            served += 1;
        }
        in_requests += store.calls.replace(0);
        let now = NOW + TICK * tick;
        health.sync(now);
        journal.sync(now);
        in_ticks += store.calls.get();
    }
    Calls {
        per_request: f64::from(in_requests) / served.max(1) as f64,
        per_tick: f64::from(in_ticks) / f64::from(TICKS),
    }
}
