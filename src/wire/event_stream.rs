//! `application/vnd.amazon.eventstream`, after Smithy 2.0's "Amazon Event Stream Specification".
//!
//! [`Frames`] cuts a byte stream into messages and checks both checksums of each; [`message`] reads
//! one, [`encode`] writes one. A stream that breaks the format once is given up: nothing says where
//! its next message begins.

use super::crc32::crc32;

/// Bytes of a message's prelude: its total length, the length of its headers, and a checksum of
/// both, each 32 bits.
const PRELUDE: usize = 12;
/// Bytes of a message besides headers and payload: the prelude, and a checksum of all before it.
const OVERHEAD: usize = PRELUDE + 4;

/// What [`Frames`] finds in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// One whole message; its lengths and checksums are right.
    Event(&'a [u8]),
    /// A length or checksum is wrong, or the message is too long. This is the last piece: the rest
    /// of the stream is ignored.
    Broken,
}

/// Cuts a stream that arrives in arbitrary chunks into messages.
///
/// The same stream gives the same pieces however it is cut. A message that lies whole in a chunk is
/// not copied.
#[derive(Clone, Debug)]
pub struct Frames {
    max_message: usize,
    /// What there is of a message that has begun and not ended.
    held: Vec<u8>,
    /// How long `held` must get before it is looked at: first the prelude, then the whole message.
    wanted: usize,
    broken: bool,
}

impl Frames {
    /// At the start of a stream, with no message of more than `max_message` bytes in it.
    pub fn new(max_message: usize) -> Self {
        Self { max_message, held: Vec::new(), wanted: PRELUDE, broken: false }
    }

    /// Hands out every piece that `chunk` completes, and holds what begins a message.
    pub fn push(&mut self, chunk: &[u8], on_piece: &mut dyn FnMut(Piece<'_>)) {
        let mut rest = chunk;
        while !rest.is_empty() && !self.broken {
            let step = if self.held.is_empty() {
                self.begin(rest, on_piece)
            } else {
                self.complete(rest, on_piece)
            };
            rest = match step {
                Some(next) => next,
                None => return self.break_off(on_piece),
            };
        }
    }

    /// How many bytes are held: more than none at the end of a stream means it was cut.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes the message that `bytes` begins with, or holds all of `bytes`. Returns what follows;
    /// `None` if the message is broken.
    fn begin<'a>(
        &mut self,
        bytes: &'a [u8],
        on_piece: &mut dyn FnMut(Piece<'_>),
    ) -> Option<&'a [u8]> {
        let length = match bytes.first_chunk::<PRELUDE>() {
            Some(prelude) => message_length(prelude, self.max_message)?,
            None => PRELUDE,
        };
        if length > PRELUDE
            && let Some((message, rest)) = bytes.split_at_checked(length)
        {
            is_intact(message).then(|| on_piece(Piece::Event(message)))?;
            return Some(rest);
        }
        self.held.extend_from_slice(bytes);
        self.wanted = length;
        Some(&[])
    }

    /// Adds to what is held as much of `bytes` as is wanted. Returns what follows; `None` if the
    /// message is broken.
    fn complete<'a>(
        &mut self,
        bytes: &'a [u8],
        on_piece: &mut dyn FnMut(Piece<'_>),
    ) -> Option<&'a [u8]> {
        let missing = self.wanted.saturating_sub(self.held.len()).min(bytes.len());
        let (part, rest) = bytes.split_at_checked(missing)?;
        self.held.extend_from_slice(part);
        if self.held.len() < self.wanted {
            return Some(rest);
        }
        if self.wanted == PRELUDE {
            self.wanted = message_length(self.held.first_chunk()?, self.max_message)?;
            return Some(rest);
        }
        is_intact(&self.held).then(|| on_piece(Piece::Event(&self.held)))?;
        self.held.clear();
        self.wanted = PRELUDE;
        Some(rest)
    }

    fn break_off(&mut self, on_piece: &mut dyn FnMut(Piece<'_>)) {
        self.held = Vec::new();
        self.broken = true;
        on_piece(Piece::Broken);
    }
}

/// The length of the message that begins with a prelude; `None` if the prelude is damaged, or if
/// the message is longer than `max`.
fn message_length(prelude: &[u8; PRELUDE], max: usize) -> Option<usize> {
    let [t0, t1, t2, t3, h0, h1, h2, h3, c0, c1, c2, c3] = *prelude;
    if crc32(prelude.first_chunk::<8>()?) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return None;
    }
    let total = usize::try_from(u32::from_be_bytes([t0, t1, t2, t3])).ok()?;
    let headers = usize::try_from(u32::from_be_bytes([h0, h1, h2, h3])).ok()?;
    let fits =
        total <= max && total.checked_sub(OVERHEAD).is_some_and(|content| headers <= content);
    fits.then_some(total)
}

/// Whether a message's last four bytes are the checksum of all before them.
fn is_intact(message: &[u8]) -> bool {
    message
        .split_last_chunk::<4>()
        .is_some_and(|(content, crc)| crc32(content) == u32::from_be_bytes(*crc))
}

/// What one message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    headers: &'a [u8],
    /// What follows the headers; for AWS's JSON protocols a JSON text.
    pub payload: &'a [u8],
}

/// Reads a message that [`Frames`] handed out; `None` if its lengths are wrong. Checksums are not
/// checked again.
pub fn message(bytes: &[u8]) -> Option<Message<'_>> {
    let prelude = bytes.first_chunk::<PRELUDE>()?;
    if message_length(prelude, bytes.len())? != bytes.len() {
        return None;
    }
    let [_, _, _, _, h0, h1, h2, h3, ..] = *prelude;
    let headers = usize::try_from(u32::from_be_bytes([h0, h1, h2, h3])).ok()?;
    let content = bytes.get(PRELUDE..bytes.len().checked_sub(4)?)?;
    let (headers, payload) = content.split_at_checked(headers)?;
    Some(Message { headers, payload })
}

impl<'a> Message<'a> {
    /// The value of the header `name`, if it is there and a text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.headers;
        while let Some((header, next)) = Header::split(rest) {
            if header.name == name.as_bytes() {
                return header.text.and_then(|text| std::str::from_utf8(text).ok());
            }
            rest = next;
        }
        None
    }
}

/// One header. Its value is kept only if it is a text.
struct Header<'a> {
    name: &'a [u8],
    text: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// Reads the header that `bytes` begins with, and returns what follows it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (length, rest) = bytes.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        let (length, rest) = match kind {
            0 | 1 => (0, rest),
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            9 => (16, rest),
            6 | 7 => rest
                .split_first_chunk()
                .map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        Some((Self { name, text: (*kind == 7).then_some(value) }, rest))
    }
}

/// Writes a message with these headers, all of them texts; `None` if one of its parts is longer
/// than the format can say.
pub fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Option<Vec<u8>> {
    let mut encoded = Vec::new();
    for (name, value) in headers {
        encoded.push(u8::try_from(name.len()).ok()?);
        encoded.extend_from_slice(name.as_bytes());
        encoded.push(7);
        encoded.extend_from_slice(&u16::try_from(value.len()).ok()?.to_be_bytes());
        encoded.extend_from_slice(value.as_bytes());
    }
    frame(&encoded, payload)
}

fn frame(headers: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let total = OVERHEAD + headers.len() + payload.len();
    let mut message = Vec::with_capacity(total);
    message.extend_from_slice(&u32::try_from(total).ok()?.to_be_bytes());
    message.extend_from_slice(&u32::try_from(headers.len()).ok()?.to_be_bytes());
    message.extend_from_slice(&crc32(&message).to_be_bytes());
    message.extend_from_slice(headers);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc32(&message).to_be_bytes());
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split::{Random, every_split};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    // Messages of AWS's own test vectors for this format, as its SDKs carry them.
    const EMPTY: &[u8] = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2H\xeb}\x98\xc8\xff";
    const NO_HEADERS: &[u8] = b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfdR\x8cZ{'foo':'bar'}\xc3e96";
    const ONE_HEADER: &[u8] =
        b"\x00\x00\x00=\x00\x00\x00 \x07\xfd\x83\x96\x0ccontent-type\x07\x00\x10application/json\
        {'foo':'bar'}\x8d\x9c\x08\xb1";
    const ALL_TYPES: &[u8] = b"\x00\x00\x00\x62\x00\x00\x00\x52\x03\xb5\xcb\x9c\
        \x010\x00\x011\x01\x012\x02\x02\x013\x03\x00\x03\x014\x04\x00\x00\x00\x04\
        \x015\x05\x00\x00\x00\x00\x00\x00\x00\x05\x016\x06\x00\x05bytes\x017\x07\x00\x04utf8\
        \x018\x08\x00\x00\x00\x00\x00\x00\x00\x08\x019\x090123456789abcdef\
        \x63\x35\x36\x71";

    /// The messages of `pieces`, `None` where the stream broke, and how much is held at the end.
    fn cut(pieces: &[&[u8]], max: usize) -> (Vec<Option<Vec<u8>>>, usize) {
        let mut frames = Frames::new(max);
        let mut found = Vec::new();
        for piece in pieces {
            frames.push(piece, &mut |piece| match piece {
                Piece::Event(message) => found.push(Some(message.to_vec())),
                Piece::Broken => found.push(None),
            });
            assert!(frames.held() <= max.max(PRELUDE));
        }
        (found, frames.held())
    }

    /// However it is split, `stream` gives these messages, and breaks after them if it is `broken`.
    fn check(stream: &[u8], max: usize, messages: &[&[u8]], broken: bool, held: usize) {
        let mut expected: Vec<_> = messages.iter().map(|message| Some(message.to_vec())).collect();
        expected.extend(broken.then_some(None));
        every_split(stream, |pieces| {
            assert_eq!(cut(pieces, max), (expected.clone(), held), "{pieces:?}")
        });
    }

    fn changed(message: &[u8], at: usize) -> Vec<u8> {
        let mut message = message.to_vec();
        message[at] ^= 1;
        message
    }

    #[test]
    fn messages_are_found_at_every_split() {
        let messages = [EMPTY, NO_HEADERS, ONE_HEADER, ALL_TYPES, EMPTY];
        check(&messages.concat(), 1000, &messages, false, 0);
        check(b"", 1000, &[], false, 0);
    }

    #[test]
    fn a_cut_stream_leaves_bytes_held() {
        for cut in 1..ONE_HEADER.len() {
            check(&[EMPTY, &ONE_HEADER[..cut]].concat(), 1000, &[EMPTY], false, cut);
        }
    }

    #[test]
    fn any_changed_bit_breaks_the_stream() {
        for at in 0..ONE_HEADER.len() {
            let stream = [EMPTY, &changed(ONE_HEADER, at), NO_HEADERS].concat();
            check(&stream, 1000, &[EMPTY], true, 0);
        }
    }

    #[test]
    fn a_damaged_prelude_is_told_before_the_message_is_there() {
        assert_eq!(cut(&[&changed(ONE_HEADER, 3)[..PRELUDE]], 1000), (vec![None], 0));
        assert_eq!(cut(&[&changed(ONE_HEADER, 3)[..PRELUDE - 1]], 1000), (vec![], PRELUDE - 1));
    }

    /// What begins a message with these lengths, its checksum right.
    fn prelude(total: u32, headers: u32) -> Vec<u8> {
        let lengths = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        let crc = crc32(&lengths).to_be_bytes();
        [&lengths[..], &crc].concat()
    }

    #[test]
    fn lengths_must_make_sense_even_with_the_right_checksum() {
        for (total, headers) in
            [(0, 0), (12, 0), (15, 0), (16, 1), (40, 25), (u32::MAX, 0), (1001, 0), (30, u32::MAX)]
        {
            let stream = [prelude(total, headers), vec![0; 100]].concat();
            check(&stream, 1000, &[], true, 0);
        }
        let largest = frame(b"", &[b'x'; 984]).unwrap();
        check(&largest, 1000, &[&largest], false, 0);
        check(&largest, 999, &[], true, 0);
        check(EMPTY, 0, &[], true, 0);
    }

    #[test]
    fn what_is_no_event_stream_breaks_at_once() {
        check(b"{\"message\":\"x\"}", 1000, &[], true, 0);
        check(b"<html><body>Bad gateway</body></html>", 1000, &[], true, 0);
    }

    #[test]
    fn a_message_whole_in_a_chunk_is_not_copied() {
        let stream = [NO_HEADERS, ONE_HEADER].concat();
        let mut frames = Frames::new(1000);
        let mut seen = Vec::new();
        frames.push(&stream, &mut |piece| match piece {
            Piece::Event(message) => seen.push(message.as_ptr()),
            Piece::Broken => panic!("broken"),
        });
        assert_eq!(seen, [stream.as_ptr(), stream[NO_HEADERS.len()..].as_ptr()]);
        assert_eq!(frames.held(), 0);
    }

    #[test]
    fn headers_and_payload_are_read() {
        let read = message(ONE_HEADER).unwrap();
        assert_eq!(read.header("content-type"), Some("application/json"));
        assert_eq!(read.header("content-typ"), None);
        assert_eq!(read.payload, b"{'foo':'bar'}");
        assert_eq!(message(EMPTY), Some(Message { headers: b"", payload: b"" }));
    }

    #[test]
    fn headers_of_every_type_are_stepped_over() {
        let read = message(ALL_TYPES).unwrap();
        assert_eq!(read.header("7"), Some("utf8"));
        for name in ["0", "1", "2", "3", "4", "5", "6", "8", "9", ""] {
            assert_eq!(read.header(name), None, "{name}");
        }
        let behind =
            frame(&[&ALL_TYPES[PRELUDE..PRELUDE + 0x52], b"\x03end\x07\x00\x02ok"].concat(), b"")
                .unwrap();
        assert_eq!(message(&behind).unwrap().header("end"), Some("ok"));
    }

    #[test]
    fn headers_that_make_no_sense_end_the_search() {
        for headers in [
            &b"\x01a\x0a\x01b\x07\x00\x01x"[..],
            b"\x01a\x07\x00",
            b"\x01a\x07\x00\x05x",
            b"\x09a",
            b"\x01a",
        ] {
            let framed = frame(headers, b"{}").unwrap();
            let read = message(&framed).unwrap();
            assert_eq!(
                (read.header("a"), read.header("b"), read.payload),
                (None, None, &b"{}"[..])
            );
        }
        let not_utf8 = frame(b"\x01a\x07\x00\x01\xff", b"").unwrap();
        assert_eq!(message(&not_utf8).unwrap().header("a"), None);
    }

    #[test]
    fn what_is_no_whole_message_is_not_read() {
        assert_eq!(message(b""), None);
        assert_eq!(message(&ONE_HEADER[..ONE_HEADER.len() - 1]), None);
        assert_eq!(message(&[ONE_HEADER, b"x"].concat()), None);
        assert_eq!(message(b"data: {\"not\":\"this\"}\n\n"), None);
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        assert_eq!(
            encode(&[("content-type", "application/json")], b"{'foo':'bar'}").unwrap(),
            ONE_HEADER
        );
        assert_eq!(encode(&[], b"").unwrap(), EMPTY);
        assert_eq!(encode(&[(&"x".repeat(256), "")], b""), None);
        assert_eq!(encode(&[("x", &"y".repeat(65_536))], b""), None);
        assert!(encode(&[(&"x".repeat(255), &"y".repeat(65_535))], b"").is_some());
    }

    #[test]
    fn any_bytes_are_cut_alike() {
        let mut random = Random::new(3);
        for _ in 0..200 {
            let mut stream = [ONE_HEADER, EMPTY, ALL_TYPES, NO_HEADERS].concat();
            for _ in 0..random.below(3) {
                let at = random.below(stream.len());
                stream[at] = random.below(256) as u8;
            }
            let max = 50 + random.below(60);
            let whole = cut(&[&stream], max);
            assert!(whole.0.iter().rev().skip(1).all(Option::is_some));
            every_split(&stream, |pieces| assert_eq!(cut(pieces, max), whole));
        }
    }
}
