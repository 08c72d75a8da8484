//! What the upstream gets of a request.

use serde_json::{Map, Value};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::wire::split::Random;

/// The client's body, and the body for the upstream's model `up`.
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
    (
        r#"{"a":1,"models":[],"provider":{},"model":"m","usage":{"include":true}}"#,
        r#"{"a":1,"model":"up"}"#,
    ),
    (r#"{"models":["x"]}"#, r#"{"model":"up"}"#),
    (r#"{"models":["x"],"provider":{}}"#, r#"{"model":"up"}"#),
    (r#"{"models":["x"],"a":1}"#, r#"{"model":"up","a":1}"#),
    (
        concat!(
            r#"{"route":"sort","usage":{},"preset":"p","transforms":[],"plugins":[],"#,
            r#""session_id":"s","trace":{},"debug":{},"model":"m","provider":{}}"#
        ),
        r#"{"model":"up"}"#,
    ),
    (r#"{"model":"m","mod\u0065ls":["x"],"b":1}"#, r#"{"model":"up","b":1}"#),
    // Usage in streams.
    (r#"{"model":"m","stream":false}"#, r#"{"model":"up","stream":false}"#),
    (
        r#"{"model":"m","stream":true}"#,
        r#"{"stream_options":{"include_usage":true},"model":"up","stream":true}"#,
    ),
    (
        r#"{"stream":true}"#,
        r#"{"model":"up","stream_options":{"include_usage":true},"stream":true}"#,
    ),
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
    (
        "\r\n{\r\n\t\"model\": \"m\",\r\n\t\"a\": 1\r\n}\r\n",
        "\r\n{\r\n\t\"model\": \"up\",\r\n\t\"a\": 1\r\n}\r\n",
    ),
    ("{\r\n  \"models\": [],\r\n  \"model\": \"m\"\r\n}", "{\r\n  \"model\": \"up\"\r\n}"),
    (
        "{\n  \"model\": \"m\",\n  \"models\": [],\n  \"a\": 1\n}",
        "{\n  \"model\": \"up\",\n  \"a\": 1\n}",
    ),
    ("{\n  \"model\": \"m\",\n  \"models\": []\n}", "{\n  \"model\": \"up\"\n}"),
    ("{\n  \"a\": 1\n}", "{\"model\":\"up\",\n  \"a\": 1\n}"),
    (
        r#"{"model":"m","n":[1e0,1.0,-0,1E+2,0.1e-2,12345678901234567890.5]}"#,
        r#"{"model":"up","n":[1e0,1.0,-0,1E+2,0.1e-2,12345678901234567890.5]}"#,
    ),
    (
        r#"{"model":"m","s":"\u0041\/\"\ud83d\ude00é"}"#,
        r#"{"model":"up","s":"\u0041\/\"\ud83d\ude00é"}"#,
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
        let edited = request(body)
            .edits("up", StreamOptionsEdit::AskForUsage, None, None)
            .apply(body.as_bytes());
        assert_eq!(String::from_utf8_lossy(&edited), *expected, "{body}");
    }
}

#[test]
fn the_upstreams_name_is_escaped() {
    let edited = request(r#"{"model":"m"}"#)
        .edits("a\"b\\\u{1}é", StreamOptionsEdit::AskForUsage, None, None)
        .apply(br#"{"model":"m"}"#);
    assert_eq!(String::from_utf8_lossy(&edited), "{\"model\":\"a\\\"b\\\\\\u0001é\"}");
}

/// What the edits should give, made from a tree of the body.
fn expected(body: &str, model: &str) -> Value {
    let mut object: Map<String, Value> = serde_json::from_str(body).unwrap();
    for own in [
        "models",
        "provider",
        "route",
        "usage",
        "preset",
        "transforms",
        "plugins",
        "session_id",
        "trace",
        "debug",
    ] {
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
    let mut members: Vec<String> = Vec::new();
    for _ in 0..random.below(9) {
        let member = MEMBERS[random.below(MEMBERS.len())];
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

fn space(random: &mut Random) -> &'static str {
    [" ", "", "\r\n", "\n\t", "  "][random.below(5)]
}

/// The key of a member, however it is spelled.
fn key(member: &str) -> String {
    member.split(':').next().unwrap_or_default().trim().replace("\\u0065", "e")
}

#[test]
fn any_body_is_edited_to_what_a_tree_would_say_and_kept_members_stay_as_they_were() {
    let mut random = Random::new(11);
    for _ in 0..20_000 {
        let (body, members) = random_body(&mut random);
        let request = request(&body);
        let edits = request.edits("up/\"stream\"", StreamOptionsEdit::AskForUsage, None, None);
        let edited = edits.apply(body.as_bytes());
        let text = std::str::from_utf8(&edited).unwrap();
        let value: Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{body} -> {text}: {error}"));
        assert_eq!(value, expected(&body, "up/\"stream\""), "{body} -> {text}");

        assert_eq!(
            edits,
            request.edits("up/\"stream\"", StreamOptionsEdit::AskForUsage, None, None),
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
        let edited = request(&body)
            .edits("up", StreamOptionsEdit::AskForUsage, None, None)
            .apply(body.as_bytes());
        let again = request(std::str::from_utf8(&edited).unwrap());
        assert!(again.edits("up", StreamOptionsEdit::AskForUsage, None, None).is_empty(), "{body}");
    }
}

#[test]
fn arbitrary_bytes_never_panic() {
    const BYTES: &[u8] = b"{}[]\",:\\u0123456789eEtrufalsn\n \"model\"\xc3\xa9\xff";
    let mut random = Random::new(13);
    for _ in 0..20_000 {
        let body: Vec<u8> =
            (0..random.below(60)).map(|_| BYTES[random.below(BYTES.len())]).collect();
        let is_object = serde_json::from_slice::<Map<String, Value>>(&body).is_ok();
        match read(&body) {
            Ok(request) => {
                assert!(
                    is_object
                        && serde_json::from_slice::<Value>(
                            &request
                                .edits("m", StreamOptionsEdit::AskForUsage, None, None)
                                .apply(&body)
                        )
                        .is_ok()
                )
            }
            Err(error) => assert!(!is_object || error.status() == 400, "{error}"),
        }
    }
}

#[test]
fn a_service_tier_is_put_in_place_of_the_clients() {
    for (body, tier, expected) in [
        (
            r#"{"model":"up","seed":1}"#,
            Some("flex"),
            r#"{"service_tier":"flex","model":"up","seed":1}"#,
        ),
        (
            r#"{"model":"m","service_tier":"fast"}"#,
            Some("priority"),
            r#"{"model":"up","service_tier":"priority"}"#,
        ),
        (
            r#"{"service_tier": null,"model":"up"}"#,
            Some("default"),
            r#"{"service_tier": "default","model":"up"}"#,
        ),
        (
            r#"{"model":"up","service_tier":"flex"}"#,
            Some("flex"),
            r#"{"model":"up","service_tier":"flex"}"#,
        ),
        (
            r#"{"model":"up","service_tier":"fast"}"#,
            None,
            r#"{"model":"up","service_tier":"fast"}"#,
        ),
        (r#"{"provider":{}}"#, Some("flex"), r#"{"model":"up","service_tier":"flex"}"#),
    ] {
        let edited = request(body)
            .edits("up", StreamOptionsEdit::AskForUsage, tier, None)
            .apply(body.as_bytes());
        assert_eq!(String::from_utf8_lossy(&edited), expected, "{body}");
    }
}
