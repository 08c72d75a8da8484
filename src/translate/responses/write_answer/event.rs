//! Events of a stream, as server-sent events that are named by their type.

use serde::Serialize;

use super::item::{Cited, Item, Piece, PieceKind};
use super::response::Response;
use crate::error::OpenAiError;

/// An event; each type has some of the fields. The stream gives it its number.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Event<'a> {
    pub(super) r#type: &'static str,
    pub(super) sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<&'a Response<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<&'a Piece>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation: Option<&'a Cited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<&'a str>,
    /// Clients insist on it, though there never are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<[(); 0]>,
}

/// The event that says why a stream broke, as documented and, in `error`, as OpenAI sends it: the
/// SDKs raise on that.
#[derive(Serialize)]
struct ErrorEvent<'a> {
    r#type: &'static str,
    sequence_number: u64,
    code: Option<&'a str>,
    message: &'a str,
    param: Option<&'a str>,
    error: &'a OpenAiError<'a>,
}

/// Types of the events about one kind of part.
pub(super) struct PieceEvents {
    pub(super) added: &'static str,
    pub(super) delta: &'static str,
    pub(super) text_done: &'static str,
    pub(super) done: &'static str,
}

const OUTPUT_TEXT: PieceEvents = PieceEvents {
    added: "response.content_part.added",
    delta: "response.output_text.delta",
    text_done: "response.output_text.done",
    done: "response.content_part.done",
};
const REFUSAL: PieceEvents = PieceEvents {
    delta: "response.refusal.delta",
    text_done: "response.refusal.done",
    ..OUTPUT_TEXT
};
const REASONING_TEXT: PieceEvents = PieceEvents {
    delta: "response.reasoning_text.delta",
    text_done: "response.reasoning_text.done",
    ..OUTPUT_TEXT
};
const SUMMARY_TEXT: PieceEvents = PieceEvents {
    added: "response.reasoning_summary_part.added",
    delta: "response.reasoning_summary_text.delta",
    text_done: "response.reasoning_summary_text.done",
    done: "response.reasoning_summary_part.done",
};

impl PieceEvents {
    pub(super) fn of(kind: PieceKind) -> &'static Self {
        match kind {
            PieceKind::OutputText => &OUTPUT_TEXT,
            PieceKind::Refusal => &REFUSAL,
            PieceKind::ReasoningText => &REASONING_TEXT,
            PieceKind::SummaryText => &SUMMARY_TEXT,
        }
    }
}

impl<'a> Event<'a> {
    /// An event about a part.
    pub(super) fn of_piece(r#type: &'static str, kind: PieceKind, place: PiecePlace<'a>) -> Self {
        let summary = kind == PieceKind::SummaryText;
        Self {
            r#type,
            item_id: Some(place.item_id),
            output_index: Some(place.output_index),
            content_index: (!summary).then_some(place.piece_index),
            summary_index: summary.then_some(place.piece_index),
            ..Self::default()
        }
    }
}

/// Where a part is.
#[derive(Clone, Copy)]
pub(super) struct PiecePlace<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    pub(super) piece_index: usize,
}

/// Numbers events and appends them to the stream, or to nothing where the answer is wanted whole.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    next: u64,
    silent: bool,
}

impl Numbering {
    /// From here on no event is written.
    pub(super) fn silence(&mut self) {
        self.silent = true;
    }

    pub(super) fn write(&mut self, mut event: Event<'_>, events: &mut Vec<u8>) {
        event.sequence_number = self.next;
        self.append(event.r#type, &event, events);
    }

    pub(super) fn write_error(&mut self, error: &OpenAiError<'_>, events: &mut Vec<u8>) {
        let OpenAiError { code, message, param, .. } = *error;
        let event =
            ErrorEvent { r#type: "error", sequence_number: self.next, code, message, param, error };
        self.append("error", &event, events);
    }

    fn append(&mut self, name: &str, event: &impl Serialize, events: &mut Vec<u8>) {
        if self.silent {
            return;
        }
        self.next += 1;
        for part in ["event: ", name, "\ndata: "] {
            events.extend_from_slice(part.as_bytes());
        }
        // Writing into memory does not fail.
        let _ = serde_json::to_writer(&mut *events, event);
        events.extend_from_slice(b"\n\n");
    }
}
