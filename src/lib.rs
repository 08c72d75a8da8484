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
//! ```text
//! shell ─▶ exchange ─▶ request ─▶ route ─▶ provider     (a request on its way out)
//!   │          └─────▶ usage, translate                  (an answer on its way back)
//!   └────▶ listing                                       (what needs no provider)
//!                        all of them ─▶ config, catalog, error, state, wire
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
//! * Only `shell` knows the host, and only it logs. `wire` imports nothing of ours.
//! * The core knows no host: bytes, time and randomness are arguments. It has no global state.
//! * Nothing panics: a trap ends every stream of the worker.
//! * A request is its bytes and an ordered list of edits; bytes there is no reason to change are
//!   not changed.
//! * Before its first content has gone to the client an answer can still be taken back; after that
//!   nothing moves.
//! * Every exchange is settled exactly once.
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod exchange;

pub mod request;

pub mod catalog;
pub mod config;
pub mod route;
pub mod state;

pub mod provider;

pub mod translate;
pub mod usage;

pub mod listing;

pub mod error;
pub mod stats;

mod calendar;
mod fnv;
pub mod wire;

#[cfg(target_os = "wasi")]
mod shell;
