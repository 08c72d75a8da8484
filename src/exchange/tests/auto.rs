//! Requests for `openrouter/auto`: who answers, and who is told why.

use super::*;
use crate::exchange::explain::{self, Question};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn automatic(auto: Value) -> Rc<Config> {
    let mut document = document();
    document["models"][1]["aliases"] = json!(["~m/two-latest"]);
    document["routing"]["auto"] = auto;
    document["presets"] = json!({"cheap": {"model": "openrouter/auto", "temperature": 0.5}});
    config(&document)
}

fn rules() -> Value {
    json!({
        "rules": [{"when": {"tools": true}, "models": ["m/two", "m/pass"]}],
        "models": ["m/one"],
        "excluded_models": ["w/*"],
    })
}

/// A request with the header that asks for metadata, on OpenRouter's face.
fn ask(config: &Rc<Config>, body: &Value, acts: &[Act]) -> (World, Books) {
    let headers = [("x-openrouter-metadata", "enabled")];
    let (face, body) = ((Face::OpenRouter, Operation::Chat), body.to_string());
    let mut world = World::open_with(config, face, &headers, &body, Health::default());
    world.play(acts);
    let books = world.settle();
    (world, books)
}

#[test]
fn the_answer_the_metadata_and_the_record_tell_what_was_chosen_and_why() {
    let config = automatic(rules());
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let body = json!({"model": "openrouter/auto", "tools": [tool], "messages": []});
    let (world, books) = ask(&config, &body, &[answers(503, ERROR), answers(200, ANSWER)]);
    let choice = "openrouter/auto is routing.auto.rules[0] (tools): m/two, m/pass";
    let answer = world.got.json();
    assert_eq!((world.got.status, &answer["model"]), (200, &json!("m/pass")), "{answer}");
    assert_eq!(world.clusters, ["cluster-b", "cluster-c"]);
    assert_eq!(world.got.header("x-modelyard-model"), Some("m/pass"));
    let metadata = &answer["openrouter_metadata"];
    assert_eq!((&metadata["requested"], &metadata["strategy"]), (&body["model"], &json!("auto")));
    assert_eq!(metadata["summary"], format!("available=3, selected=C Ltd, {choice}"));
    assert_eq!(
        metadata["pipeline"],
        json!([{"type": "plugin", "name": "auto-router", "summary": choice}])
    );
    assert_eq!(
        (&books.record["choice"], &books.record["request_model"]),
        (&json!(choice), &body["model"])
    );
    assert_eq!(
        (&books.record["plan"], &books.record["response_model"]),
        (&json!(["b/two", "c/p", "b/up-b"]), &json!("m/pass"))
    );
}

#[test]
fn auto_goes_together_with_fallbacks_presets_variants_and_the_default() {
    let config = automatic(rules());
    // Columns: the body's fields of models, whether it has tools, the clusters of the plan, and the
    // strategy that the first answer names.
    let rows = [
        (json!({"model": "auto"}), false, &["a", "b"][..], "auto"),
        (json!({"model": "auto:floor"}), false, &["a", "b"], "auto"),
        (json!({"model": "@preset/cheap"}), false, &["a", "b"], "auto"),
        (json!({"preset": "cheap"}), true, &["b", "c", "b"], "auto"),
        (json!({"model": "auto", "models": ["m/one", "m/two"]}), false, &["a", "b", "b"], "auto"),
        (
            json!({"models": ["m/one", "openrouter/auto", "auto"]}),
            true,
            &["a", "b", "b", "c", "b"],
            "direct",
        ),
        (json!({"model": "one"}), false, &["a", "b"], "alias"),
        (json!({"model": "~m/two-latest"}), false, &["b"], "latest"),
        (json!({"model": "~m/two-latest:nitro"}), false, &["b"], "latest"),
        (json!({"model": "m/one:nitro"}), false, &["a", "b"], "direct"),
        (json!({"model": "w/x"}), false, &["a"], "direct"),
        (json!({"models": ["m/one:free", "m/two"]}), false, &["b"], "fallback"),
    ];
    for (mut body, has_tools, clusters, strategy) in rows {
        body["messages"] = json!([]);
        if has_tools {
            body["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
        }
        let (world, books) = ask(&config, &body, &[answers(200, ANSWER)]);
        let plan = books.record["plan"].as_array().unwrap().iter();
        let plan: Vec<_> = plan.map(|id| id.as_str().unwrap().split('/').next().unwrap()).collect();
        assert_eq!(plan, clusters, "{body}");
        assert_eq!(world.got.json()["openrouter_metadata"]["strategy"], strategy, "{body}");
    }
}

#[test]
fn a_variant_and_an_alias_are_explained_and_a_plain_name_is_not() {
    let config = automatic(rules());
    let rows = [
        (json!({"model": "m/one"}), Value::Null),
        (json!({"model": "w/x"}), Value::Null),
        (
            json!({"model": "one:floor"}),
            json!("one is m/one; :floor sorts by price and admits the tier flex"),
        ),
        (
            json!({"models": ["m/one:nitro", "~m/two-latest"]}),
            json!(
                ":nitro sorts by throughput and admits the tier priority; ~m/two-latest is m/two"
            ),
        ),
        (
            json!({"models": ["m/one:exacto", "m/two:free"]}),
            json!(":exacto sorts by failures, then throughput; :free admits what costs nothing"),
        ),
        (json!({"model": "auto"}), json!("auto is routing.auto.models: m/one")),
        (
            json!({"model": "auto:floor"}),
            json!(
                "auto:floor is routing.auto.models: m/one; :floor sorts by price and admits the \
                 tier flex"
            ),
        ),
    ];
    for (body, choice) in rows {
        let question = Question {
            operation: None,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
            seed: 1,
            now: START,
        };
        let told: Value =
            serde_json::from_str(&explain::explain(&config, question, &Health::default())).unwrap();
        assert_eq!(told["choice"], choice, "{body}");
        let (_, books) = ask(&config, &body, &[answers(200, ANSWER)]);
        assert_eq!(books.record.get("choice").cloned().unwrap_or_default(), choice, "{body}");
    }
}

#[test]
fn a_rule_on_a_header_is_explained_with_the_header() {
    let gold =
        json!({"when": {"header": {"name": "X-Tier", "equals": "gold"}}, "models": ["m/two"]});
    let config = automatic(json!({"rules": [gold], "models": ["m/one"]}));
    for (query, model) in [("", "m/one"), ("?header=a:b&header=X-Tier%3a+gold", "m/two")] {
        let (status, explained) = explained(&config, query);
        assert_eq!((status, &explained["plan"][0]["model"]), (200, &json!(model)), "{query}");
    }
    let (status, wrong) = explained(&config, "?header=gold");
    assert_eq!((status, &wrong["error"]["message"]), (400, &json!("header: must be name:value")));
}

/// What the operator is told of a request for `auto`.
fn explained(config: &Rc<Config>, query: &str) -> (u16, Value) {
    let body = br#"{"model":"auto"}"#.to_vec();
    let question = Question { operation: None, headers: Vec::new(), body, seed: 1, now: START };
    let path = format!("/modelyard/api/explain{query}");
    let reply = explain::answer(config, &path, question, &Health::default());
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

#[test]
fn without_a_choice_left_or_configured_the_error_says_so() {
    let rows = [
        (json!({"models": ["m/one"], "excluded_models": ["*"]}), json!({"model": "auto"}), "auto"),
        (
            json!({"models": ["m/one"], "max_price": {"prompt": "0.5"}}),
            json!({"model": "openrouter/auto"}),
            "openrouter/auto",
        ),
        (
            rules(),
            json!({"model": "auto", "plugins": [{"id": "auto-router", "allowed_models": ["y/*"]}]}),
            "auto",
        ),
    ];
    let told = ["excluded_models", "max_price", "allowed_models"];
    for ((auto, body, name), excluded) in rows.into_iter().zip(told) {
        let error = ask(&automatic(auto), &body, &[]).0.got.json()["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("No models match your request and model restrictions."),
            "{message}"
        );
        assert!(
            message.contains(&format!("auto.{excluded})"))
                || message.contains("auto-router.allowed_models)"),
            "{message}"
        );
        assert_eq!(
            (&error["code"], &error["availability"]["code"]),
            (&json!(404), &json!("constraint_filtered"))
        );
        assert_eq!(error["availability"]["excluded_by"], json!([excluded]));
        assert_eq!(error["availability"]["requested_models"], json!([name]));
    }
    for name in ["auto", "openrouter/auto", "auto:floor"] {
        let got = World::open(&config(&document()), Face::OpenAi, &CHAT.replace("m/one", name)).got;
        let message = format!("{name} is not a valid model ID: routing.auto is not configured");
        assert_eq!((got.status, &got.json()["error"]["message"]), (400, &json!(message)));
    }
}
