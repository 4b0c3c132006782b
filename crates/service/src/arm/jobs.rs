//! `vaults/backupJobs`.

use api::arm::job as shape;
use axum::http::StatusCode;
use engine::JobQuery;
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::{Job, JobId, Operation, Status};
use model::vault::Vault;

use super::items::vault_id;
use super::{bad_request, link, pages, pending};
use crate::call::{Call, Reply};
use crate::filter::Filter;
use crate::path;

const KIND: &str = "jobs";

/// `GET V/backupJobs`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let filter = call.filter()?;
    let part = pages::part(call, KIND)?;
    let after = pages::parsed(&part, |place| place.parse::<JobId>().ok())?;
    let jobs = match query(&vault, &filter)? {
        Wanted::Nothing => Vec::new(),
        Wanted::One(id) => call.engine().job(&vault, id).ok().into_iter().collect(),
        Wanted::Matching(query) => {
            call.engine().jobs(JobQuery { after, limit: Some(part.fetch), ..query })?
        }
    };
    let place = |job: &Job| job.id.to_string();
    pages::page(call, KIND, &part, jobs, place, |jobs| entries(call, &vault, jobs))
}

fn entries(call: &Call, vault: &Vault, jobs: &[Job]) -> Result<Vec<shape::Job>, Fault> {
    let items = call.engine().items_of_jobs(jobs)?;
    let (vault_id, now) = (vault_id(call, vault), call.now());
    let entry = |job: &Job| {
        let mut entry = shape::render_entry(&vault_id, items.get(&job.item), job, now);
        only_if_cancellable(call, job, &mut entry);
        entry
    };
    Ok(jobs.iter().map(entry).collect())
}

/// A running job that can no longer be stopped offers no cancellation.
fn only_if_cancellable(call: &Call, job: &Job, rendered: &mut shape::Job) {
    if !call.engine().may_cancel(job) {
        rendered.properties.actions_info = None;
    }
}

/// Which jobs a filter wants.
enum Wanted {
    /// None: other workloads', or in a status or of an operation that does not exist here.
    Nothing,
    /// The one with this id.
    One(JobId),
    /// Those that match.
    Matching(JobQuery),
}

/// Reads a filter. A value that names nothing of ours matches nothing: clients know more statuses
/// and operations than there are here, and their lists are then empty.
fn query(vault: &Vault, filter: &Filter) -> Result<Wanted, Fault> {
    if let Some(text) = filter.get("jobId") {
        return Ok(text.parse().map_or(Wanted::Nothing, Wanted::One));
    }
    let (from, to) = (filter.moment("startTime")?, filter.moment("endTime")?);
    let status = filter.get("status").map(|name| {
        Status::ALL.into_iter().find(|status| status.azure_name().eq_ignore_ascii_case(name))
    });
    let operation = filter.get("operation").map(|name| {
        Operation::ALL.into_iter().find(|known| known.azure_name().eq_ignore_ascii_case(name))
    });
    if !filter.passes_vms() || status == Some(None) || operation == Some(None) {
        return Ok(Wanted::Nothing);
    }
    Ok(Wanted::Matching(JobQuery {
        vault: Some(vault.id),
        status: status.flatten(),
        operation: operation.flatten(),
        from,
        to,
        ..JobQuery::default()
    }))
}

/// `GET V/backupJobs/J`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let job = find(call, &vault, call.name("job"))?;
    let items = call.engine().items_of_jobs(std::slice::from_ref(&job))?;
    let item = items.get(&job.item);
    let mut rendered = shape::render(&vault_id(call, &vault), item, &job, call.now());
    only_if_cancellable(call, &job, &mut rendered);
    Ok(Reply::ok(&rendered))
}

/// `POST V/backupJobs/J/cancel`
pub(crate) fn cancel(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let job = find(call, &vault, call.name("job"))?;
    call.engine().cancel(&vault, job.id)?;
    let id = arm_id::job(&vault_id(call, &vault), &job.id.to_string());
    let result = link(call, &format!("{id}/operationResults/{}", job.id));
    Ok(pending().with("location", result))
}

/// `POST V/backupJobsExport`: writes the jobs that the filter wants into a file.
pub(crate) fn export(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let query = match query(&vault, &call.filter()?)? {
        Wanted::Matching(query) => query,
        Wanted::Nothing | Wanted::One(_) => {
            return Err(bad_request("The filter wants no jobs that could be exported."));
        }
    };
    let now = call.now();
    let line = |job: &Job, item: Option<&Item>| shape::export::line(job, item, now);
    let id = call.engine().export_jobs(&vault, query, shape::export::HEADER, &line)?;
    let path = format!("{}/backupJobs/operationResults/{id}", vault_id(call, &vault));
    Ok(pending().with("location", link(call, &path)))
}

/// `GET V/backupJobs/operationResults/{op}`: where the exported jobs are.
pub(crate) fn exported(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let id = call.name("operation").parse().ok();
    let path = id.and_then(|id| call.engine().exported_jobs(&vault, id)).ok_or_else(|| {
        let message = format!("There is no operation '{}' here.", call.name("operation"));
        Fault::new(Code::ResourceNotFound, message)
    })?;
    let url = format!("file://{}", path::encoded(&path.to_string_lossy()));
    Ok(Reply::ok(&shape::export::render(url)))
}

/// `GET V/backupJobs/J/operationResults/{op}`: what came of a cancellation.
pub(crate) fn cancelled(call: &Call) -> Result<Reply, Fault> {
    let job = find(call, &call.vault()?, call.name("job"))?;
    Ok(if job.status == Status::Cancelling {
        pending()
    } else {
        Reply::empty(StatusCode::NO_CONTENT)
    })
}

/// The job of this vault with this id.
pub(super) fn find(call: &Call, vault: &Vault, id: &str) -> Result<Job, Fault> {
    let Ok(id) = id.parse::<JobId>() else {
        let message = format!("Vault '{}' has no job '{id}'.", vault.name);
        return Err(Fault::new(Code::ResourceNotFound, message));
    };
    call.engine().job(vault, id)
}
