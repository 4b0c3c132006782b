//! `vaults/backupJobs`.

use std::collections::HashMap;

use api::arm::job as shape;
use axum::http::StatusCode;
use jiff::Timestamp;
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::Item;
use model::job::{Job, JobId, Status};
use model::vault::Vault;
use uuid::Uuid;

use super::items::vault_id;
use super::{link, list, pending};
use crate::call::{Call, Reply};
use crate::filter::Filter;

/// `GET V/backupJobs`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let filter = call.filter()?;
    let wanted = Wanted::of(&filter)?;
    let mut jobs = call.engine().jobs(&vault)?;
    jobs.retain(|job| wanted.holds(job));
    let items = items(call, &vault)?;
    let (vault_id, now) = (vault_id(call, &vault), call.now());
    let render = |job: &Job| shape::render_entry(&vault_id, items.get(&job.item), job, now);
    list(call, jobs.iter().map(render))
}

/// `GET V/backupJobs/J`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let job = find(call, &vault, call.name("job"))?;
    let items = items(call, &vault)?;
    let item = items.get(&job.item);
    Ok(Reply::ok(&shape::render(&vault_id(call, &vault), item, &job, call.now())))
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

fn items(call: &Call, vault: &Vault) -> Result<HashMap<Uuid, Item>, Fault> {
    let items = call.engine().items(vault)?;
    Ok(items.into_iter().map(|item| (item.id, item)).collect())
}

/// Which jobs a filter wants.
struct Wanted<'a> {
    filter: &'a Filter,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl<'a> Wanted<'a> {
    fn of(filter: &'a Filter) -> Result<Self, Fault> {
        let (from, to) = (filter.moment("startTime")?, filter.moment("endTime")?);
        Ok(Self { filter, from, to })
    }

    /// A job counts by when it began.
    fn holds(&self, job: &Job) -> bool {
        self.filter.passes_vms()
            && self.filter.passes("status", job.status.azure_name())
            && self.filter.passes("operation", job.operation.azure_name())
            && self.filter.passes("jobId", &job.id.to_string())
            && self.from.is_none_or(|from| job.started_at >= from)
            && self.to.is_none_or(|to| job.started_at <= to)
    }
}
