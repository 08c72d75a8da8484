//! What is read of a request.

use std::time::Duration;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::catalog::Price;
use crate::request::{Cutoffs, DataCollection, MaxPrice, SortBy};

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(ToString::to_string).collect())
}

fn price(usd: &str) -> Option<Price> {
    Price::parse(usd).ok()
}

#[test]
fn every_preference_is_read() {
    let body = r#"{"provider":{"order":["a"],"only":["b","c"],"ignore":["d"],
        "allow_fallbacks":false,"zdr":true,"require_parameters":true,"data_collection":"deny",
        "enforce_distillable_text":true,"quantizations":["fp8"],
        "sort":{"by":"exacto","partition":"none"},
        "max_price":{"prompt":1,"completion":"2.5","audio":1e-1,"image":null},
        "preferred_min_throughput":50,"preferred_max_latency":{"p50":1,"p99":"2.5"},
        "first_token_timeout":2.5,"x":{}}}"#;
    let expected = Preferences {
        order: names(&["a"]),
        only: names(&["b", "c"]),
        ignore: names(&["d"]),
        allow_fallbacks: Some(false),
        require_parameters: Some(true),
        data_collection: Some(DataCollection::Deny),
        zdr: Some(true),
        enforce_distillable_text: Some(true),
        quantizations: names(&["fp8"]),
        sort: Some(SortBy::Exacto),
        partition: Some(Partition::None),
        max_price: Some(MaxPrice {
            prompt: price("1"),
            completion: price("2.5"),
            audio: price("0.1"),
            ..MaxPrice::default()
        }),
        preferred_min_throughput: Some(Cutoffs { bounds: [Some(50.0), None, None, None] }),
        preferred_max_latency: Some(Cutoffs { bounds: [Some(1.0), None, None, Some(2.5)] }),
        first_token_timeout: Some(Duration::from_millis(2500)),
    };
    assert_eq!(*request(body).preferences(), expected);
    for nothing in [
        r#"{"provider":{"sort":null,"order":null}}"#,
        r#"{"provider":{"order":[],"only":[],"ignore":[],"quantizations":[]}}"#,
    ] {
        assert_eq!(*request(nothing).preferences(), Preferences::default(), "{nothing}");
    }
    let text = request(r#"{"provider":{"first_token_timeout":"500ms"}}"#);
    assert_eq!(text.preferences().first_token_timeout, Some(Duration::from_millis(500)));
}

#[test]
fn route_is_the_old_name_of_the_partition() {
    let rows = [
        (r#"{}"#, Partition::Model),
        (r#"{"route":"fallback"}"#, Partition::Model),
        (r#"{"route":"sort"}"#, Partition::None),
        (r#"{"route":null}"#, Partition::Model),
        (r#"{"route":"sort","provider":{"sort":{"partition":"model"}}}"#, Partition::Model),
        (r#"{"provider":{"sort":{"by":"price","partition":"none"}}}"#, Partition::None),
    ];
    for (body, expected) in rows {
        assert_eq!(request(body).partition(), expected, "{body}");
    }
}

#[test]
fn what_is_known_and_not_applied_is_named() {
    let rows: &[(&str, &[&str])] = &[
        (r#"{"transforms":[],"plugins":[]}"#, &[]),
        (r#"{"transforms":null,"plugins":null,"debug":null}"#, &[]),
        (r#"{"plugins":[{"id":"web","enabled":false}]}"#, &[]),
        (r#"{"plugins":[{"allowed_models":["a/*"],"id":"auto-router","cost_tier":null}]}"#, &[]),
        (r#"{"plugins":[{"id":"auto-router","cost_tier":"low"}]}"#, &["plugins"]),
        (r#"{"plugins":[{"id":"auto-router","cost_tier":"low","enabled":false}]}"#, &[]),
        (r#"{"plugins":[{"id":"auto-beta-router","allowed_models":["a/*"]}]}"#, &["plugins"]),
        (r#"{"transforms":["middle-out"]}"#, &["transforms"]),
        (
            r#"{"plugins":[{"id":"response-healing"}],"debug":{"echo_upstream_body":true}}"#,
            &["plugins", "debug"],
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(request(body).unapplied(), *expected, "{body}");
    }
}

#[test]
fn a_preset_is_named_by_a_field_or_behind_the_model() {
    let rows = [
        (r#"{"model":"m"}"#, None),
        (r#"{"preset":"p"}"#, Some("p")),
        (r#"{"model":"@preset/p"}"#, Some("p")),
        (r#"{"model":"a/b@preset/p","preset":"q"}"#, Some("p")),
    ];
    for (body, expected) in rows {
        assert_eq!(request(body).preset(), expected, "{body}");
    }
}

/// A chat in which the user says `first`, and then come the turns of `more`.
fn chat(first: &str, more: &str) -> String {
    let system = r#"{"role":"system","content":"be kind"}"#;
    format!(r#"{{"messages":[{system},{{"role":"user","content":"{first}"}}{more}]}}"#)
}

fn conversation(body: &str, session: Option<&str>) -> Option<ConversationId> {
    request(body).conversation(session)
}

#[test]
fn a_conversation_is_told_by_its_session_its_cache_key_or_its_opening() {
    let turn = r#",{"role":"assistant","content":"x"},{"role":"user","content":"y"}"#;
    let opening = conversation(&chat("hi", ""), None).unwrap();
    assert_eq!(conversation(&chat("hi", turn), None), Some(opening), "later turns change nothing");
    assert_ne!(conversation(&chat("ho", ""), None), Some(opening));
    let other_instructions = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
    assert_ne!(conversation(other_instructions, None), Some(opening));
    assert!(!opening.is_named);
    let session = conversation(r#"{"session_id":"s","prompt_cache_key":"c"}"#, Some("h")).unwrap();
    assert!(session.is_named);
    assert_eq!(conversation(&chat("hi", ""), Some("s")), Some(session), "body and header alike");
    let key = conversation(r#"{"prompt_cache_key":"s"}"#, None).unwrap();
    assert!(key != session && !key.is_named);
    assert_eq!(conversation(r#"{"prompt_cache_key":1,"session_id":""}"#, None), None);
    for body in [
        r#"{"input":"hi"}"#,
        r#"{"prompt":"hi"}"#,
        r#"{"system":"s","messages":[{"content":"hi"}]}"#,
    ] {
        assert!(conversation(body, None).is_some(), "{body}");
    }
    assert_eq!(conversation("{}", None), None);
}

#[test]
fn models_are_read_in_order_each_once() {
    let rows: &[(&str, &[&str])] = &[
        (r#"{}"#, &[]),
        (r#"{"model":null}"#, &[]),
        (r#"{"model":"a"}"#, &["a"]),
        (r#"{"mod\u0065l":"a\u002fb"}"#, &["a/b"]),
        (r#"{"models":["b","a","b"]}"#, &["b", "a"]),
        (r#"{"models":["b","a"],"model":"a"}"#, &["a", "b"]),
        (r#"{"models":null,"model":"a"}"#, &["a"]),
        (r#"{"models":[],"model":"a"}"#, &["a"]),
        (r#"{"model":"a","fallbacks":[{"model":"b"},{"x":1,"model":"c"}]}"#, &["a", "b", "c"]),
    ];
    for (body, expected) in rows {
        assert_eq!(request(body).models().collect::<Vec<_>>(), *expected, "{body}");
    }
}

#[test]
fn facts_of_streams_and_sizes_are_read() {
    // Columns: the body; whether it asks for a stream and for its usage, and the largest output.
    let rows = [
        (r#"{}"#, false, false, None),
        (r#"{"stream":null}"#, false, false, None),
        (r#"{"stream":true}"#, true, false, None),
        (r#"{"stream":true,"stream_options":{"include_usage":true}}"#, true, true, None),
        (r#"{"stream":true,"stream_options":{"include_usage":false}}"#, true, false, None),
        (r#"{"stream":true,"stream_options":{"include_usage":1}}"#, true, false, None),
        (r#"{"stream":true,"stream_options":{"incl\u0075de_usage":true}}"#, true, true, None),
        (r#"{"max_tokens":10}"#, false, false, Some(10)),
        (r#"{"max_tokens":10,"max_completion_tokens":20}"#, false, false, Some(20)),
        (r#"{"max_completion_tokens":1e3}"#, false, false, Some(1000)),
        (r#"{"max_tokens":"10"}"#, false, false, None),
        (r#"{"max_tokens":null}"#, false, false, None),
    ];
    for (body, stream, usage, output) in rows {
        let request = request(body);
        assert_eq!(
            (request.is_stream(), request.includes_usage(), request.max_output()),
            (stream, usage, output),
            "{body}"
        );
    }
}

#[test]
fn text_is_counted_in_every_form_of_input() {
    let text = "x".repeat(78);
    let rows = [
        format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#),
        format!(r#"{{"messages":[{{"content":[{{"type":"text","text":"{text}"}}]}}]}}"#),
        format!(r#"{{"prompt":"{text}"}}"#),
        format!(r#"{{"input":"{text}"}}"#),
    ];
    for body in rows {
        assert_eq!(
            (request(&body).input_estimate(), request(&body).least_input_tokens()),
            (20, 10),
            "{body}"
        );
    }
    let pieces = format!(r#"{{"input":["{}","{}"]}}"#, "x".repeat(38), "x".repeat(38));
    assert_eq!(request(&pieces).input_estimate(), 20);
    let image = format!(
        r#"{{"messages":[{{"content":[{{"type":"image_url","image_url":{{"url":"{text}"}}}}]}}]}}"#
    );
    assert_eq!(request(&image).input_estimate(), 0, "an image is no text");
    for odd in [
        r#"{"messages":null}"#,
        r#"{"messages":"x"}"#,
        r#"{"messages":[1,null,"x",{"content":7}]}"#,
    ] {
        assert_eq!(request(odd).input_estimate(), 0, "{odd}");
    }
}

#[test]
fn other_kinds_of_input_are_seen() {
    let rows = [
        ("image_url", Some(Modality::Image)),
        ("input_audio", Some(Modality::Audio)),
        ("file", Some(Modality::File)),
        ("video_url", Some(Modality::Video)),
        ("text", None),
        ("image\\u005furl", Some(Modality::Image)),
    ];
    for (kind, expected) in rows {
        let body =
            format!(r#"{{"messages":[{{"content":"x"}},{{"content":[{{"type":"{kind}"}}]}}]}}"#);
        let request = request(&body);
        for modality in Modality::ALL {
            assert_eq!(request.uses(modality), Some(modality) == expected, "{kind} {modality:?}");
        }
    }
}

#[test]
fn parameters_are_what_is_sent_and_not_null() {
    let body = r#"{"model":"m","temperature":0,"tools":[],"seed":null,
        "response_format":{"type":"json_object"},"x":1}"#;
    let request = request(body);
    assert_eq!(
        request.parameters().collect::<Vec<_>>(),
        ["temperature", "response_format", "tools"]
    );
    assert_eq!(request.capabilities().collect::<Vec<_>>(), ["tools", "response_format"]);
}

#[test]
fn what_auto_may_choose_from_is_read() {
    let (both, nothing) = (["a/* b", "*:free"], ["", ""]);
    let auto = r#""allowed_models":["a/*","b"],"id":"auto-router","excluded_models":["*:free"]"#;
    for (plugins, expected) in [
        (format!("{{\"id\":\"response-healing\"}},{{{auto}}}"), both),
        (format!("{{{auto},\"enabled\":true}}"), both),
        (r#"{"id":"auto-router","allowed_models":null}"#.to_owned(), nothing),
        (format!("{{{auto},\"enabled\":false}}"), nothing),
    ] {
        let request = request(&format!("{{\"plugins\":[{plugins}]}}"));
        let router = request.auto_router().cloned().unwrap_or_default();
        let read = [router.allowed_models.join(" "), router.excluded_models.join(" ")];
        assert_eq!(read, expected, "{plugins}");
    }
}

#[test]
fn what_is_asked_of_a_model_is_seen_in_every_dialect() {
    // Columns: the body, the form of the answer, and whether the model is to think.
    let rows = [
        (r#"{}"#, None, false),
        (r#"{"response_format":{"type":"json_object"}}"#, Some("json_object"), false),
        (
            r#"{"response_format":{"json_schema":{"type":"text"},"type":"json_schema"}}"#,
            Some("json_schema"),
            false,
        ),
        (r#"{"response_format":{"type":"text"}}"#, None, false),
        (r#"{"response_format":"json_object"}"#, None, false),
        (r#"{"response_format":null,"text":null,"thinking":null,"reasoning":null}"#, None, false),
        (
            r#"{"text":{"verbosity":"low","format":{"type":"json_schema","name":"x"}}}"#,
            Some("json_schema"),
            false,
        ),
        (r#"{"text":{"format":null}}"#, None, false),
        (r#"{"text":"json_schema"}"#, None, false),
        (
            r#"{"output_config":{"effort":"low","format":{"type":"json_schema"}}}"#,
            Some("json_schema"),
            false,
        ),
        (r#"{"output_format":{"type":"json_schema"}}"#, Some("json_schema"), false),
        (r#"{"reasoning":{}}"#, None, true),
        (r#"{"reasoning":{"effort":"low"}}"#, None, true),
        (r#"{"reasoning":{"effort":"unheard-of"}}"#, None, true),
        (r#"{"reasoning":{"effort":"none"}}"#, None, false),
        (r#"{"reasoning":{"max_tokens":9,"enabled":false}}"#, None, false),
        (r#"{"reasoning":true}"#, None, false),
        (r#"{"reasoning_effort":"minimal"}"#, None, true),
        (r#"{"reasoning_effort":"none"}"#, None, false),
        (r#"{"reasoning_effort":"high","reasoning":{"effort":"high"}}"#, None, true),
        (r#"{"include_reasoning":true}"#, None, true),
        (r#"{"include_reasoning":false}"#, None, false),
        (r#"{"thinking":{"type":"enabled","budget_tokens":1024}}"#, None, true),
        (r#"{"thinking":{"type":"adaptive"}}"#, None, true),
        (r#"{"thinking":{"type":"disabled"}}"#, None, false),
    ];
    for (body, format, reasoning) in rows {
        let request = request(body);
        assert_eq!(
            (request.response_format(), request.asks_for_reasoning()),
            (format, reasoning),
            "{body}"
        );
        let uses_format = request.capabilities().any(|name| name == "response_format");
        assert_eq!(uses_format, format.is_some() || request.has("response_format"), "{body}");
    }
}

#[test]
fn a_service_tier_is_known_by_all_its_names_and_others_are_the_upstreams_to_judge() {
    for (value, expected) in [
        (r#""default""#, Some(ServiceTier::Default)),
        (r#""standard_only""#, Some(ServiceTier::Default)),
        (r#""flex""#, Some(ServiceTier::Flex)),
        (r#""priority""#, Some(ServiceTier::Priority)),
        (r#""fast""#, Some(ServiceTier::Priority)),
        (r#""auto""#, None),
        (r#""scale""#, None),
        (r#""Flex""#, None),
        ("null", None),
        ("7", None),
        ("{}", None),
    ] {
        assert_eq!(
            request(&format!("{{\"service_tier\":{value}}}")).service_tier(),
            expected,
            "{value}"
        );
    }
}
