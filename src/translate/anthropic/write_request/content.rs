//! Parts of the common form as content blocks for an upstream.
//!
//! What a block cannot be is left out and noted by OpenAI's name of it. The API rejects empty
//! texts, so those are left out too; ids of calls lose characters the API does not allow, on call
//! and result alike.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::base64;
use crate::translate::anthropic::call::{allowed, as_object, wrapped};
use crate::translate::anthropic::proof::is_own;
use crate::translate::form::{
    Breakpoints, Cache, Content, Media, MediaKind, Part, Role, Source, Thinking,
};
use crate::translate::loss::Lost;

/// A content block; the fields of all types.
#[derive(Debug, Default, Serialize)]
pub(super) struct Block<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_use_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    content: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Where<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

impl<'a> Block<'a> {
    /// A text.
    pub(super) fn text(text: &'a str) -> Self {
        Self { r#type: "text", text: Some(text), ..Self::default() }
    }

    /// Takes the white space off the end of a text.
    pub(super) fn trim_end(&mut self) {
        self.text = self.text.map(str::trim_end);
    }
}

/// `source`
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Where<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
    File { file_id: &'a str },
    Text { media_type: &'static str, data: String },
}

/// `cache_control`
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct CacheControl {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

/// Writes blocks in the order in which the API reads them: tools, system, messages.
pub(super) struct Blocks<'d> {
    breakpoints: Breakpoints,
    pub(super) dropped: &'d mut Lost,
}

impl<'d> Blocks<'d> {
    /// For a request that asks for so many breakpoints.
    pub(super) fn new(breakpoints: usize, dropped: &'d mut Lost) -> Self {
        Self { breakpoints: Breakpoints::new(breakpoints), dropped }
    }

    /// The next breakpoint.
    pub(super) fn breakpoint(&mut self, cache: Option<Cache>) -> Option<CacheControl> {
        let wanted = cache?;
        let taken = self.breakpoints.take(wanted);
        if taken != Some(wanted) {
            self.dropped.add("messages.cache_control");
        }
        Some(CacheControl { r#type: "ephemeral", ttl: (taken? == Cache::Long).then_some("1h") })
    }

    /// The blocks of `parts`, said by `role`; tool results first, as the API demands.
    pub(super) fn of<'a>(&mut self, role: Role, parts: &'a [Part<'a>]) -> Vec<Block<'a>> {
        let results = parts.iter().filter(|part| part.is_result());
        let others = parts.iter().filter(|part| !part.is_result());
        results.chain(others).filter_map(|part| self.block(role, part)).collect()
    }

    fn block<'a>(&mut self, role: Role, part: &'a Part<'a>) -> Option<Block<'a>> {
        let block = match &part.content {
            Content::Text(text) if text.trim_ascii().is_empty() => return None,
            Content::Text(text) => Block::text(text),
            Content::Media(media) => self.media(role, media)?,
            Content::Thinking(thinking) => return self.thinking(thinking),
            Content::ToolCall { id, name, arguments, signature } => {
                if signature.is_some() {
                    self.dropped.add("messages.reasoning_details");
                }
                self.tool_use(id, name, arguments)
            }
            Content::ToolResult { id, parts, is_error } => Block {
                r#type: "tool_result",
                tool_use_id: Some(allowed(id)),
                content: self.of(Role::User, parts),
                is_error: *is_error,
                ..Block::default()
            },
        };
        Some(Block { cache_control: self.breakpoint(part.cache), ..block })
    }

    /// Only Claude's own: nobody else's proof passes its check.
    fn thinking<'a>(&mut self, thinking: &'a Thinking<'a>) -> Option<Block<'a>> {
        if !is_own(thinking) {
            self.dropped.add("messages.reasoning_details");
            return None;
        }
        Some(match &thinking.encrypted {
            Some(data) => {
                Block { r#type: "redacted_thinking", data: Some(data), ..Block::default() }
            }
            None => Block {
                r#type: "thinking",
                thinking: Some(&thinking.text),
                signature: thinking.signature.as_deref(),
                ..Block::default()
            },
        })
    }

    fn tool_use<'a>(&mut self, id: &'a str, name: &'a str, arguments: &'a str) -> Block<'a> {
        let input = match as_object(arguments) {
            Some(input) => Cow::Borrowed(input),
            None => {
                self.dropped.add("messages.tool_calls.arguments");
                Cow::Owned(wrapped(arguments))
            }
        };
        Block {
            r#type: "tool_use",
            id: Some(allowed(id)),
            name: Some(name),
            input: Some(input),
            ..Block::default()
        }
    }

    fn media<'a>(&mut self, role: Role, media: &'a Media<'a>) -> Option<Block<'a>> {
        let (kind, name) = match media.kind {
            MediaKind::Image => ("image", "messages.image_url"),
            MediaKind::File if is_picture(&media.source) => ("image", "messages.file"),
            MediaKind::File => ("document", "messages.file"),
            MediaKind::Audio => ("", "messages.input_audio"),
            MediaKind::Video => ("", "messages.video_url"),
        };
        let source = if kind.is_empty() || role == Role::Assistant {
            None
        } else {
            source(kind, &media.source)
        };
        if source.is_none() {
            self.dropped.add(name);
        }
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.dropped.add("messages.image_url.detail");
        }
        let title = if kind == "document" { media.name.as_deref() } else { None };
        Some(Block { r#type: kind, source: Some(source?), title, ..Block::default() })
    }
}

fn source<'a>(kind: &str, source: &'a Source<'a>) -> Option<Where<'a>> {
    Some(match source {
        Source::Url(url) => Where::Url { url },
        Source::Id(file_id) => Where::File { file_id },
        Source::Data { mime, base64 } => match (kind, mime.as_ref()) {
            ("image", "image/jpg") => Where::Base64 { media_type: "image/jpeg", data: base64 },
            ("image", media_type) => Where::Base64 { media_type, data: base64 },
            (_, "application/pdf") => Where::Base64 { media_type: "application/pdf", data: base64 },
            (_, mime) if is_text(mime) => Where::Text {
                media_type: "text/plain",
                data: String::from_utf8(base64::decode(base64)?).ok()?,
            },
            _ => return None,
        },
    })
}

fn is_picture(source: &Source<'_>) -> bool {
    matches!(source, Source::Data { mime, .. } if mime.starts_with("image/"))
}

fn is_text(mime: &str) -> bool {
    mime.starts_with("text/")
        || matches!(mime, "application/json" | "application/xml" | "application/yaml")
}

/// How many breakpoints `parts` ask for.
pub(super) fn breakpoints(parts: &[Part<'_>]) -> usize {
    parts.iter().map(breakpoints_of).sum()
}

fn breakpoints_of(part: &Part<'_>) -> usize {
    match &part.content {
        Content::Thinking(_) => 0,
        Content::ToolResult { parts, .. } => usize::from(part.cache.is_some()) + breakpoints(parts),
        _ => usize::from(part.cache.is_some()),
    }
}
