//! What is known of the endpoints' recent behaviour: outages, cooldowns, times to first token,
//! speeds, uptimes.
//!
//! All workers share what they know. Failures and cooldowns must change the next request's plan,
//! whichever worker it comes to: they are written at once ([`Health::enter`]), and each request
//! looks for them, at most once a millisecond ([`Health::refresh`]), in a value that is nearly
//! always empty. The rest is collected and exchanged bit by bit ([`Health::sync`]). Everything is
//! keyed by endpoint ids, which only come from the configuration.

use std::rc::Rc;
use std::time::Duration;

use super::figures::{Cell, EndpointFigures, Figures, Window};
use super::histogram::Histogram;
use super::sticky::Place;
use crate::fnv::Fnv;
use crate::state::{Memory, Replica, Store};

/// It takes this many failures to call it an outage, and half of the tries must have failed.
const MIN_FAILURES: u64 = 3;
/// For how long this worker goes by what it has read of other workers' failures, so that it need
/// not read them for every request.
const FRESH: Duration = Duration::from_millis(1);
/// How many attempts may wait to be noted, which is cheaper for many at once.
const MOST_WAITING: usize = 512;
/// The longest cooldown that a provider can ask for.
const MAX_COOLDOWN: Duration = Duration::from_secs(600);
/// Of how many requests there must be figures before a percentage of successes says anything.
const ENOUGH: u64 = 100;
/// From how many percent of successes on an endpoint does normally, and from how many on it is
/// merely degraded: OpenRouter's thresholds.
const NORMAL: u64 = 95;
const DEGRADED: u64 = 80;
/// Over how many shared values the figures are spread, so that exchanging one never takes long.
const SHARDS: u64 = 16;
/// After this time a probe whose end nobody has told counts as over.
const LONGEST_PROBE: Duration = Duration::from_secs(60);

/// What is known of the endpoints' recent behaviour.
#[derive(Clone, Debug)]
pub struct Health {
    store: Rc<dyn Store>,
    /// Failures of the last half minute, and cooldowns.
    alerts: Replica<Figures>,
    /// When the alerts of other workers were last read.
    refreshed: Duration,
    /// Everything else, in shards by the endpoint's key.
    figures: Vec<Replica<Figures>>,
    /// Attempts that are not in the figures yet: the endpoint's key, how it went, and when it
    /// ended.
    ended: Vec<(u64, Observation, Duration)>,
    /// Which shard was exchanged last.
    turn: usize,
    /// Endpoints that do worse than normal, as far as percentages tell.
    poor: Vec<(u64, Standing)>,
    /// Endpoints that this worker is probing, and since when.
    probes: Vec<(u64, Duration)>,
}

/// How an endpoint does; later ones are used later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing speaks against it.
    #[default]
    Normal,
    /// Of at least 100 requests in five minutes, less than 95 % succeeded.
    Degraded,
    /// Less than 80 % succeeded, or the endpoint has an outage: at least three failures, and half
    /// of the tries, in the last 30 s.
    Down,
}

impl Standing {
    /// The name in explanations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// Something measured, of which percentiles are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Time to first token in ms: less is better.
    FirstToken,
    /// Output tokens per second: more is better.
    Throughput,
}

/// One finished attempt, as far as health is concerned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation {
    /// Whether the endpoint, not the client, was at fault.
    pub failed: bool,
    /// Whether the attempt says nothing of the endpoint's uptime: it was rate limited, or the
    /// client was at fault.
    pub neutral: bool,
    /// What `Retry-After` asked for.
    pub retry_after: Option<Duration>,
    /// Time to first token.
    pub first_token: Option<Duration>,
    /// Output tokens per second.
    pub tokens_per_second: Option<f64>,
}

#[cfg(test)]
impl Observation {
    /// A success, with its time to first token in ms and its output tokens per second.
    pub(crate) fn measured(ms: u64, tokens_per_second: f64) -> Self {
        let first_token = Some(Duration::from_millis(ms));
        Self { first_token, tokens_per_second: Some(tokens_per_second), ..Self::default() }
    }
}

impl Default for Health {
    /// What a worker knows that shares with none.
    fn default() -> Self {
        Self::new(Rc::new(Memory::default()))
    }
}

impl Health {
    /// What the workers of a store know, of which nothing has been read yet.
    pub fn new(store: Rc<dyn Store>) -> Self {
        let figures = (0..SHARDS).map(|shard| Replica::new(format!("modelyard.figures.{shard}")));
        Self {
            store,
            alerts: Replica::new("modelyard.alerts".to_owned()),
            refreshed: Duration::ZERO,
            figures: figures.collect(),
            ended: Vec::new(),
            turn: 0,
            poor: Vec::new(),
            probes: Vec::new(),
        }
    }

    /// Writes the values that are to be shared, where there are none yet. To be called before there
    /// is more than one worker.
    pub fn create_values(&self) {
        self.figures.iter().chain([&self.alerts]).for_each(|replica| replica.create(&*self.store));
    }

    /// Learns of failures and cooldowns that other workers have seen, unless it has within the last
    /// millisecond.
    pub fn refresh(&mut self, now: Duration) {
        if now.checked_sub(self.refreshed).is_none_or(|age| age >= FRESH) {
            self.refreshed = now;
            self.alerts.read(&*self.store);
            if !self.alerts.is_empty() {
                self.catch_up();
            }
        }
    }

    /// Exchanges with the other workers what can wait: one shard of it at each call.
    pub fn sync(&mut self, now: Duration) {
        self.catch_up();
        self.alerts.sync(&*self.store, now);
        self.alerts.forget(now);
        self.turn = (self.turn + 1) % self.figures.len();
        let Some(shard) = self.figures.get_mut(self.turn) else { return };
        shard.sync(&*self.store, now);
        let turn = self.turn as u64;
        self.poor.retain(|(endpoint, _)| endpoint % SHARDS != turn);
        let told = shard.told();
        let standings = told
            .endpoints()
            .filter_map(|endpoint| Some((endpoint, by_percentage(told.find(endpoint)?, now))));
        self.poor.extend(standings.filter(|(_, standing)| *standing > Standing::Normal));
    }

    /// Tells the other workers everything, because this one ends.
    pub fn flush(&mut self, now: Duration) {
        (0..SHARDS).for_each(|_| self.sync(now));
    }

    /// Notes how an attempt at `endpoint` ended, by the next [`Health::sync`] at the latest: at
    /// once where outages are told by it. `now` is time since the Unix epoch.
    pub fn enter(&mut self, endpoint: &str, seen: Observation, now: Duration) {
        let key = key(endpoint);
        self.ended.push((key, seen, now));
        if seen.failed || !self.alerts.is_empty() || self.ended.len() >= MOST_WAITING {
            self.catch_up();
        }
        if seen.failed {
            self.alert(key, seen.retry_after, now);
        }
    }

    /// Notes at once how an attempt ended.
    #[cfg(test)]
    pub(crate) fn observe(&mut self, endpoint: &str, seen: Observation, now: Duration) {
        self.enter(endpoint, seen, now);
        self.catch_up();
    }

    fn catch_up(&mut self) {
        for (key, seen, now) in self.ended.drain(..) {
            if let Some(figures) =
                shard_of(&mut self.figures, key).and_then(|shard| shard.untold().of(key))
            {
                note(figures, seen, now);
            }
        }
    }

    fn alert(&mut self, endpoint: u64, retry_after: Option<Duration>, now: Duration) {
        let was_known = self.has_outage(endpoint, now);
        if let Some(alert) = self.alerts.untold().of(endpoint) {
            if let Some(cell) = alert.cell(Window::HalfMinute, now) {
                cell.failed += 1;
            }
            if let Some(wait) = retry_after {
                alert.cooldown_until = (now + wait.min(MAX_COOLDOWN)).as_millis() as u64;
            }
        }
        // One more failure of an outage that all workers know of can wait.
        if !was_known || retry_after.is_some() {
            self.alerts.sync(&*self.store, now);
        }
    }

    /// Whether it has neither an outage nor a cooldown.
    pub fn is_well(&self, endpoint: &str, now: Duration) -> bool {
        self.alerts.is_empty()
            || !(self.in_outage(endpoint, now) || self.in_cooldown(endpoint, now))
    }

    /// Whether the provider asked to be left alone, and the time is not over.
    pub fn in_cooldown(&self, endpoint: &str, now: Duration) -> bool {
        if self.alerts.is_empty() {
            return false;
        }
        let (key, now) = (key(endpoint), now.as_millis());
        let mut alerts = self.alerts.parts().into_iter().filter_map(|part| part.find(key));
        alerts.any(|alert| u128::from(alert.cooldown_until) > now)
    }

    /// Whether at least three attempts, and half of all, failed in the last 30 s.
    pub fn in_outage(&self, endpoint: &str, now: Duration) -> bool {
        !self.alerts.is_empty() && self.has_outage(key(endpoint), now)
    }

    /// How well an endpoint does.
    pub fn standing(&self, endpoint: &str, now: Duration) -> Standing {
        if self.alerts.is_empty() && self.poor.is_empty() {
            return Standing::Normal;
        }
        let key = key(endpoint);
        if self.has_outage(key, now) {
            return Standing::Down;
        }
        self.poor
            .iter()
            .find(|(poor, _)| *poor == key)
            .map(|(_, standing)| *standing)
            .unwrap_or_default()
    }

    fn has_outage(&self, endpoint: u64, now: Duration) -> bool {
        let (tries, failures) = self.recent(endpoint, now);
        failures >= MIN_FAILURES && failures * 2 >= tries
    }

    /// Tries and failures in the last half minute.
    fn recent(&self, endpoint: u64, now: Duration) -> (u64, u64) {
        let window = Window::HalfMinute;
        let failed = cells(&self.alerts, endpoint, window, now).map(|cell| u64::from(cell.failed));
        let failures = failed.sum();
        let well: u64 = self.shard(endpoint).map_or(0, |shard| {
            cells(shard, endpoint, window, now).map(|cell| u64::from(cell.well)).sum()
        });
        (well + failures, failures)
    }

    /// Share of the tries in the last 30 s that failed, 0 to 1; 0 if there was none.
    pub fn failed_share(&self, endpoint: &str, now: Duration) -> f64 {
        let (tries, failures) = self.recent(key(endpoint), now);
        failures as f64 / tries.max(1) as f64
    }

    /// Successes in percent of all requests but those that were rate limited or the client's
    /// mistake; `None` if there was none.
    pub fn uptime(&self, endpoint: &str, window: Window, now: Duration) -> Option<f64> {
        let endpoint = key(endpoint);
        let (well, failed) = outcomes(cells(self.shard(endpoint)?, endpoint, window, now));
        (well + failed > 0).then(|| well as f64 * 100.0 / (well + failed) as f64)
    }

    /// What `share` percent of a window's requests reached or did better than; `None` without
    /// samples. Only for the windows of five minutes and of half an hour.
    pub fn percentile(
        &self,
        endpoint: &str,
        measure: Measure,
        window: Window,
        share: u8,
        now: Duration,
    ) -> Option<f64> {
        let endpoint = key(endpoint);
        let mut all = Histogram::default();
        for cell in cells(self.shard(endpoint)?, endpoint, window, now) {
            all.add(match measure {
                Measure::FirstToken => &cell.first_token,
                Measure::Throughput => &cell.throughput,
            });
        }
        all.percentile(share, measure == Measure::Throughput)
    }

    /// The median of the last five minutes, or where there is none of the last half hour.
    pub fn median(&self, endpoint: &str, measure: Measure, now: Duration) -> Option<f64> {
        let mut windows = [Window::FiveMinutes, Window::HalfHour].into_iter();
        windows.find_map(|window| self.percentile(endpoint, measure, window, 50, now))
    }

    /// At which endpoint a conversation's prompt is cached, if any worker knows.
    pub(crate) fn place(&self, conversation: u64, now: Duration) -> Option<Place> {
        Place::read(&*self.store, conversation, now)
    }

    /// Tells all workers that a conversation has begun or moved.
    pub(crate) fn learn(&self, place: &Place) {
        place.write(&*self.store);
    }

    /// Whether a request of this worker is trying out if the endpoint has recovered.
    pub(crate) fn is_probed(&self, endpoint: &str, now: Duration) -> bool {
        let key = key(endpoint);
        self.probes.iter().any(|(probed, since)| *probed == key && *since + LONGEST_PROBE > now)
    }

    /// Notes that a request sets out to try if the endpoint has recovered.
    pub(crate) fn begin_probe(&mut self, endpoint: &str, now: Duration) {
        self.end_probe(endpoint);
        self.probes.push((key(endpoint), now));
    }

    /// Notes that that request is over.
    pub(crate) fn end_probe(&mut self, endpoint: &str) {
        let key = key(endpoint);
        self.probes.retain(|(probed, _)| *probed != key);
    }

    fn shard(&self, endpoint: u64) -> Option<&Replica<Figures>> {
        self.figures.get((endpoint % SHARDS) as usize)
    }
}

/// An endpoint's key in shared values.
fn key(endpoint: &str) -> u64 {
    Fnv::of(endpoint.as_bytes())
}

fn shard_of(figures: &mut [Replica<Figures>], endpoint: u64) -> Option<&mut Replica<Figures>> {
    figures.get_mut((endpoint % SHARDS) as usize)
}

/// Notes how an attempt went. Failures of the last half minute are left out: they are alerts.
fn note(figures: &mut EndpointFigures, seen: Observation, now: Duration) {
    for window in Window::ALL {
        let is_short = window == Window::HalfMinute;
        // Failures of the last half minute are told as alerts.
        if seen.neutral || is_short && seen.failed {
            continue;
        }
        let Some(cell) = figures.cell(window, now) else { continue };
        cell.well += u32::from(!seen.failed);
        cell.failed += u32::from(seen.failed);
        if window.has_measures() {
            seen.first_token
                .iter()
                .for_each(|time| cell.first_token.count(time.as_secs_f64() * 1000.0));
            seen.tokens_per_second.iter().for_each(|speed| cell.throughput.count(*speed));
        }
    }
}

/// The cells of an endpoint's window, as far as this worker knows them.
fn cells(
    replica: &Replica<Figures>,
    endpoint: u64,
    window: Window,
    now: Duration,
) -> impl Iterator<Item = &Cell> {
    let parts = replica.parts().into_iter().filter_map(move |part| part.find(endpoint));
    parts.flat_map(move |seen| seen.within(window, now))
}

/// How many attempts succeeded, and how many failed.
fn outcomes<'a>(cells: impl Iterator<Item = &'a Cell>) -> (u64, u64) {
    cells.fold((0, 0), |(well, failed), cell| {
        (well + u64::from(cell.well), failed + u64::from(cell.failed))
    })
}

fn by_percentage(seen: &EndpointFigures, now: Duration) -> Standing {
    let (well, failed) = outcomes(seen.within(Window::FiveMinutes, now));
    let total = well + failed;
    match well * 100 {
        _ if total < ENOUGH => Standing::Normal,
        percent if percent >= NORMAL * total => Standing::Normal,
        percent if percent >= DEGRADED * total => Standing::Degraded,
        _ => Standing::Down,
    }
}

#[cfg(test)]
mod tests;
