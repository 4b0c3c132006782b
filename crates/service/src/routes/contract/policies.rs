//! Policies of a vault.

use api::arm::policy::Policy;
use api::openapi::Operation;

use super::get;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("BackupPolicies_List", vault!("/backupPolicies"), "The policies of a vault.")
            .filtered()
            .lists::<Policy>(),
        get("ProtectionPolicies_Get", vault!("/backupPolicies/{policy}"), "A policy.")
            .gives::<Policy>(200),
    ]
}
