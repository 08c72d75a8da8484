//! Recent outcomes per endpoint: outages, cooldowns, time to first token, throughput.
//!
//! Keyed by endpoint id, which only comes from the configuration, so the size is bounded by it.

use std::time::Duration;

use hashbrown::HashMap;

/// Outcomes are remembered this long.
const WINDOW: Duration = Duration::from_secs(30);
const BUCKETS: usize = 6;
/// An outage is at least this many failures …
const MIN_FAILURES: u32 = 3;
/// Longest cooldown a provider can ask for.
const MAX_COOLDOWN: Duration = Duration::from_secs(600);
/// Weight of the newest sample in a moving average.
const NEWEST: f64 = 0.2;

/// What is known of the endpoints' recent behaviour.
#[derive(Clone, Debug, Default)]
pub struct Health {
    endpoints: HashMap<String, State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    buckets: [Bucket; BUCKETS],
    cooldown_until: Duration,
    first_token_ms: Option<f64>,
    tokens_per_second: Option<f64>,
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
        average(&mut self.first_token_ms, seen.first_token.map(|time| time.as_secs_f64() * 1000.0));
        average(&mut self.tokens_per_second, seen.tokens_per_second);
    }

    fn in_outage(&self, now: Duration) -> bool {
        let oldest = Self::epoch(now).saturating_sub(BUCKETS as u64 - 1);
        let recent = self.buckets.iter().filter(|bucket| bucket.epoch >= oldest);
        let (tries, failures) = recent.fold((0, 0), |(t, f), bucket| (t + bucket.tries, f + bucket.failures));
        failures >= MIN_FAILURES && failures * 2 >= tries
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
    fn averages_follow_the_newest_samples() {
        let mut health = Health::default();
        let seen = |ms| Observation { first_token: Some(Duration::from_millis(ms)), ..Observation::default() };
        health.observe("a", seen(100), at(0));
        health.observe("a", seen(200), at(1));
        assert_eq!(health.first_token_ms("a"), Some(120.0));
        assert_eq!(health.tokens_per_second("a"), None);
    }
}
