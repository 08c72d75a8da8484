//! JSON Schemas of tools' arguments, as upstreams insist on them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::wire::json::{JsonError, Kind, Reader};

/// What the schema of an object must say of itself: Anthropic, Bedrock and Gemini refuse one that
/// does not.
pub(super) const TYPE: (&str, &str) = ("type", "\"object\"");
/// What OpenAI wants besides, even of a function without arguments.
pub(super) const PROPERTIES: (&str, &str) = ("properties", "{}");

/// A schema of an object with all that is `demanded`: what it lacks goes in front. One that is no
/// JSON object says nothing.
pub(super) fn of_object<'a>(
    given: Option<&'a RawValue>,
    demanded: &[(&str, &str)],
) -> Cow<'a, RawValue> {
    let json = given
        .map(|schema| schema.get().trim_ascii())
        .filter(|json| json.starts_with('{'))
        .unwrap_or("{}");
    let mut missing = demanded.to_vec();
    let _ = Reader::new(json.as_bytes()).object(|_, member| {
        missing.retain(|(name, _)| !member.key.is(name));
        Ok::<_, JsonError>(())
    });
    match given {
        Some(schema) if missing.is_empty() => Cow::Borrowed(schema),
        _ => {
            let members = json.strip_prefix('{').unwrap_or("}");
            let mut json = String::from("{");
            for (name, value) in missing {
                json.extend(["\"", name, "\":", value, ","]);
            }
            if members.trim_ascii_start().starts_with('}') {
                json.pop();
            }
            json.push_str(members);
            Cow::Owned(RawValue::from_string(json).unwrap_or_default())
        }
    }
}

/// Keywords that Anthropic's and Bedrock's structured outputs refuse. The model may keep to them
/// all the same.
const UNENFORCED: [&str; 10] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
];

/// A schema that structured outputs of Claude's kind take: without the keywords they refuse, and
/// with objects that say that they have no other properties, which must be said. The flag tells
/// whether a keyword got lost.
pub(super) fn enforceable(given: &RawValue) -> (Cow<'_, RawValue>, bool) {
    let mut rewriting =
        Rewriting { json: given.get(), written: String::new(), lost: false, closed: false };
    let written = rewriting.schema(&mut Reader::new(given.get().as_bytes()));
    let Rewriting { written: json, lost, closed, .. } = rewriting;
    let is_other = written.is_ok() && (lost || closed);
    match is_other.then(|| RawValue::from_string(json).ok()).flatten() {
        Some(schema) => (Cow::Owned(schema), lost),
        None => (Cow::Borrowed(given), false),
    }
}

type Write<'w, 'a> =
    dyn FnMut(&mut Rewriting<'a>, &mut Reader<'a>, &str) -> Result<(), JsonError> + 'w;

/// A schema being written anew, members in their order.
struct Rewriting<'a> {
    json: &'a str,
    written: String,
    lost: bool,
    /// An object was closed to other properties.
    closed: bool,
}

impl<'a> Rewriting<'a> {
    fn schema(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        if reader.peek()? != Kind::Object {
            return self.copy(reader);
        }
        let (mut is_object, mut is_open) = (false, true);
        self.object(reader, &mut |this, reader, key| {
            if this.is_refused(reader, key)? {
                this.lost = true;
                return Ok(());
            }
            if key == "additionalProperties" && reader.peek()? == Kind::True {
                return Ok(());
            }
            this.member(key);
            match (key, reader.peek()?) {
                ("properties" | "$defs" | "definitions", Kind::Object) => {
                    is_object |= key == "properties";
                    this.object(reader, &mut |this, reader, name| {
                        this.member(name);
                        this.schema(reader)
                    })?;
                    this.written.push('}');
                }
                ("anyOf" | "allOf" | "oneOf" | "prefixItems", Kind::Array) => {
                    this.schemas(reader)?
                }
                ("items", _) => this.schema(reader)?,
                ("additionalProperties", _) => {
                    is_open = false;
                    this.schema(reader)?;
                }
                ("type", _) => {
                    let at = this.written.len();
                    this.copy(reader)?;
                    is_object |=
                        this.written.get(at..).is_some_and(|kind| kind.contains("\"object\""));
                }
                _ => this.copy(reader)?,
            }
            Ok(())
        })?;
        if is_object && is_open {
            self.closed = true;
            self.member("additionalProperties");
            self.written.push_str("false");
        }
        self.written.push('}');
        Ok(())
    }

    /// `minItems` may say 0 or 1.
    fn is_refused(&self, reader: &Reader<'a>, key: &str) -> Result<bool, JsonError> {
        let allowed = key == "minItems" && reader.clone().u64()?.is_some_and(|least| least <= 1);
        Ok(UNENFORCED.contains(&key) && !allowed)
    }

    /// Begins an object whose members `value` writes.
    fn object(
        &mut self,
        reader: &mut Reader<'a>,
        value: &mut Write<'_, 'a>,
    ) -> Result<(), JsonError> {
        self.written.push('{');
        reader.object(|reader, member| value(self, reader, &member.key.decode()))?;
        Ok(())
    }

    fn schemas(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        self.written.push('[');
        reader.array(|reader, index| {
            self.written.push_str(if index > 0 { "," } else { "" });
            self.schema(reader)
        })?;
        self.written.push(']');
        Ok(())
    }

    /// What stands before a member's value.
    fn member(&mut self, key: &str) {
        self.written.push_str(if self.written.ends_with('{') { "" } else { "," });
        self.written.push_str(&serde_json::to_string(key).unwrap_or_default());
        self.written.push(':');
    }

    fn copy(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        let span = reader.skip()?;
        self.written.push_str(self.json.get(span).unwrap_or_default());
        Ok(())
    }
}
