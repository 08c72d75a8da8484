//! Where conversations are: which endpoint has a conversation's prompt in its cache.
//!
//! Only hashes are kept, in a fixed number of slots that all workers share: a conversation that
//! falls into another's slot takes its place.

use std::time::Duration;

use crate::catalog::{Endpoint, Pricing};
use crate::fnv::Fnv;
use crate::state::{Reader, Store, Writer};

/// How many conversations are remembered at most.
const SLOTS: u64 = 1 << 16;

/// The time of a conversation that goes on is written anew only once it is wrong by more than one
/// part in this many, so that not every request writes.
const PRECISION: u32 = 8;

/// Where a conversation about a model is, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The hash that [`conversation`] makes.
    pub conversation: u64,
    /// The hash of the endpoint's id.
    endpoint: u64,
    /// Until when the prompt stays cached, in seconds since the epoch.
    until: u64,
}

/// The hash of a tenant's conversation with a model.
pub(crate) fn conversation(tenant: &str, model: &str, conversation: u64) -> u64 {
    let mut hash = Fnv::new();
    let parts = [tenant.as_bytes(), b"\0", model.as_bytes(), &conversation.to_le_bytes()];
    parts.into_iter().for_each(|part| hash.bytes(part));
    hash.finish()
}

/// Whether it costs less at these prices to go on with a conversation than to begin one.
pub(crate) fn is_cheaper_cached(pricing: &Pricing) -> bool {
    pricing.input_cache_read.zip(pricing.prompt).is_some_and(|(cached, prompt)| cached < prompt)
}

impl Place {
    /// The place of a conversation that this endpoint has just served, and whose prompt stays
    /// cached for `ttl`.
    pub(crate) fn at(conversation: u64, endpoint: &Endpoint, now: Duration, ttl: Duration) -> Self {
        Self {
            conversation,
            endpoint: Fnv::of(endpoint.id.as_bytes()),
            until: (now + ttl).as_secs(),
        }
    }

    /// Whether the conversation is at this endpoint.
    pub(crate) fn is_at(&self, endpoint: &Endpoint) -> bool {
        self.endpoint == Fnv::of(endpoint.id.as_bytes())
    }

    /// Whether `known` says the same, and for about as long.
    pub(crate) fn is_told_by(&self, known: &Self, ttl: Duration) -> bool {
        let same = (known.conversation, known.endpoint) == (self.conversation, self.endpoint);
        same && known.until + (ttl / PRECISION).as_secs() >= self.until
    }

    /// Where a conversation is, if a worker has told so and its time is not over.
    pub(super) fn read(store: &dyn Store, conversation: u64, now: Duration) -> Option<Self> {
        let (bytes, _) = store.read(&key(conversation))?;
        let mut reader = Reader::new(&bytes)?;
        let place = Self {
            conversation: reader.number()?,
            endpoint: reader.number()?,
            until: reader.number()?,
        };
        (place.conversation == conversation && place.until > now.as_secs()).then_some(place)
    }

    /// Tells all workers where the conversation is.
    pub(super) fn write(&self, store: &dyn Store) {
        let mut writer = Writer::new();
        [self.conversation, self.endpoint, self.until]
            .into_iter()
            .for_each(|number| writer.number(number));
        store.write(&key(self.conversation), &writer.finish(), 0);
    }
}

fn key(conversation: u64) -> String {
    format!("modelyard.sticky.{}", conversation % SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::state::Memory;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: Duration = Duration::from_secs(1_000);
    const TTL: Duration = Duration::from_secs(600);

    fn endpoints() -> [Endpoint; 2] {
        let document = r#"{"providers": {"p": {"api": "openai"}},
            "models": [{"id": "m", "endpoints": [
                {"provider": "p", "model": "a"}, {"provider": "p", "model": "b"}]}]}"#;
        let (config, _) = Config::parse(document.as_bytes(), &|_| None).unwrap();
        config.catalog.models()[0].endpoints.clone().try_into().unwrap()
    }

    #[test]
    fn a_conversation_stays_until_its_time_is_over_or_it_moves() {
        let (store, [a, b]) = (Memory::default(), endpoints());
        let key = conversation("t", "m", 1);
        Place::at(key, &a, NOW, TTL).write(&store);
        let place = Place::read(&store, key, NOW).unwrap();
        assert!(place.is_at(&a) && !place.is_at(&b));
        assert_eq!(Place::read(&store, key, NOW + TTL), None);
        for other in
            [conversation("u", "m", 1), conversation("t", "n", 1), conversation("t", "m", 2)]
        {
            assert_eq!(Place::read(&store, other, NOW), None);
        }
        Place::at(key, &b, NOW, TTL).write(&store);
        assert!(Place::read(&store, key, NOW).unwrap().is_at(&b));
    }

    #[test]
    fn what_is_known_is_not_told_again_for_a_while() {
        let [a, b] = endpoints();
        let known = Place::at(1, &a, NOW, TTL);
        for (seconds, is_told) in [(0, true), (75, true), (76, false)] {
            let later = Place::at(1, &a, NOW + Duration::from_secs(seconds), TTL);
            assert_eq!(later.is_told_by(&known, TTL), is_told, "{seconds}");
        }
        assert!(
            !Place::at(1, &b, NOW, TTL).is_told_by(&known, TTL)
                && !Place::at(2, &a, NOW, TTL).is_told_by(&known, TTL)
        );
    }

    #[test]
    fn a_slot_belongs_to_its_last_conversation_and_slots_are_bounded() {
        let (store, [a, _]) = (Memory::default(), endpoints());
        for key in 0..3 * SLOTS {
            Place::at(key, &a, NOW, TTL).write(&store);
        }
        assert_eq!(store.len() as u64, SLOTS);
        assert_eq!(
            Place::read(&store, 5, NOW),
            None,
            "overwritten, and not taken for another one's"
        );
        assert!(Place::read(&store, 2 * SLOTS + 5, NOW).unwrap().is_at(&a));
        store.write("modelyard.sticky.7", b"\x01\x07", 0);
        assert_eq!(Place::read(&store, 7, NOW), None, "nonsense");
    }
}
