//! When vaults were last verified.

use model::verification::Verification;
use rusqlite::{Connection, params};

use super::record::{Record, Stored, all, bytes, run, time};
use crate::port::LedgerError;

impl Stored for Verification {
    const TABLE: &'static str = "verification";
    const KEY: &'static str = "vault";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            vault: record.uuid("vault")?,
            at: record.time("at")?,
            percent: record.number("percent")?,
            read_bytes: record.number("read_bytes")?,
            damaged_objects: record.number("damaged_objects")?,
            points_hit: record.number("points_hit")?,
        })
    }
}

pub(super) fn put(db: &Connection, done: &Verification) -> Result<(), LedgerError> {
    // A vault that was deleted meanwhile has none any more.
    run(
        db,
        "INSERT INTO verification (vault, at, percent, read_bytes, damaged_objects, points_hit)
         SELECT id, ?2, ?3, ?4, ?5, ?6 FROM vault WHERE id = ?1
         ON CONFLICT (vault) DO UPDATE SET at = excluded.at, percent = excluded.percent,
             read_bytes = excluded.read_bytes, damaged_objects = excluded.damaged_objects,
             points_hit = excluded.points_hit",
        params![
            done.vault.to_string(),
            time(done.at),
            done.percent,
            bytes(done.read_bytes)?,
            bytes(done.damaged_objects)?,
            bytes(done.points_hit)?,
        ],
    )?;
    Ok(())
}

pub(super) fn list(db: &Connection) -> Result<Vec<Verification>, LedgerError> {
    all(db, "SELECT * FROM verification", [])
}
