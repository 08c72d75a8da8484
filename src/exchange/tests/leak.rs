//! What a provider knows of the gateway, and what is not for clients, never reaches one: above all
//! its key, which a provider may repeat anywhere, in any spelling, cut anywhere.

use super::translate::{AWS, message};
use super::*;
use crate::wire::split::every_split;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const KEY: &str = "sk-proj/4fTq8ZrWn1+LxKc6VbY0=uHs3";
/// As JSON writes it: as it is, with the slash escaped, as ASCII without what HTML takes for its
/// own, and with all of it escaped.
const SPELLINGS: [&str; 4] = [
    KEY,
    "sk-proj\\/4fTq8ZrWn1+LxKc6VbY0=uHs3",
    "sk-proj\\u002f4fTq8ZrWn1\\u002BLxKc6VbY0\\u003duHs3",
    "\\u0073\\u006b\\u002d\\u0070\\u0072\\u006f\\u006a\\u002f4fTq8ZrWn1+Lx\\u004bc6VbY0=uHs3",
];

/// `m/one` at `a`, which speaks `api`, and at nobody else.
fn speaking(api: &str) -> Rc<Config> {
    let mut document = document();
    document["providers"]["a"]["api"] = api.into();
    document["models"][0]["endpoints"].as_array_mut().unwrap().truncate(1);
    if api == "bedrock" {
        document["providers"]["a"]["auth"] = json!({"type": "sigv4", "region": "eu-central-1"});
    }
    let parsed = Config::parse(document.to_string().as_bytes(), &|_| Some(KEY.to_owned()));
    Rc::new(parsed.unwrap().0)
}

/// Whatever a text means, as far as it is JSON or has JSON in its texts.
fn meanings(text: &str) -> Vec<String> {
    let mut meanings = vec![text.to_owned()];
    let lines = text.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
    for value in lines.chain([text]).filter_map(|text| serde_json::from_str(text).ok()) {
        texts(&value, &mut meanings);
    }
    meanings
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.extend(meanings(text)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => {
            found.extend(members.keys().cloned());
            members.values().for_each(|value| texts(value, found));
        }
        _ => {}
    }
}

#[track_caller]
fn assert_clean(place: &str, text: &str) {
    assert!(!meanings(text).iter().any(|text| text.contains(KEY)), "{place}: {text}");
}

/// Plays an answer, and looks at all that is left of it.
#[track_caller]
fn check(
    config: &Rc<Config>,
    asked: (Face, Operation),
    request: &str,
    (status, kind): (u16, (&str, &str)),
    pieces: &[&[u8]],
) -> Got {
    let told = [("x-openrouter-metadata", "enabled")];
    let mut world = World::open_with(config, asked, &told, request, Health::default());
    world.begin_attempt();
    world.headers(status, &[kind], false);
    for piece in pieces {
        if world.exchange.is_open(0) {
            world.body(piece, false);
        }
    }
    if world.exchange.is_open(0) {
        world.body(b"", true);
    }
    let books = world.settle();
    assert!(world.got.status != 0, "an answer comes");
    assert_clean("body", world.got.text());
    for text in
        world.got.headers.values().chain(books.properties.values()).chain(books.stats.keys())
    {
        assert_clean("headers, filter state or stats", text);
    }
    assert_clean("record", &books.record.to_string());
    world.got
}

/// The same, however the answer is cut; what the client gets does not depend on it.
#[track_caller]
fn check_cut(
    config: &Rc<Config>,
    asked: (Face, Operation),
    request: &str,
    told: (u16, (&str, &str)),
    answer: &[u8],
) -> Got {
    let whole = check(config, asked, request, told, &[answer]);
    every_split(answer, |pieces| {
        let got = check(config, asked, request, told, pieces);
        assert_eq!(got.text(), whole.text(), "{pieces:?}");
    });
    whole
}

const ASKED: [(Operation, &str); 3] =
    [(Operation::Chat, CHAT), (Operation::Messages, MESSAGES), (Operation::Responses, RESPONSES)];
const MESSAGES: &str =
    r#"{"model":"m/one","max_tokens":9,"messages":[{"role":"user","content":"12345678"}]}"#;
const RESPONSES: &str = r#"{"model":"m/one","input":"12345678"}"#;

fn streamed(request: &str) -> String {
    request.replacen('{', "{\"stream\":true,", 1)
}

#[test]
fn no_error_body_of_any_status_tells_the_key() {
    for api in ["openai", "anthropic", "gemini", "bedrock"] {
        let config = speaking(api);
        for status in [300, 400, 401, 403, 404, 413, 422, 429, 500, 503, 599, 700] {
            for (face, (operation, request)) in
                FACES.into_iter().flat_map(|face| ASKED.map(|asked| (face, asked)))
            {
                for key in SPELLINGS {
                    let object = format!(
                        "{{\"error\":{{\"message\":\"No {key}!\",\"type\":\"{key}\",\"code\":\"{key}\"}},\"message\":\"{key}\"}}"
                    );
                    for body in [object.as_str(), &format!("<html>{key}"), &format!("\"{key}\"")] {
                        let told = (status, JSON);
                        let asked = (face, operation);
                        check(&config, asked, request, told, &[body.as_bytes()]);
                    }
                }
            }
        }
    }
}

/// An error's body that quotes this.
fn error(quoted: &str) -> String {
    format!("{{\"error\":{{\"message\":\"No {quoted} here\",\"code\":\"c\"}}}}")
}

#[test]
fn an_error_is_told_with_stars_in_place_of_the_key() {
    let config = speaking("openai");
    for key in SPELLINGS {
        let (told, body) = ((400, JSON), error(key));
        let asked = (Face::OpenAi, Operation::Chat);
        let got = check_cut(&config, asked, CHAT, told, body.as_bytes());
        assert_eq!((got.status, got.text()), (400, error(&"*".repeat(key.len())).as_str()));
        let asked = (Face::OpenRouter, Operation::Chat);
        let got = check_cut(&config, asked, CHAT, told, body.as_bytes());
        let raw = got.json()["error"]["metadata"]["raw"].as_str().unwrap().to_owned();
        assert!(raw.contains("No *****") && raw.ends_with("* here\",\"code\":\"c\"}}"), "{raw}");
    }
}

/// Every dialect on either face, each with another spelling of the key.
fn everybody() -> impl Iterator<Item = ((Face, Operation), &'static str, &'static str)> {
    let asked = FACES.into_iter().flat_map(|face| ASKED.map(|asked| (face, asked)));
    let spellings = SPELLINGS.into_iter().cycle();
    asked
        .zip(spellings)
        .map(|((face, (operation, request)), key)| ((face, operation), request, key))
}

#[test]
fn no_answer_tells_the_key_whole_or_streamed_passed_or_translated() {
    let config = speaking("openai");
    for (asked, request, key) in everybody() {
        let answer = ANSWER.replace("hello", &format!("it is {key}.")).replace("stop", key);
        let got = check_cut(&config, asked, request, (200, JSON), answer.as_bytes());
        assert!(got.text().contains("it is *****"), "{}", got.text());
        let events = stream().replace("hel", &format!("it is {key}.")).replace("stop", key);
        let got = check_cut(&config, asked, &streamed(request), (200, SSE), events.as_bytes());
        assert!(got.text().contains("it is *****"), "{}", got.text());
    }
}

#[test]
fn no_error_event_tells_the_key() {
    let config = speaking("openai");
    for (asked, request, key) in everybody() {
        let error = ERROR_EVENT.replace("broken", key);
        for events in [error.clone(), [&content("hi"), error.as_str()].concat()] {
            check_cut(&config, asked, &streamed(request), (200, SSE), events.as_bytes());
        }
    }
}

#[test]
fn a_key_that_events_share_is_not_told_as_a_whole_at_their_end() {
    let config = speaking("openai");
    let (first, second) = KEY.split_at(10);
    let events = [&content(first), &content(second), FINISH, DONE].concat();
    for face in FACES {
        let asked = (face, Operation::Responses);
        let got = check_cut(&config, asked, &streamed(RESPONSES), (200, SSE), events.as_bytes());
        assert!(got.text().contains("response.completed"), "{}", got.text());
    }
}

#[test]
fn no_message_of_amazons_stream_tells_the_key() {
    let config = speaking("bedrock");
    for (face, key) in FACES.into_iter().zip(SPELLINGS.into_iter().skip(2)) {
        let text = format!("{{\"contentBlockIndex\":0,\"delta\":{{\"text\":\"it is {key}.\"}}}}");
        let said = message("contentBlockDelta", &text);
        let stop = message("messageStop", &format!("{{\"stopReason\":\"{key}\"}}"));
        let failure = message("modelStreamErrorException", &format!("{{\"message\":\"{key}\"}}"));
        let asked = (face, Operation::Chat);
        let got = check_cut(&config, asked, STREAM, (200, AWS), &[said.as_slice(), &stop].concat());
        assert!(got.text().contains("it is *****"), "{}", got.text());
        check_cut(&config, asked, STREAM, (200, AWS), &failure);
        check_cut(&config, asked, STREAM, (200, AWS), &[said, failure].concat());
    }
}

#[test]
fn an_answer_without_the_key_goes_on_as_it_is() {
    let config = speaking("openai");
    for event in [content("sk-proj/4fTq8ZrWn1"), content("\\u0073\\u006b 100 % \\\\")] {
        let mut world = World::begun(&config, Face::OpenAi, STREAM);
        world.headers(200, &[SSE], false);
        world.body(&event, false);
        assert_eq!(world.got.text(), event);
        assert_eq!(world.body(content("a"), false), Verdict::Pass);
    }
}

/// What is left of an attempt's response headers.
fn shown<'a>(config: &Rc<Config>, headers: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    let world = World::begun(config, Face::OpenAi, CHAT);
    let changes = world.exchange.header_changes(0, headers);
    let kept = headers.iter().filter(|(name, _)| !changes.iter().any(|(other, _)| other == name));
    let kept = kept.map(|(name, value)| (*name, (*value).to_owned()));
    let changed = changes.iter().filter_map(|(name, value)| Some((*name, value.clone()?)));
    kept.chain(changed).collect()
}

#[test]
fn response_headers_are_those_of_the_list_without_the_key() {
    let config = speaking("openai");
    let said = format!("asked with {}", KEY.replace('/', "%2F").replace('+', "%2b"));
    let headers = shown(
        &config,
        &[
            (":status", "200"),
            ("set-cookie", "a=b"),
            ("x-request-id", KEY),
            ("openai-organization", "org"),
            ("x-ratelimit-sk-proj/4fTq8ZrWn1+LxKc6VbY0=uHs3", "1"),
            ("content-type", "application/json"),
            ("etag", &said),
        ],
    );
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [":status", "content-type", "x-request-id", "etag"]);
    assert_eq!(headers[2].1, "*".repeat(KEY.len()));
    assert!(headers[3].1.starts_with("asked with ****") && headers[3].1.ends_with('*'));

    let mut document = document();
    document["providers"]["a"]["response_headers"] = json!(["OpenAI-*"]);
    let headers =
        shown(&self::config(&document), &[("openai-organization", "org"), ("server", "x")]);
    assert_eq!(headers, [("openai-organization", "org".to_owned())]);
}

#[test]
fn all_of_amazons_keys_are_hidden() {
    let document = json!({
        "providers": {"a": {"api": "bedrock", "host": "h", "auth": {"type": "sigv4", "region": "r"}}},
        "models": [{"id": "m/one", "endpoints": [{"provider": "a", "model": "x"}]}],
    });
    let parsed =
        Config::parse(document.to_string().as_bytes(), &|name| Some(format!("key-of-{name}")));
    let config = Rc::new(parsed.unwrap().0);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        let told = format!("key-of-{name}");
        let headers = shown(&config, &[("x-request-id", &told)]);
        assert_eq!(headers, [("x-request-id", "*".repeat(told.len()))]);
    }
}

#[test]
fn a_key_is_hidden_without_the_word_before_it_too() {
    let document = json!({
        "providers": {"a": {"api": "openai", "host": "h", "auth": {"type": "header", "name": "authorization", "env": "K"}}},
        "models": [{"id": "m/one", "endpoints": [{"provider": "a", "model": "x"}]}],
    });
    let key = " Basic dXNlcjpwYXNz ";
    let parsed = Config::parse(document.to_string().as_bytes(), &|_| Some(key.to_owned()));
    let config = Rc::new(parsed.unwrap().0);
    for (said, expected) in [
        ("no Basic dXNlcjpwYXNz", "no ******************"),
        ("no dXNlcjpwYXNz!", "no ************!"),
        ("Basic", "Basic"),
    ] {
        assert_eq!(shown(&config, &[("etag", said)]), [("etag", expected.to_owned())]);
    }
}

#[test]
fn a_status_that_is_none_is_the_providers_failure() {
    for status in [0, 99, 101, 600, 700, 999] {
        for face in FACES {
            let act = Act::Answer(status, vec![(JSON.0, JSON.1.to_owned())], vec![ERROR.into()]);
            let mut world = play(face, CHAT, &[act.clone(), answers(200, ANSWER)]);
            assert_eq!((world.got.status, world.attempt), (200, 1), "{status}");
            assert_eq!(world.settle().record["attempts"][0]["outcome"], "status_5xx", "{status}");
            let mut world = play(face, CHAT, &[act.clone(), act]);
            assert_eq!(world.got.status, 502, "{status}");
            assert_eq!(world.settle().record["status"], 502);
        }
    }
}

#[test]
fn a_name_that_leads_out_of_a_path_is_refused_before_anybody_is_asked() {
    let mut document = document();
    document["providers"]["a"]["base_path"] = "/openai/deployments/{model}".into();
    document["models"].as_array_mut().unwrap().extend([
        json!({"id": "g/*", "endpoints": [{"provider": "g", "model": "*"}]}),
        json!({"id": "body/*", "endpoints": [{"provider": "b", "model": "*"}]}),
    ]);
    document["providers"]["g"] = json!({"api": "gemini", "host": "g"});
    let config = config(&document);
    for (model, expected) in [
        ("w/..", 400),
        ("w/.", 400),
        ("w/.%2E", 400),
        ("w/%2e%2e", 400),
        ("w/a/../b", 400),
        ("g/..", 400),
        ("w/...", 0),
        ("w/a.b", 0),
        ("body/..", 0),
    ] {
        for face in FACES {
            let world = World::open(&config, face, &CHAT.replace("m/one", model));
            assert_eq!(world.got.status, expected, "{model}: {}", world.got.text());
            if expected == 400 {
                let message = world.got.json()["error"]["message"].as_str().unwrap().to_owned();
                assert!(message.starts_with("model: "), "{message}");
            }
        }
    }
    let two = r#"{"models":["m/two","w/.."],"messages":[]}"#;
    assert_eq!(World::open(&config, Face::OpenAi, two).got.status, 400);
}

#[test]
fn a_scheme_other_than_https_two_is_refused() {
    for (scheme, expected) in
        [("http", 0), ("https", 0), ("ftp", 400), ("HTTP", 400), ("", 400), ("javascript", 400)]
    {
        for (operation, request) in ASKED {
            let asked = (Face::OpenAi, operation);
            let world = World::open_with(
                &config(&document()),
                asked,
                &[(":scheme", scheme)],
                request,
                Health::default(),
            );
            assert_eq!(world.got.status, expected, "{scheme}");
        }
    }
}
