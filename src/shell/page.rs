//! Pages of the gateway's own: [`crate::listing`] with what the host and this worker know.

use super::stream::send;
use super::{host, shared};
use crate::config::Config;
use crate::listing::{self, Known};
use crate::operation::Face;
use crate::request::Page;

/// Answers a request for a page.
pub(super) fn answer(config: &Config, face: Face, page: Page<'_>, path: &str) {
    let now = host::now();
    let reply = shared::with_health(|health| {
        shared::with_journal(|journal| {
            health.refresh(now);
            journal.sync(now);
            let known = Known {
                config,
                health,
                ledger: journal.ledger(),
                record: &|id| journal.record(id),
                now,
            };
            listing::answer(&known, face, page, path)
        })
    });
    send(&reply);
}
