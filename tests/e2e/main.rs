//! The gateway in a real Envoy, between a client of sockets and the fake provider.
//!
//! Each topic file describes a gateway (`setup`) and checks on it; every check runs with one worker
//! and with two. `ENVOY` names the Envoy binary and `MODELYARD_WASM` the module; Envoy's log is
//! printed when a check fails. No check measures absolute time: a slow machine makes silence
//! longer, not answers wrong.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "clippy.toml allows them in tests, but clippy takes only #[test] functions for tests"
)]

/// Makes tests of checks: each on a gateway with one worker and on one with two, started when first
/// needed.
macro_rules! on_envoy {
    ($setup:ident: $($check:ident),* $(,)?) => {
        on_envoy!(@module one_worker 1 $setup: $($check),*);
        on_envoy!(@module two_workers 2 $setup: $($check),*);
    };
    (@module $module:ident $workers:literal $setup:ident: $($check:ident),*) => {
        mod $module {
            use std::sync::LazyLock;

            use crate::gateway::Gateway;

            static GATEWAY: LazyLock<Result<Gateway, String>> = LazyLock::new(|| {
                Gateway::start(module_path!(), &super::$setup().workers($workers))
            });

            $(#[test]
            fn $check() {
                let gateway = GATEWAY.as_ref().unwrap_or_else(|log| panic!("no gateway: {log}"));
                gateway.run(super::$check);
            })*
        }
    };
}

mod accounting;
mod auto;
mod client;
mod clients;
mod cluster;
mod config;
mod dialect;
mod envoy;
mod errors;
#[cfg(feature = "cli")]
mod explain;
mod fake;
mod fallback;
mod gateway;
mod host;
mod keep_alive;
mod large;
mod leak;
mod load;
mod local;
mod openrouter;
mod operator;
mod process;
mod reuse;
mod routing;
mod schema;
mod setup;
mod shapes;
mod state;
mod statuses;
mod stream;
mod translate;
mod web;
