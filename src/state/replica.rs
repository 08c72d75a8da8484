//! One worker's copy of a shared sum.

use std::time::Duration;

use super::{Reader, Store, Writer};

/// How often an addition is tried while other workers are faster.
const TRIES: usize = 8;

/// Something that several workers add to: the order of additions makes no difference.
pub(crate) trait Sum: Default {
    /// Adds what was seen elsewhere.
    fn add(&mut self, other: &Self);

    /// Whether adding it would change nothing.
    fn is_empty(&self) -> bool;

    /// Drops what is too old to matter at this time.
    fn forget(&mut self, now: Duration);

    /// Writes the sum.
    fn encode(&self, writer: &mut Writer);

    /// Reads what [`Sum::encode`] wrote; `None` if it is anything else.
    fn decode(reader: &mut Reader<'_>) -> Option<Self>;
}

/// What the host has of a sum, and what this worker has yet to add to it; together they are what
/// this worker knows.
#[derive(Clone, Debug)]
pub(crate) struct Replica<T> {
    key: String,
    /// The version of the host's value that `told` is; 0 if that is not known.
    version: u32,
    /// What the host had when it was last read.
    told: T,
    /// What this worker has yet to add. It leaves only by way of a successful write, so that
    /// nothing is lost and nothing counts twice.
    untold: T,
}

impl<T: Sum> Replica<T> {
    /// The copy of a value that was not read yet.
    pub(crate) fn new(key: String) -> Self {
        Self { key, version: 0, told: T::default(), untold: T::default() }
    }

    /// Writes an empty value, where there is none yet. Only where there is a value can the host
    /// refuse a write to the slower one of two workers.
    pub(crate) fn create(&self, store: &dyn Store) {
        if store.read(&self.key).is_none() {
            store.write(&self.key, &Writer::new().finish(), 0);
        }
    }

    /// What was read last, and what is to be added to that.
    pub(crate) fn parts(&self) -> [&T; 2] {
        [&self.told, &self.untold]
    }

    /// What was read last.
    pub(crate) fn told(&self) -> &T {
        &self.told
    }

    /// What is yet to be added to the host's value, for adding to it.
    pub(crate) fn untold(&mut self) -> &mut T {
        &mut self.untold
    }

    /// Whether this worker knows of nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty() && self.untold.is_empty()
    }

    /// Drops what is too old to matter from what was read.
    pub(crate) fn forget(&mut self, now: Duration) {
        self.told.forget(now);
    }

    /// Learns what others have written since.
    pub(crate) fn read(&mut self, store: &dyn Store) {
        let (bytes, version) = store.read(&self.key).unwrap_or_default();
        if version != self.version {
            self.told = decoded(&bytes);
            self.version = version;
        }
    }

    /// Writes what is yet to be added, and learns what others have written. False if others were
    /// faster each time: then nothing has changed.
    pub(crate) fn sync(&mut self, store: &dyn Store, now: Duration) -> bool {
        if self.untold.is_empty() {
            self.read(store);
            return true;
        }
        for _ in 0..TRIES {
            let (bytes, version) = store.read(&self.key).unwrap_or_default();
            let mut sum: T = decoded(&bytes);
            sum.add(&self.untold);
            sum.forget(now);
            let mut writer = Writer::new();
            sum.encode(&mut writer);
            if store.write(&self.key, &writer.finish(), version) {
                *self = Self { told: sum, ..Self::new(std::mem::take(&mut self.key)) };
                return true;
            }
        }
        false
    }
}

fn decoded<T: Sum>(bytes: &[u8]) -> T {
    Reader::new(bytes).and_then(|mut reader| T::decode(&mut reader)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::state::Memory;
    use crate::wire::split::Random;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Count(u64);

    impl Sum for Count {
        fn add(&mut self, other: &Self) {
            self.0 += other.0;
        }

        fn is_empty(&self) -> bool {
            self.0 == 0
        }

        fn forget(&mut self, _: Duration) {}

        fn encode(&self, writer: &mut Writer) {
            writer.number(self.0);
        }

        fn decode(reader: &mut Reader<'_>) -> Option<Self> {
            reader.number().map(Self)
        }
    }

    /// Refuses some writes, as if another worker had been faster.
    #[derive(Debug)]
    struct Busy(Memory, Cell<u64>);

    impl Store for Busy {
        fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
            self.0.read(key)
        }

        fn write(&self, key: &str, value: &[u8], version: u32) -> bool {
            let mut random = Random::new(self.1.get());
            self.1.set(self.1.get() + 1);
            random.below(3) != 0 && self.0.write(key, value, version)
        }
    }

    #[test]
    fn nothing_is_lost_and_nothing_counts_twice_when_writes_are_refused() {
        let store = Busy(Memory::default(), Cell::new(1));
        let mut workers = vec![Replica::<Count>::new("n".to_owned()); 3];
        let mut random = Random::new(5);
        let mut expected = 0;
        for _ in 0..2_000 {
            let worker = &mut workers[random.below(3)];
            let more = random.below(5) as u64;
            expected += more;
            worker.untold().0 += more;
            if random.below(2) == 0 {
                worker.sync(&store, Duration::ZERO);
            }
        }
        for worker in &mut workers {
            assert!(
                worker.sync(&store, Duration::ZERO),
                "eight refusals in a row would be another seed"
            );
        }
        for worker in &mut workers {
            worker.read(&store);
            assert_eq!(worker.parts().map(|part| part.0), [expected, 0]);
        }
    }

    #[test]
    fn after_refusals_the_rest_is_still_to_be_told() {
        #[derive(Debug)]
        struct Deaf;
        impl Store for Deaf {
            fn read(&self, _: &str) -> Option<(Vec<u8>, u32)> {
                None
            }
            fn write(&self, _: &str, _: &[u8], _: u32) -> bool {
                false
            }
        }
        let mut replica = Replica::<Count>::new("n".to_owned());
        replica.untold().0 = 7;
        assert!(!replica.sync(&Deaf, Duration::ZERO));
        assert_eq!(replica.parts().map(|part| part.0), [0, 7]);
    }

    #[test]
    fn a_value_that_makes_no_sense_is_nothing() {
        let store = Memory::default();
        for nonsense in [&b""[..], b"\x01", b"\x02\x07", b"\x01\xff", b"text"] {
            store.write("n", nonsense, 0);
            let mut replica = Replica::<Count>::new("n".to_owned());
            replica.read(&store);
            assert_eq!(replica.told(), &Count(0), "{nonsense:?}");
            replica.untold().0 = 3;
            assert!(replica.sync(&store, Duration::ZERO));
            assert_eq!(store.read("n").unwrap().0, [1, 3]);
        }
    }

    #[test]
    fn what_is_there_is_not_created_anew() {
        let store = Memory::default();
        let mut replica = Replica::<Count>::new("n".to_owned());
        replica.create(&store);
        assert_eq!(store.read("n").unwrap().0, [1]);
        replica.untold().0 = 3;
        replica.sync(&store, Duration::ZERO);
        replica.create(&store);
        assert_eq!(store.read("n").unwrap().0, [1, 3]);
    }
}
