//! Staging stores, as clients of Azure look for them.

use api::arm::store::StorageAccount;
use api::openapi::Operation;

use super::get;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get(
            "StorageAccounts_ListAll",
            subscription!("/providers/Microsoft.Storage/storageAccounts"),
            "The staging stores of all regions.",
        )
        .lists::<StorageAccount>(),
        get(
            "StorageAccounts_List",
            group!("/providers/Microsoft.Storage/storageAccounts"),
            "The staging stores of a resource group.",
        )
        .lists::<StorageAccount>(),
        get(
            "StorageAccounts_Get",
            group!("/providers/Microsoft.Storage/storageAccounts/{store}"),
            "A staging store.",
        )
        .gives::<StorageAccount>(200),
        get(
            "ClassicStorageAccounts_Get",
            group!("/providers/Microsoft.ClassicStorage/storageAccounts/{store}"),
            "A classic storage account: there are none, so this is always an error.",
        ),
    ]
}
