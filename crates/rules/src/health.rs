//! Whether an item is as well protected as its policy asks, and whether a vault grows.
//!
//! The objective of a policy is a point for every run. A run may take its time: the objective is
//! missed once an item has neither that run's point nor a newer one when the slack is over.
//!
//! ```text
//!   newest point        run due                    slack over
//!  ─────┼──────────────────┼───────────────────────────┼──────────► time
//!       │       met        │           awaited         │  missed
//! ```

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use model::space::SpaceSample;

use crate::schedule::Calendar;

/// The least time that a run may take before its point is late: a backup waits for its turn, reads,
/// and is tried again where it fails.
pub const SLACK_MIN: SignedDuration = SignedDuration::from_mins(30);
/// The most time that a run may take before its point is late: a night's failure is told in the
/// morning, not the evening after.
pub const SLACK_MAX: SignedDuration = SignedDuration::from_hours(6);

/// For how many days samples are kept: a year and a month, so that a year can be looked back.
pub const SAMPLE_DAYS: i64 = 396;
/// How old the newest sample of a vault may become.
const SAMPLE_AGE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// How an item does against its policy's objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// It has the point of every run that is over.
    Met,
    /// A run was due and its point is not there yet, but still in time.
    Awaited {
        /// When the run was due.
        due: Timestamp,
    },
    /// It has no point of a run whose time is over.
    Missed {
        /// When the first run was due that has no point.
        due: Timestamp,
    },
}

/// How an item does, whose runs count since `counted_from` and whose newest point was taken at
/// `newest`.
pub fn objective(
    calendar: &Calendar,
    counted_from: Timestamp,
    newest: Option<Timestamp>,
    now: Timestamp,
) -> Objective {
    let covered = newest.map_or(counted_from, |newest| newest.max(counted_from));
    let Some(due) = calendar.next_after(covered).filter(|due| *due <= now) else {
        return Objective::Met;
    };
    if now.duration_since(due) < slack(calendar, due) {
        Objective::Awaited { due }
    } else {
        Objective::Missed { due }
    }
}

/// How long the run that was due then may take: as long as the time to the next one, within
/// [`SLACK_MIN`] and [`SLACK_MAX`].
fn slack(calendar: &Calendar, due: Timestamp) -> SignedDuration {
    let next = calendar.next_after(due);
    let interval = next.map_or(SLACK_MAX, |next| next.duration_since(due));
    interval.clamp(SLACK_MIN, SLACK_MAX)
}

/// Whether a vault is to be measured now. `changed` is whether anything was written to it since.
pub fn sample_is_due(last: Option<&SpaceSample>, changed: bool, now: Timestamp) -> bool {
    let Some(last) = last else {
        return true;
    };
    let age = now.duration_since(last.measured_at);
    // A clock that went back must not stop the measuring.
    changed || age >= SAMPLE_AGE_MAX || age < SignedDuration::ZERO
}

/// The day of a sample taken then: in UTC.
pub fn sample_day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The first day whose samples are kept at a moment.
pub fn samples_from(now: Timestamp) -> Date {
    let day = sample_day(now);
    day.checked_sub(SAMPLE_DAYS.days()).unwrap_or(day)
}

/// By how many bytes the store grew in the `days` before the newest sample; negative where it
/// shrank, none where nothing is known from that long ago. `samples` are one vault's, oldest first.
pub fn growth(samples: &[SpaceSample], days: i64) -> Option<i64> {
    let newest = samples.last()?;
    let then = newest.day.checked_sub(days.days()).ok()?;
    let before = samples.iter().rev().find(|sample| sample.day <= then)?;
    Some(newest.stored_bytes.cast_signed().saturating_sub(before.stored_bytes.cast_signed()))
}

#[cfg(test)]
mod tests;
