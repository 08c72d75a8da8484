//! Requests that are nearly right: keys twice, unknown keys, nulls, and values of other types than they must be.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Each with what its client is told.
const REFUSED: &[(&str, &str)] = &[
    (r#"{"input":"x","input":"y"}"#, "The request body is not valid JSON: duplicate field `input` at line 1 column 20"),
    (
        r#"{"input":"x","input" :null}"#,
        "The request body is not valid JSON: duplicate field `input` at line 1 column 21",
    ),
    (
        r#"{"input":null,"tools":null,"stream":null,"text":null,"reasoning":null,"tool_choice":null,"temperature":null,"include":null,"store":null,"prompt":null}"#,
        "input: is missing",
    ),
    (r#"{"input":"x","store":"yes"}"#, "store: expected a boolean at line 1 column 5"),
    (r#"{"input":"x","background":0}"#, "background: expected a boolean at line 1 column 1"),
    (r#"{"input":"x","parallel_tool_calls":"true"}"#, "parallel_tool_calls: expected a boolean at line 1 column 6"),
    (r#"{"input":"x","max_output_tokens":5.0}"#, "max_output_tokens: expected u64 at line 1 column 3"),
    (r#"{"input":"x","max_output_tokens":-5}"#, "max_output_tokens: expected u64 at line 1 column 2"),
    (r#"{"input":"x","max_output_tokens":-0}"#, "max_output_tokens: expected u64 at line 1 column 2"),
    (
        r#"{"input":"x","max_output_tokens":18446744073709551616}"#,
        "max_output_tokens: expected u64 at line 1 column 20",
    ),
    (r#"{"input":"x","max_output_tokens":"5"}"#, "max_output_tokens: expected u64 at line 1 column 3"),
    (r#"{"input":"x","max_output_tokens":[5]}"#, "max_output_tokens: expected u64 at line 1 column 0"),
    (r#"{"input":"x","temperature":1e999}"#, "temperature: number out of range at line 1 column 5"),
    (r#"{"input":"x","top_p":{}}"#, "top_p: expected f64 at line 1 column 0"),
    (r#"{"input":"x","frequency_penalty":true}"#, "frequency_penalty: expected f64 at line 1 column 4"),
    (r#"{"input":"x","presence_penalty":[]}"#, "presence_penalty: expected f64 at line 1 column 0"),
    (r#"{"input":"x","stream":[]}"#, "stream: expected a boolean at line 1 column 0"),
    (r#"{"input":"x","user":7}"#, "user: expected a string at line 1 column 1"),
    (r#"{"input":"x","safety_identifier":{}}"#, "safety_identifier: expected a string at line 1 column 0"),
    (r#"{"input":"x","instructions":["be kind"]}"#, "instructions: expected a string at line 1 column 0"),
    (r#"{"input":"x","instructions":"\ud800 x"}"#, "instructions: unexpected end of hex escape at line 1 column 8"),
    (r#"{"input":"x","include":"all"}"#, "include: expected a sequence at line 1 column 5"),
    (r#"{"input":"x","include":[null]}"#, "include: expected a string at line 1 column 5"),
    (r#"{"input":"x","include":["a", 5]}"#, "include: expected a string at line 1 column 7"),
    (r#"{"input":"x","text":"plain"}"#, "text: expected struct TextFields at line 1 column 7"),
    (r#"{"input":"x","text":[]}"#, "text: expected struct TextFields with 2 elements at line 1 column 2"),
    (r#"{"input":"x","text":{"verbosity":5}}"#, "text: expected a string at line 1 column 14"),
    (r#"{"input":"x","text":{"format":{}}}"#, "text: missing field `type` at line 1 column 12"),
    (r#"{"input":"x","text":{"format":{"type":null}}}"#, "text: expected a string at line 1 column 22"),
    (
        r#"{"input":"x","text":{"format":{"name":"n", "schema":{} } } }"#,
        "text: missing field `type` at line 1 column 36",
    ),
    (
        r#"{"input":"x","text":{"format":{"type":"json_schema","name":null,"schema":{}}}}"#,
        "text: format.name is missing",
    ),
    (
        r#"{"input":"x","text":{"format":{"type":"json_schema","name":"n","schema":null}}}"#,
        "text: format.schema is missing",
    ),
    (
        r#"{"input":"x","text":{"format":{"type":"json_schema","name":"n","schema":{},"strict":1}}}"#,
        "text: expected a boolean at line 1 column 65",
    ),
    (
        r#"{"input":"x","text":{"format":{"type":"text","type" :"text"}}}"#,
        "text: duplicate field `type` at line 1 column 32",
    ),
    (r#"{"input":"x","reasoning":"high"}"#, "reasoning: expected struct ReasoningFields at line 1 column 6"),
    (
        r#"{"input":"x","reasoning":[]}"#,
        "reasoning: expected struct ReasoningFields with 7 elements at line 1 column 2",
    ),
    (
        r#"{"input":"x","reasoning":["high"]}"#,
        "reasoning: expected struct ReasoningFields with 7 elements at line 1 column 8",
    ),
    (r#"{"input":"x","reasoning":{"effort":1}}"#, "reasoning: expected a string at line 1 column 11"),
    (r#"{"input":"x","reasoning":{"max_tokens":"many"}}"#, "reasoning: expected u64 at line 1 column 20"),
    (r#"{"input":"x","reasoning":{"max_tokens":1.5}}"#, "reasoning: expected u64 at line 1 column 17"),
    (r#"{"input":"x","reasoning":{"enabled":"yes"}}"#, "reasoning: expected a boolean at line 1 column 16"),
    (
        r#"{"input":"x","reasoning":{"exclude":null,"effort":"low","effort":"high"}}"#,
        "reasoning: duplicate field `effort` at line 1 column 39",
    ),
    (r#"{"input":"x","tool_choice":5}"#, "tool_choice: expected struct ChoiceFields at line 1 column 1"),
    (
        r#"{"input":"x","tool_choice":[]}"#,
        "tool_choice: expected struct ChoiceFields with 5 elements at line 1 column 2",
    ),
    (r#"{"input":"x","tool_choice":{}}"#, "tool_choice: names no function"),
    (r#"{"input":"x","tool_choice":{"type":5}}"#, "tool_choice: expected a string at line 1 column 9"),
    (
        r#"{"input":"x","tool_choice":{"type":"allowed_tools","tools":null}}"#,
        "tool_choice: expected a sequence at line 1 column 36",
    ),
    (
        r#"{"input":"x","tool_choice":{"type":"allowed_tools","tools":[{"type":"function","name":7}]}}"#,
        "tool_choice: expected a string at line 1 column 60",
    ),
    (
        r#"{"input":"x","tool_choice":{"type":"allowed_tools","tools":["f"]}}"#,
        "tool_choice: expected struct ChoiceFields at line 1 column 36",
    ),
    (r#"{"input":"x","cache_control":"ephemeral"}"#, "cache_control: expected struct CacheFields at line 1 column 11"),
    (
        r#"{"input":"x","cache_control":[]}"#,
        "cache_control: expected struct CacheFields with 1 element at line 1 column 2",
    ),
    (r#"{"input":"x","cache_control":{"ttl":5}}"#, "cache_control: expected a string at line 1 column 8"),
    (r#"{"input":"x","tools":{}}"#, "tools: expected a sequence at line 1 column 0"),
    (r#"{"input":"x","tools":"f"}"#, "tools: expected a sequence at line 1 column 3"),
    (r#"{"input":"x","tools":[null]}"#, "tools: expected struct ToolFields at line 1 column 5"),
    (r#"{"input":"x","tools":["f"]}"#, "tools: expected struct ToolFields at line 1 column 4"),
    (r#"{"input":"x","tools":[[]]}"#, "tools: expected struct ToolFields with 9 elements at line 1 column 3"),
    (r#"{"input":"x","tools":[{}]}"#, "tools: missing field `type` at line 1 column 3"),
    (
        r#"{"input":"x","tools":[{"type":"function","name":"f"},
 {"name":"f","parameters":{ } } ]}"#,
        "tools: missing field `type` at line 2 column 31",
    ),
    (r#"{"input":"x","tools":[{"type":null}]}"#, "tools: expected a string at line 1 column 13"),
    (r#"{"input":"x","tools":[{"type":"function","name":5}]}"#, "tools: expected a string at line 1 column 28"),
    (
        r#"{"input":"x","tools":[{"type":"function","name":"f","strict":"no"}]}"#,
        "tools: expected a boolean at line 1 column 44",
    ),
    (
        r#"{"input":"x","tools":[{"type":"function","name":"f","name":"g"}]}"#,
        "tools: duplicate field `name` at line 1 column 37",
    ),
    (
        r#"{"input":"x","tools":[{"type":"custom","name":"f","format":"text"}]}"#,
        "tools: expected struct FormatFields at line 1 column 44",
    ),
    (
        r#"{"input":"x","tools":[{"type":"custom","name":"f","format":{"definition":5}}]}"#,
        "tools: expected a string at line 1 column 53",
    ),
    (
        r#"{"input":"x","tools":[{"type":"namespace","name":"n","tools":{}}]}"#,
        "tools: expected a sequence at line 1 column 0",
    ),
    (
        r#"{"input":"x","tools":[{"type":"namespace","name":"n","tools":[{"name":"f"}]}]}"#,
        "tools: missing field `type` at line 1 column 13",
    ),
    (r#"{"input":5}"#, "input: expected a string or an array at line 1 column 1"),
    (r#"{"input":true}"#, "input: expected a string or an array at line 1 column 4"),
    (r#"{"input":{}}"#, "input: expected a string or an array at line 1 column 2"),
    (r#"{"input": { } }"#, "input: expected a string or an array at line 1 column 3"),
    (r#"{"input": {  "a":1} }"#, "input: expected a string or an array at line 1 column 3"),
    (r#"{"input":[null]}"#, "input: expected struct ItemFields at line 1 column 5"),
    (r#"{"input":["x"]}"#, "input: expected struct ItemFields at line 1 column 4"),
    (r#"{"input":[[]]}"#, "input: expected struct ItemFields with 16 elements at line 1 column 3"),
    (
        r#"{"input":[{"role":"user","content":"x"},
  {"role":"user","role":"user"}]}"#,
        "input: duplicate field `role` at line 2 column 23",
    ),
    (r#"{"input":[{"role":null,"role":"user"}]}"#, "input: duplicate field `role` at line 1 column 20"),
    (r#"{"input":[{"type":5}]}"#, "input: expected a string at line 1 column 10"),
    (r#"{"input":[{"role":"user","content":{}}]}"#, "input: expected a string or an array at line 1 column 28"),
    (r#"{"input":[{"role":"user","content":{ "a":1}}]}"#, "input: expected a string or an array at line 1 column 28"),
    (r#"{"input":[{"role":"user","content":["x"]}]}"#, "input: expected struct PartFields at line 1 column 30"),
    (r#"{"input":[{"role":"user","content":[{}]}]}"#, "input: missing field `type` at line 1 column 29"),
    (r#"{"input":[{"role":"user","content":[{"text":"x"}]}]}"#, "input: missing field `type` at line 1 column 39"),
    (r#"{"input":[{"role":"user","content":[{"type":"input_text"}]}]}"#, "input: item 0: text is missing"),
    (r#"{"input":[{"role":"user","content":[{"type":"input_text","text":null}]}]}"#, "input: item 0: text is missing"),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":["x"]}]}]}"#,
        "input: expected a string at line 1 column 55",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x","detail":5}]}]}"#,
        "input: expected a string at line 1 column 69",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x","annotations":[{"a":1}],"text" : "y"}]}]}"#,
        "input: duplicate field `text` at line 1 column 90",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"\ud83e"}]}]}"#,
        "input: unexpected end of hex escape at line 1 column 63",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]}"#,
        "input: missing field `data` at line 1 column 65",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"x"}}]}]}"#,
        "input: missing field `format` at line 1 column 75",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_audio","input_audio":"x"}]}]}"#,
        "input: expected struct Audio at line 1 column 66",
    ),
    (
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x","cache_control":5}]}]}"#,
        "input: expected struct CacheFields at line 1 column 76",
    ),
    (
        r#"{"input":[{"type":"custom_tool_call","call_id":"c","name":"f","input":{}}]}"#,
        "input: expected a string at line 1 column 61",
    ),
    (
        r#"{"input":[{"type":"custom_tool_call","call_id":"c","name":"f","input":null}]}"#,
        "input: item 0: input is missing",
    ),
    (
        r#"{"input":[{"type":"function_call_output","call_id":"c","output":{"a":1}}]}"#,
        "input: expected a string or an array at line 1 column 56",
    ),
    (r#"{"input":[{"type":"function_call_output","call_id":5}]}"#, "input: expected a string at line 1 column 43"),
    (
        r#"{"input":[{"type":"tool_search_output","call_id":"c","tools":[{"name":"f"}]}]}"#,
        "input: item 0: tools: missing field `type` at line 1 column 13",
    ),
    (
        r#"{"input":[{"type":"additional_tools","tools":"f"}]}"#,
        "input: item 0: tools: expected a sequence at line 1 column 3",
    ),
    (r#"{"input":[{"type":"reasoning","summary":"x"}]}"#, "input: expected a sequence at line 1 column 34"),
    (r#"{"input":[{"type":"reasoning","summary":[{"text":"x"}]}]}"#, "input: missing field `type` at line 1 column 44"),
];

/// Nulls, unknown keys, and what only looks wrong.
const ACCEPTED: &[&str] = &[
    r#"{"input":"x","unknown":1,"metadata":[],"metadata":{}}"#,
    r#"{"input":"x","stream":null,"text":null,"reasoning":null,"tool_choice":null,"temperature":null,"include":null,"store":null,"prompt":null,"tools":null,"cache_control":null,"user":null,"instructions":null}"#,
    r#"{"input":"x","max_output_tokens":18446744073709551615}"#,
    r#"{"input":"x","temperature":1}"#,
    r#"{"input":"x","temperature":-1.5e-1}"#,
    r#"{"input":"x","instructions":"\ud83e\udd80"}"#,
    r#"{"input":"x","text":{}}"#,
    r#"{"input":"x","text":{"verbosity":null,"format":null,"other":5}}"#,
    r#"{"input":"x","reasoning":{"effort":null,"summary":null}}"#,
    r#"{"input":"x","tool_choice":{"type":"allowed_tools","mode":null}}"#,
    r#"{"input":"x","cache_control":{"ttl":null,"type":1}}"#,
    r#"{"input":"x","tools":[{"type":"function","name":"f","strict":null,"description":null,"parameters":null,"cache_control":null,"x":1}]}"#,
    r#"{"input":[{"type":null,"role":"user","content":null}]}"#,
    r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x","other":"\ud83e"}]}]}"#,
    r#"{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":{"a": [1, 2]}}]}"#,
    r#"{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"\ud83e"}]}"#,
    r#"{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":null}]}"#,
    r#"{"input":[{"type":"function_call_output","call_id":"c","output":null}]}"#,
    r#"{"input":[{"type":"reasoning","summary":null,"content":null,"encrypted_content":null}]}"#,
    r#"{"input":[{"type":"reasoning","summary":[{"type":"summary_text","text":"a"},{"type":"x"},{"type":"x","text":"b"}]}]}"#,
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
