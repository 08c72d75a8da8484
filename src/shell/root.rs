//! One plugin configuration: read when the host hands it over, shared by the streams that begin under it.

use std::rc::Rc;
use std::time::Duration;

use super::host::{self, Level};
use super::{shared, upstream};
use crate::config::Config;

/// How often deadlines are looked at and workers tell each other what can wait.
const TICK: Duration = Duration::from_millis(100);

/// The root context of one plugin configuration.
#[derive(Default)]
pub(super) struct Root {
    config: Option<Rc<Config>>,
}

impl Root {
    /// Takes the configuration in; false if it cannot be used, and then the host keeps the one before.
    pub(super) fn configure(&mut self, size: usize) -> bool {
        let bytes = host::buffer(host::Buffer::PluginConfiguration, size);
        match Config::parse(&bytes, &|name| std::env::var(name).ok()) {
            Ok((config, warnings)) => {
                warnings.iter().for_each(|warning| host::log(Level::Warn, &warning.to_string()));
                host::log(Level::Info, &format!("configuration {} in use", config.hash));
                self.config = Some(Rc::new(config));
                shared::found();
                host::tick_every(TICK);
                true
            }
            Err(errors) => {
                host::log(Level::Error, &format!("configuration refused: {} errors", errors.len()));
                errors.iter().for_each(|error| host::log(Level::Error, &error.to_string()));
                false
            }
        }
    }

    /// The configuration in use.
    pub(super) fn config(&self) -> Option<Rc<Config>> {
        self.config.clone()
    }

    pub(super) fn tick() {
        upstream::check_deadlines();
        shared::sync();
    }
}
