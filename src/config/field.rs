//! One value of the document and where it stands, read as what a section expects there.
//!
//! A value that is something else is reported as an error, and then reads as if it were absent.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Number;

use super::document::{item_path, key_path, numeric, quoted, shortened};
use super::error::{ConfigErrorKind, WarningKind};
use super::reader::{Object, Report};
use super::rule::Rule;
use super::value::{Entries, Value};
use crate::duration;

/// The largest whole number that a double and so a `Struct` holds exactly.
pub(super) const MAX_INTEGER: u64 = 9_007_199_254_740_991;

/// The names among which there is a choice, as messages list them.
pub(super) fn names<T>(choices: &[(&'static str, T)]) -> String {
    choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A value that is not null, and where it stands.
pub(super) struct Field<'a> {
    value: &'a Value<'a>,
    pub(super) path: String,
    pub(super) report: &'a Report<'a>,
    /// Whether the value must not appear in a message.
    secret: bool,
}

impl<'a> Field<'a> {
    /// The whole document.
    pub(super) fn root(value: &'a Value<'a>, report: &'a Report<'a>) -> Self {
        Self { value, path: String::new(), report, secret: false }
    }

    /// Keeps the value, and all in it, out of messages.
    pub(super) fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// Allows the value in messages although it stands in something secret.
    pub(super) fn public(self) -> Self {
        Self { secret: false, ..self }
    }

    pub(super) fn child(&self, value: &'a Value<'a>, path: String) -> Self {
        Self { value, path, report: self.report, secret: self.secret }
    }

    /// Reads an object with known keys.
    pub(super) fn object(&self) -> Option<Object<'a>> {
        let entries = self.map()?;
        Some(Object::new(self.child(self.value, self.path.clone()), entries))
    }

    /// Reads a map whose keys the operator chooses: in the order of the keys, null values included.
    pub(super) fn entries(&self) -> Vec<(&'a str, Self)> {
        let Some(entries) = self.map() else {
            return Vec::new();
        };
        entries
            .iter()
            .map(|(key, value)| (key, self.child(value, key_path(&self.path, key))))
            .collect()
    }

    /// Reads a list.
    pub(super) fn items(&self) -> Vec<Self> {
        let Value::Array(items) = self.value else {
            self.wrong_type("list");
            return Vec::new();
        };
        items.iter().enumerate().map(|(index, value)| self.item(index, value)).collect()
    }

    fn item(&self, index: usize, value: &'a Value<'a>) -> Self {
        self.child(value, item_path(&self.path, index))
    }

    /// Reads a list of texts that obey a rule.
    pub(super) fn strings(&self, rule: &Rule) -> Vec<String> {
        let Value::Array(items) = self.value else {
            self.wrong_type("list");
            return Vec::new();
        };
        let strings = items.iter().enumerate().filter_map(|(index, value)| match value {
            Value::String(text) if (rule.holds)(text) => Some(text.as_ref()),
            // Only where there is a mistake its path is needed.
            value => self.item(index, value).string(rule),
        });
        strings.map(str::to_owned).collect()
    }

    /// Reads a text that obeys a rule.
    pub(super) fn string(&self, rule: &Rule) -> Option<&'a str> {
        let text = self.text()?;
        self.check((rule.holds)(text).then_some(text), rule.allowed)
    }

    /// Reads one of several names; returns what it means.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            self.invalid(&names(choices));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// Reads one of several names.
    pub(super) fn one_of(&self, names: &[&'static str]) -> Option<&'static str> {
        let text = self.text()?;
        let found = names.iter().copied().find(|name| *name == text);
        if found.is_none() {
            self.invalid(&names.join(", "));
        }
        found
    }

    /// Reads a whole number.
    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let number = self.number("whole number")?.as_u64().filter(|n| range.contains(n));
        self.check(
            number,
            &match (range.start(), range.end()) {
                (start, &MAX_INTEGER) => format!("a whole number, at least {start}"),
                (start, end) => format!("a whole number, {start} to {end}"),
            },
        )
    }

    /// Reads a number above zero.
    pub(super) fn positive(&self) -> Option<f64> {
        let number = self.number("number")?.as_f64().filter(|n| n.is_finite() && *n > 0.0);
        self.check(number, "a number above 0")
    }

    /// Reads true or false.
    pub(super) fn boolean(&self) -> Option<bool> {
        if let Value::Bool(value) = self.value {
            return Some(*value);
        }
        self.wrong_type("true or false");
        None
    }

    /// Reads a length of time such as `1.5s`.
    pub(super) fn duration(&self) -> Option<Duration> {
        const ALLOWED: &str = "a duration such as 500ms, 10s, 1.5m, 1h, at most 24h";
        let Some(text) = self.value.as_str() else {
            self.wrong_type(ALLOWED);
            return None;
        };
        self.check(duration::parse(text), ALLOWED)
    }

    /// Reads a decimal number, written as a text or as a number; returns its text.
    pub(super) fn decimal(&self) -> Option<String> {
        match self.value {
            Value::Number(number) => Some(number.to_string()),
            Value::String(text) => Some(text.to_string()),
            _ => {
                self.wrong_type("decimal number");
                None
            }
        }
    }

    /// The value as JSON; with `numbers` a text that spells a number becomes that number.
    pub(super) fn json(&self, numbers: bool) -> String {
        let number = numeric(self.value).filter(|_| numbers);
        number.map_or_else(|| self.value.json(), |number| number.to_string())
    }

    /// Whether the value is an empty object or list.
    pub(super) fn is_empty(&self) -> bool {
        match self.value {
            Value::Array(items) => items.is_empty(),
            Value::Object(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// The value as a message may show it; empty if it may be a secret, and for objects and lists.
    pub(super) fn shown(&self) -> String {
        match self.value {
            _ if self.secret => String::new(),
            Value::String(text) if numeric(self.value).is_some() => shortened(text),
            Value::String(text) => quoted(text),
            Value::Array(_) | Value::Object(_) => String::new(),
            value => value.json(),
        }
    }

    /// Reports the value as not allowed.
    pub(super) fn invalid(&self, allowed: &str) {
        self.error(ConfigErrorKind::Invalid { value: self.shown(), allowed: allowed.to_owned() });
    }

    /// Reports the value as something for a later version.
    pub(super) fn not_supported(&self, supported: &str) {
        let supported = supported.to_owned();
        self.error(ConfigErrorKind::NotSupported { value: self.shown(), supported });
    }

    /// Reports an error here.
    pub(super) fn error(&self, kind: ConfigErrorKind) {
        self.report.error(self.path.clone(), kind);
    }

    /// Reports something that the operator should know.
    pub(super) fn warn(&self, kind: WarningKind) {
        self.report.warn(self.path.clone(), kind);
    }

    fn map(&self) -> Option<&'a Entries<'a>> {
        if let Value::Object(entries) = self.value {
            return Some(entries);
        }
        self.wrong_type("object");
        None
    }

    fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("string");
        }
        text
    }

    fn number(&self, allowed: &'static str) -> Option<Number> {
        let number = numeric(self.value);
        match self.value {
            _ if number.is_some() => {}
            Value::String(_) => self.invalid(allowed),
            _ => self.wrong_type(allowed),
        }
        number
    }

    fn check<T>(&self, value: Option<T>, allowed: &str) -> Option<T> {
        if value.is_none() {
            self.invalid(allowed);
        }
        value
    }

    fn wrong_type(&self, allowed: &'static str) {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        self.error(ConfigErrorKind::WrongType { found, allowed });
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Routing;
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn values_of_the_wrong_type_or_range_say_what_is_allowed() {
        let timeout = "allowed: a duration such as 500ms, 10s, 1.5m, 1h, at most 24h";
        check_errors(&[
            ("/routing", "[]", "routing: wrong type: list (allowed: object)"),
            ("/models", "{}", "models: wrong type: object (allowed: list)"),
            ("/models/-", "null", "models[1]: wrong type: null (allowed: object)"),
            ("/default_model", "5", "default_model: wrong type: number (allowed: string)"),
            ("/routing", r#"{"max_attempts": "3"}"#, ""),
            ("/routing", r#"{"max_attempts": 3.0}"#, ""),
            (
                "/routing",
                r#"{"max_attempts": "many"}"#,
                "routing.max_attempts: invalid: \"many\" (allowed: whole number)",
            ),
            (
                "/routing",
                r#"{"max_attempts": true}"#,
                "routing.max_attempts: wrong type: boolean (allowed: whole number)",
            ),
            (
                "/routing",
                r#"{"max_attempts": 2.5}"#,
                "routing.max_attempts: invalid: 2.5 (allowed: a whole number, 1 to 20)",
            ),
            (
                "/routing",
                r#"{"max_attempts": -1}"#,
                "routing.max_attempts: invalid: -1 (allowed: a whole number, 1 to 20)",
            ),
            (
                "/routing",
                r#"{"max_attempts": 21}"#,
                "routing.max_attempts: invalid: 21 (allowed: a whole number, 1 to 20)",
            ),
            ("/routing", r#"{"timeout": "24h"}"#, ""),
            ("/routing", r#"{"timeout": "1ms"}"#, ""),
            (
                "/routing",
                r#"{"timeout": "25h"}"#,
                &format!("routing.timeout: invalid: \"25h\" ({timeout})"),
            ),
            (
                "/routing",
                r#"{"timeout": "0s"}"#,
                &format!("routing.timeout: invalid: \"0s\" ({timeout})"),
            ),
            (
                "/routing",
                r#"{"timeout": "10"}"#,
                &format!("routing.timeout: invalid: 10 ({timeout})"),
            ),
            (
                "/routing",
                r#"{"timeout": 60}"#,
                &format!("routing.timeout: wrong type: number ({timeout})"),
            ),
            (
                "/telemetry",
                r#"{"expose_headers": "yes"}"#,
                "telemetry.expose_headers: wrong type: string (allowed: true or false)",
            ),
        ]);
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        let value = format!("\"{}\"", "é".repeat(1000));
        let expected = format!("mode: invalid: \"{}…\" (allowed: native, callout)", "é".repeat(64));
        check_errors(&[("/mode", &value, &expected)]);
    }

    #[test]
    fn null_is_as_good_as_absent() {
        assert_eq!(config_with("/routing", "null").routing, Routing::default());
        check_errors(&[
            ("/routing", r#"{"sort": null}"#, ""),
            (
                "/providers",
                "null",
                "providers: missing (expected: an object of at least one provider)",
            ),
        ]);
    }
}
