//! Finds the few bytes that matter, a block at a time.
//!
//! The strings of JSON are mostly short: one unaligned load settles them, which a call into a
//! vectorised search does not.

use block::{Block, LEN};

/// Where a run of plain string bytes ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    /// Index of the first quote, backslash or control character; the length without one.
    pub(super) len: usize,
    /// Whether every byte of the run is below 0x80. If this is false they still may be: one that is
    /// not may stand shortly behind the run.
    pub(super) ascii: bool,
}

/// The run of JSON string bytes that need no attention at the start of `bytes`.
#[inline(always)]
pub(super) fn plain_run(bytes: &[u8]) -> Run {
    let mut seen = Block::ZERO;
    let len = find(bytes, |block| {
        seen = seen.or(block);
        block.string_special()
    });
    Run { len, ascii: seen.is_ascii() }
}

/// How much of a JSON string can be passed over, as seen many bytes at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Blocks {
    /// How many bytes at the start are nothing but characters and whole escapes of one letter. They
    /// never reach up to the string's end.
    pub(super) len: usize,
    /// Whether all of them are below 0x80.
    pub(super) ascii: bool,
    /// Whether there may be escapes among them.
    pub(super) escaped: bool,
}

/// The blocks of a JSON string that can be passed over whole, at the start of `bytes`, where a
/// character or an escape of the string begins. Where the module has no vectors there are none.
///
/// Texts have an escape every few words. Stopping at each costs a wrongly predicted branch, which
/// takes as long as a whole block does here.
pub(super) fn string_blocks(bytes: &[u8]) -> Blocks {
    block::string_blocks(bytes)
}

/// Whether both are the same bytes. The standard library's comparison would be a call into the
/// runtime of WebAssembly, which costs more than short texts take.
#[inline(always)]
pub(super) fn is_same(bytes: &[u8], others: &[u8]) -> bool {
    if bytes.len() != others.len() {
        return false;
    }
    let (Some(last), Some(other_last)) = (bytes.last_chunk::<LEN>(), others.last_chunk::<LEN>())
    else {
        return bytes.iter().eq(others);
    };
    let mut differences = Block::of(last).differences(Block::of(other_last));
    for (block, other) in bytes.as_chunks::<LEN>().0.iter().zip(others.as_chunks::<LEN>().0) {
        differences = differences.or(Block::of(block).differences(Block::of(other)));
    }
    !differences.is_marked()
}

/// Index of the first quote or backslash; the length without one.
#[inline(always)]
pub(super) fn quote_or_backslash(bytes: &[u8]) -> usize {
    find(bytes, |block| block.equals(b'"').or(block.equals(b'\\')))
}

/// Index of the first carriage return or line feed; the length without one.
#[inline(always)]
pub(super) fn line_end(bytes: &[u8]) -> usize {
    find(bytes, |block| block.equals(b'\n').or(block.equals(b'\r')))
}

/// Index of the first byte that `stops` marks.
#[inline(always)]
fn find(bytes: &[u8], mut stops: impl FnMut(Block) -> Block) -> usize {
    let (blocks, tail) = bytes.as_chunks::<LEN>();
    let mut len = 0;
    for block in blocks {
        let found = stops(Block::of(block));
        if found.is_marked() {
            return len + found.first_mark();
        }
        len += LEN;
    }
    // Padded with `x`, at which nothing stops.
    let mut last = [b'x'; LEN];
    last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    let found = stops(Block::of(&last));
    len + if found.is_marked() { found.first_mark() } else { tail.len() }
}

/// Sixteen bytes, where the module may use vectors. A mark is a byte with all bits set.
#[cfg(target_feature = "simd128")]
mod block {
    use core::arch::wasm32::{
        u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_min, u8x16_splat, u8x16_sub_sat, u64x2, v128,
        v128_any_true, v128_or, v128_xor,
    };
    use core::hint::black_box;

    use super::Blocks;

    pub(super) const LEN: usize = 16;

    #[derive(Clone, Copy)]
    pub(super) struct Block(v128);

    impl Block {
        pub(super) const ZERO: Self = Self(u64x2(0, 0));

        #[inline(always)]
        pub(super) fn of(bytes: &[u8; LEN]) -> Self {
            // SAFETY: both are sixteen bytes, and any of them are a vector.
            Self(unsafe { core::mem::transmute::<[u8; LEN], v128>(*bytes) })
        }

        #[inline(always)]
        pub(super) fn or(self, other: Self) -> Self {
            Self(v128_or(self.0, other.0))
        }

        /// Marks, with any bit, the bytes that are not as their counterparts.
        #[inline(always)]
        pub(super) fn differences(self, other: Self) -> Self {
            Self(v128_xor(self.0, other.0))
        }

        #[inline(always)]
        pub(super) fn is_ascii(self) -> bool {
            u8x16_bitmask(self.0) == 0
        }

        #[inline(always)]
        pub(super) fn equals(self, byte: u8) -> Self {
            Self(u8x16_eq(self.0, u8x16_splat(byte)))
        }

        /// Marks quotes, backslashes and control characters.
        #[inline(always)]
        pub(super) fn string_special(self) -> Self {
            self.equals(b'"').or(self.equals(b'\\')).or(Self(u8x16_lt(self.0, u8x16_splat(0x20))))
        }

        #[inline(always)]
        pub(super) fn is_marked(self) -> bool {
            v128_any_true(self.0)
        }

        /// Index of the first mark, where there is one.
        #[inline(always)]
        pub(super) fn first_mark(self) -> usize {
            u8x16_bitmask(self.0).trailing_zeros() as usize
        }

        /// The same byte sixteen times.
        #[inline(always)]
        fn all(byte: u8) -> Self {
            Self(u8x16_splat(byte))
        }

        /// The lesser of each two bytes.
        #[inline(always)]
        fn least(self, other: Self) -> Self {
            Self(u8x16_min(self.0, other.0))
        }

        /// Whether any byte is less than its counterpart.
        #[inline(always)]
        fn is_below(self, bound: Self) -> bool {
            v128_any_true(u8x16_sub_sat(bound.0, self.0))
        }
    }

    /// [`super::string_blocks`], sixty-four bytes at a time. Bit `n` of a mask stands for byte `n`.
    pub(super) fn string_blocks(bytes: &[u8]) -> Blocks {
        // V8 makes a constant vector anew wherever it is used. One that it does not know to be
        // constant stays in a register.
        let [backslash, quote, n, t, lowest] =
            black_box([b'\\', b'"', b'n', b't', 0x20].map(Block::all));
        let mut seen = Block::ZERO;
        // 1 where the next byte is the letter of an escape.
        let mut carried = 0;
        let (mut len, mut escaped) = (0, false);
        for block in bytes.as_chunks::<64>().0 {
            let quarters @ [a, b, c, d] = quarters(block);
            if a.least(b).least(c.least(d)).is_below(lowest) {
                break;
            }
            let backslashes = places(quarters, backslash);
            let quotes = places(quarters, quote);
            let (mut letters, mut next) = (0, 0);
            if backslashes | carried != 0 {
                letters = escaped_by(backslashes, carried);
                next = (backslashes & !letters) >> 63;
                let rare =
                    letters & !(quotes | backslashes | places(quarters, n) | places(quarters, t));
                if !ones(rare)
                    .all(|place| matches!(block.get(place), Some(b'/' | b'b' | b'f' | b'r')))
                {
                    break;
                }
                escaped = true;
            }
            if quotes & !letters != 0 {
                break;
            }
            seen = seen.or(a).or(b).or(c).or(d);
            carried = next;
            len += 64;
        }
        // A backslash without its letter is left to be read again.
        Blocks { len: len - carried as usize, ascii: seen.is_ascii(), escaped }
    }

    #[inline(always)]
    fn quarters(block: &[u8; 64]) -> [Block; 4] {
        let mut quarters = [Block::ZERO; 4];
        quarters
            .iter_mut()
            .zip(block.as_chunks::<LEN>().0)
            .for_each(|(to, from)| *to = Block::of(from));
        quarters
    }

    /// The mask of the bytes that are the one that `wanted` is made of.
    #[inline(always)]
    fn places([a, b, c, d]: [Block; 4], wanted: Block) -> u64 {
        mask(a, wanted) | mask(b, wanted) << 16 | mask(c, wanted) << 32 | mask(d, wanted) << 48
    }

    #[inline(always)]
    fn mask(quarter: Block, wanted: Block) -> u64 {
        u64::from(u8x16_bitmask(u8x16_eq(quarter.0, wanted.0)))
    }

    /// The places of a mask's bits that are set.
    #[inline(always)]
    fn ones(mut mask: u64) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || {
            let first = mask.trailing_zeros();
            mask &= mask.wrapping_sub(1);
            (first < u64::BITS).then_some(first as usize)
        })
    }

    /// The mask of the bytes that a backslash escapes, which one that is escaped itself does not.
    /// `carried`: the first byte is escaped. This is simdjson's method, which needs no branch.
    #[inline(always)]
    fn escaped_by(backslashes: u64, carried: u64) -> u64 {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        let escapes = backslashes & !carried;
        let ends = ((escapes << 1) | ODD).wrapping_sub(escapes) ^ ODD;
        ends ^ (backslashes | carried)
    }
}

/// Eight bytes in an integer. A mark is a byte's high bit; only the first one is to be relied on.
#[cfg(not(target_feature = "simd128"))]
mod block {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;

    use super::Blocks;

    pub(super) const LEN: usize = 8;

    pub(super) fn string_blocks(_: &[u8]) -> Blocks {
        Blocks { len: 0, ascii: true, escaped: false }
    }

    #[derive(Clone, Copy)]
    pub(super) struct Block(u64);

    impl Block {
        pub(super) const ZERO: Self = Self(0);

        #[inline(always)]
        pub(super) fn of(bytes: &[u8; LEN]) -> Self {
            Self(u64::from_le_bytes(*bytes))
        }

        #[inline(always)]
        pub(super) fn or(self, other: Self) -> Self {
            Self(self.0 | other.0)
        }

        /// Marks, with any bit, the bytes that are not as their counterparts.
        #[inline(always)]
        pub(super) fn differences(self, other: Self) -> Self {
            Self(self.0 ^ other.0)
        }

        #[inline(always)]
        pub(super) fn is_ascii(self) -> bool {
            self.0 & HIGHS == 0
        }

        #[inline(always)]
        pub(super) fn equals(self, byte: u8) -> Self {
            Self(self.below_one_after_xor(byte) & !self.0 & HIGHS)
        }

        /// Marks quotes, backslashes and control characters.
        #[inline(always)]
        pub(super) fn string_special(self) -> Self {
            let control = self.0.wrapping_sub(ONES * 0x20);
            let marks = self.below_one_after_xor(b'"') | self.below_one_after_xor(b'\\') | control;
            Self(marks & !self.0 & HIGHS)
        }

        /// Sets the high bit of a byte that equals the ASCII character `byte`, among bytes that are
        /// ASCII.
        #[inline(always)]
        fn below_one_after_xor(self, byte: u8) -> u64 {
            (self.0 ^ (ONES * byte as u64)).wrapping_sub(ONES)
        }

        #[inline(always)]
        pub(super) fn is_marked(self) -> bool {
            self.0 != 0
        }

        /// Index of the first mark, where there is one.
        #[inline(always)]
        pub(super) fn first_mark(self) -> usize {
            (self.0.trailing_zeros() / 8) as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split::Random;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_byte_is_found_at_every_place() {
        for byte in 0..=255u8 {
            for place in 0..40 {
                let mut bytes = [b'a'; 40];
                bytes[place] = byte;
                let run = Run { len: first(&bytes, is_special), ascii: byte < 0x80 };
                assert_eq!(plain_run(&bytes), run, "{byte:#x} at {place}");
                assert_eq!(
                    quote_or_backslash(&bytes),
                    first(&bytes, |byte| b"\"\\".contains(&byte))
                );
                assert_eq!(line_end(&bytes), first(&bytes, |byte| b"\n\r".contains(&byte)));
            }
        }
    }

    /// The place of the first byte that `stops`, or the end.
    fn first(bytes: &[u8], stops: fn(u8) -> bool) -> usize {
        bytes.iter().position(|byte| stops(*byte)).unwrap_or(bytes.len())
    }

    /// Whether a JSON string cannot hold the byte as it is.
    fn is_special(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    #[test]
    fn the_first_of_two_neighbours_is_found() {
        for one in 0..=255u8 {
            for other in 0..=255u8 {
                let mut bytes = [b'a'; 20];
                (bytes[1], bytes[2]) = (one, other);
                let expected = first(&bytes, is_special);
                assert_eq!(plain_run(&bytes).len, expected, "{one:#x} {other:#x}");
            }
        }
    }

    #[test]
    fn any_difference_is_found() {
        let bytes: Vec<u8> = (0..100).collect();
        for len in 0..=bytes.len() {
            let bytes = &bytes[..len];
            assert!(is_same(bytes, bytes), "{len}");
            for place in 0..len {
                let mut others = bytes.to_vec();
                others[place] ^= 0x80;
                assert!(!is_same(bytes, &others), "{place} of {len}");
                assert!(!is_same(bytes, &bytes[..place]), "{place} of {len}");
            }
        }
    }

    #[test]
    fn a_run_that_is_not_ascii_is_never_taken_for_one_that_is() {
        for place in 0..40 {
            let mut bytes = [b'a'; 41];
            bytes[place] = 0x80;
            bytes[40] = b'"';
            assert_eq!(plain_run(&bytes), Run { len: 40, ascii: false }, "{place}");
        }
        let mut bytes = [b'a'; 64];
        (bytes[3], bytes[40]) = (b'"', 0x80);
        assert_eq!(plain_run(&bytes), Run { len: 3, ascii: true });
    }

    #[test]
    fn blocks_are_passed_over_as_far_as_they_are_regular() {
        let mut random = Random::new(9);
        for round in 0..20_000 {
            let pieces: &[&str] = &[
                "a",
                "é",
                "text without any",
                "\\\\",
                "\\\"",
                "\\n",
                "\\/",
                "\\t",
                "\\b",
                "\\f",
                "\\r",
            ];
            let rare = ["\"", "\\u00e9", "\n", "\\x", "\u{1f}"];
            let mut text: String =
                (0..random.below(90)).map(|_| pieces[random.below(pieces.len())]).collect();
            let regular = text.len();
            if round % 2 == 0 {
                text.push_str(rare[random.below(rare.len())]);
            }
            text.push_str(&"rest".repeat(30));
            let all = text.as_bytes();
            let Blocks { len, ascii, escaped } = string_blocks(all);
            assert!(len <= regular || round % 2 == 1, "{text}");
            let passed = std::str::from_utf8(&all[..len])
                .map_or_else(|e| &all[..e.valid_up_to()], str::as_bytes);
            assert!(!ascii || passed.is_ascii());
            assert!(escaped || !passed.contains(&b'\\'), "{text}");
            let before = all[..len].iter().rev().take_while(|byte| **byte == b'\\').count();
            assert!(before % 2 == 0, "{len} is within an escape: {text}");
            if cfg!(target_feature = "simd128") {
                assert!(
                    len + 64 >= if round % 2 == 0 { regular } else { all.len() },
                    "{len} of {regular}: {text}"
                );
            } else {
                assert_eq!(len, 0);
            }
        }
    }
}
