//! Messages and the blocks in them.

use std::borrow::Cow;

use serde::Serialize;

use super::is_blank;
use super::media::{self, Document, Media, Names};
use super::model::{Family, Model};
use super::thinking::{self, ReasoningContent};
use super::tool::{ToolUse, call_id};
use crate::translate::form::{self, Breakpoints, Cache, Content, Part, Role, Turn};
use crate::translate::loss::Lost;

/// What stands where the API demands something and nothing was said.
const NOTHING: &str = "(no content)";

/// What one side says.
#[derive(Serialize)]
pub(super) struct Message<'c> {
    pub(super) role: &'static str,
    pub(super) content: Vec<Block<'c>>,
}

/// A piece of a message, of the instructions or of a tool's result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'c> {
    Text(Cow<'c, str>),
    Image(Media<'c>),
    Document(Document<'c>),
    Video(Media<'c>),
    Audio(Media<'c>),
    ToolUse(ToolUse<'c>),
    ToolResult(ToolResult<'c>),
    ReasoningContent(ReasoningContent<'c>),
    CachePoint(CachePoint),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolResult<'c> {
    tool_use_id: Cow<'c, str>,
    content: Vec<Block<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

/// A prompt cache breakpoint: everything before it.
#[derive(Serialize)]
pub(super) struct CachePoint {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl From<Cache> for CachePoint {
    fn from(cache: Cache) -> Self {
        Self { r#type: "default", ttl: (cache == Cache::Long).then_some("1h") }
    }
}

/// Leaves out and shortens breakpoints as the API wants them.
pub(super) struct Limit<'d> {
    breakpoints: Breakpoints,
    dropped: &'d mut Lost,
}

impl<'d> Limit<'d> {
    /// For a request with so many breakpoints.
    pub(super) fn new(breakpoints: usize, dropped: &'d mut Lost) -> Self {
        Self { breakpoints: Breakpoints::new(breakpoints), dropped }
    }

    /// Whether the next breakpoint stays; shortens it where it must be.
    pub(super) fn keep(&mut self, point: &mut CachePoint) -> bool {
        let wanted = if point.ttl.is_some() { Cache::Long } else { Cache::Short };
        let Some(taken) = self.breakpoints.take(wanted) else {
            self.dropped.add("messages.cache_control");
            return false;
        };
        if taken != wanted {
            self.dropped.add("messages.cache_control.ttl");
            *point = taken.into();
        }
        true
    }

    /// Keeps of those among `blocks` what may stay.
    pub(super) fn keep_among(&mut self, blocks: &mut Vec<Block<'_>>) {
        blocks.retain_mut(|block| match block {
            Block::CachePoint(point) => self.keep(point),
            _ => true,
        });
    }
}

/// How many of `blocks` are breakpoints.
pub(super) fn breakpoints(blocks: &[Block<'_>]) -> usize {
    blocks.iter().filter(|block| matches!(block, Block::CachePoint(_))).count()
}

/// Writes what was said to a model.
pub(super) struct Writer<'d> {
    model: Model,
    dropped: &'d mut Lost,
    names: Names,
}

impl<'d> Writer<'d> {
    /// For one request.
    pub(super) fn new(model: Model, dropped: &'d mut Lost) -> Self {
        Self { model, dropped, names: Names::default() }
    }

    /// The instructions: texts only.
    pub(super) fn system<'c>(&mut self, parts: &'c [Part<'_>]) -> Vec<Block<'c>> {
        let mut blocks = Vec::new();
        for part in parts {
            match &part.content {
                Content::Text(text) => push_text(text, &mut blocks),
                _ => self.dropped.add("messages.media"),
            }
            self.cache(part.cache, &mut blocks);
        }
        blocks
    }

    /// The turns: roles alternate, the first is the user's, and none is empty.
    pub(super) fn messages<'c>(&mut self, turns: &'c [Turn<'_>]) -> Vec<Message<'c>> {
        let mut messages: Vec<Message<'c>> = Vec::with_capacity(turns.len() + 1);
        for turn in turns {
            let content = self.turn(turn);
            let role = match turn.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            match messages.last_mut() {
                _ if content.is_empty() => {}
                Some(last) if last.role == role => last.content.extend(content),
                _ => messages.push(Message { role, content }),
            }
        }
        if messages.first().is_none_or(|first| first.role != "user") {
            self.dropped.add("messages.role");
            messages
                .insert(0, Message { role: "user", content: vec![Block::Text(NOTHING.into())] });
        }
        messages.iter_mut().for_each(introduce_documents);
        messages.last_mut().into_iter().for_each(trim_begun);
        messages
    }

    fn turn<'c>(&mut self, turn: &'c Turn<'_>) -> Vec<Block<'c>> {
        let mut blocks = Vec::with_capacity(turn.parts.len() + 1);
        for part in &turn.parts {
            let inner = self.part(part, turn.role, &mut blocks);
            self.cache(longest([part.cache, inner]), &mut blocks);
        }
        blocks
    }

    /// Adds the block for `part`. A breakpoint inside it, where none may be, is returned.
    fn part<'c>(
        &mut self,
        part: &'c Part<'_>,
        role: Role,
        blocks: &mut Vec<Block<'c>>,
    ) -> Option<Cache> {
        match &part.content {
            Content::Text(text) => push_text(text, blocks),
            Content::Media(media) if role == Role::User => self.media(media, blocks),
            Content::Media(_) => self.dropped.add("messages.media"),
            Content::Thinking(thinking) => match thinking::give_back(thinking, self.model) {
                Some(content) => blocks.push(Block::ReasoningContent(content)),
                None => self.dropped.add("messages.reasoning_details"),
            },
            Content::ToolCall { id, name, arguments, .. } => {
                let id = call_id(id, self.model);
                blocks.push(Block::ToolUse(ToolUse::new(id, name, arguments, self.dropped)));
            }
            Content::ToolResult { id, parts, is_error } => {
                let content = self.result(parts);
                let status = self.status(*is_error);
                let tool_use_id = call_id(id, self.model);
                blocks.push(Block::ToolResult(ToolResult { tool_use_id, content, status }));
                return longest(parts.iter().map(|part| part.cache));
            }
        }
        None
    }

    /// What a tool returned. An empty list is as good as an empty text here.
    fn result<'c>(&mut self, parts: &'c [Part<'_>]) -> Vec<Block<'c>> {
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            match &part.content {
                Content::Text(text) => push_text(text, &mut blocks),
                Content::Media(media) => self.media(media, &mut blocks),
                _ => self.dropped.add("messages.media"),
            }
        }
        let before = blocks.len();
        blocks.retain(|block| !matches!(block, Block::Audio(_)));
        if blocks.len() < before {
            self.dropped.add("messages.media");
        }
        blocks
    }

    /// `status` of a tool's result. Only Claude and Nova can be told that a tool failed.
    fn status(&mut self, is_error: bool) -> Option<&'static str> {
        if is_error && self.model.family == Family::Other {
            self.dropped.add("messages.is_error");
            return None;
        }
        is_error.then_some("error")
    }

    fn media<'c>(&mut self, media: &'c form::Media<'_>, blocks: &mut Vec<Block<'c>>) {
        if media::has_detail(media) {
            self.dropped.add("messages.image_url.detail");
        }
        match media::block(media, &mut self.names) {
            Ok(block) => blocks.push(block),
            Err(field) => self.dropped.add(field),
        }
    }

    fn cache(&mut self, cache: Option<Cache>, blocks: &mut Vec<Block<'_>>) {
        let Some(mut cache) = cache else {
            return;
        };
        if !self.model.caches() {
            return self.dropped.add("messages.cache_control");
        }
        if cache == Cache::Long && !self.model.caches_tools_and_longer() {
            self.dropped.add("messages.cache_control.ttl");
            cache = Cache::Short;
        }
        // A second breakpoint behind the same blocks marks nothing new, and the API allows none
        // behind thinking.
        if !matches!(blocks.last(), None | Some(Block::CachePoint(_) | Block::ReasoningContent(_)))
        {
            blocks.push(Block::CachePoint(cache.into()));
        }
    }
}

/// The breakpoint that lasts longest.
fn longest(caches: impl IntoIterator<Item = Option<Cache>>) -> Option<Cache> {
    caches.into_iter().flatten().max_by_key(|cache| *cache == Cache::Long)
}

fn push_text<'c>(text: &'c str, blocks: &mut Vec<Block<'c>>) {
    if !is_blank(text) {
        blocks.push(Block::Text(Cow::Borrowed(text)));
    }
}

/// The beginning of an answer that Claude is to go on from may not end in white space.
fn trim_begun(last: &mut Message<'_>) {
    if last.role == "assistant"
        && let Some(Block::Text(text)) = last.content.last_mut()
    {
        match text {
            Cow::Borrowed(text) => *text = text.trim_end(),
            Cow::Owned(text) => text.truncate(text.trim_end().len()),
        }
    }
}

/// A message with a document must also have a text: its name, if there is none.
fn introduce_documents(message: &mut Message<'_>) {
    let document = message.content.iter().find_map(|block| match block {
        Block::Document(document) => Some(document.name.clone()),
        _ => None,
    });
    if let Some(name) = document
        && !message.content.iter().any(|block| matches!(block, Block::Text(_)))
    {
        message.content.push(Block::Text(Cow::Owned(name)));
    }
}
