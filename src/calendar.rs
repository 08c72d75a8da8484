//! Dates of times since the Unix epoch.
//!
//! Source of the conversion: the proleptic Gregorian calendar, as ISO 8601 uses it.

use std::time::Duration;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Whole days since the epoch.
pub(crate) fn day(time: Duration) -> u64 {
    time.as_secs() / DAY
}

/// Minutes after midnight UTC.
pub(crate) fn minute_of_day(time: Duration) -> u16 {
    (time.as_secs() % DAY / 60) as u16
}

/// `2026-11-20T10:00:00Z`
pub(crate) fn iso(time: Duration) -> String {
    let seconds = time.as_secs();
    let (year, month, day) = civil_date(day(time));
    let [hour, minute, second] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day since the epoch, in the Gregorian calendar. Years are counted from March on, so that the
/// leap day is the last of its year, and in cycles of 400 years, which are all alike.
pub(crate) fn civil_date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_CYCLE: u64 = 146_097;
    // From 1 March of the year 0 to 1 January 1970.
    let days = days.saturating_add(719_468);
    let (cycle, day) = (days / DAYS_OF_CYCLE, days % DAYS_OF_CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months of 31, 30, 31, 30 and 31 days from March on: 153 days in each five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let from_january = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + u64::from(from_january <= 2), from_january, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn times_are_written_as_iso_8601_says() {
        assert_eq!(iso(Duration::ZERO), "1970-01-01T00:00:00Z");
        assert_eq!(iso(Duration::from_millis(951_827_696_789)), "2000-02-29T12:34:56Z");
    }
}
