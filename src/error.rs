//! Every error a client can see: its status and its body in each dialect. No other place chooses
//! either.
//!
//! The status says whose fault it is: the client's (4xx), an upstream's (its own status, 502, 504)
//! or the gateway's own (5xx).

pub(crate) mod anthropic;
mod message;
mod openrouter;
mod reason;
pub(crate) mod responses;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::operation::{Face, Operation};
use crate::wire::json::JsonError;
use crate::wire::openai::{ErrorFields, MODERATED};

pub use reason::{Dropped, Reason};

/// How many characters of a client's own text a message repeats.
const ECHO: usize = 100;

/// Why an exchange has no answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The body is not the JSON it should be.
    InvalidJson(String),
    /// A top-level key that the gateway reads stands in the body twice.
    DuplicateKey(String),
    /// A field is missing or of a wrong type or value.
    InvalidField {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it; a message has this behind the name.
        problem: String,
    },
    /// Nobody offers the model of this name.
    UnknownModel(String),
    /// The body has more bytes than `limits.request_bytes`.
    TooLarge {
        /// The limit, in bytes; `None`: the host's own one, which the gateway does not know.
        limit: Option<usize>,
    },
    /// The path is known, the method is not.
    WrongMethod {
        /// The methods that are allowed.
        allow: &'static str,
    },
    /// The operator's paths ask for a key, and the request had none that they know.
    Unauthorized {
        /// Whether the request had a key at all.
        with_key: bool,
    },
    /// There is nothing of the name that was asked for.
    NotFound {
        /// What kind of thing was asked for.
        what: &'static str,
        /// The name it was asked for by.
        name: String,
    },
    /// The body is compressed, in this encoding.
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
        /// The status that the host would have answered with.
        status: u16,
    },
}

/// The last attempt's failure, as the client may know it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// The status for the client.
    pub status: u16,
    /// What went wrong, in one sentence.
    pub message: String,
    /// The provider's display name.
    pub provider: String,
    /// The provider's own error body, as text.
    pub raw: Option<String>,
    /// The provider's own machine-readable code.
    pub code: Option<String>,
    /// The smallest `Retry-After` of all attempts.
    pub retry_after: Option<Duration>,
    /// All attempts, in their order.
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
        let wait = self.retry_after?;
        Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
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
    /// The status of the provider's answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The status a client would have got for this attempt alone.
    #[serde(skip)]
    pub code: u16,
    /// How the attempt ended: a value of the stats' tag `outcome`.
    pub reason: &'static str,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};reason={}", self.provider, self.reason)?;
        self.status.map_or(Ok(()), |status| write!(f, ";status={status}"))
    }
}

/// In whose form an error is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorForm {
    /// OpenAI's `error` object.
    OpenAi,
    /// OpenRouter's envelope.
    OpenRouter,
    /// Anthropic's object, for `messages`.
    Anthropic,
    /// OpenAI's object as `responses` has it.
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
    /// The HTTP status.
    pub status: u16,
    /// All headers but `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body, which is JSON.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body }
    }
}

impl Error {
    /// The error that an upstream's error event tells; `provider` is its display name.
    pub fn of_upstream(fields: &ErrorFields, provider: &str) -> Self {
        Self::Upstream(Failure { provider: provider.to_owned(), ..Failure::of(fields) })
    }

    /// The error of a request that the host itself has refused.
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

    /// OpenRouter's word for the kind of error (`error_type`).
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
    // Never inlined, because every reader of a body has many places where it may be wrong.
    #[cold]
    #[inline(never)]
    fn from(error: JsonError) -> Self {
        Self::InvalidJson(error.to_string())
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
