//! Prices and costs as integers: no float ever touches money.
//!
//! Source of the form: OpenRouter's catalogue, decimal strings in USD per unit (token, request, image).

use std::fmt;

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
    /// Not a plain or scientific non-negative decimal number.
    NotDecimal,
    /// More digits after the point than a femtodollar can hold.
    TooFine,
    /// Above the largest price that fits.
    TooLarge,
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
