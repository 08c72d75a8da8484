//! The shell: the only place that knows the host. Callbacks become events of the core, its verdicts
//! become host calls.
//!
//! One module runs in two roles: downstream in the connection manager, upstream in the router, once
//! per attempt. Which one a stream is its link to an exchange tells, or else the host: it counts
//! attempts, and downstream there are none yet.
//!
//! # What to watch
//!
//! A panic ends every stream of the worker, and the crate `proxy-wasm` panics where it is surprised:
//!
//! * At a status it does not expect. `host` declares by hand what can return one. `Status` is an
//!   enum without 5, 6, 9, 11 and 12, so that these would even be undefined; of the functions in use
//!   only those that return bytes have one, 6, after the module has failed to allocate them.
//! * When the host calls back from within a call, because its dispatcher has the streams borrowed
//!   during a stream's callback, and the roots during a root's. Envoy defers nearly all that could.
//!   Not so where a buffer that it holds grows beyond `request_body_buffer_limit`: it answers at
//!   once, and crashes over the panic. So that limit must be larger than the document's `limits`.
//!   A callout to a cluster whose own filters are this module would be another case.
//! * At a context it does not know: one whose `proxy_on_delete` has been, or a root's that is
//!   created twice. Envoy's access log may come late (HTTP/3), but then not to the filter.
//! * At an answer to a callout that it has not registered. It ties a callout to the context whose
//!   callback starts it, whatever [`host::act_on`] says, and drops the answer if that is gone.
//!
//! When memory ends, its `proxy_on_memory_allocate` traps, as every other allocation does.
//!
//! It exports `proxy_on_done`, so that the host makes that call for every stream: after
//! `proxy_on_log`, which attempts and HTTP/3 do not have, and right before `proxy_on_delete`.

mod downstream;
mod explain;
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

use proxy_wasm::types::LogLevel;

use root::Root;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}
