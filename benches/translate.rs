//! `make bench-core`: how fast requests and streams are translated, for each client dialect and
//! upstream format.
//!
//! The measure is the time `serde_json` takes to parse and print again the same in OpenAI's form,
//! event by event. Cases are visited in turn, so that whatever else the machine does meets all of
//! them; what counts are medians. Fails if a pair is more than [`MOST`] times slower than the
//! baseline.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark may end where something is wrong"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};

use modelyard::translate::Meter;
use modelyard::translate::source::{Images, Source as _, Translating};
use modelyard::translate::{
    About, Change, Dialect, Format, Lost, anthropic, bedrock, gemini, openai, responses,
};
use modelyard::wire::event_stream::{self, Frames};
use modelyard::wire::sse::{self, Splitter};

/// How many times slower than the baseline a pair may be.
const MOST: f64 = 3.0;
const ROUNDS: usize = 15;
/// Runs of one case in one round.
const RUNS: u32 = 20;
const EVENTS: usize = 500;
/// A turn's text, with what has to be escaped.
const TEXT: &str = "The quick brown fox said: \"jump over the lazy dog\",\n\
                    and the dog, über-lazy, did not mind at all. ";

/// A client's dialect, and a request of 32 KB in it.
struct Client {
    name: &'static str,
    dialect: &'static dyn Dialect,
    request: Vec<u8>,
}

/// An upstream's format, and a stream of [`EVENTS`] pieces of text in it.
struct Upstream {
    name: &'static str,
    format: &'static dyn Format,
    model: &'static str,
    stream: Vec<u8>,
    is_binary: bool,
}

/// Something that is measured: a name, what one run is worth, and a run.
struct Case<'a> {
    name: String,
    units: f64,
    run: Box<dyn Fn() + 'a>,
    nanoseconds: Vec<f64>,
}

impl<'a> Case<'a> {
    fn new(name: String, units: usize, run: impl Fn() + 'a) -> Self {
        Self { name, units: units as f64, run: Box::new(run), nanoseconds: Vec::new() }
    }

    fn visit(&mut self) {
        let started = Instant::now();
        (0..RUNS).for_each(|_| (self.run)());
        self.nanoseconds.push(started.elapsed().as_nanos() as f64 / f64::from(RUNS) / self.units);
    }

    /// Nanoseconds for a unit.
    fn median(&self) -> f64 {
        let mut sorted = self.nanoseconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

fn main() -> ExitCode {
    let (clients, upstreams) = (clients(), upstreams());
    let (baseline, stream) = (&clients[0].request, &upstreams[0].stream);
    let mut requests = vec![Case::new("baseline".to_owned(), baseline.len(), || reprint(baseline))];
    requests.extend(pairs(&clients, &upstreams).map(|(name, client, upstream)| {
        Case::new(name, client.request.len(), || translate_request(client, upstream))
    }));
    let mut streams = vec![Case::new("baseline".to_owned(), EVENTS, || reprint_events(stream))];
    streams.extend(pairs(&clients, &upstreams).map(|(name, client, upstream)| {
        Case::new(name, EVENTS, || translate_stream(client, upstream))
    }));
    for _ in 0..ROUNDS {
        requests.iter_mut().chain(&mut streams).for_each(Case::visit);
    }
    let slowest = report("request of 32 KB", "MB/s", &requests, |ns| 1000.0 / ns).max(report(
        "stream of 500 events",
        "µs/event",
        &streams,
        |ns| ns / 1000.0,
    ));
    println!("\nslowest: {slowest:.2} times the baseline, {MOST} allowed");
    if slowest > MOST { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Each dialect with each format, and a name for both.
fn pairs<'a>(
    clients: &'a [Client],
    upstreams: &'a [Upstream],
) -> impl Iterator<Item = (String, &'a Client, &'a Upstream)> {
    clients.iter().flat_map(|client| {
        upstreams.iter().map(move |upstream| {
            (format!("{} over {}", client.name, upstream.name), client, upstream)
        })
    })
}

/// Prints the cases, of which the first is the baseline, and returns the largest ratio to it.
fn report(title: &str, unit: &str, cases: &[Case<'_>], shown: impl Fn(f64) -> f64) -> f64 {
    println!("\n{title:28} {unit:>10} {:>10}", "baseline");
    let baseline = cases[0].median();
    let mut largest = 0.0;
    for case in cases {
        let ratio = case.median() / baseline;
        println!("{:28} {:10.2} {ratio:9.2}x", case.name, shown(case.median()));
        largest = f64::max(largest, ratio);
    }
    largest
}

fn reprint(json: &[u8]) {
    let value: Value = serde_json::from_slice(json).expect("JSON");
    black_box(serde_json::to_vec(&value).expect("JSON"));
}

fn reprint_events(stream: &[u8]) {
    let mut out = Vec::new();
    Splitter::new(1 << 20).push(stream, &mut |piece| {
        let sse::Piece::Event(event) = piece else { return };
        let Some(data) = sse::fields(event).data.filter(|data| !sse::is_done(data)) else { return };
        let value: Value = serde_json::from_slice(&data).expect("JSON");
        out.extend_from_slice(b"data: ");
        serde_json::to_writer(&mut out, &value).expect("JSON");
        out.extend_from_slice(b"\n\n");
    });
    black_box(out);
}

fn translate_request(client: &Client, upstream: &Upstream) {
    let conversation = client.dialect.read(&client.request).expect("a good request");
    black_box(upstream.format.request(&conversation, upstream.model, &mut Lost::default()));
}

/// Cuts the stream into events, reads, meters and writes them, as the gateway does.
fn translate_stream(client: &Client, upstream: &Upstream) {
    let about = About { id: "gen-1".to_owned(), model: "a/b".to_owned(), ..About::default() };
    let writer = client.dialect.writer(About { request: client.request.clone(), ..about });
    let mut source = Translating::new(upstream.format.reader(), writer, Images::AsText, None);
    let (mut meter, mut out) = (Meter::default(), Vec::new());
    if upstream.is_binary {
        Frames::new(1 << 20).push(&upstream.stream, &mut |piece| {
            if let event_stream::Piece::Event(message) = piece {
                translate_event(&mut source, message, &mut meter, &mut out);
            }
        });
    } else {
        Splitter::new(1 << 20).push(&upstream.stream, &mut |piece| {
            if let sse::Piece::Event(event) = piece {
                translate_event(&mut source, event, &mut meter, &mut out);
            }
        });
    }
    out.extend_from_slice(&source.end(&mut meter, 0));
    assert!(meter.is_complete() && out.len() > EVENTS * 20, "the stream was not read");
    black_box(out);
}

fn translate_event(source: &mut Translating, event: &[u8], meter: &mut Meter, out: &mut Vec<u8>) {
    if let (_, Change::Replace(events)) = source.event(event, meter) {
        out.extend_from_slice(&events);
    }
}

fn clients() -> [Client; 3] {
    let [chat, messages, responses] = requests();
    [
        Client { name: "chat", dialect: &openai::Client, request: chat },
        Client { name: "messages", dialect: &anthropic::Anthropic, request: messages },
        Client { name: "responses", dialect: &responses::Responses, request: responses },
    ]
}

/// The same request in each dialect: instructions, tools, and turns with calls and their results.
fn requests() -> [Vec<u8>; 3] {
    let text = TEXT.repeat(10);
    let schema =
        json!({"type": "object", "properties": {"path": {"type": "string", "description": TEXT}}});
    let (mut chat, mut messages, mut items) =
        (vec![json!({"role": "system", "content": text})], vec![], vec![]);
    for turn in 0..9 {
        let (id, arguments) = (format!("call_{turn}"), json!({"path": "src/lib.rs"}));
        let function = json!({"name": "read", "arguments": arguments.to_string()});
        let call = json!({"id": id, "type": "function", "function": function});
        chat.push(json!({"role": "user", "content": text}));
        chat.push(json!({"role": "assistant", "content": text, "tool_calls": [call]}));
        chat.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
        messages.push(json!({"role": "user", "content": text}));
        messages.push(json!({"role": "assistant", "content": [
            {"type": "text", "text": text},
            {"type": "tool_use", "id": id, "name": "read", "input": arguments},
        ]}));
        messages.push(json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": text},
        ]}));
        items.push(json!({"role": "user", "content": text}));
        items.push(json!({"role": "assistant", "content": text}));
        let arguments = arguments.to_string();
        items.push(
            json!({"type": "function_call", "call_id": id, "name": "read", "arguments": arguments}),
        );
        items.push(json!({"type": "function_call_output", "call_id": id, "output": text}));
    }
    let names = ["read", "write", "list", "run"];
    let chat_tools = names.map(|name| {
        let function = json!({"name": name, "description": TEXT, "parameters": schema});
        json!({"type": "function", "function": function})
    });
    let message_tools =
        names.map(|name| json!({"name": name, "description": TEXT, "input_schema": schema}));
    let response_tools = names.map(
        |name| json!({"type": "function", "name": name, "description": TEXT, "parameters": schema}),
    );
    [
        json!({"max_tokens": 1000, "messages": chat, "tools": chat_tools}),
        json!({"max_tokens": 1000, "system": text, "messages": messages, "tools": message_tools}),
        json!({
            "max_output_tokens": 1000,
            "instructions": text,
            "input": items,
            "tools": response_tools,
        }),
    ]
    .map(|mut body| {
        body["model"] = "a/b".into();
        body["stream"] = true.into();
        body
    })
    .map(|body| body.to_string().into_bytes())
}

fn upstreams() -> [Upstream; 4] {
    [
        Upstream {
            name: "openai",
            format: openai::Upstream::of_host("api.openai.com"),
            model: "gpt-4.1-mini",
            stream: openai_stream(),
            is_binary: false,
        },
        Upstream {
            name: "anthropic",
            format: &anthropic::Anthropic,
            model: "claude-sonnet-4-5",
            stream: anthropic_stream(),
            is_binary: false,
        },
        Upstream {
            name: "gemini",
            format: &gemini::Gemini,
            model: "gemini-2.5-flash",
            stream: gemini_stream(),
            is_binary: false,
        },
        Upstream {
            name: "bedrock",
            format: &bedrock::Bedrock,
            model: "anthropic.claude-sonnet-4-5-20250929-v1:0",
            stream: bedrock_stream(),
            is_binary: true,
        },
    ]
}

fn sse(events: impl IntoIterator<Item = Value>) -> Vec<u8> {
    let events = events.into_iter().map(|event| match event["type"].as_str() {
        Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    });
    events.collect::<String>().into_bytes()
}

fn openai_chunk(choices: Value) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_791_084_135,
        "model": "gpt-4.1-mini",
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "choices": choices,
        "usage": null,
    })
}

fn openai_stream() -> Vec<u8> {
    let delta = json!({"content": " fox"});
    let text = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]);
    let mut events =
        vec![openai_chunk(json!([{"index": 0, "delta": {"role": "assistant", "content": ""}}]))];
    events.extend(std::iter::repeat_n(openai_chunk(text), EVENTS));
    events.push(openai_chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}])));
    let mut last = openai_chunk(json!([]));
    last["usage"] =
        json!({"prompt_tokens": 9000, "completion_tokens": EVENTS, "total_tokens": 9000 + EVENTS});
    events.push(last);
    let mut stream = sse(events);
    stream.extend_from_slice(b"data: [DONE]\n\n");
    stream
}

fn anthropic_stream() -> Vec<u8> {
    let message = json!({
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": null,
        "usage": {"input_tokens": 9000, "output_tokens": 1},
    });
    let delta = json!({
        "type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " fox"},
    });
    let block = json!({"type": "text", "text": ""});
    let mut events = vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
    ];
    events.extend(std::iter::repeat_n(delta, EVENTS));
    events.push(json!({"type": "content_block_stop", "index": 0}));
    events.push(json!({
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": EVENTS},
    }));
    events.push(json!({"type": "message_stop"}));
    sse(events)
}

fn gemini_stream() -> Vec<u8> {
    let usage = json!({
        "promptTokenCount": 9000,
        "candidatesTokenCount": EVENTS,
        "totalTokenCount": 9000 + EVENTS,
    });
    let content = json!({"parts": [{"text": " fox"}], "role": "model"});
    let chunk = json!({
        "candidates": [{"content": content, "index": 0}],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
    });
    let mut last = chunk.clone();
    last["candidates"][0]["finishReason"] = "STOP".into();
    sse(std::iter::repeat_n(chunk, EVENTS - 1).chain([last]))
}

fn bedrock_message(kind: &str, payload: Value) -> Vec<u8> {
    let headers =
        [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    event_stream::encode(&headers, payload.to_string().as_bytes()).expect("a small message")
}

fn bedrock_stream() -> Vec<u8> {
    let delta = bedrock_message(
        "contentBlockDelta",
        json!({"contentBlockIndex": 0, "delta": {"text": " fox"}, "p": "abcdef"}),
    );
    let usage = json!({"inputTokens": 9000, "outputTokens": EVENTS, "totalTokens": 9000 + EVENTS});
    let mut stream = bedrock_message("messageStart", json!({"role": "assistant"}));
    stream.extend(delta.repeat(EVENTS));
    stream.extend(bedrock_message("contentBlockStop", json!({"contentBlockIndex": 0})));
    stream.extend(bedrock_message("messageStop", json!({"stopReason": "end_turn"})));
    let metadata = json!({"usage": usage, "metrics": {"latencyMs": 100}});
    stream.extend(bedrock_message("metadata", metadata));
    stream
}
