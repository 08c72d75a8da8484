//! `paths` of the document: where the faces live.

use super::field::Field;
use super::rule;

/// Base paths; each starts and ends with `/`, and none lies in another.
#[derive(Clone, Debug, PartialEq)]
pub struct Paths {
    /// OpenAI's face, default `/v1/`.
    pub openai: String,
    /// OpenRouter's face, default `/api/v1/`.
    pub openrouter: String,
    /// The operator's page, default `/modelyard/`.
    pub operator: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            openai: "/v1/".to_owned(),
            openrouter: "/api/v1/".to_owned(),
            operator: "/modelyard/".to_owned(),
        }
    }
}

/// Reads the section.
pub(super) fn read(section: Option<Field<'_>>) -> Paths {
    let mut paths = Paths::default();
    let Some(section) = section else { return paths };
    let Some(mut o) = section.object() else {
        return paths;
    };
    for (key, path) in [
        ("openai", &mut paths.openai),
        ("openrouter", &mut paths.openrouter),
        ("operator", &mut paths.operator),
    ] {
        if let Some(written) = o.string(key, &rule::FACE) {
            *path = written.to_owned();
        }
    }
    o.finish();
    check_apart(&section, &paths);
    paths
}

/// A request's path must belong to one face only.
fn check_apart(section: &Field<'_>, paths: &Paths) {
    let faces = [
        ("openai", &paths.openai),
        ("openrouter", &paths.openrouter),
        ("operator", &paths.operator),
    ];
    for (name, path) in faces {
        for (other, inner) in faces.into_iter().filter(|(other, _)| *other != name) {
            // Of two equal paths, the first is the one reported.
            if inner.starts_with(path.as_str()) && (inner != path || name < other) {
                section.invalid(&format!(
                    "paths of which none lies in another; {other} {inner:?} lies in {name} {path:?}"
                ));
            }
        }
    }
}
