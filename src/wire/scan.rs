//! Finds the few bytes that matter, eight at a time.
//!
//! A wasm module without `simd128` has no wider register than `u64`, and the strings of JSON are mostly short: one
//! unaligned load settles them, which a call into a vectorised search does not.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Where a run of plain string bytes ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    /// Index of the first quote, backslash or control character; the length without one.
    pub(super) len: usize,
    /// Whether every byte before it is below 0x80.
    pub(super) ascii: bool,
}

/// The run of JSON string bytes that need no attention at the start of `bytes`.
#[inline(always)]
pub(super) fn plain_run(bytes: &[u8]) -> Run {
    let mut seen = 0;
    let stops = |word| equals(word, b'"') | equals(word, b'\\') | below_space(word);
    let len = find(bytes, stops, |word| seen |= word);
    Run { len, ascii: seen & HIGHS == 0 }
}

/// Index of the first quote or backslash; the length without one.
#[inline(always)]
pub(super) fn quote_or_backslash(bytes: &[u8]) -> usize {
    find(bytes, |word| equals(word, b'"') | equals(word, b'\\'), |_| ())
}

/// Index of the first carriage return or line feed; the length without one.
#[inline(always)]
pub(super) fn line_end(bytes: &[u8]) -> usize {
    find(bytes, |word| equals(word, b'\n') | equals(word, b'\r'), |_| ())
}

/// Index of the first byte for which `stops` sets its high bit. `see` is shown every byte before it, and zeros.
///
/// `stops` may set wrong bits above a right one: only the lowest counts.
#[inline(always)]
fn find(bytes: &[u8], stops: impl Fn(u64) -> u64, mut see: impl FnMut(u64)) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut len = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let found = stops(word);
        if found != 0 {
            see(word & below_lowest(found));
            return len + lowest(found);
        }
        see(word);
        len += 8;
    }
    // Padded with `x`, at which nothing stops.
    let mut last = [b'x'; 8];
    last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    let word = u64::from_le_bytes(last);
    let found = stops(word);
    see(if found == 0 { word } else { word & below_lowest(found) });
    len + if found == 0 { tail.len() } else { lowest(found) }
}

/// Index of the byte that holds the lowest bit of `mask`.
fn lowest(mask: u64) -> usize {
    (mask.trailing_zeros() / 8) as usize
}

/// The bits below the lowest one of `mask`.
fn below_lowest(mask: u64) -> u64 {
    mask.isolate_lowest_one().wrapping_sub(1)
}

/// High bit of every byte that equals `byte`, and perhaps of bytes above one that does.
fn equals(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * byte as u64);
    difference.wrapping_sub(ONES) & !difference & HIGHS
}

/// High bit of every byte below 0x20, and perhaps of bytes above one that is.
fn below_space(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_byte_is_found_at_every_place() {
        for byte in 0..=255u8 {
            for place in 0..40 {
                let mut bytes = [b'a'; 40];
                bytes[place] = byte;
                let stop = |stops: bool| if stops { place } else { 40 };
                let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(plain_run(&bytes), Run { len: stop(special), ascii: byte < 0x80 }, "{byte:#x} at {place}");
                assert_eq!(quote_or_backslash(&bytes), stop(byte == b'"' || byte == b'\\'));
                assert_eq!(line_end(&bytes), stop(byte == b'\n' || byte == b'\r'));
            }
        }
    }

    #[test]
    fn the_first_of_two_neighbours_is_found() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let bytes = [b'a', first, second, b'a', b'a', b'a', b'a', b'a', b'a'];
                let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
                let expected = bytes.iter().position(special).unwrap_or(9);
                assert_eq!(plain_run(&bytes).len, expected, "{first:#x} {second:#x}");
            }
        }
    }

    #[test]
    fn bytes_after_the_stop_do_not_count_as_seen() {
        assert_eq!(plain_run("ab\"é".as_bytes()), Run { len: 2, ascii: true });
        assert_eq!(plain_run("ab\"é and more text".as_bytes()), Run { len: 2, ascii: true });
    }
}
