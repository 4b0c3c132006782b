//! Roles and who holds them: `Microsoft.Authorization`.

use model::arm_id;
use model::role::{Assignment as ModelAssignment, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Resource, time};

/// The resource type of role definitions.
pub const DEFINITIONS: &str = "Microsoft.Authorization/roleDefinitions";
/// The resource type of role assignments.
pub const ASSIGNMENTS: &str = "Microsoft.Authorization/roleAssignments";
/// The kind of principals that exist here.
pub const SERVICE_PRINCIPAL: &str = "ServicePrincipal";
/// The kind of roles that exist here.
pub const BUILT_IN: &str = "BuiltInRole";

/// A role definition.
pub type Definition = Resource<DefinitionProperties>;

/// The properties of a role definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionProperties {
    /// Its name.
    pub role_name: String,
    /// `BuiltInRole`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What Azure says of it.
    pub description: String,
    /// Where it can be assigned: `/`.
    pub assignable_scopes: Vec<String>,
    /// What it allows.
    pub permissions: Vec<Permission>,
}

/// What a role allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    /// The actions it allows.
    pub actions: Vec<String>,
    /// Those that it does not allow all the same.
    pub not_actions: Vec<String>,
    /// Actions on data: none here.
    pub data_actions: Vec<String>,
    /// The same.
    pub not_data_actions: Vec<String>,
}

/// The ARM id of a role: what assignments name, and what clients compare.
pub fn definition_id(subscription: &str, role: &Role) -> String {
    format!("{}/providers/{DEFINITIONS}/{}", arm_id::subscription(subscription), role.id)
}

/// Renders a role.
pub fn render_definition(subscription: &str, role: &Role) -> Definition {
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    let properties = DefinitionProperties {
        role_name: role.name.to_owned(),
        kind: BUILT_IN.to_owned(),
        description: role.description.to_owned(),
        assignable_scopes: vec!["/".to_owned()],
        permissions: vec![Permission {
            actions: texts(role.actions),
            not_actions: texts(role.not_actions),
            data_actions: Vec::new(),
            not_data_actions: Vec::new(),
        }],
    };
    Resource::new(definition_id(subscription, role), role.id.to_string(), DEFINITIONS, properties)
}

/// A role assignment.
pub type Assignment = Resource<AssignmentProperties>;

/// The properties of a role assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentProperties {
    /// The role's ARM id.
    pub role_definition_id: String,
    /// The principal's object id.
    pub principal_id: String,
    /// `ServicePrincipal`.
    pub principal_type: String,
    /// Where it holds.
    pub scope: String,
    /// A condition: there are none here.
    pub condition: Option<String>,
    /// The same.
    pub condition_version: Option<String>,
    /// When it was made.
    pub created_on: String,
    /// The same: assignments do not change.
    pub updated_on: String,
    /// Not kept.
    pub created_by: Option<String>,
    /// Not kept.
    pub updated_by: Option<String>,
    /// Not kept.
    pub delegated_managed_identity_resource_id: Option<String>,
    /// Not kept.
    pub description: Option<String>,
}

/// Renders a role assignment.
pub fn render_assignment(subscription: &str, assignment: &ModelAssignment) -> Assignment {
    let scope = assignment.scope.id(subscription);
    let name = assignment.name.to_string();
    let id = format!("{scope}/providers/{ASSIGNMENTS}/{name}");
    let made = time::moment(assignment.created_at);
    let properties = AssignmentProperties {
        role_definition_id: definition_id(subscription, assignment.role),
        principal_id: assignment.principal.to_string(),
        principal_type: SERVICE_PRINCIPAL.to_owned(),
        scope,
        condition: None,
        condition_version: None,
        created_on: made.clone(),
        updated_on: made,
        created_by: None,
        updated_by: None,
        delegated_managed_identity_resource_id: None,
        description: None,
    };
    Resource::new(id, name, ASSIGNMENTS, properties)
}

/// What a client sends to assign a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssignmentRequest {
    /// The rest.
    pub properties: AssignmentRequestProperties,
}

/// What a client sends to assign a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AssignmentRequestProperties {
    /// The role's ARM id.
    pub role_definition_id: String,
    /// The principal's object id.
    pub principal_id: String,
    /// The kind of principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_type: Option<String>,
    /// A condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// A description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// An identity of another tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegated_managed_identity_resource_id: Option<String>,
}
