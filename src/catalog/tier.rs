//! Service tiers: the same model at the same provider, served sooner or later, at another price.
//!
//! A tier is an endpoint of its own, told by the last part of its tag, as in OpenRouter's catalogue
//! (`openai/priority`). Nobody gets there who does not ask for it.

use super::Endpoint;

/// A tier besides the default one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Cheaper, when there is room.
    Flex,
    /// Before others.
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

impl Endpoint {
    /// The tier it is; `None`: the default one.
    pub fn tier(&self) -> Option<Tier> {
        let last = self.tag.as_deref()?.rsplit('/').next();
        [Tier::Flex, Tier::Priority].into_iter().find(|tier| last == Some(tier.name()))
    }
}
