//! Resources of any kind in one list, as Azure's Resource Manager lists them.

use model::tags::Tags;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Resource, Sku};

/// A resource of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GenericResource {
    /// The full ARM id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The resource type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The region.
    pub location: String,
    /// What it is marked with; missing where it cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    /// The price tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// `Succeeded`.
    pub provisioning_state: String,
}

impl<P> From<Resource<P>> for GenericResource {
    fn from(resource: Resource<P>) -> Self {
        Self {
            id: resource.id,
            name: resource.name,
            kind: resource.kind,
            location: resource.location.unwrap_or_default(),
            tags: resource.tags,
            sku: resource.sku,
            provisioning_state: "Succeeded".to_owned(),
        }
    }
}
