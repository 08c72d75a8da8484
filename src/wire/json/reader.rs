//! What readers of JSON call.

use super::scanner::{Halt, Scanner};
use super::{JsonError, JsonErrorKind, Kind, Member, Span, Text, number};

/// Walks over one JSON text from its start to its end.
///
/// It stands before a value, or, once one is consumed, right behind it. After a syntax error
/// nothing is left to read, so a caller that ignores the error cannot go on from the middle of a
/// value. Asking for an object, array or string where another value stands is an error too, but
/// consumes nothing. Whoever leaves a container early by an error of their own stands in the middle
/// of it and must not read on.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    scanner: Scanner<'a>,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { scanner: Scanner::new(bytes) }
    }

    /// What the next value is, by its first byte. Skips white space and consumes nothing else.
    pub fn peek(&mut self) -> Result<Kind, JsonError> {
        self.scanner.space();
        match self.scanner.byte() {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            _ => {
                let halt = self.scanner.unexpected();
                self.told(Err(halt))
            }
        }
    }

    /// Consumes any one value, checks it, and returns where it stands.
    pub fn skip(&mut self) -> Result<Span, JsonError> {
        self.scanner.space();
        let start = self.position();
        let skipped = self.scanner.value();
        self.told(skipped)?;
        Ok(start..self.position())
    }

    /// Consumes a string.
    pub fn string(&mut self) -> Result<Text<'a>, JsonError> {
        self.expect(Kind::String, JsonErrorKind::NotAString)?;
        let text = self.scanner.text();
        self.told(text)
    }

    /// Consumes an object, calling `read` before each member's value.
    ///
    /// `read` consumes that value and nothing else, or leaves it, and it is skipped. Returns where
    /// the object stands.
    #[inline(always)]
    pub fn object<E: From<JsonError>>(
        &mut self,
        mut read: impl FnMut(&mut Self, Member<'a>) -> Result<(), E>,
    ) -> Result<Span, E> {
        self.members(&mut read)
    }

    /// Consumes an array, calling `read` before each element with its index.
    ///
    /// `read` consumes that element and nothing else, or leaves it, and it is skipped. Returns
    /// where the array stands.
    #[inline(always)]
    pub fn array<E: From<JsonError>>(
        &mut self,
        mut read: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<Span, E> {
        self.elements(&mut read)
    }

    /// Consumes any value; `Some` if it is a whole number that fits, in whatever notation (`5`,
    /// `5.0`, `1e3`).
    pub fn u64(&mut self) -> Result<Option<u64>, JsonError> {
        let kind = self.peek()?;
        let span = self.skip()?;
        if kind != Kind::Number {
            return Ok(None);
        }
        Ok(self.scanner.bytes.get(span).and_then(number::whole))
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
        let ended = self.scanner.end();
        self.told(ended)
    }

    /// Offset of the byte to be read next: before a value (`peek` skips the white space), or right
    /// behind one.
    #[inline]
    pub fn position(&self) -> usize {
        self.scanner.at
    }

    #[inline]
    fn told<T>(&self, result: Result<T, Halt>) -> Result<T, JsonError> {
        result.map_err(|Halt| self.scanner.error())
    }

    fn expect(&mut self, kind: Kind, otherwise: JsonErrorKind) -> Result<(), JsonError> {
        if self.peek()? == kind {
            Ok(())
        } else {
            Err(JsonError { at: self.position(), kind: otherwise })
        }
    }

    /// [`Self::object`], of which the module holds the code once for each type of error and not
    /// once per caller: every byte of code costs the host more than ten of memory.
    #[inline(never)]
    fn members<E: From<JsonError>>(
        &mut self,
        read: &mut dyn FnMut(&mut Self, Member<'a>) -> Result<(), E>,
    ) -> Result<Span, E> {
        let (start, mut more) = self.open(Kind::Object)?;
        while more {
            let key = self.key()?;
            let value = self.position();
            read(self, Member { key })?;
            more = self.next(value, b'}')?;
        }
        Ok(start..self.position())
    }

    /// [`Self::array`], of which the module holds the code once for each type of error.
    #[inline(never)]
    fn elements<E: From<JsonError>>(
        &mut self,
        read: &mut dyn FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<Span, E> {
        let (start, mut more) = self.open(Kind::Array)?;
        let mut index = 0;
        while more {
            let element = self.position();
            read(self, index)?;
            more = self.next(element, b']')?;
            index += 1;
        }
        Ok(start..self.position())
    }

    /// Enters an object or array, up to its first key or element; returns where it stands, and
    /// whether there is anything in it.
    #[inline(never)]
    fn open(&mut self, kind: Kind) -> Result<(usize, bool), JsonError> {
        let (closing, otherwise) = match kind {
            Kind::Object => (b'}', JsonErrorKind::NotAnObject),
            _ => (b']', JsonErrorKind::NotAnArray),
        };
        self.expect(kind, otherwise)?;
        let start = self.position();
        let opened = self.scanner.open();
        self.told(opened)?;
        Ok((start, !self.scanner.close(closing)))
    }

    /// Consumes a member's key, up to its value.
    #[inline]
    fn key(&mut self) -> Result<Text<'a>, JsonError> {
        let key = self.scanner.key();
        self.told(key)
    }

    /// Goes on from the value that began at `value`, which is skipped if nobody has read it;
    /// returns whether another one follows.
    #[inline]
    fn next(&mut self, value: usize, closing: u8) -> Result<bool, JsonError> {
        if self.position() == value {
            let skipped = self.scanner.value();
            self.told(skipped)?;
        }
        let more = self.scanner.comma_or(closing);
        let more = self.told(more)?;
        if more {
            self.scanner.space();
        }
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TEXT: &[u8] = br#" {"model" : "m", "n": 2e0, "stream": true,
        "messages": [1, {"a": []}, "x"], "end": null} "#;

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
        for (read, kind) in [
            (reader.string().map(drop), JsonErrorKind::NotAString),
            (reader.object(|_, _| Ok(())).map(drop), JsonErrorKind::NotAnObject),
            (reader.array(|_, _| Ok(())).map(drop), JsonErrorKind::NotAnArray),
        ] {
            assert_eq!(read, Err(JsonError { at: 1, kind }));
        }
        assert_eq!(reader.u64(), Ok(Some(7)));
    }

    #[test]
    fn an_ignored_syntax_error_comes_back() {
        let error = JsonError { at: 10, kind: JsonErrorKind::UnexpectedByte };
        let mut reader = Reader::new(br#"{"a": [1, x], "b": 2}"#);
        let read = reader.object::<JsonError>(|reader, _| {
            let _ = reader.skip();
            Ok(())
        });
        assert_eq!(read, Err(error));
        assert_eq!(reader.skip(), Err(error));
        assert_eq!(reader.end(), Err(error));
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
        assert_eq!(Reader::new(TEXT).object(|_, _| Err(Mine::Stop)), Err(Mine::Stop));
        let ended = JsonError { at: 2, kind: JsonErrorKind::UnexpectedEnd };
        assert_eq!(Reader::new(b"{ ").object(|_, _| Err(Mine::Stop)), Err(Mine::Json(ended)));
    }

    #[test]
    fn errors_read_well() {
        let error = Reader::new(b"[1, ").skip().unwrap_err();
        assert_eq!(error.to_string(), "unexpected end of text at byte 4");
    }
}
