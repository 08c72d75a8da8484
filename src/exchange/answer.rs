//! One attempt's answer on its way to the client: held until its first content, then passed on piece by piece.
//!
//! Before the first content everything can still be taken back; after it nothing can.
//! What is held is bounded by `limits`, and passing bytes through costs no copy.

use crate::config::Limits;
use crate::translate::openrouter::{Identity, OpenRouterEvents, Part};
use crate::translate::{Change, HideUsageEvent, Stage};
use crate::usage::{Meter, Seen};
use crate::wire::openai::{ChunkFields, ErrorFields};
use crate::wire::sse::{self, Piece, Splitter};

/// What a piece of an answer leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    /// Nothing goes on yet.
    Hold,
    /// The piece goes on as it is.
    Pass,
    /// These bytes go on instead of the piece.
    Replace(Vec<u8>),
    /// These bytes go on, and the answer broke off: there was no proper end.
    Cut(Vec<u8>),
    /// An error body is whole.
    Error(Vec<u8>),
    /// There is no answer, and nothing of it has gone on.
    Failed(Fault),
}

/// Why a success is none.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// No content at all.
    Empty,
    /// An error in place of content.
    Error(Option<ErrorFields>),
    /// Not what the wire format promises.
    Malformed,
    /// More than `limits.answer_bytes`.
    TooLarge(usize),
}

/// An answer being received.
pub(super) struct Answer {
    form: Form,
    /// Bytes received before the first content; but for a whole body never more than `most_held`.
    held: Vec<u8>,
    most_held: usize,
    committed: bool,
    pub meter: Meter,
}

enum Form {
    Stream(Box<Stream>),
    /// Passes through, watched.
    Plain,
    /// Held whole, to be rewritten.
    Whole {
        identity: Box<Identity>,
        limit: usize,
    },
    /// The body of an error status, held whole.
    Error {
        limit: usize,
    },
    /// Compressed, or otherwise not to be read.
    Opaque,
}

struct Stream {
    splitter: Splitter,
    stages: Vec<Box<dyn Stage>>,
}

impl Answer {
    fn new(form: Form, limits: &Limits) -> Self {
        let (held, most_held) = (Vec::new(), limits.event_bytes);
        Self { form, held, most_held, committed: false, meter: Meter::default() }
    }

    /// A stream on OpenAI's face.
    pub(super) fn stream(limits: &Limits, hide_usage: bool) -> Self {
        let stages: Vec<Box<dyn Stage>> = if hide_usage { vec![Box::new(HideUsageEvent)] } else { Vec::new() };
        Self::new(Form::Stream(Box::new(Stream { splitter: Splitter::new(limits.event_bytes), stages })), limits)
    }

    /// A stream on OpenRouter's face.
    pub(super) fn openrouter_stream(limits: &Limits, identity: Identity) -> Self {
        let stages: Vec<Box<dyn Stage>> = vec![Box::new(OpenRouterEvents::new(identity))];
        Self::new(Form::Stream(Box::new(Stream { splitter: Splitter::new(limits.event_bytes), stages })), limits)
    }

    /// A whole answer that passes as it is.
    pub(super) fn plain(limits: &Limits) -> Self {
        Self::new(Form::Plain, limits)
    }

    /// A whole answer in OpenRouter's form.
    pub(super) fn openrouter(limits: &Limits, identity: Identity) -> Self {
        Self::new(Form::Whole { identity: Box::new(identity), limit: limits.answer_bytes }, limits)
    }

    /// An error's body.
    pub(super) fn error(limits: &Limits) -> Self {
        Self::new(Form::Error { limit: limits.event_bytes }, limits)
    }

    /// An answer that cannot be read.
    pub(super) fn opaque(limits: &Limits) -> Self {
        Self::new(Form::Opaque, limits)
    }

    /// Whether content has gone to the client.
    pub(super) fn is_committed(&self) -> bool {
        self.committed
    }

    /// How many bytes are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let splitter = match &self.form {
            Form::Stream(stream) => stream.splitter.held(),
            _ => 0,
        };
        self.held.len() + splitter
    }

    /// Whether it is a stream of events.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.form, Form::Stream(_))
    }

    /// Whether the answer's length may change on the way.
    pub(super) fn changes_length(&self) -> bool {
        match &self.form {
            Form::Stream(stream) => !stream.stages.is_empty(),
            Form::Whole { .. } | Form::Error { .. } => true,
            Form::Plain | Form::Opaque => false,
        }
    }

    /// Whether this is an error status's body.
    pub(super) fn is_error(&self) -> bool {
        matches!(self.form, Form::Error { .. })
    }

    /// Takes the next piece; `end`: it is the last one, and may be empty.
    pub(super) fn push(&mut self, piece: &[u8], end: bool) -> Progress {
        match &self.form {
            Form::Stream(_) => self.push_stream(piece, end),
            Form::Plain => self.push_plain(piece, end),
            Form::Opaque => self.push_opaque(piece, end),
            Form::Whole { limit, .. } | Form::Error { limit } => self.push_whole(piece, end, *limit),
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
            return if end && !self.meter.is_done() { Progress::Cut(piece.to_vec()) } else { Progress::Pass };
        }
        match self.meter.first_byte() {
            Some(b'{') => {}
            Some(_) => return Progress::Failed(Fault::Malformed),
            None if end => return Progress::Failed(Fault::Empty),
            None => return self.hold(piece),
        }
        if self.meter.is_plain_error() {
            return Progress::Failed(Fault::Error(ErrorFields::parse(piece)));
        }
        if end && !self.meter.is_done() {
            return Progress::Failed(Fault::Malformed);
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

    fn push_whole(&mut self, piece: &[u8], end: bool, limit: usize) -> Progress {
        if self.held.len() + piece.len() > limit {
            self.held = Vec::new();
            // An error's status says enough without its body.
            let is_error = self.is_error();
            return if is_error { Progress::Error(Vec::new()) } else { Progress::Failed(Fault::TooLarge(limit)) };
        }
        self.held.extend_from_slice(piece);
        if !end {
            return Progress::Hold;
        }
        let body = std::mem::take(&mut self.held);
        let Form::Whole { identity, .. } = &self.form else { return Progress::Error(body) };
        if body.iter().all(u8::is_ascii_whitespace) {
            return Progress::Failed(Fault::Empty);
        }
        self.meter.plain(&body);
        self.meter.plain_end();
        if self.meter.is_plain_error() {
            return Progress::Failed(Fault::Error(ErrorFields::parse(&body)));
        }
        let usage = self.meter.usage(identity.input_estimate);
        match identity.rewrite(&body, Part::Whole(usage)) {
            Some(rewritten) => {
                self.committed = true;
                Progress::Replace(rewritten)
            }
            None => Progress::Failed(Fault::Malformed),
        }
    }

    fn push_stream(&mut self, piece: &[u8], end: bool) -> Progress {
        let Form::Stream(stream) = &mut self.form else { return Progress::Pass };
        let meter = &mut self.meter;
        let mut output = Output::new(piece, stream.splitter.held() == 0);
        let mut fault = None;
        let mut content = self.committed;
        let mut event = |piece: Piece<'_>, stages: &mut Vec<Box<dyn Stage>>, output: &mut Output<'_>| match piece {
            Piece::Opaque(bytes) => {
                content = true;
                output.keep(bytes);
            }
            Piece::Event(event) => {
                let seen = meter.event(event);
                if seen == Seen::Error && !content && fault.is_none() {
                    fault = Some(sse::fields(event).data.and_then(|data| ErrorFields::parse(&data)));
                }
                content |= matches!(seen, Seen::Content | Seen::UsageOnly);
                output.put(event, through(stages, event, seen, meter));
            }
        };
        let Stream { splitter, stages } = stream.as_mut();
        splitter.push(piece, &mut |piece| event(piece, stages, &mut output));
        let unfinished = !splitter.is_between_events();
        let rest = if end { splitter.take_rest() } else { Vec::new() };
        if is_broken(&rest) {
            output.put(&rest, Change::Drop);
        } else if !rest.is_empty() {
            event(Piece::Event(&rest), stages, &mut output);
        }
        if let Some(fields) = fault {
            return Progress::Failed(Fault::Error(fields));
        }
        if !content {
            let bytes = output.into_bytes();
            return if end { Progress::Failed(Fault::Empty) } else { self.hold(&bytes) };
        }
        self.committed = true;
        if !end {
            return output.finish(splitter.held() == 0, &mut self.held);
        }
        // An upstream that told of its error itself has told the client too.
        let failed = meter.is_failed();
        let complete = meter.is_complete() || failed;
        if complete && !failed {
            for stage in stages.iter_mut() {
                output.add(&stage.end(meter));
            }
        }
        if unfinished && !complete {
            output.add(b"\n\n");
        }
        match output.finish(true, &mut self.held) {
            progress if complete => progress,
            Progress::Replace(bytes) => Progress::Cut(bytes),
            _ => Progress::Cut(piece.to_vec()),
        }
    }
}

/// Whether the last event, which lacks its blank line, was cut in its data: no client would be told of it.
fn is_broken(rest: &[u8]) -> bool {
    sse::fields(rest).data.is_some_and(|data| !sse::is_done(&data) && ChunkFields::parse(&data).is_none())
}

/// Sends one event through all stages; later stages see each event that earlier ones made of it.
fn through(stages: &mut [Box<dyn Stage>], event: &[u8], seen: Seen, meter: &Meter) -> Change {
    match stages {
        [] => Change::Keep,
        [stage] => stage.event(event, seen, meter),
        [first, rest @ ..] => match first.event(event, seen, meter) {
            Change::Keep => through(rest, event, seen, meter),
            Change::Drop => Change::Drop,
            Change::Replace(events) => {
                let mut output = Vec::new();
                let mut splitter = Splitter::new(usize::MAX);
                splitter.push(&events, &mut |piece| {
                    if let Piece::Event(event) = piece {
                        match through(rest, event, seen, meter) {
                            Change::Keep => output.extend_from_slice(event),
                            Change::Drop => {}
                            Change::Replace(events) => output.extend_from_slice(&events),
                        }
                    }
                });
                Change::Replace(output)
            }
        },
    }
}

/// What goes on of one piece; copies nothing as long as it is the piece's own beginning.
struct Output<'a> {
    piece: &'a [u8],
    /// Length of the piece's beginning that goes on as it is.
    verbatim: usize,
    /// What goes on, once it is no longer a beginning of the piece.
    copy: Option<Vec<u8>>,
}

impl<'a> Output<'a> {
    /// `clean`: nothing received earlier is still to go on before the piece.
    fn new(piece: &'a [u8], clean: bool) -> Self {
        Self { piece, verbatim: 0, copy: (!clean).then(Vec::new) }
    }

    fn put(&mut self, event: &[u8], change: Change) {
        match change {
            Change::Keep => self.keep(event),
            Change::Drop => {
                self.copy();
            }
            Change::Replace(bytes) => self.add(&bytes),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        match &mut self.copy {
            None => self.verbatim += bytes.len(),
            Some(copy) => copy.extend_from_slice(bytes),
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.copy().extend_from_slice(bytes);
        }
    }

    fn copy(&mut self) -> &mut Vec<u8> {
        let verbatim = self.piece.get(..self.verbatim).unwrap_or_default();
        self.copy.get_or_insert_with(|| verbatim.to_vec())
    }

    fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(self.copy())
    }

    /// `whole`: no part of the piece is kept back. What was held goes first.
    fn finish(self, whole: bool, held: &mut Vec<u8>) -> Progress {
        if held.is_empty() && whole && self.copy.is_none() && self.verbatim == self.piece.len() {
            return Progress::Pass;
        }
        let mut bytes = std::mem::take(held);
        bytes.extend_from_slice(&self.into_bytes());
        Progress::Replace(bytes)
    }
}
