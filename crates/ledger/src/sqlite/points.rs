//! Recovery points.

use jiff::Timestamp;
use model::job::JobId;
use model::point::{Consistency, Point, PointId};
use rusqlite::{Connection, ToSql, params};
use uuid::Uuid;

use super::record::{Record, Stored, all, bytes, first, json, limit, point, rows, run, time};
use crate::port::{LedgerError, PointQuery};

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

/// The text of a list, its parameters named after the columns; conditions that are not asked for
/// are left out.
pub(super) fn list_sql(query: PointQuery) -> String {
    let conditions = [
        query.from.map(|_| " AND taken_at >= :from"),
        query.to.map(|_| " AND taken_at <= :to"),
        query.after.map(|_| " AND (taken_at, id) < (:after_at, :after_id)"),
    ];
    let conditions: String = conditions.into_iter().flatten().collect();
    format!(
        "SELECT * FROM point WHERE item = :item{conditions}
         ORDER BY taken_at DESC, id DESC LIMIT :limit"
    )
}

pub(super) fn list(db: &Connection, query: PointQuery) -> Result<Vec<Point>, LedgerError> {
    let (item, limit) = (query.item.to_string(), limit(query.limit));
    let (from, to) = (query.from.map(time), query.to.map(time));
    let after = query.after.map(|(at, id)| (time(at), point(id)));
    let mut params: Vec<(&str, &dyn ToSql)> = vec![(":item", &item), (":limit", &limit)];
    params.extend(from.as_ref().map(|at| (":from", at as &dyn ToSql)));
    params.extend(to.as_ref().map(|at| (":to", at as &dyn ToSql)));
    if let Some((at, id)) = &after {
        params.extend([(":after_at", at as &dyn ToSql), (":after_id", id)]);
    }
    all(db, &list_sql(query), params.as_slice())
}

pub(super) const COUNT: &str = "SELECT count(*) FROM point WHERE item = ?1";

pub(super) fn count(db: &Connection, item: Uuid) -> Result<u64, LedgerError> {
    let counts = rows(db, COUNT, [item.to_string()], |row| row.get::<_, i64>(0))?;
    Ok(counts.iter().map(|count| count.unsigned_abs()).sum())
}

pub(super) const NEWEST: &str =
    "SELECT taken_at FROM point WHERE item = ?1 ORDER BY taken_at DESC LIMIT 1";

pub(super) fn newest(
    db: &Connection,
    items: &[Uuid],
) -> Result<Vec<Option<Timestamp>>, LedgerError> {
    let newest = |item: &Uuid| {
        let texts: Vec<String> = rows(db, NEWEST, [item.to_string()], |row| row.get(0))?;
        let parse = |text: String| {
            text.parse().map_err(|error| {
                let (key, what) = (item.to_string(), format!("taken_at: {error}"));
                LedgerError::Damaged { table: Point::TABLE, key, what }
            })
        };
        texts.into_iter().next().map(parse).transpose()
    };
    items.iter().map(newest).collect()
}

pub(super) fn get(db: &Connection, id: PointId) -> Result<Option<Point>, LedgerError> {
    first(db, "SELECT * FROM point WHERE id = ?1", [point(id)])
}
