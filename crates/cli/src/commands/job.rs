//! `holdfast job`, and waiting for jobs.

use std::time::Duration;

use api::arm::error::Problem;
use api::arm::job::{DiskProgress, ExtendedInfo, Job, JobProperties, Task};
use api::arm::vault::Vault;
use clap::Subcommand;
use jiff::civil::Date;
use model::fault::{Code, Fault};
use model::job::{Operation, Status};
use serde_json::json;

use super::Service;
use crate::args::VaultArg;
use crate::client::{Seen, documents, segment};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, blocks, facts, table};
use crate::progress::Bar;
use crate::text;

/// How often a job that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many looks in a row may find no service before a wait is given up: one minute's.
const AWAY_LOOKS_MAX: u32 = 120;

/// What can be done with jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List a vault's jobs, newest first
    List {
        /// The vault.
        #[command(flatten)]
        vault: VaultArg,
        /// Which of them.
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Show a job
    Show(JobArg),
    /// Wait until a job has ended; fails if the job did
    Wait(JobArg),
    /// Ask a job to stop
    Cancel(JobArg),
}

/// Which jobs are listed.
#[derive(Debug, clap::Args)]
pub struct Wanted {
    /// Only those in this status, such as Failed or InProgress
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<Status>,
    /// Only those that do this, such as Backup or Restore
    #[arg(long, value_name = "OPERATION", value_parser = operation)]
    operation: Option<Operation>,
    /// Only those that began on this day (UTC) or later
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,
    /// Only those that began on this day (UTC) or earlier
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<Date>,
}

fn status(name: &str) -> Result<Status, String> {
    let known = Status::ALL.into_iter().filter(|status| *status != Status::NotStarted);
    named(name, known, Status::azure_name)
}

fn operation(name: &str) -> Result<Operation, String> {
    named(name, Operation::ALL.into_iter(), Operation::azure_name)
}

/// The one of `known` that has this name, in any case of letters.
fn named<T: Copy>(
    name: &str,
    known: impl Iterator<Item = T>,
    azure_name: fn(T) -> &'static str,
) -> Result<T, String> {
    let known: Vec<T> = known.collect();
    let same = |one: &&T| azure_name(**one).eq_ignore_ascii_case(name);
    known.iter().find(same).copied().ok_or_else(|| {
        let names: Vec<&str> = known.iter().copied().map(azure_name).collect();
        format!("there are {}", names.join(", "))
    })
}

impl Wanted {
    /// The query that asks for these, with its question mark; empty for all jobs.
    fn query(&self) -> String {
        let terms = [
            self.status.map(|status| ("status", status.azure_name().to_owned())),
            self.operation.map(|operation| ("operation", operation.azure_name().to_owned())),
            self.from.map(|day| ("startTime", format!("{day}T00:00:00Z"))),
            self.to.map(|day| ("endTime", format!("{day}T23:59:59.999999999Z"))),
        ];
        let terms: Vec<String> =
            terms.into_iter().flatten().map(|(key, value)| format!("{key} eq '{value}'")).collect();
        if terms.is_empty() {
            return String::new();
        }
        format!("?$filter={}", segment(&terms.join(" and ")))
    }
}

/// Names a job.
#[derive(Debug, clap::Args)]
pub struct JobArg {
    /// The job's id
    id: String,
    /// The vault.
    #[command(flatten)]
    vault: VaultArg,
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::List { vault, wanted } => list(service, &vault, &wanted),
            Self::Show(arg) => {
                let job = get(service, &arg.path(service)?)?;
                Ok(Reply::done(job.document, describe(&job.view)))
            }
            Self::Wait(arg) => wait(service, &arg.path(service)?),
            Self::Cancel(arg) => {
                let path = arg.path(service)?;
                service.client.post(&format!("{path}/cancel"))?;
                let job = get(service, &path)?;
                let human = format!("The job {} was asked to stop.", job.view.name);
                Ok(Reply::done(job.document, human))
            }
        }
    }
}

impl JobArg {
    fn path(&self, service: &Service) -> Result<String, Failure> {
        let vault = find::vault(&service.client, &self.vault)?;
        Ok(path(&vault.view, &self.id))
    }
}

fn path(vault: &Vault, id: &str) -> String {
    model::arm_id::job(&vault.id, &segment(id))
}

fn get(service: &Service, path: &str) -> Result<Seen<Job>, Failure> {
    service.client.get(path)
}

/// The reply of a command that started a job: the job, at once or when it has ended.
pub fn started(
    service: &Service,
    vault: &Vault,
    id: Option<String>,
    wait_for_end: bool,
) -> Result<Reply, Failure> {
    let id = id.ok_or_else(|| Failure::unexpected_answer("The service started no job."))?;
    let path = path(vault, &id);
    if wait_for_end {
        return wait(service, &path);
    }
    let job = get(service, &path)?;
    Ok(Reply::done(job.document, format!("The job {id} is running.")))
}

/// Waits until the job has ended. A service that is away for a while ends no wait: when it is
/// back, the job has an honest end or still runs.
fn wait(service: &Service, path: &str) -> Result<Reply, Failure> {
    let bar = Bar::new(service.watched);
    let mut away = 0;
    loop {
        let job = match get(service, path) {
            Err(failure) if is_away(&failure) && away < AWAY_LOOKS_MAX => {
                away += 1;
                service.client.pause(LOOK_EVERY);
                continue;
            }
            other => other?,
        };
        away = 0;
        show(&bar, &job.view);
        if Status::from_azure_name(&job.view.properties.status).is_none_or(Status::has_ended) {
            bar.clear();
            let reply = Reply::done(job.document, describe(&job.view));
            return Ok(match failure(&job.view) {
                Some(failure) => reply.with_problem(failure),
                None => reply,
            });
        }
        service.client.pause(LOOK_EVERY);
    }
}

/// Whether the service was not there, as while it is started anew.
fn is_away(failure: &Failure) -> bool {
    failure.code == crate::failure::SERVICE_UNREACHABLE
}

fn show(bar: &Bar, job: &Job) {
    let Some(info) = &job.properties.extended_info else { return };
    let disks = &info.holdfast.disks;
    let running = info.tasks_list.iter().find(|task| task.status == "InProgress");
    bar.set(
        running.map_or(&job.properties.operation, |task| &task.task_id),
        disks.iter().map(|disk| disk.done_bytes).sum(),
        disks.iter().map(|disk| disk.total_bytes).sum(),
    );
}

/// Why the job did not do what it should, if it did not.
fn failure(job: &Job) -> Option<Failure> {
    let properties = &job.properties;
    match Status::from_azure_name(&properties.status) {
        Some(Status::Completed | Status::CompletedWithWarnings) => return None,
        Some(Status::Failed | Status::Cancelled) => (),
        _ => {
            let message = format!("The job ended with the status '{}'.", properties.status);
            return Some(Failure::unexpected_answer(message));
        }
    }
    let Some(error) = properties.error_details.iter().flatten().next() else {
        let (code, how) = match properties.status.as_str() {
            "Cancelled" => (Code::JobCancelled, "was cancelled"),
            _ => (Code::Internal, "failed"),
        };
        return Some(Fault::new(code, format!("The job {} {how}.", job.name)).into());
    };
    let known = Code::from_name(&error.error_title);
    let mut failure: Failure =
        Fault::new(known.unwrap_or(Code::Internal), error.error_string.clone()).into();
    if known.is_none() {
        failure.code.clone_from(&error.error_title);
        failure.cause = None;
    }
    if !error.recommendations.is_empty() {
        failure.action = Some(error.recommendations.join(" "));
    }
    Some(failure)
}

fn list(service: &Service, vault: &VaultArg, wanted: &Wanted) -> Result<Reply, Failure> {
    let vault = find::vault(&service.client, vault)?;
    let path = format!("{}/backupJobs{}", vault.view.id, wanted.query());
    let jobs: Vec<Seen<Job>> = service.client.list(&path)?;
    let columns = [
        Column::Text("Job"),
        Column::Text("Operation"),
        Column::Text("VM"),
        Column::Text("Status"),
        Column::Text("Started"),
        Column::Number("Took"),
    ];
    let row = |job: &Seen<Job>| {
        let properties = &job.view.properties;
        vec![
            job.view.name.clone(),
            properties.operation.clone(),
            properties.entity_friendly_name.clone(),
            properties.status.clone(),
            text::time(&properties.start_time),
            text::duration(&properties.duration),
        ]
    };
    let human = table(&columns, jobs.iter().map(row).collect(), "The vault has no such jobs.");
    Ok(Reply::done(json!(documents(&jobs)), human))
}

fn describe(job: &Job) -> String {
    let properties = &job.properties;
    let info = properties.extended_info.as_ref();
    let held = info.map(|info| &info.holdfast);
    let bag = |name: &str| {
        let told = info.and_then(|info| info.property_bag.get(name));
        told.cloned().unwrap_or_default()
    };
    let told = facts(&[
        ("Job", job.name.clone()),
        ("Operation", properties.operation.clone()),
        ("VM", properties.entity_friendly_name.clone()),
        ("Status", properties.status.clone()),
        ("Progress", info.map(|i| format!("{:.0} %", i.progress_percentage)).unwrap_or_default()),
        ("Started", text::time(&properties.start_time)),
        ("Took", text::duration(&properties.duration)),
        ("Left", info.and_then(|info| left(properties, info)).unwrap_or_default()),
        ("Due", bag("Scheduled Time in UTC")),
        ("Attempt", bag("Attempt")),
        ("Retry of", bag("Retry of Job")),
        ("Tried again", bag("Next Attempt in UTC")),
        ("Point", held.and_then(|held| held.point_id.clone()).unwrap_or_default()),
    ]);
    let tasks = info.map(|info| tasks(&info.tasks_list)).unwrap_or_default();
    let disks = held.map(|held| disks(&held.disks)).unwrap_or_default();
    let methods = held.map(|held| methods(&held.disks)).unwrap_or_default();
    let warnings = held.map(|held| warnings(&held.warnings)).unwrap_or_default();
    let failure = failure_text(job);
    blocks(&[told, tasks, disks, methods, warnings, failure])
}

/// How much longer a running job will take, where that can be told.
fn left(properties: &JobProperties, info: &ExtendedInfo) -> Option<String> {
    let runs = Status::from_azure_name(&properties.status).is_some_and(|it| !it.has_ended());
    let left = info.estimated_remaining_duration.as_ref().filter(|_| runs)?;
    Some(format!("about {}", text::duration(left)))
}

fn tasks(tasks: &[Task]) -> String {
    let columns = [Column::Text("Task"), Column::Text("Status")];
    let row = |task: &Task| vec![task.task_id.clone(), task.status.clone()];
    table(&columns, tasks.iter().map(row).collect(), "")
}

fn disks(disks: &[DiskProgress]) -> String {
    let columns = [
        Column::Text("Disk"),
        Column::Number("Scanned"),
        Column::Number("Changed"),
        Column::Number("Done"),
        Column::Number("Of"),
        Column::Number("Deduplicated"),
        Column::Number("Stored"),
    ];
    let row = |disk: &DiskProgress| {
        let sizes = [
            disk.scanned_bytes,
            disk.changed_bytes,
            disk.done_bytes,
            disk.total_bytes,
            disk.deduplicated_bytes,
            disk.stored_bytes,
        ];
        let mut row = vec![disk.target.clone()];
        row.extend(sizes.map(text::bytes));
        row
    };
    table(&columns, disks.iter().map(row).collect(), "")
}

fn methods(disks: &[DiskProgress]) -> String {
    let told = disks.iter().filter(|disk| !disk.method.is_empty());
    let line = |disk: &DiskProgress| {
        format!("{}: {}", text::printable(&disk.target), text::printable(&disk.method))
    };
    told.map(line).collect::<Vec<_>>().join("\n")
}

fn warnings(warnings: &[Problem]) -> String {
    let line = |warning: &Problem| {
        format!("Warning: {}: {}", warning.code, text::printable(&warning.message))
    };
    warnings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Why it failed, where it has failed: for `job show`, whose own command succeeds.
fn failure_text(job: &Job) -> String {
    let info = job.properties.extended_info.as_ref();
    if let Some(error) = info.and_then(|info| info.holdfast.error.as_ref()) {
        let parts = [
            format!("{}: {}", error.code, error.message),
            format!("Cause: {}", error.cause),
            format!("Do this: {}", error.recommended_action),
        ];
        return parts.map(|part| text::printable(&part)).join("\n");
    }
    let details = job.properties.error_details.iter().flatten();
    let line = |error: &api::arm::job::ErrorDetail| {
        format!("{}: {}", error.error_title, text::printable(&error.error_string))
    };
    details.map(line).collect::<Vec<_>>().join("\n")
}
