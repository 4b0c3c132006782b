//! A vault's settings: what its operator wants of it. The names and the defaults are Azure's, as
//! its service gave them to a new vault in 2026.

/// The settings of a vault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VaultSettings {
    /// Whether what is deleted can be brought back for a while.
    pub soft_delete: SoftDelete,
    /// Whether points may be deleted before their time.
    pub immutability: Immutability,
    /// About what the operator wants to be told.
    pub alerts: Alerts,
    /// How costs are to be told apart. Stored and told back: nothing is charged here.
    pub cost_granularity: CostGranularity,
    /// Whether networks other than private ones may reach it. Stored and told back.
    pub public_network_access: PublicNetworkAccess,
    /// Whether its points may be restored into another subscription.
    pub cross_subscription_restore: CrossSubscriptionRestore,
}

/// For how many days deleted data can be brought back, at least. Source: Azure's "secure by
/// default" vaults of 2025.
pub const SOFT_DELETE_DAYS_MIN: u16 = 14;
/// For how many days deleted data can be brought back, at most.
pub const SOFT_DELETE_DAYS_MAX: u16 = 180;

/// Whether what is deleted can be brought back for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoftDelete {
    /// Whether it can.
    pub state: SoftDeleteState,
    /// The same for workloads that do not exist here. Stored and told back.
    pub enhanced: SoftDeleteState,
    /// For how long, in days, while it can.
    pub days: u16,
}

impl Default for SoftDelete {
    fn default() -> Self {
        let (state, enhanced) = (SoftDeleteState::AlwaysOn, SoftDeleteState::AlwaysOn);
        Self { state, enhanced, days: SOFT_DELETE_DAYS_MIN }
    }
}

impl SoftDelete {
    /// Whether what is deleted now can be brought back.
    pub const fn is_on(&self) -> bool {
        !matches!(self.state, SoftDeleteState::Disabled)
    }
}

/// An enum whose variants have names of Azure's.
macro_rules! named {
    (
        $(#[$doc:meta])* $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident = $azure:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Azure's name.
            pub const fn azure_name(self) -> &'static str {
                match self { $(Self::$variant => $azure,)+ }
            }

            /// The one with this Azure name, in any case of letters: clients differ.
            pub fn from_azure_name(name: &str) -> Option<Self> {
                let same = |one: &Self| one.azure_name().eq_ignore_ascii_case(name);
                Self::ALL.iter().copied().find(same)
            }
        }
    };
}

named! {
    /// Whether something is kept from being deleted at once.
    SoftDeleteState {
        /// No: what is deleted is gone.
        Disabled = "Disabled",
        /// Yes, until somebody switches it off.
        Enabled = "Enabled",
        /// Yes, and nobody can switch it off.
        #[default]
        AlwaysOn = "AlwaysON",
    }
}

named! {
    /// Whether points may be deleted before their time.
    Immutability {
        /// They may.
        #[default]
        Disabled = "Disabled",
        /// They may not, until somebody switches it off.
        Unlocked = "Unlocked",
        /// They may not, and nobody can switch it off.
        Locked = "Locked",
    }
}

impl Immutability {
    /// Whether points must be kept until their time.
    pub const fn is_on(self) -> bool {
        !matches!(self, Self::Disabled)
    }
}

named! {
    /// How costs are to be told apart.
    CostGranularity {
        /// By vault.
        #[default]
        Vault = "VaultLevel",
        /// By protected item.
        Item = "ProtectedItemLevel",
        /// By protected item, with the tags of what it protects.
        ItemWithTags = "ProtectedItemWithParentTag",
    }
}

named! {
    /// Whether networks other than private ones may reach a vault.
    PublicNetworkAccess {
        /// They may.
        #[default]
        Enabled = "Enabled",
        /// They should not.
        Disabled = "Disabled",
    }
}

named! {
    /// Whether a vault's points may be restored into another subscription.
    CrossSubscriptionRestore {
        /// They may.
        #[default]
        Enabled = "Enabled",
        /// They may not, until somebody allows it.
        Disabled = "Disabled",
        /// They may not, and nobody can allow it.
        PermanentlyDisabled = "PermanentlyDisabled",
    }
}

named! {
    /// Whether an alert is wanted.
    Alert {
        /// It is.
        #[default]
        Enabled = "Enabled",
        /// It is not.
        Disabled = "Disabled",
    }
}

/// About what the operator wants to be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alerts {
    /// Failed jobs.
    pub job_failures: Alert,
    /// Trouble with replication.
    pub replication_issues: Alert,
    /// Trouble with failover.
    pub failover_issues: Alert,
    /// Critical operations, by the alerts of old.
    pub critical_operations: Alert,
    /// Replication, by mail, by the alerts of old.
    pub site_recovery_mail: Alert,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_vault_has_azures_defaults() {
        let settings = VaultSettings::default();
        assert_eq!(settings.soft_delete.state.azure_name(), "AlwaysON");
        assert_eq!(settings.soft_delete.days, 14);
        assert!(settings.soft_delete.is_on() && !settings.immutability.is_on());
        assert_eq!(settings.alerts.job_failures, Alert::Enabled);
        assert_eq!(settings.cost_granularity.azure_name(), "VaultLevel");
        assert_eq!(settings.cross_subscription_restore.azure_name(), "Enabled");
    }

    #[test]
    fn names_are_read_in_any_case_of_letters() {
        let state = SoftDeleteState::from_azure_name;
        assert_eq!(state("alwaysOn"), Some(SoftDeleteState::AlwaysOn));
        assert_eq!(state("DISABLED"), Some(SoftDeleteState::Disabled));
        assert_eq!(state("Invalid"), None);
    }
}
