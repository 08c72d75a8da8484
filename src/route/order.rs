//! The order of the endpoints of one model: asked for, configured, drawn by weight, and what health changes in it.

use std::cmp::Ordering;
use std::time::Duration;

use super::filter::Offer;
use super::health::Health;
use crate::config::Sort;
use crate::request::Preferences;
use crate::usage::Price;

/// What the order depends on besides the offers.
pub(super) struct Circumstances<'a> {
    pub preferences: &'a Preferences,
    pub sort: Sort,
    pub health: &'a Health,
    pub now: Duration,
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

/// Sorts the offers of one model: `provider.order`, then the request's sort, then the configured one;
/// endpoints in cooldown go last, and so do those with a recent outage where no explicit order holds.
pub(super) fn sort(offers: &mut [Offer<'_>], with: &Circumstances<'_>, draw: &mut Draw) {
    let asked = with.preferences.sort.map(Sort::from);
    let sort = asked.unwrap_or(with.sort);
    match sort {
        Sort::Order => {}
        Sort::Balanced => shuffle(offers, draw),
        Sort::Price => offers.sort_by_key(|offer| blended_price(offer).unwrap_or(u128::MAX)),
        Sort::Latency => offers.sort_by(|a, b| {
            let time = |offer: &Offer<'_>| with.health.first_token_ms(&offer.endpoint.id).unwrap_or(f64::MAX);
            time(a).total_cmp(&time(b))
        }),
        Sort::Throughput => offers.sort_by(|a, b| {
            let speed = |offer: &Offer<'_>| with.health.tokens_per_second(&offer.endpoint.id).unwrap_or(0.0);
            speed(b).total_cmp(&speed(a))
        }),
    }
    let keeps_place = sort == Sort::Order || with.preferences.order.is_some();
    offers.sort_by_key(|offer| {
        let id = &offer.endpoint.id;
        let outage = !keeps_place && with.health.in_outage(id, with.now);
        (asked_place(offer, with.preferences), outage, with.health.in_cooldown(id, with.now))
    });
    // A cooldown moves to the end even of an explicit order.
    offers.sort_by_key(|offer| with.health.in_cooldown(&offer.endpoint.id, with.now));
}

fn asked_place(offer: &Offer<'_>, preferences: &Preferences) -> usize {
    let order = preferences.order.as_deref().unwrap_or_default();
    order.iter().position(|name| offer.is_named(name)).unwrap_or(order.len())
}

/// Three input tokens to one of output, in femtodollars; `None` where a price is unknown.
fn blended_price(offer: &Offer<'_>) -> Option<u128> {
    let pricing = &offer.endpoint.pricing;
    let cost = |price: Price, units| price.cost(units).femtodollars();
    Some(cost(pricing.prompt?, 3) + cost(pricing.completion.unwrap_or_default(), 1))
}

/// Draws without replacement, weight/price²; an unknown price counts as the highest known one.
///
/// Efraimidis–Spirakis: sorting by `ln(u)/w` is that draw.
fn shuffle(offers: &mut [Offer<'_>], draw: &mut Draw) {
    let highest = offers.iter().filter_map(blended_price).max().unwrap_or(1);
    let mut keyed: Vec<(f64, Offer<'_>)> = offers
        .iter()
        .map(|offer| {
            let price = blended_price(offer).unwrap_or(highest).max(1) as f64;
            let weight = offer.endpoint.weight / (price * price);
            (draw.fraction().ln() / weight, *offer)
        })
        .collect();
    keyed.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal));
    for (place, (_, offer)) in offers.iter_mut().zip(keyed) {
        *place = offer;
    }
}
