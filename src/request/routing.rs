//! What a request asks of the gateway and not of a model, in fields that are never forwarded.

use super::field::Field;
use super::plugin::{self, AutoRouter};
use super::preferences::{Partition, Preferences};
use super::problem;
use crate::error::Error;
use crate::wire::json::Reader;

/// What the client wants of the gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Routing {
    /// The object `provider`; `None`: the client has no preferences.
    pub(super) preferences: Option<Box<Preferences>>,
    /// `route`, the old name of `provider.sort.partition`.
    route: Option<Partition>,
    pub(super) preset: Option<String>,
    /// What the client lets `routing.auto` choose from, if it says so.
    pub(super) auto_router: Option<Box<AutoRouter>>,
    /// Names of the fields that ask for something this gateway does not do.
    pub(super) unapplied: Vec<&'static str>,
}

impl Routing {
    /// Reads the value of a field that is not null; `body` is all of the body.
    pub(super) fn read(
        &mut self,
        field: Field,
        reader: &mut Reader<'_>,
        body: &[u8],
    ) -> Result<(), Error> {
        match field {
            Field::Provider => self.preferences = Some(Box::new(Preferences::read(reader, body)?)),
            Field::Route => self.route = Some(route(reader)?),
            Field::Preset => self.preset = Some(problem::text(reader, field.name())?),
            Field::Transforms => {
                let asks = !problem::texts(reader, field.name())?.is_empty();
                self.unapplied.extend(asks.then_some(field.name()));
            }
            Field::Plugins => {
                let plugins = plugin::read(reader)?;
                self.auto_router = plugins.auto_router;
                self.unapplied.extend(plugins.unapplied.then_some(field.name()));
            }
            // `debug` and `trace` ask for something whatever they say.
            _ => {
                reader.skip()?;
                self.unapplied.push(field.name());
            }
        }
        Ok(())
    }

    /// Whether the models are kept apart in the plan.
    pub(super) fn partition(&self) -> Partition {
        let partition = self.preferences.as_ref().and_then(|preferences| preferences.partition);
        partition.or(self.route).unwrap_or(Partition::Model)
    }
}

fn route(reader: &mut Reader<'_>) -> Result<Partition, Error> {
    match problem::text(reader, Field::Route.name())?.as_str() {
        "fallback" => Ok(Partition::Model),
        "sort" => Ok(Partition::None),
        _ => Err(Field::Route.wrong("must be fallback or sort")),
    }
}
