//! Which conversation a request belongs to, so that the next turn can go where the prompt is
//! cached.
//!
//! Told by the client (`session_id`, `x-session-id`, `prompt_cache_key`), or by how the
//! conversation begins. Only hashes are kept.

use crate::fnv::Fnv;
use crate::wire::json::Span;

/// Bytes of a message that are looked at; its length always counts.
const LOOKED_AT: usize = 2048;

/// What one conversation is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationId {
    /// Hash of what tells it from others.
    pub key: u64,
    /// Whether the client itself gave a session id.
    pub is_named: bool,
}

/// Where the first instructions and the first other message stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Opening {
    instructions: Option<Span>,
    message: Option<Span>,
}

impl Opening {
    /// Notes a message's content, unless there was one of its kind before it.
    pub(super) fn note(&mut self, instructs: bool, content: Span) {
        let place = if instructs { &mut self.instructions } else { &mut self.message };
        place.get_or_insert(content);
    }

    /// `None` if nothing has been said.
    fn hash(&self, body: &[u8]) -> Option<u64> {
        let mut hash = Fnv::new();
        for span in self.instructions.iter().chain([self.message.as_ref()?]) {
            let content = body.get(span.clone()).unwrap_or_default();
            hash.bytes(content.get(..LOOKED_AT).unwrap_or(content));
            hash.bytes(&content.len().to_le_bytes());
        }
        Some(hash.finish())
    }
}

impl ConversationId {
    /// By session id, else by cache key, else by its opening. `None` if nothing has been said.
    pub(super) fn of(
        session: Option<&str>,
        cache_key: Option<&str>,
        (opening, body): (&Opening, &[u8]),
    ) -> Option<Self> {
        let told = |kind: u8, text: &str| {
            let mut hash = Fnv::new();
            hash.byte(kind);
            hash.bytes(text.as_bytes());
            hash.finish()
        };
        let not_empty = |text: &&str| !text.is_empty();
        if let Some(session) = session.filter(not_empty) {
            return Some(Self { key: told(b's', session), is_named: true });
        }
        let key = match cache_key.filter(not_empty) {
            Some(key) => told(b'c', key),
            None => opening.hash(body)?,
        };
        Some(Self { key, is_named: false })
    }
}
