//! What the workers of a host know together, in short values that the host keeps for them.
//!
//! Everything shared is a sum, so that workers can add what they saw in any order. Each works on a
//! copy of its own (`Replica`): what the host had when it was last read, and what this worker has
//! yet to add. The shell only carries bytes. A value that makes no sense counts as nothing, so that
//! its form can change from version to version.

mod code;
mod replica;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

pub(crate) use code::{Reader, Writer};
pub(crate) use replica::{Replica, Sum};

/// Values by key that all workers see, such as a host's shared data.
pub trait Store: fmt::Debug {
    /// A value and its version, which is not 0 and changes with each write.
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Replaces the value, if it still has this version; with version 0 in any case. False if
    /// another worker was faster.
    fn write(&self, key: &str, value: &[u8], version: u32) -> bool;
}

/// The value of a key in a list sorted by keys, where it is put if it is not there; never `None`.
pub(crate) fn entry<K: Ord + Copy, V: Default>(sorted: &mut Vec<(K, V)>, key: K) -> Option<&mut V> {
    let at = match sorted.last() {
        // Whoever reads a sorted list adds at the end.
        Some((last, _)) if *last < key => sorted.len(),
        _ => sorted.partition_point(|(other, _)| *other < key),
    };
    if sorted.get(at).is_none_or(|(other, _)| *other != key) {
        sorted.insert(at, (key, V::default()));
    }
    sorted.get_mut(at).map(|(_, value)| value)
}

/// The store of a worker without a host and without others.
#[derive(Debug, Default)]
pub struct Memory(RefCell<HashMap<String, (Vec<u8>, u32)>>);

impl Store for Memory {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(key).cloned()
    }

    fn write(&self, key: &str, value: &[u8], version: u32) -> bool {
        let mut values = self.0.borrow_mut();
        let current = values.get(key).map_or(0, |(_, version)| *version);
        let may = version == 0 || version == current;
        if may {
            values.insert(key.to_owned(), (value.to_vec(), current + 1));
        }
        may
    }
}

#[cfg(test)]
impl Memory {
    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }
}
