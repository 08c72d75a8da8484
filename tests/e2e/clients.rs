//! The SDKs that people use, unchanged, in front of every upstream format: see
//! `tests/clients/check.*`.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::setup::{Setup, formats};

/// An interpreter that has the SDKs; `make setup` installs it.
const PYTHON: &str = ".tools/venv/bin/python";

/// Where the JavaScript SDKs are; `make setup` installs them.
const NODE_MODULES: &str = ".tools/node";

fn setup() -> Setup {
    let setup = formats().fold(Setup::new(), with_format);
    let mut setup = setup.chain("openai-json", &[""]);
    setup.listeners.remove("openai-json-0");
    setup.servers.insert("openai-json-0".to_owned(), structured_server());
    setup
}

/// The models that the script wants of each format.
fn with_format(mut setup: Setup, format: &str) -> Setup {
    for (kind, faults) in [
        ("", ""),
        ("-tools", "tool-call"),
        ("-thinking", "prompt-tokens=1000,cached=400,reasoning=5"),
        ("-limited", "status=429,retry-after=7"),
        ("-broken", "error-event=2"),
    ] {
        let signed = if format == "bedrock" { "signed" } else { "" };
        setup =
            setup.formats(&format!("{format}{kind}"), &[(format, &format!("{signed},{faults}"))]);
    }
    setup
}

on_envoy! { setup:
    python_sdks_work_unchanged,
    javascript_sdks_work_unchanged,
}

fn python_sdks_work_unchanged(gateway: &Gateway) {
    let mut command = Command::new(PYTHON);
    command.env_clear().arg("tests/clients/check.py");
    check(gateway, command);
}

fn javascript_sdks_work_unchanged(gateway: &Gateway) {
    // Node looks for the modules of a script on its standard input in the working directory.
    let script = File::open("tests/clients/check.mjs").unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new("node");
    command
        .env_clear()
        .env("PATH", path)
        .args(["--input-type=module", "-"])
        .current_dir(NODE_MODULES)
        .stdin(script);
    check(gateway, command);
}

/// Runs a client, without the proxies and keys that are set where the tests run.
fn check(gateway: &Gateway, mut command: Command) {
    command.arg(gateway.envoy.address.to_string()).args(formats());
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (make setup)"));
    let told = String::from_utf8_lossy(&output.stdout);
    print!("{told}");
    let failed: Vec<&str> = told.split("\n").filter(|line| line.starts_with("FAILED")).collect();
    assert!(output.status.success(), "{failed:#?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// An upstream that answers with JSON after the schema it was given, and refuses where there is
/// none.
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
    let has_schema =
        request["response_format"]["json_schema"]["schema"]["properties"]["people"].is_object();
    let message =
        json!({"role": "assistant", "content": "{\"name\":\"Paris\",\"people\":2100000}"});
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12},
    });
    let (status, answer) =
        if has_schema { ("200 OK", answer.to_string()) } else { ("400 Bad Request", "{}".into()) };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close");
    let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
}
