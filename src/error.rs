//! Every error a client can see: its status and its body in each dialect. No other place chooses
//! either.
//!
//! Grouped by whose fault it is: the client's (4xx), an upstream's (its own status, 502, 504), ours
//! (5xx). Message texts are OpenRouter's where it has one, because clients match on them.

pub(crate) mod anthropic;
mod openrouter;
mod reason;
pub(crate) mod responses;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::catalog::{AUTO, AUTO_ALIAS};
use crate::operation::{Face, Operation};
use crate::wire::json::JsonError;
use crate::wire::openai::{ErrorFields, MODERATED};

pub use reason::{Dropped, Reason};

/// Longest piece of a client's own text that is repeated in a message, in characters.
const ECHO: usize = 100;

/// Most of a client's own names that are repeated in a message.
const MOST_NAMED: usize = 10;

/// Why an exchange has no answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The body is not the JSON it should be.
    InvalidJson(String),
    /// A top-level key the gateway reads stands there twice.
    DuplicateKey(String),
    /// A field is missing or of a wrong type or value.
    InvalidField {
        /// Its name.
        field: &'static str,
        /// What is wrong with it, after the name.
        problem: String,
    },
    /// Nobody offers it.
    UnknownModel(String),
    /// More bytes than `limits.request_bytes`.
    TooLarge {
        /// The limit, in bytes; `None` where it is the host's own.
        limit: Option<usize>,
    },
    /// The path is known, the method is not.
    WrongMethod {
        /// What is allowed.
        allow: &'static str,
    },
    /// The operator's paths ask for a key.
    Unauthorized {
        /// Whether the request brought one.
        with_key: bool,
    },
    /// There is no such thing.
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// The name it was looked for by.
        name: String,
    },
    /// The request body is compressed.
    Encoded(String),
    /// A web page elsewhere may have made the request, and it is not JSON by its content type.
    ForeignForm,
    /// Every endpoint was dropped before the first attempt.
    NoEndpoints {
        /// The models asked for.
        models: Vec<String>,
        /// What removed each endpoint.
        dropped: Vec<Dropped>,
        /// Ids of the providers that offer these models.
        serving: Vec<String>,
        /// What `provider.only` names.
        permitted: Vec<String>,
    },
    /// Every attempt failed; this is the last one's error.
    Upstream(Failure),
    /// The host ended the fallbacks early: `circuit_breakers.max_retries`.
    RetryOverflow {
        /// The cluster whose circuit breaker opened.
        cluster: String,
    },
    /// The host had no room for an attempt: `max_pending_requests` and the like.
    Overflow {
        /// The cluster whose circuit breaker is open.
        cluster: String,
    },
    /// The host did not make the next attempt, though its circuit breakers would have let it.
    NotRetried,
    /// The host knows nobody to send the next attempt to.
    NoHealthyUpstream {
        /// The cluster that has no hosts or does not exist.
        cluster: String,
    },
    /// An attempt was sent past this filter.
    Bypassed {
        /// The cluster it went to.
        cluster: String,
    },
    /// The host would have sent an attempt to a cluster that was not planned.
    WrongCluster {
        /// That cluster.
        cluster: String,
    },
    /// The upstream role found no exchange: the module was restarted in between.
    Lost,
    /// The host itself refused the request.
    Host {
        /// Its status.
        status: u16,
    },
}

/// The last attempt's failure, as the client may know it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// Status for the client.
    pub status: u16,
    /// One sentence.
    pub message: String,
    /// The provider's display name.
    pub provider: String,
    /// The provider's own error body, as text.
    pub raw: Option<String>,
    /// The provider's own machine-readable code.
    pub code: Option<String>,
    /// The smallest `Retry-After` of all attempts.
    pub retry_after: Option<Duration>,
    /// All attempts.
    pub tried: Vec<Tried>,
    /// The models asked for.
    pub models: Vec<String>,
    /// What removed the endpoints that were not in the plan.
    pub dropped: Vec<Dropped>,
}

impl Failure {
    /// What an upstream's error says.
    pub fn of(fields: &ErrorFields) -> Self {
        Self {
            status: fields.status().unwrap_or(502),
            message: fields.message.clone().unwrap_or_else(|| "Provider returned error".to_owned()),
            code: fields.known_code().map(str::to_owned),
            ..Self::default()
        }
    }

    /// `Retry-After` for the client, in whole seconds, at least 1.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let whole = |wait: Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.retry_after.map(|wait| whole(wait).max(1))
    }
}

/// One attempt, as an error tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The provider's id.
    pub provider: String,
    /// The provider's display name.
    #[serde(skip)]
    pub name: String,
    /// Its status, if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The status a client would have got for this attempt alone.
    #[serde(skip)]
    pub code: u16,
    /// How it ended: a value of the `outcome` tag.
    pub reason: &'static str,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};reason={}", self.provider, self.reason)?;
        self.status.map_or(Ok(()), |status| write!(f, ";status={status}"))
    }
}

/// Whose form an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorForm {
    /// OpenAI's `error` object.
    OpenAi,
    /// OpenRouter's envelope.
    OpenRouter,
    /// Anthropic's, for `messages`.
    Anthropic,
    /// OpenAI's for `responses`.
    Responses,
}

impl ErrorForm {
    /// The form for a client of this face and operation.
    pub fn of(face: Face, operation: Operation) -> Self {
        match (operation, face) {
            (Operation::Messages | Operation::CountTokens, _) => Self::Anthropic,
            (_, Face::OpenRouter) => Self::OpenRouter,
            (Operation::Responses, Face::OpenAi) => Self::Responses,
            (_, Face::OpenAi) => Self::OpenAi,
        }
    }
}

/// A whole answer of the gateway's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers besides `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body }
    }
}

impl Error {
    /// What an upstream's error event says; `provider` is the display name of who sent it.
    pub fn of_upstream(fields: &ErrorFields, provider: &str) -> Self {
        Self::Upstream(Failure { provider: provider.to_owned(), ..Failure::of(fields) })
    }

    /// The host's own refusal.
    pub fn of_host(status: u16) -> Self {
        if status == 413 { Self::TooLarge { limit: None } } else { Self::Host { status } }
    }

    /// The same error without the names of providers, endpoints and clusters; `author` of the
    /// model stands for whoever serves it.
    #[cold]
    pub fn without_names(&self, author: &str) -> Self {
        let mut error = self.clone();
        match &mut error {
            Self::RetryOverflow { cluster }
            | Self::Overflow { cluster }
            | Self::NoHealthyUpstream { cluster }
            | Self::Bypassed { cluster }
            | Self::WrongCluster { cluster } => *cluster = format!("of {author}"),
            Self::NoEndpoints { dropped, serving, .. } => {
                *serving = vec![author.to_owned()];
                dropped.iter_mut().for_each(|dropped| dropped.hide_names(author));
            }
            Self::Upstream(failure) => {
                failure.provider = author.to_owned();
                failure.raw = None;
                failure.tried.clear();
                failure.dropped.iter_mut().for_each(|dropped| dropped.hide_names(author));
            }
            _ => {}
        }
        error
    }

    /// The status for the client.
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidJson(_)
            | Self::DuplicateKey(_)
            | Self::InvalidField { .. }
            | Self::UnknownModel(_) => 400,
            Self::Unauthorized { .. } => 401,
            Self::NoEndpoints { .. } | Self::NotFound { .. } => 404,
            Self::WrongMethod { .. } => 405,
            Self::TooLarge { .. } => 413,
            Self::Encoded(_) | Self::ForeignForm => 415,
            Self::Upstream(failure) => failure.status,
            Self::Bypassed { .. } => 502,
            Self::RetryOverflow { .. } | Self::Overflow { .. } | Self::NotRetried => 503,
            Self::NoHealthyUpstream { .. } | Self::WrongCluster { .. } | Self::Lost => 503,
            Self::Host { status } => *status,
        }
    }

    /// OpenRouter's `error_type` vocabulary.
    pub fn error_type(&self) -> &'static str {
        let code = self.code().unwrap_or_default();
        match self.status() {
            _ if code == "context_length_exceeded" => "context_length_exceeded",
            _ if MODERATED.contains(&code) => "content_policy_violation",
            _ if matches!(self, Self::UnknownModel(_)) => "not_found",
            401 => "authentication",
            402 => "payment_required",
            403 => "permission_denied",
            404 => "not_found",
            408 | 504 => "timeout",
            413 => "payload_too_large",
            422 => "unprocessable",
            429 => "rate_limit_exceeded",
            502 => "provider_unavailable",
            503 | 529 => "provider_overloaded",
            500..=599 => "server",
            _ => "invalid_request",
        }
    }

    /// OpenAI's `code`: null unless there is something exact to say.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::InvalidJson(_) => Some("invalid_json"),
            Self::DuplicateKey(_) => Some("duplicate_key"),
            Self::UnknownModel(_) => Some("model_not_found"),
            Self::NoEndpoints { .. } => Some("no_endpoints"),
            Self::NotFound { .. } => Some("not_found"),
            Self::TooLarge { .. } => Some("request_too_large"),
            Self::WrongMethod { .. } => Some("method_not_allowed"),
            Self::Encoded(_) => Some("unsupported_content_encoding"),
            Self::ForeignForm => Some("unsupported_content_type"),
            Self::RetryOverflow { .. } => Some("retry_overflow"),
            Self::Overflow { .. } => Some("upstream_overflow"),
            Self::NotRetried => Some("not_retried"),
            Self::NoHealthyUpstream { .. } => Some("no_healthy_upstream"),
            Self::Bypassed { .. } => Some("filter_bypassed"),
            Self::WrongCluster { .. } => Some("wrong_cluster"),
            Self::Lost => Some("exchange_lost"),
            Self::Upstream(failure) => failure.code.as_deref(),
            Self::Unauthorized { .. } => Some("invalid_api_key"),
            Self::InvalidField { .. } | Self::Host { .. } => None,
        }
    }

    /// OpenAI's `param`.
    fn param(&self) -> Option<&str> {
        match self {
            Self::InvalidField { field, .. } => Some(field),
            Self::DuplicateKey(key) => Some(key),
            Self::UnknownModel(_) => Some("model"),
            _ => None,
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Upstream(failure) => Some(failure),
            _ => None,
        }
    }

    /// What removed endpoints from the plan.
    fn dropped(&self) -> &[Dropped] {
        match self {
            Self::Upstream(failure) => &failure.dropped,
            Self::NoEndpoints { dropped, .. } => dropped,
            _ => &[],
        }
    }

    /// The whole answer in the client's dialect.
    pub fn reply(&self, form: ErrorForm) -> Reply {
        let mut reply = Reply::json(self.status(), self.body(form));
        if let Self::WrongMethod { allow } = self {
            reply.headers.push(("allow", (*allow).to_owned()));
        }
        if let Self::Unauthorized { .. } = self {
            reply.headers.push(("www-authenticate", "Bearer".to_owned()));
        }
        reply
    }

    /// The JSON body in the client's dialect.
    pub fn body(&self, form: ErrorForm) -> Vec<u8> {
        let message = self.to_string();
        let body = match form {
            ErrorForm::Anthropic => return anthropic::error_body(self),
            ErrorForm::Responses => return responses::error_body(self),
            ErrorForm::OpenAi => serde_json::to_vec(&Body { error: self.openai(&message) }),
            ErrorForm::OpenRouter => serde_json::to_vec(&Body { error: self.openrouter(&message) }),
        };
        body.unwrap_or_default()
    }

    /// OpenAI's `error` object.
    pub(crate) fn openai<'a>(&'a self, message: &'a str) -> OpenAiError<'a> {
        let r#type = match self.status() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        OpenAiError {
            message,
            r#type,
            param: self.param(),
            code: self.code(),
            error_type: self.error_type(),
        }
    }
}

impl From<JsonError> for Error {
    // Apart, because whoever reads a body has many places that a mistake leaves by.
    #[cold]
    #[inline(never)]
    fn from(error: JsonError) -> Self {
        Self::InvalidJson(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidJson(problem) => write!(f, "The request body is not valid JSON: {problem}"),
            Self::DuplicateKey(key) => write!(f, "The request body has the key {key:?} twice"),
            Self::InvalidField { field, problem } => write!(f, "{field}: {problem}"),
            Self::UnknownModel(model) if [AUTO, AUTO_ALIAS].contains(&model.split(':').next().unwrap_or_default()) => {
                write!(f, "{} is not a valid model ID: routing.auto is not configured", echo(model))
            }
            Self::UnknownModel(model) => write!(f, "{} is not a valid model ID", echo(model)),
            Self::TooLarge { limit: Some(limit) } => write!(f, "The request body is larger than {limit} bytes"),
            Self::TooLarge { limit: None } => f.write_str("The request body is larger than this gateway buffers"),
            Self::WrongMethod { allow } => write!(f, "Method not allowed; use {allow}"),
            Self::Unauthorized { with_key: false } => f.write_str("Missing Authentication header"),
            Self::Unauthorized { with_key: true } => f.write_str("Invalid API key"),
            Self::NotFound { what, name } => write!(f, "{what} {} not found", echo(name)),
            Self::Encoded(encoding) => {
                write!(f, "The request body must not be compressed (content-encoding: {})", echo(encoding))
            }
            Self::ForeignForm => f.write_str(
                "A request from a web page must have the content-type application/json",
            ),
            Self::NoEndpoints { .. } => self.no_endpoints(f),
            Self::Upstream(failure) => f.write_str(&failure.message),
            Self::RetryOverflow { cluster } => write!(
                f,
                "Fallback was refused by the gateway's own circuit breaker: raise circuit_breakers.max_retries of \
                 cluster {cluster} (Envoy's default is 3)"
            ),
            Self::Overflow { cluster } => write!(
                f,
                "The circuit breaker of cluster {cluster} is open: raise its max_connections, max_pending_requests or \
                 max_requests"
            ),
            Self::NotRetried => f.write_str(
                "The gateway's host did not go on to the next endpoint: its route lacks the gateway's retry_policy, or \
                 its request_body_buffer_limit is smaller than this request",
            ),
            Self::NoHealthyUpstream { cluster } => {
                write!(f, "Cluster {cluster} has no healthy hosts, or does not exist")
            }
            Self::Bypassed { cluster } => write!(
                f,
                "A request to cluster {cluster} went past this gateway's filter: it must stand in the router's \
                 upstream_http_filters, and in the cluster's http_filters if it has any"
            ),
            Self::WrongCluster { cluster } => write!(
                f,
                "The gateway's host was about to send an attempt to cluster {cluster}, which was \
                 not planned: the gateway's route must choose the cluster by filter state, with \
                 refresh_cluster_on_retry"
            ),
            Self::Lost => f.write_str("The gateway was restarted while this request was on its way; send it again"),
            Self::Host { status } => write!(f, "The gateway's host refused the request with status {status}"),
        }
    }
}

impl Error {
    /// OpenRouter's text for what removed all endpoints, if it is one thing, and then what removed
    /// each of them.
    fn no_endpoints(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NoEndpoints { models, dropped, serving, permitted } = self else { return Ok(()) };
        let all = |is: fn(&Reason) -> bool| {
            !dropped.is_empty() && dropped.iter().all(|dropped| is(&dropped.reason))
        };
        let models: Vec<_> = models.iter().map(|model| echo(model)).collect();
        let models = models.join(", ");
        match dropped.first().map(|dropped| &dropped.reason) {
            Some(Reason::Modality(kind))
                if dropped.iter().all(|d| d.reason == Reason::Modality(*kind)) =>
            {
                write!(f, "No endpoints found that support {} input.", kind.name())?;
            }
            _ if all(|reason| matches!(reason, Reason::Auto(_))) => {
                f.write_str("No models match your request and model restrictions.")?;
            }
            _ if all(Reason::is_about_tools) => {
                f.write_str("No endpoints found that support tool use.")?
            }
            _ if all(|reason| matches!(reason, Reason::Parameter(_))) => {
                f.write_str("No endpoints found that can handle the requested parameters.")?;
            }
            _ if all(|reason| matches!(reason, Reason::Retains)) => {
                f.write_str("No endpoints found matching your data policy (Zero data retention).")?;
            }
            _ if all(|reason| matches!(reason, Reason::Retains | Reason::Trains)) => {
                f.write_str(
                    "No endpoints found matching your data policy (No training on prompts).",
                )?;
            }
            _ if all(|reason| matches!(reason, Reason::Only | Reason::Ignore)) => {
                let serving = serving.join(", ");
                write!(
                    f,
                    "No allowed providers are available for the selected model. Providers serving {models}: {serving}, "
                )?;
                if all(|reason| *reason == Reason::Only) {
                    let permitted: Vec<_> =
                        permitted.iter().map(|name| echo(name)).take(MOST_NAMED).collect();
                    let permitted = permitted.join(", ");
                    write!(
                        f,
                        "but your request's provider.only preference permits only: {permitted}."
                    )?;
                } else if all(|reason| *reason == Reason::Ignore) {
                    f.write_str("but your request's provider.ignore preference excludes them.")?;
                } else {
                    f.write_str("but your request's provider.only and provider.ignore preferences exclude them.")?;
                }
            }
            _ => write!(f, "No endpoints found for {models}.")?,
        }
        for (index, dropped) in dropped.iter().enumerate() {
            let lead = if index == 0 { " Removed: " } else { ", " };
            write!(f, "{lead}{} ({})", dropped.endpoint, dropped.reason)?;
        }
        Ok(())
    }
}

/// A client's text, short enough to repeat.
pub(crate) fn echo(text: &str) -> String {
    match text.char_indices().nth(ECHO) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[derive(Serialize)]
struct Body<T> {
    error: T,
}

/// OpenAI's `error` object.
#[derive(Serialize)]
pub(crate) struct OpenAiError<'a> {
    pub(crate) message: &'a str,
    pub(crate) r#type: &'a str,
    pub(crate) param: Option<&'a str>,
    pub(crate) code: Option<&'a str>,
    pub(crate) error_type: &'a str,
}
