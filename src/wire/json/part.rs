//! Single parts of a text, for whoever wants few of them and seldom.

use super::{JsonError, Kind, Reader};

/// The value of an object's member, as it stands there; of several of a name the last one.
pub fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    let read = Reader::new(object).object(|reader, member| {
        if member.key.is(name) {
            found = object.get(reader.skip()?);
        }
        Ok::<_, JsonError>(())
    });
    read.ok().and(found)
}

/// An array's elements, as they stand there; none where it is something else.
pub fn elements(array: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    let mut reader = Reader::new(array);
    if reader.peek() == Ok(Kind::Array) {
        let _ = reader.array(|reader, _| {
            elements.push(array.get(reader.skip()?).unwrap_or_default());
            Ok::<_, JsonError>(())
        });
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn parts_are_found_as_they_stand() {
        let object = br#" {"a": [1, {"b": 2} ,"c"], "b": 3, "b" : 4 } "#;
        let array = member(object, "a").unwrap();
        assert_eq!(array, br#"[1, {"b": 2} ,"c"]"#);
        assert_eq!(elements(array), [br#"1"#.as_slice(), br#"{"b": 2}"#, br#""c""#]);
        assert_eq!(member(object, "b"), Some(b"4".as_slice()));
        assert_eq!(member(object, "c"), None);
    }

    #[test]
    fn something_else_has_no_parts() {
        for json in ["", "1", "null", "\"a\"", "[", "{", "{\"a\":1"] {
            assert_eq!(member(json.as_bytes(), "a"), None, "{json}");
            assert!(elements(json.as_bytes()).is_empty(), "{json}");
        }
        assert_eq!(member(b"[1]", "a"), None);
        assert!(elements(b"{}").is_empty());
    }
}
