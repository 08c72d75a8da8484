//! What an attempt without an answer leads to: the next endpoint is tried, or the client gets an
//! error.

use std::time::Duration;

use super::answer::Fault;
use super::blame::is_about_the_request;
use super::{Exchange, Outcome, Verdict};
use crate::error::{Error, ErrorForm, Failure, Reply, Tried};
use crate::provider::Way;
use crate::translate;
use crate::wire::openai::ErrorFields;

impl Exchange {
    /// An upstream's answer ended too early, or cannot be read further, of which the client has a
    /// part: its stream ends with an error in its own dialect, or breaks off where that has none.
    pub(super) fn cut(
        &mut self,
        attempt: usize,
        mut bytes: Vec<u8>,
        limit: Option<usize>,
        now: Duration,
    ) -> Verdict {
        let (outcome, message) = match limit {
            Some(limit) => (Outcome::ErrorEvent, large_event(limit)),
            None => (
                Outcome::Reset,
                "The provider's stream ended before the answer was complete".to_owned(),
            ),
        };
        self.close(attempt, outcome, now);
        if let Some(current) = self.attempts.get_mut(attempt) {
            current.refused_as_asked = limit.is_some();
        }
        let error = Error::Upstream(self.failure(502, &message));
        let error = self.told(&error).into_owned();
        let answer = self.attempts.get_mut(attempt).and_then(|current| current.answer.as_mut());
        match answer.and_then(|answer| answer.broken(&error)) {
            Some(events) => {
                bytes.extend_from_slice(&events);
                Verdict::Replace(bytes)
            }
            None => Verdict::Reset,
        }
    }

    /// An upstream has begun a success that is no answer, of which nothing has gone to the client.
    pub(super) fn fault(&mut self, attempt: usize, fault: Fault, now: Duration) -> Verdict {
        let refused_as_asked = match &fault {
            Fault::Empty | Fault::Malformed => false,
            Fault::TooLarge(_) | Fault::LargeEvent(_) => true,
            Fault::Error(fields) => fields.as_ref().is_some_and(is_about_the_request),
        };
        if let Some(current) = self.attempts.get_mut(attempt) {
            current.refused_as_asked = refused_as_asked;
        }
        let (outcome, status, message, code) = match fault {
            Fault::Empty => {
                (Outcome::Empty, 502, "The provider's answer was empty".to_owned(), None)
            }
            Fault::Malformed => {
                (Outcome::ErrorEvent, 502, "The provider's answer was malformed".to_owned(), None)
            }
            Fault::TooLarge(limit) => (
                Outcome::ErrorEvent,
                502,
                format!("The provider's answer is larger than {limit} bytes"),
                None,
            ),
            Fault::LargeEvent(limit) => (Outcome::ErrorEvent, 502, large_event(limit), None),
            Fault::Error(fields) => {
                let told = Failure::of(&fields.unwrap_or_default());
                (Outcome::ErrorEvent, told.status, told.message, told.code)
            }
        };
        self.close(attempt, outcome, now);
        if self.may_fall_back() {
            return self.move_on(attempt);
        }
        self.fail(Failure { code, ..self.failure(status, &message) })
    }

    /// An upstream has sent an error's status and the whole body: the next endpoint is tried, or
    /// the client gets the error.
    pub(super) fn upstream_error(
        &mut self,
        attempt: usize,
        body: Vec<u8>,
        now: Duration,
    ) -> Verdict {
        let Some((_, provider, way)) = self.served_by(attempt) else { return Verdict::Pass };
        let fields = translate::format(provider).error(&body);
        let is_the_clients = fields.is_some() && way == Way::Pass;
        let fields = fields.unwrap_or_default();
        let outcome = self.outcome_of_error(attempt, &fields);
        self.close(attempt, outcome, now);
        let moves_on = match outcome {
            Outcome::Rejected => fields.is_about_the_model() && self.skip_to_next_model(attempt),
            Outcome::Key => self.may_fall_back(),
            _ => false,
        };
        if moves_on {
            return self.move_on(attempt);
        }
        // A redirect tells where the provider would send its client, who is the gateway.
        let status = self.attempts.get(attempt).and_then(|current| current.error_status());
        let failure = self.failure(status.unwrap_or(502), "Provider returned error");
        if outcome == Outcome::Key {
            // The provider's own message may quote the key.
            let message = "The provider rejected the gateway's credentials".to_owned();
            return self.fail(Failure { message, ..failure });
        }
        let failure = Failure { code: fields.known_code().map(str::to_owned), ..failure };
        if self.error_form() == ErrorForm::OpenRouter {
            let raw = String::from_utf8(body).ok().filter(|raw| !raw.is_empty());
            return self.fail(Failure { raw, ..failure });
        }
        let message = fields.message.unwrap_or_else(|| failure.message.clone());
        let failure = Failure { message, ..failure };
        if !is_the_clients || status.is_none() {
            return self.fail(failure);
        }
        self.error = Some(Error::Upstream(failure));
        Verdict::Replace(body)
    }

    /// How an attempt ended whose upstream told of an error: what the status said of that, unless
    /// the body knows better whether it is about the gateway's key.
    fn outcome_of_error(&self, attempt: usize, fields: &ErrorFields) -> Outcome {
        let by_status = self.attempts.get(attempt).and_then(|current| current.outcome);
        match by_status {
            Some(Outcome::Key) if !fields.is_moderated() => Outcome::Key,
            _ if fields.code.as_deref() == Some("invalid_api_key")
                && !self.is_passthrough(attempt) =>
            {
                Outcome::Key
            }
            None | Some(Outcome::Key) => Outcome::Rejected,
            Some(outcome) => outcome,
        }
    }

    /// Steps over the remaining endpoints of this attempt's model; false if there is no other
    /// model.
    fn skip_to_next_model(&mut self, attempt: usize) -> bool {
        let Some(step) = self.step(attempt) else { return false };
        let mut later = self.plan.steps.iter().enumerate().skip(self.next);
        let Some((next, _)) = later.find(|(_, other)| !other.same_model(step)) else {
            return false;
        };
        self.next = next;
        true
    }

    /// Ends the exchange with an upstream's failure.
    fn fail(&mut self, failure: Failure) -> Verdict {
        Verdict::Answer(self.end_with(Error::Upstream(failure)))
    }

    /// Ends the exchange with the error that tells how the last attempt ended.
    pub(super) fn last_error(&mut self) -> Reply {
        let outcome = self.attempts.last().and_then(|attempt| attempt.outcome);
        let failure = match outcome {
            Some(Outcome::Timeout | Outcome::FirstToken) => {
                self.failure(504, "The provider did not answer in time")
            }
            Some(Outcome::Connect) => self.failure(502, "The provider could not be reached"),
            _ => self.failure(502, "The provider's connection broke before it answered"),
        };
        let error = self.error.take().unwrap_or(Error::Upstream(failure));
        self.end_with(error)
    }

    /// Ends the exchange with an error; returns the answer that tells the client.
    pub(super) fn end_with(&mut self, error: Error) -> Reply {
        let reply = self.reply_with(&error);
        self.error = Some(error);
        reply
    }

    /// The common part of an upstream's failure.
    fn failure(&self, status: u16, message: &str) -> Failure {
        let provider = self
            .attempts
            .len()
            .checked_sub(1)
            .and_then(|last| self.step(last)?.provider(&self.config));
        Failure {
            status,
            message: message.to_owned(),
            provider: provider.map(|provider| provider.name.clone()).unwrap_or_default(),
            retry_after: self.attempts.iter().filter_map(|attempt| attempt.retry_after).min(),
            tried: self.tried(),
            models: self.models_asked(),
            dropped: self.plan.dropped.clone(),
            ..Failure::default()
        }
    }

    /// All attempts so far.
    pub(super) fn tried(&self) -> Vec<Tried> {
        let attempts = self.attempts.iter().enumerate();
        attempts
            .map(|(index, attempt)| {
                let provider = self.step(index).and_then(|step| step.provider(&self.config));
                let (id, name) =
                    provider.map_or(("", ""), |provider| (&provider.id, &provider.name));
                let outcome = attempt.outcome.unwrap_or(Outcome::Aborted);
                Tried {
                    provider: id.to_owned(),
                    name: name.to_owned(),
                    status: attempt.status,
                    code: attempt.error_status().unwrap_or(outcome.status()),
                    reason: outcome.name(),
                }
            })
            .collect()
    }
}

fn large_event(limit: usize) -> String {
    format!("An event of the provider's answer is larger than {limit} bytes")
}
