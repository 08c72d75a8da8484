//! Wire formats: what the bytes mean. It stands on no other module of this crate.
//!
//! Everything here is a pure function of bytes, runs on every request and every chunk of a stream,
//! and never panics. Texts are read into spans of the original ([`json`], [`sse`],
//! [`event_stream`]), changed by splicing ([`edit`]), or only watched while they pass by
//! ([`watch`]).

pub mod edit;
pub mod event_stream;
pub mod json;
pub mod openai;
pub mod pattern;
pub mod percent;
pub mod secret;
pub mod sse;
pub mod watch;

mod crc32;
mod scan;

#[cfg(test)]
pub(crate) mod split;
