//! A request to be explained: buffered, planned, answered, and gone. Nobody is called and nothing
//! is counted.

use std::rc::Rc;

use proxy_wasm::types::{Action, BufferType};

use super::host;
use super::stream::send;
use super::{shared, worker};
use crate::config::Config;
use crate::error::{Error, ErrorForm, Reply};
use crate::exchange::explain::{self, Question};

/// Its stream, until it is answered.
pub(super) struct Explain {
    config: Rc<Config>,
    /// The whole `:path`.
    path: String,
    answered: bool,
}

impl Explain {
    /// Begins to wait for the body, unless there is a `refusal`; `end`: there is no body.
    pub(super) fn begin(
        config: Rc<Config>,
        path: String,
        refusal: Option<Reply>,
        end: bool,
    ) -> Self {
        let mut explain = Self { config, path, answered: false };
        match refusal {
            Some(refusal) => explain.reply(&refusal),
            None if end => explain.answer(Vec::new()),
            None => {}
        }
        explain
    }

    pub(super) fn request_body(&mut self, size: usize, end: bool) -> Action {
        if self.answered {
            return Action::Continue;
        }
        let limit = self.config.limits.request_bytes;
        if size > limit && size != usize::MAX {
            self.reply(&Error::TooLarge { limit: Some(limit) }.reply(ErrorForm::OpenRouter));
        } else if end {
            self.answer(host::buffer(BufferType::HttpRequestBody, size.min(limit)));
        }
        Action::Pause
    }

    fn answer(&mut self, body: Vec<u8>) {
        let now = host::now();
        let question =
            Question { operation: None, headers: Vec::new(), body, seed: worker::random(), now };
        let plan = shared::with_health(|health| {
            health.refresh(now);
            explain::answer(&self.config, &self.path, question, health)
        });
        self.reply(&plan);
    }

    fn reply(&mut self, reply: &Reply) {
        self.answered = true;
        send(reply);
    }
}
