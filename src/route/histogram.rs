//! How often values of about the same size were seen, so that percentiles can be told. A sum that
//! workers share: see [`crate::state`].

use crate::state::{Reader, Writer, entry};

/// Bits of a 32-bit float that do not tell buckets apart: what is left are sign, exponent and four
/// more bits, so a bucket's middle is off by 3 % at most.
const IGNORED: u32 = 19;

/// Counts by bucket, in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram(Vec<(u16, u32)>);

impl Histogram {
    /// Counts a value that is not negative.
    pub(super) fn count(&mut self, value: f64) {
        self.add_to((value.max(0.0) as f32).to_bits().wrapping_shr(IGNORED) as u16, 1);
    }

    pub(super) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(bucket, count)| self.add_to(*bucket, *count));
    }

    fn add_to(&mut self, bucket: u16, more: u32) {
        if let Some(count) = entry(&mut self.0, bucket) {
            *count = count.saturating_add(more);
        }
    }

    /// The value that `share` percent of the values do not exceed, or with `descending` do not fall
    /// short of; `None` without values.
    pub(super) fn percentile(&self, share: u8, descending: bool) -> Option<f64> {
        let total: u64 = self.0.iter().map(|(_, count)| u64::from(*count)).sum();
        let rank = (total * u64::from(share)).div_ceil(100).max(1);
        match descending {
            true => bucket_of(self.0.iter().rev(), rank),
            false => bucket_of(self.0.iter(), rank),
        }
        .map(middle)
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.number(self.0.len() as u64);
        let mut last = 0;
        for (bucket, count) in &self.0 {
            writer.number(u64::from(bucket - last));
            writer.number(u64::from(*count));
            last = *bucket;
        }
    }

    /// Reads what [`Histogram::encode`] writes; `None` if it is anything else.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let mut histogram = Self::default();
        let mut bucket = 0u16;
        for _ in 0..reader.number::<u16>()? {
            bucket = bucket.checked_add(reader.number()?)?;
            histogram.add_to(bucket, reader.number()?);
        }
        Some(histogram)
    }
}

/// The bucket of the value of this rank, which is 1 for the first one.
fn bucket_of<'a>(counts: impl Iterator<Item = &'a (u16, u32)>, rank: u64) -> Option<u16> {
    let mut passed = 0;
    for (bucket, count) in counts {
        passed += u64::from(*count);
        if passed >= rank {
            return Some(*bucket);
        }
    }
    None
}

/// The value in the middle of a bucket.
fn middle(bucket: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bucket) << IGNORED | 1 << (IGNORED - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn near(found: Option<f64>, expected: f64) -> bool {
        found.is_some_and(|found| (found / expected - 1.0).abs() < 0.035)
    }

    #[test]
    fn percentiles_are_near_the_exact_ones() {
        for scale in [0.001, 1.0, 77.0, 60_000.0] {
            let mut histogram = Histogram::default();
            (1..=100).for_each(|n| histogram.count(f64::from(n) * scale));
            for (share, up, down) in
                [(1, 1.0, 100.0), (50, 50.0, 51.0), (75, 75.0, 26.0), (99, 99.0, 2.0)]
            {
                assert!(
                    near(histogram.percentile(share, false), up * scale),
                    "{share} {scale} {histogram:?}"
                );
                assert!(
                    near(histogram.percentile(share, true), down * scale),
                    "{share} {scale} {histogram:?}"
                );
            }
        }
        assert_eq!(Histogram::default().percentile(50, false), None);
    }

    #[test]
    fn odd_values_have_a_bucket_too() {
        let mut histogram = Histogram::default();
        [0.0, -1.0, f64::MAX, f64::NAN, f64::INFINITY]
            .into_iter()
            .for_each(|value| histogram.count(value));
        let mut writer = Writer::new();
        histogram.encode(&mut writer);
        let bytes = writer.finish();
        assert_eq!(Histogram::decode(&mut Reader::new(&bytes).unwrap()).unwrap(), histogram);
        assert!(histogram.percentile(1, false).unwrap() < 1e-30);
    }
}
