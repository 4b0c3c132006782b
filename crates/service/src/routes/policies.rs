//! Policies of a vault.

use super::{Route, get};
use crate::arm::policies;

pub(super) const ROUTES: &[Route] = &[
    get(vault!("/backupPolicies"), POLICY_READ, policies::list_all),
    get(vault!("/backupPolicies/{policy}"), POLICY_READ, policies::get),
];

const POLICY_READ: &str = "Microsoft.RecoveryServices/Vaults/backupPolicies/read";
