//! The models that a request names: the one it wants, and those to fall back to.

use super::field::Field;
use crate::error::Error;
use crate::wire::json::{JsonError, Kind, Reader, Span};

/// Longest name of a model, in bytes; it goes into paths, headers and logs.
const LONGEST_MODEL: usize = 256;

/// Most fallback models one request may name: no plan has more steps.
const MOST_MODELS: usize = 20;

/// The names in a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Models {
    /// The value of `model`.
    pub(super) wanted: Option<String>,
    /// Where the value of `model` stands, also where it is null.
    pub(super) span: Option<Span>,
    /// The fallback models, each once.
    fallbacks: Vec<String>,
    /// How many fallback models the request names, the same one perhaps more than once.
    pub(super) named_fallbacks: usize,
}

impl Models {
    /// The model asked for first.
    pub(super) fn first(&self) -> Option<&str> {
        self.wanted.as_deref().or(self.fallbacks.first().map(String::as_str))
    }

    /// All models asked for, in order, each once.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        let first = self.wanted.as_deref();
        let others = self.fallbacks.iter().map(String::as_str);
        first.into_iter().chain(others.filter(move |other| Some(*other) != first))
    }

    /// Reads `model`.
    pub(super) fn read_wanted(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Result<(), Error> {
        if kind != Kind::String {
            return Err(Field::Model.wrong("must be a string"));
        }
        let text = reader.string()?;
        let model = text.decode();
        check(Field::Model, &model)?;
        self.wanted = Some(model.into_owned());
        self.span = Some(text.span());
        Ok(())
    }

    /// Reads `models`, fallback models by their names.
    pub(super) fn read_models(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Result<(), Error> {
        const EXPECTED: &str = "must be an array of strings";
        if kind != Kind::Array {
            return Err(Field::Models.wrong(EXPECTED));
        }
        reader.array(|reader, _| {
            if reader.peek()? != Kind::String {
                return Err(Field::Models.wrong(EXPECTED));
            }
            let model = reader.string()?.decode().into_owned();
            self.add_fallback(Field::Models, model)
        })?;
        Ok(())
    }

    /// Reads `fallbacks`, fallback models in the form of Anthropic's dialect: `[{"model": "..."}]`.
    pub(super) fn read_fallbacks(
        &mut self,
        kind: Kind,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        const EXPECTED: &str = "must be an array of objects with a model";
        if kind != Kind::Array {
            return Err(Field::Fallbacks.wrong(EXPECTED));
        }
        reader.array(|reader, _| {
            if reader.peek()? != Kind::Object {
                return Err(Field::Fallbacks.wrong(EXPECTED));
            }
            let mut model = None;
            reader.object(|reader, member| {
                if member.key.is("model") && reader.peek()? == Kind::String {
                    model = Some(reader.string()?.decode().into_owned());
                }
                Ok::<_, JsonError>(())
            })?;
            let model = model.ok_or_else(|| Field::Fallbacks.wrong(EXPECTED))?;
            self.add_fallback(Field::Fallbacks, model)
        })?;
        Ok(())
    }

    fn add_fallback(&mut self, field: Field, model: String) -> Result<(), Error> {
        if self.named_fallbacks == MOST_MODELS {
            let name = field.name();
            return Err(
                field.wrong(&format!("'{name}' array must have {MOST_MODELS} items or fewer."))
            );
        }
        self.named_fallbacks += 1;
        check(field, &model)?;
        if !self.fallbacks.contains(&model) {
            self.fallbacks.push(model);
        }
        Ok(())
    }
}

fn check(field: Field, model: &str) -> Result<(), Error> {
    if model.is_empty() || model.len() > LONGEST_MODEL {
        return Err(field.wrong("must not be empty, nor longer than 256 bytes"));
    }
    Ok(())
}
