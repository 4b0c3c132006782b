//! Jobs.

use jiff::Timestamp;
use model::fault::Fault;
use model::job::{DiskProgress, Job, JobId, Operation, Status, Task};
use rusqlite::{Connection, ToSql, named_params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::items;
use super::json::{Nested, Unknown};
use super::record::{Record, Stored, all, first, json, limit, point, rows, run, run_on_one, time};
use crate::port::{JobQuery, LedgerError};

/// What a job has that nothing searches in, in one column: one parse for each row of a long list.
struct Detail {
    tasks: Vec<Task>,
    disks: Vec<DiskProgress>,
    properties: Vec<(String, String)>,
    warnings: Vec<Fault>,
    error: Option<Fault>,
}

#[derive(Serialize, Deserialize)]
struct DetailRow {
    tasks: <Vec<Task> as Nested>::Row,
    disks: <Vec<DiskProgress> as Nested>::Row,
    properties: Vec<(String, String)>,
    warnings: <Vec<Fault> as Nested>::Row,
    error: <Option<Fault> as Nested>::Row,
}

impl Nested for Detail {
    type Row = DetailRow;

    fn to_row(&self) -> DetailRow {
        DetailRow {
            tasks: self.tasks.to_row(),
            disks: self.disks.to_row(),
            properties: self.properties.clone(),
            warnings: self.warnings.to_row(),
            error: self.error.to_row(),
        }
    }

    fn from_row(row: DetailRow) -> Result<Self, Unknown> {
        Ok(Self {
            tasks: Vec::from_row(row.tasks)?,
            disks: Vec::from_row(row.disks)?,
            properties: row.properties,
            warnings: Vec::from_row(row.warnings)?,
            error: Option::from_row(row.error)?,
        })
    }
}

impl Stored for Job {
    const TABLE: &'static str = "job";
    const KEY: &'static str = "id";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        let detail: Detail = record.json("detail_json")?;
        Ok(Self {
            id: JobId(record.uuid("id")?),
            vault: record.uuid("vault")?,
            item: record.uuid("item")?,
            operation: record.named("operation", Operation::from_azure_name)?,
            status: record.named("status", Status::from_azure_name)?,
            started_at: record.time("started_at")?,
            ended_at: record.time_if_any("ended_at")?,
            point: record.point_if_any("point")?,
            retain_until: record.time_if_any("retain_until")?,
            tasks: detail.tasks,
            disks: detail.disks,
            properties: detail.properties,
            warnings: detail.warnings,
            error: detail.error,
        })
    }
}

/// Calls `write` with the job's columns as named parameters.
fn with_columns<T>(job: &Job, write: impl FnOnce(&[(&str, &dyn ToSql)]) -> T) -> T {
    let detail = Detail {
        tasks: job.tasks.clone(),
        disks: job.disks.clone(),
        properties: job.properties.clone(),
        warnings: job.warnings.clone(),
        error: job.error.clone(),
    };
    write(named_params! {
        ":id": job.id.to_string(),
        ":vault": job.vault.to_string(),
        ":item": job.item.to_string(),
        ":operation": job.operation.azure_name(),
        ":status": job.status.azure_name(),
        ":started_at": time(job.started_at),
        ":ended_at": job.ended_at.map(time),
        ":point": job.point.map(point),
        ":retain_until": job.retain_until.map(time),
        ":detail": json(&detail),
    })
}

pub(super) fn create(db: &Connection, job: &Job) -> Result<(), LedgerError> {
    item_is_free(db, job)?;
    if !items::exists(db, job.item)? {
        return Err(LedgerError::Missing);
    }
    let begins_backup = job.operation == Operation::Backup && !job.status.has_ended();
    if begins_backup && items::is_closed(db, job.item)? {
        return Err(LedgerError::ItemClosed);
    }
    let sql = "INSERT INTO job (id, vault, item, operation, status, started_at, ended_at, point,
             retain_until, detail_json)
         VALUES (:id, :vault, :item, :operation, :status, :started_at, :ended_at, :point,
             :retain_until, :detail)";
    with_columns(job, |columns| run(db, sql, columns))?;
    Ok(())
}

pub(super) fn update(db: &Connection, job: &Job) -> Result<(), LedgerError> {
    item_is_free(db, job)?;
    let sql = "UPDATE job SET vault = :vault, item = :item, operation = :operation,
             status = :status, started_at = :started_at, ended_at = :ended_at, point = :point,
             retain_until = :retain_until, detail_json = :detail
         WHERE id = :id";
    with_columns(job, |columns| run_on_one(db, sql, columns))
}

/// Along the index of their times: what is passed over on the way is at most one job of each item.
pub(super) const PRUNE: &str = "DELETE FROM job WHERE seq IN (
         SELECT seq FROM job AS old
         WHERE started_at < ?1 AND ended = 1 AND ended_at < ?1
             AND EXISTS (SELECT 1 FROM job AS newer WHERE newer.item = old.item
                 AND (newer.started_at, newer.seq) > (old.started_at, old.seq))
         ORDER BY started_at, seq LIMIT ?2)";

pub(super) fn prune(
    db: &Connection,
    before: Timestamp,
    limit: usize,
) -> Result<usize, LedgerError> {
    run(db, PRUNE, (time(before), super::record::limit(Some(limit))))
}

/// No other backup job of the item is unended, where this one is an unended backup job.
fn item_is_free(db: &Connection, job: &Job) -> Result<(), LedgerError> {
    if job.operation != Operation::Backup || job.status.has_ended() {
        return Ok(());
    }
    match running_backup(db, job.item)?.filter(|busy| busy.id != job.id) {
        Some(busy) => Err(LedgerError::ItemBusy { job: busy.id }),
        None => Ok(()),
    }
}

/// The item's backup job that has not ended.
pub(super) fn running_backup(db: &Connection, item: Uuid) -> Result<Option<Job>, LedgerError> {
    let sql = "SELECT * FROM job WHERE item = ?1 AND ended = 0 AND operation = 'Backup'";
    first(db, sql, [item.to_string()])
}

/// The text of a list, its parameters named after the columns. Conditions that are not asked for
/// are left out, so that each combination has an index to run along, newest first.
pub(super) fn list_sql(query: JobQuery) -> String {
    let conditions = [
        query.vault.map(|_| "vault = :vault"),
        query.item.map(|_| "item = :item"),
        query.unfinished.then_some("ended = 0"),
        query.status.map(|_| "status = :status"),
        query.operation.map(|_| "operation = :operation"),
        query.from.map(|_| "started_at >= :from"),
        query.to.map(|_| "started_at <= :to"),
        query.after.map(|_| "(started_at, seq) < (:after_at, :after_seq)"),
    ];
    let conditions: Vec<&str> = conditions.into_iter().flatten().collect();
    let filter = match conditions.is_empty() {
        true => String::new(),
        false => format!("WHERE {}", conditions.join(" AND ")),
    };
    // Few jobs have not ended, and all jobs of a vault are many: without statistics, SQLite would
    // pass over these to find those.
    let along = if query.unfinished { "INDEXED BY job_unfinished" } else { "" };
    format!("SELECT * FROM job {along} {filter} ORDER BY started_at DESC, seq DESC LIMIT :limit")
}

pub(super) fn list(db: &Connection, query: JobQuery) -> Result<Vec<Job>, LedgerError> {
    let text = |value: Option<Uuid>| value.map(|id| id.to_string());
    let (vault, item, limit) = (text(query.vault), text(query.item), limit(query.limit));
    let (from, to) = (query.from.map(time), query.to.map(time));
    let status = query.status.map(Status::azure_name);
    let operation = query.operation.map(Operation::azure_name);
    let place = query.after.map(|id| place(db, id)).transpose()?;
    let mut params: Vec<(&str, &dyn ToSql)> = vec![(":limit", &limit)];
    params.extend(vault.as_ref().map(|id| (":vault", id as &dyn ToSql)));
    params.extend(item.as_ref().map(|id| (":item", id as &dyn ToSql)));
    params.extend(status.as_ref().map(|name| (":status", name as &dyn ToSql)));
    params.extend(operation.as_ref().map(|name| (":operation", name as &dyn ToSql)));
    params.extend(from.as_ref().map(|at| (":from", at as &dyn ToSql)));
    params.extend(to.as_ref().map(|at| (":to", at as &dyn ToSql)));
    match &place {
        None => {}
        Some(None) => return Ok(Vec::new()),
        Some(Some((at, seq))) => {
            params.extend([(":after_at", at as &dyn ToSql), (":after_seq", seq)]);
        }
    }
    all(db, &list_sql(query), params.as_slice())
}

/// Where in a list a job stands.
fn place(db: &Connection, id: JobId) -> Result<Option<(String, i64)>, LedgerError> {
    let sql = "SELECT started_at, seq FROM job WHERE id = ?1";
    let places = rows(db, sql, [id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(places.into_iter().next())
}

pub(super) fn get(db: &Connection, id: JobId) -> Result<Option<Job>, LedgerError> {
    first(db, "SELECT * FROM job WHERE id = ?1", [id.to_string()])
}
