//! The JSON of an answer for a client: a message, its blocks, and the events of its stream.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::translate::anthropic::tally::Counts;
use crate::translate::citation::Citation;

/// An event of a stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: usize, content_block: Block<'a> },
    ContentBlockDelta { index: usize, delta: Piece<'a> },
    ContentBlockStop { index: usize },
    MessageDelta { delta: Stop<'a>, usage: Counts },
    MessageStop {},
}

impl Event<'_> {
    /// Appends the event with its name.
    pub(super) fn write(&self, events: &mut Vec<u8>) {
        let name = match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop {} => "message_stop",
        };
        for part in ["event: ", name, "\ndata: "] {
            events.extend_from_slice(part.as_bytes());
        }
        // Writing into memory does not fail, and these structures have no keys but strings.
        let _ = serde_json::to_writer(&mut *events, self);
        events.extend_from_slice(b"\n\n");
    }
}

/// A message.
#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: Vec<Block<'a>>,
    #[serde(flatten)]
    pub(super) stop: Stop<'a>,
    pub(super) usage: Counts,
}

/// Why a message ended; in a stream null until it did.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Stop<'a> {
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<&'a str>,
    /// Clients insist on these two, though there never are any.
    stop_details: (),
    container: (),
}

impl<'a> Stop<'a> {
    pub(super) fn new(stop_reason: &'static str, stop_sequence: Option<&'a str>) -> Self {
        Self { stop_reason: Some(stop_reason), stop_sequence, ..Self::default() }
    }
}

/// A content block.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text { text: &'a str, citations: Option<Vec<Cited<'a>>> },
    Thinking { thinking: &'a str, signature: Cow<'a, str> },
    RedactedThinking { data: Cow<'a, str> },
    ToolUse { id: Cow<'a, str>, name: &'a str, input: Cow<'a, RawValue>, caller: Caller },
}

/// Who calls a tool: the model itself.
#[derive(Serialize)]
#[serde(tag = "type", rename = "direct")]
pub(super) struct Caller {}

/// What is added to a block.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "citations_delta")]
    Citation { citation: Cited<'a> },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
}

/// A citation of the web.
#[derive(Serialize)]
#[serde(tag = "type", rename = "web_search_result_location")]
pub(super) struct Cited<'a> {
    cited_text: Cow<'a, str>,
    url: Cow<'a, str>,
    title: Option<Cow<'a, str>>,
    encrypted_index: &'static str,
}

impl<'a> Cited<'a> {
    /// What an annotation cites; `None` if it is of another type.
    pub(super) fn of(annotation: &'a str) -> Option<Self> {
        let Citation { url, title, content, .. } = Citation::of(annotation)?;
        Some(Self { cited_text: content.unwrap_or_default(), url, title, encrypted_index: "" })
    }
}

/// No arguments yet.
pub(super) fn no_input<'a>() -> Cow<'a, RawValue> {
    Cow::Owned(RawValue::from_string("{}".to_owned()).unwrap_or_default())
}
