//! The command-line tool: what it says of documents and requests, and how it ends.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml allows them in tests, but clippy takes only #[test] functions for tests"
)]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const DOCUMENT: &str = r#"
providers:
  a: {api: openai, auth: {type: bearer, env: CLI_TEST_KEY}}
  b: {api: openai, data_policy: {trains: false}}
models:
- id: m/one
  aliases: [one]
  endpoints:
  - {provider: a, model: up, pricing: {prompt: "0.000001", completion: "0.000002"}}
  - {provider: b, model: up, pricing: {prompt: "0.000001", completion: "0.000002"}}
"#;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_modelyard"))
        .args(arguments)
        .env_remove("CLI_TEST_KEY")
        .output()
        .unwrap()
}

/// An explanation of a request, as JSON.
fn explained(document: &str, request: &str, more: &[&str]) -> Value {
    let (ok, out, err) =
        said(&run(&[&["explain", "-c", document, request, "--json"], more].concat()));
    assert!(ok, "{err}");
    serde_json::from_str(&out).unwrap()
}

/// The document as one resource of an Envoy, in a message of Protocol Buffers.
fn wrapped(kind: &str, value: Value) -> String {
    let held =
        json!({"@type": format!("type.googleapis.com/google.protobuf.{kind}"), "value": value});
    json!({"resources": [{"typed_config": {"config": {"configuration": held}}}]}).to_string()
}

/// Writes a file that only the test of this name uses, and returns its path.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn said(output: &Output) -> (bool, String, String) {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    (output.status.success(), out, err)
}

#[test]
fn the_document_on_its_page_is_a_good_one() {
    let page = fs::read_to_string("docs/configuration.md").unwrap();
    let document = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let (is_good, out, err) = said(&run(&["check", &file("page.yaml", document)]));
    assert!(is_good && out.contains(": 2 models, 3 endpoints, 2 providers"), "{out}{err}");
}

#[test]
fn a_good_document_is_summed_up_in_every_form() {
    let document: Value = serde_yaml_ng::from_str(DOCUMENT).unwrap();
    let mut hashes = Vec::new();
    for (name, text) in [
        ("plain.yaml", DOCUMENT.to_owned()),
        ("plain.json", document.to_string()),
        ("struct.yaml", wrapped("Struct", document.clone())),
        ("string.json", wrapped("StringValue", document.to_string().into())),
    ] {
        let (ok, out, err) = said(&run(&["check", &file(name, &text)]));
        assert!(
            ok && out.ends_with(": 1 models, 2 endpoints, 2 providers\n"),
            "{name}: {out}{err}"
        );
        assert_eq!(err, "", "{name}");
        hashes.push(out);
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "one hash in every form: {hashes:?}");
}

#[test]
fn the_examples_are_good_documents() {
    for path in [
        "envoy/gateway.yaml",
        "examples/demo/gateway.yaml",
        "examples/existing-ingress/gateway.yaml",
        "examples/tls-providers/gateway.yaml",
    ] {
        let (ok, out, err) = said(&run(&["check", path]));
        assert!(ok, "{path}: {out}{err}");
    }
}

#[test]
fn every_error_is_told_with_its_path() {
    let text = DOCUMENT.replace("provider: b", "provider: c").replace("aliases", "nicknames");
    let (ok, out, err) = said(&run(&["check", &file("bad.yaml", &text)]));
    assert!(!ok && out.is_empty(), "{out}");
    assert!(err.contains("error: models[0].nicknames: unknown key"), "{err}");
    assert!(
        err.contains("error: models[0].endpoints[1].provider: not found: \"c\" (known: a, b)"),
        "{err}"
    );
    assert!(!said(&run(&["check", "no-such-file.yaml"])).0);
    assert!(!said(&run(&["check", &file("broken.yaml", "a: [")])).0);
}

#[test]
fn keys_count_as_set_unless_the_environment_is_asked() {
    let path = file("keys.yaml", DOCUMENT);
    let (ok, _, err) = said(&run(&["check", &path, "--env"]));
    assert!(ok && err.contains("CLI_TEST_KEY"), "{err}");
    assert_eq!(said(&run(&["check", &path])).2, "");
}

#[test]
fn a_request_is_explained_the_same_way_each_time() {
    let document = file("explained.yaml", DOCUMENT);
    let request = file(
        "request.json",
        r#"{"model": "one", "messages": [], "max_tokens": 100,
            "provider": {"data_collection": "deny"}}"#,
    );
    let (ok, out, err) =
        said(&run(&["explain", "-c", &document, &request, "--seed", "2a", "--json"]));
    assert!(ok, "{err}");
    let explained: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(explained["plan"].as_array().unwrap().len(), 1, "{out}");
    assert_eq!(
        (&explained["plan"][0]["provider"], &explained["plan"][0]["model"]),
        (&json!("b"), &json!("m/one"))
    );
    assert_eq!(explained["plan"][0]["most_cost"], "0.0002");
    let dropped =
        json!([{"endpoint": "a/up", "provider": "a", "reason": "data policy: trains on prompts"}]);
    assert_eq!(explained["dropped"], dropped);
    assert_eq!(
        (&explained["seed"], &explained["error"]),
        (&json!("000000000000002a"), &Value::Null)
    );
    assert_eq!(
        said(&run(&["explain", "-c", &document, &request, "--seed", "2a", "--json"])).1,
        out
    );
}

#[test]
fn a_plan_is_a_table_for_people() {
    let request = file(
        "table.json",
        r#"{"model": "one", "messages": [], "max_tokens": 100,
            "provider": {"ignore": ["nobody"], "max_price": {"prompt": 2}}}"#,
    );
    let table = "\
chat one, whole: about 0 tokens in, at most 100 out
order: routing.sort=balanced, seed 0000000000000007
choice: one is m/one
max_price: prompt 2
  1.  a/up  m/one  $1 in  $2 out  at most $0.0002  draw_percent 50
  2.  b/up  m/one  $1 in  $2 out  at most $0.0002  draw_percent 50
";
    let usual = file("table.yaml", DOCUMENT);
    assert_eq!(said(&run(&["explain", "-c", &usual, &request, "--seed", "7"])).1, table);
    let dear = DOCUMENT.replace("prompt: \"0.000001\"", "prompt: \"0.00001\"");
    let dear = file("dear.yaml", &dear);
    let refused = said(&run(&["explain", "-c", &dear, &request, "--seed", "7"])).1;
    assert!(refused.contains("\n  - a/up: provider.max_price\n"), "{refused}");
    assert!(refused.contains("\nerror 404: No endpoints found for one."), "{refused}");
}

#[test]
fn a_request_id_is_a_seed() {
    let id = seed(&["--request-id", "3f1c"]);
    assert_eq!(seed(&["--seed", &id]), id);
    assert_ne!(seed(&["--request-id", "3f1d"]), id);
    assert_eq!(seed(&[]), "0000000000000000");
}

fn seed(arguments: &[&str]) -> String {
    let (document, request) =
        (file("id.yaml", DOCUMENT), file("id.json", r#"{"model": "one", "messages": []}"#));
    explained(&document, &request, arguments)["seed"].as_str().unwrap().to_owned()
}

#[test]
fn what_auto_stands_for_may_depend_on_a_header() {
    let rule = r#"{when: {header: {name: x-tier, equals: gold}}, models: ["m/one:floor"]}"#;
    let document = format!("{DOCUMENT}routing: {{auto: {{rules: [{rule}], models: [m/one]}}}}\n");
    let document = file("auto.yaml", &document);
    let request = file("auto.json", r#"{"model": "auto", "messages": []}"#);
    for (more, choice) in [
        (&[][..], "auto is routing.auto.models: m/one"),
        (&["--header", "X-Tier: gold"], "auto is routing.auto.rules[0] (header): m/one:floor"),
    ] {
        assert_eq!(explained(&document, &request, more)["choice"], choice);
    }
    let table = said(&run(&["explain", "-c", &document, &request])).1;
    assert!(table.contains("choice: auto is routing.auto.models: m/one\n"), "{table}");
    assert!(!run(&["explain", "-c", &document, &request, "--header", "gold"]).status.success());
    assert!(
        said(&run(&["check", &document])).1.ends_with(": 1 models, 2 endpoints, 2 providers\n")
    );
}

#[test]
fn a_request_may_come_from_the_standard_input() {
    let document = file("piped.yaml", DOCUMENT);
    let mut tool = Command::new(env!("CARGO_BIN_EXE_modelyard"))
        .args(["explain", "-c", &document, "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(br#"{"model": "nobody/knows", "messages": []}"#).unwrap();
    let output = tool.wait_with_output().unwrap();
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained["error"]["status"], 400, "{explained}");
    assert_eq!(explained["plan"], json!([]));
}

#[test]
fn models_are_listed_with_prices_per_million() {
    let (ok, out, _) = said(&run(&["models", "-c", &file("listed.yaml", DOCUMENT)]));
    assert!(ok && out.starts_with("m/one, one\n  a/up "), "{out}");
    assert!(out.contains("$1 in") && out.contains("$2 out"), "{out}");
}
