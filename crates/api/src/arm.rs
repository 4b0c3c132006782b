//! Azure Resource Manager as its clients really use it: the JSON of every noun that exists here.
//!
//! Each module holds the types of one noun, and the one function that renders it from the model.
//! The shapes are Azure's, as its own clients send and read them; what Azure has no word for stands
//! under a field named `holdfast`, which clients ignore. Requests are read leniently: unknown
//! fields are ignored, because clients send back whole objects that they read before.
//!
//! Rendering decides nothing: it gets every fact as an argument, the time included.

use model::tags::Tags;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod cloud;
pub mod container;
pub mod deleted_vault;
pub mod disk;
pub mod error;
pub mod host;
pub mod item;
pub mod job;
pub mod network;
pub mod operation;
pub mod point;
pub mod policy;
pub mod principal;
pub mod provider;
pub mod resource;
pub mod restore;
pub mod restored;
pub mod retention;
pub mod role;
pub mod status;
pub mod store;
pub mod tags;
pub mod tenancy;
pub mod time;
pub mod usage;
pub mod validation;
pub mod vault;
pub mod vault_config;
pub mod vm;

/// The one kind of backup management that exists here: virtual machines.
pub const AZURE_IAAS_VM: &str = "AzureIaasVM";
/// The resource type of virtual machines, as clients compare it.
pub const VIRTUAL_MACHINES: &str = "Microsoft.Compute/virtualMachines";

/// A resource: what ARM puts around the properties of every noun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Resource_{P}")]
pub struct Resource<P> {
    /// The full ARM id, in canonical case.
    pub id: String,
    /// The name: the id's last segment.
    pub name: String,
    /// The resource type, such as `Microsoft.RecoveryServices/vaults`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The region, for nouns that have one of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The price tier, which clients expect of a vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// What it is marked with, for nouns that can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    /// Names this version of it, for nouns that can be changed by several at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The properties.
    pub properties: P,
}

impl<P> Resource<P> {
    /// A resource with neither region nor tier.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        kind: impl Into<String>,
        properties: P,
    ) -> Self {
        let (id, name, kind) = (id.into(), name.into(), kind.into());
        Self { id, name, kind, location: None, sku: None, tags: None, etag: None, properties }
    }

    /// The same resource in this region.
    pub fn at(mut self, region: impl Into<String>) -> Self {
        self.location = Some(region.into());
        self
    }
}

/// A price tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sku {
    /// Azure's name of the tier.
    pub name: String,
}

/// The answer to a list request, or one page of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "List_{T}")]
pub struct List<T> {
    /// The entries.
    pub value: Vec<T>,
    /// Where the next page is; `null` on the last.
    #[serde(default)]
    pub next_link: Option<String>,
}

impl<T> List<T> {
    /// A list in one page.
    pub fn whole(value: Vec<T>) -> Self {
        Self { value, next_link: None }
    }
}
