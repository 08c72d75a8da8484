//! The items of an answer and the events that tell of every change to one.

use super::event::{Event, Numbering, PieceEvents, PiecePlace};
use super::item::{Cited, Item, Piece, PieceKind, Status};

/// All items so far. An index of an item is one that [`Output::add`] has returned; others change
/// nothing.
#[derive(Default)]
pub(super) struct Output {
    pub(super) items: Vec<Item>,
    pub(super) numbering: Numbering,
}

impl Output {
    /// Adds an item, and returns its index.
    pub(super) fn add(&mut self, item: Item, events: &mut Vec<u8>) -> usize {
        let output_index = self.items.len();
        let event = Event { r#type: "response.output_item.added", ..Event::default() };
        self.numbering
            .write(Event { output_index: Some(output_index), item: Some(&item), ..event }, events);
        self.items.push(item);
        output_index
    }

    /// Opens another part of an item that has such parts.
    pub(super) fn open_piece(
        &mut self,
        output_index: usize,
        kind: PieceKind,
        events: &mut Vec<u8>,
    ) {
        let Some(item) = self.items.get_mut(output_index) else { return };
        if let Some(pieces) = item.pieces(kind) {
            pieces.push(Piece::empty(kind));
        }
        if let Some((piece_index, piece)) = item.last_piece() {
            let place = PiecePlace { item_id: item.id(), output_index, piece_index };
            let event = Event::of_piece(PieceEvents::of(kind).added, kind, place);
            self.numbering.write(Event { part: Some(piece), ..event }, events);
        }
    }

    /// Adds text to the last part, which is of this kind.
    pub(super) fn extend_piece(
        &mut self,
        output_index: usize,
        kind: PieceKind,
        more: &str,
        events: &mut Vec<u8>,
    ) {
        let Some(item) = self.items.get_mut(output_index) else { return };
        if let Some(piece) = item.pieces(kind).and_then(|pieces| pieces.last_mut()) {
            piece.text_mut().push_str(more);
        }
        if let Some((piece_index, _)) = item.last_piece() {
            let place = PiecePlace { item_id: item.id(), output_index, piece_index };
            let logprobs = (kind == PieceKind::OutputText).then_some([]);
            let event = Event::of_piece(PieceEvents::of(kind).delta, kind, place);
            self.numbering.write(Event { delta: Some(more), logprobs, ..event }, events);
        }
    }

    /// Closes the last part, if there is one.
    pub(super) fn close_piece(&mut self, output_index: usize, events: &mut Vec<u8>) {
        let Some(item) = self.items.get(output_index) else { return };
        let Some((piece_index, piece)) = item.last_piece() else { return };
        let (kind, types) = (piece.kind(), PieceEvents::of(piece.kind()));
        let place = PiecePlace { item_id: item.id(), output_index, piece_index };
        let refusal = kind == PieceKind::Refusal;
        let done = Event {
            text: (!refusal).then_some(piece.text()),
            refusal: refusal.then_some(piece.text()),
            logprobs: (kind == PieceKind::OutputText).then_some([]),
            ..Event::of_piece(types.text_done, kind, place)
        };
        self.numbering.write(done, events);
        self.numbering
            .write(Event { part: Some(piece), ..Event::of_piece(types.done, kind, place) }, events);
    }

    /// Adds a citation to the last part, which is a text.
    pub(super) fn cite(&mut self, output_index: usize, citation: Cited, events: &mut Vec<u8>) {
        let Some(item) = self.items.get_mut(output_index) else { return };
        let pieces = item.pieces(PieceKind::OutputText).and_then(|pieces| pieces.last_mut());
        let Some(Piece::OutputText { annotations, .. }) = pieces else { return };
        let annotation_index = Some(annotations.len());
        annotations.push(citation.clone());
        if let Some((piece_index, _)) = item.last_piece() {
            let place = PiecePlace { item_id: item.id(), output_index, piece_index };
            let event = Event::of_piece(
                "response.output_text.annotation.added",
                PieceKind::OutputText,
                place,
            );
            self.numbering
                .write(Event { annotation_index, annotation: Some(&citation), ..event }, events);
        }
    }

    /// Closes an item, whose parts are closed.
    pub(super) fn close_item(&mut self, output_index: usize, ended: Status, events: &mut Vec<u8>) {
        let Some(item) = self.items.get_mut(output_index) else { return };
        *item.status() = ended;
        let event = Event { r#type: "response.output_item.done", ..Event::default() };
        self.numbering
            .write(Event { output_index: Some(output_index), item: Some(item), ..event }, events);
    }

    /// Marks what is open as incomplete, and tells nobody.
    pub(super) fn break_off(&mut self) {
        for item in &mut self.items {
            if *item.status() == Status::InProgress {
                *item.status() = Status::Incomplete;
            }
        }
    }
}
