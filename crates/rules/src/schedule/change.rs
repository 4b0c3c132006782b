//! The warning that clocks will change, and that a fixed policy's runs will not follow them.

use std::fmt;

use jiff::civil::Time;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use model::policy::{DaylightSaving, Policy};

use super::Calendar;
use crate::zone;

/// How long before the change there is a warning.
pub const WARNED_AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A change of the clocks in the zone of a policy that keeps its time in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockChange {
    /// When clocks change.
    pub at: Timestamp,
    /// The policy's zone, by the name that it has there.
    pub time_zone: String,
    /// By how much clocks are set forward; back, where it is negative.
    pub by: SignedDuration,
    /// At what time of day its first run of a day begins on these clocks until then.
    pub time_before: Time,
    /// And from then on.
    pub time_after: Time,
}

/// The next change of the clocks that a policy's runs will not follow, from 14 days before it until
/// it has happened. None for a policy that follows its zone's clocks.
pub fn coming_change(policy: &Policy, now: Timestamp) -> Option<ClockChange> {
    if policy.daylight_saving == DaylightSaving::Adjust {
        return None;
    }
    let zone = zone::find(&policy.time_zone)?;
    let mut before = zone.to_offset(now);
    let ahead = zone.following(now).map(|change| (change.timestamp(), change.offset()));
    let soon = ahead.take_while(|(at, _)| at.duration_since(now) <= WARNED_AHEAD);
    for (at, after) in soon {
        if after != before {
            let time = Calendar::of(policy).time;
            let shown = |offset: Offset| {
                let shift = SignedDuration::from_secs(offset.seconds().into());
                time.wrapping_add(shift)
            };
            let by = SignedDuration::from_secs((after.seconds() - before.seconds()).into());
            return Some(ClockChange {
                at,
                time_zone: policy.time_zone.clone(),
                by,
                time_before: shown(before),
                time_after: shown(after),
            });
        }
        before = after;
    }
    None
}

impl fmt::Display for ClockChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.by.abs().as_mins();
        let (hours, rest) = (minutes / 60, minutes % 60);
        let by = match (hours, rest) {
            (_, 0) => format!("{hours} h"),
            (0, _) => format!("{rest} min"),
            _ => format!("{hours} h {rest} min"),
        };
        let way = if self.by.is_negative() { "back" } else { "forward" };
        write!(
            f,
            "Clocks in '{}' are set {way} by {by} at {}. The policy keeps its time in UTC: its \
             runs that begin at {} on these clocks will begin at {} from then on. Change its time \
             of day then, or set its daylightSaving to adjust.",
            self.time_zone,
            self.at,
            self.time_before.strftime("%H:%M"),
            self.time_after.strftime("%H:%M"),
        )
    }
}
