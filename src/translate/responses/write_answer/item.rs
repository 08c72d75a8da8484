//! Items of `output`, as they are written and gathered.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::translate::citation::Citation;

/// What the model did, in order.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    Reasoning {
        id: String,
        status: Status,
        summary: Vec<Piece>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Piece>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    Message {
        id: String,
        status: Status,
        role: &'static str,
        content: Vec<Piece>,
    },
    FunctionCall {
        id: String,
        status: Status,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        arguments: String,
    },
    CustomToolCall {
        id: String,
        status: Status,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        input: String,
    },
    ToolSearchCall {
        id: String,
        status: Status,
        call_id: String,
        execution: &'static str,
        arguments: Option<Box<RawValue>>,
    },
}

/// How far an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
}

/// A part of a message or of a piece of thinking.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Piece {
    OutputText { text: String, annotations: Vec<Cited>, logprobs: [(); 0] },
    Refusal { refusal: String },
    SummaryText { text: String },
    ReasoningText { text: String },
}

/// Which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    OutputText,
    Refusal,
    SummaryText,
    ReasoningText,
}

impl Item {
    /// A message that begins; `id` is the end of its own.
    pub(super) fn message(id: &str) -> Self {
        let (id, status) = (format!("msg_{id}"), Status::InProgress);
        Self::Message { id, status, role: "assistant", content: Vec::new() }
    }

    /// A piece of thinking that begins.
    pub(super) fn reasoning(id: &str) -> Self {
        let (id, status) = (format!("rs_{id}"), Status::InProgress);
        Self::Reasoning {
            id,
            status,
            summary: Vec::new(),
            content: Vec::new(),
            encrypted_content: None,
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. }
            | Self::Message { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::CustomToolCall { id, .. }
            | Self::ToolSearchCall { id, .. } => id,
        }
    }

    pub(super) fn status(&mut self) -> &mut Status {
        match self {
            Self::Reasoning { status, .. }
            | Self::Message { status, .. }
            | Self::FunctionCall { status, .. }
            | Self::CustomToolCall { status, .. }
            | Self::ToolSearchCall { status, .. } => status,
        }
    }

    /// The list that parts of this kind go into; `None` if this item has none.
    pub(super) fn pieces(&mut self, kind: PieceKind) -> Option<&mut Vec<Piece>> {
        match (self, kind) {
            (Self::Message { content, .. }, PieceKind::OutputText | PieceKind::Refusal)
            | (Self::Reasoning { content, .. }, PieceKind::ReasoningText) => Some(content),
            (Self::Reasoning { summary, .. }, PieceKind::SummaryText) => Some(summary),
            _ => None,
        }
    }

    /// The last part, which is the only one that grows, and its index.
    pub(super) fn last_piece(&self) -> Option<(usize, &Piece)> {
        let pieces = match self {
            Self::Message { content, .. } => content,
            Self::Reasoning { summary, content, .. } if content.is_empty() => summary,
            Self::Reasoning { content, .. } => content,
            _ => return None,
        };
        pieces.last().map(|piece| (pieces.len() - 1, piece))
    }
}

impl Piece {
    pub(super) fn empty(kind: PieceKind) -> Self {
        let text = String::new();
        match kind {
            PieceKind::OutputText => {
                Self::OutputText { text, annotations: Vec::new(), logprobs: [] }
            }
            PieceKind::Refusal => Self::Refusal { refusal: text },
            PieceKind::SummaryText => Self::SummaryText { text },
            PieceKind::ReasoningText => Self::ReasoningText { text },
        }
    }

    pub(super) fn kind(&self) -> PieceKind {
        match self {
            Self::OutputText { .. } => PieceKind::OutputText,
            Self::Refusal { .. } => PieceKind::Refusal,
            Self::SummaryText { .. } => PieceKind::SummaryText,
            Self::ReasoningText { .. } => PieceKind::ReasoningText,
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::OutputText { text, .. }
            | Self::SummaryText { text }
            | Self::ReasoningText { text } => text,
            Self::Refusal { refusal } => refusal,
        }
    }

    pub(super) fn text_mut(&mut self) -> &mut String {
        match self {
            Self::OutputText { text, .. }
            | Self::SummaryText { text }
            | Self::ReasoningText { text } => text,
            Self::Refusal { refusal } => refusal,
        }
    }
}

/// A web page an answer rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename = "url_citation")]
pub(super) struct Cited {
    url: String,
    title: String,
    start_index: usize,
    end_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl Cited {
    /// What an annotation cites; `None` if it is of a type this dialect does not have.
    pub(super) fn of(annotation: &str) -> Option<Self> {
        let Citation { url, title, content, start_index, end_index } = Citation::of(annotation)?;
        Some(Self {
            url: url.into_owned(),
            title: title.unwrap_or_default().into_owned(),
            start_index: start_index.unwrap_or_default(),
            end_index: end_index.unwrap_or_default(),
            content: content.map(Cow::into_owned),
        })
    }
}
