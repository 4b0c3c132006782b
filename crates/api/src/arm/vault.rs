//! Vaults: `Microsoft.RecoveryServices/vaults`.
//!
//! The settings are the operator's, told back as they were given. What a vault here does not have
//! is told as what is true: nothing replicates, no second person is asked, nothing is scanned.

use model::arm_id;
use model::vault::{Alerts, Immutability, Redundancy, SoftDelete, Vault as ModelVault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Resource, Sku};

mod request;

pub use request::{
    AlertsRequest, ClassicAlertsRequest, CrossSubscriptionRequest, IdentityRequest,
    ImmutabilityRequest, ImmutabilityRequestConfiguration, MonitoringRequest,
    RestoreRequestSettings, SecurityRequest, SoftDeleteRequest, VaultRequest,
    VaultRequestProperties,
};

/// The resource type of vaults.
pub const KIND: &str = "Microsoft.RecoveryServices/vaults";

/// A vault.
pub type Vault = Resource<VaultProperties>;

/// The properties of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultProperties {
    /// `Succeeded`: creating a vault takes no time.
    pub provisioning_state: String,
    /// Private endpoints for backup: `None`.
    pub private_endpoint_state_for_backup: String,
    /// Private endpoints for replication: `None`.
    pub private_endpoint_state_for_site_recovery: String,
    /// Which alerts it sends.
    pub monitoring_settings: MonitoringSettings,
    /// How its cost is counted.
    pub cost_management_settings: CostManagementSettings,
    /// How its data is protected from deletion.
    pub security_settings: SecuritySettings,
    /// How many copies of its data are wanted.
    pub redundancy_settings: RedundancySettings,
    /// Who may reach it over the network.
    pub public_network_access: String,
    /// Where its points may be restored to.
    pub restore_settings: RestoreSettings,
    /// What Azure has no word for.
    pub holdfast: VaultFacts,
}

/// Which alerts a vault sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringSettings {
    /// Alerts of today.
    pub azure_monitor_alert_settings: MonitorAlerts,
    /// Alerts of old.
    pub classic_alert_settings: ClassicAlerts,
}

/// Alerts of today: `Enabled` or `Disabled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitorAlerts {
    /// About failed jobs.
    pub alerts_for_all_job_failures: String,
    /// About replication.
    pub alerts_for_all_replication_issues: String,
    /// About failover.
    pub alerts_for_all_failover_issues: String,
}

/// Alerts of old: `Enabled` or `Disabled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassicAlerts {
    /// About critical operations.
    pub alerts_for_critical_operations: String,
    /// By mail, about replication.
    pub email_notifications_for_site_recovery: String,
}

/// How a vault's cost is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostManagementSettings {
    /// `VaultLevel`, `ProtectedItemLevel` or `ProtectedItemWithParentTag`.
    #[serde(default)]
    pub granularity_level: String,
}

/// How a vault's data is protected from deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecuritySettings {
    /// Soft delete.
    pub soft_delete_settings: SoftDeleteSettings,
    /// Whether points must be kept until their time.
    pub immutability_settings: ImmutabilitySettings,
    /// Whether a second person must agree; `Invalid` is Azure's word for "never set up".
    pub multi_user_authorization: String,
    /// Malware scans of points.
    pub source_scan_configuration: State,
}

/// Soft delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SoftDeleteSettings {
    /// For how many days deleted data can be brought back.
    pub soft_delete_retention_period_in_days: u16,
    /// Whether deleted data can be brought back.
    pub soft_delete_state: String,
    /// The same for other workloads.
    pub enhanced_security_state: String,
}

/// Whether points must be kept until their time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImmutabilitySettings {
    /// `Disabled`, `Unlocked` or `Locked`.
    pub state: String,
    /// Until when, where it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ImmutabilityConfiguration>,
}

/// Until when points must be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImmutabilityConfiguration {
    /// `AsPerPolicy`: until the policy says.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Something that is `Enabled` or `Disabled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// Which.
    pub state: String,
}

/// How many copies of a vault's data are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedundancySettings {
    /// `LocallyRedundant`, `ZoneRedundant` or `GeoRedundant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_tier_storage_redundancy: Option<String>,
    /// Whether points can be restored in the paired region: `Disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_region_restore: Option<String>,
}

/// Where a vault's points may be restored to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreSettings {
    /// To other subscriptions. There is only one here.
    pub cross_subscription_restore_settings: CrossSubscriptionRestoreSettings,
}

/// Restoring to other subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrossSubscriptionRestoreSettings {
    /// `Enabled`, `Disabled` or `PermanentlyDisabled`.
    pub cross_subscription_restore_state: String,
}

/// What Azure has no word for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultFacts {
    /// Names the vault's repository in the store, and its key file.
    pub vault_uuid: String,
    /// What the operator should know, such as that there is no second copy.
    pub warnings: Vec<String>,
}

/// The ARM id of a vault.
pub fn id(subscription: &str, vault: &ModelVault) -> String {
    arm_id::vault(subscription, &vault.resource_group, vault.name.as_str())
}

/// The name of this version of a vault, in Azure's form.
pub fn etag(vault: &ModelVault) -> String {
    let moment = format!("{:.9}", vault.changed_at).replace(':', "%3A");
    format!("W/\"datetime'{moment}'\"")
}

/// Renders a vault.
pub fn render(subscription: &str, vault: &ModelVault, warnings: Vec<String>) -> Vault {
    let none = || "None".to_owned();
    let settings = &vault.settings;
    let restore = settings.cross_subscription_restore.azure_name().to_owned();
    let properties = VaultProperties {
        provisioning_state: "Succeeded".to_owned(),
        private_endpoint_state_for_backup: none(),
        private_endpoint_state_for_site_recovery: none(),
        monitoring_settings: monitoring(settings.alerts),
        cost_management_settings: CostManagementSettings {
            granularity_level: settings.cost_granularity.azure_name().to_owned(),
        },
        security_settings: security(settings.soft_delete, settings.immutability),
        redundancy_settings: redundancy(vault.redundancy),
        public_network_access: settings.public_network_access.azure_name().to_owned(),
        restore_settings: RestoreSettings {
            cross_subscription_restore_settings: CrossSubscriptionRestoreSettings {
                cross_subscription_restore_state: restore,
            },
        },
        holdfast: VaultFacts { vault_uuid: vault.id.to_string(), warnings },
    };
    let mut resource =
        Resource::new(id(subscription, vault), vault.name.as_str(), KIND, properties)
            .at(&vault.region);
    resource.sku = Some(Sku { name: "Standard".to_owned() });
    resource.tags = Some(vault.tags.clone());
    resource.etag = Some(etag(vault));
    resource
}

fn redundancy(wanted: Redundancy) -> RedundancySettings {
    RedundancySettings {
        standard_tier_storage_redundancy: Some(wanted.azure_name().to_owned()),
        cross_region_restore: Some("Disabled".to_owned()),
    }
}

fn monitoring(alerts: Alerts) -> MonitoringSettings {
    let name = |alert: model::vault::Alert| alert.azure_name().to_owned();
    MonitoringSettings {
        azure_monitor_alert_settings: MonitorAlerts {
            alerts_for_all_job_failures: name(alerts.job_failures),
            alerts_for_all_replication_issues: name(alerts.replication_issues),
            alerts_for_all_failover_issues: name(alerts.failover_issues),
        },
        classic_alert_settings: ClassicAlerts {
            alerts_for_critical_operations: name(alerts.critical_operations),
            email_notifications_for_site_recovery: name(alerts.site_recovery_mail),
        },
    }
}

fn security(soft_delete: SoftDelete, immutability: Immutability) -> SecuritySettings {
    let kind = "AsPerPolicy".to_owned();
    SecuritySettings {
        soft_delete_settings: SoftDeleteSettings {
            soft_delete_retention_period_in_days: soft_delete.days,
            soft_delete_state: soft_delete.state.azure_name().to_owned(),
            enhanced_security_state: soft_delete.enhanced.azure_name().to_owned(),
        },
        immutability_settings: ImmutabilitySettings {
            state: immutability.azure_name().to_owned(),
            configuration: immutability.is_on().then_some(ImmutabilityConfiguration { kind }),
        },
        multi_user_authorization: "Invalid".to_owned(),
        source_scan_configuration: State { state: "Disabled".to_owned() },
    }
}
