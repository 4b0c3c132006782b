//! When a policy backs up, and what is to be done about it now.
//!
//! A *fixed* policy keeps its time of day in UTC, as in Azure: a daily one runs every 24 hours,
//! whatever clocks do for daylight saving, and its zone says only which day of the week a moment
//! belongs to. One that *adjusts* keeps its time of day on the clocks of its zone. docs/policies.md
//! says so in the users' words; [`wall`] has the rules for times that clocks skip or show twice.
//!
//! A run that was missed, because the service was down or the item busy, is caught up once: however
//! many were missed, one backup makes up for them.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use model::item::{Item, ProtectionState};
use model::policy::{DaylightSaving, Policy, Schedule};

use crate::zone;

mod change;
mod wall;

pub use change::{ClockChange, WARNED_AHEAD, coming_change};

/// For how many days a schedule is looked through: a weekly one has a run in any fifteen, even
/// where its zone has skipped a day.
const DAYS_LOOKED_AT: i64 = 17;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A policy's schedule with its zone. Equal calendars have the same runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    pattern: Pattern,
    /// The time of the day's first run, on the clock that [`Self::clock`] is.
    time: Time,
    daylight_saving: DaylightSaving,
    zone: TimeZone,
}

/// What of a schedule is the same on each of its days.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Daily,
    Weekly(Vec<Weekday>),
    Hourly { interval: SignedDuration, hours: u16 },
}

/// What is to be done about an item's schedule now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing before then; never, where there is no such moment.
    Wait {
        /// When the next run is due.
        until: Option<Timestamp>,
    },
    /// A backup.
    Run {
        /// When the run that it counts for was due: the newest one.
        at: Timestamp,
        /// When the oldest run that was not dealt with was due.
        since: Timestamp,
    },
}

/// Why an item is not backed up by its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRun {
    /// It is deleted, though it can be brought back.
    Deleted,
    /// Its protection is stopped, or its backups are suspended.
    Stopped,
    /// It has no policy.
    NoPolicy,
}

/// The policy that an item is backed up by.
///
/// # Errors
///
/// Why it is not backed up.
pub fn policy_of(item: &Item) -> Result<&str, NoRun> {
    if item.deletion.is_some() {
        return Err(NoRun::Deleted);
    }
    match item.state {
        ProtectionState::ProtectionStopped | ProtectionState::BackupsSuspended => {
            Err(NoRun::Stopped)
        }
        ProtectionState::IrPending | ProtectionState::Protected => {
            item.policy.as_deref().ok_or(NoRun::NoPolicy)
        }
    }
}

impl Calendar {
    /// The calendar of a policy. One whose zone is not known any more goes by UTC: a backup on a
    /// neighbouring day is better than none.
    pub fn of(policy: &Policy) -> Self {
        let zone = zone::find(&policy.time_zone).unwrap_or(TimeZone::UTC);
        let daylight_saving = policy.daylight_saving;
        let pattern = match &policy.schedule {
            Schedule::Daily { .. } => Pattern::Daily,
            Schedule::Weekly { days, .. } => Pattern::Weekly(days.clone()),
            Schedule::Hourly { interval_minutes, window_hours, .. } => {
                let interval = SignedDuration::from_mins((*interval_minutes).max(1).into());
                Pattern::Hourly { interval, hours: *window_hours }
            }
        };
        let mut calendar = Self { pattern, time: Time::midnight(), daylight_saving, zone };
        calendar.time = calendar.clock().to_datetime(policy.schedule.first()).time();
        calendar
    }

    /// The time of day at which it runs on the clocks of its zone, where it follows them.
    pub fn wall_time(&self) -> Option<Time> {
        (self.daylight_saving == DaylightSaving::Adjust).then_some(self.time)
    }

    /// What is to be done now, where all runs up to `settled` have been dealt with.
    pub fn due(&self, settled: Timestamp, now: Timestamp) -> Due {
        match self.next_after(settled) {
            Some(since) if since <= now => {
                Due::Run { at: self.last_until(now).unwrap_or(since), since }
            }
            until => Due::Wait { until },
        }
    }

    /// The first run after a moment.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        // A window that began the day before may last.
        let day = self.day_of(moment).checked_sub(1.day()).ok()?;
        (0..DAYS_LOOKED_AT)
            .filter_map(|days| day.checked_add(days.days()).ok())
            .flat_map(|day| self.runs_of(day))
            .find(|run| *run > moment)
    }

    /// The last run at a moment or before it.
    pub fn last_until(&self, moment: Timestamp) -> Option<Timestamp> {
        // Clocks that are set back over midnight were in the next day before.
        let day = self.day_of(moment).checked_add(1.day()).ok()?;
        (0..DAYS_LOOKED_AT)
            .filter_map(|days| day.checked_sub(days.days()).ok())
            .flat_map(|day| self.runs_of(day).into_iter().rev())
            .find(|run| *run <= moment)
    }

    /// The zone whose clocks its time of day is on.
    fn clock(&self) -> &TimeZone {
        const UTC: &TimeZone = &TimeZone::UTC;
        match self.daylight_saving {
            DaylightSaving::Fixed => UTC,
            DaylightSaving::Adjust => &self.zone,
        }
    }

    fn day_of(&self, moment: Timestamp) -> Date {
        self.clock().to_datetime(moment).date()
    }

    /// The runs that begin with a day's first one, in order. `day` is one of the clock that the
    /// calendar goes by.
    fn runs_of(&self, day: Date) -> Vec<Timestamp> {
        let first = || wall::moment(self.clock(), day, self.time);
        match &self.pattern {
            Pattern::Daily => first().into_iter().collect(),
            Pattern::Weekly(days) => {
                let named = |day: Date| days.contains(&day.weekday());
                let is_run = |run: &Timestamp| match self.daylight_saving {
                    DaylightSaving::Adjust => named(day),
                    DaylightSaving::Fixed => self.stands_for(*run, named),
                };
                first().filter(is_run).into_iter().collect()
            }
            Pattern::Hourly { interval, hours } => {
                wall::window(self.clock(), day.to_datetime(self.time), *interval, *hours)
            }
        }
    }

    /// Whether a moment of the day, which comes every 24 hours, is a run of the days that are
    /// `named`: because it lies in one of them, or because one that is over had none. A day of 23
    /// hours can lie between two such moments; without this its week would have no backup.
    fn stands_for(&self, moment: Timestamp, named: impl Fn(Date) -> bool) -> bool {
        let day_of = |moment: Timestamp| self.zone.to_datetime(moment).date();
        let day = day_of(moment);
        let Ok(mut between) = day_of(moment.saturating_sub(DAY).unwrap_or(moment)).tomorrow()
        else {
            return named(day);
        };
        while between < day {
            if named(between) && wall::exists(&self.zone, between) {
                return true;
            }
            between = between.saturating_add(1.day());
        }
        named(day)
    }
}

#[cfg(test)]
mod tests;
