//! Finds secrets in what somebody else wrote, however JSON or a URL spells them, and hides them.
//!
//! Each character of a secret may stand for itself, behind backslashes (more than one where JSON
//! holds JSON as a text), as `\u002f`, or as `%2F`. What is found is overwritten with `*`, byte for
//! byte: nothing behind it moves, and a length that was told before stays right.
//!
//! A text may come in pieces. Nothing of it waits unless its end may be the beginning of a secret.

use std::fmt;

/// Bytes; a shorter text is taken for no secret, because it would be found in texts that have
/// nothing to do with it.
pub const SHORTEST: usize = 8;

/// Most backslashes before one character: what JSON within JSON, three times, makes of one.
const MOST_BACKSLASHES: usize = 15;
/// Most bytes that one character takes: backslashes, escaped, and `\u` twice or `%` four times.
const LONGEST_SPELLING: usize = 6 * MOST_BACKSLASHES + 12;
/// Longest run that is searched for: how far a search skips is kept in a byte.
const LONGEST_RUN: usize = u8::MAX as usize;

/// Texts that must not be shown. Shows none of them when printed.
#[derive(Clone, Default, PartialEq)]
pub struct Secrets {
    all: Vec<Secret>,
    spelling: Spelling,
    /// No spelling of one is shorter.
    shortest: usize,
    /// No spelling of one is longer.
    longest: usize,
}

/// Which bytes may stand in the spelling of a secret, by their value.
#[derive(Clone, PartialEq)]
struct Spelling(Box<[bool; 256]>);

#[derive(Clone, PartialEq)]
struct Secret {
    /// Its characters, but for backslashes, of which a text may have any number.
    text: String,
    /// The longest part of it that has only characters which neither JSON nor URLs escape.
    run: Vec<u8>,
    /// By a [`hash`] of two bytes: how far behind them the run ends at the soonest.
    skips: Box<[u8; 256]>,
}

/// Why a text does not begin with a secret.
enum Miss {
    /// It begins with something else.
    Differs,
    /// It may, but ends too early.
    Ends,
}

/// What follows of a text.
type Rest<'a> = Result<&'a [u8], Miss>;

impl Secrets {
    /// These texts, but for those that are too short.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets = Self { shortest: usize::MAX, ..Self::default() };
        for secret in texts.into_iter().filter_map(Secret::new) {
            secrets.shortest = secrets.shortest.min(secret.text.len());
            secrets.longest = secrets.longest.max(secret.text.len() * LONGEST_SPELLING);
            secrets.spelling.add(secret.text.as_bytes());
            secrets.all.push(secret);
        }
        secrets
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a secret may stand in `text`, or, unless this is the `end`, begin in it. Costs little
    /// where that is not so.
    #[inline]
    pub fn may_be_in(&self, text: &[u8], end: bool) -> bool {
        !(self.all.is_empty() || end && text.len() < self.shortest)
            && (self.all.iter().any(|secret| secret.run_is_in(text))
                || has_needless_escape(text)
                || !end && self.open_end(text) < text.len())
    }

    /// Overwrites the secrets in `text`; `end`: nothing follows. Returns how much of it is done:
    /// behind that one may have begun.
    pub fn hide(&self, text: &mut [u8], end: bool) -> usize {
        let mut at = 0;
        while let Some(rest) = text.get_mut(at..).filter(|rest| !rest.is_empty()) {
            match self.length_at(rest, end) {
                Ok(length) => {
                    rest.iter_mut().take(length).for_each(|byte| *byte = b'*');
                    at += length;
                }
                Err(Miss::Differs) => at += 1,
                Err(Miss::Ends) => return at,
            }
        }
        at
    }

    /// Where a secret may begin that goes on behind `text`; its length if none does.
    fn open_end(&self, text: &[u8]) -> usize {
        let word = text.iter().rev().take(self.longest);
        let word = word.take_while(|byte| self.spelling.has(**byte));
        let mut starts = text.len() - word.count()..text.len();
        starts.find(|at| self.is_open(text.get(*at..).unwrap_or_default())).unwrap_or(text.len())
    }

    /// Whether all of `text` may be the beginning of one.
    fn is_open(&self, text: &[u8]) -> bool {
        matches!(self.length_at(text, false), Err(Miss::Ends))
    }

    /// How many bytes of `text`, from its first, are a secret.
    fn length_at(&self, text: &[u8], end: bool) -> Result<usize, Miss> {
        let mut found = Err(Miss::Differs);
        for secret in &self.all {
            match secret.read(text, end) {
                Ok(rest) => {
                    let length = text.len() - rest.len();
                    found = Ok(found.map_or(length, |other: usize| other.max(length)));
                }
                Err(Miss::Ends) if !end => return Err(Miss::Ends),
                Err(_) => {}
            }
        }
        found
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.all.len())
    }
}

impl Default for Spelling {
    /// That of escapes.
    fn default() -> Self {
        let mut spelling = Self(Box::new([false; 256]));
        spelling.add(br"\u%0123456789abcdefABCDEF");
        spelling
    }
}

impl Spelling {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0.get_mut(usize::from(*byte)).into_iter().for_each(|known| *known = true);
        }
    }

    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)) == Some(&true)
    }
}

impl Secret {
    fn new(text: &str) -> Option<Self> {
        let runs = text.as_bytes().split(|byte| !is_plain(*byte));
        let run = runs.max_by_key(|run| run.len()).unwrap_or_default();
        let run: Vec<u8> = run.iter().copied().take(LONGEST_RUN).collect();
        // Behind two other bytes the run may begin with the second.
        let farthest = run.len().saturating_sub(1) as u8;
        let mut skips = Box::new([farthest; 256]);
        for (pair, behind) in run.array_windows().zip((0..farthest).rev()) {
            skips.get_mut(hash(*pair)).into_iter().for_each(|skip| *skip = behind);
        }
        let text = text.replace('\\', "");
        (text.len() >= SHORTEST).then_some(Self { text, run, skips })
    }

    /// Whether the run stands in `text`; true where it is too short to be looked for. The search is
    /// Horspool's: nearly all of a text is skipped.
    #[inline]
    fn run_is_in(&self, text: &[u8]) -> bool {
        let mut end = self.run.len();
        if end < 2 {
            return true;
        }
        while let Some(pair) = text.get(end - 2..end).and_then(|pair| pair.first_chunk()) {
            let skip = self.skips.get(hash(*pair)).map_or(0, |skip| usize::from(*skip));
            if skip == 0 && self.run_ends(text.get(..end).unwrap_or_default()) {
                return true;
            }
            end += skip.max(1);
        }
        false
    }

    #[cold]
    fn run_ends(&self, text: &[u8]) -> bool {
        text.ends_with(&self.run)
    }

    /// What follows it in `text`, which begins with it.
    fn read<'a>(&self, text: &'a [u8], end: bool) -> Rest<'a> {
        self.text.chars().try_fold(text, |rest, wanted| character(rest, wanted, end))
    }
}

/// A small number for two bytes, the same for few others.
#[inline]
fn hash([first, second]: [u8; 2]) -> usize {
    usize::from(first.rotate_left(3) ^ second)
}

/// Whether neither JSON nor URLs escape a character, though they may.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// Whether JSON escapes a character that nobody's does: then a secret's run may be escaped, too.
#[inline]
fn has_needless_escape(text: &[u8]) -> bool {
    let escapes = memchr::memchr(b'\\', text).and_then(|at| text.get(at..));
    escapes.is_some_and(|text| memchr::memchr_iter(b'\\', text).any(|at| is_needless(text, at)))
}

#[cold]
fn is_needless(text: &[u8], at: usize) -> bool {
    let Some([b'\\', b'u', b'0', b'0', high, low, ..]) = text.get(at..) else { return false };
    let [high, low] = [*high, *low].map(|digit| char::from(digit).to_digit(16));
    high.zip(low).is_some_and(|(high, low)| is_plain((16 * high + low) as u8))
}

/// What follows the character `wanted` at the start of `text`, however it is spelled. An escape goes
/// before the character itself: `%` stands at the start of its own.
fn character(text: &[u8], wanted: char, end: bool) -> Rest<'_> {
    let rest = behind_backslashes(text, end)?;
    let mut bytes = [0; 4];
    let bytes = wanted.encode_utf8(&mut bytes).as_bytes();
    let mut found = Err(Miss::Differs);
    if rest.len() < text.len() {
        found = unicode(rest, wanted);
    }
    if let Err(Miss::Differs) = found {
        found = bytes.iter().try_fold(rest, |rest, byte| hexadecimal(rest, b"%", *byte, 2));
    }
    match found {
        Err(Miss::Ends) if !end => found,
        Err(_) => bytes.iter().try_fold(rest, |rest, byte| one(rest, |other| other == *byte)),
        Ok(_) => found,
    }
}

/// What follows the backslashes at the start of `text`, which may be escaped themselves.
fn behind_backslashes(text: &[u8], end: bool) -> Rest<'_> {
    let mut rest = text;
    for _ in 0..MOST_BACKSLASHES {
        let escaped = match hexadecimal(rest, b"\\u", b'\\', 4) {
            Err(Miss::Differs) => hexadecimal(rest, b"%", b'\\', 2),
            escaped => escaped,
        };
        rest = match (escaped, rest.strip_prefix(b"\\")) {
            (Err(Miss::Ends), _) if !end => return Err(Miss::Ends),
            (Ok(behind), _) | (Err(_), Some(behind)) => behind,
            (Err(_), None) => break,
        };
    }
    Ok(rest)
}

/// `u002f`, or the same twice, with a backslash between, for what is beyond 16 bits.
fn unicode(text: &[u8], wanted: char) -> Rest<'_> {
    let mut units = [0; 2];
    let mut begins: &[u8] = b"u";
    wanted.encode_utf16(&mut units).iter().try_fold(text, |rest, unit| {
        let begin = std::mem::replace(&mut begins, b"\\u");
        hexadecimal(rest, begin, *unit, 4)
    })
}

/// `begin`, and then a number in so many digits.
fn hexadecimal<'a>(text: &'a [u8], begin: &[u8], number: impl Into<u32>, digits: u32) -> Rest<'a> {
    let number = number.into();
    let rest = begin.iter().try_fold(text, |rest, byte| one(rest, |other| other == *byte))?;
    (0..digits).rev().try_fold(rest, |rest, place| {
        let digit = number >> (4 * place) & 15;
        one(rest, |other| char::from(other).to_digit(16) == Some(digit))
    })
}

/// What follows one byte.
fn one(text: &[u8], is_wanted: impl Fn(u8) -> bool) -> Rest<'_> {
    match text.split_first() {
        Some((byte, rest)) if is_wanted(*byte) => Ok(rest),
        Some(_) => Err(Miss::Differs),
        None => Err(Miss::Ends),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::Reader;
    use crate::wire::split::{Random, every_split};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// What is shown of a text that comes in these pieces, each as soon as it may be.
    fn shown(secrets: &Secrets, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut shown, mut held) = (Vec::new(), Vec::new());
        let pieces = pieces.iter().map(|piece| (*piece, false)).chain([(&b""[..], true)]);
        for (piece, end) in pieces {
            let is_looked_at = !held.is_empty() || secrets.may_be_in(piece, end);
            held.extend_from_slice(piece);
            let done = if is_looked_at { secrets.hide(&mut held, end) } else { held.len() };
            assert!(!end || done == held.len(), "something is kept for good");
            shown.extend(held.drain(..done));
        }
        shown
    }

    /// However the text is cut, this is shown of it.
    #[track_caller]
    fn check(secrets: &[&str], text: &str, expected: &str) {
        let secrets = Secrets::new(secrets.iter().copied());
        every_split(text.as_bytes(), |pieces| {
            let shown = shown(&secrets, pieces);
            assert_eq!(String::from_utf8_lossy(&shown), expected, "{pieces:?}");
        });
    }

    #[test]
    fn a_secret_is_overwritten_however_it_is_spelled() {
        let key = r#"sk/a+b="c\d-é🦀"#;
        for spelled in [
            key.to_owned(),
            r#"sk/a+b=\"c\\d-é🦀"#.to_owned(),
            r#"sk\/a+b=\"c\\d-\u00e9\ud83e\udd80"#.to_owned(),
            r#"sk\u002fa\u002Bb\u003d\u0022c\u005cd\u002d\u00E9\uD83E\uDD80"#.to_owned(),
            r#"\u0073\u006b\u002f\u0061\u002b\u0062=\"c\\\u0064-é🦀"#.to_owned(),
            r#"sk\\\/a+b=\\\"c\\\\d-\\u00e9🦀"#.to_owned(),
            "sk%2Fa%2Bb%3D%22c%5Cd-%C3%A9%F0%9F%A6%80".to_owned(),
            "sk%2fa%2bb%3d%22cd-%c3%a9🦀".to_owned(),
        ] {
            let stars = "*".repeat(spelled.len());
            check(
                &[key],
                &format!("key {spelled}, twice {spelled}"),
                &format!("key {stars}, twice {stars}"),
            );
            check(&[key], &spelled, &stars);
            check(&["another key", key], &format!("{spelled}s"), &format!("{stars}s"));
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "",
            "sk-secret-ke",
            "sk-secret-kez",
            "sk-secret sk-secret-",
            "sk-secret-\\u006",
            "sk-secret-\\",
            "Sk-secret-key SK-SECRET-KEY",
            r"\u0073\u006b \n\t\\\/ 100 % \u",
        ] {
            check(&["sk-secret-key"], text, text);
        }
    }

    #[test]
    fn a_backslash_before_a_secret_goes_with_it_so_that_json_stays_json() {
        check(&["/secret/key"], r#""\/secret/key""#, r#""************""#);
        check(&["nsecret/key"], r#""\nsecret/key""#, r#""************""#);
        check(&["sk-secret-key"], r#""C:\\sk-secret-key""#, r#""C:***************""#);
    }

    #[test]
    fn the_longest_of_several_counts() {
        let secrets = ["sk-secret", "sk-secret-key", "secret-key-2"];
        check(
            &secrets,
            "sk-secret sk-secret-key sk-secret-ke",
            "********* ************* *********-ke",
        );
        check(&secrets, "sk-secret-key-2", "*************-2");
        check(&secrets, "secret-key-2sk-secret", &"*".repeat(21));
    }

    #[test]
    fn short_texts_are_no_secrets() {
        for text in ["", "ollama", "1234567", r"\\\\\\\\\\\\", r"a\b\c\d\e"] {
            assert!(Secrets::new([text]).is_empty(), "{text}");
        }
        check(&["12345678"], "123456789", "********9");
    }

    #[test]
    fn a_line_that_ended_waits_for_nothing() {
        let secrets = Secrets::new(["sk-secret-key"]);
        let event =
            b"data: {\"choices\":[{\"delta\":{\"content\":\" \\n\\u00e9 100% \\\\ s\"}}]}\n\n";
        assert!(!secrets.may_be_in(event, false));
        assert!(!secrets.may_be_in(b"{\"content\":\"sk-secret\"}", false));
        assert!(
            secrets.may_be_in(b"data: sk-sec", false) && !secrets.may_be_in(b"data: sk-sec", true)
        );
    }

    #[test]
    fn a_secret_without_a_plain_character_is_found() {
        check(&["/+/=/+==+"], r"a/+/=/+==+ \/+\/\u003d/+==+", "a********* ****************");
    }

    /// One character of a key, spelled in one of the ways.
    fn spelled(c: char, random: &mut Random, in_url: bool) -> String {
        let mut units = [0; 2];
        let units = c.encode_utf16(&mut units).iter();
        let mut bytes = [0; 4];
        let bytes = c.encode_utf8(&mut bytes).bytes();
        match (in_url, random.below(4)) {
            (true, way) if !c.is_ascii() || !is_plain(c as u8) => match way {
                0 => bytes.map(|byte| format!("%{byte:02x}")).collect(),
                _ => bytes.map(|byte| format!("%{byte:02X}")).collect(),
            },
            (false, 0) => units.map(|unit| format!("\\u{unit:04x}")).collect(),
            (false, 1) => units.map(|unit| format!("\\u{unit:04X}")).collect(),
            (false, 2) if c == '/' => "\\/".to_owned(),
            (false, _) if matches!(c, '"' | '\\') => format!("\\{c}"),
            _ => c.to_string(),
        }
    }

    #[test]
    fn no_key_is_seen_whatever_it_is_and_however_it_comes() {
        const KEY: &[char] = &[
            'a', 'b', 'c', 'k', 'n', 'u', 's', 'A', 'Z', '0', '1', '2', '5', '-', '_', '.', '/',
            '+', '=', '"', '\\', '%', '&', '<', ' ', 'é', '模', '🦀',
        ];
        const AROUND: &[&str] =
            &["a", "k", "sk-", "\\n", "\\\\", "\\u00e9", "\\u0061", "%", "%41", "é", " ", ",", "0"];
        let mut random = Random::new(14);
        for _ in 0..60 {
            let length = 8 + random.below(24);
            let key: String = (0..length).map(|_| KEY[random.below(KEY.len())]).collect();
            let secrets = Secrets::new([key.as_str()]);
            let in_url = random.below(3) == 0;
            let mut text = String::new();
            let mut expected = String::new();
            for _ in 0..1 + random.below(3) {
                let around: String =
                    (0..random.below(6)).map(|_| AROUND[random.below(AROUND.len())]).collect();
                let spelled: String =
                    key.chars().map(|c| spelled(c, &mut random, in_url)).collect();
                expected += &format!("{around}{}", "*".repeat(spelled.len()));
                text += &format!("{around}{spelled}");
            }
            if secrets.is_empty() {
                continue;
            }
            let whole = String::from_utf8(shown(&secrets, &[text.as_bytes()])).unwrap();
            assert_eq!(whole.len(), text.len());
            let quoted = format!("\"{whole}\"");
            if !in_url {
                let read =
                    Reader::new(quoted.as_bytes()).string().expect(&text).decode().into_owned();
                assert!(!read.contains(&key), "{key:?} in {text:?}: {whole:?}");
            }
            assert!(!whole.contains(&key) && !plain(&whole).contains(&key), "{key:?} in {text:?}");
            every_split(text.as_bytes(), |pieces| {
                assert_eq!(
                    String::from_utf8_lossy(&shown(&secrets, pieces)),
                    whole,
                    "{key:?} {pieces:?}"
                );
            });
        }
    }

    /// A part of a URL with its escapes read.
    fn plain(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((byte, tail)) = rest.split_first() {
            let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match escaped.filter(|_| *byte == b'%') {
                Some(escaped) => {
                    bytes.push(escaped);
                    rest = &tail[2..];
                }
                None => {
                    bytes.push(*byte);
                    rest = tail;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn texts_without_the_key_are_not_touched() {
        const WORDS: &[&str] =
            &["sk-", "secret", "-", "key", "\\u0073", "%", "\\", "é", "\n", "\""];
        let secrets = Secrets::new(["sk-secret-key"]);
        let mut random = Random::new(15);
        for _ in 0..60 {
            let text: String =
                (0..random.below(20)).map(|_| WORDS[random.below(WORDS.len())]).collect();
            let mut whole = text.clone().into_bytes();
            secrets.hide(&mut whole, true);
            let has_key = text.replace("\\u0073", "s").replace('\\', "");
            assert_eq!(whole == text.as_bytes(), !has_key.contains("sk-secret-key"), "{text:?}");
            every_split(text.as_bytes(), |pieces| {
                assert_eq!(shown(&secrets, pieces), whole, "{pieces:?}");
            });
        }
    }
}
