//! The request's `provider` object: OpenRouter's routing preferences.
//!
//! Source: OpenRouter's ProviderPreferences schema; unknown fields are ignored as OpenRouter does, wrong types refused.

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::config::Sort;
use crate::usage::Price;

/// Longest description of what is wrong, in characters: it may repeat the client's own text.
const LONGEST_PROBLEM: usize = 300;

/// What the client asks of routing; every field may be absent or null.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// Providers to try first, in this order.
    pub order: Option<Vec<String>>,
    /// Nothing but these.
    pub only: Option<Vec<String>>,
    /// None of these.
    pub ignore: Option<Vec<String>>,
    /// `false`: one endpoint only.
    pub allow_fallbacks: Option<bool>,
    /// Only endpoints that support every parameter sent.
    pub require_parameters: Option<bool>,
    /// `deny`: only endpoints that do not train.
    pub data_collection: Option<DataCollection>,
    /// `true`: only endpoints that retain nothing.
    pub zdr: Option<bool>,
    /// Only endpoints of these quantizations.
    pub quantizations: Option<Vec<String>>,
    /// Strict order instead of the configured one; a text, or an object with `by`.
    #[serde(deserialize_with = "sort")]
    pub sort: Option<SortBy>,
    /// Upper bounds.
    pub max_price: Option<MaxPrice>,
}

/// Whether endpoints that train on prompts may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataCollection {
    /// They may.
    Allow,
    /// They may not.
    Deny,
}

/// A strict order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// Cheapest first.
    Price,
    /// Lowest time to first token first.
    Latency,
    /// Most output tokens per second first.
    Throughput,
}

impl From<SortBy> for Sort {
    fn from(by: SortBy) -> Self {
        match by {
            SortBy::Price => Self::Price,
            SortBy::Latency => Self::Latency,
            SortBy::Throughput => Self::Throughput,
        }
    }
}

/// Upper bounds on prices in USD, given as numbers or decimal strings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct MaxPrice {
    /// Per million input tokens.
    #[serde(deserialize_with = "price")]
    pub prompt: Option<Price>,
    /// Per million output tokens.
    #[serde(deserialize_with = "price")]
    pub completion: Option<Price>,
    /// Per request.
    #[serde(deserialize_with = "price")]
    pub request: Option<Price>,
    /// Per image.
    #[serde(deserialize_with = "price")]
    pub image: Option<Price>,
}

fn sort<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SortBy>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    // `partition` has no effect in this version.
    let by = if value.is_object() { value.get("by").unwrap_or(&serde_json::Value::Null) } else { &value };
    match by.as_str() {
        Some("price") => Ok(Some(SortBy::Price)),
        Some("latency") => Ok(Some(SortBy::Latency)),
        Some("throughput") => Ok(Some(SortBy::Throughput)),
        // OpenRouter's order by measured quality, of which nothing is known here.
        Some("exacto") => Ok(None),
        None if by.is_null() => Ok(None),
        _ => Err(D::Error::custom("sort must be price, throughput, latency or exacto")),
    }
}

fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Price>, D::Error> {
    let text = match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        _ => return Err(D::Error::custom("a price must be a number or a decimal string")),
    };
    Price::parse(&text).map(Some).map_err(|error| D::Error::custom(format_args!("price: {error}")))
}

impl Preferences {
    /// Reads the `provider` object; `null` is no preference. The error is a sentence for the client.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let read = serde_json::from_slice::<Option<Self>>(json).map(Option::unwrap_or_default);
        read.map_err(|error| error.to_string().chars().take(LONGEST_PROBLEM).collect())
    }

    /// Whether one endpoint is all that may be tried.
    pub fn single(&self) -> bool {
        self.allow_fallbacks == Some(false)
    }
}
