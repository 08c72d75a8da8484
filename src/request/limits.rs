//! How large requests and answers may be.

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

impl Default for Limits {
    fn default() -> Self {
        Self { request_bytes: 32 << 20, answer_bytes: 32 << 20, event_bytes: 1 << 20 }
    }
}
