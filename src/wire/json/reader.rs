//! The scanner itself.

use super::{JsonError, JsonErrorKind, Kind, MAX_DEPTH, Member, Span, Text, number, text};
use crate::wire::scan;

/// Walks over one JSON text from its start to its end.
///
/// It stands before a value, or, once one is consumed, right behind it. After a syntax error nothing is left to read,
/// so a caller that ignores the error cannot go on from the middle of a value. Asking for an object, array or string
/// where another value stands is an error too, but consumes nothing.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Open arrays and objects around `at`, never more than [`MAX_DEPTH`].
    depth: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
        }
    }

    /// What the next value is, by its first byte. Skips white space and consumes nothing else.
    #[inline]
    pub fn peek(&mut self) -> Result<Kind, JsonError> {
        self.space();
        match self.byte() {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.unexpected()),
        }
    }

    /// Consumes any one value, checks it, and returns where it stands.
    #[inline]
    pub fn skip(&mut self) -> Result<Span, JsonError> {
        self.space();
        let start = self.at;
        self.value()?;
        Ok(start..self.at)
    }

    /// Consumes a string.
    #[inline]
    pub fn string(&mut self) -> Result<Text<'a>, JsonError> {
        if self.peek()? != Kind::String {
            return Err(self.error(JsonErrorKind::NotAString));
        }
        self.text()
    }

    /// Consumes an object, calling `read` before each member's value.
    ///
    /// `read` consumes that value and nothing else, or leaves it, and it is skipped. Returns where the object stands.
    pub fn object<E: From<JsonError>>(
        &mut self,
        mut read: impl FnMut(&mut Self, Member<'a>) -> Result<(), E>,
    ) -> Result<Span, E> {
        if self.peek()? != Kind::Object {
            return Err(self.error(JsonErrorKind::NotAnObject).into());
        }
        let start = self.at;
        self.open()?;
        let mut more = !self.close(b'}');
        while more {
            let key = self.key()?;
            let value = self.at;
            read(self, Member { key })?;
            self.skip_unless_moved(value)?;
            more = self.comma_or(b'}')?;
        }
        Ok(start..self.at)
    }

    /// Consumes an array, calling `read` before each element with its index.
    ///
    /// `read` consumes that element and nothing else, or leaves it, and it is skipped. Returns where the array stands.
    pub fn array<E: From<JsonError>>(
        &mut self,
        mut read: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<Span, E> {
        if self.peek()? != Kind::Array {
            return Err(self.error(JsonErrorKind::NotAnArray).into());
        }
        let start = self.at;
        self.open()?;
        let mut more = !self.close(b']');
        let mut index = 0;
        while more {
            self.space();
            let element = self.at;
            read(self, index)?;
            self.skip_unless_moved(element)?;
            more = self.comma_or(b']')?;
            index += 1;
        }
        Ok(start..self.at)
    }

    /// Consumes any value; `Some` if it is a whole number that fits, in whatever notation (`5`, `5.0`, `1e3`).
    pub fn u64(&mut self) -> Result<Option<u64>, JsonError> {
        let kind = self.peek()?;
        let span = self.skip()?;
        if kind != Kind::Number {
            return Ok(None);
        }
        Ok(self.bytes.get(span).and_then(number::whole))
    }

    /// Consumes any value; `Some` if it is `true` or `false`.
    pub fn boolean(&mut self) -> Result<Option<bool>, JsonError> {
        let kind = self.peek()?;
        self.skip()?;
        Ok(match kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        })
    }

    /// Succeeds if nothing but white space is left.
    pub fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        match self.byte() {
            None => Ok(()),
            Some(_) => Err(self.fail(self.at, JsonErrorKind::TrailingBytes)),
        }
    }

    /// Offset of the byte to be read next: before a value (`peek` skips the white space), or right behind one.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    /// Skips the value at `at`, where no white space is.
    #[inline]
    fn value(&mut self) -> Result<(), JsonError> {
        match self.byte() {
            Some(b'{' | b'[') => self.container(),
            _ => self.scalar(),
        }
    }

    /// Skips an array or object without recursion: whether each open one is an object is a bit, the innermost lowest.
    fn container(&mut self) -> Result<(), JsonError> {
        const _: () = assert!(MAX_DEPTH <= u128::BITS as usize);
        let outside = self.depth;
        let mut objects = 0u128;
        loop {
            match self.byte() {
                Some(b'{') => {
                    self.open()?;
                    if !self.close(b'}') {
                        objects = objects << 1 | 1;
                        self.skip_key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.open()?;
                    if !self.close(b']') {
                        objects <<= 1;
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            self.after_value(outside, &mut objects)?;
            if self.depth == outside {
                return Ok(());
            }
        }
    }

    /// From behind a value to the next one, or out of every container that ends here.
    #[inline]
    fn after_value(&mut self, outside: usize, objects: &mut u128) -> Result<(), JsonError> {
        while self.depth > outside {
            if *objects & 1 == 1 {
                if self.comma_or(b'}')? {
                    return self.skip_key();
                }
            } else if self.comma_or(b']')? {
                self.space();
                return Ok(());
            }
            *objects >>= 1;
        }
        Ok(())
    }

    #[inline]
    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.byte() {
            Some(b'"') => self.quoted().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(self.unexpected()),
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), JsonError> {
        let rest = self.rest();
        if rest.starts_with(literal) {
            self.at += literal.len();
            return Ok(());
        }
        self.at += rest
            .iter()
            .zip(literal)
            .take_while(|(read, meant)| read == meant)
            .count();
        Err(self.unexpected())
    }

    #[inline]
    fn number(&mut self) -> Result<(), JsonError> {
        match number::length(self.rest()) {
            Ok(length) => {
                self.at += length;
                Ok(())
            }
            Err(stop) if self.at + stop >= self.bytes.len() => {
                Err(self.fail(self.bytes.len(), JsonErrorKind::UnexpectedEnd))
            }
            Err(stop) => Err(self.fail(self.at + stop, JsonErrorKind::InvalidNumber)),
        }
    }

    /// Consumes the string whose opening quote stands at `at`.
    #[inline]
    fn text(&mut self) -> Result<Text<'a>, JsonError> {
        let open = self.at;
        let escaped = self.quoted()?;
        let raw = self.bytes.get(open + 1..self.at - 1).unwrap_or_default();
        Ok(Text {
            raw,
            span: open..self.at,
            escaped,
        })
    }

    /// Skips the string whose opening quote stands at `at`, and tells whether it has escapes.
    #[inline]
    fn quoted(&mut self) -> Result<bool, JsonError> {
        let start = self.at + 1;
        let mut at = start;
        let (mut escaped, mut ascii) = (false, true);
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let run = scan::plain_run(rest);
            ascii &= run.ascii;
            at += run.len;
            match rest.get(run.len) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += match rest.get(run.len + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u')
                            if text::hex_unit(rest.get(run.len + 2..).unwrap_or_default())
                                .is_some() =>
                        {
                            6
                        }
                        _ => return Err(self.bad_escape(at)),
                    };
                }
                Some(_) => return Err(self.fail(at, JsonErrorKind::ControlCharacter)),
                None => return Err(self.fail(at, JsonErrorKind::UnexpectedEnd)),
            }
        }
        self.at = at + 1;
        if ascii {
            Ok(escaped)
        } else {
            self.check_utf8(start, at).map(|()| escaped)
        }
    }

    fn check_utf8(&mut self, start: usize, end: usize) -> Result<(), JsonError> {
        match std::str::from_utf8(self.bytes.get(start..end).unwrap_or_default()) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fail(start + error.valid_up_to(), JsonErrorKind::InvalidUtf8)),
        }
    }

    #[cold]
    fn bad_escape(&mut self, at: usize) -> JsonError {
        match self.bytes.get(at + 1..).unwrap_or_default() {
            [] | [b'u'] | [b'u', _] | [b'u', _, _] | [b'u', _, _, _] => {
                self.fail(self.bytes.len(), JsonErrorKind::UnexpectedEnd)
            }
            _ => self.fail(at, JsonErrorKind::InvalidEscape),
        }
    }

    /// Consumes a key, its colon and the white space around them; ends before the value.
    #[inline]
    fn key(&mut self) -> Result<Text<'a>, JsonError> {
        self.open_quote()?;
        let key = self.text()?;
        self.colon()?;
        Ok(key)
    }

    #[inline]
    fn skip_key(&mut self) -> Result<(), JsonError> {
        self.open_quote()?;
        self.quoted()?;
        self.colon()
    }

    #[inline]
    fn open_quote(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.byte() == Some(b'"') {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    #[inline]
    fn colon(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.byte() != Some(b':') {
            return Err(self.unexpected());
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Consumes the opening bracket at `at`.
    #[inline]
    fn open(&mut self) -> Result<(), JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(self.fail(self.at, JsonErrorKind::TooDeep));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Consumes `bracket` if it comes next.
    #[inline]
    fn close(&mut self, bracket: u8) -> bool {
        self.space();
        let closes = self.byte() == Some(bracket);
        if closes {
            self.at += 1;
            self.depth = self.depth.saturating_sub(1);
        }
        closes
    }

    /// Consumes what stands behind a value: `true` for a comma, `false` for `bracket`.
    #[inline]
    fn comma_or(&mut self, bracket: u8) -> Result<bool, JsonError> {
        if self.close(bracket) {
            return Ok(false);
        }
        if self.byte() != Some(b',') {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(true)
    }

    #[inline]
    fn skip_unless_moved(&mut self, value: usize) -> Result<(), JsonError> {
        if self.at == value {
            self.value()
        } else {
            Ok(())
        }
    }

    /// The byte at `at` cannot stand there, or is missing.
    #[cold]
    fn unexpected(&mut self) -> JsonError {
        let kind = match self.byte() {
            Some(_) => JsonErrorKind::UnexpectedByte,
            None => JsonErrorKind::UnexpectedEnd,
        };
        self.fail(self.at, kind)
    }

    /// A syntax error: leaves nothing to read.
    #[cold]
    fn fail(&mut self, at: usize, kind: JsonErrorKind) -> JsonError {
        self.bytes = &[];
        self.at = at;
        JsonError { at, kind }
    }

    #[cold]
    fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError { at: self.at, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TEXT: &[u8] = br#" {"model" : "m", "n": 2e0, "stream": true, "messages": [1, {"a": []}, "x"], "end": null} "#;

    #[test]
    fn members_left_alone_are_skipped() {
        let mut reader = Reader::new(TEXT);
        let mut seen = Vec::new();
        let span = reader
            .object::<JsonError>(|reader, member| {
                seen.push(member.key.decode().into_owned());
                match () {
                    () if member.key.is("model") => assert!(reader.string()?.is("m")),
                    () if member.key.is("n") => assert_eq!(reader.u64()?, Some(2)),
                    () if member.key.is("stream") => assert_eq!(reader.boolean()?, Some(true)),
                    () => {}
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, ["model", "n", "stream", "messages", "end"]);
        assert_eq!(span, 1..TEXT.len() - 1);
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn elements_come_with_their_index_and_place() {
        let text = b"[ 1 ,[2], \"x\" ]";
        let mut spans = Vec::new();
        let mut reader = Reader::new(text);
        let read = reader.array::<JsonError>(|reader, index| {
            assert_eq!(index, spans.len());
            spans.push(reader.skip()?);
            Ok(())
        });
        assert_eq!(read, Ok(0..text.len()));
        assert_eq!(spans, [2..3, 5..8, 10..13]);
    }

    #[test]
    fn any_value_may_stand_where_a_number_or_boolean_is_asked_for() {
        for text in ["\"5\"", "[5]", "{\"a\":true}", "null", "-5", "5.5"] {
            let mut reader = Reader::new(text.as_bytes());
            assert_eq!(reader.clone().boolean(), Ok(None), "{text}");
            assert_eq!(reader.u64(), Ok(None), "{text}");
            assert_eq!(reader.end(), Ok(()), "{text}");
        }
        assert_eq!(Reader::new(b" 1e3").u64(), Ok(Some(1000)));
        assert_eq!(Reader::new(b"false").boolean(), Ok(Some(false)));
    }

    #[test]
    fn asking_for_the_wrong_kind_consumes_nothing() {
        let mut reader = Reader::new(b" 7");
        let error = |kind| JsonError { at: 1, kind };
        assert_eq!(reader.string(), Err(error(JsonErrorKind::NotAString)));
        assert_eq!(
            reader.object::<JsonError>(|_, _| Ok(())),
            Err(error(JsonErrorKind::NotAnObject))
        );
        assert_eq!(
            reader.array::<JsonError>(|_, _| Ok(())),
            Err(error(JsonErrorKind::NotAnArray))
        );
        assert_eq!(reader.u64(), Ok(Some(7)));
    }

    #[test]
    fn an_ignored_syntax_error_comes_back() {
        let mut reader = Reader::new(br#"{"a": [1, x], "b": 2}"#);
        let read = reader.object::<JsonError>(|reader, _| {
            let _ = reader.skip();
            Ok(())
        });
        assert_eq!(
            read,
            Err(JsonError {
                at: 10,
                kind: JsonErrorKind::UnexpectedEnd
            })
        );
        assert!(reader.skip().is_err());
    }

    #[test]
    fn an_error_of_the_caller_is_passed_on() {
        #[derive(Debug, PartialEq)]
        enum Mine {
            Stop,
            Json(JsonError),
        }
        impl From<JsonError> for Mine {
            fn from(error: JsonError) -> Self {
                Self::Json(error)
            }
        }
        assert_eq!(
            Reader::new(TEXT).object(|_, _| Err(Mine::Stop)),
            Err(Mine::Stop)
        );
        let ended = JsonError {
            at: 2,
            kind: JsonErrorKind::UnexpectedEnd,
        };
        assert_eq!(
            Reader::new(b"{ ").object(|_, _| Err(Mine::Stop)),
            Err(Mine::Json(ended))
        );
    }

    #[test]
    fn errors_read_well() {
        let error = Reader::new(b"[1, ").skip().unwrap_err();
        assert_eq!(error.to_string(), "unexpected end of text at byte 4");
    }
}
