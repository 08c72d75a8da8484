//! Whether what went wrong speaks against the endpoint: nothing that a client can cause does, or
//! anybody could make endpoints look ill to everybody.
//!
//! What cannot be told apart counts: a provider that answers a strange request with a 5xx, or
//! closes the connection over it, looks like one that is ill.

use std::time::Duration;

use super::attempt::Attempt;
use super::{Exchange, Outcome};
use crate::config::Auth;
use crate::wire::openai::ErrorFields;

/// Part of a deadline that must be over for it to have struck: the host's timers run on its event
/// loop's clock, a little behind.
const STRUCK: f64 = 0.95;

impl Exchange {
    /// Whether this way of ending speaks against the endpoint; `ended` is when.
    pub(super) fn is_the_endpoints_fault(
        &self,
        attempt: &Attempt,
        outcome: Outcome,
        ended: Duration,
    ) -> bool {
        let Some(step) = self.plan.steps.get(attempt.step) else { return false };
        let Some(provider) = step.provider(&self.config) else { return false };
        let is_wildcard = step.model(&self.config).is_some_and(|model| model.is_wildcard());
        match outcome {
            Outcome::Ok | Outcome::Rejected | Outcome::Aborted => false,
            // The client may have shortened the deadline.
            Outcome::FirstToken => {
                let waited = ended.saturating_sub(attempt.started);
                waited >= provider.first_token_timeout.mul_f64(STRUCK)
            }
            // A client that reads slowly holds its stream up.
            Outcome::Timeout => attempt.first_content.is_none(),
            // Below a wildcard the client names the model, and with credentials of its own the
            // account.
            Outcome::Status4xx => !is_wildcard,
            Outcome::Key => !is_wildcard || attempt.status == Some(401),
            Outcome::Status429 => provider.auth != Auth::Passthrough,
            Outcome::ErrorEvent => !attempt.is_blameless(),
            Outcome::Connect | Outcome::Reset | Outcome::Status5xx | Outcome::Empty => true,
        }
    }
}

/// Whether an error is about the request, as far as its code tells.
pub(super) fn is_about_the_request(error: &ErrorFields) -> bool {
    let is_bad_request = matches!(error.status(), Some(400 | 413 | 415 | 422));
    is_bad_request
        || error.is_about_the_model()
        || error.kind.as_deref() == Some("invalid_request_error")
}
