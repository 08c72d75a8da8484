//! Where the client's answer comes from: the upstream's own events, changed here and there or not
//! at all, or events written anew in another dialect. The meter reads along either way.

use super::delta::{Answer, Delta};
use super::openrouter::{Identity, OpenRouterEvents};
use super::{AnswerReader, AnswerWriter, Change, Malformed, Stage};
use crate::error::{Error, ErrorForm};
use crate::operation::Operation;
use crate::translate::{Meter, Seen};
use crate::usage::Usage;
use crate::wire::sse::{Piece, Splitter};

/// Turns one attempt's answer into the client's.
pub trait Source {
    /// Reads one raw event and says what goes on in its place.
    fn event(&mut self, event: &[u8], meter: &mut Meter) -> (Seen, Change);

    /// Length of all whole events at the start of `bytes` that need not be read, because they are
    /// like one that was, and what goes on in their place.
    fn familiar(&mut self, _bytes: &[u8], _meter: &mut Meter) -> (usize, Change) {
        (0, Change::Keep)
    }

    /// Events to append to a stream that ended well, at `now` in Unix seconds.
    fn end(&mut self, meter: &mut Meter, now: u64) -> Vec<u8>;

    /// Events that end a stream that broke.
    fn broken(&mut self, error: &Error) -> Vec<u8>;

    /// A whole answer for the client, complete at `now` in Unix seconds; `None`: it goes on as it
    /// is.
    fn whole(
        &mut self,
        body: &[u8],
        meter: &mut Meter,
        now: u64,
    ) -> Result<Option<Vec<u8>>, Malformed>;

    /// Whether the answer's length may change.
    fn changes_length(&self) -> bool;

    /// Whether the upstream's own bytes mean nothing to the client.
    fn is_foreign(&self) -> bool {
        false
    }
}

/// OpenAI's own events, through a stage at most.
pub struct Passing {
    stage: Option<Box<dyn Stage>>,
    /// On OpenRouter's face.
    identity: Option<Identity>,
}

impl Passing {
    /// On OpenAI's face; `stage` changes single events.
    pub fn openai(stage: Option<Box<dyn Stage>>) -> Self {
        Self { stage, identity: None }
    }

    /// On OpenRouter's face.
    pub fn openrouter(identity: Identity) -> Self {
        Self {
            stage: Some(Box::new(OpenRouterEvents::new(identity.clone()))),
            identity: Some(identity),
        }
    }
}

impl Source for Passing {
    fn event(&mut self, event: &[u8], meter: &mut Meter) -> (Seen, Change) {
        // An event that came in several pieces may be like the last one, too.
        if let (1.., change) = self.familiar(event, meter) {
            return (Seen::Content, change);
        }
        let seen = meter.event(event);
        (seen, self.stage.as_mut().map_or(Change::Keep, |stage| stage.event(event, seen, meter)))
    }

    fn familiar(&mut self, bytes: &[u8], meter: &mut Meter) -> (usize, Change) {
        let Some(stage) = self.stage.as_mut().filter(|_| self.identity.is_some()) else {
            // On OpenAI's face no stage changes an event that only has content.
            return (meter.familiar(bytes), Change::Keep);
        };
        let (mut length, mut written) = (0, Vec::new());
        while let Some(event) =
            bytes.get(length..).and_then(|rest| stage.familiar(rest, &mut written))
        {
            meter.count_familiar(event);
            length += event;
        }
        (length, Change::Replace(written))
    }

    fn end(&mut self, meter: &mut Meter, _: u64) -> Vec<u8> {
        self.stage.as_mut().map(|stage| stage.end(meter)).unwrap_or_default()
    }

    fn broken(&mut self, error: &Error) -> Vec<u8> {
        match &self.identity {
            Some(identity) => identity.error_chunk(error),
            None => [b"data: ", error.body(ErrorForm::OpenAi).as_slice(), b"\n\n"].concat(),
        }
    }

    fn whole(
        &mut self,
        body: &[u8],
        meter: &mut Meter,
        _: u64,
    ) -> Result<Option<Vec<u8>>, Malformed> {
        meter.plain(body);
        meter.plain_end();
        let Some(identity) = self.identity.as_ref().filter(|_| !meter.is_failed()) else {
            return Ok(None);
        };
        identity.whole(body, meter).map(Some).ok_or(Malformed)
    }

    fn changes_length(&self) -> bool {
        self.stage.is_some()
    }
}

/// Another format's own events, for a client who speaks it: only read, but for what OpenRouter's
/// face adds.
pub struct Watching {
    reader: Box<dyn AnswerReader>,
    writer: Box<dyn AnswerWriter>,
    /// On OpenRouter's face.
    identity: Option<Identity>,
}

impl Watching {
    /// `writer` only tells a stream's end where the upstream does not. `identity`: on OpenRouter's
    /// face.
    pub fn new(
        reader: Box<dyn AnswerReader>,
        writer: Box<dyn AnswerWriter>,
        identity: Option<Identity>,
    ) -> Self {
        Self { reader, writer, identity }
    }
}

impl Source for Watching {
    fn event(&mut self, event: &[u8], meter: &mut Meter) -> (Seen, Change) {
        let mut seen = Seen::Nothing;
        self.reader.event(event, &mut |delta| seen = seen.max(meter.delta(&delta)));
        let told = self.identity.as_ref().and_then(|identity| identity.event(event, meter));
        (seen, told.map_or(Change::Keep, Change::Replace))
    }

    fn end(&mut self, _: &mut Meter, _: u64) -> Vec<u8> {
        Vec::new()
    }

    fn broken(&mut self, error: &Error) -> Vec<u8> {
        let mut events = Vec::new();
        self.writer.error(error, &mut events);
        events
    }

    fn whole(
        &mut self,
        body: &[u8],
        meter: &mut Meter,
        _: u64,
    ) -> Result<Option<Vec<u8>>, Malformed> {
        self.reader.whole(body, &mut |delta| {
            meter.delta(&delta);
        })?;
        let Some(identity) = self.identity.as_ref().filter(|_| !meter.is_failed()) else {
            return Ok(None);
        };
        identity.whole(body, meter).map(Some).ok_or(Malformed)
    }

    fn changes_length(&self) -> bool {
        self.identity.is_some()
    }
}

/// Events written anew in the client's dialect.
pub struct Translating {
    reader: Box<dyn AnswerReader>,
    writer: Box<dyn AnswerWriter>,
    images: Images,
    openrouter: Option<OpenRouter>,
}

/// What becomes of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// The client's dialect has them.
    Kept,
    /// It has none: they are told as text.
    AsText,
}

impl Images {
    fn of<'a>(self, delta: Delta<'a>) -> Delta<'a> {
        match self {
            Self::Kept => delta,
            Self::AsText => delta.without_images(),
        }
    }
}

/// Gives written events OpenRouter's form.
enum OpenRouter {
    /// Chat completions: every chunk.
    Chat {
        identity: Identity,
        passing: Box<Passing>,
        /// Reads what was written, not what the upstream sent.
        meter: Box<Meter>,
    },
    /// Messages and responses: some events.
    Message(Identity),
}

impl OpenRouter {
    fn new(identity: Identity) -> Self {
        match identity.operation {
            Operation::Messages | Operation::Responses => Self::Message(identity),
            _ => Self::Chat {
                passing: Box::new(Passing::openrouter(identity.clone())),
                identity,
                meter: Box::default(),
            },
        }
    }

    /// Display name of who answers.
    fn provider(&self) -> &str {
        let (Self::Chat { identity, .. } | Self::Message(identity)) = self;
        &identity.provider
    }

    fn dress(&mut self, events: &[u8], upstream: &Meter) -> Vec<u8> {
        let mut dressed = Vec::with_capacity(events.len() * 2);
        let mut splitter = Splitter::new(usize::MAX);
        splitter.push(events, &mut |piece| {
            let (Piece::Event(event) | Piece::Opaque(event)) = piece;
            let change = match self {
                Self::Chat { passing, meter, .. } => passing.event(event, meter).1,
                Self::Message(identity) => {
                    identity.event(event, upstream).map_or(Change::Keep, Change::Replace)
                }
            };
            match change {
                Change::Keep => dressed.extend_from_slice(event),
                Change::Drop => {}
                Change::Replace(events) => dressed.extend_from_slice(&events),
            }
        });
        dressed
    }

    /// What is told to a client whose upstream gave no figures, where the dialect's writer tells
    /// them.
    fn estimate(&self, meter: &Meter) -> Option<Usage> {
        match self {
            Self::Message(identity) if !meter.is_reported() => {
                Some(meter.usage(identity.input_estimate))
            }
            _ => None,
        }
    }
}

impl Translating {
    /// `identity`: on OpenRouter's face.
    pub fn new(
        reader: Box<dyn AnswerReader>,
        writer: Box<dyn AnswerWriter>,
        images: Images,
        identity: Option<Identity>,
    ) -> Self {
        Self { reader, writer, images, openrouter: identity.map(OpenRouter::new) }
    }

    fn dressed(&mut self, events: Vec<u8>, meter: &Meter) -> Vec<u8> {
        match &mut self.openrouter {
            Some(openrouter) => openrouter.dress(&events, meter),
            None => events,
        }
    }

    fn estimate(&self, meter: &Meter) -> Option<Usage> {
        self.openrouter.as_ref().and_then(|openrouter| openrouter.estimate(meter))
    }
}

impl Source for Translating {
    fn event(&mut self, event: &[u8], meter: &mut Meter) -> (Seen, Change) {
        let mut seen = Seen::Nothing;
        let mut events = Vec::new();
        let Self { reader, writer, images, .. } = self;
        reader.event(event, &mut |delta| {
            seen = seen.max(meter.delta(&delta));
            let delta = images.of(delta);
            if !matches!(delta, Delta::Error(_)) {
                writer.delta(&delta, &mut events);
            }
        });
        let mut events = self.dressed(events, meter);
        if seen == Seen::Error {
            let provider = self.openrouter.as_ref().map_or("", OpenRouter::provider);
            let error = Error::of_upstream(&meter.error().cloned().unwrap_or_default(), provider);
            events.extend_from_slice(&self.broken(&error));
        }
        (seen, Change::Replace(events))
    }

    fn end(&mut self, meter: &mut Meter, now: u64) -> Vec<u8> {
        let mut events = Vec::new();
        if let Some(usage) = self.estimate(meter) {
            self.writer.delta(&Delta::Usage(usage), &mut events);
        }
        self.writer.end(now, &mut events);
        self.dressed(events, meter)
    }

    fn broken(&mut self, error: &Error) -> Vec<u8> {
        if let Some(OpenRouter::Chat { identity, .. }) = &self.openrouter {
            return identity.error_chunk(error);
        }
        let mut events = Vec::new();
        self.writer.error(error, &mut events);
        events
    }

    fn whole(
        &mut self,
        body: &[u8],
        meter: &mut Meter,
        now: u64,
    ) -> Result<Option<Vec<u8>>, Malformed> {
        let mut answer = Answer::default();
        self.reader.whole(body, &mut |delta| {
            meter.delta(&delta);
            answer.take(self.images.of(delta));
        })?;
        answer.usage = answer.usage.or(self.estimate(meter));
        let written = self.writer.whole(&answer, now);
        match &self.openrouter {
            Some(OpenRouter::Chat { identity, .. } | OpenRouter::Message(identity)) => {
                identity.whole(&written, meter).map(Some).ok_or(Malformed)
            }
            None => Ok(Some(written)),
        }
    }

    fn changes_length(&self) -> bool {
        true
    }

    fn is_foreign(&self) -> bool {
        true
    }
}
