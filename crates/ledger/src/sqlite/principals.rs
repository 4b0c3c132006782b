//! Who may use the API: the tenancy, principals and resource groups.

use model::principal::{Principal, ResourceGroup, Tenancy};
use model::tags::Tags;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::record::{Record, Stored, all, any, first, json, run, run_on_one};
use crate::port::LedgerError;

impl Stored for Tenancy {
    const TABLE: &'static str = "tenancy";
    const KEY: &'static str = "only";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self { tenant: record.uuid("tenant")?, subscription: record.uuid("subscription")? })
    }
}

impl Stored for Principal {
    const TABLE: &'static str = "principal";
    const KEY: &'static str = "client_id";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            client_id: record.uuid("client_id")?,
            object_id: record.uuid("object_id")?,
            name: record.text("name")?,
            secret_hash: record.text("secret_hash")?,
        })
    }
}

impl Stored for ResourceGroup {
    const TABLE: &'static str = "resource_group";
    const KEY: &'static str = "name";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            name: record.text("name")?,
            region: record.text("region")?,
            tags: record.json("tags_json")?,
        })
    }
}

pub(super) fn tenancy(db: &Connection) -> Result<Option<Tenancy>, LedgerError> {
    first(db, "SELECT * FROM tenancy", [])
}

pub(super) fn set_tenancy(db: &Connection, new: Tenancy) -> Result<Tenancy, LedgerError> {
    run(
        db,
        "INSERT INTO tenancy (only, tenant, subscription) VALUES (1, ?1, ?2)
         ON CONFLICT (only) DO NOTHING",
        params![new.tenant.to_string(), new.subscription.to_string()],
    )?;
    tenancy(db)?.ok_or(LedgerError::Missing)
}

pub(super) fn put(db: &Connection, principal: &Principal) -> Result<(), LedgerError> {
    run(
        db,
        "INSERT INTO principal (client_id, object_id, name, secret_hash)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (client_id) DO UPDATE SET object_id = excluded.object_id,
             name = excluded.name, secret_hash = excluded.secret_hash",
        params![
            principal.client_id.to_string(),
            principal.object_id.to_string(),
            principal.name,
            principal.secret_hash,
        ],
    )?;
    Ok(())
}

pub(super) fn create(db: &Connection, principal: &Principal) -> Result<(), LedgerError> {
    if any(db, "SELECT 1 FROM principal WHERE name = ?1 COLLATE NOCASE", [&principal.name])? {
        return Err(LedgerError::PrincipalNameTaken);
    }
    put(db, principal)
}

pub(super) fn list(db: &Connection) -> Result<Vec<Principal>, LedgerError> {
    all(db, "SELECT * FROM principal ORDER BY name, client_id", [])
}

pub(super) fn get(db: &Connection, client_id: Uuid) -> Result<Option<Principal>, LedgerError> {
    first(db, "SELECT * FROM principal WHERE client_id = ?1", [client_id.to_string()])
}

pub(super) fn put_group(db: &Connection, group: &ResourceGroup) -> Result<(), LedgerError> {
    run(
        db,
        "INSERT INTO resource_group (name, region, tags_json) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO NOTHING",
        [&group.name, &group.region, &json(&group.tags)],
    )?;
    Ok(())
}

pub(super) fn tag_group(db: &Connection, name: &str, tags: &Tags) -> Result<(), LedgerError> {
    run_on_one(db, "UPDATE resource_group SET tags_json = ?2 WHERE name = ?1", [name, &json(tags)])
}

pub(super) fn delete_group(db: &Connection, name: &str) -> Result<(), LedgerError> {
    let vaults = "SELECT 1 FROM vault WHERE resource_group = ?1 AND deleted_at IS NULL";
    // A host's group is spelled as the group's record is, but that is no promise of the table's.
    let hosts = "SELECT 1 FROM host WHERE resource_group = ?1 COLLATE NOCASE";
    if any(db, vaults, [name])? || any(db, hosts, [name])? {
        return Err(LedgerError::InUse);
    }
    run_on_one(db, "DELETE FROM resource_group WHERE name = ?1", [name])
}

pub(super) fn groups(db: &Connection) -> Result<Vec<ResourceGroup>, LedgerError> {
    all(db, "SELECT * FROM resource_group ORDER BY name", [])
}
