//! Backup policies: `vaults/backupPolicies`, in the shapes V1 and V2.
//!
//! Clients send them in many spellings: one library writes `instantRPDetails`, another
//! `instantRpDetails`; Terraform sends times without a date, and empty lists for what it does not
//! mean. All of it is read; what is written is Azure's own spelling with whole date-times.

use std::collections::BTreeMap;

use model::policy::Unit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resource;

mod parse;
mod render;

pub use parse::parse;
pub use render::{Facts, render};

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
    pub instant_rp_details: Option<InstantDetails>,
    /// The same in its other spelling; read, never written.
    #[serde(default, rename = "instantRpDetails", skip_serializing)]
    pub instant_rp_details_respelled: Option<InstantDetails>,
    /// When it backs up.
    pub schedule_policy: SchedulePolicy,
    /// How long points are kept.
    pub retention_policy: RetentionPolicy,
    /// For how many days Azure would keep its snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instant_rp_retention_range_in_days: Option<i64>,
    /// The zone of its calendar, by its Windows or IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// `OnlyCrashConsistent` where guests are not to be frozen; else absent or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_consistency_type: Option<String>,
    /// When points would move to another tier, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiering_policy: Option<BTreeMap<String, Tiering>>,
    /// How many items follow it.
    #[serde(default)]
    pub protected_items_count: i64,
    /// What Azure has no word for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdfast: Option<BeyondAzure>,
}

/// What Azure has no word for. Clients that know nothing of it leave it out, and get what Azure
/// does. `daylightSaving` and `intervalInMinutes` are read in requests; the rest is only answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondAzure {
    /// What becomes of its times of day when the clocks of its zone change: `fixed`, where it is
    /// missing, keeps them in UTC; `adjust` keeps them on the zone's clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daylight_saving: Option<String>,
    /// Hourly: minutes between two backups, in place of the hours in `interval`, which is 0 then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_in_minutes: Option<i64>,
    /// The time of day on the zone's clocks, `HH:MM`, where it adjusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_time: Option<String>,
    /// When it backs up next.
    #[serde(default)]
    pub next_run: Option<String>,
    /// What will change for it by itself soon: clocks that it does not follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// Where Azure would keep its snapshots: the resource group's name is a prefix, a number, a suffix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstantDetails {
    /// The prefix.
    #[serde(default, rename = "azureBackupRGNamePrefix", skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The suffix.
    #[serde(default, rename = "azureBackupRGNameSuffix", skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

/// When points would move to a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tiering {
    /// `DoNotTier`, `TierRecommended` or `TierAfter`.
    pub tiering_mode: String,
    /// After how many units.
    #[serde(default)]
    pub duration: i64,
    /// The unit, or `Invalid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_type: Option<String>,
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
    pub schedule_weekly_frequency: Option<i64>,
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
    /// Hours between two backups; 0 where `holdfast.intervalInMinutes` has it in minutes.
    pub interval: i64,
    /// When the day's first one begins.
    pub schedule_window_start_time: String,
    /// For how many hours from then backups begin.
    pub schedule_window_duration: i64,
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

/// How long points are kept: the fields of `LongTermRetentionPolicy` and `SimpleRetentionPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionPolicy {
    /// `LongTermRetentionPolicy` or `SimpleRetentionPolicy`.
    pub retention_policy_type: String,
    /// Simple: how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_duration: Option<RetentionDuration>,
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
    #[serde(default)]
    pub days_of_the_month: Vec<DayOfMonth>,
}

/// A day of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DayOfMonth {
    /// Its number.
    #[serde(default)]
    pub date: i64,
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
    pub count: i64,
    /// `Days`, `Weeks`, `Months` or `Years`.
    pub duration_type: String,
}

/// What a client sends to create or change a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRequest {
    /// The policy.
    pub properties: PolicyProperties,
}

const UNITS: [(&str, Unit); 4] = [
    ("Days", Unit::Days),
    ("Weeks", Unit::Weeks),
    ("Months", Unit::Months),
    ("Years", Unit::Years),
];

const SIMPLE_SCHEDULE: &str = "SimpleSchedulePolicy";
const SIMPLE_SCHEDULE_V2: &str = "SimpleSchedulePolicyV2";
const SIMPLE_RETENTION: &str = "SimpleRetentionPolicy";
const LONG_TERM_RETENTION: &str = "LongTermRetentionPolicy";
const ONLY_CRASH_CONSISTENT: &str = "OnlyCrashConsistent";
