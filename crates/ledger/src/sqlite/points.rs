//! Recovery points.

use model::job::JobId;
use model::point::{Consistency, Point, PointId};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::record::{Record, Stored, all, bytes, first, json, point, run, time};
use crate::port::LedgerError;

/// The id of a new point is another item's point's. Ids are random numbers of 63 bits, so this is
/// a mistake of the caller, and the other point must not be lost to it.
#[derive(Debug, thiserror::Error)]
#[error("recovery point {id} is already another item's")]
struct AnotherItems {
    id: PointId,
}

impl Stored for Point {
    const TABLE: &'static str = "point";
    const KEY: &'static str = "id";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            id: record.point("id")?,
            vault: record.uuid("vault")?,
            item: record.uuid("item")?,
            job: JobId(record.uuid("job")?),
            taken_at: record.time("taken_at")?,
            consistency: record.named("consistency", Consistency::from_azure_name)?,
            retain_until: record.time_if_any("retain_until")?,
            logical_bytes: record.number("logical_bytes")?,
            read_bytes: record.number("read_bytes")?,
            stored_bytes: record.number("stored_bytes")?,
            disks: record.json("disks_json")?,
        })
    }
}

/// Adds the point, or replaces it where the item has it already.
pub(super) fn put(db: &Connection, new: &Point) -> Result<(), LedgerError> {
    let written = run(
        db,
        "INSERT INTO point (id, vault, item, job, taken_at, consistency, retain_until,
             logical_bytes, read_bytes, stored_bytes, disks_json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (id) DO UPDATE SET job = excluded.job, taken_at = excluded.taken_at,
             consistency = excluded.consistency, retain_until = excluded.retain_until,
             logical_bytes = excluded.logical_bytes, read_bytes = excluded.read_bytes,
             stored_bytes = excluded.stored_bytes, disks_json = excluded.disks_json
         WHERE item = excluded.item AND vault = excluded.vault",
        params![
            point(new.id),
            new.vault.to_string(),
            new.item.to_string(),
            new.job.to_string(),
            time(new.taken_at),
            new.consistency.azure_name(),
            new.retain_until.map(time),
            bytes(new.logical_bytes)?,
            bytes(new.read_bytes)?,
            bytes(new.stored_bytes)?,
            json(&new.disks),
        ],
    )?;
    match written {
        0 => Err(LedgerError::Database(Box::new(AnotherItems { id: new.id }))),
        _ => Ok(()),
    }
}

pub(super) const LIST: &str = "SELECT * FROM point WHERE item = ?1 ORDER BY taken_at DESC, id DESC";

pub(super) fn list(db: &Connection, item: Uuid) -> Result<Vec<Point>, LedgerError> {
    all(db, LIST, [item.to_string()])
}

pub(super) fn get(db: &Connection, id: PointId) -> Result<Option<Point>, LedgerError> {
    first(db, "SELECT * FROM point WHERE id = ?1", [point(id)])
}
