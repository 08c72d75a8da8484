//! Writes the answers of Google's `generateContent` and `streamGenerateContent?alt=sse` (v1beta),
//! and its errors. With `reasoning` a thought comes first; it belongs to the opening of a stream.
//! Function calls come whole, in one event.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::answer::{self, Answer, Content, Event, SIGNATURE, Stage, THOUGHT};
use crate::fault::Faults;
use crate::request::Ask;

pub(crate) fn generate(name: &str, ask: &Ask, faults: &Faults) -> Answer {
    let content = Content::new(name, true, ask, faults);
    let reply = Reply { ask, faults, content };
    if ask.streams() { Answer::Stream(reply.stream()) } else { Answer::Plain(reply.plain()) }
}

/// The body of an error and of an error event; the code, where there is one, is its status.
pub(crate) fn error(message: &str, status: StatusCode, code: Option<&str>) -> Vec<u8> {
    let usual = match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    let name = code.unwrap_or(usual);
    let error = json!({"code": status.as_u16(), "message": message, "status": name});
    answer::json(&json!({ "error": error }))
}

fn event(stage: Stage, response: &Value) -> Event {
    Event { stage, kind: "", data: answer::json(response) }
}

/// The error of an event; its status says that the API is not available, unless there is a code.
pub(crate) fn error_event(message: &str, code: Option<&str>) -> Event {
    Event {
        stage: Stage::Failure,
        kind: "",
        data: error(message, StatusCode::SERVICE_UNAVAILABLE, code),
    }
}

struct Reply<'a> {
    ask: &'a Ask,
    faults: &'a Faults,
    content: Content<'a>,
}

impl Reply<'_> {
    fn plain(&self) -> Vec<u8> {
        let mut parts = self.thoughts();
        parts.push(self.part(&self.content.pieces.concat()));
        answer::json(&self.response(parts, Some(self.finish_reason())))
    }

    fn stream(&self) -> Vec<Event> {
        let thoughts = self.thoughts().into_iter();
        let mut events: Vec<Event> = thoughts
            .map(|thought| event(Stage::Opening, &self.response(vec![thought], None)))
            .collect();
        let whole = [self.content.pieces.concat()];
        let pieces = if self.content.tool.is_some() {
            whole.as_slice()
        } else {
            self.content.pieces.as_slice()
        };
        for piece in pieces {
            events.push(event(Stage::Content, &self.response(vec![self.part(piece)], None)));
        }
        events.push(event(
            Stage::Closing,
            &self.response(vec![json!({"text": ""})], Some(self.finish_reason())),
        ));
        events
    }

    fn thoughts(&self) -> Vec<Value> {
        if self.content.reasoning > 0 {
            vec![json!({"text": THOUGHT, "thought": true})]
        } else {
            Vec::new()
        }
    }

    fn part(&self, said: &str) -> Value {
        let Some(name) = self.content.tool else { return json!({"text": said}) };
        // An answer without a token has not even the braces of its arguments.
        let args: Value = serde_json::from_str(said).unwrap_or(json!({}));
        let mut part = json!({"functionCall": {"name": name, "args": args}});
        if self.content.reasoning > 0 {
            answer::set(&mut part, "thoughtSignature", SIGNATURE.into());
        }
        part
    }

    fn finish_reason(&self) -> &str {
        self.faults.finish.as_deref().unwrap_or(self.content.finish(["STOP", "MAX_TOKENS", "STOP"]))
    }

    /// A whole answer or one event; the output is counted where it ends.
    fn response(&self, parts: Vec<Value>, finish: Option<&str>) -> Value {
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
        if let Some(finish) = finish {
            answer::set(&mut candidate, "finishReason", finish.into());
        }
        let mut response = json!({
            "candidates": [candidate],
            "modelVersion": self.ask.model.as_deref().unwrap_or_default(),
            "responseId": format!("fake{:016x}", self.content.number),
        });
        if !self.faults.no_usage {
            let usage =
                if self.faults.usage_null { Value::Null } else { self.usage(finish.is_some()) };
            answer::set(&mut response, "usageMetadata", usage);
        }
        response
    }

    fn usage(&self, at_end: bool) -> Value {
        let Content { prompt_tokens, cached, tokens, reasoning, .. } = self.content;
        let mut usage = json!({
            "promptTokenCount": prompt_tokens,
            "cachedContentTokenCount": cached,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt_tokens}],
            "totalTokenCount": prompt_tokens,
        });
        if at_end {
            answer::set(&mut usage, "candidatesTokenCount", tokens.into());
            answer::set(&mut usage, "thoughtsTokenCount", reasoning.into());
            let total = prompt_tokens.saturating_add(self.content.output_tokens());
            answer::set(&mut usage, "totalTokenCount", total.into());
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Endpoint;

    #[test]
    fn calls_come_whole_and_counts_at_the_end() {
        let mut faults = Faults::default();
        faults.apply("tool-call,tokens=2,reasoning=3,prompt-tokens=10").unwrap();
        let body = br#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"look"}]}]}"#;
        let path = "/v1beta/models/m:streamGenerateContent";
        let ask = Ask::read(Endpoint::Generate { stream: true }, path, body).unwrap();
        let Answer::Stream(events) = generate("alpha", &ask, &faults) else { panic!() };
        let events: Vec<Value> =
            events.iter().map(|event| serde_json::from_slice(&event.data).unwrap()).collect();
        assert_eq!(events.len(), 3);
        assert_eq!(events[0]["candidates"][0]["content"]["parts"][0]["thought"], true);
        let part = &events[1]["candidates"][0]["content"]["parts"][0];
        assert_eq!(part["functionCall"], json!({"name": "look", "args": {"text": "Hello from"}}));
        assert_eq!(events[2]["candidates"][0]["finishReason"], "STOP");
        assert_eq!(events[2]["usageMetadata"]["totalTokenCount"], 15);
        assert_eq!(events[2]["modelVersion"], "m");
    }
}
