//! Recovery points of an item.

use api::arm::point::Point;
use api::arm::restore::RestoreRequest;
use api::openapi::Operation;
use serde_json::json;

use super::{GROUP_ID, POINT, STORE_ID, VM_ID, get, post};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("RecoveryPoints_List", item!("/recoveryPoints"), "The item's recovery points.")
            .filtered()
            .lists::<Point>(),
        get("RecoveryPoints_Get", item!("/recoveryPoints/{point}"), "A recovery point.")
            .gives::<Point>(200),
        post("Restores_Trigger", item!("/recoveryPoints/{point}/restore"), "Restores a point.")
            .takes::<RestoreRequest>(json!({ "properties": {
                "objectType": "IaasVMRestoreRequest",
                "recoveryPointId": POINT,
                "recoveryType": "RestoreDisks",
                "sourceResourceId": VM_ID,
                "region": "local",
                "storageAccountId": STORE_ID,
                "targetResourceGroupId": GROUP_ID,
                "restoreDiskLunList": [],
                "holdfastTarget": { "format": "qcow2" },
            } }))
            .accepts()
            .refuses(&[409]),
    ]
}
