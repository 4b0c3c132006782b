//! From the times that clocks show to moments.
//!
//! Clocks that are set forward skip times, and clocks that are set back show some twice:
//!
//! | The time of a run | is a run at |
//! |---|---|
//! | is skipped | the first moment after the gap |
//! | is skipped, and the gap ends its day | as much earlier as the gap is long |
//! | is shown twice | the first of the two |
//! | is on a day that the zone leaves out | no moment |
//!
//! So every day has exactly one run, and it lies in its day.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// The moment of a day's run at this time of day.
pub(super) fn moment(zone: &TimeZone, day: Date, time: Time) -> Option<Timestamp> {
    let shown = day.to_datetime(time);
    let in_day = |moment: &Timestamp| zone.to_datetime(*moment).date() == day;
    let found = zone.to_ambiguous_timestamp(shown);
    match found.offset() {
        AmbiguousOffset::Gap { .. } => {
            after_gap(zone, shown).filter(in_day).or_else(|| found.earlier().ok().filter(in_day))
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => found.earlier().ok(),
    }
}

/// Whether the zone has this day.
pub(super) fn exists(zone: &TimeZone, day: Date) -> bool {
    moment(zone, day, Time::midnight()).is_some()
}

/// The runs of a window that opens at this time on the clocks and lasts for so many hours of them,
/// in order. They are at the same times every day; where clocks are set back, so that more than an
/// interval would pass between two of them, there are runs between them. The window's end belongs
/// to it, unless the next day's window begins there.
pub(super) fn window(
    zone: &TimeZone,
    opens: DateTime,
    interval: SignedDuration,
    hours: u16,
) -> Vec<Timestamp> {
    let length = SignedDuration::from_hours(hours.into());
    let shown = |after: SignedDuration| from_gap(zone, opens.checked_add(after).ok()?);
    let (Some(first), Some(end)) = (shown(SignedDuration::ZERO), shown(length)) else {
        return Vec::new();
    };
    let is_whole_day = hours >= 24;
    let mut runs = Vec::new();
    if end.duration_since(first) == length {
        steps(&mut runs, first, end, interval);
    } else {
        let mut after = SignedDuration::ZERO;
        while after < length {
            let next = (after + interval).min(length);
            if let (Some(from), Some(to)) = (shown(after), shown(next)) {
                steps(&mut runs, from, to, interval);
            }
            after = next;
        }
    }
    if !is_whole_day && ends_on_a_run(length, interval) {
        runs.push(end);
    }
    runs.dedup();
    runs
}

/// Adds `from` and all that are whole intervals behind it and before `to`.
fn steps(runs: &mut Vec<Timestamp>, from: Timestamp, to: Timestamp, interval: SignedDuration) {
    let mut run = from;
    while run < to {
        runs.push(run);
        let Ok(next) = run.checked_add(interval) else {
            return;
        };
        run = next;
    }
}

fn ends_on_a_run(length: SignedDuration, interval: SignedDuration) -> bool {
    length.as_secs() % interval.as_secs().max(1) == 0
}

/// The moment at which clocks show this, the first one where they do so twice; where they never do,
/// the first moment after it.
fn from_gap(zone: &TimeZone, shown: DateTime) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(shown);
    match found.offset() {
        AmbiguousOffset::Gap { .. } => after_gap(zone, shown),
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => found.earlier().ok(),
    }
}

/// The first moment after the gap that a time lies in.
fn after_gap(zone: &TimeZone, shown: DateTime) -> Option<Timestamp> {
    let before = zone.to_ambiguous_timestamp(shown).earlier().ok()?;
    zone.following(before)
        .map(|change| change.timestamp())
        .find(|change| zone.to_datetime(*change) > shown)
}
