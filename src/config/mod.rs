//! The configuration document: raw value → validated, immutable [`Config`].

use std::time::Duration;

use crate::catalog::{Catalog, ModelId};

/// Everything an exchange needs to know of the operator's wishes; never changes once parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// 16 hexadecimal digits over the parsed value: the same for JSON text and `Struct`.
    pub hash: String,
    /// In order of id, so that the order is the same whatever form the document came in.
    pub providers: Vec<Provider>,
    /// Models and endpoints.
    pub catalog: Catalog,
    /// What a request without `model` asks for.
    pub default_model: Option<ModelId>,
    /// How endpoints are ordered and how long they may take.
    pub routing: Routing,
    /// What comes out.
    pub telemetry: Telemetry,
    /// Where the faces live.
    pub paths: Paths,
    /// Bounds on memory.
    pub limits: Limits,
}

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
    /// Added to every request.
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

/// How a request to a provider is authenticated. A key of `None` means its variable is not set: the endpoint is unusable.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Auth {
    /// `authorization: Bearer <key>`
    Bearer { key: Key },
    /// `<name>: <key>`
    Header { name: String, key: Key },
    /// `?<name>=<key>`
    Query { name: String, key: Key },
    /// No credentials.
    None,
    /// The client's own credentials go to the provider.
    Passthrough,
}

/// A provider key, and the environment variable it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The variable's name.
    pub env: String,
    /// Its value, if set and not empty. Never shown by `Debug`.
    pub value: Option<String>,
}

/// `routing` of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// How endpoints are ordered when the request does not say.
    pub sort: Sort,
    /// At most this many attempts an exchange, 1 to 20.
    pub max_attempts: usize,
}

/// Orders of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Drawn by weight 1/price².
    Balanced,
    /// Cheapest first.
    Price,
    /// Lowest time to first token first.
    Latency,
    /// Most output tokens per second first.
    Throughput,
    /// As written.
    Order,
}

/// `telemetry` of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// Whether the record is written.
    pub record: Record,
    /// Whether `x-modelyard-*` go to the client.
    pub expose_headers: bool,
}

/// What the record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Nothing is written.
    None,
    /// Plan, attempts, usage; never a prompt.
    Metadata,
}

/// Base paths; each starts and ends with `/`.
#[derive(Clone, Debug, PartialEq)]
pub struct Paths {
    /// OpenAI's face, default `/v1/`.
    pub openai: String,
    /// OpenRouter's face, default `/api/v1/`.
    pub openrouter: String,
    /// The operator's page, default `/modelyard/`.
    pub operator: String,
}

/// Bounds on memory, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// A client's request body; default 32 MiB.
    pub request_bytes: usize,
    /// An answer that must be held whole to be rewritten; default 32 MiB.
    pub answer_bytes: usize,
    /// One event of a stream; default 1 MiB.
    pub event_bytes: usize,
}
