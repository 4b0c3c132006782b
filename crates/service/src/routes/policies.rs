//! Policies of a vault.

use super::{Route, delete, get, put};
use crate::arm::policies;

pub(super) const ROUTES: &[Route] = &[
    get(vault!("/backupPolicies"), POLICY_READ, policies::list_all),
    get(vault!("/backupPolicies/{policy}"), POLICY_READ, policies::get),
    put(
        vault!("/backupPolicies/{policy}"),
        "Microsoft.RecoveryServices/Vaults/backupPolicies/write",
        policies::put,
    ),
    delete(
        vault!("/backupPolicies/{policy}"),
        "Microsoft.RecoveryServices/Vaults/backupPolicies/delete",
        policies::delete,
    ),
];

const POLICY_READ: &str = "Microsoft.RecoveryServices/Vaults/backupPolicies/read";
