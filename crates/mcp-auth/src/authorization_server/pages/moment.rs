//! A moment as people and machines read it.

use std::fmt;

use crate::oauth::Timestamp;

/// A moment in UTC: written with `{}` it reads `24 November 2026, 14:48 UTC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    year: u64,
    month: usize,
    day: u64,
    hour: u64,
    minute: u64,
}

impl Moment {
    pub(crate) fn new(at: Timestamp) -> Self {
        let (days, seconds) = (at.as_seconds() / 86_400, at.as_seconds() % 86_400);
        let (year, month, day) = civil(days);
        Self {
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds % 3600 / 60,
        }
    }

    /// For the attribute `datetime` of `<time>`: `2026-11-24T14:48Z`.
    #[must_use]
    pub fn machine_readable(&self) -> String {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
        } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}Z")
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let month = self
            .month
            .checked_sub(1)
            .and_then(|index| MONTHS.get(index));
        let month = month.unwrap_or(&"");
        let Self {
            year,
            day,
            hour,
            minute,
            ..
        } = self;
        write!(f, "{day} {month} {year}, {hour:02}:{minute:02} UTC")
    }
}

/// Year, month and day of this many days since 1970, by the Gregorian calendar.
///
/// Counted from 1 March of the year 0, so that a leap day is the last of its year.
fn civil(days_since_1970: u64) -> (u64, usize, u64) {
    let days = days_since_1970.saturating_add(719_468);
    let era = days / 146_097; // of 400 years
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let (month, next_year) = match months_since_march {
        months @ 0..=9 => (months + 3, 0),
        months => (months - 9, 1),
    };
    #[allow(clippy::cast_possible_truncation)] // 1 to 12
    (era * 400 + year_of_era + next_year, month as usize, day)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_calendar() {
        for (seconds, shown, machine) in [
            (0, "1 January 1970, 00:00 UTC", "1970-01-01T00:00Z"),
            (
                951_782_400,
                "29 February 2000, 00:00 UTC",
                "2000-02-29T00:00Z",
            ),
            (
                1_735_689_599,
                "31 December 2024, 23:59 UTC",
                "2024-12-31T23:59Z",
            ),
            (
                1_795_532_880,
                "24 November 2026, 15:08 UTC",
                "2026-11-24T15:08Z",
            ),
            (
                4_107_542_400,
                "1 March 2100, 00:00 UTC",
                "2100-03-01T00:00Z",
            ),
        ] {
            let moment = Moment::new(Timestamp::from_seconds(seconds));
            assert_eq!(moment.to_string(), shown);
            assert_eq!(moment.machine_readable(), machine);
        }
        assert!(
            !Moment::new(Timestamp::from_seconds(u64::MAX))
                .to_string()
                .is_empty()
        );
    }

    /// Every day of four centuries follows the one before.
    #[test]
    fn leaves_no_day_out() {
        let length = |year: u64, month: usize| match month {
            4 | 6 | 9 | 11 => 30,
            2 if year.is_multiple_of(4)
                && (!year.is_multiple_of(100) || year.is_multiple_of(400)) =>
            {
                29
            }
            2 => 28,
            _ => 31,
        };
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..146_097 {
            assert_eq!(civil(days), (year, month, day), "{days}");
            day += 1;
            if day > length(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
