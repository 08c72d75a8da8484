//! What an upstream's whole message or one event of its stream says, before anyone acts on it.
//!
//! Read in one pass whatever the order of fields; what is of a wrong type counts as absent.

use crate::translate::anthropic::tally::Tally;
use crate::translate::form::Text;
use crate::translate::tolerant::{array, member, object, raw_object, text};
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
    pub(super) citations: Vec<Cited<'a>>,
    pub(super) stop_reason: Option<Text<'a>>,
    pub(super) explanation: Option<Text<'a>>,
}

/// What is cited, as far as it is of the web.
#[derive(Default)]
pub(super) struct Cited<'a> {
    pub(super) url: Option<Text<'a>>,
    pub(super) title: Option<Text<'a>>,
    pub(super) text: Option<Text<'a>>,
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
        object(reader, |reader, key| {
            match key {
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
                    array(reader, |reader| {
                        blocks.push(piece(json, reader)?);
                        Ok(())
                    })?;
                    self.content = Some(blocks);
                }
                "stop_reason" => self.piece.stop_reason = text(reader)?,
                "stop_details" => self.piece.explanation = explanation(reader)?,
                _ => {}
            }
            Ok(())
        })
    }
}

fn piece<'a>(json: &'a [u8], reader: &mut Reader<'a>) -> Result<Piece<'a>, JsonError> {
    let mut piece = Piece::default();
    object(reader, |reader, key| {
        match key {
            "type" => piece.kind = text(reader)?.unwrap_or_default(),
            "text" => piece.text = text(reader)?,
            "thinking" => piece.thinking = text(reader)?,
            "signature" => piece.signature = text(reader)?,
            "data" => piece.data = text(reader)?,
            "id" => piece.id = text(reader)?,
            "name" => piece.name = text(reader)?,
            "input" => piece.input = raw_object(json, reader)?,
            "partial_json" => piece.partial_json = text(reader)?,
            "citation" => piece.citations.push(citation(reader)?),
            "citations" => array(reader, |reader| {
                piece.citations.push(citation(reader)?);
                Ok(())
            })?,
            "stop_reason" => piece.stop_reason = text(reader)?,
            "stop_details" => piece.explanation = explanation(reader)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(piece)
}

fn citation<'a>(reader: &mut Reader<'a>) -> Result<Cited<'a>, JsonError> {
    let mut cited = Cited::default();
    object(reader, |reader, key| {
        match key {
            "url" | "source" => cited.url = text(reader)?,
            "title" => cited.title = text(reader)?,
            "cited_text" => cited.text = text(reader)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(cited)
}

/// Why the model refused, for people.
fn explanation<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, JsonError> {
    member(reader, "explanation", text)
}
