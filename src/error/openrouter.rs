//! OpenRouter's `error` object: the union of what its documentation and its answers have.
//!
//! Source: OpenRouter's documentation of errors and captured answers (2026-11).

use serde::Serialize;

use super::{Error, Failure, Tried};
use crate::error::{Dropped, Reason};

impl Error {
    /// OpenRouter's `error` object.
    pub(crate) fn openrouter<'a>(&'a self, message: &'a str) -> OpenRouterError<'a> {
        let failure = self.failure();
        let tried = failure.map(|failure| failure.tried.as_slice()).unwrap_or_default();
        let earlier = tried.split_last().map(|(_, earlier)| earlier).unwrap_or_default();
        let previous = earlier.iter().map(|tried| PreviousError {
            provider: &tried.name,
            code: tried.code,
            status: tried.status,
            reason: tried.reason,
        });
        let limited = failure.filter(|failure| failure.status == 429);
        let metadata = Metadata {
            error_type: self.error_type(),
            provider_code: failure.and_then(|failure| failure.code.as_deref()),
            provider_name: failure.map(|failure| failure.provider.as_str()),
            raw: failure.and_then(|failure| failure.raw.as_deref()),
            is_byok: failure.map(|_| false),
            limit_source: limited.map(|_| "upstream_provider"),
            remedy_hint: limited.map(|_| "Retry shortly, or name fallback models in `models`"),
            previous_errors: previous.collect(),
            tried,
            dropped: self.dropped().iter().map(Removed::from).collect(),
        };
        OpenRouterError {
            code: self.status(),
            message,
            metadata,
            availability: self.availability(),
        }
    }

    fn availability(&self) -> Option<Availability<'_>> {
        match self {
            Self::UnknownModel(model) => Some(Availability {
                requested_models: std::slice::from_ref(model),
                ..Availability::new("model_not_found")
            }),
            Self::NoEndpoints { models, dropped, serving, .. } => {
                let mut excluded_by: Vec<_> =
                    dropped.iter().filter_map(|dropped| dropped.reason.filter()).collect();
                excluded_by.sort_unstable();
                excluded_by.dedup();
                let mut reasons = dropped.iter().map(|dropped| &dropped.reason);
                let code = match () {
                    () if excluded_by.is_empty() => "no_endpoints",
                    () if reasons.all(Reason::is_about_privacy) => "privacy_restricted",
                    () => "constraint_filtered",
                };
                let affected_providers = serving.iter().map(String::as_str).collect();
                Some(Availability {
                    requested_models: models,
                    affected_providers,
                    excluded_by,
                    ..Availability::new(code)
                })
            }
            Self::Upstream(failure) => failure.availability(),
            _ => None,
        }
    }
}

impl Failure {
    /// Why the upstreams could not serve the request; `None` where the request was wrong, or where
    /// a stream broke.
    fn availability(&self) -> Option<Availability<'_>> {
        let (code, retryable) = match self.status {
            _ if self.tried.is_empty() => return None,
            404 => ("model_unavailable_upstream", false),
            429 => ("capacity_exhausted", true),
            408 | 500.. => ("temporarily_unavailable", true),
            _ => return None,
        };
        let mut affected_providers: Vec<&str> =
            self.tried.iter().map(|tried| tried.provider.as_str()).collect();
        affected_providers.dedup();
        Some(Availability {
            retryable,
            retry_after: self.retry_after_seconds().filter(|_| retryable),
            requested_models: &self.models,
            affected_providers,
            ..Availability::new(code)
        })
    }
}

/// OpenRouter's `error` object.
#[derive(Serialize)]
pub(crate) struct OpenRouterError<'a> {
    code: u16,
    message: &'a str,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    availability: Option<Availability<'a>>,
}

/// OpenRouter's `availability`: why nobody can serve a request, for machines.
#[derive(Serialize)]
struct Availability<'a> {
    code: &'static str,
    retryable: bool,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    requested_models: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    affected_providers: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    excluded_by: Vec<&'static str>,
}

impl Availability<'_> {
    fn new(code: &'static str) -> Self {
        Self {
            code,
            retryable: false,
            retry_after: None,
            requested_models: &[],
            affected_providers: Vec::new(),
            excluded_by: Vec::new(),
        }
    }
}

#[derive(Serialize)]
struct Metadata<'a> {
    error_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_byok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy_hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    previous_errors: Vec<PreviousError<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tried: &'a [Tried],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<Removed<'a>>,
}

/// An attempt before the last one.
#[derive(Serialize)]
struct PreviousError<'a> {
    /// The provider's display name.
    provider: &'a str,
    code: u16,
    status: Option<u16>,
    reason: &'static str,
}

/// An endpoint that was not in the plan.
#[derive(Serialize)]
struct Removed<'a> {
    endpoint: &'a str,
    reason: String,
}

impl<'a> From<&'a Dropped> for Removed<'a> {
    fn from(dropped: &'a Dropped) -> Self {
        Self { endpoint: &dropped.endpoint, reason: dropped.reason.to_string() }
    }
}
