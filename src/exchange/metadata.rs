//! `openrouter_metadata`: how a request was routed, in the body of its answer, for clients of
//! OpenRouter's face that ask.
//!
//! Source: OpenRouter's OpenRouterMetadata schema and its documentation of router metadata
//! (2026-11).

use std::borrow::Cow;

use super::attempt::Attempt;
use super::{Exchange, Outcome, asked};
use crate::catalog::Variant;
use crate::error::{Error, Reply};
use crate::operation::Face;
use crate::route::Step;
use crate::wire::json::Object;

/// The headers that ask for the metadata; older clients send the second one.
const HEADERS: [&str; 2] = ["x-openrouter-metadata", "x-openrouter-experimental-metadata"];

/// Whether these headers ask for the metadata.
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
    /// How the request has been routed so far, as JSON, if the client asked for it.
    pub(super) fn metadata(&self) -> Option<String> {
        if !self.wants_metadata || !self.tells_providers() {
            return None;
        }
        let selected = self.attempts.last().map(|attempt| attempt.step);
        let answering = selected.and_then(|index| self.plan.steps.get(index));
        let steps = self.plan.steps.iter().enumerate();
        let available: Vec<String> = steps
            .map(|(index, step)| self.offer(step).flag("selected", selected == Some(index)).end())
            .collect();
        let attempts: Vec<String> =
            self.attempts.iter().filter_map(|attempt| self.attempted(attempt)).collect();
        let total = self.plan.steps.len() + self.plan.dropped.len();
        let endpoints =
            Object::new().number("total", Some(total as u64)).list("available", &available).end();
        let mut metadata = Object::new();
        metadata
            .text("requested", self.request.model().unwrap_or_default())
            .text("strategy", self.strategy(answering))
            .json("region", "null")
            .text("summary", &self.summary(answering))
            .number("attempt", Some(attempts.len() as u64))
            .flag("is_byok", false)
            .json("endpoints", &endpoints)
            .list("attempts", &attempts);
        if let Some(stage) = self.auto_stage() {
            metadata.list("pipeline", &[stage]);
        }
        Some(metadata.end())
    }

    fn attempted(&self, attempt: &Attempt) -> Option<String> {
        let status =
            attempt.status.unwrap_or_else(|| attempt.outcome.unwrap_or(Outcome::Aborted).status());
        let step = self.plan.steps.get(attempt.step)?;
        Some(self.offer(step).number("status", Some(status.into())).end())
    }

    fn summary(&self, answering: Option<&Step>) -> String {
        let provider = answering
            .and_then(|step| step.provider(&self.config))
            .map_or("none", |provider| &provider.name);
        let summary = format!("available={}, selected={provider}", self.plan.steps.len());
        match &self.choice {
            Some(choice) => format!("{summary}, {choice}"),
            None => summary,
        }
    }

    /// The choice of the model, where `routing.auto` made it.
    fn auto_stage(&self) -> Option<String> {
        let choice = self.choice.as_deref()?;
        self.plan.steps.iter().any(Step::is_auto).then(|| {
            Object::new()
                .text("type", "plugin")
                .text("name", "auto-router")
                .text("summary", choice)
                .end()
        })
    }

    fn offer(&self, step: &Step) -> Object {
        let provider = step.provider(&self.config).map_or("", |provider| &provider.name);
        let mut offer = Object::new();
        offer.text("provider", provider).text("model", &step.model_id(&self.config));
        offer
    }

    /// OpenRouter's word for how the gateway came to the model that answers.
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

    /// Whether clients may know who serves them.
    pub(super) fn tells_providers(&self) -> bool {
        self.config.telemetry.expose_headers
    }

    /// Whose name clients see as the provider's.
    pub(super) fn shown_provider(&self, step: &Step) -> String {
        if self.tells_providers() {
            return step.provider(&self.config).map(|it| it.name.clone()).unwrap_or_default();
        }
        let model = step.model_id(&self.config);
        model.split('/').next().unwrap_or_default().to_owned()
    }

    /// An error as the client may know it.
    pub(super) fn told<'a>(&self, error: &'a Error) -> Cow<'a, Error> {
        if self.tells_providers() {
            return Cow::Borrowed(error);
        }
        let step = self.attempts.last().map_or(0, |attempt| attempt.step);
        let author = self.plan.steps.get(step).map(|step| self.shown_provider(step));
        Cow::Owned(error.without_names(author.as_deref().unwrap_or("the gateway")))
    }

    /// An error's answer in the client's dialect, with the metadata it asked for.
    pub(super) fn reply_with(&self, error: &Error) -> Reply {
        let mut reply = self.told(error).reply(self.error_form());
        // OpenRouter sends no metadata with an error of its own.
        if let Some(metadata) = self.metadata().filter(|_| reply.status != 500)
            && reply.body.pop() == Some(b'}')
        {
            reply
                .body
                .extend_from_slice(format!(",\"openrouter_metadata\":{metadata}}}").as_bytes());
        }
        for attempt in &self.attempts {
            attempt.screen.hide(&mut reply.body);
        }
        reply
    }
}
