//! Nothing of the gateway's leaks, and nothing of a provider's is trusted: keys that it repeats,
//! its headers and trailers, statuses that are none; and what clients may not tell a provider.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use h2::{client, server};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, Response};
use serde_json::{Value, json};

use crate::client::Reply;
use crate::dialect::{DIALECTS, Dialect};
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::{GHOST, Setup, merge};

/// How every key of a step begins; a digit follows.
const KEY: &str = "sk-of-step-";

fn setup() -> Setup {
    let mut setup = Setup::new()
        .chain("bird", &[GHOST])
        .chain("two", &[GHOST, ""])
        .chain("more", &[GHOST])
        .chain("own", &[GHOST])
        .chain("past", &[GHOST])
        .provider("past-0", json!({"cluster": "bare"}))
        .formats("claude", &[("anthropic", GHOST)])
        .formats("google", &[("gemini", GHOST)])
        .formats("amazon", &[("bedrock", GHOST)])
        .chain("azure", &[""])
        .chain("second", &[""])
        .provider("azure-0", json!({"base_path": "/openai/deployments/{model}"}))
        .provider("more-0", json!({"response_headers": ["X-Groq-*", "server"]}))
        .provider("own-0", json!({"auth": null}))
        .provider("own-0", json!({"auth": {"type": "passthrough"}}))
        .provider("second-0", json!({"cluster": "trailers"}));
    for id in ["bird-0", "two-0", "more-0", "own-0", "claude-0", "google-0", "amazon-0"] {
        setup = setup.provider(id, json!({"cluster": "parrot"}));
    }
    let wild = json!({"id": "azure/*", "endpoints": [{"provider": "azure-0", "model": "*"}]});
    setup.document["models"].as_array_mut().unwrap().push(wild);
    setup.servers.insert("parrot".to_owned(), parrot());
    setup.servers.insert("bare".to_owned(), parrot());
    setup.servers.insert("trailers".to_owned(), trailers_server());
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let codec = json!({"name": "envoy.filters.http.upstream_codec", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
    }});
    let bare = json!({"typed_extension_protocol_options": {options: {"http_filters": [codec]}}});
    setup.over_http2("trailers").cluster("bare", bare)
}

on_envoy! { setup:
    no_key_reaches_a_client_however_it_is_repeated,
    a_key_cut_in_the_middle_reaches_nobody,
    a_length_stays_right_where_a_key_was,
    clients_see_the_response_headers_of_the_list,
    a_document_adds_response_headers,
    an_upstream_past_the_filter_tells_nothing,
    a_providers_header_does_not_steer_envoys_router,
    no_trailers_pass,
    what_is_no_status_is_the_providers_failure,
    the_clients_account_is_told_where_its_key_is,
    a_body_has_one_type,
    a_name_that_leads_out_of_a_path_is_refused,
    another_scheme_is_refused,
}

/// A server that answers as its request says: the bytes in hexadecimal behind `answer:` in the body,
/// with the key that it was sent in place of `KEY`, and what it was sent besides, in hexadecimal, in
/// place of `HEAD`. It pauses at each zero byte, and then closes.
fn parrot() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || repeat(stream));
        }
    });
    address
}

fn repeat(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let answer = unhex(body.split("answer:").nth(1)?.split(':').next()?);
    let key = head.split(KEY).nth(1).and_then(|behind| behind.chars().next());
    let key = key.map(|digit| format!("{KEY}{digit}")).unwrap_or_default();
    let answer = String::from_utf8(answer).ok()?;
    let answer = answer.replace("HEAD", &hex(&head)).replace("KEY", &key);
    // What the key may be spelled like, and be cut.
    let answer = answer.replace("SPELLED", &key.replacen("sk-", "\\u0073k\\u002d", 1));
    let answer = answer.replace("CUT", &key.replacen("-of", "-o\0f", 1));
    let stream = reader.get_mut();
    for (index, piece) in answer.split('\0').enumerate() {
        if index > 0 {
            thread::sleep(Duration::from_millis(60));
        }
        stream.write_all(piece.as_bytes()).ok()?;
    }
    Some(())
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A server of HTTP/2 that answers with the names of the trailers that it was sent.
fn trailers_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(name_trailers(stream));
            }
        });
    });
    address
}

async fn name_trailers(stream: tokio::net::TcpStream) {
    let mut connection = server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
            }
            let trailers = body.trailers().await.ok().flatten().unwrap_or_default();
            let names: Vec<_> = trailers.keys().map(|name| name.as_str()).collect();
            let response = Response::builder().header("content-type", "application/json");
            let mut send = respond.send_response(response.body(()).unwrap(), false).unwrap();
            let answer = completion(&format!("trailers: {names:?}"));
            send.send_data(Bytes::from(answer), false).unwrap();
            send.send_trailers(HeaderMap::from_iter([
                ("set-cookie".parse().unwrap(), "a=b".parse().unwrap()),
                ("x-key".parse().unwrap(), format!("{KEY}0").parse().unwrap()),
            ]))
            .unwrap();
        });
    }
}

/// A whole answer that says this.
fn completion(text: &str) -> String {
    json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "up",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
    .to_string()
}

/// A stream that says this.
fn events(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n\
         data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n\
         data: [DONE]\n\n"
    )
}

/// An HTTP answer.
fn http(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n{body}")
}

const JSON: &str = "content-type: application/json";
const SSE: &str = "content-type: text/event-stream";

/// A request whose prompt tells the parrot what to answer.
fn asking_for(mut request: Value, answer: &str) -> Value {
    let prompt = format!("answer:{}:", hex(answer));
    for turns in ["messages", "input"] {
        if request[turns].is_array() {
            request[turns] = json!([{"role": "user", "content": prompt}]);
        }
    }
    request
}

/// Lets the provider of `t/{name}` answer so.
fn hear(gateway: &Gateway, base: &str, request: Value, answer: &str) -> Reply {
    gateway.ask(base, &asking_for(request, answer))
}

/// Nothing that the client has, or the log, has a key in it.
#[track_caller]
fn assert_clean(gateway: &Gateway, reply: &Reply) {
    let told = format!("{reply:?}").replace("\\\\", "\\").replace("\\u0073", "s");
    let told = told.replace("\\u002d", "-");
    assert!(!told.contains(KEY), "{reply:?}");
    let entry = gateway.entry(reply).to_string();
    assert!(!entry.contains(KEY), "{entry}");
}

fn no_key_reaches_a_client_however_it_is_repeated(gateway: &Gateway) {
    let error =
        |key: &str| format!("{{\"error\":{{\"message\":\"No {key}\",\"code\":\"{key}\"}}}}");
    for (name, key) in ["bird", "claude", "google", "amazon"]
        .into_iter()
        .flat_map(|name| ["KEY", "SPELLED"].map(|key| (name, key)))
    {
        for dialect in DIALECTS {
            for status in ["400 x", "401 x", "403 x", "404 x", "429 x", "500 x", "503 x", "302 x"] {
                for body in [error(key), format!("<html>{key}")] {
                    let location = format!("location: /?key={key}");
                    let answer = http(status, &[JSON, &location, "etag: KEY"], &body);
                    let reply = ask(gateway, dialect, name, false, &answer);
                    assert!(reply.status >= 400, "{reply:?}");
                    assert_clean(gateway, &reply);
                }
            }
            let answer = http("200 OK", &[JSON], &error(key));
            assert_clean(gateway, &ask(gateway, dialect, name, false, &answer));
        }
    }
    for (key, dialect) in
        ["KEY", "SPELLED"].into_iter().flat_map(|key| DIALECTS.map(|dialect| (key, dialect)))
    {
        // Not as JSON would write it, which has no escapes to write.
        let text = completion("it is KEY.").replace("KEY", key);
        let reply = ask(gateway, dialect, "bird", false, &http("200 OK", &[JSON], &text));
        assert!(reply.status == 200 && format!("{reply:?}").contains("it is ****"), "{reply:?}");
        assert_clean(gateway, &reply);
        let text = events(&format!("it is {key}."));
        let reply = ask(gateway, dialect, "bird", true, &http("200 OK", &[SSE], &text));
        assert!(reply.status == 200 && format!("{reply:?}").contains("it is ****"), "{reply:?}");
        assert_clean(gateway, &reply);
        for before in ["", &events("hello")[..80]] {
            let text = format!("{before}data: {}\n\n", error(key));
            let reply = ask(gateway, dialect, "bird", true, &http("200 OK", &[SSE], &text));
            assert_clean(gateway, &reply);
        }
    }
}

fn ask(gateway: &Gateway, dialect: Dialect, name: &str, stream: bool, answer: &str) -> Reply {
    let request = asking_for(dialect.question(name, stream), answer);
    let headers = [("content-type", "application/json")];
    gateway.request("POST", &dialect.path(), &headers, request.to_string().as_bytes())
}

fn a_key_cut_in_the_middle_reaches_nobody(gateway: &Gateway) {
    let whole = completion("it is CUT, again CUT.");
    for base in FACES {
        let reply = hear(gateway, base, chat("bird"), &http("200 OK", &[JSON], &whole));
        assert_eq!(reply.content(), format!("it is {0}, again {0}.", "*".repeat(12)));
        assert_clean(gateway, &reply);
        let text = events("it is CUT.");
        let reply = hear(gateway, base, stream("bird"), &http("200 OK", &[SSE], &text));
        assert_eq!(reply.content(), format!("it is {}.", "*".repeat(12)));
        assert_clean(gateway, &reply);
    }
}

fn a_length_stays_right_where_a_key_was(gateway: &Gateway) {
    let whole = completion("it is KEY.");
    let length = format!("content-length: {}", whole.len() - "KEY".len() + KEY.len() + 1);
    for answer in [whole.clone(), whole.replace("KEY", "CUT")] {
        let reply = hear(gateway, "/v1", chat("bird"), &http("200 OK", &[JSON, &length], &answer));
        assert_eq!(reply.content(), "it is ************.");
        assert!(reply.header("content-length").is_some() && reply.whole, "{reply:?}");
    }
}

/// What real providers send, and what they have no reason to.
const TOLD: [&str; 36] = [
    "cache-control: no-store",
    "etag: abc",
    "x-request-id: req_1",
    "request-id: req_2",
    "retry-after: 7",
    "x-ratelimit-remaining-tokens: 5",
    "openai-processing-ms: 12",
    "anthropic-ratelimit-tokens-reset: z",
    "content-language: en",
    "set-cookie: a=b",
    "set-cookie: c=d",
    "clear-site-data: \"*\"",
    "alt-svc: h3=\":443\"",
    "strict-transport-security: max-age=1",
    "access-control-allow-origin: *",
    "access-control-allow-credentials: true",
    "content-security-policy: default-src 'none'",
    "x-content-type-options: nosniff",
    "x-envoy-upstream-service-time: 5",
    "x-envoy-overloaded: true",
    "x-modelyard-retry: 1",
    "x-modelyard-model: mine",
    "openai-organization: org",
    "openai-project: proj",
    "openai-version: 1",
    "anthropic-organization-id: org",
    "server: theirs",
    "via: theirs",
    "cf-ray: 1",
    "cf-cache-status: DYNAMIC",
    "link: </x>; rel=preload",
    "refresh: 0; url=/x",
    "location: /x",
    "www-authenticate: Basic",
    "x-groq-region: eu",
    "x-anything: 1",
];

const SHOWN: [&str; 10] = [
    "anthropic-ratelimit-tokens-reset",
    "cache-control",
    "content-language",
    "content-type",
    "etag",
    "openai-processing-ms",
    "request-id",
    "retry-after",
    "x-ratelimit-remaining-tokens",
    "x-request-id",
];

/// The names of an answer's headers, but for the gateway's own and those of the connection.
fn foreign(reply: &Reply) -> Vec<&str> {
    let own =
        ["x-generation-id", "x-modelyard-", "content-length", "transfer-encoding", "connection"];
    let names = reply.headers.iter().map(|(name, _)| name.as_str());
    let mut names: Vec<_> =
        names.filter(|name| !own.iter().any(|own| name.starts_with(own))).collect();
    names.sort_unstable();
    names
}

fn clients_see_the_response_headers_of_the_list(gateway: &Gateway) {
    let host = ["date", "server"];
    let mut expected: Vec<_> = SHOWN.into_iter().chain(host).collect();
    expected.sort_unstable();
    let error = "{\"error\":{\"message\":\"no\"}}";
    for base in FACES {
        for (status, kind, body) in [
            ("200 OK", JSON, completion("hi")),
            ("200 OK", SSE, events("hi")),
            ("400 x", JSON, error.to_owned()),
            ("503 x", JSON, error.to_owned()),
        ] {
            let told: Vec<_> = TOLD.into_iter().chain([kind]).collect();
            let request = if kind == SSE { stream("bird") } else { chat("bird") };
            let reply = hear(gateway, base, request, &http(status, &told, &body));
            let names = foreign(&reply);
            // An answer of the gateway's own has nothing of the provider's but when to try again.
            let is_own = reply.status >= 400
                && (base == "/api/v1" || reply.status != 400 && reply.status != 503);
            let own = ["content-type", "date", "retry-after", "server"];
            assert_eq!(
                names,
                if is_own { &own[..] } else { &expected },
                "{base} {status}: {reply:?}"
            );
            assert_eq!(reply.header("server"), Some("envoy"));
            assert_eq!(reply.header("x-modelyard-model"), Some("t/bird"));
        }
    }
    // Few enough that each is taken off by itself.
    let told = [JSON, "set-cookie: a=b", "x-request-id: KEY", "server: theirs"];
    let reply = hear(gateway, "/v1", chat("bird"), &http("200 OK", &told, &completion("hi")));
    assert_eq!(foreign(&reply), ["content-type", "date", "server", "x-request-id"]);
    assert_eq!(reply.header("x-request-id"), Some("************"));
}

fn a_document_adds_response_headers(gateway: &Gateway) {
    let told: Vec<_> = TOLD.into_iter().chain([JSON]).collect();
    let reply = hear(gateway, "/v1", chat("more"), &http("200 OK", &told, &completion("hi")));
    assert!(foreign(&reply).contains(&"x-groq-region"), "{reply:?}");
    assert!(!foreign(&reply).contains(&"x-anything"), "{reply:?}");
}

fn an_upstream_past_the_filter_tells_nothing(gateway: &Gateway) {
    for (base, status) in FACES.iter().flat_map(|base| [(base, "200 OK"), (base, "503 x")]) {
        let told: Vec<_> = TOLD.into_iter().chain([JSON]).collect();
        let reply = hear(gateway, base, chat("past"), &http(status, &told, &completion("secret")));
        assert_eq!(reply.status, 502, "{reply:?}");
        assert_eq!(foreign(&reply), ["content-type", "date", "server"]);
        assert!(!format!("{reply:?}").contains("secret"), "{reply:?}");
    }
}

fn a_providers_header_does_not_steer_envoys_router(gateway: &Gateway) {
    for header in ["x-envoy-ratelimited: true", "x-envoy-overloaded: true", "x-modelyard-retry: 0"]
    {
        let answer = http("429 x", &[JSON, header], "{}");
        let reply = hear(gateway, "/v1", chat("two"), &answer);
        assert_eq!(reply.status, 200, "{header}: {reply:?}");
    }
}

fn no_trailers_pass(gateway: &Gateway) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (text, trailers) = runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(gateway.envoy.address).await.unwrap();
        let (sender, connection) = client::handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        let mut sender = sender.ready().await.unwrap();
        let request = Request::post("http://gateway.test/v1/chat/completions");
        let request = request.header("te", "trailers").body(()).unwrap();
        let (response, mut upload) = sender.send_request(request, false).unwrap();
        upload.send_data(Bytes::from(chat("second").to_string()), false).unwrap();
        let trailer = ("x-sum".parse().unwrap(), "1".parse().unwrap());
        upload.send_trailers(HeaderMap::from_iter([trailer])).unwrap();
        let mut body = response.await.unwrap().into_body();
        let mut text = Vec::new();
        while let Some(data) = body.data().await {
            text.extend_from_slice(&data.unwrap());
        }
        (String::from_utf8(text).unwrap(), body.trailers().await.unwrap())
    });
    assert!(text.contains("trailers: []"), "{text}");
    assert!(trailers.is_none_or(|trailers| trailers.is_empty()));

    let chunked = format!(
        "{:x}\r\n{}\r\n0\r\nset-cookie: a=b\r\nx-key: KEY\r\n\r\n",
        completion("hi").len(),
        completion("hi")
    );
    let told = [JSON, "transfer-encoding: chunked", "trailer: x-key"];
    let reply = hear(gateway, "/v1", chat("bird"), &http("200 OK", &told, &chunked));
    assert_eq!((reply.content().as_str(), reply.trailers.len()), ("hi", 0), "{reply:?}");
    assert_clean(gateway, &reply);
}

fn what_is_no_status_is_the_providers_failure(gateway: &Gateway) {
    for status in ["101 x", "600 x", "700 x", "999 x", "099 x", "1000 x", "x x"] {
        let answer = http(status, &[JSON, "upgrade: websocket"], &completion("hi"));
        for base in FACES {
            let reply = hear(gateway, base, chat("two"), &answer);
            assert_eq!(reply.status, 200, "{status}: {reply:?}");
            let reply = hear(gateway, base, chat("bird"), &answer);
            assert_eq!(reply.status, 502, "{status}: {reply:?}");
        }
    }
}

/// What the parrot was sent.
fn sent(gateway: &Gateway, name: &str, headers: &[(&str, &str)]) -> String {
    let answer = http("200 OK", &[JSON], &completion("head:HEAD"));
    let request = asking_for(chat(name), &answer).to_string();
    let reply = gateway.request("POST", "/v1/chat/completions", headers, request.as_bytes());
    let content = reply.content();
    String::from_utf8(unhex(content.strip_prefix("head:").unwrap_or_else(|| panic!("{reply:?}"))))
        .unwrap()
}

fn the_clients_account_is_told_where_its_key_is(gateway: &Gateway) {
    let told = [
        ("content-type", "application/json"),
        ("authorization", "Bearer client"),
        ("openai-organization", "org-client"),
        ("openai-project", "proj-client"),
        ("openai-beta", "x=y"),
    ];
    let head = sent(gateway, "bird", &told);
    assert!(head.contains("openai-beta: x=y") && !head.contains("client"), "{head}");
    let head = sent(gateway, "own", &told);
    for header in [
        "authorization: Bearer client",
        "openai-organization: org-client",
        "openai-project: proj-client",
    ] {
        assert!(head.contains(header), "{head}");
    }
}

fn a_body_has_one_type(gateway: &Gateway) {
    for types in [
        ["text/plain", "application/json"],
        ["application/json", "text/plain"],
        ["application/json", "application/json; charset=utf-8"],
    ] {
        let told = types.map(|kind| ("content-type", kind));
        let head = sent(gateway, "bird", &told);
        let lines: Vec<_> = head.lines().filter(|line| line.starts_with("content-type")).collect();
        assert_eq!(lines, ["content-type: application/json"], "{types:?}");
    }
}

fn a_name_that_leads_out_of_a_path_is_refused(gateway: &Gateway) {
    for name in ["..", ".", "%2e%2e", ".%2E", "a/../b", "..%2f"] {
        for base in FACES {
            let mut request = chat("azure");
            merge(&mut request, &json!({"model": format!("azure/{name}")}));
            let reply = gateway.ask(base, &request);
            assert_eq!(reply.status, 400, "{name}: {reply:?}");
        }
    }
    assert!(gateway.fake.received("azure-0").is_empty());
    let mut request = chat("azure");
    merge(&mut request, &json!({"model": "azure/a..b"}));
    assert_eq!(gateway.ask("/v1", &request).status, 200);
    assert_eq!(gateway.fake.received("azure-0").len(), 1);
}

fn another_scheme_is_refused(gateway: &Gateway) {
    let body = chat("two").to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (path, scheme) in ["/v1/chat/completions", "/api/v1/chat/completions", "/v1/messages"]
        .into_iter()
        .flat_map(|path| ["ftp", "javascript", "x"].map(|scheme| (path, scheme)))
    {
        let (status, text) = runtime.block_on(async {
            let tcp = tokio::net::TcpStream::connect(gateway.envoy.address).await.unwrap();
            let (sender, connection) = client::handshake(tcp).await.unwrap();
            tokio::spawn(connection);
            let mut sender = sender.ready().await.unwrap();
            let request = Request::post(format!("{scheme}://gateway.test{path}")).body(()).unwrap();
            let (response, mut upload) = sender.send_request(request, false).unwrap();
            upload.send_data(Bytes::from(body.clone()), true).unwrap();
            let response = response.await.unwrap();
            let status = response.status().as_u16();
            let mut body = response.into_body();
            let mut text = Vec::new();
            while let Some(Ok(data)) = body.data().await {
                text.extend_from_slice(&data);
            }
            (status, String::from_utf8(text).unwrap())
        });
        assert_eq!(status, 400, "{scheme}: {text}");
        assert!(text.contains(":scheme"), "{text}");
    }
}
