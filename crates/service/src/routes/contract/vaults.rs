//! Vaults.

use api::arm::vault::{Vault, VaultRequest};
use api::openapi::Operation;
use serde_json::json;

use super::{get, patch, put};

pub(super) fn operations() -> Vec<Operation> {
    let redundancy =
        || json!({ "redundancySettings": { "standardTierStorageRedundancy": "LocallyRedundant" } });
    vec![
        get(
            "Vaults_ListBySubscriptionId",
            subscription!("/providers/Microsoft.RecoveryServices/vaults"),
            "All vaults.",
        )
        .lists::<Vault>(),
        get(
            "Vaults_ListByResourceGroup",
            group!("/providers/Microsoft.RecoveryServices/vaults"),
            "The vaults of a resource group.",
        )
        .lists::<Vault>(),
        get("Vaults_Get", vault!(""), "A vault.").gives::<Vault>(200),
        put("Vaults_CreateOrUpdate", vault!(""), "Creates a vault, or changes one.")
            .takes::<VaultRequest>(json!({ "location": "local", "properties": redundancy() }))
            .gives::<Vault>(200)
            .gives::<Vault>(201)
            .refuses(&[409]),
        patch("Vaults_Update", vault!(""), "Changes a vault.")
            .takes::<VaultRequest>(json!({ "properties": redundancy() }))
            .gives::<Vault>(200)
            .refuses(&[409]),
    ]
}
