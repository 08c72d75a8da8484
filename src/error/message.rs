//! The text of every error that a client can see.
//!
//! It is OpenRouter's own wherever OpenRouter has one, because clients match on it.

use std::fmt;

use super::{Dropped, Error, Reason, echo};
use crate::catalog::{AUTO, AUTO_ALIAS, Modality};

/// How many of a client's own names a message repeats.
const MOST_NAMED: usize = 10;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidJson(problem) => {
                write!(f, "The request body is not valid JSON: {problem}")
            }
            Self::DuplicateKey(key) => write!(f, "The request body has the key {key:?} twice"),
            Self::InvalidField { field, problem } => write!(f, "{field}: {problem}"),
            Self::UnknownModel(model) => unknown_model(model, f),
            Self::TooLarge { limit: Some(limit) } => {
                write!(f, "The request body is larger than {limit} bytes")
            }
            Self::TooLarge { limit: None } => {
                f.write_str("The request body is larger than this gateway buffers")
            }
            Self::WrongMethod { allow } => write!(f, "Method not allowed; use {allow}"),
            Self::Unauthorized { with_key: false } => f.write_str("Missing Authentication header"),
            Self::Unauthorized { with_key: true } => f.write_str("Invalid API key"),
            Self::NotFound { what, name } => write!(f, "{what} {} not found", echo(name)),
            Self::Encoded(encoding) => {
                let encoding = echo(encoding);
                write!(f, "The request body must not be compressed (content-encoding: {encoding})")
            }
            Self::ForeignForm => {
                f.write_str("A request from a web page must have the content-type application/json")
            }
            Self::NoEndpoints { models, dropped, serving, permitted } => {
                NoEndpoints { models, dropped, serving, permitted }.fmt(f)
            }
            Self::Upstream(failure) => f.write_str(&failure.message),
            Self::RetryOverflow { cluster } => retry_overflow(cluster, f),
            Self::Overflow { cluster } => overflow(cluster, f),
            Self::NotRetried => f.write_str(
                "The gateway's host did not go on to the next endpoint: its route lacks the \
                 gateway's retry_policy, or its request_body_buffer_limit is smaller than this \
                 request",
            ),
            Self::NoHealthyUpstream { cluster } => {
                write!(f, "Cluster {cluster} has no healthy hosts, or does not exist")
            }
            Self::Bypassed { cluster } => bypassed(cluster, f),
            Self::WrongCluster { cluster } => wrong_cluster(cluster, f),
            Self::Lost => f.write_str(
                "The gateway was restarted while this request was on its way; send it again",
            ),
            Self::Host { status } => {
                write!(f, "The gateway's host refused the request with status {status}")
            }
        }
    }
}

fn unknown_model(model: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{} is not a valid model ID", echo(model))?;
    let (base, _) = model.split_once(':').unwrap_or((model, ""));
    match base {
        AUTO | AUTO_ALIAS => f.write_str(": routing.auto is not configured"),
        _ => Ok(()),
    }
}

fn retry_overflow(cluster: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "Fallback was refused by the gateway's own circuit breaker: raise \
         circuit_breakers.max_retries of cluster {cluster} (Envoy's default is 3)"
    )
}

fn overflow(cluster: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "The circuit breaker of cluster {cluster} is open: raise its max_connections, \
         max_pending_requests or max_requests"
    )
}

fn bypassed(cluster: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "A request to cluster {cluster} went past this gateway's filter: it must stand in the \
         router's upstream_http_filters, and in the cluster's http_filters if it has any"
    )
}

fn wrong_cluster(cluster: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "The gateway's host was about to send an attempt to cluster {cluster}, which was not \
         planned: the gateway's route must choose the cluster by filter state, with \
         refresh_cluster_on_retry"
    )
}

/// What [`Error::NoEndpoints`] tells.
struct NoEndpoints<'a> {
    models: &'a [String],
    dropped: &'a [Dropped],
    serving: &'a [String],
    permitted: &'a [String],
}

/// A kind of reason, and OpenRouter's text where all endpoints were removed for such reasons.
type Cause = (fn(&Reason) -> bool, &'static str);

/// The causes that OpenRouter has a text for, of which the first one that fits is told.
const CAUSES: [Cause; 5] = [
    (
        |reason| matches!(reason, Reason::Auto(_)),
        "No models match your request and model restrictions.",
    ),
    (Reason::is_about_tools, "No endpoints found that support tool use."),
    (
        |reason| matches!(reason, Reason::Parameter(_)),
        "No endpoints found that can handle the requested parameters.",
    ),
    (
        |reason| *reason == Reason::Retains,
        "No endpoints found matching your data policy (Zero data retention).",
    ),
    (
        Reason::is_about_privacy,
        "No endpoints found matching your data policy (No training on prompts).",
    ),
];

impl fmt::Display for NoEndpoints<'_> {
    /// What removed all endpoints, if it is one thing, and then what removed each of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause(f)?;
        for (index, dropped) in self.dropped.iter().enumerate() {
            let lead = if index == 0 { " Removed: " } else { ", " };
            write!(f, "{lead}{} ({})", dropped.endpoint, dropped.reason)?;
        }
        Ok(())
    }
}

impl NoEndpoints<'_> {
    fn cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(modality) = self.modality() {
            return write!(f, "No endpoints found that support {} input.", modality.name());
        }
        if let Some((_, text)) = CAUSES.iter().find(|(is, _)| self.all(*is)) {
            return f.write_str(text);
        }
        if self.all(|reason| matches!(reason, Reason::Only | Reason::Ignore)) {
            return self.not_allowed(f);
        }
        write!(f, "No endpoints found for {}.", self.models())
    }

    /// Whether all endpoints were removed for such reasons, and there were any.
    fn all(&self, is: fn(&Reason) -> bool) -> bool {
        !self.dropped.is_empty() && self.dropped.iter().all(|dropped| is(&dropped.reason))
    }

    /// The kind of input that no endpoint takes, if that removed all of them.
    fn modality(&self) -> Option<Modality> {
        let Reason::Modality(modality) = self.dropped.first()?.reason else { return None };
        let mut reasons = self.dropped.iter().map(|dropped| &dropped.reason);
        reasons.all(|reason| *reason == Reason::Modality(modality)).then_some(modality)
    }

    /// Tells that the client's own preferences leave no provider.
    fn not_allowed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "No allowed providers are available for the selected model. Providers serving {}: {}, \
             but your request's ",
            self.models(),
            self.serving.join(", "),
        )?;
        if self.all(|reason| *reason == Reason::Only) {
            let permitted = echoes(self.permitted.iter().take(MOST_NAMED));
            write!(f, "provider.only preference permits only: {permitted}.")
        } else if self.all(|reason| *reason == Reason::Ignore) {
            f.write_str("provider.ignore preference excludes them.")
        } else {
            f.write_str("provider.only and provider.ignore preferences exclude them.")
        }
    }

    fn models(&self) -> String {
        echoes(self.models.iter())
    }
}

/// A client's names, each short enough to repeat.
fn echoes<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| echo(name)).collect::<Vec<_>>().join(", ")
}
