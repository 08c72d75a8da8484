//! What an exchange leaves behind: its filter state and its record, one line of JSON that says why it went as it did.

use std::borrow::Cow;
use std::time::Duration;

use super::attempt::Attempt;
use super::{Exchange, Outcome};
use crate::route::Step;
use crate::usage::Cost;
use crate::wire::json::{Object, push_number};

/// Longest client text that goes into filter state, in characters.
const LONGEST_TEXT: usize = 256;

/// Bytes; room for most records, so that they are not moved while they grow.
const USUAL_LENGTH: usize = 1024;

/// What is known at the end, by the names of filter state and record.
pub(super) struct Facts<'a> {
    pub generation_id: &'a str,
    pub tenant: &'a str,
    pub operation: &'a str,
    pub request_model: Option<Cow<'a, str>>,
    pub response_model: Option<Cow<'a, str>>,
    pub provider: Option<&'a str>,
    pub finish_reason: Option<Cow<'a, str>>,
    pub error_type: Option<&'a str>,
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cached_tokens: Option<u64>,
    pub reasoning_tokens: Option<u64>,
    /// Whether the tokens are the gateway's estimate.
    pub estimated: Option<bool>,
    pub cost_usd: Option<String>,
}

impl Facts<'_> {
    /// Tells filter state's names and values; what is not known is left out.
    pub(super) fn tell(&self, attempts: usize, tell: &mut dyn FnMut(&'static str, &str)) {
        let texts = [
            ("generation_id", Some(self.generation_id)),
            ("tenant", Some(self.tenant)),
            ("operation", Some(self.operation)),
            ("request_model", self.request_model.as_deref()),
            ("response_model", self.response_model.as_deref()),
            ("provider", self.provider),
            ("finish_reason", self.finish_reason.as_deref()),
            ("cost_usd", self.cost_usd.as_deref()),
            ("error_type", self.error_type),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                tell(name, value);
            }
        }
        let numbers = [
            ("attempts", Some(attempts as u64)),
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
            ("cached_tokens", self.cached_tokens),
        ];
        let mut digits = String::with_capacity(20);
        for (name, number) in numbers {
            if let Some(number) = number {
                digits.clear();
                push_number(number, &mut digits);
                tell(name, &digits);
            }
        }
    }

    fn write(&self, record: Object) -> Object {
        let record = record
            .text("generation_id", self.generation_id)
            .text("tenant", self.tenant)
            .text("operation", self.operation)
            .text_or_null("request_model", self.request_model.as_deref())
            .text_or_null("response_model", self.response_model.as_deref())
            .text_or_null("provider", self.provider)
            .text_or_null("finish_reason", self.finish_reason.as_deref())
            .text_or_null("error_type", self.error_type)
            .number("input_tokens", self.input_tokens)
            .number("output_tokens", self.output_tokens)
            .number("cached_tokens", self.cached_tokens)
            .number("reasoning_tokens", self.reasoning_tokens);
        let record = match self.estimated {
            Some(estimated) => record.flag("estimated", estimated),
            None => record.json("estimated", "null"),
        };
        record.text_or_null("cost_usd", self.cost_usd.as_deref())
    }
}

impl Exchange {
    /// The record of an exchange that ended at `now`.
    pub(super) fn record(&self, facts: &Facts<'_>, now: Duration) -> String {
        let plan: Vec<&str> = self.plan.steps.iter().map(|step| self.endpoint_id(step)).collect();
        let mut record = facts
            .write(Object::with_room(USUAL_LENGTH))
            .number("status", self.status.map(u64::from))
            .text_or_null("error", self.error.as_ref().map(|error| error.error_type()))
            .flag("stream", self.request.is_stream())
            .number("duration_ms", Some(milliseconds(now.saturating_sub(self.started))));
        if let Some(choice) = &self.choice {
            record = record.text("choice", choice);
        }
        if let Some(id) = &self.request_id {
            record = record.text("request_id", &printable(id));
        }
        record = self.write_order(record).texts("plan", &plan);
        if self.plan.is_sticky() {
            record = record.flag("sticky", true);
        }
        if self.plan.is_probe() {
            record = record.flag("probe", true);
        }
        record
            .objects("dropped", &self.plan.dropped, |record, dropped| {
                record.text("endpoint", &dropped.endpoint).text("reason", &dropped.reason.to_string())
            })
            .objects("attempts", &self.attempts, |record, attempt| {
                let endpoint = self.plan.steps.get(attempt.step).map_or("", |step| self.endpoint_id(step));
                self.write_attempt(attempt, now, record.text("endpoint", endpoint))
            })
            .text("seed", &hexadecimal(self.plan.seed))
            .text("config", &self.config.hash)
            .end()
    }

    fn endpoint_id(&self, step: &Step) -> &str {
        step.endpoint(&self.config).map_or("", |endpoint| endpoint.id.as_str())
    }

    /// What ordered the plan, the figures it went by, one for each endpoint, and what moved which one.
    fn write_order(&self, mut record: Object) -> Object {
        let (steps, rule) = (&self.plan.steps, self.plan.rule);
        if steps.is_empty() {
            return record;
        }
        record = record.text("rule", &rule.to_string());
        if let Some(measured) = rule.compares() {
            record = record.numbers(measured.name(), steps.iter().map(|step| step.placing.compared));
        }
        if rule.is_about_prices() {
            let input = self.request.input_estimate();
            let price = |step: &Step| self.pricing_for(step, input).blended_per_million();
            let prices = steps.iter().map(|step| price(step).map_or_else(|| "null".to_owned(), Cost::usd));
            record = record.list("prices", &prices.collect::<Vec<_>>());
        }
        let moved = || steps.iter().filter_map(|step| Some((step, step.placing.moved_by()?)));
        if moved().next().is_none() {
            return record;
        }
        record.objects("moved", moved(), |record, (step, reason)| {
            record.text("endpoint", self.endpoint_id(step)).text("reason", reason)
        })
    }

    fn write_attempt(&self, attempt: &Attempt, now: Duration, mut record: Object) -> Object {
        record = record.text("outcome", attempt.outcome.unwrap_or(Outcome::Aborted).name());
        if let Some(status) = attempt.status {
            record = record.number("status", Some(status.into()));
        }
        record = record.number("start_ms", Some(milliseconds(attempt.started.saturating_sub(self.started))));
        if let Some(first) = attempt.first_content {
            record = record.number("first_token_ms", Some(milliseconds(first.saturating_sub(self.started))));
        }
        let duration = attempt.ended.unwrap_or(now).saturating_sub(attempt.started);
        record = record.number("duration_ms", Some(milliseconds(duration)));
        if let Some(wait) = attempt.retry_after {
            record = record.number("retry_after_s", Some(wait.as_secs()));
        }
        if !attempt.dropped.is_empty() {
            record = record.texts("dropped_parameters", &attempt.dropped);
        }
        record
    }
}

/// Whole milliseconds, in arithmetic that is fast in WebAssembly too.
pub(super) fn milliseconds(time: Duration) -> u64 {
    time.as_secs() * 1000 + u64::from(time.subsec_millis())
}

/// Sixteen digits.
fn hexadecimal(number: u64) -> String {
    let digit = |place: u32| char::from_digit((number >> (4 * place)) as u32 & 15, 16);
    (0..16).rev().filter_map(digit).collect()
}

/// A foreign text fit for a log line: bounded, without control characters.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_TEXT && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(text);
    }
    text.chars().take(LONGEST_TEXT).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A text fit for a header value.
pub(super) fn header_value(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(text);
    }
    text.chars().take(LONGEST_TEXT).filter(char::is_ascii_graphic).collect()
}
