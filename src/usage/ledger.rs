//! What has been spent, by period. A sum: see [`crate::state`].
//!
//! Periods are UTC's; weeks begin on Monday.

use std::time::Duration;

use crate::calendar::{civil_date, day};
use crate::catalog::Cost;
use crate::state::{Reader, Sum, Writer};

/// Sums in femtodollars; begins empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// How many bundles of records have been put down.
    pub(super) bundles: u64,
    /// Day of the last entry since the epoch, which the sums of periods belong to.
    day: u64,
    /// All, and of the last entry's day, week and month.
    sums: [u128; 4],
}

/// What has been spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Since the host started.
    pub total: Cost,
    /// Today.
    pub day: Cost,
    /// Since Monday.
    pub week: Cost,
    /// Since the first of the month.
    pub month: Cost,
}

impl Ledger {
    /// Enters what an exchange has cost.
    pub fn enter(&mut self, cost: Cost, now: Duration) {
        self.turn_to(day(now));
        for sum in &mut self.sums {
            *sum = sum.saturating_add(cost.femtodollars());
        }
    }

    /// What has been spent until `now`.
    pub fn spent(mut self, now: Duration) -> Spent {
        self.turn_to(day(now));
        let [total, day, week, month] = self.sums.map(Cost::of_femtodollars);
        Spent { total, day, week, month }
    }

    /// Goes on to a day, and begins the periods anew that are over then; one that has gone by
    /// changes nothing.
    fn turn_to(&mut self, today: u64) {
        if today <= self.day {
            return;
        }
        // What nothing was added to since it was told is of no day.
        if self.sums != [0; 4] {
            self.end_periods(today);
        }
        self.day = today;
    }

    fn end_periods(&mut self, today: u64) {
        let [_, day, week, month] = &mut self.sums;
        let (now, then) = (periods(today), periods(self.day));
        for (sum, (now, then)) in [day, week, month].into_iter().zip(now.into_iter().zip(then)) {
            if now != then {
                *sum = 0;
            }
        }
    }
}

/// The numbers of a day, its week and its month since the epoch, which was a Thursday.
fn periods(day: u64) -> [u64; 3] {
    let (year, month, _) = civil_date(day);
    [day, (day + 3) / 7, year * 12 + month]
}

impl Sum for Ledger {
    fn add(&mut self, other: &Self) {
        let mut other = *other;
        self.turn_to(other.day);
        other.turn_to(self.day);
        self.bundles = self.bundles.wrapping_add(other.bundles);
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.saturating_add(more);
        }
    }

    fn is_empty(&self) -> bool {
        self.bundles == 0 && self.sums == [0; 4]
    }

    fn forget(&mut self, _: Duration) {}

    fn encode(&self, writer: &mut Writer) {
        writer.number(self.bundles);
        writer.number(self.day);
        for sum in self.sums {
            writer.number((sum >> 64) as u64);
            writer.number(sum as u64);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (bundles, day) = (reader.number()?, reader.number::<u32>()?);
        let mut ledger = Self { bundles, day: day.into(), ..Self::default() };
        for sum in &mut ledger.sums {
            *sum = u128::from(reader.number::<u64>()?) << 64 | u128::from(reader.number::<u64>()?);
        }
        Some(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Price;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Noon of a day of November 2026, which begins on a Sunday.
    fn november(day: u64) -> Duration {
        Duration::from_secs(1_793_534_400 + (day - 1) * 86_400)
    }

    fn enter(ledger: &mut Ledger, usd: &str, now: Duration) {
        ledger.enter(Price::parse(usd).unwrap().cost(1), now);
    }

    #[test]
    fn sums_are_kept_by_day_week_and_month() {
        let mut ledger = Ledger::default();
        for (usd, day) in [("0.1", 1), ("0.02", 2), ("0.003", 8), ("0.0004", 8)] {
            enter(&mut ledger, usd, november(day));
        }
        let usd = |text| Price::parse(text).unwrap().cost(1);
        let all = Spent {
            total: usd("0.1234"),
            day: usd("0.0034"),
            week: usd("0.0234"),
            month: usd("0.1234"),
        };
        assert_eq!(ledger.spent(november(8)), all);
        assert_eq!(ledger.spent(november(9)), Spent { day: Cost::ZERO, week: Cost::ZERO, ..all });
        assert_eq!(
            ledger.spent(november(31)),
            Spent { day: Cost::ZERO, week: Cost::ZERO, month: Cost::ZERO, ..all }
        );
    }

    #[test]
    fn workers_may_add_what_they_entered_in_any_order() {
        let mut whole = Ledger::default();
        let mut parts = [Ledger::default(); 3];
        for (index, (usd, day)) in
            [("0.1", 1), ("0.02", 2), ("0.003", 8), ("0.0004", 8), ("0.00005", 9), ("0.6", 30)]
                .into_iter()
                .enumerate()
        {
            enter(&mut whole, usd, november(day));
            enter(&mut parts[index * 7 % 3], usd, november(day));
        }
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]] {
            let mut sum = Ledger::default();
            order.into_iter().for_each(|part| sum.add(&parts[part]));
            assert_eq!(sum, whole, "{order:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_nonsense_is_nothing() {
        let mut ledger = Ledger { bundles: 3, ..Ledger::default() };
        enter(&mut ledger, "12.5", november(20));
        (0..100).for_each(|_| enter(&mut ledger, "999", november(21)));
        let mut writer = Writer::new();
        ledger.encode(&mut writer);
        let bytes = writer.finish();
        let read = |bytes: &[u8]| Ledger::decode(&mut Reader::new(bytes)?);
        assert_eq!(read(&bytes), Some(ledger));
        assert_eq!(
            (read(&bytes[..bytes.len() - 1]), read(b"\x01"), read(b"1 2 3")),
            (None, None, None)
        );
        let mut writer = Writer::new();
        Ledger { day: u64::MAX, ..ledger }.encode(&mut writer);
        assert_eq!(read(&writer.finish()), None, "no such day can be reckoned with");
    }
}
