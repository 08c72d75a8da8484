//! JSON written member by member: an object as text, without a tree.

use crate::wire::scan;

/// An object being written. Keys are the program's own and need no escapes.
#[derive(Clone, Debug)]
pub struct Object(String);

impl Object {
    /// Begins an object.
    pub fn new() -> Self {
        Self::with_room(64)
    }

    /// Begins an object that is not moved in memory while it grows to that many bytes.
    pub fn with_room(bytes: usize) -> Self {
        let mut object = Self(String::with_capacity(bytes));
        object.mark('{');
        object
    }

    /// Adds a member whose value is JSON already.
    pub fn json(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key).push_str(value);
        self
    }

    /// Adds a member that is a text.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        push_quoted(value, self.key(key));
        self
    }

    /// Adds a member that is a text, or null.
    pub fn text_or_null(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.json(key, "null"),
        }
    }

    /// Adds a member that is a whole number, or null.
    pub fn number(&mut self, key: &str, value: Option<u64>) -> &mut Self {
        push_number_or_null(value, self.key(key));
        self
    }

    /// Adds a member that is true or false.
    pub fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.json(key, if value { "true" } else { "false" })
    }

    /// Adds a member that is a list of texts.
    pub fn texts<T: AsRef<str>>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.values(key, values, |value, json| push_quoted(value.as_ref(), json))
    }

    /// Adds a member that is a list of whole numbers, or nulls.
    pub fn numbers(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = Option<u64>>,
    ) -> &mut Self {
        self.values(key, values, push_number_or_null)
    }

    /// Adds a member that is a list of what is JSON already.
    pub fn list(&mut self, key: &str, values: &[String]) -> &mut Self {
        self.values(key, values, |value, json| json.push_str(value))
    }

    /// Adds a member that is a list of objects, whose members `write` adds.
    pub fn objects<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(T, &mut Self),
    ) -> &mut Self {
        self.each(key, items, |item, list| {
            list.mark('{');
            write(item, list);
            list.mark('}');
        })
    }

    /// Adds a member that is a list of values, whose JSON `write` appends.
    pub fn values<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(T, &mut String),
    ) -> &mut Self {
        self.each(key, items, |item, list| write(item, &mut list.0))
    }

    /// Adds a member that is a list, whose elements `write` adds.
    fn each<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(T, &mut Self),
    ) -> &mut Self {
        self.key(key);
        self.mark('[');
        for item in items {
            self.next();
            write(item, self);
        }
        self.mark(']');
        self
    }

    /// Ends the object and returns its text; nothing can be added after that.
    pub fn end(&mut self) -> String {
        self.mark('}');
        std::mem::take(&mut self.0)
    }

    /// Begins a member, whose value is to be appended.
    fn key(&mut self, key: &str) -> &mut String {
        let json = self.next();
        // Pushing a character stores it; pushing a text calls into the runtime of WebAssembly.
        json.push('"');
        json.push_str(key);
        json.push('"');
        json.push(':');
        json
    }

    /// Begins a member or an element.
    fn next(&mut self) -> &mut String {
        if !matches!(self.0.as_bytes().last(), Some(b'{' | b'[')) {
            self.0.push(',');
        }
        &mut self.0
    }

    // Never inlined, so that the module holds it once, and not with each list.
    #[inline(never)]
    fn mark(&mut self, mark: char) {
        self.0.push(mark);
    }
}

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    push_quoted(text, &mut json);
    json
}

/// Appends a text as JSON.
pub fn push_quoted(text: &str, json: &mut String) {
    json.push('"');
    let mut rest = text;
    while let Some((plain, special)) = rest.split_at_checked(scan::plain_run(rest.as_bytes()).len) {
        json.push_str(plain);
        let mut after = special.chars();
        match after.next() {
            None => break,
            Some('"') => json.push_str("\\\""),
            Some('\\') => json.push_str("\\\\"),
            Some('\n') => json.push_str("\\n"),
            Some('\r') => json.push_str("\\r"),
            Some('\t') => json.push_str("\\t"),
            Some(control) => {
                json.push_str("\\u00");
                let code = u32::from(control);
                json.extend(
                    [code >> 4, code & 15].map(|digit| char::from_digit(digit, 16).unwrap_or('0')),
                );
            }
        }
        rest = after.as_str();
    }
    json.push('"');
}

/// Appends a whole number in decimal, or null.
fn push_number_or_null(number: Option<u64>, json: &mut String) {
    match number {
        Some(number) => push_number(number, json),
        None => json.push_str("null"),
    }
}

/// A whole number in decimal.
pub fn decimal(number: u64) -> String {
    let mut text = String::with_capacity(20);
    push_number(number, &mut text);
    text
}

/// Appends a whole number in decimal.
pub fn push_number(number: u64, text: &mut String) {
    if number >= 10 {
        push_number(number / 10, text);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn texts_are_quoted_as_others_read_them() {
        let all: String = (0..=0x24fu32).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"", "a\\b\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}é模🦀\u{2028}", &all]
        {
            assert_eq!(serde_json::from_str::<String>(&quoted(text)).unwrap(), text);
        }
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            let mut text = "n".to_owned();
            push_number(number, &mut text);
            assert_eq!(text, format!("n{number}"));
        }
    }

    #[test]
    fn objects_are_listed() {
        let mut object = Object::new();
        object.objects("a", [1, 2], |n, object| {
            object.number("n", Some(n)).flag("x", true);
        });
        assert_eq!(
            object.objects("b", [0; 0], |_, _| ()).end(),
            r#"{"a":[{"n":1,"x":true},{"n":2,"x":true}],"b":[]}"#
        );
    }

    #[test]
    fn members_are_written_in_order() {
        let inner = Object::new().end();
        let mut object = Object::new();
        object
            .text("a", "\"")
            .text_or_null("b", None)
            .number("c", Some(7))
            .number("d", None)
            .flag("e", true);
        object.texts("f", ["x", "y"]).list("g", std::slice::from_ref(&inner)).json("h", "[]");
        let object = object.numbers("n", [Some(1), None]).end();
        assert_eq!(inner, "{}");
        assert_eq!(
            object,
            concat!(
                r#"{"a":"\"","b":null,"c":7,"d":null,"e":true,"f":["x","y"],"#,
                r#""g":[{}],"h":[],"n":[1,null]}"#
            )
        );
    }
}
