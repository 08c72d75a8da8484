//! The one table of fault directives.
//! Parsing, the command line's help and the message about an unknown directive all come from it;
//! a new fault is one row here, one field in `Faults`, and the place that plays it.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;

use crate::fault::{BodyKind, Faults, Point};

/// Bounds what one answer can take of the memory.
const MAX_COUNT: usize = 1 << 20;
const MAX_BYTES: usize = 1 << 26;

/// One row: how a directive is written, what it does, and how it is stored.
pub(crate) struct Directive {
    pub(crate) name: &'static str,
    /// What follows the name, as shown to the reader: empty, `=N`, `[=first|N]`.
    value: &'static str,
    pub(crate) help: &'static str,
    /// Stores the value; false when it is not of the form that `value` shows.
    pub(crate) set: fn(&mut Faults, Option<&str>) -> bool,
}

impl Directive {
    /// The name with the form of its value.
    pub(crate) fn form(&self) -> String {
        format!("{}{}", self.name, self.value)
    }
}

/// Every directive, in the order in which the help shows them.
#[rustfmt::skip]
pub(crate) const DIRECTIVES: &[Directive] = &[
    row("status", "=CODE", "answer with this status and an error body of the format",
        |f, v| put(&mut f.status, v.and_then(status))),
    row("retry-after", "=TEXT", "header `retry-after`",
        |f, v| put(&mut f.retry_after, v.and_then(header))),
    row("body", "=json|html|text|empty",
        "what the body is instead, with an error status or with 200",
        |f, v| put(&mut f.body, v.and_then(body_kind))),
    row("error-code", "=TEXT",
        "the code of the error body or error event, where the format has one",
        |f, v| put(&mut f.error_code, v.and_then(text))),
    row("signed", "", "Bedrock: 403 for what is not signed for it",
        |f, v| flag(&mut f.signed, v)),
    row("empty", "", "200 with content-length 0",
        |f, v| flag(&mut f.empty, v)),

    row("delay", "=MS", "wait before the headers",
        |f, v| put(&mut f.delay, v.and_then(millis))),
    row("interval", "=MS", "wait between events (plain answers: between TOKENS pieces of the body)",
        |f, v| put(&mut f.interval, v.and_then(millis))),
    row("stall", "=headers|first|N",
        "silence before the headers, after them, or after N content events",
        |f, v| put(&mut f.stall, v.and_then(point_or_headers))),
    row("reset", "[=first|N]",
        "TCP reset before any byte, after the headers, or after N content events",
        |f, v| put(&mut f.reset, v.map_or(Some(Point::Start), point))),
    row("truncate", "=first|N", "close without the end of the body (HTTP/2: reset the stream)",
        |f, v| put(&mut f.truncate, v.and_then(point))),
    row("cut", "=first|N", "end the body cleanly but too early: no finish reason, no terminator",
        |f, v| put(&mut f.cut, v.and_then(point))),

    row("error-event", "[=first|N]", "streams: an error event, which ends the stream",
        |f, v| put(&mut f.error_event, v.map_or(Some(Point::Head), point))),
    row("garbage", "=first|N",
        "streams: an event that is not JSON (Bedrock: with a wrong checksum)",
        |f, v| put(&mut f.garbage, v.and_then(point))),
    row("empty-stream", "", "200 and the headers of a stream, without an event",
        |f, v| flag(&mut f.empty_stream, v)),
    row("no-done", "", "streams: no terminator ([DONE], message_stop, metadata)",
        |f, v| flag(&mut f.no_done, v)),
    row("comments", "", "streams: the comment `: keep-alive` before each event",
        |f, v| flag(&mut f.comments, v)),
    row("crlf", "", "streams: lines end in CR LF",
        |f, v| flag(&mut f.crlf, v)),

    row("bytes", "=N", "write the body in pieces of N bytes, each flushed",
        |f, v| put(&mut f.bytes, v.and_then(|v| within(v, 1, MAX_BYTES)))),
    row("gzip", "", "content-encoding gzip, asked for or not",
        |f, v| flag(&mut f.gzip, v)),
    row("trailers", "", "a response trailer (HTTP/1.1: only when the request has `te: trailers`)",
        |f, v| flag(&mut f.trailers, v)),
    row("close", "", "HTTP/1: answer as HTTP/1.0, the body ends where the connection does",
        |f, v| flag(&mut f.close, v)),
    row("retry-header", "[=unreadable]",
        "headers `x-modelyard-retry: 1`, or what is no text, and `-tried`, as a hostile provider \
         would",
        |f, v| put(&mut f.retry_header, retry_header(v))),

    row("no-usage", "", "no usage at all",
        |f, v| flag(&mut f.no_usage, v)),
    row("usage-null", "", "`usage: null` on plain answers and chunks",
        |f, v| flag(&mut f.usage_null, v)),
    row("usage-in-finish", "", "OpenAI streams: usage on the finish chunk, asked for or not",
        |f, v| flag(&mut f.usage_in_finish, v)),
    row("prompt-tokens", "=N", "prompt tokens (default: characters of the request body / 4)",
        |f, v| put(&mut f.prompt_tokens, v.and_then(number))),
    row("cached", "=N", "cached prompt tokens",
        |f, v| put(&mut f.cached, v.and_then(number))),
    row("reasoning", "=N",
        "reasoning tokens, on top of the content's; all but OpenAI say a thought too",
        |f, v| put(&mut f.reasoning, v.and_then(number))),
    row("tokens", "=N", "content events (default 8); the request's max_tokens still limits them",
        |f, v| put(&mut f.tokens, v.and_then(|v| within(v, 0, MAX_COUNT)))),
    row("size", "=N", "bytes of content: of a plain answer, or of each event",
        |f, v| put(&mut f.size, v.and_then(|v| within(v, 0, MAX_BYTES)))),
    row("finish", "=REASON", "finish reason",
        |f, v| put(&mut f.finish, v.and_then(text))),
    row("tool-call", "", "call the first of the request's tools",
        |f, v| flag(&mut f.tool_call, v)),

    row("times", "=N", "all this only for the first N requests to the listener and path",
        |f, v| put(&mut f.times, v.and_then(number))),
];

const ABOUT: &str = "\
Fault directives, separated by commas (a comma in a value is %2C). They are read from path
segments (`/fault:status=503,retry-after=2/v1/…`), then the request header `x-fake-fault`,
then the listener (`--listen NAME=ADDR,status=503`), then --faults; the first one wins.

";

/// The table as text for a terminal.
pub(crate) fn help() -> String {
    let mut help = ABOUT.to_owned();
    for directive in DIRECTIVES {
        // Writing to a String cannot fail.
        let _ = writeln!(help, "  {:<28} {}", directive.form(), directive.help);
    }
    help
}

const fn row(
    name: &'static str,
    value: &'static str,
    help: &'static str,
    set: fn(&mut Faults, Option<&str>) -> bool,
) -> Directive {
    Directive { name, value, help, set }
}

fn put<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    *slot = value;
    slot.is_some()
}

fn flag(slot: &mut bool, value: Option<&str>) -> bool {
    *slot = true;
    value.is_none()
}

fn retry_header(value: Option<&str>) -> Option<HeaderValue> {
    match value {
        None => Some(HeaderValue::from_static("1")),
        Some("unreadable") => HeaderValue::from_bytes(b"\xff").ok(),
        Some(_) => None,
    }
}

fn status(value: &str) -> Option<StatusCode> {
    // 1xx is no final answer: hyper would refuse to send it as one.
    value.parse().ok().filter(|status: &StatusCode| !status.is_informational())
}

fn header(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok()
}

fn body_kind(value: &str) -> Option<BodyKind> {
    match value {
        "json" => Some(BodyKind::Json),
        "html" => Some(BodyKind::Html),
        "text" => Some(BodyKind::Text),
        "empty" => Some(BodyKind::Empty),
        _ => None,
    }
}

fn point(value: &str) -> Option<Point> {
    match value {
        "first" => Some(Point::Head),
        count => number(count).map(Point::Events),
    }
}

fn point_or_headers(value: &str) -> Option<Point> {
    if value == "headers" { Some(Point::Start) } else { point(value) }
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn millis(value: &str) -> Option<Duration> {
    number(value).map(Duration::from_millis)
}

fn within(value: &str, least: usize, most: usize) -> Option<usize> {
    number(value).filter(|number| (least..=most).contains(number))
}

fn number<T: FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}
