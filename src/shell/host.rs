//! The host's functions, none of which can panic here.
//!
//! The wrappers of `proxy_wasm` panic on every status they do not expect, and a panic ends every
//! stream of the worker. Those that Envoy can make do so are declared here by hand.

use std::ptr::null_mut;
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::exchange::Refusal;

/// A status as a number: `Status` of the crate is an enum, and another value is no value of it.
const OK: u32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    /// A bad argument where the buffer has gone on, not found where there is none.
    fn proxy_set_buffer_bytes(
        buffer: BufferType,
        start: usize,
        size: usize,
        data: *const u8,
        len: usize,
    ) -> u32;
    /// The crate takes names and values for UTF-8, but a client can send any bytes.
    fn proxy_get_header_map_pairs(map: MapType, data: *mut *mut u8, size: *mut usize) -> u32;
    /// A bad argument where the headers have gone on, as for the two below.
    fn proxy_set_header_map_pairs(map: MapType, data: *const u8, size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: MapType,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        len: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: MapType, key: *const u8, key_len: usize) -> u32;
    /// Not found where the stream is gone.
    fn proxy_set_property(path: *const u8, path_len: usize, value: *const u8, len: usize) -> u32;
    /// The crate gives no details.
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> u32;
}

/// Puts `bytes` in place of a buffer's first `size` bytes; false if the host has no such buffer at
/// the moment.
pub(super) fn splice(buffer: BufferType, size: usize, bytes: &[u8]) -> bool {
    // SAFETY: the pointer is valid for the call, as all below are.
    unsafe { proxy_set_buffer_bytes(buffer, 0, size, bytes.as_ptr(), bytes.len()) == OK }
}

/// Puts `bytes` behind a buffer's last byte.
pub(super) fn append(buffer: BufferType, bytes: &[u8]) {
    // SAFETY: see `splice`. A start past the end is the end.
    unsafe {
        proxy_set_buffer_bytes(buffer, i32::MAX as usize, 0, bytes.as_ptr(), bytes.len());
    }
}

/// All headers, as the host serialises them; see [`super::headers`].
pub(super) fn headers(map: MapType) -> Vec<u8> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: see `splice`.
    let status = unsafe { proxy_get_header_map_pairs(map, &mut data, &mut size) };
    if status != OK || data.is_null() {
        return Vec::new();
    }
    // SAFETY: the host got `data` from the crate's `proxy_on_memory_allocate`, which boxes a slice
    // of exactly `size` bytes.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

/// Replaces all headers.
pub(super) fn replace_headers(map: MapType, serialised: &[u8]) {
    // SAFETY: see `splice`.
    unsafe { proxy_set_header_map_pairs(map, serialised.as_ptr(), serialised.len()) };
}

/// Sets one header.
pub(super) fn set_header(map: MapType, name: &str, value: &str) {
    let (key, key_len) = (name.as_ptr(), name.len());
    // SAFETY: see `splice`.
    unsafe { proxy_replace_header_map_value(map, key, key_len, value.as_ptr(), value.len()) };
}

/// Removes one header.
pub(super) fn remove_header(map: MapType, name: &str) {
    // SAFETY: see `splice`.
    unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
}

/// Writes filter state; the host's key is `wasm.` and the path, which is one element.
pub(super) fn set_property(path: &str, value: &[u8]) {
    // SAFETY: see `splice`.
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
}

/// Answers in place of an upstream. `headers` as [`super::headers::serialise`] makes them.
pub(super) fn reply(status: u16, headers: &[u8], body: &[u8]) {
    let details = "modelyard";
    // SAFETY: see `splice`.
    unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    };
}

/// Time since the Unix epoch.
pub(super) fn now() -> Duration {
    let time = hostcalls::get_current_time().unwrap_or(UNIX_EPOCH);
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Up to `size` bytes of a buffer.
pub(super) fn buffer(buffer: BufferType, size: usize) -> Vec<u8> {
    hostcalls::get_buffer(buffer, 0, size).ok().flatten().unwrap_or_default()
}

/// A property.
pub(super) fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

/// An unsigned number property.
fn number(path: &[&str]) -> Option<u64> {
    property(path)?.try_into().ok().map(u64::from_le_bytes)
}

/// How many attempts the host has made for a request; 0 downstream of its router, before there is
/// one.
pub(super) fn attempt_count() -> u64 {
    number(&["upstream", "request_attempt_count"]).unwrap_or(0)
}

/// Whether the response is an upstream's, and not the host's own.
pub(super) fn is_answer_of_upstream() -> bool {
    property(&["response", "code_details"]).is_some_and(|details| details == b"via_upstream")
}

/// Why the host made no other attempt, by the flags of its response.
pub(super) fn refusal() -> Refusal {
    const NO_HEALTHY_UPSTREAM: u64 = 0x2;
    const UPSTREAM_OVERFLOW: u64 = 0x80;
    const NO_CLUSTER_FOUND: u64 = 0x0100_0000;
    match number(&["response", "flags"]).unwrap_or(0) {
        flags if flags & UPSTREAM_OVERFLOW != 0 => Refusal::Overflow,
        flags if flags & (NO_HEALTHY_UPSTREAM | NO_CLUSTER_FOUND) != 0 => {
            Refusal::NoHealthyUpstream
        }
        _ => Refusal::Unknown,
    }
}

/// The cluster that an attempt goes to.
pub(super) fn cluster() -> Vec<u8> {
    property(&["xds", "cluster_name"]).unwrap_or_default()
}

/// Whether an attempt has a connection, whose own address is known then. At its request's headers
/// it has one only if that is an old one.
pub(super) fn is_connected() -> bool {
    property(&["upstream", "local_address"]).is_some()
}

/// Makes the calls that follow act on another context; false if it is gone.
pub(super) fn act_on(context: u32) -> bool {
    hostcalls::set_effective_context(context).is_ok()
}

/// Lets a held response go on.
pub(super) fn resume_response() {
    let _ = hostcalls::resume_http_response();
}

/// Breaks the response off.
pub(super) fn reset_response() {
    let _ = hostcalls::reset_http_response();
}

/// Makes the host choose the route anew.
pub(super) fn clear_route_cache() {
    let _ = hostcalls::call_foreign_function("clear_route_cache", None);
}
