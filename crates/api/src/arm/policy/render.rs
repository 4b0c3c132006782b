//! From the model's policy to Azure's shape.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use model::arm_id;
use model::policy::{
    Keep, Kind, LongTerm, MonthDay, MonthDays, Policy as ModelPolicy, Retention as ModelRetention,
    Schedule, Tiering as ModelTiering, Unit, WEEKDAYS, WEEKS, WeekOfMonth,
};
use model::vault::Vault as ModelVault;

use super::{
    BeyondAzure, DayOfMonth, DaysOfMonth, HourlySchedule, InstantDetails, KIND,
    LONG_TERM_RETENTION, ONLY_CRASH_CONSISTENT, Policy, PolicyProperties, Retention,
    RetentionDuration, RetentionPolicy, RunSchedule, SIMPLE_RETENTION, SIMPLE_SCHEDULE,
    SIMPLE_SCHEDULE_V2, SchedulePolicy, Tiering, UNITS, WeeksOfMonth,
};
use crate::arm::{AZURE_IAAS_VM, Resource, time, vault};

/// The shortest interval that Azure has, in minutes.
const AZURES_SHORTEST: u16 = 240;

/// Everything a policy's rendering takes.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The subscription.
    pub subscription: &'a str,
    /// The policy's vault.
    pub vault: &'a ModelVault,
    /// The policy.
    pub policy: &'a ModelPolicy,
    /// How many items follow it.
    pub items: usize,
    /// When it backs up next.
    pub next_run: Option<Timestamp>,
    /// The time of day on the clocks of its zone, where it follows them.
    pub local_time: Option<Time>,
    /// What will change for it by itself soon.
    pub warning: Option<&'a str>,
}

/// Renders a policy.
pub fn render(facts: Facts<'_>) -> Policy {
    let policy = facts.policy;
    let instant = InstantDetails {
        prefix: policy.instant.group_prefix.clone(),
        suffix: policy.instant.group_suffix.clone(),
    };
    let tiering = policy.tiering.iter().map(|rule| (rule.tier.clone(), tiering(rule)));
    let properties = PolicyProperties {
        backup_management_type: AZURE_IAAS_VM.to_owned(),
        policy_type: Some(policy.kind.azure_name().to_owned()),
        instant_rp_details: Some(instant),
        instant_rp_details_respelled: None,
        schedule_policy: schedule(policy.kind, &policy.schedule),
        retention_policy: retention(policy),
        instant_rp_retention_range_in_days: Some(policy.instant.days.into()),
        time_zone: Some(policy.time_zone.clone()),
        snapshot_consistency_type: policy
            .only_crash_consistent
            .then(|| ONLY_CRASH_CONSISTENT.to_owned()),
        tiering_policy: (!policy.tiering.is_empty()).then(|| tiering.collect()),
        protected_items_count: i64::try_from(facts.items).unwrap_or(i64::MAX),
        holdfast: Some(BeyondAzure {
            daylight_saving: Some(policy.daylight_saving.name().to_owned()),
            interval_in_minutes: interval_in_minutes(&policy.schedule),
            local_time: facts.local_time.map(|time| time.strftime("%H:%M").to_string()),
            next_run: facts.next_run.map(second),
            warning: facts.warning.map(str::to_owned),
        }),
    };
    let id = arm_id::policy(&vault::id(facts.subscription, facts.vault), &policy.name);
    Resource::new(id, &policy.name, KIND, properties)
}

fn schedule(kind: Kind, schedule: &Schedule) -> SchedulePolicy {
    let (frequency, run) = match schedule {
        Schedule::Hourly { .. } => ("Hourly", None),
        Schedule::Daily { at } => ("Daily", Some((None, second(*at)))),
        Schedule::Weekly { days, at } => ("Weekly", Some((Some(day_names(days)), second(*at)))),
    };
    let policy = SchedulePolicy {
        schedule_policy_type: match kind {
            Kind::V1 => SIMPLE_SCHEDULE,
            Kind::V2 => SIMPLE_SCHEDULE_V2,
        }
        .to_owned(),
        schedule_run_frequency: Some(frequency.to_owned()),
        hourly_schedule: hourly(schedule),
        ..SchedulePolicy::default()
    };
    match (kind, run) {
        (_, None) => policy,
        (Kind::V1, Some((days, at))) => SchedulePolicy {
            schedule_run_days: days,
            schedule_run_times: Some(vec![at]),
            schedule_weekly_frequency: Some(0),
            ..policy
        },
        (Kind::V2, Some((days, at))) => {
            let is_weekly = days.is_some();
            let run = RunSchedule { schedule_run_days: days, schedule_run_times: Some(vec![at]) };
            if is_weekly {
                SchedulePolicy { weekly_schedule: Some(run), ..policy }
            } else {
                SchedulePolicy { daily_schedule: Some(run), ..policy }
            }
        }
    }
}

fn hourly(schedule: &Schedule) -> Option<HourlySchedule> {
    let Schedule::Hourly { interval_minutes, window_start, window_hours } = schedule else {
        return None;
    };
    let is_beyond = interval_in_minutes(schedule).is_some();
    Some(HourlySchedule {
        interval: if is_beyond { 0 } else { (interval_minutes / 60).into() },
        schedule_window_start_time: second(*window_start),
        schedule_window_duration: (*window_hours).into(),
    })
}

/// The interval of a schedule that Azure does not have: no client that knows only Azure's hours is
/// to take it for one of them.
fn interval_in_minutes(schedule: &Schedule) -> Option<i64> {
    match schedule {
        Schedule::Hourly { interval_minutes, .. } if *interval_minutes < AZURES_SHORTEST => {
            Some((*interval_minutes).into())
        }
        _ => None,
    }
}

fn retention(policy: &ModelPolicy) -> RetentionPolicy {
    match &policy.retention {
        ModelRetention::Simple(keep) => RetentionPolicy {
            retention_policy_type: SIMPLE_RETENTION.to_owned(),
            retention_duration: Some(duration(*keep)),
            ..RetentionPolicy::default()
        },
        ModelRetention::LongTerm(long) => long_term(long, policy.schedule.first()),
    }
}

fn long_term(long: &LongTerm, at: Timestamp) -> RetentionPolicy {
    let of = |keep: Keep| Retention {
        retention_times: Some(vec![second(at)]),
        retention_duration: Some(duration(keep)),
        ..Retention::default()
    };
    let on = |days: &MonthDays, retention: Retention| match days {
        MonthDays::ByDate(days) => Retention {
            retention_schedule_format_type: Some("Daily".to_owned()),
            retention_schedule_daily: Some(DaysOfMonth {
                days_of_the_month: days.iter().map(day_of_month).collect(),
            }),
            ..retention
        },
        MonthDays::ByWeek { days, weeks } => Retention {
            retention_schedule_format_type: Some("Weekly".to_owned()),
            retention_schedule_weekly: Some(WeeksOfMonth {
                days_of_the_week: day_names(days),
                weeks_of_the_month: weeks.iter().map(|week| week_name(*week)).collect(),
            }),
            ..retention
        },
    };
    RetentionPolicy {
        retention_policy_type: LONG_TERM_RETENTION.to_owned(),
        retention_duration: None,
        daily_schedule: long.daily.map(of),
        weekly_schedule: long.weekly.as_ref().map(|weekly| Retention {
            days_of_the_week: Some(day_names(&weekly.days)),
            ..of(weekly.keep)
        }),
        monthly_schedule: long.monthly.as_ref().map(|monthly| on(&monthly.on, of(monthly.keep))),
        yearly_schedule: long.yearly.as_ref().map(|yearly| Retention {
            months_of_year: Some(yearly.months.iter().map(|month| month_name(*month)).collect()),
            ..on(&yearly.on, of(yearly.keep))
        }),
    }
}

fn duration(keep: Keep) -> RetentionDuration {
    RetentionDuration { count: keep.count.into(), duration_type: unit_name(keep.unit).to_owned() }
}

fn tiering(rule: &ModelTiering) -> Tiering {
    Tiering {
        tiering_mode: rule.mode.clone(),
        duration: rule.duration.into(),
        duration_type: Some(rule.duration_type.clone()),
    }
}

fn day_of_month(day: &MonthDay) -> DayOfMonth {
    match day {
        MonthDay::Date(date) => DayOfMonth { date: (*date).into(), is_last: false },
        MonthDay::Last => DayOfMonth { date: 0, is_last: true },
    }
}

/// A policy's time as Azure writes it: whole seconds, in UTC.
fn second(at: Timestamp) -> String {
    time::second(at)
}

fn day_names(days: &[Weekday]) -> Vec<String> {
    days.iter().map(|day| name(&WEEKDAYS, *day).to_owned()).collect()
}

fn week_name(week: WeekOfMonth) -> String {
    name(&WEEKS, week).to_owned()
}

fn unit_name(unit: Unit) -> &'static str {
    name(&UNITS, unit)
}

fn month_name(month: u8) -> String {
    model::policy::month_name(month).unwrap_or("Invalid").to_owned()
}

fn name<T: PartialEq + Copy>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, named)| *named == value).map_or("Invalid", |(name, _)| name)
}
