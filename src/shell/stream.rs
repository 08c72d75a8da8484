//! One stream of the host, in whichever role it turns out to be.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use super::downstream::{self, Downstream};
use super::explain::Explain;
use super::headers;
use super::host;
use super::page;
use super::upstream::Upstream;
use super::worker::{self, Link, Shared};
use crate::config::Config;
use crate::error::{Error, ErrorForm, Reply};
use crate::exchange::explain;
use crate::request::{Surface, is_foreign_form};

/// The header that leads an exchange's first attempt to it, which takes it off. Later attempts find
/// the same in filter state, because their headers are what the attempt before them made of them.
pub(super) const LINK_HEADER: &str = "x-modelyard-exchange";
/// The filter state that leads a later attempt to its exchange.
pub(super) const LINK: &str = "modelyard.exchange";

/// One stream of the host.
pub(super) struct Stream {
    context: u32,
    config: Option<Rc<Config>>,
    role: Role,
    /// What the answer says to the web page that asked, if it may read it.
    cors: Vec<(&'static str, String)>,
}

/// What a stream is to the gateway.
enum Role {
    /// Not ours, or answered already: everything passes.
    Elsewhere,
    Downstream(Box<Downstream>),
    Upstream(Box<Upstream>),
    /// An attempt that begins when the host has shown the client's body again.
    Awaiting(Link, Shared),
    Explain(Explain),
}

impl Stream {
    pub(super) fn new(context: u32, config: Option<Rc<Config>>) -> Self {
        Self { context, config, role: Role::Elsewhere, cors: Vec::new() }
    }

    fn begin(&mut self, end: bool) -> Option<Action> {
        let config = self.config.clone()?;
        let serialised = host::headers(MapType::HttpRequestHeaders);
        let parsed = headers::parse(&serialised);
        let value = |name| headers::value(&parsed, name).unwrap_or_default();
        // The header saves asking for more; one that leads nowhere may be a client's own.
        if let Some((link, exchange)) = worker::find(value(LINK_HEADER).as_bytes()) {
            return Some(self.attempt(link, exchange, &parsed, end));
        }
        let path = value(":path");
        let surface = config.surface(value(":authority"), value(":method"), path);
        if host::attempt_count() != 0 {
            return self.later_attempt(&config, surface, &parsed, end);
        }
        if self.answers_preflight(&config, surface, &parsed) {
            return None;
        }
        match surface {
            _ if !value("upgrade").is_empty() => None,
            Surface::Exchange(face, operation) => {
                let error = downstream::refusal(&parsed, end, &config);
                let (downstream, action) =
                    Downstream::begin(config, (face, operation), serialised, error);
                self.role = Role::Downstream(Box::new(downstream));
                Some(action)
            }
            _ => self.answer_here(&config, surface, path, &parsed, end),
        }
    }

    /// Keeps what the answer will say to the web page that asks, if one does and may; answers a
    /// preflight.
    fn answers_preflight(
        &mut self,
        config: &Config,
        surface: Surface<'_>,
        parsed: &[(&str, &str)],
    ) -> bool {
        let Some(cors) = &config.cors else { return false };
        let Some(origin) = headers::value(parsed, "origin") else { return false };
        if matches!(surface, Surface::Elsewhere | Surface::Operator(_)) {
            return false;
        }
        let asked = headers::value(parsed, "access-control-request-headers").unwrap_or_default();
        let is_preflight = headers::value(parsed, ":method") == Some("OPTIONS");
        if let Some(reply) = cors.preflight(origin, asked).filter(|_| is_preflight) {
            send(&reply);
            return true;
        }
        self.cors = cors.answer(origin).unwrap_or_default();
        false
    }

    /// What needs no model.
    #[cold]
    fn answer_here(
        &mut self,
        config: &Rc<Config>,
        surface: Surface<'_>,
        path: &str,
        parsed: &[(&str, &str)],
        end: bool,
    ) -> Option<Action> {
        match surface {
            Surface::Elsewhere | Surface::Exchange(..) => {}
            Surface::Page(face, page) => {
                let authorization = headers::value(parsed, "authorization");
                page::answer(config, (face, page), path, authorization);
            }
            Surface::Operator(rest) => {
                let value = |name| headers::value(parsed, name);
                let asked = (value(":method").unwrap_or_default(), rest);
                let refusal = explain::refusal(config, asked, value("authorization"));
                let foreign = is_foreign_form(parsed).then_some(Error::ForeignForm);
                let foreign = foreign.map(|error| error.reply(ErrorForm::OpenRouter));
                let refusal = refusal.or(foreign);
                let explain = Explain::begin(config.clone(), path.to_owned(), refusal, end);
                self.role = Role::Explain(explain);
                return Some(Action::Pause);
            }
            Surface::WrongMethod(form, allow) => send(&Error::WrongMethod { allow }.reply(form)),
        }
        None
    }

    /// An attempt whose headers do not lead to its exchange: not the first, or one of an exchange
    /// that is gone.
    #[cold]
    fn later_attempt(
        &mut self,
        config: &Config,
        surface: Surface<'_>,
        parsed: &[(&str, &str)],
        end: bool,
    ) -> Option<Action> {
        if let Some(link) = host::property(&[LINK]) {
            let Some((link, exchange)) = worker::find(&link) else {
                return Some(Upstream::refuse(ErrorForm::OpenAi));
            };
            return Some(self.attempt(link, exchange, parsed, end));
        }
        let is_linked = headers::value(parsed, LINK_HEADER).is_some_and(worker::is_link);
        match surface {
            // Its exchange is gone, whatever a route made of its path.
            _ if is_linked => Some(Upstream::refuse(ErrorForm::OpenAi)),
            Surface::Exchange(face, operation) if config.has_cluster(&host::cluster()) => {
                Some(Upstream::refuse(ErrorForm::of(face, operation)))
            }
            // Another service's own, as far as anybody here can tell.
            _ => None,
        }
    }

    /// Begins an attempt, at once if the exchange has the client's body.
    fn attempt(
        &mut self,
        link: Link,
        exchange: Shared,
        current: &[(&str, &str)],
        end: bool,
    ) -> Action {
        if !end && exchange.borrow().request().released().is_some() {
            self.role = Role::Awaiting(link, exchange);
            return Action::Pause;
        }
        self.begin_attempt(link, exchange, current)
    }

    /// Begins the attempt that waits for the client's body, if one does, when `size` bytes are all
    /// of it; `end`: no more will come.
    fn begin_awaiting(&mut self, size: usize, end: bool) -> Action {
        match &self.role {
            Role::Awaiting(link, exchange) => self.restore_body(*link, exchange.clone(), size, end),
            _ => Action::Continue,
        }
    }

    #[cold]
    fn restore_body(&mut self, link: Link, exchange: Shared, size: usize, end: bool) -> Action {
        let released = exchange.borrow().request().released();
        if !end && released.is_some_and(|length| size < length) {
            return Action::Pause;
        }
        exchange.borrow_mut().restore_body(host::buffer(BufferType::HttpRequestBody, size));
        self.begin_attempt(
            link,
            exchange,
            &headers::parse(&host::headers(MapType::HttpRequestHeaders)),
        )
    }

    fn begin_attempt(&mut self, link: Link, exchange: Shared, current: &[(&str, &str)]) -> Action {
        let (upstream, action) = Upstream::begin(self.context, link, exchange, current);
        self.role = upstream.map_or(Role::Elsewhere, |upstream| Role::Upstream(Box::new(upstream)));
        action
    }
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        match &mut self.role {
            Role::Upstream(upstream) => upstream.done(),
            // Over HTTP/3 the host does not log.
            Role::Downstream(downstream) => downstream.settle(self.context),
            Role::Elsewhere | Role::Explain(_) | Role::Awaiting(..) => {}
        }
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        self.begin(end).unwrap_or(Action::Continue)
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if self.begin_awaiting(size, end) == Action::Pause {
            return Action::Pause;
        }
        match &mut self.role {
            Role::Elsewhere | Role::Awaiting(..) => Action::Continue,
            Role::Downstream(downstream) => downstream.request_body(size, end),
            Role::Upstream(upstream) => upstream.request_body(size, end),
            Role::Explain(explain) => explain.request_body(size, end),
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if self.begin_awaiting(usize::MAX, true) == Action::Pause {
            return Action::Pause;
        }
        match &mut self.role {
            Role::Elsewhere | Role::Awaiting(..) => Action::Continue,
            Role::Downstream(downstream) => downstream.request_trailers(),
            Role::Upstream(upstream) => upstream.request_trailers(),
            Role::Explain(explain) => explain.request_body(usize::MAX, true),
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        let action = match &mut self.role {
            Role::Elsewhere | Role::Explain(_) | Role::Awaiting(..) => Action::Continue,
            Role::Downstream(downstream) => downstream.response_headers(end),
            Role::Upstream(upstream) => upstream.response_headers(end),
        };
        for (name, value) in &self.cors {
            host::set_header(MapType::HttpResponseHeaders, name, value);
        }
        action
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        match &mut self.role {
            Role::Elsewhere | Role::Explain(_) | Role::Awaiting(..) => Action::Continue,
            Role::Downstream(downstream) => downstream.response_body(self.context, size, end),
            Role::Upstream(upstream) => upstream.response_body(size, end),
        }
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        match &mut self.role {
            Role::Upstream(upstream) => upstream.response_trailers(),
            _ => Action::Continue,
        }
    }

    fn on_log(&mut self) {
        if let Role::Downstream(downstream) = &mut self.role {
            downstream.settle(self.context);
        }
    }
}

/// Answers in place of an upstream.
pub(super) fn send(reply: &Reply) {
    host::reply(reply.status, &headers::serialise(&reply.headers), &reply.body);
}
