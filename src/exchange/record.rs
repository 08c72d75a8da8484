//! What an exchange leaves behind: its filter state and its record, one line of JSON that says why
//! it went as it did.

use std::borrow::Cow;
use std::time::Duration;

use super::attempt::Attempt;
use super::settle::{Answered, LONGEST_TEXT, Settlement, milliseconds};
use super::{DEFAULT_TENANT, Exchange, Outcome};
use crate::catalog::Cost;
use crate::config::Record as RecordLevel;
use crate::route::Step;
use crate::usage::{Charge, Source};
use crate::wire::json::{Object, push_number};

/// Room for the bytes of most records, so that they are not moved while they grow.
const USUAL_LENGTH: usize = 1024;

/// Writes what is known at the end into filter state and into the record, by the same names.
struct Facts<'a> {
    /// Writes into filter state, where what is not known is left out.
    tell: &'a mut dyn FnMut(&'static str, &str),
    record: Object,
    digits: String,
}

impl Facts<'_> {
    fn text(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            (self.tell)(name, value);
        }
        self.record.text_or_null(name, value);
    }

    /// A text that somebody else wrote, and that may hold anything.
    fn foreign(&mut self, name: &'static str, value: Option<&str>) {
        self.text(name, value.map(printable).as_deref());
    }

    fn number(&mut self, name: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.tell_number(name, value);
        }
        self.record.number(name, value);
    }

    fn tell_number(&mut self, name: &'static str, value: u64) {
        self.digits.clear();
        push_number(value, &mut self.digits);
        (self.tell)(name, &self.digits);
    }
}

impl Exchange {
    /// Tells filter state what is known, and returns the cost and the record.
    pub(super) fn write_down(
        &self,
        answered: Option<&Answered<'_>>,
        aborted: bool,
        now: Duration,
        tell: &mut dyn FnMut(&'static str, &str),
    ) -> Settlement {
        let usage = answered.map(|answered| &answered.usage);
        let cost = answered.and_then(|answered| answered.charge).map(Charge::total);
        let last = self.attempts.last();
        let step = last.and_then(|attempt| self.plan.steps.get(attempt.step));
        let response_model = step.map(|step| step.model_id(&self.config));
        let finish_reason = answered.and_then(Answered::finish_reason);
        let record = Object::with_room(USUAL_LENGTH);
        let mut facts = Facts { tell, record, digits: String::with_capacity(20) };
        facts.tell_number("attempts", self.attempts.len() as u64);
        facts.text("generation_id", Some(&self.id));
        facts.text("tenant", Some(DEFAULT_TENANT));
        facts.text("operation", Some(self.operation.name()));
        facts.foreign("request_model", self.request.model());
        facts.foreign("response_model", response_model.as_deref());
        facts.text("provider", last.map(|attempt| self.labels(attempt).0));
        facts.foreign("finish_reason", finish_reason.as_deref());
        facts.text("error_type", self.error_type(aborted));
        facts.number("input_tokens", usage.map(|usage| usage.input));
        facts.number("output_tokens", usage.map(|usage| usage.output));
        facts.number("cached_tokens", usage.map(|usage| usage.cached));
        facts.record.number("reasoning_tokens", usage.map(|usage| usage.reasoning));
        let estimated =
            usage.map(|usage| if usage.source == Source::Estimated { "true" } else { "false" });
        facts.record.json("estimated", estimated.unwrap_or("null"));
        facts.text("cost_usd", cost.map(Cost::usd).as_deref());
        if let Some(tier) = usage.and_then(|usage| usage.tier) {
            facts.record.text("service_tier", tier.name());
        }
        let recorded = self.config.telemetry.record == RecordLevel::Metadata;
        let record = recorded.then(|| self.record(facts.record, now));
        Settlement { cost: cost.unwrap_or_default(), record }
    }

    /// The whole record, of which the facts are the beginning.
    fn record(&self, mut record: Object, now: Duration) -> String {
        record
            .number("status", self.status.map(u64::from))
            .text_or_null("error", self.error.as_ref().map(|error| error.error_type()))
            .flag("stream", self.request.is_stream())
            .number("duration_ms", Some(milliseconds(self.started, now)));
        if let Some(choice) = &self.choice {
            record.text("choice", choice);
        }
        if let Some(id) = &self.request_id {
            record.text("request_id", &printable(id));
        }
        self.write_order(&mut record);
        record.texts("plan", self.plan.steps.iter().map(|step| self.endpoint_id(step)));
        if self.plan.is_sticky() {
            record.flag("sticky", true);
        }
        if self.plan.is_probe() {
            record.flag("probe", true);
        }
        record.objects("dropped", &self.plan.dropped, |dropped, record| {
            record.text("endpoint", &dropped.endpoint).text("reason", &dropped.reason.to_string());
        });
        record.objects("attempts", &self.attempts, |attempt, record| {
            self.write_attempt(attempt, now, record)
        });
        record.text("seed", &hexadecimal(self.plan.seed)).text("config", &self.config.hash).end()
    }

    fn endpoint_id(&self, step: &Step) -> &str {
        step.endpoint(&self.config).map_or("", |endpoint| endpoint.id.as_str())
    }

    /// What ordered the plan, by which figures of each endpoint, and which endpoints were moved by
    /// what.
    fn write_order(&self, record: &mut Object) {
        let (steps, rule) = (&self.plan.steps, self.plan.rule);
        if steps.is_empty() {
            return;
        }
        record.text("rule", &rule.name());
        if let Some(measured) = rule.compares() {
            record.numbers(measured.name(), steps.iter().map(|step| step.placing.compared));
        }
        if rule.is_about_prices() {
            let input = self.request.input_estimate();
            record.values("prices", steps, |step, json| {
                match self.pricing_for(step, input).blended_per_million() {
                    Some(price) => price.push_usd(json),
                    None => json.push_str("null"),
                }
            });
        }
        let moved = steps.iter().filter_map(|step| Some((step, step.placing.moved_by()?)));
        let moved: Vec<_> = moved.collect();
        if !moved.is_empty() {
            record.objects("moved", moved, |(step, reason), record| {
                record.text("endpoint", self.endpoint_id(step)).text("reason", reason);
            });
        }
    }

    fn write_attempt(&self, attempt: &Attempt, now: Duration, record: &mut Object) {
        let step = self.plan.steps.get(attempt.step);
        record.text("endpoint", step.map_or("", |step| self.endpoint_id(step)));
        record.text("outcome", attempt.outcome.unwrap_or(Outcome::Aborted).name());
        if let Some(status) = attempt.status {
            record.number("status", Some(status.into()));
        }
        record.number("start_ms", Some(milliseconds(self.started, attempt.started)));
        if let Some(first) = attempt.first_content {
            record.number("first_token_ms", Some(milliseconds(self.started, first)));
        }
        record.number(
            "duration_ms",
            Some(milliseconds(attempt.started, attempt.ended.unwrap_or(now))),
        );
        if attempt.repeated {
            record.flag("repeated", true);
        }
        if let Some(wait) = attempt.retry_after {
            record.number("retry_after_s", Some(wait.as_secs()));
        }
        if !attempt.dropped.is_empty() {
            record.texts("dropped_parameters", &attempt.dropped);
        }
    }
}

/// A number in sixteen hexadecimal digits.
pub(super) fn hexadecimal(number: u64) -> String {
    let mut digits = String::with_capacity(16);
    for place in (0..16).rev() {
        let digit = (number >> (4 * place)) as u8 & 15;
        digits.push(char::from(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }));
    }
    digits
}

/// What of a text that somebody else wrote is fit for a log line: its beginning, without control
/// characters.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_TEXT && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(text);
    }
    text.chars().take(LONGEST_TEXT).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
