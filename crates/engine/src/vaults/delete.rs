//! How a vault is deleted.
//!
//! ```text
//! 1. rules: nothing is in it, by the ledger and by its repository's own log
//! 2. the ledger: no vault any more, but a record that something is left of it
//! 3. its repository is looked at again, and renamed: STORE/<vault> → STORE/<vault>.deleted
//! 4. the renamed directory is removed
//! 5. its key file is renamed: keys/<vault>.key → keys/<vault>.key.deleted
//! 6. the ledger: nothing is left
//! ```
//!
//! Nothing is removed before step 2. Whatever interrupts the steps after it, the next start goes on
//! from step 3: each can be done again. A repository in which points have appeared since step 1, by
//! somebody who works on the store alone, is not renamed, and what is not renamed is not removed.
//!
//! A vault that holds nothing but soft-deleted items is put out of sight by one transaction of the
//! ledger, and nothing of it is touched. It goes by the steps above once the last of them is gone.
//!
//! The key stays, under another name: who copied the repository elsewhere needs it. It is small,
//! and nothing else opens such a copy.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use ledger::LedgerError;
use ledger::port::JobQuery;
use model::fault::{Code, Fault};
use model::vault::{DeletedVault, SoftDeletedVault, Vault};
use rules::vault::{self as verdict, Contents, Ending};
use uuid::Uuid;

use crate::faults::OrFault;
use crate::world::World;

/// What deleting a vault made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultEnd {
    /// It is gone.
    ForGood(DeletedVault),
    /// It can be brought back until the last of its items is gone.
    SoftDeleted(SoftDeletedVault),
}

impl VaultEnd {
    /// The vault's id.
    pub fn id(&self) -> Uuid {
        match self {
            Self::ForGood(deleted) => deleted.id,
            Self::SoftDeleted(deleted) => deleted.vault.id,
        }
    }
}

/// Whether a vault may be deleted now, and what that would make of it.
pub(crate) fn may_delete(world: &World, vault: &Vault) -> Result<Ending, Fault> {
    let items = world.ledger.items(Some(vault.id)).or_fault()?;
    let query = JobQuery { vault: Some(vault.id), unfinished: true, ..JobQuery::default() };
    let unended_jobs = world.ledger.jobs(query).or_fault()?.len();
    // Where there are items, that is the answer, and their repository need not be read for it.
    let points = match items.is_empty() {
        true => points_in(world, &vault.region, vault.id, vault.name.as_str())?,
        false => 0,
    };
    verdict::may_delete(vault, Contents { items: &items, unended_jobs, points })
}

/// Deletes a vault: steps 1 and 2, or puts it out of sight. To be called while nobody makes or
/// deletes vaults; [`finish`] is to follow, and may take its time.
pub(crate) fn delete(world: &World, vault: &Vault) -> Result<VaultEnd, Fault> {
    match may_delete(world, vault)? {
        Ending::ForGood => take_out(world, vault).map(VaultEnd::ForGood),
        Ending::SoftDeleted => {
            let deleted_at = world.clock.now();
            unless_in_use(world, vault, world.ledger.soft_delete_vault(vault.id, deleted_at))?;
            tracing::info!(vault = %vault.name, id = %vault.id, "vault soft-deleted");
            Ok(VaultEnd::SoftDeleted(SoftDeletedVault { vault: vault.clone(), deleted_at }))
        }
    }
}

/// Lets a soft-deleted vault go for good, if nothing is in it.
pub(crate) fn purge(world: &World, vault: &Vault) -> Result<DeletedVault, Fault> {
    let alone = world.changing_tenancy();
    let out_of_sight = world.ledger.soft_deleted_vaults().or_fault()?;
    if !out_of_sight.iter().any(|it| it.vault.id == vault.id) {
        let message = format!("Vault '{}' is not soft-deleted any more.", vault.name);
        return Err(Fault::new(Code::ResourceNotFound, message));
    }
    let items = world.ledger.items(Some(vault.id)).or_fault()?;
    let points = match items.is_empty() {
        true => points_in(world, &vault.region, vault.id, vault.name.as_str())?,
        false => 0,
    };
    verdict::may_purge(vault, Contents { items: &items, unended_jobs: 0, points })?;
    let deleted = take_out(world, vault)?;
    drop(alone);
    finish(world, &VaultEnd::ForGood(deleted.clone()));
    Ok(deleted)
}

/// Takes a vault out of the ledger.
fn take_out(world: &World, vault: &Vault) -> Result<DeletedVault, Fault> {
    let deleted = DeletedVault {
        id: vault.id,
        name: vault.name.clone(),
        resource_group: vault.resource_group.clone(),
        region: vault.region.clone(),
        deleted_at: world.clock.now(),
        cleared_at: None,
    };
    unless_in_use(world, vault, world.ledger.delete_vault(&deleted))?;
    tracing::info!(vault = %vault.name, id = %vault.id, "vault deleted");
    Ok(deleted)
}

/// The ledger's answer; where somebody enabled a virtual machine at the same moment, that is why
/// not.
fn unless_in_use(
    world: &World,
    vault: &Vault,
    answer: Result<(), LedgerError>,
) -> Result<(), Fault> {
    match answer {
        Err(LedgerError::InUse) => {
            may_delete(world, vault)?;
            let message = format!("Vault '{}' is in use.", vault.name);
            Err(Fault::new(Code::VaultNotEmpty, message))
        }
        answer => answer.or_fault(),
    }
}

/// Removes what is left of a deleted vault. What cannot be removed now, the next start tries again:
/// the vault is deleted either way.
pub(crate) fn finish(world: &World, end: &VaultEnd) {
    let VaultEnd::ForGood(deleted) = end else {
        return;
    };
    if let Err(fault) = clear(world, deleted) {
        let (vault, code) = (&deleted.name, fault.code.name());
        tracing::error!(%vault, code, "deleted, but not gone: {}", fault.message);
    }
}

/// As [`finish`], for who kept it from being done at once.
pub(crate) fn finish_later(world: &World, id: Uuid) {
    match world.ledger.deleted_vault(id).or_fault() {
        Ok(Some(deleted)) => finish(world, &VaultEnd::ForGood(deleted)),
        Ok(None) => {}
        Err(fault) => tracing::error!(%id, %fault, "deleted, but not gone"),
    }
}

/// Removes what is left of a deleted vault, and notes that nothing is: steps 3 to 6. Not now, where
/// retention has it in hand: it calls [`finish_later`].
fn clear(world: &World, deleted: &DeletedVault) -> Result<(), Fault> {
    let (config, id) = (&world.config, deleted.id);
    if world.retention.removes_later(id) {
        return Ok(());
    }
    let here = config.repository_dir(&deleted.region, id);
    let aside = config.removed_repository_dir(&deleted.region, id);
    remove(&aside).map_err(|error| failed("remove", &aside, &error))?;
    if here.exists() {
        let points = points_in(world, &deleted.region, id, deleted.name.as_str())?;
        if points > 0 {
            let message = format!(
                "The repository {} of the deleted vault '{}' has {points} recovery points that \
                 nobody knew of when it was deleted. It stays.",
                here.display(),
                deleted.name
            );
            return Err(Fault::new(Code::VaultHoldsData, message));
        }
        world.repositories.forget(id);
        rename(&here, &aside).map_err(|error| failed("rename", &here, &error))?;
        remove(&aside).map_err(|error| failed("remove", &aside, &error))?;
    }
    for directory in [config.exports_dir(id), config.caches_dir().join(id.to_string())] {
        remove(&directory).map_err(|error| failed("remove", &directory, &error))?;
    }
    let key = config.key_file(id);
    if key.exists() {
        let retired = config.retired_key_file(id);
        rename(&key, &retired).map_err(|error| failed("rename", &key, &error))?;
    }
    world.ledger.vault_cleared(id, world.clock.now()).or_fault()
}

/// How many points the repository's own log tells of: none, where there is no repository.
///
/// # Errors
///
/// It cannot be told: the key does not open it, its log is damaged, or a writer of `holdfast repo`
/// may be about to commit one.
fn points_in(world: &World, region: &str, id: Uuid, name: &str) -> Result<usize, Fault> {
    let directory = world.config.repository_dir(region, id);
    if !directory.exists() {
        return Ok(0);
    }
    let unsure = |fault: Fault| {
        let message = format!(
            "Vault '{name}' is not deleted, because it cannot be told whether its repository {} \
             holds recovery points. {}",
            directory.display(),
            fault.message
        );
        Fault::new(fault.code, message)
    };
    let contents = world.repositories.contents(region, id, name).map_err(unsure)?;
    match contents.sessions.first() {
        Some(writer) if contents.points == 0 => {
            let message = format!(
                "Vault '{name}' is not deleted: '{}' has been writing into its repository since \
                 {} and may commit a recovery point. If that writer is dead, say so with \
                 `holdfast repo collect --dead-session`.",
                writer.actor, writer.opened_at
            );
            Err(Fault::new(Code::VaultHoldsData, message))
        }
        _ => Ok(contents.points),
    }
}

/// Removes a directory with all that is in it, if it is there.
fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_parent(directory)),
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).and_then(|()| sync_parent(to))
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Fault {
    let message = format!("Could not {what} {}: {error}.", path.display());
    Fault::new(Code::StoreUnavailable, message)
}
