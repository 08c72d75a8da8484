//! What all workers know, in the host's shared data: this only carries bytes, which
//! [`crate::state`] explains.
//!
//! It outlives configurations, as long as one VM with the same `vm_id` does.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls;

use super::host;
use crate::route::Health;
use crate::state::Store;
use crate::usage::Journal;

/// The host's shared data.
#[derive(Debug)]
struct SharedData;

impl Store for SharedData {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        let (value, version) = hostcalls::get_shared_data(key).ok()?;
        Some((value?, version?))
    }

    fn write(&self, key: &str, value: &[u8], version: u32) -> bool {
        hostcalls::set_shared_data(key, Some(value), Some(version)).is_ok()
    }
}

thread_local! {
    static HEALTH: RefCell<Health> = RefCell::new(Health::new(Rc::new(SharedData)));
    static JOURNAL: RefCell<Journal> = RefCell::new(Journal::new(Rc::new(SharedData)));
}

/// Runs `use_it` with what is known of the endpoints' health.
pub(super) fn with_health<R>(use_it: impl FnOnce(&mut Health) -> R) -> R {
    HEALTH.with_borrow_mut(use_it)
}

/// Runs `use_it` with what has been written down.
pub(super) fn with_journal<R>(use_it: impl FnOnce(&mut Journal) -> R) -> R {
    JOURNAL.with_borrow_mut(use_it)
}

/// Writes the values that workers are to share, where there are none yet. The host configures its
/// main thread before there are workers.
pub(super) fn create_values() {
    with_health(|health| health.create_values());
    with_journal(|journal| journal.create_values());
}

/// Exchanges with other workers what can wait.
pub(super) fn sync() {
    let now = host::now();
    with_health(|health| health.sync(now));
    with_journal(|journal| journal.sync(now));
}

/// Tells other workers everything.
pub(super) fn flush() {
    let now = host::now();
    with_health(|health| health.flush(now));
    with_journal(|journal| journal.sync(now));
}
