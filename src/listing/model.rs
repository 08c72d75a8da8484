//! `models`, `models/count` and `model/{author}/{slug}`: the catalogue, by filters and in pages.
//!
//! A model shows the prices and limits of its first endpoint; wildcards are patterns, not models, and are not listed.

use super::query::Query;
use super::{Known, endpoint};
use crate::catalog::{Endpoint, Model, PriceOverride, Pricing};
use crate::config::Config;
use crate::error::Error;
use crate::request::Face;
use crate::usage::Price;
use crate::wire::json::Object;

/// Models of one page where only an offset is asked for.
const PAGE: usize = 500;
/// Most models of one page.
const LARGEST_PAGE: usize = 1000;
/// Tokens that prices of filters are for.
const MILLION: u64 = 1_000_000;
/// What OpenRouter says where a price that must be there is not known: it never looks free.
const UNKNOWN_PRICE: &str = "-1";

/// The models that a query selects, and where the next ones are.
pub(super) fn list(known: &Known<'_>, face: Face, query: &Query<'_>) -> Result<String, Error> {
    let models = selected(known, query)?;
    let (offset, limit) = (query.number("offset", 0)?, query.number("limit", 1)?);
    let size = match (offset, limit) {
        (None, None) => models.len(),
        (_, limit) => limit.unwrap_or(PAGE).min(LARGEST_PAGE),
    };
    let offset = offset.unwrap_or(0);
    let data: Vec<String> =
        models.iter().skip(offset).take(size).map(|model| entry(known.config, model, &model.id)).collect();
    let next = offset.saturating_add(size);
    let base = match face {
        Face::OpenAi => &known.config.paths.openai,
        Face::OpenRouter => &known.config.paths.openrouter,
    };
    let next = (next < models.len()).then(|| format!("{base}models?{}", query.with("offset", next)));
    let links = Object::new().text_or_null("next", next.as_deref()).end();
    let list = Object::new().text("object", "list").number("total_count", Some(models.len() as u64));
    Ok(list.json("links", &links).list("data", &data).end())
}

/// The models that a query's filters let through, in the order it asks for.
pub(super) fn selected<'a>(known: &Known<'a>, query: &Query<'_>) -> Result<Vec<&'a Model>, Error> {
    let filters = Filters::of(query)?;
    let models = known.config.catalog.models().iter();
    let mut models: Vec<&Model> =
        models.filter(|model| !model.is_wildcard() && filters.admit(known.config, model)).collect();
    let by: fn(&Model) -> u128 = match query.text("sort").as_deref() {
        Some("pricing-low-to-high") => |model| price(model).unwrap_or(u128::MAX),
        Some("pricing-high-to-low") => |model| u128::MAX - price(model).unwrap_or(0),
        Some("context-high-to-low") => |model| u128::MAX - u128::from(context_length(model).unwrap_or(0)),
        // Of the rest nothing is known; the catalogue's own order is as good.
        _ => return Ok(models),
    };
    models.sort_by_key(|model| by(model));
    Ok(models)
}

/// What a query asks of a model.
struct Filters {
    text: Option<String>,
    parameters: Vec<String>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    authors: Vec<String>,
    providers: Vec<String>,
    context: usize,
    /// Lowest and highest USD per million tokens of input, then of output.
    prices: [Option<Price>; 4],
    zdr: bool,
}

impl Filters {
    fn of(query: &Query<'_>) -> Result<Self, Error> {
        let price = |name: &'static str| {
            let Some(text) = query.text(name) else { return Ok(None) };
            let problem = "must be a price in USD per million tokens".to_owned();
            Price::parse(&text).map(Some).map_err(|_| Error::InvalidField { field: name, problem })
        };
        Ok(Self {
            text: query.text("q").map(|text| text.to_ascii_lowercase()),
            parameters: query.list("supported_parameters"),
            inputs: query.list("input_modalities"),
            outputs: query.list("output_modalities"),
            authors: query.list("model_authors"),
            providers: query.list("providers"),
            context: query.number("context", 1)?.unwrap_or(0),
            prices: [price("min_price")?, price("max_price")?, price("min_output_price")?, price("max_output_price")?],
            zdr: query.text("zdr").as_deref() == Some("true"),
        })
    }

    fn admit(&self, config: &Config, model: &Model) -> bool {
        let text = |text: &String| {
            [&model.id, &model.name].into_iter().any(|name| name.to_ascii_lowercase().contains(text.as_str()))
        };
        self.text.as_ref().is_none_or(text)
            && (self.authors.is_empty() || self.authors.iter().any(|name| name.eq_ignore_ascii_case(author(&model.id))))
            && (self.context == 0 || context_length(model).is_some_and(|length| length >= self.context as u64))
            && self.inputs.iter().all(|input| inputs(model).contains(&input.as_str()))
            && self.outputs.iter().all(|output| matches!(output.as_str(), "text" | "all"))
            && self.admits_prices(model)
            && (!self.zdr || model.endpoints.iter().any(|endpoint| !endpoint.data_policy.retains))
            && (self.providers.is_empty() || self.is_offered(config, model))
            && self.parameters.iter().all(|name| parameters(config, model).contains(&name.as_str()))
    }

    fn admits_prices(&self, model: &Model) -> bool {
        let pricing = model.endpoints.first().map(|endpoint| &endpoint.pricing);
        let [input, output] = [pricing.and_then(|p| p.prompt), pricing.and_then(|p| p.completion)];
        self.prices.into_iter().zip([input, input, output, output]).enumerate().all(|(index, (bound, price))| {
            let Some(bound) = bound else { return true };
            let Some(price) = price.map(|price| price.cost(MILLION)) else { return false };
            if index % 2 == 0 { price >= bound.cost(1) } else { price <= bound.cost(1) }
        })
    }

    fn is_offered(&self, config: &Config, model: &Model) -> bool {
        let mut providers = model.endpoints.iter().filter_map(|endpoint| config.provider(endpoint.provider));
        providers.any(|provider| {
            let names = [&provider.id, &provider.name];
            self.providers.iter().any(|asked| names.into_iter().any(|name| name.eq_ignore_ascii_case(asked)))
        })
    }
}

/// Input and output prices together, in femtodollars.
fn price(model: &Model) -> Option<u128> {
    let pricing = &model.endpoints.first()?.pricing;
    Some(pricing.prompt?.cost(1).femtodollars() + pricing.completion?.cost(1).femtodollars())
}

fn author(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}

fn context_length(model: &Model) -> Option<u64> {
    model.endpoints.first().and_then(|endpoint| endpoint.context_length).or(model.context_length)
}

fn inputs(model: &Model) -> Vec<&str> {
    match &model.input_modalities {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => vec!["text"],
    }
}

/// OpenRouter's Model, with OpenAI's fields; `id` is the model's own, or what a wildcard stands for.
pub(super) fn entry(config: &Config, model: &Model, id: &str) -> String {
    let first = model.endpoints.first();
    let context_length = context_length(model);
    let top = Object::new()
        .number("context_length", context_length)
        .number("max_completion_tokens", first.and_then(|endpoint| endpoint.max_completion_tokens))
        .flag("is_moderated", false);
    let links = Object::new().text("details", &format!("{}models/{id}/endpoints", config.paths.openrouter));
    let mut entry = Object::new()
        .text("id", id)
        .text("object", "model")
        .json("created", "0")
        .text("owned_by", author(id))
        .text("canonical_slug", id)
        .text("name", if model.is_wildcard() { id } else { &model.name })
        .text("description", "")
        .number("context_length", context_length)
        .json("architecture", &architecture(model))
        .json("pricing", &first.map_or_else(|| "{}".to_owned(), pricing))
        .json("top_provider", &top.end())
        .texts("supported_parameters", &parameters(config, model))
        .json("links", &links.end());
    for name in ["per_request_limits", "supported_voices", "default_parameters"] {
        entry = entry.json(name, "null");
    }
    entry.end()
}

/// What at least one endpoint supports.
fn parameters<'a>(config: &Config, model: &'a Model) -> Vec<&'a str> {
    let mut names: Vec<&str> =
        model.endpoints.iter().flat_map(|endpoint| endpoint::parameters(config, endpoint)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What goes in and comes out; every model is taken for one of text.
pub(super) fn architecture(model: &Model) -> String {
    let inputs = inputs(model);
    Object::new()
        .text("modality", &format!("{}->text", inputs.join("+")))
        .texts("input_modalities", &inputs)
        .texts("output_modalities", &["text"])
        .text("tokenizer", "Other")
        .json("instruct_type", "null")
        .end()
}

/// Decimal strings in USD. A price that is unknown is left out, or says so where the schema wants one.
pub(super) fn pricing(endpoint: &Endpoint) -> String {
    let own = &endpoint.pricing;
    let mut pricing = prices(own);
    for (name, price) in [("prompt", own.prompt), ("completion", own.completion)] {
        if price.is_none() {
            pricing = pricing.text(name, UNKNOWN_PRICE);
        }
    }
    if !endpoint.overrides.is_empty() {
        let overrides: Vec<String> = endpoint.overrides.iter().map(changed).collect();
        pricing = pricing.list("overrides", &overrides);
    }
    pricing.end()
}

fn prices(pricing: &Pricing) -> Object {
    let mut prices = Object::new();
    for (name, price) in pricing.entries() {
        if let Some(price) = price {
            prices = prices.text(name, &price.to_string());
        }
    }
    prices
}

fn changed(change: &PriceOverride) -> String {
    let mut prices = prices(&change.pricing);
    if change.min_prompt_tokens.is_some() {
        prices = prices.number("min_prompt_tokens", change.min_prompt_tokens);
    }
    if let Some((start, end)) = change.utc {
        for (name, minute) in [("utc_start", start), ("utc_end", end)] {
            prices = prices.text(name, &format!("{:02}{:02}", minute / 60, minute % 60));
        }
    }
    prices.end()
}
