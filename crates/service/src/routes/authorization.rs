//! Roles and who holds them.

use super::{Route, delete, get, put};
use crate::arm::roles;

pub(super) const ROUTES: &[Route] = &[
    get("/providers/Microsoft.Authorization/roleDefinitions", ROLE_READ, roles::definitions),
    get("/providers/Microsoft.Authorization/roleDefinitions/{role}", ROLE_READ, roles::definition),
    get(
        subscription!("/providers/Microsoft.Authorization/roleDefinitions"),
        ROLE_READ,
        roles::definitions,
    ),
    get(
        subscription!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        ROLE_READ,
        roles::definition,
    ),
    get(
        group!("/providers/Microsoft.Authorization/roleDefinitions"),
        ROLE_READ,
        roles::definitions,
    ),
    get(
        group!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        ROLE_READ,
        roles::definition,
    ),
    get(
        vault!("/providers/Microsoft.Authorization/roleDefinitions"),
        ROLE_READ,
        roles::definitions,
    ),
    get(
        vault!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        ROLE_READ,
        roles::definition,
    ),
    get(
        subscription!("/providers/Microsoft.Authorization/roleAssignments"),
        HELD_READ,
        roles::assignments,
    ),
    get(
        group!("/providers/Microsoft.Authorization/roleAssignments"),
        HELD_READ,
        roles::assignments,
    ),
    get(
        vault!("/providers/Microsoft.Authorization/roleAssignments"),
        HELD_READ,
        roles::assignments,
    ),
    get(
        subscription!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        HELD_READ,
        roles::assignment,
    ),
    get(
        group!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        HELD_READ,
        roles::assignment,
    ),
    get(
        vault!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        HELD_READ,
        roles::assignment,
    ),
    put(
        subscription!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        HELD_WRITE,
        roles::put,
    ),
    put(
        group!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        HELD_WRITE,
        roles::put,
    ),
    put(
        vault!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        HELD_WRITE,
        roles::put,
    ),
    delete(
        subscription!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        HELD_DELETE,
        roles::delete,
    ),
    delete(
        group!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        HELD_DELETE,
        roles::delete,
    ),
    delete(
        vault!("/providers/Microsoft.Authorization/roleAssignments/{assignment}"),
        HELD_DELETE,
        roles::delete,
    ),
];

const ROLE_READ: &str = "Microsoft.Authorization/roleDefinitions/read";
const HELD_READ: &str = "Microsoft.Authorization/roleAssignments/read";
const HELD_WRITE: &str = "Microsoft.Authorization/roleAssignments/write";
const HELD_DELETE: &str = "Microsoft.Authorization/roleAssignments/delete";
