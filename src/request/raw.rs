//! The body itself, byte for byte, and where its members stand.

use crate::wire::edit::Members;
use crate::wire::json::Span;

/// A body that is valid JSON and an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    bytes: Vec<u8>,
    /// Length of the body while the host alone has it; see [`Self::release`].
    released: Option<usize>,
    /// Where the object stands.
    pub(super) object: Span,
    pub(super) members: Members,
    /// Whether a preset has changed the body that the client sent.
    pub(super) is_merged: bool,
}

impl Raw {
    /// Takes in the bytes of which object and members have been read.
    pub(super) fn keep(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }

    /// The bytes, for which nobody may ask while they are released.
    pub(super) fn bytes(&self) -> &[u8] {
        debug_assert!(self.released.is_none(), "the body is released");
        &self.bytes
    }

    /// Drops the bytes, which the host has too.
    pub(super) fn release(&mut self) {
        self.released.get_or_insert(self.bytes.len());
        self.bytes = Vec::new();
    }

    /// Length of the released bytes, which must be restored before they are needed again.
    pub(super) fn released(&self) -> Option<usize> {
        self.released
    }

    /// Takes the released bytes in again. Those of another length cannot be them, and change
    /// nothing.
    pub(super) fn restore(&mut self, bytes: Vec<u8>) {
        if self.released == Some(bytes.len()) {
            self.bytes = bytes;
            self.released = None;
        }
    }
}
