//! What the workers of an Envoy know together: outages, cooldowns, conversations, books. All of it
//! outlives configurations and VMs.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Connection, Reply};
use crate::gateway::{Gateway, OPERATOR_KEY, chat};
use crate::setup::Setup;

const PATIENCE: Duration = Duration::from_secs(30);

/// A model of two endpoints, of which the first is the cheaper one.
fn priced(name: &str, cached: Value) -> Value {
    let endpoints = [("0", "0.000001"), ("1", "0.000002")].map(|(step, usd)| {
        let pricing = json!({"prompt": usd, "completion": usd, "input_cache_read": cached});
        json!({"provider": format!("{name}-{step}"), "model": "up", "pricing": pricing})
    });
    json!({ "endpoints": endpoints })
}

/// Models of two endpoints; those of `talk` have a cache.
fn setup() -> Setup {
    Setup::new()
        .chain("shaky", &["status=503", ""])
        .model("shaky", priced("shaky", Value::Null))
        .chain("limited", &["status=429,retry-after=60", ""])
        .model("limited", priced("limited", Value::Null))
        .chain("talk", &["", ""])
        .model("talk", priced("talk", json!("0.0000001")))
        .document(json!({"routing": {"sort": "price", "sticky": {"ttl": "10m"}}}))
        .workers(2)
}

/// A gateway with a connection to each of its two workers.
struct Pair {
    gateway: Gateway,
    connections: [Connection; 2],
}

impl Pair {
    fn start(name: &str, setup: &Setup) -> Self {
        let gateway = Gateway::start(&format!("state::{name}"), setup);
        let gateway = gateway.unwrap_or_else(|log| panic!("Envoy does not start: {log}"));
        let connections = Self::connect(&gateway);
        Self { gateway, connections }
    }

    /// Opens connections until each worker has taken one.
    fn connect(gateway: &Gateway) -> [Connection; 2] {
        let mut found = [None, None];
        for _ in 0..100 {
            let before = Self::taken(gateway);
            let connection = gateway.connect();
            assert!(
                gateway.becomes(|| Self::taken(gateway) != before),
                "a connection is not taken"
            );
            let worker = usize::from(Self::taken(gateway)[0] == before[0]);
            found[worker] = Some(connection);
            if let [Some(_), Some(_)] = found {
                return found.map(Option::unwrap);
            }
        }
        panic!("one worker takes all connections");
    }

    /// How many connections each worker has taken. Listeners are named by their port as configured,
    /// which is any.
    fn taken(gateway: &Gateway) -> [u64; 2] {
        [0, 1].map(|worker| {
            gateway.stat(&format!("listener.127.0.0.1_0.worker_{worker}.downstream_cx_total"))
        })
    }

    fn send(&mut self, worker: usize, method: &str, path: &str, body: &str) -> Reply {
        let connection = &mut self.connections[worker];
        connection.send(method, path, &[("content-type", "application/json")], body.as_bytes());
        connection.read(method)
    }

    /// What the operator is told of all that was spent.
    fn usage(&mut self, worker: usize) -> Value {
        let key = format!("Bearer {OPERATOR_KEY}");
        let connection = &mut self.connections[worker];
        connection.send("GET", "/api/v1/key", &[("authorization", &key)], b"");
        connection.read("GET").json()["data"]["usage"].clone()
    }

    fn explain(&mut self, worker: usize, body: &Value) -> Value {
        let key = format!("Bearer {OPERATOR_KEY}");
        let (headers, body) = ([("authorization", key.as_str())], body.to_string());
        let connection = &mut self.connections[worker];
        connection.send("POST", "/modelyard/api/explain", &headers, body.as_bytes());
        connection.read("POST").json()
    }

    /// Asks a worker, waits until the exchange is settled, and returns its record.
    fn ask(&mut self, worker: usize, body: &Value) -> Value {
        let reply = self.send(worker, "POST", "/v1/chat/completions", &body.to_string());
        assert_eq!(reply.status, 200, "{reply:?}");
        self.gateway.entry(&reply)["record"].clone()
    }

    fn get(&mut self, worker: usize, path: &str) -> Value {
        let reply = self.send(worker, "GET", path, "");
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.json()
    }

    /// Waits until something is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The worker goes to the second endpoint first, but for the odd probe.
    fn expect_outage(&mut self, worker: usize) {
        let records: Vec<Value> = (0..5).map(|_| self.ask(worker, &chat("shaky"))).collect();
        assert!(
            records.iter().all(|it| it["plan"][0] == "shaky-1/up" || it["probe"] == true),
            "{records:?}"
        );
        assert!(
            records.iter().any(|it| it["attempts"][0]["endpoint"] == "shaky-1/up"),
            "{records:?}"
        );
    }

    fn expect_cooldown(&mut self, worker: usize) {
        let record = self.ask(worker, &chat("limited"));
        assert_eq!(record["plan"], json!(["limited-1/up", "limited-0/up"]), "{record}");
    }

    /// One turn of a conversation, with preferences; the endpoint and whether it was the
    /// conversation's own.
    fn turn(&mut self, worker: usize, preferences: Value) -> (Value, bool) {
        let mut body = chat("talk");
        body["session_id"] = "one".into();
        body["provider"] = preferences;
        let record = self.ask(worker, &body);
        (record["plan"][0].clone(), record["sticky"] == true)
    }

    /// Makes an outage of the first endpoint of `shaky`.
    fn shake(&mut self) {
        let mut body = chat("shaky");
        body["provider"] = json!({"only": ["shaky-0"]});
        for worker in [0, 1, 0] {
            let reply = self.send(worker, "POST", "/v1/chat/completions", &body.to_string());
            assert_eq!(reply.status, 503, "{reply:?}");
            self.gateway.entry(&reply);
        }
    }

    /// Makes what [`Self::expect_everything`] expects. An outage is forgotten after half a minute,
    /// so it is made anew.
    fn break_everything(&mut self) {
        self.shake();
        self.ask(1, &chat("limited"));
        self.turn(0, json!({"only": ["talk-1"]}));
    }

    fn expect_everything(&mut self) {
        for worker in [0, 1] {
            self.expect_outage(worker);
            self.expect_cooldown(worker);
            assert_eq!(self.turn(worker, Value::Null), (json!("talk-1/up"), true));
        }
    }
}

#[test]
fn an_endpoint_with_an_outage_is_tried_once_in_a_while_and_no_client_notices() {
    let mut pair = Pair::start("probe", &setup());
    pair.shake();
    // One request in twenty is a probe; that there is none among two thousand is less likely than a
    // broken machine.
    let probe = (0..2000)
        .map(|turn| pair.ask(turn % 2, &chat("shaky")))
        .find(|record| record["probe"] == true);
    let probe = probe.expect("a probe");
    assert_eq!(probe["plan"], json!(["shaky-0/up", "shaky-1/up"]), "{probe}");
    let outcomes: Vec<_> =
        probe["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["status_5xx", "ok"], "{probe}");
}

#[test]
fn failures_that_two_workers_saw_are_an_outage_for_both_at_once() {
    let mut pair = Pair::start("outage", &setup());
    for worker in [0, 1, 0] {
        let record = pair.ask(worker, &chat("shaky"));
        assert_eq!(record["attempts"].as_array().unwrap().len(), 2, "{record}");
    }
    for worker in [1, 0] {
        pair.expect_outage(worker);
        let explained = pair.explain(worker, &chat("shaky"));
        let health =
            explained["plan"].as_array().unwrap().iter().find(|step| step["provider"] == "shaky-0");
        let health = &health.unwrap()["health"];
        assert_eq!(
            (&health["outage"], &health["standing"]),
            (&json!(true), &json!("down")),
            "{explained}"
        );
    }
    pair.gateway.assert_sound(0);
}

#[test]
fn a_cooldown_that_one_worker_was_told_holds_for_the_other_at_once() {
    let mut pair = Pair::start("cooldown", &setup());
    let record = pair.ask(1, &chat("limited"));
    assert_eq!(record["attempts"][0]["retry_after_s"], 60, "{record}");
    [0, 1].into_iter().for_each(|worker| pair.expect_cooldown(worker));
    assert_eq!(pair.gateway.fake.received("limited-0").len(), 1);
    pair.gateway.assert_sound(0);
}

#[test]
fn a_conversation_goes_on_where_the_other_worker_left_it() {
    let mut pair = Pair::start("talk", &setup());
    assert_eq!(pair.turn(0, json!({"only": ["talk-1"]})), (json!("talk-1/up"), false));
    assert_eq!(pair.turn(1, Value::Null), (json!("talk-1/up"), true));
    assert_eq!(pair.turn(1, json!({"order": ["talk-0", "talk-1"]})), (json!("talk-1/up"), true));
    assert_eq!(pair.turn(1, json!({"only": ["talk-0"]})), (json!("talk-0/up"), false));
    assert_eq!(pair.turn(0, json!({"order": ["talk-1", "talk-0"]})), (json!("talk-0/up"), true));
    pair.gateway.assert_sound(0);
}

#[test]
fn figures_and_books_of_both_workers_come_together() {
    let mut pair = Pair::start("books", &setup());
    let mut ids = Vec::new();
    for worker in [0, 1, 0, 1] {
        let record = pair.ask(worker, &chat("shaky"));
        // The worker that served the request knows of it at once.
        let path = format!("/api/v1/generation?id={}", record["generation_id"].as_str().unwrap());
        assert_eq!(pair.get(worker, &path)["data"]["provider_name"], "shaky-1");
        ids.push(path);
    }
    for worker in [0, 1] {
        pair.until("the records of both", |pair| {
            ids.iter().all(|path| pair.send(worker, "GET", path, "").status == 200)
        });
    }
    let spent = pair.usage(0);
    assert!(spent.as_f64().unwrap() > 0.0);
    for worker in [0, 1] {
        assert_eq!(pair.usage(worker), spent);
        pair.until("the endpoints' figures", |pair| {
            let page = pair.get(worker, "/api/v1/models/t/shaky/endpoints");
            let [first, second] = [0, 1].map(|index| &page["data"]["endpoints"][index]);
            (&first["uptime_last_5m"], &second["uptime_last_1d"]) == (&json!(0), &json!(100))
                && first["status"] == -2
                && second["latency_last_30m"]["p99"].is_number()
        });
    }
    pair.gateway.assert_sound(0);
}

/// The setup by discovery, in one of several VMs.
fn discovered(attempts: u64, vm: u32) -> Setup {
    Setup { by_ecds: true, vm, ..setup() }.document(json!({"routing": {"max_attempts": attempts}}))
}

#[test]
fn another_configuration_and_another_vm_know_what_the_last_ones_did() {
    let mut pair = Pair::start("update", &discovered(2, 0));
    pair.break_everything();
    pair.expect_everything();
    let spent = pair.usage(0).as_f64().unwrap();
    for (attempts, vm) in [(3, 0), (4, 1)] {
        pair.break_everything();
        let before = pair.ask(0, &chat("talk"))["config"].clone();
        pair.gateway.envoy.update(&discovered(attempts, vm));
        for worker in [0, 1] {
            // A request that finds one role in the new VM and the other one not is refused.
            pair.until("the update", |pair| {
                let reply =
                    pair.send(worker, "POST", "/v1/chat/completions", &chat("talk").to_string());
                reply.status == 200 && pair.gateway.entry(&reply)["record"]["config"] != before
            });
        }
        pair.expect_everything();
        for worker in [0, 1] {
            let usage = pair.usage(worker).as_f64().unwrap();
            assert!(usage > spent, "{usage} of {spent}");
        }
    }
    pair.gateway.assert_sound(0);
}
