//! `operator` of the document: who may use the operator's paths.
//!
//! The document holds digests of keys, never the keys, so that it may be read by more people than
//! may use them.

use sha2::{Digest as _, Sha256};

use super::Paths;
use super::field::Field;
use super::rule::{self, Digest};

/// `operator` of the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operator {
    /// Of the keys; empty: nobody is asked for one.
    keys: Vec<Digest>,
}

impl Operator {
    /// Whether requests must bring a key.
    pub fn asks_for_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether this is one of the keys. Takes the same time whichever it is, and whether or not it
    /// is one.
    pub fn knows(&self, key: &str) -> bool {
        let digest = Sha256::digest(key.as_bytes());
        let differs = |known: &Digest| {
            known.iter().zip(&digest).fold(0, |bits, (known, given)| bits | (known ^ given))
        };
        self.keys
            .iter()
            .fold(false, |found, known| found | (std::hint::black_box(differs(known)) == 0))
    }
}

/// Reads the section; where it is not enabled, `paths` have none for it.
#[inline(never)]
pub(super) fn read(section: Option<Field<'_>>, paths: &mut Paths) -> Operator {
    let mut operator = Operator::default();
    let Some(mut o) = section.and_then(|field| field.object()) else {
        return operator;
    };
    if o.boolean("enabled") == Some(false) {
        paths.operator = None;
    }
    if let Some(keys) = o.optional("keys") {
        // No key would mean that everybody may, which nobody means who writes a list.
        if keys.is_empty() {
            keys.invalid("a list of at least one key");
        }
        operator.keys = keys.items().iter().filter_map(read_key).collect();
    }
    o.finish();
    operator
}

fn read_key(field: &Field<'_>) -> Option<Digest> {
    let mut o = field.object()?;
    // Who writes the key itself in place of its digest must not find it in a log.
    let digest = o
        .required("sha256", rule::SHA256.allowed)
        .and_then(|field| field.secret().string(&rule::SHA256));
    o.finish();
    rule::digest_of_hex(digest?)
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Of `test`.
    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn rules_of_the_operator() {
        let list = "operator.keys: invalid (allowed: a list of at least one key)";
        let digest = "operator.keys[0].sha256: invalid (allowed: 64 hexadecimal digits)";
        check_errors(&[
            ("/operator", r#"{"keys": []}"#, list),
            ("/operator", r#"{"keys": [{"sha256": "my-secret"}]}"#, digest),
            ("/operator", &format!(r#"{{"keys": [{{"sha256": "{DIGEST}0"}}]}}"#), digest),
            (
                "/operator",
                r#"{"enabled": "no"}"#,
                "operator.enabled: wrong type: string (allowed: true or false)",
            ),
            ("/operator", r#"{"key": 1}"#, "operator.key: unknown key (known: enabled, keys)"),
        ]);
    }

    #[test]
    fn only_its_keys_are_known() {
        let open = config_with("/operator", "{}").operator;
        assert!(!open.asks_for_key() && !open.knows("test"));
        for digest in [DIGEST.to_owned(), DIGEST.to_uppercase()] {
            let keys = format!(
                r#"{{"keys": [{{"sha256": "{}"}}, {{"sha256": "{digest}"}}]}}"#,
                "0".repeat(64)
            );
            let closed = config_with("/operator", &keys).operator;
            assert!(closed.asks_for_key() && closed.knows("test"));
            for other in ["", "Test", "test ", DIGEST] {
                assert!(!closed.knows(other), "{other}");
            }
        }
    }

    #[test]
    fn what_is_off_has_no_path() {
        assert_eq!(config_with("/operator", r#"{"enabled": false}"#).paths.operator, None);
        assert!(config_with("/operator", "{}").paths.operator.is_some());
    }
}
