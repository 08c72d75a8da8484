//! Filters to compare the gateway with, chosen by the plugin's configuration.
//!
//! `noop` does nothing: the floor. `naive` reads the body into a tree, sets the model's name and
//! writes the tree out. `calls` stands in both roles and asks of the host what the gateway asks,
//! but does nothing with what it is told.

mod calls;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde_json::Value;

use calls::Calls;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { name: Vec::new(), counters: Vec::new() }));
}}

struct Root {
    name: Vec<u8>,
    /// Stats of `calls`.
    counters: Vec<u32>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.name = self.get_plugin_configuration().unwrap_or_default();
        if self.name == b"calls" {
            self.counters = calls::counters();
        }
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(match self.name.as_slice() {
            b"naive" => Box::new(Naive),
            b"calls" => Box::new(Calls::new(self.counters.clone())),
            _ => Box::new(Noop),
        })
    }
}

struct Noop;

impl Context for Noop {}
impl HttpContext for Noop {}

struct Naive;

impl Context for Naive {}

impl HttpContext for Naive {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_request_header("content-length", None);
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return Action::Pause;
        }
        let body = self.get_http_request_body(0, size).unwrap_or_default();
        if let Ok(mut body) = serde_json::from_slice::<Value>(&body) {
            body["model"] = Value::from("up-7");
            self.set_http_request_body(0, size, body.to_string().as_bytes());
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, _: bool) -> Action {
        let piece = self.get_http_response_body(0, size).unwrap_or_default();
        for line in piece.split(|byte| *byte == b'\n') {
            let data = line.strip_prefix(b"data: ").unwrap_or(line);
            let _: Result<Value, _> = serde_json::from_slice(data);
        }
        Action::Continue
    }
}
