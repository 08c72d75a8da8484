//! Host, path, authentication and headers of one attempt at one provider.
//!
//! A provider that speaks an existing wire format is configuration; what is here holds for all of them.
//! The client's headers pass an allowlist, and its credentials only where the provider says `passthrough`.

use crate::config::{Auth, Provider};
use crate::request::{Operation, Request};
use crate::wire::edit::Edits;

/// Request headers that may reach a provider, in lower case.
const FORWARDED: [&str; 3] = ["content-type", "accept", "user-agent"];
/// The same, by prefix: what belongs to a dialect.
const FORWARDED_PREFIX: &str = "openai-";
/// Trace headers change from attempt to attempt and are taken from the attempt itself.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];
/// Where clients put their credentials.
const CREDENTIALS: [&str; 3] = ["authorization", "x-api-key", "api-key"];

/// What of the client's headers may be of use to an attempt.
#[derive(Clone, Debug, Default)]
pub struct ClientHeaders {
    forwarded: Vec<(String, String)>,
    credentials: Vec<(String, String)>,
}

/// Everything that makes the client's request this endpoint's.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// All request headers, pseudo-headers first.
    pub headers: Vec<(String, String)>,
    /// What changes in the client's body.
    pub body: Edits,
}

impl ClientHeaders {
    /// Keeps what is on the allowlist, and the credentials apart from it.
    pub fn keep(headers: &[(&str, &str)]) -> Self {
        let pick = |wanted: &dyn Fn(&str) -> bool| {
            let headers = headers.iter().filter(|(name, _)| wanted(name));
            headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Self {
            forwarded: pick(&|name| FORWARDED.contains(&name) || name.starts_with(FORWARDED_PREFIX)),
            credentials: pick(&|name| CREDENTIALS.contains(&name)),
        }
    }

    /// Whether a client's header must go before the host's router sees the request: credentials, and whatever could
    /// steer the host or this filter.
    pub fn is_stripped(name: &str) -> bool {
        CREDENTIALS.contains(&name) || name.starts_with("x-envoy-") || name.starts_with("x-modelyard-")
    }
}

/// Makes the client's request one for `provider`. Independent of role and host: the same arguments give the same bytes.
/// `current` are the request's headers as the host has them now; only trace headers are taken from it.
pub fn prepare(
    request: &Request,
    operation: Operation,
    client: &ClientHeaders,
    provider: &Provider,
    upstream_model: &str,
    current: &[(&str, &str)],
) -> Prepared {
    let body = request.openai_edits(upstream_model);
    let length = body.new_len(request.body().len());
    let mut headers = Headers(Vec::with_capacity(16));
    headers.set(":method", "POST");
    headers.set(":scheme", current.iter().find(|(name, _)| *name == ":scheme").map_or("http", |(_, value)| value));
    headers.set(":authority", &provider.host);
    headers.set(":path", &path(provider, operation));
    headers.set("content-type", "application/json");
    headers.set("content-length", &length.to_string());
    for (name, value) in &client.forwarded {
        headers.set(name, value);
    }
    headers.set("accept-encoding", "identity");
    for (name, value) in current.iter().filter(|(name, _)| TRACE.contains(name)) {
        headers.set(name, value);
    }
    for (name, value) in &provider.headers {
        headers.set(name, value);
    }
    authenticate(&provider.auth, client, &mut headers);
    Prepared { headers: headers.0, body }
}

fn path(provider: &Provider, operation: Operation) -> String {
    let base = &provider.base_path;
    let path = operation.path();
    match &provider.auth {
        Auth::Query { name, key } => {
            let key = key.value.as_deref().unwrap_or_default();
            format!("{base}/{path}?{}={}", Escaped(name), Escaped(key))
        }
        _ => format!("{base}/{path}"),
    }
}

fn authenticate(auth: &Auth, client: &ClientHeaders, headers: &mut Headers) {
    match auth {
        Auth::Bearer { key } => {
            headers.set("authorization", &format!("Bearer {}", key.value.as_deref().unwrap_or_default()))
        }
        Auth::Header { name, key } => headers.set(name, key.value.as_deref().unwrap_or_default()),
        Auth::Query { .. } | Auth::Sigv4(_) | Auth::None => {}
        Auth::Passthrough => {
            for (name, value) in &client.credentials {
                headers.set(name, value);
            }
        }
    }
}

struct Headers(Vec<(String, String)>);

impl Headers {
    /// The last one to set a name wins.
    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// A text percent-encoded as one path segment or query value.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => write!(f, "{}", byte as char)?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}
