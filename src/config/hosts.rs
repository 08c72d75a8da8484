//! `hosts` of the document: which authorities are the gateway's.

use super::field::Field;
use super::rule;
use crate::request::Hosts;

/// Reads the section.
#[inline(never)]
pub(super) fn read(section: Option<Field<'_>>) -> Hosts {
    let patterns = section.map(|field| field.strings(&rule::HOST_PATTERN)).unwrap_or_default();
    Hosts::new(&patterns)
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rules_of_hosts() {
        let allowed = "(allowed: a host name, exact or with `*.` in front)";
        let wrong = ["", "*", "*.", "a.*", "https://a", "a/b", "a b", "*.*.a", "**.a"];
        for host in wrong {
            let error = format!("hosts[0]: invalid: \"{host}\" {allowed}");
            check_errors(&[("/hosts", &format!("[\"{host}\"]"), &error)]);
        }
        check_errors(&[("/hosts", "\"a\"", "hosts: wrong type: string (allowed: list)")]);
        let hosts = config_with("/hosts", r#"["llm.example.com", "*.ai.example.com"]"#).hosts;
        assert!(hosts.include("x.ai.example.com:443") && !hosts.include("example.com"));
        assert!(config_with("/hosts", "[]").hosts.include("example.com"));
    }
}
