//! `providers` of the document: who serves.

use std::rc::Rc;
use std::time::Duration;

use super::ConfigErrorKind;
use super::auth::{self, Auth};
use super::document::quoted;
use super::field::Field;
use super::reader::Object;
use super::routing::Timeouts;
use super::rule;
use super::terms::Terms;
use crate::catalog::ProviderId;
use crate::wire::secret::Secrets;

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
    /// Stands before the operation's path; starts with `/` and does not end with one, or is empty.
    /// `{model}` in it stands for the upstream's model (Azure's deployments). Default: the wire
    /// format's own.
    pub base_path: String,
    /// What followed a `?` in the document's `base_path`, e.g. `api-version=2024-10-21`; goes
    /// behind every path.
    pub query: String,
    /// How the gateway proves who it is.
    pub auth: Auth,
    /// What of that it may not repeat to clients.
    pub secrets: Rc<Secrets>,
    /// Added to every request; names in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// Names of response headers that clients see too, in lower case; `*` at the end stands for
    /// whatever follows.
    pub response_headers: Vec<String>,
    /// Streamed requests: from sending to the first event. Default: `routing.first_token_timeout`.
    pub first_token_timeout: Duration,
    /// One attempt, whole answer. Default: `routing.timeout`.
    pub timeout: Duration,
}

impl Provider {
    /// Whether a client's name for a provider means this one: by id or display name, in any letter
    /// case.
    pub fn is_named(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.id) || name.eq_ignore_ascii_case(&self.name)
    }
}

/// A wire format an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Api {
    /// OpenAI and everything compatible.
    OpenAi,
    /// OpenAI's models on Azure: OpenAI's bodies, other paths.
    AzureOpenAi,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's generateContent, also on Vertex AI.
    Gemini,
    /// Amazon Bedrock's Converse.
    Bedrock,
}

impl Api {
    /// Where the API stands at its usual host.
    fn base_path(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Anthropic => "/v1",
            Self::AzureOpenAi => "/openai/v1",
            Self::Gemini => "/v1beta",
            Self::Bedrock => "",
        }
    }
}

const APIS: &[(&str, Api)] = &[
    ("openai", Api::OpenAi),
    ("anthropic", Api::Anthropic),
    ("gemini", Api::Gemini),
    ("bedrock", Api::Bedrock),
    ("azure-openai", Api::AzureOpenAi),
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
    let api = o
        .required("api", "openai, anthropic, gemini, bedrock, azure-openai")
        .and_then(|field| field.choice(APIS));
    let cluster = o.string("cluster", &rule::CLUSTER).unwrap_or(id);
    let host = match cluster == id || (rule::HOST.holds)(cluster) {
        true => o.string("host", &rule::HOST).unwrap_or(cluster),
        false => o.required_string("host", &rule::HOST).unwrap_or_default(),
    };
    let api = api.unwrap_or(Api::OpenAi);
    let base_path = o.string("base_path", &rule::BASE_PATH).unwrap_or(api.base_path());
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
        first_token_timeout: o.duration("first_token_timeout").unwrap_or(timeouts.first_token),
        timeout: o.duration("timeout").unwrap_or(timeouts.whole),
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
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rules_of_providers() {
        let id = "(allowed: an id of a-z, 0-9, `.`, `_`, `-`, first a letter or digit)";
        let host =
            "(allowed: a host name, with a port if need be, without scheme, path and spaces)";
        let path = "(allowed: empty or a path that starts with `/`, without the operation's, such as `/chat/completions`)";
        let header = "(allowed: the name of a header that is neither of the connection nor `host` \
                      nor `content-length`)";
        let shown = "(allowed: the name of a response header or its beginning and `*`, neither of \
                     the connection nor of `x-envoy-` and `x-modelyard-`)";
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
                "providers.openai.api: missing (expected: openai, anthropic, gemini, bedrock, azure-openai)",
            ),
            (
                "/providers/openai/api",
                r#""cohere""#,
                "providers.openai.api: invalid: \"cohere\" \
                 (allowed: openai, anthropic, gemini, bedrock, azure-openai)",
            ),
            (
                "/providers/openai/cluster",
                r#""""#,
                "providers.openai.cluster: invalid: \"\" \
                 (allowed: the name of an Envoy cluster, without spaces)",
            ),
            (
                "/providers/openai/cluster",
                r#""outbound/443""#,
                "providers.openai.host: missing (expected: a host name, with a port if need be, \
                 without scheme, path and spaces)",
            ),
            ("/providers/openai/host", r#""api.openai.com:443""#, ""),
            (
                "/providers/openai/host",
                r#""https://api.openai.com""#,
                &format!("providers.openai.host: invalid: \"https://api.openai.com\" {host}"),
            ),
            (
                "/providers/openai/host",
                r#""a b""#,
                &format!("providers.openai.host: invalid: \"a b\" {host}"),
            ),
            (
                "/providers/openai/base_path",
                r#""v1""#,
                &format!("providers.openai.base_path: invalid: \"v1\" {path}"),
            ),
            (
                "/providers/openai/base_path",
                r#""/openai/deployments/{model}?api-version=2024-10-21""#,
                "",
            ),
            (
                "/providers/openai/base_path",
                r#""/v1/chat/completions?x=1""#,
                &format!(
                    "providers.openai.base_path: invalid: \"/v1/chat/completions?x=1\" {path}"
                ),
            ),
            (
                "/providers/openai/base_path",
                r#""/v1?x=y?z""#,
                &format!("providers.openai.base_path: invalid: \"/v1?x=y?z\" {path}"),
            ),
            (
                "/providers/openai/headers",
                r#"{"Content-Length": "1"}"#,
                &format!("providers.openai.headers.Content-Length: invalid {header}"),
            ),
            (
                "/providers/openai/headers",
                r#"{":path": "/"}"#,
                &format!("providers.openai.headers[\":path\"]: invalid {header}"),
            ),
            (
                "/providers/openai/headers",
                r#"{"transfer-encoding": "chunked"}"#,
                &format!("providers.openai.headers.transfer-encoding: invalid {header}"),
            ),
            (
                "/providers/openai/headers",
                r#"{"x": "a\r\nb"}"#,
                "providers.openai.headers.x: invalid (allowed: text without control characters)",
            ),
            (
                "/providers/openai/headers",
                r#"{"X-A": "1", "x-a": "2"}"#,
                "providers.openai.headers.x-a: already used (first at providers.openai.headers.X-A)",
            ),
            (
                "/providers/openai/headers",
                r#"{"x": 5}"#,
                "providers.openai.headers.x: wrong type: number (allowed: string)",
            ),
            (
                "/providers/openai/regions",
                r#"["eu", ""]"#,
                "providers.openai.regions[1]: invalid: \"\" (allowed: a name without spaces)",
            ),
            (
                "/providers/openai/data_policy",
                r#"{"retain": true}"#,
                "providers.openai.data_policy.retain: unknown key (known: retains, trains)",
            ),
            (
                "/providers/openai/data_policy",
                r#"{"trains": "no"}"#,
                "providers.openai.data_policy.trains: wrong type: string (allowed: true or false)",
            ),
            ("/providers/openai/response_headers", r#"["X-Groq-*", "server", "*"]"#, ""),
            (
                "/providers/openai/response_headers",
                r#"["x-*-id", "x-modelyard-*", "X-Envoy-Degraded", "a b", "connection", 5]"#,
                &format!(
                    "providers.openai.response_headers[0]: invalid: \"x-*-id\" {shown}\n\
                     providers.openai.response_headers[1]: invalid: \"x-modelyard-*\" {shown}\n\
                     providers.openai.response_headers[2]: invalid: \"X-Envoy-Degraded\" {shown}\n\
                     providers.openai.response_headers[3]: invalid: \"a b\" {shown}\n\
                     providers.openai.response_headers[4]: invalid: \"connection\" {shown}\n\
                     providers.openai.response_headers[5]: wrong type: number (allowed: string)"
                ),
            ),
            ("/providers", "{}", "providers: invalid (allowed: at least one provider)"),
            ("/providers/openai", "5", "providers.openai: wrong type: number (allowed: object)"),
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
