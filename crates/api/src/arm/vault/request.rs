//! What clients send to create or change a vault. Every part may be missing, and a part may be what
//! the client read before.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::vault::{CostManagementSettings, RedundancySettings, State};

/// What a client sends to create or change a vault. Every part may be missing in a change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VaultRequest {
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<VaultRequestProperties>,
    /// What it is to be marked with: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// The identity that it is to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityRequest>,
}

/// The identity that a vault is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityRequest {
    /// `None`, or the kinds of identity, with commas.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The settings of a vault that a client can name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultRequestProperties {
    /// How many copies of its data are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redundancy_settings: Option<RedundancySettings>,
    /// How its data is protected from deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_settings: Option<SecurityRequest>,
    /// Which alerts are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring_settings: Option<MonitoringRequest>,
    /// How its cost is told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_management_settings: Option<CostManagementSettings>,
    /// Who may reach it over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_network_access: Option<String>,
    /// Where its points may be restored to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_settings: Option<RestoreRequestSettings>,
    /// A key of the customer's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Value>,
}

/// How a vault's data is to be protected from deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityRequest {
    /// Soft delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_delete_settings: Option<SoftDeleteRequest>,
    /// Whether points must be kept until their time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immutability_settings: Option<ImmutabilityRequest>,
    /// Malware scans of points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_scan_configuration: Option<State>,
}

/// Soft delete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SoftDeleteRequest {
    /// For how many days deleted data can be brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_delete_retention_period_in_days: Option<i64>,
    /// Whether deleted data can be brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_delete_state: Option<String>,
    /// The same for other workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enhanced_security_state: Option<String>,
}

/// Whether points must be kept until their time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImmutabilityRequest {
    /// `Disabled`, `Unlocked` or `Locked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ImmutabilityRequestConfiguration>,
}

/// Until when points must be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImmutabilityRequestConfiguration {
    /// `AsPerPolicy`, or `TimeBased`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Which alerts are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringRequest {
    /// Alerts of today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_monitor_alert_settings: Option<AlertsRequest>,
    /// Alerts of old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classic_alert_settings: Option<ClassicAlertsRequest>,
}

/// Alerts of today: `Enabled` or `Disabled`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertsRequest {
    /// About failed jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts_for_all_job_failures: Option<String>,
    /// About replication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts_for_all_replication_issues: Option<String>,
    /// About failover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts_for_all_failover_issues: Option<String>,
}

/// Alerts of old: `Enabled` or `Disabled`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassicAlertsRequest {
    /// About critical operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts_for_critical_operations: Option<String>,
    /// By mail, about replication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_notifications_for_site_recovery: Option<String>,
}

/// Where a vault's points may be restored to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRequestSettings {
    /// Into other subscriptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_subscription_restore_settings: Option<CrossSubscriptionRequest>,
}

/// Whether a vault's points may be restored into other subscriptions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrossSubscriptionRequest {
    /// `Enabled`, `Disabled` or `PermanentlyDisabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_subscription_restore_state: Option<String>,
}
