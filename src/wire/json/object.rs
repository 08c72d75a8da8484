//! JSON written member by member: an object as text, without a tree.

/// An object being written. Keys are the program's own and need no escapes.
#[derive(Clone, Debug)]
pub struct Object(String);

impl Object {
    /// Without members.
    pub fn new() -> Self {
        Self("{".to_owned())
    }

    /// A member whose value is JSON already.
    pub fn json(mut self, key: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        for part in ["\"", key, "\":", value] {
            self.0.push_str(part);
        }
        self
    }

    /// A member that is a text.
    pub fn text(self, key: &str, value: &str) -> Self {
        self.json(key, &quoted(value))
    }

    /// A member that is a text, or null.
    pub fn text_or_null(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.json(key, "null"),
        }
    }

    /// A member that is a whole number, or null.
    pub fn number(self, key: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.json(key, &value.to_string()),
            None => self.json(key, "null"),
        }
    }

    /// A member that is true or false.
    pub fn flag(self, key: &str, value: bool) -> Self {
        self.json(key, if value { "true" } else { "false" })
    }

    /// A list of texts.
    pub fn texts(self, key: &str, values: &[&str]) -> Self {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.list(key, &values)
    }

    /// A list of what is JSON already.
    pub fn list(self, key: &str, values: &[String]) -> Self {
        self.json(key, &format!("[{}]", values.join(",")))
    }

    /// The text.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn members_are_written_in_order() {
        let inner = Object::new().end();
        let object = Object::new().text("a", "\"").text_or_null("b", None).number("c", Some(7)).number("d", None);
        let object = object.flag("e", true).texts("f", &["x", "y"]).list("g", &[inner.clone()]).json("h", "[]").end();
        assert_eq!(inner, "{}");
        assert_eq!(object, r#"{"a":"\"","b":null,"c":7,"d":null,"e":true,"f":["x","y"],"g":[{}],"h":[]}"#);
    }
}
