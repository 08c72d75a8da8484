//! Whole documents, and the check that every section's tests use.

use super::field::names;
use super::protobuf::encode;
use super::*;
use serde_json::{Value, json};
use std::time::Duration;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A document with all that most people need.
const EXAMPLE: &str = r#"{
  "providers": {
    "openai": {
      "name": "OpenAI", "api": "openai",
      "cluster": "openai", "host": "api.openai.com", "base_path": "/v1",
      "auth": {"type": "bearer", "env": "OPENAI_API_KEY"},
      "regions": ["us"], "data_policy": {"retains": true, "trains": false}, "headers": {},
      "first_token_timeout": "10s", "timeout": "600s"
    },
    "vllm": {"api": "openai", "host": "vllm.internal:8000", "headers": {"X-Team": "search"}}
  },
  "models": [
    {
      "id": "openai/gpt-4.1-mini", "aliases": ["gpt-4.1-mini"], "context_length": 1047576,
      "input_modalities": ["text", "image"],
      "endpoints": [{
        "provider": "openai", "model": "gpt-4.1-mini",
        "pricing": {
          "prompt": "0.0000004", "completion": "0.0000016", "input_cache_read": "0.0000001"
        },
        "max_completion_tokens": 32768, "quantization": "unknown", "weight": 0.7,
        "supported_parameters": ["tools", "tool_choice", "response_format"]
      }]
    },
    {"id": "vllm/*", "endpoints": [{"provider": "vllm", "model": "*"}]}
  ],
  "default_model": "openai/gpt-4.1-mini",
  "routing": {
    "sort": "balanced", "max_attempts": 6,
    "first_token_timeout": "15s", "timeout": "600s", "sticky": {"ttl": "10m"}
  },
  "tenants": [],
  "telemetry": {"record": "metadata", "expose_headers": true},
  "paths": {"openai": "/v1/", "openrouter": "/api/v1/", "operator": "/modelyard/"},
  "limits": {"request_bytes": 33554432, "answer_bytes": 33554432, "event_bytes": 1048576},
  "presets": {},
  "mode": "native"
}"#;

/// The smallest document that the rows of the sections change.
pub(super) fn smallest() -> Value {
    json!({
        "providers": {"anthropic": {"api": "openai"}, "openai": {"api": "openai"}},
        "models": [{"id": "a/b", "endpoints": [{"provider": "openai", "model": "b"}]}],
    })
}

fn env(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" => Some("sk-secret".to_owned()),
        "BROKEN_KEY" => Some("sk-secret\n".to_owned()),
        "EMPTY_KEY" => Some(String::new()),
        _ => None,
    }
}

type Parsed = Result<(Config, Vec<Warning>), Vec<ConfigError>>;

/// Parses as text and as `Struct` bytes, which must come to the same.
fn parse_both(document: &Value) -> Parsed {
    let text = Config::parse(document.to_string().as_bytes(), &env);
    let bytes = Config::parse(&encode::structure(document), &env);
    assert_eq!(text, bytes, "{document}");
    text
}

fn lines<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Puts a value at a JSON pointer; a key that is not there is added.
fn put(document: &mut Value, pointer: &str, value: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let value: Value = serde_json::from_str(value).unwrap_or_else(|e| panic!("{value}: {e}"));
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match parent {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => parent[key.replace("~1", "/")] = value,
    }
}

/// Parses the smallest document with one value put into it.
pub(super) fn parse_with(pointer: &str, value: &str) -> Parsed {
    let mut document = smallest();
    put(&mut document, pointer, value);
    parse_both(&document)
}

/// A usable configuration, from the smallest document with one value put into it.
#[track_caller]
pub(super) fn config_with(pointer: &str, value: &str) -> Config {
    parse_with(pointer, value).unwrap_or_else(|e| panic!("{pointer}: {}", lines(&e))).0
}

/// Each row has a pointer, a value, and the errors that the value makes there, one on a line; an
/// allowed value makes none.
#[track_caller]
pub(super) fn check_errors(rows: &[(&str, &str, &str)]) {
    for (pointer, value, expected) in rows {
        let errors = parse_with(pointer, value).err().unwrap_or_default();
        assert_eq!(lines(&errors), *expected, "{pointer} = {value}");
    }
}

/// Each row has a field of the object at `pointer`, a value, and the errors that the value makes,
/// one on a line and without the object's `path` in front.
#[track_caller]
pub(super) fn check_fields(pointer: &str, path: &str, rows: &[(&str, &str, &str)]) {
    for (field, value, expected) in rows {
        let expected: Vec<_> = expected.lines().map(|line| format!("{path}{line}")).collect();
        check_errors(&[(&format!("{pointer}/{field}"), value, &expected.join("\n"))]);
    }
}

#[test]
fn the_example_reads_alike_as_text_and_as_struct() {
    let document: Value = serde_json::from_str(EXAMPLE).unwrap();
    let (config, warnings) = parse_both(&document).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(Config::parse(EXAMPLE.as_bytes(), &env), Ok((config.clone(), warnings)));

    let [openai, vllm] = config.providers.as_slice() else { panic!("two providers") };
    assert_eq!(openai.first_token_timeout, Duration::from_secs(10));
    assert_eq!(vllm.first_token_timeout, Duration::from_secs(15));
    assert_eq!((vllm.name.as_str(), vllm.host.as_str()), ("vllm", "vllm.internal:8000"));
    assert_eq!(vllm.headers, [("x-team".to_owned(), "search".to_owned())]);
    assert_eq!(openai.auth.missing_key(), None);

    let (id, rest) = config.catalog.find("gpt-4.1-mini").unwrap();
    assert_eq!((config.default_model.as_deref(), rest), (Some("openai/gpt-4.1-mini"), None));
    let endpoint = &config.catalog.model(id).unwrap().endpoints[0];
    assert_eq!(endpoint.id, "openai/gpt-4.1-mini");
    assert_eq!(config.provider(endpoint.provider).unwrap().id, "openai");
    assert_eq!(endpoint.context_length, Some(1_047_576));
    assert_eq!(endpoint.regions, ["us"]);
    assert!(endpoint.data_policy.retains && !endpoint.data_policy.trains);
    assert_eq!(endpoint.pricing.prompt.unwrap().cost(1_000_000).to_string(), "0.4");

    let (id, rest) = config.catalog.find("vllm/qwen").unwrap();
    let endpoint = &config.catalog.model(id).unwrap().endpoints[0];
    assert_eq!((endpoint.id.as_str(), endpoint.upstream_model(rest)), ("vllm/*", "qwen"));
    assert!(endpoint.data_policy.retains && endpoint.data_policy.trains);
}

#[test]
fn absent_sections_have_the_documented_defaults() {
    let (config, warnings) = parse_both(&smallest()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(
        config.routing,
        Routing { sort: Sort::Balanced, max_attempts: 6, ..Routing::default() }
    );
    assert_eq!(
        config.telemetry,
        Telemetry { record: Record::Metadata, expose_headers: true, keep_alive: None }
    );
    assert_eq!(config.paths.openrouter, "/api/v1/");
    assert_eq!(config.limits.event_bytes, 1 << 20);
    assert_eq!(config.default_model, None);
    assert_eq!(config.providers[0].base_path, "/v1");
    assert_eq!(config.providers[0].timeout, Duration::from_secs(600));
}

#[test]
fn ten_mistakes_are_reported_together_by_path_in_the_order_of_sections() {
    let document = json!({
        "mode": "callout",
        "limits": {"request_bytes": 1},
        "routing": {"sort": "cheapest", "max_attempts": 0},
        "providers": {
            "openai": {"api": "opnai", "timout": "10s"},
            "azure.eu": {"api": "openai", "auth": {"type": "bearer"}},
        },
        "models": [
            {"id": "a/b", "endpoints": [{"provider": "opnai", "model": "b"}]},
            {"id": "c/d", "aliases": ["a/b"], "endpoints": []},
        ],
        "default_model": "x/y",
    });
    let known = "api, auth, base_path, cache_ttl, cluster, data_policy, first_token_timeout, \
                 headers, host, name, regions, response_headers, timeout";
    assert_eq!(
        lines(&parse_both(&document).unwrap_err()),
        [
            "providers[\"azure.eu\"].auth.env: missing \
             (expected: the name of an environment variable)",
            &format!("providers.openai.api: invalid: \"opnai\" (allowed: {})", names(FORMATS)),
            &format!("providers.openai.timout: unknown key (known: {known})"),
            r#"models[0].endpoints[0].provider: not found: "opnai" (known: azure.eu, openai)"#,
            r#"models[1].aliases[0]: already used: "a/b" (first at models[0].id)"#,
            r#"models[1].endpoints: invalid (allowed: at least one endpoint)"#,
            r#"default_model: not found: "x/y" (known: a/b, c/d)"#,
            "routing.sort: invalid: \"cheapest\" \
             (allowed: balanced, price, latency, throughput, order)",
            r#"routing.max_attempts: invalid: 0 (allowed: a whole number, 1 to 20)"#,
            r#"limits.request_bytes: invalid: 1 (allowed: a whole number, 1024 to 1073741824)"#,
            r#"mode: not supported by this build: "callout" (supported: native)"#,
        ]
        .join("\n")
    );
}

#[test]
fn sections_of_later_versions_are_refused_unless_empty() {
    check_errors(&[
        ("/tenants", "[]", ""),
        ("/presets", "{}", ""),
        ("/presets", "null", ""),
        ("/mode", r#""native""#, ""),
        ("/tenants", r#"[{"id": "x"}]"#, "tenants: not supported by this build (supported: none)"),
        (
            "/anonymous",
            r#""deny""#,
            "anonymous: not supported by this build: \"deny\" \
             (supported: none, everyone may use everything)",
        ),
        ("/mode", r#""x""#, r#"mode: invalid: "x" (allowed: native, callout)"#),
        (
            "/model",
            "[]",
            "model: unknown key (known: anonymous, cors, default_model, hosts, limits, mode, \
             models, operator, paths, presets, providers, routing, telemetry, tenants)",
        ),
    ]);
}

#[test]
fn a_misspelt_section_is_told_before_what_follows_from_it() {
    let mut document = smallest();
    document["model"] = document["models"].take();
    document["default_model"] = json!("a/b");
    let errors = lines(&parse_both(&document).unwrap_err());
    let [first, second] = errors.lines().collect::<Vec<_>>()[..] else { panic!("{errors}") };
    assert!(
        first.starts_with("model: unknown key") && second.starts_with("default_model: not found"),
        "{errors}"
    );
}

#[test]
fn the_default_model_is_found_by_id_alias_or_wildcard() {
    check_errors(&[
        ("/default_model", r#""a/b""#, ""),
        ("/default_model", r#""b""#, "default_model: not found: \"b\" (known: a/b)"),
        (
            "/default_model",
            r#""*""#,
            "default_model: invalid: \"*\" \
             (allowed: a name of at most 256 bytes, without spaces and `*`)",
        ),
    ]);
    let mut document = smallest();
    put(
        &mut document,
        "/models/-",
        r#"{"id": "v/*", "endpoints": [{"provider": "openai", "model": "*"}]}"#,
    );
    put(&mut document, "/default_model", r#""v/llama""#);
    let (config, _) = parse_both(&document).unwrap();
    let name = config.default_model.unwrap();
    assert_eq!(config.catalog.find(&name).and_then(|(_, rest)| rest), Some("llama"));
}

fn hash(text: &str) -> String {
    Config::parse(text.as_bytes(), &env).unwrap().0.hash
}

#[test]
fn the_hash_tells_values_apart_not_spellings() {
    let compact = serde_json::from_str::<Value>(EXAMPLE).unwrap().to_string();
    assert_eq!(hash(EXAMPLE), hash(&compact));
    assert_eq!(
        hash(EXAMPLE),
        hash(&EXAMPLE.replace("0.7", "\"0.70\"").replace("1047576", "1047576.0"))
    );
    assert_ne!(hash(EXAMPLE), hash(&EXAMPLE.replace("0.7", "0.8")));
    assert_ne!(hash(EXAMPLE), hash(&EXAMPLE.replace("10m", "11m")));
    assert_eq!(hash(EXAMPLE).len(), 16);
}

#[test]
fn secrets_are_never_shown() {
    let config =
        config_with("/providers/openai/auth", r#"{"type": "bearer", "env": "OPENAI_API_KEY"}"#);
    assert!(!format!("{config:?}").contains("sk-secret"));
    for (pointer, value) in [
        ("auth", r#""sk-secret""#),
        ("auth", r#"{"type": "bearer", "env": "sk-secret"}"#),
        ("auth", r#"{"type": "bearer", "key": "sk-secret"}"#),
        ("auth", r#"{"type": "header", "name": ["sk-secret"], "env": 5}"#),
        ("headers", r#"{"x": "sk-secret\n"}"#),
        ("headers", r#"{"x": "sk-secret", "X": "sk-secret"}"#),
        ("headers", r#"{"host": "sk-secret"}"#),
        ("headers", r#"{"x": {"y": "sk-secret"}}"#),
        ("headers", r#"["sk-secret"]"#),
    ] {
        let errors = parse_with(&format!("/providers/openai/{pointer}"), value).unwrap_err();
        assert!(!format!("{errors:?} {}", lines(&errors)).contains("secret"), "{errors:?}");
    }
}

/// A small seeded generator, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(5) {
            0 => bytes[at] = self.below(256) as u8,
            1 => bytes[at] ^= 1 << self.below(8),
            2 => bytes.insert(at, b"{}[]\",:\\0-\n\x12\x0a"[self.below(13)]),
            3 => drop(bytes.drain(at..(at + self.below(9)).min(bytes.len()))),
            _ => {
                let from = self.below(bytes.len());
                let copy = bytes[from..(from + self.below(40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

#[test]
fn arbitrary_bytes_never_panic_and_always_read_the_same() {
    let document: Value = serde_json::from_str(EXAMPLE).unwrap();
    let originals = [document.to_string().into_bytes(), encode::structure(&document)];
    let mut random = Random(7);
    for round in 0..6_000 {
        let mut bytes = originals[round % 2].clone();
        for _ in 0..=random.below(4) {
            random.mutate(&mut bytes);
            bytes.push(b' ');
        }
        let parsed = Config::parse(&bytes, &env);
        assert_eq!(parsed, Config::parse(&bytes, &env));
        if let Err(errors) = parsed {
            assert!(!errors.is_empty());
            assert!(!lines(&errors).contains("sk-secret"));
        }
    }
}

#[test]
fn every_cut_of_a_document_is_refused() {
    let text = smallest().to_string();
    for length in 0..text.len() {
        assert!(Config::parse(&text.as_bytes()[..length], &env).is_err(), "{length}");
    }
    // A `Struct` has no mark at its end: one that is cut between two entries is still a whole one
    // with fewer entries. This one has a single entry, so that every cut breaks it.
    let bytes = encode::structure(&json!({"providers": smallest()["providers"]}));
    assert!(Config::parse(&bytes, &env).is_ok());
    for length in 0..bytes.len() {
        assert!(Config::parse(&bytes[..length], &env).is_err(), "{length}");
    }
}
