//! The document's bytes as one value, whatever form they came in.
//!
//! Envoy hands over the text of a `StringValue` as it is and a `Struct` as its protobuf bytes.
//! Both are brought to the same [`Value`]: keys sorted, numbers as doubles, whole ones as integers.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::{ConfigError, ConfigErrorKind};
use super::protobuf;

/// Objects and lists inside one another, the document counted.
pub(super) const MAX_DEPTH: usize = 64;
/// The tag of a `Struct`'s first entry, which is also a line break.
const STRUCT_TAG: u8 = 0x0a;
/// The tag of the value in each of a `Struct`'s entries, which no JSON text may contain.
const STRUCT_VALUE_TAG: u8 = 0x12;
/// Longest part of a value or key that a message repeats, in characters.
const MAX_SHOWN: usize = 64;

/// A value and what is wrong with its form, or why there is no value.
pub(super) type Decoded = Result<(Value, Vec<ConfigError>), ConfigError>;

/// Reads JSON text or a serialised `Struct`.
///
/// A `Struct` that holds anything begins with a line break and contains a control character that JSON forbids,
/// so no document is both; what is neither is reported as broken JSON unless it has both marks of a `Struct`.
pub(super) fn read(bytes: &[u8]) -> Decoded {
    let as_struct = bytes.is_empty()
        || (bytes.first() == Some(&STRUCT_TAG)
            && memchr::memchr(STRUCT_VALUE_TAG, bytes).is_some());
    if as_struct {
        protobuf::decode(bytes)
    } else {
        parse_json(bytes)
    }
}

fn parse_json(bytes: &[u8]) -> Decoded {
    let mut errors = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let root = Node {
        path: String::new(),
        depth: 0,
        errors: &mut errors,
    };
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
    ConfigError {
        path: String::new(),
        kind: ConfigErrorKind::Syntax {
            message,
            line,
            column,
        },
    }
}

/// A finite number in the one spelling both forms share: whole if it is, else with the 15 digits a double keeps.
pub(super) fn number(value: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Some(Number::from(value as i64));
    }
    format!("{value:.14e}")
        .parse()
        .ok()
        .and_then(Number::from_f64)
}

/// The number that a value is or, as in a `Struct` made from YAML, spells.
pub(super) fn numeric(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) if is_json_number(text) => text.parse().ok().and_then(number),
        _ => None,
    }
}

fn is_json_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.split(['.', 'e', 'E']).next().unwrap_or_default();
    let plain = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    plain && !whole.is_empty() && (whole == "0" || !whole.starts_with('0'))
}

/// The path of a key under a path.
pub(super) fn key_path(path: &str, key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if key.is_empty() || key.len() > MAX_SHOWN || !key.bytes().all(plain) {
        format!("{path}[{}]", quoted(key))
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The path of a list's item.
pub(super) fn item_path(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// A text as a message repeats it: in quotes, control characters escaped, a long one cut.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// The beginning of a long text.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A place in the document that a JSON value is read into.
struct Node<'e> {
    path: String,
    depth: usize,
    errors: &'e mut Vec<ConfigError>,
}

impl Node<'_> {
    fn child(&mut self, path: String) -> Node<'_> {
        Node {
            path,
            depth: self.depth + 1,
            errors: self.errors,
        }
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
