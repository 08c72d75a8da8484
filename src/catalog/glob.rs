//! Patterns of model ids, in which `*` stands for anything, a slash included.

/// Whether a name matches one of these patterns.
pub fn any_matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| is_match(pattern, name))
}

/// Whether a name matches a pattern. Letter case counts, as it does in ids.
pub fn is_match(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        // Of the places where a part fits, the first one leaves most to the parts behind it.
        let Some((_, behind)) = name.split_once(part) else { return false };
        name = behind;
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_star_stands_for_anything_and_all_else_for_itself() {
        for (pattern, names, others) in [
            ("a/b", &["a/b"][..], &["a/bc", "x/a/b", "A/b", ""][..]),
            ("*", &["", "a", "a/b"], &[]),
            ("a/*", &["a/", "a/b", "a/b/c:free"], &["a", "b/a/"]),
            ("*:free", &["a/b:free", ":free"], &["a/b:free2", "free"]),
            ("a*b*c", &["abc", "a/b/c", "abcbc", "abbc"], &["ab", "acb", "abcd", "xabc"]),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
            ("*é*", &["é", "caféx"], &["e"]),
            ("**", &["", "x"], &[]),
            ("", &[""], &["x"]),
            ("a?", &["a?"], &["ab"]),
        ] {
            assert!(names.iter().all(|name| is_match(pattern, name)), "{pattern}: {names:?}");
            assert!(!others.iter().any(|name| is_match(pattern, name)), "{pattern}: {others:?}");
        }
    }
}
