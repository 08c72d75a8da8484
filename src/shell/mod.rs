//! The shell: the only place that knows the host. Callbacks become events of the core, its verdicts become host calls.
//!
//! One module runs in two roles: downstream in the connection manager, upstream in the router, once per attempt.
//! Which one a stream is the host tells: it counts attempts, and downstream there are none yet.

mod downstream;
mod explain;
mod headers;
mod host;
mod page;
mod shared;
mod stream;
mod upstream;
mod worker;

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::config::Config;
use stream::Stream;

/// How often deadlines are looked at and workers tell each other what can wait.
const TICK: Duration = Duration::from_millis(100);

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { config: None }));
}}

/// One plugin configuration.
struct Root {
    config: Option<Rc<Config>>,
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        shared::flush();
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let bytes = host::buffer(host::Buffer::PluginConfiguration, size);
        match Config::parse(&bytes, &|name| std::env::var(name).ok()) {
            Ok((config, warnings)) => {
                warnings.iter().for_each(|warning| log::warn!("{warning}"));
                log::info!("configuration {} in use", config.hash);
                self.config = Some(Rc::new(config));
                shared::found();
                host::tick_every(TICK);
                true
            }
            Err(errors) => {
                log::error!("configuration refused: {} errors", errors.len());
                errors.iter().for_each(|error| log::error!("{error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        upstream::check_deadlines();
        shared::sync();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context, self.config.clone())))
    }
}
