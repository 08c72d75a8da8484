//! A string as it stands in the text, decoded only when somebody asks.

use std::borrow::Cow;

use super::Span;

/// A string of a JSON text. Made by a [`Reader`](super::Reader), so its escapes and its UTF-8 are
/// valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// What stands between the quotes.
    pub raw: &'a [u8],
    /// Where its opening quote stands.
    pub start: usize,
    /// Whether `raw` has escapes.
    pub escaped: bool,
}

impl<'a> Text<'a> {
    /// Where it stands, quotes included.
    pub fn span(&self) -> Span {
        self.start..self.start + self.raw.len() + 2
    }

    /// The characters meant; a lone surrogate becomes U+FFFD. Borrowed when nothing is escaped.
    pub fn decode(&self) -> Cow<'a, str> {
        if !self.escaped {
            // The lossy way alone, which the reader's strings never need, would look at each byte.
            return std::str::from_utf8(self.raw)
                .map_or_else(|_| String::from_utf8_lossy(self.raw), Cow::Borrowed);
        }
        let decoded = String::from_utf8(unescape(self.raw));
        Cow::Owned(
            decoded.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        )
    }

    /// The bytes of [`Self::decode`], which costs less where they are only compared.
    #[inline]
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }

    /// Whether it means `other`.
    #[inline]
    pub fn is(&self, other: &str) -> bool {
        if self.escaped { self.decode() == other } else { self.raw == other.as_bytes() }
    }
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) =
        memchr::memchr(b'\\', rest).and_then(|at| rest.split_at_checked(at))
    {
        decoded.extend_from_slice(plain);
        rest = match escape {
            [_, b'u', tail @ ..] => push_unit(tail, &mut decoded),
            [_, letter, tail @ ..] => {
                decoded.push(letter_escape(*letter));
                tail
            }
            _ => &[],
        };
    }
    decoded.extend_from_slice(rest);
    decoded
}

fn letter_escape(letter: u8) -> u8 {
    match letter {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

/// Decodes what follows `\u`, with the low surrogate that belongs to it, and returns what follows
/// that.
fn push_unit<'a>(text: &'a [u8], decoded: &mut Vec<u8>) -> &'a [u8] {
    let Some((unit, rest)) = hex_unit(text) else {
        return &[];
    };
    let (code, rest) = match low_surrogate(rest) {
        Some((low, after)) if (0xD800..0xDC00).contains(&unit) => {
            (0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00), after)
        }
        _ => (unit, rest),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

fn low_surrogate(text: &[u8]) -> Option<(u32, &[u8])> {
    hex_unit(text.strip_prefix(b"\\u")?).filter(|(unit, _)| (0xDC00..0xE000).contains(unit))
}

/// Four hexadecimal digits and what follows them.
pub(super) fn hex_unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let unit =
        digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?));
    Some((unit?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::Reader;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn check(text: &str, meant: &str) {
        let read = Reader::new(text.as_bytes()).string().expect(text);
        assert_eq!(read.decode(), meant, "{text}");
        assert_eq!(read.bytes(), meant.as_bytes(), "{text}");
        assert!(read.is(meant), "{text}");
        assert!(!read.is("something else"), "{text}");
        assert_eq!(read.span(), 0..text.len(), "{text}");
        assert_eq!(read.raw, &text.as_bytes()[1..text.len() - 1], "{text}");
        assert_eq!(read.escaped, text.contains('\\'), "{text}");
    }

    #[test]
    fn strings_are_decoded() {
        check(r#""""#, "");
        check(r#""model""#, "model");
        check(r#""größe 模型 🦀""#, "größe 模型 🦀");
        check(r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t");
        check(r#""mod\u0065l""#, "model");
        check(r#""a\u00e9\u6a21z""#, "aé模z");
        check(r#""\ud83e\udd80!""#, "🦀!");
        check(r#""\uD83E\uDD80\n""#, "🦀\n");
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        check(r#""\ud83e""#, "\u{fffd}");
        check(r#""\ud83ex""#, "\u{fffd}x");
        check(r#""\udd80\ud83e""#, "\u{fffd}\u{fffd}");
        check(r#""\ud83e\n""#, "\u{fffd}\n");
        check(r#""\ud83e\u0041""#, "\u{fffd}A");
        check(r#""\ud83e\ud83e\udd80""#, "\u{fffd}🦀");
    }

    #[test]
    fn strings_without_escapes_are_borrowed() {
        let read = Reader::new(b"\"plain\"").string().unwrap();
        assert!(matches!(read.decode(), Cow::Borrowed("plain")));
    }
}
