//! The downstream role: takes a client's request in, sends its exchange on its way, and writes it
//! down at the end.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::types::{Action, BufferType, MapType};

use super::headers;
use super::host;
use super::keep_alive;
use super::shared;
use super::stream::{LINK_HEADER, send};
use super::worker::{self, Link, Shared};
use crate::config::Config;
use crate::error::Error;
use crate::exchange::{Arrival, Departure, Exchange};
use crate::operation::{Face, Operation};
use crate::provider::ClientHeaders;
use crate::request::is_foreign_form;
use crate::wire::json::decimal;

/// The filter state by which the route chooses the cluster.
pub(super) const NEXT: &str = "modelyard.next";
/// The response header that makes the router retry.
pub(super) const RETRY: &str = "x-modelyard-retry";

/// A client's stream.
pub(super) struct Downstream {
    config: Rc<Config>,
    face: Face,
    operation: Operation,
    /// The request's headers as they came.
    headers: Vec<u8>,
    exchange: Option<(Link, Shared)>,
    /// What the client gets instead of the body under way.
    replacement: Option<Vec<u8>>,
}

impl Downstream {
    /// Takes in a request for a model, unless there is an `error`.
    pub(super) fn begin(
        config: Rc<Config>,
        (face, operation): (Face, Operation),
        headers: Vec<u8>,
        error: Option<Error>,
    ) -> (Self, Action) {
        let mut stream =
            Self { config, face, operation, headers, exchange: None, replacement: None };
        if error.is_some() {
            stream.open(Vec::new(), error);
        } else {
            worker::await_body();
        }
        (stream, Action::Pause)
    }

    pub(super) fn request_body(&mut self, size: usize, end: bool) -> Action {
        worker::see_body();
        if self.exchange.is_some() {
            return Action::Continue;
        }
        let limit = self.config.limits.request_bytes;
        if size > limit {
            return self.open(Vec::new(), Some(Error::TooLarge { limit: Some(limit) }));
        }
        if end {
            self.open(host::buffer(BufferType::HttpRequestBody, size), None)
        } else {
            Action::Pause
        }
    }

    /// With trailers the body callback never sees the end.
    pub(super) fn request_trailers(&mut self) -> Action {
        host::replace_headers(MapType::HttpRequestTrailers, headers::NONE);
        if self.exchange.is_some() {
            return Action::Continue;
        }
        self.open(
            host::buffer(BufferType::HttpRequestBody, self.config.limits.request_bytes + 1),
            None,
        )
    }

    /// Opens the exchange and sends it on its way, or answers with its error.
    fn open(&mut self, body: Vec<u8>, error: Option<Error>) -> Action {
        let serialised = std::mem::take(&mut self.headers);
        let headers = headers::parse(&serialised);
        let (exchange, link) = self.create(&headers, body, error);
        let exchange = exchange.borrow();
        match exchange.departure() {
            Err(reply) => {
                drop(exchange);
                send(&reply);
                Action::Pause
            }
            Ok(departure) => {
                host::set_property(NEXT, departure.cluster.as_bytes());
                steer(&headers, headers::count(&serialised), &departure);
                // After a client's own of the same name is gone.
                host::set_header(
                    MapType::HttpRequestHeaders,
                    LINK_HEADER,
                    str::from_utf8(&link).unwrap_or_default(),
                );
                host::clear_route_cache();
                Action::Continue
            }
        }
    }

    fn create(
        &mut self,
        headers: &[(&str, &str)],
        body: Vec<u8>,
        error: Option<Error>,
    ) -> (Shared, Link) {
        let arrival = Arrival {
            face: self.face,
            operation: self.operation,
            headers,
            body,
            random: [worker::random(), worker::random()],
            now: host::now(),
        };
        let config = self.config.clone();
        let exchange = match error {
            Some(error) => Exchange::refuse(config, arrival, error),
            None => shared::with_health(|health| Exchange::open(config, arrival, health)),
        };
        let exchange = Rc::new(RefCell::new(exchange));
        let link = worker::keep(exchange.clone());
        self.exchange = Some((link, exchange.clone()));
        (exchange, link)
    }

    pub(super) fn response_headers(&mut self, end: bool) -> Action {
        let exchange = self.exchange.as_ref().map(|(_, exchange)| exchange.borrow_mut());
        let Some((mut exchange, status)) =
            exchange.and_then(|exchange| exchange.passed_status().map(|s| (exchange, s)))
        else {
            return self.own_response_headers(end);
        };
        // Each costs less than handing all of them over.
        exchange.client_headers(status, &mut |name, value| {
            host::set_header(MapType::HttpResponseHeaders, name, value)
        });
        Action::Continue
    }

    /// Headers of an answer that is the gateway's or the host's own.
    #[cold]
    fn own_response_headers(&mut self, end: bool) -> Action {
        let serialised = host::headers(MapType::HttpResponseHeaders);
        let headers = headers::parse(&serialised);
        let status = headers::status(&headers);
        let (exchange, is_whole) = match &self.exchange {
            Some((_, exchange)) => (exchange.clone(), true),
            // The host refused the request before it was whole.
            None => (self.create(&[], Vec::new(), Some(Error::of_host(status))).0, false),
        };
        let mut exchange = exchange.borrow_mut();
        let mut own = Vec::new();
        let mut sent = status;
        let mut keeps_headers = true;
        if !(exchange.is_answered() && is_whole) {
            let reply = exchange.host_answer(
                status,
                host::attempt_count() as usize,
                host::refusal(),
                host::now(),
            );
            sent = reply.status;
            if end {
                send(&reply);
                return Action::Continue;
            }
            keeps_headers = !host::is_answer_of_upstream();
            let (status, length) = (reply.status.to_string(), reply.body.len().to_string());
            own.extend([(":status", Cow::Owned(status)), ("content-length", length.into())]);
            own.extend(reply.headers.into_iter().map(|(name, value)| (name, value.into())));
            self.replacement = Some(reply.body);
        }
        exchange.client_headers(sent, &mut |name, value| own.push((name, value.to_owned().into())));
        let replaced = |name: &str| name == RETRY || own.iter().any(|(own, _)| *own == name);
        let kept = headers.iter().filter(|(name, _)| keeps_headers && !replaced(name)).copied();
        let headers: Vec<_> =
            own.iter().map(|(name, value)| (*name, value.as_ref())).chain(kept).collect();
        host::replace_headers(MapType::HttpResponseHeaders, &headers::serialise(&headers));
        Action::Continue
    }

    pub(super) fn response_body(&mut self, context: u32, size: usize, end: bool) -> Action {
        if let Some(body) = &mut self.replacement {
            host::splice(BufferType::HttpResponseBody, size, body);
            body.clear();
            return Action::Continue;
        }
        let (Some(silence), Some((_, exchange))) =
            (self.config.telemetry.keep_alive, &self.exchange)
        else {
            return Action::Continue;
        };
        if !end && keep_alive::hold(context, exchange, silence) {
            Action::Pause
        } else {
            Action::Continue
        }
    }

    /// Writes the exchange down, once.
    pub(super) fn settle(&mut self, context: u32) {
        let Some((link, exchange)) = self.exchange.take() else { return };
        if self.config.telemetry.keep_alive.is_some() {
            keep_alive::forget(context);
        }
        worker::forget(&link);
        let mut exchange = exchange.borrow_mut();
        let mut path = String::with_capacity(64);
        let mut tell = |name: &str, value: &str| {
            path.clear();
            path.push_str("modelyard.");
            path.push_str(name);
            host::set_property(&path, value.as_bytes());
        };
        let now = host::now();
        let settlement = shared::with_health(|health| {
            exchange.settle(now, health, &mut worker::count, &mut tell)
        });
        if let Some(record) = &settlement.record {
            tell("record", record);
        }
        shared::with_journal(|journal| journal.enter(settlement.cost, settlement.record, now));
    }
}

/// What speaks against a request for a model before its body is there; `end`: there is none.
pub(super) fn refusal(headers: &[(&str, &str)], end: bool, config: &Config) -> Option<Error> {
    let length = headers::value(headers, "content-length");
    let length: Option<u64> = length.and_then(|length| length.parse().ok());
    let limit = config.limits.request_bytes;
    match length {
        _ if is_foreign_form(headers) => Some(Error::ForeignForm),
        Some(length) if length > limit as u64 => Some(Error::TooLarge { limit: Some(limit) }),
        _ => end.then(|| Error::InvalidJson("it is empty".to_owned())),
    }
}

/// Makes the client's headers ones that the host's router obeys: what could steer it otherwise
/// goes, and so do credentials. `count`: how many headers there are, with those that could not be
/// read.
fn steer(headers: &[(&str, &str)], count: usize, departure: &Departure<'_>) {
    if headers.len() < count {
        let kept: Vec<_> =
            headers.iter().filter(|(name, _)| !ClientHeaders::is_stripped(name)).copied().collect();
        host::replace_headers(MapType::HttpRequestHeaders, &headers::serialise(&kept));
    } else {
        // Each costs less than handing all of them over.
        let stripped = headers.iter().filter(|(name, _)| ClientHeaders::is_stripped(name));
        stripped.for_each(|(name, _)| host::remove_header(MapType::HttpRequestHeaders, name));
    }
    let retries = decimal(departure.max_retries as u64);
    let timeout = decimal(departure.per_try_timeout.as_millis() as u64);
    host::set_header(MapType::HttpRequestHeaders, "x-envoy-max-retries", &retries);
    host::set_header(
        MapType::HttpRequestHeaders,
        "x-envoy-upstream-rq-per-try-timeout-ms",
        &timeout,
    );
    // A route's own timeout, 15 s by default, would cut streams off.
    host::set_header(MapType::HttpRequestHeaders, "x-envoy-upstream-rq-timeout-ms", "0");
}
