//! A plan: the endpoints one request may use, in order, and why each other one was dropped.

use std::borrow::Cow;
use std::time::Duration;

use super::filter::{Offer, Wanted};
use super::health::Health;
use super::order::{Draw, Wishes};
use super::rule::{Placing, Rule};
use super::sticky::Place;
use crate::catalog::{Asked, Endpoint, Model, ModelId, ServiceTier, Tier, Variant};
use crate::config::{Config, Provider};
use crate::error::{Dropped, Reason};
use crate::operation::Operation;
use crate::provider::Target;
use crate::request::{ConversationId, Partition, Request};

/// The ordered endpoints of one exchange. Never holds an endpoint that a hard filter dropped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The endpoints to try, first to last.
    pub steps: Vec<Step>,
    /// The endpoints that were left out, and why.
    pub dropped: Vec<Dropped>,
    /// The seed of the draw, with which the same inputs give the same plan.
    pub seed: u64,
    /// What ordered the first model's endpoints.
    pub rule: Rule,
    /// Where the conversation was last.
    pub(crate) places: Vec<Place>,
}

impl Plan {
    /// Whether the first step is where the conversation's prompt is cached, and first because of
    /// it.
    pub fn is_sticky(&self) -> bool {
        self.steps.first().is_some_and(|step| step.placing.sticky)
    }

    /// Whether the first step is there, in spite of its recent failures, to see if it has
    /// recovered.
    pub fn is_probe(&self) -> bool {
        self.steps.first().is_some_and(|step| step.placing.probe)
    }
}

/// One endpoint of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    model: ModelId,
    endpoint: usize,
    /// What stands for a wildcard's `*`.
    rest: Option<String>,
    /// Whether `routing.auto` chose it.
    auto: bool,
    /// Why the step stands where it does.
    pub placing: Placing,
}

impl Step {
    fn of(offer: &Offer<'_>) -> Self {
        Self {
            model: offer.asked.model,
            endpoint: offer.index,
            rest: offer.asked.rest.map(str::to_owned),
            auto: offer.asked.auto,
            placing: offer.placing,
        }
    }

    /// The model this step answers with.
    pub fn model<'a>(&self, config: &'a Config) -> Option<&'a Model> {
        config.catalog.model(self.model)
    }

    /// The endpoint to try.
    #[inline(never)]
    pub fn endpoint<'a>(&self, config: &'a Config) -> Option<&'a Endpoint> {
        self.model(config)?.endpoints.get(self.endpoint)
    }

    /// Who serves it.
    #[inline(never)]
    pub fn provider<'a>(&self, config: &'a Config) -> Option<&'a Provider> {
        config.provider(self.endpoint(config)?.provider)
    }

    /// The upstream's name for the model.
    pub fn upstream_model<'a>(&'a self, config: &'a Config) -> &'a str {
        self.endpoint(config).map_or("", |endpoint| endpoint.upstream_model(self.rest.as_deref()))
    }

    /// Where an attempt at this step goes.
    pub fn target<'a>(&'a self, config: &'a Config, request: &Request) -> Option<Target<'a>> {
        let endpoint = self.endpoint(config)?;
        Some(Target {
            provider: config.provider(endpoint.provider)?,
            model: endpoint.upstream_model(self.rest.as_deref()),
            service_tier: self.service_tier(config, endpoint, request),
        })
    }

    /// What the upstream must be told as `service_tier`; `None`: what the client says, if anything.
    ///
    /// It is the endpoint's tier. An endpoint of the default tier is told so where the model has
    /// others, so that the answer costs what this endpoint's prices say.
    fn service_tier(
        &self,
        config: &Config,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Option<&'static str> {
        if let Some(tier) = endpoint.tier() {
            return Some(tier.name());
        }
        let asked = request.service_tier().and_then(ServiceTier::tier)?;
        let has_tiers =
            self.model(config)?.endpoints.iter().any(|endpoint| endpoint.tier().is_some());
        match asked {
            _ if has_tiers => Some("default"),
            // Some clients say `fast`, which OpenAI does not know.
            Tier::Priority => Some(asked.name()),
            Tier::Flex => None,
        }
    }

    /// Whether the model's name is the client's own, which a wildcard took.
    pub fn is_wildcard(&self) -> bool {
        self.rest.is_some()
    }

    /// Whether `routing.auto` chose its model.
    pub fn is_auto(&self) -> bool {
        self.auto
    }

    /// The catalogue's id of the model, with a wildcard filled in.
    pub fn model_id<'a>(&self, config: &'a Config) -> Cow<'a, str> {
        self.model(config).map(|model| model.id_with(self.rest.as_deref())).unwrap_or_default()
    }

    /// Whether it answers with a model that was asked for.
    pub fn is_of(&self, asked: Asked<'_>) -> bool {
        self.model == asked.model && self.rest.as_deref() == asked.rest
    }

    /// Whether both steps answer with the same model.
    pub fn same_model(&self, other: &Self) -> bool {
        self.model == other.model && self.rest == other.rest
    }
}

/// What a plan depends on besides the request and the configuration.
#[derive(Clone, Copy)]
pub struct Circumstances<'a> {
    /// How the endpoints behaved.
    pub health: &'a Health,
    /// The tenant that pays.
    pub tenant: &'a str,
    /// The conversation the request goes on with, where conversations stay at their endpoints.
    pub conversation: Option<ConversationId>,
    /// The seed of the draw.
    pub seed: u64,
    /// The time, since the Unix epoch.
    pub now: Duration,
}

/// Plans a request for `asked` models, first to last.
// Keeps its caller small, as the host's compiler takes memory by the size of the largest function.
#[inline(never)]
pub fn plan(
    config: &Config,
    asked: &[Asked<'_>],
    (operation, request): (Operation, &Request),
    with: &Circumstances<'_>,
) -> Plan {
    let mut plan = Plan { seed: with.seed, ..Plan::default() };
    let wanted = Wanted::new(operation, request, config.routing.auto.as_ref(), with.now);
    let mut groups = admitted(config, asked, &wanted, &mut plan.dropped);
    prefer_capable(&mut groups, request, &mut plan.dropped);
    let mut draw = Draw(with.seed);
    let preferences = request.preferences();
    let mut wishes = Wishes {
        preferences,
        tier: request.service_tier(),
        sort: config.routing.sort,
        conditions: wanted.conditions,
        may_probe: config.routing.max_attempts > 1 && !preferences.single(),
        with,
    };
    for (index, offers) in groups.iter_mut().enumerate() {
        let rule = wishes.sort(offers, &mut draw, &mut plan.places);
        if index == 0 {
            plan.rule = rule;
        }
        wishes.may_probe = false;
        plan.steps.extend(offers.iter().map(Step::of));
    }
    if preferences.single() {
        cut(config, &mut plan, 1, &Reason::AllowFallbacks);
    }
    cut(config, &mut plan, config.routing.max_attempts, &Reason::MaxAttempts);
    plan
}

/// What the models offer, in groups of which each is ordered for itself.
fn admitted<'a>(
    config: &'a Config,
    asked: &[Asked<'a>],
    wanted: &Wanted<'_>,
    dropped: &mut Vec<Dropped>,
) -> Vec<Vec<Offer<'a>>> {
    let mut groups: Vec<Vec<Offer<'_>>> = Vec::new();
    for asked in asked {
        if groups.is_empty() || wanted.request.partition() == Partition::Model {
            groups.push(Vec::new());
        }
        if let Some(group) = groups.last_mut() {
            admit(config, *asked, wanted, group, dropped);
        }
    }
    groups
}

/// Adds what a model offers to `offers`, and what a filter takes out of it to `dropped`.
fn admit<'a>(
    config: &'a Config,
    asked: Asked<'a>,
    wanted: &Wanted<'_>,
    offers: &mut Vec<Offer<'a>>,
    dropped: &mut Vec<Dropped>,
) {
    let Some(model) = config.catalog.model(asked.model) else { return };
    offers.reserve(model.endpoints.len());
    for (index, endpoint) in model.endpoints.iter().enumerate() {
        let Some(provider) = config.provider(endpoint.provider) else { continue };
        let is_tier_asked = is_tier_asked(endpoint, asked, wanted.request);
        let placing = Placing::default();
        let offer =
            Offer { asked, index, model, endpoint, provider, is_tier_asked, weight: 0.0, placing };
        match offer.refusal(wanted) {
            Some(reason) => dropped.push(drop_of(&offer, reason)),
            None => offers.push(offer),
        }
    }
}

/// Whether the request asks for endpoints of this one's tier, as every request does for those of
/// the default tier.
fn is_tier_asked(endpoint: &Endpoint, asked: Asked<'_>, request: &Request) -> bool {
    endpoint.tier().is_none_or(|tier| asks_for(tier, asked, request))
}

/// Whether the request asks for a tier: by `service_tier`, or by a variant, which an explicit order
/// or `service_tier: default` overrules.
#[cold]
fn asks_for(tier: Tier, asked: Asked<'_>, request: &Request) -> bool {
    let service_tier = request.service_tier();
    let ordered = request.preferences().order.is_some();
    service_tier.and_then(ServiceTier::tier) == Some(tier)
        || !ordered
            && service_tier != Some(ServiceTier::Default)
            && asked.variant.and_then(Variant::admits) == Some(tier)
}

/// Drops endpoints that do not support what the request builds on, if there are others that do: a
/// fallback must not lose it in silence.
// Keeps its caller small, as the host's compiler takes memory by the size of the largest function.
#[inline(never)]
fn prefer_capable(groups: &mut [Vec<Offer<'_>>], request: &Request, dropped: &mut Vec<Dropped>) {
    for capability in request.capabilities() {
        if groups.iter().flatten().all(|offer| offer.lacks(capability)) {
            continue;
        }
        for offers in groups.iter_mut() {
            offers.retain(|offer| {
                let lacks = offer.lacks(capability);
                if lacks {
                    dropped.push(drop_of(offer, Reason::Parameter(capability)));
                }
                !lacks
            });
        }
    }
}

fn cut(config: &Config, plan: &mut Plan, most: usize, reason: &Reason) {
    if plan.steps.len() <= most {
        return;
    }
    let rest = plan.steps.split_off(most);
    plan.dropped.extend(rest.iter().filter_map(|step| {
        Some(Dropped {
            endpoint: step.endpoint(config)?.id.clone(),
            provider: step.provider(config)?.id.clone(),
            reason: reason.clone(),
        })
    }));
}

#[cold]
fn drop_of(offer: &Offer<'_>, reason: Reason) -> Dropped {
    Dropped { endpoint: offer.endpoint.id.clone(), provider: offer.provider.id.clone(), reason }
}
