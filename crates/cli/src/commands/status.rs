//! `holdfast status`: how the installation does, on one screen of 80 columns.

use api::arm::status::{
    FailedJob, LateItem, NextRun, RunningJob, Status, StatusProperties, StatusWarning, VaultStatus,
};
use jiff::Timestamp;
use model::arm_id;

use super::Service;
use crate::client::Seen;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Reply, blocks, table};
use crate::text;

/// The width of a screen, in characters.
const WIDTH: usize = 80;
/// The most entries of a list that are shown; `--json` has more.
const ENTRIES: usize = 5;
/// How much of the name of a vault or a machine is shown, in characters.
const NAME: usize = 13;
/// How long the bar of a running job is, in characters.
const BAR: usize = 14;

/// How it is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Exit with 1 where something is late, has failed, or is known to be damaged
    #[arg(long)]
    check: bool,
}

impl Args {
    /// Asks the service.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        let subscription = arm_id::subscription(service.client.subscription());
        let path = format!("{subscription}/providers/{}", api::arm::status::KIND);
        let status: Seen<Status> = service.client.get(&path)?;
        let properties = &status.view.properties;
        let exit = match self.check && !properties.healthy {
            true => Exit::Failed,
            false => Exit::Done,
        };
        let human = describe(properties);
        Ok(Reply { exit, ..Reply::done(status.document, human) })
    }
}

fn describe(status: &StatusProperties) -> String {
    let now = status.at.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    blocks(&[
        summary(status),
        join(&[vaults(&status.vaults, now), verified(&status.vaults, now)]),
        late(status, now),
        failed(status, now),
        listed("Running", &status.running, status.running_jobs, running),
        next(&status.next, now),
        warnings(&status.warnings),
    ])
}

fn summary(status: &StatusProperties) -> String {
    let count = |number: u64, what: &str| (number > 0).then(|| format!("{number} {what}"));
    let state = match status.healthy {
        true => "All is well",
        false => "Something needs you",
    };
    let facts = [
        count(status.late_items, "late"),
        count(status.failures, "failed"),
        count(status.running_jobs, "running"),
        count(status.stopped_items, "stopped"),
        count(status.deleted_items, "deleted"),
    ];
    let mut text = format!(
        "{state} at {}: {} protected in {}",
        text::time(&status.at),
        plural(status.protected_items, "item"),
        plural(status.vaults.len() as u64, "vault"),
    );
    for fact in facts.into_iter().flatten() {
        text = format!("{text}, {fact}");
    }
    text::wrapped("", &(text + "."), WIDTH)
}

fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn ago(at: Option<&String>, now: Timestamp) -> String {
    let at = at.and_then(|text| text.parse().ok());
    at.map_or_else(|| "never".to_owned(), |at| text::distance(at, now))
}

fn vaults(vaults: &[VaultStatus], now: Timestamp) -> String {
    let columns = [
        Column::Text("Vault"),
        Column::Number("Items"),
        Column::Text("Newest"),
        Column::Number("Stored"),
        Column::Number("7 days"),
        Column::Number("30 days"),
        Column::Number("Dedup"),
    ];
    let row = |vault: &VaultStatus| {
        let space = vault.space.as_ref();
        let nothing = || text::NOTHING.to_owned();
        let told = |value: Option<String>| value.unwrap_or_else(nothing);
        let ratio = space
            .filter(|space| space.stored_bytes > 0)
            .map(|space| space.logical_bytes as f64 / space.stored_bytes as f64);
        vec![
            text::cut(&vault.name, NAME),
            vault.items.to_string(),
            ago(vault.newest_point.as_ref(), now),
            told(space.map(|space| text::bytes(space.stored_bytes))),
            told(space.and_then(|space| space.growth_7_days_bytes).map(growth)),
            told(space.and_then(|space| space.growth_30_days_bytes).map(growth)),
            told(ratio.map(|ratio| format!("{ratio:.1}x"))),
        ]
    };
    let rows = vaults.iter().map(row).collect();
    table(&columns, rows, "There is no vault yet: `holdfast vault create` makes one.")
}

/// When the data of vaults was last looked at, and what was found.
fn verified(vaults: &[VaultStatus], now: Timestamp) -> String {
    let tell = |vault: &VaultStatus| {
        let name = text::cut(&vault.name, NAME);
        match &vault.verified {
            None => format!("{name} never"),
            Some(last) if last.damaged_objects == 0 => {
                format!("{name} {}", ago(Some(&last.at), now))
            }
            Some(last) => format!(
                "{name} {}: {} damaged, {} hit",
                ago(Some(&last.at), now),
                plural(last.damaged_objects, "object"),
                plural(last.points_hit, "point")
            ),
        }
    };
    let told: Vec<String> = vaults.iter().take(ENTRIES).map(tell).collect();
    match told.is_empty() {
        true => String::new(),
        false => text::wrapped(" Verified: ", &told.join("; "), WIDTH),
    }
}

/// A difference, without decimals: two of them stand in a line.
fn growth(bytes: i64) -> String {
    let sign = if bytes < 0 { '-' } else { '+' };
    let text = text::bytes(bytes.unsigned_abs());
    let whole = text
        .split_once(' ')
        .map(|(number, unit)| format!("{} {unit}", number.split('.').next().unwrap_or(number)));
    format!("{sign}{}", whole.unwrap_or(text))
}

fn late(status: &StatusProperties, now: Timestamp) -> String {
    let columns = [
        Column::Text("Late"),
        Column::Text("Vault"),
        Column::Text("Run was due"),
        Column::Text("Newest"),
    ];
    let row = |item: &LateItem| {
        vec![
            text::cut(&item.item, NAME),
            text::cut(&item.vault, NAME),
            text::time(&item.due),
            ago(item.newest_point.as_ref(), now),
        ]
    };
    let rows: Vec<_> = status.late.iter().take(ENTRIES).map(row).collect();
    let more = more(status.late_items, rows.len());
    join(&[table(&columns, rows, ""), more])
}

fn failed(status: &StatusProperties, now: Timestamp) -> String {
    let entry = |job: &FailedJob| {
        let what = format!(
            "{} in {}: {}, {}: {}",
            text::cut(&job.item, NAME),
            text::cut(&job.vault, NAME),
            text::printable(&job.operation),
            ago(Some(&job.at), now),
            text::printable(&job.code)
        );
        let why = text::wrapped("    ", &job.message, WIDTH);
        let action = text::wrapped("    Do this: ", &job.action, WIDTH);
        join(&[format!("  {what}"), why, action])
    };
    listed("Failed", &status.failed, status.failures, entry)
}

fn running(job: &RunningJob) -> String {
    let of = match job.total_bytes {
        0 => String::new(),
        total => format!("  {} of {}", text::bytes(job.done_bytes), text::bytes(total)),
    };
    let what = format!("{} {}", text::cut(&job.item, NAME), text::printable(&job.operation));
    format!("  {what:<29} {} {:>3.0} %{of}", bar(job.percent), job.percent.floor())
}

/// A bar that is as full as `percent` says.
fn bar(percent: f64) -> String {
    let full = (percent.clamp(0.0, 100.0) * BAR as f64 / 100.0) as usize;
    format!("[{}{}]", "█".repeat(full), "·".repeat(BAR - full))
}

fn next(runs: &[NextRun], now: Timestamp) -> String {
    let columns = [
        Column::Text("Next"),
        Column::Text("Due"),
        Column::Text("Policy"),
        Column::Text("Vault"),
        Column::Number("Items"),
    ];
    let row = |run: &NextRun| {
        vec![
            ago(Some(&run.at), now),
            text::time(&run.at),
            text::cut(&run.policy, NAME),
            text::cut(&run.vault, NAME),
            run.items.to_string(),
        ]
    };
    table(&columns, runs.iter().take(ENTRIES).map(row).collect(), "")
}

fn warnings(warnings: &[StatusWarning]) -> String {
    let entry = |warning: &StatusWarning| {
        let of = warning.vault.as_ref().map(|vault| format!("{vault}: ")).unwrap_or_default();
        text::wrapped("  ", &(of + &warning.text), WIDTH)
    };
    listed("Warnings", warnings, warnings.len() as u64, entry)
}

/// The first entries of a list of `count`, under its title; nothing where there are none.
fn listed<T>(title: &str, entries: &[T], count: u64, show: impl Fn(&T) -> String) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut lines = vec![title.to_owned()];
    lines.extend(entries.iter().take(ENTRIES).map(show));
    lines.push(more(count, ENTRIES));
    join(&lines)
}

fn more(count: u64, shown: usize) -> String {
    match count.saturating_sub(shown as u64) {
        0 => String::new(),
        left => format!("  and {left} more"),
    }
}

fn join(parts: &[String]) -> String {
    let told: Vec<&str> = parts.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    told.join("\n")
}
