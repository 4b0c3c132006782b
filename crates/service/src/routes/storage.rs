//! Staging stores, as clients of Azure look for them.

use super::{Route, get, list};
use crate::arm::stores;

pub(super) const ROUTES: &[Route] = &[
    list(subscription!("/providers/Microsoft.Storage/storageAccounts"), READ, stores::accounts),
    get(group!("/providers/Microsoft.Storage/storageAccounts"), READ, stores::accounts_of_group),
    get(group!("/providers/Microsoft.Storage/storageAccounts/{store}"), READ, stores::account),
    get(
        group!("/providers/Microsoft.ClassicStorage/storageAccounts/{store}"),
        "Microsoft.ClassicStorage/storageAccounts/read",
        stores::classic,
    ),
];

pub(crate) const READ: &str = "Microsoft.Storage/storageAccounts/read";
