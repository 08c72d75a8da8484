//! A gateway under test: an Envoy and its fake providers, and the ways to ask it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Connection, Reply};
use crate::envoy::Envoy;
use crate::fake::Fake;
use crate::setup::Setup;

/// Both faces, by their base paths.
pub(crate) const FACES: [&str; 2] = ["/v1", "/api/v1"];

const PATIENCE: Duration = Duration::from_secs(30);

/// The key that the operator's paths ask for.
pub(crate) const OPERATOR_KEY: &str = "sk-of-the-operator";
/// The SHA-256 of [`OPERATOR_KEY`], which the document holds.
pub(crate) const OPERATOR_DIGEST: &str =
    "1e4148c3762ab2b89644b9642a3208e196a39c06b257de78e85ec682c3ae62cf";

/// What Envoy's log says when the module failed.
const TRAPS: [&str; 4] = ["panicked", "wasm failed", "Function: proxy_", "Uncaught "];

pub(crate) struct Gateway {
    pub(crate) fake: Fake,
    pub(crate) envoy: Envoy,
}

impl Gateway {
    /// Starts both; the error says why Envoy does not start.
    pub(crate) fn start(name: &str, setup: &Setup) -> Result<Self, String> {
        let fake = Fake::start(&setup.listeners, setup.record);
        let envoy = Envoy::start(name, setup, &fake.listeners)?;
        Ok(Self { fake, envoy })
    }

    /// Runs a check; prints Envoy's log if it fails. The module must not have failed in any case.
    pub(crate) fn run(&self, check: fn(&Self)) {
        let from = self.envoy.log(0).len();
        let checked = catch_unwind(AssertUnwindSafe(|| {
            check(self);
            self.assert_sound(from);
        }));
        if let Err(panic) = checked {
            println!("Envoy's log:\n{}", self.envoy.log(from));
            resume_unwind(panic);
        }
    }

    /// Checks that the module has not failed since that position of the log.
    pub(crate) fn assert_sound(&self, from: usize) {
        let log = self.envoy.log(from);
        assert!(!TRAPS.iter().any(|trap| log.contains(trap)), "the module failed:\n{log}");
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.envoy.address)
    }

    /// One request on a connection of its own.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut connection = self.connect();
        connection.send(method, path, headers, body);
        connection.read(method)
    }

    /// Asks a page with the operator's key.
    pub(crate) fn get_as_operator(&self, path: &str) -> Reply {
        self.request("GET", path, &[("authorization", &format!("Bearer {OPERATOR_KEY}"))], b"")
    }

    /// Asks for an explanation with the operator's key; `query` begins with `?`, if there is one.
    pub(crate) fn explain(&self, query: &str, body: &[u8]) -> Reply {
        let path = format!("/modelyard/api/explain{query}");
        self.request("POST", &path, &[("authorization", &format!("Bearer {OPERATOR_KEY}"))], body)
    }

    /// A chat completion with this body, on the face with that base path.
    pub(crate) fn ask(&self, base: &str, body: &Value) -> Reply {
        self.post(base, body.to_string().as_bytes())
    }

    pub(crate) fn post(&self, base: &str, body: &[u8]) -> Reply {
        self.request(
            "POST",
            &format!("{base}/chat/completions"),
            &[("content-type", "application/json")],
            body,
        )
    }

    /// What the access log says of the exchange that gave this answer.
    pub(crate) fn entry(&self, reply: &Reply) -> Value {
        self.envoy.entry(
            "generation_id",
            reply.header("x-generation-id").unwrap_or_else(|| panic!("{reply:?}")),
        )
    }

    /// A stat's value; 0 where it does not exist yet.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let stats = self.envoy.get("/stats");
        let value = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok());
        value.unwrap_or(0)
    }

    /// Waits until one of the gateway's stats has that value.
    pub(crate) fn expect_stat(&self, name: &str, expected: u64) {
        let full = format!("wasmcustom.modelyard.{name}");
        if !self.becomes(|| self.stat(&full) == expected) {
            let all = self.envoy.get("/stats?filter=wasmcustom");
            panic!("{name} is {} instead of {expected}; all:\n{all}", self.stat(&full));
        }
    }

    /// Waits until something is true.
    pub(crate) fn becomes(&self, condition: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        true
    }
}

/// A chat request to the model `t/{name}`.
pub(crate) fn chat(name: &str) -> Value {
    json!({"model": format!("t/{name}"), "messages": [{"role": "user", "content": "Hello there"}]})
}

/// The same, streamed.
pub(crate) fn stream(name: &str) -> Value {
    let mut body = chat(name);
    body["stream"] = true.into();
    body
}
