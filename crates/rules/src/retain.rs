//! For how long an on-demand point is kept because an operator said so.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// For how many days Azure keeps an on-demand point when the request names no date. Source: REST
/// reference of `backups/trigger`.
pub const DEFAULT_DAYS: i64 = 30;

/// Why a retain-until date cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetainError {
    /// The date lies in the past.
    #[error("retain until {date} is in the past: today is {today} (UTC)")]
    Past {
        /// The refused date.
        date: Date,
        /// Today's date, in UTC.
        today: Date,
    },
    /// The date lies further away than the calendar goes.
    #[error("retain until {date} is further away than can be kept")]
    TooFar {
        /// The refused date.
        date: Date,
    },
}

/// The moment at which the hold of a retain-until date ends: the end of that whole UTC date.
/// Without a date, that of the date [`DEFAULT_DAYS`] days from now.
///
/// # Errors
///
/// The date lies in the past or too far away.
pub fn hold_end(until: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, RetainError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let date = match until {
        Some(until) => until.to_zoned(TimeZone::UTC).date(),
        None => today.saturating_add(DEFAULT_DAYS.days()),
    };
    if date < today {
        return Err(RetainError::Past { date, today });
    }
    let next_day = date.tomorrow().map_err(|_| RetainError::TooFar { date })?;
    let midnight = next_day.to_zoned(TimeZone::UTC).map_err(|_| RetainError::TooFar { date })?;
    Ok(midnight.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("timestamp")
    }

    #[track_caller]
    fn check(until: Option<&str>, now: &str, expected: &str) {
        let end = hold_end(until.map(at), at(now)).map(|end| end.to_string());
        let end = end.unwrap_or_else(|error| error.to_string());
        assert_eq!(end, expected);
    }

    #[test]
    fn a_point_is_kept_through_the_whole_utc_date() {
        check(Some("2026-12-30T00:00:00Z"), "2026-11-23T10:00:00Z", "2026-12-31T00:00:00Z");
        check(Some("2026-12-30T23:59:59Z"), "2026-11-23T10:00:00Z", "2026-12-31T00:00:00Z");
        check(Some("2026-11-23T00:00:00Z"), "2026-11-23T23:00:00Z", "2026-11-24T00:00:00Z");
    }

    #[test]
    fn without_a_date_it_is_kept_for_thirty_days() {
        check(None, "2026-11-23T10:00:00Z", "2026-12-24T00:00:00Z");
    }

    #[test]
    fn yesterday_is_refused() {
        check(
            Some("2026-11-22T23:59:59Z"),
            "2026-11-23T00:00:00Z",
            "retain until 2026-11-22 is in the past: today is 2026-11-23 (UTC)",
        );
    }
}
