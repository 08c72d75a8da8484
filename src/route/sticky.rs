//! Where conversations are: which endpoint has a conversation's prompt in its cache.
//!
//! Only hashes are kept, and at most [`MOST`] of them: when one half is full, the older half is forgotten.

use std::collections::HashMap;
use std::time::Duration;

use crate::fnv::Fnv;

/// Conversations that are remembered.
const MOST: usize = 10_000;

/// Which endpoint each conversation was last served by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sticky {
    newer: HashMap<u64, Place>,
    older: HashMap<u64, Place>,
}

/// An endpoint, and until when.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Hash of the endpoint's id.
    endpoint: u64,
    until: Duration,
}

impl Sticky {
    /// Notes that an endpoint has served a conversation about a model. `key` is [`Sticky::key`]'s.
    pub(crate) fn learn(&mut self, key: u64, endpoint: &str, until: Duration) {
        if self.newer.len() >= MOST / 2 && !self.newer.contains_key(&key) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, Place { endpoint: Fnv::of(endpoint.as_bytes()), until });
    }

    /// Whether the conversation is at this endpoint.
    pub(crate) fn is_at(&self, key: u64, endpoint: &str, now: Duration) -> bool {
        let place = self.newer.get(&key).or_else(|| self.older.get(&key));
        place.is_some_and(|place| place.until > now && place.endpoint == Fnv::of(endpoint.as_bytes()))
    }

    /// A tenant's conversation about a model.
    pub(crate) fn key(tenant: &str, model: &str, conversation: u64) -> u64 {
        let mut hash = Fnv::new();
        let parts = [tenant.as_bytes(), b"\0", model.as_bytes(), &conversation.to_le_bytes()];
        parts.into_iter().flatten().for_each(|byte| hash.byte(*byte));
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: Duration = Duration::from_secs(1_000);
    const LATER: Duration = Duration::from_secs(1_600);

    #[test]
    fn a_conversation_stays_until_its_time_is_over_or_it_moves() {
        let mut sticky = Sticky::default();
        let key = Sticky::key("t", "m", 1);
        sticky.learn(key, "a", LATER);
        assert!(sticky.is_at(key, "a", NOW) && !sticky.is_at(key, "b", NOW));
        assert!(!sticky.is_at(key, "a", LATER));
        for other in [Sticky::key("u", "m", 1), Sticky::key("t", "n", 1), Sticky::key("t", "m", 2)] {
            assert!(!sticky.is_at(other, "a", NOW));
        }
        sticky.learn(key, "b", LATER);
        assert!(sticky.is_at(key, "b", NOW) && !sticky.is_at(key, "a", NOW));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_is_kept() {
        let mut sticky = Sticky::default();
        for key in 0..100_000 {
            sticky.learn(key, "a", LATER);
            assert!(sticky.newer.len() + sticky.older.len() <= MOST);
        }
        assert!((95_000..100_000).all(|key| sticky.is_at(key, "a", NOW)));
        assert!(!sticky.is_at(0, "a", NOW));
    }
}
