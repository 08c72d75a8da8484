//! Cuts a streamed body into events, whichever way its format frames them.

use crate::wire::event_stream::{self, Frames};
use crate::wire::openai::ChunkFields;
use crate::wire::sse::{self, Splitter};

/// How a body is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Events {
    /// Server-sent events.
    Sse,
    /// Amazon's binary messages.
    Aws,
}

/// A streamed body being cut.
pub(super) enum Framing {
    Sse(Splitter),
    Aws(Frames),
}

/// What is cut from it.
pub(super) enum Piece<'a> {
    /// One whole event as it came.
    Event(&'a [u8]),
    /// Part of an event that is too long to be held.
    Opaque(&'a [u8]),
    /// The rest of the body cannot be read.
    Broken,
}

/// What is left when a stream ends.
pub(super) struct Rest {
    /// An event that only lacks its terminator.
    pub event: Vec<u8>,
    /// The stream was cut within the event, so that no client could read it.
    pub is_cut: bool,
    /// The stream was cut before the end of the event that had begun last.
    pub is_unfinished: bool,
}

impl Framing {
    pub(super) fn new(events: Events, max: usize) -> Self {
        match events {
            Events::Sse => Self::Sse(Splitter::new(max)),
            Events::Aws => Self::Aws(Frames::new(max)),
        }
    }

    /// Cuts an event off `bytes`, or several; returns how many bytes were taken.
    pub(super) fn push(&mut self, bytes: &[u8], take: &mut dyn FnMut(Piece<'_>)) -> usize {
        match self {
            Self::Sse(splitter) => splitter.push_event(bytes, &mut |piece| {
                take(match piece {
                    sse::Piece::Event(event) => Piece::Event(event),
                    sse::Piece::Opaque(bytes) => Piece::Opaque(bytes),
                });
            }),
            Self::Aws(frames) => {
                frames.push(bytes, &mut |piece| {
                    take(match piece {
                        event_stream::Piece::Event(event) => Piece::Event(event),
                        event_stream::Piece::Broken => Piece::Broken,
                    });
                });
                bytes.len()
            }
        }
    }

    /// Whether the next byte is an event's first.
    pub(super) fn is_between_events(&self) -> bool {
        match self {
            Self::Sse(splitter) => splitter.is_between_events(),
            Self::Aws(frames) => frames.held() == 0,
        }
    }

    /// Whether the beginning of an event has been given out that is too long to be held.
    pub(super) fn is_within_opaque(&self) -> bool {
        matches!(self, Self::Sse(splitter) if splitter.is_within_opaque())
    }

    /// How many bytes of an event that is not whole yet are held.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Sse(splitter) => splitter.held(),
            Self::Aws(frames) => frames.held(),
        }
    }

    /// What is left; to be called once, when the stream has ended.
    pub(super) fn rest(&mut self) -> Rest {
        match self {
            Self::Sse(splitter) => {
                let is_unfinished = !splitter.is_between_events();
                let event = splitter.take_rest();
                Rest { is_cut: is_cut(&event), event, is_unfinished }
            }
            Self::Aws(frames) => {
                Rest { event: Vec::new(), is_cut: frames.held() > 0, is_unfinished: false }
            }
        }
    }
}

/// Whether an event that lacks its blank line was cut in its data.
fn is_cut(event: &[u8]) -> bool {
    sse::fields(event)
        .data
        .is_some_and(|data| !sse::is_done(&data) && ChunkFields::parse(&data).is_none())
}
