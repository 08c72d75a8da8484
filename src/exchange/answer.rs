//! One attempt's answer on its way to the client: held until its first content, then passed on
//! piece by piece.
//!
//! Before the first content everything can still be taken back; after it nothing can.
//! What is held is bounded by `limits`, and passing bytes through costs no copy.

use super::clock::Clock;
use super::framing::{Events, Framing, Piece, Rest};
use crate::error::Error;
use crate::request::Limits;
use crate::translate::source::Source;
use crate::translate::{Change, Malformed, Meter, Seen};
use crate::wire::openai::ErrorFields;

/// What a piece of an answer leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    /// Nothing goes on yet.
    Hold,
    /// The piece goes on as it is.
    Pass,
    /// These bytes go on instead of the piece.
    Replace(Vec<u8>),
    /// These bytes go on, and the answer broke off: there was no proper end, or an event was larger
    /// than this limit.
    Cut(Vec<u8>, Option<usize>),
    /// This is the whole body of an answer with an error's status.
    Error(Vec<u8>),
    /// The answer is of no use to the client, and nothing of it has gone on.
    Failed(Fault),
}

/// Why an answer with the status of a success is none, found out while all of it is still held.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// It ended without content.
    Empty,
    /// It brought an error in place of content; `None`: one that says nothing more.
    Error(Option<ErrorFields>),
    /// It is not what the wire format promises.
    Malformed,
    /// It is larger than this many bytes, which are the most that may be held.
    TooLarge(usize),
    /// An event that would have to be translated is larger than this many bytes, which are the
    /// most that may be held.
    LargeEvent(usize),
}

/// An answer being received.
pub(super) struct Answer {
    form: Form,
    /// What was received before the first content: at most `most_held` bytes, unless the answer is
    /// held whole.
    held: Vec<u8>,
    most_held: usize,
    /// Content has gone to the client, so that nothing can be taken back.
    committed: bool,
    /// The client has all of a stream.
    over: bool,
    pub meter: Meter,
}

/// How an answer is passed on.
enum Form {
    /// Event by event.
    Stream(Box<Stream>),
    /// As it is, while the meter reads along.
    Plain,
    /// Rewritten, for which all of it is held: at most `limit` bytes.
    Whole { source: Box<dyn Source>, limit: usize },
    /// As an error, for which all of it is held.
    Error,
    /// As it is, because it is compressed and cannot be read.
    Opaque,
}

struct Stream {
    framing: Framing,
    source: Box<dyn Source>,
}

impl Answer {
    fn new(form: Form, limits: &Limits) -> Box<Self> {
        let (held, most_held) = (Vec::new(), limits.event_bytes);
        Box::new(Self {
            form,
            held,
            most_held,
            committed: false,
            over: false,
            meter: Meter::default(),
        })
    }

    /// A stream of events.
    pub(super) fn stream(limits: &Limits, events: Events, source: Box<dyn Source>) -> Box<Self> {
        let framing = Framing::new(events, limits.event_bytes);
        Self::new(Form::Stream(Box::new(Stream { framing, source })), limits)
    }

    /// A whole answer that passes as it is.
    pub(super) fn plain(limits: &Limits) -> Box<Self> {
        Self::new(Form::Plain, limits)
    }

    /// A whole answer that is held to be rewritten.
    pub(super) fn whole(limits: &Limits, source: Box<dyn Source>) -> Box<Self> {
        Self::new(Form::Whole { source, limit: limits.answer_bytes }, limits)
    }

    /// An error's body.
    pub(super) fn error(limits: &Limits) -> Box<Self> {
        Self::new(Form::Error, limits)
    }

    /// An answer that cannot be read.
    pub(super) fn opaque(limits: &Limits) -> Box<Self> {
        Self::new(Form::Opaque, limits)
    }

    /// The events that end a stream that broke; `None`: the answer is no stream.
    pub(super) fn broken(&mut self, error: &Error) -> Option<Vec<u8>> {
        match &mut self.form {
            Form::Stream(stream) => Some(stream.source.broken(error)),
            _ => None,
        }
    }

    /// Whether content has gone to the client.
    pub(super) fn is_committed(&self) -> bool {
        self.committed
    }

    /// Whether the client has all of a stream, though the upstream has not ended it yet.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether a comment may be sent: the client is in the middle of a stream, but not of an event.
    pub(super) fn is_between_events(&self) -> bool {
        match &self.form {
            Form::Stream(stream) => self.committed && !stream.framing.is_within_opaque(),
            _ => false,
        }
    }

    /// How many bytes are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let splitter = match &self.form {
            Form::Stream(stream) => stream.framing.held(),
            _ => 0,
        };
        self.held.len() + splitter
    }

    /// Whether the answer's length may change on the way.
    pub(super) fn changes_length(&self) -> bool {
        match &self.form {
            Form::Stream(stream) => stream.source.changes_length(),
            Form::Whole { .. } | Form::Error => true,
            Form::Plain | Form::Opaque => false,
        }
    }

    /// Whether the upstream's own bytes mean nothing to the client.
    pub(super) fn is_foreign(&self) -> bool {
        match &self.form {
            Form::Stream(stream) => stream.source.is_foreign(),
            Form::Whole { source, .. } => source.is_foreign(),
            _ => false,
        }
    }

    /// The type of what the client gets, where that may not be what the upstream sent.
    pub(super) fn content_type(&self) -> Option<&'static str> {
        match &self.form {
            Form::Stream(stream) => stream.source.is_foreign().then_some("text/event-stream"),
            Form::Whole { source, .. } => source.is_foreign().then_some("application/json"),
            _ => None,
        }
    }

    /// Whether this is an error status's body.
    pub(super) fn is_error(&self) -> bool {
        matches!(self.form, Form::Error)
    }

    /// Takes the next piece; `end`: it is the last one, and may be empty.
    pub(super) fn push(&mut self, piece: &[u8], end: bool, clock: Clock<'_>) -> Progress {
        match &self.form {
            Form::Stream(_) => self.push_stream(piece, end, clock),
            Form::Plain => self.push_plain(piece, end),
            Form::Opaque => self.push_opaque(piece, end),
            Form::Whole { limit, .. } => self.push_whole(piece, end, *limit, clock),
            Form::Error => self.push_whole(piece, end, self.most_held, clock),
        }
    }

    fn push_opaque(&mut self, piece: &[u8], end: bool) -> Progress {
        self.meter.opaque(piece);
        self.committed |= !piece.is_empty();
        match (self.committed, end) {
            (true, _) => Progress::Pass,
            (false, true) => Progress::Failed(Fault::Empty),
            (false, false) => Progress::Hold,
        }
    }

    fn push_plain(&mut self, piece: &[u8], end: bool) -> Progress {
        self.meter.plain(piece);
        if end {
            self.meter.plain_end();
        }
        if self.committed {
            return if end && !self.meter.is_done() {
                Progress::Cut(piece.to_vec(), None)
            } else {
                Progress::Pass
            };
        }
        match self.meter.first_byte() {
            Some(b'{') => {}
            Some(_) => return Progress::Failed(Fault::Malformed),
            None if end => return Progress::Failed(Fault::Empty),
            None => return self.hold(piece),
        }
        if self.meter.is_plain_error() {
            return Progress::Failed(Fault::Error(self.meter.plain_error()));
        }
        if end && !self.meter.is_done() {
            return Progress::Failed(Fault::Malformed);
        }
        let fits = self.held.len() + piece.len() <= self.most_held;
        if !self.meter.is_plain_content() && fits && !end {
            return self.hold(piece);
        }
        self.committed = true;
        if self.held.is_empty() {
            return Progress::Pass;
        }
        self.held.extend_from_slice(piece);
        Progress::Replace(std::mem::take(&mut self.held))
    }

    fn hold(&mut self, bytes: &[u8]) -> Progress {
        self.held.extend_from_slice(bytes);
        if self.held.len() > self.most_held {
            Progress::Failed(Fault::TooLarge(self.most_held))
        } else {
            Progress::Hold
        }
    }

    fn push_whole(&mut self, piece: &[u8], end: bool, limit: usize, clock: Clock<'_>) -> Progress {
        if self.held.len() + piece.len() > limit {
            self.held = Vec::new();
            // An error's status says enough without its body.
            let is_error = self.is_error();
            return if is_error {
                Progress::Error(Vec::new())
            } else {
                Progress::Failed(Fault::TooLarge(limit))
            };
        }
        self.held.extend_from_slice(piece);
        if !end {
            return Progress::Hold;
        }
        let body = std::mem::take(&mut self.held);
        let Form::Whole { source, .. } = &mut self.form else { return Progress::Error(body) };
        if body.iter().all(u8::is_ascii_whitespace) {
            return Progress::Failed(Fault::Empty);
        }
        let rewritten = source.whole(&body, &mut self.meter, clock().as_secs());
        if self.meter.is_plain_error() {
            return Progress::Failed(Fault::Error(self.meter.plain_error()));
        }
        if self.meter.is_failed() {
            return Progress::Failed(Fault::Error(self.meter.error().cloned()));
        }
        match rewritten {
            Ok(rewritten) => {
                self.committed = true;
                Progress::Replace(rewritten.unwrap_or(body))
            }
            Err(Malformed) => Progress::Failed(Fault::Malformed),
        }
    }

    fn push_stream(&mut self, piece: &[u8], end: bool, clock: Clock<'_>) -> Progress {
        let Form::Stream(stream) = &mut self.form else { return Progress::Pass };
        let mut received = stream.receive(piece, end, self.committed, &mut self.meter);
        if let Some(fault) = received.fault.take() {
            return Progress::Failed(fault);
        }
        if !received.has_content {
            return self.wait(received, end);
        }
        self.committed = true;
        // Nothing is left to wait for: an upstream may keep its stream open, or end it with
        // trailers, behind which there is no room for the client's last events.
        self.over = self.meter.is_done() && stream.framing.is_between_events();
        if !end && !self.over && received.unreadable.is_none() {
            return received.output.finish(stream.framing.held() == 0, &mut self.held);
        }
        let is_whole = received.close(stream.source.as_mut(), &mut self.meter, clock);
        let limit = (received.unreadable == Some(Unreadable::TooLarge)).then_some(self.most_held);
        match received.output.finish(true, &mut self.held) {
            progress if is_whole => progress,
            Progress::Replace(bytes) => Progress::Cut(bytes, limit),
            _ => Progress::Cut(piece.to_vec(), limit),
        }
    }

    /// What becomes of a stream that has brought no content yet.
    fn wait(&mut self, received: Received<'_>, end: bool) -> Progress {
        match received.unreadable {
            Some(Unreadable::Malformed) => Progress::Failed(Fault::Malformed),
            Some(Unreadable::TooLarge) => Progress::Failed(Fault::LargeEvent(self.most_held)),
            None if end => Progress::Failed(Fault::Empty),
            None => self.hold(&received.output.into_bytes()),
        }
    }
}

impl Stream {
    /// Reads the next piece; `end`: it is the last one. `has_content`: an earlier one brought
    /// content.
    fn receive<'a>(
        &mut self,
        piece: &'a [u8],
        end: bool,
        has_content: bool,
        meter: &mut Meter,
    ) -> Received<'a> {
        let Self { framing, source } = self;
        let received = Received {
            output: Output::new(piece, framing.held()),
            has_content,
            fault: None,
            unreadable: None,
            is_unfinished: false,
        };
        let mut reading = Reading { source: source.as_mut(), meter, received };
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = reading.cut(framing, rest);
            rest = rest.get(taken..).unwrap_or_default();
        }
        if end {
            reading.end(framing.rest());
        }
        reading.received
    }
}

/// What one piece of a stream brought.
struct Received<'a> {
    output: Output<'a>,
    /// The stream has brought content, with this piece or before it.
    has_content: bool,
    /// The stream began with an error, so that no content will come.
    fault: Option<Fault>,
    /// What follows can no longer be read, for this reason.
    unreadable: Option<Unreadable>,
    /// The stream ended in the middle of an event.
    is_unfinished: bool,
}

/// Why the rest of a stream cannot be read.
#[derive(Clone, Copy, PartialEq)]
enum Unreadable {
    /// It is not what its framing promises.
    Malformed,
    /// An event that must be translated is larger than what may be held.
    TooLarge,
}

impl Received<'_> {
    /// Adds the end of the client's stream; false if the upstream's broke off before its own.
    fn close(&mut self, source: &mut dyn Source, meter: &mut Meter, clock: Clock<'_>) -> bool {
        // An upstream that told of its error itself has told the client too.
        let has_failed = meter.is_failed();
        let is_whole = self.unreadable.is_none() && (has_failed || meter.is_complete());
        let end = match is_whole && !has_failed {
            true => source.end(meter, clock().as_secs()),
            false => Vec::new(),
        };
        // What follows would else be a part of the event that has no end.
        if self.is_unfinished && !(is_whole && end.is_empty()) {
            self.output.add(b"\n\n".to_vec());
        }
        self.output.add(end);
        is_whole
    }
}

/// Reads one piece of a stream.
struct Reading<'a, 'p> {
    source: &'a mut dyn Source,
    meter: &'a mut Meter,
    received: Received<'p>,
}

impl Reading<'_, '_> {
    /// Takes the events at the start of `bytes`; returns how many bytes that is.
    fn cut(&mut self, framing: &mut Framing, bytes: &[u8]) -> usize {
        if framing.is_between_events() {
            let familiar = self.pass_familiar(bytes);
            if familiar > 0 {
                return familiar;
            }
        }
        framing.push(bytes, &mut |piece| self.take(piece))
    }

    /// Passes on all events at the start of `bytes` that need not be read; returns how many bytes
    /// that is.
    fn pass_familiar(&mut self, bytes: &[u8]) -> usize {
        let (length, change) = self.source.familiar(bytes, self.meter);
        self.received.output.put(bytes.get(..length).unwrap_or_default(), change);
        length
    }

    fn take(&mut self, piece: Piece<'_>) {
        match piece {
            _ if self.received.unreadable.is_some() => {}
            Piece::Event(event) => self.event(event),
            Piece::Opaque(bytes) if !self.source.is_foreign() => {
                self.received.has_content = true;
                self.received.output.keep(bytes);
            }
            Piece::Opaque(_) => self.break_off(Unreadable::TooLarge),
            Piece::Broken => self.break_off(Unreadable::Malformed),
        }
    }

    fn break_off(&mut self, unreadable: Unreadable) {
        self.received.unreadable = Some(unreadable);
        self.received.output.put(&[], Change::Drop);
    }

    fn event(&mut self, event: &[u8]) {
        let (seen, change) = self.source.event(event, self.meter);
        let received = &mut self.received;
        if seen == Seen::Error && !received.has_content && received.fault.is_none() {
            received.fault = Some(Fault::Error(self.meter.error().cloned()));
        }
        received.has_content |= matches!(seen, Seen::Content | Seen::UsageOnly);
        received.output.put(event, change);
    }

    /// Takes what the stream ended with. An event that lacks only its terminator counts as one;
    /// what was cut within goes no further.
    fn end(&mut self, rest: Rest) {
        self.received.is_unfinished = rest.is_unfinished;
        if rest.is_cut {
            self.received.output.put(&rest.event, Change::Drop);
        } else if !rest.event.is_empty() {
            self.take(Piece::Event(&rest.event));
        }
    }
}

/// What goes on of one piece. Nothing is copied as long as that is the piece's own beginning.
struct Output<'a> {
    piece: &'a [u8],
    /// Length of the piece's beginning that goes on as it is.
    verbatim: usize,
    /// What goes on, once it is no longer a beginning of the piece.
    copy: Option<Vec<u8>>,
}

impl<'a> Output<'a> {
    /// `before`: how many bytes received earlier are still to go on before the piece.
    fn new(piece: &'a [u8], before: usize) -> Self {
        Self {
            piece,
            verbatim: 0,
            copy: (before > 0).then(|| Vec::with_capacity(before + piece.len())),
        }
    }

    fn put(&mut self, event: &[u8], change: Change) {
        match change {
            Change::Keep => self.keep(event),
            Change::Drop => {
                self.copy();
            }
            Change::Replace(bytes) => self.add(bytes),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        match &mut self.copy {
            None => self.verbatim += bytes.len(),
            Some(copy) => copy.extend_from_slice(bytes),
        }
    }

    fn add(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.copy {
            None if self.verbatim == 0 => self.copy = Some(bytes),
            _ => self.copy().extend_from_slice(&bytes),
        }
    }

    fn copy(&mut self) -> &mut Vec<u8> {
        let verbatim = self.piece.get(..self.verbatim).unwrap_or_default();
        self.copy.get_or_insert_with(|| verbatim.to_vec())
    }

    fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(self.copy())
    }

    /// What goes on, after what was held. `whole`: no part of the piece is kept back.
    fn finish(self, whole: bool, held: &mut Vec<u8>) -> Progress {
        if held.is_empty() && whole && self.copy.is_none() && self.verbatim == self.piece.len() {
            return Progress::Pass;
        }
        if held.is_empty() {
            return Progress::Replace(self.into_bytes());
        }
        let mut bytes = std::mem::take(held);
        bytes.extend_from_slice(&self.into_bytes());
        Progress::Replace(bytes)
    }
}
