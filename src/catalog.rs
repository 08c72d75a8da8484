//! Models and endpoints: what may be asked for, who offers it, at what price and under which policy.

use crate::usage::Price;

/// Index of a model in its [`Catalog`]; only made by that catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModelId(pub(crate) usize);

/// Index of a provider in [`crate::config::Config::providers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(pub(crate) usize);

/// All models of one configuration, with lookup by id, alias and wildcard.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Catalog {
    models: Vec<Model>,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// `author/slug`, or a pattern ending in `*`.
    pub id: String,
    /// Shown in listings; default: the id.
    pub name: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    /// Tokens of input and output together, where known.
    pub context_length: Option<u64>,
    /// `text`, `image`, `file`, `audio`, `video`; `None`: everything.
    pub input_modalities: Option<Vec<String>>,
    /// In the order written.
    pub endpoints: Vec<Endpoint>,
}

/// One provider's offer of one model. Every filter acts on endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// `provider/model#tag`: keys all shared state, and survives reordering of the document.
    pub id: String,
    /// Who serves it.
    pub provider: ProviderId,
    /// The upstream's name for the model; `None`: the part of the asked name a wildcard took.
    pub model: Option<String>,
    /// Region, variant or tier, e.g. `eu` or `turbo`.
    pub tag: Option<String>,
    /// Prices; a missing one is unknown, not free.
    pub pricing: Pricing,
    /// Conditional prices, later ones win.
    pub overrides: Vec<PriceOverride>,
    /// Factor on the drawing weight, default 1.
    pub weight: f64,
    /// Tokens of input and output together, where known.
    pub context_length: Option<u64>,
    /// Longest output, where known.
    pub max_completion_tokens: Option<u64>,
    /// `int4` … `fp32`, `unknown`.
    pub quantization: String,
    /// Request fields it understands; `None`: all.
    pub supported_parameters: Option<Vec<String>>,
    /// Where the data goes; empty: unknown, so nowhere allowed when a tenant restricts regions.
    pub regions: Vec<String>,
    /// What it does with prompts.
    pub data_policy: DataPolicy,
}

/// What a provider does with prompts; unknown counts as the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataPolicy {
    /// Keeps them after answering.
    pub retains: bool,
    /// Trains on them.
    pub trains: bool,
}

/// Prices of one endpoint in USD per unit; `None` is unknown, not free.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Pricing {
    /// Per input token.
    pub prompt: Option<Price>,
    /// Per output token.
    pub completion: Option<Price>,
    /// Per request.
    pub request: Option<Price>,
    /// Per input image.
    pub image: Option<Price>,
    /// Per audio input token.
    pub audio: Option<Price>,
    /// Per reasoning token, where it differs from `completion`.
    pub internal_reasoning: Option<Price>,
    /// Per cached input token.
    pub input_cache_read: Option<Price>,
    /// Per input token written to the cache.
    pub input_cache_write: Option<Price>,
}

/// Prices that hold instead when every condition does.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PriceOverride {
    /// Holds when the request has strictly more input tokens than this.
    pub min_prompt_tokens: Option<u64>,
    /// Holds from `.0` up to but not including `.1`, minutes after midnight UTC; may wrap.
    pub utc: Option<(u16, u16)>,
    /// The prices that change.
    pub pricing: Pricing,
}
