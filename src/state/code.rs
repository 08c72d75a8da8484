//! The encoding of shared values: a version, then numbers of seven bits a byte, the lowest first
//! (LEB128).

/// The version of everything that is written; a value of another version is not read.
const VERSION: u8 = 1;

/// Writes one value.
#[derive(Debug)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Begins a value with the version.
    pub(crate) fn new() -> Self {
        Self(vec![VERSION])
    }

    /// Writes a number, in 1 to 10 bytes.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// The bytes of the value.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads one value.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins to read a value; `None` if it is of another version.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(&[VERSION]).map(Self)
    }

    /// Whether everything was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the next number; `None` if there is none, or if it does not fit the type.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return T::try_from(number).ok();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let mut writer = Writer::new();
        numbers.into_iter().for_each(|number| writer.number(number));
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes).unwrap();
        for number in numbers {
            assert_eq!(reader.number::<u64>(), Some(number));
        }
        assert!(reader.is_at_end() && reader.number::<u64>().is_none());
    }

    #[test]
    fn what_is_no_number_or_too_large_is_none() {
        for bytes in [
            &[1][..],
            &[1, 0x80],
            &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert_eq!(Reader::new(bytes).unwrap().number::<u64>(), None, "{bytes:?}");
        }
        assert_eq!(Reader::new(&[1, 0x80, 0x04]).unwrap().number::<u8>(), None);
        assert!(Reader::new(&[]).is_none() && Reader::new(&[2, 0]).is_none());
    }
}
