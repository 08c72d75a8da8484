//! Reads an object key by key, noting everything that is wrong on the way.
//!
//! A section asks for its fields in order and calls [`Object::finish`], which reports the keys that
//! nobody asked for. Reading never stops at an error: a wrong field reads as if it were absent, and
//! in the end a document with any error is refused.

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::key_path;
use super::error::{ConfigError, ConfigErrorKind, Warning, WarningKind};
use super::field::Field;
use super::rule::Rule;
use super::value::{Entries, Value};

/// Looks up an environment variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What all readers of one document share.
pub(super) struct Report<'a> {
    pub(super) env: Environment<'a>,
    errors: Cell<Vec<ConfigError>>,
    warnings: Cell<Vec<Warning>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(env: Environment<'a>, errors: Vec<ConfigError>) -> Self {
        Self { env, errors: Cell::new(errors), warnings: Cell::default() }
    }

    pub(super) fn into_parts(self) -> (Vec<ConfigError>, Vec<Warning>) {
        (self.errors.into_inner(), self.warnings.into_inner())
    }

    pub(super) fn error(&self, path: String, kind: ConfigErrorKind) {
        let mut errors = self.errors.take();
        errors.push(ConfigError { path, kind });
        self.errors.set(errors);
    }

    pub(super) fn warn(&self, path: String, kind: WarningKind) {
        let mut warnings = self.warnings.take();
        warnings.push(Warning { path, kind });
        self.warnings.set(warnings);
    }
}

/// An object with known keys, which remembers those that it was asked for. A null counts as absent.
pub(super) struct Object<'a> {
    field: Field<'a>,
    entries: &'a Entries<'a>,
    asked: Vec<&'static str>,
}

impl<'a> Object<'a> {
    pub(super) fn new(field: Field<'a>, entries: &'a Entries<'a>) -> Self {
        Self { field, entries, asked: Vec::new() }
    }

    /// The object itself.
    pub(super) fn whole(&self) -> &Field<'a> {
        &self.field
    }

    /// A field that may be absent.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.asked.push(key);
        let value = self.entries.get(key).filter(|value| **value != Value::Null)?;
        Some(self.field.child(value, key_path(&self.field.path, key)))
    }

    /// A field that must be there.
    pub(super) fn required(&mut self, key: &'static str, expected: &str) -> Option<Field<'a>> {
        let field = self.optional(key);
        if field.is_none() {
            let kind = ConfigErrorKind::Missing { expected: expected.to_owned() };
            self.field.report.error(key_path(&self.field.path, key), kind);
        }
        field
    }

    /// An optional text.
    pub(super) fn string(&mut self, key: &'static str, rule: &Rule) -> Option<&'a str> {
        self.optional(key)?.string(rule)
    }

    /// A text that must be there.
    pub(super) fn required_string(&mut self, key: &'static str, rule: &Rule) -> Option<&'a str> {
        self.required(key, rule.allowed)?.string(rule)
    }

    /// An optional list of texts.
    pub(super) fn strings(&mut self, key: &'static str, rule: &Rule) -> Option<Vec<String>> {
        Some(self.optional(key)?.strings(rule))
    }

    /// An optional whole number.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.optional(key)?.integer(range)
    }

    /// An optional number of bytes, tokens or tries that fits into memory's own integers.
    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<usize> {
        usize::try_from(self.integer(key, range)?).ok()
    }

    /// An optional truth value.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.optional(key)?.boolean()
    }

    /// An optional length of time.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.optional(key)?.duration()
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(mut self) {
        self.asked.sort_unstable();
        let keys = self.entries.iter().map(|(key, _)| key);
        for key in keys.filter(|key| !self.asked.contains(key)) {
            let known = self.asked.iter().map(ToString::to_string).collect();
            let path = key_path(&self.field.path, key);
            self.field.report.error(path, ConfigErrorKind::UnknownKey { known });
        }
    }
}
