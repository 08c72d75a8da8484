//! Takes the usage event out again that the gateway, not the client, asked for.

use super::{Change, Stage};
use crate::translate::{Meter, Seen};

/// For OpenAI's face when the client did not ask for `include_usage`.
#[derive(Debug)]
pub struct HideUsageEvent;

impl Stage for HideUsageEvent {
    fn event(&mut self, _: &[u8], seen: Seen, _: &Meter) -> Change {
        if seen == Seen::UsageOnly { Change::Drop } else { Change::Keep }
    }

    fn end(&mut self, _: &Meter) -> Vec<u8> {
        Vec::new()
    }
}
