//! The configuration document: raw value → validated, immutable [`Config`].
//!
//! `document` brings JSON text and `Struct` bytes to one value, `reader` reads it field by field,
//! and each section of the document has a file with its type, its defaults and its rules. Nothing
//! here stops at the first error: a document is accepted whole, or refused with everything that is
//! wrong.
//!
//! The comments of the fields are the users' reference: `docs/configuration.md` is made of them, of
//! each the first paragraph, which ends in "Default: …." or "Required.".

mod api;
mod auth;
mod auto;
mod cors;
mod document;
mod endpoint;
mod error;
mod field;
mod hash;
mod hosts;
mod json;
mod limits;
mod model;
mod operator;
mod paths;
mod preset;
mod pricing;
mod protobuf;
mod provider;
mod reader;
mod routing;
mod rule;
mod telemetry;
mod terms;
#[cfg(test)]
mod tests;
mod value;

pub use api::{Api, FORMATS, Facts};
pub use auth::{Auth, Key, Sigv4};
pub use auto::{Auto, AutoRule};
pub use error::{ConfigError, ConfigErrorKind, Warning, WarningKind};
pub use operator::{Caller, Operator};
pub use preset::Presets;
pub use provider::Provider;
pub use routing::{Routing, Sort};
pub use telemetry::{Record, Telemetry};

use crate::catalog::{AUTO, Catalog, ProviderId};
use crate::request::{Cors, Hosts, Limits, Paths, Surface};
use field::Field;
use provider::Upstreams;
use reader::{Object, Report};

/// Everything an exchange needs to know of the operator's wishes; never changes once parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// A hash of the parsed value in 16 hexadecimal digits: the same for JSON text and `Struct`.
    pub hash: String,
    /// The providers, ordered by id, so that the order is the same whatever form the document came
    /// in.
    pub providers: Vec<Provider>,
    /// The models and their endpoints.
    pub catalog: Catalog,
    /// The model of requests that name none. Default: none, so that they are refused.
    ///
    /// The catalogue knows it.
    pub default_model: Option<String>,
    /// How endpoints are ordered and how long they may take.
    pub routing: Routing,
    /// What exchanges tell about themselves.
    pub telemetry: Telemetry,
    /// Below which paths the gateway answers.
    pub paths: Paths,
    /// Which authorities are the gateway's: host names, exact or with `*.` in front; port and case
    /// do not count. Requests to others pass untouched. Default: all.
    pub hosts: Hosts,
    /// Which web pages may use the gateway; `None`: none.
    pub cors: Option<Cors>,
    /// Who may use the operator's paths.
    pub operator: Operator,
    /// How many bytes of requests and answers may be held.
    pub limits: Limits,
    /// Request fields by name, for `@preset/NAME`. Default: none.
    pub presets: Presets,
}

/// The sections in the order of the documentation, which is the order of errors.
const SECTIONS: &[&str] = &[
    "providers",
    "models",
    "default_model",
    "routing",
    "tenants",
    "anonymous",
    "telemetry",
    "paths",
    "hosts",
    "cors",
    "operator",
    "limits",
    "presets",
    "mode",
];

impl Config {
    /// Reads JSON text or a serialised `google.protobuf.Struct`; `env` looks up the variables of
    /// provider keys.
    ///
    /// Warnings come with a usable configuration; all errors come together, unknown sections first,
    /// then by section.
    pub fn parse(
        bytes: &[u8],
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Self, Vec<Warning>), Vec<ConfigError>> {
        let (value, errors) = document::read(bytes).map_err(|error| vec![error])?;
        let report = Report::new(env, errors);
        let config = Field::root(&value, &report).object().map(Self::read);
        let (mut errors, mut warnings) = report.into_parts();
        warnings.sort_by_cached_key(|warning| section(&warning.path));
        errors.sort_by_cached_key(|error| section(&error.path));
        match config {
            Some(config) if errors.is_empty() => {
                Ok((Self { hash: hash::hash(&value), ..config }, warnings))
            }
            _ => Err(errors),
        }
    }

    /// What a request asks of the gateway. `path` may carry a query.
    pub fn surface<'a>(&self, authority: &str, method: &str, path: &'a str) -> Surface<'a> {
        if self.hosts.include(authority) {
            Surface::of(&self.paths, method, path)
        } else {
            Surface::Elsewhere
        }
    }

    /// Whether one of the providers is served by this cluster.
    pub fn has_cluster(&self, cluster: &[u8]) -> bool {
        self.providers.iter().any(|provider| provider.cluster.as_bytes() == cluster)
    }

    /// The provider of an id this configuration made.
    pub fn provider(&self, id: ProviderId) -> Option<&Provider> {
        self.providers.get(id.0)
    }

    /// Reads every section. Routing comes first, because providers inherit its timeouts; what it
    /// says of models is read after them.
    ///
    /// The sections' readers are never inlined: the host's compiler takes memory by the size of the
    /// largest function.
    fn read(mut o: Object<'_>) -> Self {
        let (mut routing, timeouts, auto) = routing::read(o.optional("routing"));
        let providers = o.required("providers", "an object of at least one provider");
        let upstreams = Upstreams::read(providers, &timeouts);
        let catalog = model::read(o.optional("models"), &upstreams, auto.as_ref());
        let auto_model = catalog.find(AUTO).map(|(model, _)| model);
        routing.auto = auto.zip(auto_model).map(|(auto, model)| auto::read(&auto, model, &catalog));
        let default_model = model::read_default(o.optional("default_model"), &catalog);
        refuse_later_sections(&mut o);
        let presets = preset::read(o.optional("presets"), &catalog);
        let config = Self {
            hash: String::new(),
            providers: upstreams.providers,
            catalog,
            default_model,
            routing,
            telemetry: telemetry::read(o.optional("telemetry")),
            paths: paths::read(o.optional("paths")),
            hosts: hosts::read(o.optional("hosts")),
            cors: cors::read(o.optional("cors")),
            operator: operator::read(o.optional("operator")),
            limits: limits::read(o.optional("limits")),
            presets,
        };
        o.finish();
        config
    }
}

/// Refuses the sections that only a later version enforces: an operator must not believe that this
/// one does.
fn refuse_later_sections(o: &mut Object<'_>) {
    if let Some(field) = o.optional("tenants").filter(|field| !field.is_empty()) {
        field.not_supported("none");
    }
    if let Some(field) = o.optional("anonymous") {
        field.not_supported("none, everyone may use everything");
    }
    if let Some(field) = o.optional("mode")
        && field.one_of(&["native", "callout"]) == Some("callout")
    {
        field.not_supported("native");
    }
}

/// The place of a path's section in the order of errors. What is of no known section comes first,
/// because other errors may follow from it.
// A number of the type that other keys have, as the module holds the code of sorting once per type.
fn section(path: &str) -> u128 {
    let name = path.split(['.', '[']).next();
    SECTIONS
        .iter()
        .position(|section| Some(*section) == name)
        .map_or(0, |position| position as u128 + 1)
}
