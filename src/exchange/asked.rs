//! The models a request asks for: its own names, the default one, or what `routing.auto` chooses;
//! and why, where that is not plain from the names.

use crate::catalog::{Asked, Variant};
use crate::config::Config;
use crate::error::Error;
use crate::request::Request;
use crate::route::{self, Choice};

/// The models to plan for, each once, and why they are not simply the names in the request.
// Keeps its caller small, as the host's compiler takes memory by the size of the largest function.
#[inline(never)]
pub(super) fn models<'a>(
    config: &'a Config,
    request: &'a Request,
    headers: &[(&str, &str)],
) -> Result<(Vec<Asked<'a>>, Option<String>), Error> {
    let mut models = Models {
        config,
        asked: Vec::with_capacity(1 + request.fallbacks()),
        choice: String::new(),
    };
    if request.model().is_none() {
        let default = config.default_model.as_deref().ok_or_else(missing_model)?;
        models.resolve(default, request, headers)?;
    }
    for name in request.models() {
        models.resolve(name, request, headers)?;
    }
    let Models { asked, choice, .. } = models;
    Ok((asked, (!choice.is_empty()).then_some(choice)))
}

#[cold]
fn missing_model() -> Error {
    Error::InvalidField { field: "model", problem: "is missing".to_owned() }
}

struct Models<'a> {
    config: &'a Config,
    asked: Vec<Asked<'a>>,
    /// Why they are not the names in the request; empty: they are.
    choice: String,
}

impl<'a> Models<'a> {
    fn resolve(
        &mut self,
        name: &'a str,
        request: &Request,
        headers: &[(&str, &str)],
    ) -> Result<(), Error> {
        let asked = resolve(self.config, name)?;
        match self.config.routing.auto.as_ref().filter(|auto| auto.model == asked.model) {
            None => {
                self.explain_alias(name, asked);
                self.add(asked);
            }
            Some(auto) => {
                let chosen = route::choose(auto, request, headers);
                self.add_chosen(&chosen, name, asked.variant);
            }
        }
        if let Some(stands_for) = asked.variant.and_then(stands_for) {
            self.explain(stands_for);
        }
        Ok(())
    }

    /// Adds a model, unless another name has asked for the same one.
    fn add(&mut self, asked: Asked<'a>) {
        if !self.asked.iter().any(|known| is_same(known, &asked)) {
            self.asked.push(asked);
        }
    }

    #[cold]
    fn add_chosen(&mut self, chosen: &Choice<'a>, name: &str, variant: Option<Variant>) {
        self.explain(&format!("{name} is {}: {}", chosen.reason, chosen.models.join(", ")));
        for chosen in chosen.models.iter().filter_map(|name| self.config.catalog.resolve(name)) {
            self.add(Asked { variant: chosen.variant.or(variant), auto: true, ..chosen });
        }
    }

    fn explain_alias(&mut self, name: &str, asked: Asked<'_>) {
        let base = without_variant(name, asked.variant);
        let model = self
            .config
            .catalog
            .model(asked.model)
            .filter(|model| asked.rest.is_none() && model.id != base);
        if let Some(model) = model {
            self.explain(&[base, " is ", &model.id].concat());
        }
    }

    #[cold]
    fn explain(&mut self, reason: &str) {
        if !self.choice.is_empty() {
            self.choice.push_str("; ");
        }
        self.choice.push_str(reason);
    }
}

/// Whether two names mean the same endpoints, and want them in the same way.
fn is_same(one: &Asked<'_>, other: &Asked<'_>) -> bool {
    (one.model, one.rest, one.variant) == (other.model, other.rest, other.variant)
}

/// A name without the suffix that was taken for a variant.
pub(super) fn without_variant(name: &str, variant: Option<Variant>) -> &str {
    variant.and_then(|_| name.rsplit_once(':')).map_or(name, |(base, _)| base)
}

fn resolve<'a>(config: &Config, name: &'a str) -> Result<Asked<'a>, Error> {
    let asked = config.catalog.resolve(name).ok_or_else(|| Error::UnknownModel(name.to_owned()))?;
    match asked.variant {
        Some(Variant::Online) => {
            let problem =
                "the variant :online is not supported: this gateway has no web search".to_owned();
            Err(Error::InvalidField { field: "model", problem })
        }
        _ => Ok(asked),
    }
}

/// What a variant asks for, in words for people.
fn stands_for(variant: Variant) -> Option<&'static str> {
    match variant {
        Variant::Nitro => Some(":nitro sorts by throughput and admits the tier priority"),
        Variant::Floor => Some(":floor sorts by price and admits the tier flex"),
        Variant::Exacto => Some(":exacto sorts by failures, then throughput"),
        Variant::Free => Some(":free admits what costs nothing"),
        Variant::Online => None,
    }
}
