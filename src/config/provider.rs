//! `providers` of the document: who serves.

use std::rc::Rc;
use std::time::Duration;

use super::ConfigErrorKind;
use super::api::{Api, FORMATS};
use super::auth::{self, Auth};
use super::document::quoted;
use super::field::{Field, names};
use super::reader::Object;
use super::routing::Timeouts;
use super::rule;
use super::terms::Terms;
use crate::catalog::ProviderId;
use crate::wire::secret::Secrets;

/// An account at somebody who serves models.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// The key of the document's map `providers`.
    pub id: String,
    /// The name that answers, listings and errors show. Default: the id.
    pub name: String,
    /// The wire format it speaks. Required.
    pub api: Api,
    /// The name of its cluster in Envoy. Default: the id.
    pub cluster: String,
    /// The host name that is sent to it (`:authority`). Default: the cluster.
    pub host: String,
    /// The path that stands before the operation's. `{model}` in it stands for the upstream's
    /// model, and what follows a `?` goes behind every path. Default: the wire format's.
    ///
    /// Starts with `/` and does not end with one, or is empty.
    pub base_path: String,
    /// What followed a `?` in the document's `base_path`, e.g. `api-version=2024-10-21`.
    pub query: String,
    /// How the gateway proves who it is.
    pub auth: Auth,
    /// What of that it may not repeat to clients.
    pub secrets: Rc<Secrets>,
    /// Headers that are added to every request. Default: none.
    ///
    /// Names are in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// Names of its response headers that clients see besides those of the gateway's list; `*` at
    /// the end stands for whatever follows, and alone for all. Default: none.
    ///
    /// In lower case.
    pub response_headers: Vec<String>,
    /// How long a streamed request may take to its first event. Default:
    /// `routing.first_token_timeout`.
    pub first_token_timeout: Duration,
    /// How long an attempt may take to the end of its answer. Default: `routing.timeout`.
    pub timeout: Duration,
}

impl Provider {
    /// Whether a client's name for a provider means this one: by id or display name, in any letter
    /// case.
    pub fn is_named(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.id) || name.eq_ignore_ascii_case(&self.name)
    }
}

/// Every provider, and the terms that its endpoints inherit; both ordered by id.
#[derive(Default)]
pub(super) struct Upstreams<'a> {
    pub(super) providers: Vec<Provider>,
    ids: Vec<&'a str>,
    terms: Vec<Terms>,
}

impl<'a> Upstreams<'a> {
    /// Reads `providers`.
    #[inline(never)]
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
            field.error(ConfigErrorKind::NotFound { value: quoted(asked), known });
        }
        let index = index?;
        Some((ProviderId(index), self.ids.get(index)?, self.terms.get(index)?))
    }
}

fn provider(id: &str, field: &Field<'_>, timeouts: &Timeouts) -> Option<(Provider, Terms)> {
    let mut o = field.object()?;
    let name = o.string("name", &rule::TITLE).unwrap_or(id).to_owned();
    let api = o.required("api", &names(FORMATS)).and_then(|field| field.choice(FORMATS));
    let cluster = o.string("cluster", &rule::CLUSTER).unwrap_or(id);
    let host = match cluster == id || (rule::HOST.holds)(cluster) {
        true => o.string("host", &rule::HOST).unwrap_or(cluster),
        false => o.required_string("host", &rule::HOST).unwrap_or_default(),
    };
    // A document whose `api` is wrong is refused in the end.
    let api = api.unwrap_or(Api::OpenAi);
    let base_path = o.string("base_path", &rule::BASE_PATH).unwrap_or(api.facts().base_path);
    let (base_path, query) = base_path.split_once('?').unwrap_or((base_path, ""));
    let auth = o.optional("auth").and_then(|f| auth::read(f.secret())).unwrap_or(Auth::None);
    let provider = Provider {
        id: id.to_owned(),
        name,
        api,
        cluster: cluster.to_owned(),
        host: host.to_owned(),
        base_path: base_path.trim_end_matches('/').to_owned(),
        query: query.to_owned(),
        secrets: Rc::new(auth.secrets()),
        auth,
        headers: o.optional("headers").map(|f| headers(&f.secret())).unwrap_or_default(),
        response_headers: response_headers(&mut o),
        first_token_timeout: o
            .duration("first_token_timeout")
            .unwrap_or(timeouts.first_token_timeout),
        timeout: o.duration("timeout").unwrap_or(timeouts.timeout),
    };
    let terms = Terms::of_provider(&mut o);
    o.finish();
    Some((provider, terms))
}

fn response_headers(o: &mut Object<'_>) -> Vec<String> {
    let names = o.strings("response_headers", &rule::RESPONSE_HEADER).unwrap_or_default();
    names.into_iter().map(|name| name.to_ascii_lowercase()).collect()
}

fn headers(section: &Field<'_>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String, String)> = Vec::new();
    for (name, field) in section.entries() {
        let lower = name.to_ascii_lowercase();
        if !(rule::HEADER_NAME.holds)(name) {
            field.invalid(rule::HEADER_NAME.allowed);
        } else if let Some((_, _, first)) = headers.iter().find(|header| header.0 == lower) {
            let first = first.clone();
            field.error(ConfigErrorKind::Duplicate { value: String::new(), first });
        } else if let Some(value) = field.string(&rule::HEADER_VALUE) {
            let at = headers.partition_point(|(known, ..)| *known < lower);
            headers.insert(at, (lower, value.to_owned(), field.path));
        }
    }
    headers.into_iter().map(|(name, value, _)| (name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{check_errors, check_fields, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Each row has a provider's field, its value, and the error it makes, without the path in
    /// front.
    #[track_caller]
    fn check(rows: &[(&str, &str, &str)]) {
        check_fields("/providers/openai", "providers.openai", rows);
    }

    #[test]
    fn rules_of_providers() {
        let id = "(allowed: an id of a-z, 0-9, `.`, `_`, `-`, first a letter or digit)";
        check_errors(&[
            ("/providers/x.y_z-1", r#"{"api": "openai"}"#, ""),
            ("/providers/Open", r#"{"api": "openai"}"#, &format!("providers.Open: invalid {id}")),
            ("/providers/-x", r#"{"api": "openai"}"#, &format!("providers.-x: invalid {id}")),
            (
                "/providers/a~1b",
                r#"{"api": "openai"}"#,
                &format!("providers[\"a/b\"]: invalid {id}"),
            ),
            (
                "/providers/openai",
                "{}",
                &format!("providers.openai.api: missing (expected: {})", names(FORMATS)),
            ),
            ("/providers", "{}", "providers: invalid (allowed: at least one provider)"),
            ("/providers/openai", "5", "providers.openai: wrong type: number (allowed: object)"),
        ]);
    }

    #[test]
    fn rules_of_a_providers_format_and_place() {
        let host = "a host name, with a port if need be, without scheme, path and spaces";
        check(&[
            (
                "api",
                r#""opneai""#,
                &format!(".api: invalid: \"opneai\" (allowed: {})", names(FORMATS)),
            ),
            (
                "cluster",
                r#""""#,
                ".cluster: invalid: \"\" (allowed: the name of an Envoy cluster, without spaces)",
            ),
            ("cluster", r#""outbound/443""#, &format!(".host: missing (expected: {host})")),
            ("host", r#""api.openai.com:443""#, ""),
            (
                "host",
                r#""https://api.openai.com""#,
                &format!(".host: invalid: \"https://api.openai.com\" (allowed: {host})"),
            ),
            ("host", r#""a b""#, &format!(".host: invalid: \"a b\" (allowed: {host})")),
        ]);
    }

    #[test]
    fn rules_of_a_providers_base_path() {
        for (path, is_valid) in [
            ("v1", false),
            ("/openai/deployments/{model}?api-version=2024-10-21", true),
            ("/v1/chat/completions?x=1", false),
            ("/v1?x=y?z", false),
        ] {
            let expected = format!(
                ".base_path: invalid: \"{path}\" (allowed: empty or a path that starts with `/`, \
                 without the operation's, such as `/chat/completions`)"
            );
            let expected = if is_valid { "" } else { &expected };
            check(&[("base_path", &format!("\"{path}\""), expected)]);
        }
    }

    #[test]
    fn rules_of_a_providers_headers() {
        let name = "invalid (allowed: the name of a header that is neither of the connection nor \
                    `host` nor `content-length`)";
        check(&[
            ("headers", r#"{"Content-Length": "1"}"#, &format!(".headers.Content-Length: {name}")),
            ("headers", r#"{":path": "/"}"#, &format!(".headers[\":path\"]: {name}")),
            (
                "headers",
                r#"{"transfer-encoding": "chunked"}"#,
                &format!(".headers.transfer-encoding: {name}"),
            ),
            (
                "headers",
                r#"{"x": "a\r\nb"}"#,
                ".headers.x: invalid (allowed: text without control characters)",
            ),
            (
                "headers",
                r#"{"X-A": "1", "x-a": "2"}"#,
                ".headers.x-a: already used (first at providers.openai.headers.X-A)",
            ),
            ("headers", r#"{"x": 5}"#, ".headers.x: wrong type: number (allowed: string)"),
        ]);
    }

    #[test]
    fn rules_of_a_providers_response_headers() {
        check(&[("response_headers", r#"["X-Groq-*", "server", "*"]"#, "")]);
        for name in ["x-*-id", "x-modelyard-*", "X-Envoy-Degraded", "a b", "connection", ""] {
            let expected = format!(
                ".response_headers[0]: invalid: \"{name}\" (allowed: the name of a response \
                 header or its beginning and `*`, neither of the connection nor of `x-envoy-` and \
                 `x-modelyard-`)"
            );
            check(&[("response_headers", &format!("[\"{name}\"]"), &expected)]);
        }
    }

    #[test]
    fn rules_of_a_providers_terms() {
        check(&[
            (
                "regions",
                r#"["eu", ""]"#,
                ".regions[1]: invalid: \"\" (allowed: a name without spaces)",
            ),
            (
                "data_policy",
                r#"{"retain": true}"#,
                ".data_policy.retain: unknown key (known: retains, trains)",
            ),
            (
                "data_policy",
                r#"{"trains": "no"}"#,
                ".data_policy.trains: wrong type: string (allowed: true or false)",
            ),
        ]);
    }

    #[test]
    fn base_paths_lose_the_slash_at_their_end() {
        for (written, expected) in
            [("", ""), ("/", ""), ("/v1/", "/v1"), ("/v1", "/v1"), ("/a/b//", "/a/b")]
        {
            let config = config_with("/providers/openai/base_path", &format!("\"{written}\""));
            assert_eq!(config.providers[1].base_path, expected);
        }
    }

    #[test]
    fn providers_inherit_the_timeouts_of_routing() {
        let config = config_with("/routing", r#"{"timeout": "1m", "first_token_timeout": "2s"}"#);
        let provider = &config.providers[0];
        let expected = (Duration::from_secs(2), Duration::from_secs(60));
        assert_eq!((provider.first_token_timeout, provider.timeout), expected);
    }

    #[test]
    fn headers_are_lower_cased_and_sorted() {
        let config =
            config_with("/providers/openai/headers", r#"{"X-B": "1", "a": "é", "X-a": ""}"#);
        let names: Vec<_> = config.providers[1].headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "x-a", "x-b"]);
    }
}
