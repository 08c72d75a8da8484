//! Decodes JSON text into a value, noting what well-formed text may hold but a document may not.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::document::{Decoded, MAX_DEPTH, Path, number};
use super::error::{ConfigError, ConfigErrorKind};
use super::value::{Entries, Value};

/// Decodes the text; broken text is reported with its line and column.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let mut errors = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let root = Node { path: &Path::Root, depth: 0, errors: &mut errors };
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
    path: &'e Path<'e>,
    depth: usize,
    errors: &'e mut Vec<ConfigError>,
}

impl Node<'_> {
    fn child<'c>(&'c mut self, path: &'c Path<'c>) -> Node<'c> {
        Node { path, depth: self.depth + 1, errors: self.errors }
    }

    fn report(&mut self, path: &Path<'_>, kind: ConfigErrorKind) {
        self.errors.push(ConfigError { path: path.text(), kind });
    }

    fn number(mut self, value: f64) -> Value<'static> {
        number(value).map_or_else(
            || {
                self.report(self.path, ConfigErrorKind::NotFinite);
                Value::Null
            },
            Value::Number,
        )
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(self.number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(self.number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(self.number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::String(value.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut access: A) -> Result<Value<'de>, A::Error> {
        if self.depth >= MAX_DEPTH {
            while access.next_element::<IgnoredAny>()?.is_some() {}
            self.report(self.path, ConfigErrorKind::TooDeep);
            return Ok(Value::Null);
        }
        let mut items = Vec::new();
        loop {
            let path = Path::Item(self.path, items.len());
            match access.next_element_seed(self.child(&path))? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items.into())),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Value<'de>, A::Error> {
        if self.depth >= MAX_DEPTH {
            while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            self.report(self.path, ConfigErrorKind::TooDeep);
            return Ok(Value::Null);
        }
        let mut entries: Vec<(Cow<'_, str>, Value<'_>)> = Vec::new();
        while let Some(Key(key)) = access.next_key()? {
            let path = Path::Key(self.path, &key);
            if entries.iter().any(|(known, _)| *known == key) {
                self.report(&path, ConfigErrorKind::DuplicateKey);
            }
            let value = access.next_value_seed(self.child(&path))?;
            entries.push((key, value));
        }
        Ok(Value::Object(Entries::new(entries)))
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
