//! Tenants, subscriptions, regions and resource groups: the names under which everything is found.

use std::collections::BTreeMap;

use model::arm_id;
use model::principal::{ResourceGroup, Tenancy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resource;

/// The subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its ARM id.
    pub id: String,
    /// The id alone.
    pub subscription_id: String,
    /// Its tenant.
    pub tenant_id: String,
    /// What it is called.
    pub display_name: String,
    /// Whether it can be used: `Enabled`.
    pub state: String,
    /// What Azure would charge by.
    pub subscription_policies: SubscriptionPolicies,
    /// Where the caller's rights come from.
    pub authorization_source: String,
    /// Other tenants that manage it: none.
    pub managed_by_tenants: Vec<String>,
}

/// What Azure would charge by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionPolicies {
    /// Not meaningful here.
    pub location_placement_id: String,
    /// Not meaningful here.
    pub quota_id: String,
    /// Not meaningful here.
    pub spending_limit: String,
}

/// Renders the subscription.
pub fn subscription(tenancy: &Tenancy) -> Subscription {
    let id = tenancy.subscription.to_string();
    Subscription {
        id: arm_id::subscription(&id),
        subscription_id: id,
        tenant_id: tenancy.tenant.to_string(),
        display_name: "holdfast".to_owned(),
        state: "Enabled".to_owned(),
        subscription_policies: SubscriptionPolicies {
            location_placement_id: "Holdfast".to_owned(),
            quota_id: "Holdfast".to_owned(),
            spending_limit: "Off".to_owned(),
        },
        authorization_source: "RoleBased".to_owned(),
        managed_by_tenants: Vec::new(),
    }
}

/// The tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Its ARM id.
    pub id: String,
    /// The id alone.
    pub tenant_id: String,
    /// What it is called.
    pub display_name: String,
    /// Whose it is: `Home`.
    pub tenant_category: String,
    /// Its DNS names: none.
    pub domains: Vec<String>,
}

/// Renders the tenant.
pub fn tenant(tenancy: &Tenancy) -> Tenant {
    Tenant {
        id: format!("/tenants/{}", tenancy.tenant),
        tenant_id: tenancy.tenant.to_string(),
        display_name: "holdfast".to_owned(),
        tenant_category: "Home".to_owned(),
        domains: Vec::new(),
    }
}

/// A region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// Its ARM id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `Region`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same, for people.
    pub display_name: String,
    /// The same, for people, with the continent in Azure.
    pub regional_display_name: String,
    /// What kind of region it is.
    pub metadata: LocationMetadata,
}

/// What kind of region it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationMetadata {
    /// `Physical`.
    pub region_type: String,
    /// `Other`.
    pub region_category: String,
    /// Where its second copies go: nowhere yet.
    pub paired_region: Vec<String>,
}

/// Renders a region.
pub fn location(subscription: &str, region: &str) -> Location {
    Location {
        id: format!("{}/locations/{region}", arm_id::subscription(subscription)),
        name: region.to_owned(),
        kind: "Region".to_owned(),
        display_name: region.to_owned(),
        regional_display_name: region.to_owned(),
        metadata: LocationMetadata {
            region_type: "Physical".to_owned(),
            region_category: "Other".to_owned(),
            paired_region: Vec::new(),
        },
    }
}

/// A resource group.
pub type Group = Resource<GroupProperties>;

/// The properties of a resource group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupProperties {
    /// `Succeeded`.
    pub provisioning_state: String,
}

/// What a client sends to create or change a resource group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupRequest {
    /// The region, which a new one must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What it is to be marked with: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, Option<String>>>,
}

/// Renders a resource group.
pub fn group(subscription: &str, group: &ResourceGroup) -> Group {
    let mut resource = Resource::new(
        arm_id::resource_group(subscription, &group.name),
        &group.name,
        "Microsoft.Resources/resourceGroups",
        GroupProperties { provisioning_state: "Succeeded".to_owned() },
    )
    .at(&group.region);
    resource.tags = Some(group.tags.clone());
    resource
}
