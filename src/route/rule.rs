//! Why endpoints stand in a plan as they do: the rule that ordered them, its figures, and what
//! moved each one.

use super::health::Standing;
use crate::catalog::Variant;
use crate::config::Sort;
use crate::request::SortBy;

/// By what endpoints were ordered, for people who ask why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `provider.order` came first, and what it does not name was ordered by the rest.
    pub listed: bool,
    /// How endpoints of the same rank were ordered.
    pub by: By,
}

/// Who said how endpoints are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The request's `provider.sort`.
    Request(SortBy),
    /// The variant in the model's name, which stands for a sort.
    Variant(Variant, SortBy),
    /// The document's `routing.sort`.
    Document(Sort),
}

impl Default for By {
    fn default() -> Self {
        Self::Document(Sort::Order)
    }
}

impl By {
    /// The client's own sort, by preference or by variant.
    pub(super) fn asked(self) -> Option<SortBy> {
        match self {
            Self::Request(sort) | Self::Variant(_, sort) => Some(sort),
            Self::Document(_) => None,
        }
    }
}

/// A number that a rule compares endpoints by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Share of the draw in percent.
    Share,
    /// Time to first token in ms.
    FirstToken,
    /// Output tokens per second.
    Throughput,
}

impl Compared {
    /// The number's name in explanations and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Share => "draw_percent",
            Self::FirstToken => "first_token_ms",
            Self::Throughput => "tokens_per_second",
        }
    }
}

impl Rule {
    /// What the figures in [`Placing::compared`] are; `None`: there are none.
    pub fn compares(self) -> Option<Compared> {
        match (self.by.asked(), self.by) {
            (Some(SortBy::Latency), _) | (_, By::Document(Sort::Latency)) => {
                Some(Compared::FirstToken)
            }
            (Some(SortBy::Throughput | SortBy::Exacto), _)
            | (_, By::Document(Sort::Throughput)) => Some(Compared::Throughput),
            (_, By::Document(Sort::Balanced)) => Some(Compared::Share),
            _ => None,
        }
    }

    /// Whether prices decide, or weigh in the draw.
    pub fn is_about_prices(self) -> bool {
        let by_price = [By::Document(Sort::Balanced), By::Document(Sort::Price)].contains(&self.by);
        by_price || self.by.asked() == Some(SortBy::Price)
    }

    /// The rule's name in explanations and records.
    pub fn name(self) -> String {
        let (says, name) = match self.by {
            By::Request(sort) => ("provider.sort=", sort.name()),
            By::Variant(variant, _) => (":", variant.name()),
            By::Document(sort) => ("routing.sort=", sort.name()),
        };
        let mut text = String::with_capacity(48);
        if self.listed {
            text.push_str("provider.order, then ");
        }
        text.push_str(says);
        text.push_str(name);
        text
    }
}

/// What besides the rule gave an endpoint its place in the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placing {
    /// The endpoint has the conversation's prompt in its cache, and goes first among its equals.
    pub sticky: bool,
    /// The endpoint misses a preferred latency or throughput, and goes last among its equals.
    pub slow: bool,
    /// How well the endpoint does. One that does badly goes last where no explicit order holds.
    pub standing: Standing,
    /// The provider asked to be left alone for a while, and the endpoint goes last.
    pub cooldown: bool,
    /// The endpoint does badly and is first all the same, to see if it has recovered.
    pub probe: bool,
    /// The figure that the rule [compares](Rule::compares), rounded, where it is known.
    pub compared: Option<u64>,
}

impl Placing {
    /// Whether the endpoint is not where the rule alone would have put it.
    pub(super) fn is_moved(&self) -> bool {
        self.sticky || self.slow || self.cooldown || self.standing != Standing::Normal
    }

    /// Whether the endpoint does worse than normal.
    pub(super) fn is_troubled(&self) -> bool {
        self.standing > Standing::Normal
    }

    /// What moved the endpoint back from where the rule alone would have put it.
    pub fn moved_by(&self) -> Option<&'static str> {
        match self {
            Self { cooldown: true, .. } => Some("cooldown"),
            Self { probe: true, .. } => None,
            Self { standing: Standing::Down, .. } => Some("outage"),
            Self { standing: Standing::Degraded, .. } => Some("degraded"),
            Self { slow: true, .. } => Some("slow"),
            _ => None,
        }
    }
}
