//! Modelyard: an LLM gateway in one proxy-wasm module.
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod wire;

pub mod catalog;
pub mod config;
pub mod error;
pub mod exchange;
pub mod provider;
pub mod request;
pub mod route;
pub mod stats;
pub mod translate;
pub mod usage;

#[cfg(target_os = "wasi")]
mod shell;
