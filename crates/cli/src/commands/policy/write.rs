//! Policies from the command line: from a file, or from a few options.

use std::path::PathBuf;

use api::arm::AZURE_IAAS_VM;
use api::arm::policy::{
    HourlySchedule, PolicyProperties, PolicyRequest, Retention, RetentionDuration, RetentionPolicy,
    SchedulePolicy,
};
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use crate::failure::Failure;

/// What a policy is to be.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("when").required(true))]
pub struct Wanted {
    /// The policy as the API has it, in a JSON file; such as `holdfast --json policy show` prints
    #[arg(long, value_name = "FILE", group = "when", conflicts_with_all = ["time_zone",
        "crash_consistent"])]
    file: Option<PathBuf>,
    /// Back up every day at this time of day, in UTC
    #[arg(long, value_name = "HH:MM", group = "when")]
    daily: Option<String>,
    /// Back up on these days of the week, such as Sunday,Wednesday
    #[arg(long, value_name = "DAYS", group = "when", value_delimiter = ',', requires = "at")]
    weekly: Vec<String>,
    /// Back up every so many hours
    #[arg(long, value_name = "HOURS", group = "when", requires = "at")]
    hourly: Option<i64>,
    /// With --weekly and --hourly: the (first) time of day, in UTC
    #[arg(long, value_name = "HH:MM", conflicts_with_all = ["daily", "file"])]
    at: Option<String>,
    /// With --hourly: for how many hours of the day
    #[arg(long = "for", value_name = "HOURS", default_value_t = 24)]
    window: i64,
    /// Keep each day's points for so many days [default: 30]
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["weekly", "file"])]
    keep_days: Option<i64>,
    /// With --weekly: keep points for so many weeks [default: 12]
    #[arg(long, value_name = "WEEKS", conflicts_with_all = ["daily", "hourly", "file"])]
    keep_weeks: Option<i64>,
    /// The zone whose days of the week are meant: a Windows or an IANA name
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Do not freeze the guests' file systems
    #[arg(long)]
    crash_consistent: bool,
}

impl Wanted {
    /// The body of the request for it.
    pub fn request(&self) -> Result<Value, Failure> {
        if let Some(path) = &self.file {
            return from_file(path);
        }
        let at = self.daily.as_ref().or(self.at.as_ref()).cloned().unwrap_or_default();
        let (schedule, kind) = self.schedule(&at);
        let keep = |count: i64, unit: &str| Retention {
            retention_times: Some(vec![at.clone()]),
            retention_duration: Some(RetentionDuration { count, duration_type: unit.to_owned() }),
            ..Retention::default()
        };
        let weekly = || Retention {
            days_of_the_week: Some(self.weekly.clone()),
            ..keep(self.keep_weeks.unwrap_or(12), "Weeks")
        };
        let is_weekly = !self.weekly.is_empty();
        let retention_policy = RetentionPolicy {
            retention_policy_type: "LongTermRetentionPolicy".to_owned(),
            daily_schedule: (!is_weekly).then(|| keep(self.keep_days.unwrap_or(30), "Days")),
            weekly_schedule: is_weekly.then(weekly),
            ..RetentionPolicy::default()
        };
        let properties = PolicyProperties {
            backup_management_type: AZURE_IAAS_VM.to_owned(),
            policy_type: Some(kind.to_owned()),
            instant_rp_details: None,
            instant_rp_details_respelled: None,
            schedule_policy: schedule,
            retention_policy,
            instant_rp_retention_range_in_days: None,
            time_zone: Some(self.time_zone.clone()),
            snapshot_consistency_type: self
                .crash_consistent
                .then(|| "OnlyCrashConsistent".to_owned()),
            tiering_policy: None,
            protected_items_count: 0,
            holdfast: None,
        };
        let body = serde_json::to_value(PolicyRequest { properties });
        Ok(body.expect("request bodies are plain structs with text keys"))
    }

    /// The schedule, and the kind of policy that has it: Standard where that can.
    fn schedule(&self, at: &str) -> (SchedulePolicy, &'static str) {
        let of = |kind: &str, frequency: &str| SchedulePolicy {
            schedule_policy_type: kind.to_owned(),
            schedule_run_frequency: Some(frequency.to_owned()),
            ..SchedulePolicy::default()
        };
        if let Some(interval) = self.hourly {
            let hourly = HourlySchedule {
                interval,
                schedule_window_start_time: at.to_owned(),
                schedule_window_duration: self.window,
            };
            let policy = of("SimpleSchedulePolicyV2", "Hourly");
            return (SchedulePolicy { hourly_schedule: Some(hourly), ..policy }, "V2");
        }
        let is_weekly = !self.weekly.is_empty();
        let policy = SchedulePolicy {
            schedule_run_days: is_weekly.then(|| self.weekly.clone()),
            schedule_run_times: Some(vec![at.to_owned()]),
            ..of("SimpleSchedulePolicy", if is_weekly { "Weekly" } else { "Daily" })
        };
        (policy, "V1")
    }
}

/// A policy in a file: the whole resource, or its properties alone.
fn from_file(path: &std::path::Path) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::file("Cannot read the policy", path, &error))?;
    let policy: Value = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("The policy in {} is no JSON: {error}.", path.display()))
    })?;
    Ok(if policy.get("properties").is_some() { policy } else { json!({"properties": policy}) })
}
