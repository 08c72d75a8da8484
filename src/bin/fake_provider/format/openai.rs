//! Writes the answers in OpenAI's wire format: chat completions, completions, embeddings, models,
//! errors. It decides what an answer says, never how its bytes travel; that is `script`.

use hyper::StatusCode;
use serde::Serialize;

use crate::answer::{Answer, Content, Event, Stage, json, now};
use crate::fault::Faults;
use crate::request::{Ask, Endpoint};
use crate::wire::{
    ChatChoice, ChatDelta, Completion, CompletionDetails, Delta, ErrorBody, ErrorFields,
    FunctionCall, Message, PromptDetails, TextChoice, ToolCall, Usage,
};

/// A completion before it is written in one of its four forms.
pub(crate) struct Reply<'a> {
    ask: &'a Ask,
    faults: &'a Faults,
    endpoint: Endpoint,
    id: String,
    created: u64,
    fingerprint: String,
    content: Content<'a>,
    tool: Option<(&'a str, String)>,
    finish: &'a str,
    usage: Usage,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(name: &str, endpoint: Endpoint, ask: &'a Ask, faults: &'a Faults) -> Self {
        let is_chat = endpoint == Endpoint::Chat;
        let content = Content::new(name, is_chat, ask, faults);
        let prefix = if is_chat { "chatcmpl" } else { "cmpl" };
        let number = content.number;
        Self {
            ask,
            faults,
            endpoint,
            id: format!("{prefix}-fake{number:024x}"),
            created: now(),
            fingerprint: format!("fp_{name}"),
            tool: content.tool.map(|tool| (tool, format!("call_fake{number:016x}"))),
            finish: faults.finish.as_deref().unwrap_or(content.finish([
                "tool_calls",
                "length",
                "stop",
            ])),
            usage: usage(ask, &content),
            content,
        }
    }

    pub(crate) fn answer(&self) -> Answer {
        match (self.endpoint, self.ask.streams()) {
            (Endpoint::Chat, false) => {
                Answer::Plain(self.plain(|index, text| self.chat_choice(index, text)))
            }
            (_, false) => Answer::Plain(
                self.plain(|index, text| self.text_choice(index, text, Some(self.finish))),
            ),
            (Endpoint::Chat, true) => Answer::Stream(self.chat_stream()),
            (_, true) => Answer::Stream(self.text_stream()),
        }
    }

    fn plain<C: Serialize>(&self, choice: impl Fn(u32, String) -> C) -> Vec<u8> {
        let object =
            if self.endpoint == Endpoint::Chat { "chat.completion" } else { "text_completion" };
        let choices = (0..self.ask.choices())
            .map(|index| choice(index, self.content.pieces.concat()))
            .collect();
        let usage = match self.faults {
            Faults { no_usage: true, .. } => None,
            Faults { usage_null: true, .. } => Some(None),
            _ => Some(Some(&self.usage)),
        };
        self.document(object, choices, usage)
    }

    fn chat_choice(&self, index: u32, text: String) -> ChatChoice<'_> {
        let message = match &self.tool {
            None => {
                Message { role: "assistant", content: Some(text), refusal: (), tool_calls: None }
            }
            Some((name, id)) => Message {
                role: "assistant",
                content: None,
                refusal: (),
                tool_calls: Some([ToolCall {
                    index: None,
                    id: Some(id),
                    kind: Some("function"),
                    function: FunctionCall { name: Some(name), arguments: text.into() },
                }]),
            },
        };
        ChatChoice { index, message, logprobs: (), finish_reason: self.finish }
    }

    fn text_choice<'b>(
        &self,
        index: u32,
        text: String,
        finish_reason: Option<&'b str>,
    ) -> TextChoice<'b> {
        TextChoice { text, index, logprobs: (), finish_reason }
    }

    fn chat_stream(&self) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.content.pieces.len() + 4);
        self.push_chat(&mut events, Stage::Opening, self.opening(), None);
        for piece in &self.content.pieces {
            self.push_chat(&mut events, Stage::Content, self.content(piece), None);
        }
        self.push_chat(&mut events, Stage::Closing, Delta::default(), Some(self.finish));
        self.push_end::<ChatDelta<'_>>(&mut events, "chat.completion.chunk");
        events
    }

    fn text_stream(&self) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.content.pieces.len() + 3);
        for piece in &self.content.pieces {
            self.push_text(&mut events, Stage::Content, piece, None);
        }
        self.push_text(&mut events, Stage::Closing, "", Some(self.finish));
        self.push_end::<TextChoice<'_>>(&mut events, "text_completion");
        events
    }

    /// The first delta of a chat: the role and, with a tool call, everything but its arguments.
    fn opening(&self) -> Delta<'_> {
        let tool_calls = self.tool.as_ref().map(|(name, id)| {
            [ToolCall {
                index: Some(0),
                id: Some(id),
                kind: Some("function"),
                function: FunctionCall { name: Some(name), arguments: "".into() },
            }]
        });
        let content = if tool_calls.is_some() { None } else { Some("") };
        Delta { role: Some("assistant"), content: Some(content), refusal: Some(()), tool_calls }
    }

    fn content<'b>(&'b self, piece: &'b str) -> Delta<'b> {
        if self.tool.is_none() {
            return Delta { content: Some(Some(piece)), ..Delta::default() };
        }
        let function = FunctionCall { name: None, arguments: piece.into() };
        let call = ToolCall { index: Some(0), id: None, kind: None, function };
        Delta { tool_calls: Some([call]), ..Delta::default() }
    }

    fn push_chat(
        &self,
        events: &mut Vec<Event>,
        stage: Stage,
        delta: Delta<'_>,
        finish: Option<&str>,
    ) {
        for index in 0..self.ask.choices() {
            let choice = ChatDelta { index, delta: &delta, logprobs: (), finish_reason: finish };
            let data = self.document(
                "chat.completion.chunk",
                vec![choice],
                self.chunk_usage(finish.is_some()),
            );
            events.push(Event { stage, kind: "", data });
        }
    }

    fn push_text(&self, events: &mut Vec<Event>, stage: Stage, text: &str, finish: Option<&str>) {
        for index in 0..self.ask.choices() {
            let choice = self.text_choice(index, text.to_owned(), finish);
            let data =
                self.document("text_completion", vec![choice], self.chunk_usage(finish.is_some()));
            events.push(Event { stage, kind: "", data });
        }
    }

    /// What follows the finish chunk: the usage in its own chunk, and the terminator.
    fn push_end<C: Serialize>(&self, events: &mut Vec<Event>, object: &str) {
        let faults = self.faults;
        if self.ask.includes_usage() && !faults.no_usage && !faults.usage_in_finish {
            let data = self.document(object, Vec::<C>::new(), Some(Some(&self.usage)));
            events.push(Event { stage: Stage::Closing, kind: "", data });
        }
        if !faults.no_done {
            events.push(Event { stage: Stage::Closing, kind: "", data: b"[DONE]".to_vec() });
        }
    }

    /// The field `usage` of a chunk with choices: absent, null, or the numbers.
    fn chunk_usage(&self, finishes: bool) -> Option<Option<&Usage>> {
        let faults = self.faults;
        if faults.no_usage {
            return None;
        }
        if faults.usage_in_finish && finishes {
            return Some(Some(&self.usage));
        }
        (faults.usage_null || (self.ask.includes_usage() && !faults.usage_in_finish))
            .then_some(None)
    }

    fn document<C: Serialize>(
        &self,
        object: &str,
        choices: Vec<C>,
        usage: Option<Option<&Usage>>,
    ) -> Vec<u8> {
        json(&Completion {
            id: &self.id,
            object,
            created: self.created,
            model: self.ask.model.as_deref().unwrap_or_default(),
            service_tier: "default",
            system_fingerprint: &self.fingerprint,
            choices,
            usage,
        })
    }
}

/// The body of an error.
pub(crate) fn error(message: &str, status: StatusCode, code: Option<&str>) -> Vec<u8> {
    let (kind, usual_code) = match status.as_u16() {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    json(&ErrorBody { error: ErrorFields { message, kind, param: (), code: code.or(usual_code) } })
}

/// The error of an event; its type says that something went wrong inside, unless there is a code.
pub(crate) fn error_event(message: &str, code: Option<&str>) -> Event {
    Event {
        stage: Stage::Failure,
        kind: "",
        data: error(message, StatusCode::INTERNAL_SERVER_ERROR, code),
    }
}

fn usage(ask: &Ask, content: &Content<'_>) -> Usage {
    let said = content.tokens.saturating_mul(u64::from(ask.choices()));
    let completion_tokens = said.saturating_add(content.reasoning);
    Usage {
        prompt_tokens: content.prompt_tokens,
        completion_tokens,
        total_tokens: content.prompt_tokens.saturating_add(completion_tokens),
        prompt_tokens_details: PromptDetails { cached_tokens: content.cached, audio_tokens: 0 },
        completion_tokens_details: CompletionDetails {
            reasoning_tokens: content.reasoning,
            audio_tokens: 0,
            accepted_prediction_tokens: 0,
            rejected_prediction_tokens: 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn reply(body: &str, faults: &str) -> Answer {
        let mut parsed = Faults::default();
        parsed.apply(faults).unwrap();
        let ask = Ask::read(Endpoint::Chat, "", body.as_bytes()).unwrap();
        Reply::new("alpha", Endpoint::Chat, &ask, &parsed).answer()
    }

    fn plain(body: &str, faults: &str) -> Value {
        match reply(body, faults) {
            Answer::Plain(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Answer::Stream(_) => panic!("a stream"),
        }
    }

    fn stream(body: &str, faults: &str) -> Vec<Value> {
        match reply(body, faults) {
            Answer::Plain(_) => panic!("a plain answer"),
            Answer::Stream(events) => events
                .into_iter()
                .filter(|event| event.data != b"[DONE]")
                .map(|event| serde_json::from_slice(&event.data).unwrap())
                .collect(),
        }
    }

    #[test]
    fn a_plain_chat_has_all_fields() {
        let answer =
            plain(r#"{"model":"m","messages":[],"n":2}"#, "prompt-tokens=10,cached=4,reasoning=3");
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(
            answer["choices"][1]["message"]["content"],
            "Hello from alpha and this is a scripted"
        );
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert_eq!(answer["usage"]["completion_tokens"], 19);
        assert_eq!(answer["usage"]["total_tokens"], 29);
        assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
        assert_eq!(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
    }

    #[test]
    fn max_tokens_limits_the_content() {
        let answer = plain(r#"{"messages":[],"max_tokens":2}"#, "");
        assert_eq!(answer["choices"][0]["message"]["content"], "Hello from");
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
    }

    #[test]
    fn tool_call_fragments_join_to_json() {
        let body = r#"{"stream":true,"messages":[],
            "tools":[{"type":"function","function":{"name":"look"}}]}"#;
        let events = stream(body, "tool-call,tokens=3");
        let calls = events.iter().map(|event| &event["choices"][0]["delta"]["tool_calls"][0]);
        let functions: Vec<_> = calls.map(|call| &call["function"]).collect();
        assert_eq!(functions[0]["name"], "look");
        let arguments: String =
            functions.iter().filter_map(|function| function["arguments"].as_str()).collect();
        assert_eq!(arguments, r#"{"text":"Hello from alpha"}"#);
        assert_eq!(events[4]["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(
            plain(&body.replace("true", "false"), "tool-call")["choices"][0]["message"]["content"],
            Value::Null
        );
    }

    #[test]
    fn usage_goes_where_it_is_told() {
        let asked = r#"{"stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
        let silent = r#"{"stream":true,"messages":[]}"#;
        // For each event whether its usage is an object, if it has any.
        let (null, object) = (Some(false), Some(true));
        let rows: [(_, _, &[Option<bool>]); 5] = [
            (silent, "tokens=1", &[None, None, None]),
            (asked, "tokens=1", &[null, null, null, object]),
            (asked, "tokens=1,no-usage", &[None, None, None]),
            (silent, "tokens=1,usage-null", &[null, null, null]),
            (silent, "tokens=1,usage-in-finish", &[None, None, object]),
        ];
        for (body, faults, expected) in rows {
            let events = stream(body, faults);
            let usage = events.iter().map(|event| event.get("usage").map(Value::is_object));
            assert_eq!(usage.collect::<Vec<_>>(), expected, "{body} {faults}");
        }
    }

    #[test]
    fn size_is_the_length_of_the_content() {
        let answer = plain(r#"{"messages":[]}"#, "size=1000");
        assert_eq!(answer["choices"][0]["message"]["content"].as_str().unwrap().len(), 1000);
        let events = stream(r#"{"messages":[],"stream":true}"#, "size=100,tokens=2");
        assert_eq!(events[2]["choices"][0]["delta"]["content"].as_str().unwrap().len(), 100);
    }
}
