//! What an upstream's whole message or one event of its stream says, before anyone acts on it.
//!
//! Read in one pass whatever the order of fields; what is of a wrong type counts as absent.

use crate::translate::anthropic::field::{raw, text};
use crate::translate::anthropic::tally::Tally;
use crate::translate::form::Text;
use crate::wire::json::{JsonError, Kind, Reader};

/// A message, or an event of a stream.
#[derive(Default)]
pub(super) struct Event<'a> {
    pub(super) kind: Text<'a>,
    pub(super) index: Option<u64>,
    /// A message's id and model.
    pub(super) id: Option<Text<'a>>,
    pub(super) model: Option<Text<'a>>,
    /// A message's blocks; `None` if it has none at all.
    pub(super) content: Option<Vec<Piece<'a>>>,
    /// The block that starts, or what is added to one, or to the message.
    pub(super) piece: Piece<'a>,
    /// Whether `usage` said anything.
    pub(super) counted: bool,
}

/// A content block, or what is added to it or to the message: the fields of all types.
#[derive(Default)]
pub(super) struct Piece<'a> {
    pub(super) kind: Text<'a>,
    pub(super) text: Option<Text<'a>>,
    pub(super) thinking: Option<Text<'a>>,
    pub(super) signature: Option<Text<'a>>,
    pub(super) data: Option<Text<'a>>,
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    pub(super) input: Option<&'a str>,
    pub(super) partial_json: Option<Text<'a>>,
    pub(super) citations: Vec<Citation<'a>>,
    pub(super) stop_reason: Option<Text<'a>>,
    pub(super) explanation: Option<Text<'a>>,
}

/// A citation, as far as it is of the web.
#[derive(Default)]
pub(super) struct Citation<'a> {
    pub(super) url: Option<Text<'a>>,
    pub(super) title: Option<Text<'a>>,
    pub(super) cited_text: Option<Text<'a>>,
}

impl<'a> Event<'a> {
    /// Reads an event or a message, adding its usage to `tally`; `None` if it is not a JSON object.
    pub(super) fn parse(json: &'a [u8], tally: &mut Tally) -> Option<Self> {
        let mut event = Self::default();
        let mut reader = Reader::new(json);
        event.object(json, &mut reader, tally).ok()?;
        reader.end().ok()?;
        Some(event)
    }

    fn object(
        &mut self,
        json: &'a [u8],
        reader: &mut Reader<'a>,
        tally: &mut Tally,
    ) -> Result<(), JsonError> {
        reader.object(|reader, member| {
            match member.key.decode().as_ref() {
                "type" => self.kind = text(reader)?.unwrap_or_default(),
                "index" => self.index = reader.u64()?,
                "delta" | "content_block" => self.piece = piece(json, reader)?,
                "message" if reader.peek()? == Kind::Object => {
                    let mut message = Self::default();
                    message.object(json, reader, tally)?;
                    *self =
                        Self { kind: std::mem::take(&mut self.kind), index: self.index, ..message };
                }
                "usage" => self.counted = tally.take(reader)?,
                "id" => self.id = text(reader)?,
                "model" => self.model = text(reader)?,
                "content" if reader.peek()? == Kind::Array => {
                    let mut blocks = Vec::new();
                    reader.array(|reader, _| {
                        blocks.push(piece(json, reader)?);
                        Ok::<_, JsonError>(())
                    })?;
                    self.content = Some(blocks);
                }
                "stop_reason" => self.piece.stop_reason = text(reader)?,
                "stop_details" => self.piece.explanation = explanation(reader)?,
                _ => {}
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(())
    }
}

fn piece<'a>(json: &'a [u8], reader: &mut Reader<'a>) -> Result<Piece<'a>, JsonError> {
    let mut piece = Piece::default();
    if reader.peek()? != Kind::Object {
        reader.skip()?;
        return Ok(piece);
    }
    reader.object(|reader, member| {
        match member.key.decode().as_ref() {
            "type" => piece.kind = text(reader)?.unwrap_or_default(),
            "text" => piece.text = text(reader)?,
            "thinking" => piece.thinking = text(reader)?,
            "signature" => piece.signature = text(reader)?,
            "data" => piece.data = text(reader)?,
            "id" => piece.id = text(reader)?,
            "name" => piece.name = text(reader)?,
            "input" if reader.peek()? == Kind::Object => piece.input = Some(raw(json, reader)?),
            "partial_json" => piece.partial_json = text(reader)?,
            "citation" => piece.citations.push(citation(reader)?),
            "citations" if reader.peek()? == Kind::Array => {
                reader.array(|reader, _| {
                    piece.citations.push(citation(reader)?);
                    Ok::<_, JsonError>(())
                })?;
            }
            "stop_reason" => piece.stop_reason = text(reader)?,
            "stop_details" => piece.explanation = explanation(reader)?,
            _ => {}
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(piece)
}

fn citation<'a>(reader: &mut Reader<'a>) -> Result<Citation<'a>, JsonError> {
    let mut citation = Citation::default();
    if reader.peek()? != Kind::Object {
        reader.skip()?;
        return Ok(citation);
    }
    reader.object(|reader, member| {
        match member.key.decode().as_ref() {
            "url" | "source" => citation.url = text(reader)?,
            "title" => citation.title = text(reader)?,
            "cited_text" => citation.cited_text = text(reader)?,
            _ => {}
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(citation)
}

/// Why the model refused, for people.
fn explanation<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, JsonError> {
    let mut explanation = None;
    if reader.peek()? == Kind::Object {
        reader.object(|reader, member| {
            if member.key.is("explanation") {
                explanation = text(reader)?;
            }
            Ok::<_, JsonError>(())
        })?;
    }
    Ok(explanation)
}
