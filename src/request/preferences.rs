//! The request's `provider` object: OpenRouter's routing preferences.
//!
//! Source: OpenRouter's ProviderPreferences schema. Unknown fields are ignored as OpenRouter does;
//! wrong types and unknown values are refused with the path of the field. `first_token_timeout` is
//! this gateway's own.

use std::time::Duration;

use super::problem::{boolean, members, text, texts, wrong};
use crate::catalog::Price;
use crate::catalog::QUANTIZATIONS;
use crate::duration;
use crate::error::Error;
use crate::wire::json::{Kind, Reader};

/// What the client asks of routing; every field may be absent or null.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preferences {
    /// Providers to try first, in this order.
    pub order: Option<Vec<String>>,
    /// The only providers that may be used.
    pub only: Option<Vec<String>>,
    /// Providers that must not be used.
    pub ignore: Option<Vec<String>>,
    /// `false`: only one endpoint is tried.
    pub allow_fallbacks: Option<bool>,
    /// `true`: only endpoints that support every parameter sent.
    pub require_parameters: Option<bool>,
    /// `deny`: only endpoints that do not train.
    pub data_collection: Option<DataCollection>,
    /// `true`: only endpoints that retain nothing.
    pub zdr: Option<bool>,
    /// `true`: only models whose answers may train other models.
    pub enforce_distillable_text: Option<bool>,
    /// Only endpoints of these quantizations.
    pub quantizations: Option<Vec<String>>,
    /// Strict order instead of the configured one.
    pub sort: Option<SortBy>,
    /// Whether the models of a request are kept apart.
    pub partition: Option<Partition>,
    /// The highest prices that an endpoint may have.
    pub max_price: Option<MaxPrice>,
    /// Output tokens per second below which an endpoint goes last.
    pub preferred_min_throughput: Option<Cutoffs>,
    /// Seconds to the first token above which an endpoint goes last.
    pub preferred_max_latency: Option<Cutoffs>,
    /// Upper bound on the wait for a stream's first token.
    pub first_token_timeout: Option<Duration>,
}

/// Whether endpoints that train on prompts may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataCollection {
    /// Endpoints that train on prompts may be used.
    Allow,
    /// Only endpoints that do not train on prompts may be used.
    Deny,
}

/// By what endpoints are ordered, in place of the document's own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// Cheapest first.
    Price,
    /// Lowest time to first token first.
    Latency,
    /// Most output tokens per second first.
    Throughput,
    /// Fewest recent failures first, then most output tokens per second.
    Exacto,
}

impl SortBy {
    /// The name of the order in a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Latency => "latency",
            Self::Throughput => "throughput",
            Self::Exacto => "exacto",
        }
    }
}

/// Whether the models of a request are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// All endpoints of the first model, then those of the next.
    Model,
    /// One order over the endpoints of all models.
    None,
}

/// Upper bounds on prices in USD, given as numbers or decimal strings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MaxPrice {
    /// Per million input tokens.
    pub prompt: Option<Price>,
    /// Per million output tokens.
    pub completion: Option<Price>,
    /// Per request.
    pub request: Option<Price>,
    /// Per image.
    pub image: Option<Price>,
    /// Per million audio input tokens.
    pub audio: Option<Price>,
}

/// Bounds on a measurement: each one must hold for at least a certain share of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cutoffs {
    /// One for each of [`Cutoffs::SHARES`], in that order.
    pub bounds: [Option<f64>; 4],
}

impl Cutoffs {
    /// The shares, in percent of the requests.
    pub const SHARES: [u8; 4] = [50, 75, 90, 99];

    /// Every bound with its share.
    pub fn iter(&self) -> impl Iterator<Item = (u8, f64)> {
        let bounds = Self::SHARES.into_iter().zip(self.bounds);
        bounds.filter_map(|(share, bound)| Some((share, bound?)))
    }
}

impl Preferences {
    /// The preferences of a request that has none.
    pub(super) const NONE: &Self = &Self {
        order: None,
        only: None,
        ignore: None,
        allow_fallbacks: None,
        require_parameters: None,
        data_collection: None,
        zdr: None,
        enforce_distillable_text: None,
        quantizations: None,
        sort: None,
        partition: None,
        max_price: None,
        preferred_min_throughput: None,
        preferred_max_latency: None,
        first_token_timeout: None,
    };

    /// Reads the `provider` object of `body`, before which the reader stands.
    pub(super) fn read(reader: &mut Reader<'_>, body: &[u8]) -> Result<Self, Error> {
        let mut read = Self::default();
        object(reader, "provider", &mut |reader, key| {
            match key {
                "order" => read.order = some_of(texts(reader, "provider.order")?),
                "only" => read.only = some_of(texts(reader, "provider.only")?),
                "ignore" => read.ignore = some_of(texts(reader, "provider.ignore")?),
                "allow_fallbacks" => {
                    read.allow_fallbacks = Some(boolean(reader, "provider.allow_fallbacks")?)
                }
                "require_parameters" => {
                    read.require_parameters = Some(boolean(reader, "provider.require_parameters")?);
                }
                "zdr" => read.zdr = Some(boolean(reader, "provider.zdr")?),
                "enforce_distillable_text" => {
                    read.enforce_distillable_text =
                        Some(boolean(reader, "provider.enforce_distillable_text")?);
                }
                "data_collection" => read.data_collection = Some(data_collection(reader)?),
                "quantizations" => read.quantizations = some_of(quantizations(reader)?),
                "sort" => read.read_sort(reader)?,
                "max_price" => read.max_price = Some(max_price(reader, body)?),
                "preferred_min_throughput" => {
                    read.preferred_min_throughput =
                        Some(cutoffs(reader, body, "provider.preferred_min_throughput")?);
                }
                "preferred_max_latency" => {
                    read.preferred_max_latency =
                        Some(cutoffs(reader, body, "provider.preferred_max_latency")?);
                }
                "first_token_timeout" => {
                    read.first_token_timeout = Some(first_token_timeout(reader, body)?)
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(read)
    }

    fn read_sort(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        match reader.peek()? {
            Kind::String => self.sort = Some(sort_by(reader, "provider.sort")?),
            Kind::Object => object(reader, "provider.sort", &mut |reader, key| {
                match key {
                    "by" => self.sort = Some(sort_by(reader, "provider.sort.by")?),
                    "partition" => self.partition = Some(partition(reader)?),
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            _ => return Err(wrong("provider.sort", "must be a string or an object")),
        }
        Ok(())
    }

    /// Whether one endpoint is all that may be tried.
    pub fn single(&self) -> bool {
        self.allow_fallbacks == Some(false)
    }
}

/// Reads the members of an object that are not null. `read` says whether it knows a key; a key that
/// it knows must not stand there twice.
fn object(
    reader: &mut Reader<'_>,
    field: &'static str,
    read: &mut dyn FnMut(&mut Reader<'_>, &str) -> Result<bool, Error>,
) -> Result<(), Error> {
    if reader.peek()? != Kind::Object {
        return Err(wrong(field, "must be an object"));
    }
    let mut keys: Vec<String> = Vec::new();
    members(reader, &mut |reader, key| {
        if keys.iter().any(|known| known == key) {
            return Err(wrong(field, &format!("has the key {key:?} twice")));
        }
        if reader.peek()? != Kind::Null && read(reader, key)? {
            keys.push(key.to_owned());
        }
        Ok(())
    })
}

/// A list that names something; clients send empty ones where nothing was chosen.
fn some_of(texts: Vec<String>) -> Option<Vec<String>> {
    (!texts.is_empty()).then_some(texts)
}

fn data_collection(reader: &mut Reader<'_>) -> Result<DataCollection, Error> {
    const FIELD: &str = "provider.data_collection";
    match text(reader, FIELD)?.as_str() {
        "allow" => Ok(DataCollection::Allow),
        "deny" => Ok(DataCollection::Deny),
        _ => Err(wrong(FIELD, "must be allow or deny")),
    }
}

fn quantizations(reader: &mut Reader<'_>) -> Result<Vec<String>, Error> {
    const FIELD: &str = "provider.quantizations";
    let asked = texts(reader, FIELD)?;
    if asked.iter().any(|name| !QUANTIZATIONS.contains(&name.as_str())) {
        return Err(wrong(FIELD, &format!("must be of {}", QUANTIZATIONS.join(", "))));
    }
    Ok(asked)
}

fn sort_by(reader: &mut Reader<'_>, field: &'static str) -> Result<SortBy, Error> {
    match text(reader, field)?.as_str() {
        "price" => Ok(SortBy::Price),
        "latency" => Ok(SortBy::Latency),
        "throughput" => Ok(SortBy::Throughput),
        "exacto" => Ok(SortBy::Exacto),
        _ => Err(wrong(field, "must be price, throughput, latency or exacto")),
    }
}

fn partition(reader: &mut Reader<'_>) -> Result<Partition, Error> {
    const FIELD: &str = "provider.sort.partition";
    match text(reader, FIELD)?.as_str() {
        "model" => Ok(Partition::Model),
        "none" => Ok(Partition::None),
        _ => Err(wrong(FIELD, "must be model or none")),
    }
}

fn max_price(reader: &mut Reader<'_>, body: &[u8]) -> Result<MaxPrice, Error> {
    let mut max = MaxPrice::default();
    object(reader, "provider.max_price", &mut |reader, key| {
        let (field, place) = match key {
            "prompt" => ("provider.max_price.prompt", &mut max.prompt),
            "completion" => ("provider.max_price.completion", &mut max.completion),
            "request" => ("provider.max_price.request", &mut max.request),
            "image" => ("provider.max_price.image", &mut max.image),
            "audio" => ("provider.max_price.audio", &mut max.audio),
            _ => return Ok(false),
        };
        let price = number(reader, body)?.and_then(|text| Price::parse(&text).ok());
        *place =
            Some(price.ok_or_else(|| {
                wrong(field, "must be a price in USD, a number or a decimal string")
            })?);
        Ok(true)
    })?;
    Ok(max)
}

fn cutoffs(reader: &mut Reader<'_>, body: &[u8], field: &'static str) -> Result<Cutoffs, Error> {
    let mut cutoffs = Cutoffs::default();
    let [p50, p75, p90, p99] = &mut cutoffs.bounds;
    if reader.peek()? != Kind::Object {
        *p50 = Some(bound(reader, body, field)?);
        return Ok(cutoffs);
    }
    object(reader, field, &mut |reader, key| {
        let place = match key {
            "p50" => &mut *p50,
            "p75" => &mut *p75,
            "p90" => &mut *p90,
            "p99" => &mut *p99,
            _ => return Ok(false),
        };
        *place = Some(bound(reader, body, field)?);
        Ok(true)
    })?;
    Ok(cutoffs)
}

fn bound(reader: &mut Reader<'_>, body: &[u8], field: &'static str) -> Result<f64, Error> {
    let number = number(reader, body)?.and_then(|text| text.parse::<f64>().ok());
    let number = number.filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| wrong(field, "must be a number, or an object of p50, p75, p90, p99"))
}

/// A deadline below this would only make endpoints fail that are well.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);

fn first_token_timeout(reader: &mut Reader<'_>, body: &[u8]) -> Result<Duration, Error> {
    let is_number = reader.peek()? == Kind::Number;
    let text = number(reader, body)?.unwrap_or_default();
    let time =
        if is_number { duration::parse(&format!("{text}s")) } else { duration::parse(&text) };
    time.map(|time| time.max(SHORTEST_TIMEOUT)).ok_or_else(|| {
        wrong(
            "provider.first_token_timeout",
            "must be seconds, or a duration such as \"500ms\" or \"10s\"",
        )
    })
}

/// Reads any value; returns the text of a number, or what a string spells.
fn number(reader: &mut Reader<'_>, body: &[u8]) -> Result<Option<String>, Error> {
    Ok(match reader.peek()? {
        Kind::String => Some(reader.string()?.decode().into_owned()),
        Kind::Number => {
            let number = body.get(reader.skip()?).unwrap_or_default();
            Some(String::from_utf8_lossy(number).into_owned())
        }
        _ => {
            reader.skip()?;
            None
        }
    })
}
