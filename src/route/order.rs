//! The order of the endpoints: asked for, configured, drawn by weight, and what recent behaviour
//! changes in it.

use super::figures::Window;
use super::filter::{Conditions, Offer};
use super::health::{Measure, Standing};
use super::plan::Circumstances;
use super::rule::{By, Compared, Placing, Rule};
use super::sticky::{self, Place};
use crate::catalog::Cost;
use crate::catalog::{ModelId, ServiceTier, Tier, Variant};
use crate::config::Sort;
use crate::request::{Cutoffs, Preferences, SortBy};

/// What the order depends on besides the offers.
pub(super) struct Wishes<'a> {
    pub preferences: &'a Preferences,
    /// The service tier asked for.
    pub tier: Option<ServiceTier>,
    /// The document's own order.
    pub sort: Sort,
    pub conditions: Conditions,
    /// Whether a request may find out if an endpoint has recovered.
    pub may_probe: bool,
    pub with: &'a Circumstances<'a>,
}

/// An endpoint that does badly is probed by one in this many of the requests for which it would be
/// first if it did well.
const PROBE_ONE_IN: u64 = 20;

/// A model, what its wildcard took, and where the conversation about it is.
type Known<'a> = (ModelId, Option<&'a str>, Place);

/// Random numbers from a seed by SplitMix64, which is fair enough for a draw and gives the same on
/// every machine.
pub(super) struct Draw(pub u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number above 0 and at most 1, each as likely as any other.
    fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

impl Wishes<'_> {
    /// Sorts offers by `provider.order`, then by the priority tier where it is asked for, then by
    /// the request's sort, then by the document's. Among their equals, endpoints that miss a
    /// preferred latency or throughput go last; where no explicit order holds, those that do badly
    /// go behind them, and those in cooldown go last of all. Adds to `places` where conversations
    /// are.
    // Keeps its caller small, as the host's compiler takes memory by the size of the largest
    // function.
    #[inline(never)]
    pub(super) fn sort(
        &self,
        offers: &mut [Offer<'_>],
        draw: &mut Draw,
        places: &mut Vec<Place>,
    ) -> Rule {
        let rule = self.rule(offers.first());
        let asked = rule.by.asked();
        match (asked, self.sort) {
            (None, Sort::Balanced) => self.shuffle(offers, draw),
            _ => self.arrange(offers, asked),
        }
        if asked.is_none() && self.tier == Some(ServiceTier::Priority) {
            rank(offers, &mut |offer| {
                if self.is_preferred_tier(offer) { self.slowness(offer) } else { 0 }
            });
        }
        let known = if asked.is_none() { self.places(offers) } else { Vec::new() };
        for offer in offers.iter_mut() {
            offer.placing = self.placing(offer, rule, &known);
        }
        let asks = rule.listed || self.tier == Some(ServiceTier::Priority);
        if asks || offers.iter().any(|offer| offer.placing.is_moved()) {
            self.regroup(offers, draw);
        }
        places.extend(known.into_iter().map(|(.., place)| place));
        rule
    }

    /// Moves offers that are asked for by name, that do badly or that have the conversation.
    #[inline(never)]
    fn regroup(&self, offers: &mut [Offer<'_>], draw: &mut Draw) {
        let any_troubled = offers.iter().any(|offer| offer.placing.is_troubled());
        let would_be_first = offers
            .iter()
            .filter(|_| any_troubled)
            .min_by_key(|offer| self.key(offer, Standing::Normal));
        let probed = would_be_first.filter(|offer| offer.placing.is_troubled()).copied();
        rank(offers, &mut |offer| self.key(offer, offer.placing.standing));
        if let Some(probed) = probed {
            self.probe(offers, &probed, draw);
        }
    }

    /// The key that offers are sorted by. A cooldown weighs most, then the place in the client's
    /// own order, then how well the endpoint does, then the rest.
    fn key(&self, offer: &Offer<'_>, standing: Standing) -> u128 {
        let Placing { sticky, slow, cooldown, .. } = offer.placing;
        let place = if sticky { 0 } else { self.asked_place(offer) };
        let high = (u128::from(cooldown) << 64 | place as u128) << 2 | standing as u128;
        let flags = [slow, !self.is_preferred_tier(offer), !sticky];
        flags.iter().fold(high, |key, flag| key << 1 | u128::from(*flag))
    }

    /// Moves an endpoint to the front, once in a while, to see if it has recovered: only where
    /// another one can take over, and no other request of this worker is trying.
    fn probe(&self, offers: &mut [Offer<'_>], probed: &Offer<'_>, draw: &mut Draw) {
        let may = self.may_probe && !probed.placing.cooldown;
        let may = may && !self.with.health.is_probed(&probed.endpoint.id, self.with.now);
        let at = offers.iter().position(|offer| std::ptr::eq(offer.endpoint, probed.endpoint));
        let at = at.filter(|at| may && *at > 0 && draw.next().is_multiple_of(PROBE_ONE_IN));
        let Some(front) = at.and_then(|at| offers.get_mut(..=at)) else { return };
        front.rotate_right(1);
        if let Some(first) = front.first_mut() {
            first.placing.probe = true;
        }
    }

    /// What orders these offers: the request's own sort, else that of the first model's variant,
    /// else the configured one.
    fn rule(&self, first: Option<&Offer<'_>>) -> Rule {
        let by = match (self.preferences.sort, first.and_then(|offer| offer.asked.variant)) {
            (Some(sort), _) => By::Request(sort),
            (None, Some(Variant::Nitro)) => By::Variant(Variant::Nitro, SortBy::Throughput),
            (None, Some(Variant::Floor)) => By::Variant(Variant::Floor, SortBy::Price),
            (None, Some(Variant::Exacto)) => By::Variant(Variant::Exacto, SortBy::Exacto),
            (None, Some(Variant::Free | Variant::Online) | None) => By::Document(self.sort),
        };
        Rule { listed: self.preferences.order.is_some(), by }
    }

    fn placing(&self, offer: &Offer<'_>, rule: Rule, known: &[Known<'_>]) -> Placing {
        let (id, health, now) = (&offer.endpoint.id, self.with.health, self.with.now);
        let keeps_place = rule.listed || rule.by == By::Document(Sort::Order);
        let compared = match rule.compares() {
            Some(Compared::FirstToken) => health.median(id, Measure::FirstToken, now).map(rounded),
            Some(Compared::Throughput) => health.median(id, Measure::Throughput, now).map(rounded),
            _ => offer.placing.compared,
        };
        let Preferences { preferred_max_latency, preferred_min_throughput, .. } = self.preferences;
        let wants_speed = preferred_max_latency.is_some() || preferred_min_throughput.is_some();
        Placing {
            sticky: !known.is_empty() && self.is_sticky(offer, known),
            slow: wants_speed && self.is_slow(offer),
            standing: if keeps_place { Standing::Normal } else { health.standing(id, now) },
            cooldown: health.in_cooldown(id, now),
            probe: false,
            compared,
        }
    }

    /// Sorts by the one number that the client or the document asks for.
    #[inline(never)]
    fn arrange(&self, offers: &mut [Offer<'_>], asked: Option<SortBy>) {
        let (health, now) = (self.with.health, self.with.now);
        match (asked, self.sort) {
            (Some(SortBy::Exacto), _) => {
                rank(offers, &mut |offer| self.slowness(offer));
                rank(offers, &mut |offer| ascending(health.failed_share(&offer.endpoint.id, now)));
            }
            (Some(SortBy::Price), _) | (None, Sort::Price) => {
                rank(offers, &mut |offer| self.blended_price(offer).unwrap_or(u128::MAX));
            }
            (Some(SortBy::Latency), _) | (None, Sort::Latency) => {
                rank(offers, &mut |offer| {
                    let latency = health.median(&offer.endpoint.id, Measure::FirstToken, now);
                    latency.map_or(u128::MAX, ascending)
                });
            }
            (Some(SortBy::Throughput), _) | (None, Sort::Throughput) => {
                rank(offers, &mut |offer| self.slowness(offer));
            }
            (None, Sort::Balanced | Sort::Order) => {}
        }
    }

    fn slowness(&self, offer: &Offer<'_>) -> u128 {
        let speed = self.with.health.median(&offer.endpoint.id, Measure::Throughput, self.with.now);
        speed.filter(|speed| *speed > 0.0).map_or(u128::MAX, |speed| ascending(speed.recip()))
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
    #[inline(never)]
    fn is_slow(&self, offer: &Offer<'_>) -> bool {
        let Preferences { preferred_max_latency, preferred_min_throughput, .. } = self.preferences;
        self.misses(offer, Measure::FirstToken, preferred_max_latency.as_ref())
            || self.misses(offer, Measure::Throughput, preferred_min_throughput.as_ref())
    }

    /// Whether it is known to miss one of these bounds.
    fn misses(&self, offer: &Offer<'_>, measure: Measure, bounds: Option<&Cutoffs>) -> bool {
        let (id, window) = (&offer.endpoint.id, Window::FiveMinutes);
        bounds.into_iter().flat_map(Cutoffs::iter).any(|(share, bound)| {
            let measured = self.with.health.percentile(id, measure, window, share, self.with.now);
            measured.is_some_and(|value| match measure {
                // The bound is in seconds, and milliseconds are measured.
                Measure::FirstToken => value > bound * 1000.0,
                Measure::Throughput => value < bound,
            })
        })
    }

    /// Where the conversation is, for each model with an endpoint where that makes it cheaper; no
    /// place where there is no choice.
    fn places<'o>(&self, offers: &[Offer<'o>]) -> Vec<Known<'o>> {
        let mut places = Vec::new();
        let Some(conversation) = self.with.conversation.filter(|_| offers.len() > 1) else {
            return places;
        };
        let mut looked_up = Vec::new();
        for offer in
            offers.iter().filter(|offer| sticky::is_cheaper_cached(&offer.pricing(self.conditions)))
        {
            let model = (offer.asked.model, offer.asked.rest);
            if !looked_up.contains(&model) {
                let key =
                    sticky::conversation(self.with.tenant, &offer.model_id(), conversation.key);
                places.extend(
                    self.with
                        .health
                        .place(key, self.with.now)
                        .map(|place| (model.0, model.1, place)),
                );
                looked_up.push(model);
            }
        }
        places
    }

    /// Whether the conversation's prompt is in this endpoint's cache, that makes it cheaper, and
    /// the client's own order does not speak against it.
    #[inline(never)]
    fn is_sticky(&self, offer: &Offer<'_>, places: &[Known<'_>]) -> bool {
        let is_here = places.iter().any(|(model, rest, place)| {
            (*model, *rest) == (offer.asked.model, offer.asked.rest) && place.is_at(offer.endpoint)
        });
        is_here
            && sticky::is_cheaper_cached(&offer.pricing(self.conditions))
            && self.may_stick(offer)
    }

    /// Whether the client's own order, if it gave one, lets the conversation stay at an endpoint.
    /// It does where it names the endpoint and the client gave a session id, which is worth more
    /// than the order of those that it names.
    fn may_stick(&self, offer: &Offer<'_>) -> bool {
        let Some(order) = &self.preferences.order else { return true };
        let is_named = self.with.conversation.is_some_and(|conversation| conversation.is_named);
        is_named && self.asked_place(offer) < order.len()
    }

    /// The one price that endpoints are compared by, in femtodollars; see
    /// [`crate::catalog::Pricing::blended`].
    #[inline]
    fn blended_price(&self, offer: &Offer<'_>) -> Option<u128> {
        offer.pricing(self.conditions).blended(4).map(Cost::femtodollars)
    }

    /// [`Self::blended_price`] as a floating-point number.
    #[inline(never)]
    fn drawing_price(&self, offer: &Offer<'_>) -> Option<f64> {
        let price = self.blended_price(offer)?;
        // Nearly all prices fit a `u64`, which one instruction converts.
        Some(u64::try_from(price).map_or(price as f64, |price| price as f64))
    }

    /// Draws the order, each endpoint with the weight of `weight/price²`; an unknown price counts
    /// as the highest known one.
    ///
    /// Sorting by `-ln(u)/w` with random `u` is a draw without replacement (Efraimidis and
    /// Spirakis).
    fn shuffle(&self, offers: &mut [Offer<'_>], draw: &mut Draw) {
        let highest =
            offers.iter().filter_map(|offer| self.drawing_price(offer)).fold(1.0, f64::max);
        let mut all = 0.0;
        for offer in offers.iter_mut() {
            let price = self.drawing_price(offer).unwrap_or(highest).max(1.0);
            offer.weight = offer.endpoint.weight / (price * price);
            all += offer.weight;
        }
        for offer in offers.iter_mut() {
            offer.placing.compared = Some(rounded(100.0 * offer.weight / all));
        }
        rank(offers, &mut |offer| ascending(-draw.fraction().ln() / offer.weight));
    }
}

/// The nearest whole number to one that is not negative.
fn rounded(number: f64) -> u64 {
    (number + 0.5) as u64
}

/// Sorts by a key that is asked for once an offer, in the order they stand in; equal ones keep
/// their order.
fn rank(offers: &mut [Offer<'_>], key: &mut dyn FnMut(&Offer<'_>) -> u128) {
    // Pairs of the type that the listing sorts too, as the module holds the code once per type.
    let mut keyed: Vec<(u128, usize)> =
        offers.iter().enumerate().map(|(at, offer)| (key(offer), at)).collect();
    keyed.sort_unstable();
    let unsorted = offers.to_vec();
    for (place, offer) in
        offers.iter_mut().zip(keyed.into_iter().filter_map(|(_, at)| unsorted.get(at)))
    {
        *place = *offer;
    }
}

/// A key that grows with a number that is not negative.
pub(super) fn ascending(number: f64) -> u128 {
    u128::from(number.max(0.0).to_bits())
}
