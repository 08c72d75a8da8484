//! Decodes JSON text into a value, noting what well-formed text may hold but a document may not.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::document::{Decoded, MAX_DEPTH, item_path, key_path, number};
use super::error::{ConfigError, ConfigErrorKind};

/// Decodes the text; broken text is reported with its line and column.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let mut errors = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let root = Node { path: String::new(), depth: 0, errors: &mut errors };
    root.deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map(|value| (value, errors))
        .map_err(|error| syntax_error(&error))
}

fn syntax_error(error: &serde_json::Error) -> ConfigError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let place = format!(" at line {line} column {column}");
    let message = text.strip_suffix(&place).unwrap_or(&text).to_owned();
    ConfigError { path: String::new(), kind: ConfigErrorKind::Syntax { message, line, column } }
}

/// A place in the document that a JSON value is read into.
struct Node<'e> {
    path: String,
    depth: usize,
    errors: &'e mut Vec<ConfigError>,
}

impl Node<'_> {
    fn child(&mut self, path: String) -> Node<'_> {
        Node { path, depth: self.depth + 1, errors: self.errors }
    }

    fn report(&mut self, path: String, kind: ConfigErrorKind) {
        self.errors.push(ConfigError { path, kind });
    }

    fn number(mut self, value: f64) -> Value {
        number(value).map_or_else(
            || {
                self.report(self.path.clone(), ConfigErrorKind::NotFinite);
                Value::Null
            },
            Value::Number,
        )
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(self.number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(self.number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(self.number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        if self.depth >= MAX_DEPTH {
            while access.next_element::<IgnoredAny>()?.is_some() {}
            self.report(self.path.clone(), ConfigErrorKind::TooDeep);
            return Ok(Value::Null);
        }
        let mut items = Vec::new();
        loop {
            let path = item_path(&self.path, items.len());
            match access.next_element_seed(self.child(path))? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        if self.depth >= MAX_DEPTH {
            while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            self.report(self.path.clone(), ConfigErrorKind::TooDeep);
            return Ok(Value::Null);
        }
        let mut entries = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = key_path(&self.path, &key);
            if entries.contains_key(&key) {
                self.report(path.clone(), ConfigErrorKind::DuplicateKey);
            }
            let value = access.next_value_seed(self.child(path))?;
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}
