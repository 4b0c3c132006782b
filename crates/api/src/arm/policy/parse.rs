//! From what clients send to the model's policy. What cannot be read is refused here, by the name
//! of its field; whether the parts make a policy is decided elsewhere.

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use model::fault::Fault;
use model::policy::{
    DaylightSaving, Instant, Keep, Kind, LongTerm, MonthDay, MonthDays, MonthlyRetention,
    Policy as ModelPolicy, Retention as ModelRetention, Schedule, Tiering as ModelTiering,
    WEEKDAYS, WEEKS, WeeklyRetention, YearlyRetention, invalid, month_named,
};
use model::vault::Vault;

use super::{
    BeyondAzure, DaysOfMonth, HourlySchedule, LONG_TERM_RETENTION, ONLY_CRASH_CONSISTENT,
    PolicyProperties, Retention, RetentionDuration, RetentionPolicy, SIMPLE_RETENTION,
    SIMPLE_SCHEDULE, SIMPLE_SCHEDULE_V2, SchedulePolicy, Tiering, UNITS, WeeksOfMonth,
};
use crate::arm::{AZURE_IAAS_VM, time};

/// Reads the policy that a client sent for this vault, under this name, on this day in UTC.
///
/// # Errors
///
/// `InvalidPolicyInput` with the field that cannot be read.
pub fn parse(
    vault: &Vault,
    name: &str,
    sent: &PolicyProperties,
    today: Date,
) -> Result<ModelPolicy, Fault> {
    if !sent.backup_management_type.eq_ignore_ascii_case(AZURE_IAAS_VM) {
        return Err(invalid(format_args!(
            "backupManagementType '{}' is not supported: policies here are for {AZURE_IAAS_VM}.",
            sent.backup_management_type
        )));
    }
    let kind = kind(sent)?;
    let beyond = sent.holdfast.clone().unwrap_or_default();
    let schedule = schedule(&sent.schedule_policy, &beyond, kind, today)?;
    let retention = retention(&sent.retention_policy, schedule.first(), today)?;
    let instant_days = match sent.instant_rp_retention_range_in_days {
        None => Instant::usual_days(kind, &schedule, &retention),
        Some(days) => positive(days, "instantRpRetentionRangeInDays")?,
    };
    let details =
        sent.instant_rp_details.as_ref().filter(|details| **details != Default::default());
    let details = details.or(sent.instant_rp_details_respelled.as_ref());
    let not_empty = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(ModelPolicy {
        vault: vault.id,
        name: name.to_owned(),
        kind,
        retention,
        schedule,
        instant: Instant {
            days: instant_days,
            group_prefix: details.and_then(|details| not_empty(&details.prefix)),
            group_suffix: details.and_then(|details| not_empty(&details.suffix)),
        },
        time_zone: not_empty(&sent.time_zone).unwrap_or_else(|| "UTC".to_owned()),
        daylight_saving: daylight_saving(&beyond)?,
        only_crash_consistent: only_crash_consistent(sent.snapshot_consistency_type.as_deref())?,
        tiering: sent
            .tiering_policy
            .iter()
            .flatten()
            .map(|(tier, rule)| tiering(tier, rule))
            .collect::<Result<_, _>>()?,
    })
}

/// The kind: by its name, else by its schedule's; both must agree.
fn kind(sent: &PolicyProperties) -> Result<Kind, Fault> {
    let schedule_type = sent.schedule_policy.schedule_policy_type.as_str();
    let by_schedule = [(SIMPLE_SCHEDULE, Kind::V1), (SIMPLE_SCHEDULE_V2, Kind::V2)]
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(schedule_type))
        .map(|(_, kind)| kind);
    let Some(by_schedule) = by_schedule else {
        return Err(invalid(format_args!(
            "schedulePolicyType '{schedule_type}' is neither {SIMPLE_SCHEDULE} nor \
             {SIMPLE_SCHEDULE_V2}."
        )));
    };
    let Some(name) = sent.policy_type.as_deref().filter(|name| !name.is_empty()) else {
        return Ok(by_schedule);
    };
    match Kind::from_azure_name(name) {
        Some(kind) if kind == by_schedule => Ok(kind),
        Some(kind) => Err(invalid(format_args!(
            "A policy of type {} cannot have a schedulePolicyType '{schedule_type}'.",
            kind.azure_name()
        ))),
        None => Err(invalid(format_args!("policyType '{name}' is neither V1 nor V2."))),
    }
}

fn daylight_saving(sent: &BeyondAzure) -> Result<DaylightSaving, Fault> {
    let Some(name) = sent.daylight_saving.as_deref().filter(|name| !name.is_empty()) else {
        return Ok(DaylightSaving::Fixed);
    };
    DaylightSaving::from_name(name).ok_or_else(|| {
        invalid(format_args!("holdfast.daylightSaving '{name}' is neither fixed nor adjust."))
    })
}

fn schedule(
    sent: &SchedulePolicy,
    beyond: &BeyondAzure,
    kind: Kind,
    today: Date,
) -> Result<Schedule, Fault> {
    let frequency = sent.schedule_run_frequency.as_deref().unwrap_or_default();
    let is = |name: &str| frequency.eq_ignore_ascii_case(name);
    let inner = |part: Option<&super::RunSchedule>, name: &str| {
        part.cloned().ok_or_else(|| invalid(format_args!("{name} is missing.")))
    };
    let run = || match kind {
        Kind::V1 => Ok(super::RunSchedule {
            schedule_run_days: sent.schedule_run_days.clone(),
            schedule_run_times: sent.schedule_run_times.clone(),
        }),
        Kind::V2 if is("Weekly") => inner(sent.weekly_schedule.as_ref(), "weeklySchedule"),
        Kind::V2 => inner(sent.daily_schedule.as_ref(), "dailySchedule"),
    };
    if is("Hourly") {
        let missing = || invalid("hourlySchedule is missing.");
        let hourly = sent.hourly_schedule.as_ref().ok_or_else(missing)?;
        return Ok(Schedule::Hourly {
            interval_minutes: interval(hourly, beyond)?,
            window_start: moment(
                &hourly.schedule_window_start_time,
                "scheduleWindowStartTime",
                today,
            )?,
            window_hours: positive(hourly.schedule_window_duration, "scheduleWindowDuration")?,
        });
    }
    if beyond.interval_in_minutes.is_some() {
        return Err(invalid("holdfast.intervalInMinutes needs the scheduleRunFrequency Hourly."));
    }
    if is("Daily") {
        return Ok(Schedule::Daily { at: run_time(&run()?, today)? });
    }
    if is("Weekly") {
        if sent.schedule_weekly_frequency.is_some_and(|weeks| !(0..=1).contains(&weeks)) {
            return Err(invalid("scheduleWeeklyFrequency must be 0: every week."));
        }
        let run = run()?;
        let days = run.schedule_run_days.as_deref().unwrap_or_default();
        return Ok(Schedule::Weekly {
            days: self::days(days, "scheduleRunDays")?,
            at: run_time(&run, today)?,
        });
    }
    Err(invalid(format_args!(
        "scheduleRunFrequency '{frequency}' is neither Hourly, Daily nor Weekly."
    )))
}

/// Minutes between two backups. Both ways to say it at once would be two answers: a client that
/// knows only Azure's cannot change the other by accident.
fn interval(hourly: &HourlySchedule, beyond: &BeyondAzure) -> Result<u16, Fault> {
    let Some(minutes) = beyond.interval_in_minutes else {
        let hours = positive(hourly.interval, "interval")?;
        return Ok(hours.saturating_mul(60));
    };
    if hourly.interval != 0 {
        return Err(invalid(format_args!(
            "interval must be 0 beside holdfast.intervalInMinutes, not {}.",
            hourly.interval
        )));
    }
    positive(minutes, "holdfast.intervalInMinutes")
}

/// The one time of day at which virtual machines are backed up.
fn run_time(run: &super::RunSchedule, today: Date) -> Result<Timestamp, Fault> {
    match run.schedule_run_times.as_deref().unwrap_or_default() {
        [at] => moment(at, "scheduleRunTimes", today),
        times => {
            let count = times.len();
            Err(invalid(format_args!("scheduleRunTimes must hold one time, and holds {count}.")))
        }
    }
}

fn retention(sent: &RetentionPolicy, at: Timestamp, today: Date) -> Result<ModelRetention, Fault> {
    let kind = sent.retention_policy_type.as_str();
    if kind.eq_ignore_ascii_case(SIMPLE_RETENTION) {
        let keep = duration(sent.retention_duration.as_ref(), "retentionPolicy")?;
        return Ok(ModelRetention::Simple(keep));
    }
    if !kind.eq_ignore_ascii_case(LONG_TERM_RETENTION) {
        return Err(invalid(format_args!(
            "retentionPolicyType '{kind}' is neither {LONG_TERM_RETENTION} nor {SIMPLE_RETENTION}."
        )));
    }
    let keep = |part: &Retention, name: &str| {
        check_times(part, name, at, today)?;
        duration(part.retention_duration.as_ref(), name)
    };
    let daily = sent.daily_schedule.as_ref().map(|part| keep(part, "dailySchedule"));
    let weekly = |part: &Retention| -> Result<_, Fault> {
        let keep = keep(part, "weeklySchedule")?;
        let sent = part.days_of_the_week.as_deref().unwrap_or_default();
        Ok(WeeklyRetention { days: days(sent, "weeklySchedule.daysOfTheWeek")?, keep })
    };
    let monthly = |part: &Retention| -> Result<_, Fault> {
        let keep = keep(part, "monthlySchedule")?;
        Ok(MonthlyRetention { on: month_days(part, "monthlySchedule")?, keep })
    };
    let yearly = |part: &Retention| -> Result<_, Fault> {
        let keep = keep(part, "yearlySchedule")?;
        let months = part.months_of_year.as_deref().unwrap_or_default();
        let months = months.iter().map(|name| month(name)).collect::<Result<_, _>>()?;
        Ok(YearlyRetention { months, on: month_days(part, "yearlySchedule")?, keep })
    };
    Ok(ModelRetention::LongTerm(LongTerm {
        daily: daily.transpose()?,
        weekly: sent.weekly_schedule.as_ref().map(weekly).transpose()?,
        monthly: sent.monthly_schedule.as_ref().map(monthly).transpose()?,
        yearly: sent.yearly_schedule.as_ref().map(yearly).transpose()?,
    }))
}

/// Retention times name the backups that are kept, and there is one a day: its own time, as Azure
/// wants it. Where they are missing, it is meant.
fn check_times(part: &Retention, name: &str, at: Timestamp, today: Date) -> Result<(), Fault> {
    let time_of_day = |at: Timestamp| at.to_zoned(TimeZone::UTC).time();
    for text in part.retention_times.iter().flatten() {
        if time_of_day(moment(text, "retentionTimes", today)?) != time_of_day(at) {
            return Err(invalid(format_args!(
                "retentionTimes of {name} must be the schedule's time, {}; '{text}' is not.",
                time_of_day(at)
            )));
        }
    }
    Ok(())
}

fn month_days(part: &Retention, name: &str) -> Result<MonthDays, Fault> {
    let format = part.retention_schedule_format_type.as_deref().unwrap_or_default();
    let missing = |what: &str| invalid(format_args!("{what} of {name} is missing."));
    if format.eq_ignore_ascii_case("Daily") {
        let DaysOfMonth { days_of_the_month } = part
            .retention_schedule_daily
            .as_ref()
            .ok_or_else(|| missing("retentionScheduleDaily"))?;
        let day = |day: &super::DayOfMonth| match (day.is_last, u8::try_from(day.date)) {
            (true, _) => Ok(MonthDay::Last),
            (false, Ok(date @ 1..=31)) => Ok(MonthDay::Date(date)),
            _ => Err(invalid(format_args!("{} is not a day of a month.", day.date))),
        };
        return Ok(MonthDays::ByDate(days_of_the_month.iter().map(day).collect::<Result<_, _>>()?));
    }
    if format.eq_ignore_ascii_case("Weekly") {
        let WeeksOfMonth { days_of_the_week, weeks_of_the_month } = part
            .retention_schedule_weekly
            .as_ref()
            .ok_or_else(|| missing("retentionScheduleWeekly"))?;
        let week = |text: &String| named(&WEEKS, text, "weeksOfTheMonth");
        return Ok(MonthDays::ByWeek {
            days: days(days_of_the_week, "daysOfTheWeek")?,
            weeks: weeks_of_the_month.iter().map(week).collect::<Result<_, _>>()?,
        });
    }
    Err(invalid(format_args!(
        "retentionScheduleFormatType '{format}' of {name} is neither Daily nor Weekly."
    )))
}

fn duration(sent: Option<&RetentionDuration>, name: &str) -> Result<Keep, Fault> {
    let missing = || invalid(format_args!("retentionDuration of {name} is missing."));
    let sent = sent.ok_or_else(missing)?;
    Ok(Keep {
        count: positive(sent.count, "retentionDuration.count")?,
        unit: named(&UNITS, &sent.duration_type, "durationType")?,
    })
}

fn only_crash_consistent(sent: Option<&str>) -> Result<bool, Fault> {
    match sent.unwrap_or_default() {
        "" => Ok(false),
        name if name.eq_ignore_ascii_case(ONLY_CRASH_CONSISTENT) => Ok(true),
        name => Err(invalid(format_args!(
            "snapshotConsistencyType '{name}' is not {ONLY_CRASH_CONSISTENT}."
        ))),
    }
}

fn tiering(tier: &str, sent: &Tiering) -> Result<ModelTiering, Fault> {
    let modes = ["DoNotTier", "TierRecommended", "TierAfter"];
    let mode = modes.into_iter().find(|mode| mode.eq_ignore_ascii_case(&sent.tiering_mode));
    let refused = |what: &str, value: &dyn std::fmt::Display| {
        invalid(format_args!("{what} '{value}' of tieringPolicy cannot be understood."))
    };
    let mode = mode.ok_or_else(|| refused("tieringMode", &sent.tiering_mode))?;
    Ok(ModelTiering {
        tier: tier.to_owned(),
        mode: mode.to_owned(),
        duration: u16::try_from(sent.duration).map_err(|_| refused("duration", &sent.duration))?,
        duration_type: sent.duration_type.clone().unwrap_or_else(|| "Invalid".to_owned()),
    })
}

fn days(sent: &[String], field: &str) -> Result<Vec<Weekday>, Fault> {
    sent.iter().map(|name| named(&WEEKDAYS, name, field)).collect()
}

fn month(name: &str) -> Result<u8, Fault> {
    month_named(name).ok_or_else(|| invalid(format_args!("monthsOfYear: '{name}' is not a month.")))
}

fn named<T: Copy>(names: &[(&str, T)], text: &str, field: &str) -> Result<T, Fault> {
    model::policy::named(names, text).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        invalid(format_args!("{field}: '{text}' is none of {}.", names.join(", ")))
    })
}

fn moment(text: &str, field: &str, today: Date) -> Result<Timestamp, Fault> {
    time::of_policy(text, today).ok_or_else(|| {
        invalid(format_args!("{field}: '{text}' is not a time, such as 2026-09-11T20:30:00Z."))
    })
}

/// A number that a policy can hold: from 1 on.
fn positive(number: i64, field: &str) -> Result<u16, Fault> {
    match u16::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(invalid(format_args!("{field} must be from 1 to {}, not {number}.", u16::MAX))),
    }
}
