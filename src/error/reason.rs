//! What takes an endpoint out of a plan, and in which words that is told.

use std::fmt;

use crate::catalog::{Modality, Tier};

/// An endpoint that is not in the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// The endpoint's id.
    pub endpoint: String,
    /// Its provider's id.
    pub provider: String,
    /// Why it is not.
    pub reason: Reason,
}

impl Dropped {
    /// Keeps the reason only.
    pub(super) fn hide_names(&mut self, author: &str) {
        self.endpoint = format!("{author}/…");
        author.clone_into(&mut self.provider);
    }
}

/// Why an endpoint is not in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The variable that should hold its key is not set.
    NoKey(String),
    /// `provider.only` does not name it.
    Only,
    /// `provider.ignore` names it.
    Ignore,
    /// `provider.data_collection: deny`, and it trains.
    Trains,
    /// `provider.zdr`, and it retains.
    Retains,
    /// `provider.enforce_distillable_text`, and the model's answers may not train others.
    Distillable,
    /// The variant `:free`, and it costs something, or nobody knows what.
    NotFree,
    /// `provider.quantizations` does not name the endpoint's.
    Quantization,
    /// Its price is above `provider.max_price`, or unknown.
    MaxPrice,
    /// It is of a service tier that nobody asked for.
    Tier(Tier),
    /// `service_tier: flex`, and only others of its model are of that tier.
    NotFlex,
    /// `routing.auto` chose its model, and this bound of the document or the request speaks against
    /// it.
    Auto(&'static str),
    /// Input and output together are longer than its context.
    ContextLength,
    /// It cannot answer with as many tokens as were asked for.
    OutputLength,
    /// It does not take this kind of input.
    Modality(Modality),
    /// It does not support a parameter the request uses.
    Parameter(&'static str),
    /// Its wire format does not have this operation.
    Operation(&'static str),
    /// `provider.allow_fallbacks: false`, and another endpoint comes first.
    AllowFallbacks,
    /// The plan already has as many endpoints as `routing.max_attempts` allows.
    MaxAttempts,
}

impl Reason {
    /// OpenRouter's name of the filter (`excluded_by`); `None` where it has none.
    pub fn filter(&self) -> Option<&'static str> {
        match self {
            Self::Only | Self::Ignore => Some("allowed_providers"),
            Self::Trains => Some("data_policy:training"),
            Self::Retains => Some("data_policy:zdr"),
            Self::Quantization => Some("quantization"),
            Self::MaxPrice => Some("max_price"),
            Self::ContextLength | Self::OutputLength => Some("context_length"),
            Self::Parameter(_) | Self::Modality(_) | Self::Operation(_) => {
                Some("require_parameters")
            }
            Self::Distillable => Some("enforce_distillable_text"),
            Self::NotFree => Some("free"),
            Self::Tier(_) | Self::NotFlex => Some("service_tier"),
            Self::Auto(bound) => bound.rsplit('.').next(),
            Self::NoKey(_) | Self::AllowFallbacks | Self::MaxAttempts => None,
        }
    }

    /// Whether the reason is that prompts would be kept or trained on.
    pub fn is_about_privacy(&self) -> bool {
        matches!(self, Self::Retains | Self::Trains)
    }

    /// Whether the reason is that tools cannot be used.
    pub fn is_about_tools(&self) -> bool {
        matches!(self, Self::Parameter("tools" | "tool_choice" | "parallel_tool_calls"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The log says which variable it is; clients need not know.
            Self::NoKey(_) => f.write_str("no key is set for its provider"),
            Self::Only => f.write_str("provider.only"),
            Self::Ignore => f.write_str("provider.ignore"),
            Self::Trains => f.write_str("data policy: trains on prompts"),
            Self::Retains => f.write_str("data policy: retains prompts"),
            Self::Distillable => f.write_str("provider.enforce_distillable_text"),
            Self::NotFree => f.write_str("not free"),
            Self::Quantization => f.write_str("provider.quantizations"),
            Self::MaxPrice => f.write_str("provider.max_price"),
            Self::Tier(tier) => write!(f, "service tier {} was not asked for", tier.name()),
            Self::NotFlex => f.write_str("service_tier: flex"),
            Self::Auto(bound) => f.write_str(bound),
            Self::ContextLength => f.write_str("context length"),
            Self::OutputLength => f.write_str("output length"),
            Self::Modality(modality) => write!(f, "no {} input", modality.name()),
            Self::Operation(name) => write!(f, "its API has no {name}"),
            Self::Parameter(name) => write!(f, "unsupported parameter: {name}"),
            Self::AllowFallbacks => f.write_str("provider.allow_fallbacks"),
            Self::MaxAttempts => f.write_str("routing.max_attempts"),
        }
    }
}
