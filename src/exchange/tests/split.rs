//! However an answer is cut on its way, the client gets the same bytes and the books say the same.

use super::*;
use crate::wire::split::every_split;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TEXT: &str = concat!(
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
     \"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\
     \"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\
     \"delta\":{\"content\":\"Hi \\\"\\u00e9\\\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{},\
     \"finish_reason\":\"length\"}]}\n\n",
    "data: [DONE]\n\n",
);

const TOOLS_AND_USAGE: &str = concat!(
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\
     \"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\
     \"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\
     \"function\":{\"arguments\":\"{\\\"ci\"}}]}}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\
     \"function\":{\"arguments\":\"ty\\\": \\\"usage\\\"}\"}}]}}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}],\
     \"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\
     \"total_tokens\":15,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
    "data: [DONE]\n\n",
);

const USAGE_IN_THE_LAST_CHUNK: &str = concat!(
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\
     \"finish_reason\":\"eos\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n",
    "data: [DONE]\n\n",
);

const COMMENTS_AND_CRLF: &str = concat!(
    ": OPENROUTER PROCESSING\r\n\r\n",
    ": ping\r\n\r\n",
    "event: message\r\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,\
     \"delta\":{\"content\":\"a\\r\\n\\r\\nb\"}}]}\r\n\r\n",
    ": ping\r\n\r\n",
    "data: {\"id\":\"c\",\r\ndata: \"choices\":[{\"index\":0,\"delta\":{},\
     \"finish_reason\":\"stop\"}]}\r\n\r\n",
    "data: [DONE]\r\n\r\n",
);

const MULTIBYTE: &str = concat!(
    "\u{feff}data: {\"id\":\"ç\",\"choices\":[{\"index\":0,\
     \"delta\":{\"content\":\"é模型🦀👩‍👩‍👧\"}}]}\n\n",
    "data: {\"id\":\"ç\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ud83e\\udd80\"},\
     \"finish_reason\":\"STOP\"}]}\n\n",
    "data: [DONE]\n\n",
);

const GARBAGE: &str = concat!(
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
    "data: {not json\n\n",
    "what is this\n\n",
    "\n\n",
    "data: [1,2]\n\n",
    "data: {\"choices\":{}}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
    ": after the end\n\n",
);

const NO_END_MARK: &str = concat!(
    "data:{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
    "data:{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n",
);

const CUT_IN_AN_EVENT: &str = concat!(
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"cont",
);

const ERROR_LATER: &str = concat!(
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
    "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"code\":\"529\"}}\n\n",
);

const COMPLETIONS: &str = concat!(
    "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"up\",\
     \"choices\":[{\"text\":\"He\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"up\",\
     \"choices\":[{\"text\":\"y\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
);

/// Some of these events differ in their text only, and some texts look like other fields.
const ALIKE: &str = concat!(
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\
     \"finish_reason\":null}],\"obfuscation\":\"xyz\"}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"usage\"},\
     \"finish_reason\":null}],\"obfuscation\":\"\"}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"error\\\":1 é\"},\
     \"finish_reason\":null}],\"obfuscation\":\"x\"}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"z\"},\
     \"finish_reason\":\"stop\"}],\"obfuscation\":\"x\"}\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5},\
     \"obfuscation\":\"x\"}\n\n",
    "data: [DONE]\n\n",
);

/// A fixture, its operation, the finish reason, and the input and output tokens that it reports, if
/// it does.
type Row = (&'static str, Operation, Option<&'static str>, Option<(u64, u64)>);

const STREAMS: &[Row] = &[
    (TEXT, Operation::Chat, Some("length"), None),
    (TOOLS_AND_USAGE, Operation::Chat, Some("tool_calls"), Some((10, 5))),
    (USAGE_IN_THE_LAST_CHUNK, Operation::Chat, Some("eos"), Some((3, 1))),
    (COMMENTS_AND_CRLF, Operation::Chat, Some("stop"), None),
    (MULTIBYTE, Operation::Chat, Some("STOP"), None),
    (GARBAGE, Operation::Chat, Some("stop"), None),
    (NO_END_MARK, Operation::Chat, Some("stop"), None),
    (CUT_IN_AN_EVENT, Operation::Chat, None, None),
    (ERROR_LATER, Operation::Chat, None, None),
    (COMPLETIONS, Operation::Completions, Some("stop"), None),
    (ALIKE, Operation::Chat, Some("stop"), Some((10, 5))),
];

/// What the client gets and what the books say, for one way of cutting.
fn run(
    config: &Rc<Config>,
    surface: (Face, Operation),
    body: &str,
    kind: (&str, &str),
    pieces: &[&[u8]],
) -> (Got, Books) {
    let mut world = World::open_with(config, surface, &[], body, Health::default());
    world.begin();
    world.headers(200, &[kind], false);
    for piece in pieces {
        world.body(piece, false);
    }
    if world.exchange.is_open(0) {
        world.body(b"", true);
    }
    let books = world.settle();
    (world.got, books)
}

fn check(
    config: &Rc<Config>,
    surface: (Face, Operation),
    body: &str,
    kind: (&str, &str),
    text: &[u8],
) -> (Got, Books) {
    let whole = run(config, surface, body, kind, &[text]);
    every_split(text, |pieces| {
        let (got, books) = run(config, surface, body, kind, pieces);
        assert_eq!(got.text(), whole.0.text(), "{pieces:?}");
        assert_eq!((&got, &books), (&whole.0, &whole.1), "{pieces:?}");
    });
    whole
}

#[test]
fn streams_do_not_depend_on_how_they_are_cut() {
    let config = config(&document());
    for (text, operation, reason, usage) in STREAMS {
        for face in FACES {
            let (got, books) = check(&config, (face, *operation), STREAM, SSE, text.as_bytes());
            assert_eq!(got.status, 200, "{text}");
            assert_eq!(
                books.properties.get("finish_reason").map(String::as_str),
                *reason,
                "{text}"
            );
            let record = &books.record;
            assert_eq!(record["estimated"], usage.is_none(), "{text}");
            if let Some((input, output)) = usage {
                assert_eq!(
                    (&record["input_tokens"], &record["output_tokens"]),
                    (&json!(input), &json!(output)),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn openais_face_gives_the_upstreams_bytes_but_for_the_usage_event() {
    let config = config(&document());
    for (text, operation, ..) in STREAMS {
        let (got, _) = run(&config, (Face::OpenAi, *operation), STREAM, SSE, &[text.as_bytes()]);
        let expected: String = match *text {
            TOOLS_AND_USAGE | ALIKE => text
                .split_inclusive("\n\n")
                .filter(|event| !event.contains("\"choices\":[],"))
                .collect(),
            CUT_IN_AN_EVENT => text.split_inclusive("\n\n").take(1).collect(),
            _ => text.to_string(),
        };
        if *text == CUT_IN_AN_EVENT {
            assert!(
                got.text().starts_with(&expected) && got.text().contains("\"error\""),
                "{}",
                got.text()
            );
        } else {
            assert_eq!(got.text(), expected);
        }
    }
}

#[test]
fn every_event_on_openrouters_face_is_in_its_form() {
    let config = config(&document());
    for (text, operation, ..) in STREAMS {
        let (got, _) =
            run(&config, (Face::OpenRouter, *operation), STREAM, SSE, &[text.as_bytes()]);
        let mut costs = 0;
        for event in got.text().replace("\r\n", "\n").split_terminator("\n\n") {
            let Some(chunk) = event
                .strip_prefix("data: ")
                .and_then(|data| serde_json::from_str::<Value>(data).ok())
            else {
                continue;
            };
            let Some(chunk) = chunk.as_object() else { continue };
            assert_eq!(chunk["id"], "gen-1800000000-00000000000000000000", "{event}");
            assert_eq!(
                (&chunk["model"], &chunk["provider"]),
                (&json!("m/one"), &json!("A Inc")),
                "{event}"
            );
            assert_ne!(chunk.get("usage"), Some(&Value::Null), "{event}");
            costs += usize::from(chunk.get("usage").is_some_and(|usage| usage["cost"].is_number()));
            for choice in chunk["choices"].as_array().into_iter().flatten() {
                assert!(
                    choice.get("finish_reason").is_some()
                        && choice.get("native_finish_reason").is_some(),
                    "{event}"
                );
                assert_eq!(choice.get("delta").is_some(), *operation == Operation::Chat, "{event}");
            }
        }
        let broke = *text == CUT_IN_AN_EVENT || *text == ERROR_LATER;
        assert_eq!(costs, usize::from(!broke), "usage once: {}", got.text());
        assert_eq!(got.text().contains("[DONE]"), !broke, "{}", got.text());
    }
}

#[test]
fn plain_answers_do_not_depend_on_how_they_are_cut() {
    let config = config(&document());
    let spaced = format!(
        " \r\n{}\n",
        ANSWER.replace(",\"", " ,\n\t\"").replace("hello", "é🦀\\\"}],\\u007b")
    );
    let escaped =
        ANSWER.replace("\"usage\":", "\"x\":{\"usage\":{\"prompt_tokens\":99}},\"usage\":");
    let no_usage = ANSWER.replace("\"usage\"", "\"other\"");
    for text in [ANSWER, spaced.as_str(), escaped.as_str(), no_usage.as_str()] {
        for face in FACES {
            let (got, books) = check(&config, (face, Operation::Chat), CHAT, JSON, text.as_bytes());
            assert_eq!(got.status, 200);
            match face {
                Face::OpenAi => assert_eq!(got.text(), text),
                Face::OpenRouter => assert_eq!(got.json()["provider"], "A Inc"),
            }
            assert_eq!(books.properties["finish_reason"], "stop");
            assert_eq!(books.record["estimated"], text == no_usage);
        }
    }
}

#[test]
fn an_error_in_a_success_moves_on_however_it_is_cut() {
    let config = config(&document());
    for text in [
        ERROR,
        " \n{ \"error\" : \"broken\" , \"user_id\":1}",
        "{\"id\":\"c\"",
        "{]",
        "<html>",
        "\n",
    ] {
        for face in FACES {
            every_split(text.as_bytes(), |pieces| {
                let mut world = World::begun(&config, face, CHAT);
                world.headers(200, &[JSON], false);
                let mut verdict = None;
                for (piece, end) in
                    pieces.iter().map(|piece| (*piece, false)).chain([(&b""[..], true)])
                {
                    if world.exchange.is_open(0) {
                        verdict = Some(world.body(piece, end));
                    }
                }
                assert_eq!(verdict, Some(Verdict::Retry), "{pieces:?}");
                assert_eq!(world.got, Got::default());
            });
        }
    }
}
