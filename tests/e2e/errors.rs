//! Bad input: each gets a clear error in the dialect of its face, and harms nothing else.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{FACES, Gateway, chat};
use crate::setup::Setup;

const LIMIT: usize = 1 << 20;

fn setup() -> Setup {
    Setup::new()
        .document(json!({"limits": {"request_bytes": LIMIT}}))
        .chain("good", &[""])
        .chain("other", &[""])
}

on_envoy! { setup:
    what_is_not_json_is_refused,
    what_is_no_object_is_refused,
    wrong_fields_are_refused,
    invalid_utf8_is_refused,
    deep_nesting_is_refused_or_forwarded,
    a_key_twice_is_refused,
    a_compressed_body_is_refused,
    an_empty_body_is_refused,
    a_body_over_the_limit_is_refused,
    a_chunked_body_over_the_limit_is_refused,
    a_body_at_the_limit_passes,
    a_wrong_method_is_405,
    refusals_are_counted_and_recorded,
}

/// An error of that status in the dialect of its face, with a machine-readable type.
fn assert_error(base: &str, reply: &Reply, status: u16, context: &str) {
    assert_eq!((reply.status, reply.whole), (status, true), "{base} {context}: {reply:?}");
    assert_eq!(
        reply.header("content-type"),
        Some("application/json"),
        "{base} {context}: {reply:?}"
    );
    let error = reply.json()["error"].clone();
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty() && message.len() < 1000),
        "{reply:?}"
    );
    if base == "/v1" {
        assert_eq!(error["type"], "invalid_request_error", "{context}: {reply:?}");
        assert!(error["error_type"].is_string(), "{context}: {reply:?}");
        assert!(
            error.get("param").is_some() && error.get("code").is_some(),
            "{context}: {reply:?}"
        );
    } else {
        assert_eq!(error["code"], status, "{context}: {reply:?}");
        assert!(error["metadata"]["error_type"].is_string(), "{context}: {reply:?}");
    }
}

/// These bodies are refused on both faces, and a good request on the same connection is served
/// afterwards.
fn refused(gateway: &Gateway, status: u16, bodies: &[&[u8]]) -> Vec<Reply> {
    let mut replies = Vec::new();
    for (base, body) in FACES.iter().flat_map(|base| bodies.iter().map(move |body| (base, body))) {
        let context = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let path = format!("{base}/chat/completions");
        let mut connection = gateway.connect();
        connection.send("POST", &path, &[("content-type", "application/json")], body);
        let reply = connection.read("POST");
        assert_error(base, &reply, status, &context);
        // After a 400 over HTTP/1.1 Envoy closes the connection, and says so.
        if reply.header("connection") == Some("close") {
            connection = gateway.connect();
        }
        connection.send("POST", &path, &[], chat("good").to_string().as_bytes());
        assert_eq!(connection.read("POST").status, 200, "after {context}");
        replies.push(reply);
    }
    replies
}

fn what_is_not_json_is_refused(gateway: &Gateway) {
    let good = chat("good").to_string();
    let trailing = format!("{good} x");
    let second = format!("{good}{good}");
    refused(
        gateway,
        400,
        &[
            b"hello",
            b"{",
            &good.as_bytes()[..good.len() - 1],
            &good.as_bytes()[..good.len() / 2],
            trailing.as_bytes(),
            second.as_bytes(),
            b"{\"model\":\"t/good\",}",
            b"{'model':'t/good'}",
            b"{\"model\":\"t/good\",\"x\":01}",
            b"{\"model\":\"t/good\",\"x\":NaN}",
            b"{\"model\":\"t/good\",\"x\":\"a\nb\"}",
            b"{\"model\":\"t/good\",\"x\":\"\\ud800\\q\"}",
            b"   ",
            b"\0",
        ],
    );
}

fn what_is_no_object_is_refused(gateway: &Gateway) {
    refused(gateway, 400, &[b"[]", b"null", b"\"t/good\"", b"1", b"[{\"model\":\"t/good\"}]"]);
}

fn wrong_fields_are_refused(gateway: &Gateway) {
    let long = json!({"model": "x".repeat(10_000), "messages": []}).to_string();
    refused(
        gateway,
        400,
        &[
            b"{\"messages\":[]}",
            b"{}",
            b"{\"model\":1,\"messages\":[]}",
            b"{\"model\":null,\"messages\":[]}",
            b"{\"model\":[\"t/good\"],\"messages\":[]}",
            b"{\"model\":\"\",\"messages\":[]}",
            b"{\"model\":\"t/nobody\",\"messages\":[]}",
            long.as_bytes(),
            b"{\"model\":\"t/good\",\"stream\":\"yes\",\"messages\":[]}",
            b"{\"model\":\"t/good\",\"models\":\"t/good\",\"messages\":[]}",
            b"{\"model\":\"t/good\",\"models\":[1],\"messages\":[]}",
            b"{\"model\":\"t/good\",\"provider\":[],\"messages\":[]}",
            b"{\"model\":\"t/good\",\"provider\":{\"order\":\"x\"},\"messages\":[]}",
            b"{\"model\":\"t/good\",\"stream_options\":7,\"messages\":[]}",
        ],
    );
}

fn invalid_utf8_is_refused(gateway: &Gateway) {
    refused(
        gateway,
        400,
        &[
            b"{\"model\":\"t/good\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}",
            b"{\"model\":\"t/g\xc3\",\"messages\":[]}",
            b"{\"model\":\"t/good\",\"\xed\xa0\x80\":1,\"messages\":[]}",
        ],
    );
}

fn nested(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    format!("{{\"model\":\"t/good\",\"messages\":[],\"x\":{open}{close}}}")
}

fn deep_nesting_is_refused_or_forwarded(gateway: &Gateway) {
    refused(gateway, 400, &[nested(5_000).as_bytes(), nested(100_000).as_bytes()]);
    assert_eq!(gateway.post("/v1", nested(50).as_bytes()).status, 200);
}

fn a_key_twice_is_refused(gateway: &Gateway) {
    let replies = refused(
        gateway,
        400,
        &[
            b"{\"model\":\"t/good\",\"model\":\"t/other\",\"messages\":[]}",
            b"{\"model\":\"t/good\",\"mod\\u0065l\":\"t/other\",\"messages\":[]}",
            b"{\"model\":\"t/good\",\"stream\":true,\"stream\":false,\"messages\":[]}",
            b"{\"model\":\"t/good\",\"messages\":[],\"messages\":[]}",
            b"{\"model\":null,\"model\":\"t/other\",\"messages\":[]}",
            b"{\"model\":\"t/good\",\"provider\":{},\"provider\":{},\"messages\":[]}",
        ],
    );
    assert!(replies.iter().all(|reply| reply.text().contains("twice")), "{replies:?}");
    // What the gateway does not read is the provider's business.
    assert_eq!(
        gateway.post("/v1", b"{\"model\":\"t/good\",\"x\":1,\"x\":2,\"messages\":[]}").status,
        200
    );
}

fn a_compressed_body_is_refused(gateway: &Gateway) {
    for base in FACES {
        let headers = [("content-encoding", "gzip")];
        let reply = gateway.request(
            "POST",
            &format!("{base}/chat/completions"),
            &headers,
            b"\x1f\x8b whatever",
        );
        assert_error(base, &reply, 415, "gzip");
    }
}

fn an_empty_body_is_refused(gateway: &Gateway) {
    refused(gateway, 400, &[b""]);
    for base in FACES {
        let mut connection = gateway.connect();
        connection.head(
            "POST",
            &format!("{base}/chat/completions"),
            &[("transfer-encoding", "chunked")],
        );
        connection.chunk(b"", "");
        assert_error(base, &connection.read("POST"), 400, "no chunk");
    }
}

fn oversized() -> Vec<u8> {
    let mut body = chat("good");
    body["messages"][0]["content"] = "x".repeat(LIMIT).into();
    body.to_string().into_bytes()
}

fn a_body_over_the_limit_is_refused(gateway: &Gateway) {
    for base in FACES {
        assert_error(base, &gateway.post(base, &oversized()), 413, "too large");
        let mut connection = gateway.connect();
        connection.head(
            "POST",
            &format!("{base}/chat/completions"),
            &[("content-length", "99999999999")],
        );
        assert_error(base, &connection.read("POST"), 413, "announced only");
        assert_eq!(gateway.ask(base, &chat("good")).status, 200);
    }
}

fn a_chunked_body_over_the_limit_is_refused(gateway: &Gateway) {
    for base in FACES {
        let mut connection = gateway.connect();
        connection.head(
            "POST",
            &format!("{base}/chat/completions"),
            &[("transfer-encoding", "chunked")],
        );
        oversized().chunks(50_000).for_each(|piece| connection.chunk(piece, ""));
        assert_error(base, &connection.read("POST"), 413, "in chunks");
        assert_eq!(gateway.ask(base, &chat("good")).status, 200);
    }
}

fn a_body_at_the_limit_passes(gateway: &Gateway) {
    let mut body = chat("good");
    let room = LIMIT - body.to_string().len() - "up-good".len();
    body["messages"][0]["content"] = "x".repeat(room).into();
    for base in FACES {
        assert_eq!(gateway.ask(base, &body).status, 200);
    }
    // This body is as large as the limit, but would be larger upstream.
    let mut body = chat("good");
    body["messages"][0]["content"] =
        "x".repeat(LIMIT - chat("good").to_string().len() + "Hello there".len()).into();
    assert_eq!(body.to_string().len(), LIMIT);
    assert_error("/v1", &gateway.ask("/v1", &body), 413, "grows");
}

fn a_wrong_method_is_405(gateway: &Gateway) {
    for (base, method) in
        FACES.iter().flat_map(|base| ["GET", "PUT", "DELETE", "PATCH"].map(|method| (base, method)))
    {
        for path in ["chat/completions", "completions", "embeddings"] {
            let body: &[u8] = if method == "PUT" { b"{}" } else { b"" };
            let reply = gateway.request(method, &format!("{base}/{path}"), &[], body);
            assert_error(base, &reply, 405, method);
            assert_eq!(reply.header("allow"), Some("POST"));
        }
    }
    assert_eq!(gateway.request("HEAD", "/v1/chat/completions", &[], b"").status, 405);
    assert_error("/v1", &gateway.request("POST", "/v1/models", &[], b"{}"), 405, "models");
}

fn refusals_are_counted_and_recorded(gateway: &Gateway) {
    let reply = gateway.post("/v1", b"{\"model\":\"t/nobody-at-all\",\"messages\":[]}");
    let entry = gateway.entry(&reply);
    assert_eq!(entry["error_type"], "not_found", "{entry}");
    assert_eq!((&entry["attempts"], &entry["provider"]), (&json!("0"), &Value::Null), "{entry}");
    assert_eq!(entry["record"]["attempts"], json!([]), "{entry}");
    assert_eq!(entry["request_model"], "t/nobody-at-all", "{entry}");
    let stats = gateway.envoy.get("/stats?filter=wasmcustom.modelyard.requests");
    assert!(stats.contains("model=unknown.operation=chat.status=4xx"), "{stats}");
    assert!(!stats.contains("nobody"), "a client's own text is no tag: {stats}");
}
