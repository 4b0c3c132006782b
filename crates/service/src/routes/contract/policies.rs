//! Policies of a vault.

use api::arm::policy::{Policy, PolicyRequest};
use api::openapi::Operation;
use serde_json::{Value, json};

use super::{delete, get, put};

pub(super) fn operations() -> Vec<Operation> {
    let policy = vault!("/backupPolicies/{policy}");
    vec![
        get("BackupPolicies_List", vault!("/backupPolicies"), "The policies of a vault.")
            .filtered()
            .lists::<Policy>(),
        get("ProtectionPolicies_Get", policy, "A policy.").gives::<Policy>(200),
        put("ProtectionPolicies_CreateOrUpdate", policy, "Creates a policy, or changes one.")
            .takes::<PolicyRequest>(daily())
            .gives::<Policy>(200),
        delete("ProtectionPolicies_Delete", policy, "Deletes a policy that no item follows.")
            .empty(200)
            .empty(204),
    ]
}

fn daily() -> Value {
    let times = json!(["2026-01-01T02:00:00Z"]);
    json!({ "properties": {
        "backupManagementType": "AzureIaasVM", "policyType": "V1", "timeZone": "UTC",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy", "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": times },
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": {
                "retentionTimes": times,
                "retentionDuration": { "count": 30, "durationType": "Days" } } } } })
}
