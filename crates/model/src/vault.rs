//! Vaults.

use jiff::Timestamp;
use uuid::Uuid;

use crate::tags::Tags;

mod settings;

pub use settings::{
    Alert, Alerts, CostGranularity, CrossSubscriptionRestore, Immutability, PublicNetworkAccess,
    SOFT_DELETE_DAYS_MAX, SOFT_DELETE_DAYS_MIN, SoftDelete, SoftDeleteState, VaultSettings,
};

/// A Recovery Services vault: a repository of its own in its region's store, with its own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    /// Names the vault's repository in the store, for ever.
    pub id: Uuid,
    /// Its name, unique in its resource group.
    pub name: VaultName,
    /// Its resource group.
    pub resource_group: String,
    /// Its region: only virtual machines of this region can be protected in it.
    pub region: String,
    /// How many copies of its data the operator wants. An intent: see [`Redundancy`].
    pub redundancy: Redundancy,
    /// What else its operator wants of it.
    pub settings: VaultSettings,
    /// What its operator marked it with.
    pub tags: Tags,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed: another moment for every version of it.
    pub changed_at: Timestamp,
}

/// A vault that was deleted while it held nothing but soft-deleted items. It is out of sight, but
/// can be brought back until the last of them is gone; then it goes, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftDeletedVault {
    /// The vault, as it was and would be again.
    pub vault: Vault,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}

/// A vault that was deleted for good. What it leaves behind is removed after the ledger has this
/// record of it, so that whatever interrupts the removal, somebody knows to go on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedVault {
    /// The vault's id, which names what is left of it.
    pub id: Uuid,
    /// Its name.
    pub name: VaultName,
    /// Its resource group.
    pub resource_group: String,
    /// Its region.
    pub region: String,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// When nothing was left of it any more; `None` while something may be.
    pub cleared_at: Option<Timestamp>,
}

/// The copies an operator wants of a vault's data.
///
/// This is an intent. Until a second copy exists, the API and the CLI warn of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redundancy {
    /// One store.
    LocallyRedundant,
    /// Copies in several failure domains.
    ZoneRedundant,
    /// A copy in the paired region's store too. What Azure gives a new vault.
    GeoRedundant,
}

impl Redundancy {
    /// Azure's name.
    pub const fn azure_name(self) -> &'static str {
        match self {
            Self::LocallyRedundant => "LocallyRedundant",
            Self::ZoneRedundant => "ZoneRedundant",
            Self::GeoRedundant => "GeoRedundant",
        }
    }

    /// The redundancy with this Azure name, in any case of letters.
    pub fn from_azure_name(name: &str) -> Option<Self> {
        [Self::LocallyRedundant, Self::ZoneRedundant, Self::GeoRedundant]
            .into_iter()
            .find(|redundancy| redundancy.azure_name().eq_ignore_ascii_case(name))
    }
}

/// A vault's name: 2 to 50 characters, a letter first, then letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VaultName(String);

/// The name cannot be a vault's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{name}' cannot be a vault's name: it takes 2 to 50 characters, a letter first, then letters, \
     digits and hyphens"
)]
pub struct InvalidVaultName {
    /// The refused name.
    pub name: String,
}

impl VaultName {
    /// Checks the name.
    ///
    /// # Errors
    ///
    /// The name breaks the rule above, which is Azure's.
    pub fn new(name: &str) -> Result<Self, InvalidVaultName> {
        let letter_first = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if (2..=50).contains(&name.len()) && letter_first && name.chars().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidVaultName { name: name.to_owned() })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for VaultName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_ends_of_the_rule() {
        let longest = format!("v{}", "x".repeat(49));
        for good in ["v1", "Vault-1", "a-", longest.as_str()] {
            assert!(VaultName::new(good).is_ok(), "{good}");
        }
        let too_long = format!("v{}", "x".repeat(50));
        for bad in ["", "v", "1v", "-v", "v_1", "v 1", "väult", "v/1", too_long.as_str()] {
            assert!(VaultName::new(bad).is_err(), "{bad}");
        }
    }
}
