//! Backup policies.

use model::policy::Policy;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::record::{Record, Stored, all, json, run};
use crate::port::LedgerError;

impl Stored for Policy {
    const TABLE: &'static str = "policy";
    const KEY: &'static str = "name";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            vault: record.uuid("vault")?,
            name: record.text("name")?,
            schedule: record.json("schedule_json")?,
            daily_retention_days: record.number("daily_retention_days")?,
            instant_rp_days: record.number("instant_rp_days")?,
            time_zone: record.text("time_zone")?,
        })
    }
}

/// Adds the policy, or replaces all but the spelling of its name, which others refer to.
pub(super) fn put(db: &Connection, policy: &Policy) -> Result<(), LedgerError> {
    run(
        db,
        "INSERT INTO policy (vault, name, schedule_json, daily_retention_days, instant_rp_days,
             time_zone)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (vault, name) DO UPDATE SET schedule_json = excluded.schedule_json,
             daily_retention_days = excluded.daily_retention_days,
             instant_rp_days = excluded.instant_rp_days, time_zone = excluded.time_zone",
        params![
            policy.vault.to_string(),
            policy.name,
            json(&policy.schedule),
            policy.daily_retention_days,
            policy.instant_rp_days,
            policy.time_zone,
        ],
    )?;
    Ok(())
}

pub(super) fn list(db: &Connection, vault: Uuid) -> Result<Vec<Policy>, LedgerError> {
    all(db, "SELECT * FROM policy WHERE vault = ?1 ORDER BY name", [vault.to_string()])
}
