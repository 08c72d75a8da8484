//! Reads a request body once: validates all of it, keeps spans and facts.
//!
//! Bodies: OpenAI's chat completions, completions, embeddings and responses, and Anthropic's
//! messages, with OpenRouter's additions (2026-11).

mod edit;
mod unfit;

use super::conversation::{ConversationId, Opening};
use super::feature::Features;
use super::field::{Field, Fields, Role};
use super::plugin::{self, AutoRouter};
use super::problem;
use super::{Partition, Preferences, Preset, preset};
use crate::catalog::Modality;
use crate::catalog::ServiceTier;
use crate::error::Error;
use crate::request::Limits;
use crate::usage::Usage;
use crate::wire::edit::Members;
use crate::wire::json::{JsonError, Kind, Reader, Span};

/// No text has fewer tokens than one to this many bytes; only used to rule endpoints out.
const MOST_BYTES_PER_TOKEN: u64 = 8;

/// Longest name of a model, in bytes; it goes into paths, headers and logs.
const LONGEST_MODEL: usize = 256;

/// Longest `session_id`, in characters.
const LONGEST_SESSION: usize = 256;

/// Most fallback models one request may name: no plan has more steps.
const MOST_MODELS: usize = 20;

/// A client's request, whatever endpoint will serve it. The body is valid JSON and an object.
#[derive(Clone, Debug, Default)]
pub struct Request {
    body: Vec<u8>,
    /// Length of the body while the host alone has it; see [`Self::release`].
    released: Option<usize>,
    object: Span,
    members: Members,
    model: Option<String>,
    /// The value of `model`, also where it is null.
    model_span: Option<Span>,
    /// The fallback models, each once.
    models: Vec<String>,
    /// How many fallback models are named.
    fallbacks: usize,
    /// `None`: the client asks for nothing.
    preferences: Option<Box<Preferences>>,
    stream: bool,
    stream_options: Option<StreamOptions>,
    max_output: Option<u64>,
    /// Fields that are there, also as null.
    seen: Fields,
    /// Fields that are there and not null.
    fields: Fields,
    modalities: u8,
    text_bytes: usize,
    /// `route`, the old name of `provider.sort.partition`.
    partition: Option<Partition>,
    preset: Option<String>,
    session_id: Option<String>,
    prompt_cache_key: Option<String>,
    opening: Opening,
    features: Features,
    /// The value of `service_tier`, also where it is null.
    service_tier_span: Option<Span>,
    /// What the client lets `routing.auto` choose from, if it says so.
    auto_router: Option<Box<AutoRouter>>,
    /// Fields that would have changed nothing but are not silently left out.
    unapplied: Vec<&'static str>,
    /// Whether a preset has changed the body that the client sent.
    merged: bool,
    /// Members of messages that are OpenRouter's; see [`Unfit`].
    openrouter_parts: Vec<&'static str>,
}

pub use edit::StreamOptionsEdit;
pub use unfit::Unfit;

/// Where `stream_options` stands.
#[derive(Clone, Debug)]
struct StreamOptions {
    /// Which of the body's members it is.
    index: usize,
    /// Its value, also where it is null.
    value: Span,
    members: Members,
    /// The value of `include_usage`, and whether it is true.
    include_usage: Option<(Span, bool)>,
}

fn wrong(field: Field, problem: &str) -> Error {
    problem::wrong(field.name(), problem)
}

fn check_model(field: Field, model: &str) -> Result<(), Error> {
    if model.is_empty() || model.len() > LONGEST_MODEL {
        return Err(wrong(field, "must not be empty, nor longer than 256 bytes"));
    }
    Ok(())
}

impl Request {
    /// Reads a body. Errors are the client's fault.
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
        self.body = body;
        Ok(())
    }

    /// This request with the fields of a preset that it does not have itself.
    pub fn with_preset(&self, preset: &Preset, limits: &Limits) -> Result<Self, Error> {
        let model = self.model.as_deref().zip(self.model_span.clone());
        let merged = Self::parse(preset::merge(self.body(), preset, model), limits)?;
        Ok(Self { merged: true, ..merged })
    }

    fn members(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(body);
        if reader.peek()? != Kind::Object {
            return Err(Error::InvalidJson("must be an object".to_owned()));
        }
        self.object = reader.object(|reader, member| {
            let start = member.key.start;
            let field = Field::of(&member.key.bytes());
            let index = match field {
                Some(field) => {
                    self.field(field, reader, body)?;
                    self.members.push(start..reader.position())
                }
                None => {
                    let value = reader.skip()?;
                    self.members.push(start..value.end)
                }
            };
            if field.is_some_and(|field| field.role() == Role::Own) {
                self.members.remove(index);
            }
            Ok::<_, Error>(())
        })?;
        if self.fields.contains(Field::Models) && self.fields.contains(Field::Fallbacks) {
            return Err(wrong(Field::Fallbacks, "cannot be used together with models"));
        }
        Ok(reader.end()?)
    }

    fn field(&mut self, field: Field, reader: &mut Reader<'_>, body: &[u8]) -> Result<(), Error> {
        let kind = reader.peek()?;
        if !self.seen.insert(field) {
            return Err(Error::DuplicateKey(field.name().to_owned()));
        }
        if kind == Kind::Null {
            return self.null(field, reader);
        }
        self.fields.insert(field);
        match field {
            Field::Model => self.read_model(kind, reader)?,
            Field::Stream => self.stream = problem::boolean(reader, field.name())?,
            Field::MaxTokens | Field::MaxCompletionTokens | Field::MaxOutputTokens => {
                self.max_output = self.max_output.max(reader.u64()?);
            }
            Field::Messages if kind == Kind::Array => {
                reader.array(|reader, _| self.message(reader))?;
            }
            Field::StreamOptions => self.read_stream_options(kind, reader)?,
            Field::Temperature | Field::TopP | Field::Tools | Field::ToolChoice | Field::Stop => {
                reader.skip()?;
            }
            _ => self.rarer_field(field, kind, reader, body)?,
        }
        Ok(())
    }

    #[cold]
    fn null(&mut self, field: Field, reader: &mut Reader<'_>) -> Result<(), Error> {
        let value = reader.skip()?;
        match field {
            Field::Model => self.model_span = Some(value),
            Field::ServiceTier => self.service_tier_span = Some(value),
            Field::StreamOptions => {
                self.stream_options = Some(StreamOptions {
                    index: self.members.len(),
                    value,
                    members: Members::new(),
                    include_usage: None,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// [`Self::field`], for what few requests have: apart, as it is long.
    #[inline(never)]
    fn rarer_field(
        &mut self,
        field: Field,
        kind: Kind,
        reader: &mut Reader<'_>,
        body: &[u8],
    ) -> Result<(), Error> {
        match field {
            Field::Models => self.read_models(kind, reader)?,
            Field::Provider => self.preferences = Some(Box::new(Preferences::read(reader, body)?)),
            Field::Route => self.partition = Some(partition(reader)?),
            Field::Preset => self.preset = Some(problem::text(reader, field.name())?),
            Field::SessionId => self.session_id = Some(session_id(reader)?),
            Field::PromptCacheKey if kind == Kind::String => {
                self.prompt_cache_key = Some(problem::text(reader, field.name())?);
            }
            Field::Transforms => {
                if !problem::texts(reader, field.name())?.is_empty() {
                    self.unapplied.push(field.name());
                }
            }
            Field::Plugins => {
                let plugins = plugin::read(reader)?;
                self.auto_router = plugins.auto_router;
                if plugins.unapplied {
                    self.unapplied.push(field.name());
                }
            }
            Field::ResponseFormat
            | Field::OutputFormat
            | Field::Text
            | Field::OutputConfig
            | Field::Reasoning
            | Field::ReasoningEffort
            | Field::IncludeReasoning
            | Field::Thinking => {
                self.features.read(field, reader)?;
            }
            Field::ServiceTier => self.service_tier_span = Some(self.features.read(field, reader)?),
            Field::Debug | Field::Trace => {
                reader.skip()?;
                self.unapplied.push(field.name());
            }
            Field::Fallbacks => self.read_fallbacks(kind, reader)?,
            Field::Input if kind == Kind::Array => {
                reader.array(|reader, _| match reader.peek()? {
                    Kind::Object => self.message(reader),
                    _ => {
                        self.text_bytes += reader.skip()?.len();
                        Ok(())
                    }
                })?;
            }
            Field::System | Field::Instructions => {
                let span = reader.skip()?;
                self.text_bytes += span.len();
                self.opening.note(true, span);
            }
            Field::Prompt | Field::Input => {
                let span = reader.skip()?;
                self.text_bytes += span.len();
                self.opening.note(false, span);
            }
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    }

    fn read_model(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Result<(), Error> {
        if kind != Kind::String {
            return Err(wrong(Field::Model, "must be a string"));
        }
        let text = reader.string()?;
        let model = text.decode();
        check_model(Field::Model, &model)?;
        self.model = Some(model.into_owned());
        self.model_span = Some(text.span());
        Ok(())
    }

    fn read_models(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Result<(), Error> {
        if kind != Kind::Array {
            return Err(wrong(Field::Models, "must be an array of strings"));
        }
        reader.array(|reader, _| {
            if reader.peek()? != Kind::String {
                return Err(wrong(Field::Models, "must be an array of strings"));
            }
            let model = reader.string()?.decode().into_owned();
            self.add_fallback(Field::Models, model)
        })?;
        Ok(())
    }

    /// Fallback models in the form of Anthropic's dialect: `[{"model": "..."}]`.
    fn read_fallbacks(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Result<(), Error> {
        const EXPECTED: &str = "must be an array of objects with a model";
        if kind != Kind::Array {
            return Err(wrong(Field::Fallbacks, EXPECTED));
        }
        reader.array(|reader, _| {
            if reader.peek()? != Kind::Object {
                return Err(wrong(Field::Fallbacks, EXPECTED));
            }
            let mut model = None;
            reader.object(|reader, member| {
                if member.key.is("model") && reader.peek()? == Kind::String {
                    model = Some(reader.string()?.decode().into_owned());
                }
                Ok::<_, JsonError>(())
            })?;
            self.add_fallback(
                Field::Fallbacks,
                model.ok_or_else(|| wrong(Field::Fallbacks, EXPECTED))?,
            )
        })?;
        Ok(())
    }

    fn add_fallback(&mut self, field: Field, model: String) -> Result<(), Error> {
        if self.fallbacks == MOST_MODELS {
            let problem =
                format!("'{}' array must have {MOST_MODELS} items or fewer.", field.name());
            return Err(wrong(field, &problem));
        }
        self.fallbacks += 1;
        check_model(field, &model)?;
        if !self.models.contains(&model) {
            self.models.push(model);
        }
        Ok(())
    }

    #[inline(never)]
    fn read_stream_options(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Result<(), Error> {
        if kind != Kind::Object {
            return Err(wrong(Field::StreamOptions, "must be an object"));
        }
        let mut members = Members::new();
        let mut include_usage = None;
        let value = reader.object(|reader, member| {
            let value_start = reader.position();
            let included = reader.boolean()? == Some(true);
            if member.key.is("include_usage") {
                include_usage = Some((value_start..reader.position(), included));
            }
            members.push(member.key.start..reader.position());
            Ok::<_, JsonError>(())
        })?;
        self.stream_options =
            Some(StreamOptions { index: self.members.len(), value, members, include_usage });
        Ok(())
    }

    /// Counts text and notes other kinds of content, and how the conversation begins.
    fn message(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(());
        }
        let mut instructs = false;
        let mut content = 0..0;
        reader.object(|reader, member| {
            let kind = reader.peek()?;
            match (&*member.key.bytes(), kind) {
                (b"role", Kind::String) => {
                    instructs = matches!(&*reader.string()?.bytes(), b"system" | b"developer");
                }
                (b"content", Kind::String) => {
                    content = reader.skip()?;
                    self.text_bytes += content.len();
                }
                (b"content", Kind::Array) => {
                    content = reader.array(|reader, _| self.part(reader))?
                }
                (b"content", _) => {}
                _ => self.note_part(&member.key),
            }
            Ok::<_, Error>(())
        })?;
        self.opening.note(instructs, content);
        Ok(())
    }

    fn part(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(());
        }
        reader.object(|reader, member| {
            if member.key.is("text") {
                self.text_bytes += reader.skip()?.len();
            } else if member.key.is("type") && reader.peek()? == Kind::String {
                let modality = Modality::of_part(&reader.string()?.decode());
                self.modalities |= modality.map_or(0, |modality| 1 << modality as u8);
            } else {
                self.note_part(&member.key);
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(())
    }

    /// The body as the client sent it, or as a preset changed it. Nobody may ask for it while it is
    /// released.
    pub fn body(&self) -> &[u8] {
        debug_assert!(self.released.is_none(), "the body is released");
        &self.body
    }

    /// Drops the body, which the host has too. Whatever was learned from it stays.
    pub fn release(&mut self) {
        self.released.get_or_insert(self.body.len());
        self.body = Vec::new();
    }

    /// Length of the released body, which must be restored before it is needed again.
    pub fn released(&self) -> Option<usize> {
        self.released
    }

    /// Takes the released body in again. One of another length cannot be it, and changes nothing.
    pub fn restore(&mut self, body: Vec<u8>) {
        if self.released == Some(body.len()) {
            self.body = body;
            self.released = None;
        }
    }

    /// The model asked for first.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref().or(self.models.first().map(String::as_str))
    }

    /// The models asked for, in order, each once.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let first = self.model.as_deref();
        let others =
            self.models.iter().map(String::as_str).filter(move |other| Some(*other) != first);
        first.into_iter().chain(others)
    }

    /// Whether [`Self::body`] is not what the client sent, so that the host must be given a whole
    /// body instead of edits.
    pub fn is_merged(&self) -> bool {
        self.merged
    }

    /// How many fallback models are named.
    pub fn fallbacks(&self) -> usize {
        self.fallbacks
    }

    /// The preset asked for, by `preset` or behind the model's name.
    pub fn preset(&self) -> Option<&str> {
        let by_model = self.model.as_deref().and_then(preset::split);
        by_model.map(|(_, preset)| preset).or(self.preset.as_deref())
    }

    /// Which conversation this belongs to; `session` is the header `x-session-id`.
    #[inline(never)]
    pub fn conversation(&self, session: Option<&str>) -> Option<ConversationId> {
        let session = self.session_id.as_deref().or(session);
        ConversationId::of(session, self.prompt_cache_key.as_deref(), (&self.opening, self.body()))
    }

    /// Names of the fields for the gateway that it knows and does not apply.
    pub fn unapplied(&self) -> &[&'static str] {
        &self.unapplied
    }

    /// Whether the models are kept apart in the plan.
    pub fn partition(&self) -> Partition {
        self.preferences().partition.or(self.partition).unwrap_or(Partition::Model)
    }

    /// Whether the client asks anything of routing.
    pub fn has_preferences(&self) -> bool {
        self.preferences.is_some()
    }

    /// What the client asks of routing.
    pub fn preferences(&self) -> &Preferences {
        self.preferences.as_deref().unwrap_or(Preferences::NONE)
    }

    /// Whether the answer is to be streamed.
    pub fn is_stream(&self) -> bool {
        self.stream
    }

    /// Whether the client itself asked for usage in the stream.
    pub fn includes_usage(&self) -> bool {
        self.stream_options
            .as_ref()
            .is_some_and(|options| matches!(options.include_usage, Some((_, true))))
    }

    /// The largest output asked for, in tokens.
    pub fn max_output(&self) -> Option<u64> {
        self.max_output
    }

    /// Input tokens there are at least.
    pub fn least_input_tokens(&self) -> u64 {
        self.text_bytes as u64 / MOST_BYTES_PER_TOKEN
    }

    /// Input tokens by rule of thumb.
    pub fn input_estimate(&self) -> u64 {
        Usage::estimate(self.text_bytes)
    }

    /// Whether there is no content but text.
    pub fn is_text(&self) -> bool {
        self.modalities == 0
    }

    /// Whether there is content of this kind.
    pub fn uses(&self, modality: Modality) -> bool {
        self.modalities & (1 << modality as u8) != 0
    }

    /// Whether a top-level field of this name is there and not null.
    pub fn has(&self, name: &str) -> bool {
        Field::of(name.as_bytes()).is_some_and(|field| self.fields.contains(field))
    }

    /// The form the answer must have, as a `type` of `response_format`; `None`: text.
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
        self.auto_router.as_deref()
    }

    /// Names of all parameters used, as in `supported_parameters`.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.supported_by_name()
            .iter()
            .filter(|field| field.role() == Role::Parameter)
            .map(Field::name)
    }

    /// The fields that are there and not null; what other dialects say elsewhere has the name it
    /// has in chat's.
    fn supported_by_name(&self) -> Fields {
        let mut fields = self.fields;
        if self.features.response_format.is_some() {
            fields.insert(Field::ResponseFormat);
        }
        fields
    }

    /// The parameters used whose loss would change what the client gets.
    pub fn capabilities(&self) -> impl Iterator<Item = &'static str> {
        let fields = self.supported_by_name();
        let all = [Field::Tools, Field::ResponseFormat, Field::Verbosity];
        all.into_iter().filter(move |field| fields.contains(*field)).map(Field::name)
    }
}

fn partition(reader: &mut Reader<'_>) -> Result<Partition, Error> {
    match problem::text(reader, Field::Route.name())?.as_str() {
        "fallback" => Ok(Partition::Model),
        "sort" => Ok(Partition::None),
        _ => Err(wrong(Field::Route, "must be fallback or sort")),
    }
}

fn session_id(reader: &mut Reader<'_>) -> Result<String, Error> {
    let id = problem::text(reader, Field::SessionId.name())?;
    match id.chars().count() {
        ..=LONGEST_SESSION => Ok(id),
        _ => Err(wrong(Field::SessionId, "must be 256 characters or fewer")),
    }
}

#[cfg(test)]
mod tests;
