//! What a client asks of routing, seen from the exchange: presets, conversations, deadlines, fields
//! left out, errors.

use super::*;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The usual document with changes.
fn changed(change: impl FnOnce(&mut Value)) -> Rc<Config> {
    let mut document = document();
    change(&mut document);
    config(&document)
}

fn sent(world: &mut World) -> Value {
    let dispatch = world.begin();
    serde_json::from_slice(&dispatch.body.apply(&world.client_body)).unwrap()
}

#[test]
fn a_presets_fields_reach_upstream_and_plan() {
    let config = changed(|document| {
        document["presets"] = json!({
            "calm": {
                "model": "m/one",
                "temperature": 0,
                "provider": {"only": ["b"]},
                "stream": true,
            },
        });
    });
    for body in [
        r#"{"model":"@preset/calm"}"#,
        r#"{"preset":"calm"}"#,
        r#"{"preset":"calm","model":"m/one"}"#,
        r#"{"model":"m/one@preset/calm"}"#,
    ] {
        let mut world = World::open(&config, Face::OpenAi, body);
        let options = json!({"include_usage": true});
        let expected =
            json!({"model": "up-b", "temperature": 0, "stream": true, "stream_options": options});
        assert_eq!(sent(&mut world), expected, "{body}");
    }
    let mut own = World::open(
        &config,
        Face::OpenAi,
        r#"{"preset":"calm","provider":{},"temperature":1,"stream":false}"#,
    );
    assert_eq!(sent(&mut own), json!({"model": "up-a", "temperature": 1, "stream": false}));
    let unknown = World::open(&config, Face::OpenAi, r#"{"model":"m/one@preset/wild"}"#).got;
    assert_eq!(
        (unknown.status, unknown.json()["error"]["message"].as_str()),
        (400, Some("preset: wild is not known"))
    );
}

#[test]
fn a_merged_body_is_handed_over_whole() {
    let config = changed(|document| document["presets"] = json!({"p": {"seed": 1}}));
    let dispatch = World::open(&config, Face::OpenAi, r#"{"model":"m/one","preset":"p"}"#).begin();
    assert_eq!(dispatch.body, Body::Whole(br#"{"seed":1,"model":"up-a"}"#.to_vec()));
    assert_eq!(dispatch.header("content-length"), Some("25"));
}

#[test]
fn what_is_left_out_of_a_request_is_told() {
    let body = r#"{"model":"m/one","messages":[],"transforms":["middle-out"],
        "plugins":[{"id":"context-compression"}]}"#;
    let got = play(Face::OpenAi, body, &[answers(200, ANSWER)]).got;
    assert_eq!(got.header("x-modelyard-dropped"), Some("transforms, plugins"));
}

#[test]
fn a_client_may_shorten_the_wait_for_the_first_token_and_not_lengthen_it() {
    // Columns: the request's `provider`; the seconds until `a` is given up, and the longest wait in
    // the plan.
    let rows = [
        (r#"{}"#, 5, 10),
        (r#"{"first_token_timeout":2}"#, 2, 2),
        (r#"{"first_token_timeout":"60s"}"#, 5, 10),
    ];
    for (preferences, seconds, longest) in rows {
        let body = STREAM
            .replace("\"stream\":true", &format!("\"stream\":true,\"provider\":{preferences}"));
        let mut world = World::begun(&config(&document()), Face::OpenAi, &body);
        assert_eq!(
            world.exchange.departure().unwrap().per_try_timeout,
            Duration::from_secs(longest),
            "{preferences}"
        );
        world.headers(200, &[SSE], false);
        assert_eq!(world.wait(seconds * 1000 - 1).tick(), None, "{preferences}");
        assert_eq!(world.wait(1).tick(), Some(Verdict::Retry), "{preferences}");
    }
}

/// Plays a chat over the endpoints `a` and `b`, both with a cache, and returns what health knows
/// then.
fn turn(
    config: &Rc<Config>,
    headers: &[(&str, &str)],
    body: &str,
    health: Health,
    acts: &[Act],
) -> (World, Books) {
    let mut world =
        World::open_with(config, (Face::OpenAi, Operation::Chat), headers, body, health);
    world.play(acts);
    let books = world.settle();
    (world, books)
}

/// What the endpoints do where the first one fails and the second one answers.
fn fails_first() -> [Act; 2] {
    [answers(500, ERROR), answers(200, ANSWER)]
}

fn sticky_document() -> Value {
    let mut document = document();
    let pricing = document["models"][0]["endpoints"][0]["pricing"].clone();
    document["models"][0]["endpoints"][1]["pricing"] = pricing;
    document["routing"]["sticky"] = json!({"ttl": "10m"});
    document
}

fn sticky() -> Rc<Config> {
    config(&sticky_document())
}

#[test]
fn a_conversation_goes_on_where_it_was_answered() {
    let config = sticky();
    let ok = [answers(200, ANSWER)];
    // The first turn ends at b, because a fails it.
    let (world, books) = turn(&config, &[], CHAT, Health::default(), &fails_first());
    assert_eq!(
        (world.clusters.as_slice(), books.record.get("sticky")),
        (["cluster-a", "cluster-b"].map(String::from).as_slice(), None)
    );
    let (world, books) = turn(&config, &[], CHAT, world.health, &ok);
    assert_eq!(
        (world.clusters.as_slice(), &books.record["sticky"]),
        (["cluster-b".to_owned()].as_slice(), &json!(true))
    );
    let other = CHAT.replace("12345678", "another");
    assert_eq!(turn(&config, &[], &other, world.health.clone(), &ok).0.clusters, ["cluster-a"]);
    let sorted = CHAT.replace("\"messages\"", "\"provider\":{\"order\":[\"a\"]},\"messages\"");
    assert_eq!(turn(&config, &[], &sorted, world.health.clone(), &ok).0.clusters, ["cluster-a"]);
    let off = self::config(&document());
    assert_eq!(turn(&off, &[], CHAT, world.health, &ok).0.clusters, ["cluster-a"]);
}

#[test]
fn a_session_of_the_clients_own_goes_first_among_those_it_orders() {
    let config = sticky();
    let ok = [answers(200, ANSWER)];
    let session = [("x-session-id", "s1")];
    let (world, _) = turn(&config, &session, CHAT, Health::default(), &fails_first());
    let ordered =
        CHAT.replace("\"messages\"", "\"provider\":{\"order\":[\"a\",\"b\"]},\"messages\"");
    assert_eq!(
        turn(&config, &session, &ordered, world.health.clone(), &ok).0.clusters,
        ["cluster-b"]
    );
    let without = CHAT.replace("\"messages\"", "\"provider\":{\"order\":[\"a\"]},\"messages\"");
    assert_eq!(
        turn(&config, &session, &without, world.health.clone(), &ok).0.clusters,
        ["cluster-a"]
    );
    let priced = CHAT.replace("\"messages\"", "\"provider\":{\"sort\":\"price\"},\"messages\"");
    assert_eq!(turn(&config, &session, &priced, world.health, &ok).0.clusters, ["cluster-a"]);
}

/// Each row has the seconds between the first turn, which `b` answered, and the second one, and the
/// cluster of the second one.
#[track_caller]
fn check_stay(config: &Rc<Config>, rows: &[(u64, &str)]) {
    for (seconds, cluster) in rows {
        let (world, _) = turn(config, &[], CHAT, Health::default(), &fails_first());
        let mut health = world.health;
        let headers: &[(&str, &str)] = &[];
        let arrival = Arrival {
            face: Face::OpenAi,
            operation: Operation::Chat,
            headers,
            body: CHAT.as_bytes().to_vec(),
            random: [1, 2],
            now: START + Duration::from_secs(*seconds),
        };
        let exchange = Exchange::open(config.clone(), arrival, &mut health);
        assert_eq!(exchange.departure().unwrap().cluster, *cluster, "after {seconds} s");
    }
}

#[test]
fn a_conversation_stays_as_long_as_its_endpoints_cache() {
    check_stay(&sticky(), &[(599, "cluster-b"), (602, "cluster-a")]);
    let mut document = sticky_document();
    document["providers"]["b"]["cache_ttl"] = "1h".into();
    document["models"][0]["endpoints"][0]["cache_ttl"] = "5m".into();
    check_stay(&config(&document), &[(602, "cluster-b"), (3599, "cluster-b"), (3602, "cluster-a")]);
    document["models"][0]["endpoints"][1]["cache_ttl"] = "5m".into();
    check_stay(&config(&document), &[(299, "cluster-b"), (302, "cluster-a")]);
}

#[test]
fn what_cannot_go_elsewhere_or_costs_the_same_is_not_remembered() {
    // `w/any` has one endpoint only, and at `m/pass` cached input has no price.
    for (model, expected) in [("m/one", true), ("w/any", false), ("m/pass", false)] {
        assert_eq!(is_remembered(&sticky(), &CHAT.replace("m/one", model)), expected, "{model}");
    }
}

/// Whether it is known after a request where its conversation was answered.
fn is_remembered(config: &Rc<Config>, body: &str) -> bool {
    let (world, _) = turn(config, &[], body, Health::default(), &[answers(200, ANSWER)]);
    let key = world.exchange.conversation.unwrap().key;
    let model = world.exchange.plan.steps[0].model_id(config);
    world.health.place(route::conversation(DEFAULT_TENANT, &model, key), START).is_some()
}

#[test]
fn variants_this_gateway_cannot_serve_are_refused() {
    let rows = [
        (
            "m/one:online",
            "model: the variant :online is not supported: this gateway has no web search",
        ),
        ("m/one:thinking", "m/one:thinking is not a valid model ID"),
        ("~m/none-latest", "~m/none-latest is not a valid model ID"),
    ];
    for (model, expected) in rows {
        let got =
            World::open(&config(&document()), Face::OpenRouter, &CHAT.replace("m/one", model)).got;
        assert_eq!((got.status, got.json()["error"]["message"].as_str()), (400, Some(expected)));
    }
}

#[test]
fn openrouters_face_takes_three_fallback_models_and_openais_more() {
    let body = r#"{"models":["m/one","m/two","m/pass","w/x"]}"#;
    let got = World::open(&config(&document()), Face::OpenRouter, body).got;
    let message = got.json()["error"]["message"].clone();
    assert_eq!(
        (got.status, message.as_str()),
        (400, Some("models: 'models' array must have 3 items or fewer."))
    );
    assert_eq!(
        World::open(&config(&document()), Face::OpenAi, body).got,
        Got::default(),
        "it is on its way"
    );
}

/// Nobody can serve a body with these members: how the message begins, its code, and what excluded
/// all endpoints.
#[track_caller]
fn check_removed(members: &str, text: &str, code: &str, excluded: &[&str]) {
    let config = changed(|document| {
        document["providers"]["b"]["data_policy"] = json!({"retains": true, "trains": false});
        document["models"][0]["input_modalities"] = json!(["text"]);
        for endpoint in document["models"][0]["endpoints"].as_array_mut().unwrap() {
            endpoint["supported_parameters"] = json!([]);
        }
    });
    let body = format!(r#"{{"model":"m/one",{members}}}"#);
    let got = World::open(&config, Face::OpenRouter, &body).got;
    let error = &got.json()["error"];
    assert_eq!(got.status, 404, "{members}");
    assert!(error["message"].as_str().unwrap().starts_with(text), "{members}: {error}");
    let availability = json!({
        "code": code,
        "retryable": false,
        "requested_models": ["m/one"],
        "affected_providers": ["a", "b"],
        "excluded_by": excluded,
    });
    assert_eq!(error["availability"], availability, "{members}");
}

#[test]
fn what_removed_every_endpoint_is_told_in_openrouters_words() {
    let no_provider = "No allowed providers are available for the selected model. \
                       Providers serving m/one: a, b, but your request's";
    let rows: [(&str, &str, &str, &[&str]); 5] = [
        (
            r#""provider":{"only":["x","y"]}"#,
            &format!(
                "{no_provider} provider.only preference permits only: x, y. \
                 Removed: a/up-a (provider.only), b/up-b"
            ),
            "constraint_filtered",
            &["allowed_providers"],
        ),
        (
            r#""provider":{"ignore":["a","B Org"]}"#,
            &format!("{no_provider} provider.ignore preference excludes them."),
            "constraint_filtered",
            &["allowed_providers"],
        ),
        (
            r#""provider":{"zdr":true}"#,
            "No endpoints found matching your data policy (Zero data retention).",
            "privacy_restricted",
            &["data_policy:zdr"],
        ),
        (
            r#""provider":{"zdr":true,"data_collection":"deny"}"#,
            "No endpoints found matching your data policy",
            "privacy_restricted",
            &["data_policy:training", "data_policy:zdr"],
        ),
        (
            r#""provider":{"only":["a"],"zdr":true}"#,
            "No endpoints found for m/one. \
             Removed: a/up-a (data policy: retains prompts), b/up-b (provider.only)",
            "constraint_filtered",
            &["allowed_providers", "data_policy:zdr"],
        ),
    ];
    for (members, text, code, excluded) in rows {
        check_removed(members, text, code, excluded);
    }
    let unknown =
        World::open(&config(&document()), Face::OpenRouter, r#"{"model":"no"}"#).got.json();
    assert_eq!(unknown["error"]["availability"]["code"], "model_not_found");
}

#[test]
fn what_no_endpoint_can_do_is_told_in_openrouters_words() {
    let image = r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]"#;
    for (members, text) in [
        (
            r#""tools":[{}],"provider":{"require_parameters":true}"#,
            "No endpoints found that support tool use",
        ),
        (
            r#""seed":1,"provider":{"require_parameters":true}"#,
            "No endpoints found that can handle the requested parameters.",
        ),
        (&format!(r#""messages":{image}"#), "No endpoints found that support image input"),
    ] {
        check_removed(members, text, "constraint_filtered", &["require_parameters"]);
    }
}

/// A configuration whose `m/one` has one endpoint, which has a small context and is of the tier
/// flex.
fn small_flex() -> Rc<Config> {
    changed(|document| {
        document["models"][0]["context_length"] = 100.into();
        document["models"][0]["max_completion_tokens"] = 50.into();
        document["models"][0]["input_modalities"] = json!(["text"]);
        document["models"][0]["endpoints"] =
            json!([{"provider": "a", "model": "up", "tag": "flex"}]);
    })
}

/// The error that a request gets which nobody can serve.
fn refusal(config: &Rc<Config>, body: &str) -> Value {
    World::open(config, Face::OpenRouter, body).got.json()["error"].clone()
}

#[test]
fn every_other_filter_is_named_for_people_and_for_machines() {
    let config = small_flex();
    let long = format!(r#""prompt":"{}""#, "x".repeat(900));
    // Columns: members of the body, the reason, and the name in `excluded_by`.
    let rows = [
        (
            r#""provider":{"order":["a/flex"],"max_price":{"prompt":1}}"#,
            "provider.max_price",
            "max_price",
        ),
        (
            r#""provider":{"order":["a/flex"],"quantizations":["fp8"]}"#,
            "provider.quantizations",
            "quantization",
        ),
        (
            r#""provider":{"order":["a/flex"],"enforce_distillable_text":true}"#,
            "provider.enforce_distillable_text",
            "enforce_distillable_text",
        ),
        (r#""service_tier":"flex","max_tokens":51"#, "output length", "context_length"),
        (&format!(r#""service_tier":"flex",{long}"#), "context length", "context_length"),
        (r#""service_tier":"priority""#, "service tier flex was not asked for", "service_tier"),
        (r#""models":["m/one:free"],"service_tier":"flex""#, "not free", "free"),
    ];
    for (members, reason, excluded) in rows {
        let model = if members.contains("models") { "" } else { r#""model":"m/one","# };
        let error = refusal(&config, &format!("{{{model}{members}}}"));
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("No endpoints found for m/one"), "{members}: {message}");
        assert!(
            message.ends_with(&format!(". Removed: a/up#flex ({reason})")),
            "{members}: {message}"
        );
        assert_eq!(error["code"], 404, "{members}");
        let availability = &error["availability"];
        assert_eq!(availability["code"], "constraint_filtered", "{members}");
        assert_eq!(availability["excluded_by"], json!([excluded]), "{members}");
    }
}

#[test]
fn audio_that_no_endpoint_takes_is_told_in_openrouters_words() {
    let audio = r#"{"model":"m/one","service_tier":"flex",
        "messages":[{"role":"user","content":[{"type":"input_audio"}]}]}"#;
    let error = refusal(&small_flex(), audio);
    let text = "No endpoints found that support audio input";
    assert!(error["message"].as_str().unwrap().starts_with(text), "{error}");
}

#[test]
fn whom_a_flex_request_leaves_out_is_named_beside_the_flex_endpoint() {
    let flex = changed(|document| {
        document["models"][0]["endpoints"][0]["tag"] = "flex".into();
    });
    let body = r#"{"model":"m/one","service_tier":"flex","provider":{"ignore":["a"]}}"#;
    let error = refusal(&flex, body);
    let removed = ". Removed: a/up-a#flex (provider.ignore), b/up-b (service_tier: flex)";
    assert!(error["message"].as_str().unwrap().ends_with(removed), "{error}");
}
