//! One plugin configuration: read when the host hands it over, shared by the streams that begin
//! under it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use sha2::{Digest as _, Sha256};

use super::stream::Stream;
use super::{keep_alive, shared, upstream, worker};
use crate::config::Config;

/// How often deadlines are looked at and workers tell each other what can wait.
const TICK: Duration = Duration::from_millis(100);

/// Ticks until a body that does not come is told of.
const LONGEST_WAIT: u32 = 100;
const MISSING_BODY: &str = "a request's body has not come for ten seconds: if every request hangs, the filter lacks \
                            allow_on_headers_stop_iteration: true";

/// The last configuration that was read, and the SHA-256 of the bytes it was read from.
type Last = Option<([u8; 32], Weak<Config>)>;

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(None) };
}

/// The root context of one plugin configuration.
#[derive(Default)]
pub(super) struct Root {
    config: Option<Rc<Config>>,
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        // It may be the VM's last.
        shared::flush();
        true
    }
}

impl RootContext for Root {
    /// Takes the configuration in; false if it cannot be used, and then the host keeps the one
    /// before.
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let Some(config) = read_once(&bytes) else { return false };
        log::info!("configuration {} in use", config.hash);
        if config.telemetry.keep_alive.is_some() {
            keep_alive::start();
        }
        shared::create_values();
        self.config = Some(config);
        self.set_tick_period(TICK);
        true
    }

    fn on_tick(&mut self) {
        if worker::misses_body(LONGEST_WAIT) {
            log::error!("{MISSING_BODY}");
        }
        upstream::check_deadlines();
        keep_alive::tick();
        shared::sync();
    }

    fn on_queue_ready(&mut self, queue: u32) {
        keep_alive::turn(queue);
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(context, self.config.clone())))
    }
}

/// The configuration that `bytes` hold, read only if they are not those of the last one that is
/// still in use.
///
/// Both roles are given the same bytes, and one copy of the catalogue is enough.
fn read_once(bytes: &[u8]) -> Option<Rc<Config>> {
    let digest = Sha256::digest(bytes).into();
    let last =
        LAST.with_borrow(|last| last.as_ref().filter(|(known, _)| *known == digest)?.1.upgrade());
    last.or_else(|| {
        let config = Rc::new(read(bytes)?);
        LAST.set(Some((digest, Rc::downgrade(&config))));
        Some(config)
    })
}

/// Reads a configuration, and logs what is wrong with it.
fn read(bytes: &[u8]) -> Option<Config> {
    match Config::parse(bytes, &|name| std::env::var(name).ok()) {
        Ok((config, warnings)) => {
            warnings.iter().for_each(|warning| log::warn!("{warning}"));
            Some(config)
        }
        Err(errors) => {
            log::error!("configuration refused, errors: {}", errors.len());
            errors.iter().for_each(|error| log::error!("{error}"));
            None
        }
    }
}
