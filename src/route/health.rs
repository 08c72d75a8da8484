//! What is known of the endpoints' recent behaviour: outages, cooldowns, times to first token, speeds, uptimes.
//!
//! All workers know it together. What must change the next request's plan, wherever it arrives, is written at once:
//! failures and cooldowns ([`Health::enter`]), and read with each request, but no more than once a millisecond
//! ([`Health::refresh`]): one look at a value that is nearly always empty. The rest is collected and exchanged bit by bit
//! ([`Health::sync`]).
//! Keyed by endpoint id, which only comes from the configuration.

use std::rc::Rc;
use std::time::Duration;

use super::figures::{Cell, Figures, Seen, Window};
use super::histogram::Histogram;
use super::sticky::Place;
use crate::fnv::Fnv;
use crate::state::{Memory, Replica, Store};

/// An outage is at least this many failures …
const MIN_FAILURES: u64 = 3;
/// What other workers have seen is looked at once in this time: under load not with every request.
const FRESH: Duration = Duration::from_millis(1);
/// Attempts that wait to be noted, which is done for many at once.
const MOST_WAITING: usize = 512;
/// Longest cooldown a provider can ask for.
const MAX_COOLDOWN: Duration = Duration::from_secs(600);
/// Percentages of successes tell something from this many requests on.
const ENOUGH: u64 = 100;
/// Percent; OpenRouter's thresholds.
const NORMAL: u64 = 95;
const DEGRADED: u64 = 80;
/// Values that figures are spread over, so that no single exchange of them takes long.
const SHARDS: u64 = 16;
/// A probe that nobody has told the end of counts as over.
const LONGEST_PROBE: Duration = Duration::from_secs(60);

/// What is known of the endpoints' recent behaviour.
#[derive(Clone, Debug)]
pub struct Health {
    store: Rc<dyn Store>,
    /// Failures of the last half minute, and cooldowns.
    alerts: Replica<Figures>,
    /// When they were last looked at.
    refreshed: Duration,
    /// Everything else, by the endpoint's key.
    figures: Vec<Replica<Figures>>,
    /// What is not in them yet: how attempts ended, and when.
    ended: Vec<(u64, Observation, Duration)>,
    /// Whose turn it is.
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
    /// Less than 80 %, or it has an outage: at least three failures and half of the tries in the last 30 s.
    Down,
}

impl Standing {
    /// For explanations.
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
    /// Whether it says nothing of the endpoint's uptime: it was rate limited, or the client was at fault.
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
    /// Of a worker without others.
    fn default() -> Self {
        Self::new(Rc::new(Memory::default()))
    }
}

impl Health {
    /// What the workers of a store know; nothing yet.
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

    /// To be called before there is more than one worker.
    pub fn found(&self) {
        self.figures.iter().chain([&self.alerts]).for_each(|replica| replica.found(&*self.store));
    }

    /// Learns of failures and cooldowns that other workers have seen, unless it has within the last millisecond.
    pub fn refresh(&mut self, now: Duration) {
        if now.checked_sub(self.refreshed).is_none_or(|age| age >= FRESH) {
            self.refreshed = now;
            self.alerts.read(&*self.store);
            if !self.alerts.is_empty() {
                self.catch_up();
            }
        }
    }

    /// Exchanges with the other workers what can wait: each time one part of it.
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
        let standings =
            told.endpoints().filter_map(|endpoint| Some((endpoint, by_percentage(told.find(endpoint)?, now))));
        self.poor.extend(standings.filter(|(_, standing)| *standing > Standing::Normal));
    }

    /// Tells the other workers everything, because this one ends.
    pub fn flush(&mut self, now: Duration) {
        (0..SHARDS).for_each(|_| self.sync(now));
    }

    /// Notes how an attempt at `endpoint` ended, by the next [`Health::sync`] at the latest: at once where outages are
    /// told by it. `now` is time since the Unix epoch.
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
            if let Some(figures) = shard_of(&mut self.figures, key).and_then(|shard| shard.untold().of(key)) {
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
        // That an outage goes on can wait.
        if !was_known || retry_after.is_some() {
            self.alerts.sync(&*self.store, now);
        }
    }

    /// Whether it has neither an outage nor a cooldown.
    pub fn is_well(&self, endpoint: &str, now: Duration) -> bool {
        self.alerts.is_empty() || !(self.in_outage(endpoint, now) || self.in_cooldown(endpoint, now))
    }

    /// Whether the provider asked to be left alone, and the time is not over.
    pub fn in_cooldown(&self, endpoint: &str, now: Duration) -> bool {
        let until = |alerts: &Figures| alerts.find(key(endpoint)).map_or(0, |seen| seen.cooldown_until);
        !self.alerts.is_empty() && self.alerts.parts().into_iter().any(|part| u128::from(until(part)) > now.as_millis())
    }

    /// At least three failures and half of the tries in the last 30 s.
    pub fn in_outage(&self, endpoint: &str, now: Duration) -> bool {
        !self.alerts.is_empty() && self.has_outage(key(endpoint), now)
    }

    /// How the endpoint does.
    pub fn standing(&self, endpoint: &str, now: Duration) -> Standing {
        if self.alerts.is_empty() && self.poor.is_empty() {
            return Standing::Normal;
        }
        let key = key(endpoint);
        if self.has_outage(key, now) {
            return Standing::Down;
        }
        self.poor.iter().find(|(poor, _)| *poor == key).map(|(_, standing)| *standing).unwrap_or_default()
    }

    fn has_outage(&self, endpoint: u64, now: Duration) -> bool {
        let (tries, failures) = self.recent(endpoint, now);
        failures >= MIN_FAILURES && failures * 2 >= tries
    }

    /// Tries and failures in the last half minute.
    fn recent(&self, endpoint: u64, now: Duration) -> (u64, u64) {
        let cells = |replica| cells(replica, endpoint, Window::HalfMinute, now);
        let failures = cells(&self.alerts).map(|cell| u64::from(cell.failed)).sum();
        let well: u64 = self.shard(endpoint).map_or(0, |shard| cells(shard).map(|cell| u64::from(cell.well)).sum());
        (well + failures, failures)
    }

    /// Share of the tries in the last 30 s that failed, 0 to 1; 0 if there was none.
    pub fn failed_share(&self, endpoint: &str, now: Duration) -> f64 {
        let (tries, failures) = self.recent(key(endpoint), now);
        failures as f64 / tries.max(1) as f64
    }

    /// Successes in percent of all requests but those that were rate limited or the client's mistake; `None` if there
    /// was none.
    pub fn uptime(&self, endpoint: &str, window: Window, now: Duration) -> Option<f64> {
        let endpoint = key(endpoint);
        let (well, failed) = outcomes(cells(self.shard(endpoint)?, endpoint, window, now));
        (well + failed > 0).then(|| well as f64 * 100.0 / (well + failed) as f64)
    }

    /// What `share` percent of a window's requests reached or did better than; `None` without samples. Only for the
    /// windows of five minutes and of half an hour.
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
        let median = |window| self.percentile(endpoint, measure, window, 50, now);
        median(Window::FiveMinutes).or_else(|| median(Window::HalfHour))
    }

    /// Where a conversation is.
    pub(crate) fn place(&self, conversation: u64, now: Duration) -> Option<Place> {
        Place::read(&*self.store, conversation, now)
    }

    /// A conversation has begun or moved.
    pub(crate) fn learn(&self, place: &Place) {
        place.write(&*self.store);
    }

    /// Whether this worker is trying if the endpoint has recovered.
    pub(crate) fn is_probed(&self, endpoint: &str, now: Duration) -> bool {
        let key = key(endpoint);
        self.probes.iter().any(|(probed, since)| *probed == key && *since + LONGEST_PROBE > now)
    }

    /// A request sets out to try if the endpoint has recovered.
    pub(crate) fn begin_probe(&mut self, endpoint: &str, now: Duration) {
        self.end_probe(endpoint);
        self.probes.push((key(endpoint), now));
    }

    /// That request is over.
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

/// Notes all but failures of the last half minute, which are alerts.
fn note(figures: &mut Seen, seen: Observation, now: Duration) {
    for window in Window::ALL {
        let is_short = window == Window::HalfMinute;
        if if is_short { seen.failed } else { seen.neutral } {
            continue;
        }
        let Some(cell) = figures.cell(window, now) else { continue };
        cell.well += u32::from(!seen.failed);
        cell.failed += u32::from(seen.failed);
        if window.has_measures() {
            seen.first_token.iter().for_each(|time| cell.first_token.count(time.as_secs_f64() * 1000.0));
            seen.tokens_per_second.iter().for_each(|speed| cell.throughput.count(*speed));
        }
    }
}

/// The cells of an endpoint's window, as far as this worker knows them.
fn cells(replica: &Replica<Figures>, endpoint: u64, window: Window, now: Duration) -> impl Iterator<Item = &Cell> {
    let parts = replica.parts().into_iter().filter_map(move |part| part.find(endpoint));
    parts.flat_map(move |seen| seen.within(window, now))
}

/// Successes and failures.
fn outcomes<'a>(cells: impl Iterator<Item = &'a Cell>) -> (u64, u64) {
    cells.fold((0, 0), |(well, failed), cell| (well + u64::from(cell.well), failed + u64::from(cell.failed)))
}

fn by_percentage(seen: &Seen, now: Duration) -> Standing {
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
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const FAILED: Observation =
        Observation { failed: true, neutral: false, retry_after: None, first_token: None, tokens_per_second: None };
    const WELL: Observation = Observation { failed: false, ..FAILED };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000_000 + seconds)
    }

    /// Workers of one host.
    fn workers<const N: usize>() -> [Health; N] {
        let store: Rc<dyn Store> = Rc::new(Memory::default());
        let workers = [(); N].map(|()| Health::new(store.clone()));
        workers.iter().for_each(Health::found);
        workers
    }

    fn tell(workers: &mut [Health], now: Duration) {
        for _ in 0..2 {
            workers.iter_mut().for_each(|worker| worker.flush(now));
        }
    }

    #[test]
    fn successes_wait_unless_an_outage_may_be_told_by_them() {
        let mut health = Health::default();
        let uptime = |health: &Health| health.uptime("a", Window::Day, at(0));
        health.enter("a", WELL, at(0));
        assert_eq!(uptime(&health), None);
        health.sync(at(0));
        assert_eq!(uptime(&health), Some(100.0));
        health.enter("a", WELL, at(0));
        (0..3).for_each(|_| health.enter("a", FAILED, at(0)));
        assert_eq!((uptime(&health), health.in_outage("a", at(0))), (Some(40.0), true));
        health.enter("a", WELL, at(0));
        assert_eq!((uptime(&health), health.in_outage("a", at(0))), (Some(50.0), true));
        health.enter("a", WELL, at(0));
        assert!(!health.in_outage("a", at(0)));
    }

    #[test]
    fn three_failures_and_half_of_the_tries_are_an_outage_for_thirty_seconds() {
        let mut health = Health::default();
        health.observe("a", FAILED, at(0));
        health.observe("a", FAILED, at(1));
        assert!(!health.in_outage("a", at(1)));
        health.observe("a", FAILED, at(2));
        assert!(health.in_outage("a", at(2)));
        for _ in 0..4 {
            health.observe("a", WELL, at(3));
        }
        assert!(!health.in_outage("a", at(3)), "three of seven");
        health.observe("a", FAILED, at(4));
        assert!(health.in_outage("a", at(4)), "four of eight");
        assert_eq!((health.standing("a", at(4)), health.standing("b", at(4))), (Standing::Down, Standing::Normal));
        assert!(!health.in_outage("a", at(40)), "forgotten");
        assert!(!health.in_outage("b", at(4)), "another endpoint");
    }

    #[test]
    fn failures_of_all_workers_are_one_outage_at_once() {
        let mut all = workers::<3>();
        for worker in &mut all {
            worker.observe("a", FAILED, at(0));
        }
        for worker in &mut all {
            worker.refresh(at(1));
            assert!(worker.in_outage("a", at(1)));
        }
        let [one, two, _] = &mut all;
        (0..4).for_each(|_| one.observe("a", WELL, at(2)));
        assert!(!one.in_outage("a", at(2)) && two.in_outage("a", at(2)), "successes can wait");
        tell(&mut all, at(2));
        assert!(all.iter().all(|worker| !worker.in_outage("a", at(2))));
        assert!(all.iter().all(|worker| worker.failed_share("a", at(2)) == 3.0 / 7.0));
        tell(&mut all, at(60));
        assert!(all.iter().all(|worker| worker.alerts.is_empty()), "nothing is left to be looked at");
    }

    #[test]
    fn retry_after_is_a_cooldown_with_an_upper_bound_for_all_workers() {
        let [mut one, mut two] = workers();
        let wait = |seconds| Observation { retry_after: Some(Duration::from_secs(seconds)), ..FAILED };
        one.observe("a", wait(7), at(0));
        two.refresh(at(0));
        for health in [&one, &two] {
            assert!(health.in_cooldown("a", at(6)) && !health.in_cooldown("b", at(6)));
            assert!(!health.in_cooldown("a", at(7)));
        }
        two.observe("a", wait(1_000_000), at(10));
        one.refresh(at(10));
        assert!(one.in_cooldown("a", at(10 + 599)) && !one.in_cooldown("a", at(10 + 600)));
    }

    #[test]
    fn nothing_is_read_again_that_has_not_changed_nor_told_on_a_healthy_path() {
        #[derive(Debug, Default)]
        struct Counted(Memory, std::cell::Cell<(u32, u32)>);
        impl Store for Counted {
            fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
                let (reads, writes) = self.1.get();
                self.1.set((reads + 1, writes));
                self.0.read(key)
            }
            fn write(&self, key: &str, value: &[u8], version: u32) -> bool {
                let (reads, writes) = self.1.get();
                self.1.set((reads, writes + 1));
                self.0.write(key, value, version)
            }
        }
        let store = Rc::new(Counted::default());
        let mut health = Health::new(store.clone());
        health.found();
        store.1.take();
        for exchange in 0..10 {
            let now = at(0) + exchange * FRESH / 5;
            health.refresh(now);
            health.observe("a", WELL, now);
        }
        assert_eq!(store.1.take(), (2, 0), "one look in that time, however many exchanges");
        health.refresh(at(0));
        assert_eq!(store.1.take(), (1, 0), "a clock that was put back");
        for _ in 0..1_000 {
            health.observe("a", FAILED, at(0));
        }
        let (_, writes) = store.1.take();
        assert_eq!(writes, 10, "from half of the tries on, that the outage goes on is not told at once");
    }

    #[test]
    fn percentages_order_from_a_hundred_requests_in_five_minutes_on() {
        // Successes, failures.
        for (well, failed, expected) in [
            (95, 5, Standing::Normal),
            (94, 6, Standing::Degraded),
            (80, 20, Standing::Degraded),
            (79, 21, Standing::Down),
            (49, 50, Standing::Normal),
        ] {
            let mut all = workers::<2>();
            for n in 0..well + failed {
                all[n % 2].observe("a", if n < failed { FAILED } else { WELL }, at(30));
            }
            (0..50).for_each(|_| all[0].observe("a", Observation { neutral: true, ..WELL }, at(30)));
            (0..50).for_each(|_| all[0].observe("a", Observation { neutral: true, ..FAILED }, at(30)));
            tell(&mut all, at(100));
            let standings = all.each_ref().map(|health| health.standing("a", at(100)));
            assert_eq!(standings, [expected; 2], "{well} {failed}");
            tell(&mut all, at(400));
            assert_eq!(all[0].standing("a", at(400)), Standing::Normal);
        }
    }

    #[test]
    fn percentiles_are_of_the_last_minutes_and_of_all_workers() {
        let mut all = workers::<2>();
        let seen = |n: u64| Observation::measured(n, n as f64);
        (1..=100).for_each(|n| all[n as usize % 2].observe("a", seen(n), at(n)));
        assert_eq!(all[0].percentile("b", Measure::FirstToken, Window::FiveMinutes, 50, at(100)), None);
        tell(&mut all, at(100));
        let near = |found: Option<f64>, expected: f64| found.is_some_and(|it| (it / expected - 1.0).abs() < 0.035);
        for health in &all {
            for (share, latency, throughput) in [(50, 50.0, 51.0), (75, 75.0, 26.0), (90, 90.0, 11.0), (99, 99.0, 2.0)]
            {
                let of = |measure| health.percentile("a", measure, Window::FiveMinutes, share, at(100));
                assert!(near(of(Measure::FirstToken), latency), "{share}");
                assert!(near(of(Measure::Throughput), throughput), "{share}");
            }
            let five = |now| health.percentile("a", Measure::FirstToken, Window::FiveMinutes, 50, now);
            assert!(five(at(240)).is_some() && five(at(400)).is_none());
            assert!(near(health.median("a", Measure::FirstToken, at(400)), 50.0), "half an hour");
            assert_eq!(health.median("a", Measure::FirstToken, at(3_600)), None);
        }
    }

    #[test]
    fn uptimes_leave_out_what_was_limited_or_the_clients_mistake() {
        let mut all = workers::<2>();
        all[0].observe("a", WELL, at(0));
        all[1].observe("a", FAILED, at(0));
        tell(&mut all, at(0));
        assert_eq!([Window::FiveMinutes, Window::HalfHour].map(|it| all[0].uptime("a", it, at(0))), [Some(50.0); 2]);
        all[1].observe("a", WELL, at(4_000));
        all[1].observe("a", Observation { neutral: true, ..FAILED }, at(4_000));
        all[1].observe("a", Observation { neutral: true, ..WELL }, at(4_000));
        tell(&mut all, at(4_000));
        let day = 200.0 / 3.0;
        for (window, now, expected) in [
            (Window::FiveMinutes, at(4_000), Some(100.0)),
            (Window::HalfHour, at(4_000), Some(100.0)),
            (Window::Day, at(4_000), Some(day)),
            (Window::Day, at(80_000), Some(day)),
            (Window::Day, at(100_000), None),
        ] {
            assert_eq!(all[0].uptime("a", window, now), expected, "{window:?} {now:?}");
        }
        assert_eq!(all[0].uptime("b", Window::Day, at(0)), None);
    }

    #[test]
    fn a_worker_that_begins_later_knows_what_the_others_do() {
        let store: Rc<dyn Store> = Rc::new(Memory::default());
        let mut old = Health::new(store.clone());
        (0..3).for_each(|_| old.observe("a", FAILED, at(0)));
        old.observe("b", WELL, at(0));
        old.flush(at(1));
        let mut new = Health::new(store);
        new.found();
        new.refresh(at(1));
        assert!(new.in_outage("a", at(1)));
        new.flush(at(1));
        assert_eq!(
            (new.uptime("a", Window::Day, at(1)), new.uptime("b", Window::Day, at(1))),
            (Some(0.0), Some(100.0))
        );
    }

    #[test]
    fn a_probe_ends_when_it_is_told_or_forgotten() {
        let mut health = Health::default();
        health.begin_probe("a", at(0));
        assert!(health.is_probed("a", at(59)) && !health.is_probed("b", at(0)) && !health.is_probed("a", at(60)));
        health.end_probe("a");
        assert!(!health.is_probed("a", at(1)));
    }
}
