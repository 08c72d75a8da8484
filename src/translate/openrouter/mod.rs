//! Answers in OpenRouter's form: whose they are, and what they cost.
//!
//! Works on spans: every byte that need not change stays as the upstream wrote it. `chat` is for chat completions,
//! completions and embeddings, `message` for messages and responses.
//! Source: OpenRouter's API description and captured answers (2026-11).

mod chat;
mod message;

use std::fmt;

use crate::catalog::{PriceOverride, Pricing};
use crate::request::Operation;
use crate::usage::{Charge, Meter, Usage};

pub use chat::OpenRouterEvents;

use chat::Part;

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
    /// The endpoint's prices.
    pub pricing: Pricing,
    /// When others hold.
    pub overrides: Vec<PriceOverride>,
    /// Minutes after midnight UTC, for those.
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
            _ => self.rewrite(json, Part::Whole(usage)),
        }
    }

    /// `None`: a price that is needed is unknown.
    fn charge(&self, usage: &Usage) -> Option<Charge> {
        let pricing = self.pricing.at(&self.overrides, usage.input, self.minute_of_day);
        usage.charge(&pricing)
    }

    /// The members of `usage` that tell the cost; its parts are named after `input` and `output`.
    fn cost(&self, usage: &Usage, input: &str, output: &str) -> String {
        // An unknown part has no place in the details.
        let Some(charge) = self.charge(usage) else { return "\"cost\":null,\"is_byok\":false".to_owned() };
        let (total, input_cost, output_cost) = (charge.total(), charge.input, charge.output);
        format!(
            "\"cost\":{total},\"is_byok\":false,\"cost_details\":{{\"upstream_inference_cost\":{total},\
             \"upstream_inference_{input}_cost\":{input_cost},\"upstream_inference_{output}_cost\":{output_cost}}}"
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
