//! What has been spent, by period, and how many exchanges have ended: what all workers of a host share.
//!
//! Periods are UTC's; weeks begin on Monday.

use std::fmt;
use std::time::Duration;

use super::Cost;
use crate::calendar::{civil_date, day};

/// Sums in femtodollars; begins empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// How many exchanges have been entered.
    exchanges: u64,
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
    /// Reads what [`fmt::Display`] wrote; what is not that is an empty ledger.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut numbers = text.split(' ').map_while(|number| number.parse::<u128>().ok());
        let mut next = || numbers.next().unwrap_or_default();
        let (exchanges, day) = (next() as u64, next() as u64);
        Self { exchanges, day, sums: [next(), next(), next(), next()] }
    }

    /// Enters an exchange; returns its number, from 0 on.
    pub fn enter(&mut self, cost: Cost, now: Duration) -> u64 {
        self.turn_to(day(now));
        for sum in &mut self.sums {
            *sum = sum.saturating_add(cost.femtodollars());
        }
        self.exchanges += 1;
        self.exchanges - 1
    }

    /// How many exchanges have been entered.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// What has been spent until `now`.
    pub fn spent(mut self, now: Duration) -> Spent {
        self.turn_to(day(now));
        let [total, day, week, month] = self.sums.map(Cost::of_femtodollars);
        Spent { total, day, week, month }
    }

    /// Begins the periods anew that are over.
    fn turn_to(&mut self, today: u64) {
        let [_, day, week, month] = &mut self.sums;
        let (now, then) = (periods(today), periods(self.day));
        for (sum, (now, then)) in [day, week, month].into_iter().zip(now.into_iter().zip(then)) {
            if now != then {
                *sum = 0;
            }
        }
        self.day = today;
    }
}

/// The numbers of a day, its week and its month since the epoch, which was a Thursday.
fn periods(day: u64) -> [u64; 3] {
    let (year, month, _) = civil_date(day);
    [day, (day + 3) / 7, year * 12 + month]
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [total, day, week, month] = self.sums;
        write!(f, "{} {} {total} {day} {week} {month}", self.exchanges, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Price;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Noon of a day of November 2026, which begins on a Sunday.
    fn november(day: u64) -> Duration {
        Duration::from_secs(1_793_534_400 + (day - 1) * 86_400)
    }

    fn enter(ledger: &mut Ledger, usd: &str, now: Duration) -> u64 {
        ledger.enter(Price::parse(usd).unwrap().cost(1), now)
    }

    #[test]
    fn sums_are_kept_by_day_week_and_month() {
        let mut ledger = Ledger::default();
        for (number, (usd, now)) in
            [("0.1", november(1)), ("0.02", november(2)), ("0.003", november(8)), ("0.0004", november(8))]
                .into_iter()
                .enumerate()
        {
            assert_eq!(enter(&mut ledger, usd, now), number as u64);
        }
        assert_eq!(ledger.exchanges(), 4);
        let usd = |text| Price::parse(text).unwrap().cost(1);
        let all = Spent { total: usd("0.1234"), day: usd("0.0034"), week: usd("0.0234"), month: usd("0.1234") };
        assert_eq!(ledger.spent(november(8)), all);
        assert_eq!(ledger.spent(november(9)), Spent { day: Cost::ZERO, week: Cost::ZERO, ..all });
        assert_eq!(ledger.spent(november(31)), Spent { day: Cost::ZERO, week: Cost::ZERO, month: Cost::ZERO, ..all });
    }

    #[test]
    fn what_is_written_is_read_again_and_nonsense_is_empty() {
        let mut ledger = Ledger::default();
        enter(&mut ledger, "12.5", november(20));
        assert_eq!(Ledger::parse(ledger.to_string().as_bytes()), ledger);
        for nonsense in [&b""[..], b"x", b"\xff", b"-1"] {
            assert_eq!(Ledger::parse(nonsense), Ledger::default(), "{nonsense:?}");
        }
    }
}
