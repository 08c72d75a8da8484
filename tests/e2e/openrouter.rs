//! OpenRouter's face: its ids, its `provider`, its usage with cost, its errors, on plain answers
//! and on every chunk.

use serde_json::{Value, json};

use crate::client::Reply;
use crate::gateway::{Gateway, chat, stream};
use crate::setup::Setup;

fn setup() -> Setup {
    Setup::new()
        .chain("full", &["prompt-tokens=1000,cached=400,reasoning=50,tokens=10"])
        .model(
            "full",
            json!({"endpoints": [{
                "provider": "full-0",
                "model": "up-full",
                "pricing": {
                    "prompt": "0.000001",
                    "completion": "0.000002",
                    "input_cache_read": "0.00000025",
                },
            }]}),
        )
        .provider("full-0", json!({"name": "Full Service"}))
        .chain("silent", &["no-usage"])
        .chain("length", &["finish=max_tokens"])
        .chain("free", &[""])
        .model("free", json!({"endpoints": [{"provider": "free-0", "model": "up-free"}]}))
        .chain("broken", &["error-event=3,error-code=rate_limit_exceeded"])
        .chain("cut", &["cut=3"])
        .chain("failing", &["status=503", "status=500,error-code=boom"])
        .chain("huge", &["size=3000000"])
        .formats("native", &[("anthropic", MEASURED)])
        .provider("native-0", json!({"name": "The Native"}))
        .formats("silent-gemini", &[("gemini", "no-usage")])
        .document(json!({"limits": {"answer_bytes": 1 << 22}}))
}

/// 1000 input tokens, 400 of them cached, and 10 output tokens: at a chain's prices 0.00102, of
/// that 0.001 for input.
const MEASURED: &str = "prompt-tokens=1000,cached=400,tokens=10";

on_envoy! { setup:
    a_plain_answer_has_openrouters_form,
    every_chunk_has_openrouters_form,
    usage_has_its_cost_on_both,
    without_usage_an_estimate_stands_in,
    an_unknown_price_is_no_cost,
    finish_reasons_are_normalised,
    errors_are_in_the_envelope,
    an_error_in_mid_stream_is_a_chunk,
    ids_are_unique,
    a_large_answer_is_rewritten_whole,
    messages_say_who_answered_and_what_it_cost,
    responses_say_what_they_cost_and_when_they_were_complete,
    the_other_face_adds_nothing_to_messages_and_responses,
}

fn assert_identity(reply: &Reply, value: &Value, model: &str, provider: &str) {
    assert_eq!(value["id"], reply.header("x-generation-id").unwrap(), "{value}");
    assert!(value["id"].as_str().unwrap().starts_with("gen-"), "{value}");
    assert_eq!((&value["model"], &value["provider"]), (&json!(model), &json!(provider)), "{value}");
}

fn a_plain_answer_has_openrouters_form(gateway: &Gateway) {
    let reply = gateway.ask("/api/v1", &chat("full"));
    let body = reply.json();
    assert_identity(&reply, &body, "t/full", "Full Service");
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["choices"][0]["native_finish_reason"], "stop");
    assert!(
        body["choices"][0]["message"]["content"].as_str().unwrap().starts_with("Hello from full-0")
    );
}

fn every_chunk_has_openrouters_form(gateway: &Gateway) {
    let reply = gateway.ask("/api/v1", &stream("full"));
    let chunks = reply.chunks();
    assert!(chunks.len() >= 11, "{reply:?}");
    for chunk in &chunks {
        assert_identity(&reply, chunk, "t/full", "Full Service");
        assert_eq!(chunk["object"], "chat.completion.chunk");
        let choice = &chunk["choices"][0];
        assert!(choice["delta"].is_object(), "{chunk}");
        assert!(
            choice.get("finish_reason").is_some() && choice.get("native_finish_reason").is_some(),
            "{chunk}"
        );
    }
    assert_eq!(chunks.iter().filter(|chunk| chunk.get("usage").is_some()).count(), 1, "{reply:?}");
    assert!(chunks.last().unwrap()["usage"].is_object(), "{reply:?}");
    assert_eq!(reply.events().last().unwrap(), "[DONE]");
}

fn usage_has_its_cost_on_both(gateway: &Gateway) {
    // 600 fresh, 400 cached, 60 out: 0.0006 + 0.0001 + 0.00012.
    let plain = gateway.ask("/api/v1", &chat("full"));
    let streamed = gateway.ask("/api/v1", &stream("full"));
    for (reply, usage) in [
        (&plain, plain.json()["usage"].clone()),
        (&streamed, streamed.chunks().last().unwrap()["usage"].clone()),
    ] {
        assert_eq!(usage["prompt_tokens"], 1000, "{usage}");
        assert_eq!(usage["completion_tokens"], 60, "{usage}");
        assert_eq!(usage["total_tokens"], 1060, "{usage}");
        assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 400, "{usage}");
        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 50, "{usage}");
        assert_eq!(usage["cost"].as_f64(), Some(0.00082), "{usage}");
        assert_eq!(usage["is_byok"], false, "{usage}");
        assert!(reply.text().contains("\"cost\":0.00082,"), "exact: {reply:?}");
        assert_eq!(gateway.entry(reply)["cost_usd"], "0.00082");
    }
}

fn without_usage_an_estimate_stands_in(gateway: &Gateway) {
    let reply = gateway.ask("/api/v1", &stream("silent"));
    let usage = reply.chunks().last().unwrap()["usage"].clone();
    assert!(usage["completion_tokens"].as_u64().unwrap() > 0, "{reply:?}");
    assert_eq!(gateway.entry(&reply)["record"]["estimated"], true);
    let reply = gateway.ask("/api/v1", &chat("silent"));
    assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
    assert_eq!(gateway.entry(&reply)["record"]["estimated"], true);
}

fn an_unknown_price_is_no_cost(gateway: &Gateway) {
    let reply = gateway.ask("/api/v1", &chat("free"));
    assert_eq!(reply.json()["usage"]["cost"], Value::Null, "{reply:?}");
    let entry = gateway.entry(&reply);
    assert_eq!(entry["cost_usd"], Value::Null, "{entry}");
}

fn finish_reasons_are_normalised(gateway: &Gateway) {
    let reply = gateway.ask("/api/v1", &chat("length"));
    let choice = reply.json()["choices"][0].clone();
    assert_eq!(
        (&choice["finish_reason"], &choice["native_finish_reason"]),
        (&json!("length"), &json!("max_tokens"))
    );
    let reply = gateway.ask("/api/v1", &stream("length"));
    let chunks = reply.chunks();
    let choice = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0])
        .find(|choice| choice["finish_reason"].is_string());
    assert_eq!(choice.unwrap()["native_finish_reason"], "max_tokens", "{reply:?}");
    // The other face leaves the finish reason alone.
    assert_eq!(
        gateway.ask("/v1", &chat("length")).json()["choices"][0]["finish_reason"],
        "max_tokens"
    );
}

fn errors_are_in_the_envelope(gateway: &Gateway) {
    for body in [chat("failing"), stream("failing")] {
        let reply = gateway.ask("/api/v1", &body);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let error = reply.json()["error"].clone();
        assert_eq!((reply.status, &error["code"]), (500, &json!(500)), "{error}");
        assert_eq!(error["message"], "Provider returned error");
        let metadata = &error["metadata"];
        assert_eq!(metadata["provider_name"], "failing-1");
        assert_eq!(metadata["provider_code"], "boom");
        assert!(
            metadata["raw"].as_str().unwrap().contains("failing-1: scripted status 500"),
            "{error}"
        );
        assert_eq!(metadata["is_byok"], false);
        assert_eq!(metadata["previous_errors"][0]["provider"], "failing-0");
    }
    let error = gateway.ask("/api/v1", &chat("nobody")).json()["error"].clone();
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!(400), &json!("t/nobody is not a valid model ID"))
    );
    let mut body = chat("full");
    body["provider"] = json!({"only": ["nobody"]});
    let reply = gateway.ask("/api/v1", &body);
    assert_eq!(reply.status, 404, "{reply:?}");
    assert!(reply.text().contains("full-0"), "says what removed it: {reply:?}");
}

fn an_error_in_mid_stream_is_a_chunk(gateway: &Gateway) {
    for name in ["broken", "cut"] {
        let reply = gateway.ask("/api/v1", &stream(name));
        assert!(reply.whole, "{reply:?}");
        let chunks = reply.chunks();
        let last = chunks.iter().rfind(|chunk| chunk["error"].is_object()).unwrap();
        assert_identity(&reply, last, &format!("t/{name}"), &format!("{name}-0"));
        assert!(last["error"]["code"].is_u64() && last["error"]["message"].is_string(), "{last}");
        assert!(last["error"]["metadata"]["error_type"].is_string(), "{last}");
        assert_eq!(last["choices"][0]["finish_reason"], "error", "{last}");
        assert_eq!(
            chunks.iter().filter(|chunk| chunk["error"].is_object()).count(),
            1,
            "{reply:?}"
        );
    }
}

fn ids_are_unique(gateway: &Gateway) {
    let mut ids: Vec<String> = (0..20)
        .map(|_| gateway.ask("/api/v1", &chat("length")).json()["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

fn a_large_answer_is_rewritten_whole(gateway: &Gateway) {
    let reply = gateway.ask("/api/v1", &chat("huge"));
    assert_eq!((reply.status, reply.whole), (200, true), "{}", reply.body.len());
    assert_identity(&reply, &reply.json(), "t/huge", "huge-0");
    assert_eq!(reply.content().len(), 3_000_000);
}

/// A question with `openrouter_metadata` asked for.
fn ask_for_metadata(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    let headers = [("content-type", "application/json"), ("x-openrouter-metadata", "enabled")];
    let reply = gateway.request("POST", path, &headers, body.to_string().as_bytes());
    assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
    reply
}

fn message(name: &str, stream: bool) -> Value {
    let messages = json!([{"role": "user", "content": "Hello there"}]);
    json!({"model": format!("t/{name}"), "max_tokens": 99, "stream": stream, "messages": messages})
}

fn assert_cost(usage: &Value, input: &str, output: &str) {
    assert_eq!((&usage["cost"], &usage["is_byok"]), (&json!(0.00102), &json!(false)), "{usage}");
    let details = json!({
        "upstream_inference_cost": 0.00102,
        format!("upstream_inference_{input}_cost"): 0.001,
        format!("upstream_inference_{output}_cost"): 0.00002,
    });
    assert_eq!(usage["cost_details"], details, "{usage}");
}

fn messages_say_who_answered_and_what_it_cost(gateway: &Gateway) {
    let reply = ask_for_metadata(gateway, "/api/v1/messages", &message("native", false));
    let body = reply.json();
    assert_eq!((&body["model"], &body["provider"]), (&json!("t/native"), &json!("The Native")));
    assert_eq!(body["openrouter_metadata"]["attempt"], 1, "{body}");
    assert_cost(&body["usage"], "prompt", "completions");
    assert_eq!(body["usage"]["input_tokens"], 600, "{body}");
    assert!(
        reply.text().starts_with(r#"{"provider":"The Native","openrouter_metadata":{"#),
        "{reply:?}"
    );

    let reply = ask_for_metadata(gateway, "/api/v1/messages", &message("native", true));
    let chunks = reply.chunks();
    let [start, delta, stop] = ["message_start", "message_delta", "message_stop"]
        .map(|kind| chunks.iter().find(|chunk| chunk["type"] == kind).unwrap());
    let start = &start["message"];
    assert_eq!((&start["model"], &start["provider"]), (&json!("t/native"), &json!("The Native")));
    assert_cost(&delta["usage"], "prompt", "completions");
    assert_eq!(stop["openrouter_metadata"]["attempt"], 1);
    assert_eq!(gateway.entry(&reply)["cost_usd"], "0.00102");
    // All other events are as the upstream sent them.
    assert_eq!(chunks.iter().filter(|chunk| chunk.get("provider").is_some()).count(), 0);

    // A translated answer whose upstream reports no usage.
    let body =
        ask_for_metadata(gateway, "/api/v1/messages", &message("silent-gemini", false)).json();
    assert_eq!(body["provider"], "silent-gemini-0", "{body}");
    assert!(
        body["usage"]["output_tokens"].as_u64() > Some(0)
            && body["usage"]["cost"].as_f64() > Some(0.0),
        "{body}"
    );
    let chunks =
        ask_for_metadata(gateway, "/api/v1/messages", &message("silent-gemini", true)).chunks();
    let usage = &chunks[chunks.len() - 2]["usage"];
    assert!(
        usage["output_tokens"].as_u64() > Some(0) && usage["cost"].as_f64() > Some(0.0),
        "{chunks:?}"
    );
}

fn responses_say_what_they_cost_and_when_they_were_complete(gateway: &Gateway) {
    let mut question = json!({"model": "t/native", "input": "Hello there"});
    let whole = ask_for_metadata(gateway, "/api/v1/responses", &question).json();
    question["stream"] = true.into();
    let chunks = ask_for_metadata(gateway, "/api/v1/responses", &question).chunks();
    let last = chunks.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    for response in [&whole, &last["response"]] {
        assert_cost(&response["usage"], "input", "output");
        assert_eq!(response["openrouter_metadata"]["attempt"], 1, "{response}");
        assert!(response["completed_at"].as_u64() >= response["created_at"].as_u64(), "{response}");
    }
    assert_eq!(chunks[0]["response"]["completed_at"], Value::Null);
    question["model"] = "t/silent-gemini".into();
    let chunks = ask_for_metadata(gateway, "/api/v1/responses", &question).chunks();
    assert!(chunks.last().unwrap()["response"]["usage"]["cost"].as_f64() > Some(0.0), "{chunks:?}");
    // OpenRouter answers errors on this path in the form of chat completions.
    question["model"] = "t/nobody".into();
    let reply = gateway.request("POST", "/api/v1/responses", &[], question.to_string().as_bytes());
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(400)), "{reply:?}");
}

fn the_other_face_adds_nothing_to_messages_and_responses(gateway: &Gateway) {
    for stream in [false, true] {
        let reply = ask_for_metadata(gateway, "/v1/messages", &message("native", stream));
        let question = json!({"model": "t/native", "input": "Hello there", "stream": stream});
        let other = ask_for_metadata(gateway, "/v1/responses", &question);
        for text in [reply.text(), other.text()] {
            assert!(
                !text.contains("cost")
                    && !text.contains("provider")
                    && !text.contains("metadata\":{\""),
                "{text}"
            );
        }
    }
}
