//! Vaults.

use super::{Route, get, patch, put};
use crate::arm::vaults;

pub(super) const ROUTES: &[Route] = &[
    get(
        subscription!("/providers/Microsoft.RecoveryServices/vaults"),
        VAULT_READ,
        vaults::list_all,
    ),
    get(group!("/providers/Microsoft.RecoveryServices/vaults"), VAULT_READ, vaults::list_of_group),
    get(vault!(""), VAULT_READ, vaults::get),
    put(vault!(""), VAULT_WRITE, vaults::put),
    patch(vault!(""), VAULT_WRITE, vaults::patch),
];

const VAULT_READ: &str = "Microsoft.RecoveryServices/Vaults/read";
const VAULT_WRITE: &str = "Microsoft.RecoveryServices/Vaults/write";
