//! Every example in a real Envoy: its own files, with other ports, and for TLS other addresses and
//! another authority.
//!
//! `ENVOY` names the Envoy binary; the module must have been built (`make build`). Envoy's log is
//! printed on failure.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml allows them in tests, but clippy takes only #[test] functions for tests"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// The variables of all the examples' keys.
const KEYS: [&str; 10] = [
    "ANTHROPIC_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AZURE_OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GROQ_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "STEADY_API_KEY",
    "VERTEX_ACCESS_TOKEN",
];

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running fake provider with its listeners' ports, in order.
struct Fake {
    _process: Process,
    ports: Vec<u16>,
}

impl Fake {
    /// `listeners`: `NAME` or `NAME,FAULTS`.
    fn start(option: &str, listeners: &[&str], more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-provider"));
        for listener in listeners {
            let (name, faults) = listener.split_once(',').unwrap_or((listener, ""));
            command.args([option, &format!("{name}=127.0.0.1:0,{faults}")]);
        }
        command
            .args(more)
            .args(["--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process(command.spawn().unwrap());
        let lines = BufReader::new(process.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let lines = lines.take_while(|line| line != "ready");
        let ports: Vec<u16> =
            lines.map(|line| line.rsplit(':').next().unwrap().parse().unwrap()).collect();
        assert_eq!(ports.len(), listeners.len());
        Self { _process: process, ports }
    }
}

/// A running example.
struct Gateway {
    process: Process,
    directory: PathBuf,
    address: SocketAddr,
}

impl Gateway {
    /// Starts a copy of the example in which each text of `changes` is replaced; the copy is named
    /// after the test.
    fn start(example: &str, test: &str, changes: &[(String, String)]) -> Self {
        let example = Path::new("examples").join(example);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples").join(test);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        fs::copy(example.join("gateway.yaml"), directory.join("gateway.yaml")).unwrap();
        fs::write(directory.join("envoy.yaml"), changed(&example, &directory, changes)).unwrap();

        let envoy = std::env::var("ENVOY").unwrap_or_else(|_| ".tools/venv/bin/envoy".to_owned());
        let mut command = Command::new(&envoy);
        command.arg("-c").arg(directory.join("envoy.yaml"));
        command.arg("--config-yaml").arg(fs::read_to_string("envoy/stats_tags.yaml").unwrap());
        command.arg("--admin-address-path").arg(directory.join("admin"));
        command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warn"]);
        command.args(["--file-flush-interval-msec", "20", "--component-log-level", "wasm:info"]);
        command.envs(KEYS.map(|key| (key, "sk-test"))).env_remove("AWS_SESSION_TOKEN");
        command.stdin(Stdio::null()).stdout(fs::File::create(directory.join("out")).unwrap());
        command.stderr(fs::File::create(directory.join("log")).unwrap());
        let process =
            command.spawn().unwrap_or_else(|error| panic!("{envoy}: {error} (make setup)"));
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway = Self { process: Process(process), directory, address: nowhere };
        let admin =
            gateway.wait_for("its admin address", |gateway| gateway.file("admin").parse().ok());
        gateway.wait_for("readiness", |_| get(admin, "/ready").contains("LIVE").then_some(()));
        gateway.address = gateway.wait_for("its listener", |_| {
            let listeners = get(admin, "/listeners");
            listeners.lines().find_map(|line| line.rsplit_once("::")?.1.parse().ok())
        });
        gateway
    }

    fn wait_for<T>(&mut self, what: &str, found: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            let ended = self.process.0.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "waited for {what}; log:\n{}",
                self.file("log")
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    /// Asks for a completion of `model` and checks what its answer contains.
    fn check(&mut self, path: &str, model: &str, stream: bool, expected: &[&str]) {
        let body = format!(
            r#"{{"model": "{model}", "stream": {stream},
                "messages": [{{"role": "user", "content": "Hi"}}]}}"#
        );
        let answer = exchange(self.address, &format!("POST {path}/chat/completions"), "", &body);
        for text in expected
            .iter()
            .chain(&["HTTP/1.1 200 OK", if stream { "data: [DONE]" } else { "\"usage\":{" }])
        {
            assert!(
                answer.contains(text),
                "{model} on {path}: no {text:?} in {answer}\nlog:\n{}",
                self.file("log")
            );
        }
    }
}

/// The example's `envoy.yaml` for this machine: any free ports, and its files where they are.
fn changed(example: &Path, directory: &Path, changes: &[(String, String)]) -> String {
    let mut text = fs::read_to_string(example.join("envoy.yaml")).unwrap();
    let gateway = directory.join("gateway.yaml").display().to_string();
    // The files of the demo are links to those of `envoy/`.
    let folder = if example.ends_with("demo") { "envoy" } else { example.to_str().unwrap() };
    let common = [
        (format!("{folder}/gateway.yaml"), gateway),
        ("port_value: 10000".to_owned(), "port_value: 0".to_owned()),
        ("port_value: 9901".to_owned(), "port_value: 0".to_owned()),
    ];
    for (from, to) in common.iter().chain(changes) {
        assert!(text.contains(from), "{} does not contain {from}", example.display());
        text = text.replace(from, to);
    }
    text
}

/// Changes that give the listeners of a fake to the providers at these ports of the example.
fn ports(fake: &Fake, of_example: &[u16]) -> Vec<(String, String)> {
    let pairs = of_example.iter().zip(&fake.ports);
    pairs.map(|(from, to)| (format!("port_value: {from}"), format!("port_value: {to}"))).collect()
}

fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path}"), "", "")
}

/// Everything that comes back until the connection ends.
fn exchange(address: SocketAddr, request: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: ingress\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    // Head and body go out in one write, because Envoy may answer and close before it has read a
    // body that comes later.
    stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn the_demo_falls_back_and_streams_on_both_faces() {
    let fake = Fake::start(
        "--listen",
        &["flaky,status=503", "busy,status=429", "steady", "workshop"],
        &[],
    );
    let mut gateway = Gateway::start("demo", "demo", &ports(&fake, &[10001, 10002, 10003, 10004]));
    for stream in [false, true] {
        gateway.check(
            "/v1",
            "small",
            stream,
            &["x-modelyard-provider: steady", "x-modelyard-attempts: 1"],
        );
        gateway.check(
            "/v1",
            "yard/resilient",
            stream,
            &["x-modelyard-provider: steady", "x-modelyard-attempts: 2"],
        );
        gateway.check(
            "/api/v1",
            "large",
            stream,
            &["x-modelyard-attempts: 3", "\"cost\":0.0", "\"provider\":\"Steady AI\""],
        );
        gateway.check("/v1", "workshop/any:thing@1.2", stream, &["x-modelyard-provider: workshop"]);
    }
    let admin: SocketAddr = gateway.file("admin").parse().unwrap();
    for line in [
        r#"requests{tenant="default",model="yard/resilient",operation="chat",status="2xx"} 2"#,
        r#"attempts{model="yard/large",provider="busy",outcome="status_429"} 2"#,
        r#"fallbacks{model="yard/large",provider="flaky",reason="status_5xx"} 2"#,
        concat!(
            r#"tokens{tenant="default",model="workshop/*",provider="workshop","#,
            r#"token_type="output",source="reported"} 16"#
        ),
        r#"cost_nanousd{tenant="default",model="yard/small",provider="steady"} "#,
        r#"time_to_first_token_ms_count{model="yard/small",provider="steady"} "#,
        r#"endpoint_health{model="yard/small",provider="steady"} 1"#,
    ] {
        let line = format!("modelyard_{line}");
        gateway.wait_for(&line, |_| get(admin, "/stats/prometheus").contains(&line).then_some(()));
    }
    gateway.wait_for("the record", |gateway| {
        gateway.file("out").contains(r#""attempts":[{"#).then_some(())
    });
}

/// Puts a file of this text in place of another one, as those do who watch for moved files.
fn move_over(file: &Path, text: &str) {
    let next = file.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(&next, file).unwrap();
}

#[test]
fn a_document_moved_over_the_old_one_is_in_use_without_a_restart() {
    let fake = Fake::start(
        "--listen",
        &["flaky,status=503", "busy,status=429", "steady", "workshop"],
        &[],
    );
    let mut gateway =
        Gateway::start("demo", "reload", &ports(&fake, &[10001, 10002, 10003, 10004]));
    let file = gateway.directory.join("gateway.yaml");
    let old = fs::read_to_string(&file).unwrap();
    let broken = old
        .replace("version_info: \"1\"", "version_info: \"2\"")
        .replace("sort: order", "sort: odrer");
    move_over(&file, &broken);
    gateway.wait_for("the refusal", |gateway| {
        gateway.file("log").contains(r#"routing.sort: invalid: "odrer""#).then_some(())
    });
    gateway.check("/v1", "small", false, &["x-modelyard-provider: steady"]);
    let renamed = old
        .replace("version_info: \"1\"", "version_info: \"3\"")
        .replace("aliases: [small]", "aliases: [tiny]");
    move_over(&file, &renamed);
    gateway.wait_for("the new alias", |gateway| {
        get(gateway.address, "/v1/models").contains("200 OK").then_some(())
    });
    gateway.wait_for("the new document", |gateway| {
        let answer = exchange(
            gateway.address,
            "POST /v1/chat/completions",
            "",
            r#"{"model": "tiny", "messages": []}"#,
        );
        answer.contains("200 OK").then_some(())
    });
}

#[test]
fn an_ingress_keeps_its_other_routes() {
    let fake = Fake::start("--listen", &["flaky,status=503", "steady", "shop"], &[]);
    let mut changes = ports(&fake, &[10001, 10003, 10021]);
    changes.push(("port_value: 10022".to_owned(), format!("port_value: {}", echoing_socket())));
    let mut gateway = Gateway::start("existing-ingress", "existing-ingress", &changes);
    for stream in [false, true] {
        gateway.check("/ai/v1", "yard/small", stream, &["x-modelyard-attempts: 1"]);
        gateway.check(
            "/ai/api/v1",
            "yard/resilient",
            stream,
            &["x-modelyard-attempts: 2", "\"provider\":\"steady\""],
        );
        // The shop has a /v1/ of its own, which is none of the gateway's business.
        gateway.check("/v1", "yard/resilient", stream, &["x-fake-provider: shop"]);
    }
    let models = get(gateway.address, "/v1/models");
    assert!(
        models.contains("x-fake-provider: shop") && !models.contains("x-generation-id"),
        "{models}"
    );
    assert!(
        get(gateway.address, "/ai/v1/models").contains("yard/resilient"),
        "the gateway's own need no route"
    );
    for (path, expected) in [
        ("/modelyard/api/explain", "x-fake-provider: shop"),
        ("/ai/modelyard/api/explain", "\"plan\""),
    ] {
        let answer = exchange(
            gateway.address,
            &format!("POST {path}"),
            "authorization: Bearer sk-operator-demo\r\n",
            r#"{"model": "yard/small", "messages": []}"#,
        );
        assert!(answer.contains(expected), "{path}: {answer}");
    }
    let unknown = get(gateway.address, "/ai/v1/files");
    assert!(
        unknown.starts_with("HTTP/1.1 404") && !unknown.contains("x-fake-provider"),
        "{unknown}"
    );

    assert_eq!(echoed(gateway.address, "ping\n"), "ping\n");
}

/// What an upstream sends back of a line, through a socket that the ingress has upgraded.
fn echoed(address: SocketAddr, sent: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        socket,
        "GET /socket HTTP/1.1\r\nhost: ingress\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    )
    .unwrap();
    let mut lines = BufReader::new(socket.try_clone().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 101"), "{line}");
    while line != "\r\n" {
        line.clear();
        lines.read_line(&mut line).unwrap();
    }
    socket.write_all(sent.as_bytes()).unwrap();
    line.clear();
    lines.read_line(&mut line).unwrap();
    line
}

#[test]
fn an_ingress_works_although_its_first_document_is_refused() {
    let fake = Fake::start("--listen", &["flaky,status=503", "steady", "shop"], &[]);
    let good = fs::read_to_string("examples/existing-ingress/gateway.yaml").unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples/first.yaml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, good.replace("sort: order", "sort: odrer")).unwrap();
    let mut changes = ports(&fake, &[10001, 10003, 10021]);
    changes.push(("first-document/gateway.yaml".to_owned(), "first.yaml".to_owned()));
    let mut gateway = Gateway::start("existing-ingress", "first-document", &changes);
    gateway.wait_for("the refusal", |gateway| {
        gateway.file("log").contains("routing.sort: invalid").then_some(())
    });
    gateway.check("/v1", "yard/resilient", false, &["x-fake-provider: shop"]);
    let refused = small(gateway.address);
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    move_over(&file, &good.replace("version_info: \"1\"", "version_info: \"2\""));
    gateway.wait_for("the good document", |gateway| {
        small(gateway.address).contains("x-modelyard-provider: steady").then_some(())
    });
}

/// What the ingress answers to a request for its small model.
fn small(address: SocketAddr) -> String {
    let body = r#"{"model": "yard/small", "messages": []}"#;
    exchange(address, "POST /ai/v1/chat/completions", "", body)
}

/// The port of an upstream that accepts an upgrade and then sends back what it gets.
fn echoing_socket() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        write!(
            stream,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        )
        .unwrap();
        std::io::copy(&mut lines, &mut stream).unwrap();
    });
    port
}

/// The hosts of the TLS examples in the order in which the tests name their listeners.
const HOSTS: [&str; 3] = ["api.openai.com", "api.groq.com", "openrouter.ai"];
const ALL_HOSTS: [&str; 6] = [
    "api.openai.com",
    "my-resource.openai.azure.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "aiplatform.googleapis.com",
    "bedrock-runtime.us-east-1.amazonaws.com",
];

/// Starts a TLS example: its hosts are TLS listeners at these ports, and one authority is trusted.
fn start_tls(
    example: &str,
    test: &str,
    hosts: &[&str],
    authority: &Path,
    ports: &[u16],
) -> Gateway {
    let mut changes: Vec<(String, String)> = hosts
        .iter()
        .zip(ports)
        .map(|(host, port)| {
            let real = format!("socket_address: {{address: {host}, port_value: 443}}");
            let fake = format!("socket_address: {{address: 127.0.0.1, port_value: {port}}}");
            // The certificate is still asked for and checked by the real name.
            (
                format!("endpoint: {{address: {{{real}}}}}"),
                format!("endpoint: {{hostname: {host}, address: {{{fake}}}}}"),
            )
        })
        .collect();
    changes
        .push(("/etc/ssl/certs/ca-certificates.crt".to_owned(), authority.display().to_string()));
    Gateway::start(example, test, &changes)
}

/// TLS listeners for the example's hosts, and the authority that signed their certificates.
fn start_tls_fake(directory: &str, listeners: &[&str]) -> (Fake, PathBuf) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authorities").join(directory);
    fs::create_dir_all(&directory).unwrap();
    let fake = Fake::start("--tls", listeners, &["--tls-dir", directory.to_str().unwrap()]);
    (fake, directory.join("ca.pem"))
}

#[test]
fn providers_are_reached_over_tls() {
    let (fake, authority) =
        start_tls_fake("good", &["api.openai.com", "api.groq.com,status=500", "openrouter.ai"]);
    let mut gateway = start_tls("tls-providers", "tls", &HOSTS, &authority, &fake.ports);
    for stream in [false, true] {
        gateway.check(
            "/v1",
            "gpt-4.1-mini",
            stream,
            &["x-modelyard-provider: openai", "x-modelyard-attempts: 1"],
        );
        let fallback = ["x-modelyard-provider: openrouter", "x-modelyard-attempts: 2"];
        gateway.check("/v1", "llama-3.3-70b", stream, &fallback);
        gateway.check(
            "/v1",
            "openrouter/x/y",
            stream,
            &["x-modelyard-provider: openrouter", "x-modelyard-attempts: 1"],
        );
    }
}

#[test]
fn a_certificate_that_is_not_trusted_moves_on_to_the_next_provider() {
    let (good, authority) = start_tls_fake("trusted", &["wrong.test", "openrouter.ai"]);
    let (strange, _) = start_tls_fake("untrusted", &["api.groq.com"]);
    // OpenAI's name is not in the certificate at that port; Groq's is, but nobody trusts its
    // authority.
    let ports = [good.ports[0], strange.ports[0], good.ports[1]];
    let mut gateway = start_tls("tls-providers", "untrusted", &HOSTS, &authority, &ports);
    for model in ["gpt-4.1-mini", "llama-3.3-70b"] {
        for stream in [false, true] {
            let expected = ["x-modelyard-provider: openrouter", "x-modelyard-attempts: 2"];
            gateway.check("/v1", model, stream, &expected);
        }
    }
    gateway.wait_for("the record", |gateway| {
        gateway.file("out").contains(r#""outcome":"connect""#).then_some(())
    });
}

#[test]
fn every_kind_of_provider_answers() {
    check_all_providers("all", "", ["openai", "anthropic", "gemini"], 1);
}

#[test]
fn every_kind_of_provider_takes_over() {
    check_all_providers("all-others", ",status=503", ["azure", "bedrock", "vertex"], 2);
}

/// Who answers for the three models with two endpoints each, when the first one of them has these
/// faults.
fn check_all_providers(test: &str, faults: &str, providers: [&str; 3], attempts: usize) {
    let listeners = ALL_HOSTS.map(|host| match host {
        "api.openai.com" | "api.anthropic.com" | "generativelanguage.googleapis.com" => {
            format!("{host}{faults}")
        }
        "bedrock-runtime.us-east-1.amazonaws.com" => format!("{host},signed"),
        host => host.to_owned(),
    });
    let (fake, authority) = start_tls_fake(test, &listeners.each_ref().map(String::as_str));
    let mut gateway = start_tls("all-providers", test, &ALL_HOSTS, &authority, &fake.ports);
    for (model, provider) in
        ["gpt-4.1-mini", "claude-sonnet-4-5", "gemini-2.5-flash"].into_iter().zip(providers)
    {
        let expected = [
            format!("x-modelyard-provider: {provider}\r\n"),
            format!("x-modelyard-attempts: {attempts}\r\n"),
        ];
        for stream in [false, true] {
            gateway.check("/v1", model, stream, &expected.each_ref().map(String::as_str));
        }
    }
    assert!(!gateway.file("log").contains("providers."), "{}", gateway.file("log"));
}
