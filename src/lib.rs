//! Modelyard: an LLM gateway in one proxy-wasm module, inside the Envoy people already run.
//!
//! # Bird's view
//!
//! The host loads the module twice into one VM: as a filter of the connection manager (*downstream
//! role*) and of the router (*upstream role*, once per attempt). The downstream role reads a
//! client's request, plans which endpoints may serve it, and tells the host's route the first one's
//! cluster. The upstream role rewrites the request for the endpoint being tried, and judges the
//! answer: it goes on to the client, or the host's own router tries the next cluster. Both roles of
//! a request share one [`exchange::Exchange`] in memory.
//!
//! The layers, each of which imports only from lower ones:
//!
//! ```text
//! shell       callbacks of the host in, calls of the host out; the only one that knows it
//! exchange    one request as a state machine, with its attempts
//! listing     what needs no provider: models, keys, past exchanges
//! route       which endpoints, in which order, and why not the others
//! provider    host, path and proof of identity upstream
//! translate   between dialects and formats: requests, answers, streams, errors
//! config      the document, validated
//! request     what routing needs to know of a client's request
//! usage       tokens and what they cost        error   every error a client can see
//! catalog     models, endpoints, prices
//! wire        bytes: JSON, events, patterns    operation   what a client wants done
//! state       what workers share               stats   calendar   duration   fnv
//! ```
//!
//! # Entry points
//!
//! * `shell/root.rs` and `shell/stream.rs`: what the host calls; from the latter one request can be
//!   followed through.
//! * [`exchange`]: the life of a request as a state machine: `open` → attempts → `settle`.
//! * [`config::Config::parse`]: the configuration document.
//!
//! # Invariants, each checked by a test
//!
//! * Only `shell` knows the host, and only it logs. No import runs upwards.
//! * The core knows no host: bytes, time and randomness are arguments. It has no global state.
//! * Nothing panics: a trap ends every stream of the worker.
//! * A request is its bytes and an ordered list of edits; bytes that there is no reason to change
//!   are not changed.
//! * Before its first content has gone to the client an answer can still be taken back; after that
//!   it cannot, and no other endpoint is tried.
//! * Every exchange is settled exactly once.
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod exchange;

pub mod listing;

pub mod route;

pub mod provider;

pub mod translate;

pub mod config;

pub mod request;

pub mod error;
pub mod usage;

pub mod catalog;

mod calendar;
mod duration;
mod fnv;
pub mod operation;
pub mod state;
pub mod stats;
pub mod wire;

#[cfg(target_os = "wasi")]
mod shell;
