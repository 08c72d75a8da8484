//! Hard filters and the soft preference: what takes an endpoint out of a plan, and the reason it is given.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use super::plan::model_id;
use crate::catalog::{Asked, Endpoint, Model, Variant};
use crate::config::Provider;
use crate::provider::Way;
use crate::request::{DataCollection, Modality, Operation, Preferences, Request};
use crate::translate::{self, Conversation, Loss};
use crate::usage::Price;

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
    /// `provider.quantizations` does not name its own.
    Quantization,
    /// Its price is above `provider.max_price`, or unknown.
    MaxPrice,
    /// Input and output do not fit.
    ContextLength,
    /// It cannot answer with that many tokens.
    OutputLength,
    /// It does not take this kind of input.
    Modality(Modality),
    /// It does not support a parameter the request uses.
    Parameter(&'static str),
    /// Its wire format cannot do this at all.
    Operation(&'static str),
    /// `provider.allow_fallbacks: false`, and it is not the first.
    AllowFallbacks,
    /// `routing.max_attempts` are in the plan already.
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
            Self::Parameter(_) | Self::Modality(_) | Self::Operation(_) => Some("require_parameters"),
            Self::Distillable => Some("enforce_distillable_text"),
            Self::NotFree => Some("free"),
            Self::NoKey(_) | Self::AllowFallbacks | Self::MaxAttempts => None,
        }
    }

    /// Whether it is that tools cannot be used.
    pub fn is_about_tools(&self) -> bool {
        matches!(self, Self::Parameter("tools" | "tool_choice" | "parallel_tool_calls"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey(env) => write!(f, "no key: {env} is not set"),
            Self::Only => f.write_str("provider.only"),
            Self::Ignore => f.write_str("provider.ignore"),
            Self::Trains => f.write_str("data policy: trains on prompts"),
            Self::Retains => f.write_str("data policy: retains prompts"),
            Self::Distillable => f.write_str("provider.enforce_distillable_text"),
            Self::NotFree => f.write_str("not free"),
            Self::Quantization => f.write_str("provider.quantizations"),
            Self::MaxPrice => f.write_str("provider.max_price"),
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

/// What is asked for.
pub(super) struct Wanted<'a> {
    pub operation: Operation,
    pub request: &'a Request,
    /// The request in the common form, read when the first offer needs it; `None`: it cannot be read.
    conversation: OnceCell<Option<Conversation<'a>>>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(operation: Operation, request: &'a Request) -> Self {
        Self { operation, request, conversation: OnceCell::new() }
    }

    fn conversation(&self) -> Option<&Conversation<'a>> {
        let read = || translate::dialect(self.operation)?.read(self.request.body()).ok();
        self.conversation.get_or_init(read).as_ref()
    }
}

/// One offer under consideration.
#[derive(Clone, Copy)]
pub(super) struct Offer<'a> {
    /// How its model was asked for.
    pub asked: Asked<'a>,
    /// Its place in the model's list.
    pub index: usize,
    pub model: &'a Model,
    pub endpoint: &'a Endpoint,
    pub provider: &'a Provider,
}

impl Offer<'_> {
    /// The model's id, with a wildcard filled in.
    pub(super) fn model_id(&self) -> Cow<'_, str> {
        model_id(self.model, self.asked.rest)
    }

    /// Whether a provider named in a request means this one: by id, display name, or id and tag.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let full = |tag: &str| {
            let parts = name.split_at_checked(self.provider.id.len());
            parts.is_some_and(|(id, rest)| {
                let rest = rest.strip_prefix('/');
                id.eq_ignore_ascii_case(&self.provider.id) && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(tag))
            })
        };
        name.eq_ignore_ascii_case(&self.provider.id)
            || name.eq_ignore_ascii_case(&self.provider.name)
            || self.endpoint.tag.as_deref().is_some_and(full)
    }

    /// The first hard filter that takes this offer out.
    pub(super) fn refusal(&self, wanted: &Wanted<'_>, preferences: &Preferences) -> Option<Reason> {
        let request = wanted.request;
        self.missing_key()
            .or_else(|| self.refused_by_format(wanted, preferences))
            .or_else(|| self.refused_by_name(preferences))
            .or_else(|| self.refused_by_variant())
            .or_else(|| self.refused_by_policy(preferences))
            .or_else(|| self.refused_by_price(request, preferences))
            .or_else(|| self.refused_by_size(request))
            .or_else(|| self.refused_by_modality(request))
            .or_else(|| {
                let required = preferences.require_parameters == Some(true);
                required.then(|| self.unsupported(request.parameters())).flatten().map(Reason::Parameter)
            })
    }

    fn missing_key(&self) -> Option<Reason> {
        self.provider.auth.missing_key().map(|key| Reason::NoKey(key.env.clone()))
    }

    /// What its wire format cannot express, if that would change the answer or everything must be supported.
    fn refused_by_format(&self, wanted: &Wanted<'_>, preferences: &Preferences) -> Option<Reason> {
        match Way::of(self.provider.api, wanted.operation) {
            None => return Some(Reason::Operation(wanted.operation.path())),
            Some(Way::Pass) => return None,
            Some(Way::Translate) => {}
        }
        let conversation = wanted.conversation()?;
        let all = preferences.require_parameters == Some(true);
        let format = translate::format(self.provider);
        let mut lost = conversation.dropped.clone();
        if all || !conversation.is_plain() {
            // Only by writing it can be told what of it gets lost.
            format.request(conversation, self.endpoint.upstream_model(self.asked.rest), &mut lost);
        }
        let is_refused = |(name, loss): &&(&str, Loss)| {
            *loss == Loss::Refused || all && *loss == Loss::Ignored && !name.contains('.')
        };
        let mut refused = format.losses().iter().filter(is_refused);
        refused.find(|(name, _)| lost.contains(name)).map(|(name, _)| Reason::Parameter(name))
    }

    fn refused_by_name(&self, preferences: &Preferences) -> Option<Reason> {
        let named = |names: &Vec<String>| names.iter().any(|name| self.is_named(name));
        if preferences.only.as_ref().is_some_and(|only| !named(only)) {
            return Some(Reason::Only);
        }
        preferences.ignore.as_ref().is_some_and(named).then_some(Reason::Ignore)
    }

    fn refused_by_variant(&self) -> Option<Reason> {
        let prices = &self.endpoint.pricing;
        let is_free = prices.prompt == Some(Price::ZERO)
            && prices.completion == Some(Price::ZERO)
            && prices.entries().all(|(_, price)| price.unwrap_or_default() == Price::ZERO);
        (self.asked.variant == Some(Variant::Free) && !is_free).then_some(Reason::NotFree)
    }

    fn refused_by_policy(&self, preferences: &Preferences) -> Option<Reason> {
        let policy = self.endpoint.data_policy;
        if preferences.data_collection == Some(DataCollection::Deny) && policy.trains {
            return Some(Reason::Trains);
        }
        if preferences.zdr == Some(true) && policy.retains {
            return Some(Reason::Retains);
        }
        if preferences.enforce_distillable_text == Some(true) && !self.model.distillable {
            return Some(Reason::Distillable);
        }
        let quantizations = preferences.quantizations.as_ref()?;
        let own = self.endpoint.quantization.as_str();
        let covers =
            |asked: &str| asked == own || matches!((asked, own), ("fp4", "mxfp4" | "nvfp4") | ("fp8", "mxfp8"));
        (!quantizations.iter().any(|asked| covers(asked))).then_some(Reason::Quantization)
    }

    fn refused_by_price(&self, request: &Request, preferences: &Preferences) -> Option<Reason> {
        let max = preferences.max_price.as_ref()?;
        let prices = &self.endpoint.pricing;
        let bounds = [
            (max.prompt, prices.prompt, 1_000_000),
            (max.completion, prices.completion, 1_000_000),
            (max.request, Some(prices.request.unwrap_or_default()), 1),
            (max.image, prices.image.or((!request.uses(Modality::Image)).then(Default::default)), 1),
            (max.audio, prices.audio.or((!request.uses(Modality::Audio)).then(Default::default)), 1_000_000),
        ];
        let within = bounds.iter().all(|(max, price, units)| match (max, price) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(max), Some(price)) => price.cost(*units) <= max.cost(1),
        });
        (!within).then_some(Reason::MaxPrice)
    }

    fn refused_by_size(&self, request: &Request) -> Option<Reason> {
        let output = request.max_output();
        if self.endpoint.max_completion_tokens.is_some_and(|max| output.is_some_and(|asked| asked > max)) {
            return Some(Reason::OutputLength);
        }
        let context = self.endpoint.context_length.or(self.model.context_length)?;
        let needed = request.least_input_tokens().saturating_add(output.unwrap_or(0));
        (needed > context).then_some(Reason::ContextLength)
    }

    fn refused_by_modality(&self, request: &Request) -> Option<Reason> {
        let accepted = self.model.input_modalities.as_ref()?;
        Modality::ALL
            .into_iter()
            .find(|modality| request.uses(*modality) && !accepted.iter().any(|name| name == modality.name()))
            .map(Reason::Modality)
    }

    /// The first of these parameters that the endpoint does not support.
    pub(super) fn unsupported(&self, mut parameters: impl Iterator<Item = &'static str>) -> Option<&'static str> {
        let supported = self.endpoint.supported_parameters.as_ref()?;
        parameters.find(|parameter| !supported.iter().any(|name| name == parameter))
    }
}
