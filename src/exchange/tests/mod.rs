//! Scripted exchanges: events in, effects out, time as an argument; no host and no sleep.
//!
//! [`World`] plays the host's part as the shell does, for one client and as many attempts as its
//! script has.

mod arbitrary;
mod auto;
mod error;
mod fallback;
mod leak;
mod record;
mod release;
mod settle;
mod split;
mod stream;
mod translate;
mod wish;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::provider::Body;
use crate::stats::{Kind, Stat};

const START: Duration = Duration::from_secs(1_800_000_000);
const JSON: (&str, &str) = ("content-type", "application/json");
const SSE: (&str, &str) = ("content-type", "text/event-stream; charset=utf-8");

const CHAT: &str = r#"{"model":"m/one","messages":[{"role":"user","content":"12345678"}]}"#;
const STREAM: &str =
    r#"{"model":"m/one","stream":true,"messages":[{"role":"user","content":"12345678"}]}"#;
/// A whole answer: 10 in, of which 4 cached, 5 out.
const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}}"#;
const ERROR: &str =
    r#"{"error":{"message":"broken here","type":"server_error","param":null,"code":"oops"}}"#;

/// One content event.
fn content(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
    )
}

const FINISH: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ERROR_EVENT: &str = "data: {\"error\":{\"message\":\"broken here\",\"code\":503}}\n\n";

/// A whole stream.
fn stream() -> String {
    [&content("hel"), &content("lo"), FINISH, USAGE, DONE].concat()
}

/// Model `m/one` at `a`, then `b`; `m/two` at `b`, `m/pass` at `c`, which gets the client's own
/// key.
fn document() -> Value {
    let pricing =
        json!({"prompt": "0.000001", "completion": "0.000002", "input_cache_read": "0.0000001"});
    let provider = |id: &str, name: &str, first: &str, whole: &str| {
        json!({
            "name": name, "api": "openai", "cluster": format!("cluster-{id}"), "host": format!("{id}.example"),
            "auth": {"type": "bearer", "env": "KEY"}, "first_token_timeout": first, "timeout": whole,
        })
    };
    let mut passthrough = provider("c", "C Ltd", "5s", "60s");
    passthrough["auth"] = json!({"type": "passthrough"});
    json!({
        "providers": {
            "a": provider("a", "A Inc", "5s", "60s"),
            "b": provider("b", "B Org", "10s", "100s"),
            "c": passthrough,
        },
        "models": [
            {"id": "m/one", "aliases": ["one"], "endpoints": [
                {"provider": "a", "model": "up-a", "pricing": pricing},
                {"provider": "b", "model": "up-b"},
            ]},
            {"id": "m/two", "endpoints": [{"provider": "b", "model": "two"}]},
            {"id": "m/pass", "endpoints": [{"provider": "c", "model": "p"}, {"provider": "b", "model": "up-b"}]},
            {"id": "w/*", "endpoints": [{"provider": "a", "model": "*", "pricing": pricing}]},
        ],
        "routing": {"sort": "order"},
    })
}

fn config(document: &Value) -> Rc<Config> {
    let parsed = Config::parse(document.to_string().as_bytes(), &|_| Some("sk-gateway".to_owned()));
    Rc::new(parsed.unwrap_or_else(|errors| panic!("{document}: {}", errors[0])).0)
}

/// What an upstream does with one attempt.
#[derive(Clone, Debug)]
enum Act {
    /// No connection.
    Refuse,
    /// A connection that breaks without a byte.
    Break,
    /// Nothing until the host gives up.
    Silence,
    /// A whole answer: status, headers, pieces of the body.
    Answer(u16, Vec<(&'static str, String)>, Vec<Vec<u8>>),
    /// The same, and then the connection breaks.
    Broken(u16, Vec<(&'static str, String)>, Vec<Vec<u8>>),
}

/// A whole JSON answer in one piece.
fn answers(status: u16, body: &str) -> Act {
    Act::Answer(status, vec![(JSON.0, JSON.1.to_owned())], vec![body.as_bytes().to_vec()])
}

/// A whole stream in one piece.
fn streams(body: &str) -> Act {
    Act::Answer(200, vec![(SSE.0, SSE.1.to_owned())], vec![body.as_bytes().to_vec()])
}

/// What the host sends for one attempt: a [`Dispatch`] of its own.
struct Sent {
    attempt: usize,
    headers: Vec<(String, String)>,
    body: Body,
}

/// What the client has got.
#[derive(Clone, Debug, Default, PartialEq)]
struct Got {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    reset: bool,
}

impl Got {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or("not text")
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is left of an exchange.
#[derive(Clone, Debug, Default, PartialEq)]
struct Books {
    /// By full name; a counter's values added up.
    stats: BTreeMap<String, u64>,
    properties: BTreeMap<&'static str, String>,
    record: Value,
}

impl Books {
    /// The stats of one name, each as its tags' values.
    fn tags(&self, stat: &Stat) -> Vec<String> {
        let names =
            self.stats.keys().filter_map(|name| name.strip_prefix(stat.name)?.strip_prefix('.'));
        names
            .map(|tags| {
                tags.split('.')
                    .filter_map(|tag| Some(tag.split_once('=')?.1))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }
}

/// A client, its exchange, and the host between it and the upstreams.
struct World {
    exchange: Exchange,
    /// The client's body, which the host keeps.
    client_body: Vec<u8>,
    health: Health,
    now: Duration,
    attempt: usize,
    got: Got,
    /// Status of the answer that is being received.
    status: u16,
    clusters: Vec<String>,
}

impl World {
    fn open(config: &Rc<Config>, face: Face, body: &str) -> Self {
        Self::open_with(
            config,
            (face, Operation::Chat),
            &[("authorization", "Bearer client")],
            body,
            Health::default(),
        )
    }

    fn open_with(
        config: &Rc<Config>,
        (face, operation): (Face, Operation),
        headers: &[(&str, &str)],
        body: &str,
        mut health: Health,
    ) -> Self {
        let (body, client_body) = (body.as_bytes().to_vec(), body.as_bytes().to_vec());
        let arrival = Arrival { face, operation, headers, body, random: [1, 2], now: START };
        let exchange = Exchange::open(config.clone(), arrival, &mut health);
        let mut world = Self {
            exchange,
            client_body,
            health,
            now: START,
            attempt: 0,
            got: Got::default(),
            status: 0,
            clusters: Vec::new(),
        };
        if let Err(reply) = world.exchange.departure() {
            world.reply(reply);
        }
        world
    }

    /// An open exchange whose first attempt is under way.
    fn begun(config: &Rc<Config>, face: Face, body: &str) -> Self {
        let mut world = Self::open(config, face, body);
        world.begin();
        world
    }

    /// The body is released as often as it may be, so that whoever reads it then fails.
    #[track_caller]
    fn begin(&mut self) -> Sent {
        self.exchange.restore_body(self.client_body.clone());
        let sent = self.begin_attempt();
        self.exchange.release_body(self.client_body.len());
        sent
    }

    #[track_caller]
    fn begin_attempt(&mut self) -> Sent {
        self.clusters.push(self.exchange.next_cluster().to_owned());
        let now = self.now;
        let dispatch =
            self.exchange.begin_attempt(&[(":scheme", "http")], &|| now).expect("a further step");
        self.attempt = dispatch.attempt;
        Sent {
            attempt: dispatch.attempt,
            headers: dispatch
                .headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into_owned()))
                .collect(),
            body: dispatch.body,
        }
    }

    fn wait(&mut self, milliseconds: u64) -> &mut Self {
        self.now += Duration::from_millis(milliseconds);
        self
    }

    fn headers(&mut self, status: u16, headers: &[(&str, &str)], end: bool) -> Verdict {
        self.status = status;
        let verdict =
            self.exchange.answer_headers(self.attempt, status, headers, end, &|| self.now);
        self.obey(&verdict, &[]);
        verdict
    }

    fn body(&mut self, piece: impl AsRef<[u8]>, end: bool) -> Verdict {
        let verdict = self.exchange.answer_body(self.attempt, piece.as_ref(), end, &|| self.now);
        self.obey(&verdict, piece.as_ref());
        verdict
    }

    fn tick(&mut self) -> Option<Verdict> {
        let verdict = self.exchange.tick(self.attempt, self.now);
        if let Some(verdict) = &verdict {
            self.obey(verdict, &[]);
        }
        verdict
    }

    fn close(&mut self, broken: Broken) {
        self.exchange.attempt_closed(self.attempt, broken, self.now);
    }

    /// As the shell does it.
    fn obey(&mut self, verdict: &Verdict, piece: &[u8]) {
        match verdict {
            Verdict::Pass => self.pass(piece),
            Verdict::Replace(bytes) => self.pass(bytes),
            Verdict::Answer(reply) => self.reply(reply.clone()),
            Verdict::Reset => self.got.reset = true,
            Verdict::Hold { .. } | Verdict::Retry => {}
        }
    }

    fn pass(&mut self, bytes: &[u8]) {
        if self.got.status == 0 && self.status >= 200 {
            self.tell(self.status);
        }
        self.got.body.extend_from_slice(bytes);
    }

    fn reply(&mut self, reply: Reply) {
        assert_eq!(self.got, Got::default(), "the client has an answer already");
        self.got
            .headers
            .extend(reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.tell(reply.status);
        self.got.body = reply.body;
    }

    fn tell(&mut self, status: u16) {
        self.got.status = status;
        let headers = &mut self.got.headers;
        self.exchange.client_headers(status, &mut |name, value| {
            drop(headers.insert(name.to_owned(), value.to_owned()))
        });
    }

    /// The host's own answer, or one past the filter.
    fn host_answers(&mut self, status: u16, attempts: usize) {
        self.host_refuses(status, attempts, Refusal::Unknown);
    }

    fn host_refuses(&mut self, status: u16, attempts: usize, refusal: Refusal) {
        let reply = self.exchange.host_answer(status, attempts, refusal, self.now);
        self.reply(reply);
    }

    /// Plays a script, as the host does: one act to an attempt, until the client has an answer or
    /// the script is over.
    fn play(&mut self, acts: &[Act]) -> &mut Self {
        let Ok(departure) = self.exchange.departure() else { return self };
        let (retries, patience) = (departure.max_retries, departure.per_try_timeout);
        for (number, act) in acts.iter().enumerate() {
            self.begin();
            self.wait(10);
            let again = self.act(act, patience);
            if !again || number == retries {
                break;
            }
        }
        if self.got.status == 0 && !self.got.reset {
            let attempts = self.attempt + 1;
            self.host_answers(503, attempts);
        }
        self
    }

    /// Whether the host goes on to the next attempt.
    fn act(&mut self, act: &Act, patience: Duration) -> bool {
        match act {
            Act::Refuse => self.close(Broken::Connect),
            Act::Break => self.close(Broken::Reset),
            Act::Silence => {
                self.now += patience;
                self.close(Broken::Reset);
            }
            Act::Answer(status, headers, pieces) => {
                return self.answer(*status, headers, pieces, true);
            }
            Act::Broken(status, headers, pieces) => {
                let again = self.answer(*status, headers, pieces, false);
                self.close(Broken::Reset);
                return again || self.got.status == 0;
            }
        }
        true
    }

    fn answer(
        &mut self,
        status: u16,
        headers: &[(&str, String)],
        pieces: &[Vec<u8>],
        ends: bool,
    ) -> bool {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut verdict = self.headers(status, &headers, ends && pieces.is_empty());
        for (index, piece) in pieces.iter().enumerate() {
            if matches!(verdict, Verdict::Retry | Verdict::Answer(_)) {
                break;
            }
            verdict = self.wait(10).body(piece, ends && index + 1 == pieces.len());
        }
        verdict == Verdict::Retry
    }

    fn settle(&mut self) -> Books {
        let mut books = Books::default();
        let mut count = |stat: &'static Stat, tags: &[&str], value| {
            assert_eq!(stat.tags.len(), tags.len(), "{}", stat.name);
            let slot = books.stats.entry(stat.full_name(tags)).or_default();
            match stat.kind {
                Kind::Counter => *slot += value,
                Kind::Gauge | Kind::Histogram => *slot = value,
            }
        };
        let mut tell = |name, value: &str| {
            books.properties.insert(name, value.to_owned());
        };
        let settlement = self.exchange.settle(self.now, &mut self.health, &mut count, &mut tell);
        if let Some(record) = settlement.record {
            books.record = serde_json::from_str(&record).expect("the record is one line of JSON");
            assert!(!record.contains('\n'));
        }
        books
    }
}

/// Plays a script for a chat request on either face.
fn play(face: Face, body: &str, acts: &[Act]) -> World {
    let mut world = World::open(&config(&document()), face, body);
    world.play(acts);
    world
}

const FACES: [Face; 2] = [Face::OpenAi, Face::OpenRouter];
