//! Decodes a serialised `google.protobuf.Struct`, strictly: what is no `Struct` must not pass for
//! one.
//!
//! Source: `google/protobuf/struct.proto`; a map is a repeated message of key (1) and value (2).

use std::borrow::Cow;

use super::document::{Decoded, MAX_DEPTH, Path, number};
use super::error::{ConfigError, ConfigErrorKind};
use super::value::{Entries, Value};

/// Offset of the first byte that makes no sense.
struct Malformed(usize);

type Result<T> = std::result::Result<T, Malformed>;

/// Decodes the message; an empty one is an empty object.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let mut decoder = Decoder { errors: Vec::new() };
    let mut message = Message { rest: bytes, at: 0 };
    decoder.structure(&mut message, &Path::Root, 0).map(|value| (value, decoder.errors)).map_err(
        |Malformed(at)| ConfigError {
            path: String::new(),
            kind: ConfigErrorKind::NotStruct { at },
        },
    )
}

/// The bytes of one message that are still to be read.
struct Message<'a> {
    rest: &'a [u8],
    /// Offset of `rest` in the document.
    at: usize,
}

/// A field's payload by wire type.
enum Payload<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(Message<'a>),
}

impl<'a> Message<'a> {
    /// The next field's number and payload; `None` at the end.
    fn field(&mut self) -> Result<Option<(u64, Payload<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let tag = self.varint()?;
        let payload = match tag & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(self.fixed64()?),
            2 => Payload::Bytes(self.bytes()?),
            _ => return Err(Malformed(at)),
        };
        Ok(Some((tag >> 3, payload)))
    }

    fn varint(&mut self) -> Result<u64> {
        let at = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take(1)?.try_into().map_err(|_| Malformed(at))?;
            if shift == 63 && byte > 1 {
                return Err(Malformed(at));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed(at))
    }

    fn fixed64(&mut self) -> Result<[u8; 8]> {
        let at = self.at;
        self.take(8)?.try_into().map_err(|_| Malformed(at))
    }

    fn bytes(&mut self) -> Result<Message<'a>> {
        let start = self.at;
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed(start))?;
        let at = self.at;
        Ok(Message { rest: self.take(length)?, at })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed(self.at))?;
        self.rest = rest;
        self.at += length;
        Ok(taken)
    }

    fn text(&self) -> Result<&'a str> {
        std::str::from_utf8(self.rest).map_err(|e| Malformed(self.at + e.valid_up_to()))
    }
}

/// Decodes messages into values, noting what a well-formed message may hold but a document may not.
struct Decoder {
    errors: Vec<ConfigError>,
}

impl Decoder {
    /// `Struct { map<string, Value> fields = 1 }`
    fn structure<'a>(
        &mut self,
        message: &mut Message<'a>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Value<'a>> {
        if self.is_too_deep(path, depth) {
            return Ok(Value::Null);
        }
        let mut entries: Vec<(Cow<'_, str>, Value<'_>)> = Vec::new();
        loop {
            let at = message.at;
            let entry = match message.field()? {
                None => return Ok(Value::Object(Entries::new(entries))),
                Some((1, Payload::Bytes(entry))) => entry,
                Some(_) => return Err(Malformed(at)),
            };
            let (key, mut value) = split_entry(entry)?;
            let path = Path::Key(path, key);
            let value = self.value(&mut value, &path, depth + 1)?;
            if entries.iter().any(|(known, _)| known == key) {
                self.report(&path, ConfigErrorKind::DuplicateKey);
            }
            entries.push((key.into(), value));
        }
    }

    /// `ListValue { repeated Value values = 1 }`
    fn list<'a>(
        &mut self,
        message: &mut Message<'a>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Value<'a>> {
        if self.is_too_deep(path, depth) {
            return Ok(Value::Null);
        }
        let mut items = Vec::new();
        loop {
            let at = message.at;
            match message.field()? {
                None => return Ok(Value::Array(items.into())),
                Some((1, Payload::Bytes(mut item))) => {
                    let path = Path::Item(path, items.len());
                    items.push(self.value(&mut item, &path, depth + 1)?);
                }
                Some(_) => return Err(Malformed(at)),
            }
        }
    }

    /// `Value { oneof kind }`; one without a kind counts as null.
    fn value<'a>(
        &mut self,
        message: &mut Message<'a>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Value<'a>> {
        let at = message.at;
        let value = match message.field()? {
            None | Some((1, Payload::Varint(0))) => Value::Null,
            Some((2, Payload::Fixed64(bytes))) => self.double(f64::from_le_bytes(bytes), path),
            Some((3, Payload::Bytes(text))) => Value::String(text.text()?.into()),
            Some((4, Payload::Varint(bit @ 0..=1))) => Value::Bool(bit == 1),
            Some((5, Payload::Bytes(mut inner))) => self.structure(&mut inner, path, depth)?,
            Some((6, Payload::Bytes(mut inner))) => self.list(&mut inner, path, depth)?,
            Some(_) => return Err(Malformed(at)),
        };
        if message.rest.is_empty() { Ok(value) } else { Err(Malformed(message.at)) }
    }

    fn double(&mut self, value: f64, path: &Path<'_>) -> Value<'static> {
        number(value).map_or_else(
            || {
                self.report(path, ConfigErrorKind::NotFinite);
                Value::Null
            },
            Value::Number,
        )
    }

    fn is_too_deep(&mut self, path: &Path<'_>, depth: usize) -> bool {
        let too_deep = depth >= MAX_DEPTH;
        if too_deep {
            self.report(path, ConfigErrorKind::TooDeep);
        }
        too_deep
    }

    fn report(&mut self, path: &Path<'_>, kind: ConfigErrorKind) {
        self.errors.push(ConfigError { path: path.text(), kind });
    }
}

/// Key and value of a map's entry; the key of an empty name may be left out, the value may not.
fn split_entry<'a>(mut entry: Message<'a>) -> Result<(&'a str, Message<'a>)> {
    let start = entry.at;
    let (mut key, mut value) = (None, None);
    loop {
        let at = entry.at;
        match entry.field()? {
            None => break,
            Some((1, Payload::Bytes(text))) if key.is_none() => key = Some(text.text()?),
            Some((2, Payload::Bytes(inner))) if value.is_none() => value = Some(inner),
            Some(_) => return Err(Malformed(at)),
        }
    }
    Ok((key.unwrap_or_default(), value.ok_or(Malformed(start))?))
}

/// The other direction, for tests.
#[cfg(test)]
pub(super) mod encode {
    use serde_json::Value;

    /// A value as the bytes of a `Struct`, its keys in reverse order; numbers that are not whole as
    /// strings.
    pub(in crate::config) fn structure(value: &Value) -> Vec<u8> {
        let entries = value.as_object().unwrap().iter().rev();
        entries.flat_map(|(key, value)| entry(key, value)).collect()
    }

    fn entry(key: &str, value: &Value) -> Vec<u8> {
        let parts = [bytes_field(1, key.as_bytes()), bytes_field(2, &self::value(value))];
        bytes_field(1, &parts.concat())
    }

    fn value(value: &Value) -> Vec<u8> {
        match value {
            Value::Null => vec![0x08, 0],
            Value::Bool(bit) => vec![0x20, u8::from(*bit)],
            Value::Number(n) if n.as_f64().unwrap().fract() != 0.0 => {
                bytes_field(3, n.to_string().as_bytes())
            }
            Value::Number(n) => {
                let mut bytes = vec![0x11];
                bytes.extend(n.as_f64().unwrap().to_le_bytes());
                bytes
            }
            Value::String(text) => bytes_field(3, text.as_bytes()),
            Value::Object(_) => bytes_field(5, &structure(value)),
            Value::Array(items) => {
                let items = items.iter().flat_map(|item| bytes_field(1, &self::value(item)));
                bytes_field(6, &items.collect::<Vec<_>>())
            }
        }
    }

    pub(in crate::config) fn bytes_field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length >= 0x80 {
            field.push(length as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
        field.extend(bytes);
        field
    }
}
