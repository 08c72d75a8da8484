//! Scripted exchanges: events in, effects out, time as an argument; no host and no sleep.
//!
//! [`World`] plays the host's part as the shell does, for one client and as many attempts as its
//! script has.

mod arbitrary;
mod auto;
mod blame;
mod error;
mod fallback;
mod leak;
mod record;
mod release;
mod repeat;
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
/// A whole answer for 10 input tokens, 4 of them cached, and 5 output tokens.
const ANSWER: &str = concat!(
    r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"up","#,
    r#""choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"#,
    r#""finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"#,
    r#""total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}}"#,
);
const ERROR: &str =
    r#"{"error":{"message":"broken here","type":"server_error","param":null,"code":"oops"}}"#;

/// One content event.
fn content(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\
         \"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
    )
}

const FINISH: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\
                     \"completion_tokens\":5,\"total_tokens\":15}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ERROR_EVENT: &str = "data: {\"error\":{\"message\":\"broken here\",\"code\":503}}\n\n";

/// A whole stream.
fn stream() -> String {
    [&content("hel"), &content("lo"), FINISH, USAGE, DONE].concat()
}

/// Models and who offers them, in this order: `m/one` at `a` and `b`, `m/two` at `b`, `m/pass` at
/// `c`, which gets the client's own key, and at `b`, and whatever begins with `w/` at `a`.
fn document() -> Value {
    let pricing =
        json!({"prompt": "0.000001", "completion": "0.000002", "input_cache_read": "0.0000001"});
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
            {"id": "m/pass", "endpoints": [
                {"provider": "c", "model": "p"},
                {"provider": "b", "model": "up-b"},
            ]},
            {"id": "w/*", "endpoints": [{"provider": "a", "model": "*", "pricing": pricing}]},
        ],
        "routing": {"sort": "order"},
    })
}

fn provider(id: &str, name: &str, first_token_timeout: &str, timeout: &str) -> Value {
    json!({
        "name": name,
        "api": "openai",
        "cluster": format!("cluster-{id}"),
        "host": format!("{id}.example"),
        "auth": {"type": "bearer", "env": "KEY"},
        "first_token_timeout": first_token_timeout,
        "timeout": timeout,
    })
}

fn config(document: &Value) -> Rc<Config> {
    let parsed = Config::parse(document.to_string().as_bytes(), &|_| Some("sk-gateway".to_owned()));
    Rc::new(parsed.unwrap_or_else(|errors| panic!("{document}: {}", errors[0])).0)
}

/// What an upstream does with one attempt.
#[derive(Clone, Debug)]
enum Act {
    /// The connection is refused.
    Refuse,
    /// A connection that breaks without a byte.
    Break,
    /// Nothing comes until the host gives up.
    Silence,
    /// A whole answer: status, headers, pieces of the body.
    Answer(u16, Vec<(&'static str, String)>, Vec<Vec<u8>>),
    /// The same, and then the connection breaks.
    Broken(u16, Vec<(&'static str, String)>, Vec<Vec<u8>>),
}

/// A whole JSON answer in one piece.
fn answers(status: u16, body: &str) -> Act {
    Act::Answer(status, only(JSON), vec![body.as_bytes().to_vec()])
}

/// A whole stream in one piece.
fn streams(body: &str) -> Act {
    Act::Answer(200, only(SSE), vec![body.as_bytes().to_vec()])
}

/// The headers of an act that has a single one.
fn only((name, value): (&'static str, &str)) -> Vec<(&'static str, String)> {
    vec![(name, value.to_owned())]
}

/// What the host sends for one attempt: a [`Dispatch`] of its own.
struct Sent {
    attempt: usize,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
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
    /// Values by the stats' full names; those of a counter are added up.
    stats: BTreeMap<String, u64>,
    properties: BTreeMap<&'static str, String>,
    record: Value,
}

impl Books {
    /// How many tokens of one kind are counted for the first endpoint of `m/one`.
    fn tokens(&self, kind: &str, source: &str) -> u64 {
        let tags = ["default", "a", "m/one", kind, source];
        self.stats[&crate::stats::TOKENS.full_name(&tags)]
    }

    /// Counts like a host, which adds up the values of a counter.
    fn count(stats: &mut BTreeMap<String, u64>, stat: &Stat, tags: &[&str], value: u64) {
        assert_eq!(stat.tags.len(), tags.len(), "{}", stat.name);
        let slot = stats.entry(stat.full_name(tags)).or_default();
        match stat.kind {
            Kind::Counter => *slot += value,
            Kind::Gauge | Kind::Histogram => *slot = value,
        }
    }

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

    /// Begins an attempt as the host does, which may make one too many.
    fn try_begin(&mut self) -> Result<(), Reply> {
        if self.exchange.may_fall_back() {
            self.begin();
            return Ok(());
        }
        let now = self.now;
        self.exchange.begin_attempt(&[], &|| now).map(drop)
    }

    /// Begins an attempt, and releases the body as soon as that is allowed, so that a test fails
    /// where somebody reads it afterwards.
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

    /// Does what the exchange has decided, like the shell.
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

    /// The client gets an answer that no attempt gave: the host's own, or one that went around the
    /// upstream filter.
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
            if let Err(reply) = self.try_begin() {
                self.reply(reply);
                break;
            }
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
        let settlement = self.exchange.settle(
            self.now,
            &mut self.health,
            &mut |stat, tags, value| Books::count(&mut books.stats, stat, tags, value),
            &mut |name, value| drop(books.properties.insert(name, value.to_owned())),
        );
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
