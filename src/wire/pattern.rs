//! Recognises an event of a stream that is like an earlier one but for the texts in it.
//!
//! Nearly all events of an answer differ in a few characters of content only. Comparing one with
//! the last that was read takes a tenth of the time of reading it, and says as much: nothing but a
//! string's characters can have changed.

use super::scan;

/// Members of events whose texts change from one event to the next: content, and padding so that
/// nobody can guess the content by its length.
const TEXTS: [&[u8]; 6] =
    [b"content", b"text", b"arguments", b"reasoning", b"reasoning_content", b"obfuscation"];

/// How many texts of one event are looked at.
const MOST_TEXTS: usize = 8;

/// Bytes of the longest event that is remembered.
const LONGEST: usize = 4096;

/// How many events in a row are learned without one that is like them; then no more are learned.
const PATIENCE: u8 = 16;

/// An event, and where in it other texts may stand. While it is empty, no event is like it.
#[derive(Clone, Debug)]
pub struct Pattern {
    event: Vec<u8>,
    /// Where texts begin and end, without their quotes, in the order in which they stand.
    texts: Vec<(usize, usize)>,
    patience: u8,
}

impl Default for Pattern {
    fn default() -> Self {
        Self { event: Vec::new(), texts: Vec::new(), patience: PATIENCE }
    }
}

impl Pattern {
    /// Takes a whole raw event for the pattern, if there is a text in it, and if no byte that
    /// follows can be part of its end.
    pub fn learn(&mut self, event: &[u8]) {
        self.texts.clear();
        if self.patience == 0 || event.len() > LONGEST || !event.ends_with(b"\n") {
            return;
        }
        self.patience -= 1;
        self.event.clear();
        self.event.extend_from_slice(event);
        find_texts(event, &mut self.texts);
    }

    /// Length of the pattern's own event.
    pub fn len(&self) -> usize {
        self.event.len()
    }

    /// Whether nothing has been learned.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Length of the event at the start of `bytes`, if it is whole and like the pattern but for its
    /// texts.
    pub fn matches(&mut self, bytes: &[u8]) -> Option<usize> {
        self.read(bytes, |_, _| {})
    }

    /// [`Self::matches`], which also tells `text` where the texts begin and end: all of them, if
    /// the event is like the pattern.
    #[inline(always)]
    fn read(&mut self, bytes: &[u8], mut text: impl FnMut(usize, usize)) -> Option<usize> {
        let mut at = 0;
        let mut from = 0;
        for (start, end) in &self.texts {
            at += matched(bytes.get(at..)?, self.event.get(from..*start)?)?;
            let begun = at;
            at += text_len(bytes.get(at..)?)?;
            text(begun, at);
            from = *end;
        }
        if from == 0 {
            return None;
        }
        at += matched(bytes.get(at..)?, self.event.get(from..)?)?;
        self.patience = PATIENCE;
        Some(at)
    }
}

/// An event and what was written in its place: events that are like it but for their texts are
/// replaced alike.
#[derive(Clone, Debug, Default)]
pub struct Replacement {
    pattern: Pattern,
    written: Vec<u8>,
    /// Where the event's texts stand in what was written, in their order.
    texts: Vec<(usize, usize)>,
}

impl Replacement {
    /// Takes a whole raw event and what stands for it, if that has the same texts.
    pub fn learn(&mut self, event: &[u8], written: &[u8]) {
        self.pattern.learn(event);
        self.texts.clear();
        if self.pattern.is_empty() {
            return;
        }
        self.written.clear();
        self.written.extend_from_slice(written);
        find_texts(written, &mut self.texts);
        let texts = self.texts.iter().map(|(start, end)| written.get(*start..*end));
        if !self.pattern.texts.iter().map(|(start, end)| event.get(*start..*end)).eq(texts) {
            self.pattern.texts.clear();
        }
    }

    /// Adds to `written` what stands for the event at the start of `bytes`, if that is whole and
    /// like the one learned, and returns the event's length. An event is not like it if a text is
    /// empty in one of the two only, because the writer may treat an empty text in another way.
    pub fn replace(&mut self, bytes: &[u8], written: &mut Vec<u8>) -> Option<usize> {
        let mut found = [(0, 0); MOST_TEXTS];
        let mut places = found.iter_mut();
        let length = self.pattern.read(bytes, |start, end| {
            if let Some(place) = places.next() {
                *place = (start, end);
            }
        })?;
        let mut pairs = found.iter().zip(&self.pattern.texts);
        if pairs.any(|((start, end), known)| (start == end) != (known.0 == known.1)) {
            return None;
        }
        written.reserve(self.written.len() + length);
        let mut from = 0;
        for ((start, end), (written_start, written_end)) in found.iter().zip(&self.texts) {
            written.extend_from_slice(self.written.get(from..*written_start)?);
            written.extend_from_slice(bytes.get(*start..*end)?);
            from = *written_end;
        }
        written.extend_from_slice(self.written.get(from..)?);
        Some(length)
    }
}

/// Finds where the texts of an event stand, without their quotes.
fn find_texts(event: &[u8], texts: &mut Vec<(usize, usize)>) {
    let mut at = 0;
    while let Some(open) = event.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let start = at + open + 1;
        let Some(length) = event.get(start..).and_then(text_len) else { return };
        let end = start + length;
        at = end + 1;
        let key = event.get(start..end).unwrap_or_default();
        let value = event
            .get(end..)
            .and_then(|rest| rest.strip_prefix(b"\":"))
            .map(<[u8]>::trim_ascii_start);
        let Some(value) = value.and_then(|value| value.strip_prefix(b"\"")) else { continue };
        let Some(length) = text_len(value) else { return };
        let start = event.len() - value.len();
        at = start + length + 1;
        if TEXTS.contains(&key) && texts.len() < MOST_TEXTS {
            texts.push((start, start + length));
        }
    }
}

/// The length of `start`, if `bytes` begin with it.
#[inline]
fn matched(bytes: &[u8], start: &[u8]) -> Option<usize> {
    scan::is_same(bytes.get(..start.len())?, start).then_some(start.len())
}

/// Length of the JSON string whose opening quote stands before `bytes`; `None` without its end, or
/// if there is a control character in it: that might be a line's end.
#[inline]
fn text_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += scan::plain_run(bytes.get(at..)?).len;
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' if *bytes.get(at + 1)? >= b' ' => at += 2,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn learned(event: &str) -> Pattern {
        let mut pattern = Pattern::default();
        pattern.learn(event.as_bytes());
        pattern
    }

    #[track_caller]
    fn check(event: &str, other: &str, alike: bool) {
        let mut pattern = learned(event);
        assert_eq!(
            pattern.matches(other.as_bytes()),
            alike.then_some(other.len()),
            "{event:?} {other:?}"
        );
        let more = format!("{other}data: more\n\n");
        assert_eq!(
            pattern.matches(more.as_bytes()),
            alike.then_some(other.len()),
            "{event:?} {more:?}"
        );
        for cut in 0..other.len() {
            assert_eq!(
                pattern.matches(&other.as_bytes()[..cut]),
                None,
                "{event:?} {other:?} cut at {cut}"
            );
        }
    }

    const EVENT: &str = "data: {\"id\":\"c1\",\
        \"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}],\
        \"obfuscation\":\"xyz\"}\n\n";

    #[test]
    fn events_that_differ_in_their_texts_are_alike() {
        for (text, padding) in [
            ("a", "xyz"),
            ("", ""),
            ("é模🦀 and more than eight", "0123456789"),
            ("\\\"usage\\\":1", "\\\\"),
        ] {
            let event = EVENT.replace("\"a\"", &format!("\"{text}\"")).replace("xyz", padding);
            check(EVENT, &event, true);
            check(&event, EVENT, true);
        }
        check("data: {\"text\" : \"a\"}\r\n\r\n", "data: {\"text\" : \"bc\"}\r\n\r\n", false);
        check("data: {\"text\": \"a\"}\r\n\r\n", "data: {\"text\": \"bc\"}\r\n\r\n", true);
    }

    #[test]
    fn all_else_must_be_the_same() {
        for (from, to) in [
            ("c1", "c2"),
            ("null", "\"stop\""),
            ("content", "contend"),
            ("\"a\"", "null"),
            ("\"a\"", "\"a\nb\""),
            ("\"a\"", "\"a\\\n\""),
            ("}\n\n", "}\r\n\r\n"),
            ("}\n\n", ",\"usage\":{\"prompt_tokens\":1}}\n\n"),
        ] {
            check(EVENT, &EVENT.replace(from, to), false);
        }
    }

    #[test]
    fn what_has_no_text_or_no_certain_end_is_like_nothing() {
        for event in [
            "",
            "\n",
            "data: [DONE]\n\n",
            "data: {\"id\":\"content\"}\n\n",
            "data: {\"content\":\"a\"}\r\r",
            "data: {\"content\":\"a",
        ] {
            let mut pattern = learned(event);
            assert!(pattern.is_empty(), "{event:?}");
            assert_eq!(pattern.matches(event.as_bytes()), None, "{event:?}");
        }
    }

    /// What stands in place of `EVENT` with these texts.
    fn written(text: &str, padding: &str) -> String {
        format!(
            "data: {{\"provider\":\"P\",\"content\":\"{text}\",\"obfuscation\":\"{padding}\"}}\n\n"
        )
    }

    /// How much of `bytes` is replaced, and by what.
    fn replaced(replacement: &mut Replacement, bytes: &str) -> Option<(usize, String)> {
        let mut written = b"before ".to_vec();
        let length = replacement.replace(bytes.as_bytes(), &mut written);
        assert_eq!(length.is_some(), written != b"before ");
        length.map(|length| (length, String::from_utf8(written.split_off(7)).unwrap()))
    }

    #[test]
    fn what_is_like_the_event_is_replaced_alike() {
        let mut replacement = Replacement::default();
        assert_eq!(replaced(&mut replacement, EVENT), None);
        replacement.learn(EVENT.as_bytes(), written("a", "xyz").as_bytes());
        for (text, padding) in [("a", "xyz"), ("more \\\" of \\u00e9 é", "0")] {
            let event = EVENT.replace("\"a\"", &format!("\"{text}\"")).replace("xyz", padding);
            let expected = Some((event.len(), written(text, padding)));
            assert_eq!(replaced(&mut replacement, &event), expected, "{text}");
            assert_eq!(
                replaced(&mut replacement, &format!("{event}data: 1\n\n")),
                expected,
                "another follows"
            );
        }
        for event in
            [EVENT.replace("\"a\"", "\"\""), EVENT.replace("null", "1"), EVENT.replace("c1", "c2")]
        {
            assert_eq!(replaced(&mut replacement, &event), None, "{event}");
        }
        // The replacement has other texts, has them elsewhere, or has none.
        for other in [
            written("b", "xyz"),
            written("a", "xyz").replace("\"content\"", "\"c\""),
            "\n\n".to_owned(),
        ] {
            replacement.learn(EVENT.as_bytes(), other.as_bytes());
            assert_eq!(replaced(&mut replacement, EVENT), None, "{other}");
        }
    }

    #[test]
    fn nothing_more_is_learned_where_nothing_repeats() {
        let mut pattern = Pattern::default();
        for id in 0..100 {
            let event = format!("data: {{\"id\":{id},\"content\":\"a\"}}\n\n");
            assert_eq!(pattern.matches(event.as_bytes()), None);
            pattern.learn(event.as_bytes());
        }
        assert!(pattern.is_empty());
    }
}
