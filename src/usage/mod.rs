//! Token usage of one exchange and what it cost.
//!
//! Kinds are OpenTelemetry's; input includes cached input and cache writes, output includes reasoning.

mod meter;
mod price;

pub use meter::{Meter, Seen};
pub use price::{Cost, Price, PriceError};

use crate::catalog::Pricing;

/// Tokens of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub input: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Input tokens read from the upstream's cache.
    pub cached: u64,
    /// Input tokens written to the upstream's cache.
    pub cache_write: u64,
    /// Output tokens spent on reasoning.
    pub reasoning: u64,
    /// Audio tokens, input and output together.
    pub audio: u64,
    /// Who counted.
    pub source: Source,
}

/// Who counted the tokens; the two are never added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The upstream.
    #[default]
    Reported,
    /// The gateway, because the upstream gave none or the client hung up.
    Estimated,
}

impl Source {
    /// Value of the stat's `source` tag.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Estimated => "estimated",
        }
    }
}

/// What an answer cost, by part. `None` where a price that is needed is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Input, caches included, and the price per request.
    pub input: Cost,
    /// Output, reasoning included.
    pub output: Cost,
}

impl Charge {
    /// Input and output together.
    pub fn total(self) -> Cost {
        self.input + self.output
    }
}

impl Usage {
    /// Tokens per byte of text where nobody counted: the rule of thumb of four bytes to one.
    pub fn estimate(bytes: usize) -> u64 {
        (bytes as u64).div_ceil(4)
    }

    /// The cost at these prices, exactly; `None` when a price it needs is unknown.
    pub fn charge(&self, pricing: &Pricing) -> Option<Charge> {
        let cached = self.cached.min(self.input);
        let written = self.cache_write.min(self.input - cached);
        let fresh = self.input - cached - written;
        let reasoning = self.reasoning.min(self.output);
        let cost = |units: u64, price: Option<Price>| match units {
            0 => Some(Cost::default()),
            _ => price.map(|price| price.cost(units)),
        };
        let input = cost(fresh, pricing.prompt)?
            + cost(cached, pricing.input_cache_read.or(pricing.prompt))?
            + cost(written, pricing.input_cache_write.or(pricing.prompt))?
            + pricing.request.map(|price| price.cost(1)).unwrap_or_default();
        let output = cost(self.output - reasoning, pricing.completion)?
            + cost(reasoning, pricing.internal_reasoning.or(pricing.completion))?;
        Some(Charge { input, output })
    }
}
