//! Paths of Bedrock Runtime (API version 2023-09-30).

use crate::wire::percent::Escaped;

/// The path of `Converse`, or of `ConverseStream`. A model is an id, or an ARN with slashes in it:
/// one segment.
pub(super) fn of(model: &str, stream: bool) -> String {
    let operation = if stream { "converse-stream" } else { "converse" };
    match model {
        // A segment of dots would be resolved away on the way, and with it what keeps a request at
        // its operation.
        "." | ".." => format!("/model/{}/{operation}", model.replace('.', "%2E")),
        _ => format!("/model/{}/{operation}", Escaped(model)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_model_is_one_segment() {
        for (model, segment) in [
            ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0"),
            (
                "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/\
                 eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2F\
                 eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
            ),
            ("../../secret?x#y", "..%2F..%2Fsecret%3Fx%23y"),
            ("..", "%2E%2E"),
            ("é ", "%C3%A9%20"),
        ] {
            assert_eq!(of(model, false), format!("/model/{segment}/converse"));
            assert_eq!(of(model, true), format!("/model/{segment}/converse-stream"));
        }
    }
}
