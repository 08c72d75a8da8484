//! Bodies of error statuses.

use crate::translate::Format;
use crate::translate::bedrock::Bedrock;
use crate::wire::openai::ErrorFields;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check(body: &str, expected: Option<(Option<&str>, Option<&str>, Option<&str>)>) {
    let expected = expected.map(|(message, code, kind)| ErrorFields {
        message: message.map(str::to_owned),
        code: code.map(str::to_owned),
        kind: kind.map(str::to_owned),
    });
    assert_eq!(Bedrock.error(body.as_bytes()), expected, "{body}");
}

#[test]
fn errors_are_read() {
    check(
        r#"{"message":"Too many requests, please wait."}"#,
        Some((Some("Too many requests, please wait."), None, None)),
    );
    check(
        r#"{"Message":"User is not authorized"}"#,
        Some((Some("User is not authorized"), None, None)),
    );
    check(
        r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException",
            "message":"The security token is invalid."}"#,
        Some((Some("The security token is invalid."), None, Some("UnrecognizedClientException"))),
    );
    check(
        r#"{"__type":"ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/"}"#,
        Some((None, None, Some("ThrottlingException"))),
    );
    check(
        r#"{"message":null,"__type":"InternalServerException"}"#,
        Some((None, None, Some("InternalServerException"))),
    );
}

#[test]
fn what_is_no_error_of_bedrock_is_none() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"message":7}"#,
        r#"{"error":{"message":"x"}}"#,
        r#"{"message":"cut"#,
    ] {
        check(body, None);
    }
}

#[test]
fn prompts_that_are_too_long_are_told_by_their_messages() {
    let long = Some("context_length_exceeded");
    for (message, code) in [
        ("Input is too long for requested model.", long),
        ("The model returned the following errors: Input is too long for requested model.", long),
        (
            "The model returned the following errors: prompt is too long: 227255 tokens > 200000 \
             maximum",
            long,
        ),
        ("input length and `max_tokens` exceed context limit: 198214 + 8192 > 200000", long),
        (
            "The model returned the following errors: Input Tokens Exceeded: Number of input \
             tokens exceeds maximum",
            long,
        ),
        (
            "This model's maximum context length is 8192 tokens. Please reduce the length of the \
             prompt",
            long,
        ),
        ("The text field in the ContentBlock object at messages.0.content.0 is blank.", None),
        ("He said: Input is too long", None),
    ] {
        check(
            &serde_json::json!({ "message": message }).to_string(),
            Some((Some(message), code, None)),
        );
    }
}
