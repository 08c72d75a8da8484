//! Server-sent events, after the WHATWG's "Interpreting an event stream".
//!
//! [`Splitter`] cuts a byte stream into raw events and loses no byte; [`fields`] reads one of them.
//! Neither can fail: what is no event stream comes out as events without data, or as opaque bytes.

use std::borrow::Cow;

use crate::wire::scan;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A part of an event stream. All of them, one after the other, are the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// One whole event with the blank line that ends it.
    Event(&'a [u8]),
    /// A part of an event that is too long to be held.
    Opaque(&'a [u8]),
}

/// Cuts a stream that arrives in arbitrary chunks into events.
///
/// Lines end with LF, CRLF or CR. A blank line that ends with CR is complete only with the next
/// byte, as an LF would belong to it; every other event is handed out with the chunk that ends it.
/// The same stream gives the same pieces however it is cut, except that opaque bytes may be cut
/// elsewhere. A byte order mark stays with the first event.
#[derive(Clone, Debug)]
pub struct Splitter {
    max_event: usize,
    /// The event that has begun, never more than `max_event`; empty while it is opaque.
    held: Vec<u8>,
    /// Whether the event that has begun is too long, and handed out in parts.
    opaque: bool,
    state: State,
}

/// What the bytes so far of the event that has begun end with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// With so many bytes of a byte order mark, at the start of the stream.
    Bom(u8),
    /// With the end of a line, or the event has no bytes yet.
    LineStart,
    /// With a part of a line.
    Line,
    /// With the CR of a line that is not blank.
    LineCr,
    /// With the CR of a blank line.
    BlankCr,
}

impl Splitter {
    /// A splitter at the start of a stream, holding no event of more than `max_event` bytes.
    pub fn new(max_event: usize) -> Self {
        Self { max_event, held: Vec::new(), opaque: false, state: State::Bom(0) }
    }

    /// Hands out every piece that `chunk` completes, and holds what begins an event.
    pub fn push(&mut self, chunk: &[u8], on_piece: &mut dyn FnMut(Piece<'_>)) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let used = self.push_event(rest, on_piece);
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// [`Self::push`] up to the end of one event; returns how many bytes of `chunk` were taken.
    pub fn push_event(&mut self, chunk: &[u8], on_piece: &mut dyn FnMut(Piece<'_>)) -> usize {
        match self.boundary(chunk).and_then(|end| chunk.get(..end)) {
            Some(event) => {
                self.end_event(event, on_piece);
                event.len()
            }
            None => {
                self.hold(chunk, on_piece);
                chunk.len()
            }
        }
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether an event has begun, and not ended, that is handed out in parts.
    pub fn is_within_opaque(&self) -> bool {
        self.opaque
    }

    /// Whether no event has begun.
    pub fn is_between_events(&self) -> bool {
        self.held.is_empty() && !self.opaque
    }

    /// What is left at the end of the stream: an event without its blank line, or with one that
    /// ends with CR. Empty if there is none.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.opaque = false;
        self.state = State::LineStart;
        std::mem::take(&mut self.held)
    }

    /// Reads on in the present event; returns where in `bytes` it ends, if it does. It ends at zero
    /// if a CR that came before was its last byte.
    fn boundary(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            self.state = match (self.state, byte) {
                (State::BlankCr, b'\n') => return Some(self.end_at(at + 1)),
                (State::BlankCr, _) => return Some(self.end_at(at)),
                (State::LineCr, b'\n') => State::LineStart,
                (State::Line | State::Bom(1 | 2), b'\n') => State::LineStart,
                (State::Line | State::Bom(1 | 2), b'\r') => State::LineCr,
                (_, b'\n') => return Some(self.end_at(at + 1)),
                (_, b'\r') => State::BlankCr,
                (State::Bom(read), byte) if BOM.get(usize::from(read)) == Some(byte) => {
                    bom(read + 1)
                }
                _ => {
                    at += scan::line_end(bytes.get(at..).unwrap_or_default());
                    self.state = State::Line;
                    continue;
                }
            };
            at += 1;
        }
        None
    }

    fn end_at(&mut self, at: usize) -> usize {
        self.state = State::LineStart;
        at
    }

    fn end_event(&mut self, end: &[u8], on_piece: &mut dyn FnMut(Piece<'_>)) {
        if self.held.is_empty() && !self.opaque && end.len() <= self.max_event {
            return on_piece(Piece::Event(end));
        }
        self.hold(end, on_piece);
        if !self.opaque {
            on_piece(Piece::Event(&self.held));
        }
        self.held.clear();
        self.opaque = false;
    }

    fn hold(&mut self, part: &[u8], on_piece: &mut dyn FnMut(Piece<'_>)) {
        if !self.opaque && self.held.len() + part.len() <= self.max_event {
            return self.held.extend_from_slice(part);
        }
        self.opaque = true;
        let held = std::mem::take(&mut self.held);
        for bytes in [&held, part].into_iter().filter(|bytes| !bytes.is_empty()) {
            on_piece(Piece::Opaque(bytes));
        }
    }
}

fn bom(read: u8) -> State {
    if usize::from(read) == BOM.len() { State::LineStart } else { State::Bom(read) }
}

/// What one event says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The values of `data`, joined with LF; `None` if there is none, so that the event counts for
    /// nothing.
    pub data: Option<Cow<'a, [u8]>>,
    /// The last value of `event`.
    pub event: Option<&'a [u8]>,
}

/// Reads a raw event, with or without its blank line. A byte order mark before the first field is
/// not part of it.
pub fn fields(event: &[u8]) -> Fields<'_> {
    let mut fields = Fields::default();
    let mut rest = event.strip_prefix(BOM).unwrap_or(event);
    while !rest.is_empty() {
        // A CRLF is taken for two line ends: the blank line between them says nothing.
        let end = scan::line_end(rest);
        fields.line(rest.get(..end).unwrap_or_default());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    fields
}

impl<'a> Fields<'a> {
    #[inline]
    fn line(&mut self, line: &'a [u8]) {
        if let Some(value) = value(line, b"data") {
            match &mut self.data {
                None => self.data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    data.to_mut().push(b'\n');
                    data.to_mut().extend_from_slice(value);
                }
            }
        } else if let Some(value) = value(line, b"event") {
            self.event = Some(value);
        }
    }
}

/// The value of the field `name`, if `line` is one.
#[inline]
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

/// Whether `data` is OpenAI's end mark.
pub fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split::{Random, every_split};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// The events of `pieces`, opaque bytes in a row joined and marked with `~`, and last the rest.
    fn split(pieces: &[&[u8]], max_event: usize) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::new(max_event);
        let mut split = vec![];
        let mut opaque = false;
        for piece in pieces {
            splitter.push(piece, &mut |piece| match piece {
                Piece::Event(event) => {
                    assert!(event.len() <= max_event);
                    split.push(event.to_vec());
                    opaque = false;
                }
                Piece::Opaque(bytes) => {
                    assert!(!bytes.is_empty());
                    if !opaque {
                        split.push(b"~".to_vec());
                    }
                    split.last_mut().unwrap().extend_from_slice(bytes);
                    opaque = true;
                }
            });
            assert!(splitter.held() <= max_event);
        }
        split.push(splitter.take_rest());
        split
    }

    fn check_bounded(stream: &str, max_event: usize, expected: &[&str]) {
        assert_eq!(expected.concat().replace('~', ""), stream);
        every_split(stream.as_bytes(), |pieces| {
            let split = split(pieces, max_event);
            let shown: Vec<_> = split.iter().map(|event| String::from_utf8_lossy(event)).collect();
            assert_eq!(shown, expected, "{pieces:?}");
        });
    }

    fn check(stream: &str, expected: &[&str]) {
        check_bounded(stream, 1 << 20, expected);
    }

    #[test]
    fn events_end_with_a_blank_line() {
        check("", &[""]);
        check("data: 1\n\ndata: 2\n\n", &["data: 1\n\n", "data: 2\n\n", ""]);
        check("data: 1\r\n\r\ndata: 2\r\n\r\nx", &["data: 1\r\n\r\n", "data: 2\r\n\r\n", "x"]);
        check("data: 1\r\rdata: 2\r\r:", &["data: 1\r\r", "data: 2\r\r", ":"]);
        check(
            "event: a\ndata: {\ndata: }\nid: 7\n\n",
            &["event: a\ndata: {\ndata: }\nid: 7\n\n", ""],
        );
        check(
            ": ping\n\n: OPENROUTER PROCESSING\n\ndata: é模🦀\n\n",
            &[": ping\n\n", ": OPENROUTER PROCESSING\n\n", "data: é模🦀\n\n", ""],
        );
    }

    #[test]
    fn line_ends_may_be_mixed() {
        check(
            "a\r\n\nb\n\r\nc\r\n\rd\n\re\r\r\nf\r\n\r\n\n",
            &["a\r\n\n", "b\n\r\n", "c\r\n\r", "d\n\r", "e\r\r\n", "f\r\n\r\n", "\n", ""],
        );
    }

    #[test]
    fn blank_lines_alone_are_events_too() {
        check("\n\n\ndata\n\n", &["\n", "\n", "\n", "data\n\n", ""]);
        check("\r\n\r\r\n", &["\r\n", "\r", "\r\n", ""]);
    }

    #[test]
    fn a_byte_order_mark_does_not_fill_a_line() {
        check("\u{feff}data: 1\n\n", &["\u{feff}data: 1\n\n", ""]);
        check("\u{feff}\ndata: 1\n\n", &["\u{feff}\n", "data: 1\n\n", ""]);
        check("\u{feff}\r\n\r\n", &["\u{feff}\r\n", "\r\n", ""]);
        check("a\n\n\u{feff}\n\n", &["a\n\n", "\u{feff}\n\n", ""]);
        check("\u{feff}\u{feff}\n\n", &["\u{feff}\u{feff}\n\n", ""]);
        assert_eq!(split(&[b"\xef\xbb\n\nx"], 99), [&b"\xef\xbb\n\n"[..], b"x"]);
    }

    #[test]
    fn the_last_event_may_lack_its_end() {
        check("data: 1\n\ndata: 2", &["data: 1\n\n", "data: 2"]);
        check("data: 1\n\ndata: 2\n", &["data: 1\n\n", "data: 2\n"]);
        check("data: 1\r\n\r", &["data: 1\r\n\r"]);
    }

    #[test]
    fn an_event_that_is_too_long_is_opaque_up_to_its_end() {
        check_bounded(
            "a\n\nlong: 123456\n\nb\n\n",
            10,
            &["a\n\n", "~long: 123456\n\n", "b\n\n", ""],
        );
        check_bounded(
            "12345678\n\n123456789\n\nrest",
            10,
            &["12345678\n\n", "~123456789\n\n", "rest"],
        );
        check_bounded(
            "long: 123456\r\n\r\nb\r\n\r\nlong: 123456",
            10,
            &["~long: 123456\r\n\r\n", "b\r\n\r\n", "~long: 123456", ""],
        );
        check_bounded(
            "1234567\r\r\nb\n\nlong: 1234\r\r",
            9,
            &["~1234567\r\r\n", "b\n\n", "~long: 1234\r\r", ""],
        );
        check_bounded("a\n\n", 0, &["~a\n\n", ""]);
    }

    #[test]
    fn a_complete_event_is_not_delayed_and_not_copied() {
        for event in ["data: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\n\n"] {
            let mut splitter = Splitter::new(100);
            let mut seen = Vec::new();
            splitter.push(event.as_bytes(), &mut |piece| match piece {
                Piece::Event(event) => seen.push(event.as_ptr()),
                Piece::Opaque(_) => panic!("opaque"),
            });
            assert_eq!(seen, [event.as_ptr()]);
            assert_eq!(splitter.held(), 0);
        }
    }

    #[test]
    fn any_stream_is_cut_alike_and_loses_no_byte() {
        const BYTES: &[u8] = b"\n\r\n\rab\xef\xbb\xbf";
        let mut random = Random::new(5);
        for _ in 0..300 {
            let stream: Vec<u8> =
                (0..random.below(40)).map(|_| BYTES[random.below(BYTES.len())]).collect();
            let max_event = random.below(12);
            let whole = split(&[&stream], max_event);
            let joined = whole.concat();
            assert!(joined.iter().filter(|byte| **byte != b'~').eq(&stream));
            every_split(&stream, |pieces| {
                assert_eq!(split(pieces, max_event), whole, "{pieces:?}")
            });
        }
    }

    #[test]
    fn an_event_that_has_begun_is_known() {
        for (stream, between) in
            [("", true), ("a\n\n", true), ("a\n", false), ("a\n\nb", false), ("123456789", false)]
        {
            let mut splitter = Splitter::new(5);
            splitter.push(stream.as_bytes(), &mut |_| {});
            assert_eq!(splitter.is_between_events(), between, "{stream:?}");
        }
    }

    fn check_fields(event: &str, data: Option<&str>, name: Option<&str>) {
        let fields = fields(event.as_bytes());
        assert_eq!(fields.data.as_deref(), data.map(str::as_bytes), "{event:?}");
        assert_eq!(fields.event, name.map(str::as_bytes), "{event:?}");
    }

    #[test]
    fn fields_are_read_as_browsers_read_them() {
        check_fields("data: {\"a\":1}\n\n", Some("{\"a\":1}"), None);
        check_fields("data:x\r\n\r\n", Some("x"), None);
        check_fields("data:  x \r\r", Some(" x "), None);
        check_fields("data: x", Some("x"), None);
        check_fields("data\n\n", Some(""), None);
        check_fields("data:\n\n", Some(""), None);
        check_fields("data: 1\ndata:2\r\ndata\rdata: 4\n\n", Some("1\n2\n\n4"), None);
        check_fields("event: message_start\ndata: {}\n\n", Some("{}"), Some("message_start"));
        check_fields("event: a\nevent:b\nid: 7\nretry: 1\n: c\n\n", None, Some("b"));
        check_fields("\u{feff}data: 1\n\n", Some("1"), None);
        check_fields("datax: 1\n data: 2\nDATA: 3\ndat\neventual: 1\n\n", None, None);
        check_fields("data: a: b\n\n", Some("a: b"), None);
        check_fields("\n", None, None);
    }

    #[test]
    fn single_data_lines_are_borrowed() {
        assert!(matches!(fields(b"data: 1\n\n").data, Some(Cow::Borrowed(b"1"))));
    }

    #[test]
    fn the_end_mark_is_recognised() {
        assert!(is_done(b"[DONE]") && is_done(b"[DONE] "));
        assert!(!is_done(b"") && !is_done(b"{\"a\":\"[DONE]\"}"));
    }
}
