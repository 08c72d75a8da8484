//! Watches one JSON object go by in pieces and keeps the bytes of a few members.
//!
//! It is for answers that pass through unchanged and are not held: the memory it takes does not
//! grow with the text. It checks nothing: a text that is not JSON yields no captures, or some that
//! a [`Reader`](crate::wire::json::Reader) will refuse.

use crate::wire::scan;

/// Bytes of the longest value that is captured; a longer one is dropped.
pub const MAX_CAPTURE: usize = 16 * 1024;

/// The members to capture: the depth of the object that each is in, and its key. The top object has
/// depth 1, and arrays count too.
///
/// At most 32, all different, and no deeper than 63. Keys are compared as they are written, so one
/// written with escapes is not seen.
pub type Wanted = &'static [(u8, &'static str)];

/// The depth of the deepest container of which is known whether it is an object.
const DEEPEST: u32 = 63;

/// Captures the wanted members of one JSON object that arrives cut anywhere.
#[derive(Clone, Debug)]
pub struct Watch {
    wanted: Wanted,
    /// One for each wanted member that was seen.
    slots: Vec<Slot>,
    state: State,
    first: Option<u8>,
    /// Whether a member of the top object is whole.
    has_member: bool,
    /// How many containers are open.
    depth: u32,
    /// Bit `d` is set where the container at depth `d` is an object.
    objects: u64,
    /// Bit `d` is set where members of objects at depth `d` are wanted.
    wanted_depths: u64,
    /// Bit `d` is set where a member of the object at depth `d` is being captured.
    open_depths: u64,
    /// Whether a key may come next.
    key_next: bool,
    /// Bit `i` is set where the key read so far begins like that of `wanted[i]`; once the key is
    /// read, where it is that.
    alike: u32,
    /// Length of the key read so far.
    key_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// There was nothing but white space yet.
    Before,
    /// The next byte is in no string.
    Between,
    /// The next byte is in a string that does not matter.
    Text,
    /// The next byte is behind a backslash in such a string.
    Escape,
    /// The next byte is in a key that may be wanted.
    Key,
    /// The top object is closed.
    Complete,
    /// The text is no object.
    Lost,
}

/// A wanted member that was seen.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// The member's index in what is wanted.
    wanted: u32,
    depth: u32,
    /// The member's last whole value; empty if there is none.
    captured: Vec<u8>,
    /// Whether another value has begun.
    open: bool,
    /// What earlier pieces had of that value; empty once it is too long.
    held: Vec<u8>,
    too_long: bool,
    /// Where the value begins in the present piece.
    from: usize,
}

impl Watch {
    /// A watch for `wanted`, before the first byte.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            slots: Vec::new(),
            state: State::Before,
            first: None,
            has_member: false,
            depth: 0,
            objects: 0,
            wanted_depths: wanted.iter().fold(0, |all, (depth, _)| all | depth_bit(*depth)),
            open_depths: 0,
            key_next: false,
            alike: 0,
            key_len: 0,
        }
    }

    /// Takes the next bytes of the text.
    pub fn feed(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !rest.is_empty() {
            let at = piece.len() - rest.len();
            let used = match self.state {
                State::Before => self.before(rest),
                State::Between => self.between(rest, piece, at),
                State::Text => self.text(rest),
                State::Key => self.key(rest),
                State::Escape => {
                    self.state = State::Text;
                    1
                }
                State::Complete | State::Lost => return,
            };
            rest = rest.get(used..).unwrap_or_default();
        }
        if self.open_depths != 0 {
            self.slots.iter_mut().filter(|slot| slot.open).for_each(|slot| slot.hold(piece));
        }
    }

    /// The last complete value of `wanted[index]`, without white space around it.
    #[inline(never)]
    pub fn captured(&self, index: usize) -> Option<&[u8]> {
        let slot = self.slots.iter().find(|slot| slot.wanted as usize == index)?;
        Some(slot.captured.as_slice()).filter(|captured| !captured.is_empty())
    }

    /// Whether the top object was closed.
    pub fn complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Whether the first member has gone by, or all of an empty object.
    pub fn has_member(&self) -> bool {
        self.has_member
    }

    /// The first byte that is not white space.
    pub fn first_byte(&self) -> Option<u8> {
        self.first
    }

    // Each of the following methods reads from the start of `rest` and returns how many bytes it
    // has used.

    fn before(&mut self, rest: &[u8]) -> usize {
        let space = rest.iter().take_while(|byte| is_space(**byte)).count();
        self.first = rest.get(space).copied();
        self.state = match self.first {
            None => State::Before,
            Some(b'{') => State::Between,
            Some(_) => State::Lost,
        };
        space
    }

    /// Reads strings on the way, so that only a cut inside one costs a turn of the state machine.
    fn between(&mut self, rest: &[u8], piece: &[u8], offset: usize) -> usize {
        let mut at = 0;
        while let Some(byte) = rest.get(at) {
            match byte {
                b'"' => {
                    let string = rest.get(at + 1..).unwrap_or_default();
                    let plain = scan::quote_or_backslash(string);
                    at += match string.get(plain) {
                        // Nearly every string is whole and without an escape.
                        Some(b'"') => {
                            self.whole_string(string.get(..plain).unwrap_or_default());
                            plain + 1
                        }
                        _ if self.open_string() == State::Key => self.key(string),
                        _ => self.text(string),
                    };
                }
                b':' if self.alike != 0 => self.open_captures(offset + at + 1),
                b'{' | b'[' => self.open_container(*byte == b'{'),
                b',' | b'}' | b']' => {
                    self.close_captures(piece, offset + at);
                    self.alike = 0;
                    if *byte == b',' {
                        self.has_member |= self.depth == 1;
                        self.key_next = self.in_object();
                    } else {
                        self.close_container(*byte == b'}');
                    }
                }
                _ => {}
            }
            at += 1;
            if self.state != State::Between {
                break;
            }
        }
        at
    }

    #[inline]
    fn text(&mut self, rest: &[u8]) -> usize {
        let mut at = 0;
        loop {
            at += scan::quote_or_backslash(rest.get(at..).unwrap_or_default());
            match (rest.get(at), rest.get(at + 1)) {
                (Some(b'"'), _) => {
                    self.state = State::Between;
                    return at + 1;
                }
                (Some(_), Some(_)) => at += 2,
                (Some(_), None) => {
                    self.state = State::Escape;
                    return at + 1;
                }
                (None, _) => return at,
            }
        }
    }

    fn key(&mut self, rest: &[u8]) -> usize {
        let plain = scan::quote_or_backslash(rest);
        let part = rest.get(..plain).unwrap_or_default();
        let ends = rest.get(plain) == Some(&b'"');
        let begun = self.key_len;
        self.keep_alike(|key| match key.get(begun..) {
            Some(key) if ends => key == part,
            Some(key) => key.starts_with(part),
            None => false,
        });
        self.key_len += part.len();
        if ends {
            self.state = State::Between;
        } else if plain < rest.len() {
            self.alike = 0;
            self.state = State::Escape;
        } else {
            return plain;
        }
        plain + 1
    }

    /// A string without escapes that begins and ends in the present piece: a key, if one may come.
    #[inline]
    fn whole_string(&mut self, string: &[u8]) {
        self.alike = 0;
        if self.key_next && self.depth <= DEEPEST && self.wanted_depths >> self.depth & 1 == 1 {
            let mut bit = 1;
            for (depth, key) in self.wanted {
                if u32::from(*depth) == self.depth && key.as_bytes() == string {
                    self.alike |= bit;
                }
                bit <<= 1;
            }
        }
        self.key_next = false;
    }

    #[inline]
    fn open_string(&mut self) -> State {
        self.alike = 0;
        self.state = State::Text;
        if self.key_next && self.depth <= DEEPEST && self.wanted_depths >> self.depth & 1 == 1 {
            self.state = State::Key;
            self.key_len = 0;
            let depth = self.depth;
            let at_depth = self
                .wanted
                .iter()
                .take(32)
                .enumerate()
                .filter(|(_, wanted)| u32::from(wanted.0) == depth);
            self.alike = at_depth.fold(0, |alike, (index, _)| alike | 1 << index);
        }
        self.key_next = false;
        self.state
    }

    fn keep_alike(&mut self, is_alike: impl Fn(&[u8]) -> bool) {
        for (index, (_, key)) in self.wanted.iter().take(32).enumerate() {
            if self.alike >> index & 1 == 1 && !is_alike(key.as_bytes()) {
                self.alike &= !(1 << index);
            }
        }
    }

    fn in_object(&self) -> bool {
        self.depth <= DEEPEST && self.objects >> self.depth & 1 == 1
    }

    #[inline]
    fn open_container(&mut self, object: bool) {
        self.depth = self.depth.saturating_add(1);
        if self.depth <= DEEPEST {
            self.objects = self.objects & !(1 << self.depth) | u64::from(object) << self.depth;
        }
        self.key_next = object;
        self.alike = 0;
    }

    #[inline]
    fn close_container(&mut self, object: bool) {
        if self.depth <= DEEPEST && self.in_object() != object {
            self.state = State::Lost;
            return;
        }
        self.depth = self.depth.saturating_sub(1);
        self.key_next = false;
        if self.depth == 0 {
            self.has_member = true;
            self.state = State::Complete;
        }
    }

    #[cold]
    fn open_captures(&mut self, from: usize) {
        self.open_depths |= 1 << self.depth;
        let (wanted, depth) = (self.alike.trailing_zeros(), self.depth);
        self.alike = 0;
        match self.slots.iter_mut().find(|slot| slot.wanted == wanted) {
            Some(slot) => slot.begin(from),
            None => self.slots.push(Slot { wanted, depth, open: true, from, ..Slot::default() }),
        }
    }

    #[inline]
    fn close_captures(&mut self, piece: &[u8], end: usize) {
        if self.depth <= DEEPEST && self.open_depths >> self.depth & 1 == 1 {
            self.close_captures_here(piece, end);
        }
    }

    #[cold]
    fn close_captures_here(&mut self, piece: &[u8], end: usize) {
        self.open_depths &= !(1 << self.depth);
        let piece = piece.get(..end).unwrap_or_default();
        let depth = self.depth;
        self.slots
            .iter_mut()
            .filter(|slot| slot.open && slot.depth == depth)
            .for_each(|slot| slot.end(piece));
    }
}

impl Slot {
    /// Begins a value.
    fn begin(&mut self, from: usize) {
        self.held.clear();
        (self.open, self.too_long, self.from) = (true, false, from);
    }

    /// Keeps what the present piece has of the value, and expects more in the next.
    fn hold(&mut self, piece: &[u8]) {
        let part = piece.get(self.from..).unwrap_or_default();
        let part = if self.held.is_empty() { trim_start(part) } else { part };
        self.from = 0;
        self.too_long |= self.held.len() + part.len() > MAX_CAPTURE;
        if self.too_long {
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(part);
        }
    }

    /// Takes the value that ends with `piece`, if there is one and it is not too long.
    fn end(&mut self, piece: &[u8]) {
        self.hold(piece);
        self.open = false;
        if let Some(last) = self.held.iter().rposition(|byte| !is_space(*byte)) {
            self.held.truncate(last + 1);
            self.captured = std::mem::take(&mut self.held);
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let space = bytes.iter().take_while(|byte| is_space(**byte)).count();
    bytes.get(space..).unwrap_or_default()
}

/// The bit of a depth, if that is not too deep to have one.
fn depth_bit(depth: u8) -> u64 {
    if u32::from(depth) <= DEEPEST { 1 << depth } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split::{Random, every_split};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const WANTED: Wanted =
        &[(1, "usage"), (1, "error"), (1, "model"), (3, "finish_reason"), (2, "id"), (1, "use")];

    fn fed(pieces: &[&[u8]]) -> Watch {
        let mut watch = Watch::new(WANTED);
        pieces.iter().for_each(|piece| watch.feed(piece));
        watch
    }

    /// The captures in the order of [`WANTED`], at every split, and whether the object was closed.
    fn check(text: &str, expected: [Option<&str>; 6], complete: bool) {
        every_split(text.as_bytes(), |pieces| {
            let watch = fed(pieces);
            for (index, expected) in expected.iter().enumerate() {
                assert_eq!(
                    watch.captured(index),
                    expected.map(str::as_bytes),
                    "{:?} in {text}",
                    WANTED[index]
                );
            }
            assert_eq!(watch.complete(), complete, "{text}");
            assert_eq!(watch.first_byte(), text.trim_start().bytes().next());
        });
    }

    #[test]
    fn the_first_member_of_the_top_object_is_noticed() {
        for (text, whole) in [
            ("", false),
            ("{", false),
            ("{\"a\":1", false),
            ("{\"a\":[1,{\"b\":2,\"c\":3}]", false),
            ("{\"a\":\"x,}\"", false),
            ("{\"a\":1,", true),
            ("{\"a\":[1,2]}", true),
            ("{}", true),
            ("[1,2]", false),
        ] {
            assert_eq!(fed(&[text.as_bytes()]).has_member(), whole, "{text}");
        }
    }

    #[test]
    fn wanted_members_are_captured() {
        let text = r#" {"id":"x", "model" : "gpt-4o" ,"choices":[{"index":0,
            "message":{"content":"{\"usage\": 1}"},"finish_reason": "stop"}],
 "usage": {"a": [1, {"b":"}\\\""}]} , "usage2":3}"#;
        let usage = r#"{"a": [1, {"b":"}\\\""}]}"#;
        check(text, [Some(usage), None, Some("\"gpt-4o\""), Some("\"stop\""), None, None], true);
    }

    #[test]
    fn a_key_counts_only_in_an_object_at_its_depth() {
        check(r#"{"a":["usage",":",{"usage":1,"model":2,"id":3}]}"#, [None; 6], true);
        check(r#"{"a":"usage","usage2":1,"usag":2,"":3}"#, [None; 6], true);
        check(r#"{"a":{"id": -1.5e3 }}"#, [None, None, None, None, Some("-1.5e3"), None], true);
        check(r#"{"a":["id"],"b":[["id",1]]}"#, [None; 6], true);
        check(r#"{"use":1,"user":2}"#, [None, None, None, None, None, Some("1")], true);
    }

    #[test]
    fn the_last_complete_value_counts() {
        check(r#"{"usage":1,"usage":null}"#, [Some("null"), None, None, None, None, None], true);
        check(r#"{"usage":1,"usage":{"cut":"#, [Some("1"), None, None, None, None, None], false);
        check(r#"{"usage":17"#, [None; 6], false);
        let choices = r#"{"c":[{"finish_reason":null},{"finish_reason":"length"}]}"#;
        check(choices, [None, None, None, Some("\"length\""), None, None], true);
    }

    #[test]
    fn captures_may_lie_inside_one_another() {
        let text = r#"{"error":{"id":"e","x":[{"id":0}]},"usage":{}}"#;
        let error = r#"{"id":"e","x":[{"id":0}]}"#;
        check(text, [Some("{}"), Some(error), None, None, Some("\"e\""), None], true);
    }

    #[test]
    fn what_follows_the_object_is_ignored() {
        check(r#"{"model":1} {"usage":2}"#, [None, None, Some("1"), None, None, None], true);
    }

    #[test]
    fn texts_that_are_no_object_yield_nothing() {
        let texts = [
            "",
            "  ",
            "[{\"usage\":1}]",
            "<html>{\"usage\":1}",
            "\"usage\":1",
            "\u{feff}{\"usage\":1}",
            "{]\"usage\":1}",
        ];
        for text in texts {
            check(text, [None; 6], false);
        }
        check("{\"usage\":}", [None; 6], true);
        check("{\"usage\" 1}", [None; 6], true);
        check("{\"usage\",:1}", [None; 6], true);
        check("}}}}", [None; 6], false);
    }

    #[test]
    fn deep_nesting_is_counted_and_not_kept() {
        let deep = format!(
            "{{\"a\":{}{}, \"usage\": 1}}",
            "[{\"usage\":".repeat(500),
            "0".to_owned() + &"}]".repeat(500)
        );
        let watch = fed(&[deep.as_bytes()]);
        assert_eq!(watch.captured(0), Some(&b"1"[..]));
        assert!(watch.complete());
    }

    #[test]
    fn captures_that_are_too_long_are_dropped() {
        for (length, kept) in [(MAX_CAPTURE - 2, true), (MAX_CAPTURE - 1, false)] {
            let text =
                format!("{{\"model\":1,\"usage\":  \"{}\",\"error\":\"e\"}}", "x".repeat(length));
            for size in [1, 7, 1000, text.len()] {
                let watch = fed(&text.as_bytes().chunks(size).collect::<Vec<_>>());
                assert_eq!(watch.captured(0).is_some(), kept, "{length} by {size}");
                assert_eq!(watch.captured(1), Some(&b"\"e\""[..]));
            }
        }
    }

    #[test]
    fn garbage_is_taken_alike_however_it_is_cut() {
        const PARTS: &[&str] = &[
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\\",
            " ",
            "\"usage\"",
            "\"id\":",
            "{\"a\":",
            "7",
            "é",
        ];
        let mut random = Random::new(11);
        for _ in 0..300 {
            let text: String = (0..30).map(|_| PARTS[random.below(PARTS.len())]).collect();
            let text = format!("{{\"usage\":{text}");
            let whole = all_captured(&fed(&[text.as_bytes()]));
            every_split(text.as_bytes(), |pieces| {
                assert_eq!(all_captured(&fed(pieces)), whole, "{text}");
            });
        }
    }

    fn all_captured(watch: &Watch) -> [Option<Vec<u8>>; 6] {
        std::array::from_fn(|index| watch.captured(index).map(<[u8]>::to_vec))
    }
}
