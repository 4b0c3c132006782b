//! What a vault's settings look like in their column. A setting that is missing there is older than
//! the setting itself, and is Azure's default; one that is there and means nothing is damage.

use model::vault::{
    Alert, Alerts, CostGranularity, CrossSubscriptionRestore, Immutability, PublicNetworkAccess,
    SoftDelete, SoftDeleteState, VaultSettings,
};
use serde::{Deserialize, Serialize};

use super::json::{Nested, Unknown};

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SettingsRow {
    soft_delete: Option<String>,
    enhanced_security: Option<String>,
    soft_delete_days: Option<u16>,
    immutability: Option<String>,
    job_failures: Option<String>,
    replication_issues: Option<String>,
    failover_issues: Option<String>,
    critical_operations: Option<String>,
    site_recovery_mail: Option<String>,
    cost_granularity: Option<String>,
    public_network_access: Option<String>,
    cross_subscription_restore: Option<String>,
}

impl Nested for VaultSettings {
    type Row = SettingsRow;

    fn to_row(&self) -> SettingsRow {
        let name = |azure: &str| Some(azure.to_owned());
        let alerts = self.alerts;
        SettingsRow {
            soft_delete: name(self.soft_delete.state.azure_name()),
            enhanced_security: name(self.soft_delete.enhanced.azure_name()),
            soft_delete_days: Some(self.soft_delete.days),
            immutability: name(self.immutability.azure_name()),
            job_failures: name(alerts.job_failures.azure_name()),
            replication_issues: name(alerts.replication_issues.azure_name()),
            failover_issues: name(alerts.failover_issues.azure_name()),
            critical_operations: name(alerts.critical_operations.azure_name()),
            site_recovery_mail: name(alerts.site_recovery_mail.azure_name()),
            cost_granularity: name(self.cost_granularity.azure_name()),
            public_network_access: name(self.public_network_access.azure_name()),
            cross_subscription_restore: name(self.cross_subscription_restore.azure_name()),
        }
    }

    fn from_row(row: SettingsRow) -> Result<Self, Unknown> {
        let days = SoftDelete::default().days;
        Ok(Self {
            soft_delete: SoftDelete {
                state: setting(row.soft_delete, SoftDeleteState::from_azure_name)?,
                enhanced: setting(row.enhanced_security, SoftDeleteState::from_azure_name)?,
                days: row.soft_delete_days.unwrap_or(days),
            },
            immutability: setting(row.immutability, Immutability::from_azure_name)?,
            alerts: Alerts {
                job_failures: setting(row.job_failures, Alert::from_azure_name)?,
                replication_issues: setting(row.replication_issues, Alert::from_azure_name)?,
                failover_issues: setting(row.failover_issues, Alert::from_azure_name)?,
                critical_operations: setting(row.critical_operations, Alert::from_azure_name)?,
                site_recovery_mail: setting(row.site_recovery_mail, Alert::from_azure_name)?,
            },
            cost_granularity: setting(row.cost_granularity, CostGranularity::from_azure_name)?,
            public_network_access: setting(
                row.public_network_access,
                PublicNetworkAccess::from_azure_name,
            )?,
            cross_subscription_restore: setting(
                row.cross_subscription_restore,
                CrossSubscriptionRestore::from_azure_name,
            )?,
        })
    }
}

fn setting<T: Default>(
    name: Option<String>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Unknown> {
    match name {
        None => Ok(T::default()),
        Some(name) => parse(&name).ok_or(Unknown::Setting { name }),
    }
}
