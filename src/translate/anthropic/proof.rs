//! How other providers' proofs of thinking travel through an Anthropic client and back.
//!
//! The client gives `signature` and `data` back as they came, but has no field for whose they are.
//! A foreign proof is therefore stamped with the name of its form and a colon, which Claude's own
//! (base64) never contain. A proof on a tool call (Gemini's) goes before the call as a
//! `redacted_thinking` block with a stamp of its own.

use std::borrow::Cow;

use memchr::memmem;

use super::{THINKING_FORMAT, read_request};
use crate::translate::form::{Content, Text, Thinking};

/// The stamp of a proof that belongs to the tool call behind it.
const OF_CALL: &str = "modelyard-call-v1";

/// A proof as the client gets it.
pub(super) fn stamp<'a>(format: Option<&str>, proof: &'a str) -> Cow<'a, str> {
    match format {
        Some(format) if format != THINKING_FORMAT && !proof.is_empty() => {
            format!("{format}:{proof}").into()
        }
        _ => proof.into(),
    }
}

/// The proof on a tool call as the client gets it.
pub(super) fn stamp_call(proof: &str) -> String {
    format!("{OF_CALL}:{proof}")
}

/// The proof on the tool call that follows, if `data` is one.
pub(super) fn of_call(data: &Text<'_>) -> Option<String> {
    Some(data.strip_prefix(OF_CALL)?.strip_prefix(':')?.to_owned())
}

/// Takes the stamp off: whose form it is, and the proof.
pub(in crate::translate) fn unstamp(proof: Text<'_>) -> (Option<Text<'_>>, Text<'_>) {
    match proof {
        Cow::Borrowed(proof) => match proof.split_once(':') {
            Some((format, proof)) => (Some(format.into()), proof.into()),
            None => (None, proof.into()),
        },
        Cow::Owned(proof) => match proof.split_once(':') {
            Some((format, proof)) => (Some(format.to_owned().into()), proof.to_owned().into()),
            None => (None, proof.into()),
        },
    }
}

/// Whether Claude thought it, and proves it.
pub(super) fn is_own(thinking: &Thinking<'_>) -> bool {
    thinking.format.as_deref().is_none_or(|format| format == THINKING_FORMAT)
        && (thinking.signature.is_some() || thinking.encrypted.is_some())
}

/// Whether a client's body carries what answers of other providers left in it: thinking whose proof
/// is foreign or missing, proofs of calls, citations nobody searched for. Anthropic rejects these,
/// so such a body must not pass as bytes to an Anthropic upstream but be read and written anew.
///
/// A body without a word of thinking or citations is not parsed.
#[inline(never)]
pub fn has_foreign_parts(body: &[u8]) -> bool {
    has(body, OF_CALL)
        || has_empty_index(body)
        || has(body, "thinking\"") && has_foreign_thinking(body)
}

fn has(body: &[u8], text: &str) -> bool {
    memmem::find(body, text.as_bytes()).is_some()
}

fn has_foreign_thinking(body: &[u8]) -> bool {
    read_request::read(body).is_ok_and(|read| {
        read.turns.iter().flat_map(|turn| &turn.parts).any(|part| match &part.content {
            Content::Thinking(thinking) => !is_own(thinking),
            _ => false,
        })
    })
}

/// Whether there is a citation whose place in a search is empty.
fn has_empty_index(body: &[u8]) -> bool {
    const KEY: &[u8] = b"\"encrypted_index\"";
    memmem::find_iter(body, KEY).any(|at| {
        let rest = body.get(at + KEY.len()..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"\"\""))
    })
}
