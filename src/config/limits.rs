//! `limits` of the document: bounds on memory.

use std::ops::RangeInclusive;

use super::field::Field;

/// Bounds on memory, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The largest request's body; larger ones get 413. Envoy's `request_body_buffer_limit` must be
    /// larger. Default: `33554432` (32 MiB).
    pub request_bytes: usize,
    /// The largest answer that is held whole to be rewritten; larger ones become 502. Default:
    /// `33554432`.
    pub answer_bytes: usize,
    /// The largest event of a stream that is read. A larger one passes as it is, or ends the stream
    /// with an error where it would have to be translated. Default: `1048576` (1 MiB).
    pub event_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_bytes: 32 << 20, answer_bytes: 32 << 20, event_bytes: 1 << 20 }
    }
}

/// 1 KiB to 1 GiB: below, no request fits; above, it is a slip of the pen.
const BYTES: RangeInclusive<u64> = 1 << 10..=1 << 30;

/// Reads the section.
#[inline(never)]
pub(super) fn read(section: Option<Field<'_>>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut o) = section.and_then(|field| field.object()) else {
        return limits;
    };
    limits.request_bytes = o.size("request_bytes", BYTES).unwrap_or(limits.request_bytes);
    limits.answer_bytes = o.size("answer_bytes", BYTES).unwrap_or(limits.answer_bytes);
    limits.event_bytes = o.size("event_bytes", BYTES).unwrap_or(limits.event_bytes);
    o.finish();
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rules_of_limits() {
        let range = "(allowed: a whole number, 1024 to 1073741824)";
        check_errors(&[
            (
                "/limits",
                r#"{"request_bytes": 1023, "answer_bytes": 1073741825, "event_bytes": 1e300}"#,
                &format!(
                    "limits.request_bytes: invalid: 1023 {range}\n\
                     limits.answer_bytes: invalid: 1073741825 {range}\n\
                     limits.event_bytes: invalid: 1e+300 {range}"
                ),
            ),
            (
                "/limits",
                r#"{"bytes": 1}"#,
                "limits.bytes: unknown key (known: answer_bytes, event_bytes, request_bytes)",
            ),
        ]);
        let config = config_with("/limits", r#"{"request_bytes": 1024, "event_bytes": "1e6"}"#);
        let expected = Limits { request_bytes: 1024, event_bytes: 1_000_000, ..Limits::default() };
        assert_eq!(config.limits, expected);
    }
}
