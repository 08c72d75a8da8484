//! How the document gets in: in both forms, with mistakes, without keys, and changed under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::envoy::Envoy;
use crate::fake::Fake;
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::Setup;

fn started(name: &str, setup: &Setup) -> Gateway {
    let gateway = Gateway::start(&format!("config::{name}"), setup);
    let gateway = gateway.unwrap_or_else(|log| panic!("Envoy does not start: {log}"));
    // Envoy serves before its log is written.
    assert!(
        gateway.becomes(|| hash_in_use(&gateway.envoy.log(0)).is_some()),
        "no configuration in use"
    );
    gateway
}

/// The hash in the last line about a configuration in use.
fn hash_in_use(log: &str) -> Option<&str> {
    let line =
        log.lines().rfind(|line| line.contains("configuration ") && line.contains(" in use"))?;
    line.split("configuration ").nth(1)?.split(' ').next()
}

fn numbers() -> Setup {
    let terms = json!({"regions": ["us", "eu"], "data_policy": {"retains": true, "trains": false}});
    Setup::new()
        .chain("good", &[""])
        .model("good", json!({"context_length": 1_000_000}))
        .provider("good-0", terms)
        .document(json!({
            "limits": {"request_bytes": 33_554_432},
            "routing": {"max_attempts": 3, "first_token_timeout": "2.5s"},
        }))
}

#[test]
fn both_forms_of_a_document_are_the_same_configuration() {
    let text = started("text", &numbers());
    let structure = Setup { as_struct: true, ..numbers() };
    let structure = started("struct", &structure);
    let hashes =
        [&text, &structure].map(|gateway| hash_in_use(&gateway.envoy.log(0)).unwrap().to_owned());
    assert_eq!(hashes[0], hashes[1]);
    for gateway in [text, structure] {
        gateway.run(|gateway| {
            let reply = gateway.ask("/v1", &chat("good"));
            assert_eq!(reply.status, 200, "{reply:?}");
        });
    }
}

#[test]
fn a_filter_that_may_not_wait_is_told_of() {
    let gateway = started("waits", &Setup { may_wait: false, ..numbers() });
    let mut connection = gateway.connect();
    connection.send("POST", "/v1/chat/completions", &[], chat("good").to_string().as_bytes());
    assert!(
        gateway.becomes(|| gateway.envoy.log(0).contains("allow_on_headers_stop_iteration")),
        "nothing is said"
    );
    connection.abort();
}

fn ten_mistakes() -> (Setup, [&'static str; 10]) {
    let mut setup = Setup::new().chain("good", &[""]).document(json!({
        "providers": {
            "good-0": {"api": "opneai", "timeout": "soon", "base_path": "v1"},
            "keyless": {"api": "openai", "host": "x.test", "auth": {"type": "bearer"}},
        },
        "routing": {"sort": "cheap", "max_attempts": 0},
        "limits": {"request_bytes": "many"},
        "telemetry": {"record": "all"},
        "surprise": true,
    }));
    let endpoint = json!({"provider": "good-0", "model": "x", "pricing": {"prompt": "-1"}});
    let model = json!({"id": "t/bad", "endpoints": [endpoint]});
    setup.document["models"].as_array_mut().unwrap().push(model);
    let paths = [
        "providers.good-0.api:",
        "providers.good-0.timeout:",
        "providers.good-0.base_path:",
        "providers.keyless.auth",
        "routing.sort:",
        "routing.max_attempts:",
        "limits.request_bytes:",
        "telemetry.record:",
        "surprise:",
        "models[1].endpoints[0].pricing.prompt:",
    ];
    (setup, paths)
}

#[test]
fn envoy_does_not_start_with_ten_mistakes_and_names_them_all() {
    let (text, paths) = ten_mistakes();
    let structure = Setup { as_struct: true, ..ten_mistakes().0 };
    for (name, setup) in [("mistakes", text), ("mistakes-struct", structure)] {
        let fake = Fake::start(&setup.listeners, false);
        let log = Envoy::start(&format!("config::{name}"), &setup, &fake.listeners)
            .err()
            .expect("Envoy starts");
        for path in paths {
            assert!(log.contains(path), "{path} is not in: {log}");
        }
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn a_document_that_is_none_is_refused() {
    for (index, document) in
        [json!(null), json!([]), json!({}), json!("text")].into_iter().enumerate()
    {
        let setup = Setup { document, ..Setup::new() };
        let fake = Fake::start(&setup.listeners, false);
        let started = Envoy::start(&format!("config::none-{index}"), &setup, &fake.listeners);
        let log = started.err().unwrap_or_else(|| panic!("Envoy starts with {}", setup.document));
        assert!(log.contains("configuration refused") && !log.contains("panicked"), "{log}");
    }
}

#[test]
fn without_its_key_an_endpoint_is_left_out_and_the_rest_works() {
    let setup = Setup::new()
        .chain("half", &["", ""])
        .provider("half-0", json!({"auth": {"env": "E2E_UNSET"}}))
        .chain("none", &[""])
        .provider("none-0", json!({"auth": {"env": "E2E_UNSET"}}));
    let gateway = started("unset", &setup);
    gateway.run(|gateway| {
        let log = gateway.envoy.log(0);
        let warning =
            log.lines().find(|line| line.contains("[warning]") && line.contains("E2E_UNSET"));
        assert!(
            warning.is_some_and(|line| line.contains("half-0") || line.contains("none-0")),
            "{log}"
        );
        for base in FACES {
            let reply = gateway.ask(base, &chat("half"));
            assert_eq!(
                (reply.status, reply.header("x-modelyard-attempts")),
                (200, Some("1")),
                "{reply:?}"
            );
            let reply = gateway.ask(base, &chat("none"));
            assert_eq!(reply.status, 404, "{reply:?}");
            assert!(reply.text().contains("none-0"), "says what removed it: {reply:?}");
        }
        assert!(gateway.fake.received("half-0").is_empty());
    });
}

fn discovered(workers: u32) -> Setup {
    Setup { by_ecds: true, record: false, ..Setup::new() }
        .chain("good", &["status=503", "interval=10"])
        // With two workers comments keep streams alive, for which pieces are held back for a
        // moment; an update must not lose them.
        .document(if workers == 2 {
            json!({"telemetry": {"keep_alive": "20s"}})
        } else {
            json!({})
        })
        .workers(workers)
}

fn updated_under_load(workers: u32) {
    let gateway = started(&format!("ecds-{workers}"), &discovered(workers));
    let stop = AtomicBool::new(false);
    let served = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..6 {
            let (gateway, stop, served) = (&gateway, &stop, &served);
            scope.spawn(move || ask_until(stop, gateway, thread, served));
        }
        let _stop = StopOnDrop(&stop);
        let last = take_four_updates(&gateway, workers);
        take_a_good_one_after_a_bad_one(&gateway, workers, &last);
    });
    assert!(served.load(Ordering::Relaxed) > 20);
    gateway.assert_sound(0);
}

/// Asks again and again, and loses nothing.
fn ask_until(stop: &AtomicBool, gateway: &Gateway, thread: usize, served: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        let body = if thread < 3 { stream("good") } else { chat("good") };
        let reply = gateway.ask(FACES[thread % 2], &body);
        if (reply.status, reply.whole) != (200, true)
            || !reply.content().starts_with("Hello from good-1")
        {
            stop.store(true, Ordering::Relaxed);
            panic!("a request was lost: {reply:?}");
        }
        served.fetch_add(1, Ordering::Relaxed);
    }
}

fn update(gateway: &Gateway, workers: u32, max_attempts: Value) {
    let document = json!({"routing": {"max_attempts": max_attempts}});
    gateway.envoy.update(&discovered(workers).document(document));
}

/// Gives four new documents one after the other, and returns the hash of the last one.
fn take_four_updates(gateway: &Gateway, workers: u32) -> String {
    let mut last = hash_in_use(&gateway.envoy.log(0)).unwrap().to_owned();
    for attempts in 2..6 {
        update(gateway, workers, attempts.into());
        assert!(
            gateway.becomes(|| hash_in_use(&gateway.envoy.log(0)) != Some(&last)),
            "update {attempts} is not taken"
        );
        last = hash_in_use(&gateway.envoy.log(0)).unwrap().to_owned();
        thread::sleep(Duration::from_millis(300));
    }
    last
}

fn take_a_good_one_after_a_bad_one(gateway: &Gateway, workers: u32, last: &str) {
    let from = gateway.envoy.log(0).len();
    update(gateway, workers, "none".into());
    assert!(
        gateway.becomes(|| gateway.envoy.log(from).contains("routing.max_attempts")),
        "the mistake is not told"
    );
    thread::sleep(Duration::from_millis(300));
    assert_eq!(hash_in_use(&gateway.envoy.log(from)), None, "nothing else came into use");
    let reply = gateway.ask("/v1", &chat("good"));
    assert_eq!(gateway.entry(&reply)["record"]["config"], last, "the old one stays");
    update(gateway, workers, 9.into());
    assert!(
        gateway.becomes(|| hash_in_use(&gateway.envoy.log(from)).is_some()),
        "the good one is not taken"
    );
}

/// Ends the load also when a check fails.
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn updates_under_load_lose_nothing_with_one_worker() {
    updated_under_load(1);
}

#[test]
fn updates_under_load_lose_nothing_with_two_workers() {
    updated_under_load(2);
}

#[test]
fn headers_can_be_switched_off_and_paths_moved() {
    let setup = Setup::new()
        .chain("good", &[""])
        .document(json!({"telemetry": {"record": "none", "expose_headers": false}}));
    let gateway = started("quiet", &setup);
    gateway.run(|gateway| {
        let reply = gateway.ask("/v1", &chat("good"));
        let own: Vec<&str> = reply
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with("x-modelyard"))
            .collect();
        assert!(own.is_empty(), "{own:?}");
        let entry = gateway.entry(&reply);
        assert_eq!(
            (&entry["record"], &entry["provider"]),
            (&Value::Null, &json!("good-0")),
            "{entry}"
        );
    });
}
