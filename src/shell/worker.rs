//! What one VM keeps between streams: exchanges under way, health, stat ids, randomness.
//!
//! A VM belongs to one worker thread, and both roles of a request run in it, so they share the exchange in memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;

use super::host;
use crate::exchange::Exchange;
use crate::route::Health;
use crate::stats::{Kind, Stat};

/// An exchange, shared by its downstream stream and its attempts.
pub(super) type Shared = Rc<RefCell<Exchange>>;

/// An attempt whose deadlines are watched.
#[derive(Clone)]
pub(super) struct Watched {
    /// The upstream stream's context.
    pub context: u32,
    pub exchange: Shared,
    pub attempt: usize,
}

#[derive(Default)]
struct Worker {
    /// Tells this VM's exchanges from those of another one.
    nonce: u64,
    exchanges: HashMap<u64, Shared>,
    last: u64,
    watched: Vec<Watched>,
    health: Health,
    metrics: HashMap<String, u32>,
    name: String,
}

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::new(Worker { nonce: random(), ..Worker::default() });
}

fn with<R>(use_it: impl FnOnce(&mut Worker) -> R) -> R {
    WORKER.with(|worker| use_it(&mut worker.borrow_mut()))
}

/// 64 bits of the host's randomness.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Runs `use_it` with what is known of the endpoints' health.
pub(super) fn with_health<R>(use_it: impl FnOnce(&mut Health) -> R) -> R {
    with(|worker| use_it(&mut worker.health))
}

/// Keeps an exchange until [`forget`]; the link finds it again.
pub(super) fn keep(exchange: Shared) -> (u64, [u8; 16]) {
    with(|worker| {
        worker.last += 1;
        worker.exchanges.insert(worker.last, exchange);
        let mut link = [0; 16];
        let (nonce, id) = link.split_at_mut(8);
        nonce.copy_from_slice(&worker.nonce.to_le_bytes());
        id.copy_from_slice(&worker.last.to_le_bytes());
        (worker.last, link)
    })
}

/// The exchange a link names, if this VM has it.
pub(super) fn find(link: &[u8]) -> Option<Shared> {
    let (nonce, id) = link.split_first_chunk::<8>()?;
    let id = u64::from_le_bytes(*id.first_chunk()?);
    with(|worker| (u64::from_le_bytes(*nonce) == worker.nonce).then(|| worker.exchanges.get(&id).cloned()).flatten())
}

/// Drops an exchange; attempts that still hold it keep it alive.
pub(super) fn forget(id: u64) {
    with(|worker| worker.exchanges.remove(&id));
}

/// Starts watching an attempt's deadlines.
pub(super) fn watch(watched: Watched) {
    with(|worker| worker.watched.push(watched));
}

/// Ends watching whatever that context does.
pub(super) fn unwatch(context: u32) {
    with(|worker| worker.watched.retain(|watched| watched.context != context));
}

/// All that is watched.
pub(super) fn watched() -> Vec<Watched> {
    with(|worker| worker.watched.clone())
}

/// Adds a value to a stat.
pub(super) fn count(stat: &'static Stat, tags: &[&str], value: u64) {
    with(|worker| {
        stat.write_name(tags, &mut worker.name);
        let id = match worker.metrics.get(&worker.name) {
            Some(id) => *id,
            None => {
                let kind = match stat.kind {
                    Kind::Counter => 0,
                    Kind::Gauge => 1,
                    Kind::Histogram => 2,
                };
                let Some(id) = host::define_metric(kind, &worker.name) else { return };
                worker.metrics.insert(worker.name.clone(), id);
                id
            }
        };
        match stat.kind {
            Kind::Counter => host::increment_metric(id, value),
            Kind::Gauge | Kind::Histogram => host::record_metric(id, value),
        }
    });
}
