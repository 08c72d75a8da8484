//! The response body that plays a script to hyper.
//! hyper writes out what it has whenever a body is pending, which is how pieces get flushed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::Sleep;

use crate::record::Ticket;
use crate::script::{Script, Step};
use crate::socket::Plug;

type Polled = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

/// The ticket is finished as soon as the last step has been taken, whichever it is.
pub(crate) struct ScriptBody {
    steps: vec::IntoIter<Step>,
    /// Bytes still to come, when the headers announce a length.
    remaining: Option<u64>,
    pause: Option<Pin<Box<Sleep>>>,
    stalled: bool,
    plug: Arc<Plug>,
    ticket: Ticket,
}

impl ScriptBody {
    pub(crate) fn new(script: Script, plug: Arc<Plug>, mut ticket: Ticket) -> Self {
        let steps = script.steps.into_iter();
        if steps.len() == 0 {
            ticket.finish();
        }
        Self { steps, remaining: script.length, pause: None, stalled: false, plug, ticket }
    }

    /// Takes one step; `None` when the next one can be taken at once.
    fn play(&mut self, step: Step, cx: &mut Context<'_>) -> Option<Polled> {
        if self.steps.len() == 0 && step != Step::Stall {
            self.ticket.finish();
        }
        match step {
            Step::Data(bytes) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(length));
                Some(Poll::Ready(Some(Ok(Frame::data(bytes)))))
            }
            Step::Trailers(trailers) => Some(Poll::Ready(Some(Ok(Frame::trailers(trailers))))),
            Step::Truncate => Some(Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))),
            Step::Flush => {
                cx.waker().wake_by_ref();
                Some(Poll::Pending)
            }
            Step::Sleep(time) => {
                self.pause = Some(Box::pin(tokio::time::sleep(time)));
                None
            }
            Step::Stall => {
                self.stalled = true;
                None
            }
            Step::Reset => {
                self.plug.pull();
                self.stalled = true;
                None
            }
        }
    }
}

impl Body for ScriptBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        loop {
            if self.stalled {
                // Nobody wakes this task but the connection, when it ends.
                return Poll::Pending;
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let Some(step) = self.steps.next() else {
                return Poll::Ready(None);
            };
            if let Some(outcome) = self.play(step, cx) {
                return outcome;
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.len() == 0 && !self.stalled && self.pause.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
