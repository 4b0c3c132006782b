//! How Azure writes times, and how clients do.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// What Azure answers as the time of a backup that never was.
pub const NEVER: &str = "2001-01-01T00:00:00Z";
/// What Azure answers as the end of an operation that has not ended. It has no zone there either.
pub const NOT_YET: &str = "0001-01-01T00:00:00";

/// A moment: RFC 3339 in UTC with seven digits behind the second.
pub fn moment(at: Timestamp) -> String {
    format!("{at:.7}")
}

/// A moment as a job's property bag shows it: `6/15/2022 12:00:00 AM`, in UTC.
pub fn in_words(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string()
}

/// A duration: ISO 8601, such as `PT24M6.9716846S`; negative ones count as none.
pub fn duration(length: SignedDuration) -> String {
    length.max(SignedDuration::ZERO).to_string()
}

/// A duration as .NET writes it: days, hours, minutes, seconds and seven digits behind them, such
/// as `13.00:28:22.9052789`; negative ones count as none.
pub fn span(length: SignedDuration) -> String {
    let length = length.max(SignedDuration::ZERO);
    let (seconds, ticks) = (length.as_secs(), length.subsec_nanos() / 100);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    format!("{days}.{:02}:{:02}:{:02}.{ticks:07}", hours % 24, minutes % 60, seconds % 60)
}

/// A moment to the second: RFC 3339 in UTC without digits behind it, as policies have it.
pub fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What clients send as a policy's time, to the second: a date-time with any offset, one without
/// (in UTC), or the time of day in UTC alone, which is one of `today`.
pub fn of_policy(text: &str, today: Date) -> Option<Timestamp> {
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let whole = || text.contains('T').then(|| text.parse::<DateTime>().ok()).flatten();
        let alone = || {
            let time: Time = text.trim_end_matches(['Z', 'z']).parse().ok()?;
            Some(today.to_datetime(time))
        };
        TimeZone::UTC.to_timestamp(alone().or_else(whole)?).ok()
    })?;
    Timestamp::from_second(at.as_second()).ok()
}

/// The time of day in UTC in what clients send as a policy's time.
pub fn time_of_day(text: &str) -> Option<Time> {
    of_policy(text, Date::constant(2000, 1, 1)).map(|at| at.to_zoned(TimeZone::UTC).time())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn times_are_written_as_azure_writes_them() {
        assert_eq!(moment(at("2026-09-14T08:05:53.4341049Z")), "2026-09-14T08:05:53.4341049Z");
        assert_eq!(moment(at("2026-09-14T08:05:53Z")), "2026-09-14T08:05:53.0000000Z");
        assert_eq!(in_words(at("2022-06-15T00:00:00Z")), "6/15/2022 12:00:00 AM");
        assert_eq!(in_words(at("2022-05-16T14:29:12Z")), "5/16/2022 2:29:12 PM");
        assert_eq!(duration(SignedDuration::new(1446, 971_684_600)), "PT24M6.9716846S");
        assert_eq!(duration(SignedDuration::from_secs(-5)), "PT0S");
        let fortnight = SignedDuration::new(14 * 86_400 - 84_697, 905_278_900);
        assert_eq!(span(fortnight), "13.00:28:23.9052789");
        assert_eq!(span(SignedDuration::from_secs(-5)), "0.00:00:00.0000000");
    }

    #[test]
    fn a_policys_time_is_read_in_every_form_that_clients_send() {
        let half_past_eight = jiff::civil::time(20, 30, 0, 0);
        for text in [
            "2026-09-11T20:30:00Z",
            "2026-09-11T20:30:00+00:00",
            "2026-09-11T22:30:00+02:00",
            "2026-09-11T20:30:00",
            "20:30:00Z",
            "20:30:00",
            "20:30",
        ] {
            assert_eq!(time_of_day(text), Some(half_past_eight), "{text}");
        }
        for text in ["", "soon", "25:00:00Z", "2026-09-11", "2026-09-11T25:00:00Z"] {
            assert_eq!(time_of_day(text), None, "{text}");
        }
    }
}
