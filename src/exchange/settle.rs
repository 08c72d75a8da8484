//! The end of an exchange: its stats, its filter state, its record, and what the endpoints' health learns from it.
//!
//! Happens exactly once, also when the client hung up. Prompts and completions never get here.

use std::time::Duration;

use serde::Serialize;

use super::answer::Answer;
use super::attempt::{Attempt, Broken};
use super::{DEFAULT_TENANT, Exchange, Outcome};
use crate::config::Record as RecordLevel;
use crate::error::{Error, Failure, Reply};
use crate::request::{Face, Operation};
use crate::route::{self, Health, Observation, Place};
use crate::stats::{self, Stat};
use crate::usage::{Charge, Cost, Source, Usage};

/// Longest client text that goes into filter state, in characters.
const LONGEST_MODEL: usize = 256;

/// Seconds; below it a stream's speed is not measured.
const SHORTEST_STREAM: f64 = 0.02;

/// What is to be written down.
#[derive(Debug, Default, PartialEq)]
pub struct Settlement {
    /// Filter state, without the `modelyard.` in front; empty values are left out.
    pub properties: Vec<(&'static str, String)>,
    /// What it cost, as far as that is known.
    pub cost: Cost,
}

/// The attempt the client's answer came from, and what it amounts to.
struct Answered<'a> {
    attempt: &'a Attempt,
    usage: Usage,
    charge: Option<Charge>,
}

impl Exchange {
    /// Whether what the client is getting comes from this exchange, and not from the host or past the filter.
    pub fn is_answered(&self) -> bool {
        self.error.is_some()
            || self.own_answer.is_some()
            || self.attempts.last().is_some_and(|attempt| attempt.first_content.is_some())
    }

    /// The status of the upstream's answer where that goes on to the client.
    pub fn passed_status(&self) -> Option<u16> {
        if self.error.is_some() || self.own_answer.is_some() {
            return None;
        }
        self.attempts.last().filter(|attempt| attempt.first_content.is_some())?.status
    }

    /// The host answered in place of an upstream, or an upstream past this filter: what the client gets instead.
    ///
    /// `host_attempts` is how many attempts the host has made.
    pub fn host_answer(&mut self, status: u16, host_attempts: usize, now: Duration) -> Reply {
        if let Some(error) = &self.error {
            return self.reply_with(error);
        }
        let error = match self.attempts.last() {
            Some(_) if host_attempts > self.attempts.len() && status < 400 => {
                Error::Bypassed { cluster: self.cluster(self.next).to_owned() }
            }
            None if status < 400 => Error::Bypassed { cluster: self.cluster(0).to_owned() },
            None => Error::of_host(status),
            Some(last) if last.moved_on || self.may_fall_back() => {
                let cluster = self.cluster(self.attempts.first().map_or(0, |first| first.step));
                Error::RetryOverflow { cluster: cluster.to_owned() }
            }
            Some(_) => {
                self.attempt_closed(self.attempts.len().saturating_sub(1), Broken::Reset, now);
                return self.last_error();
            }
        };
        let reply = self.reply_with(&error);
        self.error = Some(error);
        reply
    }

    /// Headers for the client, in place of any of the same name. `status` is the one it gets.
    pub fn client_headers(&mut self, status: u16) -> Vec<(&'static str, String)> {
        self.status = Some(status);
        let mut headers = vec![("x-generation-id", self.id.clone())];
        let answer = self.attempts.last().and_then(|last| last.answer.as_ref()).filter(|_| self.error.is_none());
        headers.extend(answer.and_then(Answer::content_type).map(|kind| ("content-type", kind.to_owned())));
        if self.config.telemetry.expose_headers {
            if let Some(step) = self.attempts.len().checked_sub(1).and_then(|last| self.step(last)) {
                headers.push(("x-modelyard-model", header_value(&step.model_id(&self.config))));
                let provider = step.provider(&self.config);
                headers.extend(provider.map(|provider| ("x-modelyard-provider", provider.id.clone())));
            }
            headers.push(("x-modelyard-attempts", self.attempts.len().to_string()));
            if let Some(dropped) = self.attempts.last().map(|last| &last.dropped).filter(|dropped| !dropped.is_empty())
            {
                headers.push(("x-modelyard-dropped", dropped.join(", ")));
            }
            if self.error.is_some() && self.face == Face::OpenAi && !self.attempts.is_empty() {
                let tried: Vec<_> = self.tried().iter().map(ToString::to_string).collect();
                headers.push(("x-modelyard-tried", tried.join(", ")));
            }
        }
        if let Some(Error::Upstream(Failure { retry_after: Some(wait), .. })) = &self.error {
            headers.push(("retry-after", wait.as_secs().max(1).to_string()));
        }
        headers
    }

    /// Ends the exchange: reports every stat to `count`, teaches `health`, returns what to write down.
    /// The second time there is nothing left to do.
    pub fn settle(
        &mut self,
        now: Duration,
        health: &mut Health,
        count: &mut dyn FnMut(&'static Stat, &[&str], u64),
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
        self.count_answer(now, count);
        self.write_down(aborted, now)
    }

    /// Attempts still under way when the client's stream ends: it hung up.
    fn abort_open_attempts(&mut self, now: Duration) -> bool {
        let mut aborted = self.status.is_none();
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.ended.is_none()) {
            attempt.outcome = Some(Outcome::Aborted);
            attempt.ended = Some(now);
            aborted = true;
        }
        aborted
    }

    /// Labels of an attempt: provider id, and the model's id as configured.
    fn labels(&self, attempt: &Attempt) -> (&str, &str) {
        let step = self.plan.steps.get(attempt.step);
        let provider = step.and_then(|step| step.provider(&self.config)).map(|provider| provider.id.as_str());
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

    fn count_attempts(&self, health: &mut Health, count: &mut dyn FnMut(&'static Stat, &[&str], u64)) {
        for (index, attempt) in self.attempts.iter().enumerate() {
            let (provider, model) = self.labels(attempt);
            let outcome = attempt.outcome.unwrap_or(Outcome::Aborted);
            count(&stats::ATTEMPTS, &[provider, model, outcome.name()], 1);
            if index + 1 < self.attempts.len() {
                count(&stats::FALLBACKS, &[provider, model, outcome.name()], 1);
            }
            let endpoint = self.step(index).and_then(|step| step.endpoint(&self.config));
            if let (Some(endpoint), Some(ended)) = (endpoint, attempt.ended.filter(|_| outcome != Outcome::Aborted)) {
                let seen = self.observation(attempt, outcome, ended);
                health.observe(&endpoint.id, seen, ended);
                let well = !health.in_outage(&endpoint.id, ended) && !health.in_cooldown(&endpoint.id, ended);
                count(&stats::ENDPOINT_HEALTH, &[provider, model], u64::from(well));
            }
        }
    }

    /// The conversation stays where it was answered.
    fn stick(&self, now: Duration, health: &Health) {
        if let Some((place, ttl)) = self.place(now)
            && !self.plan.places.iter().any(|known| place.is_told_by(known, ttl))
        {
            health.learn(&place);
        }
    }

    /// Where the conversation is now, and how long its prompt stays cached there; `None` where that makes no difference.
    fn place(&self, now: Duration) -> Option<(Place, Duration)> {
        let (conversation, ttl) = self.conversation.zip(self.config.routing.sticky_ttl)?;
        let well = |last: &&Attempt| last.outcome == Some(Outcome::Ok) && self.error.is_none();
        let step = self.plan.steps.get(self.attempts.last().filter(well)?.step)?;
        let endpoint = step.endpoint(&self.config).filter(|endpoint| route::is_cheaper_cached(endpoint))?;
        let has_choice = self.plan.steps.len() > 1 || step.model(&self.config)?.endpoints.len() > 1;
        let ttl = endpoint.cache_ttl.unwrap_or(ttl);
        let key = route::conversation(DEFAULT_TENANT, &step.model_id(&self.config), conversation.key);
        has_choice.then(|| (Place::at(key, endpoint, now, ttl), ttl))
    }

    fn observation(&self, attempt: &Attempt, outcome: Outcome, ended: Duration) -> Observation {
        let failed = outcome.is_failure();
        Observation {
            failed,
            neutral: matches!(outcome, Outcome::Rejected | Outcome::Status429),
            retry_after: attempt.retry_after.filter(|_| failed),
            first_token: attempt.first_content.map(|first| first.saturating_sub(attempt.started)),
            tokens_per_second: self.tokens_per_second(attempt, ended),
        }
    }

    /// Of a stream, from its first content on.
    fn tokens_per_second(&self, attempt: &Attempt, ended: Duration) -> Option<f64> {
        let seconds = ended.saturating_sub(attempt.first_content?).as_secs_f64();
        let output = attempt.answer.as_ref()?.meter.usage(0).output;
        // A stream that came in one piece tells nothing of its speed.
        (self.request.is_stream() && output > 1 && seconds > SHORTEST_STREAM).then(|| output as f64 / seconds)
    }

    fn answered(&self) -> Option<Answered<'_>> {
        if self.operation == Operation::CountTokens {
            return None;
        }
        let attempt = self.attempts.last().filter(|attempt| attempt.first_content.is_some())?;
        let answer = attempt.answer.as_ref().filter(|answer| !answer.is_error())?;
        let mut usage = answer.meter.usage(self.request.input_estimate());
        if !self.operation.generates() {
            usage.output = 0;
        }
        let pricing = self.plan.steps.get(attempt.step).map(|step| self.pricing_for(step, usage.input))?;
        Some(Answered { attempt, usage, charge: usage.charge(&pricing) })
    }

    fn count_answer(&self, now: Duration, count: &mut dyn FnMut(&'static Stat, &[&str], u64)) {
        let Some(Answered { attempt, usage, charge }) = self.answered() else { return };
        let (provider, model) = self.labels(attempt);
        let kinds = [
            ("input", usage.input),
            ("output", usage.output),
            ("cached", usage.cached),
            ("cache_write", usage.cache_write),
            ("reasoning", usage.reasoning),
            ("audio", usage.audio),
        ];
        for (kind, tokens) in kinds.into_iter().filter(|(_, tokens)| *tokens > 0) {
            count(&stats::TOKENS, &[DEFAULT_TENANT, provider, model, kind, usage.source.name()], tokens);
        }
        let cost = charge.map_or(0, |charge| charge.total().nanousd());
        if cost > 0 {
            count(&stats::COST_NANOUSD, &[DEFAULT_TENANT, provider, model], cost);
        }
        count(&stats::REQUEST_DURATION_MS, &[provider, model], milliseconds(now.saturating_sub(self.started)));
        if let Some(first) = attempt.first_content {
            count(&stats::TIME_TO_FIRST_TOKEN_MS, &[provider, model], milliseconds(first.saturating_sub(self.started)));
        }
        if let Some(speed) = attempt.ended.and_then(|ended| self.tokens_per_second(attempt, ended)) {
            count(&stats::OUTPUT_TOKENS_PER_SECOND, &[provider, model], speed.round() as u64);
        }
    }

    fn error_type(&self, aborted: bool) -> Option<&'static str> {
        let broke = self.attempts.last().and_then(|attempt| attempt.outcome).filter(|outcome| outcome.is_failure());
        match &self.error {
            Some(error) => Some(error.error_type()),
            None if aborted => Some("aborted"),
            None => broke.map(|_| "provider_unavailable"),
        }
    }

    fn write_down(&self, aborted: bool, now: Duration) -> Settlement {
        let answered = self.answered();
        let usage = answered.as_ref().map(|answered| answered.usage);
        let cost = answered.as_ref().and_then(|answered| answered.charge).map(Charge::total);
        let last = self.attempts.last();
        let step = last.and_then(|attempt| self.plan.steps.get(attempt.step));
        let meter = answered.as_ref().and_then(|answered| answered.attempt.answer.as_ref()).map(|answer| &answer.meter);
        let facts = Facts {
            generation_id: &self.id,
            tenant: DEFAULT_TENANT,
            operation: self.operation.name(),
            request_model: self.request.models().first().map(|model| printable(model)),
            response_model: step.map(|step| printable(&step.model_id(&self.config))),
            provider: last.map(|attempt| self.labels(attempt).0),
            finish_reason: meter.and_then(|meter| meter.finish_reason()).map(printable),
            error_type: self.error_type(aborted),
            input_tokens: usage.map(|usage| usage.input),
            output_tokens: usage.map(|usage| usage.output),
            cached_tokens: usage.map(|usage| usage.cached),
            estimated: usage.map(|usage| usage.source == Source::Estimated),
            reasoning_tokens: usage.map(|usage| usage.reasoning),
            cost_usd: cost.map(|cost| cost.to_string()),
        };
        let properties = facts.properties(self.attempts.len());
        let mut settlement = Settlement { properties, cost: cost.unwrap_or_default() };
        if self.config.telemetry.record == RecordLevel::Metadata {
            let record = self.record(&facts, now);
            settlement.properties.push(("record", json(&record)));
        }
        settlement
    }

    fn record<'a>(&'a self, facts: &'a Facts<'a>, now: Duration) -> Record<'a> {
        let endpoint = |step: &route::Step| step.endpoint(&self.config).map_or("", |e| e.id.as_str()).to_owned();
        let attempts = self.attempts.iter().map(|attempt| AttemptRecord {
            endpoint: self.plan.steps.get(attempt.step).map(endpoint).unwrap_or_default(),
            outcome: attempt.outcome.unwrap_or(Outcome::Aborted).name(),
            status: attempt.status,
            start_ms: milliseconds(attempt.started.saturating_sub(self.started)),
            first_token_ms: attempt.first_content.map(|at| milliseconds(at.saturating_sub(self.started))),
            duration_ms: milliseconds(attempt.ended.unwrap_or(now).saturating_sub(attempt.started)),
            retry_after_s: attempt.retry_after.map(|wait| wait.as_secs()),
            dropped_parameters: attempt.dropped.clone(),
        });
        let dropped = self
            .plan
            .dropped
            .iter()
            .map(|dropped| DroppedRecord { endpoint: &dropped.endpoint, reason: dropped.reason.to_string() });
        Record {
            facts,
            status: self.status,
            error: self.error.as_ref().map(|error| error.error_type()),
            stream: self.request.is_stream(),
            duration_ms: milliseconds(now.saturating_sub(self.started)),
            plan: self.plan.steps.iter().map(endpoint).collect(),
            sticky: self.plan.is_sticky,
            probe: self.plan.is_probe,
            dropped: dropped.collect(),
            attempts: attempts.collect(),
            seed: format!("{:016x}", self.plan.seed),
            config: &self.config.hash,
        }
    }
}

/// What is known at the end, by the names of filter state and record.
#[derive(Serialize)]
struct Facts<'a> {
    generation_id: &'a str,
    tenant: &'a str,
    operation: &'a str,
    request_model: Option<String>,
    response_model: Option<String>,
    provider: Option<&'a str>,
    finish_reason: Option<String>,
    error_type: Option<&'a str>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    /// Whether the tokens are the gateway's estimate.
    estimated: Option<bool>,
    cost_usd: Option<String>,
}

impl Facts<'_> {
    fn properties(&self, attempts: usize) -> Vec<(&'static str, String)> {
        let text = |value: Option<&str>| value.map(str::to_owned);
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let all = [
            ("generation_id", text(Some(self.generation_id))),
            ("tenant", text(Some(self.tenant))),
            ("operation", text(Some(self.operation))),
            ("request_model", self.request_model.clone()),
            ("response_model", self.response_model.clone()),
            ("provider", text(self.provider)),
            ("attempts", Some(attempts.to_string())),
            ("finish_reason", self.finish_reason.clone()),
            ("input_tokens", number(self.input_tokens)),
            ("output_tokens", number(self.output_tokens)),
            ("cached_tokens", number(self.cached_tokens)),
            ("cost_usd", self.cost_usd.clone()),
            ("error_type", text(self.error_type)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// The record: one line of JSON that says why the exchange went as it did.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    facts: &'a Facts<'a>,
    status: Option<u16>,
    error: Option<&'a str>,
    stream: bool,
    duration_ms: u64,
    plan: Vec<String>,
    /// Whether the plan's first endpoint is the conversation's own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sticky: bool,
    /// Whether the plan's first endpoint is there, in spite of its recent failures, to see if it has recovered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    probe: bool,
    dropped: Vec<DroppedRecord<'a>>,
    attempts: Vec<AttemptRecord>,
    seed: String,
    config: &'a str,
}

#[derive(Serialize)]
struct DroppedRecord<'a> {
    endpoint: &'a str,
    reason: String,
}

#[derive(Serialize)]
struct AttemptRecord {
    endpoint: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    start_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_token_ms: Option<u64>,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped_parameters: Vec<&'static str>,
}

fn json(record: &Record<'_>) -> String {
    // Room for most of them, so that it is not moved while it grows.
    let mut json = Vec::with_capacity(1024);
    let written = serde_json::to_writer(&mut json, record);
    written.ok().and_then(|()| String::from_utf8(json).ok()).unwrap_or_default()
}

fn milliseconds(time: Duration) -> u64 {
    time.as_millis() as u64
}

/// A foreign text fit for a log line: bounded, without control characters.
fn printable(text: &str) -> String {
    if text.len() <= LONGEST_MODEL && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    text.chars().take(LONGEST_MODEL).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A text fit for a header value.
fn header_value(text: &str) -> String {
    text.chars().take(LONGEST_MODEL).filter(|c| c.is_ascii_graphic()).collect()
}
