//! Prices and costs as integers, so that no float ever touches money.
//!
//! They are written as in OpenRouter's catalogue: decimal strings in USD per unit (token, request,
//! image).

use std::fmt;
use std::ops::Add;

use crate::wire::json::push_number;

/// Digits after the point that a femtodollar can hold.
const SCALE: usize = 15;
/// Femtodollars in a nanodollar.
const FEMTO_PER_NANO: u64 = 1_000_000;

/// A price in femtodollars (10⁻¹⁵ USD) per unit; parsed from a decimal string, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Price(u64);

/// An amount of money in femtodollars (10⁻¹⁵ USD).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cost(u128);

/// Why a text is not a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PriceError {
    /// It is no decimal number, plain or scientific, or a negative one.
    NotDecimal,
    /// It has more digits after the point than a femtodollar can hold.
    TooFine,
    /// It is above the largest price that can be held.
    TooLarge,
}

impl Price {
    /// The price of what costs nothing, which is not the same as an unknown price.
    pub const ZERO: Self = Self(0);

    /// Reads a price such as `0.0000004`, `4e-7` or `1`. One that cannot be held exactly is
    /// refused.
    pub fn parse(text: &str) -> Result<Self, PriceError> {
        let decimal = Decimal::parse(text).ok_or(PriceError::NotDecimal)?;
        decimal.femtodollars().map(Self)
    }

    /// What this many units cost.
    pub fn cost(self, units: u64) -> Cost {
        Cost(u128::from(self.0) * u128::from(units))
    }
}

impl Cost {
    /// No cost.
    pub const ZERO: Self = Self(0);

    /// The cost in nanodollars (10⁻⁹ USD), rounded half up.
    pub fn nanousd(self) -> u64 {
        // Below 18446 USD without 128-bit division, which is slow in WebAssembly.
        match u64::try_from(self.0) {
            Ok(amount) => {
                (amount / FEMTO_PER_NANO) + u64::from(amount % FEMTO_PER_NANO >= FEMTO_PER_NANO / 2)
            }
            Err(_) => {
                let whole = self.0.saturating_add(u128::from(FEMTO_PER_NANO / 2))
                    / u128::from(FEMTO_PER_NANO);
                u64::try_from(whole).unwrap_or(u64::MAX)
            }
        }
    }

    /// The cost in USD as a decimal number, without exponent and trailing zeros.
    pub fn usd(self) -> String {
        let mut text = String::with_capacity(SCALE + 2);
        self.push_usd(&mut text);
        text
    }

    /// Appends [`Self::usd`].
    pub fn push_usd(self, text: &mut String) {
        const USD: u64 = 1_000_000_000_000_000;
        // Below 18446 USD without 128-bit division, which is slow in WebAssembly.
        let mut fraction = match u64::try_from(self.0) {
            Ok(amount) => {
                push_number(amount / USD, text);
                amount % USD
            }
            Err(_) => {
                text.push_str(&(self.0 / u128::from(USD)).to_string());
                (self.0 % u128::from(USD)) as u64
            }
        };
        if fraction > 0 {
            text.push('.');
        }
        while fraction > 0 {
            fraction *= 10;
            text.push(char::from(b'0' + (fraction / USD) as u8));
            fraction %= USD;
        }
    }

    /// A cost of that many femtodollars.
    pub(crate) fn of_femtodollars(amount: u128) -> Self {
        Self(amount)
    }

    /// The cost in femtodollars.
    pub fn femtodollars(self) -> u128 {
        self.0
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// A non-negative decimal number: `digits` × 10^`exponent`, without zeros at either end of
/// `digits`.
struct Decimal {
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads digits, then maybe a point and digits, then maybe an exponent; `None` if it is
    /// anything else.
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits {
            return None;
        }
        let mut digits: Vec<u8> =
            whole.bytes().chain(fraction.bytes()).skip_while(|b| *b == b'0').collect();
        let mut exponent = exponent.saturating_sub(i64::try_from(fraction.len()).ok()?);
        while digits.pop_if(|b| *b == b'0').is_some() {
            exponent = exponent.saturating_add(1);
        }
        Some(Self { digits, exponent })
    }

    fn femtodollars(&self) -> Result<u64, PriceError> {
        if self.digits.is_empty() {
            return Ok(0);
        }
        let shift = self.exponent.saturating_add(SCALE as i64);
        let zeros = u32::try_from(shift)
            .map_err(|_| if shift < 0 { PriceError::TooFine } else { PriceError::TooLarge })?;
        self.digits
            .iter()
            .try_fold(0u64, |sum, b| sum.checked_mul(10)?.checked_add(u64::from(b - b'0')))
            .and_then(|digits| digits.checked_mul(10u64.checked_pow(zeros)?))
            .ok_or(PriceError::TooLarge)
    }
}

/// The number after the `e`; one too long for an integer is as good as the largest.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cost(1).fmt(f)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.usd())
    }
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDecimal => "not a non-negative decimal number",
            Self::TooFine => "more than 15 digits after the point",
            Self::TooLarge => "above 18446 USD",
        })
    }
}

impl std::error::Error for PriceError {}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn decimal_texts_parse_exactly_and_print_without_exponent() {
        for (text, printed) in [
            ("0", "0"),
            ("0.0", "0"),
            ("0e999999999999999999999", "0"),
            ("1", "1"),
            ("1.50", "1.5"),
            ("0.15", "0.15"),
            ("0.0000004", "0.0000004"),
            ("4e-7", "0.0000004"),
            ("4E-07", "0.0000004"),
            ("40e-8", "0.0000004"),
            ("0.00000040000000000000000000", "0.0000004"),
            ("0.000000000000001", "0.000000000000001"),
            ("1.5e+3", "1500"),
            ("0010", "10"),
            ("18446.744073709551615", "18446.744073709551615"),
        ] {
            let price = Price::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(price.to_string(), printed, "{text}");
            assert_eq!(Price::parse(printed), Ok(price), "{printed}");
        }
    }

    #[test]
    fn what_is_no_exact_price_is_refused() {
        use PriceError::{NotDecimal, TooFine, TooLarge};
        for (text, error) in [
            ("", NotDecimal),
            (".", NotDecimal),
            (".5", NotDecimal),
            ("5.", NotDecimal),
            ("-1", NotDecimal),
            ("-0", NotDecimal),
            ("+1", NotDecimal),
            ("NaN", NotDecimal),
            ("inf", NotDecimal),
            ("1e", NotDecimal),
            ("e5", NotDecimal),
            ("1e5e5", NotDecimal),
            ("1e--5", NotDecimal),
            ("1.2.3", NotDecimal),
            ("1,5", NotDecimal),
            (" 1", NotDecimal),
            ("$1", NotDecimal),
            ("0x10", NotDecimal),
            ("1_000", NotDecimal),
            ("٣", NotDecimal),
            ("0.0000000000000001", TooFine),
            ("1e-16", TooFine),
            ("1e-99999999999999999999999", TooFine),
            ("18446.744073709551616", TooLarge),
            ("1e5", TooLarge),
            ("1e99999999999999999999999", TooLarge),
        ] {
            assert_eq!(Price::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn costs_multiply_add_and_print_exactly() {
        let prompt = Price::parse("0.0000004").unwrap().cost(14);
        let completion = Price::parse("0.0000016").unwrap().cost(5);
        assert_eq!((prompt + completion).to_string(), "0.0000136");
        assert_eq!(Cost::ZERO.to_string(), "0");
        assert_eq!(Price::parse("2.5").unwrap().cost(4).to_string(), "10");
    }

    #[test]
    fn costs_saturate_instead_of_wrapping() {
        let most = Price(u64::MAX).cost(u64::MAX);
        assert!(most.femtodollars() > u128::from(u64::MAX));
        assert_eq!(Cost(u128::MAX) + most, Cost(u128::MAX));
        assert_eq!(Cost(u128::MAX).nanousd(), u64::MAX);
    }

    #[test]
    fn nanodollars_round_half_up() {
        for (femtodollars, nanodollars) in
            [(0, 0), (499_999, 0), (500_000, 1), (1_499_999, 1), (1_500_000, 2), (13_600_000, 14)]
        {
            assert_eq!(Cost(femtodollars).nanousd(), nanodollars, "{femtodollars}");
        }
    }
}
