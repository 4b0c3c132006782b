//! Principals: a noun of Holdfast's own, under `providers/Holdfast.Fabric/principals`.

use model::arm_id;
use model::principal::Principal as ModelPrincipal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resource;

/// The resource type of principals.
pub const KIND: &str = "Holdfast.Fabric/principals";

/// A program that may get access tokens.
pub type Principal = Resource<PrincipalProperties>;

/// The properties of a principal. They may hold a secret, so they cannot be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalProperties {
    /// What it logs in as.
    pub client_id: String,
    /// What role assignments name.
    pub object_id: String,
    /// `ServicePrincipal`.
    pub principal_type: String,
    /// Its secret, told once: when it is made, or made anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

/// What a client sends to make a principal: nothing yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrincipalRequest {}

/// Renders a principal, with its secret where that is new.
pub fn render(subscription: &str, principal: &ModelPrincipal, secret: Option<String>) -> Principal {
    let id = format!("{}/providers/{KIND}/{}", arm_id::subscription(subscription), principal.name);
    let properties = PrincipalProperties {
        client_id: principal.client_id.to_string(),
        object_id: principal.object_id.to_string(),
        principal_type: "ServicePrincipal".to_owned(),
        client_secret: secret,
    };
    Resource::new(id, &principal.name, KIND, properties)
}
