//! A plan is explained alike by the gateway and by the command-line tool, and as the exchange
//! itself has it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::gateway::{Gateway, chat};
use crate::setup::Setup;

fn setup() -> Setup {
    let mut setup = Setup::new()
        .chain("drawn", &["", "", "", ""])
        .chain("fallback", &[""])
        // Only this chain gets a request, because a request changes what is known of its endpoints
        // and with it their plans.
        .chain("asked", &["", "", ""])
        .document(json!({"routing": {"sort": "balanced", "sticky": {"ttl": "10m"}}}));
    let endpoints = setup.document["models"][0]["endpoints"].as_array_mut().unwrap();
    for (endpoint, price) in
        endpoints.iter_mut().zip(["0.000001", "0.0000012", "0.0000014", "0.0000016"])
    {
        endpoint["pricing"]["prompt"] = price.into();
    }
    setup
}

on_envoy! { setup:
    the_tool_and_the_gateway_agree,
    an_exchange_has_the_plan_that_its_seed_explains,
}

/// What the requests ask for besides a model.
fn wishes() -> [Value; 7] {
    [
        json!({}),
        json!({"models": ["t/fallback"], "session_id": "one"}),
        json!({"provider": {"order": ["drawn-3"], "ignore": ["drawn-0"]}}),
        json!({"provider": {"sort": "price", "max_price": {"prompt": 1.3}}}),
        json!({"provider": {"sort": {"by": "throughput", "partition": "none"}}, "max_tokens": 77}),
        json!({"provider": {"only": ["nobody"]}}),
        json!({"provider": {"zdr": "yes"}}),
    ]
}

fn explain(gateway: &Gateway, query: &str, body: &str) -> Value {
    gateway.explain(&format!("?{query}"), body.as_bytes()).json()
}

fn the_tool_and_the_gateway_agree(gateway: &Gateway) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (document, request) =
        (folder.join("explain-document.json"), folder.join("explain-request.json"));
    fs::write(&document, setup().document.to_string()).unwrap();
    for (index, wish) in wishes().iter().enumerate() {
        let mut body = chat("drawn");
        crate::setup::merge(&mut body, wish);
        fs::write(&request, body.to_string()).unwrap();
        let id = format!("3f1c2a77-0000-4000-8000-{index:012}");
        let tool = Command::new(env!("CARGO_BIN_EXE_modelyard"))
            .args(["explain", "--json", "--request-id", &id, "--config"])
            .args([&document, &request])
            .output()
            .unwrap();
        let told: Value = serde_json::from_slice(&tool.stdout)
            .unwrap_or_else(|error| panic!("{error}: {tool:?}"));
        assert_eq!(
            explain(gateway, &format!("request_id={id}"), &body.to_string()),
            told,
            "{wish}"
        );
        assert_eq!(
            explain(
                gateway,
                &format!("seed={}", told["seed"].as_str().unwrap()),
                &body.to_string()
            ),
            told
        );
    }
}

fn an_exchange_has_the_plan_that_its_seed_explains(gateway: &Gateway) {
    let body = chat("asked");
    for _ in 0..5 {
        let record = gateway.entry(&gateway.ask("/api/v1", &body))["record"].clone();
        let seed = record["seed"].as_str().unwrap();
        let explained = explain(gateway, &format!("seed={seed}"), &body.to_string());
        let plan: Vec<&Value> =
            explained["plan"].as_array().unwrap().iter().map(|step| &step["endpoint"]).collect();
        assert_eq!(json!(plan), record["plan"], "{explained}");
    }
}
