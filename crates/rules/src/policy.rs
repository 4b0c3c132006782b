//! Whether the parts of a policy make one: the shape, not the ranges of numbers.

use model::fault::Fault;
use model::policy::{Keep, Kind, LongTerm, MonthDays, Policy, Retention, Schedule, Unit, invalid};

use crate::zone;

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
/// `InvalidPolicyInput`, which says what is wrong.
pub fn check(policy: &Policy) -> Result<(), Fault> {
    check_name(&policy.name)?;
    if zone::find(&policy.time_zone).is_none() {
        return Err(invalid(format_args!(
            "timeZone '{}' is neither a Windows nor an IANA name of a time zone.",
            policy.time_zone
        )));
    }
    check_schedule(policy)?;
    match &policy.retention {
        Retention::Simple(keep) => check_keep(*keep, "retentionPolicy"),
        Retention::LongTerm(long) => check_long_term(&policy.schedule, long),
    }
}

fn check_schedule(policy: &Policy) -> Result<(), Fault> {
    match &policy.schedule {
        Schedule::Hourly { .. } if policy.kind == Kind::V1 => {
            Err(invalid("A policy of type V1 cannot be Hourly; V2 can."))
        }
        Schedule::Hourly { interval_hours, window_hours, .. } => {
            if !(1..=24).contains(interval_hours) || !(1..=24).contains(window_hours) {
                return Err(invalid(
                    "interval and scheduleWindowDuration must be from 1 to 24 hours.",
                ));
            }
            Ok(())
        }
        Schedule::Daily { .. } => Ok(()),
        Schedule::Weekly { days, .. } => not_empty(days, "scheduleRunDays"),
    }
}

fn check_long_term(schedule: &Schedule, long: &LongTerm) -> Result<(), Fault> {
    let run_days = match schedule {
        Schedule::Weekly { days, .. } => Some(days),
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
    // Retention chooses among the days on which there is a backup.
    let among_run_days = |days: &[jiff::civil::Weekday], name: &str| match run_days {
        Some(run_days) if !days.iter().all(|day| run_days.contains(day)) => {
            Err(invalid(format_args!("{name} names days on which the policy does not back up.")))
        }
        _ => Ok(()),
    };
    if let Some(keep) = long.daily {
        check_unit(keep, Unit::Days, "dailySchedule")?;
    }
    if let Some(weekly) = &long.weekly {
        check_unit(weekly.keep, Unit::Weeks, "weeklySchedule")?;
        not_empty(&weekly.days, "weeklySchedule.daysOfTheWeek")?;
        among_run_days(&weekly.days, "weeklySchedule")?;
    }
    let monthly = long.monthly.as_ref().map(|monthly| (&monthly.on, monthly.keep, Unit::Months));
    let yearly = long.yearly.as_ref().map(|yearly| (&yearly.on, yearly.keep, Unit::Years));
    if let Some(yearly) = &long.yearly {
        not_empty(&yearly.months, "yearlySchedule.monthsOfYear")?;
    }
    for (part, name) in [(monthly, "monthlySchedule"), (yearly, "yearlySchedule")] {
        let Some((on, keep, unit)) = part else { continue };
        check_unit(keep, unit, name)?;
        match on {
            MonthDays::ByDate(_) if run_days.is_some() => {
                return Err(invalid(format_args!(
                    "{name} of a weekly policy must have the retentionScheduleFormatType Weekly."
                )));
            }
            MonthDays::ByDate(days) => not_empty(days, "daysOfTheMonth")?,
            MonthDays::ByWeek { days, weeks } => {
                not_empty(days, "retentionScheduleWeekly.daysOfTheWeek")?;
                not_empty(weeks, "retentionScheduleWeekly.weeksOfTheMonth")?;
                among_run_days(days, name)?;
            }
        }
    }
    Ok(())
}

fn check_unit(keep: Keep, unit: Unit, name: &str) -> Result<(), Fault> {
    if keep.unit != unit {
        return Err(invalid(format_args!("The durationType of {name} must be {unit:?}.")));
    }
    check_keep(keep, name)
}

fn check_keep(keep: Keep, name: &str) -> Result<(), Fault> {
    if keep.count == 0 {
        return Err(invalid(format_args!("The retentionDuration of {name} must not be 0.")));
    }
    Ok(())
}

fn not_empty<T>(values: &[T], name: &str) -> Result<(), Fault> {
    if values.is_empty() {
        return Err(invalid(format_args!("{name} must not be empty.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
