//! `make bench-plan`: what a large catalogue costs, in WebAssembly under Node's V8, compiled as the
//! host compiles it.
//!
//! This is the WebAssembly side: it exports what `plan.mjs` calls and times.
#![allow(clippy::expect_used, reason = "a benchmark may end where something is wrong")]
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

#[allow(dead_code, reason = "only half of what the benchmarks share")]
mod script;

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use modelyard::catalog::Asked;
use modelyard::config::Config;
use modelyard::operation::{Face, Operation};
use modelyard::request::Limits;
use modelyard::request::Request;
use modelyard::route::{Circumstances, Health, plan};

thread_local! {
    static DOCUMENT: RefCell<String> = const { RefCell::new(String::new()) };
    static CONFIG: RefCell<Option<(Rc<Config>, Request)>> = const { RefCell::new(None) };
}

/// Writes a document down; its length in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn write_document(models: usize, endpoints: usize) -> usize {
    DOCUMENT.set(script::catalogue(models, endpoints));
    DOCUMENT.with_borrow(String::len)
}

/// Makes room for a document; where its bytes go.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(length: usize) -> *const u8 {
    DOCUMENT.set(" ".repeat(length));
    DOCUMENT.with_borrow(|document| document.as_ptr())
}

/// Where the document stands.
#[unsafe(no_mangle)]
pub extern "C" fn document() -> *const u8 {
    DOCUMENT.with_borrow(|document| document.as_ptr())
}

/// Reads the document, and drops it.
#[unsafe(no_mangle)]
pub extern "C" fn load() {
    let config = script::config(&DOCUMENT.take());
    let request = Request::parse(script::chat("m/model-7", 1000, true), &Limits::default())
        .expect("a good request");
    CONFIG.set(Some((config, request)));
}

/// Plans a request for model number `model`; how many endpoints the plan has.
#[unsafe(no_mangle)]
pub extern "C" fn plan_for(model: usize, seed: u64) -> usize {
    let name = format!("m/model-{model}");
    CONFIG.with_borrow(|loaded| {
        let (config, request) = loaded.as_ref().expect("a configuration");
        let asked: Option<Asked<'_>> = config.catalog.resolve(&name);
        let health = Health::default();
        let with = Circumstances {
            health: &health,
            tenant: "default",
            conversation: None,
            seed,
            now: script::NOW,
        };
        black_box(plan(config, asked.as_slice(), (Operation::Chat, request), &with)).steps.len()
    })
}

/// Takes in a request of 1 KB for model number `model`, up to the moment before its first attempt.
#[unsafe(no_mangle)]
pub extern "C" fn open(model: usize, seed: u64) {
    CONFIG.with_borrow(|loaded| {
        let (config, _) = loaded.as_ref().expect("a configuration");
        let body = script::chat(&format!("m/model-{model}"), 1000, true);
        black_box(script::open(config, Face::OpenAi, body, seed));
    });
}
