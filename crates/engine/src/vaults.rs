//! Vaults.

use std::sync::Arc;

use jiff::SignedDuration;
use ledger::LedgerError;
use model::fault::{Code, Fault};
use model::policy::Policy;
use model::principal::ResourceGroup;
use model::tags::Tags;
use model::vault::{
    DeletedVault, PublicNetworkAccess, Redundancy, Vault, VaultName, VaultSettings,
};
use rules::tags;
use rules::vault::{self, Change, Standing};
use uuid::Uuid;

use crate::Engine;
use crate::config::check_region;
use crate::faults::OrFault;
use crate::hosts::Connected;
use crate::world::World;

mod delete;
mod out_of_sight;
mod plan;

pub use delete::VaultEnd;
pub(crate) use delete::{delete, finish, finish_later, may_delete, purge};
pub use out_of_sight::VaultOutOfSight;

/// What a new vault is to be.
#[derive(Debug, Clone)]
pub struct NewVault {
    /// Its name: 2 to 50 characters, a letter first, then letters, digits and hyphens.
    pub name: String,
    /// Its resource group, which must exist.
    pub resource_group: String,
    /// Its region.
    pub region: String,
    /// Its settings and tags. What is not named is what Azure gives.
    pub wanted: Change,
}

/// Which version of a vault a change is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Whichever there is when the change is made.
    Any,
    /// The one that was read, and no other.
    AsRead,
}

/// How much is in a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaultUsage {
    /// Items, soft-deleted ones included.
    pub items: u64,
    /// Of them, soft-deleted ones.
    pub deleted_items: u64,
    /// Recovery points.
    pub points: u64,
    /// Sizes of the disks of all points, in bytes.
    pub logical_bytes: u64,
    /// Sizes of the packs in the store, in bytes.
    pub stored_bytes: u64,
}

impl Engine {
    /// Makes a vault with its repository, its key and its first policies; or, where there is one of
    /// that name in the group, changes it. Whether it was made is the second value.
    ///
    /// # Errors
    ///
    /// `InvalidResourceName`, `ResourceGroupNotFound`, what [`rules::vault::changed`] refuses; the
    /// store or the ledger failed.
    pub fn create_vault(&self, new: NewVault) -> Result<(Vault, bool), Fault> {
        let name = VaultName::new(&new.name)
            .map_err(|error| Fault::new(Code::InvalidResourceName, format!("{error}.")))?;
        check_region(&new.region).map_err(invalid_name)?;
        let alone = self.world.changing_tenancy();
        let group = self.resource_group(&new.resource_group)?;
        match self.find_vault(&group.name, name.as_str())? {
            Some(vault) => {
                drop(alone);
                let changed =
                    self.change_vault(&vault, Some(&new.region), &new.wanted, Strictness::Any)?;
                Ok((changed, false))
            }
            None => Ok((self.insert_vault(name, group, new)?, true)),
        }
    }

    /// Changes a vault's settings and tags. `region` is the one that the client believes it to be
    /// in.
    ///
    /// # Errors
    ///
    /// `VaultCannotChange` where that is another one, what [`rules::vault::changed`] refuses,
    /// `PreconditionFailed` where the vault is not the one that was read and must be; the ledger
    /// failed.
    pub fn change_vault(
        &self,
        read: &Vault,
        region: Option<&str>,
        wanted: &Change,
        strictness: Strictness,
    ) -> Result<Vault, Fault> {
        let ledger = &self.world.ledger;
        let mut vault = read.clone();
        loop {
            in_region(&vault, region)?;
            let has_items = !ledger.items(Some(vault.id)).or_fault()?.is_empty();
            let standing = Standing::There { has_items };
            let mut changed = vault::changed(&vault, standing, wanted.clone())?;
            if changed == vault {
                return Ok(vault);
            }
            // Another moment for every version, also on a clock that stands or goes back.
            let next = vault.changed_at + SignedDuration::from_nanos(1);
            changed.changed_at = self.world.clock.now().max(next);
            match ledger.update_vault(&changed, vault.changed_at) {
                Err(LedgerError::Changed) if strictness == Strictness::Any => {
                    vault = self.vault(&vault.resource_group, vault.name.as_str())?;
                }
                answer => return answer.or_fault().map(|()| changed),
            }
        }
    }

    /// Changes a vault's tags.
    ///
    /// # Errors
    ///
    /// `InvalidTags`, or the ledger failed.
    pub fn tag_vault(
        &self,
        vault: &Vault,
        change: tags::Change,
        given: Tags,
    ) -> Result<Vault, Fault> {
        let tags = tags::changed(&vault.tags, change, given)?;
        let wanted = Change { tags: Some(tags), ..Change::default() };
        self.change_vault(vault, None, &wanted, Strictness::Any)
    }

    fn insert_vault(
        &self,
        name: VaultName,
        group: ResourceGroup,
        new: NewVault,
    ) -> Result<Vault, Fault> {
        let now = self.world.clock.now();
        let vault = Vault {
            id: model::seed::new_uuid(self.world.seed.as_ref()),
            name,
            resource_group: group.name,
            region: new.region.to_lowercase(),
            redundancy: Redundancy::GeoRedundant,
            settings: VaultSettings::default(),
            tags: Tags::new(),
            created_at: now,
            changed_at: now,
        };
        let vault = vault::changed(&vault, Standing::New, new.wanted)?;
        self.world.repositories.create(&vault.region, vault.id)?;
        self.world.ledger.create_vault(&vault, &Policy::first_of(&vault)).or_fault()?;
        tracing::info!(vault = %vault.name, region = vault.region, "vault created");
        Ok(vault)
    }

    /// Deletes a vault: for good, with its policies, its ended jobs and its repository; or, where
    /// it holds nothing but soft-deleted items, until the last of them is gone.
    ///
    /// # Errors
    ///
    /// `VaultNotEmpty` while it holds items or its jobs run; `VaultHoldsData` while it holds
    /// soft-deleted items and its soft delete is off, or points that no item accounts for; its
    /// repository cannot be read, or the ledger failed.
    pub fn delete_vault(&self, vault: &Vault) -> Result<VaultEnd, Fault> {
        let alone = self.world.changing_tenancy();
        let deleted = delete::delete(&self.world, vault)?;
        drop(alone);
        delete::finish(&self.world, &deleted);
        Ok(deleted)
    }

    /// The vault with this id that was deleted for good.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn deleted_vault(&self, id: Uuid) -> Result<Option<DeletedVault>, Fault> {
        self.world.ledger.deleted_vault(id).or_fault()
    }

    /// How much is in a vault.
    ///
    /// # Errors
    ///
    /// The ledger failed, or the repository cannot be read.
    pub fn vault_usage(&self, vault: &Vault) -> Result<VaultUsage, Fault> {
        let items = self.items(vault)?;
        let deleted = items.iter().filter(|item| item.deletion.is_some()).count();
        let stats = self.world.repositories.of(vault)?.stats().or_fault()?;
        Ok(VaultUsage {
            items: items.len() as u64,
            deleted_items: deleted as u64,
            points: stats.points,
            logical_bytes: stats.logical_bytes,
            stored_bytes: stats.stored_bytes,
        })
    }

    /// All vaults, by name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn vaults(&self) -> Result<Vec<Vault>, Fault> {
        self.world.ledger.vaults().or_fault()
    }

    /// The vault of this name in this group, both in any case of letters.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, or the ledger failed.
    pub fn vault(&self, group: &str, name: &str) -> Result<Vault, Fault> {
        self.find_vault(group, name)?.ok_or_else(|| {
            let message = format!(
                "The Resource 'Microsoft.RecoveryServices/vaults/{name}' under resource group \
                 '{group}' was not found."
            );
            Fault::new(Code::ResourceNotFound, message)
        })
    }

    fn find_vault(&self, group: &str, name: &str) -> Result<Option<Vault>, Fault> {
        self.world.ledger.vault_named(group, name).or_fault()
    }

    /// What the operator should know about a vault, in sentences.
    pub fn vault_warnings(&self, vault: &Vault) -> Vec<String> {
        warnings(&self.world, vault)
    }
}

/// What the operator should know about a vault, in sentences.
pub(crate) fn warnings(world: &World, vault: &Vault) -> Vec<String> {
    let mut warnings = Vec::new();
    if vault.redundancy != Redundancy::LocallyRedundant {
        warnings.push(format!(
            "No second copy: this vault is to be {}, but its data is in one store only. Copy \
             {} elsewhere yourself, or set LocallyRedundant if one copy is meant.",
            vault.redundancy.azure_name(),
            world.config.repository_dir(&vault.region, vault.id).display()
        ));
    }
    let here =
        |connected: &Arc<Connected>| connected.host.region.eq_ignore_ascii_case(&vault.region);
    if !world.hosts.all().iter().any(here) {
        warnings.push(format!(
            "No host is in region '{}', so there is no virtual machine that this vault could \
             protect: register a host there, or make a vault in another region.",
            vault.region
        ));
    }
    if vault.settings.public_network_access == PublicNetworkAccess::Disabled {
        warnings.push(
            "Public network access is to be Disabled, but the API answers on every network \
             that reaches its address: choose another one with --listen."
                .to_owned(),
        );
    }
    warnings
}

/// Whether a vault is in the region that a client believes it to be in.
fn in_region(vault: &Vault, region: Option<&str>) -> Result<(), Fault> {
    match region {
        Some(region) if !region.eq_ignore_ascii_case(&vault.region) => {
            let message = format!(
                "Vault '{}' is in region '{}'; a vault cannot be moved to region '{region}'.",
                vault.name, vault.region
            );
            Err(Fault::new(Code::VaultCannotChange, message))
        }
        _ => Ok(()),
    }
}

fn invalid_name(error: crate::config::InvalidName) -> Fault {
    Fault::new(Code::InvalidResourceName, format!("{error}."))
}
