//! Writes the answers of Amazon Bedrock's Converse and ConverseStream (2023-09-30), and its errors.
//! With `reasoning` a thought with its signature comes first; it belongs to the opening of a
//! stream.

use hyper::{HeaderMap, StatusCode};
use modelyard::wire::event_stream;
use serde_json::{Value, json};

use crate::answer::{self, Answer, Content, Event, SIGNATURE, Stage, THOUGHT};
use crate::fault::Faults;
use crate::request::Ask;

/// Whether a request looks signed for this service; the signature itself is not checked.
pub(crate) fn is_signed(headers: &HeaderMap) -> bool {
    let [authorization, date] = ["authorization", "x-amz-date"]
        .map(|name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default());
    let [credential, signed, signature] = ["Credential", "SignedHeaders", "Signature"]
        .map(|name| part(authorization, name).unwrap_or_default());
    let scope: Vec<&str> = credential.split('/').collect();
    authorization.starts_with("AWS4-HMAC-SHA256 ")
        && matches!(scope[..], [_, day, _, "bedrock", "aws4_request"] if date.starts_with(day))
        && signed.split(';').any(|name| name == "host")
        && signature.len() == 64
        && signature.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// One part of the header `authorization`.
fn part<'a>(authorization: &'a str, name: &str) -> Option<&'a str> {
    authorization.split([' ', ',']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

pub(crate) fn converse(name: &str, ask: &Ask, faults: &Faults) -> Answer {
    let content = Content::new(name, true, ask, faults);
    let reply = Reply { faults, content };
    if ask.streams() { Answer::Stream(reply.stream()) } else { Answer::Plain(reply.plain()) }
}

/// The kind of error that the header `x-amzn-errortype` names.
pub(crate) fn error_type(status: StatusCode, code: Option<&str>) -> &str {
    code.unwrap_or(match status.as_u16() {
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        500.. => "InternalServerException",
        _ => "ValidationException",
    })
}

pub(crate) fn error(message: &str) -> Vec<u8> {
    answer::json(&json!({"message": message}))
}

/// An exception. It is always the one for too many requests, because a stream has no place for a
/// code.
pub(crate) fn error_event(message: &str) -> Event {
    Event { stage: Stage::Failure, kind: "throttlingException", data: error(message) }
}

/// An event as a message of Amazon's event stream.
pub(crate) fn framed(event: &Event) -> Vec<u8> {
    let (kind, message) = match event.stage {
        Stage::Failure => (":exception-type", "exception"),
        _ => (":event-type", "event"),
    };
    let headers =
        [(kind, event.kind), (":content-type", "application/json"), (":message-type", message)];
    // Only a message of more than 4 GiB cannot be encoded.
    event_stream::encode(&headers, &event.data).unwrap_or_default()
}

/// A message whose checksum is wrong.
pub(crate) fn garbage() -> Vec<u8> {
    let mut message =
        framed(&event(Stage::Content, "contentBlockDelta", json!({"delta": {"text": "garbage"}})));
    if let Some(last) = message.last_mut() {
        *last ^= 1;
    }
    message
}

struct Reply<'a> {
    faults: &'a Faults,
    content: Content<'a>,
}

impl Reply<'_> {
    fn plain(&self) -> Vec<u8> {
        let mut blocks = Vec::new();
        if self.content.reasoning > 0 {
            let text = json!({"text": THOUGHT, "signature": SIGNATURE});
            blocks.push(json!({"reasoningContent": {"reasoningText": text}}));
        }
        let said = self.content.pieces.concat();
        blocks.push(match self.call() {
            Some(mut call) => {
                // An answer without a token has not even the braces of its arguments.
                answer::set(&mut call, "input", serde_json::from_str(&said).unwrap_or(json!({})));
                json!({"toolUse": call})
            }
            None => json!({"text": said}),
        });
        let mut answer = json!({
            "output": {"message": {"role": "assistant", "content": blocks}},
            "stopReason": self.stop_reason(),
            "metrics": {"latencyMs": 42},
        });
        if !self.faults.no_usage {
            answer::set(&mut answer, "usage", self.usage());
        }
        answer::json(&answer)
    }

    fn stream(&self) -> Vec<Event> {
        let mut events = vec![event(Stage::Opening, "messageStart", json!({"role": "assistant"}))];
        let delta = "contentBlockDelta";
        let index = usize::from(self.content.reasoning > 0);
        if index > 0 {
            for thought in [json!({"text": THOUGHT}), json!({"signature": SIGNATURE})] {
                let data = json!({"contentBlockIndex": 0, "delta": {"reasoningContent": thought}});
                events.push(event(Stage::Opening, delta, data));
            }
            events.push(event(Stage::Opening, "contentBlockStop", json!({"contentBlockIndex": 0})));
        }
        if let Some(call) = self.call() {
            let data = json!({"contentBlockIndex": index, "start": {"toolUse": call}});
            events.push(event(Stage::Opening, "contentBlockStart", data));
        }
        for piece in &self.content.pieces {
            let said = match self.content.tool {
                Some(_) => json!({"toolUse": {"input": piece}}),
                None => json!({"text": piece}),
            };
            events.push(event(
                Stage::Content,
                delta,
                json!({"contentBlockIndex": index, "delta": said}),
            ));
        }
        events.push(event(Stage::Closing, "contentBlockStop", json!({"contentBlockIndex": index})));
        events.push(event(
            Stage::Closing,
            "messageStop",
            json!({"stopReason": self.stop_reason()}),
        ));
        self.push_metadata(&mut events);
        events
    }

    /// The stream's last event. It is there even if the usage is left out.
    fn push_metadata(&self, events: &mut Vec<Event>) {
        if self.faults.no_done {
            return;
        }
        let mut data = json!({"metrics": {"latencyMs": 42}});
        if !self.faults.no_usage {
            answer::set(&mut data, "usage", self.usage());
        }
        events.push(event(Stage::Closing, "metadata", data));
    }

    fn call(&self) -> Option<Value> {
        let name = self.content.tool?;
        Some(
            json!({"toolUseId": format!("tooluse_fake{:016x}", self.content.number), "name": name}),
        )
    }

    fn stop_reason(&self) -> &str {
        self.faults.finish.as_deref().unwrap_or(self.content.finish([
            "tool_use",
            "max_tokens",
            "end_turn",
        ]))
    }

    fn usage(&self) -> Value {
        if self.faults.usage_null {
            return Value::Null;
        }
        let (fresh, cached, output) =
            (self.content.fresh_tokens(), self.content.cached, self.content.output_tokens());
        json!({
            "inputTokens": fresh,
            "outputTokens": output,
            "totalTokens": self.content.prompt_tokens.saturating_add(output),
            "cacheReadInputTokens": cached,
            "cacheWriteInputTokens": 0,
        })
    }
}

/// An event. Each has a padding `p`, so that nobody can guess from its length what it says.
fn event(stage: Stage, kind: &'static str, mut data: Value) -> Event {
    answer::set(&mut data, "p", "abcdefghijkl".into());
    Event { stage, kind, data: answer::json(&data) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn authorization(scope: &str) -> String {
        let signature = "0123456789abcdef".repeat(4);
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIA/{scope}/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
        )
    }

    #[test]
    fn signed_requests_are_told_from_others() {
        for (authorization, expected) in [
            (authorization("20261120/eu-central-1/bedrock"), true),
            (authorization("20261120/eu-central-1/s3"), false),
            (authorization("20261119/eu-central-1/bedrock"), false),
            ("Bearer sk".to_owned(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
            headers.insert("x-amz-date", HeaderValue::from_static("20261120T120000Z"));
            assert_eq!(is_signed(&headers), expected, "{authorization}");
        }
    }

    #[test]
    fn messages_are_whole_and_garbage_is_broken() {
        assert_eq!(intact(&framed(&error_event("too fast"))), [true]);
        assert_eq!(intact(&garbage()), [false]);
    }

    /// Whether each message of a stream is whole.
    fn intact(bytes: &[u8]) -> Vec<bool> {
        let mut intact = Vec::new();
        event_stream::Frames::new(1 << 16).push(bytes, &mut |piece| {
            intact.push(matches!(piece, event_stream::Piece::Event(_)));
        });
        intact
    }
}
