//! Long-running operations, under every URL that clients poll them at.
//!
//! An operation on an item *is* its job: they share the id, which is random and lies in the ledger,
//! so operations survive a restart and nobody can guess one. An operation that configures ends when
//! its job has ended; one that starts a backup or a restore ends at once, with the job still
//! running.

use api::arm::operation::{self, Stage};
use axum::http::StatusCode;
use model::fault::{Code, Fault};
use model::job::{Job, Operation, Status};
use uuid::Uuid;

use super::items::{render, vault_id};
use super::jobs::find;
use super::{link, pending};
use crate::call::{Call, Reply};

/// `POST V/backupFabrics/Azure/refreshContainers`: looks at all hosts.
pub(crate) fn refresh(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let operation = call.engine().refresh(&vault)?;
    let id = vault_id(call, &vault);
    let path = format!("{id}/backupFabrics/Azure/operationResults/{operation}");
    Ok(pending().with("location", link(call, &path)))
}

/// `GET V/backupFabrics/Azure/operationResults/{op}`: whether the look is over.
pub(crate) fn refreshed(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let id = Uuid::parse_str(call.name("operation")).map_err(|_| not_found(call))?;
    match call.engine().is_refreshed(&vault, id) {
        Some(true) => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        Some(false) => Ok(pending()),
        None => Err(not_found(call)),
    }
}

/// `GET V/backupOperations/{op}`
pub(crate) fn status(call: &Call) -> Result<Reply, Fault> {
    Ok(render_status(&find(call, &call.vault()?, call.name("operation"))?))
}

/// `GET V/backupOperationResults/{op}`
pub(crate) fn result(call: &Call) -> Result<Reply, Fault> {
    Ok(render_result(&find(call, &call.vault()?, call.name("operation"))?))
}

/// `GET ITEM/operationsStatus/{op}`
pub(crate) fn item_status(call: &Call) -> Result<Reply, Fault> {
    Ok(render_status(&of_item(call)?))
}

/// `GET ITEM/operationResults/{op}`: for what changes an item, the item it left.
pub(crate) fn item_result(call: &Call) -> Result<Reply, Fault> {
    let job = of_item(call)?;
    let makes_job = matches!(job.operation, Operation::Backup | Operation::Restore);
    if makes_job || !job.status.has_ended() {
        return Ok(render_result(&job));
    }
    let (vault, item) = call.item()?;
    Ok(Reply::ok(&render(call, &vault, &item)?))
}

/// The operation's job, which must be one of the URL's item.
fn of_item(call: &Call) -> Result<Job, Fault> {
    let (vault, item) = call.item()?;
    let job = find(call, &vault, call.name("operation"))?;
    if job.item == item.id { Ok(job) } else { Err(not_found(call)) }
}

fn not_found(call: &Call) -> Fault {
    let message = format!("There is no operation '{}' here.", call.name("operation"));
    Fault::new(Code::ResourceNotFound, message)
}

/// How far the operation is whose job this is.
fn stage(job: &Job) -> Stage<'_> {
    let ended_at = job.ended_at.unwrap_or(job.started_at);
    match (job.operation, job.status, &job.error) {
        (Operation::Backup | Operation::Restore, ..) => Stage::Succeeded { at: job.started_at },
        (_, Status::Failed | Status::Cancelled, Some(fault)) => {
            Stage::Failed { at: ended_at, fault }
        }
        (_, status, _) if status.has_ended() => Stage::Succeeded { at: ended_at },
        _ => Stage::InProgress,
    }
}

fn render_status(job: &Job) -> Reply {
    let (id, stage) = (job.id.to_string(), stage(job));
    let reply = Reply::ok(&operation::render(&id, &id, job.started_at, stage));
    if stage == Stage::InProgress { reply.with("retry-after", super::RETRY_AFTER_S) } else { reply }
}

fn render_result(job: &Job) -> Reply {
    match stage(job) {
        Stage::InProgress => pending(),
        _ => Reply::empty(StatusCode::NO_CONTENT),
    }
}
