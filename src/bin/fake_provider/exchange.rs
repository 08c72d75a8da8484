//! One request and its answer: control endpoints, layers of faults, the log, and what is answered.
//! Faults come before errors of the request, except that an unknown path is always 404, so that a
//! client's wrong path never hides behind a scripted status.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};

use crate::answer::{self, Answer};
use crate::body::ScriptBody;
use crate::fault::{self, BadDirective, BodyKind, Faults, Point};
use crate::format::Format;
use crate::record::{Entry, Log, Ticket};
use crate::request::{Ask, Endpoint};
use crate::script::{self, Script};
use crate::socket::Plug;

const CONTROL_PATH: &str = "/_fake/requests";
const FAULT_HEADER: &str = "x-fake-fault";
const JSON: &str = "application/json";

/// Requests seen by each listener and path that was asked with `times`.
type Counts = HashMap<(SocketAddr, String), u64>;

/// What all listeners of the process share.
pub(crate) struct Provider {
    /// `None` if requests are not to be recorded.
    log: Option<Log>,
    counts: Mutex<Counts>,
}

impl Provider {
    pub(crate) fn new(log: Option<Log>) -> Self {
        Self { log, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nobody who held the lock can have left a count half changed, not even by a panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One listener: who answers and what it does by default.
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) faults: Faults,
    /// The texts that `faults` was read from, for the log.
    pub(crate) fault_text: String,
}

/// One client's connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) provider: Arc<Provider>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) plug: Arc<Plug>,
}

/// What is said, before it is known how it travels.
struct Outcome {
    status: StatusCode,
    content_type: &'static str,
    /// The header by which Bedrock says the kind of an error.
    error_type: Option<String>,
    script: Script,
}

impl Connection {
    /// Answers one request; an error means that the client went away while sending it.
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<ScriptBody>, hyper::Error> {
        if request.uri().path() == CONTROL_PATH {
            return Ok(self.control(request.method()));
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let faults = self.faults(&head);
        let mut ticket = self.ticket(&head, &body, faults.as_ref());
        let (faults, outcome) = match faults {
            Ok(faults) => {
                self.before_headers(&faults, &mut ticket).await;
                let outcome = self.outcome(&head, &body, &faults);
                (faults, outcome)
            }
            Err(error) => {
                let faults = Faults::default();
                let outcome = self.refusal(
                    Format::OpenAi,
                    StatusCode::BAD_REQUEST,
                    &error.to_string(),
                    &faults,
                );
                (faults, outcome)
            }
        };
        Ok(self.response(outcome, &faults, head.version, ticket))
    }

    fn control(&self, method: &Method) -> Response<ScriptBody> {
        let faults = Faults::default();
        let outcome = match (method, &self.provider.log) {
            (&Method::GET, log) => {
                let entries = log.as_ref().map_or_else(|| b"[]".to_vec(), Log::to_json);
                Outcome::plain(StatusCode::OK, JSON, entries, &faults)
            }
            (&Method::DELETE, log) => {
                log.iter().for_each(Log::clear);
                self.provider.counts().clear();
                Outcome::plain(StatusCode::NO_CONTENT, JSON, Vec::new(), &faults)
            }
            _ => self.refusal(
                Format::OpenAi,
                StatusCode::METHOD_NOT_ALLOWED,
                "use GET or DELETE",
                &faults,
            ),
        };
        self.response(outcome, &faults, Version::HTTP_11, Ticket::default())
    }

    /// The faults of this request; counts it when they are limited to the first requests.
    fn faults(&self, head: &Parts) -> Result<Faults, BadDirective> {
        let mut faults = self.listener.faults.clone();
        for value in head.headers.get_all(FAULT_HEADER).iter().rev() {
            let Ok(text) = value.to_str() else {
                return Err(BadDirective::Encoding(format!("{value:?}")));
            };
            faults.apply(text)?;
        }
        for text in fault::in_path(head.uri.path()).rev() {
            faults.apply(text)?;
        }
        if faults.times.is_some_and(|times| self.count(head.uri.path()) > times) {
            return Ok(Faults::default());
        }
        Ok(faults)
    }

    fn count(&self, path: &str) -> u64 {
        let mut counts = self.provider.counts();
        let count = counts.entry((self.listener.address, path.to_owned())).or_default();
        *count += 1;
        *count
    }

    /// Logs the request, without its directives when they ask for nothing or not any more.
    fn ticket(&self, head: &Parts, body: &Bytes, faults: Result<&Faults, &BadDirective>) -> Ticket {
        let Some(log) = &self.provider.log else {
            return Ticket::default();
        };
        let acts = faults != Ok(&Faults::default());
        let text = if acts { self.fault_text(head) } else { String::new() };
        log.add(Entry::new(&self.listener.name, head, body, text))
    }

    /// Everything that was asked of this request, the text that wins first.
    fn fault_text(&self, head: &Parts) -> String {
        let headers =
            head.headers.get_all(FAULT_HEADER).iter().filter_map(|value| value.to_str().ok());
        let texts = fault::in_path(head.uri.path())
            .chain(headers)
            .chain([self.listener.fault_text.as_str()]);
        texts.filter(|text| !text.is_empty()).collect::<Vec<&str>>().join(",")
    }

    async fn before_headers(&self, faults: &Faults, ticket: &mut Ticket) {
        if let Some(delay) = faults.delay {
            tokio::time::sleep(delay).await;
        }
        if faults.reset == Some(Point::Start) {
            ticket.finish();
            self.plug.pull();
            std::future::pending::<()>().await;
        }
        if faults.stall == Some(Point::Start) {
            std::future::pending::<()>().await;
        }
    }

    fn outcome(&self, head: &Parts, body: &[u8], faults: &Faults) -> Outcome {
        let Some(endpoint) = Endpoint::of(&head.method, head.uri.path()) else {
            let message = format!("unknown request URL: {} {}", head.method, head.uri.path());
            return self.refusal(Format::OpenAi, StatusCode::NOT_FOUND, &message, faults);
        };
        let format = Format::of(endpoint);
        let status = faults.status.unwrap_or(StatusCode::OK);
        if faults.empty {
            return Outcome::new(
                StatusCode::OK,
                JSON,
                Script { length: Some(0), ..Script::default() },
            );
        }
        if faults.empty_stream {
            return Outcome::new(StatusCode::OK, format.stream_type(), script::empty_stream());
        }
        if status != StatusCode::OK || faults.body.is_some() {
            return self.scripted_status(format, status, faults);
        }
        if let Err((status, message)) = format.check(&head.headers, faults) {
            return self.refusal(format, status, message, faults);
        }
        let ask = match endpoint {
            Endpoint::Models => Ok(Ask::default()),
            _ => Ask::read(endpoint, head.uri.path(), body),
        };
        match ask {
            Ok(ask) => self.success(format, endpoint, &ask, faults),
            Err(message) => self.refusal(format, StatusCode::BAD_REQUEST, &message, faults),
        }
    }

    fn scripted_status(&self, format: Format, status: StatusCode, faults: &Faults) -> Outcome {
        let message = format!("scripted status {}", status.as_u16());
        match faults.body.unwrap_or(BodyKind::Json) {
            BodyKind::Json => self.refusal(format, status, &message, faults),
            BodyKind::Html => {
                let name = &self.listener.name;
                let page = format!(
                    "<html><head><title>{status}</title></head>\
                     <body><h1>{status}</h1><hr>{name}</body></html>\n"
                );
                Outcome::plain(status, "text/html", page.into(), faults)
            }
            BodyKind::Text => {
                let text = format!("{}: {message}\n", self.listener.name);
                Outcome::plain(status, "text/plain", text.into(), faults)
            }
            BodyKind::Empty => Outcome::plain(status, JSON, Vec::new(), faults),
        }
    }

    fn success(&self, format: Format, endpoint: Endpoint, ask: &Ask, faults: &Faults) -> Outcome {
        let name = &self.listener.name;
        match format.answer(name, endpoint, ask, faults) {
            Answer::Plain(body) => Outcome::plain(StatusCode::OK, JSON, body, faults),
            Answer::Stream(events) => {
                let script = script::stream(name, format, &events, faults);
                Outcome::new(StatusCode::OK, format.stream_type(), script)
            }
        }
    }

    /// An error in the format's form whose message says who refuses.
    fn refusal(
        &self,
        format: Format,
        status: StatusCode,
        message: &str,
        faults: &Faults,
    ) -> Outcome {
        let message = format!("{}: {message}", self.listener.name);
        let code = faults.error_code.as_deref();
        let mut outcome =
            Outcome::plain(status, JSON, format.error(&message, status, code), faults);
        outcome.error_type = format.error_type(status, code);
        outcome
    }

    fn response(
        &self,
        outcome: Outcome,
        faults: &Faults,
        version: Version,
        ticket: Ticket,
    ) -> Response<ScriptBody> {
        let body = ScriptBody::new(outcome.script, Arc::clone(&self.plug), ticket);
        let mut response = Response::new(body);
        *response.status_mut() = outcome.status;
        if faults.close && version <= Version::HTTP_11 {
            // hyper chunks a body of unknown length unless the answer is of the version before
            // chunks.
            *response.version_mut() = Version::HTTP_10;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(outcome.content_type));
        let error_type = outcome.error_type.and_then(|kind| HeaderValue::from_str(&kind).ok());
        headers.extend(error_type.map(|kind| (HeaderName::from_static("x-amzn-errortype"), kind)));
        self.identify(headers);
        add_faulty_headers(headers, faults);
        response
    }

    fn identify(&self, headers: &mut HeaderMap) {
        if let Ok(name) = HeaderValue::from_str(&self.listener.name) {
            headers.insert("x-fake-provider", name);
        }
        if let Ok(id) = HeaderValue::from_str(&format!("req_fake{:016x}", answer::next_number())) {
            headers.insert("x-request-id", id);
        }
    }
}

impl Outcome {
    fn new(status: StatusCode, content_type: &'static str, script: Script) -> Self {
        Self { status, content_type, error_type: None, script }
    }

    fn plain(
        status: StatusCode,
        content_type: &'static str,
        body: Vec<u8>,
        faults: &Faults,
    ) -> Self {
        Self::new(status, content_type, script::plain(body, faults))
    }
}

fn add_faulty_headers(headers: &mut HeaderMap, faults: &Faults) {
    if let Some(value) = &faults.retry_after {
        headers.insert(header::RETRY_AFTER, value.clone());
    }
    if faults.gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if faults.trailers {
        headers.insert(header::TRAILER, HeaderValue::from_static(script::TRAILER));
    }
    if faults.close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(value) = &faults.retry_header {
        headers.insert(HeaderName::from_static("x-modelyard-retry"), value.clone());
        headers.insert(
            HeaderName::from_static("x-modelyard-tried"),
            HeaderValue::from_static("nobody"),
        );
    }
}
