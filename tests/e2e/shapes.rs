//! The shapes HTTP comes in: lengths, chunks, trailers, versions, methods, upgrades, and traffic
//! that is not ours.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use h2::client;
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use serde_json::{Value, json};

use crate::client::value;
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::Setup;

fn setup() -> Setup {
    let mut setup = Setup::new()
        .chain("good", &[""])
        .chain("second", &["status=503", ""])
        .chain("trailers", &["trailers"])
        .chain("vectors", &["status=500", ""])
        .document(json!({"default_model": "t/good"}))
        .model("good", json!({"aliases": ["nick"], "context_length": 1000}));
    let wild = json!({"id": "wild/*", "endpoints": [{"provider": "good-0", "model": "*"}]});
    setup.document["models"].as_array_mut().unwrap().push(wild);
    setup.servers.insert("socket".to_owned(), echo_server());
    setup
}

on_envoy! { setup:
    a_body_may_come_with_its_length_or_in_chunks,
    request_trailers_end_a_body,
    expect_100_continue_is_answered,
    http2_works_with_and_without_trailers,
    a_refused_request_leaves_an_http2_connection_alone,
    pipelined_requests_on_one_connection,
    websockets_pass,
    other_paths_pass_unread,
    large_bodies_to_other_paths_are_not_buffered,
    models_are_listed,
    aliases_wildcards_and_the_default_model,
    fallback_models_are_tried_in_order,
    embeddings_are_served,
    http_10_is_served,
}

/// A server that takes every upgrade and echoes what follows.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n")
                    && stream.read(&mut byte).is_ok_and(|count| count > 0)
                {
                    head.push(byte[0]);
                }
                let _ = stream.write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                      connection: upgrade\r\n\r\n",
                );
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    let _ = stream.write_all(&buffer[..count]);
                }
            });
        }
    });
    address
}

fn a_body_may_come_with_its_length_or_in_chunks(gateway: &Gateway) {
    for (base, body) in
        FACES.iter().flat_map(|base| [(base, chat("second")), (base, stream("second"))])
    {
        let body = body.to_string();
        for size in [1, 7, 10_000] {
            let mut connection = gateway.connect();
            connection.head(
                "POST",
                &format!("{base}/chat/completions"),
                &[("transfer-encoding", "chunked")],
            );
            body.as_bytes().chunks(size).for_each(|piece| connection.chunk(piece, ""));
            connection.chunk(b"", "");
            let reply = connection.read("POST");
            assert!(reply.content().starts_with("Hello from second-1"), "{reply:?}");
        }
        // The body in two parts, of which the headers tell the length.
        let mut connection = gateway.connect();
        let length = body.len().to_string();
        connection.head(
            "POST",
            &format!("{base}/chat/completions"),
            &[("content-length", &length)],
        );
        connection.write(&body.as_bytes()[..10]);
        thread::sleep(std::time::Duration::from_millis(50));
        connection.write(&body.as_bytes()[10..]);
        assert_eq!(connection.read("POST").status, 200);
    }
    for request in gateway.fake.received("second-1") {
        assert_eq!(request.json()["model"], "up-second");
        assert_eq!(
            request.header("content-length"),
            Some(request.0["body_bytes"].to_string().as_str())
        );
    }
}

fn request_trailers_end_a_body(gateway: &Gateway) {
    for (base, body) in
        FACES.iter().flat_map(|base| [(base, chat("second")), (base, stream("second"))])
    {
        let mut connection = gateway.connect();
        let headers = [("transfer-encoding", "chunked"), ("te", "trailers"), ("trailer", "x-sum")];
        connection.head("POST", &format!("{base}/chat/completions"), &headers);
        connection.chunk(body.to_string().as_bytes(), "");
        connection.write(b"0\r\nx-sum: 1\r\n\r\n");
        let reply = connection.read("POST");
        assert!(reply.content().starts_with("Hello from second-1"), "{reply:?}");
    }
    let mut connection = gateway.connect();
    connection.head("POST", "/v1/chat/completions", &[("transfer-encoding", "chunked")]);
    connection.chunk(b"{\"model\":", "");
    connection.write(b"0\r\nx-sum: 1\r\n\r\n");
    assert_eq!(connection.read("POST").status, 400);
}

fn expect_100_continue_is_answered(gateway: &Gateway) {
    let body = chat("second").to_string();
    let length = body.len().to_string();
    let mut connection = gateway.connect();
    connection.head(
        "POST",
        "/v1/chat/completions",
        &[("content-length", &length), ("expect", "100-continue")],
    );
    assert_eq!(connection.read_head().status, 100);
    connection.write(body.as_bytes());
    let reply = connection.read("POST");
    assert!(reply.content().starts_with("Hello from second-1"), "{reply:?}");
    assert!(
        gateway.fake.received("second-0").iter().all(|request| request.header("expect").is_none())
    );
}

/// An answer over HTTP/2.
struct Http2Reply {
    status: u16,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

/// Sends these bodies one after the other on one connection, each with trailers if told so.
fn over_http2(gateway: &Gateway, path: &str, bodies: &[&[u8]], trailers: bool) -> Vec<Http2Reply> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(gateway.envoy.address).await.unwrap();
        let (mut sender, connection) = client::handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        let mut replies = Vec::new();
        for body in bodies {
            sender = sender.ready().await.unwrap();
            let uri = format!("http://gateway.test{path}");
            let request = Request::post(uri)
                .header("te", "trailers")
                .header("content-type", "application/json");
            let (response, mut upload) =
                sender.send_request(request.body(()).unwrap(), false).unwrap();
            let middle = body.len() / 2;
            upload.send_data(Bytes::copy_from_slice(&body[..middle]), false).unwrap();
            upload.send_data(Bytes::copy_from_slice(&body[middle..]), !trailers).unwrap();
            if trailers {
                upload
                    .send_trailers(HeaderMap::from_iter([(
                        "x-sum".parse().unwrap(),
                        "1".parse().unwrap(),
                    )]))
                    .unwrap();
            }
            let response = response.await.unwrap();
            let status = response.status().as_u16();
            let mut download = response.into_body();
            let mut body = Vec::new();
            while let Some(data) = download.data().await {
                let data = data.unwrap();
                let _ = download.flow_control().release_capacity(data.len());
                body.extend_from_slice(&data);
            }
            replies.push(Http2Reply { status, body, trailers: download.trailers().await.unwrap() });
        }
        replies
    })
}

fn http2_works_with_and_without_trailers(gateway: &Gateway) {
    for (base, trailers) in FACES.iter().flat_map(|base| [(base, false), (base, true)]) {
        let path = format!("{base}/chat/completions");
        let bodies =
            [chat("second"), stream("second"), stream("trailers")].map(|body| body.to_string());
        let bodies: Vec<&[u8]> = bodies.iter().map(|body| body.as_bytes()).collect();
        let replies = over_http2(gateway, &path, &bodies, trailers);
        for (reply, expected) in replies.iter().zip(["second-1", "second-1", "trailers-0"]) {
            let text = String::from_utf8_lossy(&reply.body);
            assert_eq!(reply.status, 200, "{text}");
            assert!(text.contains(expected), "{text}");
        }
        assert!(replies[1].body.ends_with(b"data: [DONE]\n\n"));
        assert!(replies[1].trailers.is_none());
    }
}

fn a_refused_request_leaves_an_http2_connection_alone(gateway: &Gateway) {
    let good = chat("good").to_string();
    for (base, trailers) in FACES.iter().flat_map(|base| [(base, false), (base, true)]) {
        let bodies: [&[u8]; 4] =
            [b"[]", b"{\"model\":", b"{\"model\":\"t/nobody\"}", good.as_bytes()];
        let replies = over_http2(gateway, &format!("{base}/chat/completions"), &bodies, trailers);
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [400, 400, 400, 200]);
    }
}

fn pipelined_requests_on_one_connection(gateway: &Gateway) {
    let mut connection = gateway.connect();
    for body in [chat("good"), stream("second"), chat("second")] {
        connection.send("POST", "/v1/chat/completions", &[], body.to_string().as_bytes());
    }
    for expected in ["good-0", "second-1", "second-1"] {
        let reply = connection.read("POST");
        assert!(reply.content().starts_with(&format!("Hello from {expected}")), "{reply:?}");
    }
}

fn websockets_pass(gateway: &Gateway) {
    let mut connection = gateway.connect();
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    connection.head("GET", "/socket/chat", &headers);
    let head = connection.read_head();
    assert_eq!(head.status, 101, "{head:?}");
    for message in [&b"ping"[..], &[0, 255, 10, 13]] {
        connection.write(message);
        assert_eq!(connection.read_bytes(message.len()), message);
    }
}

fn other_paths_pass_unread(gateway: &Gateway) {
    let secret =
        [("authorization", "Bearer kept"), ("x-custom", "kept"), ("x-modelyard-x", "kept")];
    for path in ["/files", "/v1/files", "/v1/chat/completions/", "/v2/chat/completions", "/"] {
        let reply = gateway.request("POST", path, &secret, b"not { json");
        assert_eq!(reply.header("x-fake-provider"), Some("other"), "{path} {reply:?}");
        assert_eq!(reply.header("x-generation-id"), None);
        let received = gateway.fake.received("other");
        let request = received.iter().rev().find(|request| request.path() == path).unwrap();
        assert_eq!(request.body(), "not { json");
        assert!(
            ["authorization", "x-custom", "x-modelyard-x"]
                .iter()
                .all(|name| request.header(name).is_some()),
            "{path}"
        );
    }
    assert_eq!(
        gateway.request("HEAD", "/files", &[], b"").header("x-fake-provider"),
        Some("other")
    );
    assert_eq!(gateway.request("GET", "/files", &[], b"").header("x-fake-provider"), Some("other"));
    // Answers to requests that are not the gateway's pass untouched, even with its own headers.
    let reply = gateway.request(
        "POST",
        "/fault:status=503,retry-header/x/chat/completions",
        &[],
        chat("x").to_string().as_bytes(),
    );
    assert_eq!((reply.status, reply.header("x-modelyard-retry")), (503, Some("1")), "{reply:?}");
}

fn large_bodies_to_other_paths_are_not_buffered(gateway: &Gateway) {
    // Without a route's limit Envoy buffers 1 MiB; what is read as a whole would end as 413.
    let body = vec![b'x'; 8 << 20];
    let reply = gateway.request("POST", "/files/upload", &[], &body);
    assert_eq!(reply.status, 404, "{reply:?}");
    let received = gateway.fake.received("other");
    assert!(received.iter().any(|request| request.0["body_bytes"] == body.len()));
}

fn models_are_listed(gateway: &Gateway) {
    for base in FACES {
        let reply = gateway.request("GET", &format!("{base}/models"), &[], b"");
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("application/json")),
            "{reply:?}"
        );
        let list = reply.json();
        let ids: Vec<&Value> =
            list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
        assert_eq!(ids, ["t/good", "t/second", "t/trailers", "t/vectors"]);
        assert_eq!(list["object"], "list");
        assert_eq!(list["data"][0]["context_length"], 1000);
        assert_eq!(list["data"][0]["pricing"]["prompt"], "0.000001");
        let head = gateway.request("HEAD", &format!("{base}/models"), &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{head:?}");
        assert!(
            value(&head.headers, "content-length").is_some_and(|length| length != "0"),
            "{head:?}"
        );
        assert_eq!(gateway.request("GET", &format!("{base}/models?x=1"), &[], b"").status, 200);
    }
}

fn aliases_wildcards_and_the_default_model(gateway: &Gateway) {
    for (model, id, sent) in [
        (json!("nick"), "t/good", "up-good"),
        (json!("wild/any-thing:7b"), "wild/any-thing:7b", "any-thing:7b"),
        (Value::Null, "t/good", "up-good"),
    ] {
        let mut body = json!({"messages": [], "user": format!("naming {model}")});
        if !model.is_null() {
            body["model"] = model.clone();
        }
        let reply = gateway.ask("/v1", &body);
        assert_eq!((reply.status, reply.header("x-modelyard-model")), (200, Some(id)), "{reply:?}");
        let received = gateway.fake.received("good-0");
        let request =
            received.iter().rev().find(|request| request.json()["user"] == body["user"]).unwrap();
        assert_eq!(request.json()["model"], sent);
    }
}

fn fallback_models_are_tried_in_order(gateway: &Gateway) {
    for base in FACES {
        let preferences = json!({"ignore": ["vectors-1"]});
        let body =
            json!({"models": ["t/vectors", "nick"], "messages": [], "provider": preferences});
        let reply = gateway.ask(base, &body);
        assert_eq!(
            (reply.status, reply.header("x-modelyard-model")),
            (200, Some("t/good")),
            "{reply:?}"
        );
        assert_eq!(reply.header("x-modelyard-attempts"), Some("2"));
    }
}

fn embeddings_are_served(gateway: &Gateway) {
    for base in FACES {
        let body = json!({"model": "t/vectors", "input": ["one", "two"]}).to_string();
        let reply = gateway.request("POST", &format!("{base}/embeddings"), &[], body.as_bytes());
        assert_eq!(
            (reply.status, reply.header("x-modelyard-provider")),
            (200, Some("vectors-1")),
            "{reply:?}"
        );
        assert_eq!(reply.json()["data"].as_array().unwrap().len(), 2);
        let entry = gateway.entry(&reply);
        assert_eq!(
            (&entry["operation"], &entry["output_tokens"]),
            (&json!("embeddings"), &json!("0")),
            "{entry}"
        );
    }
}

fn http_10_is_served(gateway: &Gateway) {
    // Envoy refuses HTTP/1.0 unless it is told otherwise; the client must not wait for ever.
    let mut connection = gateway.connect();
    connection.write(b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: 2\r\n\r\n{}");
    assert_eq!(connection.read("POST").status, 426);
}

#[test]
fn http3_is_served_and_settled() {
    let setup = Setup { by_http3: true, ..Setup::new() }
        .chain("good", &["status=503", ""])
        .chain("endless", &["interval=20,tokens=1000"]);
    let gateway = Gateway::start(&format!("{}-http3", module_path!()), &setup);
    gateway.unwrap_or_else(|log| panic!("Envoy does not start: {log}")).run(|gateway| {
        for body in [chat("good"), stream("good")] {
            let reply = gateway.ask("/v1", &body);
            assert!(reply.content().starts_with("Hello from good-1"), "{reply:?}");
            assert_eq!(gateway.entry(&reply)["record"]["status"], 200);
        }
        gateway.expect_stat("requests.tenant=default.model=t/good.operation=chat.status=2xx", 2);
        let mut connection = gateway.connect();
        let body = stream("endless").to_string();
        connection.send("POST", "/v1/chat/completions", &[], body.as_bytes());
        connection.read_until("data: ", 2);
        connection.abort();
        gateway.expect_stat(
            "requests.tenant=default.model=t/endless.operation=chat.status=aborted",
            1,
        );
    });
}
