//! Recent outcomes per endpoint: outages, cooldowns, time to first token, throughput.
//!
//! Keyed by endpoint id, which only comes from the configuration, so the size is bounded by it.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;

use super::sticky::Sticky;

/// Outcomes are remembered this long.
const WINDOW: Duration = Duration::from_secs(30);
const BUCKETS: usize = 6;
/// An outage is at least this many failures …
const MIN_FAILURES: u32 = 3;
/// Longest cooldown a provider can ask for.
const MAX_COOLDOWN: Duration = Duration::from_secs(600);
/// Weight of the newest sample in a moving average.
const NEWEST: f64 = 0.2;
/// Samples for percentiles are as young as this, which is OpenRouter's window …
const SAMPLED: Duration = Duration::from_secs(300);
/// … and at most so many an endpoint.
const MOST_SAMPLES: usize = 128;

/// What is known of the endpoints' recent behaviour.
#[derive(Clone, Debug, Default)]
pub struct Health {
    endpoints: HashMap<String, State>,
    /// Where conversations are.
    pub(crate) sticky: Sticky,
}

#[derive(Clone, Debug, Default)]
struct State {
    buckets: [Bucket; BUCKETS],
    cooldown_until: Duration,
    first_token_ms: Option<f64>,
    tokens_per_second: Option<f64>,
    /// The newest last.
    samples: VecDeque<Sample>,
}

/// What one attempt showed.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    first_token_ms: Option<f64>,
    tokens_per_second: Option<f64>,
}

/// Something measured, of which percentiles are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Time to first token in ms: less is better.
    FirstToken,
    /// Output tokens per second: more is better.
    Throughput,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    epoch: u64,
    tries: u32,
    failures: u32,
}

/// One finished attempt, as far as health is concerned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation {
    /// Whether the endpoint, not the client, was at fault.
    pub failed: bool,
    /// What `Retry-After` asked for.
    pub retry_after: Option<Duration>,
    /// Time to first token.
    pub first_token: Option<Duration>,
    /// Output tokens per second.
    pub tokens_per_second: Option<f64>,
}

impl Health {
    /// Notes how an attempt at `endpoint` ended. `now` is time since the Unix epoch.
    pub fn observe(&mut self, endpoint: &str, seen: Observation, now: Duration) {
        if !self.endpoints.contains_key(endpoint) {
            self.endpoints.insert(endpoint.to_owned(), State::default());
        }
        if let Some(state) = self.endpoints.get_mut(endpoint) {
            state.observe(seen, now);
        }
    }

    /// Whether the provider asked to be left alone, and the time is not over.
    pub fn in_cooldown(&self, endpoint: &str, now: Duration) -> bool {
        self.endpoints.get(endpoint).is_some_and(|state| state.cooldown_until > now)
    }

    /// At least three failures and half of the tries in the last 30 s.
    pub fn in_outage(&self, endpoint: &str, now: Duration) -> bool {
        self.endpoints.get(endpoint).is_some_and(|state| state.in_outage(now))
    }

    /// Share of the tries in the last 30 s that failed, 0 to 1; 0 if there was none.
    pub fn failed_share(&self, endpoint: &str, now: Duration) -> f64 {
        let (tries, failures) = self.endpoints.get(endpoint).map(|state| state.recent(now)).unwrap_or_default();
        f64::from(failures) / f64::from(tries.max(1))
    }

    /// What `share` percent of the last five minutes' requests reached or did better than; `None` without samples.
    pub fn percentile(&self, endpoint: &str, measure: Measure, share: u8, now: Duration) -> Option<f64> {
        self.endpoints.get(endpoint)?.percentile(measure, share, now)
    }

    /// Moving average of the time to first token, in ms.
    pub fn first_token_ms(&self, endpoint: &str) -> Option<f64> {
        self.endpoints.get(endpoint)?.first_token_ms
    }

    /// Moving average of the output tokens per second.
    pub fn tokens_per_second(&self, endpoint: &str) -> Option<f64> {
        self.endpoints.get(endpoint)?.tokens_per_second
    }
}

impl State {
    fn observe(&mut self, seen: Observation, now: Duration) {
        let epoch = Self::epoch(now);
        if let Some(bucket) = self.buckets.get_mut(epoch as usize % BUCKETS) {
            if bucket.epoch != epoch {
                *bucket = Bucket { epoch, ..Bucket::default() };
            }
            bucket.tries += 1;
            bucket.failures += u32::from(seen.failed);
        }
        if let Some(wait) = seen.retry_after {
            self.cooldown_until = self.cooldown_until.max(now + wait.min(MAX_COOLDOWN));
        }
        let first_token_ms = seen.first_token.map(|time| time.as_secs_f64() * 1000.0);
        average(&mut self.first_token_ms, first_token_ms);
        average(&mut self.tokens_per_second, seen.tokens_per_second);
        if first_token_ms.is_some() || seen.tokens_per_second.is_some() {
            if self.samples.len() == MOST_SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back(Sample { at: now, first_token_ms, tokens_per_second: seen.tokens_per_second });
        }
    }

    fn percentile(&self, measure: Measure, share: u8, now: Duration) -> Option<f64> {
        let oldest = now.saturating_sub(SAMPLED);
        let recent = self.samples.iter().filter(|sample| sample.at >= oldest);
        let mut values: Vec<f64> = recent
            .filter_map(|sample| match measure {
                Measure::FirstToken => sample.first_token_ms,
                Measure::Throughput => sample.tokens_per_second,
            })
            .collect();
        values.sort_by(f64::total_cmp);
        if measure == Measure::Throughput {
            values.reverse();
        }
        let rank = (values.len() * usize::from(share)).div_ceil(100);
        values.get(rank.saturating_sub(1)).copied()
    }

    fn in_outage(&self, now: Duration) -> bool {
        let (tries, failures) = self.recent(now);
        failures >= MIN_FAILURES && failures * 2 >= tries
    }

    /// Tries and failures in the window.
    fn recent(&self, now: Duration) -> (u32, u32) {
        let oldest = Self::epoch(now).saturating_sub(BUCKETS as u64 - 1);
        let recent = self.buckets.iter().filter(|bucket| bucket.epoch >= oldest);
        recent.fold((0, 0), |(t, f), bucket| (t + bucket.tries, f + bucket.failures))
    }

    /// Number of the bucket a time falls into.
    fn epoch(now: Duration) -> u64 {
        now.as_secs() / (WINDOW.as_secs() / BUCKETS as u64)
    }
}

fn average(mean: &mut Option<f64>, sample: Option<f64>) {
    if let Some(sample) = sample {
        *mean = Some(mean.map_or(sample, |mean| mean + NEWEST * (sample - mean)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const FAILED: Observation =
        Observation { failed: true, retry_after: None, first_token: None, tokens_per_second: None };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000_000 + seconds)
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
            health.observe("a", Observation::default(), at(3));
        }
        assert!(!health.in_outage("a", at(3)), "three of seven");
        health.observe("a", FAILED, at(4));
        assert!(health.in_outage("a", at(4)), "four of eight");
        assert!(!health.in_outage("a", at(40)), "forgotten");
        assert!(!health.in_outage("b", at(4)), "another endpoint");
    }

    #[test]
    fn retry_after_is_a_cooldown_with_an_upper_bound() {
        let mut health = Health::default();
        let wait = |seconds| Observation { retry_after: Some(Duration::from_secs(seconds)), ..FAILED };
        health.observe("a", wait(7), at(0));
        assert!(health.in_cooldown("a", at(6)));
        assert!(!health.in_cooldown("a", at(7)));
        health.observe("a", wait(1_000_000), at(10));
        assert!(!health.in_cooldown("a", at(10 + 600)));
    }

    #[test]
    fn percentiles_are_of_the_last_five_minutes_and_the_better_requests() {
        let mut health = Health::default();
        let seen = |n: u64| Observation {
            first_token: Some(Duration::from_millis(n)),
            tokens_per_second: Some(n as f64),
            ..Observation::default()
        };
        (1..=100).for_each(|n| health.observe("a", seen(n), at(n)));
        for (share, latency, throughput) in [(50, 50.0, 51.0), (75, 75.0, 26.0), (90, 90.0, 11.0), (99, 99.0, 2.0)] {
            assert_eq!(health.percentile("a", Measure::FirstToken, share, at(100)), Some(latency), "{share}");
            assert_eq!(health.percentile("a", Measure::Throughput, share, at(100)), Some(throughput), "{share}");
        }
        assert_eq!(health.percentile("a", Measure::FirstToken, 50, at(399)), Some(99.0), "two are left");
        assert_eq!(health.percentile("a", Measure::FirstToken, 50, at(401)), None);
        assert_eq!(health.percentile("b", Measure::FirstToken, 50, at(0)), None);
        (0..1000).for_each(|n| health.observe("a", seen(n), at(500)));
        assert_eq!(health.percentile("a", Measure::FirstToken, 99, at(500)), Some(998.0), "only the newest are kept");
    }

    #[test]
    fn the_share_of_failures_is_of_the_last_thirty_seconds() {
        let mut health = Health::default();
        health.observe("a", FAILED, at(0));
        health.observe("a", Observation::default(), at(1));
        assert_eq!(health.failed_share("a", at(2)), 0.5);
        assert_eq!((health.failed_share("a", at(60)), health.failed_share("b", at(2))), (0.0, 0.0));
    }

    #[test]
    fn averages_follow_the_newest_samples() {
        let mut health = Health::default();
        let seen = |ms| Observation { first_token: Some(Duration::from_millis(ms)), ..Observation::default() };
        health.observe("a", seen(100), at(0));
        health.observe("a", seen(200), at(1));
        assert_eq!(health.first_token_ms("a"), Some(120.0));
        assert_eq!(health.tokens_per_second("a"), None);
    }
}
