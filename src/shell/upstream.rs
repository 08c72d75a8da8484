//! The upstream role: one attempt. Makes the client's request the provider's, and judges what comes
//! back.

use proxy_wasm::types::{Action, BufferType, MapType};

use super::downstream::{NEXT, RETRY};
use super::headers;
use super::host;
use super::stream::{LINK, send};
use super::worker::{self, Link, Shared, Watched};
use crate::error::{Error, ErrorForm};
use crate::exchange::{Broken, Destination, Verdict};
use crate::provider::Body;
use crate::provider::response_headers::steers;

/// Bytes; a body as large as this is not kept while the host has it too.
const LARGE: usize = 64 * 1024;

/// More changes of single headers cost more than handing all headers over.
const MOST_SINGLE_CHANGES: usize = 6;

/// One attempt's stream.
pub(super) struct Upstream {
    context: u32,
    link: Link,
    exchange: Shared,
    attempt: usize,
    /// What becomes of the request body, until it has.
    body: Option<Body>,
}

impl Upstream {
    /// Starts an attempt.
    pub(super) fn begin(
        context: u32,
        link: Link,
        exchange: Shared,
        current: &[(&str, &str)],
    ) -> (Option<Self>, Action) {
        let mut borrowed = exchange.borrow_mut();
        let cluster = host::cluster();
        let cluster = str::from_utf8(&cluster).unwrap_or_default();
        let begun = match borrowed.destination(cluster) {
            Destination::Planned => borrowed.begin_attempt(current, &host::now),
            Destination::Sink => borrowed.begin_at_sink(cluster, &host::now),
            Destination::Wrong => Err(borrowed.wrong_cluster(cluster)),
        };
        let dispatch = match begun {
            Ok(dispatch) => dispatch,
            Err(reply) => {
                send(&reply);
                return (None, Action::Pause);
            }
        };
        let headers = headers::serialise(&dispatch.headers);
        host::replace_headers(MapType::HttpRequestHeaders, &headers);
        let unchanged = matches!(&dispatch.body, Body::Edited(edits) if edits.is_empty());
        let (attempt, body) = (dispatch.attempt, (!unchanged).then_some(dispatch.body));
        if host::is_connected() {
            borrowed.reuses_connection(attempt);
        }
        drop(borrowed);
        (Some(Self { context, link, exchange, attempt, body }), Action::Continue)
    }

    /// Answers a gateway request that no exchange belongs to.
    pub(super) fn refuse(form: ErrorForm) -> Action {
        send(&Error::Lost.reply(form));
        Action::Pause
    }

    pub(super) fn request_body(&mut self, size: usize, end: bool) -> Action {
        let action = self.hand_over(size, end);
        if size >= LARGE && action == Action::Continue {
            self.exchange.borrow_mut().release_body(size);
        }
        action
    }

    fn hand_over(&mut self, size: usize, end: bool) -> Action {
        let Some(body) = &self.body else { return Action::Continue };
        let exchange = self.exchange.borrow();
        let original = exchange.request().body();
        match body {
            Body::Edited(edits) if size == original.len() => {
                if let Some((drained, bytes)) = edits.head(original) {
                    host::splice(BufferType::HttpRequestBody, drained, &bytes);
                }
            }
            // Of a merged body the length says nothing about what the client sent.
            body if end || size == original.len() && !exchange.request().is_merged() => {
                host::splice(BufferType::HttpRequestBody, size, &body.apply(original));
            }
            _ => return Action::Pause,
        }
        drop(exchange);
        self.body = None;
        Action::Continue
    }

    pub(super) fn request_trailers(&mut self) -> Action {
        host::replace_headers(MapType::HttpRequestTrailers, headers::NONE);
        if let Some(body) = self.body.take() {
            let exchange = self.exchange.borrow();
            host::splice(
                BufferType::HttpRequestBody,
                usize::MAX,
                &body.apply(exchange.request().body()),
            );
        }
        Action::Continue
    }

    pub(super) fn response_headers(&mut self, end: bool) -> Action {
        let serialised = host::headers(MapType::HttpResponseHeaders);
        let parsed = headers::parse(&serialised);
        let status = headers::status(&parsed);
        let mut exchange = self.exchange.borrow_mut();
        let verdict = exchange.answer_headers(self.attempt, status, &parsed, end, &host::now);
        let mut changes = match verdict {
            Verdict::Pass | Verdict::Hold { .. } | Verdict::Replace(_) => {
                exchange.header_changes(self.attempt, &parsed)
            }
            // No client sees them.
            Verdict::Retry => {
                let names = parsed.iter().map(|(name, _)| (*name, None));
                names.filter(|(name, _)| steers(name)).collect()
            }
            Verdict::Answer(_) | Verdict::Reset => Vec::new(),
        };
        drop(exchange);
        if verdict == (Verdict::Hold { strip_length: true })
            && headers::value(&parsed, "content-length").is_some()
        {
            changes.push(("content-length", None));
        }
        change_headers(&parsed, headers::count(&serialised), &changes);
        if let Verdict::Hold { .. } = verdict {
            let (context, link, exchange, attempt) =
                (self.context, self.link, self.exchange.clone(), self.attempt);
            worker::watch(Watched { context, link, exchange, attempt });
            return Action::Pause;
        }
        self.obey(verdict, 0)
    }

    pub(super) fn response_body(&mut self, size: usize, end: bool) -> Action {
        let piece = host::buffer(BufferType::HttpResponseBody, size);
        let verdict = self.exchange.borrow_mut().answer_body(self.attempt, &piece, end, &host::now);
        self.obey(verdict, size)
    }

    /// With trailers the body callback never sees the end.
    pub(super) fn response_trailers(&mut self) -> Action {
        host::replace_headers(MapType::HttpResponseTrailers, headers::NONE);
        let verdict = self.exchange.borrow_mut().answer_body(self.attempt, &[], true, &host::now);
        match verdict {
            // Behind a body that has gone on there is no room. An end that is not clean says at
            // least that it is none.
            Verdict::Replace(bytes)
                if !bytes.is_empty() && !host::splice(BufferType::HttpResponseBody, 0, &bytes) =>
            {
                self.obey(Verdict::Reset, 0)
            }
            Verdict::Replace(_) => Action::Continue,
            verdict => self.obey(verdict, 0),
        }
    }

    fn obey(&self, verdict: Verdict, size: usize) -> Action {
        match verdict {
            Verdict::Pass => Action::Continue,
            Verdict::Hold { .. } => {
                // The core has the bytes now.
                if size > 0 {
                    host::splice(BufferType::HttpResponseBody, size, &[]);
                }
                Action::Pause
            }
            Verdict::Replace(bytes) => {
                host::splice(BufferType::HttpResponseBody, size, &bytes);
                Action::Continue
            }
            Verdict::Retry => {
                retry(self.link, self.exchange.borrow().next_cluster());
                Action::Continue
            }
            Verdict::Answer(reply) => {
                send(&reply);
                Action::Pause
            }
            Verdict::Reset => {
                host::reset_response();
                Action::Pause
            }
        }
    }

    pub(super) fn done(&mut self) {
        worker::unwatch(self.context);
        let mut exchange = self.exchange.borrow_mut();
        if exchange.is_open(self.attempt) {
            let broken = if host::is_connected() { Broken::Reset } else { Broken::Connect };
            exchange.attempt_closed(self.attempt, broken, host::now());
            // The router chooses the cluster of a retry after the attempt before it is gone.
            point_to_next(self.link, exchange.next_cluster());
        }
    }
}

/// Changes the response's headers, or takes away those that are to say nothing. `count`: how many
/// there are, with those that could not be read and go, too.
fn change_headers(headers: &[(&str, &str)], count: usize, changes: &[(&str, Option<String>)]) {
    if headers.len() == count && changes.len() <= MOST_SINGLE_CHANGES {
        for (name, value) in changes {
            match value {
                Some(value) => host::set_header(MapType::HttpResponseHeaders, name, value),
                None => host::remove_header(MapType::HttpResponseHeaders, name),
            }
        }
        return;
    }
    let kept = headers.iter().filter(|(name, _)| !changes.iter().any(|(other, _)| other == name));
    let changed = changes.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let headers: Vec<_> = kept.copied().chain(changed).collect();
    host::replace_headers(MapType::HttpResponseHeaders, &headers::serialise(&headers));
}

fn retry(link: Link, next_cluster: &str) {
    point_to_next(link, next_cluster);
    host::set_header(MapType::HttpResponseHeaders, RETRY, "1");
}

/// Leads the host's route, and the next attempt, to where they belong. Only a fallback needs it.
fn point_to_next(link: Link, cluster: &str) {
    host::set_property(LINK, &link);
    host::set_property(NEXT, cluster.as_bytes());
}

/// Moves on from every attempt that has waited long enough.
pub(super) fn check_deadlines() {
    let now = host::now();
    for Watched { context, link, exchange, attempt } in worker::watched() {
        let Some(verdict) = exchange.borrow_mut().tick(attempt, now) else { continue };
        worker::unwatch(context);
        if !host::act_on(context) {
            continue;
        }
        match verdict {
            Verdict::Retry => {
                retry(link, exchange.borrow().next_cluster());
                host::resume_response();
            }
            Verdict::Answer(reply) => send(&reply),
            _ => host::reset_response(),
        }
    }
}
