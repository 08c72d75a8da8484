//! What an exchange leaves behind: stats with their tags, filter state, the record, and the cost to
//! the last digit.

use serde_json::{Value, json};

use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::{REFUSED, Setup};

const USAGE: &str = "prompt-tokens=1000,cached=400,reasoning=50,tokens=10";

/// A model with one endpoint at these prices.
fn priced(name: &str, pricing: Value) -> Value {
    let provider = format!("{name}-0");
    json!({"endpoints": [{"provider": provider, "model": "up", "pricing": pricing}]})
}

fn setup() -> Setup {
    let plain = json!({
        "prompt": "0.000001",
        "completion": "0.000002",
        "input_cache_read": "0.00000025",
    });
    let tiny = json!({"prompt": "0.000000000000001", "completion": "0.123456789012"});
    Setup::new()
        .chain("plain", &[USAGE])
        .model("plain", priced("plain", plain))
        .chain("tiny", &["prompt-tokens=3,tokens=1"])
        .model("tiny", priced("tiny", tiny))
        .chain("streamed", &[&format!("{USAGE},interval=10")])
        .chain("moved", &["status=503", REFUSED, USAGE])
        .chain("facts", &["status=503", REFUSED, USAGE])
        .chain("private", &[""])
        .chain("silent", &["no-usage"])
        .chain("abandoned", &["interval=30,tokens=1000"])
        .chain("unanswered", &["stall=headers"])
        .chain("held", &["stall=first"])
        .chain("bad", &["status=400"])
        .chain("down", &["status=503"])
        .chain("bursts", &[""])
}

on_envoy! { setup:
    tokens_and_cost_are_counted_by_kind,
    costs_are_exact,
    a_stream_is_counted_like_a_plain_answer,
    every_attempt_and_fallback_is_counted,
    estimates_are_kept_apart,
    an_abandoned_stream_is_charged_as_far_as_it_came,
    an_abandoned_wait_is_counted,
    errors_are_counted_by_class,
    filter_state_and_record_tell_everything,
    prompts_and_completions_are_never_logged,
    counts_of_parallel_requests_add_up,
}

/// The stat of one kind of token, for the first endpoint of a chain.
fn tokens(name: &str, kind: &str, source: &str) -> String {
    let endpoint = format!("provider={name}-0.model=t/{name}");
    format!("tokens.tenant=default.{endpoint}.token_type={kind}.source={source}")
}

fn tokens_and_cost_are_counted_by_kind(gateway: &Gateway) {
    for base in FACES {
        assert_eq!(gateway.ask(base, &chat("plain")).status, 200);
    }
    for (kind, count) in [("input", 2000), ("output", 120), ("cached", 800), ("reasoning", 100)] {
        gateway.expect_stat(&tokens("plain", kind, "reported"), count);
    }
    // Twice 600 fresh, 400 cached and 60 output tokens: 2 * (0.0006 + 0.0001 + 0.00012) USD.
    gateway.expect_stat("cost_nanousd.tenant=default.provider=plain-0.model=t/plain", 1_640_000);
    gateway.expect_stat("requests.tenant=default.model=t/plain.operation=chat.status=2xx", 2);
    gateway.expect_stat("attempts.provider=plain-0.model=t/plain.outcome=ok", 2);
    gateway.expect_stat("endpoint_health.provider=plain-0.model=t/plain", 1);
    let histograms = gateway.envoy.get("/stats?filter=provider=plain-0&type=Histograms");
    for name in ["request_duration_ms", "time_to_first_token_ms"] {
        let line = histograms
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_else(|| panic!("{name}: {histograms}"));
        assert!(line.contains("P50"), "{line}");
    }
}

fn costs_are_exact(gateway: &Gateway) {
    let reply = gateway.ask("/v1", &chat("tiny"));
    assert_eq!(gateway.entry(&reply)["cost_usd"], "0.123456789012003");
}

fn a_stream_is_counted_like_a_plain_answer(gateway: &Gateway) {
    let reply = gateway.ask("/v1", &stream("streamed"));
    let entry = gateway.entry(&reply);
    assert_eq!(
        (&entry["input_tokens"], &entry["output_tokens"]),
        (&json!("1000"), &json!("60")),
        "{entry}"
    );
    assert_eq!(
        (&entry["cached_tokens"], &entry["cost_usd"]),
        (&json!("400"), &json!("0.00112")),
        "{entry}"
    );
    gateway
        .expect_stat("cost_nanousd.tenant=default.provider=streamed-0.model=t/streamed", 1_120_000);
    let histograms = gateway.envoy.get("/stats?filter=provider=streamed-0&type=Histograms");
    assert!(histograms.contains("output_tokens_per_second"), "{histograms}");
}

fn every_attempt_and_fallback_is_counted(gateway: &Gateway) {
    let reply = gateway.ask("/v1", &chat("moved"));
    assert_eq!(reply.status, 200);
    gateway.expect_stat("attempts.provider=moved-0.model=t/moved.outcome=status_5xx", 1);
    gateway.expect_stat("attempts.provider=moved-1.model=t/moved.outcome=connect", 1);
    gateway.expect_stat("attempts.provider=moved-2.model=t/moved.outcome=ok", 1);
    gateway.expect_stat("fallbacks.provider=moved-0.model=t/moved.reason=status_5xx", 1);
    gateway.expect_stat("fallbacks.provider=moved-1.model=t/moved.reason=connect", 1);
    gateway.expect_stat("requests.tenant=default.model=t/moved.operation=chat.status=2xx", 1);
    // Only the endpoint that answered is charged for.
    let stats = gateway.envoy.get("/stats?filter=model=t/moved");
    let charged: Vec<&str> = stats
        .lines()
        .filter(|line| line.contains("tokens.tenant") || line.contains("cost"))
        .collect();
    assert!(charged.iter().all(|line| line.contains("provider=moved-2")), "{charged:?}");
}

fn estimates_are_kept_apart(gateway: &Gateway) {
    for body in [chat("silent"), stream("silent")] {
        let entry = gateway.entry(&gateway.ask("/v1", &body));
        assert_eq!(entry["record"]["estimated"], true, "{entry}");
        let output: u64 = entry["output_tokens"].as_str().unwrap().parse().unwrap();
        assert!((4..=400).contains(&output), "an estimate of 8 tokens: {entry}");
    }
    let stats = gateway.envoy.get("/stats?filter=tokens.*model=t/silent");
    assert!(stats.contains("token_type=output.source=estimated"), "{stats}");
    assert!(!stats.contains("source=reported"), "{stats}");
}

fn an_abandoned_stream_is_charged_as_far_as_it_came(gateway: &Gateway) {
    let mut connection = gateway.connect();
    connection.send(
        "POST",
        "/v1/chat/completions",
        &[],
        stream("abandoned").to_string().as_bytes(),
    );
    let reply = connection.read_until("\"content\":\" ", 5);
    connection.abort();
    let entry = gateway.entry(&reply);
    let output: u64 = entry["output_tokens"].as_str().unwrap().parse().unwrap();
    assert!((5..500).contains(&output), "{entry}");
    assert_eq!(entry["record"]["estimated"], true, "{entry}");
    assert_eq!(entry["record"]["attempts"][0]["outcome"], "aborted", "{entry}");
    assert_eq!(entry["error_type"], "aborted", "{entry}");
    assert!(entry["cost_usd"].is_string(), "{entry}");
    gateway
        .expect_stat("requests.tenant=default.model=t/abandoned.operation=chat.status=aborted", 1);
    gateway.expect_stat("attempts.provider=abandoned-0.model=t/abandoned.outcome=aborted", 1);
    gateway.expect_stat(&tokens("abandoned", "output", "estimated"), output);
    assert!(
        gateway.becomes(|| gateway.fake.received("abandoned-0")[0].0["aborted"] == true),
        "the upstream was left"
    );
}

fn an_abandoned_wait_is_counted(gateway: &Gateway) {
    for name in ["unanswered", "held"] {
        let mut connection = gateway.connect();
        let mark = [("x-mark", name)];
        connection.send("POST", "/v1/chat/completions", &mark, stream(name).to_string().as_bytes());
        assert!(gateway.becomes(|| !gateway.fake.received(&format!("{name}-0")).is_empty()));
        std::thread::sleep(std::time::Duration::from_millis(100));
        connection.abort();
        gateway.expect_stat(
            &format!("requests.tenant=default.model=t/{name}.operation=chat.status=aborted"),
            1,
        );
        gateway
            .expect_stat(&format!("attempts.provider={name}-0.model=t/{name}.outcome=aborted"), 1);
        let entry = gateway.envoy.entry("request_model", &format!("t/{name}"));
        assert_eq!(entry["record"]["attempts"][0]["outcome"], "aborted", "{entry}");
        // A client that leaves is not held against the endpoint.
        let stats = gateway.envoy.get(&format!("/stats?filter=endpoint_health.*{name}-0"));
        assert!(!stats.contains(": 0"), "{stats}");
    }
}

fn errors_are_counted_by_class(gateway: &Gateway) {
    assert_eq!(gateway.ask("/v1", &chat("bad")).status, 400);
    assert_eq!(gateway.ask("/v1", &chat("down")).status, 503);
    gateway.expect_stat("requests.tenant=default.model=t/bad.operation=chat.status=4xx", 1);
    gateway.expect_stat("requests.tenant=default.model=t/down.operation=chat.status=5xx", 1);
    gateway.expect_stat("attempts.provider=down-0.model=t/down.outcome=status_5xx", 1);
    let stats = gateway.envoy.get("/stats?filter=tokens.*model=t/(bad|down)");
    assert_eq!(stats.trim(), "", "nothing to charge");
}

fn filter_state_and_record_tell_everything(gateway: &Gateway) {
    let mut body = stream("facts");
    body["provider"] = json!({"ignore": ["facts-1"]});
    let reply = gateway.ask("/v1", &body);
    let entry = gateway.entry(&reply);
    for (name, expected) in [
        ("tenant", "default"),
        ("operation", "chat"),
        ("request_model", "t/facts"),
        ("response_model", "t/facts"),
        ("provider", "facts-2"),
        ("attempts", "2"),
        ("finish_reason", "stop"),
        ("input_tokens", "1000"),
        ("output_tokens", "60"),
        ("cached_tokens", "400"),
        ("cost_usd", "0.00112"),
    ] {
        assert_eq!(entry[name], expected, "{name}: {entry}");
    }
    assert_eq!(entry["error_type"], Value::Null);
    let record = &entry["record"];
    assert_eq!(record["plan"].as_array().unwrap().len(), 2, "{record}");
    assert!(record["plan"][1].as_str().unwrap().starts_with("facts-2/"), "{record}");
    assert!(record["dropped"][0]["endpoint"].as_str().unwrap().starts_with("facts-1/"), "{record}");
    assert!(record["dropped"][0]["reason"].as_str().unwrap().contains("ignore"), "{record}");
    assert_eq!(record["attempts"][0]["status"], 503, "{record}");
    assert_eq!(record["attempts"][1]["outcome"], "ok", "{record}");
    assert!(
        record["attempts"][1]["first_token_ms"].is_u64() && record["duration_ms"].is_u64(),
        "{record}"
    );
    assert_eq!((&record["status"], &record["stream"]), (&json!(200), &json!(true)), "{record}");
    assert!(record["seed"].is_string(), "{record}");
    assert!(gateway.envoy.log(0).contains(record["config"].as_str().unwrap()), "{record}");
}

fn prompts_and_completions_are_never_logged(gateway: &Gateway) {
    let mut body = chat("private");
    body["messages"][0]["content"] = "xyzzy-prompt".into();
    let entry = gateway.entry(&gateway.ask("/v1", &body));
    assert!(
        !entry.to_string().contains("xyzzy-prompt") && !entry.to_string().contains("Hello from"),
        "{entry}"
    );
    gateway.post("/v1", b"{\"messages\":\"xyzzy-prompt\" broken");
    let log = gateway.envoy.log(0);
    assert!(!log.contains("xyzzy-prompt") && !log.contains("sk-of-step"), "{log}");
}

fn counts_of_parallel_requests_add_up(gateway: &Gateway) {
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                (0..25).for_each(|_| assert_eq!(gateway.ask("/v1", &stream("bursts")).status, 200))
            });
        }
    });
    gateway.expect_stat("requests.tenant=default.model=t/bursts.operation=chat.status=2xx", 400);
    gateway.expect_stat("attempts.provider=bursts-0.model=t/bursts.outcome=ok", 400);
    gateway.expect_stat(&tokens("bursts", "output", "reported"), 400 * 8);
}
