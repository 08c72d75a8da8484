//! Which conversation a request belongs to, so that the next turn can go where the prompt is
//! cached.
//!
//! The client says so (`session_id`, `x-session-id`, `prompt_cache_key`), or it is told by how the
//! conversation begins. Only hashes are kept.

use super::field::Field;
use super::problem;
use crate::error::Error;
use crate::fnv::Fnv;
use crate::wire::json::{Kind, Reader, Span};

/// Longest `session_id`, in characters.
const LONGEST_SESSION: usize = 256;

/// How many bytes of a message are hashed; of a longer one its length is hashed too.
const LOOKED_AT: usize = 2048;

/// What one conversation is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationId {
    /// Hash of what tells this conversation from others.
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

    /// Hash of the opening; `None` if nothing has been said.
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

/// The names by which the client itself tells conversations apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    id: Option<String>,
    cache_key: Option<String>,
}

impl Session {
    /// Reads `session_id` or `prompt_cache_key`, if it is not null.
    pub(super) fn read(
        &mut self,
        field: Field,
        kind: Kind,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        match field {
            Field::SessionId => self.id = Some(session_id(reader)?),
            Field::PromptCacheKey if kind == Kind::String => {
                self.cache_key = Some(problem::text(reader, field.name())?);
            }
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    }

    /// The conversation by its session id, which `header` may give too, else by its cache key, else
    /// by how it begins. `None` if nothing has been said.
    pub(super) fn conversation(
        &self,
        header: Option<&str>,
        (opening, body): (&Opening, &[u8]),
    ) -> Option<ConversationId> {
        let id = self.id.as_deref().or(header).filter(|id| !id.is_empty());
        if let Some(id) = id {
            return Some(ConversationId { key: hash(b's', id), is_named: true });
        }
        let cache_key = self.cache_key.as_deref().filter(|key| !key.is_empty());
        let key = match cache_key {
            Some(cache_key) => hash(b'c', cache_key),
            None => opening.hash(body)?,
        };
        Some(ConversationId { key, is_named: false })
    }
}

/// The hash of a name, which differs for names of different kinds.
fn hash(kind: u8, name: &str) -> u64 {
    let mut hash = Fnv::new();
    hash.byte(kind);
    hash.bytes(name.as_bytes());
    hash.finish()
}

fn session_id(reader: &mut Reader<'_>) -> Result<String, Error> {
    let id = problem::text(reader, Field::SessionId.name())?;
    match id.chars().count() {
        ..=LONGEST_SESSION => Ok(id),
        _ => Err(Field::SessionId.wrong("must be 256 characters or fewer")),
    }
}
