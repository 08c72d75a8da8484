//! `cors` of the document: which web pages may use the gateway.

use super::field::Field;
use super::rule;
use crate::request::Cors;

/// Reads the section; `None`: no web page may.
#[inline(never)]
pub(super) fn read(section: Option<Field<'_>>) -> Option<Cors> {
    let section = section.filter(|field| !field.is_empty())?;
    let mut o = section.object()?;
    let origins = o.required("origins", rule::ORIGIN.allowed);
    let mut cors = Cors {
        origins: origins.map(|field| field.strings(&rule::ORIGIN)).unwrap_or_default(),
        ..Cors::default()
    };
    cors.methods = o.strings("methods", &rule::METHOD).unwrap_or(cors.methods);
    cors.headers = o.strings("headers", &rule::HEADER_NAME);
    cors.expose = o.strings("expose", &rule::HEADER_NAME).unwrap_or(cors.expose);
    o.finish();
    Some(cors)
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rules_of_cors() {
        let origin =
            "`*`, or `scheme://host` with a port if need be, in lower case, without a path";
        for wrong in
            ["", "a.example", "https://", "https://a.example/", "https://A.example", "ftp://a b"]
        {
            let error = format!("cors.origins[0]: invalid: \"{wrong}\" (allowed: {origin})");
            check_errors(&[("/cors", &format!("{{\"origins\": [\"{wrong}\"]}}"), &error)]);
        }
        check_errors(&[
            (
                "/cors",
                r#"{"methods": ["GET"]}"#,
                &format!("cors.origins: missing (expected: {origin})"),
            ),
            (
                "/cors",
                r#"{"origins": ["*"], "methods": ["get"]}"#,
                "cors.methods[0]: invalid: \"get\" (allowed: a method in capital letters)",
            ),
            (
                "/cors",
                r#"{"origins": ["*"], "credentials": true}"#,
                "cors.credentials: unknown key (known: expose, headers, methods, origins)",
            ),
        ]);
    }

    #[test]
    fn without_the_section_no_page_may() {
        assert_eq!(config_with("/cors", "{}").cors, None);
        let cors = config_with("/cors", r#"{"origins": ["https://a.example:8443"]}"#).cors.unwrap();
        assert!(cors.answer("https://a.example:8443").is_some());
        assert!(cors.expose.iter().any(|name| name == "x-generation-id"));
    }
}
