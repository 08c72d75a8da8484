//! A plan: the endpoints one request may use, in order, and why each other one was dropped.

use std::time::Duration;

use super::filter::{Ask, Offer, Reason};
use super::health::Health;
use super::order::{Circumstances, Draw, sort};
use crate::catalog::{Endpoint, Model, ModelId};
use crate::config::{Config, Provider};
use crate::request::{Operation, Request};

/// The ordered endpoints of one exchange. Never holds an endpoint that a hard filter dropped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What to try, first to last.
    pub steps: Vec<Step>,
    /// What was left out, and why.
    pub dropped: Vec<Dropped>,
    /// Seed of the draw: with it the same inputs give the same plan.
    pub seed: u64,
}

/// One endpoint of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    model: ModelId,
    endpoint: usize,
    /// What stands for a wildcard's `*`.
    rest: Option<String>,
}

/// An endpoint that is not in the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// The endpoint's id.
    pub endpoint: String,
    /// Its provider's id.
    pub provider: String,
    /// Why.
    pub reason: Reason,
}

impl Step {
    /// The model this step answers with.
    pub fn model<'a>(&self, config: &'a Config) -> Option<&'a Model> {
        config.catalog.model(self.model)
    }

    /// The endpoint to try.
    pub fn endpoint<'a>(&self, config: &'a Config) -> Option<&'a Endpoint> {
        self.model(config)?.endpoints.get(self.endpoint)
    }

    /// Who serves it.
    pub fn provider<'a>(&self, config: &'a Config) -> Option<&'a Provider> {
        config.provider(self.endpoint(config)?.provider)
    }

    /// The upstream's name for the model.
    pub fn upstream_model<'a>(&'a self, config: &'a Config) -> &'a str {
        self.endpoint(config).map_or("", |endpoint| endpoint.upstream_model(self.rest.as_deref()))
    }

    /// The catalogue's id of the model, with a wildcard filled in.
    pub fn model_id(&self, config: &Config) -> String {
        match (self.model(config), &self.rest) {
            (Some(model), Some(rest)) => format!("{}{rest}", model.id.trim_end_matches('*')),
            (Some(model), None) => model.id.clone(),
            (None, _) => String::new(),
        }
    }

    /// Whether both steps answer with the same model.
    pub fn same_model(&self, other: &Self) -> bool {
        self.model == other.model && self.rest == other.rest
    }
}

/// A model that was asked for, as the catalogue found it: its id, and what its wildcard took.
pub(super) type Asked<'a> = (ModelId, Option<&'a str>);

/// Plans a request for `asked` models, first to last. `now` is time since the Unix epoch.
pub fn plan(
    config: &Config,
    asked: &[Asked<'_>],
    (operation, request): (Operation, &Request),
    health: &Health,
    seed: u64,
    now: Duration,
) -> Plan {
    let preferences = request.preferences();
    let mut plan = Plan { seed, ..Plan::default() };
    let mut draw = Draw(seed);
    let ask = Ask::new(operation, request);
    let with = Circumstances { preferences, sort: config.routing.sort, health, now };
    for (id, rest) in asked {
        let Some(model) = config.catalog.model(*id) else { continue };
        let mut offers = admitted(config, model, *rest, &ask, &mut plan.dropped);
        prefer_capable(&mut offers, request, &mut plan.dropped);
        sort(&mut offers, &with, &mut draw);
        plan.steps.extend(offers.iter().map(|offer| Step {
            model: *id,
            endpoint: model.endpoints.iter().position(|e| e.id == offer.endpoint.id).unwrap_or_default(),
            rest: rest.map(str::to_owned),
        }));
    }
    if preferences.single() {
        cut(config, &mut plan, 1, &Reason::AllowFallbacks);
    }
    cut(config, &mut plan, config.routing.max_attempts, &Reason::MaxAttempts);
    plan
}

fn admitted<'a>(
    config: &'a Config,
    model: &'a Model,
    rest: Option<&'a str>,
    ask: &Ask<'_>,
    dropped: &mut Vec<Dropped>,
) -> Vec<Offer<'a>> {
    let offers = model.endpoints.iter().filter_map(|endpoint| {
        let provider = config.provider(endpoint.provider)?;
        Some(Offer { model, endpoint, provider, upstream_model: endpoint.upstream_model(rest) })
    });
    offers
        .filter(|offer| match offer.refusal(ask, ask.request.preferences()) {
            Some(reason) => {
                dropped.push(drop_of(offer, reason));
                false
            }
            None => true,
        })
        .collect()
}

/// If some endpoints support what the request builds on, only those are used.
fn prefer_capable(offers: &mut Vec<Offer<'_>>, request: &Request, dropped: &mut Vec<Dropped>) {
    for capability in request.capabilities() {
        let lacks = |offer: &Offer<'_>| offer.unsupported(std::iter::once(capability)).is_some();
        if offers.iter().all(lacks) {
            continue;
        }
        offers.retain(|offer| {
            let lacks = lacks(offer);
            if lacks {
                dropped.push(drop_of(offer, Reason::Parameter(capability)));
            }
            !lacks
        });
    }
}

fn cut(config: &Config, plan: &mut Plan, most: usize, reason: &Reason) {
    let rest = plan.steps.split_off(most.min(plan.steps.len()));
    plan.dropped.extend(rest.iter().filter_map(|step| {
        Some(Dropped {
            endpoint: step.endpoint(config)?.id.clone(),
            provider: step.provider(config)?.id.clone(),
            reason: reason.clone(),
        })
    }));
}

fn drop_of(offer: &Offer<'_>, reason: Reason) -> Dropped {
    Dropped { endpoint: offer.endpoint.id.clone(), provider: offer.provider.id.clone(), reason }
}
