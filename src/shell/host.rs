//! The host's functions, as few as the shell needs, none of which can panic.
//!
//! The wrappers of the SDK for Rust panic on any status they do not expect, and a panic here ends
//! every stream of the worker. ABI: proxy-wasm 0.2.1.

use std::ptr::null_mut;
use std::time::Duration;

use crate::exchange::Refusal;
use crate::stats::Kind;

const OK: u32 = 0;

/// The host's header maps.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Map {
    RequestHeaders = 0,
    ResponseHeaders = 2,
}

/// The host's buffers.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    PluginConfiguration = 7,
}

/// What becomes of what the host has just shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Action {
    Continue = 0,
    Pause = 1,
}

/// How much a line of the host's log matters.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
}

const HTTP_RESPONSE_STREAM: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, len: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        len: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        len: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_len: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_property(path: *const u8, path_len: usize, value: *const u8, len: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_len: usize,
        value: *const u8,
        len: usize,
        version: u32,
    ) -> u32;
    fn proxy_register_shared_queue(name: *const u8, name_len: usize, id: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(id: u32, value: *const u8, len: usize) -> u32;
    fn proxy_dequeue_shared_queue(id: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
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
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_len: usize,
        arguments: *const u8,
        arguments_len: usize,
        results: *mut *mut u8,
        results_len: *mut usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
}

/// Takes over what a host function allocated for us; `None` where it failed or had nothing.
fn taken(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    if call(&mut data, &mut size) != OK || data.is_null() {
        return None;
    }
    // SAFETY: the host got `data` from `proxy_on_memory_allocate`, which boxes a slice of exactly
    // `size` bytes.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Writes a line into the host's log.
pub(super) fn log(level: Level, message: &str) {
    // SAFETY: see `now`.
    unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// Time since the Unix epoch.
pub(super) fn now() -> Duration {
    let mut nanoseconds = 0;
    // SAFETY: the pointer is valid for the call, as all below are.
    unsafe { proxy_get_current_time_nanoseconds(&mut nanoseconds) };
    Duration::from_nanos(nanoseconds)
}

/// Asks for a tick of the current root context.
pub(super) fn tick_every(period: Duration) {
    // SAFETY: no pointers.
    unsafe { proxy_set_tick_period_milliseconds(period.as_millis() as u32) };
}

/// Up to `size` bytes of a buffer.
pub(super) fn buffer(buffer: Buffer, size: usize) -> Vec<u8> {
    // SAFETY: see `taken`.
    taken(|data, len| unsafe { proxy_get_buffer_bytes(buffer as u32, 0, size, data, len) })
        .unwrap_or_default()
}

/// Puts `bytes` in place of a buffer's first `size` bytes; false if the host has no such buffer at
/// the moment.
pub(super) fn splice(buffer: Buffer, size: usize, bytes: &[u8]) -> bool {
    // SAFETY: see `now`.
    unsafe { proxy_set_buffer_bytes(buffer as u32, 0, size, bytes.as_ptr(), bytes.len()) == OK }
}

/// Puts `bytes` behind a buffer's last byte.
pub(super) fn append(buffer: Buffer, bytes: &[u8]) {
    // SAFETY: see `now`. A start past the end is the end.
    unsafe {
        proxy_set_buffer_bytes(buffer as u32, i32::MAX as usize, 0, bytes.as_ptr(), bytes.len())
    };
}

/// All headers, as the host serialises them; see [`super::headers`].
pub(super) fn headers(map: Map) -> Vec<u8> {
    // SAFETY: see `taken`.
    taken(|data, len| unsafe { proxy_get_header_map_pairs(map as u32, data, len) })
        .unwrap_or_default()
}

/// Replaces all headers.
pub(super) fn replace_headers(map: Map, serialised: &[u8]) {
    // SAFETY: see `now`.
    unsafe { proxy_set_header_map_pairs(map as u32, serialised.as_ptr(), serialised.len()) };
}

/// Sets one header.
pub(super) fn set_header(map: Map, name: &str, value: &str) {
    // SAFETY: see `now`.
    unsafe {
        proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
}

/// Removes one header.
pub(super) fn remove_header(map: Map, name: &str) {
    // SAFETY: see `now`.
    unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) };
}

/// A property; path elements are separated by `\0`.
pub(super) fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: see `taken`.
    taken(|data, len| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, len) })
}

/// An unsigned number property.
fn number(path: &str) -> Option<u64> {
    property(path)?.try_into().ok().map(u64::from_le_bytes)
}

/// How many attempts the host has made for a request; 0 downstream of its router, before there is
/// one.
pub(super) fn attempt_count() -> u64 {
    number("upstream\0request_attempt_count").unwrap_or(0)
}

/// Why the host made no other attempt, by the flags of its response.
pub(super) fn refusal() -> Refusal {
    const NO_HEALTHY_UPSTREAM: u64 = 0x2;
    const UPSTREAM_OVERFLOW: u64 = 0x80;
    const NO_CLUSTER_FOUND: u64 = 0x0100_0000;
    match number("response\0flags").unwrap_or(0) {
        flags if flags & UPSTREAM_OVERFLOW != 0 => Refusal::Overflow,
        flags if flags & (NO_HEALTHY_UPSTREAM | NO_CLUSTER_FOUND) != 0 => {
            Refusal::NoHealthyUpstream
        }
        _ => Refusal::Unknown,
    }
}

/// The cluster that an attempt goes to.
pub(super) fn cluster() -> Option<Vec<u8>> {
    property("xds\0cluster_name")
}

/// Writes filter state; the host's key is `wasm.` and the path, which is one element.
pub(super) fn set_property(path: &str, value: &[u8]) {
    // SAFETY: see `now`.
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
}

/// What all workers know by a key, and its version.
pub(super) fn shared(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut version = 0;
    // SAFETY: see `taken`.
    let value = taken(|data, len| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, len, &mut version)
    })?;
    Some((value, version))
}

/// Tells all workers; false if another was faster. `version` is the one that was read; 0: whatever
/// is there.
pub(super) fn set_shared(key: &str, value: &[u8], version: u32) -> bool {
    // SAFETY: see `now`.
    unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) == OK
    }
}

/// A queue by this name, which tells the VM that asks for it first of what is put in.
pub(super) fn register_queue(name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: see `now`.
    let status = unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &mut id) };
    (status == OK).then_some(id)
}

/// Puts an item into a queue; false if there is none.
pub(super) fn enqueue(queue: u32) -> bool {
    let item = b"1";
    // SAFETY: see `now`.
    unsafe { proxy_enqueue_shared_queue(queue, item.as_ptr(), item.len()) == OK }
}

/// Takes an item out of a queue; false if it is empty.
pub(super) fn dequeue(queue: u32) -> bool {
    // SAFETY: see `taken`.
    taken(|data, len| unsafe { proxy_dequeue_shared_queue(queue, data, len) }).is_some()
}

/// Lets a held response go on.
pub(super) fn resume_response() {
    // SAFETY: no pointers.
    unsafe { proxy_continue_stream(HTTP_RESPONSE_STREAM) };
}

/// Breaks the response off.
pub(super) fn reset_response() {
    // SAFETY: no pointers.
    unsafe { proxy_close_stream(HTTP_RESPONSE_STREAM) };
}

/// Answers in place of an upstream. `headers` as [`super::headers::serialise`] makes them.
pub(super) fn reply(status: u16, headers: &[u8], body: &[u8]) {
    let details = "modelyard";
    // SAFETY: see `now`.
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

/// Makes the calls that follow act on another context; false if it is gone.
pub(super) fn act_on(context: u32) -> bool {
    // SAFETY: no pointers.
    unsafe { proxy_set_effective_context(context) == OK }
}

/// Makes the host choose the route anew.
pub(super) fn clear_route_cache() {
    let name = "clear_route_cache";
    taken(|data, len| {
        // SAFETY: see `taken`.
        unsafe { proxy_call_foreign_function(name.as_ptr(), name.len(), null_mut(), 0, data, len) }
    });
}

/// Registers a stat and returns its id.
pub(super) fn define_metric(kind: Kind, name: &str) -> Option<u32> {
    let kind = match kind {
        Kind::Counter => 0,
        Kind::Gauge => 1,
        Kind::Histogram => 2,
    };
    let mut id = 0;
    // SAFETY: see `now`.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) };
    (status == OK).then_some(id)
}

/// Sets a gauge or adds to a histogram.
pub(super) fn record_metric(id: u32, value: u64) {
    // SAFETY: no pointers.
    unsafe { proxy_record_metric(id, value) };
}

/// Adds to a counter.
pub(super) fn increment_metric(id: u32, value: u64) {
    // SAFETY: no pointers.
    unsafe { proxy_increment_metric(id, i64::try_from(value).unwrap_or(i64::MAX)) };
}
