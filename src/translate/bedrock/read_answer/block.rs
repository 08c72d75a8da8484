//! What the parts of an answer say: calls, text, thinking, citations, usage.

use serde::Serialize;

use crate::translate::bedrock::json::{each, nested, object, string};
use crate::translate::delta::Delta;
use crate::translate::form::Text;
use crate::usage::{Source, Usage};
use crate::wire::json::{JsonError, Reader, Span};

/// Where deltas go.
type Tell<'t> = &'t mut dyn FnMut(Delta<'_>);

/// Tells what has something in it: streams begin blocks with empty pieces.
pub(super) fn say(delta: Delta<'_>, tell: Tell<'_>) {
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
    /// Where the arguments stand.
    pub(super) input: Option<Span>,
    /// The provider runs the tool itself.
    pub(super) by_server: bool,
}

impl<'a> ToolUse<'a> {
    /// Reads a `toolUse`.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, JsonError> {
        let mut call = Self::default();
        object(reader, &mut |reader, member| {
            match member.key.decode().as_ref() {
                "toolUseId" => call.id = string(reader)?,
                "name" => call.name = string(reader)?,
                "input" => call.input = Some(reader.skip()?),
                "type" => {
                    call.by_server = string(reader)?.is_some_and(|kind| kind == "server_tool_use")
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
    /// This.
    Say(Delta<'a>),
    /// More of the arguments of its block's call.
    Arguments(Text<'a>),
}

impl<'a> Piece<'a> {
    /// Reads a `delta`.
    #[inline]
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, JsonError> {
        let mut piece = None;
        object(reader, &mut |reader, member| {
            match member.key.decode().as_ref() {
                "text" => piece = string(reader)?.map(|text| Self::Say(Delta::Text(text))),
                "toolUse" => piece = nested(reader, "input", string)?.map(Self::Arguments),
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
    object(reader, &mut |reader, member| {
        let kind = match member.key.decode().as_ref() {
            "text" => Delta::Thinking,
            "signature" => Delta::Signature,
            "redactedContent" => Delta::EncryptedThinking,
            _ => return Ok(()),
        };
        delta = string(reader)?.map(kind).or(delta.take());
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
        object(reader, &mut |reader, member| {
            match member.key.decode().as_ref() {
                "reasoningText" => thought.read_text(reader)?,
                "redactedContent" => thought.redacted = string(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(thought)
    }

    fn read_text(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        object(reader, &mut |reader, member| {
            match member.key.decode().as_ref() {
                "text" => self.text = string(reader)?,
                "signature" => self.signature = string(reader)?,
                _ => {}
            }
            Ok(())
        })
    }

    /// Tells it, the proof last.
    pub(super) fn tell(self, tell: Tell<'_>) {
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
        object(reader, &mut |reader, member| {
            match member.key.decode().as_ref() {
                "content" => each(reader, &mut |reader| {
                    cited.texts.extend(nested(reader, "text", string)?);
                    Ok(())
                })?,
                "citations" => each(reader, &mut |reader| {
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
    pub(super) fn tell(self, tell: Tell<'_>) {
        self.texts.into_iter().for_each(|text| say(Delta::Text(text), tell));
        self.annotations.into_iter().for_each(|json| tell(Delta::Annotation(json.into())));
    }
}

/// OpenRouter's form of a citation.
#[derive(Serialize)]
struct Annotation<'a> {
    r#type: &'static str,
    url_citation: UrlCitation<'a>,
}

#[derive(Default, Serialize)]
struct UrlCitation<'a> {
    url: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

/// Reads a citation of something on the web, as JSON text. Places in the request's own documents
/// have no such form.
fn citation(reader: &mut Reader<'_>) -> Result<Option<String>, JsonError> {
    let (mut cited, mut url, mut source) = (UrlCitation::default(), None, None);
    object(reader, &mut |reader, member| {
        match member.key.decode().as_ref() {
            "title" => cited.title = string(reader)?,
            "source" => source = string(reader)?.filter(|source| source.starts_with("http")),
            "sourceContent" => each(reader, &mut |reader| {
                if let Some(text) = nested(reader, "text", string)? {
                    cited.content.get_or_insert_default().push_str(&text);
                }
                Ok(())
            })?,
            "location" => url = nested(reader, "web", |reader| nested(reader, "url", string))?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(url.or(source).and_then(|url| {
        let annotation =
            Annotation { r#type: "url_citation", url_citation: UrlCitation { url, ..cited } };
        serde_json::to_string(&annotation).ok()
    }))
}

/// Reads `usage`, whose input is neither what was read from a cache nor what was written to one.
pub(super) fn usage(json: &[u8]) -> Option<Usage> {
    let (mut input, mut output, mut cached, mut cache_write) = (None, None, None, None);
    let read = object(&mut Reader::new(json), &mut |reader, member| {
        let count = match member.key.decode().as_ref() {
            "inputTokens" => &mut input,
            "outputTokens" => &mut output,
            "cacheReadInputTokens" => &mut cached,
            "cacheWriteInputTokens" => &mut cache_write,
            _ => return Ok(()),
        };
        *count = reader.u64()?;
        Ok(())
    });
    if read.is_err() || (input.is_none() && output.is_none()) {
        return None;
    }
    let [input, output, cached, cache_write] =
        [input, output, cached, cache_write].map(Option::unwrap_or_default);
    let input = input.saturating_add(cached).saturating_add(cache_write);
    Some(Usage { input, output, cached, cache_write, source: Source::Reported, ..Usage::default() })
}
