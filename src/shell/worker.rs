//! What one VM keeps between streams: exchanges under way, deadlines, stat ids.
//!
//! A VM belongs to one worker thread, and both roles of a request run in it, so they share the exchange in memory.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::host;
use crate::exchange::Exchange;
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

thread_local! {
    static EXCHANGES: RefCell<Exchanges> = RefCell::new(Exchanges::default());
    static WATCHED: RefCell<Vec<Watched>> = const { RefCell::new(Vec::new()) };
    static METRICS: RefCell<Metrics> = RefCell::new(Metrics::default());
}

/// 64 bits of the host's randomness.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Exchanges under way, by number.
struct Exchanges {
    /// Tells this VM's exchanges from those of another one.
    nonce: u64,
    last: u64,
    open: HashMap<u64, Shared>,
}

impl Default for Exchanges {
    fn default() -> Self {
        Self { nonce: random(), last: 0, open: HashMap::new() }
    }
}

/// Keeps an exchange until [`forget`]; returns its number and the link that finds it again.
pub(super) fn keep(exchange: Shared) -> (u64, [u8; 16]) {
    EXCHANGES.with_borrow_mut(|exchanges| {
        exchanges.last += 1;
        exchanges.open.insert(exchanges.last, exchange);
        let link = u128::from(exchanges.nonce) << 64 | u128::from(exchanges.last);
        (exchanges.last, link.to_le_bytes())
    })
}

/// The exchange a link names, if this VM has it.
pub(super) fn find(link: &[u8]) -> Option<Shared> {
    let link = u128::from_le_bytes(link.try_into().ok()?);
    EXCHANGES.with_borrow(|exchanges| {
        let ours = (link >> 64) as u64 == exchanges.nonce;
        ours.then(|| exchanges.open.get(&(link as u64)).cloned()).flatten()
    })
}

/// Drops an exchange; attempts that still hold it keep it alive.
pub(super) fn forget(number: u64) {
    EXCHANGES.with_borrow_mut(|exchanges| exchanges.open.remove(&number));
}

/// Starts watching an attempt's deadlines.
pub(super) fn watch(watched: Watched) {
    WATCHED.with_borrow_mut(|all| all.push(watched));
}

/// Ends watching whatever that context does.
pub(super) fn unwatch(context: u32) {
    WATCHED.with_borrow_mut(|all| all.retain(|watched| watched.context != context));
}

/// All that is watched.
pub(super) fn watched() -> Vec<Watched> {
    WATCHED.with_borrow(Vec::clone)
}

/// The host's ids of stats. Bounded, because tag values come from the configuration.
#[derive(Default)]
struct Metrics {
    known: HashTable<Metric>,
    hasher: DefaultHashBuilder,
}

/// A stat with its tags, which the host knows by an id.
struct Metric {
    stat: &'static Stat,
    tags: Box<[Box<str>]>,
    hash: u64,
    id: u32,
}

/// Adds a value to a stat.
pub(super) fn count(stat: &'static Stat, tags: &[&str], value: u64) {
    let Some(id) = METRICS.with_borrow_mut(|metrics| metrics.id(stat, tags)) else { return };
    match stat.kind {
        Kind::Counter => host::increment_metric(id, value),
        Kind::Gauge | Kind::Histogram => host::record_metric(id, value),
    }
}

impl Metrics {
    fn id(&mut self, stat: &'static Stat, tags: &[&str]) -> Option<u32> {
        let hasher = &self.hasher;
        let hash = hasher.hash_one((stat.name, tags));
        if let Some(known) = self.known.find(hash, |known| known.is(stat, tags)) {
            return Some(known.id);
        }
        let id = host::define_metric(stat.kind, &stat.full_name(tags))?;
        let metric = Metric { stat, tags: tags.iter().map(|tag| Box::from(*tag)).collect(), hash, id };
        self.known.insert_unique(hash, metric, |known| known.hash);
        Some(id)
    }
}

impl Metric {
    fn is(&self, stat: &Stat, tags: &[&str]) -> bool {
        std::ptr::eq(self.stat, stat) && self.tags.iter().map(|tag| &**tag).eq(tags.iter().copied())
    }
}
