use serde_json::{Value, json};

use super::*;
use crate::catalog::Price;
use crate::route::Observation;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const NOW: Duration = Duration::from_secs(1_793_534_400);

const RECORD: &str = r#"{
    "generation_id": "gen-1793534400-abc", "tenant": "default", "operation": "chat",
    "request_model": "m/one", "response_model": "m/one", "provider": "b",
    "finish_reason": "end_turn", "error_type": null,
    "input_tokens": 10, "output_tokens": 5, "cached_tokens": 4, "reasoning_tokens": 2,
    "cost_usd": "0.00082", "stream": true, "duration_ms": 900,
    "attempts": [
        {"endpoint": "a/up", "outcome": "status_5xx", "status": 503,
         "start_ms": 0, "duration_ms": 100},
        {"endpoint": "b/up", "outcome": "ok", "status": 200,
         "start_ms": 100, "first_token_ms": 300, "duration_ms": 800}
    ]
}"#;

fn config() -> Config {
    let one = json!({
        "id": "m/one",
        "name": "The One",
        "context_length": 1000,
        "input_modalities": ["text", "image"],
        "endpoints": [{
            "provider": "a",
            "model": "up",
            "pricing": {"prompt": "0.000001", "completion": "0.000002"},
            "supported_parameters": ["tools"],
        }, {
            "provider": "b",
            "model": "up",
            "tag": "eu",
            "max_completion_tokens": 500,
            "quantization": "fp8",
            "pricing": {"prompt": "0.000003", "input_cache_read": "0.0000001"},
            "overrides": [{
                "min_prompt_tokens": 200,
                "utc_start": "2230",
                "utc_end": "0600",
                "prompt": "0.000006",
            }],
        }],
    });
    let two = json!({
        "id": "n/two",
        "distillable": true,
        "context_length": 9000,
        "endpoints": [{
            "provider": "a",
            "model": "two",
            "pricing": {"prompt": "0.0000002", "completion": "0.000001"},
        }],
    });
    parsed(&json!({
        "providers": {
            "a": {"name": "A Inc", "api": "openai"},
            "b": {"api": "anthropic", "regions": ["eu"], "data_policy": {"retains": false}},
        },
        "models": [
            one,
            two,
            {"id": "m/three", "endpoints": [{"provider": "b", "model": "three"}]},
            {"id": "w/*", "endpoints": [{"provider": "a", "model": "*"}]},
        ],
    }))
}

fn parsed(document: &Value) -> Config {
    Config::parse(document.to_string().as_bytes(), &|_| None).unwrap().0
}

fn record(id: &str) -> Option<Vec<u8>> {
    (id == "gen-1793534400-abc").then(|| RECORD.as_bytes().to_vec())
}

/// What is known where nothing was spent yet.
fn known<'a>(config: &'a Config, health: &'a Health) -> Known<'a> {
    Known { config, health, ledger: None, record: &record, now: NOW }
}

/// The third model begins soonest, the second one is the fastest, and of the first one nothing is
/// known.
fn health() -> Health {
    let mut health = Health::default();
    for (endpoint, ms, speed) in [("a/two", 900, 80.0), ("b/three", 200, 30.0)] {
        health.observe(endpoint, Observation::measured(ms, speed), NOW);
    }
    health
}

fn asked(face: Face, page: Page<'_>, path: &str) -> (u16, Value) {
    let mut ledger = Ledger::default();
    ledger.enter(Price::parse("0.25").unwrap().cost(1), NOW);
    let (config, health) = (config(), health());
    let known = Known { ledger: Some(ledger), ..known(&config, &health) };
    reply(&known, face, page, path)
}

fn reply(known: &Known<'_>, face: Face, page: Page<'_>, path: &str) -> (u16, Value) {
    let reply = answer(known, face, page, path);
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

fn ok(page: Page<'_>, path: &str) -> Value {
    let (status, body) = asked(Face::OpenRouter, page, path);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn ids(query: &str) -> Vec<String> {
    ids_of(&ok(Page::Models, &format!("/api/v1/models?{query}")))
}

fn ids_of(list: &Value) -> Vec<String> {
    let models = list["data"].as_array().unwrap().iter();
    models.map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

/// Those of the names, with spaces between them, that an object does not have.
fn lacks<'a>(object: &Value, names: &'a str) -> Vec<&'a str> {
    names.split(' ').filter(|name| object.get(name).is_none()).collect()
}

#[test]
fn filters_select_and_sort_orders() {
    for (query, expected) in [
        ("", "m/one n/two m/three"),
        ("unknown=1", "m/one n/two m/three"),
        ("category=programming", ""),
        ("arch=other", "m/one n/two m/three"),
        ("arch=GPT", ""),
        ("min_age_days=0", ""),
        ("max_coding_index=99.5", ""),
        ("distillable=true", "n/two"),
        ("distillable=false", "m/one m/three"),
        ("region=eu", "m/one m/three"),
        ("region=us", ""),
        ("q=the+one", "m/one"),
        ("q=M%2F", "m/one m/three"),
        ("model_authors=n,x", "n/two"),
        ("providers=a+inc", "m/one n/two"),
        ("providers=B", "m/one m/three"),
        ("context=1000", "m/one n/two"),
        ("context=1001", "n/two"),
        ("input_modalities=image", "m/one"),
        ("input_modalities=image,audio", ""),
        ("output_modalities=text", "m/one n/two m/three"),
        ("output_modalities=all", "m/one n/two m/three"),
        ("output_modalities=image", ""),
        ("max_price=0.2", "n/two"),
        ("max_price=1", "m/one n/two"),
        ("min_price=0.3", "m/one"),
        ("max_output_price=1.5", "n/two"),
        ("zdr=true", "m/one m/three"),
        ("supported_parameters=tools,temperature", "m/one n/two m/three"),
        ("supported_parameters=logit_bias", "n/two"),
        ("sort=pricing-low-to-high", "n/two m/one m/three"),
        ("sort=pricing-high-to-low", "m/one n/two m/three"),
        ("sort=context-high-to-low", "n/two m/one m/three"),
        ("sort=newest", "m/one n/two m/three"),
        ("sort=top-weekly", "m/one n/two m/three"),
        ("sort=latency-low-to-high", "m/three n/two m/one"),
        ("sort=throughput-high-to-low", "n/two m/three m/one"),
        ("limit=2", "m/one n/two"),
        ("offset=1", "n/two m/three"),
        ("offset=1&limit=1", "n/two"),
        ("offset=9", ""),
    ] {
        assert_eq!(ids(query).join(" "), expected, "{query}");
    }
}

#[test]
fn pages_lead_to_the_next_one() {
    let first = ok(Page::Models, "/api/v1/models?limit=2&q=%2F");
    assert_eq!(first["total_count"], 3);
    assert_eq!(first["links"]["next"], "/api/v1/models?limit=2&q=%2F&offset=2");
    let last = ok(Page::Models, "/api/v1/models?limit=2&offset=2");
    assert_eq!(last["links"], json!({"next": null}));
    assert_eq!(ok(Page::Count, "/api/v1/models/count?q=m%2F"), json!({"data": {"count": 2}}));
}

#[test]
fn a_parameter_of_no_meaning_is_the_clients_mistake() {
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "offset=-1",
        "context=0",
        "max_price=cheap",
        "sort=best",
        "category=x",
        "zdr=false",
        "distillable=yes",
        "region=mars",
        "min_age_days=-1",
        "max_tool_success_rate=often",
        "use_rss=true",
    ] {
        let (status, body) =
            asked(Face::OpenRouter, Page::Models, &format!("/api/v1/models?{query}"));
        assert_eq!((status, &body["error"]["code"]), (400, &json!(400)), "{query}");
    }
}

#[test]
fn models_have_what_strict_clients_want() {
    const REQUIRED: &str = "id canonical_slug name created pricing context_length architecture \
                            top_provider per_request_limits supported_parameters \
                            default_parameters supported_voices links";
    let list = ok(Page::Models, "/api/v1/models");
    assert_eq!(lacks(&list, "data total_count links"), Vec::<&str>::new());
    for model in list["data"].as_array().unwrap() {
        assert_eq!(lacks(model, REQUIRED), Vec::<&str>::new(), "{model}");
        assert_eq!(
            lacks(&model["architecture"], "modality input_modalities output_modalities"),
            Vec::<&str>::new()
        );
        assert_eq!(lacks(&model["pricing"], "prompt completion"), Vec::<&str>::new(), "{model}");
        assert!(
            model["top_provider"]["is_moderated"].is_boolean()
                && model["links"]["details"].is_string()
        );
    }
    assert_eq!(list["data"][2]["pricing"], json!({"prompt": "-1", "completion": "-1"}), "not free");
    let one = ok(Page::Model("m%2Fone"), "");
    assert_eq!(one["data"], list["data"][0]);
    assert_eq!(ok(Page::Retrieve("m%2Fone"), ""), list["data"][0]);
    assert_eq!(ok(Page::Model("w/any"), "")["data"]["id"], "w/any");
}

#[test]
fn endpoints_have_what_strict_clients_want() {
    const REQUIRED: &str = "name model_id model_name context_length pricing provider_name tag \
                            quantization max_completion_tokens max_prompt_tokens \
                            supported_parameters uptime_last_30m uptime_last_5m uptime_last_1d \
                            supports_implicit_caching latency_last_30m throughput_last_30m";
    let data = &ok(Page::Endpoints("m/one"), "")["data"];
    assert_eq!(
        lacks(data, "id name created description architecture endpoints"),
        Vec::<&str>::new()
    );
    let endpoints = data["endpoints"].as_array().unwrap();
    for endpoint in endpoints {
        assert_eq!(lacks(endpoint, REQUIRED), Vec::<&str>::new(), "{endpoint}");
        assert!(endpoint["context_length"].is_u64() && endpoint["status"] == 0, "{endpoint}");
    }
    let [first, second] = endpoints.as_slice() else { panic!("{data}") };
    assert_eq!((&first["provider_name"], &first["tag"]), (&json!("A Inc"), &json!("a")));
    assert_eq!((&second["provider_name"], &second["tag"]), (&json!("b"), &json!("b/eu")));
    assert_eq!(
        (&second["quantization"], &second["max_completion_tokens"]),
        (&json!("fp8"), &json!(500))
    );
    assert_eq!(
        second["pricing"],
        json!({
            "prompt": "0.000003",
            "completion": "-1",
            "input_cache_read": "0.0000001",
            "overrides": [{
                "min_prompt_tokens": 200,
                "utc_start": 2230,
                "utc_end": 600,
                "prompt": "0.000006",
            }],
        })
    );
    assert_eq!(second["supports_implicit_caching"], true);
    assert!(
        !second["supported_parameters"].as_array().unwrap().contains(&json!("logit_bias")),
        "Anthropic has none"
    );
}

#[test]
fn an_endpoint_in_cooldown_says_so() {
    let mut health = Health::default();
    let wait = Some(Duration::from_secs(9));
    health.observe(
        "a/two",
        Observation { failed: true, retry_after: wait, ..Default::default() },
        NOW,
    );
    let page = Page::Endpoints("n/two");
    let (_, body) = reply(&known(&config(), &health), Face::OpenAi, page, "");
    assert_eq!(body["data"]["endpoints"][0]["status"], -2, "{body}");
}

#[test]
fn endpoints_say_how_they_have_been_doing() {
    let mut health = Health::default();
    let well = Observation::measured(200, 50.0);
    (0..2).for_each(|_| health.observe("a/up", well, NOW));
    health.observe("a/up", Observation { failed: true, ..Default::default() }, NOW);
    let page = Page::Endpoints("m/one");
    let (_, body) = reply(&known(&config(), &health), Face::OpenAi, page, "");
    let [busy, idle] = [0, 1].map(|index| &body["data"]["endpoints"][index]);
    for name in ["uptime_last_5m", "uptime_last_30m", "uptime_last_1d"] {
        assert_eq!((&busy[name], &idle[name]), (&json!(66.67), &Value::Null), "{name}");
    }
    for (name, middle) in [("latency_last_30m", 200.0), ("throughput_last_30m", 50.0)] {
        for share in ["p50", "p75", "p90", "p99"] {
            let value = busy[name][share].as_f64().unwrap();
            assert!((value / middle - 1.0).abs() < 0.035, "{name}: {value}");
        }
        assert_eq!(idle[name], Value::Null);
    }
}

#[test]
fn providers_and_the_key_have_what_strict_clients_want() {
    let providers = ok(Page::Providers, "");
    assert_eq!(providers["data"][0]["name"], "A Inc");
    assert_eq!(providers["data"][1]["slug"], "b");
    assert_eq!(lacks(&providers["data"][0], "name slug privacy_policy_url"), Vec::<&str>::new());
    const REQUIRED: &str = "label limit usage usage_daily usage_weekly usage_monthly byok_usage \
                            byok_usage_daily byok_usage_weekly byok_usage_monthly is_free_tier \
                            is_management_key is_provisioning_key limit_remaining limit_reset \
                            include_byok_in_limit creator_user_id rate_limit";
    let key = &ok(Page::Key, "")["data"];
    assert_eq!(lacks(key, REQUIRED), Vec::<&str>::new());
    assert_eq!(
        (&key["label"], &key["usage"], &key["limit"]),
        (&json!("default"), &json!(0.25), &Value::Null)
    );
}

#[test]
fn a_generation_is_made_of_the_record() {
    const REQUIRED: &str = "id upstream_id total_cost cache_discount upstream_inference_cost \
                            created_at model app_id streamed cancelled provider_name latency \
                            moderation_latency generation_time finish_reason service_tier \
                            tokens_prompt tokens_completion native_tokens_prompt \
                            native_tokens_completion native_tokens_completion_images \
                            native_tokens_reasoning native_tokens_cached num_media_prompt \
                            num_input_audio_prompt num_media_completion num_search_results \
                            num_fetches web_search_engine origin usage is_byok \
                            native_finish_reason external_user api_type preset_id router \
                            provider_responses user_agent http_referer data_region workspace_id";
    let data = &ok(Page::Generation, "/api/v1/generation?id=gen-1793534400-abc")["data"];
    assert_eq!(lacks(data, REQUIRED), Vec::<&str>::new());
    for (name, expected) in [
        ("model", json!("m/one")),
        ("provider_name", json!("b")),
        ("created_at", json!("2026-11-01T12:00:00Z")),
        ("api_type", json!("completions")),
        ("streamed", json!(true)),
        ("cancelled", json!(false)),
        ("finish_reason", json!("stop")),
        ("native_finish_reason", json!("end_turn")),
        ("latency", json!(300)),
        ("generation_time", json!(600)),
        ("tokens_prompt", json!(10)),
        ("native_tokens_reasoning", json!(2)),
        ("native_tokens_cached", json!(4)),
        ("total_cost", json!(0.00082)),
    ] {
        assert_eq!(data[name], expected, "{name}");
    }
    assert_eq!(data["provider_responses"][0]["provider_name"], "A Inc");
    assert_eq!(data["provider_responses"][0]["status"], 503);
}

#[test]
fn what_is_not_there_is_not_found_on_both_faces() {
    for (page, path, message) in [
        (Page::Endpoints("no/model"), "", "Model no/model not found"),
        (Page::Model("nothing"), "", "Model nothing not found"),
        (Page::Retrieve("nothing"), "", "Model nothing not found"),
        (Page::Generation, "/v1/generation?id=gen-1-x", "Generation gen-1-x not found"),
        (Page::Generation, "/v1/generation?id=%22", "Generation \" not found"),
    ] {
        for face in [Face::OpenAi, Face::OpenRouter] {
            let (status, body) = asked(face, page, path);
            assert_eq!((status, &body["error"]["message"]), (404, &json!(message)));
        }
    }
    assert_eq!(asked(Face::OpenRouter, Page::Generation, "/v1/generation").0, 400);
}

/// An endpoint whose tokens cost `usd`, in either direction.
fn priced(tag: &str, usd: &str) -> Value {
    let pricing = json!({"prompt": usd, "completion": usd});
    json!({"provider": "a", "model": "up", "tag": tag, "pricing": pricing})
}

fn models(config: &Config, query: &str) -> Value {
    let path = format!("/api/v1/models{query}");
    reply(&known(config, &Health::default()), Face::OpenRouter, Page::Models, &path).1
}

#[test]
fn auto_is_listed_where_it_is_configured_and_a_tier_is_not_what_a_model_costs() {
    let endpoints = [priced("priority", "0.9"), priced("eu", "0.1")];
    let config = parsed(&json!({
        "providers": {"a": {"api": "openai"}},
        "models": [{"id": "m/one", "endpoints": endpoints}],
        "routing": {"auto": {"models": ["m/one"]}},
    }));
    let list = models(&config, "");
    let [one, auto] = list["data"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!((&one["id"], &one["pricing"]["prompt"]), (&json!("m/one"), &json!("0.1")));
    assert_eq!((&auto["id"], &auto["name"]), (&json!("openrouter/auto"), &json!("Auto Router")));
    assert_eq!(auto["pricing"], json!({"prompt": "-1", "completion": "-1"}));
    assert!(!ids("").contains(&"openrouter/auto".to_owned()), "not configured");
}

#[test]
fn models_are_filtered_and_sorted_by_the_prices_that_are_listed() {
    let dear = [priced("flex", "0.000001"), priced("eu", "0.000004")];
    let cheap = [priced("priority", "0.000009"), priced("eu", "0.000002")];
    let config = parsed(&json!({
        "providers": {"a": {"api": "openai"}},
        "models": [{"id": "m/dear", "endpoints": dear}, {"id": "m/cheap", "endpoints": cheap}],
    }));
    for (query, expected) in [
        ("?max_price=3", vec!["m/cheap"]),
        ("?min_output_price=3", vec!["m/dear"]),
        ("?sort=pricing-low-to-high", vec!["m/cheap", "m/dear"]),
    ] {
        assert_eq!(ids_of(&models(&config, query)), expected, "{query}");
    }
}
