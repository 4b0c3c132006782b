//! `holdfast policy`: backup policies.

use api::arm::policy::{BeyondAzure, Policy, PolicyProperties, Retention};
use clap::Subcommand;
use model::fault::{Code, Fault};
use serde_json::{Value, json};

use super::Service;
use crate::args::VaultArg;
use crate::client::{Seen, documents, segment};
use crate::failure::{Exit, Failure};
use crate::find;
use crate::output::{Column, Reply, facts, table};
use crate::text;

mod keep;
mod write;

use write::Wanted;

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
    /// Make a policy
    Create {
        /// Its name: 3 to 150 letters, digits, hyphens and underscores, a letter first
        name: String,
        /// Its vault.
        #[command(flatten)]
        vault: VaultArg,
        /// What it is to be.
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Change a policy; items that follow it do so at once
    Set {
        /// Its name
        name: String,
        /// Its vault.
        #[command(flatten)]
        vault: VaultArg,
        /// What it is to be, all of it.
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Delete a policy that no item follows
    Delete {
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
                let policy = get(service, &path(service, &vault, &name)?)?;
                Ok(Reply::done(policy.document, describe(&policy.view)))
            }
            Self::Create { name, vault, wanted } => {
                let wanted = wanted.request()?;
                let path = path(service, &vault, &name)?;
                match get(service, &path) {
                    Ok(_) => Err(taken(&name)),
                    Err(failure) if failure.exit == Exit::NotFound => put(service, &path, &wanted),
                    Err(failure) => Err(failure),
                }
            }
            Self::Set { name, vault, wanted } => {
                let wanted = wanted.request()?;
                let path = path(service, &vault, &name)?;
                get(service, &path)?;
                put(service, &path, &wanted)
            }
            Self::Delete { name, vault } => {
                let path = path(service, &vault, &name)?;
                let policy = get(service, &path)?.view;
                service.client.delete(&path)?;
                let human = format!("The policy '{}' is deleted.", policy.name);
                Ok(Reply::done(json!({"deleted": policy.id}), human))
            }
        }
    }
}

fn path(service: &Service, vault: &VaultArg, name: &str) -> Result<String, Failure> {
    let vault = find::vault(&service.client, vault)?;
    Ok(format!("{}/backupPolicies/{}", vault.view.id, segment(name)))
}

fn get(service: &Service, path: &str) -> Result<Seen<Policy>, Failure> {
    service.client.get(path)
}

fn put(service: &Service, path: &str, wanted: &Value) -> Result<Reply, Failure> {
    let policy: Seen<Policy> = service.client.put(path, wanted)?;
    Ok(Reply::done(policy.document, describe(&policy.view)))
}

fn taken(name: &str) -> Failure {
    let message = format!("The vault has a policy '{name}' already; `policy set` changes it.");
    Fault::new(Code::InvalidPolicyInput, message).into()
}

/// When it backs up next.
fn next_run(policy: &Policy) -> String {
    let facts = policy.properties.holdfast.as_ref();
    let next = facts.and_then(|facts| facts.next_run.as_deref());
    next.map(text::time).unwrap_or_default()
}

fn list(service: &Service, vault: &VaultArg) -> Result<Reply, Failure> {
    let vault = find::vault(&service.client, vault)?;
    let policies: Vec<Seen<Policy>> =
        service.client.list(&format!("{}/backupPolicies", vault.view.id))?;
    let columns = [
        Column::Text("Name"),
        Column::Text("Backs up"),
        Column::Text("Keeps"),
        Column::Text("Next run"),
        Column::Number("Items"),
    ];
    let row = |policy: &Seen<Policy>| {
        let properties = &policy.view.properties;
        vec![
            policy.view.name.clone(),
            schedule(properties),
            retention(&policy.view),
            next_run(&policy.view),
            properties.protected_items_count.to_string(),
        ]
    };
    let human = table(&columns, policies.iter().map(row).collect(), "The vault has no policy.");
    Ok(Reply::done(documents(&policies), human))
}

/// When it backs up, in the words of its schedule: in UTC, or on the clocks that it follows.
fn schedule(properties: &PolicyProperties) -> String {
    let policy = &properties.schedule_policy;
    let beyond = properties.holdfast.as_ref();
    let local = beyond.and_then(|beyond| beyond.local_time.clone());
    let zone = properties.time_zone.as_deref().unwrap_or_default();
    let there = if local.is_some() { format!(" ({zone})") } else { String::new() };
    let shown = |text: &str| local.clone().or_else(|| clock(text)).unwrap_or_default();
    if let Some(hourly) = &policy.hourly_schedule {
        let start = shown(&hourly.schedule_window_start_time);
        let interval = match beyond.and_then(|beyond| beyond.interval_in_minutes) {
            Some(minutes) => format!("{minutes} minutes"),
            None => format!("{} hours", hourly.interval),
        };
        let hours = hourly.schedule_window_duration;
        return format!("every {interval} from {start}{there} for {hours} hours");
    }
    let inner = policy.daily_schedule.as_ref().or(policy.weekly_schedule.as_ref());
    let days = policy.schedule_run_days.as_ref();
    let days = days.or(inner.and_then(|inner| inner.schedule_run_days.as_ref()));
    let times = policy.schedule_run_times.as_ref();
    let times = times.or(inner.and_then(|inner| inner.schedule_run_times.as_ref()));
    let frequency = policy.schedule_run_frequency.as_deref().unwrap_or_default().to_lowercase();
    let days = days.map(|days| days.join(", ")).filter(|days| !days.is_empty());
    let when = days.map_or(frequency, |days| format!("on {days}"));
    let times: Vec<String> = times.into_iter().flatten().map(|text| shown(text)).collect();
    format!("{when} at {}{there}", times.join(", "))
}

/// The time of day in a policy's time, in UTC.
fn clock(text: &str) -> Option<String> {
    api::arm::time::time_of_day(text).map(|time| time.strftime("%H:%M").to_string())
}

/// How long it keeps points, in the words of its retention.
fn retention(policy: &Policy) -> String {
    let rules = &policy.properties.retention_policy;
    if let Some(simple) = &rules.retention_duration {
        return format!("all {} {}", simple.count, simple.duration_type.to_lowercase());
    }
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
    let beyond = properties.holdfast.clone().unwrap_or_default();
    let BeyondAzure { daylight_saving, warning, .. } = beyond;
    let mut rows = vec![
        ("Name", policy.name.clone()),
        ("Type", properties.policy_type.clone().unwrap_or_default()),
        ("Backs up", schedule(properties)),
        ("Keeps", retention(policy)),
        ("Time zone", properties.time_zone.clone().unwrap_or_default()),
        ("Daylight saving", daylight_saving.unwrap_or_default()),
        ("Next run", next_run(policy)),
        ("Items", properties.protected_items_count.to_string()),
    ];
    rows.extend(warning.map(|warning| ("Warning", warning)));
    facts(&rows)
}
