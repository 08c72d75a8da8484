//! What the gateway answers itself: the catalogue, the key, recent exchanges, explanations; and how
//! it says in an answer's body how it was routed.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::{REFUSED, Setup};

fn setup() -> Setup {
    Setup::new()
        .chain("known", &["prompt-tokens=1000,tokens=10", ""])
        .model("known", json!({"name": "The Known", "context_length": 8000, "aliases": ["nick"]}))
        .provider("known-0", json!({"name": "Known Inc"}))
        .chain("shaky", &["status=503", ""])
        .chain("hopeless", &["status=500", REFUSED])
        .chain("broken", &["error-event=3"])
        .chain("billed", &["prompt-tokens=1000,tokens=10"])
}

on_envoy! { setup:
    models_come_in_pages_and_by_filters,
    endpoints_and_providers_are_told,
    any_worker_knows_a_generation,
    the_key_tells_the_operator_what_was_spent,
    the_key_tells_others_that_there_is_none,
    wrong_methods_are_refused_and_others_pass,
    a_plan_is_explained_without_calling_anybody,
    what_cannot_be_planned_is_explained_too,
    metadata_is_in_plain_answers_and_the_last_chunk,
    metadata_is_beside_errors,
}

fn get(gateway: &Gateway, path: &str) -> Value {
    let reply = gateway.request("GET", path, &[], b"");
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/json")),
        "{path}: {reply:?}"
    );
    reply.json()
}

fn models_come_in_pages_and_by_filters(gateway: &Gateway) {
    for base in FACES {
        let all = get(gateway, &format!("{base}/models"));
        assert_eq!((&all["total_count"], &all["links"]["next"]), (&json!(5), &Value::Null));
        let page = get(gateway, &format!("{base}/models?limit=2&offset=1"));
        let ids: Vec<&Value> =
            page["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
        assert_eq!(ids, ["t/shaky", "t/hopeless"]);
        let next = page["links"]["next"].as_str().unwrap();
        assert_eq!(get(gateway, next)["data"][0]["id"], "t/broken");
        assert_eq!(get(gateway, &format!("{base}/models?q=the%20known"))["total_count"], 1);
        assert_eq!(get(gateway, &format!("{base}/models/count?context=8000"))["data"]["count"], 1);
        assert_eq!(get(gateway, &format!("{base}/model/t/known"))["data"]["name"], "The Known");
        assert_eq!(get(gateway, &format!("{base}/models/t/known"))["name"], "The Known");
    }
}

fn endpoints_and_providers_are_told(gateway: &Gateway) {
    for base in FACES {
        let data = get(gateway, &format!("{base}/models/t%2Fknown/endpoints"))["data"].clone();
        // Only the names are compared, because other checks' requests change uptimes and latencies.
        let again = get(gateway, &format!("{base}/models/t/known/endpoints"))["data"].clone();
        assert_eq!(
            (&data["id"], &data["endpoints"][0]["name"]),
            (&again["id"], &again["endpoints"][0]["name"])
        );
        assert_eq!(data["endpoints"][0]["provider_name"], "Known Inc");
        assert_eq!(data["endpoints"][1]["tag"], "known-1");
        assert_eq!(
            data["endpoints"][0]["pricing"],
            json!({"prompt": "0.000001", "completion": "0.000002"})
        );
        let providers = get(gateway, &format!("{base}/providers"));
        let slugs: Vec<&Value> =
            providers["data"].as_array().unwrap().iter().map(|p| &p["slug"]).collect();
        assert!(slugs.contains(&&json!("known-0")), "{providers}");
        let missing =
            gateway.request("GET", &format!("{base}/models/no/model/endpoints"), &[], b"");
        assert_eq!(missing.status, 404, "{missing:?}");
        assert_eq!(missing.json()["error"]["message"], "Model no/model not found");
    }
}

/// The generation of an exchange, once its worker has told the others.
fn generation(gateway: &Gateway, reply: &Reply) -> Value {
    let path = format!("/api/v1/generation?id={}", reply.header("x-generation-id").unwrap());
    assert!(gateway.becomes(|| gateway.request("GET", &path, &[], b"").status == 200), "{path}");
    gateway.entry(reply);
    // Every worker can find it now, so it does not matter which one answers.
    let reply = gateway.request("GET", &path, &[], b"");
    reply.json()["data"].clone()
}

fn any_worker_knows_a_generation(gateway: &Gateway) {
    // Connections of their own, so that with two workers both are asked about what the other did.
    for _ in 0..8 {
        let data = generation(gateway, &gateway.ask("/api/v1", &chat("known")));
        assert_eq!(
            (&data["provider_name"], &data["model"]),
            (&json!("Known Inc"), &json!("t/known"))
        );
        assert_eq!(
            (&data["tokens_prompt"], &data["tokens_completion"]),
            (&json!(1000), &json!(10))
        );
        assert_eq!((&data["total_cost"], &data["streamed"]), (&json!(0.00102), &json!(false)));
    }
    let data = generation(gateway, &gateway.ask("/v1", &stream("shaky")));
    assert_eq!(data["provider_responses"][0]["status"], 503, "{data}");
    assert_eq!(data["provider_responses"][1]["provider_name"], "shaky-1", "{data}");
    assert_eq!((&data["streamed"], &data["cancelled"]), (&json!(true), &json!(false)));
    let unknown = gateway.request("GET", "/api/v1/generation?id=gen-1-x", &[], b"");
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!(404)));
}

/// One of the key's sums, in USD.
fn spent(gateway: &Gateway, name: &str) -> f64 {
    gateway.get_as_operator("/api/v1/key").json()["data"][name].as_f64().unwrap()
}

fn the_key_tells_the_operator_what_was_spent(gateway: &Gateway) {
    let before = spent(gateway, "usage");
    gateway.entry(&gateway.ask("/api/v1", &chat("billed")));
    assert!(gateway.becomes(|| spent(gateway, "usage") >= before + 0.001), "{before}");
    assert!(spent(gateway, "usage_monthly") >= 0.001 && spent(gateway, "byok_usage") == 0.0);
    assert_eq!(gateway.get_as_operator("/v1/key").json()["data"]["label"], "default");
}

fn the_key_tells_others_that_there_is_none(gateway: &Gateway) {
    for headers in [&[][..], &[("authorization", "Bearer sk-of-somebody")]] {
        let reply = gateway.request("GET", "/api/v1/key", headers, b"");
        assert_eq!((reply.status, reply.text()), (200, r#"{"data":{"label":null}}"#));
    }
}

fn wrong_methods_are_refused_and_others_pass(gateway: &Gateway) {
    for path in [
        "models/count",
        "models/t/known/endpoints",
        "model/t/known",
        "providers",
        "key",
        "generation?id=x",
    ] {
        for base in FACES {
            let reply = gateway.request("POST", &format!("{base}/{path}"), &[], b"{}");
            assert_eq!(
                (reply.status, reply.header("allow")),
                (405, Some("GET, HEAD")),
                "{path}: {reply:?}"
            );
        }
    }
    let head = gateway.request("HEAD", "/api/v1/key", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0), "{head:?}");
    let other = gateway.request("GET", "/v1/files", &[], b"");
    assert!(other.header("allow").is_none(), "{other:?}");
    let marked = gateway.request("GET", "/v1/files", &[("x-modelyard-exchange", "1")], b"");
    assert_eq!(marked.status, other.status, "what is not the gateway's passes: {marked:?}");
}

fn explain(gateway: &Gateway, query: &str, body: &str) -> Value {
    let reply = gateway.explain(query, body.as_bytes());
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

fn a_plan_is_explained_without_calling_anybody(gateway: &Gateway) {
    let body = r#"{"model":"nick","max_tokens":100,
                   "messages":[{"role":"user","content":"explain this"}],
                   "provider":{"ignore":["known-0"]}}"#;
    let plan = explain(gateway, "?seed=2a", body);
    assert_eq!(plan["plan"][0]["provider"], "known-1", "{plan}");
    assert_eq!(plan["plan"][0]["completion_price"], "0.000002");
    let dropped = json!([{
        "endpoint": "known-0/up-known",
        "provider": "known-0",
        "reason": "provider.ignore",
    }]);
    assert_eq!(plan["dropped"], dropped);
    assert_eq!(
        (&plan["seed"], &plan["rule"]),
        (&json!("000000000000002a"), &json!("routing.sort=order"))
    );
    assert_eq!(explain(gateway, "?seed=2a", body), plan);
    assert_eq!(explain(gateway, "?dialect=messages", body)["operation"], "chat");
    let asked = gateway.fake.received("known-1");
    assert!(
        !asked.iter().any(|request| request.0.to_string().contains("explain this")),
        "{asked:?}"
    );
}

fn what_cannot_be_planned_is_explained_too(gateway: &Gateway) {
    let plan =
        explain(gateway, "", r#"{"model":"t/known","messages":[],"provider":{"only":["nobody"]}}"#);
    assert_eq!((&plan["plan"], &plan["error"]["status"]), (&json!([]), &json!(404)), "{plan}");
    assert_eq!(plan["dropped"].as_array().unwrap().len(), 2, "{plan}");
    assert_eq!(explain(gateway, "", "no JSON")["error"]["status"], 400);
    assert_eq!(gateway.explain("?seed=xyz", b"{}").status, 400);
    assert_eq!(gateway.explain("", b"").status, 200);
}

/// Asks with the header that asks for metadata.
fn ask(gateway: &Gateway, base: &str, body: &Value) -> Reply {
    let headers = [("content-type", "application/json"), ("X-OpenRouter-Metadata", "Enabled")];
    gateway.request(
        "POST",
        &format!("{base}/chat/completions"),
        &headers,
        body.to_string().as_bytes(),
    )
}

fn metadata_is_in_plain_answers_and_the_last_chunk(gateway: &Gateway) {
    let plain = ask(gateway, "/api/v1", &chat("shaky")).json()["openrouter_metadata"].clone();
    let streamed = ask(gateway, "/api/v1", &stream("shaky"));
    let chunks = streamed.chunks();
    assert_eq!(
        chunks.iter().filter(|chunk| chunk.get("openrouter_metadata").is_some()).count(),
        1,
        "{streamed:?}"
    );
    for metadata in [&plain, &chunks.last().unwrap()["openrouter_metadata"]] {
        let available = json!([
            {"provider": "shaky-0", "model": "t/shaky", "selected": false},
            {"provider": "shaky-1", "model": "t/shaky", "selected": true},
        ]);
        let expected = json!({
            "requested": "t/shaky",
            "strategy": "direct",
            "region": null,
            "summary": "available=2, selected=shaky-1",
            "attempt": 2,
            "is_byok": false,
            "endpoints": {"total": 2, "available": available},
            "attempts": [
                {"provider": "shaky-0", "model": "t/shaky", "status": 503},
                {"provider": "shaky-1", "model": "t/shaky", "status": 200},
            ],
        });
        assert_eq!(metadata, &expected);
    }
    let mut body = chat("nick");
    body["model"] = "nick".into();
    assert_eq!(ask(gateway, "/api/v1", &body).json()["openrouter_metadata"]["strategy"], "alias");
    let mut body = chat("hopeless");
    body["models"] = json!(["t/hopeless", "t/known"]);
    assert_eq!(
        ask(gateway, "/api/v1", &body).json()["openrouter_metadata"]["strategy"],
        "fallback"
    );
    assert!(
        ask(gateway, "/v1", &chat("known")).json().get("openrouter_metadata").is_none(),
        "not on OpenAI's face"
    );
    assert!(
        gateway.ask("/api/v1", &chat("known")).json().get("openrouter_metadata").is_none(),
        "not unasked"
    );
}

fn metadata_is_beside_errors(gateway: &Gateway) {
    let failed = ask(gateway, "/api/v1", &chat("hopeless"));
    let metadata = failed.json()["openrouter_metadata"].clone();
    assert_eq!((failed.status, &metadata["attempt"]), (502, &json!(2)), "{failed:?}");
    assert_eq!(metadata["attempts"][0]["status"], 500, "{metadata}");
    let mut body = chat("known");
    body["provider"] = json!({"only": ["nobody"]});
    let refused = ask(gateway, "/api/v1", &body);
    assert_eq!(
        (refused.status, &refused.json()["openrouter_metadata"]["attempt"]),
        (404, &json!(0)),
        "{refused:?}"
    );
    let broken = ask(gateway, "/api/v1", &stream("broken"));
    let chunks = broken.chunks();
    let last = chunks.iter().rfind(|chunk| chunk["error"].is_object()).unwrap();
    assert_eq!(last["openrouter_metadata"]["attempt"], 1, "{broken:?}");
}
