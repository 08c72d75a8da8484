//! Answers in OpenRouter's form: whose they are, and what they cost.
//!
//! Works on spans: every byte that need not change stays as the upstream wrote it. `chat` is for
//! chat completions, completions and embeddings, `message` for messages and responses. Source:
//! OpenRouter's API description and captured answers (2026-11).

mod chat;
mod message;

use std::fmt;

use crate::catalog::{PriceOverride, Pricing, Tier};
use crate::operation::Operation;
use crate::translate::Meter;
use crate::usage::{Charge, Usage};

pub use chat::OpenRouterEvents;

use chat::Part;

/// A tier, its prices, and when others hold.
pub type TierPricing = (Option<Tier>, Pricing, Vec<PriceOverride>);

/// What every answer of one attempt carries.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `gen-…`
    pub id: String,
    /// The catalogue's id of the model that answers.
    pub model: String,
    /// The provider's display name.
    pub provider: String,
    /// What the client wanted done; answers differ in form.
    pub operation: Operation,
    /// The endpoint's prices, and behind them those of the other tiers in which its provider may
    /// serve a request.
    pub prices: Vec<TierPricing>,
    /// Minutes after midnight UTC, for those that hold at times.
    pub minute_of_day: u16,
    /// Unix seconds.
    pub created: u64,
    /// What is counted as input where the upstream does not say.
    pub input_estimate: u64,
    /// `openrouter_metadata` as JSON, for a client that asked for it.
    pub metadata: Option<String>,
}

impl Identity {
    /// A whole answer in OpenRouter's form; `None` if it is not a JSON object.
    pub fn whole(&self, json: &[u8], meter: &Meter) -> Option<Vec<u8>> {
        let usage = meter.usage(self.input_estimate);
        match self.operation {
            Operation::Messages => self.message(json, &usage),
            Operation::Responses => self.response(json, &usage),
            _ => self.rewrite(json, Part::Whole, &usage),
        }
    }

    /// What it costs; `None`: a price that is needed is unknown.
    fn charge(&self, usage: &Usage) -> Option<Charge> {
        let served = usage
            .tier
            .and_then(|served| self.prices.iter().find(|(tier, ..)| *tier == served.tier()));
        let (_, pricing, overrides) = served.or(self.prices.first())?;
        usage.charge(&pricing.at(overrides, usage.input, self.minute_of_day))
    }

    /// The members of `usage` that tell the cost; its parts are named after `input` and `output`.
    fn cost(&self, usage: &Usage, input: &str, output: &str) -> String {
        // An unknown part has no place in the details.
        let Some(charge) = self.charge(usage) else {
            return "\"cost\":null,\"is_byok\":false".to_owned();
        };
        let (total, input_cost, output_cost) = (charge.total(), charge.input, charge.output);
        format!(
            "\"cost\":{total},\"is_byok\":false,\
             \"cost_details\":{{\"upstream_inference_cost\":{total},\
             \"upstream_inference_{input}_cost\":{input_cost},\
             \"upstream_inference_{output}_cost\":{output_cost}}}"
        )
    }
}

/// JSON that may have come as several lines of data; between its tokens a space is as good.
fn one_line(mut json: Vec<u8>) -> Vec<u8> {
    json.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    json
}

/// A text as a JSON string.
struct Json<'a>(&'a str);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Price;
    use crate::translate::tests::identity;
    use serde_json::Value;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Prices by name, each in USD per token.
    fn pricing(prices: &[(&str, &str)]) -> Pricing {
        let mut pricing = Pricing::default();
        for (name, price) in prices {
            let price = Price::parse(price).ok();
            match *name {
                "prompt" => pricing.prompt = price,
                "completion" => pricing.completion = price,
                "read" => pricing.input_cache_read = price,
                "write" => pricing.input_cache_write = price,
                "reasoning" => pricing.internal_reasoning = price,
                _ => pricing.request = price,
            }
        }
        pricing
    }

    /// Usual prices of tokens, and more of them.
    fn usual_and(more: &[(&str, &str)]) -> Pricing {
        let usual = [("prompt", "0.000003"), ("completion", "0.000015")];
        pricing(&[&usual, more].concat())
    }

    #[test]
    fn usage_tells_what_each_part_cost() {
        let usage = Usage { input: 1000, output: 100, ..Usage::default() };
        let cached = Usage { cached: 400, cache_write: 100, ..usage };
        let reasoning = Usage { reasoning: 40, ..usage };
        for (usage, pricing, total, input, output) in [
            (usage, usual_and(&[]), 0.0045, 0.003, 0.0015),
            (cached, usual_and(&[]), 0.0045, 0.003, 0.0015),
            (cached, usual_and(&[("read", "0.0000003")]), 0.00342, 0.00192, 0.0015),
            (
                cached,
                usual_and(&[("read", "0.0000003"), ("write", "0.00000375")]),
                0.003495,
                0.001995,
                0.0015,
            ),
            (reasoning, usual_and(&[("reasoning", "0.00003")]), 0.0051, 0.003, 0.0021),
            (usage, usual_and(&[("request", "0.01")]), 0.0145, 0.013, 0.0015),
            (Usage { output: 0, ..usage }, pricing(&[("prompt", "0.000003")]), 0.003, 0.003, 0.0),
            (usage, pricing(&[("prompt", "0"), ("completion", "0")]), 0.0, 0.0, 0.0),
        ] {
            let identity =
                Identity { prices: vec![(None, pricing, Vec::new())], ..identity(Operation::Chat) };
            let told: Value =
                serde_json::from_str(&format!("{{{}}}", identity.cost(&usage, "a", "b"))).unwrap();
            // Compared as numbers, because the text of a whole number has no point.
            assert_eq!(told["cost"].as_f64(), Some(total), "{told}");
            assert_eq!(told["is_byok"], false, "{told}");
            for (name, expected) in [
                ("upstream_inference_cost", total),
                ("upstream_inference_a_cost", input),
                ("upstream_inference_b_cost", output),
            ] {
                let part = told["cost_details"][name].as_f64();
                assert_eq!(part, Some(expected), "{name}: {told}");
            }
        }
    }

    #[test]
    fn the_prices_of_the_moment_hold() {
        // Above the bound another price holds.
        for (input, cost) in [(1000, 0.0004), (1001, 1.001)] {
            let usage = Usage { input, ..Usage::default() };
            let told = identity(Operation::Chat).cost(&usage, "a", "b");
            let told: Value = serde_json::from_str(&format!("{{{told}}}")).unwrap();
            assert_eq!(told["cost"].as_f64(), Some(cost), "{input}");
        }
        let unknown = Identity {
            prices: vec![(None, Pricing::default(), Vec::new())],
            ..identity(Operation::Chat)
        };
        let usage = Usage { input: 1, ..Usage::default() };
        assert_eq!(unknown.cost(&usage, "a", "b"), r#""cost":null,"is_byok":false"#);
    }
}
