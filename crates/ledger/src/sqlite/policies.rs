//! Backup policies, and how far their items' runs have been dealt with.

use jiff::Timestamp;
use model::policy::{DaylightSaving, Kind, Policy};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::record::{Record, Stored, all, first, json, run, time};
use crate::port::LedgerError;

impl Stored for Policy {
    const TABLE: &'static str = "policy";
    const KEY: &'static str = "name";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            vault: record.uuid("vault")?,
            name: record.text("name")?,
            kind: record.named("kind", Kind::from_azure_name)?,
            schedule: record.json("schedule_json")?,
            retention: record.json("retention_json")?,
            instant: record.json("instant_json")?,
            time_zone: record.text("time_zone")?,
            daylight_saving: record.named("daylight_saving", DaylightSaving::from_name)?,
            only_crash_consistent: record.number::<u8>("only_crash_consistent")? != 0,
            tiering: record.json("tiering_json")?,
        })
    }
}

/// Adds the policy, or replaces all but the spelling of its name, which others refer to.
pub(super) fn put(db: &Connection, policy: &Policy) -> Result<(), LedgerError> {
    run(
        db,
        "INSERT INTO policy (vault, name, kind, schedule_json, retention_json, instant_json,
             time_zone, daylight_saving, only_crash_consistent, tiering_json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (vault, name) DO UPDATE SET kind = excluded.kind,
             schedule_json = excluded.schedule_json, retention_json = excluded.retention_json,
             instant_json = excluded.instant_json, time_zone = excluded.time_zone,
             daylight_saving = excluded.daylight_saving,
             only_crash_consistent = excluded.only_crash_consistent,
             tiering_json = excluded.tiering_json",
        params![
            policy.vault.to_string(),
            policy.name,
            policy.kind.azure_name(),
            json(&policy.schedule),
            json(&policy.retention),
            json(&policy.instant),
            policy.time_zone,
            policy.daylight_saving.name(),
            policy.only_crash_consistent,
            json(&policy.tiering),
        ],
    )?;
    Ok(())
}

pub(super) fn list(db: &Connection, vault: Uuid) -> Result<Vec<Policy>, LedgerError> {
    all(db, "SELECT * FROM policy WHERE vault = ?1 ORDER BY name", [vault.to_string()])
}

pub(super) fn get(db: &Connection, vault: Uuid, name: &str) -> Result<Option<Policy>, LedgerError> {
    let sql = "SELECT * FROM policy WHERE vault = ?1 AND name = ?2";
    first(db, sql, [&vault.to_string(), name])
}

pub(super) fn users(db: &Connection, vault: Uuid, name: &str) -> Result<usize, LedgerError> {
    let sql = "SELECT count(*) FROM item WHERE vault = ?1 AND policy = ?2";
    let count: i64 = db
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([&vault.to_string(), name], |row| row.get(0)))
        .map_err(super::failed)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn delete(db: &Connection, vault: Uuid, name: &str) -> Result<bool, LedgerError> {
    let items = users(db, vault, name)?;
    if items > 0 {
        return Err(LedgerError::PolicyInUse { items });
    }
    let sql = "DELETE FROM policy WHERE vault = ?1 AND name = ?2";
    Ok(run(db, sql, [&vault.to_string(), name])? > 0)
}

/// Up to when an item's runs have been dealt with, and since when they count.
struct Settled {
    item: Uuid,
    until: Timestamp,
    since: Timestamp,
}

impl Stored for Settled {
    const TABLE: &'static str = "settled";
    const KEY: &'static str = "item";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            item: record.uuid("item")?,
            until: record.time("until")?,
            since: record.time("since")?,
        })
    }
}

/// The item's runs count from then on.
pub(super) fn begin(db: &Connection, item: Uuid, at: Timestamp) -> Result<(), LedgerError> {
    run(
        db,
        "INSERT INTO settled (item, until, since) SELECT id, ?2, ?2 FROM item WHERE id = ?1
         ON CONFLICT (item) DO UPDATE SET until = excluded.until, since = excluded.since",
        [item.to_string(), time(at)],
    )?;
    Ok(())
}

/// The item's runs have been dealt with up to then.
pub(super) fn settle(db: &Connection, item: Uuid, until: Timestamp) -> Result<(), LedgerError> {
    run(
        db,
        "INSERT INTO settled (item, until, since) SELECT id, ?2, ?2 FROM item WHERE id = ?1
         ON CONFLICT (item) DO UPDATE SET until = excluded.until",
        [item.to_string(), time(until)],
    )?;
    Ok(())
}

pub(super) fn settled(db: &Connection) -> Result<Vec<(Uuid, Timestamp)>, LedgerError> {
    let rows: Vec<Settled> = all(db, "SELECT * FROM settled", [])?;
    Ok(rows.into_iter().map(|row| (row.item, row.until)).collect())
}

pub(super) fn count_from(db: &Connection) -> Result<Vec<(Uuid, Timestamp)>, LedgerError> {
    let rows: Vec<Settled> = all(db, "SELECT * FROM settled", [])?;
    Ok(rows.into_iter().map(|row| (row.item, row.since)).collect())
}
