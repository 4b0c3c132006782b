//! Staging stores: as `Microsoft.Storage/storageAccounts`, which clients read, and as
//! `Holdfast.Fabric/stores`, by which operators manage them.

use std::path::Path;

use model::arm_id;
use model::store::Store as ModelStore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Resource, Sku};

/// The resource type of storage accounts.
pub const STORAGE_ACCOUNTS: &str = "Microsoft.Storage/storageAccounts";
/// The resource type of staging stores.
pub const KIND: &str = "Holdfast.Fabric/stores";

/// A storage account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageAccount {
    /// What every resource has.
    #[serde(flatten)]
    pub resource: Resource<AccountProperties>,
    /// `StorageV2`, as clients expect.
    #[serde(rename = "kind")]
    pub account_kind: String,
}

/// The properties of a storage account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountProperties {
    /// `Succeeded`.
    pub provisioning_state: String,
    /// Where its files are.
    pub primary_endpoints: Endpoints,
    /// Its region.
    pub primary_location: String,
    /// `available`.
    pub status_of_primary: String,
    /// What Azure has no word for.
    pub holdfast: StoreProperties,
}

/// Where a storage account's files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoints {
    /// The URL of its directory on the service's machine.
    pub blob: String,
}

/// A staging store.
pub type Store = Resource<StoreProperties>;

/// The properties of a staging store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreProperties {
    /// Its directory on the service's machine, as an absolute path.
    pub directory: String,
    /// Whether it came with its region's first host.
    pub builtin: bool,
}

/// What a client sends to make a staging store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreRequest {
    /// Its region.
    pub location: String,
    /// The rest.
    pub properties: StoreRequestProperties,
}

/// The directory of a staging store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreRequestProperties {
    /// The directory on the service's machine, as an absolute path.
    pub directory: String,
}

/// Renders a store as a storage account.
pub fn render_account(subscription: &str, store: &ModelStore) -> StorageAccount {
    let properties = AccountProperties {
        provisioning_state: "Succeeded".to_owned(),
        primary_endpoints: Endpoints { blob: format!("{}/", file_uri(&store.directory)) },
        primary_location: store.region.clone(),
        status_of_primary: "available".to_owned(),
        holdfast: properties(store),
    };
    let id = arm_id::storage_account(subscription, &store.resource_group, &store.name);
    let mut resource =
        Resource::new(id, &store.name, STORAGE_ACCOUNTS, properties).at(&store.region);
    resource.sku = Some(Sku { name: "Standard_LRS".to_owned() });
    StorageAccount { resource, account_kind: "StorageV2".to_owned() }
}

/// Renders a store as Holdfast's own noun.
pub fn render(subscription: &str, store: &ModelStore) -> Store {
    let group = arm_id::resource_group(subscription, &store.resource_group);
    let id = format!("{group}/providers/{KIND}/{}", store.name);
    Resource::new(id, &store.name, KIND, properties(store)).at(&store.region)
}

fn properties(store: &ModelStore) -> StoreProperties {
    let directory = store.directory.to_string_lossy().into_owned();
    StoreProperties { directory, builtin: store.builtin }
}

/// The `file` URL of an absolute path on the service's machine.
pub fn file_uri(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_file_whatever_its_name() {
        assert_eq!(file_uri(Path::new("/srv/a b/ü%.json")), "file:///srv/a%20b/%C3%BC%25.json");
    }
}
