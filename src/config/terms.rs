//! What an endpoint inherits: the endpoint's own terms hold, else the model's, else the provider's.

use std::time::Duration;

use super::field::MAX_INTEGER;
use super::reader::Object;
use super::rule;
use crate::catalog::DataPolicy;

/// Limits and policy as one level of the document states them; `None` is left to the next level.
#[derive(Clone, Default)]
pub(super) struct Terms {
    /// How many tokens input and output may have together; of models and endpoints only. Default:
    /// unknown, so that nothing is too long.
    pub(super) context_length: Option<u64>,
    /// How many tokens an answer may have; of models and endpoints only. Default: unknown.
    pub(super) max_completion_tokens: Option<u64>,
    /// Where prompts go, such as `[eu]`; `GET models?region=` selects by it. Default: unknown.
    regions: Option<Vec<String>>,
    /// Whether prompts are kept after the answer. Default: `true`.
    retains: Option<bool>,
    /// Whether models are trained on prompts. Default: `true`.
    trains: Option<bool>,
    /// How long the provider keeps a prompt in its cache, and so how long a conversation stays at
    /// the endpoint, if `routing.sticky` lets it stay at all. Default: `routing.sticky.ttl`.
    pub(super) cache_ttl: Option<Duration>,
}

impl Terms {
    /// Reads the terms of a model or an endpoint.
    pub(super) fn read(o: &mut Object<'_>) -> Self {
        Self {
            context_length: o.integer("context_length", 1..=MAX_INTEGER),
            max_completion_tokens: o.integer("max_completion_tokens", 1..=MAX_INTEGER),
            ..Self::of_provider(o)
        }
    }

    /// Reads the terms of a provider, which has no limits of its own.
    pub(super) fn of_provider(o: &mut Object<'_>) -> Self {
        let regions = o.strings("regions", &rule::REGION);
        let mut terms = Self { regions, cache_ttl: o.duration("cache_ttl"), ..Self::default() };
        if let Some(mut policy) = o.optional("data_policy").and_then(|field| field.object()) {
            terms.retains = policy.boolean("retains");
            terms.trains = policy.boolean("trains");
            policy.finish();
        }
        terms
    }

    /// These terms, and where they are silent the other's.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            context_length: self.context_length.or(other.context_length),
            max_completion_tokens: self.max_completion_tokens.or(other.max_completion_tokens),
            cache_ttl: self.cache_ttl.or(other.cache_ttl),
            regions: self.regions.or_else(|| other.regions.clone()),
            retains: self.retains.or(other.retains),
            trains: self.trains.or(other.trains),
        }
    }

    /// What becomes of prompts; what no level says is assumed to be the worst.
    pub(super) fn data_policy(&self) -> DataPolicy {
        let worst = DataPolicy::default();
        DataPolicy {
            retains: self.retains.unwrap_or(worst.retains),
            trains: self.trains.unwrap_or(worst.trains),
        }
    }

    /// Where the data goes; empty if no level says.
    pub(super) fn into_regions(self) -> Vec<String> {
        self.regions.unwrap_or_default()
    }
}
