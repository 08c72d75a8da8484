//! Where OpenAI-compatible providers differ from OpenAI, as data.

use crate::config::Provider;

/// What a provider does not do as OpenAI does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Part of the host's name, e.g. `api.mistral.ai`.
    host: &'static str,
    /// Whether it knows `stream_options`; those that do not send usage unasked.
    pub stream_options: bool,
}

const USUAL: Quirks = Quirks { host: "", stream_options: true };

const TABLE: &[Quirks] = &[Quirks { host: "api.mistral.ai", stream_options: false }];

impl Quirks {
    /// Those of a provider, told by its host.
    pub fn of(provider: &Provider) -> Self {
        TABLE.iter().find(|quirks| provider.host.starts_with(quirks.host)).copied().unwrap_or(USUAL)
    }
}
