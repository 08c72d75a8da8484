//! The configuration's hash, over the parsed value.
//!
//! Records and the operator's page tell configurations apart by it. It is no protection: who wants
//! to can make a document of any hash.

use super::document::numeric;
use super::value::Value;
use crate::fnv::Fnv;

/// The hash in 16 hexadecimal digits. It is the same for the same value, whatever its form, the
/// order of its keys or the spelling of its numbers.
pub(super) fn hash(value: &Value<'_>) -> String {
    let mut hash = ValueHash(Fnv::new());
    hash.value(value);
    format!("{:016x}", hash.0.finish())
}

struct ValueHash(Fnv);

impl ValueHash {
    /// Hashes a value. Each kind begins with a mark of its own and ends where its length or its
    /// closing mark says, so that no two values are the same bytes.
    fn value(&mut self, value: &Value<'_>) {
        if let Some(number) = numeric(value) {
            self.text(b'#', &number.to_string());
            return;
        }
        match value {
            Value::Bool(true) => self.byte(b't'),
            Value::Bool(false) => self.byte(b'f'),
            Value::String(text) => self.text(b'"', text),
            Value::Array(items) => {
                self.byte(b'[');
                items.iter().for_each(|item| self.value(item));
                self.byte(b']');
            }
            Value::Object(entries) => {
                self.byte(b'{');
                for (key, value) in entries.iter() {
                    self.text(b'"', key);
                    self.value(value);
                }
                self.byte(b'}');
            }
            Value::Null | Value::Number(_) => self.byte(b'n'),
        }
    }

    fn text(&mut self, mark: u8, text: &str) {
        self.byte(mark);
        self.0.bytes(&(text.len() as u64).to_le_bytes());
        self.0.bytes(text.as_bytes());
    }

    fn byte(&mut self, byte: u8) {
        self.0.byte(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn numbers_and_their_spellings_hash_alike() {
        for (one, other) in [
            (json!({"a": 0.7, "b": 1}), json!({"b": "1", "a": "0.7"})),
            (json!("4e-7"), json!("0.0000004")),
            (json!("1000"), json!("1e3")),
        ] {
            assert_eq!(hash(&one.clone().into()), hash(&other.clone().into()), "{one} {other}");
        }
    }

    #[test]
    fn different_values_hash_differently() {
        let values = [
            json!(null),
            json!(false),
            json!(true),
            json!(0),
            json!(""),
            json!("a"),
            json!([]),
            json!({}),
            json!([[]]),
            json!([1, 2]),
            json!([12]),
            json!({"a": 1}),
            json!({"a": 2}),
            json!("0800"),
            json!("800"),
        ];
        for (index, one) in values.iter().enumerate() {
            assert_eq!(hash(&one.clone().into()).len(), 16);
            for other in values.iter().skip(index + 1) {
                assert_ne!(hash(&one.clone().into()), hash(&other.clone().into()), "{one} {other}");
            }
        }
    }
}
