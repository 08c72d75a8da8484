//! Which models a query selects, and in which order.
//!
//! Filters are about facts: a model of which a fact is not known does not pass a filter that asks
//! for it. Source: the parameters of OpenRouter's `GET /models` (2026-11).

use super::Known;
use super::model::{TOKENIZER, author, context_length, inputs, parameters};
use super::query::Query;
use crate::catalog::{Model, Price};
use crate::config::Config;
use crate::error::Error;
use crate::route::Measure;

/// The number of tokens that a query's prices are for.
const MILLION: u64 = 1_000_000;

/// Values of `sort`.
const SORTS: [&str; 12] = [
    "most-popular",
    "newest",
    "top-weekly",
    "pricing-low-to-high",
    "pricing-high-to-low",
    "context-high-to-low",
    "throughput-high-to-low",
    "latency-low-to-high",
    "intelligence-high-to-low",
    "coding-high-to-low",
    "agentic-high-to-low",
    "design-arena-elo-high-to-low",
];

/// Values of `category`.
const CATEGORIES: [&str; 12] = [
    "programming",
    "roleplay",
    "marketing",
    "marketing/seo",
    "technology",
    "science",
    "translation",
    "legal",
    "finance",
    "health",
    "trivia",
    "academia",
];

/// Parameters that are bounds on numbers of which this gateway knows nothing.
const UNKNOWN: [&str; 10] = [
    "min_age_days",
    "max_age_days",
    "min_intelligence_index",
    "max_intelligence_index",
    "min_coding_index",
    "max_coding_index",
    "min_agentic_index",
    "max_agentic_index",
    "min_tool_success_rate",
    "max_tool_success_rate",
];

/// The models that a query's filters let through, in the order it asks for.
pub(super) fn selected<'a>(known: &Known<'a>, query: &Query<'_>) -> Result<Vec<&'a Model>, Error> {
    let filters = Filters::of(query)?;
    let models = known.config.catalog.models().iter();
    let mut models: Vec<&Model> =
        models.filter(|model| !model.is_wildcard() && filters.admit(known.config, model)).collect();
    if let Some(sort) = query.choice("sort", &SORTS)? {
        models.sort_by_cached_key(|model| place(known, model, sort));
    }
    Ok(models)
}

/// A model's place in an order; where the order's measure is not known, after all others.
fn place(known: &Known<'_>, model: &Model, sort: &str) -> u128 {
    let place = match sort {
        "pricing-low-to-high" => price(model),
        "pricing-high-to-low" => descending(price(model)),
        "context-high-to-low" => descending(context_length(model).map(u128::from)),
        "latency-low-to-high" => medians(known, model, Measure::FirstToken).min(),
        "throughput-high-to-low" => descending(medians(known, model, Measure::Throughput).max()),
        // Nothing is known of what the other orders compare, so the document's own one stays.
        _ => None,
    };
    place.unwrap_or(u128::MAX)
}

/// The medians of a model's endpoints, as keys that grow with them.
fn medians(known: &Known<'_>, model: &Model, measure: Measure) -> impl Iterator<Item = u128> {
    let ids = model.endpoints.iter().map(|endpoint| &endpoint.id);
    let medians = ids.filter_map(move |id| known.health.median(id, measure, known.now));
    // Bits of numbers that are not negative are in the numbers' order.
    medians.map(|median| u128::from(median.to_bits()))
}

/// A key that shrinks as another one grows.
fn descending(key: Option<u128>) -> Option<u128> {
    key.map(|key| u128::MAX - key)
}

/// What a query asks of a model.
struct Filters {
    text: Option<String>,
    parameters: Vec<String>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    authors: Vec<String>,
    providers: Vec<String>,
    context: u64,
    /// Lowest and highest USD per million tokens of input, then of output.
    prices: [Option<Price>; 4],
    distillable: Option<&'static str>,
    zdr: bool,
    region: Option<&'static str>,
    /// Whether the query asks for something that this gateway knows of no model.
    unknowable: bool,
}

impl Filters {
    fn of(query: &Query<'_>) -> Result<Self, Error> {
        if query.text("use_rss").is_some() {
            let problem = "is not supported: this gateway has no feeds".to_owned();
            return Err(Error::InvalidField { field: "use_rss", problem });
        }
        let arch = query.text("arch").filter(|arch| !arch.eq_ignore_ascii_case(TOKENIZER));
        let mut unknowable = arch.is_some() || query.choice("category", &CATEGORIES)?.is_some();
        for name in UNKNOWN {
            unknowable |= query.measure(name)?.is_some();
        }
        Ok(Self {
            text: query.text("q").map(|text| text.to_ascii_lowercase()),
            parameters: query.list("supported_parameters"),
            inputs: query.list("input_modalities"),
            outputs: query.list("output_modalities"),
            authors: query.list("model_authors"),
            providers: query.list("providers"),
            context: query.number("context", 1..=usize::MAX)?.unwrap_or(0) as u64,
            prices: [
                price_bound(query, "min_price")?,
                price_bound(query, "max_price")?,
                price_bound(query, "min_output_price")?,
                price_bound(query, "max_output_price")?,
            ],
            distillable: query.choice("distillable", &["true", "false"])?,
            zdr: query.choice("zdr", &["true"])?.is_some(),
            region: query.choice("region", &["eu", "us"])?,
            unknowable,
        })
    }

    fn admit(&self, config: &Config, model: &Model) -> bool {
        !self.unknowable
            && self.text.as_ref().is_none_or(|text| is_called(model, text))
            && (self.authors.is_empty()
                || self.authors.iter().any(|name| name.eq_ignore_ascii_case(author(&model.id))))
            && (self.context == 0
                || context_length(model).is_some_and(|length| length >= self.context))
            && self.inputs.iter().all(|input| inputs(model).contains(&input.as_str()))
            && self.outputs.iter().all(|output| matches!(output.as_str(), "text" | "all"))
            && self.admits_prices(model)
            && self.distillable.is_none_or(|asked| model.distillable == (asked == "true"))
            && (!self.zdr || model.endpoints.iter().any(|endpoint| !endpoint.data_policy.retains))
            && self.region.is_none_or(|region| is_in(model, region))
            && (self.providers.is_empty() || self.is_offered(config, model))
            && self.parameters.iter().all(|name| parameters(config, model).contains(&name.as_str()))
    }

    fn admits_prices(&self, model: &Model) -> bool {
        let pricing = model.first_endpoint().map(|endpoint| &endpoint.pricing);
        let [input, output] = [pricing.and_then(|p| p.prompt), pricing.and_then(|p| p.completion)];
        self.prices.into_iter().zip([input, input, output, output]).enumerate().all(
            |(index, (bound, price))| {
                let Some(bound) = bound else { return true };
                let Some(price) = price.map(|price| price.cost(MILLION)) else { return false };
                if index % 2 == 0 { price >= bound.cost(1) } else { price <= bound.cost(1) }
            },
        )
    }

    fn is_offered(&self, config: &Config, model: &Model) -> bool {
        let mut providers =
            model.endpoints.iter().filter_map(|endpoint| config.provider(endpoint.provider));
        providers.any(|provider| self.providers.iter().any(|asked| provider.is_named(asked)))
    }
}

/// Reads a bound on prices, in USD per million tokens.
fn price_bound(query: &Query<'_>, name: &'static str) -> Result<Option<Price>, Error> {
    let Some(text) = query.text(name) else { return Ok(None) };
    let problem = "must be a price in USD per million tokens".to_owned();
    Price::parse(&text).map(Some).map_err(|_| Error::InvalidField { field: name, problem })
}

/// Whether a text in lower case is part of a model's id or name.
fn is_called(model: &Model, text: &str) -> bool {
    [&model.id, &model.name].into_iter().any(|name| name.to_ascii_lowercase().contains(text))
}

/// Whether one of a model's endpoints is in a region.
fn is_in(model: &Model, region: &str) -> bool {
    model.endpoints.iter().any(|endpoint| endpoint.regions.iter().any(|of| of == region))
}

/// Input and output prices together, in femtodollars.
fn price(model: &Model) -> Option<u128> {
    let pricing = &model.first_endpoint()?.pricing;
    Some(pricing.prompt?.cost(1).femtodollars() + pricing.completion?.cost(1).femtodollars())
}
