//! Protected items.

use model::item::{Item, LastBackup, ProtectionState};
use rusqlite::{Connection, ToSql, named_params};
use uuid::Uuid;

use super::record::{Record, Stored, all, any, first, json, limit, rows, run, run_on_one, time};
use super::vaults;
use crate::port::{ItemQuery, LedgerError};

impl Stored for Item {
    const TABLE: &'static str = "item";
    const KEY: &'static str = "id";

    fn read(record: &Record<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            id: record.uuid("id")?,
            vault: record.uuid("vault")?,
            vm: record.uuid("vm")?,
            vm_name: record.text("vm_name")?,
            vm_resource_group: record.text("vm_resource_group")?,
            policy: record.text_if_any("policy")?,
            state: record.named("state", ProtectionState::from_azure_name)?,
            deletion: record.json_if_any("deletion_json")?,
            disks: record.json("disks_json")?,
            last_backup: record.json_if_any("last_backup_json")?,
            chain: record.json_if_any("chain_json")?,
            created_at: record.time("created_at")?,
        })
    }
}

/// Calls `write` with the item's columns as named parameters.
fn with_columns<T>(item: &Item, write: impl FnOnce(&[(&str, &dyn ToSql)]) -> T) -> T {
    write(named_params! {
        ":id": item.id.to_string(),
        ":vault": item.vault.to_string(),
        ":vm": item.vm.to_string(),
        ":vm_name": item.vm_name,
        ":vm_resource_group": item.vm_resource_group,
        ":policy": item.policy,
        ":state": item.state.azure_name(),
        ":deletion": item.deletion.as_ref().map(json),
        ":disks": json(&item.disks),
        ":last_backup": item.last_backup.as_ref().map(json),
        ":chain": item.chain.as_ref().map(json),
        ":created_at": time(item.created_at),
    })
}

pub(super) fn create(db: &Connection, item: &Item) -> Result<(), LedgerError> {
    if let Some(holder) = of_vm(db, item.vm)? {
        return Err(LedgerError::VmTaken { vault: holder.vault });
    }
    vaults::is_in_sight(db, item.vault)?;
    let sql = "INSERT INTO item (id, vault, vm, vm_name, vm_resource_group, policy, state,
             deletion_json, disks_json, last_backup_json, chain_json, created_at)
         VALUES (:id, :vault, :vm, :vm_name, :vm_resource_group, :policy, :state, :deletion,
             :disks, :last_backup, :chain, :created_at)";
    with_columns(item, |columns| run(db, sql, columns))?;
    Ok(())
}

pub(super) fn update(db: &Connection, item: &Item) -> Result<(), LedgerError> {
    if let Some(holder) = of_vm(db, item.vm)?.filter(|holder| holder.id != item.id) {
        return Err(LedgerError::VmTaken { vault: holder.vault });
    }
    let sql = "UPDATE item SET vault = :vault, vm = :vm, vm_name = :vm_name,
             vm_resource_group = :vm_resource_group, policy = :policy, state = :state,
             deletion_json = :deletion, disks_json = :disks, last_backup_json = :last_backup,
             chain_json = :chain, created_at = :created_at
         WHERE id = :id";
    with_columns(item, |columns| run_on_one(db, sql, columns))
}

/// What a backup that got through changes of its item.
pub(super) fn record_backup(db: &Connection, item: &Item) -> Result<(), LedgerError> {
    let sql = "UPDATE item SET last_backup_json = ?2, chain_json = ?3,
             state = CASE state WHEN 'IRPending' THEN ?4 ELSE state END
         WHERE id = ?1";
    let last = item.last_backup.as_ref().map(json);
    let chain = item.chain.as_ref().map(json);
    run_on_one(db, sql, (item.id.to_string(), last, chain, item.state.azure_name()))
}

/// What a backup that did not get through changes of its item, if that is still there.
pub(super) fn note_backup(db: &Connection, id: Uuid, last: &LastBackup) -> Result<(), LedgerError> {
    let sql = "UPDATE item SET last_backup_json = ?2 WHERE id = ?1";
    run(db, sql, [id.to_string(), json(last)]).map(drop)
}

/// Takes an item out that is being purged, with its points; what is not there any more is as it
/// should be.
pub(super) fn remove(db: &Connection, id: Uuid) -> Result<(), LedgerError> {
    let Some(item) = get(db, id)? else {
        return Ok(());
    };
    if !item.deletion.is_some_and(|deletion| deletion.purging) {
        return Err(LedgerError::ItemChanged);
    }
    run(db, "DELETE FROM point WHERE item = ?1", [id.to_string()])?;
    run_on_one(db, "DELETE FROM item WHERE id = ?1", [id.to_string()])
}

pub(super) const LIST: &str = "SELECT * FROM item ORDER BY vm_name, id";
pub(super) const LIST_OF_VAULT: &str = "SELECT * FROM item WHERE vault = ?1 ORDER BY vm_name, id";

pub(super) fn list(db: &Connection, vault: Option<Uuid>) -> Result<Vec<Item>, LedgerError> {
    match vault {
        Some(vault) => all(db, LIST_OF_VAULT, [vault.to_string()]),
        None => all(db, LIST, []),
    }
}

/// The text of a list, its parameters named after the columns; conditions that are not asked for
/// are left out.
pub(super) fn find_sql(query: &ItemQuery) -> String {
    let conditions = [
        query.vm_name.as_ref().map(|_| " AND vm_name = :vm_name"),
        query.policy.as_ref().map(|_| " AND policy = :policy"),
        query.after.as_ref().map(|_| " AND (vm_name, id) > (:after_name, :after_id)"),
    ];
    let conditions: String = conditions.into_iter().flatten().collect();
    format!("SELECT * FROM item WHERE vault = :vault{conditions} ORDER BY vm_name, id LIMIT :limit")
}

pub(super) fn find(db: &Connection, query: &ItemQuery) -> Result<Vec<Item>, LedgerError> {
    let (vault, limit) = (query.vault.to_string(), limit(query.limit));
    let after = query.after.as_ref().map(|(name, id)| (name, id.to_string()));
    let mut params: Vec<(&str, &dyn ToSql)> = vec![(":vault", &vault), (":limit", &limit)];
    params.extend(query.vm_name.as_ref().map(|name| (":vm_name", name as &dyn ToSql)));
    params.extend(query.policy.as_ref().map(|name| (":policy", name as &dyn ToSql)));
    if let Some((name, id)) = &after {
        params.extend([(":after_name", *name as &dyn ToSql), (":after_id", id)]);
    }
    all(db, &find_sql(query), params.as_slice())
}

pub(super) fn vms(db: &Connection) -> Result<Vec<Uuid>, LedgerError> {
    let texts: Vec<(String, String)> =
        rows(db, "SELECT id, vm FROM item", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let vm = |(key, vm): (String, String)| {
        Uuid::parse_str(&vm).map_err(|error| {
            let what = format!("vm: {error}");
            LedgerError::Damaged { table: Item::TABLE, key, what }
        })
    };
    texts.into_iter().map(vm).collect()
}

pub(super) const NAMED: &str = "SELECT * FROM item
     WHERE vault = ?1 AND vm_name = ?2 AND vm_resource_group = ?3 ORDER BY id";

pub(super) fn named(
    db: &Connection,
    vault: Uuid,
    group: &str,
    vm: &str,
) -> Result<Option<Item>, LedgerError> {
    first(db, NAMED, [vault.to_string().as_str(), vm, group])
}

/// Whether backups of this item may not begin: its protection is stopped, or it is deleted.
pub(super) fn is_closed(db: &Connection, id: Uuid) -> Result<bool, LedgerError> {
    let sql = "SELECT 1 FROM item WHERE id = ?1 AND (deletion_json IS NOT NULL
         OR state IN ('ProtectionStopped', 'BackupsSuspended'))";
    any(db, sql, [id.to_string()])
}

/// Whether the item is there.
pub(super) fn exists(db: &Connection, id: Uuid) -> Result<bool, LedgerError> {
    any(db, "SELECT 1 FROM item WHERE id = ?1", [id.to_string()])
}

pub(super) fn get(db: &Connection, id: Uuid) -> Result<Option<Item>, LedgerError> {
    first(db, "SELECT * FROM item WHERE id = ?1", [id.to_string()])
}

pub(super) fn of_vm(db: &Connection, vm: Uuid) -> Result<Option<Item>, LedgerError> {
    first(db, "SELECT * FROM item WHERE vm = ?1", [vm.to_string()])
}
