//! Changes a text by splicing bytes into it, so that whatever nobody asked to change stays as it
//! came.
//!
//! [`Edits`] is a list of replacements; [`Members`] turns "without these members, with that one"
//! into such replacements, commas included.

use crate::wire::json::Span;

/// Replacements in one text. They are ordered by place, and none overlaps another; the bytes that
/// they put in are kept one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    edits: Vec<Edit>,
    bytes: Vec<u8>,
}

/// Replaces `span` of the text by the span `new` of [`Edits::bytes`].
#[derive(Clone, Debug, PartialEq)]
struct Edit {
    span: Span,
    new: Span,
}

impl Edits {
    /// No edits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `bytes` where `span` is.
    ///
    /// Edits may come in any order. Inside a span that is already replaced an edit is dropped;
    /// around replaced spans it takes their place; one that overlaps another only in part is
    /// dropped. Insertions at the same place stand in the order they came, and before what is
    /// replaced there.
    pub fn replace(&mut self, span: Span, bytes: &[u8]) {
        let span = span.start..span.end.max(span.start);
        if self.edits.last().is_some_and(|last| !is_before(&last.span, &span)) {
            return self.replace_between(span, bytes);
        }
        let new = self.keep(bytes);
        self.edits.push(Edit { span, new });
    }

    /// [`Self::replace`], where an earlier edit stands at a later place.
    #[inline(never)]
    fn replace_between(&mut self, span: Span, bytes: &[u8]) {
        let from = self.edits.partition_point(|edit| is_before(&edit.span, &span));
        let count =
            self.edits.iter().skip(from).take_while(|edit| !is_before(&span, &edit.span)).count();
        let mut overlapped = self.edits.iter().skip(from).take(count);
        if !overlapped.all(|edit| span.start <= edit.span.start && edit.span.end <= span.end) {
            return;
        }
        let new = self.keep(bytes);
        self.edits.splice(from..from + count, [Edit { span, new }]);
    }

    fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// Puts `bytes` before the byte at `at`.
    pub fn insert(&mut self, at: usize, bytes: &[u8]) {
        self.replace(at..at, bytes);
    }

    /// Takes `span` out.
    pub fn remove(&mut self, span: Span) {
        self.replace(span, &[]);
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The text with every edit done. What an edit says about bytes that the text does not have is
    /// ignored.
    pub fn apply(&self, text: &[u8]) -> Vec<u8> {
        let mut edited = Vec::with_capacity(self.new_len(text.len()));
        let mut copied = 0;
        for edit in &self.edits {
            edited.extend_from_slice(
                text.get(copied..edit.span.start.min(text.len())).unwrap_or_default(),
            );
            edited.extend_from_slice(self.bytes.get(edit.new.clone()).unwrap_or_default());
            copied = edit.span.end.min(text.len());
        }
        edited.extend_from_slice(text.get(copied..).unwrap_or_default());
        edited
    }

    /// Length of a text of `text_len` bytes with every edit done.
    pub fn new_len(&self, text_len: usize) -> usize {
        let spans = self.edits.iter().map(|edit| &edit.span);
        let removed: usize =
            spans.map(|span| span.end.min(text_len) - span.start.min(text_len)).sum();
        let added: usize = self.edits.iter().map(|edit| edit.new.len()).sum();
        text_len - removed + added
    }

    /// How many bytes at the front of the text change, and what they become; `None` without edits.
    ///
    /// A host that only splices at the front of a buffer replaces the first `n` bytes and need not
    /// copy the rest.
    pub fn head(&self, text: &[u8]) -> Option<(usize, Vec<u8>)> {
        let end = self.edits.last()?.span.end.min(text.len());
        Some((end, self.apply(text.get(..end).unwrap_or_default())))
    }
}

/// Whether `left` ends before `right` begins. An insertion ends where it begins.
fn is_before(left: &Span, right: &Span) -> bool {
    left.end <= right.start
}

/// The members of one object, as spans from key to value, and what is to become of them.
///
/// They are pushed in the order of the text while the object is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    members: Vec<Entry>,
    inserted: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    span: Span,
    removed: bool,
}

impl Members {
    /// No members yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records the next member, from its key's quote to the end of its value, and returns its
    /// index.
    pub fn push(&mut self, member: Span) -> usize {
        self.members.push(Entry { span: member, removed: false });
        self.members.len() - 1
    }

    /// How many members are recorded.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether no member is recorded.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The first member of `text` whose key is written like this, without escapes: its index and
    /// its span.
    pub fn find(&self, text: &[u8], key: &str) -> Option<(usize, Span)> {
        let index = self.members.iter().position(|entry| {
            let rest = text.get(entry.span.clone()).and_then(|member| member.strip_prefix(b"\""));
            rest.and_then(|rest| rest.strip_prefix(key.as_bytes()))
                .is_some_and(|rest| rest.starts_with(b"\""))
        })?;
        Some((index, self.members.get(index)?.span.clone()))
    }

    /// Takes a member out.
    pub fn remove(&mut self, index: usize) {
        if let Some(member) = self.members.get_mut(index) {
            member.removed = true;
        }
    }

    /// Adds a member, e.g. `"stream":true`, right after the brace. Several stand in the order of
    /// the calls.
    pub fn insert_first(&mut self, member: &[u8]) {
        if !self.inserted.is_empty() {
            self.inserted.push(b',');
        }
        self.inserted.extend_from_slice(member);
    }

    /// Adds to `edits` what takes members out and puts others in; `object` is the span
    /// [`Reader::object`](crate::wire::json::Reader::object) gave.
    pub fn write(&self, object: &Span, edits: &mut Edits) {
        if self.inserted.is_empty() && !self.members.iter().any(|member| member.removed) {
            return;
        }
        self.write_inserted(object.start + 1, edits);
        let mut behind_kept = None;
        let mut members = self.members.iter().peekable();
        while let Some(member) = members.next() {
            let next = members.peek().map_or(member.span.end, |next| next.span.start);
            match behind_kept {
                _ if !member.removed => {}
                // The comma before it goes too.
                Some(end) => edits.remove(end..member.span.end),
                // The comma behind it goes too, if there is one.
                None => edits.remove(member.span.start..next),
            }
            if behind_kept.is_some() || !member.removed {
                behind_kept = Some(member.span.end);
            }
        }
    }

    fn write_inserted(&self, at: usize, edits: &mut Edits) {
        if self.inserted.is_empty() {
            return;
        }
        let alone = self.members.iter().all(|member| member.removed);
        let comma: &[u8] = if alone { b"" } else { b"," };
        edits.insert(at, &[&self.inserted, comma].concat());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::{JsonError, Reader};
    use crate::wire::split::Random;
    use serde_json::{Map, Value};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn check(edits: &Edits, text: &str, expected: &str) {
        let edited = edits.apply(text.as_bytes());
        assert_eq!(String::from_utf8_lossy(&edited), expected);
        assert_eq!(edits.new_len(text.len()), expected.len());
        assert_eq!(edited.capacity(), expected.len());
        match edits.head(text.as_bytes()) {
            Some((count, head)) => assert_eq!([&head, &text.as_bytes()[count..]].concat(), edited),
            None => assert_eq!(text, expected),
        }
    }

    #[test]
    fn edits_are_done_in_the_order_of_the_text() {
        let mut edits = Edits::new();
        check(&edits, "0123456789", "0123456789");
        edits.replace(7..9, b"<seven, eight>");
        edits.remove(1..3);
        edits.insert(3, b"a");
        edits.insert(3, b"b");
        edits.replace(3..4, b"three");
        edits.insert(3, b"c");
        check(&edits, "0123456789", "0abcthree456<seven, eight>9");
        assert_eq!(edits.head(b"0123456789").unwrap().0, 9);
        edits.insert(10, b"!");
        check(&edits, "0123456789", "0abcthree456<seven, eight>9!");
    }

    #[test]
    fn of_overlapping_edits_the_outer_one_wins() {
        let mut edits = Edits::new();
        edits.insert(4, b"in");
        edits.replace(3..5, b"x");
        check(&edits, "0123456789", "012x56789");
        edits.insert(4, b"dropped");
        edits.replace(4..7, b"dropped");
        check(&edits, "0123456789", "012x56789");
        edits.remove(2..6);
        check(&edits, "0123456789", "016789");
    }

    #[test]
    fn edits_beyond_the_text_take_nothing() {
        let mut edits = Edits::new();
        edits.replace(2..9, b"x");
        edits.insert(20, b"y");
        check(&edits, "012", "01xy");
    }

    /// Removes the members whose key is in `without` and inserts `with`.
    fn edited(text: &str, without: &[&str], with: &[&str]) -> Edits {
        let mut members = Members::new();
        let mut reader = Reader::new(text.as_bytes());
        let object = reader.object::<JsonError>(|reader, member| {
            reader.skip()?;
            let index = members.push(member.key.start..reader.position());
            if without.iter().any(|key| member.key.is(key)) {
                members.remove(index);
            }
            Ok(())
        });
        with.iter().for_each(|member| members.insert_first(member.as_bytes()));
        let mut edits = Edits::new();
        members.write(&object.unwrap(), &mut edits);
        edits
    }

    #[test]
    fn members_leave_with_one_comma_and_no_other_byte() {
        let text = r#"{ "a": 1 ,  "b": [2],"c" :{} , "d":"," }"#;
        let cases: &[(&[&str], &str)] = &[
            (&[], r#"{ "a": 1 ,  "b": [2],"c" :{} , "d":"," }"#),
            (&["a"], r#"{ "b": [2],"c" :{} , "d":"," }"#),
            (&["b"], r#"{ "a": 1,"c" :{} , "d":"," }"#),
            (&["d"], r#"{ "a": 1 ,  "b": [2],"c" :{} }"#),
            (&["a", "b"], r#"{ "c" :{} , "d":"," }"#),
            (&["b", "c"], r#"{ "a": 1 , "d":"," }"#),
            (&["c", "d"], r#"{ "a": 1 ,  "b": [2] }"#),
            (&["a", "c"], r#"{ "b": [2] , "d":"," }"#),
            (&["a", "b", "c", "d"], r#"{  }"#),
        ];
        for (without, expected) in cases {
            check(&edited(text, without, &[]), text, expected);
        }
    }

    #[test]
    fn members_are_inserted_after_the_brace() {
        let new = &[r#""x":0"#][..];
        check(&edited("{}", &[], new), "{}", r#"{"x":0}"#);
        check(&edited(" { } ", &[], new), " { } ", r#" {"x":0 } "#);
        check(&edited(r#"{"a":1}"#, &[], new), r#"{"a":1}"#, r#"{"x":0,"a":1}"#);
        check(&edited(r#"{"a":1}"#, &["a"], new), r#"{"a":1}"#, r#"{"x":0}"#);
        check(
            &edited(r#"{ "a":1 }"#, &[], &[r#""x":0"#, r#""y":1"#]),
            r#"{ "a":1 }"#,
            r#"{"x":0,"y":1, "a":1 }"#,
        );
    }

    #[test]
    fn any_subset_of_members_can_be_removed_and_any_inserted() {
        let mut random = Random::new(3);
        for _ in 0..5_000 {
            let members = random_members(&mut random);
            let text = spaced(&members, &mut random);
            let without: Vec<&str> = members
                .iter()
                .map(|(key, _)| key.as_str())
                .filter(|_| random.below(2) == 0)
                .collect();
            let with = &[r#""new":true"#, r#""newer":[]"#][..random.below(3)];
            let edited = edited(&text, &without, with).apply(text.as_bytes());
            check_members(&text, &edited, &without, with.len());
        }
    }

    fn check_members(text: &str, edited: &[u8], without: &[&str], inserted: usize) {
        let mut expected: Map<String, Value> = serde_json::from_str(text).unwrap();
        without.iter().for_each(|key| drop(expected.remove(*key)));
        let kept: Vec<String> = expected.keys().cloned().collect();
        let new = [("new", Value::Bool(true)), ("newer", Value::Array(vec![]))];
        expected.extend(new.into_iter().take(inserted).map(|(key, value)| (key.to_owned(), value)));
        let parsed: Map<String, Value> = serde_json::from_slice(edited).expect(text);
        assert_eq!(parsed, expected, "{text}");
        let edited = std::str::from_utf8(edited).unwrap();
        for key in &kept {
            assert_eq!(member_bytes(edited, key), member_bytes(text, key), "{text}");
        }
    }

    fn member_bytes<'a>(text: &'a str, key: &str) -> &'a str {
        let mut found = 0..0;
        let read = Reader::new(text.as_bytes()).object::<JsonError>(|reader, member| {
            reader.skip()?;
            if member.key.is(key) {
                found = member.key.start..reader.position();
            }
            Ok(())
        });
        assert!(read.is_ok());
        text.get(found).unwrap()
    }

    fn random_members(random: &mut Random) -> Vec<(String, &'static str)> {
        const VALUES: &[&str] = &[
            "1",
            "\"}, {\"",
            "{ \"a\": [ ] }",
            "[1 , \"k1\"]",
            "null",
            "-1.5e3",
            "\"\\\"\"",
            "{}",
        ];
        (0..random.below(7))
            .map(|at| (format!("k{at}"), VALUES[random.below(VALUES.len())]))
            .collect()
    }

    fn spaced(members: &[(String, &str)], random: &mut Random) -> String {
        let mut tokens = vec!["{".to_owned()];
        for (at, (key, value)) in members.iter().enumerate() {
            tokens.extend((at > 0).then(|| ",".to_owned()));
            tokens.extend([format!("\"{key}\""), ":".to_owned(), (*value).to_owned()]);
        }
        tokens.push("}".to_owned());
        tokens.iter().fold(space(random).to_owned(), |text, token| text + token + space(random))
    }

    fn space(random: &mut Random) -> &'static str {
        const SPACES: &[&str] = &["", "", " ", "\n  ", "\t"];
        SPACES[random.below(SPACES.len())]
    }
}
