//! Whether the parts of a policy make one, and whether its numbers lie in Azure's ranges.
//!
//! docs/policies.md has the ranges in a table. Source, where no other is named: Azure's pages on
//! the Enhanced policy and on Instant Restore, the checks of azurerm and of Az.RecoveryServices.

use std::ops::RangeInclusive;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use model::fault::{Code, Fault};
use model::policy::{
    DaylightSaving, Keep, Kind, LongTerm, MonthDay, MonthDays, Policy, Retention, Schedule, Unit,
    invalid,
};
use model::vault::Vault;

use crate::zone;

mod shorter;

pub use shorter::shorter;

/// Hours between two backups of an hourly policy.
const INTERVAL_HOURS: [u16; 5] = [4, 6, 8, 12, 24];
/// Minutes between two backups that Azure does not have.
const INTERVAL_MINUTES: [u16; 6] = [15, 20, 30, 60, 120, 180];
/// Hours of the day in which an hourly policy's backups begin.
const WINDOW_HOURS: RangeInclusive<u16> = 4..=24;
/// For how many days a daily retention may keep. Source: azurerm, which also lets 1 pass.
const DAYS: RangeInclusive<u16> = 7..=9999;
/// The same in weeks, months and years. Source: the constants of Az.RecoveryServices.
const WEEKS: RangeInclusive<u16> = 1..=5163;
const MONTHS: RangeInclusive<u16> = 1..=1188;
const YEARS: RangeInclusive<u16> = 1..=99;
/// The days of a month that every month has; for the others there is the last one.
const DATES: RangeInclusive<u8> = 1..=28;

/// How many policies a vault may have: whoever looks after its points reads them all. Source:
/// Azure's support matrix.
const POLICIES_MAX: usize = 5000;

/// Whether a vault with so many policies may have another one.
///
/// # Errors
///
/// `QuotaExceeded`.
pub fn check_room(vault: &Vault, policies: usize) -> Result<(), Fault> {
    if policies < POLICIES_MAX {
        return Ok(());
    }
    let message = format!(
        "Vault '{}' has {policies} backup policies; a vault may have {POLICIES_MAX}.",
        vault.name
    );
    Err(Fault::new(Code::QuotaExceeded, message))
}

/// Checks a policy's name by Azure's rule: 3 to 150 letters, digits, hyphens and underscores, a
/// letter first. Source: azurerm's and the portal's checks.
///
/// # Errors
///
/// `InvalidPolicyInput`.
pub fn check_name(name: &str) -> Result<(), Fault> {
    let letter_first = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '!');
    if (3..=150).contains(&name.len()) && letter_first && name.chars().all(allowed) {
        return Ok(());
    }
    Err(invalid(format_args!(
        "'{name}' cannot be a policy's name: it takes 3 to 150 characters, a letter first, then \
         letters, digits, hyphens and underscores."
    )))
}

/// Checks that a policy is one.
///
/// # Errors
///
/// `InvalidPolicyInput`, which says what is wrong; `InstantExceedsVaulted`.
pub fn check(policy: &Policy) -> Result<(), Fault> {
    check_name(&policy.name)?;
    let zone = zone::find(&policy.time_zone).ok_or_else(|| {
        invalid(format_args!(
            "timeZone '{}' is neither a Windows nor an IANA name of a time zone.",
            policy.time_zone
        ))
    })?;
    check_schedule(policy)?;
    check_grain(policy, &zone)?;
    match &policy.retention {
        Retention::Simple(keep) => check_keep(*keep, "retentionPolicy")?,
        Retention::LongTerm(long) => check_long_term(&policy.schedule, long)?,
    }
    check_instant(policy)
}

/// Checks that what comes after a policy in an immutable vault, its next version or another one,
/// keeps no point for less long.
///
/// # Errors
///
/// `DeniedOnImmutableItem`, which names the part that is shorter.
pub fn check_immutable(before: &Policy, after: &Policy) -> Result<(), Fault> {
    let Some(part) = shorter(before, after) else { return Ok(()) };
    let message = format!(
        "Reduction in retention is not allowed since the vault is immutable: {part} of policy '{}' \
         would keep recovery points for less long than policy '{}' does.",
        after.name, before.name
    );
    Err(Fault::new(Code::DeniedOnImmutableItem, message))
}

fn check_schedule(policy: &Policy) -> Result<(), Fault> {
    match &policy.schedule {
        Schedule::Hourly { .. } if policy.kind == Kind::V1 => {
            Err(invalid("A policy of type V1 cannot be Hourly; V2 can."))
        }
        Schedule::Hourly { interval_minutes, window_hours, .. } => {
            check_interval(*interval_minutes, *window_hours)
        }
        Schedule::Daily { .. } => Ok(()),
        Schedule::Weekly { days, .. } => check_choice(days, "scheduleRunDays"),
    }
}

fn check_interval(minutes: u16, window_hours: u16) -> Result<(), Fault> {
    let in_hours = minutes.is_multiple_of(60) && INTERVAL_HOURS.contains(&(minutes / 60));
    if !in_hours && !INTERVAL_MINUTES.contains(&minutes) {
        return Err(invalid(
            "interval must be 4, 6, 8, 12 or 24 hours; beyond Azure, holdfast.intervalInMinutes \
             may be 15, 20, 30, 60, 120 or 180.",
        ));
    }
    if !WINDOW_HOURS.contains(&window_hours) || !(window_hours * 60).is_multiple_of(minutes) {
        return Err(invalid(
            "scheduleWindowDuration must be from 4 to 24 hours, and a multiple of the interval.",
        ));
    }
    Ok(())
}

/// Backups begin on the hour or half past it, on the clock by which the policy goes.
fn check_grain(policy: &Policy, zone: &TimeZone) -> Result<(), Fault> {
    let at = policy.schedule.first();
    let (time, clock) = match policy.daylight_saving {
        DaylightSaving::Fixed => (TimeZone::UTC.to_datetime(at).time(), "in UTC"),
        DaylightSaving::Adjust => (zone.to_datetime(at).time(), "on the clocks of its timeZone"),
    };
    if time.minute() % 30 == 0 && time.second() == 0 && time.subsec_nanosecond() == 0 {
        return Ok(());
    }
    Err(invalid(format_args!(
        "The time of day must be on the hour or half past it; {time} {clock} is not."
    )))
}

fn check_long_term(schedule: &Schedule, long: &LongTerm) -> Result<(), Fault> {
    let run_days = match schedule {
        Schedule::Weekly { days, .. } => Some(days.as_slice()),
        Schedule::Hourly { .. } | Schedule::Daily { .. } => None,
    };
    match (run_days, &long.daily, &long.weekly) {
        (None, None, _) => {
            return Err(invalid(
                "A policy that runs every day needs a dailySchedule in its retention.",
            ));
        }
        (Some(_), Some(_), _) => {
            return Err(invalid("A weekly policy cannot have a dailySchedule in its retention."));
        }
        (Some(_), _, None) => {
            return Err(invalid("A weekly policy needs a weeklySchedule in its retention."));
        }
        _ => {}
    }
    if let Some(keep) = long.daily {
        check_unit(keep, Unit::Days, "dailySchedule")?;
    }
    if let Some(weekly) = &long.weekly {
        check_unit(weekly.keep, Unit::Weeks, "weeklySchedule")?;
        check_choice(&weekly.days, "weeklySchedule.daysOfTheWeek")?;
        check_among(run_days, &weekly.days, "weeklySchedule")?;
    }
    if let Some(monthly) = &long.monthly {
        check_unit(monthly.keep, Unit::Months, "monthlySchedule")?;
        check_month_days(run_days, &monthly.on, "monthlySchedule")?;
    }
    if let Some(yearly) = &long.yearly {
        check_unit(yearly.keep, Unit::Years, "yearlySchedule")?;
        check_choice(&yearly.months, "yearlySchedule.monthsOfYear")?;
        check_month_days(run_days, &yearly.on, "yearlySchedule")?;
    }
    Ok(())
}

fn check_month_days(run_days: Option<&[Weekday]>, on: &MonthDays, name: &str) -> Result<(), Fault> {
    match on {
        MonthDays::ByDate(_) if run_days.is_some() => Err(invalid(format_args!(
            "{name} of a weekly policy must have the retentionScheduleFormatType Weekly."
        ))),
        MonthDays::ByDate(days) => {
            check_choice(days, "daysOfTheMonth")?;
            let in_range = |day: &MonthDay| match day {
                MonthDay::Date(date) => DATES.contains(date),
                MonthDay::Last => true,
            };
            if !days.iter().all(in_range) {
                return Err(invalid(format_args!(
                    "daysOfTheMonth of {name} must be from 1 to 28, or the last day (isLast)."
                )));
            }
            Ok(())
        }
        MonthDays::ByWeek { days, weeks } => {
            check_choice(days, "retentionScheduleWeekly.daysOfTheWeek")?;
            check_choice(weeks, "retentionScheduleWeekly.weeksOfTheMonth")?;
            check_among(run_days, days, name)
        }
    }
}

/// Retention chooses among the days on which there is a backup.
fn check_among(run_days: Option<&[Weekday]>, days: &[Weekday], name: &str) -> Result<(), Fault> {
    match run_days {
        Some(run_days) if !days.iter().all(|day| run_days.contains(day)) => {
            Err(invalid(format_args!("{name} names days on which the policy does not back up.")))
        }
        _ => Ok(()),
    }
}

fn check_unit(keep: Keep, unit: Unit, name: &str) -> Result<(), Fault> {
    if keep.unit != unit {
        return Err(invalid(format_args!("The durationType of {name} must be {unit:?}.")));
    }
    check_keep(keep, name)
}

fn check_keep(keep: Keep, name: &str) -> Result<(), Fault> {
    let (range, unit) = match keep.unit {
        Unit::Days if keep.count == 1 => return Ok(()),
        Unit::Days => (DAYS, "days (or 1 day)"),
        Unit::Weeks => (WEEKS, "weeks"),
        Unit::Months => (MONTHS, "months"),
        Unit::Years => (YEARS, "years"),
    };
    if range.contains(&keep.count) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(invalid(format_args!(
        "The retentionDuration of {name} must be from {least} to {most} {unit}, not {}.",
        keep.count
    )))
}

/// For how many days Azure would keep snapshots of a policy like this.
fn instant_days(policy: &Policy) -> RangeInclusive<u16> {
    match (policy.kind, &policy.schedule) {
        (Kind::V1, Schedule::Weekly { .. }) => 5..=5,
        (Kind::V1, _) => 1..=5,
        (Kind::V2, Schedule::Weekly { .. }) => 5..=20,
        (Kind::V2, Schedule::Hourly { interval_minutes: 240, .. }) => 1..=17,
        (Kind::V2, Schedule::Hourly { interval_minutes: 360, .. }) => 1..=22,
        (Kind::V2, _) => 1..=30,
    }
}

fn check_instant(policy: &Policy) -> Result<(), Fault> {
    let (range, days) = (instant_days(policy), policy.instant.days);
    if !range.contains(&days) {
        let (least, most) = range.into_inner();
        return Err(invalid(format_args!(
            "instantRpRetentionRangeInDays of this kind of policy must be from {least} to {most}, \
             not {days}."
        )));
    }
    // What is kept for one day has no shorter time to be kept for.
    match policy.retention.shortest_days() {
        Some(vaulted) if days >= vaulted && vaulted > 1 => Err(Fault::new(
            Code::InstantExceedsVaulted,
            format!(
                "instantRpRetentionRangeInDays must be less than the retention in the vault: it \
                 is {days}, and points are kept for {vaulted} days."
            ),
        )),
        _ => Ok(()),
    }
}

/// Checks that something is chosen, and nothing twice.
fn check_choice<T: PartialEq>(values: &[T], name: &str) -> Result<(), Fault> {
    if values.is_empty() {
        return Err(invalid(format_args!("{name} must not be empty.")));
    }
    let is_repeated = |(at, value): (usize, &T)| values[..at].contains(value);
    // There are at most 29 values to choose from, so a long list is refused early.
    if values.iter().enumerate().any(is_repeated) {
        return Err(invalid(format_args!("{name} must not name anything twice.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
