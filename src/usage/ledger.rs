//! What has been spent, by period: a sum that workers share, see [`crate::state`].
//!
//! Days are UTC's, and weeks begin on Monday.

use std::time::Duration;

use crate::calendar::{civil_date, day};
use crate::catalog::Cost;
use crate::state::{Reader, Sum, Writer};

/// The sums of what has been spent, in femtodollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// How many bundles of records have been written to the store.
    pub(super) bundles: u64,
    /// The day of the last entry, counted from the epoch. The sums of periods belong to it.
    day: u64,
    /// What has been spent in all, and on the last entry's day, in its week and in its month.
    sums: [u128; 4],
}

/// What has been spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// What has been spent since the host started.
    pub total: Cost,
    /// What has been spent today.
    pub day: Cost,
    /// What has been spent since Monday.
    pub week: Cost,
    /// What has been spent since the first of the month.
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

    /// Goes on to a day, and begins anew the periods that are over then. A day that has gone by
    /// changes nothing.
    fn turn_to(&mut self, today: u64) {
        if today <= self.day {
            return;
        }
        // Sums that nothing was added to since they were told belong to no day.
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
        ledger.enter(cost(usd), now);
    }

    fn cost(usd: &str) -> Cost {
        Price::parse(usd).unwrap().cost(1)
    }

    #[test]
    fn sums_are_kept_by_day_week_and_month() {
        let mut ledger = Ledger::default();
        for (usd, day) in [("0.1", 1), ("0.02", 2), ("0.003", 8), ("0.0004", 8)] {
            enter(&mut ledger, usd, november(day));
        }
        let all = Spent {
            total: cost("0.1234"),
            day: cost("0.0034"),
            week: cost("0.0234"),
            month: cost("0.1234"),
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
        assert_eq!(decoded(&bytes), Some(ledger));
        for nonsense in [&bytes[..bytes.len() - 1], b"\x01", b"1 2 3"] {
            assert_eq!(decoded(nonsense), None, "{nonsense:?}");
        }
        let mut writer = Writer::new();
        Ledger { day: u64::MAX, ..ledger }.encode(&mut writer);
        assert_eq!(decoded(&writer.finish()), None, "no such day can be reckoned with");
    }

    fn decoded(bytes: &[u8]) -> Option<Ledger> {
        Ledger::decode(&mut Reader::new(bytes)?)
    }
}
