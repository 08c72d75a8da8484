//! One plugin configuration: read when the host hands it over, shared by the streams that begin
//! under it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::host::{self, Level};
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

impl Root {
    /// Takes the configuration in; false if it cannot be used, and then the host keeps the one
    /// before.
    pub(super) fn configure(&mut self, size: usize) -> bool {
        let bytes = host::buffer(host::Buffer::PluginConfiguration, size);
        let Some(config) = read_once(&bytes) else { return false };
        host::log(Level::Info, &format!("configuration {} in use", config.hash));
        if config.telemetry.keep_alive.is_some() {
            keep_alive::start();
        }
        shared::create_values();
        self.config = Some(config);
        host::tick_every(TICK);
        true
    }

    /// The configuration in use.
    pub(super) fn config(&self) -> Option<Rc<Config>> {
        self.config.clone()
    }

    pub(super) fn tick() {
        if worker::misses_body(LONGEST_WAIT) {
            host::log(Level::Error, MISSING_BODY);
        }
        upstream::check_deadlines();
        keep_alive::tick();
        shared::sync();
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
            warnings.iter().for_each(|warning| host::log(Level::Warn, &warning.to_string()));
            Some(config)
        }
        Err(errors) => {
            host::log(Level::Error, &format!("configuration refused, errors: {}", errors.len()));
            errors.iter().for_each(|error| host::log(Level::Error, &error.to_string()));
            None
        }
    }
}
