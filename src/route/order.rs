//! The order of the endpoints: asked for, configured, drawn by weight, and what recent behaviour changes in it.

use super::figures::Window;
use super::filter::Offer;
use super::health::{Measure, Standing};
use super::plan::Circumstances;
use super::sticky::{self, Place};
use crate::catalog::{ModelId, Variant};
use crate::config::Sort;
use crate::request::{Cutoffs, Preferences, SortBy};
use crate::usage::Price;

/// What the order depends on besides the offers.
pub(super) struct Wishes<'a> {
    pub preferences: &'a Preferences,
    /// The configured order.
    pub sort: Sort,
    /// Whether a request may find out if an endpoint has recovered.
    pub may_probe: bool,
    pub with: &'a Circumstances<'a>,
}

/// What an order came to besides itself.
pub(super) struct Sorted {
    /// Whether the conversation's own endpoint came first because of it.
    pub is_sticky: bool,
    /// Whether the first one is tried to see if it has recovered.
    pub is_probe: bool,
}

/// Of this many requests that an endpoint would be first for if it were well, one probes it.
const PROBE_ONE_IN: u64 = 20;

/// Where the conversation about a model is; the text is what a wildcard took.
type Known<'a> = (ModelId, Option<&'a str>, Place);

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
    /// Sorts offers: `provider.order`, then the request's sort, then the configured one. Endpoints that miss a preferred
    /// latency or throughput go last within that, then those that do badly where no explicit order holds, and those in
    /// cooldown last of all. Where conversations are is added to `places`.
    pub(super) fn sort(&self, offers: &mut [Offer<'_>], draw: &mut Draw, places: &mut Vec<Place>) -> Sorted {
        let sort = self.asked_sort(offers);
        self.arrange(offers, sort, draw);
        let (health, now) = (self.with.health, self.with.now);
        let keeps_place = self.preferences.order.is_some() || sort.is_none() && self.sort == Sort::Order;
        let known = if sort.is_none() { self.places(offers) } else { Vec::new() };
        let is_sticky = |offer: &Offer<'_>| self.is_sticky(offer, &known);
        let standing = |offer: &Offer<'_>| match keeps_place {
            true => Standing::Normal,
            false => health.standing(&offer.endpoint.id, now),
        };
        let key = |offer: &Offer<'_>, standing: Standing| self.key(offer, is_sticky(offer), standing);
        let is_troubled = offers.iter().any(|offer| standing(offer) > Standing::Normal);
        let would_be_first = offers.iter().filter(|_| is_troubled).min_by_key(|offer| key(offer, Standing::Normal));
        let probed = would_be_first.filter(|offer| standing(offer) > Standing::Normal).copied();
        rank(offers, &mut |offer| key(offer, standing(offer)));
        let is_probe = probed.is_some_and(|offer| self.probes(offers, &offer, draw));
        let is_sticky = offers.first().is_some_and(is_sticky);
        places.extend(known.into_iter().map(|(_, _, place)| place));
        Sorted { is_sticky, is_probe }
    }

    /// Grows with the place: cooldown before what was asked, before how it does, before the rest.
    fn key(&self, offer: &Offer<'_>, is_sticky: bool, standing: Standing) -> u128 {
        let cooldown = self.with.health.in_cooldown(&offer.endpoint.id, self.with.now);
        let place = if is_sticky { 0 } else { self.asked_place(offer) };
        let high = (u128::from(cooldown) << 64 | place as u128) << 2 | standing as u128;
        high << 2 | u128::from(self.is_slow(offer)) << 1 | u128::from(!is_sticky)
    }

    /// Moves an endpoint to the front, once in a while, to see if it has recovered: if another one can take over, and
    /// this worker is not trying already.
    fn probes(&self, offers: &mut [Offer<'_>], probed: &Offer<'_>, draw: &mut Draw) -> bool {
        let (health, now) = (self.with.health, self.with.now);
        let id = &probed.endpoint.id;
        let may = self.may_probe && !health.in_cooldown(id, now) && !health.is_probed(id, now);
        let at = offers.iter().position(|offer| std::ptr::eq(offer.endpoint, probed.endpoint));
        let at = at.filter(|at| may && *at > 0 && draw.next().is_multiple_of(PROBE_ONE_IN));
        let Some(front) = at.and_then(|at| offers.get_mut(..=at)) else { return false };
        front.rotate_right(1);
        true
    }

    /// The request's own sort: `provider.sort`, or the variant of the first model.
    fn asked_sort(&self, offers: &[Offer<'_>]) -> Option<SortBy> {
        self.preferences.sort.or_else(|| match offers.first()?.asked.variant? {
            Variant::Nitro => Some(SortBy::Throughput),
            Variant::Floor => Some(SortBy::Price),
            Variant::Exacto => Some(SortBy::Exacto),
            Variant::Free | Variant::Online => None,
        })
    }

    fn arrange(&self, offers: &mut [Offer<'_>], asked: Option<SortBy>, draw: &mut Draw) {
        let (health, now) = (self.with.health, self.with.now);
        let slowness = |offer: &Offer<'_>| {
            let speed = health.median(&offer.endpoint.id, Measure::Throughput, now).filter(|speed| *speed > 0.0);
            speed.map_or(u128::MAX, |speed| ascending(speed.recip()))
        };
        match (asked, self.sort) {
            (Some(SortBy::Exacto), _) => {
                rank(offers, &mut |offer| slowness(offer));
                rank(offers, &mut |offer| ascending(health.failed_share(&offer.endpoint.id, now)));
            }
            (Some(SortBy::Price), _) | (None, Sort::Price) => {
                rank(offers, &mut |offer| blended_price(offer).unwrap_or(u128::MAX));
            }
            (Some(SortBy::Latency), _) | (None, Sort::Latency) => {
                let latency = |offer: &Offer<'_>| health.median(&offer.endpoint.id, Measure::FirstToken, now);
                rank(offers, &mut |offer| latency(offer).map_or(u128::MAX, ascending));
            }
            (Some(SortBy::Throughput), _) | (None, Sort::Throughput) => rank(offers, &mut |offer| slowness(offer)),
            (None, Sort::Balanced) => shuffle(offers, draw),
            (None, Sort::Order) => {}
        }
    }

    fn asked_place(&self, offer: &Offer<'_>) -> usize {
        let order = self.preferences.order.as_deref().unwrap_or_default();
        order.iter().position(|name| offer.is_named(name)).unwrap_or(order.len())
    }

    /// Whether it is known to miss a preferred latency or throughput.
    fn is_slow(&self, offer: &Offer<'_>) -> bool {
        let (health, window) = (self.with.health, Window::FiveMinutes);
        let measured = |measure, share| health.percentile(&offer.endpoint.id, measure, window, share, self.with.now);
        let misses = |cutoffs: &Option<Cutoffs>, misses: &dyn Fn(u8, f64) -> bool| {
            cutoffs.is_some_and(|cutoffs| cutoffs.iter().any(|(share, bound)| misses(share, bound)))
        };
        misses(&self.preferences.preferred_max_latency, &|share, seconds| {
            measured(Measure::FirstToken, share).is_some_and(|ms| ms > seconds * 1000.0)
        }) || misses(&self.preferences.preferred_min_throughput, &|share, bound| {
            measured(Measure::Throughput, share).is_some_and(|speed| speed < bound)
        })
    }

    /// Where the conversation is, for each model of which more than one endpoint can be chosen and for one of them it
    /// matters.
    fn places<'o>(&self, offers: &[Offer<'o>]) -> Vec<Known<'o>> {
        let mut places = Vec::new();
        let Some(conversation) = self.with.conversation.filter(|_| offers.len() > 1) else { return places };
        let mut looked_up = Vec::new();
        for offer in offers.iter().filter(|offer| sticky::is_cheaper_cached(offer.endpoint)) {
            let model = (offer.asked.model, offer.asked.rest);
            if !looked_up.contains(&model) {
                let key = sticky::conversation(self.with.tenant, &offer.model_id(), conversation.key);
                places.extend(self.with.health.place(key, self.with.now).map(|place| (model.0, model.1, place)));
                looked_up.push(model);
            }
        }
        places
    }

    /// Whether the conversation's prompt is in this endpoint's cache, that makes it cheaper, and the client's own order
    /// does not speak against it: a session id the client gave itself is worth more than the order of those it names.
    fn is_sticky(&self, offer: &Offer<'_>, places: &[Known<'_>]) -> bool {
        let is_here = |(model, rest, place): &Known<'_>| {
            (*model, *rest) == (offer.asked.model, offer.asked.rest) && place.is_at(offer.endpoint)
        };
        let may = || match &self.preferences.order {
            None => true,
            Some(order) => {
                self.with.conversation.is_some_and(|it| it.is_named) && self.asked_place(offer) < order.len()
            }
        };
        places.iter().any(is_here) && sticky::is_cheaper_cached(offer.endpoint) && may()
    }
}

/// Three input tokens to one of output, in femtodollars; `None` where a price is unknown.
fn blended_price(offer: &Offer<'_>) -> Option<u128> {
    let pricing = &offer.endpoint.pricing;
    let cost = |price: Price, units| price.cost(units).femtodollars();
    Some(cost(pricing.prompt?, 3) + cost(pricing.completion.unwrap_or_default(), 1))
}

/// Draws without replacement, weight/price²; an unknown price counts as the highest known one.
///
/// Efraimidis–Spirakis: sorting by `-ln(u)/w` is that draw.
fn shuffle(offers: &mut [Offer<'_>], draw: &mut Draw) {
    let highest = offers.iter().filter_map(blended_price).max().unwrap_or(1);
    rank(offers, &mut |offer| {
        let price = blended_price(offer).unwrap_or(highest).max(1) as f64;
        let weight = offer.endpoint.weight / (price * price);
        ascending(-draw.fraction().ln() / weight)
    });
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
