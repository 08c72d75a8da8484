//! `operator` of the document: who may use the operator's paths.
//!
//! The document holds digests of keys, never the keys, so that it may be read by more people than
//! may use them.

use sha2::{Digest as _, Sha256};

use super::field::Field;
use super::rule::{self, Digest};

/// `operator` of the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operator {
    /// Keys, of which the operator's paths ask for one as `Authorization: Bearer KEY`; each is
    /// given as `sha256`, in hexadecimal: `printf %s "$KEY" | sha256sum`. Default: none, so that
    /// the operator's paths are off.
    keys: Vec<Digest>,
}

/// Who asks, as far as the operator's keys tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Who has one of the operator's keys.
    Operator,
    /// Who has another key.
    Unknown,
    /// Who shows none.
    Anonymous,
}

impl Operator {
    /// Whether there are keys, without which the operator's paths are off.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Who asks with this header.
    pub fn caller(&self, authorization: Option<&str>) -> Caller {
        match authorization.and_then(bearer) {
            Some(key) if self.knows(key) => Caller::Operator,
            Some(_) => Caller::Unknown,
            None => Caller::Anonymous,
        }
    }

    /// Whether this is one of the keys. It takes the same time whatever the answer is, so that
    /// nobody can find a key by measuring.
    fn knows(&self, key: &str) -> bool {
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

/// The key of an `Authorization: Bearer`.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, key) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim_start())
}

/// Reads the section.
#[inline(never)]
pub(super) fn read(section: Option<Field<'_>>) -> Operator {
    let mut operator = Operator::default();
    let Some(mut o) = section.and_then(|field| field.object()) else {
        return operator;
    };
    if let Some(keys) = o.optional("keys") {
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

    /// The SHA-256 of `test`.
    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn rules_of_the_operator() {
        let digest = "operator.keys[0].sha256: invalid (allowed: 64 hexadecimal digits)";
        check_errors(&[
            ("/operator", r#"{"keys": {}}"#, "operator.keys: wrong type: object (allowed: list)"),
            ("/operator", r#"{"keys": [{"sha256": "my-secret"}]}"#, digest),
            ("/operator", &format!(r#"{{"keys": [{{"sha256": "{DIGEST}0"}}]}}"#), digest),
            ("/operator", r#"{"key": 1}"#, "operator.key: unknown key (known: keys)"),
        ]);
    }

    #[test]
    fn only_its_keys_are_known() {
        let off = config_with("/operator", "{}").operator;
        assert!(!off.has_keys() && !off.knows("test"));
        for digest in [DIGEST.to_owned(), DIGEST.to_uppercase()] {
            let keys = format!(
                r#"{{"keys": [{{"sha256": "{}"}}, {{"sha256": "{digest}"}}]}}"#,
                "0".repeat(64)
            );
            let on = config_with("/operator", &keys).operator;
            assert!(on.has_keys() && on.knows("test"));
            for other in ["", "Test", "test ", DIGEST] {
                assert!(!on.knows(other), "{other}");
            }
        }
    }
}
