//! Providers that close connections which the host would use again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{Gateway, chat, stream};
use crate::setup::Setup;

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
/// What a server does with a connection.
type Answer = fn(TcpStream);

/// How long a connection may be idle at a provider of this kind.
const IDLE: Duration = Duration::from_millis(50);

fn setup() -> Setup {
    let mut setup =
        Setup::new().chain("once", &[""]).chain("idle", &[""]).chain("fresh", &["", ""]);
    let servers = [
        ("once-0", answer_once as Answer),
        ("idle-0", answer_until_idle),
        ("fresh-0", answer_never),
    ];
    for (name, answer) in servers {
        setup.listeners.remove(name);
        setup.servers.insert(name.to_owned(), server(answer));
    }
    setup
}

on_envoy! { setup:
    a_reused_connection_that_breaks_is_tried_again,
    a_provider_that_closes_idle_connections_fails_nobody,
    a_fresh_connection_that_breaks_is_not,
}

fn server(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

/// Reads a request whole; `None`: the connection is over.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()
}

fn answer(stream: &mut TcpStream) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
    let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
}

/// Takes a second request on a connection, and closes it.
fn answer_once(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    if read_request(&mut reader).is_some() {
        answer(&mut stream);
        let _ = read_request(&mut reader);
    }
}

fn answer_until_idle(mut stream: TcpStream) {
    stream.set_read_timeout(Some(IDLE)).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while read_request(&mut reader).is_some() {
        answer(&mut stream);
    }
}

fn answer_never(stream: TcpStream) {
    let _ = read_request(&mut BufReader::new(stream));
}

fn outcomes(record: &Value) -> Vec<&str> {
    let attempts = record["attempts"].as_array().unwrap();
    attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect()
}

fn a_reused_connection_that_breaks_is_tried_again(gateway: &Gateway) {
    let mut repeated = 0;
    for _ in 0..20 {
        let reply = gateway.ask("/v1", &chat("once"));
        assert_eq!(reply.status, 200, "{reply:?}");
        let record = gateway.entry(&reply)["record"].clone();
        match outcomes(&record).as_slice() {
            ["ok"] => {}
            ["reset", "ok"] | ["reset", "reset", "ok"] => {
                repeated += 1;
                assert_eq!(record["attempts"][0]["repeated"], true, "{record}");
            }
            other => panic!("{other:?}: {record}"),
        }
    }
    assert!(repeated >= 5, "{repeated}");
    let fallbacks = "modelyard.fallbacks.provider=once-0.model=t/once.reason=reset";
    assert_eq!(gateway.stat(fallbacks), 0);
}

fn a_provider_that_closes_idle_connections_fails_nobody(gateway: &Gateway) {
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = (0..6u64)
            .map(|client| {
                scope.spawn(move || {
                    let mut statuses = Vec::new();
                    for number in 0..50 {
                        // Around the time when the provider closes the connection.
                        thread::sleep(
                            IDLE - Duration::from_millis(3)
                                + Duration::from_micros((client * 731 + number * 397) % 6_000),
                        );
                        statuses.push(gateway.ask("/v1", &chat("idle")).status);
                    }
                    statuses
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(statuses.len(), 300);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

fn a_fresh_connection_that_breaks_is_not(gateway: &Gateway) {
    for body in [chat("fresh"), stream("fresh")] {
        let reply = gateway.ask("/v1", &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        let record = &gateway.entry(&reply)["record"];
        assert_eq!(outcomes(record), ["reset", "ok"], "{record}");
        assert_eq!(record["attempts"][0]["repeated"], Value::Null, "{record}");
        let endpoints = ["fresh-0/up-fresh", "fresh-1/up-fresh"];
        let tried = [0, 1].map(|index| record["attempts"][index]["endpoint"].clone());
        assert_eq!(json!(tried), json!(endpoints), "{record}");
    }
}
