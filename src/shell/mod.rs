//! The shell: the only place that knows the host. Callbacks become events of the core, its verdicts
//! become host calls.
//!
//! One module runs in two roles: downstream in the connection manager, upstream in the router, once
//! per attempt. Which one a stream is its link to an exchange tells, or else the host: it counts
//! attempts, and downstream there are none yet.

mod downstream;
mod explain;
mod exports;
mod headers;
mod host;
mod keep_alive;
mod memory;
mod page;
mod root;
mod shared;
mod stream;
mod upstream;
mod worker;
