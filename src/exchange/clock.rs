//! The time, which is asked of the host only where it is needed: most pieces of a stream need none.

use std::cell::OnceCell;
use std::time::Duration;

/// Tells the time, since the Unix epoch.
pub(super) type Clock<'a> = &'a dyn Fn() -> Duration;

/// The time of an event: the clock is asked at the first need, and not again.
pub(super) struct Moment<'a> {
    clock: Clock<'a>,
    time: OnceCell<Duration>,
}

impl<'a> Moment<'a> {
    pub(super) fn of(clock: Clock<'a>) -> Self {
        Self { clock, time: OnceCell::new() }
    }

    pub(super) fn time(&self) -> Duration {
        *self.time.get_or_init(self.clock)
    }
}
