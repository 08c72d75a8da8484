//! The end of an exchange: its stats, its filter state, its record, and what the endpoints' health
//! learns from it.
//!
//! Happens exactly once, also when the client hung up. Prompts and completions never get here.

use std::borrow::Cow;
use std::time::Duration;

use super::answer::Answer;
use super::attempt::{Attempt, Broken};
use super::{DEFAULT_TENANT, Exchange, Outcome};
use crate::catalog::Cost;
use crate::error::{Error, ErrorForm, Reply};
use crate::operation::Operation;
use crate::route::{self, Health, Observation, Place};
use crate::stats::{self, Stat};
use crate::translate::Meter;
use crate::usage::{Charge, Usage};
use crate::wire::json::decimal;

/// Seconds; of a stream that took less the speed is not measured.
const SHORTEST_STREAM: f64 = 0.02;

/// What is to be written down.
#[derive(Debug, Default, PartialEq)]
pub struct Settlement {
    /// What the exchange cost, as far as that is known.
    pub cost: Cost,
    /// The record, one line of JSON, unless the configuration wants none. It belongs into filter
    /// state too.
    pub record: Option<String>,
}

/// Why the host made no other attempt, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A circuit breaker was open.
    Overflow,
    /// The cluster has no hosts that are well, or there is none of its name.
    NoHealthyUpstream,
    /// The host does not say why.
    Unknown,
}

/// The attempt that the client's answer came from, what that used, and what it cost.
pub(super) struct Answered<'a> {
    attempt: &'a Attempt,
    pub meter: &'a Meter,
    pub usage: Usage,
    pub charge: Option<Charge>,
}

impl Answered<'_> {
    /// The upstream's own, as everybody may know it.
    pub(super) fn finish_reason(&self) -> Option<Cow<'_, str>> {
        Some(self.attempt.screen.shown(self.meter.finish_reason()?))
    }
}

impl Exchange {
    /// Whether what the client is getting comes from this exchange, and not from the host or past
    /// the filter.
    pub fn is_answered(&self) -> bool {
        self.error.is_some() || self.plan.steps.is_empty() || self.passed_status().is_some()
    }

    /// The status of the upstream's answer where that goes on to the client.
    pub fn passed_status(&self) -> Option<u16> {
        if self.error.is_some() {
            return None;
        }
        self.attempts.last().filter(|attempt| attempt.first_content.is_some())?.status
    }

    /// The host answered in place of an upstream, or an upstream past this filter: what the client
    /// gets instead.
    ///
    /// `host_attempts` is how many attempts the host has made, and `refusal` why it made no other.
    pub fn host_answer(
        &mut self,
        status: u16,
        host_attempts: usize,
        refusal: Refusal,
        now: Duration,
    ) -> Reply {
        if let Some(error) = &self.error {
            return self.reply_with(error);
        }
        let next = self.next_cluster().to_owned();
        let given_up = self.is_given_up(status, now);
        let error = match self.attempts.last() {
            last if refusal == Refusal::NoHealthyUpstream
                && last.is_none_or(|last| last.moved_on || self.may_fall_back()) =>
            {
                Error::NoHealthyUpstream { cluster: next }
            }
            _ if host_attempts > self.attempts.len() => match refusal {
                Refusal::Overflow => Error::Overflow { cluster: next },
                _ => Error::Bypassed { cluster: next },
            },
            None if status < 400 => Error::Bypassed { cluster: next },
            None => Error::of_host(status),
            Some(last) if last.moved_on || self.may_fall_back() && !given_up => match refusal {
                Refusal::Overflow => Error::RetryOverflow { cluster: self.cluster(0).to_owned() },
                _ => Error::NotRetried,
            },
            Some(_) => {
                let attempt = self.attempts.len().saturating_sub(1);
                if given_up {
                    self.close(attempt, self.timed_out(), now);
                } else {
                    self.attempt_closed(attempt, Broken::Reset, now);
                }
                return self.last_error();
            }
        };
        self.end_with(error)
    }

    /// Whether the host ended the request by a timeout of its own, and not the attempt by the
    /// attempt's.
    fn is_given_up(&self, status: u16, now: Duration) -> bool {
        let attempt = self.attempts.len().saturating_sub(1);
        let outcome = self.attempts.last().and_then(|last| last.outcome);
        let outcome = outcome.unwrap_or_else(|| self.outcome_of(attempt, Broken::Reset, now));
        matches!(status, 408 | 504) && outcome == Outcome::Reset
    }

    /// Tells `set` the headers for the client, in place of any of the same name. `status` is the
    /// one it gets.
    pub fn client_headers(&mut self, status: u16, set: &mut dyn FnMut(&'static str, &str)) {
        self.status = Some(status);
        set("x-generation-id", &self.id);
        let last = self.attempts.last();
        let answer = last.and_then(|last| last.answer.as_deref()).filter(|_| self.error.is_none());
        if let Some(kind) = answer.and_then(Answer::content_type) {
            set("content-type", kind);
        }
        if self.config.telemetry.expose_headers {
            if let Some(step) = last.and_then(|last| self.plan.steps.get(last.step)) {
                set("x-modelyard-model", &header_value(&step.model_id(&self.config)));
                if let Some(provider) = step.provider(&self.config) {
                    set("x-modelyard-provider", &provider.id);
                }
            }
            set("x-modelyard-attempts", &decimal(self.attempts.len() as u64));
            if let Some(last) = last.filter(|last| !last.dropped.is_empty()) {
                set("x-modelyard-dropped", &last.dropped.join(", "));
            }
        }
        if let Some(error) = &self.error {
            self.error_headers(error, set);
        }
    }

    #[cold]
    fn error_headers(&self, error: &Error, set: &mut dyn FnMut(&'static str, &str)) {
        let is_told =
            self.config.telemetry.expose_headers && self.error_form() != ErrorForm::OpenRouter;
        if is_told && !self.attempts.is_empty() {
            set("x-modelyard-tried", &self.tried_and_dropped());
        }
        if let Error::Upstream(failure) = error
            && let Some(seconds) = failure.retry_after_seconds()
        {
            set("retry-after", &decimal(seconds));
        }
    }

    /// Every attempt, and then what removed the other endpoints.
    fn tried_and_dropped(&self) -> String {
        let tried = self.tried();
        let tried = tried.iter().map(ToString::to_string);
        let dropped = self.plan.dropped.iter();
        let dropped =
            dropped.map(|dropped| format!("{};dropped=\"{}\"", dropped.provider, dropped.reason));
        tried.chain(dropped).collect::<Vec<_>>().join(", ")
    }

    /// Ends the exchange: reports every stat to `count`, teaches `health`, tells filter state to
    /// `tell` by names without the `modelyard.` in front, returns what else to write down. The
    /// second time there is nothing left to do.
    pub fn settle(
        &mut self,
        now: Duration,
        health: &mut Health,
        count: &mut dyn FnMut(&'static Stat, &[&str], u64),
        tell: &mut dyn FnMut(&'static str, &str),
    ) -> Settlement {
        if std::mem::replace(&mut self.settled, true) {
            return Settlement::default();
        }
        let aborted = self.abort_open_attempts(now);
        self.count_request(aborted, count);
        self.count_attempts(health, count);
        if let Some(endpoint) = self.probed() {
            health.end_probe(&endpoint.id);
        }
        self.stick(now, health);
        let answered = self.answered();
        if let Some(answered) = &answered {
            self.count_answer(answered, now, count);
        }
        self.write_down(answered.as_ref(), aborted, now, tell)
    }

    /// Ends the attempts that are still under way when the client's stream ends, and says whether
    /// the client hung up.
    fn abort_open_attempts(&mut self, now: Duration) -> bool {
        let mut aborted = self.status.is_none();
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.ended.is_none()) {
            attempt.outcome = Some(Outcome::Aborted);
            attempt.ended = Some(now);
            aborted = true;
        }
        aborted
    }

    /// An attempt's labels in stats: the provider's id, and the model's as configured.
    pub(super) fn labels(&self, attempt: &Attempt) -> (&str, &str) {
        let step = self.plan.steps.get(attempt.step);
        let provider =
            step.and_then(|step| step.provider(&self.config)).map(|provider| provider.id.as_str());
        let model = step.and_then(|step| step.model(&self.config)).map(|model| model.id.as_str());
        (provider.unwrap_or(stats::UNKNOWN), model.unwrap_or(stats::UNKNOWN))
    }

    fn count_request(&self, aborted: bool, count: &mut dyn FnMut(&'static Stat, &[&str], u64)) {
        let step = self.attempts.last().map(|attempt| attempt.step).unwrap_or_default();
        let model = self.plan.steps.get(step).and_then(|step| step.model(&self.config));
        let model = model.map_or(stats::UNKNOWN, |model| model.id.as_str());
        let status = match self.status {
            _ if aborted => "aborted",
            Some(..400) => "2xx",
            Some(400..500) => "4xx",
            _ => "5xx",
        };
        count(&stats::REQUESTS, &[DEFAULT_TENANT, model, self.operation.name(), status], 1);
    }

    fn count_attempts(
        &self,
        health: &mut Health,
        count: &mut dyn FnMut(&'static Stat, &[&str], u64),
    ) {
        for (index, attempt) in self.attempts.iter().enumerate() {
            let (provider, model) = self.labels(attempt);
            let outcome = attempt.outcome.unwrap_or(Outcome::Aborted);
            count(&stats::ATTEMPTS, &[provider, model, outcome.name()], 1);
            if attempt.repeated {
                continue;
            }
            if index + 1 < self.attempts.len() {
                count(&stats::FALLBACKS, &[provider, model, outcome.name()], 1);
            }
            let endpoint =
                self.plan.steps.get(attempt.step).and_then(|step| step.endpoint(&self.config));
            if let (Some(endpoint), Some(ended)) =
                (endpoint, attempt.ended.filter(|_| outcome != Outcome::Aborted))
            {
                let seen = self.observation(attempt, outcome, ended);
                health.enter(&endpoint.id, seen, ended);
                let well = health.is_well(&endpoint.id, ended);
                count(&stats::ENDPOINT_HEALTH, &[provider, model], u64::from(well));
            }
        }
    }

    /// Remembers where the conversation was answered, so that its next request goes there too.
    fn stick(&self, now: Duration, health: &Health) {
        if let Some((place, ttl)) = self.place(now)
            && !self.plan.places.iter().any(|known| place.is_told_by(known, ttl))
        {
            health.learn(&place);
        }
    }

    /// Where the conversation is now, and how long its prompt stays cached there; `None` where that
    /// makes no difference.
    fn place(&self, now: Duration) -> Option<(Place, Duration)> {
        let (conversation, ttl) = self.conversation.zip(self.config.routing.sticky_ttl)?;
        let last = self.attempts.last().filter(|_| self.error.is_none())?;
        if last.outcome != Some(Outcome::Ok) {
            return None;
        }
        let step = self.plan.steps.get(last.step)?;
        let endpoint = step.endpoint(&self.config)?;
        if !route::is_cheaper_cached(&self.pricing_for(step, self.request.input_estimate())) {
            return None;
        }
        let has_choice = self.plan.steps.len() > 1 || step.model(&self.config)?.endpoints.len() > 1;
        let ttl = endpoint.cache_ttl.unwrap_or(ttl);
        let key =
            route::conversation(DEFAULT_TENANT, &step.model_id(&self.config), conversation.key);
        has_choice.then(|| (Place::at(key, endpoint, now, ttl), ttl))
    }

    fn observation(&self, attempt: &Attempt, outcome: Outcome, ended: Duration) -> Observation {
        let failed = self.is_the_endpoints_fault(attempt, outcome, ended);
        Observation {
            failed,
            neutral: outcome != Outcome::Ok && (!failed || outcome == Outcome::Status429),
            retry_after: attempt.retry_after.filter(|_| failed),
            first_token: attempt.first_content.map(|first| first.saturating_sub(attempt.started)),
            tokens_per_second: self.tokens_per_second(attempt, ended),
        }
    }

    /// Output tokens per second of a stream, from its first content on.
    fn tokens_per_second(&self, attempt: &Attempt, ended: Duration) -> Option<f64> {
        if !self.request.is_stream() {
            return None;
        }
        let seconds = ended.saturating_sub(attempt.first_content?).as_secs_f64();
        let output = attempt.answer.as_ref()?.meter.usage(0).output;
        // A stream that came in one piece tells nothing of its speed.
        (output > 1 && seconds > SHORTEST_STREAM).then(|| output as f64 / seconds)
    }

    fn answered(&self) -> Option<Answered<'_>> {
        if self.operation == Operation::CountTokens {
            return None;
        }
        let attempt = self.attempts.last().filter(|attempt| attempt.first_content.is_some())?;
        let answer = attempt.answer.as_ref().filter(|answer| !answer.is_error())?;
        let step = self.plan.steps.get(attempt.step)?;
        let mut usage = answer.meter.usage(self.request.input_estimate());
        if !self.operation.generates() {
            usage.output = 0;
        }
        let charge = usage.charge(&self.pricing_of(step, &usage));
        Some(Answered { attempt, meter: &answer.meter, usage, charge })
    }

    fn count_answer(
        &self,
        answered: &Answered<'_>,
        now: Duration,
        count: &mut dyn FnMut(&'static Stat, &[&str], u64),
    ) {
        let Answered { attempt, usage, charge, .. } = answered;
        let (provider, model) = self.labels(attempt);
        let tokens = [
            usage.input,
            usage.output,
            usage.cached,
            usage.cache_write,
            usage.reasoning,
            usage.audio,
        ];
        for (kind, tokens) in
            stats::TOKEN_TYPES.iter().zip(tokens).filter(|(_, tokens)| *tokens > 0)
        {
            count(
                &stats::TOKENS,
                &[DEFAULT_TENANT, provider, model, kind, usage.source.name()],
                tokens,
            );
        }
        let cost = charge.map_or(0, |charge| charge.total().nanousd());
        if cost > 0 {
            count(&stats::COST_NANOUSD, &[DEFAULT_TENANT, provider, model], cost);
        }
        count(&stats::REQUEST_DURATION_MS, &[provider, model], milliseconds(self.started, now));
        if let Some(first) = attempt.first_content {
            count(
                &stats::TIME_TO_FIRST_TOKEN_MS,
                &[provider, model],
                milliseconds(self.started, first),
            );
        }
        if let Some(speed) = attempt.ended.and_then(|ended| self.tokens_per_second(attempt, ended))
        {
            count(&stats::OUTPUT_TOKENS_PER_SECOND, &[provider, model], speed.round() as u64);
        }
    }

    pub(super) fn error_type(&self, aborted: bool) -> Option<&'static str> {
        match &self.error {
            Some(error) => Some(error.error_type()),
            None if aborted => Some("aborted"),
            None => self.attempts.last().and_then(broken_type),
        }
    }
}

/// How many characters of a text that somebody else wrote go into filter state and headers.
pub(super) const LONGEST_TEXT: usize = 256;

/// Whole milliseconds between two times, in arithmetic that is fast in WebAssembly too.
pub(super) fn milliseconds(from: Duration, to: Duration) -> u64 {
    let time = to.saturating_sub(from);
    time.as_secs() * 1000 + u64::from(time.subsec_millis())
}

/// What of a text is fit for a header's value.
fn header_value(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(text);
    }
    text.chars().take(LONGEST_TEXT).filter(char::is_ascii_graphic).collect()
}

/// The type of the error that ended an answer of which the client has a part.
fn broken_type(attempt: &Attempt) -> Option<&'static str> {
    let outcome = attempt.outcome.filter(|outcome| outcome.is_failure())?;
    let told = attempt.answer.as_ref().and_then(|answer| answer.meter.error());
    Some(match told {
        Some(fields) => Error::of_upstream(fields, "").error_type(),
        None if outcome.status() == 504 => "timeout",
        None => "provider_unavailable",
    })
}
