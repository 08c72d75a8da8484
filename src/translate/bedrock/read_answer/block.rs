//! What the parts of an answer say: calls, text, thinking, citations, usage.

use crate::translate::Tell;
use crate::translate::citation::Citation;
use crate::translate::delta::Delta;
use crate::translate::form::Text;
use crate::translate::tolerant::{array, member, object, raw, text};
use crate::usage::Usage;
use crate::wire::json::{JsonError, Reader};

/// Tells a delta unless it is empty: streams begin blocks with empty pieces.
pub(super) fn say(delta: Delta<'_>, tell: &mut Tell<'_>) {
    let empty = match &delta {
        Delta::Text(text)
        | Delta::Thinking(text)
        | Delta::Signature(text)
        | Delta::EncryptedThinking(text) => text.is_empty(),
        Delta::Arguments { json, .. } => json.is_empty(),
        _ => false,
    };
    if !empty {
        tell(delta);
    }
}

/// A call, or what a stream says of it at its start.
#[derive(Default)]
pub(super) struct ToolUse<'a> {
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    /// The arguments as they stand there.
    pub(super) input: Option<&'a str>,
    /// The provider runs the tool itself.
    pub(super) by_server: bool,
}

impl<'a> ToolUse<'a> {
    /// Reads a `toolUse`.
    pub(super) fn read(json: &'a [u8], reader: &mut Reader<'a>) -> Result<Option<Self>, JsonError> {
        let mut call = Self::default();
        object(reader, |reader, key| {
            match key {
                "toolUseId" => call.id = text(reader)?,
                "name" => call.name = text(reader)?,
                "input" => call.input = Some(raw(json, reader)?),
                "type" => {
                    call.by_server = text(reader)?.is_some_and(|kind| kind == "server_tool_use")
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(Some(call))
    }
}

/// What a `delta` says.
pub(super) enum Piece<'a> {
    /// A delta that is ready to be told.
    Say(Delta<'a>),
    /// More of the arguments of its block's call.
    Arguments(Text<'a>),
}

impl<'a> Piece<'a> {
    /// Reads a `delta`.
    #[inline]
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, JsonError> {
        let mut piece = None;
        object(reader, |reader, key| {
            match key {
                "text" => piece = text(reader)?.map(|text| Self::Say(Delta::Text(text))),
                "toolUse" => piece = member(reader, "input", text)?.map(Self::Arguments),
                "reasoningContent" => piece = thought_delta(reader)?.map(Self::Say),
                "citation" => {
                    piece = citation(reader)?.map(|json| Self::Say(Delta::Annotation(json.into())))
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(piece)
    }
}

fn thought_delta<'a>(reader: &mut Reader<'a>) -> Result<Option<Delta<'a>>, JsonError> {
    let mut delta = None;
    object(reader, |reader, key| {
        let kind = match key {
            "text" => Delta::Thinking,
            "signature" => Delta::Signature,
            "redactedContent" => Delta::EncryptedThinking,
            _ => return Ok(()),
        };
        delta = text(reader)?.map(kind).or(delta.take());
        Ok(())
    })?;
    Ok(delta)
}

/// A `reasoningContent` of a whole answer.
#[derive(Default)]
pub(super) struct Thought<'a> {
    text: Option<Text<'a>>,
    signature: Option<Text<'a>>,
    redacted: Option<Text<'a>>,
}

impl<'a> Thought<'a> {
    /// Reads one.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut thought = Self::default();
        object(reader, |reader, key| {
            match key {
                "reasoningText" => thought.read_text(reader)?,
                "redactedContent" => thought.redacted = text(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(thought)
    }

    fn read_text(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        object(reader, |reader, key| {
            match key {
                "text" => self.text = text(reader)?,
                "signature" => self.signature = text(reader)?,
                _ => {}
            }
            Ok(())
        })
    }

    /// Tells it, the proof last.
    pub(super) fn tell(self, tell: &mut Tell<'_>) {
        let text = self.text.map(Delta::Thinking);
        let signature = self.signature.map(Delta::Signature);
        let redacted = self.redacted.map(Delta::EncryptedThinking);
        [text, signature, redacted].into_iter().flatten().for_each(|delta| say(delta, tell));
    }
}

/// A `citationsContent` of a whole answer: text, and where it is from.
#[derive(Default)]
pub(super) struct Citations<'a> {
    texts: Vec<Text<'a>>,
    annotations: Vec<String>,
}

impl<'a> Citations<'a> {
    /// Reads one.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut cited = Self::default();
        object(reader, |reader, key| {
            match key {
                "content" => array(reader, |reader| {
                    cited.texts.extend(member(reader, "text", text)?);
                    Ok(())
                })?,
                "citations" => array(reader, |reader| {
                    cited.annotations.extend(citation(reader)?);
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(cited)
    }

    /// Tells it, the text first.
    pub(super) fn tell(self, tell: &mut Tell<'_>) {
        self.texts.into_iter().for_each(|text| say(Delta::Text(text), tell));
        self.annotations.into_iter().for_each(|json| tell(Delta::Annotation(json.into())));
    }
}

/// Reads a citation of something on the web, as JSON text. Places in the request's own documents
/// have no such form.
fn citation(reader: &mut Reader<'_>) -> Result<Option<String>, JsonError> {
    let (mut cited, mut url, mut source) = (Citation::default(), None, None);
    object(reader, |reader, key| {
        match key {
            "title" => cited.title = text(reader)?,
            "source" => source = text(reader)?.filter(|source| source.starts_with("http")),
            "sourceContent" => array(reader, |reader| {
                if let Some(text) = member(reader, "text", text)? {
                    cited.content.get_or_insert_default().to_mut().push_str(&text);
                }
                Ok(())
            })?,
            "location" => url = member(reader, "web", |reader| member(reader, "url", text))?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(url.or(source).map(|url| Citation { url, ..cited }.annotation()))
}

/// Reads `usage`, whose input is neither what was read from a cache nor what was written to one.
pub(super) fn usage(reader: &mut Reader<'_>) -> Result<Option<Usage>, JsonError> {
    let (mut input, mut output, mut cached, mut cache_write) = (None, None, None, None);
    object(reader, |reader, key| {
        let count = match key {
            "inputTokens" => &mut input,
            "outputTokens" => &mut output,
            "cacheReadInputTokens" => &mut cached,
            "cacheWriteInputTokens" => &mut cache_write,
            _ => return Ok(()),
        };
        *count = reader.u64()?;
        Ok(())
    })?;
    if input.is_none() && output.is_none() {
        return Ok(None);
    }
    let [input, output, cached, cache_write] =
        [input, output, cached, cache_write].map(Option::unwrap_or_default);
    let input = input.saturating_add(cached).saturating_add(cache_write);
    Ok(Some(Usage { input, output, cached, cache_write, ..Usage::default() }))
}
