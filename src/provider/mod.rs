//! Host, path, authentication, headers and body of one attempt at one provider.
//!
//! A provider that speaks an existing wire format is configuration; what is here holds for all of
//! them. The client's headers pass an allowlist, and its credentials only where the provider says
//! `passthrough`. [`prepare`] knows nothing of roles or hosts: the same arguments give the same
//! bytes.

pub mod path;
pub mod response_headers;
pub mod sigv4;
mod unfit;

use std::borrow::Cow;
use std::time::Duration;

use crate::catalog::Tier;
use crate::config::{Api, Auth, Key, Provider, Sigv4};
use crate::error::Error;
use crate::operation::Operation;
use crate::request::{Request, StreamOptionsEdit};
use crate::translate::openai::Quirks;
use crate::translate::{self, Dialect, Lost};
use crate::wire::edit::Edits;
use crate::wire::json::decimal;

pub use unfit::unsupported;

/// Request headers that may reach a provider, in lower case.
const FORWARDED: [&str; 3] = ["content-type", "accept", USER_AGENT];
/// The only one of them that goes to every provider: the others say which form the request and its
/// answer have.
const USER_AGENT: &str = "user-agent";
/// Beginnings of more of them, each of one dialect.
const FORWARDED_PREFIXES: [&str; 2] = ["openai-", "anthropic-"];
/// Trace headers change from attempt to attempt and are taken from the attempt itself.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];
/// Where clients put their credentials, and which of their accounts shall pay.
const CREDENTIALS: [&str; 5] =
    ["authorization", "x-api-key", "api-key", "openai-organization", "openai-project"];
/// The media type of every body.
const JSON: &str = "application/json";

/// How a provider serves an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It speaks the client's dialect: bytes pass.
    Pass,
    /// Request and answer are translated.
    Translate,
}

impl Way {
    /// How a wire format serves an operation; `None`: it cannot.
    pub fn of(api: Api, operation: Operation) -> Option<Self> {
        match api.passes(operation) {
            true => Some(Self::Pass),
            false => translate::dialect(operation).map(|_| Self::Translate),
        }
    }
}

/// The client's headers that an attempt may need: names and values in one text, one after the
/// other.
#[derive(Clone, Debug, Default)]
pub struct ClientHeaders {
    texts: String,
    headers: Vec<Kept>,
}

/// One of the client's headers.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Bytes of its name, which stands behind the value before it in [`ClientHeaders::texts`].
    name: usize,
    /// Bytes of its value, which stands behind its name.
    value: usize,
    is_credential: bool,
}

/// Where an attempt goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Who serves it.
    pub provider: &'a Provider,
    /// The provider's name for the model.
    pub model: &'a str,
    /// What `service_tier` must say in OpenAI's words; `None`: what the client says.
    pub service_tier: Option<&'static str>,
}

/// A client's request, made one for a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared<'a> {
    /// All request headers, pseudo-headers first.
    pub headers: Vec<(&'a str, Cow<'a, str>)>,
    /// What becomes of the client's body.
    pub body: Body,
    /// Names of the request's fields that got lost.
    pub dropped: Vec<Cow<'static, str>>,
}

/// What becomes of the client's body.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// It is changed in places.
    Edited(Edits),
    /// Another one takes its place.
    Whole(Vec<u8>),
}

impl Body {
    /// The provider's body, made of the client's.
    pub fn apply<'a>(&'a self, original: &[u8]) -> Cow<'a, [u8]> {
        match self {
            Self::Edited(edits) => Cow::Owned(edits.apply(original)),
            Self::Whole(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// The length of the provider's body.
    pub fn len(&self, original: &[u8]) -> usize {
        match self {
            Self::Edited(edits) => edits.new_len(original.len()),
            Self::Whole(bytes) => bytes.len(),
        }
    }
}

impl ClientHeaders {
    /// Keeps what is on the allowlist, and the credentials.
    pub fn keep(headers: &[(&str, &str)]) -> Self {
        let mut kept = Self { texts: String::with_capacity(256), headers: Vec::with_capacity(8) };
        for (name, value) in headers {
            let is_credential = is_one_of(&CREDENTIALS, name);
            if is_credential
                || is_one_of(&FORWARDED, name)
                || FORWARDED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            {
                if !is_credential && kept.is_told(name, value) {
                    continue;
                }
                kept.texts.push_str(name);
                kept.texts.push_str(value);
                kept.headers.push(Kept { name: name.len(), value: value.len(), is_credential });
            }
        }
        kept
    }

    /// Whether a header of this name is there already. Lines of a list are then one list; of what
    /// has one value the first counts.
    fn is_told(&mut self, name: &str, value: &str) -> bool {
        let mut at = 0;
        for kept in &mut self.headers {
            let end = at + kept.name + kept.value;
            if self.texts.get(at..at + kept.name) == Some(name) {
                if is_list(name) {
                    self.texts.insert_str(end, value);
                    self.texts.insert_str(end, ", ");
                    kept.value += ", ".len() + value.len();
                }
                return true;
            }
            at = end;
        }
        false
    }

    /// The credentials, or all else.
    fn iter(&self, credentials: bool) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = self.texts.as_str();
        self.headers.iter().filter_map(move |kept| {
            let (name, behind) = rest.split_at_checked(kept.name)?;
            let (value, behind) = behind.split_at_checked(kept.value)?;
            rest = behind;
            (kept.is_credential == credentials).then_some((name, value))
        })
    }

    /// Whether a client's header must go before the host's router sees the request: credentials,
    /// and whatever could steer the host or this filter.
    pub fn is_stripped(name: &str) -> bool {
        is_one_of(&CREDENTIALS, name)
            || name.starts_with("x-envoy-")
            || name.starts_with("x-modelyard-")
    }
}

/// Makes the client's request one for a target. `current` are the request's headers as the host has
/// them now; only the scheme and trace headers are taken from it. `now` is time since the Unix
/// epoch, for signatures.
pub fn prepare<'a>(
    request: &Request,
    operation: Operation,
    client: &'a ClientHeaders,
    target: Target<'a>,
    current: &[(&'a str, &'a str)],
    now: Duration,
) -> Result<Prepared<'a>, Error> {
    let Target { provider, model, .. } = target;
    let way = Way::of(provider.api, operation).unwrap_or(Way::Pass);
    let (body, dropped) = body(request, operation, target, way)?;
    let path = path::of(provider, way, operation, model, request.is_stream());
    let mut headers = Headers(Vec::with_capacity(16));
    headers.set(":method", "POST");
    headers.set(":scheme", header(current, ":scheme").unwrap_or("http"));
    headers.set(":authority", &provider.host);
    headers.set_owned(":path", path);
    headers.set("content-type", JSON);
    headers.set_owned("content-length", decimal(body.len(request.body()) as u64));
    for (name, value) in provider.api.facts().headers {
        headers.set(name, value);
    }
    for (name, value) in
        client.iter(false).filter(|(name, value)| belongs(name, way) && !is_other_type(name, value))
    {
        headers.set(name, value);
    }
    headers.set("accept-encoding", "identity");
    for (name, value) in current.iter().filter(|(name, _)| is_one_of(&TRACE, name)) {
        headers.set(name, value);
    }
    for (name, value) in &provider.headers {
        headers.set(name, value);
    }
    match &provider.auth {
        Auth::Sigv4(aws) => {
            sign(aws, &provider.host, &body.apply(request.body()), now, &mut headers)
        }
        auth => authenticate(auth, client, &mut headers),
    }
    Ok(Prepared { headers: headers.0, body, dropped })
}

/// Whether a client's header goes to the provider: what belongs to a dialect, or says which form
/// the request and its answer have, is only for one that speaks the dialect.
fn belongs(name: &str, way: Way) -> bool {
    way == Way::Pass || name == USER_AGENT
}

/// Whether a client calls its body something else than JSON, as curl does of its own accord, or
/// several things: providers believe it.
fn is_other_type(name: &str, value: &str) -> bool {
    name == "content-type" && value != JSON && !is_json(value)
}

/// Whether this is the media type of JSON, with parameters, and nothing besides.
#[cold]
fn is_json(value: &str) -> bool {
    let kind = value.split(';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(JSON) && !value.contains(',')
}

/// Whether a header that is forwarded may have several values.
fn is_list(name: &str) -> bool {
    name == "accept" || name.ends_with("-beta")
}

/// The body, and the names of the fields that got lost.
// Keeps its caller small, as the host's compiler takes memory by the size of the largest function.
#[inline(never)]
fn body(
    request: &Request,
    operation: Operation,
    target: Target<'_>,
    way: Way,
) -> Result<(Body, Vec<Cow<'static, str>>), Error> {
    let rewritten = way == Way::Translate || is_unfit(operation, request);
    match translate::dialect(operation).filter(|_| rewritten) {
        Some(dialect) => translated(request, dialect, target),
        None => edited(request, operation, target),
    }
}

/// A body of the client's dialect.
fn edited(
    request: &Request,
    operation: Operation,
    Target { provider, model, service_tier }: Target<'_>,
) -> Result<(Body, Vec<Cow<'static, str>>), Error> {
    let quirks = Quirks::of(provider);
    let mut lost = Lost::from(request.unapplied());
    let unfit = match operation {
        Operation::Chat => unfit::of(request, quirks, &mut lost)?,
        _ => None,
    };
    let tier = service_tier.and_then(|tier| tier_name(operation, tier));
    let edits = request.edits(model, stream_options(quirks, operation), tier, unfit.as_ref());
    let body = match request.is_merged() {
        true => Body::Whole(edits.apply(request.body())),
        false => Body::Edited(edits),
    };
    Ok((body, lost.into_iter().map(Cow::Borrowed).collect()))
}

/// The body written anew, for a provider of another format, or for one that speaks the client's
/// dialect but refuses what other providers left in it.
#[inline(never)]
fn translated(
    request: &Request,
    dialect: &dyn Dialect,
    Target { provider, model, service_tier }: Target<'_>,
) -> Result<(Body, Vec<Cow<'static, str>>), Error> {
    let mut dropped = Lost::from(request.unapplied());
    let mut conversation = dialect.read(request.body())?;
    if provider.api.passes(Operation::Chat) {
        // Upstreams of OpenAI's format know service tiers by the gateway's own names.
        conversation.service_tier =
            service_tier.or_else(|| request.service_tier()?.tier().map(Tier::name));
        if conversation.service_tier.is_some() {
            conversation.dropped.remove("service_tier");
        }
    }
    dropped.extend(conversation.dropped.iter().copied());
    let body = translate::format(provider).request(&conversation, model, &mut dropped);
    let mut dropped: Vec<_> = dropped.into_iter().collect();
    dropped.sort_unstable();
    let unknown = conversation.unknown.into_iter().map(Cow::Owned);
    Ok((Body::Whole(body), dropped.into_iter().map(Cow::Borrowed).chain(unknown).collect()))
}

/// Whether a body cannot pass though its provider speaks the dialect: other providers' answers left
/// their parts in it. Only the body is written anew then; the answer passes.
fn is_unfit(operation: Operation, request: &Request) -> bool {
    operation == Operation::Messages && translate::anthropic::has_foreign_parts(request.body())
}

/// A service tier as the client's dialect says it to a provider that speaks it; `None` where the
/// dialect has none.
fn tier_name(operation: Operation, tier: &'static str) -> Option<&'static str> {
    match operation {
        Operation::Chat => Some(tier),
        // Priority is capacity that the account has bought: a request says only whether to use it.
        Operation::Messages if tier == Tier::Priority.name() => Some("auto"),
        Operation::Messages => Some("standard_only"),
        _ => None,
    }
}

fn stream_options(quirks: &Quirks, operation: Operation) -> StreamOptionsEdit {
    match operation {
        Operation::Chat | Operation::Completions if quirks.stream_options => {
            StreamOptionsEdit::AskForUsage
        }
        Operation::Chat | Operation::Completions => StreamOptionsEdit::Remove,
        _ => StreamOptionsEdit::Leave,
    }
}

fn authenticate<'a>(auth: &'a Auth, client: &'a ClientHeaders, headers: &mut Headers<'a>) {
    match auth {
        Auth::Bearer { key } => {
            let mut token = String::with_capacity(128);
            token.push_str("Bearer ");
            token.push_str(secret(key));
            headers.set_owned("authorization", token);
        }
        Auth::Header { name, key } => headers.set(name, secret(key)),
        Auth::Query { .. } | Auth::Sigv4(_) | Auth::None => {}
        Auth::Passthrough => pass_credentials(client, headers),
    }
}

/// The key's value. A provider whose key is missing is in no plan, so an empty one is never sent.
fn secret(key: &Key) -> &str {
    key.value.as_deref().unwrap_or_default()
}

#[inline(never)]
fn pass_credentials<'a>(client: &'a ClientHeaders, headers: &mut Headers<'a>) {
    for (name, value) in client.iter(true) {
        headers.set(name, value);
    }
}

/// Adds the headers that sign a request. What is signed must arrive as it was signed, whatever the
/// client said of its own body.
#[inline(never)]
fn sign(aws: &Sigv4, host: &str, body: &[u8], now: Duration, headers: &mut Headers<'_>) {
    const CONTENT_TYPE: (&str, &str) = ("content-type", JSON);
    let path = headers.0.iter().find(|(name, _)| *name == ":path").map_or("", |(_, path)| path);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let unsigned = sigv4::Unsigned {
        method: "POST",
        host,
        path,
        query,
        headers: &[CONTENT_TYPE],
        body_sha256: sigv4::sha256(body),
    };
    let credentials = sigv4::Credentials {
        access_key: secret(&aws.access_key),
        secret_key: secret(&aws.secret_key),
        session_token: aws.session_token.value.as_deref(),
    };
    let scope = sigv4::Scope { region: &aws.region, service: &aws.service };
    for (name, value) in sigv4::sign(&unsigned, &credentials, scope, now) {
        headers.set_owned(name, value);
    }
    headers.set(CONTENT_TYPE.0, CONTENT_TYPE.1);
}

/// Whether a name is in a list. Never inlined, as each list would have a copy of its own.
#[inline(never)]
fn is_one_of(names: &[&str], name: &str) -> bool {
    names.contains(&name)
}

/// The value of a header, of a list of names and values.
#[inline(never)]
pub(crate) fn header<'a>(headers: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

struct Headers<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Headers<'a> {
    fn set(&mut self, name: &'a str, value: &'a str) {
        self.put(name, Cow::Borrowed(value));
    }

    fn set_owned(&mut self, name: &'a str, value: String) {
        self.put(name, Cow::Owned(value));
    }

    /// The last one to set a name wins.
    #[inline(never)]
    fn put(&mut self, name: &'a str, value: Cow<'a, str>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
}

#[cfg(test)]
mod parameter_tests;
#[cfg(test)]
mod tests;
