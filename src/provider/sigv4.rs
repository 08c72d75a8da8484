//! AWS Signature Version 4, after the IAM User Guide's "Create a signed AWS API request" (2026-11).
//!
//! A pure function of request, credentials and time. Every service but S3 is signed so: dot
//! segments and double slashes of the path are resolved, and each of its segments is escaped once
//! more than it is on the wire.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::calendar::civil_date;
use crate::wire::percent::Escaped;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// `POST` …
    pub method: &'a str,
    /// What is sent as `:authority` or `host`.
    pub host: &'a str,
    /// The path as it is sent: escaped once, without the query.
    pub path: &'a str,
    /// The query as it is sent: escaped, without `?`; may be empty.
    pub query: &'a str,
    /// Further headers to sign. They must reach the service as they are here; `host` and
    /// `x-amz-date` are added.
    pub headers: &'a [(&'a str, &'a str)],
    /// See [`sha256`]. Services that want it as `x-amz-content-sha256` too get it as one of
    /// `headers`, in [`hex`].
    pub body_sha256: [u8; 32],
}

/// An access key. Shows nothing secret when printed.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// `AKIA…`, or `ASIA…` for a temporary one.
    pub access_key: &'a str,
    /// What signs.
    pub secret_key: &'a str,
    /// What temporary credentials have besides.
    pub session_token: Option<&'a str>,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What a signature is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// `us-east-1` …
    pub region: &'a str,
    /// The name services sign with: `bedrock`, also for `bedrock-runtime`'s host.
    pub service: &'a str,
}

/// The headers that sign `request`, to be added to it: `authorization`, `x-amz-date` and for
/// temporary credentials `x-amz-security-token`. `now` is the time since the Unix epoch; services
/// allow five minutes of difference.
pub fn sign(
    request: &Unsigned<'_>,
    credentials: &Credentials<'_>,
    scope: Scope<'_>,
    now: Duration,
) -> Vec<(&'static str, String)> {
    let time = timestamp(now);
    let date = time.get(..8).unwrap_or_default();
    let mut added = vec![("x-amz-date", time.clone())];
    added.extend(credentials.session_token.map(|token| ("x-amz-security-token", token.to_owned())));

    let headers = SignedHeaders::of(request, &added);
    let canonical = canonical_request(request, &headers);
    let scope_text = format!("{date}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign =
        format!("{ALGORITHM}\n{time}\n{scope_text}\n{}", hex(&sha256(canonical.as_bytes())));
    let signature =
        hex(&hmac(&signing_key(credentials.secret_key, date, scope), to_sign.as_bytes()));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope_text}, SignedHeaders={}, Signature={signature}",
        credentials.access_key, headers.names
    );
    added.push(("authorization", authorization));
    added
}

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// `bytes` in lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // A key of any length is right for HMAC, so the error cannot occur.
    let keyed = Hmac::<Sha256>::new_from_slice(key);
    keyed.map(|keyed| keyed.chain_update(text).finalize().into_bytes().into()).unwrap_or_default()
}

/// The key of one day, region and service.
fn signing_key(secret_key: &str, date: &str, scope: Scope<'_>) -> [u8; 32] {
    let secret = format!("AWS4{secret_key}");
    let key = hmac(secret.as_bytes(), date.as_bytes());
    let key = hmac(&key, scope.region.as_bytes());
    let key = hmac(&key, scope.service.as_bytes());
    hmac(&key, b"aws4_request")
}

fn canonical_request(request: &Unsigned<'_>, headers: &SignedHeaders) -> String {
    format!(
        "{}\n{}\n{}\n{}\n{}\n{}",
        request.method,
        canonical_path(request.path),
        canonical_query(request.query),
        headers.lines,
        headers.names,
        hex(&request.body_sha256),
    )
}

fn canonical_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(format!("/{}", Escaped(segment))),
        }
    }
    // A slash at the end stays, also one that a dot segment left behind.
    if segments.is_empty() || matches!(path.rsplit('/').next(), Some("" | "." | "..")) {
        segments.push("/".to_owned());
    }
    segments.concat()
}

fn canonical_query(query: &str) -> String {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let mut sorted: Vec<(&str, &str)> = Vec::new();
    for parameter in parameters {
        let parameter = parameter.split_once('=').unwrap_or((parameter, ""));
        sorted.insert(sorted.partition_point(|known| *known <= parameter), parameter);
    }
    let sorted: Vec<_> =
        sorted.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    sorted.join("&")
}

/// The headers that are signed, in canonical form.
struct SignedHeaders {
    /// `name:value\n` of each.
    lines: String,
    /// Their names, joined with `;`.
    names: String,
}

impl SignedHeaders {
    fn of(request: &Unsigned<'_>, added: &[(&str, String)]) -> Self {
        let own = [("host", request.host)]
            .into_iter()
            .chain(added.iter().map(|(name, value)| (*name, value.as_str())));
        let all = own.chain(request.headers.iter().copied());
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in all {
            let value = trimmed(value);
            match headers.entry(name.to_ascii_lowercase()) {
                Entry::Vacant(first) => drop(first.insert(value)),
                // Values of one name stay in the order in which they are sent.
                Entry::Occupied(mut values) => *values.get_mut() += &format!(",{value}"),
            }
        }
        let lines = headers.iter().map(|(name, values)| format!("{name}:{values}\n")).collect();
        let names: Vec<_> = headers.into_keys().collect();
        Self { lines, names: names.join(";") }
    }
}

/// Without white space around it, and with single spaces in it.
fn trimmed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// `20150830T123600Z`
fn timestamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = civil_date(seconds / 86_400);
    let [hour, minute, second] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;
