//! How much vaults held, day by day.

use jiff::civil::Date;
use model::space::SpaceSample;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::record::{Record, Stored, all, bytes, run, time};
use crate::port::LedgerError;

impl Stored for SpaceSample {
    const TABLE: &'static str = "space";
    const KEY: &'static str = "vault";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            vault: record.uuid("vault")?,
            day: record.named("day", |text| text.parse().ok())?,
            measured_at: record.time("measured_at")?,
            points: record.number("points")?,
            logical_bytes: record.number("logical_bytes")?,
            stored_bytes: record.number("stored_bytes")?,
        })
    }
}

pub(super) fn put(
    db: &Connection,
    sample: &SpaceSample,
    keep_from: Date,
) -> Result<(), LedgerError> {
    let vault = sample.vault.to_string();
    run(db, "DELETE FROM space WHERE vault = ?1 AND day < ?2", [&vault, &keep_from.to_string()])?;
    // A vault that was deleted meanwhile has no samples any more.
    run(
        db,
        "INSERT INTO space (vault, day, measured_at, points, logical_bytes, stored_bytes)
         SELECT id, ?2, ?3, ?4, ?5, ?6 FROM vault WHERE id = ?1
         ON CONFLICT (vault, day) DO UPDATE SET measured_at = excluded.measured_at,
             points = excluded.points, logical_bytes = excluded.logical_bytes,
             stored_bytes = excluded.stored_bytes",
        params![
            vault,
            sample.day.to_string(),
            time(sample.measured_at),
            bytes(sample.points)?,
            bytes(sample.logical_bytes)?,
            bytes(sample.stored_bytes)?,
        ],
    )?;
    Ok(())
}

pub(super) fn list(
    db: &Connection,
    vault: Uuid,
    from: Date,
) -> Result<Vec<SpaceSample>, LedgerError> {
    let sql = "SELECT * FROM space WHERE vault = ?1 AND day >= ?2 ORDER BY day";
    all(db, sql, [vault.to_string(), from.to_string()])
}
