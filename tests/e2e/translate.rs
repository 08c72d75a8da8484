//! Every client dialect over every upstream format: the client does not see which format the answer
//! had.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::dialect::{DIALECTS, Dialect, Said};
use crate::fake::Received;
use crate::gateway::{Gateway, chat, stream};
use crate::setup::Setup;

mod request;

use request::*;

const CLAUDE_ON_BEDROCK: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const VERTEX: &str = "/v1/projects/p/locations/eu/publishers/google";
const USAGE: &str = "prompt-tokens=1000,cached=400,reasoning=50,tokens=8";

/// Azure's format differs from OpenAI's in nothing but its path: it has a test of its own.
fn formats() -> impl Iterator<Item = &'static str> {
    crate::setup::formats().filter(|format| *format != "azure-openai")
}

/// Models of every format alone, each with what its provider does.
const ALONE: [(&str, &str); 10] = [
    ("think", "tool-call,reasoning=3"),
    ("limit", "tokens=200"),
    ("counted", USAGE),
    ("silent", "no-usage"),
    ("refusing", "status=400"),
    ("busy", "status=429,retry-after=7"),
    ("cut", "cut=2"),
    ("failing", "error-event=2"),
    ("returned", "tool-call"),
    ("picture", ""),
];

/// The same, where requests to Bedrock must be signed.
const SIGNED: [(&str, &str); 3] =
    [("good", USAGE), ("tool", "tool-call"), ("tiny", "tool-call,reasoning=3,bytes=1")];

/// Models of every format before one of OpenAI's that answers.
const THEN_OPENAI: [(&str, &str); 6] = [
    ("html", "body=html"),
    ("zipped", "gzip"),
    ("late", "error-event"),
    ("early", "error-event=0"),
    ("vain", "cut=0"),
    ("stuck", "stall=0"),
];

/// Models of several formats, or of one.
const CHAINS: [(&str, &[(&str, &str)]); 14] = [
    ("down", &[("openai", "status=503"), ("anthropic", USAGE)]),
    ("overloaded", &[("anthropic", "status=529"), ("gemini", USAGE)]),
    ("throttled", &[("bedrock", "error-event"), ("openai", USAGE)]),
    (
        "around",
        &[
            ("gemini", "status=503"),
            ("bedrock", "status=429"),
            ("openai", "status=500"),
            ("anthropic", USAGE),
        ],
    ),
    ("passing", &[("anthropic", USAGE)]),
    ("foreign", &[("anthropic", USAGE)]),
    ("lossy", &[("anthropic", "")]),
    ("several", &[("anthropic", ""), ("gemini", ""), ("bedrock", ""), ("openai", "")]),
    ("single", &[("anthropic", "")]),
    ("azure", &[("azure-openai", "")]),
    ("counting", &[("anthropic", "prompt-tokens=77")]),
    ("crc-first", &[("bedrock", "garbage=first"), ("gemini", "")]),
    ("crc-only", &[("bedrock", "garbage=first")]),
    ("crc-later", &[("bedrock", "garbage=2")]),
];

fn setup() -> Setup {
    let mut setup = formats().fold(Setup::new(), of_format);
    for (name, steps) in CHAINS {
        setup = setup.formats(name, steps);
    }
    let deployment = json!({"base_path": "/openai/deployments/{model}?api-version=2024-10-21"});
    let endpoint = json!({"provider": "signed-0", "model": CLAUDE_ON_BEDROCK});
    setup
        .formats("deployed", &[("azure-openai", "")])
        .provider("deployed-0", deployment)
        .formats("vertex", &[("openai", "")])
        .provider("vertex-0", json!({"api": "gemini", "base_path": VERTEX}))
        .formats("signed", &[("bedrock", "signed")])
        .model("signed", json!({"endpoints": [endpoint]}))
}

fn of_format(mut setup: Setup, api: &str) -> Setup {
    for (what, faults) in SIGNED {
        let faults = if api == "bedrock" { format!("{faults},signed") } else { faults.to_owned() };
        setup = setup.formats(&format!("{api}-{what}"), &[(api, &faults)]);
    }
    for (what, faults) in ALONE {
        setup = setup.formats(&format!("{api}-{what}"), &[(api, faults)]);
    }
    for (what, faults) in THEN_OPENAI {
        setup = setup.formats(&format!("{api}-{what}"), &[(api, faults), ("openai", "")]);
    }
    let model = if api == "bedrock" { CLAUDE_ON_BEDROCK } else { "claude-sonnet-4-5" };
    let endpoint = json!({"provider": format!("{api}-think-0"), "model": model});
    setup
        .model(&format!("{api}-think"), json!({"endpoints": [endpoint]}))
        .hurry(&format!("{api}-stuck"), "1500ms")
}

on_envoy! { setup:
    every_dialect_reaches_every_format,
    tools_are_called_through_every_pair,
    streams_in_single_bytes_say_the_same,
    what_a_tool_returned_reaches_every_format,
    proofs_of_thinking_find_back_and_nowhere_else,
    pictures_reach_every_format,
    limits_are_told_in_the_clients_words,
    every_format_gets_a_request_of_its_own,
    the_client_never_knows_who_failed,
    an_exception_as_first_event_moves_on,
    whatever_fails_before_the_first_content_moves_on,
    signatures_are_of_what_arrives,
    vertex_is_gemini_with_another_path_and_a_bearer_token,
    the_clients_own_format_passes_untouched,
    parts_of_other_providers_do_not_pass,
    the_last_error_is_in_the_clients_dialect,
    waiting_times_are_passed_on,
    what_got_lost_is_told,
    several_choices_are_openais_alone,
    azure_has_two_forms_of_path,
    tokens_of_a_prompt_are_counted_or_estimated,
    tokens_and_cost_are_the_same_in_every_format,
    without_usage_there_is_an_estimate,
    a_cut_stream_ends_in_the_clients_own_error,
    an_error_in_mid_stream_is_told_once,
    a_broken_checksum_moves_on_or_ends_the_stream,
    a_page_of_html_is_no_answer_of_any_format,
    a_compressed_answer_is_translated_by_nobody,
    the_gateways_own_errors_are_in_the_clients_dialect,
}

/// Every dialect with every format, plain and streamed.
fn pairs() -> impl Iterator<Item = (Dialect, &'static str, bool)> {
    let formats = DIALECTS.into_iter().flat_map(|dialect| formats().map(move |api| (dialect, api)));
    formats.flat_map(|(dialect, api)| [false, true].map(|streamed| (dialect, api, streamed)))
}

/// Whether this face of this dialect gets the upstream's own bytes.
fn passes(dialect: Dialect, api: &str) -> bool {
    matches!((dialect, api), (Dialect::Chat("/v1"), "openai") | (Dialect::Messages, "anthropic"))
}

fn last_received(gateway: &Gateway, provider: &str) -> Received {
    gateway.fake.received(provider).pop().unwrap_or_else(|| panic!("{provider} got nothing"))
}

fn every_dialect_reaches_every_format(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-good");
        let reply = dialect.ask(gateway, &dialect.question(&name, streamed));
        let said = dialect.said(&reply);
        let thought = if api == "openai" { "" } else { "Let me think this through." };
        let expected = Said {
            model: if passes(dialect, api) { format!("up-{name}") } else { format!("t/{name}") },
            text: format!("Hello from {name}-0 and this is a scripted"),
            thought: thought.to_owned(),
            finish: "stop".to_owned(),
            input: 1000,
            cached: 400,
            output: 58,
            call: None,
        };
        assert_eq!(said, expected, "{dialect:?} over {api}, streamed: {streamed}: {reply:?}");
        assert_eq!(reply.header("x-modelyard-model"), Some(format!("t/{name}").as_str()));
        assert_eq!(reply.header("x-modelyard-dropped"), None, "{reply:?}");
    }
}

fn assert_called(dialect: Dialect, reply: &Reply, name: &str) {
    let said = dialect.said(reply);
    let arguments = json!({"text": format!("Hello from {name}-0 and this is a scripted")});
    assert_eq!(said.call, Some(("look".to_owned(), arguments)), "{dialect:?}: {reply:?}");
    assert_eq!(
        (said.text.as_str(), said.finish.as_str()),
        ("", "tool_calls"),
        "{dialect:?}: {reply:?}"
    );
}

fn tools_are_called_through_every_pair(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-tool");
        let reply = dialect.ask(gateway, &dialect.question_with_tool(&name, streamed));
        assert_called(dialect, &reply, &name);
    }
}

fn streams_in_single_bytes_say_the_same(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-tiny");
        let reply = dialect.ask(gateway, &dialect.question_with_tool(&name, streamed));
        assert_called(dialect, &reply, &name);
    }
}

fn limits_are_told_in_the_clients_words(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-limit"), streamed));
        let said = dialect.said(&reply);
        assert_eq!(
            (said.finish.as_str(), said.output),
            ("length", 99),
            "{dialect:?} over {api}: {reply:?}"
        );
    }
}

fn the_client_never_knows_who_failed(gateway: &Gateway) {
    for (name, last) in [("down", 1), ("overloaded", 1), ("around", 3)] {
        for dialect in DIALECTS {
            for streamed in [false, true] {
                let reply = dialect.ask(gateway, &dialect.question(name, streamed));
                let said = dialect.said(&reply);
                assert_eq!(
                    said.text,
                    format!("Hello from {name}-{last} and this is a scripted"),
                    "{reply:?}"
                );
                assert_eq!(
                    (said.finish.as_str(), said.input, said.output),
                    ("stop", 1000, 58),
                    "{reply:?}"
                );
                let provider = format!("{name}-{last}");
                assert_eq!(
                    reply.header("x-modelyard-provider"),
                    Some(provider.as_str()),
                    "{reply:?}"
                );
            }
        }
    }
}

fn an_exception_as_first_event_moves_on(gateway: &Gateway) {
    for dialect in DIALECTS {
        let reply = dialect.ask(gateway, &dialect.question("throttled", true));
        assert!(dialect.said(&reply).text.starts_with("Hello from throttled-1"), "{reply:?}");
        let entry = gateway.entry(&reply);
        assert_eq!(entry["record"]["attempts"][0]["outcome"], "error_event", "{entry}");
        for api in formats() {
            let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-late"), true));
            assert!(
                dialect.said(&reply).text.starts_with(&format!("Hello from {api}-late-1")),
                "{reply:?}"
            );
        }
    }
}

fn whatever_fails_before_the_first_content_moves_on(gateway: &Gateway) {
    for what in ["early", "vain", "stuck"] {
        for api in formats() {
            // Where OpenAI's own bytes pass, every chunk counts as content, so such a stream does
            // not move on.
            for dialect in DIALECTS
                .into_iter()
                .filter(|dialect| api != "openai" || !matches!(dialect, Dialect::Chat(_)))
            {
                let name = format!("{api}-{what}");
                let reply = dialect.ask(gateway, &dialect.question(&name, true));
                let said = dialect.said(&reply);
                assert!(
                    said.text.starts_with(&format!("Hello from {name}-1")),
                    "{dialect:?} over {api}: {reply:?}"
                );
            }
        }
    }
}

fn the_last_error_is_in_the_clients_dialect(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-refusing");
        let reply = dialect.ask(gateway, &dialect.question(&name, streamed));
        assert_eq!(reply.status, 400, "{reply:?}");
        let error = dialect.error(&reply);
        let message = format!("{name}-0: scripted status 400");
        match dialect {
            Dialect::Chat("/api/v1") => {
                assert_eq!(error["message"], "Provider returned error");
                assert!(error["metadata"]["raw"].as_str().unwrap().contains(&message), "{error}");
            }
            Dialect::Chat(_) | Dialect::Messages => {
                assert_eq!(
                    (&error["type"], &error["message"]),
                    (&json!("invalid_request_error"), &json!(message))
                );
            }
            Dialect::Responses => assert_eq!(error["message"], message, "{error}"),
        }
    }
}

fn waiting_times_are_passed_on(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-busy"), streamed));
        dialect.error(&reply);
        assert_eq!((reply.status, reply.header("retry-after")), (429, Some("7")), "{reply:?}");
    }
}

fn what_got_lost_is_told(gateway: &Gateway) {
    for (base, streamed) in [("/v1", false), ("/v1", true), ("/api/v1", false), ("/api/v1", true)] {
        let mut body = if streamed { stream("lossy") } else { chat("lossy") };
        crate::setup::merge(
            &mut body,
            &json!({"logit_bias": {"1": 5}, "seed": 7, "temperature": 0.5}),
        );
        let reply = gateway.ask(base, &body);
        assert_eq!(
            (reply.status, reply.header("x-modelyard-dropped")),
            (200, Some("logit_bias, seed")),
            "{reply:?}"
        );
        let entry = gateway.entry(&reply);
        let told = &entry["record"]["attempts"][0]["dropped_parameters"];
        assert_eq!(told, &json!(["logit_bias", "seed"]), "{entry}");
    }
    let mut body = chat("lossy");
    crate::setup::merge(&mut body, &json!({"seed": 7, "provider": {"require_parameters": true}}));
    let reply = gateway.ask("/v1", &body);
    assert_eq!(reply.status, 404, "{reply:?}");
    assert!(reply.text().contains("seed"), "{reply:?}");
}

fn several_choices_are_openais_alone(gateway: &Gateway) {
    let mut body = chat("several");
    body["n"] = json!(2);
    let reply = gateway.ask("/v1", &body);
    assert_eq!(reply.json()["choices"].as_array().map(Vec::len), Some(2), "{reply:?}");
    assert_eq!(reply.header("x-modelyard-provider"), Some("several-3"));
    let entry = gateway.entry(&reply);
    let dropped = entry["record"]["dropped"].as_array().unwrap();
    assert_eq!(dropped.len(), 3, "{entry}");
    assert!(
        dropped.iter().all(|dropped| dropped["reason"] == "unsupported parameter: n"),
        "{entry}"
    );
    body["model"] = "t/single".into();
    assert_eq!(gateway.ask("/v1", &body).status, 404);
    body["n"] = json!(1);
    assert_eq!(gateway.ask("/v1", &body).status, 200);
}

/// How many tokens a prompt of a hundred words is said to have.
fn counted(gateway: &Gateway, name: &str) -> u64 {
    let turn = json!({"role": "user", "content": "word ".repeat(100)});
    let body = json!({"model": format!("t/{name}"), "messages": [turn]}).to_string();
    let reply = gateway.request("POST", "/v1/messages/count_tokens", &[], body.as_bytes());
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["input_tokens"].as_u64().unwrap()
}

fn tokens_of_a_prompt_are_counted_or_estimated(gateway: &Gateway) {
    assert_eq!(counted(gateway, "counting"), 77);
    let received = last_received(gateway, "counting-0");
    assert_eq!(
        (received.path(), received.json()["model"].as_str()),
        ("/v1/messages/count_tokens", Some("up-counting"))
    );
    for api in ["openai", "gemini", "bedrock"] {
        assert!((80..300).contains(&counted(gateway, &format!("{api}-limit"))), "{api}");
    }
}

fn tokens_and_cost_are_the_same_in_every_format(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-good"), streamed));
        let entry = gateway.entry(&reply);
        for (name, expected) in [
            ("input_tokens", "1000"),
            ("output_tokens", "58"),
            ("cached_tokens", "400"),
            ("cost_usd", "0.001116"),
        ] {
            assert_eq!(
                entry[name], expected,
                "{dialect:?} over {api}, streamed: {streamed}: {name}: {entry}"
            );
        }
        assert_eq!(entry["record"]["estimated"], false, "{entry}");
        assert_eq!(entry["operation"], "chat", "{entry}");
    }
    for api in formats() {
        let stats =
            gateway.envoy.get(&format!("/stats?filter=modelyard.tokens.*model=t/{api}-good"));
        let [input, output, cached] =
            ["input", "output", "cached"].map(|kind| reported(&stats, kind).unwrap_or_default());
        let requests = input / 1000;
        assert!(requests >= 8, "{stats}");
        assert_eq!((output, cached), (58 * requests, 400 * requests), "{stats}");
        assert!(!stats.contains("estimated"), "{stats}");
    }
}

/// How many tokens of a kind the stats have, as upstreams reported them.
fn reported(stats: &str, kind: &str) -> Option<u64> {
    let kind = format!("token_type={kind}.source=reported");
    stats.lines().find(|line| line.contains(&kind))?.rsplit(' ').next()?.parse().ok()
}

fn without_usage_there_is_an_estimate(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs() {
        let reply = dialect.ask(gateway, &dialect.question(&format!("{api}-silent"), streamed));
        assert!(dialect.said(&reply).text.starts_with("Hello from"), "{reply:?}");
        let entry = gateway.entry(&reply);
        assert_eq!(
            entry["record"]["estimated"], true,
            "{dialect:?} over {api}, streamed: {streamed}: {entry}"
        );
        let output: u64 = entry["output_tokens"].as_str().unwrap().parse().unwrap();
        assert!((4..=400).contains(&output), "{entry}");
    }
}

/// The stream breaks after two pieces of text; its last event is the error, in the client's form.
fn assert_breaks(gateway: &Gateway, dialect: Dialect, name: &str) -> Value {
    let reply = dialect.ask(gateway, &dialect.question(name, true));
    assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
    assert!(reply.text().contains("Hello") && reply.text().contains(" from"), "{reply:?}");
    let error =
        dialect.last_error(&reply).unwrap_or_else(|| panic!("{dialect:?} of {name}: {reply:?}"));
    assert!(error["message"].is_string(), "{reply:?}");
    let chunks = reply.chunks().into_iter();
    let errors = chunks.filter(|chunk| match dialect {
        Dialect::Responses => chunk["type"] == "response.failed",
        _ => chunk["error"].is_object(),
    });
    assert_eq!(errors.count(), 1, "{reply:?}");
    gateway.entry(&reply)
}

fn a_cut_stream_ends_in_the_clients_own_error(gateway: &Gateway) {
    for dialect in DIALECTS {
        for api in formats() {
            let entry = assert_breaks(gateway, dialect, &format!("{api}-cut"));
            assert_eq!(entry["record"]["attempts"][0]["outcome"], "reset", "{entry}");
            assert!(entry["output_tokens"].is_string(), "what was produced is charged: {entry}");
        }
    }
}

fn an_error_in_mid_stream_is_told_once(gateway: &Gateway) {
    for dialect in DIALECTS {
        for api in formats() {
            let entry = assert_breaks(gateway, dialect, &format!("{api}-failing"));
            assert_eq!(entry["record"]["attempts"][0]["outcome"], "error_event", "{entry}");
        }
    }
}

fn a_broken_checksum_moves_on_or_ends_the_stream(gateway: &Gateway) {
    for dialect in DIALECTS {
        let reply = dialect.ask(gateway, &dialect.question("crc-first", true));
        assert!(dialect.said(&reply).text.starts_with("Hello from crc-first-1"), "{reply:?}");
        let reply = dialect.ask(gateway, &dialect.question("crc-only", true));
        assert_eq!(reply.status, 502, "{reply:?}");
        dialect.error(&reply);
        assert_breaks(gateway, dialect, "crc-later");
    }
}

fn assert_second_answers(gateway: &Gateway, what: &str) {
    for (dialect, api, streamed) in pairs() {
        let name = format!("{api}-{what}");
        let reply = dialect.ask(gateway, &dialect.question(&name, streamed));
        let said = dialect.said(&reply);
        assert!(
            said.text.starts_with(&format!("Hello from {name}-1")),
            "{dialect:?} over {api}: {reply:?}"
        );
    }
}

fn a_page_of_html_is_no_answer_of_any_format(gateway: &Gateway) {
    assert_second_answers(gateway, "html");
}

fn a_compressed_answer_is_translated_by_nobody(gateway: &Gateway) {
    for (dialect, api, streamed) in pairs().filter(|(dialect, api, _)| !passes(*dialect, api)) {
        if dialect == Dialect::Chat("/api/v1") && api == "openai" {
            continue;
        }
        let name = format!("{api}-zipped");
        let reply = dialect.ask(gateway, &dialect.question(&name, streamed));
        let said = dialect.said(&reply);
        assert!(
            said.text.starts_with(&format!("Hello from {name}-1")),
            "{dialect:?} over {api}: {reply:?}"
        );
    }
}

fn the_gateways_own_errors_are_in_the_clients_dialect(gateway: &Gateway) {
    for dialect in DIALECTS {
        let reply = dialect.ask(gateway, &dialect.question("nobody", false));
        let error = dialect.error(&reply);
        assert_eq!(
            (reply.status, &error["message"]),
            (400, &json!("t/nobody is not a valid model ID")),
            "{reply:?}"
        );
        let reply = gateway.request("POST", &dialect.path(), &[], b"{\"model\":");
        assert_eq!(reply.status, 400, "{reply:?}");
        dialect.error(&reply);
        let reply = gateway.request("GET", &dialect.path(), &[], b"");
        assert_eq!(reply.status, 405, "{reply:?}");
        dialect.error(&reply);
    }
}
