//! The clients' dialects: the same question in each, and what its answer says whatever form it
//! comes in.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::Gateway;

/// A dialect of clients; chat completions are spoken on the face with that base path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Chat(&'static str),
    Messages,
    Responses,
}

pub(crate) const DIALECTS: [Dialect; 4] =
    [Dialect::Chat("/v1"), Dialect::Chat("/api/v1"), Dialect::Messages, Dialect::Responses];

/// What an answer says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) model: String,
    pub(crate) text: String,
    pub(crate) thought: String,
    /// The name and the arguments of a call.
    pub(crate) call: Option<(String, Value)>,
    /// Why the answer ended, in OpenAI's words.
    pub(crate) finish: String,
    /// Input tokens, with those that were cached.
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) output: u64,
}

impl Dialect {
    pub(crate) fn path(self) -> String {
        match self {
            Self::Chat(base) => format!("{base}/chat/completions"),
            Self::Messages => "/v1/messages".to_owned(),
            Self::Responses => "/v1/responses".to_owned(),
        }
    }

    /// A question to the model `t/{name}`.
    pub(crate) fn question(self, name: &str, stream: bool) -> Value {
        let turns = json!([{"role": "user", "content": "Hello there"}]);
        let mut body = json!({"model": format!("t/{name}"), "stream": stream});
        let own = match self {
            Self::Chat("/v1") if stream => {
                let options = json!({"include_usage": true});
                json!({"messages": turns, "max_tokens": 99, "stream_options": options})
            }
            Self::Chat(_) | Self::Messages => json!({"messages": turns, "max_tokens": 99}),
            Self::Responses => json!({"input": turns, "max_output_tokens": 99}),
        };
        crate::setup::merge(&mut body, &own);
        body
    }

    /// The same with a tool to call.
    pub(crate) fn question_with_tool(self, name: &str, stream: bool) -> Value {
        let mut body = self.question(name, stream);
        let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}});
        body["tools"] = match self {
            Self::Chat(_) => {
                json!([{"type": "function", "function": {"name": "look", "parameters": schema}}])
            }
            Self::Messages => json!([{"name": "look", "input_schema": schema}]),
            Self::Responses => json!([{"type": "function", "name": "look", "parameters": schema}]),
        };
        body
    }

    /// The next question of a conversation in which a tool was called: it returned `Sunny`.
    pub(crate) fn go_on(self, mut body: Value, answer: &Value) -> Value {
        match self {
            Self::Chat(_) => {
                let message = answer["choices"][0]["message"].clone();
                let id = &message["tool_calls"][0]["id"];
                let result = json!({"role": "tool", "tool_call_id": id, "content": "Sunny"});
                body["messages"].as_array_mut().unwrap().extend([message, result]);
            }
            Self::Messages => {
                let content = &answer["content"];
                let call = content
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|block| block["type"] == "tool_use")
                    .unwrap();
                let result =
                    json!({"type": "tool_result", "tool_use_id": call["id"], "content": "Sunny"});
                let turns = [
                    json!({"role": "assistant", "content": content}),
                    json!({"role": "user", "content": [result]}),
                ];
                body["messages"].as_array_mut().unwrap().extend(turns);
            }
            Self::Responses => {
                let items = answer["output"].as_array().unwrap();
                let call = items.iter().find(|item| item["type"] == "function_call").unwrap();
                let (kind, id) = ("function_call_output", &call["call_id"]);
                let result = json!({"type": kind, "call_id": id, "output": "Sunny"});
                body["input"].as_array_mut().unwrap().extend(items.iter().cloned().chain([result]));
            }
        }
        body
    }

    /// Asks for thinking, in this dialect's own words.
    pub(crate) fn thinking(self) -> Value {
        match self {
            Self::Chat(_) => json!({"max_tokens": 4096, "reasoning": {"max_tokens": 1024}}),
            Self::Messages => {
                json!({"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 1024}})
            }
            Self::Responses => json!({
                "max_output_tokens": 4096,
                "reasoning": {"effort": "low"},
                "include": ["reasoning.encrypted_content"],
            }),
        }
    }

    pub(crate) fn ask(self, gateway: &Gateway, body: &Value) -> Reply {
        gateway.request(
            "POST",
            &self.path(),
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    }

    /// Reads a good answer, plain or streamed.
    pub(crate) fn said(self, reply: &Reply) -> Said {
        assert_eq!((reply.status, reply.whole), (200, true), "{self:?}: {reply:?}");
        let is_stream =
            reply.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        match (self, is_stream) {
            (Self::Chat(_), false) => of_chat(&reply.json()),
            (Self::Chat(_), true) => of_chat(&gathered_chat(reply)),
            (Self::Messages, false) => of_message(&reply.json()),
            (Self::Messages, true) => of_message(&gathered_message(reply)),
            (Self::Responses, false) => of_response(&reply.json()),
            (Self::Responses, true) => of_response(&gathered_response(reply)),
        }
    }

    /// The error that ends a stream, if one does: status or type, and message.
    pub(crate) fn last_error(self, reply: &Reply) -> Option<Value> {
        let last = reply.chunks().pop()?;
        match self {
            Self::Chat(_) => last.get("error").cloned(),
            Self::Messages => (last["type"] == "error").then(|| last["error"].clone()),
            Self::Responses => {
                (last["type"] == "response.failed").then(|| last["response"]["error"].clone())
            }
        }
    }

    /// The error of an answer that is one.
    pub(crate) fn error(self, reply: &Reply) -> Value {
        let body = reply.json();
        assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
        assert_eq!(body["type"] == "error", self == Self::Messages, "{self:?}: {body}");
        let error = body["error"].clone();
        assert!(error["message"].is_string(), "{self:?}: {body}");
        assert_eq!(error["code"].is_u64(), self == Self::Chat("/api/v1"), "{self:?}: {body}");
        error
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Arguments, which must be JSON by now.
fn arguments(json: &Value) -> Value {
    serde_json::from_str(json.as_str().unwrap()).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn of_chat(answer: &Value) -> Said {
    let choice = &answer["choices"][0];
    let message = &choice["message"];
    let call = message["tool_calls"].get(0).map(|call| &call["function"]);
    let usage = &answer["usage"];
    Said {
        model: text(&answer["model"]),
        text: text(&message["content"]),
        thought: text(&message["reasoning"]),
        call: call.map(|function| (text(&function["name"]), arguments(&function["arguments"]))),
        finish: text(&choice["finish_reason"]),
        input: number(&usage["prompt_tokens"]),
        cached: number(&usage["prompt_tokens_details"]["cached_tokens"]),
        output: number(&usage["completion_tokens"]),
    }
}

/// The whole answer that a stream of chunks amounts to.
fn gathered_chat(reply: &Reply) -> Value {
    assert_eq!(reply.events().last().map(String::as_str), Some("[DONE]"), "{reply:?}");
    let (mut message, mut call) =
        (json!({"content": "", "reasoning": ""}), json!({"arguments": ""}));
    let (mut finish, mut usage, mut model) = (Value::Null, Value::Null, Value::Null);
    for chunk in reply.chunks() {
        assert!(chunk.get("error").is_none(), "{reply:?}");
        let choice = &chunk["choices"][0];
        for name in ["content", "reasoning"] {
            append(&mut message[name], &choice["delta"][name]);
        }
        let function = &choice["delta"]["tool_calls"][0]["function"];
        append(&mut call["arguments"], &function["arguments"]);
        for (slot, value) in [
            (&mut call["name"], &function["name"]),
            (&mut finish, &choice["finish_reason"]),
            (&mut usage, &chunk["usage"]),
            (&mut model, &chunk["model"]),
        ] {
            if !value.is_null() {
                *slot = value.clone();
            }
        }
    }
    if call["name"].is_string() {
        message["tool_calls"] = json!([{"function": call}]);
    }
    let choice = json!({"message": message, "finish_reason": finish});
    json!({"model": model, "usage": usage, "choices": [choice]})
}

fn append(to: &mut Value, piece: &Value) {
    if let Some(piece) = piece.as_str() {
        *to = (text(to) + piece).into();
    }
}

fn of_message(message: &Value) -> Said {
    assert_eq!(
        (&message["type"], &message["role"]),
        (&json!("message"), &json!("assistant")),
        "{message}"
    );
    let usage = &message["usage"];
    let mut said = Said {
        model: text(&message["model"]),
        finish: match message["stop_reason"].as_str() {
            Some("end_turn") => "stop",
            Some("tool_use") => "tool_calls",
            Some("max_tokens") => "length",
            other => panic!("{other:?}"),
        }
        .to_owned(),
        input: number(&usage["input_tokens"]) + number(&usage["cache_read_input_tokens"]),
        cached: number(&usage["cache_read_input_tokens"]),
        output: number(&usage["output_tokens"]),
        ..Said::default()
    };
    for block in message["content"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "text" => said.text += block["text"].as_str().unwrap(),
            "thinking" => said.thought += block["thinking"].as_str().unwrap(),
            // This is the proof of the call that follows.
            "redacted_thinking" => assert!(block["data"].is_string(), "{block}"),
            "tool_use" => said.call = Some((text(&block["name"]), block["input"].clone())),
            other => panic!("{other}"),
        }
    }
    said
}

/// The message that a stream's events amount to, as Anthropic's own SDKs gather it.
fn gathered_message(reply: &Reply) -> Value {
    let mut message = Value::Null;
    let mut inputs: Vec<String> = Vec::new();
    let mut stopped = false;
    for event in reply.chunks() {
        assert!(!stopped, "nothing follows message_stop: {reply:?}");
        let index = usize::try_from(number(&event["index"])).unwrap();
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let blocks = message["content"].as_array_mut().unwrap();
                assert_eq!(blocks.len(), index, "{event}");
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                inputs[index] += delta["partial_json"].as_str().unwrap_or_default();
                for name in ["text", "thinking", "signature"] {
                    if delta[name].is_string() {
                        append(&mut message["content"][index][name], &delta[name]);
                    }
                }
            }
            "content_block_stop" => {
                if message["content"][index]["type"] == "tool_use" {
                    message["content"][index]["input"] = arguments(&inputs[index].clone().into());
                }
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                crate::setup::merge(&mut message["usage"], &event["usage"]);
            }
            "message_stop" => stopped = true,
            "ping" => {}
            other => panic!("{other}: {reply:?}"),
        }
    }
    assert!(stopped, "{reply:?}");
    message
}

fn of_response(response: &Value) -> Said {
    assert_eq!(response["object"], "response", "{response}");
    let usage = &response["usage"];
    let mut said = Said {
        model: text(&response["model"]),
        finish: if response["status"] == "completed" { "stop" } else { "length" }.to_owned(),
        input: number(&usage["input_tokens"]),
        cached: number(&usage["input_tokens_details"]["cached_tokens"]),
        output: number(&usage["output_tokens"]),
        ..Said::default()
    };
    for item in response["output"].as_array().unwrap() {
        match item["type"].as_str().unwrap() {
            "message" => said.text += item["content"][0]["text"].as_str().unwrap(),
            "reasoning" => {
                let (content, summary) = (&item["content"][0]["text"], &item["summary"][0]["text"]);
                said.thought += &text(if content.is_string() { content } else { summary });
            }
            "function_call" => {
                said.call = Some((text(&item["name"]), arguments(&item["arguments"])));
                said.finish = "tool_calls".to_owned();
            }
            other => panic!("{other}"),
        }
    }
    said
}

/// The response of a stream's last event, which the deltas before it must agree with.
fn gathered_response(reply: &Reply) -> Value {
    let events = reply.chunks();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{reply:?}");
    }
    let last = events.last().unwrap();
    assert!(
        matches!(last["type"].as_str(), Some("response.completed" | "response.incomplete")),
        "{reply:?}"
    );
    let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    let streamed: String = deltas.map(|event| text(&event["delta"])).collect();
    assert_eq!(of_response(&last["response"]).text, streamed, "{reply:?}");
    last["response"].clone()
}
