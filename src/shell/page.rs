//! Pages of the gateway's own: [`crate::listing`] with what the host and this worker know.

use super::stream::send;
use super::{host, shared};
use crate::config::{Caller, Config};
use crate::listing::{self, Known};
use crate::operation::Face;
use crate::request::Page;

/// Answers a request for a page; `authorization` is its header.
pub(super) fn answer(
    config: &Config,
    (face, page): (Face, Page<'_>),
    path: &str,
    authorization: Option<&str>,
) {
    let is_operator = config.operator.caller(authorization) == Caller::Operator;
    let now = host::now();
    let reply = shared::with_health(|health| {
        shared::with_journal(|journal| {
            health.refresh(now);
            journal.sync(now);
            let known = Known {
                config,
                health,
                ledger: is_operator.then(|| journal.ledger()),
                record: &|id| journal.record(id),
                now,
            };
            listing::answer(&known, face, page, path)
        })
    });
    send(&reply);
}
