//! Who holds which role where.

use model::principal::Principal;
use model::role::{Assignment, Role, Scope, built_in};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::principals;
use super::record::{Record, Stored, all, any, first, run, run_on_one, time};
use crate::port::LedgerError;

impl Stored for Assignment {
    const TABLE: &'static str = "role_assignment";
    const KEY: &'static str = "name";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        let (group, vault) = (record.text("resource_group")?, record.text("vault")?);
        let scope = match (group.is_empty(), vault.is_empty()) {
            (true, _) => Scope::Subscription,
            (false, true) => Scope::Group(group),
            (false, false) => Scope::Vault { group, vault },
        };
        let role_of_id = |id: &str| Uuid::parse_str(id).ok().and_then(Role::by_id);
        Ok(Self {
            name: record.uuid("name")?,
            principal: record.uuid("principal")?,
            role: record.named("role", role_of_id)?,
            scope,
            created_at: record.time("created_at")?,
        })
    }
}

pub(super) fn create(db: &Connection, new: &Assignment) -> Result<(), LedgerError> {
    if any(db, "SELECT 1 FROM role_assignment WHERE name = ?1", [new.name.to_string()])? {
        return Err(LedgerError::AssignmentNameTaken);
    }
    let (group, vault) = (new.scope.group(), new.scope.vault());
    let values = params![
        new.name.to_string(),
        new.principal.to_string(),
        new.role.id.to_string(),
        group.unwrap_or_default(),
        vault.unwrap_or_default(),
        time(new.created_at),
    ];
    let added = run(
        db,
        "INSERT INTO role_assignment (name, principal, role, resource_group, vault, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (principal, role, resource_group, vault) DO NOTHING",
        values,
    )?;
    if added == 1 {
        return Ok(());
    }
    let same: Option<Assignment> = first(
        db,
        "SELECT * FROM role_assignment
         WHERE principal = ?1 AND role = ?2 AND resource_group = ?3 AND vault = ?4",
        params![
            new.principal.to_string(),
            new.role.id.to_string(),
            group.unwrap_or_default(),
            vault.unwrap_or_default(),
        ],
    )?;
    match same {
        Some(same) => Err(LedgerError::AssignmentExists { name: same.name }),
        None => Err(LedgerError::Missing),
    }
}

pub(super) fn list(db: &Connection) -> Result<Vec<Assignment>, LedgerError> {
    all(db, "SELECT * FROM role_assignment ORDER BY created_at, name", [])
}

pub(super) fn get(db: &Connection, name: Uuid) -> Result<Option<Assignment>, LedgerError> {
    first(db, "SELECT * FROM role_assignment WHERE name = ?1", [name.to_string()])
}

pub(super) fn delete(db: &Connection, name: Uuid) -> Result<(), LedgerError> {
    let delete = "DELETE FROM role_assignment WHERE name = ?1";
    keeping_an_owner(db, || run_on_one(db, delete, [name.to_string()]))
}

/// A principal, and all that it holds.
pub(super) fn access(
    db: &Connection,
    client_id: Uuid,
) -> Result<Option<(Principal, Vec<Assignment>)>, LedgerError> {
    let Some(principal) = principals::get(db, client_id)? else {
        return Ok(None);
    };
    let held = all(
        db,
        "SELECT * FROM role_assignment WHERE principal = ?1",
        [principal.object_id.to_string()],
    )?;
    Ok(Some((principal, held)))
}

/// Its assignments go with it: the table says so.
pub(super) fn delete_principal(db: &Connection, client_id: Uuid) -> Result<(), LedgerError> {
    let delete = "DELETE FROM principal WHERE client_id = ?1";
    keeping_an_owner(db, || run_on_one(db, delete, [client_id.to_string()]))
}

/// Makes a change, and fails, so that it is undone, where it took the subscription's last Owner.
fn keeping_an_owner(
    db: &Connection,
    change: impl FnOnce() -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let has_owner = || {
        let owners = "SELECT 1 FROM role_assignment WHERE role = ?1 AND resource_group = ''";
        any(db, owners, [built_in::OWNER.id.to_string()])
    };
    let had_one = has_owner()?;
    change()?;
    if had_one && !has_owner()? { Err(LedgerError::LastOwner) } else { Ok(()) }
}
