//! Lengths of time as texts: `500ms`, `10s`, `1.5m`, `1h`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The shortest and the longest duration that is read. Envoy counts in milliseconds, and takes zero
/// for no limit.
const ALLOWED: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// Reads digits, maybe a point and digits, and a unit, exactly to the nanosecond.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    const UNITS: &[(&str, u64)] =
        &[("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];
    let (number, nanos) =
        UNITS.iter().find_map(|(unit, nanos)| Some((text.strip_suffix(unit)?, *nanos)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if !is_digits(whole) || !is_digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let scale = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = fraction.parse::<u64>().ok()?.checked_mul(nanos)? / scale;
    let whole = whole.parse::<u64>().ok()?.checked_mul(nanos)?;
    let nanos = whole.checked_add(parts)?;
    Some(Duration::from_nanos(nanos)).filter(|duration| ALLOWED.contains(duration))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn durations_are_exact() {
        for (text, millis) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1.5s", 1_500),
            ("0.25h", 900_000),
            ("1.000s", 1_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "s", "10", "10 s", "-1s", "+1s", "1.s", ".5s", "1e3s", "1d", "1S", "1.5.5s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("99999999999999999999h"), None);
        assert_eq!(parse("9999999999999999h"), None);
    }
}
