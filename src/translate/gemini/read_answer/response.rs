//! One `GenerateContentResponse`: a whole answer, or one event of a stream, which has the same
//! form.
//!
//! The id and the model stand behind the content, so a response is read to its end before any of it
//! is told. A member of a wrong type counts as absent.

use crate::translate::form::Text;
use crate::translate::tolerant::{array, member, non_empty_text, object, raw_object, text};
use crate::usage::Usage;
use crate::wire::json::{JsonError, Kind, Reader};

/// A response, as far as it is read.
#[derive(Debug, Default)]
pub(super) struct Response<'a> {
    pub(super) id: Option<Text<'a>>,
    pub(super) model: Option<Text<'a>>,
    /// The first candidate; no other is ever asked for.
    pub(super) candidate: Option<Candidate<'a>>,
    /// Why the prompt was refused.
    pub(super) block_reason: Option<Text<'a>>,
    pub(super) usage: Option<Usage>,
}

/// An answer, or a piece of one.
#[derive(Debug, Default)]
pub(super) struct Candidate<'a> {
    pub(super) parts: Vec<Part<'a>>,
    pub(super) finish_reason: Option<Text<'a>>,
    /// What it cites or rests on.
    pub(super) sources: Vec<Source<'a>>,
    is_other: bool,
}

/// A part of the content.
#[derive(Debug, Default)]
pub(super) struct Part<'a> {
    pub(super) text: Option<Text<'a>>,
    pub(super) thought: bool,
    pub(super) signature: Option<Text<'a>>,
    pub(super) call: Option<Call<'a>>,
    pub(super) blob: Option<Blob<'a>>,
}

/// A function call.
#[derive(Debug, Default)]
pub(super) struct Call<'a> {
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    /// A JSON object as text.
    pub(super) args: Option<&'a str>,
}

/// Bytes in base64.
#[derive(Debug, Default)]
pub(super) struct Blob<'a> {
    pub(super) mime: Text<'a>,
    pub(super) data: Text<'a>,
}

/// A place in the web.
#[derive(Debug, Default)]
pub(super) struct Source<'a> {
    pub(super) uri: Text<'a>,
    pub(super) title: Text<'a>,
}

impl<'a> Response<'a> {
    /// `None`: not a response.
    pub(super) fn parse(json: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(json);
        let mut response = Self::default();
        let mut known = false;
        let read = object(&mut reader, |reader, key| {
            let kind = reader.peek()?;
            known |= matches!(
                (key, kind),
                ("candidates", Kind::Array) | ("promptFeedback" | "usageMetadata", Kind::Object)
            );
            match key {
                "candidates" => response.candidates(reader, json)?,
                "promptFeedback" => response.block_reason = member(reader, "blockReason", text)?,
                "usageMetadata" => response.usage = usage(reader)?,
                "responseId" => response.id = text(reader)?,
                "modelVersion" => response.model = text(reader)?,
                _ => {}
            }
            Ok(())
        });
        read.and_then(|()| reader.end()).ok()?;
        known.then_some(response)
    }

    fn candidates(&mut self, reader: &mut Reader<'a>, json: &'a [u8]) -> Result<(), JsonError> {
        array(reader, |reader| {
            if self.candidate.is_none() && reader.peek()? == Kind::Object {
                self.candidate =
                    Some(Candidate::read(reader, json)?).filter(|candidate| !candidate.is_other);
            }
            Ok(())
        })
    }
}

impl<'a> Candidate<'a> {
    fn read(reader: &mut Reader<'a>, json: &'a [u8]) -> Result<Self, JsonError> {
        let mut candidate = Self::default();
        object(reader, |reader, key| {
            match key {
                "content" => candidate.content(reader, json)?,
                "finishReason" => candidate.finish_reason = text(reader)?,
                "index" => candidate.is_other = reader.u64()?.is_some_and(|index| index > 0),
                "groundingMetadata" => candidate.grounding(reader)?,
                "citationMetadata" => candidate.citations(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(candidate)
    }

    fn content(&mut self, reader: &mut Reader<'a>, json: &'a [u8]) -> Result<(), JsonError> {
        object(reader, |reader, key| match key {
            "parts" => array(reader, |reader| {
                self.parts.push(Part::read(reader, json)?);
                Ok(())
            }),
            _ => Ok(()),
        })
    }

    /// `groundingChunks[].web`: what a search found.
    fn grounding(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        object(reader, |reader, key| match key {
            "groundingChunks" => array(reader, |reader| {
                self.sources.extend(member(reader, "web", Source::read)?);
                Ok(())
            }),
            _ => Ok(()),
        })
    }

    /// `citationSources` in the Gemini API, `citations` on Vertex.
    fn citations(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        object(reader, |reader, key| match key {
            "citationSources" | "citations" => array(reader, |reader| {
                self.sources.extend(Source::read(reader)?);
                Ok(())
            }),
            _ => Ok(()),
        })
    }
}

impl<'a> Part<'a> {
    fn read(reader: &mut Reader<'a>, json: &'a [u8]) -> Result<Self, JsonError> {
        let mut part = Self::default();
        object(reader, |reader, key| {
            match (key, reader.peek()?) {
                ("text", _) => part.text = text(reader)?,
                ("thought", Kind::True) => part.thought = true,
                ("thoughtSignature", _) => part.signature = text(reader)?,
                ("functionCall", Kind::Object) => part.call = Some(Call::read(reader, json)?),
                ("inlineData", Kind::Object) => part.blob = Some(Blob::read(reader)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(part)
    }
}

impl<'a> Call<'a> {
    fn read(reader: &mut Reader<'a>, json: &'a [u8]) -> Result<Self, JsonError> {
        let mut call = Self::default();
        object(reader, |reader, key| {
            match key {
                "id" => call.id = non_empty_text(reader)?,
                "name" => call.name = text(reader)?,
                "args" => call.args = raw_object(json, reader)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(call)
    }
}

impl<'a> Blob<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut blob = Self::default();
        object(reader, |reader, key| {
            match key {
                "mimeType" => blob.mime = text(reader)?.unwrap_or_default(),
                "data" => blob.data = text(reader)?.unwrap_or_default(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(blob)
    }
}

impl<'a> Source<'a> {
    /// `None`: it has no address.
    fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, JsonError> {
        let (mut uri, mut title) = (None, Text::default());
        object(reader, |reader, key| {
            match key {
                "uri" => uri = non_empty_text(reader)?,
                "title" => title = text(reader)?.unwrap_or_default(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(uri.map(|uri| Self { uri, title }))
    }
}

/// `usageMetadata`; `None` where it counts nothing. What tools brought in is input that the
/// prompt's count leaves out; thoughts are output that the candidates' count leaves out.
fn usage(reader: &mut Reader<'_>) -> Result<Option<Usage>, JsonError> {
    let (mut prompt, mut tools, mut candidates, mut thoughts) = (None, None, None, None);
    let mut usage = Usage::default();
    object(reader, |reader, key| {
        match key {
            "promptTokenCount" => prompt = reader.u64()?,
            "toolUsePromptTokenCount" => tools = reader.u64()?,
            "candidatesTokenCount" => candidates = reader.u64()?,
            "thoughtsTokenCount" => thoughts = reader.u64()?,
            "cachedContentTokenCount" => usage.cached = reader.u64()?.unwrap_or_default(),
            "promptTokensDetails" | "candidatesTokensDetails" => {
                usage.audio = usage.audio.saturating_add(audio(reader)?);
            }
            _ => {}
        }
        Ok(())
    })?;
    usage.input = prompt.unwrap_or_default().saturating_add(tools.unwrap_or_default());
    usage.reasoning = thoughts.unwrap_or_default();
    usage.output = candidates.unwrap_or_default().saturating_add(usage.reasoning);
    Ok(prompt.or(candidates).map(|_| usage))
}

/// The sound among `[{modality, tokenCount}]`.
fn audio(reader: &mut Reader<'_>) -> Result<u64, JsonError> {
    let mut sum = 0_u64;
    array(reader, |reader| {
        let (mut is_audio, mut count) = (false, 0);
        object(reader, |reader, key| {
            match key {
                "modality" => is_audio = text(reader)?.is_some_and(|modality| modality == "AUDIO"),
                "tokenCount" => count = reader.u64()?.unwrap_or_default(),
                _ => {}
            }
            Ok(())
        })?;
        sum = sum.saturating_add(if is_audio { count } else { 0 });
        Ok(())
    })?;
    Ok(sum)
}
