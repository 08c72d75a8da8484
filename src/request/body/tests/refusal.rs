//! What is refused, and what the refusal says.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

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
    let body = br#"{"model":"m","messages":[{"role":"user","content":"h\u00e9 \ud83d\ude00"}],
        "stream":true,"temperature":1.5e0}"#;
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
    for bad in
        [&b"\xff"[..], b"\xc3", b"\xe2\x82", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
    {
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
    for (before, after) in
        [("{\"x\":", "}"), ("{\"messages\":", "}"), ("{\"model\":\"m\",\"tools\":", "}"), ("", "")]
    {
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
    let cutoffs = "must be a number, or an object of p50, p75, p90, p99";
    let timeout = "must be seconds, or a duration such as \"500ms\" or \"10s\"";
    // Columns: what stands in `provider`, and the message, which begins with the path.
    let rows = [
        (r#"{"order":"openai"}"#, "provider.order: must be an array of strings"),
        (r#"{"only":[1]}"#, "provider.only: must be an array of strings"),
        (r#"{"ignore":[null]}"#, "provider.ignore: must be an array of strings"),
        (r#"{"allow_fallbacks":"no"}"#, "provider.allow_fallbacks: must be true or false"),
        (r#"{"require_parameters":1}"#, "provider.require_parameters: must be true or false"),
        (r#"{"zdr":"yes"}"#, "provider.zdr: must be true or false"),
        (
            r#"{"enforce_distillable_text":[]}"#,
            "provider.enforce_distillable_text: must be true or false",
        ),
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
            &format!("provider.preferred_max_latency: {cutoffs}"),
        ),
        (
            r#"{"preferred_min_throughput":true}"#,
            &format!("provider.preferred_min_throughput: {cutoffs}"),
        ),
        (r#"{"first_token_timeout":0}"#, &format!("provider.first_token_timeout: {timeout}")),
        (r#"{"first_token_timeout":"fast"}"#, &format!("provider.first_token_timeout: {timeout}")),
    ];
    for (preferences, expected) in rows {
        let error = read(format!(r#"{{"provider":{preferences}}}"#).as_bytes()).unwrap_err();
        assert_eq!((error.status(), error.to_string().as_str()), (400, expected), "{preferences}");
    }
    let quantizations =
        read(br#"{"provider":{"quantizations":["int3"]}}"#).unwrap_err().to_string();
    assert!(
        quantizations.starts_with("provider.quantizations: must be of int4, int8,"),
        "{quantizations}"
    );
}

#[test]
fn a_list_of_names_has_an_end() {
    assert!(read(&only_of(1024)).is_ok());
    let error = read(&only_of(1025)).unwrap_err();
    assert_eq!(error.to_string(), "provider.only: must have 1024 items or fewer");
}

/// A body whose `only` has this many names.
fn only_of(names: usize) -> Vec<u8> {
    serde_json::json!({"provider": {"only": vec!["a"; names]}}).to_string().into_bytes()
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
    check_refused(
        format!("{{\"models\":[\"{}\"]}}", "x".repeat(10_000)).as_bytes(),
        "field models",
    );
    check_refused(br#"{"models":[""]}"#, "field models");
    let fallbacks: Vec<_> =
        (0..21).map(|n| serde_json::json!({"model": format!("m{n}")})).collect();
    check_refused(
        serde_json::json!({"fallbacks": fallbacks}).to_string().as_bytes(),
        "field fallbacks",
    );
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
    // The gateway does not read these fields, so it does not refuse them.
    assert!(read(br#"{"x":1,"x":2,"messages":[{"content":"a","content":"b"}]}"#).is_ok());
}

#[test]
fn a_body_over_the_limit_is_refused_and_one_at_it_is_not() {
    let limits = Limits { request_bytes: 1024, ..Limits::default() };
    assert!(Request::parse(body_of(1024), &limits).is_ok());
    let error = Request::parse(body_of(1025), &limits).unwrap_err();
    assert_eq!((variant(&error).as_str(), error.status()), ("large", 413));
}

fn body_of(length: usize) -> Vec<u8> {
    format!("{{\"model\":\"m\"{}}}", " ".repeat(length - 13)).into_bytes()
}

#[test]
fn the_patterns_of_a_plugin_have_bounds() {
    for key in ["allowed_models", "excluded_models"] {
        for (count, length) in [(1024, 64), (64, 1024), (1, 1024)] {
            assert!(read(&body_with_patterns(key, count, length)).is_ok(), "{key}");
        }
        let too_many = format!("field plugins.{key}");
        check_refused(&body_with_patterns(key, 1025, 1), &too_many);
        check_refused(&body_with_patterns(key, 1, 1025), "field plugins");
        check_refused(&body_with_patterns(key, 65, 1024), "field plugins");
    }
    for (plugin, field) in [
        (r#"{"id":"auto-router","allowed_models":"a/*"}"#, "field plugins.allowed_models"),
        (r#"{"id":"auto-router","excluded_models":[1]}"#, "field plugins.excluded_models"),
        (r#"{"id":"auto-router","enabled":"no"}"#, "field plugins.enabled"),
    ] {
        check_refused(format!("{{\"plugins\":[{plugin}]}}").as_bytes(), field);
    }
}

fn body_with_patterns(key: &str, count: usize, length: usize) -> Vec<u8> {
    let plugin = serde_json::json!({"id": "auto-router", key: vec!["x".repeat(length); count]});
    serde_json::json!({"plugins": [plugin]}).to_string().into_bytes()
}

#[test]
fn fallbacks_have_one_name_at_a_time() {
    let fallbacks = r#""fallbacks":[{"model":"b"}]"#;
    check_refused(
        format!(r#"{{"model":"a","models":["c"],{fallbacks}}}"#).as_bytes(),
        "field fallbacks",
    );
    for one in [
        format!(r#"{{"models":null,{fallbacks}}}"#),
        r#"{"models":["b"],"fallbacks":null}"#.to_owned(),
    ] {
        assert_eq!(request(&one).models().collect::<Vec<_>>(), ["b"]);
    }
}

#[test]
fn efforts_may_not_differ() {
    for body in [
        r#"{"reasoning_effort":"low","reasoning":{"effort":"high"}}"#,
        r#"{"reasoning":{"effort":"none"},"reasoning_effort":"low"}"#,
    ] {
        check_refused(body.as_bytes(), "field reasoning_effort");
    }
}
