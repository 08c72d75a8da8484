//! What a host and its clients can do to the module at bad moments: nothing of it ends a VM.
//!
//! The crate `proxy-wasm` panics at what it does not expect; the head of `src/shell/mod.rs` says at
//! what. These tests try to bring it to that.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::StopOnDrop;
use crate::envoy;
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::Setup;

const THREADS: usize = 24;
const CLIENTS: usize = 480;

fn setup() -> Setup {
    Setup { record: false, by_ecds: true, ..Setup::new() }
        .chain("good", &["status=503", ""])
        .chain("silent", &["status=503", "stall=headers"])
        .chain("held", &["stall=first"])
        .chain("flowing", &["interval=10,tokens=1000"])
        .chain("stalled", &["stall=3"])
        .chain("late", &["stall=first", "stall=headers", "stall=first"])
        .hurry("late", "150ms")
        .chain("unreadable", &["status=503,retry-header=unreadable", "retry-header=unreadable"])
        .chain("refused", &["status=400,retry-header=unreadable"])
        .formats("whole", &[("anthropic", "interval=10,tokens=100")])
        .formats("translated", &[("anthropic", "interval=10,tokens=1000")])
        .document(json!({"telemetry": {"keep_alive": "100ms"}}))
}

on_envoy! { setup:
    clients_leave_while_they_upload,
    clients_leave_while_an_attempt_waits,
    clients_leave_while_an_answer_is_held,
    clients_leave_in_mid_stream,
    clients_leave_while_deadlines_pass,
    headers_need_not_be_text,
}

/// VMs created so far, and those in use.
fn vms(gateway: &Gateway) -> [u64; 2] {
    ["created", "active"].map(|name| gateway.stat(&format!("wasm.envoy.wasm.runtime.v8.{name}")))
}

/// A whole answer and a stream, after a fallback.
fn assert_served(gateway: &Gateway) {
    for (base, body) in FACES.iter().flat_map(|base| [(base, chat("good")), (base, stream("good"))])
    {
        let reply = gateway.ask(base, &body);
        assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
        assert!(reply.content().starts_with("Hello from good-1"), "{reply:?}");
    }
}

/// Hundreds of clients at once, each with a number; afterwards nothing is left, no VM has been
/// replaced, and requests are served.
fn storm(gateway: &Gateway, client: fn(&Gateway, usize)) {
    assert_served(gateway);
    let before = vms(gateway);
    thread::scope(|scope| {
        for first in 0..THREADS {
            let numbers = (first..CLIENTS).step_by(THREADS);
            scope.spawn(|| numbers.for_each(|number| client(gateway, number)));
        }
    });
    assert!(
        gateway.becomes(|| gateway.stat("http.gateway.downstream_rq_active") == 0),
        "{}",
        gateway.envoy.get("/stats?filter=active")
    );
    assert_served(gateway);
    assert_eq!(vms(gateway), before, "a VM was replaced");
}

/// Sends a request, and leaves after a while, which is another one for each client.
fn leave(gateway: &Gateway, number: usize, body: &Value, most: u64) {
    let mut connection = gateway.connect();
    let path = format!("{}/chat/completions", FACES[number % 2]);
    connection.send("POST", &path, &[], body.to_string().as_bytes());
    thread::sleep(Duration::from_millis(number as u64 * 7 % most));
    connection.abort();
}

fn clients_leave_while_they_upload(gateway: &Gateway) {
    storm(gateway, |gateway, number| {
        let mut connection = gateway.connect();
        let path = format!("{}/chat/completions", FACES[number % 2]);
        let body = chat("good").to_string();
        let part = &body.as_bytes()[..number % body.len()];
        if number % 3 == 0 {
            connection.head("POST", &path, &[("transfer-encoding", "chunked")]);
            part.chunks(10).for_each(|piece| connection.chunk(piece, ""));
            connection.write(b"0\r\nx-sum");
        } else {
            connection.head("POST", &path, &[("content-length", &body.len().to_string())]);
            connection.write(part);
        }
        thread::sleep(Duration::from_millis(number as u64 % 5));
        connection.abort();
    });
}

fn clients_leave_while_an_attempt_waits(gateway: &Gateway) {
    storm(gateway, |gateway, number| {
        let body = if number % 4 < 2 { chat("silent") } else { stream("silent") };
        leave(gateway, number, &body, 30);
    });
}

fn clients_leave_while_an_answer_is_held(gateway: &Gateway) {
    storm(gateway, |gateway, number| {
        let body = if number % 4 < 2 { chat("whole") } else { stream("held") };
        leave(gateway, number, &body, 150);
    });
}

fn clients_leave_in_mid_stream(gateway: &Gateway) {
    storm(gateway, |gateway, number| {
        let name = ["flowing", "translated", "stalled"][number % 3];
        let mut connection = gateway.connect();
        let path = format!("{}/chat/completions", FACES[number % 2]);
        connection.send("POST", &path, &[], stream(name).to_string().as_bytes());
        connection.read_until("data: ", 2);
        // Long enough for comments to go out in some of the silent streams.
        thread::sleep(Duration::from_millis(number as u64 * 7 % 250));
        connection.abort();
    });
}

/// When a deadline has passed, the shell's tick moves on to the next endpoint, and answers where
/// there is none.
fn clients_leave_while_deadlines_pass(gateway: &Gateway) {
    storm(gateway, |gateway, number| match number % 4 {
        0 => {
            let reply = gateway.ask(FACES[number / 4 % 2], &stream("late"));
            assert_eq!((reply.status, reply.whole), (504, true), "{reply:?}");
        }
        _ => leave(gateway, number, &stream("late"), 600),
    });
}

fn headers_need_not_be_text(gateway: &Gateway) {
    let before = vms(gateway);
    for base in FACES {
        for name in ["x-name", "authorization", "user-agent", "x-modelyard-exchange", "traceparent"]
        {
            for (model, expected) in [("good", 200), ("unreadable", 200), ("refused", 400)] {
                let body = chat(model).to_string();
                let mut connection = gateway.connect();
                let head = format!(
                    "POST {base}/chat/completions HTTP/1.1\r\nhost: gateway.test\r\n\
                     content-length: {}\r\n{name}: caf",
                    body.len()
                );
                connection
                    .write(&[head.as_bytes(), b"\xe9 \xff\r\n\r\n", body.as_bytes()].concat());
                let reply = connection.read("POST");
                assert_eq!((reply.status, reply.whole), (expected, true), "{name}: {reply:?}");
            }
        }
    }
    // Envoy itself may refuse such bytes in a path.
    let mut connection = gateway.connect();
    connection.write(b"GET /v1/models?\xff\xfe HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
    let reply = connection.read("GET");
    assert!([200, 400].contains(&reply.status), "{reply:?}");
    assert_served(gateway);
    assert_eq!(vms(gateway), before, "a VM was replaced");
}

/// Writes the module under test as another one: with an empty custom section at its end.
fn write_other_module(path: &Path) {
    let mut module = fs::read(envoy::module().unwrap()).unwrap();
    let (id, size, name) = (0, 6, b"other");
    module.extend([id, size, name.len() as u8]);
    module.extend(name);
    fs::write(path, module).unwrap();
}

/// Every kind of request; who stays gets a whole answer.
fn load(gateway: &Gateway, number: usize) {
    match number % 4 {
        0 => leave(gateway, number, &stream("translated"), 50),
        1 => leave(gateway, number, &stream("late"), 400),
        _ => {
            let body = if number % 8 < 4 { chat("good") } else { stream("good") };
            let reply = gateway.ask(FACES[number / 8 % 2], &body);
            // Where one role is the new module already and the other one not, they do not know each
            // other's exchanges.
            let expected = [200, 502, 503].contains(&reply.status);
            assert!(reply.whole && expected, "{reply:?}");
        }
    }
}

/// As [`Gateway::becomes`], with the time that a busy machine needs to compile a module.
fn patiently(gateway: &Gateway, condition: impl Fn() -> bool) -> bool {
    (0..4).any(|_| gateway.becomes(&condition))
}

/// Other documents differ in their attempts; without a module it is the one under test.
fn replaceable(workers: u32, attempts: u64, module: Option<PathBuf>) -> Setup {
    Setup { module, ..setup() }
        .document(json!({"routing": {"max_attempts": attempts}}))
        .workers(workers)
}

fn replaced_under_load(workers: u32) {
    let name = format!("host::replaced-{workers}");
    let gateway = Gateway::start(&name, &replaceable(workers, 3, None));
    let gateway = gateway.unwrap_or_else(|log| panic!("Envoy does not start: {log}"));
    let other = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("other-{workers}.wasm"));
    write_other_module(&other);
    assert_served(&gateway);
    let [_, active] = vms(&gateway);
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    load(&gateway, next.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
        let _stop = StopOnDrop(&stop);
        // Another document, the same as before again, another module, and the same again.
        let updates = [(4, None), (3, None), (3, Some(&other)), (4, Some(&other)), (3, None)];
        for (attempts, module) in updates {
            let from = gateway.envoy.log(0).len();
            gateway.envoy.update(&replaceable(workers, attempts, module.cloned()));
            assert!(
                patiently(&gateway, || gateway.envoy.log(from).contains(" in use")),
                "an update is not taken"
            );
            thread::sleep(Duration::from_millis(150));
        }
    });
    assert!(next.load(Ordering::Relaxed) > 100);
    assert!(
        patiently(&gateway, || vms(&gateway)[1] == active),
        "VMs: {:?}, before: {active}",
        vms(&gateway)
    );
    gateway.run(assert_served);
    gateway.assert_sound(0);
}

#[test]
fn documents_and_modules_are_replaced_under_load_with_one_worker() {
    replaced_under_load(1);
}

#[test]
fn documents_and_modules_are_replaced_under_load_with_two_workers() {
    replaced_under_load(2);
}
