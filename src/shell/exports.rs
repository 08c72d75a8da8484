//! What the host calls, and the contexts it calls it for. ABI: proxy-wasm 0.2.1.
//!
//! Only what the gateway needs is exported, because the host makes every call there is: the end of
//! a stream is seen when its context goes (`proxy_on_delete`), so that there is no `proxy_on_done`.

use std::cell::RefCell;

use hashbrown::HashTable;

use super::host::Action;
use super::keep_alive;
use super::root::Root;
use super::shared;
use super::stream::Stream;
use super::worker;

thread_local! {
    /// By their contexts. They are few.
    static ROOTS: RefCell<Vec<(u32, Root)>> = const { RefCell::new(Vec::new()) };
    /// By their contexts.
    static STREAMS: RefCell<HashTable<(u32, Stream)>> = const { RefCell::new(HashTable::new()) };
}

/// The host counts its contexts.
fn hash(context: u32) -> u64 {
    worker::spread(context.into())
}

/// Runs `event` with a stream; what the host asks of one it did not announce passes.
fn stream(context: u32, event: &mut dyn FnMut(&mut Stream) -> Action) -> Action {
    STREAMS.with(|streams| match streams.try_borrow_mut() {
        Ok(mut streams) => match streams.find_mut(hash(context), |(known, _)| *known == context) {
            Some((_, stream)) => event(stream),
            None => Action::Continue,
        },
        Err(_) => Action::Continue,
    })
}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the host calls this once, before anything else.
    unsafe { __wasm_call_ctors() };
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Room for what a host function returns; `host::taken` takes it over.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    if root == 0 {
        ROOTS.with_borrow_mut(|roots| roots.push((context, Root::default())));
        return;
    }
    let config = ROOTS.with_borrow(|roots| {
        roots.iter().find(|(known, _)| *known == root).and_then(|(_, root)| root.config())
    });
    STREAMS.with_borrow_mut(|streams| {
        streams.insert_unique(
            hash(context),
            (context, Stream::new(context, config)),
            |(known, _)| hash(*known),
        );
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> bool {
    true
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> bool {
    ROOTS.with_borrow_mut(|roots| {
        roots
            .iter_mut()
            .find(|(known, _)| *known == root)
            .is_some_and(|(_, root)| root.configure(size))
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(_root: u32) {
    Root::tick();
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(_root: u32, queue: u32) {
    keep_alive::turn(queue);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: usize, end: u32) -> Action {
    stream(context, &mut |stream| stream.request_headers(end != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, size: usize, end: u32) -> Action {
    stream(context, &mut |stream| stream.request_body(size, end != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, _count: usize) -> Action {
    stream(context, &mut Stream::request_trailers)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _count: usize, end: u32) -> Action {
    stream(context, &mut |stream| stream.response_headers(end != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context: u32, size: usize, end: u32) -> Action {
    stream(context, &mut |stream| stream.response_body(size, end != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(context: u32, _count: usize) -> Action {
    stream(context, &mut Stream::response_trailers)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    stream(context, &mut |stream| {
        stream.log();
        Action::Continue
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    let ended = STREAMS.with_borrow_mut(|streams| {
        streams
            .find_entry(hash(context), |(known, _)| *known == context)
            .map(|entry| entry.remove().0)
            .ok()
    });
    match ended {
        Some((_, mut stream)) => stream.end(),
        None => {
            ROOTS.with_borrow_mut(|roots| roots.retain(|(known, _)| *known != context));
            // It may be the VM's last.
            shared::flush();
        }
    }
}
