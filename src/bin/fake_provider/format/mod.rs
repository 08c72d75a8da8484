//! The wire formats spoken here; the path tells which one a request is in.

mod anthropic;
mod bedrock;
mod gemini;
mod openai;

use hyper::{HeaderMap, StatusCode};

use crate::answer::{Answer, Event, Stage};
use crate::fault::Faults;
use crate::list;
use crate::request::{Ask, Endpoint};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    OpenAi,
    Anthropic,
    Gemini,
    Bedrock,
}

impl Format {
    pub(crate) fn of(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Chat | Endpoint::Completions | Endpoint::Embeddings | Endpoint::Models => {
                Self::OpenAi
            }
            Endpoint::Messages | Endpoint::CountTokens => Self::Anthropic,
            Endpoint::Generate { .. } => Self::Gemini,
            Endpoint::Converse { .. } => Self::Bedrock,
        }
    }

    /// Whether a request's headers are as the format demands; the error is a status and a sentence.
    pub(crate) fn check(
        self,
        headers: &HeaderMap,
        faults: &Faults,
    ) -> Result<(), (StatusCode, &'static str)> {
        match self {
            Self::Anthropic => anthropic::check(headers),
            Self::Bedrock if faults.signed && !bedrock::is_signed(headers) => {
                Err((StatusCode::FORBIDDEN, "the request is not signed for this service"))
            }
            _ => Ok(()),
        }
    }

    /// The answer to a request that nothing is wrong with.
    pub(crate) fn answer(
        self,
        name: &str,
        endpoint: Endpoint,
        ask: &Ask,
        faults: &Faults,
    ) -> Answer {
        match endpoint {
            Endpoint::Embeddings => Answer::Plain(list::embeddings(ask, faults)),
            Endpoint::Models => Answer::Plain(list::models(name)),
            Endpoint::CountTokens => Answer::Plain(anthropic::count_tokens(ask, faults)),
            Endpoint::Messages => anthropic::messages(name, ask, faults),
            Endpoint::Generate { .. } => gemini::generate(name, ask, faults),
            Endpoint::Converse { .. } => bedrock::converse(name, ask, faults),
            Endpoint::Chat | Endpoint::Completions => {
                openai::Reply::new(name, endpoint, ask, faults).answer()
            }
        }
    }

    /// The body of an error.
    pub(crate) fn error(self, message: &str, status: StatusCode, code: Option<&str>) -> Vec<u8> {
        match self {
            Self::OpenAi => openai::error(message, status, code),
            Self::Anthropic => anthropic::error(message, status, code),
            Self::Gemini => gemini::error(message, status, code),
            Self::Bedrock => bedrock::error(message),
        }
    }

    /// The event that stands in a stream in place of all that would follow.
    pub(crate) fn error_event(self, message: &str, code: Option<&str>) -> Event {
        match self {
            Self::OpenAi => openai::error_event(message, code),
            Self::Anthropic => anthropic::error_event(message, code),
            Self::Gemini => gemini::error_event(message, code),
            Self::Bedrock => bedrock::error_event(message),
        }
    }

    /// The kind of an error that a header of the format names, if it has one.
    pub(crate) fn error_type(self, status: StatusCode, code: Option<&str>) -> Option<String> {
        (self == Self::Bedrock).then(|| bedrock::error_type(status, code).to_owned())
    }

    pub(crate) fn stream_type(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Anthropic | Self::Gemini => "text/event-stream; charset=utf-8",
            Self::Bedrock => "application/vnd.amazon.eventstream",
        }
    }

    /// An event as it is written.
    pub(crate) fn framed(self, event: &Event, faults: &Faults) -> Vec<u8> {
        match self {
            Self::OpenAi | Self::Anthropic | Self::Gemini => server_sent(event, faults),
            Self::Bedrock => bedrock::framed(event),
        }
    }

    /// An event nobody can read.
    pub(crate) fn garbage(self, faults: &Faults) -> Vec<u8> {
        let event = Event { stage: Stage::Content, kind: "", data: b"{not json".to_vec() };
        match self {
            Self::OpenAi | Self::Anthropic | Self::Gemini => server_sent(&event, faults),
            Self::Bedrock => bedrock::garbage(),
        }
    }
}

fn server_sent(event: &Event, faults: &Faults) -> Vec<u8> {
    let end: &[u8] = if faults.crlf { b"\r\n" } else { b"\n" };
    let comment: &[&[u8]] = if faults.comments { &[b": keep-alive", end, end] } else { &[] };
    let kind: &[&[u8]] =
        if event.kind.is_empty() { &[] } else { &[b"event: ", event.kind.as_bytes(), end] };
    [comment, kind, &[b"data: ", event.data.as_slice(), end, end]].concat().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_framed_as_told() {
        for (kind, faults, expected) in [
            ("", "", "data: x\n\n"),
            ("ping", "", "event: ping\ndata: x\n\n"),
            ("", "crlf,comments", ": keep-alive\r\n\r\ndata: x\r\n\r\n"),
        ] {
            let mut parsed = Faults::default();
            parsed.apply(faults).unwrap();
            let event = Event { stage: Stage::Content, kind, data: b"x".to_vec() };
            assert_eq!(Format::OpenAi.framed(&event, &parsed), expected.as_bytes(), "{faults}");
        }
    }
}
