//! Hosts.

use model::host::Host;
use rusqlite::{Connection, params};

use super::record::{Record, Stored, all, any, run};
use crate::port::LedgerError;

impl Stored for Host {
    const TABLE: &'static str = "host";
    const KEY: &'static str = "uri";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            id: record.uuid("id")?,
            uri: record.text("uri")?,
            region: record.text("region")?,
            resource_group: record.text("resource_group")?,
        })
    }
}

pub(super) fn create(db: &Connection, host: &Host) -> Result<(), LedgerError> {
    if any(db, "SELECT 1 FROM host WHERE uri = ?1", [&host.uri])? {
        return Err(LedgerError::HostTaken);
    }
    run(
        db,
        "INSERT INTO host (id, uri, region, resource_group) VALUES (?1, ?2, ?3, ?4)",
        params![host.id.to_string(), host.uri, host.region, host.resource_group],
    )?;
    Ok(())
}

pub(super) fn list(db: &Connection) -> Result<Vec<Host>, LedgerError> {
    all(db, "SELECT * FROM host ORDER BY seq", [])
}
