//! How a model's proofs travel through clients that know nothing of them: in `encrypted_content` of
//! reasoning items.
//!
//! Clients give that field back unread, and some (Codex) give back nothing else but the summary.
//! What is encrypted already goes in as it is; a proof gets a prefix with a colon, which no base64
//! has, so that the two are told apart. A function call has no such field: its proof travels in a
//! reasoning item before it. What is not Claude's is stamped with the name of its form and another
//! colon: only who made it can check it.

use std::borrow::Cow;

use crate::translate::anthropic::{THINKING_FORMAT, unstamp};
use crate::translate::form::Text;

/// What stands before the proof that readable thinking is unchanged.
pub(super) const THINKING: &str = "signature:";
/// What stands before the proof of the tool call that follows.
pub(super) const CALL: &str = "call_signature:";

/// What stands before a proof or something encrypted in an upstream's form; `kind` is one of the
/// above, or empty.
pub(super) fn prefix(kind: &str, format: Option<&str>) -> String {
    match format {
        Some(format) if format != THINKING_FORMAT => [kind, format, ":"].concat(),
        _ => kind.to_owned(),
    }
}

/// What `encrypted_content` holds; with the name of its form, if that is not Claude's.
#[derive(Debug, PartialEq)]
pub(super) enum Proof<'a> {
    /// Thinking that cannot be read.
    Encrypted(Option<Text<'a>>, Text<'a>),
    /// Belongs to the readable text of its item.
    Thinking(Option<Text<'a>>, Text<'a>),
    /// Belongs to the call that follows.
    Call(Text<'a>),
}

impl<'a> Proof<'a> {
    pub(super) fn of(content: Text<'a>) -> Self {
        if let Some(proof) = without(&content, CALL) {
            return Self::Call(proof);
        }
        match without(&content, THINKING) {
            Some(proof) => {
                let (format, proof) = unstamp(proof);
                Self::Thinking(format, proof)
            }
            None => {
                let (format, data) = unstamp(content);
                Self::Encrypted(format, data)
            }
        }
    }
}

fn without<'a>(content: &Text<'a>, prefix: &str) -> Option<Text<'a>> {
    match content {
        Cow::Borrowed(text) => text.strip_prefix(prefix).map(Cow::Borrowed),
        Cow::Owned(text) => text.strip_prefix(prefix).map(|text| Cow::Owned(text.to_owned())),
    }
}
