//! `providers` of the document: who serves.

use std::time::Duration;

use super::ConfigErrorKind;
use super::auth::{self, Auth};
use super::document::quoted;
use super::field::Field;
use super::routing::Timeouts;
use super::rule;
use super::terms::Terms;
use crate::catalog::ProviderId;

/// Who serves: one upstream account.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Key of the document's `providers` map.
    pub id: String,
    /// Shown in answers; default: the id.
    pub name: String,
    /// The wire format it speaks.
    pub api: Api,
    /// Envoy cluster; default: the id.
    pub cluster: String,
    /// `:authority`; default: the cluster.
    pub host: String,
    /// Stands before the operation's path; starts with `/` and does not end with one, or is empty. Default `/v1`.
    pub base_path: String,
    /// How the gateway proves who it is.
    pub auth: Auth,
    /// Added to every request; names in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// Streamed requests: from sending to the first event. Default: `routing.first_token_timeout`.
    pub first_token_timeout: Duration,
    /// One attempt, whole answer. Default: `routing.timeout`.
    pub timeout: Duration,
}

/// A wire format an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Api {
    /// OpenAI and everything compatible.
    OpenAi,
}

const APIS: &[(&str, Option<Api>)] = &[
    ("openai", Some(Api::OpenAi)),
    ("anthropic", None),
    ("gemini", None),
    ("bedrock", None),
    ("azure-openai", None),
];

/// Every provider, with what its endpoints inherit; both in order of id.
#[derive(Default)]
pub(super) struct Upstreams<'a> {
    pub(super) providers: Vec<Provider>,
    ids: Vec<&'a str>,
    terms: Vec<Terms>,
}

impl<'a> Upstreams<'a> {
    /// Reads the section.
    pub(super) fn read(section: Option<Field<'a>>, timeouts: &Timeouts) -> Self {
        let mut upstreams = Self::default();
        let Some(section) = section else {
            return upstreams;
        };
        if section.is_empty() {
            section.invalid("at least one provider");
        }
        for (id, field) in section.entries() {
            if !(rule::PROVIDER_ID.holds)(id) {
                field.error(ConfigErrorKind::Invalid {
                    value: String::new(),
                    allowed: format!("an id of {}", rule::PROVIDER_ID.allowed),
                });
            }
            let (provider, terms) = provider(id, &field, timeouts).unzip();
            upstreams.ids.push(id);
            upstreams.providers.extend(provider);
            upstreams.terms.push(terms.unwrap_or_default());
        }
        upstreams
    }

    /// The provider that a field names, with its terms; reports one that is not there.
    pub(super) fn find(&self, field: &Field<'_>) -> Option<(ProviderId, &'a str, &Terms)> {
        let asked = field.string(&rule::TITLE)?;
        let index = self.ids.iter().position(|id| *id == asked);
        if index.is_none() && !self.ids.is_empty() {
            let known = self.ids.iter().map(ToString::to_string).collect();
            field.error(ConfigErrorKind::NotFound {
                value: quoted(asked),
                known,
            });
        }
        let index = index?;
        Some((
            ProviderId(index),
            self.ids.get(index)?,
            self.terms.get(index)?,
        ))
    }
}

fn provider(id: &str, field: &Field<'_>, timeouts: &Timeouts) -> Option<(Provider, Terms)> {
    let mut o = field.object()?;
    let name = o.string("name", &rule::TITLE).unwrap_or(id).to_owned();
    let api = o
        .required("api", "openai")
        .and_then(|field| field.choice(APIS));
    let cluster = o.string("cluster", &rule::CLUSTER).unwrap_or(id);
    let host = match (rule::HOST.holds)(cluster) {
        true => o.string("host", &rule::HOST).unwrap_or(cluster),
        false => o.required_string("host", &rule::HOST).unwrap_or_default(),
    };
    let base_path = o.string("base_path", &rule::BASE_PATH).unwrap_or("/v1");
    let provider = Provider {
        id: id.to_owned(),
        name,
        api: api.unwrap_or(Api::OpenAi),
        cluster: cluster.to_owned(),
        host: host.to_owned(),
        base_path: base_path.trim_end_matches('/').to_owned(),
        auth: o
            .optional("auth")
            .and_then(|f| auth::read(f.secret()))
            .unwrap_or(Auth::None),
        headers: o
            .optional("headers")
            .map(|f| headers(&f.secret()))
            .unwrap_or_default(),
        first_token_timeout: o
            .duration("first_token_timeout")
            .unwrap_or(timeouts.first_token),
        timeout: o.duration("timeout").unwrap_or(timeouts.whole),
    };
    let terms = Terms::of_provider(&mut o);
    o.finish();
    Some((provider, terms))
}

fn headers(section: &Field<'_>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String, String)> = Vec::new();
    for (name, field) in section.entries() {
        let lower = name.to_ascii_lowercase();
        if !(rule::HEADER_NAME.holds)(name) {
            field.invalid(rule::HEADER_NAME.allowed);
        } else if let Some((_, _, first)) = headers.iter().find(|header| header.0 == lower) {
            let first = first.clone();
            field.error(ConfigErrorKind::Duplicate {
                value: String::new(),
                first,
            });
        } else if let Some(value) = field.string(&rule::HEADER_VALUE) {
            headers.push((lower, value.to_owned(), field.path));
        }
    }
    headers.sort();
    headers
        .into_iter()
        .map(|(name, value, _)| (name, value))
        .collect()
}
