//! For tests: the same bytes cut in every way that matters.

/// A small seeded generator (xorshift64*), the same on every target.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound.max(1)
    }
}

/// Calls `check` with the text whole, byte by byte, cut in two at every place, and cut at seeded
/// random places.
pub(crate) fn every_split(text: &[u8], mut check: impl FnMut(&[&[u8]])) {
    check(&[text]);
    check(&text.chunks(1).collect::<Vec<_>>());
    for at in 0..=text.len() {
        let (left, right) = text.split_at(at);
        check(&[left, right]);
    }
    let mut random = Random::new(text.len() as u64 + 1);
    for _ in 0..100 {
        check(&random_pieces(text, &mut random));
    }
}

fn random_pieces<'a>(mut rest: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let longest = 1 + random.below(40);
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, next) = rest.split_at(random.below(longest + 1).min(rest.len()));
        pieces.push(piece);
        rest = next;
    }
    pieces
}
