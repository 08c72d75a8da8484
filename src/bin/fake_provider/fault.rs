//! What one answer shall do wrong, as data, and how it is read from text.
//! A text is `key=value,word,…`; a comma inside a value is written `%2C`.
//! Layers are applied from the most general to the most specific, so that the later one wins
//! key by key. The keys themselves are listed in `directive`; nothing here plays a fault.

use std::fmt;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;

use crate::directive::{self, DIRECTIVES};

/// Content events of an answer when nothing says otherwise.
const DEFAULT_TOKENS: usize = 8;

/// The faults of one answer; the default is an answer without any.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Faults {
    pub(crate) status: Option<StatusCode>,
    pub(crate) retry_after: Option<HeaderValue>,
    pub(crate) body: Option<BodyKind>,
    pub(crate) error_code: Option<String>,
    pub(crate) signed: bool,
    pub(crate) empty: bool,
    pub(crate) delay: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) stall: Option<Point>,
    pub(crate) reset: Option<Point>,
    pub(crate) truncate: Option<Point>,
    pub(crate) cut: Option<Point>,
    pub(crate) error_event: Option<Point>,
    pub(crate) garbage: Option<Point>,
    pub(crate) empty_stream: bool,
    pub(crate) no_done: bool,
    pub(crate) comments: bool,
    pub(crate) crlf: bool,
    pub(crate) bytes: Option<usize>,
    pub(crate) gzip: bool,
    pub(crate) trailers: bool,
    pub(crate) close: bool,
    pub(crate) retry_header: Option<HeaderValue>,
    pub(crate) no_usage: bool,
    pub(crate) usage_null: bool,
    pub(crate) usage_in_finish: bool,
    pub(crate) prompt_tokens: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) reasoning: Option<u64>,
    pub(crate) tokens: Option<usize>,
    pub(crate) size: Option<usize>,
    pub(crate) finish: Option<String>,
    pub(crate) tool_call: bool,
    pub(crate) times: Option<u64>,
}

/// Where in an answer something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Before the response headers.
    Start,
    /// Between the headers and the first byte of the body.
    Head,
    /// After this many content events, or after the last one when there are fewer.
    Events(usize),
}

/// What stands in the body of a scripted status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Json,
    Html,
    Text,
    Empty,
}

/// Why a text of directives was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum BadDirective {
    /// No directive has this name.
    Unknown(String),
    /// The directive exists but not with this value; `expected` is its form.
    Value { given: String, expected: String },
    /// `%` is not followed by two hexadecimal digits, or the bytes are not UTF-8.
    Encoding(String),
}

impl fmt::Display for BadDirective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let known: Vec<String> =
                    DIRECTIVES.iter().map(directive::Directive::form).collect();
                write!(f, "unknown fault directive `{name}` (known: {})", known.join(", "))
            }
            Self::Value { given, expected } => {
                write!(f, "bad fault directive `{given}` (expected: {expected})")
            }
            Self::Encoding(text) => write!(f, "bad percent-encoding in fault directive `{text}`"),
        }
    }
}

impl Faults {
    /// Sets what `text` names and leaves the rest, so that `text` overrides what was there.
    pub(crate) fn apply(&mut self, text: &str) -> Result<(), BadDirective> {
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some(plain) = percent_decoded(part) else {
                return Err(BadDirective::Encoding(part.to_owned()));
            };
            self.apply_one(&plain)?;
        }
        Ok(())
    }

    /// Content events, or pieces of a plain body, that the answer has unless the client limits
    /// them.
    pub(crate) fn token_count(&self) -> usize {
        self.tokens.unwrap_or(DEFAULT_TOKENS)
    }

    fn apply_one(&mut self, part: &str) -> Result<(), BadDirective> {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (part, None),
        };
        let Some(directive) = DIRECTIVES.iter().find(|known| known.name == name) else {
            return Err(BadDirective::Unknown(name.to_owned()));
        };
        if (directive.set)(self, value) {
            return Ok(());
        }
        Err(BadDirective::Value { given: part.to_owned(), expected: directive.form() })
    }
}

/// The directives in the segments `fault:…` of a request path, in the order of the path.
pub(crate) fn in_path(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter_map(|segment| {
        ["fault:", "fault%3A", "fault%3a"].iter().find_map(|prefix| segment.strip_prefix(prefix))
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? * 16 + hex_digit(bytes.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Faults, BadDirective> {
        let mut faults = Faults::default();
        faults.apply(text)?;
        Ok(faults)
    }

    #[test]
    fn keys_and_words_are_read() {
        let faults = parsed("status=503, retry-after=2,no-done,delay=30,body=html").unwrap();
        assert_eq!(faults.status, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(faults.retry_after, Some(HeaderValue::from_static("2")));
        assert_eq!(faults.delay, Some(Duration::from_millis(30)));
        assert_eq!(faults.body, Some(BodyKind::Html));
        assert!(faults.no_done);
    }

    #[test]
    fn points_depend_on_the_directive() {
        for (text, expected) in [
            ("stall=headers", Point::Start),
            ("stall=first", Point::Head),
            ("stall=0", Point::Events(0)),
            ("stall=3", Point::Events(3)),
            ("reset", Point::Start),
            ("reset=first", Point::Head),
            ("reset=2", Point::Events(2)),
            ("truncate=first", Point::Head),
            ("cut=1", Point::Events(1)),
            ("error-event", Point::Head),
            ("error-event=4", Point::Events(4)),
        ] {
            let faults = parsed(text).unwrap();
            let mut points =
                [faults.stall, faults.reset, faults.truncate, faults.cut, faults.error_event]
                    .into_iter()
                    .flatten();
            assert_eq!(points.next(), Some(expected), "{text}");
        }
    }

    #[test]
    fn bad_values_name_the_form() {
        for text in [
            "status=99",
            "status=abc",
            "status",
            "stall",
            "stall=soon",
            "reset=headers",
            "cut=headers",
            "bytes=0",
            "no-done=1",
            "body=xml",
            "delay=-1",
            "times=x",
            "finish=",
            "retry-after=a%0Ab",
        ] {
            let error = parsed(text).unwrap_err();
            assert!(matches!(error, BadDirective::Value { .. }), "{text}: {error}");
        }
        let error = parsed("status=abc").unwrap_err();
        assert_eq!(error.to_string(), "bad fault directive `status=abc` (expected: status=CODE)");
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = parsed("status=503,explode").unwrap_err().to_string();
        assert!(message.starts_with("unknown fault directive `explode`"), "{message}");
        assert!(
            message.contains("status=CODE") && message.contains("reset[=first|N]"),
            "{message}"
        );
    }

    #[test]
    fn later_layers_override_key_by_key() {
        let mut faults = parsed("status=503,delay=10").unwrap();
        faults.apply("status=429,cut=1").unwrap();
        assert_eq!(faults, parsed("status=429,delay=10,cut=1").unwrap());
    }

    #[test]
    fn a_comma_in_a_value_is_percent_encoded() {
        let faults = parsed("retry-after=Wed%2C 21 Oct 2015 07:28:00 GMT,crlf").unwrap();
        assert_eq!(faults.retry_after.unwrap(), "Wed, 21 Oct 2015 07:28:00 GMT");
        assert!(matches!(parsed("finish=%f"), Err(BadDirective::Encoding(_))));
        assert!(matches!(parsed("finish=%ff"), Err(BadDirective::Encoding(_))));
    }

    #[test]
    fn path_segments_are_found_anywhere() {
        let found: Vec<&str> =
            in_path("/a/fault:reset/v1/fault%3Acut=1,crlf/chat/completions").collect();
        assert_eq!(found, ["reset", "cut=1,crlf"]);
        assert_eq!(in_path("/v1/default:reset/x").count(), 0);
    }

    #[test]
    fn directive_names_are_unique_and_documented() {
        for (index, one) in DIRECTIVES.iter().enumerate() {
            assert!(!one.help.is_empty());
            assert!(
                DIRECTIVES.iter().skip(index + 1).all(|other| other.name != one.name),
                "{}",
                one.name
            );
        }
    }
}
