//! What the reader accepts, told by a table and by `serde_json`.

use super::*;
use crate::wire::split::Random;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const VALID: &[&str] = &[
    "null",
    " true\r\n",
    "false",
    "0",
    "-0",
    "1.5e-3",
    "\"\"",
    "\"a\\u0041\\n\"",
    "\"é模🦀\"",
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[1,2]",
    "[ 1 , [ ] , { } ]",
    "{\"a\":1}",
    " { \"a\" : { \"b\" : [ null , true ] } , \"\" : \"}\" } ",
    "{\"a\":1,\"a\":2}",
    "[[[[]]],{\"x\":[{}]}]",
    "\"\\ud83e\\udd80\"",
    "\"\u{7f}\"",
    "{\"a\":[],\"b\":{},\"c\":\"\\\\\"}",
    "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\
        \"content\":\"Grüße: {\\\"x\\\": [1, 2]}\\n\"}],\"stream\":true,\"n\":1}",
];

const INVALID: &[(&str, JsonErrorKind, usize)] = {
    use JsonErrorKind::*;
    &[
        ("", UnexpectedEnd, 0),
        (" \n", UnexpectedEnd, 2),
        ("nul", UnexpectedEnd, 3),
        ("nulL", UnexpectedByte, 3),
        ("True", UnexpectedByte, 0),
        ("\u{feff}{}", UnexpectedByte, 0),
        ("'a'", UnexpectedByte, 0),
        ("\"a", UnexpectedEnd, 2),
        ("\"a\\", UnexpectedEnd, 3),
        ("\"\\u00", UnexpectedEnd, 5),
        ("\"\\u00g0\"", InvalidEscape, 1),
        ("\"\\x\"", InvalidEscape, 1),
        ("\"a\nb\"", ControlCharacter, 2),
        ("\"\0\"", ControlCharacter, 1),
        ("01", TrailingBytes, 1),
        ("1 2", TrailingBytes, 2),
        ("-", UnexpectedEnd, 1),
        ("1.", UnexpectedEnd, 2),
        ("[1.]", InvalidNumber, 3),
        ("[-]", InvalidNumber, 2),
        ("[1e,2]", InvalidNumber, 3),
        ("+1", UnexpectedByte, 0),
        (".5", UnexpectedByte, 0),
        ("NaN", UnexpectedByte, 0),
        ("[1,]", UnexpectedByte, 3),
        ("[,1]", UnexpectedByte, 1),
        ("[1 2]", UnexpectedByte, 3),
        ("[1", UnexpectedEnd, 2),
        ("[1}", UnexpectedByte, 2),
        ("]", UnexpectedByte, 0),
        ("{\"a\":1,}", UnexpectedByte, 7),
        ("{\"a\"}", UnexpectedByte, 4),
        ("{\"a\":}", UnexpectedByte, 5),
        ("{a:1}", UnexpectedByte, 1),
        ("{1:1}", UnexpectedByte, 1),
        ("{\"a\":1]", UnexpectedByte, 6),
        ("{\"a\":[{\"b\":1}}", UnexpectedByte, 13),
        ("{\"a\" 1}", UnexpectedByte, 5),
        ("{}{}", TrailingBytes, 2),
        ("{}\u{a0}", TrailingBytes, 2),
        ("/**/1", UnexpectedByte, 0),
    ]
};

fn skip_all(text: &[u8]) -> Result<Span, JsonError> {
    let mut reader = Reader::new(text);
    let span = reader.skip()?;
    reader.end().map(|()| span)
}

/// The same by `object` and `array`, down to the leaves.
fn walk(reader: &mut Reader<'_>) -> Result<(), JsonError> {
    match reader.peek()? {
        Kind::Object => reader.object(|reader, _| walk(reader)).map(drop),
        Kind::Array => reader.array(|reader, _| walk(reader)).map(drop),
        Kind::String => reader.string().map(drop),
        _ => reader.skip().map(drop),
    }
}

fn walk_all(text: &[u8]) -> Result<(), JsonError> {
    let mut reader = Reader::new(text);
    walk(&mut reader)?;
    reader.end()
}

fn serde_accepts(text: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<serde_json::Value>(text).map(drop)
}

#[test]
fn valid_texts_are_accepted() {
    for text in VALID {
        assert_eq!(skip_all(text.as_bytes()), Ok(spanned(text)), "{text}");
        assert_eq!(walk_all(text.as_bytes()), Ok(()), "{text}");
        serde_accepts(text.as_bytes()).expect(text);
    }
}

fn spanned(text: &str) -> Span {
    text.len() - text.trim_start().len()..text.trim_end().len()
}

#[test]
fn invalid_texts_are_refused_with_reason_and_place() {
    for (text, kind, at) in INVALID {
        let expected = JsonError { at: *at, kind: *kind };
        assert_eq!(skip_all(text.as_bytes()), Err(expected), "{text}");
        assert_eq!(walk_all(text.as_bytes()), Err(expected), "{text}");
        assert!(serde_accepts(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn every_prefix_of_a_document_ends_unexpectedly() {
    let text = VALID.last().unwrap().as_bytes();
    for end in 0..text.len() {
        let error = skip_all(&text[..end]).unwrap_err();
        // A cut inside a character shows up as bad UTF-8 only when the string ends, which it does
        // not.
        assert_eq!(error, JsonError { at: end, kind: JsonErrorKind::UnexpectedEnd });
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    for bytes in
        [&b"\xff"[..], b"a\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"long enough for words\xf5"]
    {
        let text = [b"\"", bytes, b"\""].concat();
        assert_eq!(skip_all(&text).unwrap_err().kind, JsonErrorKind::InvalidUtf8, "{bytes:?}");
        assert!(serde_accepts(&text).is_err());
    }
}

#[test]
fn mutated_texts_are_judged_as_serde_json_judges_them() {
    const BYTES: &[u8] = b"\"\\{}[]:,0189-+.eEtfnu \n\x00\x1f\x7f\x80\xc3\xff/aD";
    let mut random = Random::new(7);
    let mut accepted = 0;
    for _ in 0..60_000 {
        let mut text = VALID[random.below(VALID.len())].as_bytes().to_vec();
        for _ in 0..=random.below(2) {
            let at = random.below(text.len());
            let byte = BYTES[random.below(BYTES.len())];
            match random.below(3) {
                0 => text.insert(at, byte),
                1 if text.len() > 1 => drop(text.remove(at)),
                _ => text[at] = byte,
            }
        }
        accepted += usize::from(judged_alike(&text));
    }
    assert!((1_000..50_000).contains(&accepted), "{accepted} of the mutations are valid");
}

/// Whether both accept it. The known differences: `serde_json` refuses lone surrogates and numbers
/// beyond `f64`.
fn judged_alike(text: &[u8]) -> bool {
    let shown = String::from_utf8_lossy(text);
    let ours = skip_all(text);
    assert_eq!(ours.clone().map(drop), walk_all(text), "{shown}");
    match (ours, serde_accepts(text)) {
        (Ok(_), Err(error)) => {
            let error = error.to_string();
            let known = ["surrogate", "number out of range", "hex escape"]
                .iter()
                .any(|part| error.contains(part));
            assert!(known, "only serde_json refuses {shown}: {error}");
        }
        (Err(error), Ok(())) => panic!("only serde_json accepts {shown}: {error}"),
        (ours, _) => return ours.is_ok(),
    }
    false
}

fn nested(depth: usize) -> Vec<u8> {
    [b"[".repeat(depth), b"]".repeat(depth)].concat()
}

#[test]
fn depth_is_counted_from_the_root() {
    let too_deep = Err(JsonError { at: MAX_DEPTH, kind: JsonErrorKind::TooDeep });
    assert_eq!(skip_all(&nested(MAX_DEPTH)), Ok(0..2 * MAX_DEPTH));
    assert_eq!(skip_all(&nested(MAX_DEPTH + 1)).map(drop), too_deep);
    assert_eq!(skip_all(&nested(5_000)).map(drop), too_deep);
    assert_eq!(walk_all(&nested(MAX_DEPTH)), Ok(()));
    assert_eq!(walk_all(&nested(5_000)), too_deep);
    let objects = [b"{\"a\":".repeat(MAX_DEPTH), b"{}".to_vec(), b"}".repeat(MAX_DEPTH)].concat();
    assert_eq!(
        skip_all(&objects),
        Err(JsonError { at: 5 * MAX_DEPTH, kind: JsonErrorKind::TooDeep })
    );
}

#[test]
fn siblings_do_not_add_to_the_depth() {
    let text = format!("[{}[]]", "[{\"a\":{}}],".repeat(1_000));
    assert_eq!(skip_all(text.as_bytes()), Ok(0..text.len()));
}
