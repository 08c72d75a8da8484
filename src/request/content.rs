//! What a request gives its model to read: how much, of which kinds, and how it begins.

use super::conversation::Opening;
use super::field::Field;
use crate::catalog::Modality;
use crate::error::Error;
use crate::usage::Usage;
use crate::wire::json::{JsonError, Kind, Reader, Text};

/// A text of this many bytes has at least one token: by that an endpoint is ruled out whose context
/// is certainly too short.
const MOST_BYTES_PER_TOKEN: u64 = 8;

/// Members of messages and of their parts that are OpenRouter's, each with the name by which the
/// client is told that it was left out.
const OPENROUTER_PARTS: [(&str, &str); 4] = [
    ("reasoning", "messages.reasoning"),
    ("reasoning_content", "messages.reasoning"),
    ("reasoning_details", "messages.reasoning"),
    ("cache_control", "messages.cache_control"),
];

/// The name of the loss, if a member of a message or of one of its parts is OpenRouter's.
pub(super) fn openrouter_loss(key: &Text<'_>) -> Option<&'static str> {
    OPENROUTER_PARTS.iter().find(|(name, _)| key.is(name)).map(|(_, loss)| *loss)
}

/// Messages, prompts and instructions, as far as routing looks at them.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// Bytes of all texts together.
    text_bytes: usize,
    /// The kinds of content besides text, a bit for each [`Modality`].
    modalities: u8,
    /// How the conversation begins.
    pub(super) opening: Opening,
    /// Names of the losses if OpenRouter's members of messages are left out.
    pub(super) openrouter_parts: Vec<&'static str>,
}

impl Content {
    /// Reads the value of a field that is not null.
    pub(super) fn read(
        &mut self,
        field: Field,
        kind: Kind,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        match field {
            Field::Input if kind == Kind::Array => self.items(reader),
            Field::System | Field::Instructions => self.text(true, reader),
            _ => self.text(false, reader),
        }
    }

    /// Reads a prompt or instructions in one piece.
    fn text(&mut self, instructs: bool, reader: &mut Reader<'_>) -> Result<(), Error> {
        let span = reader.skip()?;
        self.text_bytes += span.len();
        self.opening.note(instructs, span);
        Ok(())
    }

    /// Reads the items of `input`: messages, or texts and tokens to embed.
    fn items(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        reader.array(|reader, _| match reader.peek()? {
            Kind::Object => self.message(reader),
            _ => {
                self.text_bytes += reader.skip()?.len();
                Ok(())
            }
        })?;
        Ok(())
    }

    /// Reads a message: counts its text, and notes other kinds of content and what the conversation
    /// begins with.
    pub(super) fn message(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
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

    /// Takes note of a member of a message, or of one of its parts.
    fn note_part(&mut self, key: &Text<'_>) {
        let loss = openrouter_loss(key).filter(|loss| !self.openrouter_parts.contains(loss));
        self.openrouter_parts.extend(loss);
    }

    /// Input tokens, of which there may be more but not fewer.
    pub(super) fn least_tokens(&self) -> u64 {
        self.text_bytes as u64 / MOST_BYTES_PER_TOKEN
    }

    /// Input tokens, estimated by the length of the texts.
    pub(super) fn estimated_tokens(&self) -> u64 {
        Usage::estimate(self.text_bytes)
    }

    /// Whether there is no content but text.
    pub(super) fn is_text(&self) -> bool {
        self.modalities == 0
    }

    /// Whether there is content of this kind.
    pub(super) fn uses(&self, modality: Modality) -> bool {
        self.modalities & (1 << modality as u8) != 0
    }
}
