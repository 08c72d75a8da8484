//! How large requests and answers may be.

/// Bounds on what is held in memory, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The largest request's body; larger ones get 413. Envoy's `request_body_buffer_limit` must be
    /// larger. Default: `33554432` (32 MiB).
    pub request_bytes: usize,
    /// The largest answer that is held whole to be rewritten; larger ones become 502. Default:
    /// `33554432`.
    pub answer_bytes: usize,
    /// The largest event of a stream that is read. A larger one passes as it is, or ends the stream
    /// with an error where it would have to be translated. Default: `1048576` (1 MiB).
    pub event_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_bytes: 32 << 20, answer_bytes: 32 << 20, event_bytes: 1 << 20 }
    }
}
