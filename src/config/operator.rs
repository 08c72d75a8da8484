//! `operator` of the document: who may use the operator's paths.
//!
//! The document holds digests of keys, never the keys, so that it may be read by more people than
//! may use them.

use sha2::{Digest as _, Sha256};

use super::field::Field;
use super::rule::{self, Digest};

/// `operator` of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    /// Whether there are operator's paths at all; `false`: they pass like any other. Default:
    /// `true`.
    pub enabled: bool,
    /// Keys, of which the operator's paths ask for one as `Authorization: Bearer KEY`; each is
    /// given as `sha256`, in hexadecimal: `printf %s "$KEY" | sha256sum`. Default: nobody is asked.
    keys: Vec<Digest>,
}

impl Default for Operator {
    fn default() -> Self {
        Self { enabled: true, keys: Vec::new() }
    }
}

impl Operator {
    /// Whether requests must bring a key.
    pub fn asks_for_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether this is one of the keys. It takes the same time whatever the answer is, so that
    /// nobody can find a key by measuring.
    pub fn knows(&self, key: &str) -> bool {
        let digest = Sha256::digest(key.as_bytes());
        self.keys.iter().fold(false, |found, known| {
            found | (std::hint::black_box(difference(known, &digest)) == 0)
        })
    }
}

/// The bits in which two digests differ; all of them are looked at in any case.
fn difference(known: &Digest, given: &[u8]) -> u8 {
    known.iter().zip(given).fold(0, |bits, (known, given)| bits | (known ^ given))
}

/// Reads the section.
#[inline(never)]
pub(super) fn read(section: Option<Field<'_>>) -> Operator {
    let mut operator = Operator::default();
    let Some(mut o) = section.and_then(|field| field.object()) else {
        return operator;
    };
    operator.enabled = o.boolean("enabled").unwrap_or(operator.enabled);
    if let Some(keys) = o.optional("keys") {
        // Without keys everybody may ask, and whoever writes a list does not mean that.
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
    // If somebody writes the key itself in place of its digest, no log may show it.
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
