//! What a request asks of its model besides an answer: a form, thinking, a service tier.
//!
//! Each of the clients' dialects says it in another field; all are read here. A value that this
//! gateway does not know is left to the upstream to judge.

use super::field::Field;
use super::problem::{members, wrong};
use crate::catalog::ServiceTier;
use crate::error::Error;
use crate::wire::json::{JsonError, Kind, Reader, Span};

/// Forms of an answer besides plain text, as `response_format` names them.
pub(crate) const RESPONSE_FORMATS: [&str; 4] = ["json_object", "json_schema", "grammar", "python"];

/// Levels of thinking.
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// What the client asks of its model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// The largest output, in tokens.
    pub(super) max_output: Option<u64>,
    /// One of [`RESPONSE_FORMATS`].
    pub(super) response_format: Option<&'static str>,
    /// Whether the model is to think.
    pub(super) reasoning: bool,
    pub(super) service_tier: Option<ServiceTier>,
    /// Where the value of `service_tier` stands, also where it is null.
    pub(super) service_tier_span: Option<Span>,
    effort: Option<&'static str>,
}

impl Features {
    /// Reads the value of a field that is not null.
    pub(super) fn read(
        &mut self,
        field: Field,
        kind: Kind,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        match (field, kind) {
            (Field::ResponseFormat | Field::OutputFormat, Kind::Object) => {
                self.response_format(reader)?
            }
            // Responses and Messages put the form one level deeper.
            (Field::Text | Field::OutputConfig, Kind::Object) => {
                members(reader, &mut |reader, key| match reader.peek()? {
                    Kind::Object if key == "format" => self.response_format(reader),
                    _ => Ok(()),
                })?;
            }
            (Field::Reasoning, Kind::Object) => self.reasoning(reader)?,
            (Field::Thinking, Kind::Object) => {
                let kind = of_type(reader, &["enabled", "adaptive"])?;
                self.reasoning |= kind.is_some();
            }
            (Field::ReasoningEffort, Kind::String) => {
                let effort = one_of(reader, &EFFORTS)?;
                self.effort(effort)?;
                self.reasoning |= effort != Some("none");
            }
            (Field::IncludeReasoning, _) => self.reasoning |= reader.boolean()? == Some(true),
            (Field::ServiceTier, kind) => self.service_tier(kind, reader)?,
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    }

    fn service_tier(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let start = reader.position();
        match kind {
            Kind::String => self.service_tier = ServiceTier::named(&reader.string()?.decode()),
            _ => {
                reader.skip()?;
            }
        }
        self.service_tier_span = Some(start..reader.position());
        Ok(())
    }

    fn response_format(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        self.response_format = of_type(reader, &RESPONSE_FORMATS)?;
        Ok(())
    }

    /// Reads OpenRouter's and the Responses API's object, which asks for thinking even if it is
    /// empty.
    fn reasoning(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        let mut asks = true;
        members(reader, &mut |reader, key| {
            if key == "enabled" {
                asks &= reader.boolean()? != Some(false);
            } else if key == "effort" && reader.peek()? == Kind::String {
                let effort = one_of(reader, &EFFORTS)?;
                self.effort(effort)?;
                asks &= effort != Some("none");
            }
            Ok(())
        })?;
        self.reasoning |= asks;
        Ok(())
    }

    /// Takes note of the level of thinking, which a request may say in two places, but not
    /// differently.
    fn effort(&mut self, effort: Option<&'static str>) -> Result<(), Error> {
        let said = std::mem::replace(&mut self.effort, effort);
        if said.zip(effort).is_some_and(|(said, effort)| said != effort) {
            return Err(wrong(Field::ReasoningEffort.name(), "differs from reasoning.effort"));
        }
        Ok(())
    }
}

/// Reads a text and finds out which of the known ones it is.
fn one_of(
    reader: &mut Reader<'_>,
    known: &[&'static str],
) -> Result<Option<&'static str>, JsonError> {
    let text = reader.string()?;
    Ok(known.iter().copied().find(|known| text.is(known)))
}

/// Reads an object and finds out which of the known ones its `type` is.
fn of_type(reader: &mut Reader<'_>, known: &[&'static str]) -> Result<Option<&'static str>, Error> {
    let mut kind = None;
    members(reader, &mut |reader, key| {
        if key == "type" && reader.peek()? == Kind::String {
            kind = one_of(reader, known)?;
        }
        Ok(())
    })?;
    Ok(kind)
}
