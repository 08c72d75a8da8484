//! Comments in streams that have fallen silent, where `telemetry.keep_alive` asks for them.
//!
//! Outside its callbacks the host takes bytes for a response only while the filter holds that
//! response back. So each piece of such a stream is held for one turn of the event loop, and the
//! host, which lets it go then, stays ready for what a tick adds. The turn is asked for by a queue
//! of the VM's own, whose items mean nothing.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::BufferType;

use super::host;
use super::worker::{self, Shared};

/// A stream that is kept alive.
struct Stream {
    /// The downstream stream's context.
    context: u32,
    exchange: Shared,
    /// How long it may be silent.
    silence: Duration,
    /// When something was last sent.
    last: Duration,
    /// A piece of it is held.
    is_held: bool,
}

thread_local! {
    /// No other VM has a queue of this name.
    static NAME: String = format!("modelyard.keep_alive.{:016x}", worker::random());
    static QUEUE: Cell<Option<u32>> = const { Cell::new(None) };
    static STREAMS: RefCell<Vec<Stream>> = const { RefCell::new(Vec::new()) };
}

/// Readies the VM; to be called by every root context, because the host tells only the one that
/// asked last.
pub(super) fn start() {
    QUEUE.set(NAME.with(|name| hostcalls::register_shared_queue(name)).ok());
}

/// A piece of a stream is on its way; whether it must be held for a turn.
pub(super) fn hold(context: u32, exchange: &Shared, silence: Duration) -> bool {
    let Some(queue) = QUEUE.get().filter(|_| exchange.borrow().comment().is_some()) else {
        forget(context);
        return false;
    };
    STREAMS.with_borrow_mut(|streams| {
        let last = host::now();
        match streams.iter_mut().find(|stream| stream.context == context) {
            Some(stream) => (stream.last, stream.is_held) = (last, true),
            None => streams.push(Stream {
                context,
                exchange: exchange.clone(),
                silence,
                last,
                is_held: true,
            }),
        }
    });
    hostcalls::enqueue_shared_queue(queue, Some(b"1")).is_ok()
}

/// The next turn has come.
pub(super) fn turn(queue: u32) {
    while let Ok(Some(_)) = hostcalls::dequeue_shared_queue(queue) {}
    let_go();
}

/// Lets go all that is held.
fn let_go() {
    let release =
        |stream: &mut Stream| std::mem::take(&mut stream.is_held).then_some(stream.context);
    let held: Vec<u32> =
        STREAMS.with_borrow_mut(|streams| streams.iter_mut().filter_map(release).collect());
    for context in held {
        if host::act_on(context) {
            host::resume_response();
        }
    }
}

/// Sends a comment in every stream that has been silent for too long.
pub(super) fn tick() {
    // Where a root context is gone before another one has asked for the queue, nobody is told of
    // the turn.
    let_go();
    let now = host::now();
    let comment = |stream: &mut Stream| {
        if now.saturating_sub(stream.last) < stream.silence {
            return None;
        }
        stream.last = now;
        Some((stream.context, stream.exchange.borrow().comment()?))
    };
    let silent: Vec<_> =
        STREAMS.with_borrow_mut(|streams| streams.iter_mut().filter_map(comment).collect());
    for (context, comment) in silent {
        if host::act_on(context) {
            host::append(BufferType::HttpResponseBody, comment);
            host::resume_response();
        }
    }
}

/// A stream has ended, or will soon.
pub(super) fn forget(context: u32) {
    STREAMS.with_borrow_mut(|streams| streams.retain(|stream| stream.context != context));
}
