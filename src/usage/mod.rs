//! Token usage and its cost.

mod price;

pub use price::{Cost, Price, PriceError};
