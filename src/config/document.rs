//! The document's bytes as one value, whatever form they came in.
//!
//! Envoy hands over the text of a `StringValue` as it is and a `Struct` as its protobuf bytes.
//! Both are brought to the same [`Value`]: keys sorted, numbers as doubles, whole ones as integers.

use serde_json::Number;

use super::error::ConfigError;
use super::value::Value;
use super::{json, protobuf};

/// How many objects and lists may stand inside one another, the document included.
pub(super) const MAX_DEPTH: usize = 64;
/// The tag of a `Struct`'s first entry, which is also a line break.
const STRUCT_TAG: u8 = 0x0a;
/// The tag of the value in each of a `Struct`'s entries, which no JSON text may contain.
const STRUCT_VALUE_TAG: u8 = 0x12;
/// How many characters of a value or key a message repeats.
const MAX_SHOWN: usize = 64;

/// A value and what is wrong with its form, or why there is no value.
pub(super) type Decoded<'a> = Result<(Value<'a>, Vec<ConfigError>), ConfigError>;

/// Reads JSON text or a serialised `Struct`.
///
/// A `Struct` that holds anything begins with a line break and contains a control character that
/// JSON forbids, so no document is both; what is neither is reported as broken JSON unless it has
/// both marks of a `Struct`.
pub(super) fn read(bytes: &[u8]) -> Decoded<'_> {
    let as_struct = bytes.is_empty()
        || (bytes.first() == Some(&STRUCT_TAG)
            && memchr::memchr(STRUCT_VALUE_TAG, bytes).is_some());
    if as_struct { protobuf::decode(bytes) } else { json::decode(bytes) }
}

/// A finite number in the one spelling both forms share: whole if it is, else with the 15 digits a
/// double keeps.
pub(super) fn number(value: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Some(Number::from(value as i64));
    }
    format!("{value:.14e}").parse().ok().and_then(Number::from_f64)
}

/// The number that a value is or, as in a `Struct` made from YAML, spells.
pub(super) fn numeric(value: &Value<'_>) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) if is_json_number(text) => text.parse().ok().and_then(number),
        _ => None,
    }
}

/// Whether a text that [`f64`] can read is a number by JSON's grammar too, which is stricter.
fn is_json_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.split(['.', 'e', 'E']).next().unwrap_or_default();
    let is_whole = !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit());
    is_whole && (whole == "0" || !whole.starts_with('0'))
}

/// Where a value stands while the document is decoded; only errors make text of it.
pub(super) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl Path<'_> {
    /// The path as messages show it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(above, key) => key_path(&above.text(), key),
            Self::Item(above, index) => item_path(&above.text(), *index),
        }
    }
}

/// The path of a key under a path.
pub(super) fn key_path(path: &str, key: &str) -> String {
    let is_plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if key.is_empty() || key.len() > MAX_SHOWN || !is_plain {
        format!("{path}[{}]", quoted(key))
    } else if path.is_empty() {
        key.to_owned()
    } else {
        [path, ".", key].concat()
    }
}

/// The path of a list's item.
pub(super) fn item_path(path: &str, index: usize) -> String {
    [path, "[", &index.to_string(), "]"].concat()
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

#[cfg(test)]
mod tests {
    use super::super::protobuf::encode;
    use super::*;
    use serde_json::json;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn error(bytes: &[u8]) -> String {
        match read(bytes) {
            Err(error) => error.to_string(),
            Ok((_, errors)) => {
                errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            }
        }
    }

    #[test]
    fn white_space_around_json_does_not_make_it_a_struct() {
        for text in ["{}", "\n{}", " \r\n\t{}\n", "\n\n{}"] {
            assert_eq!(read(text.as_bytes()), Ok((json!({}).into(), Vec::new())), "{text:?}");
        }
        assert_eq!(read(b""), Ok((json!({}).into(), Vec::new())));
    }

    #[test]
    fn a_struct_whose_length_looks_like_json_is_still_a_struct() {
        for length in *b"{[\" \t\n\r" {
            let text = "x".repeat(usize::from(length) - 7);
            let mut bytes = encode::structure(&json!({"a": text}));
            assert_eq!(bytes.get(1), Some(&length));
            bytes.extend(encode::structure(&json!({"b": [true, null, 3]})));
            let expected = json!({"a": text, "b": [true, null, 3]});
            assert_eq!(read(&bytes), Ok((expected.into(), Vec::new())));
        }
    }

    #[test]
    fn broken_json_is_reported_with_line_and_column() {
        for (text, expected) in [
            ("\n\n{\"a\": }", "document: not JSON: expected value at line 3 column 7"),
            ("{\"a\": 1", "document: not JSON: EOF while parsing an object at line 1 column 7"),
            ("\n{} x", "document: not JSON: trailing characters at line 2 column 4"),
            ("providers:\n  x: {}", "document: not JSON: expected value at line 1 column 1"),
            ("  ", "document: not JSON: EOF while parsing a value at line 1 column 2"),
            ("{\"a\": 1e999}", "document: not JSON: number out of range at line 1 column 11"),
        ] {
            let expected =
                format!("{expected} (allowed: JSON as text, or YAML as a google.protobuf.Struct)");
            assert_eq!(error(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn malformed_structs_are_reported_with_the_byte() {
        let good = encode::structure(&json!({"a": "b", "c": [1, true]}));
        assert_eq!(error(&good), "");
        for (bytes, at) in [
            (good.split_last().unwrap().1.to_vec(), 1),
            ([good.as_slice(), &[0x12, 0]].concat(), good.len()),
            (encode::bytes_field(1, &encode::bytes_field(1, b"\x12")), 2),
            (encode::bytes_field(1, &encode::bytes_field(2, &[0x3a, 0])), 4),
            (encode::bytes_field(1, &encode::bytes_field(2, &[0x20, 2])), 4),
            (encode::bytes_field(1, &encode::bytes_field(2, &[0x20, 1, 0x20, 1])), 6),
            (encode::bytes_field(1, &encode::bytes_field(2, &[0x1a, 1, 0xff])), 6),
        ] {
            let expected = format!(
                "document: neither JSON text nor a google.protobuf.Struct (malformed at byte {at})"
            );
            let at_any_byte = expected.split(" at byte").next().unwrap();
            assert!(error(&bytes).starts_with(at_any_byte), "{bytes:?}: {}", error(&bytes));
            if at > 1 {
                assert_eq!(error(&bytes), expected, "{bytes:?}");
            }
        }
    }

    /// A `Struct` that holds one number, `a`.
    fn structure_of(double: f64) -> Vec<u8> {
        let value = [&[0x11], double.to_le_bytes().as_slice()].concat();
        let entry = [encode::bytes_field(1, b"a"), encode::bytes_field(2, &value)].concat();
        encode::bytes_field(1, &entry)
    }

    #[test]
    fn doubles_of_a_struct_read_as_the_numbers_of_the_text() {
        for (double, text) in [(0.7, "0.7"), (4e-7, "0.0000004"), (3.0, "3"), (-2.0, "-2.0")] {
            assert_eq!(read(&structure_of(double)), read(format!("{{\"a\": {text}}}").as_bytes()));
        }
        for double in [f64::NAN, f64::INFINITY] {
            assert_eq!(error(&structure_of(double)), "a: not a finite number");
        }
    }

    #[test]
    fn duplicate_keys_are_reported_in_both_forms() {
        let expected = "a.b: key appears more than once";
        assert_eq!(error(br#"{"a": {"b": 1, "c": 2, "b": 3}}"#), expected);
        let twice = [json!({"b": 1}), json!({"b": 2})].map(|v| encode::structure(&v)).concat();
        let inner = encode::bytes_field(2, &encode::bytes_field(5, &twice));
        let entry = [encode::bytes_field(1, b"a"), inner].concat();
        assert_eq!(error(&encode::bytes_field(1, &entry)), expected);
    }

    fn nested(levels: usize) -> serde_json::Value {
        (1..levels).fold(json!({}), |inner, _| json!({"a": [inner]}))
    }

    #[test]
    fn deep_nesting_is_an_error_in_both_forms() {
        let at_most = nested(32);
        let too_deep = nested(33);
        assert_eq!(error(at_most.to_string().as_bytes()), "");
        assert_eq!(error(&encode::structure(&at_most)), "");
        let text = error(too_deep.to_string().as_bytes());
        assert!(text.ends_with("a[0]: nested too deep (allowed: 64 levels)"), "{text}");
        assert_eq!(error(&encode::structure(&too_deep)), text);
        assert!(!error("[".repeat(100_000).as_bytes()).is_empty());
    }

    #[test]
    fn numbers_have_one_spelling() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (3.0, "3"),
            (0.1 + 0.2, "0.3"),
            (4e-7, "4e-7"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (-1.5, "-1.5"),
        ] {
            assert_eq!(number(value).unwrap().to_string(), expected);
        }
        assert_eq!(number(f64::NAN).or(number(f64::INFINITY)), None);
        for (text, is_number) in [
            ("1", true),
            ("-0.5", true),
            ("1e3", true),
            ("", false),
            ("-", false),
            ("01", false),
            (".5", false),
            ("+1", false),
            ("1e", false),
            ("inf", false),
            ("NaN", false),
            ("1e400", false),
            (" 1", false),
        ] {
            assert_eq!(numeric(&json!(text).into()).is_some(), is_number, "{text}");
        }
    }

    #[test]
    fn paths_quote_unusual_keys_and_cut_long_ones() {
        assert_eq!(key_path("", "a"), "a");
        assert_eq!(key_path("a", "b-c_1"), "a.b-c_1");
        assert_eq!(key_path("a", "b.c"), r#"a["b.c"]"#);
        assert_eq!(key_path("a", ""), r#"a[""]"#);
        assert_eq!(key_path("a", &"é".repeat(100)), format!("a[\"{}…\"]", "é".repeat(64)));
    }
}
