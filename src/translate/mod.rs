//! Between dialects: what a client gets where it is not the upstream's own bytes.
//!
//! An answer passes through stages, each a change to single events; passing through is the case without stages.

pub mod openrouter;
mod usage_event;

pub use usage_event::HideUsageEvent;

use crate::error::Error;
use crate::request::Face;
use crate::usage::{Meter, Seen};

use openrouter::Identity;

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// It goes on as it is.
    Keep,
    /// It does not go on.
    Drop,
    /// These bytes, whole events, go on instead.
    Replace(Vec<u8>),
}

/// One step on an event's way to the client.
pub trait Stage {
    /// Decides on one raw event, which the meter has read as `seen`.
    fn event(&mut self, event: &[u8], seen: Seen, meter: &Meter) -> Change;

    /// Whole events to append when the upstream ended well.
    fn end(&mut self, meter: &Meter) -> Vec<u8>;
}

/// The event that tells a client, in its own dialect, that its stream is broken.
pub fn error_event(face: Face, identity: Option<&Identity>, error: &Error) -> Vec<u8> {
    match (face, identity) {
        (Face::OpenRouter, Some(identity)) => identity.error_chunk(error),
        _ => [b"data: ", error.body(face).as_slice(), b"\n\n"].concat(),
    }
}

#[cfg(test)]
mod tests;
