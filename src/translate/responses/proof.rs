//! How a model's proofs travel through clients that know nothing of them: in `encrypted_content` of reasoning items.
//!
//! Clients give that field back unread, and some (Codex) give back nothing else but the summary. What is encrypted
//! already goes in as it is; a proof gets a prefix with a colon, which no base64 has, so that the two are told apart.
//! A function call has no such field: its proof travels in a reasoning item before it.

use std::borrow::Cow;

use crate::translate::form::Text;

/// The proof that readable thinking is unchanged.
pub(super) const THINKING: &str = "signature:";
/// The proof of the tool call that follows.
pub(super) const CALL: &str = "call_signature:";

/// What `encrypted_content` holds.
#[derive(Debug, PartialEq)]
pub(super) enum Proof<'a> {
    /// Thinking that cannot be read.
    Encrypted(Text<'a>),
    /// Belongs to the readable text of its item.
    Thinking(Text<'a>),
    /// Belongs to the call that follows.
    Call(Text<'a>),
}

impl<'a> Proof<'a> {
    pub(super) fn of(content: Text<'a>) -> Self {
        match content {
            Cow::Borrowed(text) => match (text.strip_prefix(THINKING), text.strip_prefix(CALL)) {
                (Some(proof), _) => Self::Thinking(Cow::Borrowed(proof)),
                (_, Some(proof)) => Self::Call(Cow::Borrowed(proof)),
                _ => Self::Encrypted(Cow::Borrowed(text)),
            },
            Cow::Owned(text) => match (text.strip_prefix(THINKING), text.strip_prefix(CALL)) {
                (Some(proof), _) => Self::Thinking(Cow::Owned(proof.to_owned())),
                (_, Some(proof)) => Self::Call(Cow::Owned(proof.to_owned())),
                _ => Self::Encrypted(Cow::Owned(text)),
            },
        }
    }
}
