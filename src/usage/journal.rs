//! The books of all workers: what has been spent, and the records of the last exchanges.
//!
//! Entering an exchange touches nothing but this worker's memory; [`Journal::sync`] carries over
//! what was entered since. Records stand in bundles in a ring, so that their number is bounded and
//! any worker finds them.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::Ledger;
use crate::catalog::Cost;
use crate::state::{Replica, Store};

/// How many bundles of records are kept; each one after that takes the place of the oldest.
const BUNDLES: u64 = 512;
/// The most bytes of a bundle; a record that is longer is not kept.
const LONGEST_BUNDLE: usize = 16 * 1024;
/// How many records may wait to be carried over; the oldest ones are dropped.
const MOST_WAITING: usize = 512;

/// What this worker and the others have written down.
#[derive(Debug)]
pub struct Journal {
    store: Rc<dyn Store>,
    ledger: Replica<Ledger>,
    /// Lines of JSON that other workers do not know of yet.
    records: VecDeque<String>,
}

impl Journal {
    /// What the workers of a store have written down.
    pub fn new(store: Rc<dyn Store>) -> Self {
        Self {
            store,
            ledger: Replica::new("modelyard.ledger".to_owned()),
            records: VecDeque::new(),
        }
    }

    /// Writes the values that are to be shared, where there are none yet. To be called before there
    /// is more than one worker.
    pub fn create_values(&self) {
        self.ledger.create(&*self.store);
    }

    /// Enters an exchange that is over, with its record if there is one.
    pub fn enter(&mut self, cost: Cost, record: Option<String>, now: Duration) {
        self.ledger.untold().enter(cost, now);
        if self.records.len() >= MOST_WAITING {
            self.records.pop_front();
        }
        self.records.extend(record.filter(|record| record.len() <= LONGEST_BUNDLE));
    }

    /// Tells the other workers what was entered here, and learns what they did.
    pub fn sync(&mut self, now: Duration) {
        let bundles = bundles(&self.records);
        let count = bundles.len() as u64;
        self.ledger.untold().bundles = count;
        if !self.ledger.sync(&*self.store, now) {
            return;
        }
        self.records.clear();
        let first = self.ledger.told().bundles.wrapping_sub(count);
        for (number, bundle) in (0..).zip(bundles) {
            self.store.write(&key(first.wrapping_add(number)), bundle.as_bytes(), 0);
        }
    }

    /// What all workers have entered, as of the last [`Journal::sync`].
    pub fn ledger(&self) -> Ledger {
        *self.ledger.told()
    }

    /// The record of an exchange, if it is one of the last few hundred.
    pub fn record(&self, id: &str) -> Option<Vec<u8>> {
        // Records begin with their id.
        let beginning = format!("{{\"generation_id\":\"{id}\"");
        let count = self.ledger().bundles;
        let newest_first = (count.saturating_sub(BUNDLES)..count).rev();
        newest_first.filter_map(|number| self.store.read(&key(number))).find_map(|(bundle, _)| {
            let mut records = bundle.split(|byte| *byte == b'\n');
            records.find(|record| record.starts_with(beginning.as_bytes())).map(<[u8]>::to_vec)
        })
    }
}

fn key(number: u64) -> String {
    format!("modelyard.records.{}", number % BUNDLES)
}

/// Records in bundles, a line each.
fn bundles(records: &VecDeque<String>) -> Vec<String> {
    let mut bundles: Vec<String> = Vec::new();
    for record in records {
        match bundles.last_mut().filter(|bundle| bundle.len() + 1 + record.len() <= LONGEST_BUNDLE)
        {
            Some(bundle) => {
                bundle.push('\n');
                bundle.push_str(record);
            }
            None => bundles.push(record.clone()),
        }
    }
    bundles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Price;
    use crate::state::Memory;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn record(number: usize) -> String {
        format!(r#"{{"generation_id":"gen-{number}","more":"{}"}}"#, "x".repeat(900))
    }

    #[test]
    fn other_workers_find_what_was_entered_once_it_is_told() {
        let store: Rc<dyn Store> = Rc::new(Memory::default());
        let [mut one, mut two] = [(); 2].map(|()| Journal::new(store.clone()));
        let cost = Price::parse("0.25").unwrap().cost(1);
        for number in 0..100 {
            let journal = if number % 2 == 0 { &mut one } else { &mut two };
            journal.enter(cost, Some(record(number)), NOW);
        }
        assert_eq!((one.record("gen-0"), one.ledger()), (None, Ledger::default()));
        two.sync(NOW);
        one.sync(NOW);
        two.sync(NOW);
        for journal in [&one, &two] {
            assert_eq!(journal.ledger().spent(NOW).total, Price::parse("25").unwrap().cost(1));
            for number in 0..100 {
                assert_eq!(
                    journal.record(&format!("gen-{number}")),
                    Some(record(number).into_bytes())
                );
            }
            assert_eq!((journal.record("gen-"), journal.record("gen-100")), (None, None));
        }
    }

    #[test]
    fn the_count_of_bundles_may_come_round() {
        let store: Rc<dyn Store> = Rc::new(Memory::default());
        let (count, [day, sums @ ..]) = ([0xff; 9], [0; 9]);
        store.write("modelyard.ledger", &[&[1], &count[..], &[1, day], &sums].concat(), 0);
        let mut journal = Journal::new(store);
        journal.enter(Cost::ZERO, Some(record(0)), NOW);
        journal.sync(NOW);
        assert_eq!(journal.ledger().bundles, 0);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_newest_is_there() {
        let store = Rc::new(Memory::default());
        let mut journal = Journal::new(store.clone());
        journal.enter(Cost::ZERO, Some("x".repeat(LONGEST_BUNDLE + 1)), NOW);
        assert!(journal.records.is_empty());
        for number in 0..2_000 {
            journal.enter(Cost::ZERO, Some(record(number)), NOW);
            if number % 3 == 0 {
                journal.sync(NOW);
            }
        }
        (2_000..9_000).for_each(|number| journal.enter(Cost::ZERO, Some(record(number)), NOW));
        journal.sync(NOW);
        for (number, is_kept) in
            [(8_999, true), (8_500, true), (1_998, true), (8_000, false), (0, false)]
        {
            assert_eq!(journal.record(&format!("gen-{number}")).is_some(), is_kept, "{number}");
        }
        assert!(store.len() as u64 <= BUNDLES + 1);
    }
}
