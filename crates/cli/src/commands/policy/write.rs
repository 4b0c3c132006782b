//! Policies from the command line: from a file, or from a few options.

use std::path::PathBuf;

use api::arm::AZURE_IAAS_VM;
use api::arm::policy::{
    BeyondAzure, HourlySchedule, PolicyProperties, PolicyRequest, SchedulePolicy,
};
use clap::{ArgGroup, Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Time;
use serde_json::{Value, json};

use super::keep::Keep;
use crate::failure::Failure;

/// What a policy is to be.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("when").required(true))]
pub struct Wanted {
    /// The policy as the API has it, in a JSON file; such as `holdfast --json policy show` prints
    #[arg(long, value_name = "FILE", group = "when", conflicts_with_all = ["time_zone",
        "crash_consistent"])]
    file: Option<PathBuf>,
    /// Back up every day at this time of day, in UTC (see --daylight-saving)
    #[arg(long, value_name = "HH:MM", group = "when")]
    daily: Option<String>,
    /// Back up on these days of the week, such as Sunday,Wednesday
    #[arg(long, value_name = "DAYS", group = "when", value_delimiter = ',', requires = "at")]
    weekly: Vec<String>,
    /// Back up every so many hours
    #[arg(long, value_name = "HOURS", group = "when", requires = "at")]
    hourly: Option<i64>,
    /// Back up every 15, 20, 30, 60, 120 or 180 minutes: more often than Azure can
    #[arg(long, value_name = "MINUTES", group = "when", requires = "at")]
    every: Option<i64>,
    /// With --weekly, --hourly and --every: the (first) time of day, in UTC (see --daylight-saving)
    #[arg(long, value_name = "HH:MM", conflicts_with_all = ["daily", "file"])]
    at: Option<String>,
    /// With --hourly and --every: for how many hours of the day
    #[arg(long = "for", value_name = "HOURS", default_value_t = 24)]
    window: i64,
    /// How long it keeps points.
    #[command(flatten)]
    keep: Keep,
    /// The zone whose days of the week are meant: a Windows or an IANA name
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Do not freeze the guests' file systems
    #[arg(long)]
    crash_consistent: bool,
    /// fixed: times of day are in UTC and stay there, as in Azure. adjust: they are times on the
    /// clocks of --time-zone, and move with them
    #[arg(long, value_name = "MODE", value_enum, default_value_t, conflicts_with = "file")]
    daylight_saving: DaylightSaving,
}

/// What becomes of times of day when clocks change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum DaylightSaving {
    #[default]
    Fixed,
    Adjust,
}

impl Wanted {
    /// The body of the request for it.
    pub fn request(&self) -> Result<Value, Failure> {
        if let Some(path) = &self.file {
            return from_file(path);
        }
        let at = self.time(self.daily.as_ref().or(self.at.as_ref()))?;
        let (schedule, kind) = self.schedule(&at);
        let retention_policy = self.keep.policy(&at, &self.weekly)?;
        let properties = PolicyProperties {
            backup_management_type: AZURE_IAAS_VM.to_owned(),
            policy_type: Some(kind.to_owned()),
            instant_rp_details: None,
            instant_rp_details_respelled: None,
            schedule_policy: schedule,
            retention_policy,
            instant_rp_retention_range_in_days: self.keep.keep_all_days,
            time_zone: Some(self.time_zone.clone()),
            snapshot_consistency_type: self
                .crash_consistent
                .then(|| "OnlyCrashConsistent".to_owned()),
            tiering_policy: None,
            protected_items_count: 0,
            holdfast: self.beyond_azure(),
        };
        let body = serde_json::to_value(PolicyRequest { properties });
        Ok(body.expect("request bodies are plain structs with text keys"))
    }

    /// A time of day as the API takes it: one in UTC as it was given, one on the clocks of the zone
    /// with the offset that they have at it today.
    fn time(&self, given: Option<&String>) -> Result<String, Failure> {
        let given = given.cloned().unwrap_or_default();
        if self.daylight_saving == DaylightSaving::Fixed {
            return Ok(given);
        }
        let unknown = || {
            Failure::usage(format!(
                "'{}' is neither a Windows nor an IANA name of a time zone.",
                self.time_zone
            ))
        };
        let zone = engine::time_zone(&self.time_zone).ok_or_else(unknown)?;
        let no_time = |_| Failure::usage(format!("'{given}' is not a time of day, such as 02:00."));
        let time: Time = given.parse().map_err(no_time)?;
        let today = zone.to_datetime(Timestamp::now()).date();
        let at = today.to_datetime(time).to_zoned(zone).map_err(no_time)?;
        Ok(at.timestamp().to_string())
    }

    /// What Azure has no word for, where it was asked for.
    fn beyond_azure(&self) -> Option<BeyondAzure> {
        let adjusts = self.daylight_saving == DaylightSaving::Adjust;
        (adjusts || self.every.is_some()).then(|| BeyondAzure {
            daylight_saving: adjusts.then(|| "adjust".to_owned()),
            interval_in_minutes: self.every,
            ..BeyondAzure::default()
        })
    }

    /// The schedule, and the kind of policy that has it: Standard where that can.
    fn schedule(&self, at: &str) -> (SchedulePolicy, &'static str) {
        let of = |kind: &str, frequency: &str| SchedulePolicy {
            schedule_policy_type: kind.to_owned(),
            schedule_run_frequency: Some(frequency.to_owned()),
            ..SchedulePolicy::default()
        };
        if self.hourly.is_some() || self.every.is_some() {
            let hourly = HourlySchedule {
                interval: self.hourly.unwrap_or_default(),
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
