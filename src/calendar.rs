//! Dates of times since the Unix epoch, in the Gregorian calendar, as ISO 8601 uses it.

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

/// The time as `2026-11-20T10:00:00Z`.
pub(crate) fn iso(time: Duration) -> String {
    let seconds = time.as_secs();
    let (year, month, day) = civil_date(day(time));
    let [hour, minute, second] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The time of an HTTP date, in any of its three forms (RFC 9110, section 5.6.7). Each part is
/// known by what it looks like; of the numbers the first one is the day of the month, the second
/// the year.
pub(crate) fn of_http(text: &str) -> Option<Duration> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (mut month, mut clock, mut numbers) = (None, None, [None; 2]);
    for part in text.split([' ', ',', '-']) {
        if let Some(index) = MONTHS.iter().position(|name| part.eq_ignore_ascii_case(name)) {
            month = Some(index as u64 + 1);
        } else if part.contains(':') {
            clock = Some(seconds_of_clock(part)?);
        } else if let Ok(number) = part.parse::<u64>() {
            *numbers.iter_mut().find(|slot| slot.is_none())? = Some(number);
        }
    }
    let [day, year] = numbers;
    let year = match year? {
        year @ 0..70 => year + 2000,
        year @ 70..100 => year + 1900,
        year => year,
    };
    let days = day_of((year, month?, day?))?;
    Some(Duration::from_secs(days * DAY + clock?))
}

/// The seconds since midnight of a time like `08:49:37`.
fn seconds_of_clock(text: &str) -> Option<u64> {
    let mut parts = text.split(':').map(|part| part.parse::<u64>().ok().filter(|part| *part <= 60));
    let [hour, minute, second] = [parts.next()??, parts.next()??, parts.next()??];
    Some(hour * 3600 + minute * 60 + second)
}

/// The day since the epoch of a date, whose year is from 1970 to 9999: [`civil_date`] the other way
/// around.
fn day_of((year, month, day): (u64, u64, u64)) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day = (153 * month + 2) / 5 + day - 1 + 365 * year + year / 4 - year / 100 + year / 400;
    day.checked_sub(719_468)
}

/// Year, month and day of a day since the epoch, in the Gregorian calendar. Years are counted from
/// March on, so that the leap day is the last of its year, and in cycles of 400 years, which are
/// all alike.
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

    #[test]
    fn http_dates_are_read_in_all_forms() {
        let time = Some(Duration::from_secs(784_111_777));
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", time),
            ("Sunday, 06-Nov-94 08:49:37 GMT", time),
            ("Sun Nov  6 08:49:37 1994", time),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(Duration::ZERO)),
            ("Tue, 29 Feb 2000 12:34:56 GMT", Some(Duration::from_secs(951_827_696))),
            ("Sun, 06 Nov 1994", None),
            ("Sun, 06 Nov 08:49:37 GMT", None),
            ("Sun, 06 Non 1994 08:49:37 GMT", None),
            ("Sun, 60 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:99:37 GMT", None),
            ("1 2 3 08:49:37", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(of_http(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_day_is_that_of_its_date() {
        for day in (0..2_900_000).step_by(97) {
            assert_eq!(day_of(civil_date(day)), Some(day));
        }
    }
}
