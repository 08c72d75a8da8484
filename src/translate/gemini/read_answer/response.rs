//! One `GenerateContentResponse`: a whole answer, or one event of a stream, which has the same
//! form.
//!
//! The id and the model stand behind the content, so a response is read to its end before any of it
//! is told. A member of a wrong type counts as absent.

use std::borrow::Cow;

use crate::usage::Usage;
use crate::wire::json::{JsonError, Kind, Reader};

type Text<'a> = Cow<'a, str>;

/// What it says.
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
        let read = reader.object(|reader, member| {
            let (key, kind) = (member.key.decode(), reader.peek()?);
            match (key.as_ref(), kind) {
                ("candidates", Kind::Array) => response.candidates(reader, json)?,
                ("promptFeedback", Kind::Object) => response.feedback(reader)?,
                ("usageMetadata", Kind::Object) => response.usage = usage(reader)?,
                ("responseId", Kind::String) => response.id = text(reader)?,
                ("modelVersion", Kind::String) => response.model = text(reader)?,
                _ => return Ok(()),
            }
            known |= !matches!(key.as_ref(), "responseId" | "modelVersion");
            Ok::<_, JsonError>(())
        });
        read.ok()?;
        reader.end().ok()?;
        known.then_some(response)
    }

    fn candidates(&mut self, reader: &mut Reader<'a>, json: &'a [u8]) -> Result<(), JsonError> {
        reader.array(|reader, _| {
            if self.candidate.is_none() && reader.peek()? == Kind::Object {
                self.candidate =
                    Some(Candidate::read(reader, json)?).filter(|candidate| !candidate.is_other);
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(())
    }

    fn feedback(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        reader.object(|reader, member| {
            if member.key.is("blockReason") {
                self.block_reason = text(reader)?;
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(())
    }
}

impl<'a> Candidate<'a> {
    fn read(reader: &mut Reader<'a>, json: &'a [u8]) -> Result<Self, JsonError> {
        let mut candidate = Self::default();
        reader.object(|reader, member| {
            let kind = reader.peek()?;
            match (member.key.decode().as_ref(), kind) {
                ("content", Kind::Object) => candidate.content(reader, json)?,
                ("finishReason", Kind::String) => candidate.finish_reason = text(reader)?,
                ("index", Kind::Number) => {
                    candidate.is_other = reader.u64()?.is_some_and(|index| index > 0)
                }
                ("groundingMetadata", Kind::Object) => candidate.grounding(reader)?,
                ("citationMetadata", Kind::Object) => candidate.citations(reader)?,
                _ => {}
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(candidate)
    }

    fn content(&mut self, reader: &mut Reader<'a>, json: &'a [u8]) -> Result<(), JsonError> {
        reader.object(|reader, member| {
            if member.key.is("parts") && reader.peek()? == Kind::Array {
                reader.array(|reader, _| {
                    if reader.peek()? == Kind::Object {
                        self.parts.push(Part::read(reader, json)?);
                    }
                    Ok::<_, JsonError>(())
                })?;
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(())
    }

    /// `groundingChunks[].web`: what a search found.
    fn grounding(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        reader.object(|reader, member| {
            if !member.key.is("groundingChunks") || reader.peek()? != Kind::Array {
                return Ok(());
            }
            reader.array(|reader, _| {
                if reader.peek()? != Kind::Object {
                    return Ok(());
                }
                reader.object(|reader, member| {
                    if member.key.is("web") && reader.peek()? == Kind::Object {
                        self.sources.push(Source::read(reader)?);
                    }
                    Ok::<_, JsonError>(())
                })?;
                Ok::<_, JsonError>(())
            })?;
            Ok::<_, JsonError>(())
        })?;
        Ok(())
    }

    /// `citationSources` in the Gemini API, `citations` on Vertex.
    fn citations(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        reader.object(|reader, member| {
            if !(member.key.is("citationSources") || member.key.is("citations"))
                || reader.peek()? != Kind::Array
            {
                return Ok(());
            }
            reader.array(|reader, _| {
                if reader.peek()? == Kind::Object {
                    self.sources.push(Source::read(reader)?);
                }
                Ok::<_, JsonError>(())
            })?;
            Ok::<_, JsonError>(())
        })?;
        Ok(())
    }
}

impl<'a> Part<'a> {
    fn read(reader: &mut Reader<'a>, json: &'a [u8]) -> Result<Self, JsonError> {
        let mut part = Self::default();
        reader.object(|reader, member| {
            let kind = reader.peek()?;
            match (member.key.decode().as_ref(), kind) {
                ("text", Kind::String) => part.text = text(reader)?,
                ("thought", Kind::True) => part.thought = true,
                ("thoughtSignature", Kind::String) => part.signature = text(reader)?,
                ("functionCall", Kind::Object) => part.call = Some(Call::read(reader, json)?),
                ("inlineData", Kind::Object) => part.blob = Some(Blob::read(reader)?),
                _ => {}
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(part)
    }
}

impl<'a> Call<'a> {
    fn read(reader: &mut Reader<'a>, json: &'a [u8]) -> Result<Self, JsonError> {
        let mut call = Self::default();
        reader.object(|reader, member| {
            let kind = reader.peek()?;
            match (member.key.decode().as_ref(), kind) {
                ("id", Kind::String) => call.id = text(reader)?.filter(|id| !id.is_empty()),
                ("name", Kind::String) => call.name = text(reader)?,
                ("args", Kind::Object) => {
                    let span = reader.skip()?;
                    call.args = json.get(span).and_then(|args| std::str::from_utf8(args).ok());
                }
                _ => {}
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(call)
    }
}

impl<'a> Blob<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut blob = Self::default();
        reader.object(|reader, member| {
            match member.key.decode().as_ref() {
                "mimeType" => blob.mime = text(reader)?.unwrap_or_default(),
                "data" => blob.data = text(reader)?.unwrap_or_default(),
                _ => {}
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(blob)
    }
}

impl<'a> Source<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut source = Self::default();
        reader.object(|reader, member| {
            match member.key.decode().as_ref() {
                "uri" => source.uri = text(reader)?.unwrap_or_default(),
                "title" => source.title = text(reader)?.unwrap_or_default(),
                _ => {}
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(source)
    }
}

/// `usageMetadata`; `None` where it counts nothing. What tools brought in is input that the
/// prompt's count leaves out; thoughts are output that the candidates' count leaves out.
fn usage(reader: &mut Reader<'_>) -> Result<Option<Usage>, JsonError> {
    let (mut prompt, mut tools, mut candidates, mut thoughts) = (None, None, None, None);
    let mut usage = Usage::default();
    reader.object(|reader, member| {
        match member.key.decode().as_ref() {
            "promptTokenCount" => prompt = reader.u64()?,
            "toolUsePromptTokenCount" => tools = reader.u64()?,
            "candidatesTokenCount" => candidates = reader.u64()?,
            "thoughtsTokenCount" => thoughts = reader.u64()?,
            "cachedContentTokenCount" => usage.cached = reader.u64()?.unwrap_or_default(),
            "promptTokensDetails" | "candidatesTokensDetails" if reader.peek()? == Kind::Array => {
                usage.audio = usage.audio.saturating_add(audio(reader)?);
            }
            _ => {}
        }
        Ok::<_, JsonError>(())
    })?;
    usage.input = prompt.unwrap_or_default().saturating_add(tools.unwrap_or_default());
    usage.reasoning = thoughts.unwrap_or_default();
    usage.output = candidates.unwrap_or_default().saturating_add(usage.reasoning);
    Ok(prompt.or(candidates).map(|_| usage))
}

/// The sound among `[{modality, tokenCount}]`.
fn audio(reader: &mut Reader<'_>) -> Result<u64, JsonError> {
    let mut sum = 0_u64;
    reader.array(|reader, _| {
        if reader.peek()? != Kind::Object {
            return Ok(());
        }
        let (mut is_audio, mut count) = (false, 0);
        reader.object(|reader, member| {
            match member.key.decode().as_ref() {
                "modality" => is_audio = text(reader)?.is_some_and(|modality| modality == "AUDIO"),
                "tokenCount" => count = reader.u64()?.unwrap_or_default(),
                _ => {}
            }
            Ok::<_, JsonError>(())
        })?;
        sum = sum.saturating_add(if is_audio { count } else { 0 });
        Ok::<_, JsonError>(())
    })?;
    Ok(sum)
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, JsonError> {
    Ok(match reader.peek()? {
        Kind::String => Some(reader.string()?.decode()),
        _ => None,
    })
}
