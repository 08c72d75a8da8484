//! Hard filters: what takes an endpoint out of a plan, and the reason that is given for it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::iter;
use std::time::Duration;

use super::rule::Placing;
use crate::calendar;
use crate::catalog::{
    Asked, Endpoint, Modality, Model, Price, Pricing, ServiceTier, Variant, glob,
};
use crate::config::{Auto, Provider};
use crate::error::Reason;
use crate::operation::Operation;
use crate::provider::{self, Way};
use crate::request::{DataCollection, MaxPrice, Preferences, Request};
use crate::translate::{self, Conversation, Loss};

/// What a request asks for, as filters look at it.
pub(super) struct Wanted<'a> {
    pub operation: Operation,
    pub request: &'a Request,
    pub conditions: Conditions,
    /// `routing.auto` of the document.
    auto: Option<&'a Auto>,
    /// The request in the common form, read when the first offer needs it; `None`: it cannot be
    /// read.
    conversation: OnceCell<Option<Conversation<'a>>>,
}

impl<'a> Wanted<'a> {
    /// `now` is since the Unix epoch.
    pub(super) fn new(
        operation: Operation,
        request: &'a Request,
        auto: Option<&'a Auto>,
        now: Duration,
    ) -> Self {
        let conditions = Conditions {
            input_tokens: request.input_estimate(),
            minute_of_day: calendar::minute_of_day(now),
        };
        Self { operation, request, conditions, auto, conversation: OnceCell::new() }
    }

    fn conversation(&self) -> Option<&Conversation<'a>> {
        self.conversation
            .get_or_init(|| translate::dialect(self.operation)?.read(self.request.body()).ok())
            .as_ref()
    }
}

/// One offer under consideration.
#[derive(Clone, Copy)]
pub(super) struct Offer<'a> {
    /// How its model was asked for.
    pub asked: Asked<'a>,
    /// The endpoint's place in the model's list.
    pub index: usize,
    pub model: &'a Model,
    pub endpoint: &'a Endpoint,
    pub provider: &'a Provider,
    /// Whether the request asks for endpoints of this one's tier, as every request does for those
    /// of the default tier.
    pub is_tier_asked: bool,
    /// The endpoint's weight in the draw, once that is made.
    pub weight: f64,
    /// What moved the endpoint, once it is in order.
    pub placing: Placing,
}

/// What conditional prices depend on.
#[derive(Clone, Copy)]
pub(super) struct Conditions {
    /// How many input tokens the request has by estimate.
    pub input_tokens: u64,
    /// Minutes after midnight UTC.
    pub minute_of_day: u16,
}

impl<'a> Offer<'a> {
    /// The prices that hold for a request.
    #[inline]
    pub(super) fn pricing(&self, of: Conditions) -> Cow<'a, Pricing> {
        self.endpoint.pricing.at(&self.endpoint.overrides, of.input_tokens, of.minute_of_day)
    }

    /// The model's id, with a wildcard filled in.
    pub(super) fn model_id(&self) -> Cow<'_, str> {
        self.model.id_with(self.asked.rest)
    }

    /// Whether a provider named in a request means this one: by id, display name, or id and tag. An
    /// endpoint of a tier that was not asked for is meant by id and tag alone.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.is_tier_asked && self.provider.is_named(name) || self.has_slug(name)
    }

    /// Whether a name is the provider's id with the endpoint's tag behind it.
    fn has_slug(&self, name: &str) -> bool {
        let (own, Some(tag)) = (&self.provider.id, &self.endpoint.tag) else { return false };
        let Some((id, rest)) = name.split_at_checked(own.len()) else { return false };
        let named = rest.strip_prefix('/');
        id.eq_ignore_ascii_case(own) && named.is_some_and(|named| named.eq_ignore_ascii_case(tag))
    }

    /// The first hard filter that takes this offer out.
    pub(super) fn refusal(&self, wanted: &Wanted<'_>) -> Option<Reason> {
        let (request, preferences) = (wanted.request, wanted.request.preferences());
        let asks = request.has_preferences();
        self.missing_key()
            .or_else(|| self.refused_by_auto(wanted))
            .or_else(|| self.refused_by_format(wanted, preferences))
            .or_else(|| if asks { self.refused_by_name(preferences) } else { None })
            .or_else(|| self.refused_by_tier(request, preferences))
            .or_else(|| self.refused_by_variant(wanted))
            .or_else(|| if asks { self.refused_by_policy(preferences) } else { None })
            .or_else(|| if asks { self.refused_by_price(wanted, preferences) } else { None })
            .or_else(|| self.refused_by_size(request))
            .or_else(|| if request.is_text() { None } else { self.refused_by_modality(request) })
            .or_else(|| match preferences.require_parameters {
                Some(true) => self.refused_by_parameter(request),
                _ => None,
            })
    }

    #[inline(never)]
    fn refused_by_parameter(&self, request: &Request) -> Option<Reason> {
        self.unsupported(request.parameters()).map(Reason::Parameter)
    }

    fn missing_key(&self) -> Option<Reason> {
        let key = self.provider.auth.missing_key()?;
        Some(Reason::NoKey(key.env.clone()))
    }

    /// Refuses an endpoint whose wire format cannot express the request: where the answer would be
    /// another one, or where the client wants every parameter supported.
    fn refused_by_format(&self, wanted: &Wanted<'_>, preferences: &Preferences) -> Option<Reason> {
        match Way::of(self.provider.api, wanted.operation) {
            None => Some(Reason::Operation(wanted.operation.path())),
            Some(Way::Pass)
                if preferences.require_parameters == Some(true)
                    && wanted.operation == Operation::Chat =>
            {
                provider::unsupported(self.provider, wanted.request).map(Reason::Parameter)
            }
            Some(Way::Pass) => None,
            Some(Way::Translate) => self.refused_by_translation(wanted, preferences),
        }
    }

    #[inline(never)]
    fn refused_by_translation(
        &self,
        wanted: &Wanted<'_>,
        preferences: &Preferences,
    ) -> Option<Reason> {
        let conversation = wanted.conversation()?;
        let all = preferences.require_parameters == Some(true);
        let format = translate::format(self.provider);
        let mut lost = conversation.dropped.clone();
        if all || !conversation.is_plain() {
            // What gets lost shows only when the request is written.
            format.request(conversation, self.endpoint.upstream_model(self.asked.rest), &mut lost);
        }
        let mut refused = format.losses().iter().filter(|(name, loss)| match loss {
            Loss::Refused => true,
            Loss::Ignored => all && !name.contains('.'),
            Loss::Approximated => false,
        });
        refused.find(|(name, _)| lost.contains(name)).map(|(name, _)| Reason::Parameter(name))
    }

    fn refused_by_name(&self, preferences: &Preferences) -> Option<Reason> {
        if let Some(only) = &preferences.only
            && !only.iter().any(|name| self.is_named(name))
        {
            return Some(Reason::Only);
        }
        // A client that ignores a provider ignores its tiers, too.
        let mut ignored = preferences.ignore.iter().flatten();
        ignored
            .any(|name| self.provider.is_named(name) || self.has_slug(name))
            .then_some(Reason::Ignore)
    }

    /// Refuses an endpoint of another tier than the default one, unless the client asks for it: by
    /// tier, by variant, or by the endpoint's slug.
    fn refused_by_tier(&self, request: &Request, preferences: &Preferences) -> Option<Reason> {
        let wants_flex = request.service_tier() == Some(ServiceTier::Flex);
        if self.is_tier_asked && !wants_flex {
            return None;
        }
        let tier = self.endpoint.tier();
        let mut slugs = [&preferences.order, &preferences.only].into_iter().flatten().flatten();
        if let Some(tier) =
            tier.filter(|_| !self.is_tier_asked && !slugs.any(|name| self.has_slug(name)))
        {
            return Some(Reason::Tier(tier));
        }
        let wants_other = wants_flex && !self.endpoint.is_flex();
        (wants_other && self.model.endpoints.iter().any(Endpoint::is_flex))
            .then_some(Reason::NotFlex)
    }

    /// Refuses a model that `routing.auto` has chosen and that is beyond the document's or the
    /// request's bounds on the choice.
    fn refused_by_auto(&self, wanted: &Wanted<'_>) -> Option<Reason> {
        self.refused_by_bounds(wanted.auto.filter(|_| self.asked.auto)?, wanted)
    }

    #[cold]
    fn refused_by_bounds(&self, auto: &Auto, wanted: &Wanted<'_>) -> Option<Reason> {
        let id = self.model_id();
        let client = wanted.request.auto_router();
        let bound = match () {
            () if !allows(&auto.allowed_models, &id) => "routing.auto.allowed_models",
            () if glob::any_matches(&auto.excluded_models, &id) => "routing.auto.excluded_models",
            () if client.is_some_and(|client| !allows(&client.allowed_models, &id)) => {
                "plugins.auto-router.allowed_models"
            }
            () if client.is_some_and(|client| glob::any_matches(&client.excluded_models, &id)) => {
                "plugins.auto-router.excluded_models"
            }
            () if self.is_above(&auto.max_price, wanted) => "routing.auto.max_price",
            () => return None,
        };
        Some(Reason::Auto(bound))
    }

    fn refused_by_variant(&self, wanted: &Wanted<'_>) -> Option<Reason> {
        if self.asked.variant != Some(Variant::Free) {
            return None;
        }
        let prices = self.pricing(wanted.conditions);
        let is_free = prices.prompt == Some(Price::ZERO)
            && prices.completion == Some(Price::ZERO)
            && prices.entries().all(|(_, price)| price.unwrap_or_default() == Price::ZERO);
        (!is_free).then_some(Reason::NotFree)
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
        (!quantizations.iter().any(|asked| covers(asked, own))).then_some(Reason::Quantization)
    }

    fn refused_by_price(&self, wanted: &Wanted<'_>, preferences: &Preferences) -> Option<Reason> {
        let max = preferences.max_price.as_ref()?;
        self.is_above(max, wanted).then_some(Reason::MaxPrice)
    }

    /// Whether a price that matters for this request is above its bound, or unknown.
    #[inline(never)]
    fn is_above(&self, max: &MaxPrice, wanted: &Wanted<'_>) -> bool {
        if *max == MaxPrice::default() {
            return false;
        }
        let (request, prices) = (wanted.request, self.pricing(wanted.conditions));
        let bounds = [
            (max.prompt, prices.prompt, 1_000_000),
            (max.completion, prices.completion, 1_000_000),
            (max.request, Some(prices.request.unwrap_or_default()), 1),
            (
                max.image,
                prices.image.or((!request.uses(Modality::Image)).then(Default::default)),
                1,
            ),
            (
                max.audio,
                prices.audio.or((!request.uses(Modality::Audio)).then(Default::default)),
                1_000_000,
            ),
        ];
        bounds.iter().any(|(max, price, units)| match (max, price) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(max), Some(price)) => price.cost(*units) > max.cost(1),
        })
    }

    fn refused_by_size(&self, request: &Request) -> Option<Reason> {
        let output = request.max_output();
        if self
            .endpoint
            .max_completion_tokens
            .is_some_and(|max| output.is_some_and(|asked| asked > max))
        {
            return Some(Reason::OutputLength);
        }
        let context = self.endpoint.context_length.or(self.model.context_length)?;
        let needed = request.least_input_tokens().saturating_add(output.unwrap_or(0));
        (needed > context).then_some(Reason::ContextLength)
    }

    #[inline(never)]
    fn refused_by_modality(&self, request: &Request) -> Option<Reason> {
        let accepted = self.model.input_modalities.as_ref()?;
        Modality::ALL
            .into_iter()
            .find(|modality| {
                request.uses(*modality) && !accepted.iter().any(|name| name == modality.name())
            })
            .map(Reason::Modality)
    }

    /// Whether the endpoint does not support a parameter.
    pub(super) fn lacks(&self, parameter: &'static str) -> bool {
        self.unsupported(iter::once(parameter)).is_some()
    }

    /// The first of these parameters that the endpoint does not support.
    fn unsupported(
        &self,
        mut parameters: impl Iterator<Item = &'static str>,
    ) -> Option<&'static str> {
        let supported = self.endpoint.supported_parameters.as_ref()?;
        parameters.find(|parameter| !supported.iter().any(|name| name == parameter))
    }
}

/// Whether a list of patterns allows this id; an empty one allows all.
fn allows(patterns: &[String], id: &str) -> bool {
    patterns.is_empty() || glob::any_matches(patterns, id)
}

/// Whether who asks for one quantization gets it by the other, its own or a variety of it.
fn covers(asked: &str, own: &str) -> bool {
    asked == own || matches!((asked, own), ("fp4", "mxfp4" | "nvfp4") | ("fp8", "mxfp8"))
}
