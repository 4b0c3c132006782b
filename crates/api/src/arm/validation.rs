//! What is asked before a virtual machine is protected: whether it could be, and what there is.

use model::arm_id;
use model::fault::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a client sends to ask whether something could be protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreValidateRequest {
    /// `VM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Its ARM id.
    pub resource_id: String,
    /// The vault's ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_id: Option<String>,
    /// JSON as text: `{"policyName": …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<String>,
}

impl PreValidateRequest {
    /// The policy that the request names. Clients differ in how they write it.
    pub fn policy(&self) -> Option<String> {
        let text = self.properties.as_deref()?;
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let names = ["policyName", "PolicyName", "policyId", "PolicyId"];
        let named = names.iter().find_map(|name| value.get(name)?.as_str())?;
        Some(arm_id::named(named, "backupPolicies").unwrap_or(named).to_owned())
    }
}

/// Whether something could be protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreValidation {
    /// `Succeeded` or `Failed`.
    pub status: String,
    /// Why not; empty where it could.
    pub error_code: String,
    /// What is in the way, or what the operator should know.
    pub error_message: String,
    /// What to do about it.
    pub recommendation: String,
    /// The container it would be filed under.
    pub container_name: String,
    /// The item that it would be.
    pub protected_item_name: String,
}

/// Renders whether a virtual machine could be protected. `advice` is what its operator should know
/// although it could.
pub fn render_validation(
    group: &str,
    vm: &str,
    refused: Option<&Fault>,
    advice: Option<&Fault>,
) -> PreValidation {
    let tail = arm_id::vm_tail(group, vm);
    let told = refused.or(advice);
    PreValidation {
        status: if refused.is_some() { "Failed" } else { "Succeeded" }.to_owned(),
        error_code: refused.map_or("", |fault| fault.code.name()).to_owned(),
        error_message: told.map_or_else(String::new, |fault| fault.message.clone()),
        recommendation: told.map_or("", |fault| fault.code.action()).to_owned(),
        container_name: format!("IaasVMContainer;{tail}"),
        protected_item_name: format!("VM;{tail}"),
    }
}

/// What a client sends to ask whether a feature is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureRequest {
    /// `AzureVMResourceBackup`, `AzureBackupGoals` …
    pub feature_type: String,
}

/// The feature that is there: backup of virtual machines.
pub const VM_BACKUP: &str = "AzureVMResourceBackup";

/// Whether a feature is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureSupport {
    /// `Supported` or `NotSupported`.
    pub support_status: String,
}

/// Renders whether a feature is there.
pub fn render_support(supported: bool) -> FeatureSupport {
    let status = if supported { "Supported" } else { "NotSupported" };
    FeatureSupport { support_status: status.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_found_however_it_is_written() {
        for (properties, expected) in [
            (None, None),
            (Some(""), None),
            (Some("[]"), None),
            (Some(r#"{"policyName":"Daily"}"#), Some("Daily")),
            (Some(r#"{"PolicyId":"/x/vaults/v/backupPolicies/Daily"}"#), Some("Daily")),
        ] {
            let request = PreValidateRequest {
                resource_type: None,
                resource_id: String::new(),
                vault_id: None,
                properties: properties.map(str::to_owned),
            };
            assert_eq!(request.policy().as_deref(), expected, "{properties:?}");
        }
    }
}
