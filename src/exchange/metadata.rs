//! `openrouter_metadata`: how a request was routed, in the body of its answer, for clients of
//! OpenRouter's face that ask.
//!
//! Source: OpenRouter's OpenRouterMetadata schema and its documentation of router metadata
//! (2026-11).

use super::{Exchange, Outcome, asked};
use crate::catalog::Variant;
use crate::error::{Error, Reply};
use crate::operation::Face;
use crate::route::Step;
use crate::wire::json::Object;

/// The headers that ask for it, the second one from before it was settled.
const HEADERS: [&str; 2] = ["x-openrouter-metadata", "x-openrouter-experimental-metadata"];

/// Whether these headers ask for it.
pub(super) fn is_asked(face: Face, headers: &[(&str, &str)]) -> bool {
    face == Face::OpenRouter && has_header(headers)
}

#[inline(never)]
fn has_header(headers: &[(&str, &str)]) -> bool {
    headers
        .iter()
        .any(|(name, value)| HEADERS.contains(name) && value.eq_ignore_ascii_case("enabled"))
}

impl Exchange {
    /// What is known so far, as JSON, if it was asked for.
    pub(super) fn metadata(&self) -> Option<String> {
        if !self.wants_metadata {
            return None;
        }
        let selected = self.attempts.last().map(|attempt| attempt.step);
        let steps = self.plan.steps.iter().enumerate();
        let available: Vec<String> = steps
            .map(|(index, step)| self.offer(step).flag("selected", selected == Some(index)).end())
            .collect();
        let attempts = self.attempts.iter().filter_map(|attempt| {
            let status = attempt
                .status
                .unwrap_or_else(|| attempt.outcome.unwrap_or(Outcome::Aborted).status());
            Some(
                self.offer(self.plan.steps.get(attempt.step)?)
                    .number("status", Some(status.into()))
                    .end(),
            )
        });
        let attempts: Vec<String> = attempts.collect();
        let total = self.plan.steps.len() + self.plan.dropped.len();
        let endpoints =
            Object::new().number("total", Some(total as u64)).list("available", &available).end();
        let answering = selected.and_then(|index| self.plan.steps.get(index));
        let provider = answering
            .and_then(|step| step.provider(&self.config))
            .map_or("none", |provider| &provider.name);
        let choice = self.choice.as_ref().map(|choice| format!(", {choice}"));
        let mut metadata = Object::new();
        metadata
            .text("requested", self.request.model().unwrap_or_default())
            .text("strategy", self.strategy(answering))
            .json("region", "null")
            .text(
                "summary",
                &format!(
                    "available={}, selected={provider}{}",
                    available.len(),
                    choice.unwrap_or_default()
                ),
            )
            .number("attempt", Some(attempts.len() as u64))
            .flag("is_byok", false)
            .json("endpoints", &endpoints)
            .list("attempts", &attempts);
        if let Some(choice) =
            self.choice.as_deref().filter(|_| self.plan.steps.iter().any(Step::is_auto))
        {
            let stage = Object::new()
                .text("type", "plugin")
                .text("name", "auto-router")
                .text("summary", choice)
                .end();
            metadata.list("pipeline", &[stage]);
        }
        Some(metadata.end())
    }

    fn offer(&self, step: &Step) -> Object {
        let provider = step.provider(&self.config).map_or("", |provider| &provider.name);
        let mut offer = Object::new();
        offer.text("provider", provider).text("model", &step.model_id(&self.config));
        offer
    }

    /// How the model that answers was come by.
    fn strategy(&self, answering: Option<&Step>) -> &'static str {
        let asked = self.request.model();
        let resolved = asked.and_then(|name| Some((name, self.config.catalog.resolve(name)?)));
        let Some(((name, asked), step)) = resolved.zip(answering.or(self.plan.steps.first()))
        else {
            return "direct";
        };
        let is_auto =
            self.config.routing.auto.as_ref().is_some_and(|auto| auto.model == asked.model);
        let base = asked::without_variant(name, asked.variant);
        match () {
            () if is_auto && step.is_auto() => "auto",
            () if !step.is_of(asked) => "fallback",
            () if asked.variant == Some(Variant::Free) => "free",
            () if base == step.model_id(&self.config) => "direct",
            () if base.starts_with('~') && base.ends_with("-latest") => "latest",
            () => "alias",
        }
    }

    /// An error's answer in the client's dialect, with the metadata it asked for.
    pub(super) fn reply_with(&self, error: &Error) -> Reply {
        let mut reply = error.reply(self.error_form());
        // OpenRouter leaves it out where the error is its own.
        if let Some(metadata) = self.metadata().filter(|_| reply.status != 500)
            && reply.body.pop() == Some(b'}')
        {
            reply
                .body
                .extend_from_slice(format!(",\"openrouter_metadata\":{metadata}}}").as_bytes());
        }
        reply
    }
}
