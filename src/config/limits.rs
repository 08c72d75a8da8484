//! `limits` of the document: bounds on memory.

use std::ops::RangeInclusive;

use super::field::Field;
use crate::request::Limits;

/// From 1 KiB, below which no request fits, to 1 GiB, above which it must be a slip of the pen.
const BYTES: RangeInclusive<u64> = 1 << 10..=1 << 30;

/// Reads `limits`.
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
