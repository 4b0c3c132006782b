//! Vaults that are soft-deleted: out of sight, but not gone.

use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::vault::{DeletedVault, SoftDeletedVault, Vault};
use rules::vault::{names_out_of_sight, purge_time};

use super::purge;
use crate::Engine;
use crate::faults::OrFault;

/// A soft-deleted vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultOutOfSight {
    /// What it is called among those of its region: its own name, or, where several have that, with
    /// its id behind it.
    pub name: String,
    /// The vault, as it was and would be again.
    pub vault: Vault,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// When the last of its items is gone, and it with them.
    pub purge_at: Timestamp,
}

impl Engine {
    /// The soft-deleted vaults, by name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn vaults_out_of_sight(&self) -> Result<Vec<VaultOutOfSight>, Fault> {
        let found = self.world.ledger.soft_deleted_vaults().or_fault()?;
        let names = names_out_of_sight(&found);
        let described = |(SoftDeletedVault { vault, deleted_at }, name)| {
            let items = self.items(&vault)?;
            let purge_at = purge_time(deleted_at, &items);
            Ok(VaultOutOfSight { name, vault, deleted_at, purge_at })
        };
        found.into_iter().zip(names).map(described).collect()
    }

    /// The soft-deleted vault that is called so in this region, both in any case of letters.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, or the ledger failed.
    pub fn vault_out_of_sight(&self, region: &str, name: &str) -> Result<VaultOutOfSight, Fault> {
        let is_it = |it: &VaultOutOfSight| {
            it.vault.region.eq_ignore_ascii_case(region) && it.name.eq_ignore_ascii_case(name)
        };
        self.vaults_out_of_sight()?.into_iter().find(is_it).ok_or_else(|| {
            let message = format!("Region '{region}' has no soft-deleted vault '{name}'.");
            Fault::new(Code::ResourceNotFound, message)
        })
    }

    /// Brings a soft-deleted vault back, into this resource group. Its items stay deleted, and can
    /// be undeleted then; roles that were held on it do not come back.
    ///
    /// # Errors
    ///
    /// `ResourceGroupNotFound`; `VaultNameTaken` where the group has a vault of its name;
    /// `ResourceNotFound` where it is not soft-deleted any more; the ledger failed.
    pub fn undelete_vault(&self, deleted: &VaultOutOfSight, group: &str) -> Result<Vault, Fault> {
        let _alone = self.world.changing_tenancy();
        let group = self.resource_group(group)?.name;
        let vault = Vault { resource_group: group, ..deleted.vault.clone() };
        self.world.ledger.undelete_vault(vault.id, &vault.resource_group).or_fault()?;
        tracing::info!(vault = %vault.name, id = %vault.id, "vault undeleted");
        Ok(vault)
    }

    /// Lets a soft-deleted vault go for good before its time.
    ///
    /// # Errors
    ///
    /// `VaultHoldsData` while anything is in it; `ResourceNotFound` where it is not soft-deleted
    /// any more; its repository cannot be read, or the ledger failed.
    pub fn purge_vault(&self, deleted: &VaultOutOfSight) -> Result<DeletedVault, Fault> {
        purge(&self.world, &deleted.vault)
    }
}
