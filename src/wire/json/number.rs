//! Numbers: RFC 8259's grammar, and which of them are whole.

/// Length of the number at the start of `text`; `Err` holds where it stops being a number.
#[inline(always)]
pub(super) fn length(text: &[u8]) -> Result<usize, usize> {
    let mut at = usize::from(text.first() == Some(&b'-'));
    at = match text.get(at) {
        Some(b'0') => at + 1,
        _ => digits(text, at)?,
    };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(text, at + 1 + sign)?;
    }
    Ok(at)
}

/// Where the digits at `start` end; `Err(start)` when there is none.
#[inline(always)]
fn digits(text: &[u8], start: usize) -> Result<usize, usize> {
    let mut at = start;
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    if at == start { Err(at) } else { Ok(at) }
}

/// The value of a valid number, if it is whole, not negative and fits: `12`, `5.0`, `1.5e1`, `-0`.
pub(super) fn whole(number: &[u8]) -> Option<u64> {
    // Nearly all are a few digits.
    if number.len() < 19 && number.iter().all(u8::is_ascii_digit) {
        return Some(number.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')));
    }
    let (negative, number) = match number {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, number),
    };
    let significand_end = memchr::memchr2(b'e', b'E', number).unwrap_or(number.len());
    let (significand, exponent) = number.split_at_checked(significand_end)?;
    let scaled = Scaled::of(significand)?;
    let value = scaled.times_ten_to(exponent_value(exponent.get(1..).unwrap_or_default()))?;
    if negative && value > 0 { None } else { Some(value) }
}

/// `digits * 10^exponent`, where `digits` does not end in zero unless it is zero.
struct Scaled {
    digits: u64,
    exponent: i64,
}

impl Scaled {
    /// Reads the digits before and behind the point; `None` when those that count do not fit.
    fn of(significand: &[u8]) -> Option<Self> {
        let mut scaled = Self { digits: 0, exponent: 0 };
        let mut fraction = false;
        let mut zeros = 0;
        for byte in significand {
            match byte {
                b'.' => {
                    fraction = true;
                    continue;
                }
                b'0' => zeros += 1,
                digit => {
                    let shifted = times_ten_to(scaled.digits, zeros + 1)?;
                    scaled.digits = shifted.checked_add(u64::from(digit - b'0'))?;
                    zeros = 0;
                }
            }
            scaled.exponent -= i64::from(fraction);
        }
        scaled.exponent += i64::from(zeros);
        Some(scaled)
    }

    fn times_ten_to(&self, exponent: i64) -> Option<u64> {
        if self.digits == 0 {
            return Some(0);
        }
        let exponent = self.exponent.saturating_add(exponent);
        times_ten_to(self.digits, u32::try_from(exponent).ok()?)
    }
}

fn times_ten_to(digits: u64, exponent: u32) -> Option<u64> {
    if digits == 0 {
        return Some(0);
    }
    digits.checked_mul(10u64.checked_pow(exponent)?)
}

/// The number after `e`, kept far from the ends of `i64`.
fn exponent_value(text: &[u8]) -> i64 {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let value =
        digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit & 0xF)).min(1 << 40));
    if text.first() == Some(&b'-') { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn lengths_follow_the_grammar() {
        let cases: &[(&str, Result<usize, usize>)] = &[
            ("0", Ok(1)),
            ("-0", Ok(2)),
            ("120,", Ok(3)),
            ("1.50]", Ok(4)),
            ("-1.5e+10 ", Ok(8)),
            ("1E5", Ok(3)),
            ("01", Ok(1)),
            ("-", Err(1)),
            ("+1", Err(0)),
            (".5", Err(0)),
            ("1.", Err(2)),
            ("1.e5", Err(2)),
            ("1e", Err(2)),
            ("1e+", Err(3)),
        ];
        for (text, expected) in cases {
            assert_eq!(length(text.as_bytes()), *expected, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_read_in_every_notation() {
        let cases: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-0.0e9", Some(0)),
            ("42", Some(42)),
            ("1050", Some(1050)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("5.0", Some(5)),
            ("5.5", None),
            ("1e3", Some(1000)),
            ("1.5e1", Some(15)),
            ("1.25E+1", None),
            ("1.250E+2", Some(125)),
            ("1000e-3", Some(1)),
            ("1000e-4", None),
            ("0.0000000000000000000000000000005e31", Some(5)),
            ("50000000000000000000000000000000e-31", Some(5)),
            ("0e99999999999999999999", Some(0)),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", None),
            ("-1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(whole(text.as_bytes()), *expected, "{text}");
        }
    }
}
