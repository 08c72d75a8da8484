//! `paths` of the document: below which paths the gateway answers.

use super::field::Field;
use super::rule;
use crate::request::Paths;

/// Reads `paths`.
#[inline(never)]
pub(super) fn read(section: Option<Field<'_>>) -> Paths {
    let mut paths = Paths::default();
    let Some(section) = section else { return paths };
    let Some(mut o) = section.object() else {
        return paths;
    };
    let Paths { openai, openrouter, operator } = &mut paths;
    for (key, path) in [("openai", openai), ("openrouter", openrouter), ("operator", operator)] {
        if let Some(written) = o.string(key, &rule::FACE) {
            *path = written.to_owned();
        }
    }
    o.finish();
    check_apart(&section, &paths);
    paths
}

/// Refuses paths that lie in one another: a request must belong to one of them only.
fn check_apart(section: &Field<'_>, paths: &Paths) {
    let faces = [
        ("openai", paths.openai.as_str()),
        ("openrouter", &paths.openrouter),
        ("operator", &paths.operator),
    ];
    for (name, path) in faces {
        for (other, inner) in faces.into_iter().filter(|(other, _)| *other != name) {
            // Of two equal paths, the first is the one reported.
            if inner.starts_with(path) && (inner != path || name < other) {
                section.invalid(&format!(
                    "paths of which none lies in another; {other} {inner:?} lies in {name} {path:?}"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rules_of_paths() {
        let shape = "(allowed: a path that starts and ends with `/`)";
        let apart = "paths: invalid (allowed: paths of which none lies in another;";
        check_errors(&[
            ("/paths", r#"{"openai": "v1/"}"#, &format!("paths.openai: invalid: \"v1/\" {shape}")),
            ("/paths", r#"{"openai": "/v1"}"#, &format!("paths.openai: invalid: \"/v1\" {shape}")),
            (
                "/paths",
                r#"{"openai": "/a//"}"#,
                &format!("paths.openai: invalid: \"/a//\" {shape}"),
            ),
            (
                "/paths",
                r#"{"openai": "/a?/"}"#,
                &format!("paths.openai: invalid: \"/a?/\" {shape}"),
            ),
            (
                "/paths",
                r#"{"openai": "/api/"}"#,
                &format!("{apart} openrouter \"/api/v1/\" lies in openai \"/api/\")"),
            ),
            (
                "/paths",
                r#"{"operator": "/v1/"}"#,
                &format!("{apart} operator \"/v1/\" lies in openai \"/v1/\")"),
            ),
            (
                "/paths",
                r#"{"operator": "/"}"#,
                &format!(
                    "{apart} openai \"/v1/\" lies in operator \"/\")\n\
                     {apart} openrouter \"/api/v1/\" lies in operator \"/\")"
                ),
            ),
            (
                "/paths",
                r#"{"x": "/"}"#,
                "paths.x: unknown key (known: openai, openrouter, operator)",
            ),
        ]);
        let config = config_with("/paths", r#"{"openai": "/llm/v1/"}"#);
        assert_eq!(config.paths, Paths { openai: "/llm/v1/".to_owned(), ..Paths::default() });
    }
}
