//! What the gateway answers itself: the catalogue, the caller's account, and recent exchanges, in
//! OpenRouter's schemas.
//!
//! No provider is called. Strict clients want every field, so none is left out; what is unknown is
//! null where the schema allows it. Source: OpenRouter's API description (2026-11); `models` is a
//! superset of OpenAI's.

mod account;
mod endpoint;
mod filter;
mod model;
mod query;

use std::time::Duration;

pub(crate) use query::Query;

use crate::catalog::Model;
use crate::config::Config;
use crate::error::{Error, ErrorForm, Reply};
use crate::operation::{Face, Operation};
use crate::request::Page;
use crate::route::Health;
use crate::usage::Ledger;
use crate::wire::json::Object;
use query::decoded;

/// What the gateway knows, of which answers are made.
pub struct Known<'a> {
    /// The providers and models.
    pub config: &'a Config,
    /// How the endpoints have been doing.
    pub health: &'a Health,
    /// What has been spent, for whoever may know.
    pub ledger: Option<Ledger>,
    /// Finds an exchange's record by its id.
    pub record: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    /// The time, since the Unix epoch.
    pub now: Duration,
}

/// Answers a request for `page`; `path` is the whole `:path`.
pub fn answer(known: &Known<'_>, face: Face, page: Page<'_>, path: &str) -> Reply {
    let query = Query::of(path);
    let body = match page {
        Page::Models => model::list(known, face, &query),
        Page::Count => filter::selected(known, &query)
            .map(|models| data(&format!("{{\"count\":{}}}", models.len()))),
        Page::Model(name) => model_named(known.config, name)
            .map(|(model, id)| data(&model::entry(known.config, model, &id))),
        Page::Retrieve(name) => model_named(known.config, name)
            .map(|(model, id)| model::entry(known.config, model, &id)),
        Page::Endpoints(name) => {
            model_named(known.config, name).map(|(model, id)| endpoint::list(known, model, &id))
        }
        Page::Providers => Ok(endpoint::providers(known.config)),
        Page::Key => Ok(account::key(known.ledger.map(|ledger| ledger.spent(known.now)))),
        Page::Generation => account::generation(known, &query),
    };
    match body {
        Ok(body) => Reply::json(200, body.into_bytes()),
        Err(error) => error.reply(ErrorForm::of(face, Operation::Chat)),
    }
}

/// Puts an answer into the envelope that most have.
fn data(json: &str) -> String {
    Object::new().json("data", json).end()
}

/// The model that a path names, and the id that it answers to, in which a wildcard is filled in.
fn model_named<'a>(config: &'a Config, name: &str) -> Result<(&'a Model, String), Error> {
    let name = decoded(name);
    let found =
        config.catalog.find(&name).and_then(|(id, rest)| Some((config.catalog.model(id)?, rest)));
    let Some((model, rest)) = found else { return Err(Error::NotFound { what: "Model", name }) };
    Ok((model, model.id_with(rest).into_owned()))
}

#[cfg(test)]
mod tests;
