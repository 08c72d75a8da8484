//! Token usage of one exchange and what it cost.
//!
//! The kinds of tokens are OpenTelemetry's: input includes cached input and cache writes, output
//! includes reasoning.

mod journal;
mod ledger;

pub use journal::Journal;
pub use ledger::{Ledger, Spent};

use crate::catalog::{Cost, Price, Pricing, ServiceTier};

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
    /// The tier that served the request, where the upstream says.
    pub tier: Option<ServiceTier>,
}

/// Who counted the tokens; the two are never added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The upstream counted them.
    #[default]
    Reported,
    /// The gateway estimated them, because the upstream gave no count or the client hung up.
    Estimated,
}

impl Source {
    /// The value of the stat's tag `source`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Estimated => "estimated",
        }
    }
}

/// What an answer cost, by part.
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
    /// How many tokens a text has where nobody counted them: by the rule of thumb, one to four
    /// bytes.
    pub fn estimate(bytes: usize) -> u64 {
        (bytes as u64).div_ceil(4)
    }

    /// The cost at these prices, exactly; `None` when a price it needs is unknown.
    pub fn charge(&self, pricing: &Pricing) -> Option<Charge> {
        let cached = self.cached.min(self.input);
        let written = self.cache_write.min(self.input - cached);
        let fresh = self.input - cached - written;
        let reasoning = self.reasoning.min(self.output);
        let input = cost(fresh, pricing.prompt)?
            + cost(cached, pricing.input_cache_read.or(pricing.prompt))?
            + cost(written, pricing.input_cache_write.or(pricing.prompt))?
            + pricing.request.map(|price| price.cost(1)).unwrap_or_default();
        let output = cost(self.output - reasoning, pricing.completion)?
            + cost(reasoning, pricing.internal_reasoning.or(pricing.completion))?;
        Some(Charge { input, output })
    }
}

/// What units cost; `None` where there are some and their price is unknown.
fn cost(units: u64, price: Option<Price>) -> Option<Cost> {
    if units == 0 { Some(Cost::ZERO) } else { price.map(|price| price.cost(units)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn price(text: &str) -> Option<Price> {
        Some(Price::parse(text).unwrap())
    }

    #[track_caller]
    fn check(usage: Usage, pricing: &Pricing, expected: Option<(&str, &str)>) {
        let charge = usage
            .charge(pricing)
            .map(|charge| (charge.input.to_string(), charge.output.to_string()));
        assert_eq!(
            charge.as_ref().map(|(input, output)| (input.as_str(), output.as_str())),
            expected
        );
    }

    #[test]
    fn every_part_has_its_own_price_or_the_general_one() {
        let usage = Usage {
            input: 100,
            output: 50,
            cached: 40,
            cache_write: 20,
            reasoning: 30,
            ..Usage::default()
        };
        let base =
            Pricing { prompt: price("0.01"), completion: price("0.1"), ..Pricing::default() };
        check(usage, &base, Some(("1", "5")));
        check(
            usage,
            &Pricing { input_cache_read: price("0.001"), ..base.clone() },
            Some(("0.64", "5")),
        );
        check(
            usage,
            &Pricing { input_cache_write: price("0.02"), ..base.clone() },
            Some(("1.2", "5")),
        );
        check(usage, &Pricing { internal_reasoning: price("0"), ..base.clone() }, Some(("1", "2")));
        check(usage, &Pricing { request: price("7"), ..base }, Some(("8", "5")));
    }

    #[test]
    fn an_unknown_price_that_is_needed_makes_the_cost_unknown() {
        let input_only = Pricing { prompt: price("0.01"), ..Pricing::default() };
        check(Usage { input: 1, output: 1, ..Usage::default() }, &input_only, None);
        check(Usage { input: 1, ..Usage::default() }, &input_only, Some(("0.01", "0")));
        check(Usage { output: 1, ..Usage::default() }, &Pricing::default(), None);
        check(Usage::default(), &Pricing::default(), Some(("0", "0")));
        let free = Pricing { prompt: price("0"), completion: price("0"), ..Pricing::default() };
        check(Usage { input: 9, output: 9, ..Usage::default() }, &free, Some(("0", "0")));
    }

    #[test]
    fn figures_that_contradict_each_other_charge_nothing_twice() {
        let pricing = Pricing { prompt: price("1"), completion: price("1"), ..Pricing::default() };
        check(
            Usage { input: 5, cached: 9, cache_write: 9, ..Usage::default() },
            &pricing,
            Some(("5", "0")),
        );
        check(Usage { output: 5, reasoning: 9, ..Usage::default() }, &pricing, Some(("0", "5")));
        let most = u64::MAX;
        let usage = Usage {
            input: most,
            output: most,
            cached: most,
            cache_write: most,
            reasoning: most,
            ..Usage::default()
        };
        assert!(usage.charge(&pricing).is_some());
    }
}
