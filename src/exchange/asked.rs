//! The models a request asks for: its own names, the default one, or what `routing.auto` chooses; and why, where that
//! is not plain from the names.

use crate::catalog::{Asked, Variant};
use crate::config::Config;
use crate::error::Error;
use crate::request::Request;
use crate::route;

/// The models to plan for, each once, and why they are not simply the names in the request.
pub(super) fn models<'a>(
    config: &'a Config,
    request: &'a Request,
    headers: &[(&str, &str)],
) -> Result<(Vec<Asked<'a>>, Option<String>), Error> {
    let mut names = request.models();
    if names.is_empty() {
        let missing = || Error::InvalidField { field: "model", problem: "is missing".to_owned() };
        names.push(config.default_model.as_deref().ok_or_else(missing)?);
    }
    let mut models: Vec<Asked<'a>> = Vec::with_capacity(names.len());
    let mut choice = Vec::new();
    for name in names {
        let asked = resolve(config, name)?;
        match config.routing.auto.as_ref().filter(|auto| auto.model == asked.model) {
            None => {
                choice.extend(alias(config, name, asked));
                add(&mut models, asked);
            }
            Some(auto) => {
                let chosen = route::choose(auto, request, headers);
                choice.push(format!("{name} is {}: {}", chosen.reason, chosen.models.join(", ")));
                for chosen in chosen.models.iter().filter_map(|name| config.catalog.resolve(name)) {
                    add(&mut models, Asked { variant: chosen.variant.or(asked.variant), auto: true, ..chosen });
                }
            }
        }
        choice.extend(asked.variant.and_then(stands_for).map(str::to_owned));
    }
    Ok((models, (!choice.is_empty()).then(|| choice.join("; "))))
}

/// A name without the suffix that was taken for a variant.
pub(super) fn without_variant(name: &str, variant: Option<Variant>) -> &str {
    variant.and_then(|_| name.rsplit_once(':')).map_or(name, |(base, _)| base)
}

fn resolve<'a>(config: &Config, name: &'a str) -> Result<Asked<'a>, Error> {
    let asked = config.catalog.resolve(name).ok_or_else(|| Error::UnknownModel(name.to_owned()))?;
    match asked.variant {
        Some(Variant::Online) => {
            let problem = "the variant :online is not supported: this gateway has no web search".to_owned();
            Err(Error::InvalidField { field: "model", problem })
        }
        _ => Ok(asked),
    }
}

/// Two names of the same endpoints, wanted in the same way, are one.
fn add<'a>(models: &mut Vec<Asked<'a>>, asked: Asked<'a>) {
    let same = |known: &Asked<'_>| (known.model, known.rest, known.variant) == (asked.model, asked.rest, asked.variant);
    if !models.iter().any(same) {
        models.push(asked);
    }
}

fn alias(config: &Config, name: &str, asked: Asked<'_>) -> Option<String> {
    let model = config.catalog.model(asked.model)?;
    let base = without_variant(name, asked.variant);
    (asked.rest.is_none() && model.id != base).then(|| format!("{base} is {}", model.id))
}

/// What a variant asks for.
fn stands_for(variant: Variant) -> Option<&'static str> {
    match variant {
        Variant::Nitro => Some(":nitro sorts by throughput and admits the tier priority"),
        Variant::Floor => Some(":floor sorts by price and admits the tier flex"),
        Variant::Exacto => Some(":exacto sorts by failures, then throughput"),
        Variant::Free => Some(":free admits what costs nothing"),
        Variant::Online => None,
    }
}
