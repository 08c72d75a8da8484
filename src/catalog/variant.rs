//! The suffix of a model's name: `author/slug:variant`.
//!
//! Source: OpenRouter's model id grammar. A name that the catalogue knows as it stands is never
//! taken apart.

use super::{Catalog, ModelId, Tier};

/// What a suffix asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// `:nitro`: the fastest endpoint first, those of the priority tier among them.
    Nitro,
    /// `:floor`: the cheapest endpoint first, those of the flex tier among them.
    Floor,
    /// `:exacto`: the most reliable endpoint first.
    Exacto,
    /// `:free`: only endpoints that cost nothing.
    Free,
    /// `:online`: with web search, which this gateway has not.
    Online,
}

impl Variant {
    /// The tier whose endpoints it admits besides those of the default tier.
    pub fn admits(self) -> Option<Tier> {
        match self {
            Self::Nitro => Some(Tier::Priority),
            Self::Floor => Some(Tier::Flex),
            Self::Exacto | Self::Free | Self::Online => None,
        }
    }

    /// The suffix, without its colon.
    pub fn name(self) -> &'static str {
        VARIANTS.iter().find(|(_, variant)| *variant == self).map_or("", |(name, _)| name)
    }
}

/// Every variant by its suffix.
const VARIANTS: [(&str, Variant); 5] = [
    ("nitro", Variant::Nitro),
    ("floor", Variant::Floor),
    ("exacto", Variant::Exacto),
    ("free", Variant::Free),
    ("online", Variant::Online),
];

/// A model that was asked for, as the catalogue found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The model.
    pub model: ModelId,
    /// The part of the name that the model's wildcard took.
    pub rest: Option<&'a str>,
    /// What the name's suffix asks for.
    pub variant: Option<Variant>,
    /// Whether `routing.auto` chose it.
    pub auto: bool,
}

impl Catalog {
    /// Finds a name by [`Catalog::find`], its suffix taken off where the name is not known with it.
    ///
    /// In the part that a wildcard takes, a suffix is left as it is, because the upstream may know
    /// it; only those that ask for an order are the gateway's in any case.
    pub fn resolve<'a>(&self, name: &'a str) -> Option<Asked<'a>> {
        let whole =
            self.find(name).map(|(model, rest)| Asked { model, rest, variant: None, auto: false });
        if whole.is_some_and(|asked| asked.rest.is_none()) {
            return whole;
        }
        let variant = name.rsplit_once(':').and_then(|(base, suffix)| {
            let (_, variant) = VARIANTS.iter().find(|(name, _)| *name == suffix)?;
            let (model, rest) = self.find(base)?;
            let orders = matches!(variant, Variant::Nitro | Variant::Floor | Variant::Exacto);
            (rest.is_none() || orders).then_some(Asked {
                model,
                rest,
                variant: Some(*variant),
                auto: false,
            })
        });
        variant.or(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::model;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_suffix_is_taken_off_only_where_the_name_is_not_known_with_it() {
        let catalog = Catalog::new(vec![
            model("a/b", &["b", "~a/b-latest"]),
            model("a/b:free", &[]),
            model("a/c:nitro", &[]),
            model("w/*", &[]),
        ]);
        let rows = [
            ("a/b", Some((0, None, None))),
            ("~a/b-latest", Some((0, None, None))),
            ("~a/b-latest:floor", Some((0, None, Some(Variant::Floor)))),
            ("a/b:free", Some((1, None, None))),
            ("b:free", Some((0, None, Some(Variant::Free)))),
            ("a/b:nitro", Some((0, None, Some(Variant::Nitro)))),
            ("a/b:exacto", Some((0, None, Some(Variant::Exacto)))),
            ("a/b:online", Some((0, None, Some(Variant::Online)))),
            ("a/c:nitro", Some((2, None, None))),
            ("a/c", None),
            ("a/b:thinking", None),
            ("a/b:", None),
            ("a/b:NITRO", None),
            ("w/x:8b", Some((3, Some("x:8b"), None))),
            ("w/x:8b:nitro", Some((3, Some("x:8b"), Some(Variant::Nitro)))),
            ("w/x:free", Some((3, Some("x:free"), None))),
            (":nitro", None),
        ];
        for (name, expected) in rows {
            let expected = expected.map(|(index, rest, variant)| Asked {
                model: ModelId(index),
                rest,
                variant,
                auto: false,
            });
            assert_eq!(catalog.resolve(name), expected, "{name}");
        }
    }
}
