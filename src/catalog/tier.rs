//! Service tiers: the same model at the same provider, served sooner or later, at another price.
//!
//! A tier is an endpoint of its own, told by the last part of its tag, as in OpenRouter's catalogue
//! (`openai/priority`). No request is sent there that does not ask for it.

use super::{Endpoint, Model};

/// A tier besides the default one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Requests are served at a lower price, when there is room.
    Flex,
    /// Requests are served before others.
    Priority,
}

impl Tier {
    /// Its name in tags, requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Priority => "priority",
        }
    }
}

/// A tier as requests ask for it and answers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceTier {
    /// `default`, or `standard`
    Default,
    /// `flex`
    Flex,
    /// `priority`, or `fast`
    Priority,
}

impl ServiceTier {
    /// The tier that a dialect calls so; `None`: none that is known, or the upstream may choose it
    /// (`auto`).
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "default" | "standard" | "standard_only" => Some(Self::Default),
            "flex" => Some(Self::Flex),
            "priority" | "fast" => Some(Self::Priority),
            _ => None,
        }
    }

    /// OpenAI's name for the tier.
    pub fn name(self) -> &'static str {
        self.tier().map_or("default", Tier::name)
    }

    /// The tier that the endpoints must be of; `None`: the default one.
    pub fn tier(self) -> Option<Tier> {
        match self {
            Self::Default => None,
            Self::Flex => Some(Tier::Flex),
            Self::Priority => Some(Tier::Priority),
        }
    }
}

impl Endpoint {
    /// The endpoint's tier; `None`: the default one.
    pub fn tier(&self) -> Option<Tier> {
        let last = self.tag.as_deref()?.rsplit('/').next();
        [Tier::Flex, Tier::Priority].into_iter().find(|tier| last == Some(tier.name()))
    }

    /// Whether the endpoint is of the tier that serves at a lower price, when there is room.
    pub fn is_flex(&self) -> bool {
        self.tier() == Some(Tier::Flex)
    }

    /// What the endpoint's tag says besides the tier.
    fn variant(&self) -> &str {
        let tag = self.tag.as_deref().unwrap_or_default();
        let rest = self.tier().and_then(|tier| tag.strip_suffix(tier.name()));
        rest.map_or(tag, |rest| rest.trim_end_matches('/'))
    }
}

impl Model {
    /// The same provider's endpoints that only differ from this one in their tier.
    pub fn other_tiers<'a>(&'a self, endpoint: &'a Endpoint) -> impl Iterator<Item = &'a Endpoint> {
        self.endpoints.iter().filter(move |other| {
            other.provider == endpoint.provider
                && other.model == endpoint.model
                && other.tier() != endpoint.tier()
                && other.variant() == endpoint.variant()
        })
    }

    /// The endpoint whose prices hold where this one has answered, in the tier that it says: a
    /// provider may serve a request in another one than it was asked for.
    pub fn paid<'a>(&'a self, endpoint: &'a Endpoint, served: Option<ServiceTier>) -> &'a Endpoint {
        let other = served.and_then(|served| {
            self.other_tiers(endpoint).find(|other| other.tier() == served.tier())
        });
        other.unwrap_or(endpoint)
    }
}
