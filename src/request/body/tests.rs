//! What is read of a request, what is refused, and what the upstream gets of it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::*;
use crate::request::{Cutoffs, DataCollection, MaxPrice, SortBy};
use crate::wire::split::Random;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn read(body: &[u8]) -> Result<Request, Error> {
    Request::parse(body.to_vec(), &Limits::default())
}

#[track_caller]
fn request(body: &str) -> Request {
    read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// An error's variant, with the name of the field it is about.
fn variant(error: &Error) -> String {
    match error {
        Error::InvalidJson(_) => "json".to_owned(),
        Error::DuplicateKey(key) => format!("twice {key}"),
        Error::InvalidField { field, .. } => format!("field {field}"),
        Error::TooLarge { limit: Some(_) } => "large".to_owned(),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn check_refused(body: &[u8], expected: &str) {
    let shown = String::from_utf8_lossy(body.get(..body.len().min(80)).unwrap_or_default());
    match read(body) {
        Ok(_) => panic!("accepted: {shown}"),
        Err(error) => {
            assert_eq!(variant(&error), expected, "{shown}");
            assert!((400..500).contains(&error.status()), "{shown}: {}", error.status());
            assert!(error.to_string().len() < 500, "{shown}: the message grows with the input");
        }
    }
}

#[test]
fn what_is_no_json_object_is_refused() {
    let rows = [
        "",
        " ",
        "\n",
        "hello",
        "<html>",
        "{",
        "}",
        "{}}",
        "{} {}",
        "{}x",
        "{},",
        "{\"model\":\"m\"",
        "{\"model\":\"m",
        "{\"model\"}",
        "{\"model\":}",
        "{\"model\":\"m\",}",
        "{model:\"m\"}",
        "{'model':'m'}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":1 \"b\":2}",
        "{\"a\" 1}",
        "// x\n{}",
        "{/**/}",
        "\u{feff}{\"model\":\"m\"}",
        "[]",
        "[{}]",
        "null",
        "true",
        "1",
        "\"{}\"",
        "{\"a\":[1,]}",
        "{\"a\":tru}",
    ];
    for row in rows {
        check_refused(row.as_bytes(), "json");
    }
}

#[test]
fn every_truncation_is_refused() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"h\u00e9 \ud83d\ude00"}],"stream":true,"temperature":1.5e0}"#;
    assert!(read(body).is_ok());
    for end in 0..body.len() {
        check_refused(&body[..end], "json");
    }
}

#[test]
fn trailing_bytes_are_refused_and_white_space_is_none() {
    for tail in ["x", "{}", ",", "\0", "]", "\"", "\u{a0}"] {
        check_refused(format!("{{\"model\":\"m\"}}{tail}").as_bytes(), "json");
    }
    assert!(read(b" \t\r\n{\"model\":\"m\"}\r\n\t ").is_ok());
}

#[test]
fn what_is_not_utf8_is_refused_wherever_it_stands() {
    for bad in [&b"\xff"[..], b"\xc3", b"\xe2\x82", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        check_refused(&[b"{\"model\":\"", bad, b"\"}"].concat(), "json");
        check_refused(&[b"{\"", bad, b"\":1}"].concat(), "json");
        check_refused(&[b"{\"messages\":[{\"content\":\"a", bad, b"b\"}]}"].concat(), "json");
        check_refused(&[b"{\"x\":[[{\"y\":\"", bad, b"\"}]]}"].concat(), "json");
        check_refused(&[b"{", bad, b"}"].concat(), "json");
    }
}

#[test]
fn deep_nesting_is_refused_wherever_it_stands() {
    let (open, close) = ("[".repeat(5_000), "]".repeat(5_000));
    for (before, after) in [("{\"x\":", "}"), ("{\"messages\":", "}"), ("{\"model\":\"m\",\"tools\":", "}"), ("", "")] {
        check_refused(format!("{before}{open}{close}{after}").as_bytes(), "json");
        check_refused(format!("{before}{open}").as_bytes(), "json");
    }
    let objects = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    check_refused(objects.as_bytes(), "json");
    let rows = [
        ("model", "field model"),
        ("models", "field models"),
        ("stream", "json"),
        ("stream_options", "field stream_options"),
        ("provider", "field provider"),
        ("prompt", "json"),
    ];
    for (field, expected) in rows {
        check_refused(format!("{{\"{field}\":{open}{close}}}").as_bytes(), expected);
    }
}

#[test]
fn fields_of_a_wrong_type_or_value_are_refused() {
    let long = format!("\"{}\"", "x".repeat(10_000));
    let rows = [
        ("model", "1"),
        ("model", "true"),
        ("model", "[\"m\"]"),
        ("model", "{}"),
        ("model", "\"\""),
        ("model", long.as_str()),
        ("models", "\"m\""),
        ("models", "{}"),
        ("models", "[1]"),
        ("models", "[\"m\",null]"),
        ("stream", "1"),
        ("stream", "\"true\""),
        ("stream", "{}"),
        ("stream_options", "true"),
        ("stream_options", "[]"),
        ("provider", "1"),
        ("provider", "\"openai\""),
        ("provider", "[]"),
        ("route", "\"best\""),
        ("route", "1"),
        ("preset", "1"),
        ("session_id", "1"),
        ("session_id", long.as_str()),
        ("transforms", "\"middle-out\""),
        ("transforms", "[1]"),
        ("plugins", "{}"),
        ("plugins", "[1]"),
        ("plugins", "[{}]"),
        ("plugins", "[{\"id\":\"web\"}]"),
        ("plugins", "[{\"id\":\"web\",\"enabled\":true}]"),
        ("plugins", "[{\"id\":\"response-healing\"},{\"id\":\"file-parser\"}]"),
        ("plugins", "[{\"id\":\"unheard-of\"}]"),
        ("fallbacks", "{}"),
        ("fallbacks", "[\"m\"]"),
        ("fallbacks", "[{}]"),
    ];
    for (field, value) in rows {
        check_refused(format!("{{\"{field}\":{value}}}").as_bytes(), &format!("field {field}"));
    }
}

#[test]
fn preferences_of_a_wrong_type_or_value_are_refused_by_their_path() {
    // What stands in `provider`; the path, and what is said of it.
    let rows = [
        (r#"{"order":"openai"}"#, "provider.order: must be an array of strings"),
        (r#"{"only":[1]}"#, "provider.only: must be an array of strings"),
        (r#"{"ignore":[null]}"#, "provider.ignore: must be an array of strings"),
        (r#"{"allow_fallbacks":"no"}"#, "provider.allow_fallbacks: must be true or false"),
        (r#"{"require_parameters":1}"#, "provider.require_parameters: must be true or false"),
        (r#"{"zdr":"yes"}"#, "provider.zdr: must be true or false"),
        (r#"{"enforce_distillable_text":[]}"#, "provider.enforce_distillable_text: must be true or false"),
        (r#"{"only":["a"],"only":["b"]}"#, "provider: has the key \"only\" twice"),
        (r#"{"data_collection":"maybe"}"#, "provider.data_collection: must be allow or deny"),
        (r#"{"data_collection":false}"#, "provider.data_collection: must be a string"),
        (r#"{"sort":"best"}"#, "provider.sort: must be price, throughput, latency or exacto"),
        (r#"{"sort":["price"]}"#, "provider.sort: must be a string or an object"),
        (r#"{"sort":{"by":1}}"#, "provider.sort.by: must be a string"),
        (r#"{"sort":{"partition":"all"}}"#, "provider.sort.partition: must be model or none"),
        (r#"{"max_price":1}"#, "provider.max_price: must be an object"),
        (
            r#"{"max_price":{"prompt":"cheap"}}"#,
            "provider.max_price.prompt: must be a price in USD, a number or a decimal string",
        ),
        (
            r#"{"max_price":{"audio":-1}}"#,
            "provider.max_price.audio: must be a price in USD, a number or a decimal string",
        ),
        (
            r#"{"preferred_max_latency":{"p90":"soon"}}"#,
            "provider.preferred_max_latency: must be a number, or an object of p50, p75, p90, p99",
        ),
        (
            r#"{"preferred_min_throughput":true}"#,
            "provider.preferred_min_throughput: must be a number, or an object of p50, p75, p90, p99",
        ),
        (
            r#"{"first_token_timeout":0}"#,
            "provider.first_token_timeout: must be seconds, or a duration such as \"500ms\" or \"10s\"",
        ),
        (
            r#"{"first_token_timeout":"fast"}"#,
            "provider.first_token_timeout: must be seconds, or a duration such as \"500ms\" or \"10s\"",
        ),
    ];
    for (preferences, expected) in rows {
        let error = read(format!(r#"{{"provider":{preferences}}}"#).as_bytes()).unwrap_err();
        assert_eq!((error.status(), error.to_string().as_str()), (400, expected), "{preferences}");
    }
    let quantizations = read(br#"{"provider":{"quantizations":["int3"]}}"#).unwrap_err().to_string();
    assert!(quantizations.starts_with("provider.quantizations: must be of int4, int8,"), "{quantizations}");
}

#[test]
fn every_preference_is_read() {
    let body = r#"{"provider":{"order":["a"],"only":["b","c"],"ignore":[],"allow_fallbacks":false,"zdr":true,
        "require_parameters":true,"data_collection":"deny","enforce_distillable_text":true,"quantizations":["fp8"],
        "sort":{"by":"exacto","partition":"none"},"max_price":{"prompt":1,"completion":"2.5","audio":1e-1,"image":null},
        "preferred_min_throughput":50,"preferred_max_latency":{"p50":1,"p99":"2.5"},"first_token_timeout":2.5,"x":{}}}"#;
    let price = |text| crate::usage::Price::parse(text).ok();
    let names = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect::<Vec<_>>());
    let expected = Preferences {
        order: names(&["a"]),
        only: names(&["b", "c"]),
        ignore: names(&[]),
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
    assert_eq!(*request(r#"{"provider":{"sort":null,"order":null}}"#).preferences(), Preferences::default());
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
        (r#"{"transforms":["middle-out"]}"#, &["transforms"]),
        (r#"{"plugins":[{"id":"response-healing"}],"debug":{"echo_upstream_body":true}}"#, &["plugins", "debug"]),
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

#[test]
fn a_conversation_is_told_by_its_session_its_cache_key_or_its_opening() {
    let chat = |first: &str, more: &str| {
        format!(
            r#"{{"messages":[{{"role":"system","content":"be kind"}},{{"role":"user","content":"{first}"}}{more}]}}"#
        )
    };
    let of = |body: &str, session| request(body).conversation(session);
    let turn = r#",{"role":"assistant","content":"x"},{"role":"user","content":"y"}"#;
    let opening = of(&chat("hi", ""), None).unwrap();
    assert_eq!(of(&chat("hi", turn), None), Some(opening), "later turns change nothing");
    assert_ne!(of(&chat("ho", ""), None), Some(opening));
    assert_ne!(of(r#"{"messages":[{"role":"user","content":"hi"}]}"#, None), Some(opening), "other instructions");
    assert!(!opening.is_named);
    let session = of(r#"{"session_id":"s","prompt_cache_key":"c"}"#, Some("h")).unwrap();
    assert!(session.is_named);
    assert_eq!(of(&chat("hi", ""), Some("s")), Some(session), "body and header alike");
    let key = of(r#"{"prompt_cache_key":"s"}"#, None).unwrap();
    assert!(key != session && !key.is_named);
    assert_eq!(of(r#"{"prompt_cache_key":1,"session_id":""}"#, None), None);
    for body in [r#"{"input":"hi"}"#, r#"{"prompt":"hi"}"#, r#"{"system":"s","messages":[{"content":"hi"}]}"#] {
        assert!(of(body, None).is_some(), "{body}");
    }
    assert_eq!(of("{}", None), None);
}

#[test]
fn foreign_text_is_not_repeated_at_length() {
    let policy = format!("{{\"provider\":{{\"data_collection\":\"{}\"}}}}", "x".repeat(100_000));
    check_refused(policy.as_bytes(), "field provider.data_collection");
}

#[test]
fn a_list_of_models_has_an_end() {
    let models: Vec<String> = (0..100_000).map(|n| format!("m{n}")).collect();
    let body = serde_json::json!({ "models": models });
    check_refused(body.to_string().as_bytes(), "field models");
    check_refused(format!("{{\"models\":[\"{}\"]}}", "x".repeat(10_000)).as_bytes(), "field models");
    check_refused(br#"{"models":[""]}"#, "field models");
    let fallbacks: Vec<_> = (0..21).map(|n| serde_json::json!({"model": format!("m{n}")})).collect();
    check_refused(serde_json::json!({"fallbacks": fallbacks}).to_string().as_bytes(), "field fallbacks");
}

#[test]
fn a_second_key_that_the_gateway_reads_is_refused_however_it_is_spelled() {
    let rows = [
        (r#"{"model":"a","model":"b"}"#, "model"),
        (r#"{"model":"a","x":1,"mod\u0065l":"b"}"#, "model"),
        (r#"{"\u006d\u006F\u0064\u0065\u006c":"a","model":"b"}"#, "model"),
        (r#"{"model":null,"model":"b"}"#, "model"),
        (r#"{"model":"a","model":null}"#, "model"),
        (r#"{"model":null,"model":null}"#, "model"),
        (r#"{"models":["a"],"models":["b"]}"#, "models"),
        (r#"{"stream":true,"messages":[],"stream":false}"#, "stream"),
        (r#"{"stream_options":null,"stream_options":{}}"#, "stream_options"),
        (r#"{"messages":[],"messages":[{}]}"#, "messages"),
        (r#"{"prompt":"a","prompt":"b"}"#, "prompt"),
        (r#"{"input":"a","input":"b"}"#, "input"),
        (r#"{"provider":{},"provider":{}}"#, "provider"),
        (r#"{"max_tokens":1,"max_tokens":2}"#, "max_tokens"),
        (r#"{"tools":[],"tools":[]}"#, "tools"),
        (r#"{"transforms":[],"transforms":null}"#, "transforms"),
        (r#"{"temperature":1,"temper\u0061ture":1}"#, "temperature"),
    ];
    for (body, field) in rows {
        check_refused(body.as_bytes(), &format!("twice {field}"));
    }
    // Nobody reads these here.
    assert!(read(br#"{"x":1,"x":2,"messages":[{"content":"a","content":"b"}]}"#).is_ok());
}

#[test]
fn a_body_over_the_limit_is_refused_and_one_at_it_is_not() {
    let limits = Limits { request_bytes: 1024, ..Limits::default() };
    let body = |length: usize| format!("{{\"model\":\"m\"{}}}", " ".repeat(length - 13)).into_bytes();
    assert!(Request::parse(body(1024), &limits).is_ok());
    let error = Request::parse(body(1025), &limits).unwrap_err();
    assert_eq!((variant(&error).as_str(), error.status()), ("large", 413));
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
        assert_eq!(request(body).models(), *expected, "{body}");
    }
}

#[test]
fn facts_of_streams_and_sizes_are_read() {
    // Body; streamed, usage asked for, largest output.
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
        assert_eq!((request(&body).input_estimate(), request(&body).least_input_tokens()), (20, 10), "{body}");
    }
    let pieces = format!(r#"{{"input":["{}","{}"]}}"#, "x".repeat(38), "x".repeat(38));
    assert_eq!(request(&pieces).input_estimate(), 20);
    let image = format!(r#"{{"messages":[{{"content":[{{"type":"image_url","image_url":{{"url":"{text}"}}}}]}}]}}"#);
    assert_eq!(request(&image).input_estimate(), 0, "an image is no text");
    for odd in [r#"{"messages":null}"#, r#"{"messages":"x"}"#, r#"{"messages":[1,null,"x",{"content":7}]}"#] {
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
        let body = format!(r#"{{"messages":[{{"content":"x"}},{{"content":[{{"type":"{kind}"}}]}}]}}"#);
        let request = request(&body);
        for modality in Modality::ALL {
            assert_eq!(request.uses(modality), Some(modality) == expected, "{kind} {modality:?}");
        }
    }
}

#[test]
fn parameters_are_what_is_sent_and_not_null() {
    let body = r#"{"model":"m","temperature":0,"tools":[],"seed":null,"response_format":{"type":"json_object"},"x":1}"#;
    let request = request(body);
    assert_eq!(request.parameters().collect::<Vec<_>>(), ["temperature", "response_format", "tools"]);
    assert_eq!(request.capabilities().collect::<Vec<_>>(), ["tools", "response_format"]);
}

/// Body, upstream's body for the model `up`.
const EDITS: &[(&str, &str)] = &[
    // The model, wherever it stands and however it is spelled.
    (r#"{"model":"m"}"#, r#"{"model":"up"}"#),
    (r#"{"model":"up"}"#, r#"{"model":"up"}"#),
    (r#"{"model":"m","a":1}"#, r#"{"model":"up","a":1}"#),
    (r#"{"a":1,"model":"m","b":2}"#, r#"{"a":1,"model":"up","b":2}"#),
    (r#"{"a":1,"model":"m"}"#, r#"{"a":1,"model":"up"}"#),
    (r#"{"a":1}"#, r#"{"model":"up","a":1}"#),
    (r#"{}"#, r#"{"model":"up"}"#),
    ("{ }", "{\"model\":\"up\" }"),
    (r#"{"model":null}"#, r#"{"model":"up"}"#),
    (r#"{"a":1,"model":null,"b":2}"#, r#"{"a":1,"model":"up","b":2}"#),
    (r#"{"mod\u0065l":"m"}"#, r#"{"mod\u0065l":"up"}"#),
    (r#"{"model":"u\u0070"}"#, r#"{"model":"u\u0070"}"#),
    (r#"{"model":"\ud83d\ude00"}"#, r#"{"model":"up"}"#),
    // Fields of the gateway alone: at the start, in the middle, at the end, all of them.
    (r#"{"models":["x"],"model":"m"}"#, r#"{"model":"up"}"#),
    (r#"{"model":"m","models":["x"]}"#, r#"{"model":"up"}"#),
    (r#"{"model":"m","models":["x"],"a":1}"#, r#"{"model":"up","a":1}"#),
    (r#"{"models":["x"],"provider":{"order":["a"]},"model":"m"}"#, r#"{"model":"up"}"#),
    (r#"{"model":"m","provider":null,"route":"fallback"}"#, r#"{"model":"up"}"#),
    (r#"{"a":1,"models":[],"provider":{},"model":"m","usage":{"include":true}}"#, r#"{"a":1,"model":"up"}"#),
    (r#"{"models":["x"]}"#, r#"{"model":"up"}"#),
    (r#"{"models":["x"],"provider":{}}"#, r#"{"model":"up"}"#),
    (r#"{"models":["x"],"a":1}"#, r#"{"model":"up","a":1}"#),
    (
        r#"{"route":"sort","usage":{},"preset":"p","transforms":[],"plugins":[],"session_id":"s","trace":{},"debug":{},"model":"m","provider":{}}"#,
        r#"{"model":"up"}"#,
    ),
    (r#"{"model":"m","mod\u0065ls":["x"],"b":1}"#, r#"{"model":"up","b":1}"#),
    // Usage in streams.
    (r#"{"model":"m","stream":false}"#, r#"{"model":"up","stream":false}"#),
    (r#"{"model":"m","stream":true}"#, r#"{"stream_options":{"include_usage":true},"model":"up","stream":true}"#),
    (r#"{"stream":true}"#, r#"{"model":"up","stream_options":{"include_usage":true},"stream":true}"#),
    (
        r#"{"model":"m","stream":true,"stream_options":null}"#,
        r#"{"model":"up","stream":true,"stream_options":{"include_usage":true}}"#,
    ),
    (
        r#"{"model":"m","stream":true,"stream_options":{}}"#,
        r#"{"model":"up","stream":true,"stream_options":{"include_usage":true}}"#,
    ),
    (
        r#"{"stream_options":{"x": 1},"model":"m","stream":true}"#,
        r#"{"stream_options":{"include_usage":true,"x": 1},"model":"up","stream":true}"#,
    ),
    (
        r#"{"stream_options":{"x":1,"include_usage":false},"model":"m","stream":true}"#,
        r#"{"stream_options":{"x":1,"include_usage":true},"model":"up","stream":true}"#,
    ),
    (
        r#"{"stream_options":{"include_usage":null,"x":1},"model":"m","stream":true}"#,
        r#"{"stream_options":{"include_usage":true,"x":1},"model":"up","stream":true}"#,
    ),
    (
        r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
        r#"{"stream_options":{"include_usage":true},"model":"up","stream":true}"#,
    ),
    (
        r#"{"model":"m","stream_options":{"include_usage":false}}"#,
        r#"{"model":"up","stream_options":{"include_usage":false}}"#,
    ),
    // Spacing, numbers, escapes and unknown fields stay.
    ("{ \"model\" : \"m\" , \"a\" : 1.0 }", "{ \"model\" : \"up\" , \"a\" : 1.0 }"),
    ("\r\n{\r\n\t\"model\": \"m\",\r\n\t\"a\": 1\r\n}\r\n", "\r\n{\r\n\t\"model\": \"up\",\r\n\t\"a\": 1\r\n}\r\n"),
    ("{\r\n  \"models\": [],\r\n  \"model\": \"m\"\r\n}", "{\r\n  \"model\": \"up\"\r\n}"),
    ("{\n  \"model\": \"m\",\n  \"models\": [],\n  \"a\": 1\n}", "{\n  \"model\": \"up\",\n  \"a\": 1\n}"),
    ("{\n  \"model\": \"m\",\n  \"models\": []\n}", "{\n  \"model\": \"up\"\n}"),
    ("{\n  \"a\": 1\n}", "{\"model\":\"up\",\n  \"a\": 1\n}"),
    (
        r#"{"model":"m","n":[1e0,1.0,-0,1E+2,0.1e-2,12345678901234567890.5],"s":"\u0041\/\"\ud83d\ude00é"}"#,
        r#"{"model":"up","n":[1e0,1.0,-0,1E+2,0.1e-2,12345678901234567890.5],"s":"\u0041\/\"\ud83d\ude00é"}"#,
    ),
    (
        r#"{"model":"m","x":{"model":"m","models":["x"],"provider":{}}}"#,
        r#"{"model":"up","x":{"model":"m","models":["x"],"provider":{}}}"#,
    ),
    (r#"{"model":"m","":1,"x":2,"x":3}"#, r#"{"model":"up","":1,"x":2,"x":3}"#),
];

#[test]
fn the_upstream_gets_the_clients_bytes_with_its_own_model_name() {
    for (body, expected) in EDITS {
        let edited =
            request(body).edits("up", StreamOptionsEdit::AskForUsage, &Unfit::default()).apply(body.as_bytes());
        assert_eq!(String::from_utf8_lossy(&edited), *expected, "{body}");
    }
}

#[test]
fn the_upstreams_name_is_escaped() {
    let edited = request(r#"{"model":"m"}"#)
        .edits("a\"b\\\u{1}é", StreamOptionsEdit::AskForUsage, &Unfit::default())
        .apply(br#"{"model":"m"}"#);
    assert_eq!(String::from_utf8_lossy(&edited), "{\"model\":\"a\\\"b\\\\\\u0001é\"}");
}

/// What the edits are to come to, by way of a tree.
fn expected(body: &str, model: &str) -> Value {
    let mut object: Map<String, Value> = serde_json::from_str(body).unwrap();
    for own in
        ["models", "provider", "route", "usage", "preset", "transforms", "plugins", "session_id", "trace", "debug"]
    {
        object.remove(own);
    }
    object.insert("model".to_owned(), model.into());
    if object.get("stream") == Some(&Value::Bool(true)) {
        let options = object.entry("stream_options").or_insert(Value::Null);
        if options.is_null() {
            *options = Value::Object(Map::new());
        }
        options["include_usage"] = true.into();
    }
    object.into()
}

/// An object of random members, with random white space between them. Gives the members too.
fn random_body(random: &mut Random) -> (String, Vec<String>) {
    const MEMBERS: &[&str] = &[
        r#""model": "m""#,
        r#""model":null"#,
        r#""mod\u0065l":"\u00e9""#,
        r#""models":["a","b"]"#,
        r#""provider" : {"order":["x"],"allow_fallbacks":true}"#,
        r#""stream":true"#,
        r#""stream":false"#,
        r#""stream_options":{}"#,
        r#""stream_options":null"#,
        r#""stream_options": { "a" : [1, {}] , "include_usage" : false }"#,
        r#""stream_options":{"include_usage":true}"#,
        r#""messages":[{"role":"user","content":"h\u00e9\ud83d\ude00, {\"model\":1}"}]"#,
        r#""temperature":1.50e+0"#,
        r#""usage":{"include":true}"#,
        r#""trace":null"#,
        r#""x":"模型""#,
        r#""y":[]"#,
        r#""route":"fallback""#,
    ];
    let space = |random: &mut Random| [" ", "", "\r\n", "\n\t", "  "][random.below(5)];
    let mut members: Vec<String> = Vec::new();
    for _ in 0..random.below(9) {
        let member = MEMBERS[random.below(MEMBERS.len())];
        let key = |member: &str| member.split(':').next().unwrap_or_default().trim().replace("\\u0065", "e");
        if !members.iter().any(|other| key(other) == key(member)) {
            members.push(member.to_owned());
        }
    }
    let mut body = format!("{}{{", space(random));
    for (index, member) in members.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        body += &format!("{comma}{}{member}{}", space(random), space(random));
    }
    (body + "}" + space(random), members)
}

#[test]
fn any_body_is_edited_to_what_a_tree_would_say_and_kept_members_stay_as_they_were() {
    let mut random = Random::new(11);
    for _ in 0..20_000 {
        let (body, members) = random_body(&mut random);
        let request = request(&body);
        let edits = request.edits("up/\"stream\"", StreamOptionsEdit::AskForUsage, &Unfit::default());
        let edited = edits.apply(body.as_bytes());
        let text = std::str::from_utf8(&edited).unwrap();
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{body} -> {text}: {error}"));
        assert_eq!(value, expected(&body, "up/\"stream\""), "{body} -> {text}");

        assert_eq!(
            edits,
            request.edits("up/\"stream\"", StreamOptionsEdit::AskForUsage, &Unfit::default()),
            "preparing twice"
        );
        assert_eq!(edits.new_len(body.len()), edited.len(), "{body}");
        let (drained, head) = edits.head(body.as_bytes()).unwrap_or_default();
        assert_eq!([&head, &body.as_bytes()[drained..]].concat(), edited, "{body}");

        for member in members.iter().filter(|member| !is_changed(member)) {
            assert!(text.contains(member.as_str()), "{member} of {body} -> {text}");
        }
    }
}

/// Whether a member may be edited or taken out.
fn is_changed(member: &str) -> bool {
    let kept = ["\"stream\"", "\"messages\"", "\"temperature\"", "\"x\"", "\"y\""];
    !kept.iter().any(|key| member.starts_with(key))
}

#[test]
fn what_was_edited_once_needs_no_further_edits() {
    let mut random = Random::new(12);
    for _ in 0..2_000 {
        let (body, _) = random_body(&mut random);
        let edited =
            request(&body).edits("up", StreamOptionsEdit::AskForUsage, &Unfit::default()).apply(body.as_bytes());
        let again = request(std::str::from_utf8(&edited).unwrap());
        assert!(again.edits("up", StreamOptionsEdit::AskForUsage, &Unfit::default()).is_empty(), "{body}");
    }
}

#[test]
fn arbitrary_bytes_never_panic() {
    const BYTES: &[u8] = b"{}[]\",:\\u0123456789eEtrufalsn\n \"model\"\xc3\xa9\xff";
    let mut random = Random::new(13);
    for _ in 0..20_000 {
        let body: Vec<u8> = (0..random.below(60)).map(|_| BYTES[random.below(BYTES.len())]).collect();
        let is_object = serde_json::from_slice::<Map<String, Value>>(&body).is_ok();
        match read(&body) {
            Ok(request) => {
                assert!(
                    is_object
                        && serde_json::from_slice::<Value>(
                            &request.edits("m", StreamOptionsEdit::AskForUsage, &Unfit::default()).apply(&body)
                        )
                        .is_ok()
                )
            }
            Err(error) => assert!(!is_object || error.status() == 400, "{error}"),
        }
    }
}
