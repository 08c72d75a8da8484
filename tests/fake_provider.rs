//! The fake provider as its users see it: the binary is started and spoken to over plain sockets.
//! No test measures time; where silence is expected, a slow machine can only make it longer.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "clippy.toml allows them in tests, but clippy takes only #[test] functions for tests"
)]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_fake-provider");
const PATIENCE: Duration = Duration::from_secs(60);
const SILENCE: Duration = Duration::from_millis(200);
const PLAIN: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str =
    r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;

/// A running process with one listener; it ends with the test.
struct Fake {
    process: Child,
    address: String,
}

impl Fake {
    fn start(listen: &str) -> Self {
        let mut process = Command::new(BINARY)
            .args(["--listen", listen, "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let (_, address) = first.split_once('=').unwrap();
        Self { process, address: address.to_owned() }
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: fake\r\nconnection: close\r\n");
        write!(stream, "{head}content-length: {length}\r\n{headers}\r\n{body}").unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let mut stream = self.send(method, path, headers, body);
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes).map(drop).map_err(|error| error.kind());
        Reply { bytes, end }
    }

    /// A chat completion with `faults` in its path.
    fn chat(&self, faults: &str, body: &str) -> Reply {
        self.ask("POST", &chat_path(faults), "", body)
    }

    fn requests(&self) -> Value {
        self.ask("GET", "/_fake/requests", "", "").json()
    }

    fn wait_for(&self, condition: impl Fn(&[Value]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let requests = self.requests();
            if condition(requests.as_array().unwrap()) {
                return;
            }
            assert!(Instant::now() < deadline, "{requests}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What came over the wire until the connection ended, and how it ended.
#[derive(Debug)]
struct Reply {
    bytes: Vec<u8>,
    end: Result<(), io::ErrorKind>,
}

impl Reply {
    fn halves(&self) -> (String, &[u8]) {
        let end = self.bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        (String::from_utf8(self.bytes[..end + 4].to_vec()).unwrap(), &self.bytes[end + 4..])
    }

    fn status(&self) -> u16 {
        self.halves().0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn has_header(&self, line: &str) -> bool {
        self.halves().0.contains(&format!("\r\n{line}\r\n"))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(self.halves().1).unwrap()
    }

    /// The chunks of the body, and whether the last one was the end.
    fn chunks(&self) -> (Vec<Vec<u8>>, bool) {
        assert!(self.has_header("transfer-encoding: chunked"));
        let mut rest = self.halves().1;
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let line = rest.windows(2).position(|window| window == b"\r\n").unwrap();
            let size = usize::from_str_radix(str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
            if size == 0 {
                return (chunks, true);
            }
            chunks.push(rest[line + 2..line + 2 + size].to_vec());
            rest = &rest[line + 4 + size..];
        }
        (chunks, false)
    }

    /// The data of the events, and whether the body was complete.
    fn events(&self) -> (Vec<String>, bool) {
        let (chunks, complete) = self.chunks();
        let text = String::from_utf8(chunks.concat()).unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        (data.map(str::to_owned).collect(), complete)
    }
}

fn chat_path(faults: &str) -> String {
    format!("/fault:{faults}/v1/chat/completions")
}

/// Reads until `text` has arrived; panics when the connection ends before.
fn read_until(stream: &mut TcpStream, text: &str) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&bytes).contains(text) {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "ended before {text}");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn assert_silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let kind = stream.read(&mut [0; 64]).unwrap_err().kind();
    assert!(matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{kind:?}");
}

#[test]
fn plain_answers_say_who_answers() {
    let fake = Fake::start("alpha=127.0.0.1:0");
    let reply = fake.ask("POST", "/v1/chat/completions", "", PLAIN);
    assert_eq!(reply.status(), 200);
    assert!(reply.has_header("x-fake-provider: alpha"));
    let answer = reply.json();
    assert_eq!(answer["model"], "m");
    let content = &answer["choices"][0]["message"]["content"];
    assert_eq!(content, "Hello from alpha and this is a scripted");
    assert_eq!(answer["usage"]["completion_tokens"], 8);
}

#[test]
fn other_endpoints_answer_in_their_own_form() {
    let fake = Fake::start("127.0.0.1:0");
    let text = fake.ask("POST", "/v1/completions", "", r#"{"prompt":"a"}"#).json();
    assert_eq!(text["object"], "text_completion");
    let vectors = fake.ask("POST", "/v1/embeddings", "", r#"{"input":["a","b"]}"#).json();
    assert_eq!(vectors["data"][1]["index"], 1);
    assert!(vectors["data"][0]["embedding"][0].is_number());
    assert_eq!(fake.ask("GET", "/v1/models", "", "").json()["object"], "list");
    assert_eq!(fake.ask("GET", "/v1/nothing", "", "").status(), 404);
    let refused = fake.ask("POST", "/v1/chat/completions", "", "[]");
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.json()["error"]["type"], "invalid_request_error");
}

#[test]
fn streams_end_with_usage_and_done() {
    let fake = Fake::start("127.0.0.1:0");
    let (events, complete) = fake.chat("tokens=2", STREAM).events();
    assert!(complete);
    assert_eq!(events.len(), 6, "role, two words, finish, usage, [DONE]: {events:?}");
    let usage: Value = serde_json::from_str(&events[4]).unwrap();
    assert_eq!(usage["choices"], Value::Array(Vec::new()));
    assert_eq!(usage["usage"]["completion_tokens"], 2);
    assert_eq!(events[5], "[DONE]");
}

#[test]
fn a_status_carries_its_headers_and_body() {
    let fake = Fake::start("beta=127.0.0.1:0,status=503,retry-after=2");
    let reply = fake.ask("POST", "/v1/chat/completions", "", PLAIN);
    assert_eq!(reply.status(), 503);
    assert!(reply.has_header("retry-after: 2"));
    assert_eq!(reply.json()["error"]["message"], "beta: scripted status 503");
    let header = fake.ask("POST", "/v1/chat/completions", "x-fake-fault: status=429\r\n", PLAIN);
    assert_eq!(header.status(), 429, "the header overrides the listener");
    let path = fake.ask("POST", &chat_path("status=401"), "x-fake-fault: status=429\r\n", PLAIN);
    assert_eq!(path.status(), 401, "the path overrides the header");
    assert!(path.has_header("retry-after: 2"), "other keys stay");
    assert!(fake.chat("status=502,body=html", PLAIN).has_header("content-type: text/html"));
}

#[test]
fn an_unknown_directive_is_named() {
    let fake = Fake::start("127.0.0.1:0");
    let reply = fake.chat("explode", PLAIN);
    assert_eq!(reply.status(), 400);
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains("`explode`"));
    let output = Command::new(BINARY).args(["--listen", "127.0.0.1:0,explode"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("`explode`"));
}

#[test]
fn resets_are_resets() {
    let fake = Fake::start("127.0.0.1:0");
    let before = fake.chat("reset", PLAIN);
    assert_eq!(before.end, Err(io::ErrorKind::ConnectionReset));
    assert!(before.bytes.is_empty());
    for (faults, body) in [("reset=first", PLAIN), ("reset=1", PLAIN), ("reset=1", STREAM)] {
        let after = fake.chat(faults, body);
        assert_eq!(after.end, Err(io::ErrorKind::ConnectionReset), "{faults}");
        assert_eq!(after.status(), 200, "{faults}");
    }
}

#[test]
fn cut_streams_end_cleanly_without_finish() {
    let fake = Fake::start("127.0.0.1:0");
    let reply = fake.chat("cut=2", STREAM);
    let (events, complete) = reply.events();
    assert!(complete);
    assert_eq!(events.len(), 3);
    assert!(!events.iter().any(|event| event.contains("stop") || event == "[DONE]"));
}

#[test]
fn truncated_bodies_have_no_end() {
    let fake = Fake::start("127.0.0.1:0");
    let stream = fake.chat("truncate=2", STREAM);
    assert_eq!(stream.end, Ok(()), "closed, not reset");
    let (events, complete) = stream.events();
    assert_eq!((events.len(), complete), (3, false));
    let plain = fake.chat("truncate=2,tokens=4", PLAIN);
    let (head, body) = plain.halves();
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(!body.is_empty() && body.len() < line.parse().unwrap());
}

/// How many requests' clients left before the answer was complete.
fn aborted(requests: &[Value]) -> usize {
    requests.iter().filter(|request| request["aborted"] == true).count()
}

#[test]
fn stalls_are_silent_and_the_client_that_leaves_is_noted() {
    let fake = Fake::start("127.0.0.1:0");
    let mut before = fake.send("POST", &chat_path("stall=headers"), "", PLAIN);
    assert_silent(&mut before);
    let mut first = fake.send("POST", &chat_path("stall=first"), "", PLAIN);
    read_until(&mut first, "\r\n\r\n");
    assert_silent(&mut first);
    let mut later = fake.send("POST", &chat_path("stall=1"), "", STREAM);
    read_until(&mut later, "Hello");
    assert_silent(&mut later);
    fake.wait_for(|requests| requests.len() == 3 && aborted(requests) == 0);
    drop((before, first, later));
    fake.wait_for(|requests| aborted(requests) == 3);
}

#[test]
fn small_pieces_are_chunks_of_their_own() {
    let fake = Fake::start("127.0.0.1:0");
    let (chunks, complete) = fake.chat("bytes=1,tokens=1,crlf,comments", STREAM).chunks();
    assert!(complete);
    assert!(chunks.iter().all(|chunk| chunk.len() == 1));
    assert!(chunks.concat().ends_with(b": keep-alive\r\n\r\ndata: [DONE]\r\n\r\n"));
}

#[test]
fn gzip_comes_without_being_asked_for() {
    let fake = Fake::start("127.0.0.1:0");
    let reply = fake.chat("gzip", PLAIN);
    assert!(reply.has_header("content-encoding: gzip"));
    let answer: Value =
        serde_json::from_reader(flate2::read::GzDecoder::new(reply.halves().1)).unwrap();
    assert_eq!(answer["object"], "chat.completion");
}

#[test]
fn events_can_be_wrong() {
    let fake = Fake::start("127.0.0.1:0");
    let (events, complete) = fake.chat("error-event,error-code=overloaded", STREAM).events();
    assert_eq!((events.len(), complete), (1, true));
    let error: Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!(error["error"]["code"], "overloaded");
    let (events, _) = fake.chat("garbage=1,no-done", STREAM).events();
    assert_eq!(events[2], "{not json");
    assert!(!events.iter().any(|event| event == "[DONE]"));
    assert_eq!(fake.chat("empty-stream", STREAM).chunks(), (Vec::new(), true));
    assert!(fake.chat("empty", STREAM).has_header("content-length: 0"));
}

#[test]
fn a_body_can_end_with_the_connection() {
    let fake = Fake::start("127.0.0.1:0");
    let reply = fake.chat("close", PLAIN);
    assert!(reply.bytes.starts_with(b"HTTP/1.0 200"));
    assert!(!String::from_utf8_lossy(&reply.bytes).contains("content-length"));
    assert_eq!(reply.json()["object"], "chat.completion");
}

#[test]
fn trailers_follow_the_body() {
    let fake = Fake::start("127.0.0.1:0");
    let reply = fake.ask("POST", &chat_path("trailers"), "te: trailers\r\n", STREAM);
    assert!(reply.bytes.ends_with(b"0\r\nx-fake-trailer: end\r\n\r\n"));
}

#[test]
fn requests_are_recorded_until_they_are_cleared() {
    let fake = Fake::start("gamma=127.0.0.1:0");
    fake.ask("POST", "/fault:status=500/v1/chat/completions?a=b", "x-one: 1\r\n", PLAIN);
    fake.ask("POST", "/v1/chat/completions", "", &format!("{{{}", " ".repeat(70_000)));
    let requests = fake.requests();
    let first = &requests[0];
    assert_eq!(first["listener"], "gamma");
    assert_eq!(first["method"], "POST");
    assert_eq!(first["path"], "/fault:status=500/v1/chat/completions?a=b");
    assert_eq!(first["authority"], "fake");
    assert_eq!(first["version"], "HTTP/1.1");
    assert!(first["headers"].as_array().unwrap().contains(&serde_json::json!(["x-one", "1"])));
    assert_eq!(first["body"], PLAIN);
    assert_eq!(first["body_bytes"], PLAIN.len());
    assert_eq!(first["body_fnv"], "cfa1abb768aafb92");
    assert_eq!(first["faults"], "status=500");
    assert_eq!(first["aborted"], false);
    assert_eq!(requests[1].get("body"), None);
    assert_eq!(requests[1]["body_bytes"], 70_001);
    assert_eq!(fake.ask("DELETE", "/_fake/requests", "", "").status(), 204);
    assert_eq!(fake.requests(), Value::Array(Vec::new()));
}

#[test]
fn faults_can_pass() {
    let fake = Fake::start("127.0.0.1:0");
    assert_eq!(statuses(&fake), [503, 503, 200]);
    assert_eq!(fake.chat("status=500,times=1", PLAIN).status(), 500, "each path counts alone");
    fake.ask("DELETE", "/_fake/requests", "", "");
    assert_eq!(statuses(&fake), [503, 503, 200], "clearing starts the count again");
}

/// The statuses of three requests of which two are to fail.
fn statuses(fake: &Fake) -> [u16; 3] {
    [(); 3].map(|()| fake.chat("status=503,times=2", PLAIN).status())
}

#[test]
fn the_process_ends_with_its_standard_input() {
    let mut fake = Fake::start("127.0.0.1:0");
    drop(fake.process.stdin.take());
    assert!(fake.process.wait().unwrap().success());
}
