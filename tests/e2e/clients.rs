//! The SDKs that people use, unchanged, in front of every upstream format: see `tests/clients/check.py`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::setup::Setup;

/// An interpreter that has the SDKs; `make setup` installs it.
const PYTHON: &str = ".tools/venv/bin/python";

/// Upstream formats, and how a provider of each is authenticated.
const FORMATS: [(&str, &str); 5] = [
    ("openai", r#"{"type": "bearer", "env": "E2E_KEY_0"}"#),
    ("azure-openai", r#"{"type": "header", "name": "api-key", "env": "E2E_KEY_0"}"#),
    ("anthropic", r#"{"type": "header", "name": "x-api-key", "env": "E2E_KEY_0"}"#),
    ("gemini", r#"{"type": "header", "name": "x-goog-api-key", "env": "E2E_KEY_0"}"#),
    (
        "bedrock",
        r#"{"type": "sigv4", "region": "us-east-1", "access_key_env": "E2E_KEY_0", "secret_key_env": "E2E_KEY_1"}"#,
    ),
];

fn setup() -> Setup {
    let setup = FORMATS.iter().fold(Setup::new(), |setup, (format, auth)| with_format(setup, format, auth));
    let mut setup = setup.chain("openai-json", &[""]);
    setup.listeners.remove("openai-json-0");
    setup.servers.insert("openai-json-0".to_owned(), structured_server());
    setup
}

/// The models that the script wants of each format.
fn with_format(mut setup: Setup, format: &str, auth: &str) -> Setup {
    for (kind, faults) in
        [("", ""), ("-tools", "tool-call"), ("-limited", "status=429,retry-after=7"), ("-broken", "error-event=2")]
    {
        let name = format!("{format}{kind}");
        let signed = if format == "bedrock" { "signed" } else { "" };
        setup = setup.chain(&name, &[&format!("{signed},{faults}")]);
        let provider = &mut setup.document["providers"][format!("{name}-0")];
        provider["api"] = format.into();
        provider["auth"] = serde_json::from_str(auth).unwrap();
    }
    setup
}

on_envoy! { setup:
    sdks_work_unchanged,
}

fn sdks_work_unchanged(gateway: &Gateway) {
    let mut command = Command::new(PYTHON);
    // Without proxies, and without keys of whoever runs the tests.
    command.env_clear().arg("tests/clients/check.py").arg(gateway.envoy.address.to_string());
    command.args(FORMATS.map(|(format, _)| format));
    let output = command.output().unwrap_or_else(|error| panic!("{PYTHON}: {error} (make setup)"));
    let told = String::from_utf8_lossy(&output.stdout);
    print!("{told}");
    let failed: Vec<&str> = told.split("\n").filter(|line| line.starts_with("FAILED")).collect();
    assert!(output.status.success(), "{failed:#?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// An upstream that answers with JSON after the schema it was given, and refuses where there is none.
fn structured_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(answer_structured));
    address
}

fn answer_structured(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let has_schema = request["response_format"]["json_schema"]["schema"]["properties"]["people"].is_object();
    let message = json!({"role": "assistant", "content": "{\"name\":\"Paris\",\"people\":2100000}"});
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12},
    });
    let (status, answer) = if has_schema { ("200 OK", answer.to_string()) } else { ("400 Bad Request", "{}".into()) };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close");
    let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
}
