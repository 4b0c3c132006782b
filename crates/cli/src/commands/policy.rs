//! `holdfast policy`: backup policies.

use api::arm::policy::{Policy, Retention, SchedulePolicy};
use clap::Subcommand;

use super::Service;
use crate::args::VaultArg;
use crate::client::{Seen, documents, segment};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, facts, table};

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List a vault's policies
    List {
        /// Its vault.
        #[command(flatten)]
        vault: VaultArg,
    },
    /// Show a policy
    Show {
        /// Its name
        name: String,
        /// Its vault.
        #[command(flatten)]
        vault: VaultArg,
    },
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::List { vault } => list(service, &vault),
            Self::Show { name, vault } => {
                let vault = find::vault(&service.client, &vault)?;
                let path = format!("{}/backupPolicies/{}", vault.view.id, segment(&name));
                let policy: Seen<Policy> = service.client.get(&path)?;
                Ok(Reply::done(policy.document, describe(&policy.view)))
            }
        }
    }
}

fn list(service: &Service, vault: &VaultArg) -> Result<Reply, Failure> {
    let vault = find::vault(&service.client, vault)?;
    let policies: Vec<Seen<Policy>> =
        service.client.list(&format!("{}/backupPolicies", vault.view.id))?;
    let columns = [
        Column::Text("Name"),
        Column::Text("Backs up"),
        Column::Text("Keeps"),
        Column::Number("Items"),
    ];
    let row = |policy: &Seen<Policy>| {
        let properties = &policy.view.properties;
        vec![
            policy.view.name.clone(),
            schedule(&properties.schedule_policy),
            retention(&policy.view),
            properties.protected_items_count.to_string(),
        ]
    };
    let human = table(&columns, policies.iter().map(row).collect(), "The vault has no policy.");
    Ok(Reply::done(documents(&policies), human))
}

/// When it backs up, in the words of its schedule.
fn schedule(policy: &SchedulePolicy) -> String {
    if let Some(hourly) = &policy.hourly_schedule {
        return format!("every {} hours", hourly.interval);
    }
    let inner = policy.daily_schedule.as_ref().or(policy.weekly_schedule.as_ref());
    let days = policy.schedule_run_days.as_ref();
    let days = days.or(inner.and_then(|inner| inner.schedule_run_days.as_ref()));
    let times = policy.schedule_run_times.as_ref();
    let times = times.or(inner.and_then(|inner| inner.schedule_run_times.as_ref()));
    let frequency = policy.schedule_run_frequency.as_deref().unwrap_or_default().to_lowercase();
    let days = days.map(|days| days.join(", ")).filter(|days| !days.is_empty());
    let when = days.map_or(frequency, |days| format!("on {days}"));
    let clock =
        |text: &String| api::arm::time::time_of_day(text).map(|t| t.strftime("%H:%M").to_string());
    let times: Vec<String> = times.into_iter().flatten().filter_map(clock).collect();
    format!("{when} at {}", times.join(", "))
}

/// How long it keeps points, in the words of its retention.
fn retention(policy: &Policy) -> String {
    let rules = &policy.properties.retention_policy;
    let schedules = [
        ("daily", &rules.daily_schedule),
        ("weekly", &rules.weekly_schedule),
        ("monthly", &rules.monthly_schedule),
        ("yearly", &rules.yearly_schedule),
    ];
    let told = |(name, rule): (&str, &Option<Retention>)| {
        let duration = rule.as_ref()?.retention_duration.as_ref()?;
        Some(format!("{name} {} {}", duration.count, duration.duration_type.to_lowercase()))
    };
    schedules.into_iter().filter_map(told).collect::<Vec<_>>().join(", ")
}

fn describe(policy: &Policy) -> String {
    let properties = &policy.properties;
    facts(&[
        ("Name", policy.name.clone()),
        ("Type", properties.policy_type.clone().unwrap_or_default()),
        ("Backs up", schedule(&properties.schedule_policy)),
        ("Keeps", retention(policy)),
        ("Time zone", properties.time_zone.clone().unwrap_or_default()),
        ("Items", properties.protected_items_count.to_string()),
    ])
}
