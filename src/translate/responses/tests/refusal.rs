//! Requests that are nearly right: keys twice, unknown keys, nulls, and values of other types than
//! they must be.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Each request with the message that its client gets.
const REFUSED: &[(&str, &str)] = &[
    (r#"{"input":"x","input":"y"}"#, "The request body has the key \"input\" twice"),
    (
        r#"{"input":null,"tools":null,"stream":null,"text":null,"reasoning":null,"tool_choice":null,
            "temperature":null,"include":null,"store":null,"prompt":null}"#,
        "input: is missing",
    ),
    (r#"{"input":"x","store":"yes"}"#, "store: must be true or false"),
    (r#"{"input":"x","background":0}"#, "background: must be true or false"),
    (r#"{"input":"x","parallel_tool_calls":"true"}"#, "parallel_tool_calls: must be true or false"),
    (r#"{"input":"x","max_output_tokens":-5}"#, "max_output_tokens: must be a whole number"),
    (
        r#"{"input":"x","max_output_tokens":18446744073709551616}"#,
        "max_output_tokens: must be a whole number",
    ),
    (r#"{"input":"x","max_output_tokens":"5"}"#, "max_output_tokens: must be a whole number"),
    (r#"{"input":"x","max_output_tokens":[5]}"#, "max_output_tokens: must be a whole number"),
    (r#"{"input":"x","temperature":1e999}"#, "temperature: must be a number"),
    (r#"{"input":"x","top_p":{}}"#, "top_p: must be a number"),
    (r#"{"input":"x","frequency_penalty":true}"#, "frequency_penalty: must be a number"),
    (r#"{"input":"x","presence_penalty":[]}"#, "presence_penalty: must be a number"),
    (r#"{"input":"x","stream":[]}"#, "stream: must be true or false"),
    (r#"{"input":"x","user":7}"#, "user: must be a string"),
    (r#"{"input":"x","safety_identifier":{}}"#, "safety_identifier: must be a string"),
    (r#"{"input":"x","instructions":["be kind"]}"#, "instructions: must be a string"),
    (r#"{"input":"x","include":"all"}"#, "include: must be an array"),
    (r#"{"input":"x","include":[null]}"#, "include: [0]: must be a string"),
    (r#"{"input":"x","include":["a", 5]}"#, "include: [1]: must be a string"),
    (r#"{"input":"x","text":"plain"}"#, "text: must be an object"),
    (r#"{"input":"x","text":[]}"#, "text: must be an object"),
    (r#"{"input":"x","text":{"verbosity":5}}"#, "text: verbosity: must be a string"),
    (r#"{"input":"x","text":{"format":{}}}"#, "text: format.type: is missing"),
    (r#"{"input":"x","text":{"format":{"type":null}}}"#, "text: format.type: must be a string"),
    (
        r#"{"input":"x","text":{"format":{"type":"json_schema","name":null,"schema":{}}}}"#,
        "text: format.name is missing",
    ),
    (
        r#"{"input":"x","text":{"format":{"type":"json_schema","name":"n","schema":null}}}"#,
        "text: format.schema is missing",
    ),
    (
        r#"{"input":"x","text":{"format":{"type":"json_schema","name":"n","schema":{},
            "strict":1}}}"#,
        "text: format.strict: must be true or false",
    ),
    (
        r#"{"input":"x","text":{"format":{"type":"text","type" :"text"}}}"#,
        "text: format.type: is there twice",
    ),
    (r#"{"input":"x","reasoning":"high"}"#, "reasoning: must be an object"),
    (r#"{"input":"x","reasoning":[]}"#, "reasoning: must be an object"),
    (r#"{"input":"x","reasoning":["high"]}"#, "reasoning: must be an object"),
    (r#"{"input":"x","reasoning":{"effort":1}}"#, "reasoning: effort: must be a string"),
    (
        r#"{"input":"x","reasoning":{"max_tokens":"many"}}"#,
        "reasoning: max_tokens: must be a whole number",
    ),
    (
        r#"{"input":"x","reasoning":{"max_tokens":1.5}}"#,
        "reasoning: max_tokens: must be a whole number",
    ),
    (r#"{"input":"x","reasoning":{"enabled":"yes"}}"#, "reasoning: enabled: must be true or false"),
    (
        r#"{"input":"x","reasoning":{"exclude":null,"effort":"low","effort":"high"}}"#,
        "reasoning: effort: is there twice",
    ),
    (r#"{"input":"x","tool_choice":5}"#, "tool_choice: must be an object"),
    (r#"{"input":"x","tool_choice":[]}"#, "tool_choice: must be an object"),
    (r#"{"input":"x","tool_choice":{}}"#, "tool_choice: names no function"),
    (r#"{"input":"x","tool_choice":{"type":5}}"#, "tool_choice: type: must be a string"),
    (
        r#"{"input":"x","tool_choice":{"type":"allowed_tools","tools":null}}"#,
        "tool_choice: tools: must be an array",
    ),
    (
        r#"{"input":"x","tool_choice":{"type":"allowed_tools","tools":[{"type":"function",
            "name":7}]}}"#,
        "tool_choice: tools[0].name: must be a string",
    ),
    (
        r#"{"input":"x","tool_choice":{"type":"allowed_tools","tools":["f"]}}"#,
        "tool_choice: tools[0]: must be an object",
    ),
    (r#"{"input":"x","cache_control":"ephemeral"}"#, "cache_control: must be an object"),
    (r#"{"input":"x","cache_control":[]}"#, "cache_control: must be an object"),
    (r#"{"input":"x","cache_control":{"ttl":5}}"#, "cache_control: ttl: must be a string"),
    (r#"{"input":"x","tools":{}}"#, "tools: must be an array"),
    (r#"{"input":"x","tools":"f"}"#, "tools: must be an array"),
    (r#"{"input":"x","tools":[null]}"#, "tools: [0]: must be an object"),
    (r#"{"input":"x","tools":["f"]}"#, "tools: [0]: must be an object"),
    (r#"{"input":"x","tools":[[]]}"#, "tools: [0]: must be an object"),
    (r#"{"input":"x","tools":[{}]}"#, "tools: [0].type: is missing"),
    (
        r#"{"input":"x","tools":[{"type":"function","name":"f"},
 {"name":"f","parameters":{ } } ]}"#,
        "tools: [1].type: is missing",
    ),
    (r#"{"input":"x","tools":[{"type":null}]}"#, "tools: [0].type: must be a string"),
    (
        r#"{"input":"x","tools":[{"type":"function","name":5}]}"#,
        "tools: [0].name: must be a string",
    ),
    (
        r#"{"input":"x","tools":[{"type":"function","name":"f","strict":"no"}]}"#,
        "tools: [0].strict: must be true or false",
    ),
    (
        r#"{"input":"x","tools":[{"type":"function","name":"f","name":"g"}]}"#,
        "tools: [0].name: is there twice",
    ),
    (
        r#"{"input":"x","tools":[{"type":"custom","name":"f","format":"text"}]}"#,
        "tools: [0].format: must be an object",
    ),
    (
        r#"{"input":"x","tools":[{"type":"custom","name":"f","format":{"definition":5}}]}"#,
        "tools: [0].format.definition: must be a string",
    ),
    (
        r#"{"input":"x","tools":[{"type":"namespace","name":"n","tools":{}}]}"#,
        "tools: must be an array",
    ),
    (
        r#"{"input":"x","tools":[{"type":"namespace","name":"n","tools":[{"name":"f"}]}]}"#,
        "tools: [0].type: is missing",
    ),
    (r#"{"input":5}"#, "input: must be a string or an array"),
    (r#"{"input":true}"#, "input: must be a string or an array"),
    (r#"{"input":{}}"#, "input: must be a string or an array"),
    (r#"{"input":[null]}"#, "input: [0]: must be an object"),
    (r#"{"input":["x"]}"#, "input: [0]: must be an object"),
    (r#"{"input":[[]]}"#, "input: [0]: must be an object"),
    (
        r#"{"input":[{"role":"user","content":"x"},
  {"role":"user","role":"user"}]}"#,
        "input: [1].role: is there twice",
    ),
    (r#"{"input":[{"role":null,"role":"user"}]}"#, "input: [0].role: is there twice"),
    (r#"{"input":[{"type":5}]}"#, "input: [0].type: must be a string"),
    (
        r#"{"input":[{"role":"user","content":{}}]}"#,
        "input: [0].content: must be a string or an array",
    ),
    (r#"{"input":[{"role":"user","content":["x"]}]}"#, "input: [0].content[0]: must be an object"),
    (r#"{"input":[{"role":"user","content":[{}]}]}"#, "input: [0].content[0].type: is missing"),
    (
        r#"{"input":[{"role":"user","content":[{"text":"x"}]}]}"#,
        "input: [0].content[0].type: is missing",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text"}]}]}"#,
        "input: [0]: text is missing",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":null}]}]}"#,
        "input: [0]: text is missing",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":["x"]}]}]}"#,
        "input: [0].content[0].text: must be a string",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x","detail":5}]}]}"#,
        "input: [0].content[0].detail: must be a string",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]}"#,
        "input: [0].content[0].input_audio.data: is missing",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_audio",
            "input_audio":{"data":"x"}}]}]}"#,
        "input: [0].content[0].input_audio.format: is missing",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_audio","input_audio":"x"}]}]}"#,
        "input: [0].content[0].input_audio: must be an object",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x",
            "cache_control":5}]}]}"#,
        "input: [0].content[0].cache_control: must be an object",
    ),
    (
        r#"{"input":[{"type":"custom_tool_call","call_id":"c","name":"f","input":{}}]}"#,
        "input: [0].input: must be a string",
    ),
    (
        r#"{"input":[{"type":"custom_tool_call","call_id":"c","name":"f","input":null}]}"#,
        "input: [0]: input is missing",
    ),
    (
        r#"{"input":[{"type":"function_call_output","call_id":"c","output":{"a":1}}]}"#,
        "input: [0].output: must be a string or an array",
    ),
    (
        r#"{"input":[{"type":"function_call_output","call_id":5}]}"#,
        "input: [0].call_id: must be a string",
    ),
    (
        r#"{"input":[{"type":"tool_search_output","call_id":"c","tools":[{"name":"f"}]}]}"#,
        "input: [0]: tools: [0].type: is missing",
    ),
    (
        r#"{"input":[{"type":"additional_tools","tools":"f"}]}"#,
        "input: [0]: tools: must be an array",
    ),
    (r#"{"input":[{"type":"reasoning","summary":"x"}]}"#, "input: [0].summary: must be an array"),
    (
        r#"{"input":[{"type":"reasoning","summary":[{"text":"x"}]}]}"#,
        "input: [0].summary[0].type: is missing",
    ),
];

/// Requests with nulls, with unknown keys, and with what only looks wrong.
const ACCEPTED: &[&str] = &[
    r#"{"input":"x","unknown":1,"metadata":[],"metadata":{}}"#,
    r#"{"input":"x","stream":null,"text":null,"reasoning":null,"tool_choice":null,
        "temperature":null,"include":null,"store":null,"prompt":null,"tools":null,
        "cache_control":null,"user":null,"instructions":null}"#,
    r#"{"input":"x","max_output_tokens":18446744073709551615}"#,
    r#"{"input":"x","temperature":1}"#,
    r#"{"input":"x","max_output_tokens":5.0}"#,
    r#"{"input":"x","max_output_tokens":-0}"#,
    r#"{"input":"x","instructions":"\ud800 x"}"#,
    r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"\ud83e"}]}]}"#,
    r#"{"input":"x","temperature":-1.5e-1}"#,
    r#"{"input":"x","instructions":"\ud83e\udd80"}"#,
    r#"{"input":"x","text":{}}"#,
    r#"{"input":"x","text":{"verbosity":null,"format":null,"other":5}}"#,
    r#"{"input":"x","reasoning":{"effort":null,"summary":null}}"#,
    r#"{"input":"x","tool_choice":{"type":"allowed_tools","mode":null}}"#,
    r#"{"input":"x","cache_control":{"ttl":null,"type":1}}"#,
    r#"{"input":"x","tools":[{"type":"function","name":"f","strict":null,"description":null,
        "parameters":null,"cache_control":null,"x":1}]}"#,
    r#"{"input":[{"type":null,"role":"user","content":null}]}"#,
    r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x","other":"\ud83e"}]}]}"#,
    r#"{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":{"a": [1, 2]}}]}"#,
    r#"{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"\ud83e"}]}"#,
    r#"{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":null}]}"#,
    r#"{"input":[{"type":"function_call_output","call_id":"c","output":null}]}"#,
    r#"{"input":[{"type":"reasoning","summary":null,"content":null,"encrypted_content":null}]}"#,
    r#"{"input":[{"type":"reasoning","summary":[{"type":"summary_text","text":"a"},{"type":"x"},
        {"type":"x","text":"b"}]}]}"#,
];

#[test]
fn nearly_right_requests_are_refused_with_what_is_wrong_and_where() {
    for (body, problem) in REFUSED {
        assert_eq!(Responses.read(body.as_bytes()).unwrap_err().to_string(), *problem, "{body}");
    }
}

#[test]
fn nulls_and_unknown_keys_are_no_reason_to_refuse() {
    for body in ACCEPTED {
        Responses.read(body.as_bytes()).expect(body);
    }
}
