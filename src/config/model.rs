//! `models` of the document: what may be asked for.

use std::collections::BTreeMap;

use super::ConfigErrorKind;
use super::document::quoted;
use super::endpoint;
use super::field::Field;
use super::provider::Upstreams;
use super::rule;
use super::terms::Terms;
use crate::catalog::{Catalog, Model, ModelId};

const MODALITIES: &[(&str, Option<&str>)] = &[
    ("text", Some("text")),
    ("image", Some("image")),
    ("file", Some("file")),
    ("audio", Some("audio")),
    ("video", Some("video")),
];

/// Reads the section; without it there are no models.
pub(super) fn read(section: Option<Field<'_>>, upstreams: &Upstreams<'_>) -> Catalog {
    let mut names = Names::default();
    let models = section.map(|field| field.items()).unwrap_or_default();
    Catalog::new(
        models
            .iter()
            .filter_map(|field| model(field, upstreams, &mut names))
            .collect(),
    )
}

fn model(field: &Field<'_>, upstreams: &Upstreams<'_>, names: &mut Names) -> Option<Model> {
    let mut o = field.object()?;
    let id = o
        .required("id", rule::MODEL_ID.allowed)
        .and_then(|field| names.claim(&field, field.string(&rule::MODEL_ID)?));
    let is_wildcard = id.is_none_or(|id| id.ends_with('*'));
    let id = id.unwrap_or_default();
    let name = o.string("name", &rule::TITLE).unwrap_or(id).to_owned();
    let aliases = o
        .optional("aliases")
        .map(|field| aliases(&field, id, names))
        .unwrap_or_default();
    let input_modalities = o
        .optional("input_modalities")
        .map(|field| modalities(&field));
    let terms = Terms::read(&mut o);
    let context_length = terms.context_length;
    let endpoints = o
        .required("endpoints", "a list of at least one endpoint")
        .map(|field| {
            endpoint::read_all(
                &field,
                &endpoint::Above {
                    is_wildcard,
                    terms,
                    upstreams,
                },
            )
        })
        .unwrap_or_default();
    o.finish();
    Some(Model {
        id: id.to_owned(),
        name,
        aliases,
        context_length,
        input_modalities,
        endpoints,
    })
}

/// A wildcard has none: an alias takes no part of a name for the upstream.
fn aliases(section: &Field<'_>, id: &str, names: &mut Names) -> Vec<String> {
    if id.ends_with('*') && !section.is_empty() {
        section.invalid("no aliases of a wildcard model");
        return Vec::new();
    }
    let items = section.items();
    let claimed = items
        .iter()
        .filter_map(|f| names.claim(f, f.string(&rule::MODEL_NAME)?));
    claimed.map(str::to_owned).collect()
}

fn modalities(section: &Field<'_>) -> Vec<String> {
    let items = section.items();
    if section.is_empty() {
        section.invalid("at least one modality");
    }
    items
        .iter()
        .filter_map(|f| f.choice(MODALITIES))
        .map(str::to_owned)
        .collect()
}

/// Every id and alias so far, with the path where it stands.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    /// The name, unless another model or alias has it.
    fn claim<'a>(&mut self, field: &Field<'_>, name: &'a str) -> Option<&'a str> {
        if let Some(first) = self.0.get(name) {
            let (value, first) = (quoted(name), first.clone());
            field.error(ConfigErrorKind::Duplicate { value, first });
            return None;
        }
        self.0.insert(name.to_owned(), field.path.clone());
        Some(name)
    }
}

/// The model that requests without one ask for, with the name they then ask for.
pub(super) fn read_default(
    field: Option<Field<'_>>,
    catalog: &Catalog,
) -> Option<(ModelId, String)> {
    let field = field?;
    let name = field.string(&rule::MODEL_NAME)?;
    let found = catalog.find(name);
    if found.is_none() {
        let known = catalog
            .models()
            .iter()
            .map(|model| model.id.clone())
            .collect();
        field.error(ConfigErrorKind::NotFound {
            value: quoted(name),
            known,
        });
    }
    found.map(|(id, _)| (id, name.to_owned()))
}
