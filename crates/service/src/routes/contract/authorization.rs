//! Roles and who holds them.

use api::arm::role::{Assignment, AssignmentRequest, Definition};
use api::openapi::{Operation, Parameter};
use serde_json::json;

use super::{READER, SUBSCRIPTION, delete, get, put};

/// The filter of both lists.
const FILTER: Parameter = Parameter {
    name: "$filter",
    meaning: "`atScope()`, `principalId eq 'ID'`, `assignedTo('ID')`, `roleName eq 'NAME'`, joined \
              by `and`.",
    pattern: r"^atScope\(\)$",
    example: "atScope()",
};

pub(super) fn operations() -> Vec<Operation> {
    defined().into_iter().chain(held()).collect()
}

fn defined() -> Vec<Operation> {
    vec![
        definitions(
            "RoleDefinitions_ListAll",
            "/providers/Microsoft.Authorization/roleDefinitions",
        ),
        definition(
            "RoleDefinitions_GetAny",
            "/providers/Microsoft.Authorization/roleDefinitions/{role}",
        ),
        definitions(
            "RoleDefinitions_ListOfSubscription",
            subscription!("/providers/Microsoft.Authorization/roleDefinitions"),
        ),
        definition(
            "RoleDefinitions_GetOfSubscription",
            subscription!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        ),
        definitions(
            "RoleDefinitions_ListOfGroup",
            group!("/providers/Microsoft.Authorization/roleDefinitions"),
        ),
        definition(
            "RoleDefinitions_GetOfGroup",
            group!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        ),
        definitions(
            "RoleDefinitions_ListOfVault",
            vault!("/providers/Microsoft.Authorization/roleDefinitions"),
        ),
        definition(
            "RoleDefinitions_GetOfVault",
            vault!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        ),
    ]
}

fn held() -> Vec<Operation> {
    vec![
        get(
            "RoleAssignments_ListOfSubscription",
            subscription!("/providers/Microsoft.Authorization/roleAssignments"),
            "Who holds which role on the scope, above it and under it.",
        )
        .lists::<Assignment>()
        .query(FILTER),
        get(
            "RoleAssignments_ListOfGroup",
            group!("/providers/Microsoft.Authorization/roleAssignments"),
            "Who holds which role on the scope, above it and under it.",
        )
        .lists::<Assignment>()
        .query(FILTER),
        get(
            "RoleAssignments_ListOfVault",
            vault!("/providers/Microsoft.Authorization/roleAssignments"),
            "Who holds which role on the scope, above it and under it.",
        )
        .lists::<Assignment>()
        .query(FILTER),
        get(
            "RoleAssignments_GetOfSubscription",
            subscription!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
            "A role assignment.",
        )
        .gives::<Assignment>(200),
        assign(
            "RoleAssignments_CreateOfSubscription",
            subscription!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        ),
        unassign(
            "RoleAssignments_DeleteOfSubscription",
            subscription!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        ),
        get(
            "RoleAssignments_GetOfGroup",
            group!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
            "A role assignment.",
        )
        .gives::<Assignment>(200),
        assign(
            "RoleAssignments_CreateOfGroup",
            group!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        ),
        unassign(
            "RoleAssignments_DeleteOfGroup",
            group!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        ),
        get(
            "RoleAssignments_GetOfVault",
            vault!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
            "A role assignment.",
        )
        .gives::<Assignment>(200),
        assign(
            "RoleAssignments_CreateOfVault",
            vault!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        ),
        unassign(
            "RoleAssignments_DeleteOfVault",
            vault!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        ),
    ]
}

fn definitions(id: &'static str, path: &'static str) -> Operation {
    get(id, path, "The roles there are.").lists::<Definition>().query(FILTER)
}

fn definition(id: &'static str, path: &'static str) -> Operation {
    get(id, path, "A role, and what it allows.").gives::<Definition>(200)
}

fn assign(id: &'static str, path: &'static str) -> Operation {
    let role = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    );
    put(id, path, "Gives a principal a role on the scope.")
        .takes::<AssignmentRequest>(json!({
            "properties": {
                "roleDefinitionId": role,
                "principalId": "00000000-0000-0000-0000-0000000000cc",
                "principalType": "ServicePrincipal",
            },
        }))
        .gives::<Assignment>(200)
        .gives::<Assignment>(201)
        .refuses(&[409])
}

fn unassign(id: &'static str, path: &'static str) -> Operation {
    delete(id, path, "Takes a role away.").gives::<Assignment>(200).empty(204).refuses(&[409])
}
