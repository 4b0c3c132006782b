//! When a policy backs up, and what is to be done about it now.
//!
//! Times of day are fixed in UTC, as in Azure: a daily policy runs every 24 hours, whatever clocks
//! do for daylight saving. The policy's zone says only which day of the week a moment belongs to.
//!
//! A run that was missed, because the service was down or the item busy, is caught up once: however
//! many were missed, one backup makes up for them.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use model::item::{Item, ProtectionState};
use model::policy::{Policy, Schedule};

use crate::zone;

/// For how many days a schedule is looked through: a weekly one has a run in any eight, even where
/// its zone has skipped a day.
const DAYS_LOOKED_AT: i64 = 15;

/// A policy's schedule with its zone.
#[derive(Debug, Clone)]
pub struct Calendar {
    schedule: Schedule,
    zone: TimeZone,
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
        Self { schedule: policy.schedule.clone(), zone }
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
        let day = day_of(moment).checked_sub(1.day()).ok()?;
        (0..DAYS_LOOKED_AT)
            .filter_map(|days| day.checked_add(days.days()).ok())
            .flat_map(|day| self.runs_of(day))
            .find(|run| *run > moment)
    }

    /// The last run at a moment or before it.
    pub fn last_until(&self, moment: Timestamp) -> Option<Timestamp> {
        let day = day_of(moment);
        (0..DAYS_LOOKED_AT)
            .filter_map(|days| day.checked_sub(days.days()).ok())
            .flat_map(|day| self.runs_of(day).into_iter().rev())
            .find(|run| *run <= moment)
    }

    /// The runs that begin with a day's first one, in order. `day` is a day in UTC.
    fn runs_of(&self, day: Date) -> Vec<Timestamp> {
        let at = day.to_datetime(time_of(self.schedule.first()));
        let Ok(first) = TimeZone::UTC.to_timestamp(at) else {
            return Vec::new();
        };
        match &self.schedule {
            Schedule::Daily { .. } => vec![first],
            Schedule::Weekly { days, .. } => {
                let weekday = self.zone.to_datetime(first).weekday();
                if days.contains(&weekday) { vec![first] } else { Vec::new() }
            }
            // The window's end belongs to it, unless the next day's window begins there.
            Schedule::Hourly { interval_hours, window_hours, .. } => (0..=*window_hours)
                .step_by(usize::from(*interval_hours).max(1))
                .filter(|hours| *hours < 24)
                .filter_map(|hours| {
                    first.checked_add(SignedDuration::from_hours(hours.into())).ok()
                })
                .collect(),
        }
    }
}

fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

fn time_of(moment: Timestamp) -> Time {
    moment.to_zoned(TimeZone::UTC).time()
}

#[cfg(test)]
mod tests;
