//! Reads a request body once: validates all of it, keeps spans and facts.
//!
//! Bodies: OpenAI's chat completions, completions, embeddings and responses, and Anthropic's
//! messages, with OpenRouter's additions (2026-11).

mod edit;
mod unfit;

use super::content::Content;
use super::conversation::{ConversationId, Session};
use super::feature::Features;
use super::field::{Field, Fields, Presence, Role};
use super::model::Models;
use super::plugin::AutoRouter;
use super::raw::Raw;
use super::routing::Routing;
use super::stream::Streaming;
use super::{Limits, Partition, Preferences, Preset, preset, problem};
use crate::catalog::{Modality, ServiceTier};
use crate::error::Error;
use crate::wire::json::{Kind, Reader};

pub use edit::StreamOptionsEdit;
pub use unfit::Unfit;

/// What was read of a client's request, whatever endpoint will serve it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    raw: Raw,
    fields: Presence,
    models: Models,
    streaming: Streaming,
    content: Content,
    features: Features,
    session: Session,
    routing: Routing,
}

impl Request {
    /// Reads a body. What is wrong with it is the client's mistake.
    pub fn parse(body: Vec<u8>, limits: &Limits) -> Result<Self, Error> {
        let mut request = Self::default();
        request.read(body, limits)?;
        Ok(request)
    }

    /// Reads a body into an empty request, of which nothing may be used after an error.
    pub fn read(&mut self, body: Vec<u8>, limits: &Limits) -> Result<(), Error> {
        if body.len() > limits.request_bytes {
            return Err(Error::TooLarge { limit: Some(limits.request_bytes) });
        }
        self.members(&body)?;
        self.raw.keep(body);
        Ok(())
    }

    /// This request with the fields of a preset that it does not have itself.
    pub fn with_preset(&self, preset: &Preset, limits: &Limits) -> Result<Self, Error> {
        let model = self.models.wanted.as_deref().zip(self.models.span.clone());
        let mut merged = Self::parse(preset::merge(self.body(), preset, model), limits)?;
        merged.raw.is_merged = true;
        Ok(merged)
    }

    fn members(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(body);
        if reader.peek()? != Kind::Object {
            return Err(Error::InvalidJson("must be an object".to_owned()));
        }
        self.raw.object = reader.object(|reader, member| {
            let start = member.key.start;
            let field = Field::of(&member.key.bytes());
            let index = match field {
                Some(field) => {
                    self.field(field, reader, body)?;
                    self.raw.members.push(start..reader.position())
                }
                None => {
                    let value = reader.skip()?;
                    self.raw.members.push(start..value.end)
                }
            };
            if field.is_some_and(|field| field.role() == Role::Own) {
                self.raw.members.remove(index);
            }
            Ok::<_, Error>(())
        })?;
        let set = self.fields.set;
        if set.contains(Field::Models) && set.contains(Field::Fallbacks) {
            return Err(Field::Fallbacks.wrong("cannot be used together with models"));
        }
        Ok(reader.end()?)
    }

    fn field(&mut self, field: Field, reader: &mut Reader<'_>, body: &[u8]) -> Result<(), Error> {
        let kind = reader.peek()?;
        if !self.fields.named.insert(field) {
            return Err(Error::DuplicateKey(field.name().to_owned()));
        }
        if kind == Kind::Null {
            return self.null(field, reader);
        }
        self.fields.set.insert(field);
        match field {
            Field::Model => self.models.read_wanted(kind, reader)?,
            Field::Stream => self.streaming.is_wanted = problem::boolean(reader, field.name())?,
            Field::MaxTokens | Field::MaxCompletionTokens | Field::MaxOutputTokens => {
                self.features.max_output = self.features.max_output.max(reader.u64()?);
            }
            Field::Messages if kind == Kind::Array => {
                reader.array(|reader, _| self.content.message(reader))?;
            }
            Field::StreamOptions => {
                let index = self.raw.members.len();
                self.streaming.read_options(index, kind, reader)?;
            }
            Field::Temperature | Field::TopP | Field::Tools | Field::ToolChoice | Field::Stop => {
                reader.skip()?;
            }
            _ => self.rarer_field(field, kind, reader, body)?,
        }
        Ok(())
    }

    /// Notes where a field stands that is null, if it may have to be replaced.
    #[cold]
    fn null(&mut self, field: Field, reader: &mut Reader<'_>) -> Result<(), Error> {
        let value = reader.skip()?;
        match field {
            Field::Model => self.models.span = Some(value),
            Field::ServiceTier => self.features.service_tier_span = Some(value),
            Field::StreamOptions => self.streaming.null_options(self.raw.members.len(), value),
            _ => {}
        }
        Ok(())
    }

    /// Hands a field that few requests have to the group it belongs to.
    // Keeps its caller small, as the host's compiler takes memory by the size of the largest
    // function.
    #[inline(never)]
    fn rarer_field(
        &mut self,
        field: Field,
        kind: Kind,
        reader: &mut Reader<'_>,
        body: &[u8],
    ) -> Result<(), Error> {
        match field {
            Field::Models => self.models.read_models(kind, reader),
            Field::Fallbacks => self.models.read_fallbacks(kind, reader),
            Field::Input | Field::Prompt | Field::System | Field::Instructions => {
                self.content.read(field, kind, reader)
            }
            Field::SessionId | Field::PromptCacheKey => self.session.read(field, kind, reader),
            Field::Provider
            | Field::Route
            | Field::Preset
            | Field::Transforms
            | Field::Plugins
            | Field::Debug
            | Field::Trace => self.routing.read(field, reader, body),
            Field::ResponseFormat
            | Field::OutputFormat
            | Field::Text
            | Field::OutputConfig
            | Field::Reasoning
            | Field::ReasoningEffort
            | Field::IncludeReasoning
            | Field::Thinking
            | Field::ServiceTier => self.features.read(field, kind, reader),
            _ => {
                reader.skip()?;
                Ok(())
            }
        }
    }

    /// The body as the client sent it, or as a preset changed it. Nobody may ask for it while it is
    /// released.
    pub fn body(&self) -> &[u8] {
        self.raw.bytes()
    }

    /// Drops the body, which the host has too. Whatever was learned from it stays.
    pub fn release(&mut self) {
        self.raw.release();
    }

    /// Length of the released body, which must be restored before it is needed again.
    pub fn released(&self) -> Option<usize> {
        self.raw.released()
    }

    /// Takes the released body in again. One of another length cannot be it, and changes nothing.
    pub fn restore(&mut self, body: Vec<u8>) {
        self.raw.restore(body);
    }

    /// The model asked for first.
    pub fn model(&self) -> Option<&str> {
        self.models.first()
    }

    /// The models asked for, in order, each once.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.all()
    }

    /// Whether [`Self::body`] is not what the client sent, so that the host must be given a whole
    /// body instead of edits.
    pub fn is_merged(&self) -> bool {
        self.raw.is_merged
    }

    /// How many fallback models are named.
    pub fn fallbacks(&self) -> usize {
        self.models.named_fallbacks
    }

    /// The preset asked for, by `preset` or behind the model's name.
    pub fn preset(&self) -> Option<&str> {
        let by_model = self.models.wanted.as_deref().and_then(preset::split);
        by_model.map(|(_, preset)| preset).or(self.routing.preset.as_deref())
    }

    /// Which conversation the request goes on with; `session` is the header `x-session-id`.
    #[inline(never)]
    pub fn conversation(&self, session: Option<&str>) -> Option<ConversationId> {
        self.session.conversation(session, (&self.content.opening, self.body()))
    }

    /// Names of the fields that ask the gateway for something it does not do.
    pub fn unapplied(&self) -> &[&'static str] {
        &self.routing.unapplied
    }

    /// Whether the models are kept apart in the plan.
    pub fn partition(&self) -> Partition {
        self.routing.partition()
    }

    /// Whether the request has preferences of its own.
    pub fn has_preferences(&self) -> bool {
        self.routing.preferences.is_some()
    }

    /// What the client asks of routing.
    pub fn preferences(&self) -> &Preferences {
        self.routing.preferences.as_deref().unwrap_or(Preferences::NONE)
    }

    /// Whether the answer is to be streamed.
    pub fn is_stream(&self) -> bool {
        self.streaming.is_wanted
    }

    /// Whether the client itself asked for usage in the stream.
    pub fn includes_usage(&self) -> bool {
        self.streaming.includes_usage()
    }

    /// The largest output asked for, in tokens.
    pub fn max_output(&self) -> Option<u64> {
        self.features.max_output
    }

    /// Input tokens, of which there may be more but not fewer.
    pub fn least_input_tokens(&self) -> u64 {
        self.content.least_tokens()
    }

    /// Input tokens, estimated by the length of the texts.
    pub fn input_estimate(&self) -> u64 {
        self.content.estimated_tokens()
    }

    /// Whether there is no content but text.
    pub fn is_text(&self) -> bool {
        self.content.is_text()
    }

    /// Whether there is content of this kind.
    pub fn uses(&self, modality: Modality) -> bool {
        self.content.uses(modality)
    }

    /// Whether a top-level field of this name is there and not null.
    pub fn has(&self, name: &str) -> bool {
        Field::of(name.as_bytes()).is_some_and(|field| self.fields.set.contains(field))
    }

    /// The form that the answer must have, as a `type` of `response_format`; `None`: plain text.
    pub fn response_format(&self) -> Option<&'static str> {
        self.features.response_format
    }

    /// Whether the model is asked to think.
    pub fn asks_for_reasoning(&self) -> bool {
        self.features.reasoning
    }

    /// The service tier asked for; `None`: none that this gateway knows.
    pub fn service_tier(&self) -> Option<ServiceTier> {
        self.features.service_tier
    }

    /// What the client lets `routing.auto` choose from; `None`: anything.
    pub fn auto_router(&self) -> Option<&AutoRouter> {
        self.routing.auto_router.as_deref()
    }

    /// Names of all parameters used, as in `supported_parameters`.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.supported_by_name()
            .iter()
            .filter(|field| field.role() == Role::Parameter)
            .map(Field::name)
    }

    /// The fields that are there and not null. What other dialects than chat's say in another field
    /// counts as chat's own.
    fn supported_by_name(&self) -> Fields {
        let mut fields = self.fields.set;
        if self.features.response_format.is_some() {
            fields.insert(Field::ResponseFormat);
        }
        fields
    }

    /// Names of the parameters used without which the client would get another kind of answer.
    pub fn capabilities(&self) -> impl Iterator<Item = &'static str> {
        let fields = self.supported_by_name();
        let all = [Field::Tools, Field::ResponseFormat, Field::Verbosity];
        all.into_iter().filter(move |field| fields.contains(*field)).map(Field::name)
    }
}

#[cfg(test)]
mod tests;
