//! The order of the endpoints: asked for, configured, drawn by weight, and what recent behaviour changes in it.

use super::filter::{Conditions, Offer};
use super::health::Measure;
use super::plan::Circumstances;
use super::rule::{By, Compared, Placing, Rule};
use super::sticky::Sticky;
use crate::catalog::{Tier, Variant};
use crate::config::Sort;
use crate::request::{Cutoffs, Preferences, ServiceTier, SortBy};
use crate::usage::Cost;

/// What the order depends on besides the offers.
pub(super) struct Wishes<'a> {
    pub preferences: &'a Preferences,
    /// The service tier asked for.
    pub tier: Option<ServiceTier>,
    /// The configured order.
    pub sort: Sort,
    pub conditions: Conditions,
    pub with: &'a Circumstances<'a>,
}

/// SplitMix64: enough for a fair draw, and the same everywhere.
pub(super) struct Draw(pub u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1].
    fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

impl Wishes<'_> {
    /// Sorts offers: `provider.order`, then the priority tier where it is asked for, then the request's sort, then the
    /// configured one. Endpoints that miss a preferred latency or throughput go last within that, then those with a
    /// recent outage where no explicit order holds, and those in cooldown last of all.
    pub(super) fn sort(&self, offers: &mut [Offer<'_>], draw: &mut Draw) -> Rule {
        let rule = self.rule(offers);
        self.arrange(offers, rule.by.asked(), draw);
        for offer in offers.iter_mut() {
            offer.placing = self.placing(offer, rule);
        }
        rank(offers, &mut |offer| {
            let Placing { sticky, slow, outage, cooldown, .. } = offer.placing;
            let place = if sticky { 0 } else { self.asked_place(offer) };
            let flags = [outage, slow, !self.is_preferred_tier(offer), !sticky];
            let cooldown = u128::from(cooldown) << 64;
            flags.iter().fold(cooldown | place as u128, |key, flag| key << 1 | u128::from(*flag))
        });
        rule
    }

    /// What orders these offers: the request's own sort, else that of the first model's variant, else the configured one.
    fn rule(&self, offers: &[Offer<'_>]) -> Rule {
        let variant = || {
            let variant = offers.first()?.asked.variant?;
            let sort = match variant {
                Variant::Nitro => SortBy::Throughput,
                Variant::Floor => SortBy::Price,
                Variant::Exacto => SortBy::Exacto,
                Variant::Free | Variant::Online => return None,
            };
            Some(By::Variant(variant, sort))
        };
        let by = self.preferences.sort.map(By::Request).or_else(variant).unwrap_or(By::Document(self.sort));
        Rule { listed: self.preferences.order.is_some(), by }
    }

    fn placing(&self, offer: &Offer<'_>, rule: Rule) -> Placing {
        let (id, health, now) = (&offer.endpoint.id, self.with.health, self.with.now);
        let keeps_place = rule.listed || rule.by == By::Document(Sort::Order);
        let compared = match rule.compares() {
            Some(Compared::FirstToken) => health.first_token_ms(id).map(rounded),
            Some(Compared::Throughput) => health.tokens_per_second(id).map(rounded),
            _ => offer.placing.compared,
        };
        Placing {
            sticky: rule.by.asked().is_none() && self.is_sticky(offer),
            slow: self.is_slow(offer),
            outage: !keeps_place && health.in_outage(id, now),
            cooldown: health.in_cooldown(id, now),
            compared,
        }
    }

    fn arrange(&self, offers: &mut [Offer<'_>], asked: Option<SortBy>, draw: &mut Draw) {
        let (health, now) = (self.with.health, self.with.now);
        let slowness = |offer: &Offer<'_>| {
            let speed = health.tokens_per_second(&offer.endpoint.id).filter(|speed| *speed > 0.0);
            speed.map_or(u128::MAX, |speed| ascending(speed.recip()))
        };
        match (asked, self.sort) {
            (Some(SortBy::Exacto), _) => {
                rank(offers, &mut |offer| slowness(offer));
                rank(offers, &mut |offer| ascending(health.failed_share(&offer.endpoint.id, now)));
            }
            (Some(SortBy::Price), _) | (None, Sort::Price) => {
                rank(offers, &mut |offer| self.blended_price(offer).unwrap_or(u128::MAX));
            }
            (Some(SortBy::Latency), _) | (None, Sort::Latency) => {
                rank(offers, &mut |offer| health.first_token_ms(&offer.endpoint.id).map_or(u128::MAX, ascending));
            }
            (Some(SortBy::Throughput), _) | (None, Sort::Throughput) => rank(offers, &mut |offer| slowness(offer)),
            (None, Sort::Balanced) => self.shuffle(offers, draw),
            (None, Sort::Order) => {}
        }
        if asked.is_none() && self.tier == Some(ServiceTier::Priority) {
            rank(offers, &mut |offer| if self.is_preferred_tier(offer) { slowness(offer) } else { 0 });
        }
    }

    /// Whether it is of the priority tier, and that is asked for.
    fn is_preferred_tier(&self, offer: &Offer<'_>) -> bool {
        self.tier == Some(ServiceTier::Priority) && offer.endpoint.tier() == Some(Tier::Priority)
    }

    fn asked_place(&self, offer: &Offer<'_>) -> usize {
        let order = self.preferences.order.as_deref().unwrap_or_default();
        order.iter().position(|name| offer.is_named(name)).unwrap_or(order.len())
    }

    /// Whether it is known to miss a preferred latency or throughput.
    fn is_slow(&self, offer: &Offer<'_>) -> bool {
        let measured = |measure, share| self.with.health.percentile(&offer.endpoint.id, measure, share, self.with.now);
        let misses = |cutoffs: &Option<Cutoffs>, misses: &dyn Fn(u8, f64) -> bool| {
            cutoffs.is_some_and(|cutoffs| cutoffs.iter().any(|(share, bound)| misses(share, bound)))
        };
        misses(&self.preferences.preferred_max_latency, &|share, seconds| {
            measured(Measure::FirstToken, share).is_some_and(|ms| ms > seconds * 1000.0)
        }) || misses(&self.preferences.preferred_min_throughput, &|share, bound| {
            measured(Measure::Throughput, share).is_some_and(|speed| speed < bound)
        })
    }

    /// Whether the conversation's prompt is in this endpoint's cache, that makes it cheaper, and the client's own order
    /// does not speak against it: a session id the client gave itself is worth more than the order of those it names.
    fn is_sticky(&self, offer: &Offer<'_>) -> bool {
        let Some(conversation) = self.with.conversation else { return false };
        let pricing = offer.pricing(self.conditions);
        let cheaper = pricing.input_cache_read.zip(pricing.prompt).is_some_and(|(cached, prompt)| cached < prompt);
        let may = match &self.preferences.order {
            None => true,
            Some(order) => conversation.is_named && self.asked_place(offer) < order.len(),
        };
        let key = || Sticky::key(self.with.tenant, &offer.model_id(), conversation.key);
        cheaper && may && self.with.health.sticky.is_at(key(), &offer.endpoint.id, self.with.now)
    }

    /// What endpoints are compared by; see [`crate::catalog::Pricing::blended`]. In femtodollars.
    #[inline]
    fn blended_price(&self, offer: &Offer<'_>) -> Option<u128> {
        offer.pricing(self.conditions).blended(4).map(Cost::femtodollars)
    }

    /// Draws without replacement, weight/price²; an unknown price counts as the highest known one.
    ///
    /// Efraimidis–Spirakis: sorting by `-ln(u)/w` is that draw.
    fn shuffle(&self, offers: &mut [Offer<'_>], draw: &mut Draw) {
        let highest = offers.iter().filter_map(|offer| self.blended_price(offer)).max().unwrap_or(1);
        let weight = |offer: &Offer<'_>| {
            let price = self.blended_price(offer).unwrap_or(highest).max(1) as f64;
            offer.endpoint.weight / (price * price)
        };
        let all: f64 = offers.iter().map(weight).sum();
        for offer in offers.iter_mut() {
            offer.placing.compared = Some(rounded(100.0 * weight(offer) / all));
        }
        rank(offers, &mut |offer| ascending(-draw.fraction().ln() / weight(offer)));
    }
}

fn rounded(number: f64) -> u64 {
    number.round() as u64
}

/// Sorts by a key that is asked for once an offer, in the order they stand in; equal ones keep their order.
fn rank(offers: &mut [Offer<'_>], key: &mut dyn FnMut(&Offer<'_>) -> u128) {
    let keys = offers.iter().map(key).collect();
    let before = offers.to_vec();
    for (place, index) in offers.iter_mut().zip(order_of(keys)) {
        if let Some(offer) = before.get(index) {
            *place = *offer;
        }
    }
}

/// The indices of keys, the smallest key first.
pub(super) fn order_of(keys: Vec<u128>) -> Vec<usize> {
    let mut keyed: Vec<(u128, usize)> = keys.into_iter().enumerate().map(|(index, key)| (key, index)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, index)| index).collect()
}

/// A key that grows with a number that is not negative.
pub(super) fn ascending(number: f64) -> u128 {
    u128::from(number.max(0.0).to_bits())
}
