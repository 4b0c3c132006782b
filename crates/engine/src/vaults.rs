//! Vaults, their policies, and the resource groups that hold them.

use ledger::LedgerError;
use model::fault::{Code, Fault};
use model::policy::Policy;
use model::principal::ResourceGroup;
use model::vault::{Redundancy, Vault, VaultName};

use crate::Engine;
use crate::config::{check_group, check_region};
use crate::faults::OrFault;

/// What a new vault is to be.
#[derive(Debug, Clone)]
pub struct NewVault {
    /// Its name: 2 to 50 characters, a letter first, then letters, digits and hyphens.
    pub name: String,
    /// Its resource group, which must exist.
    pub resource_group: String,
    /// Its region.
    pub region: String,
    /// The copies wanted; `None` is what Azure gives: `GeoRedundant`.
    pub redundancy: Option<Redundancy>,
}

impl Engine {
    /// All resource groups, by name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn resource_groups(&self) -> Result<Vec<ResourceGroup>, Fault> {
        self.world.ledger.resource_groups().or_fault()
    }

    /// Makes a resource group, unless there is one of that name.
    ///
    /// # Errors
    ///
    /// `InvalidResourceName`, or the ledger failed.
    pub fn create_resource_group(&self, name: &str, region: &str) -> Result<ResourceGroup, Fault> {
        check_group(name).map_err(invalid_name)?;
        check_region(region).map_err(invalid_name)?;
        let group = ResourceGroup { name: name.to_owned(), region: region.to_owned() };
        self.world.ledger.put_resource_group(&group).or_fault()?;
        self.resource_group(name)
    }

    fn resource_group(&self, name: &str) -> Result<ResourceGroup, Fault> {
        let found = self.resource_groups()?;
        let mut found = found.into_iter();
        found.find(|group| group.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let message = format!("Resource group '{name}' could not be found.");
            Fault::new(Code::ResourceGroupNotFound, message)
        })
    }

    /// Makes a vault with its repository, its key and its default policy; or, where there is one of
    /// that name in the group, changes its redundancy to the one given.
    ///
    /// # Errors
    ///
    /// `InvalidResourceName`, `ResourceGroupNotFound`, `VaultCannotChange` where an existing vault
    /// is in another region; the store or the ledger failed.
    pub fn create_vault(&self, new: NewVault) -> Result<Vault, Fault> {
        let name = VaultName::new(&new.name)
            .map_err(|error| Fault::new(Code::InvalidResourceName, format!("{error}.")))?;
        check_region(&new.region).map_err(invalid_name)?;
        let group = self.resource_group(&new.resource_group)?;
        match self.find_vault(&group.name, name.as_str())? {
            Some(vault) => self.update_vault(vault, &new),
            None => self.insert_vault(name, group, new),
        }
    }

    fn update_vault(&self, mut vault: Vault, new: &NewVault) -> Result<Vault, Fault> {
        if !vault.region.eq_ignore_ascii_case(&new.region) {
            return Err(Fault::new(
                Code::VaultCannotChange,
                format!(
                    "Vault '{}' is in region '{}'; a vault cannot be moved to region '{}'.",
                    vault.name, vault.region, new.region
                ),
            ));
        }
        if let Some(redundancy) = new.redundancy {
            vault.redundancy = redundancy;
            self.world.ledger.update_vault(&vault).or_fault()?;
        }
        Ok(vault)
    }

    fn insert_vault(
        &self,
        name: VaultName,
        group: ResourceGroup,
        new: NewVault,
    ) -> Result<Vault, Fault> {
        let vault = Vault {
            id: model::seed::new_uuid(self.world.seed.as_ref()),
            name,
            resource_group: group.name,
            region: new.region.to_lowercase(),
            redundancy: new.redundancy.unwrap_or(Redundancy::GeoRedundant),
            created_at: self.world.clock.now(),
        };
        self.world.repositories.create(&vault.region, vault.id)?;
        match self.world.ledger.create_vault(&vault, &[Policy::default_of(vault.id)]) {
            Ok(()) => {
                tracing::info!(vault = %vault.name, region = vault.region, "vault created");
                Ok(vault)
            }
            // Somebody made it at the same moment: theirs counts.
            Err(LedgerError::VaultNameTaken) => {
                self.vault(&vault.resource_group, vault.name.as_str())
            }
            Err(error) => Err(error).or_fault(),
        }
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
        let matches = |vault: &Vault| {
            vault.resource_group.eq_ignore_ascii_case(group)
                && vault.name.as_str().eq_ignore_ascii_case(name)
        };
        Ok(self.vaults()?.into_iter().find(matches))
    }

    /// What the operator should know about a vault, in sentences.
    pub fn vault_warnings(&self, vault: &Vault) -> Vec<String> {
        match vault.redundancy {
            Redundancy::LocallyRedundant => Vec::new(),
            wanted => vec![format!(
                "No second copy: this vault is to be {}, but its data is in one store only. Copy \
                 {} elsewhere yourself, or set LocallyRedundant if one copy is meant.",
                wanted.azure_name(),
                self.world.config.repository_dir(&vault.region, vault.id).display()
            )],
        }
    }

    /// A vault's policies, by name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn policies(&self, vault: &Vault) -> Result<Vec<Policy>, Fault> {
        self.world.ledger.policies(vault.id).or_fault()
    }

    /// The vault's policy of this name, in any case of letters.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, or the ledger failed.
    pub fn policy(&self, vault: &Vault, name: &str) -> Result<Policy, Fault> {
        let mut policies = self.policies(vault)?.into_iter();
        policies.find(|policy| policy.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let message = format!("Vault '{}' has no backup policy '{name}'.", vault.name);
            Fault::new(Code::ResourceNotFound, message)
        })
    }
}

fn invalid_name(error: crate::config::InvalidName) -> Fault {
    Fault::new(Code::InvalidResourceName, format!("{error}."))
}
