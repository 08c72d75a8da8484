//! What gets lost on the way to an upstream: what a wire format cannot express, and what of one
//! request it did not. Fields are called by OpenAI's names, parts of them behind a point.

use std::fmt;
use std::ops::Deref;

/// What happens to a field a format cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It would change what the client gets: the endpoint is not used.
    Refused,
    /// It is left out, and the client is told.
    Ignored,
    /// The nearest the format can say goes in its place, and the client is told where that differs.
    Approximated,
}

use Loss::{Ignored, Refused};

/// Fields, and what happens to each.
pub(super) type Table = &'static [(&'static str, Loss)];

/// What a format cannot express, in one or more tables: some are shared. No field is in two of
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Losses(pub(super) &'static [Table]);

impl Losses {
    /// Every field that is lost, or may be.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, Loss)> {
        self.0.iter().copied().flatten().copied()
    }

    /// What happens to a field; `None`: the format can express it.
    pub fn of(self, field: &str) -> Option<Loss> {
        self.iter().find(|(lost, _)| *lost == field).map(|(_, loss)| loss)
    }
}

/// What of a chat request no other format can express, but penalties to some of Gemini's models.
pub(super) const CHAT_ONLY: Table = &[
    ("n", Refused),
    ("audio", Refused),
    ("web_search_options", Refused),
    ("logprobs", Ignored),
    ("top_logprobs", Ignored),
    ("logit_bias", Ignored),
    ("frequency_penalty", Ignored),
    ("presence_penalty", Ignored),
    ("repetition_penalty", Ignored),
    ("min_p", Ignored),
    ("top_a", Ignored),
    ("prediction", Ignored),
    ("verbosity", Ignored),
    ("max_tool_calls", Ignored),
    ("service_tier", Ignored),
    ("metadata", Ignored),
    ("store", Ignored),
    ("prompt_cache_key", Ignored),
    ("prompt_cache_options", Ignored),
    ("prompt_cache_retention", Ignored),
];

/// The names of what got lost of one request, each once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Lost(Vec<&'static str>);

impl Lost {
    /// Notes that a field got lost.
    pub fn add(&mut self, field: &'static str) {
        if !self.0.contains(&field) {
            self.0.push(field);
        }
    }

    /// Notes that a field got lost, if it did.
    pub fn add_if(&mut self, is_lost: bool, field: &'static str) {
        if is_lost {
            self.add(field);
        }
    }

    /// Takes a name back.
    pub fn remove(&mut self, field: &str) {
        self.0.retain(|lost| *lost != field);
    }
}

impl Extend<&'static str> for Lost {
    fn extend<I: IntoIterator<Item = &'static str>>(&mut self, fields: I) {
        fields.into_iter().for_each(|field| self.add(field));
    }
}

impl From<&[&'static str]> for Lost {
    fn from(fields: &[&'static str]) -> Self {
        let mut lost = Self::default();
        lost.extend(fields.iter().copied());
        lost
    }
}

impl IntoIterator for Lost {
    type Item = &'static str;
    type IntoIter = std::vec::IntoIter<&'static str>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Deref for Lost {
    type Target = [&'static str];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
