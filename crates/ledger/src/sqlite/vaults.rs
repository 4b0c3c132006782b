//! Vaults.

use model::vault::{Redundancy, Vault, VaultName};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::record::{Record, Stored, all, any, first, run, run_on_one, time};
use crate::port::LedgerError;

impl Stored for Vault {
    const TABLE: &'static str = "vault";
    const KEY: &'static str = "id";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            id: record.uuid("id")?,
            name: record.named("name", |name| VaultName::new(name).ok())?,
            resource_group: record.text("resource_group")?,
            region: record.text("region")?,
            redundancy: record.named("redundancy", Redundancy::from_azure_name)?,
            created_at: record.time("created_at")?,
        })
    }
}

pub(super) fn create(db: &Connection, vault: &Vault) -> Result<(), LedgerError> {
    name_is_free(db, vault)?;
    run(
        db,
        "INSERT INTO vault (id, name, resource_group, region, redundancy, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            vault.id.to_string(),
            vault.name.as_str(),
            vault.resource_group,
            vault.region,
            vault.redundancy.azure_name(),
            time(vault.created_at),
        ],
    )?;
    Ok(())
}

pub(super) fn update(db: &Connection, vault: &Vault) -> Result<(), LedgerError> {
    name_is_free(db, vault)?;
    run_on_one(
        db,
        "UPDATE vault SET name = ?2, resource_group = ?3, region = ?4, redundancy = ?5,
             created_at = ?6
         WHERE id = ?1",
        params![
            vault.id.to_string(),
            vault.name.as_str(),
            vault.resource_group,
            vault.region,
            vault.redundancy.azure_name(),
            time(vault.created_at),
        ],
    )
}

/// No other vault has this name in this resource group.
fn name_is_free(db: &Connection, vault: &Vault) -> Result<(), LedgerError> {
    let taken = any(
        db,
        "SELECT 1 FROM vault WHERE name = ?1 AND resource_group = ?2 AND id <> ?3",
        params![vault.name.as_str(), vault.resource_group, vault.id.to_string()],
    )?;
    if taken { Err(LedgerError::VaultNameTaken) } else { Ok(()) }
}

pub(super) fn list(db: &Connection) -> Result<Vec<Vault>, LedgerError> {
    all(db, "SELECT * FROM vault ORDER BY name, resource_group", [])
}

pub(super) fn get(db: &Connection, id: Uuid) -> Result<Option<Vault>, LedgerError> {
    first(db, "SELECT * FROM vault WHERE id = ?1", [id.to_string()])
}
