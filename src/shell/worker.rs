//! What one VM keeps between streams: exchanges under way, deadlines, stat ids.
//!
//! A VM belongs to one worker thread, and both roles of a request run in it, so they share the
//! exchange in memory.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ptr;
use std::rc::Rc;

use hashbrown::HashTable;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::exchange::Exchange;
use crate::fnv::Fnv;
use crate::stats::{Kind, Stat};

/// An exchange, shared by its downstream stream and its attempts.
pub(super) type Shared = Rc<RefCell<Exchange>>;

/// What leads from an attempt to its exchange: 128 random bits as letters, which nobody outside
/// this VM can guess.
pub(super) type Link = [u8; 32];

/// An attempt whose deadlines are watched.
#[derive(Clone)]
pub(super) struct Watched {
    /// The upstream stream's context.
    pub context: u32,
    pub link: Link,
    pub exchange: Shared,
    pub attempt: usize,
}

/// Whether the host shows streams the bodies they wait for, which the first one tells.
#[derive(Clone, Copy)]
enum Bodies {
    /// None was waited for.
    Unknown,
    /// One has been for so many ticks.
    Awaited(u32),
    /// It does, or it has been said that it may not.
    Settled,
}

thread_local! {
    static BODIES: Cell<Bodies> = const { Cell::new(Bodies::Unknown) };
    static EXCHANGES: RefCell<HashTable<(Link, Shared)>> = const { RefCell::new(HashTable::new()) };
    static WATCHED: RefCell<Vec<Watched>> = const { RefCell::new(Vec::new()) };
    static METRICS: RefCell<Metrics> = const { RefCell::new(Metrics(HashTable::new())) };
}

/// 64 bits of the host's randomness.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Keeps an exchange until [`forget`]; returns the link that finds it again.
pub(super) fn keep(exchange: Shared) -> Link {
    let mut link = Link::default();
    for (half, random) in link.as_chunks_mut::<16>().0.iter_mut().zip([random(), random()]) {
        for (index, letter) in half.iter_mut().enumerate() {
            *letter = b'a' + (random >> (4 * index) & 15) as u8;
        }
    }
    EXCHANGES.with_borrow_mut(|exchanges| {
        exchanges.insert_unique(hash(&link), (link, exchange), |(link, _)| hash(link));
    });
    link
}

/// The exchange a link names, if this VM has it.
pub(super) fn find(link: &[u8]) -> Option<(Link, Shared)> {
    let link: Link = link.try_into().ok()?;
    EXCHANGES
        .with_borrow(|exchanges| exchanges.find(hash(&link), |(known, _)| *known == link).cloned())
}

/// Whether it may have led to an exchange.
pub(super) fn is_link(text: &str) -> bool {
    text.len() == size_of::<Link>() && text.bytes().all(|letter| (b'a'..=b'p').contains(&letter))
}

/// Drops an exchange; attempts that still hold it keep it alive.
pub(super) fn forget(link: &Link) {
    EXCHANGES.with_borrow_mut(|exchanges| {
        exchanges
            .find_entry(hash(link), |(known, _)| known == link)
            .map(|entry| entry.remove().0)
            .ok()
    });
}

/// A link's letters are random already.
fn hash(link: &Link) -> u64 {
    spread(link.first_chunk().map_or(0, |letters| u64::from_le_bytes(*letters)))
}

/// The hash of a number that only has to be spread over all bits.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26)
}

/// A stream waits for its body.
pub(super) fn await_body() {
    if let Bodies::Unknown = BODIES.get() {
        BODIES.set(Bodies::Awaited(0));
    }
}

/// A body came.
pub(super) fn see_body() {
    BODIES.set(Bodies::Settled);
}

/// Whether the first body has been waited for so long as `ticks` that the host may never show one.
/// True once.
pub(super) fn misses_body(ticks: u32) -> bool {
    let Bodies::Awaited(passed) = BODIES.get() else { return false };
    let misses = passed >= ticks;
    BODIES.set(if misses { Bodies::Settled } else { Bodies::Awaited(passed + 1) });
    misses
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
struct Metrics(HashTable<Metric>);

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
    let _ = match stat.kind {
        Kind::Counter => hostcalls::increment_metric(id, i64::try_from(value).unwrap_or(i64::MAX)),
        Kind::Gauge | Kind::Histogram => hostcalls::record_metric(id, value),
    };
}

impl Metrics {
    fn id(&mut self, stat: &'static Stat, tags: &[&str]) -> Option<u32> {
        let hash = Metric::hash(stat, tags);
        if let Some(known) = self.0.find(hash, |known| known.is(stat, tags)) {
            return Some(known.id);
        }
        let kind = match stat.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        let id = hostcalls::define_metric(kind, &stat.full_name(tags)).ok()?;
        let metric =
            Metric { stat, tags: tags.iter().map(|tag| Box::from(*tag)).collect(), hash, id };
        self.0.insert_unique(hash, metric, |known| known.hash);
        Some(id)
    }
}

impl Metric {
    fn hash(stat: &'static Stat, tags: &[&str]) -> u64 {
        let mut hash = Fnv::new();
        hash.bytes(&ptr::from_ref(stat).addr().to_le_bytes());
        for tag in tags {
            hash.bytes(tag.as_bytes());
            // Ends it, as no text can.
            hash.byte(0xff);
        }
        hash.finish()
    }

    fn is(&self, stat: &Stat, tags: &[&str]) -> bool {
        ptr::eq(self.stat, stat) && self.tags.iter().map(|tag| &**tag).eq(tags.iter().copied())
    }
}
