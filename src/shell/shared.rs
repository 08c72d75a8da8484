//! What all workers know together: what has been spent, and the records of the last exchanges.
//!
//! Records stand in a ring in the host's shared data, so that their number is bounded and any worker finds them.

use std::time::Duration;

use super::host;
use crate::exchange::Settlement;
use crate::listing::{KEPT, is_record_of};
use crate::usage::Ledger;

const LEDGER: &str = "modelyard.ledger";
/// Bytes; a longer record is not kept.
const LONGEST_RECORD: usize = 16 * 1024;
/// How often an entry is tried while other workers are faster.
const TRIES: usize = 16;

/// The key of an exchange's record.
fn record_key(number: u64) -> String {
    format!("modelyard.record.{}", number % KEPT)
}

/// What has been spent so far.
pub(super) fn ledger() -> Ledger {
    host::shared(LEDGER).map(|(bytes, _)| Ledger::parse(&bytes)).unwrap_or_default()
}

/// Enters an exchange that is over.
pub(super) fn enter(settlement: &Settlement, now: Duration) {
    for _ in 0..TRIES {
        let (bytes, version) = host::shared(LEDGER).unwrap_or_default();
        let mut ledger = Ledger::parse(&bytes);
        let number = ledger.enter(settlement.cost, now);
        if host::set_shared(LEDGER, ledger.to_string().as_bytes(), version) {
            if let Some(record) = settlement.record.as_ref().filter(|record| record.len() <= LONGEST_RECORD) {
                host::set_shared(&record_key(number), record.as_bytes(), 0);
            }
            return;
        }
    }
}

/// The record of an exchange, if it is one of the last [`KEPT`].
pub(super) fn record(id: &str) -> Option<Vec<u8>> {
    let count = ledger().exchanges();
    let newest_first = (count.saturating_sub(KEPT)..count).rev();
    newest_first.filter_map(|number| Some(host::shared(&record_key(number))?.0)).find(|record| is_record_of(record, id))
}
