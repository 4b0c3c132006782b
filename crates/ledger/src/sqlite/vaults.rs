//! Vaults.

use jiff::Timestamp;
use model::vault::{DeletedVault, Redundancy, SoftDeletedVault, Vault, VaultName};
use rusqlite::{Connection, ToSql, named_params, params};
use uuid::Uuid;

use super::record::{Record, Stored, all, any, first, json, run, run_on_one, time};
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
            settings: record.json("settings_json")?,
            tags: record.json("tags_json")?,
            created_at: record.time("created_at")?,
            changed_at: record.time("changed_at")?,
        })
    }
}

impl Stored for SoftDeletedVault {
    const TABLE: &'static str = Vault::TABLE;
    const KEY: &'static str = Vault::KEY;

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self { vault: Vault::read(record)?, deleted_at: record.time("deleted_at")? })
    }
}

impl Stored for DeletedVault {
    const TABLE: &'static str = "deleted_vault";
    const KEY: &'static str = "id";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            id: record.uuid("id")?,
            name: record.named("name", |name| VaultName::new(name).ok())?,
            resource_group: record.text("resource_group")?,
            region: record.text("region")?,
            deleted_at: record.time("deleted_at")?,
            cleared_at: record.time_if_any("cleared_at")?,
        })
    }
}

/// Calls `write` with the vault's columns as named parameters.
fn with_columns<T>(vault: &Vault, write: impl FnOnce(&[(&str, &dyn ToSql)]) -> T) -> T {
    write(named_params! {
        ":id": vault.id.to_string(),
        ":name": vault.name.as_str(),
        ":resource_group": vault.resource_group,
        ":region": vault.region,
        ":redundancy": vault.redundancy.azure_name(),
        ":settings": json(&vault.settings),
        ":tags": json(&vault.tags),
        ":created_at": time(vault.created_at),
        ":changed_at": time(vault.changed_at),
    })
}

pub(super) fn create(db: &Connection, vault: &Vault) -> Result<(), LedgerError> {
    name_is_free(db, vault)?;
    let sql = "INSERT INTO vault (id, name, resource_group, region, redundancy, settings_json,
             tags_json, created_at, changed_at)
         VALUES (:id, :name, :resource_group, :region, :redundancy, :settings, :tags, :created_at,
             :changed_at)";
    with_columns(vault, |columns| run(db, sql, columns))?;
    Ok(())
}

pub(super) fn update(db: &Connection, vault: &Vault, since: Timestamp) -> Result<(), LedgerError> {
    name_is_free(db, vault)?;
    let current = get(db, vault.id)?.ok_or(LedgerError::Missing)?;
    if current.changed_at != since {
        return Err(LedgerError::Changed);
    }
    let sql = "UPDATE vault SET name = :name, resource_group = :resource_group, region = :region,
             redundancy = :redundancy, settings_json = :settings, tags_json = :tags,
             created_at = :created_at, changed_at = :changed_at
         WHERE id = :id";
    with_columns(vault, |columns| run_on_one(db, sql, columns))
}

/// No other vault in sight has this name in this resource group.
fn name_is_free(db: &Connection, vault: &Vault) -> Result<(), LedgerError> {
    let taken = any(
        db,
        "SELECT 1 FROM vault
         WHERE name = ?1 AND resource_group = ?2 AND id <> ?3 AND deleted_at IS NULL",
        params![vault.name.as_str(), vault.resource_group, vault.id.to_string()],
    )?;
    if taken { Err(LedgerError::VaultNameTaken) } else { Ok(()) }
}

pub(super) fn list(db: &Connection) -> Result<Vec<Vault>, LedgerError> {
    all(db, "SELECT * FROM vault WHERE deleted_at IS NULL ORDER BY name, resource_group", [])
}

pub(super) fn soft_deleted(db: &Connection) -> Result<Vec<SoftDeletedVault>, LedgerError> {
    all(db, "SELECT * FROM vault WHERE deleted_at IS NOT NULL ORDER BY name, deleted_at, id", [])
}

pub(super) fn get(db: &Connection, id: Uuid) -> Result<Option<Vault>, LedgerError> {
    first(db, "SELECT * FROM vault WHERE id = ?1", [id.to_string()])
}

/// Fails with `Missing` where there is no such vault, or it is soft-deleted.
pub(super) fn is_in_sight(db: &Connection, id: Uuid) -> Result<(), LedgerError> {
    let sql = "SELECT 1 FROM vault WHERE id = ?1 AND deleted_at IS NULL";
    if any(db, sql, [id.to_string()])? { Ok(()) } else { Err(LedgerError::Missing) }
}

/// Puts a vault out of sight that holds soft-deleted items and nothing else.
pub(super) fn soft_delete(db: &Connection, id: Uuid, at: Timestamp) -> Result<(), LedgerError> {
    let key = id.to_string();
    let lives = "SELECT 1 FROM item WHERE vault = ?1 AND deletion_json IS NULL";
    let works = "SELECT 1 FROM job WHERE vault = ?1 AND ended = 0";
    let holds_any = any(db, "SELECT 1 FROM item WHERE vault = ?1", [&key])?;
    if !holds_any || any(db, lives, [&key])? || any(db, works, [&key])? {
        return Err(if get(db, id)?.is_some() { LedgerError::InUse } else { LedgerError::Missing });
    }
    let sql = "UPDATE vault SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL";
    run_on_one(db, sql, params![key, time(at)])
}

/// Brings a vault back into sight, in this resource group.
pub(super) fn undelete(db: &Connection, id: Uuid, group: &str) -> Result<(), LedgerError> {
    let vault = get(db, id)?.ok_or(LedgerError::Missing)?;
    name_is_free(db, &Vault { resource_group: group.to_owned(), ..vault })?;
    let sql = "UPDATE vault SET deleted_at = NULL, resource_group = ?2
         WHERE id = ?1 AND deleted_at IS NOT NULL";
    run_on_one(db, sql, params![id.to_string(), group])
}

/// Takes the vault out with its ended jobs and its policies, and notes that it was there.
pub(super) fn delete(db: &Connection, deleted: &DeletedVault) -> Result<(), LedgerError> {
    let id = deleted.id.to_string();
    for held in [
        "SELECT 1 FROM item WHERE vault = ?1",
        "SELECT 1 FROM point WHERE vault = ?1",
        "SELECT 1 FROM job WHERE vault = ?1 AND ended = 0",
    ] {
        if any(db, held, [&id])? {
            return Err(LedgerError::InUse);
        }
    }
    run(db, "DELETE FROM job WHERE vault = ?1", [&id])?;
    run(db, "DELETE FROM policy WHERE vault = ?1", [&id])?;
    run_on_one(db, "DELETE FROM vault WHERE id = ?1", [&id])?;
    run(
        db,
        "INSERT INTO deleted_vault (id, name, resource_group, region, deleted_at, cleared_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            id,
            deleted.name.as_str(),
            deleted.resource_group,
            deleted.region,
            time(deleted.deleted_at),
            deleted.cleared_at.map(time),
        ],
    )?;
    Ok(())
}

pub(super) fn cleared(db: &Connection, id: Uuid, at: Timestamp) -> Result<(), LedgerError> {
    let sql = "UPDATE deleted_vault SET cleared_at = ?2 WHERE id = ?1";
    run_on_one(db, sql, params![id.to_string(), time(at)])
}

pub(super) fn uncleared(db: &Connection) -> Result<Vec<DeletedVault>, LedgerError> {
    let sql = "SELECT * FROM deleted_vault WHERE cleared_at IS NULL ORDER BY deleted_at";
    all(db, sql, [])
}

pub(super) fn deleted(db: &Connection, id: Uuid) -> Result<Option<DeletedVault>, LedgerError> {
    first(db, "SELECT * FROM deleted_vault WHERE id = ?1", [id.to_string()])
}

pub(super) const NAMED: &str = "SELECT * FROM vault
     WHERE name = ?1 AND resource_group = ?2 AND deleted_at IS NULL";

pub(super) fn named(
    db: &Connection,
    group: &str,
    name: &str,
) -> Result<Option<Vault>, LedgerError> {
    first(db, NAMED, [name, group])
}
