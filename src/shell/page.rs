//! Pages of the gateway's own: [`crate::listing`] with what the host and this worker know.

use super::stream::send;
use super::{host, shared, worker};
use crate::config::Config;
use crate::listing::{self, Known};
use crate::request::{Face, Page};

/// Answers a request for a page.
pub(super) fn answer(config: &Config, face: Face, page: Page<'_>, path: &str) {
    let reply = worker::with_health(|health| {
        let known = Known { config, health, ledger: shared::ledger(), record: &shared::record, now: host::now() };
        listing::answer(&known, face, page, path)
    });
    send(&reply);
}
