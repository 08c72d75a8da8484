//! The grammar: consumes tokens and whole values, and remembers what went wrong.

use super::{JsonError, JsonErrorKind, MAX_DEPTH, Text, number, text};
use crate::wire::scan;

/// A syntax error; [`Scanner::error`] says which. It holds nothing, so that results stay in
/// registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Halt;

/// A place in a text. After a syntax error nothing is left of the text.
///
/// What [`Scanner::value`] needs is always inlined there, which keeps the place in a register: a
/// third faster on small strings. What readers call for a single value is not, as there are many
/// readers.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Open arrays and objects around `at`, never more than [`MAX_DEPTH`].
    depth: usize,
    /// The first syntax error, once there is one.
    error: Option<JsonError>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0, error: None }
    }

    /// What a [`Halt`] stands for.
    #[cold]
    pub(super) fn error(&self) -> JsonError {
        let unknown = JsonError { at: self.at, kind: JsonErrorKind::UnexpectedEnd };
        self.error.unwrap_or(unknown)
    }

    #[inline(always)]
    pub(super) fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    /// Skips the value at `at`, where no white space is.
    ///
    /// It does not recurse: for each open array or object a bit says whether it is an object, the
    /// lowest bit for the innermost one. Each part is inlined here only once, as the host's
    /// compiler takes more memory for this function's branches than for any other.
    pub(super) fn value(&mut self) -> Result<(), Halt> {
        const _: () = assert!(MAX_DEPTH <= u128::BITS as usize);
        let outside = self.depth;
        let mut objects = 0u128;
        loop {
            if objects & 1 == 1 {
                self.skip_key()?;
            }
            match self.byte() {
                Some(b'{') => {
                    self.open()?;
                    if !self.close(b'}') {
                        objects = objects << 1 | 1;
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

    /// Goes on from behind a value to the next one or its key, or out of every container that ends
    /// here.
    #[inline(always)]
    fn after_value(&mut self, outside: usize, objects: &mut u128) -> Result<(), Halt> {
        while self.depth > outside {
            let bracket = if *objects & 1 == 1 { b'}' } else { b']' };
            if self.comma_or(bracket)? {
                self.space();
                return Ok(());
            }
            *objects >>= 1;
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn scalar(&mut self) -> Result<(), Halt> {
        match self.byte() {
            Some(b'"') => self.quoted().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(self.unexpected()),
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Halt> {
        let rest = self.rest();
        if rest.starts_with(literal) {
            self.at += literal.len();
            return Ok(());
        }
        self.at += rest.iter().zip(literal).take_while(|(read, meant)| read == meant).count();
        Err(self.unexpected())
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), Halt> {
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
    pub(super) fn text(&mut self) -> Result<Text<'a>, Halt> {
        let start = self.at;
        let escaped = if self.short() { false } else { self.quoted()? };
        let raw = self.bytes.get(start + 1..self.at - 1).unwrap_or_default();
        Ok(Text { raw, start, escaped })
    }

    /// Consumes the string at `at` if it is a short one without anything special, as keys and names
    /// are: with less code than for all others.
    #[inline(always)]
    fn short(&mut self) -> bool {
        const LONGEST: usize = 32;
        let start = self.at + 1;
        let mut at = start;
        while let Some(byte @ b' '..0x80) = self.bytes.get(at) {
            match byte {
                b'"' => {
                    self.at = at + 1;
                    return true;
                }
                b'\\' => break,
                _ if at - start == LONGEST => break,
                _ => at += 1,
            }
        }
        false
    }

    /// Skips the string whose opening quote stands at `at`, and tells whether it has escapes.
    #[inline(always)]
    pub(super) fn quoted(&mut self) -> Result<bool, Halt> {
        /// So many bytes are read one by one, at the start and where reading many at once has
        /// stopped, before many at once are tried.
        const STEP: usize = 64;
        let start = self.at + 1;
        let mut at = start;
        let mut next_blocks = start + STEP;
        let (mut escaped, mut ascii) = (false, true);
        loop {
            if at >= next_blocks {
                let blocks = scan::string_blocks(self.bytes.get(at..).unwrap_or_default());
                at += blocks.len;
                ascii &= blocks.ascii;
                escaped |= blocks.escaped;
                next_blocks = at + STEP;
            }
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
        if ascii { Ok(escaped) } else { self.check_utf8(start, at).map(|()| escaped) }
    }

    fn check_utf8(&mut self, start: usize, end: usize) -> Result<(), Halt> {
        match std::str::from_utf8(self.bytes.get(start..end).unwrap_or_default()) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fail(start + error.valid_up_to(), JsonErrorKind::InvalidUtf8)),
        }
    }

    #[cold]
    fn bad_escape(&mut self, at: usize) -> Halt {
        match self.bytes.get(at + 1..).unwrap_or_default() {
            [] | [b'u'] | [b'u', _] | [b'u', _, _] | [b'u', _, _, _] => {
                self.fail(self.bytes.len(), JsonErrorKind::UnexpectedEnd)
            }
            _ => self.fail(at, JsonErrorKind::InvalidEscape),
        }
    }

    /// Consumes a key, its colon and the white space around them; ends before the value.
    pub(super) fn key(&mut self) -> Result<Text<'a>, Halt> {
        self.open_quote()?;
        let key = self.text()?;
        self.colon()?;
        Ok(key)
    }

    #[inline(always)]
    fn skip_key(&mut self) -> Result<(), Halt> {
        self.open_quote()?;
        self.quoted()?;
        self.colon()
    }

    #[inline(always)]
    fn open_quote(&mut self) -> Result<(), Halt> {
        self.space();
        if self.byte() == Some(b'"') { Ok(()) } else { Err(self.unexpected()) }
    }

    #[inline(always)]
    fn colon(&mut self) -> Result<(), Halt> {
        self.space();
        if self.byte() != Some(b':') {
            return Err(self.unexpected());
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Consumes the opening bracket at `at`.
    #[inline(always)]
    pub(super) fn open(&mut self) -> Result<(), Halt> {
        if self.depth == MAX_DEPTH {
            return Err(self.fail(self.at, JsonErrorKind::TooDeep));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Consumes `bracket` if it comes next.
    #[inline(always)]
    pub(super) fn close(&mut self, bracket: u8) -> bool {
        self.space();
        let closes = self.byte() == Some(bracket);
        if closes {
            self.at += 1;
            self.depth = self.depth.saturating_sub(1);
        }
        closes
    }

    /// Consumes what stands behind a value: `true` for a comma, `false` for `bracket`.
    #[inline(always)]
    pub(super) fn comma_or(&mut self, bracket: u8) -> Result<bool, Halt> {
        self.space();
        match self.byte() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == bracket => {
                self.at += 1;
                self.depth = self.depth.saturating_sub(1);
                Ok(false)
            }
            _ => Err(self.unexpected()),
        }
    }

    pub(super) fn end(&mut self) -> Result<(), Halt> {
        self.space();
        match self.byte() {
            None if self.error.is_some() => Err(Halt),
            None => Ok(()),
            Some(_) => Err(self.fail(self.at, JsonErrorKind::TrailingBytes)),
        }
    }

    /// The byte at `at` cannot stand there, or is missing.
    #[cold]
    pub(super) fn unexpected(&mut self) -> Halt {
        let kind = match self.byte() {
            Some(_) => JsonErrorKind::UnexpectedByte,
            None => JsonErrorKind::UnexpectedEnd,
        };
        self.fail(self.at, kind)
    }

    /// A syntax error: leaves nothing to read.
    #[cold]
    pub(super) fn fail(&mut self, at: usize, kind: JsonErrorKind) -> Halt {
        self.bytes = &[];
        self.at = at;
        self.error.get_or_insert(JsonError { at, kind });
        Halt
    }
}
