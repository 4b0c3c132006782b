//! Staging stores.

use std::path::PathBuf;

use model::store::Store;
use rusqlite::{Connection, params};

use super::record::{Record, Stored, all, any, run, run_on_one};
use crate::port::LedgerError;

impl Stored for Store {
    const TABLE: &'static str = "store";
    const KEY: &'static str = "name";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            name: record.text("name")?,
            resource_group: record.text("resource_group")?,
            region: record.text("region")?,
            directory: PathBuf::from(record.text("directory")?),
            builtin: record.flag("builtin")?,
        })
    }
}

pub(super) fn create(db: &Connection, store: &Store) -> Result<(), LedgerError> {
    let directory = store.directory.to_string_lossy();
    let taken = "SELECT 1 FROM store
                 WHERE (name = ?1 AND resource_group = ?2) OR directory = ?3";
    if any(db, taken, params![store.name, store.resource_group, directory])? {
        return Err(LedgerError::StoreTaken);
    }
    run(
        db,
        "INSERT INTO store (name, resource_group, region, directory, builtin)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![store.name, store.resource_group, store.region, directory, store.builtin],
    )?;
    Ok(())
}

pub(super) fn delete(db: &Connection, group: &str, name: &str) -> Result<(), LedgerError> {
    run_on_one(db, "DELETE FROM store WHERE resource_group = ?1 AND name = ?2", [group, name])
}

pub(super) fn list(db: &Connection) -> Result<Vec<Store>, LedgerError> {
    all(db, "SELECT * FROM store ORDER BY resource_group, name", [])
}
