//! A client's content blocks as parts of the common form.
//!
//! Blocks are read in one pass, whatever the order of their fields, into [`Block`], and then become
//! parts by their type. What only Anthropic's own servers understand (server tools and their
//! results) is left out and noted as dropped.

use super::{Wrong, members};
use crate::translate::anthropic::proof;
use crate::translate::form::{Cache, Content, Media, MediaKind, Part, Source, Text, Thinking};
use crate::translate::loss::Lost;
use crate::translate::tolerant::{array, member, object, raw_object, text};
use crate::wire::json::{JsonError, Kind, Reader};

/// Reads the content of one message, or of `system`.
pub(super) struct Blocks<'a, 'r> {
    json: &'a [u8],
    dropped: &'r mut Lost,
    /// The proof that belongs to the next tool call.
    call_proof: Option<String>,
}

/// The fields of all types of block that the common form has a place for.
#[derive(Default)]
struct Block<'a> {
    kind: Text<'a>,
    text: Option<Text<'a>>,
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    input: Option<&'a str>,
    tool_use_id: Option<Text<'a>>,
    content: Vec<Part<'a>>,
    is_error: bool,
    thinking: Option<Text<'a>>,
    signature: Option<Text<'a>>,
    data: Option<Text<'a>>,
    source: Option<Where<'a>>,
    title: Option<Text<'a>>,
    context: Option<Text<'a>>,
    cited: bool,
    cache: Option<Cache>,
}

/// A block's `source`.
enum Where<'a> {
    /// A search result's: a text.
    Name(Text<'a>),
    Media(Source<'a>),
    Text(Text<'a>),
    Parts(Vec<Part<'a>>),
}

impl<'a, 'r> Blocks<'a, 'r> {
    pub(super) fn new(json: &'a [u8], dropped: &'r mut Lost) -> Self {
        Self { json, dropped, call_proof: None }
    }

    /// Reads `content`: a text or an array of blocks; anything else has no parts.
    pub(super) fn content(&mut self, reader: &mut Reader<'a>) -> Result<Vec<Part<'a>>, Wrong> {
        let mut parts = Vec::new();
        match reader.peek()? {
            Kind::String => {
                parts.extend(text(reader)?.filter(|text| !text.is_empty()).map(Part::text))
            }
            Kind::Array => {
                reader.array(|reader, _| self.element(reader, &mut parts))?;
            }
            _ => {
                reader.skip()?;
            }
        }
        Ok(parts)
    }

    fn element(&mut self, reader: &mut Reader<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Wrong> {
        if reader.peek()? != Kind::Object {
            return Ok(());
        }
        let mut block = Block::default();
        members(reader, |reader, key| self.member(reader, key, &mut block))?;
        let (before, cache) = (parts.len(), block.cache);
        self.parts(block, parts)?;
        if let Some(last) = parts.get_mut(before..).and_then(<[_]>::last_mut) {
            last.cache = cache.or(last.cache);
        }
        Ok(())
    }

    fn member(
        &mut self,
        reader: &mut Reader<'a>,
        key: &str,
        block: &mut Block<'a>,
    ) -> Result<(), Wrong> {
        match key {
            "type" => block.kind = text(reader)?.unwrap_or_default(),
            "text" => block.text = text(reader)?,
            "id" => block.id = text(reader)?,
            "name" => block.name = text(reader)?,
            "input" => block.input = raw_object(self.json, reader)?,
            "tool_use_id" => block.tool_use_id = text(reader)?,
            "content" => block.content = self.content(reader)?,
            "is_error" => block.is_error = reader.boolean()? == Some(true),
            "thinking" => block.thinking = text(reader)?,
            "signature" => block.signature = text(reader)?,
            "data" => block.data = text(reader)?,
            "source" => block.source = self.source(reader)?,
            "title" => block.title = text(reader)?,
            "context" => block.context = text(reader)?,
            "citations" => block.cited = is_cited(reader)?,
            "cache_control" => block.cache = cache(reader)?,
            _ => {}
        }
        Ok(())
    }

    fn source(&mut self, reader: &mut Reader<'a>) -> Result<Option<Where<'a>>, Wrong> {
        if reader.peek()? != Kind::Object {
            return Ok(text(reader)?.map(Where::Name));
        }
        let (mut kind, mut mime, mut value, mut parts) = (Text::default(), None, None, Vec::new());
        members(reader, |reader, key| {
            match key {
                "type" => kind = text(reader)?.unwrap_or_default(),
                "media_type" => mime = text(reader)?,
                "data" | "url" | "file_id" => value = text(reader)?,
                "content" => parts = self.content(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(match (kind.as_ref(), value) {
            ("base64", Some(base64)) => Some(Where::Media(Source::Data {
                mime: mime.unwrap_or("application/pdf".into()),
                base64,
            })),
            ("url", Some(url)) => Some(Where::Media(Source::Url(url))),
            ("file", Some(id)) => Some(Where::Media(Source::Id(id))),
            ("text", Some(text)) => Some(Where::Text(text)),
            ("content", _) => Some(Where::Parts(parts)),
            _ => None,
        })
    }

    fn parts(&mut self, block: Block<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Wrong> {
        if block.cited {
            self.dropped.add("messages.citations");
        }
        let part = match block.kind.as_ref() {
            "text" => Content::Text(needed(block.text, "text needs text")?),
            "image" => Content::Media(image(block)?),
            "document" => return document(block, parts),
            "thinking" => thinking(block.thinking.unwrap_or_default(), block.signature),
            "redacted_thinking" => {
                match self.redacted(needed(block.data, "redacted_thinking needs data")?) {
                    Some(thinking) => thinking,
                    None => return Ok(()),
                }
            }
            "tool_use" => Content::ToolCall {
                id: needed(block.id, "tool_use needs id")?,
                name: needed(block.name, "tool_use needs name")?,
                arguments: block.input.unwrap_or("{}").into(),
                signature: self.call_proof.take().map(Text::from),
            },
            "tool_result" => Content::ToolResult {
                id: needed(block.tool_use_id, "tool_result needs tool_use_id")?,
                parts: block.content,
                is_error: block.is_error,
            },
            "search_result" => {
                search_result(block, parts);
                return Ok(());
            }
            other => {
                self.dropped.add(lost(other));
                return Ok(());
            }
        };
        parts.push(Part { content: part, cache: None });
        Ok(())
    }

    /// `None`: it is the proof for the next tool call.
    fn redacted(&mut self, data: Text<'a>) -> Option<Content<'a>> {
        self.call_proof = proof::of_call(&data);
        if self.call_proof.is_some() {
            return None;
        }
        let (format, data) = proof::unstamp(data);
        Some(Content::Thinking(Thinking { encrypted: Some(data), format, ..Thinking::default() }))
    }
}

fn needed<T>(field: Option<T>, problem: &'static str) -> Result<T, Wrong> {
    field.ok_or(Wrong::Field("messages", problem))
}

/// What is noted as dropped for content that only Anthropic's servers understand.
fn lost(kind: &str) -> &'static str {
    match kind {
        "server_tool_use" | "mcp_tool_use" => "messages.server_tool_use",
        "tool_reference" => "messages.tool_reference",
        "container_upload" => "messages.container_upload",
        "compaction" => "messages.compaction",
        "web_search_result" | "web_fetch_result" => "messages.server_tool_result",
        kind if kind.ends_with("_tool_result") => "messages.server_tool_result",
        _ => "messages.content",
    }
}

fn thinking<'a>(readable: Text<'a>, signature: Option<Text<'a>>) -> Content<'a> {
    let (format, signature) = match signature.filter(|signature| !signature.is_empty()) {
        Some(signature) => {
            let (format, signature) = proof::unstamp(signature);
            (format, Some(signature))
        }
        None => (None, None),
    };
    Content::Thinking(Thinking { text: readable, signature, format, ..Thinking::default() })
}

fn image(block: Block<'_>) -> Result<Media<'_>, Wrong> {
    match block.source {
        Some(Where::Media(source)) => {
            Ok(Media { kind: MediaKind::Image, source, name: None, detail: None })
        }
        _ => Err(Wrong::Field("messages", "image needs a source of type base64, url or file")),
    }
}

/// A document's title and context are read by the model, so they come before it as text where they
/// have no other place.
fn document<'a>(block: Block<'a>, parts: &mut Vec<Part<'a>>) -> Result<(), Wrong> {
    let mut texts = Vec::new();
    let document = match block.source {
        Some(Where::Media(source)) => {
            texts.extend(block.context);
            Some(Content::Media(Media {
                kind: MediaKind::File,
                source,
                name: block.title,
                detail: None,
            }))
        }
        Some(Where::Text(text)) => {
            texts.extend(block.title.into_iter().chain(block.context));
            Some(Content::Text(text))
        }
        Some(Where::Parts(content)) => {
            parts.extend(block.title.into_iter().chain(block.context).map(Part::text));
            parts.extend(content);
            None
        }
        _ => {
            return Err(Wrong::Field(
                "messages",
                "document needs a source of type base64, url, file, text or content",
            ));
        }
    };
    parts.extend(texts.into_iter().map(Part::text));
    parts.extend(document.map(|content| Part { content, cache: None }));
    Ok(())
}

/// A search result as text: where it is from, and what it says.
fn search_result<'a>(block: Block<'a>, parts: &mut Vec<Part<'a>>) {
    let name = match block.source {
        Some(Where::Name(name)) => Some(name),
        _ => None,
    };
    parts.extend(block.title.into_iter().chain(name).map(Part::text));
    parts.extend(block.content);
}

/// Whether `citations` are asked for (`{"enabled": true}`), or stand here (an array that is not
/// empty).
fn is_cited(reader: &mut Reader<'_>) -> Result<bool, JsonError> {
    let mut cited = false;
    match reader.peek()? {
        Kind::Array => array(reader, |_| {
            cited = true;
            Ok(())
        })?,
        _ => object(reader, |reader, key| {
            cited |= key == "enabled" && reader.boolean()? == Some(true);
            Ok(())
        })?,
    }
    Ok(cited)
}

/// Reads `cache_control`.
pub(super) fn cache(reader: &mut Reader<'_>) -> Result<Option<Cache>, JsonError> {
    if reader.peek()? != Kind::Object {
        return Ok(None);
    }
    let ttl = member(reader, "ttl", text)?;
    Ok(Some(if ttl.is_some_and(|ttl| ttl == "1h") { Cache::Long } else { Cache::Short }))
}
