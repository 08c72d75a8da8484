//! Modelyard: an LLM gateway in one proxy-wasm module.
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod wire;

pub mod catalog;
pub mod config;
pub mod usage;
