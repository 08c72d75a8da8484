//! A request's query string, read parameter by parameter; unknown ones are ignored.

use std::ops::RangeInclusive;

use crate::error::Error;

/// What follows the `?`, still percent-encoded.
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// Takes the query off a whole `:path`.
    pub(crate) fn of(path: &'a str) -> Self {
        let path = path.split('#').next().unwrap_or_default();
        Self(path.split_once('?').map_or("", |(_, query)| query))
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The first value of a parameter that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.texts(name).find(|text| !text.is_empty())
    }

    /// All values of a parameter.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = String> {
        let values = self.pairs().filter(move |(key, _)| *key == name);
        values.map(|(_, value)| decoded(&value.replace('+', " ")))
    }

    /// The items of a comma-separated parameter, in lower case; none if it is not there.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default().to_ascii_lowercase();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Reads a parameter that is a whole number within bounds.
    pub(crate) fn number(
        &self,
        name: &'static str,
        bounds: RangeInclusive<usize>,
    ) -> Result<Option<usize>, Error> {
        self.read(name, |text| text.parse().ok().filter(|number| bounds.contains(number)), &|| {
            whole_number(&bounds)
        })
    }

    /// Reads a parameter that is a number and not negative.
    pub(crate) fn measure(&self, name: &'static str) -> Result<Option<f64>, Error> {
        self.read(
            name,
            |text| text.parse().ok().filter(|number| (0.0..f64::INFINITY).contains(number)),
            &|| "a number of at least 0".to_owned(),
        )
    }

    /// Reads a parameter that is one of the known texts.
    pub(crate) fn choice(
        &self,
        name: &'static str,
        known: &'static [&'static str],
    ) -> Result<Option<&'static str>, Error> {
        self.read(name, |text| known.iter().find(|known| **known == text).copied(), &|| {
            format!("one of {}", known.join(", "))
        })
    }

    /// Reads a parameter that is there and not empty; `expected` tells what it must be.
    fn read<T>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
        expected: &dyn Fn() -> String,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let Some(value) = read(&text) else {
            let problem = format!("must be {}", expected());
            return Err(Error::InvalidField { field: name, problem });
        };
        Ok(Some(value))
    }

    /// This query, still encoded, with `name` set to a number.
    pub(crate) fn with(&self, name: &str, number: usize) -> String {
        let kept = self.pairs().filter(|(key, _)| *key != name && !key.is_empty());
        let mut pairs: Vec<String> = kept.map(|(key, value)| format!("{key}={value}")).collect();
        pairs.push(format!("{name}={number}"));
        pairs.join("&")
    }
}

/// The words for a whole number within bounds.
fn whole_number(bounds: &RangeInclusive<usize>) -> String {
    match (bounds.start(), bounds.end()) {
        (least, &usize::MAX) => format!("a whole number of at least {least}"),
        (least, most) => format!("a whole number from {least} to {most}"),
    }
}

/// A text with its percent escapes resolved; what is no escape stays, and so does what would not be
/// UTF-8.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = after.get(if byte.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn escapes_are_resolved_and_what_is_none_stays() {
        for (text, expected) in [
            ("a%3Afree", "a:free"),
            ("100%", "100%"),
            ("%zz%2", "%zz%2"),
            ("%C3%A9", "é"),
            ("%C3", "%C3"),
            ("", ""),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }

    #[test]
    fn parameters_are_read_by_name() {
        let query = Query::of("/v1/models?q=llama+3%2E1&list=A,%20b,,&limit=7&empty=&flag#limit=9");
        assert_eq!(query.text("q").as_deref(), Some("llama 3.1"));
        assert_eq!(query.list("list"), ["a", "b"]);
        assert_eq!(query.number("limit", 1..=7), Ok(Some(7)));
        assert!(query.number("limit", 8..=9).is_err());
        assert_eq!(
            (query.text("empty"), query.text("flag"), query.text("other")),
            (None, None, None)
        );
        assert_eq!(Query::of("/v1/models").text(""), None);
        assert_eq!(Query::of("/?a=%2C&offset=3&b").with("offset", 9), "a=%2C&b=&offset=9");
    }
}
