//! Stands between an attempt's answer and the client: what of the provider's keys the answer repeats
//! does not pass, nor headers that are not for clients.

use std::borrow::Cow;
use std::rc::Rc;

use super::Exchange;
use crate::provider::response_headers::is_shown;
use crate::wire::secret::Secrets;

/// What an attempt's answer must not say, and the end of it that may be the beginning of that.
#[derive(Default)]
pub(super) struct Screen {
    secrets: Rc<Secrets>,
    held: Vec<u8>,
}

impl Screen {
    pub(super) fn new(secrets: Rc<Secrets>) -> Self {
        Self { secrets, held: Vec::new() }
    }

    /// What goes on in place of the answer's next bytes; `None`: they do as they are. `end`: they
    /// are the last ones.
    #[inline]
    pub(super) fn pass(&mut self, bytes: &[u8], end: bool) -> Option<Vec<u8>> {
        let is_clear = self.held.is_empty() && !self.secrets.may_be_in(bytes, end);
        if is_clear { None } else { Some(self.look_closely(bytes, end)) }
    }

    #[cold]
    fn look_closely(&mut self, bytes: &[u8], end: bool) -> Vec<u8> {
        let mut shown = std::mem::take(&mut self.held);
        shown.extend_from_slice(bytes);
        let done = self.secrets.hide(&mut shown, end);
        self.held = shown.split_off(done);
        shown
    }

    /// Hides what must not be said in an answer that is whole.
    pub(super) fn hide(&self, answer: &mut [u8]) {
        if self.secrets.may_be_in(answer, true) {
            self.secrets.hide(answer, true);
        }
    }

    /// A text without what must not be said.
    pub(super) fn shown<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.secrets.may_be_in(text.as_bytes(), true) {
            return Cow::Borrowed(text);
        }
        let mut shown = text.as_bytes().to_vec();
        self.secrets.hide(&mut shown, true);
        Cow::Owned(String::from_utf8_lossy(&shown).into_owned())
    }

    /// Whether a text says what it must not.
    fn hides(&self, text: &str) -> bool {
        self.shown(text) != text
    }
}

impl Exchange {
    /// What must become of an attempt's response headers before a client may see them: names with
    /// what they shall say; `None`: the header must go.
    #[inline(never)]
    pub fn header_changes<'a>(
        &self,
        attempt: usize,
        headers: &[(&'a str, &str)],
    ) -> Vec<(&'a str, Option<String>)> {
        let mut changes = Vec::new();
        let provider = self.step(attempt).and_then(|step| step.provider(&self.config));
        let Some((current, provider)) = self.attempts.get(attempt).zip(provider) else {
            return changes;
        };
        for (name, value) in headers {
            let screen = &current.screen;
            if !is_shown(name, &provider.response_headers) || screen.hides(name) {
                changes.push((*name, None));
            } else if let Cow::Owned(shown) = screen.shown(value) {
                changes.push((*name, Some(shown)));
            }
        }
        changes
    }
}
