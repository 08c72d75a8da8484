//! Writes the answers of Anthropic's Messages API (`anthropic-version: 2023-06-01`): messages,
//! token counts, errors. With `reasoning` a thinking block with its signature comes first; it
//! belongs to the opening of a stream.

use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::answer::{self, Answer, Content, Event, SIGNATURE, Stage, THOUGHT};
use crate::fault::Faults;
use crate::request::Ask;

/// What the API demands of every request's headers; the error is a status and a sentence.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    if !headers.contains_key("x-api-key") && !headers.contains_key("authorization") {
        return Err((StatusCode::UNAUTHORIZED, "x-api-key header is required"));
    }
    if !headers.contains_key("anthropic-version") {
        return Err((StatusCode::BAD_REQUEST, "anthropic-version: header is required"));
    }
    Ok(())
}

pub(crate) fn count_tokens(ask: &Ask, faults: &Faults) -> Vec<u8> {
    answer::json(&json!({"input_tokens": faults.prompt_tokens.unwrap_or(ask.prompt_tokens)}))
}

pub(crate) fn messages(name: &str, ask: &Ask, faults: &Faults) -> Answer {
    let content = Content::new(name, true, ask, faults);
    let reply = Reply { ask, faults, content };
    if ask.streams() { Answer::Stream(reply.stream()) } else { Answer::Plain(reply.plain()) }
}

/// The body of an error; the code, where there is one, is its type.
pub(crate) fn error(message: &str, status: StatusCode, code: Option<&str>) -> Vec<u8> {
    let usual = match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    let error = json!({"type": code.unwrap_or(usual), "message": message});
    answer::json(&json!({"type": "error", "error": error, "request_id": "req_fake"}))
}

/// The error of an event; its type says that the API is overloaded, unless there is a code.
pub(crate) fn error_event(message: &str, code: Option<&str>) -> Event {
    let error = json!({"type": code.unwrap_or("overloaded_error"), "message": message});
    event(Stage::Failure, "error", json!({"error": error}))
}

struct Reply<'a> {
    ask: &'a Ask,
    faults: &'a Faults,
    content: Content<'a>,
}

impl Reply<'_> {
    fn plain(&self) -> Vec<u8> {
        let mut blocks: Vec<Value> = Vec::new();
        if self.content.reasoning > 0 {
            blocks.push(json!({"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}));
        }
        let said = self.content.pieces.concat();
        let mut block = self.block();
        match self.content.tool {
            // An answer without a token has not even the braces of its arguments.
            Some(_) => {
                answer::set(&mut block, "input", serde_json::from_str(&said).unwrap_or(json!({})))
            }
            None => answer::set(&mut block, "text", said.into()),
        }
        blocks.push(block);
        let mut message = self.message();
        answer::set(&mut message, "content", blocks.into());
        answer::set(&mut message, "stop_reason", self.stop_reason().into());
        self.count(&mut message, self.content.output_tokens());
        answer::json(&message)
    }

    fn stream(&self) -> Vec<Event> {
        let mut events = self.opening();
        let index = usize::from(self.content.reasoning > 0);
        events.push(event(
            Stage::Opening,
            "content_block_start",
            json!({"index": index, "content_block": self.block()}),
        ));
        for piece in &self.content.pieces {
            let delta = match self.content.tool {
                Some(_) => json!({"type": "input_json_delta", "partial_json": piece}),
                None => json!({"type": "text_delta", "text": piece}),
            };
            events.push(event(
                Stage::Content,
                "content_block_delta",
                json!({"index": index, "delta": delta}),
            ));
        }
        events.push(event(Stage::Closing, "content_block_stop", json!({"index": index})));
        let mut end = json!({"delta": {"stop_reason": self.stop_reason(), "stop_sequence": null}});
        self.count(&mut end, self.content.output_tokens());
        events.push(event(Stage::Closing, "message_delta", end));
        if !self.faults.no_done {
            events.push(event(Stage::Closing, "message_stop", json!({})));
        }
        events
    }

    /// The message without its content, a ping, and the thoughts.
    fn opening(&self) -> Vec<Event> {
        let mut message = self.message();
        self.count(&mut message, 1);
        let mut events = vec![
            event(Stage::Opening, "message_start", json!({"message": message})),
            event(Stage::Opening, "ping", json!({})),
        ];
        if self.content.reasoning > 0 {
            let empty = json!({"type": "thinking", "thinking": "", "signature": ""});
            let thought = json!({"type": "thinking_delta", "thinking": THOUGHT});
            let proof = json!({"type": "signature_delta", "signature": SIGNATURE});
            for (kind, data) in [
                ("content_block_start", json!({"index": 0, "content_block": empty})),
                ("content_block_delta", json!({"index": 0, "delta": thought})),
                ("content_block_delta", json!({"index": 0, "delta": proof})),
                ("content_block_stop", json!({"index": 0})),
            ] {
                events.push(event(Stage::Opening, kind, data));
            }
        }
        events
    }

    fn message(&self) -> Value {
        json!({
            "id": format!("msg_fake{:020x}", self.content.number),
            "type": "message",
            "role": "assistant",
            "model": self.ask.model.as_deref().unwrap_or_default(),
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
        })
    }

    /// The block of the text or of the tool call, as a stream starts it: empty.
    fn block(&self) -> Value {
        match self.content.tool {
            Some(name) => {
                let id = format!("toolu_fake{:016x}", self.content.number);
                json!({"type": "tool_use", "id": id, "name": name, "input": {}})
            }
            None => json!({"type": "text", "text": ""}),
        }
    }

    fn stop_reason(&self) -> &str {
        self.faults.finish.as_deref().unwrap_or(self.content.finish([
            "tool_use",
            "max_tokens",
            "end_turn",
        ]))
    }

    /// Adds the usage, unless there shall be none.
    fn count(&self, value: &mut Value, output: u64) {
        if self.faults.no_usage {
            return;
        }
        let usage = match self.faults.usage_null {
            true => Value::Null,
            false => json!({
                "input_tokens": self.content.fresh_tokens(),
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": self.content.cached,
                "output_tokens": output,
                "output_tokens_details": {"thinking_tokens": self.content.reasoning},
                "service_tier": "standard",
            }),
        };
        answer::set(value, "usage", usage);
    }
}

/// An event says its type in its data too.
fn event(stage: Stage, kind: &'static str, mut data: Value) -> Event {
    answer::set(&mut data, "type", kind.into());
    Event { stage, kind, data: answer::json(&data) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Endpoint;

    fn reply(body: &str, faults: &str) -> Answer {
        let mut parsed = Faults::default();
        parsed.apply(faults).unwrap();
        messages(
            "alpha",
            &Ask::read(Endpoint::Messages, "/v1/messages", body.as_bytes()).unwrap(),
            &parsed,
        )
    }

    #[test]
    fn a_plain_message_has_thoughts_text_and_usage() {
        let body = r#"{"model":"m","max_tokens":99,"messages":[]}"#;
        let Answer::Plain(body) = reply(body, "prompt-tokens=10,cached=4,reasoning=3,tokens=2")
        else {
            panic!()
        };
        let message: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(message["content"][0]["signature"], SIGNATURE);
        assert_eq!(message["content"][1]["text"], "Hello from");
        assert_eq!(message["stop_reason"], "end_turn");
        assert_eq!(
            (&message["usage"]["input_tokens"], &message["usage"]["output_tokens"]),
            (&json!(6), &json!(5))
        );
    }

    #[test]
    fn a_streamed_call_is_opened_and_filled() {
        let body = r#"{"model":"m","max_tokens":99,"stream":true,"messages":[],
            "tools":[{"name":"look"}]}"#;
        let Answer::Stream(events) = reply(body, "tool-call,tokens=2") else { panic!() };
        let kinds: Vec<&str> = events.iter().map(|event| event.kind).collect();
        let delta = "content_block_delta";
        let (start, stop) = ("content_block_start", "content_block_stop");
        assert_eq!(
            kinds,
            ["message_start", "ping", start, delta, delta, stop, "message_delta", "message_stop"]
        );
        let start: Value = serde_json::from_slice(&events[2].data).unwrap();
        assert_eq!(start["content_block"]["name"], "look");
    }
}
