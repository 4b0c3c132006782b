//! Backup policies: `vaults/backupPolicies`, in the shapes V1 and V2.
//!
//! Clients send them in many spellings: one library writes `instantRPDetails`, another
//! `instantRpDetails`; Terraform sends times without a date, and empty lists for what it does not
//! mean. All of it is read; what is written is Azure's own spelling with whole date-times.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use model::arm_id;
use model::policy::{Policy as ModelPolicy, Schedule};
use model::vault::Vault as ModelVault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AZURE_IAAS_VM, Resource, vault};

/// The resource type of policies.
pub const KIND: &str = "Microsoft.RecoveryServices/vaults/backupPolicies";

/// A policy.
pub type Policy = Resource<PolicyProperties>;

/// The properties of a policy, as sent and as answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyProperties {
    /// `AzureIaasVM`.
    #[serde(default)]
    pub backup_management_type: String,
    /// `V1` or `V2`; V1 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_type: Option<String>,
    /// Where Azure would keep its snapshots.
    #[serde(default, rename = "instantRPDetails", skip_serializing_if = "Option::is_none")]
    pub instant_rp_details: Option<Map<String, Value>>,
    /// The same in its other spelling; read, never written.
    #[serde(default, rename = "instantRpDetails", skip_serializing)]
    pub instant_rp_details_respelled: Option<Map<String, Value>>,
    /// When it backs up.
    pub schedule_policy: SchedulePolicy,
    /// How long points are kept.
    pub retention_policy: RetentionPolicy,
    /// For how many days Azure would keep its snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instant_rp_retention_range_in_days: Option<u16>,
    /// The zone of its calendar, by its Windows or IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// When points would move to an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiering_policy: Option<Value>,
    /// How many items follow it.
    #[serde(default)]
    pub protected_items_count: u32,
}

/// When a policy backs up: the fields of `SimpleSchedulePolicy` (V1) and `SimpleSchedulePolicyV2`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchedulePolicy {
    /// `SimpleSchedulePolicy` or `SimpleSchedulePolicyV2`.
    pub schedule_policy_type: String,
    /// `Daily`, `Weekly` or, in V2, `Hourly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_run_frequency: Option<String>,
    /// V1, weekly: the days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_run_days: Option<Vec<String>>,
    /// V1: the times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_run_times: Option<Vec<String>>,
    /// V1: every how many weeks; 0 is every week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_weekly_frequency: Option<u32>,
    /// V2, hourly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly_schedule: Option<HourlySchedule>,
    /// V2, daily.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_schedule: Option<RunSchedule>,
    /// V2, weekly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly_schedule: Option<RunSchedule>,
}

/// V2: backups every few hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HourlySchedule {
    /// Hours between two backups.
    pub interval: u32,
    /// When the day's first one begins.
    pub schedule_window_start_time: String,
    /// For how many hours from then backups begin.
    pub schedule_window_duration: u32,
}

/// V2: backups on days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunSchedule {
    /// The days of the week; weekly only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_run_days: Option<Vec<String>>,
    /// The times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_run_times: Option<Vec<String>>,
}

/// How long points are kept: `LongTermRetentionPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionPolicy {
    /// `LongTermRetentionPolicy`.
    pub retention_policy_type: String,
    /// Daily points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_schedule: Option<Retention>,
    /// Weekly points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly_schedule: Option<Retention>,
    /// Monthly points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_schedule: Option<Retention>,
    /// Yearly points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yearly_schedule: Option<Retention>,
}

/// Which points of one kind are kept, and how long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Weekly: the days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_of_the_week: Option<Vec<String>>,
    /// Yearly: the months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub months_of_year: Option<Vec<String>>,
    /// Monthly and yearly: whether days are chosen by number (`Daily`) or by week (`Weekly`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_schedule_format_type: Option<String>,
    /// Days by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_schedule_daily: Option<DaysOfMonth>,
    /// Days by week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_schedule_weekly: Option<WeeksOfMonth>,
    /// The times of the backups that are meant: the schedule's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_times: Option<Vec<String>>,
    /// How long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_duration: Option<RetentionDuration>,
}

/// Days of a month by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DaysOfMonth {
    /// The days.
    pub days_of_the_month: Vec<DayOfMonth>,
}

/// A day of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DayOfMonth {
    /// Its number.
    #[serde(default)]
    pub date: u8,
    /// Whether the last day of the month is meant instead.
    #[serde(default)]
    pub is_last: bool,
}

/// Days of a month by week.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WeeksOfMonth {
    /// The days of the week.
    #[serde(default)]
    pub days_of_the_week: Vec<String>,
    /// `First` to `Fourth`, or `Last`.
    #[serde(default)]
    pub weeks_of_the_month: Vec<String>,
}

/// How long points are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionDuration {
    /// How many of them.
    pub count: u32,
    /// `Days`, `Weeks`, `Months` or `Years`.
    pub duration_type: String,
}

/// What a client sends to create or change a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRequest {
    /// The policy.
    pub properties: PolicyProperties,
}

/// Renders a policy that `items` items follow. Azure's times carry a date, which means nothing:
/// it is the day on which the vault was created.
pub fn render(subscription: &str, vault: &ModelVault, policy: &ModelPolicy, items: u32) -> Policy {
    let day = vault.created_at.to_zoned(TimeZone::UTC).date();
    let (schedule_policy, times) = schedule(&policy.schedule, day);
    let daily = Retention {
        retention_times: Some(times),
        retention_duration: Some(RetentionDuration {
            count: policy.daily_retention_days.into(),
            duration_type: "Days".to_owned(),
        }),
        ..Retention::default()
    };
    let properties = PolicyProperties {
        backup_management_type: AZURE_IAAS_VM.to_owned(),
        policy_type: Some("V1".to_owned()),
        instant_rp_details: Some(Map::new()),
        instant_rp_details_respelled: None,
        schedule_policy,
        retention_policy: RetentionPolicy {
            retention_policy_type: "LongTermRetentionPolicy".to_owned(),
            daily_schedule: Some(daily),
            ..RetentionPolicy::default()
        },
        instant_rp_retention_range_in_days: Some(policy.instant_rp_days),
        time_zone: Some(policy.time_zone.clone()),
        tiering_policy: None,
        protected_items_count: items,
    };
    let id = arm_id::policy(&vault::id(subscription, vault), &policy.name);
    Resource::new(id, &policy.name, KIND, properties)
}

fn schedule(schedule: &Schedule, day: Date) -> (SchedulePolicy, Vec<String>) {
    let (frequency, days, at) = match schedule {
        Schedule::Daily { at } => ("Daily", None, at),
        Schedule::Weekly { days, at } => {
            ("Weekly", Some(days.iter().map(|day| day_name(*day).to_owned()).collect()), at)
        }
    };
    let times = vec![on(day, *at)];
    let policy = SchedulePolicy {
        schedule_policy_type: "SimpleSchedulePolicy".to_owned(),
        schedule_run_frequency: Some(frequency.to_owned()),
        schedule_run_days: days,
        schedule_run_times: Some(times.clone()),
        schedule_weekly_frequency: Some(0),
        ..SchedulePolicy::default()
    };
    (policy, times)
}

fn on(day: Date, at: Time) -> String {
    day.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Azure's name of a day.
pub const fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}
