//! `Microsoft.Authorization`: role definitions, and role assignments on the subscription, on
//! resource groups and on vaults. The scope is what stands in the URL before the provider.

use api::arm::role::{self as shape, AssignmentRequest, BUILT_IN, SERVICE_PRINCIPAL};
use axum::http::StatusCode;
use engine::NewAssignment;
use model::fault::{Code, Fault};
use model::role::{Assignment, Role, Scope};
use uuid::Uuid;

use super::{bad_request, list};
use crate::call::{Call, Reply};

/// `GET …/roleDefinitions`
pub(crate) fn definitions(call: &Call) -> Result<Reply, Fault> {
    let filter = Filter::parse(call.query("$filter").unwrap_or_default())?;
    let subscription = call.subscription();
    let found = Role::ALL.into_iter().filter(|role| filter.passes_role(role));
    list(call, found.map(|role| shape::render_definition(&subscription, role)))
}

/// `GET …/roleDefinitions/R`
pub(crate) fn definition(call: &Call) -> Result<Reply, Fault> {
    let role = role(call.name("role"))?;
    Ok(Reply::ok(&shape::render_definition(&call.subscription(), role)))
}

/// `GET …/roleAssignments`: those on the scope, above it and, unless the filter says `atScope()`,
/// under it.
pub(crate) fn assignments(call: &Call) -> Result<Reply, Fault> {
    let filter = Filter::parse(call.query("$filter").unwrap_or_default())?;
    let (scope, subscription) = (scope(call)?, call.subscription());
    let mut found = call.engine().assignments()?;
    found.retain(|one| {
        let under = scope.holds(&one.scope) && !filter.at_scope;
        (one.scope.holds(&scope) || under)
            && filter.principal.is_none_or(|principal| principal == one.principal)
    });
    list(call, found.iter().map(|one| shape::render_assignment(&subscription, one)))
}

/// `GET …/roleAssignments/A`
pub(crate) fn assignment(call: &Call) -> Result<Reply, Fault> {
    let found = find(call)?;
    Ok(Reply::ok(&shape::render_assignment(&call.subscription(), &found)))
}

/// `PUT …/roleAssignments/A`
pub(crate) fn put(call: &Call) -> Result<Reply, Fault> {
    let AssignmentRequest { properties: wanted } = call.body()?;
    let name = call.name("assignment");
    let name = Uuid::parse_str(name).map_err(|_| {
        bad_request(format!("The role assignment ID '{name}' is not valid. It must be a GUID."))
    })?;
    let is_other = |kind: &String| !kind.eq_ignore_ascii_case(SERVICE_PRINCIPAL);
    if wanted.principal_type.as_ref().is_some_and(is_other) {
        return Err(bad_request(format!("principalType: only {SERVICE_PRINCIPAL} exists here.")));
    }
    let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    for (field, value) in [
        ("condition", &wanted.condition),
        ("description", &wanted.description),
        ("delegatedManagedIdentityResourceId", &wanted.delegated_managed_identity_resource_id),
    ] {
        if is_given(value) {
            let message = format!("{field}: a role assignment cannot have one here.");
            return Err(bad_request(message));
        }
    }
    let principal = Uuid::parse_str(&wanted.principal_id).map_err(|_| {
        bad_request(format!("The principal ID '{}' is not a GUID.", wanted.principal_id))
    })?;
    let role = role_of_id(call, &wanted.role_definition_id)?;
    let existed = call.engine().assignment(name).is_ok();
    let new = NewAssignment { name, principal, role, scope: scope(call)? };
    let made = call.engine().assign(new)?;
    let status = if existed { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Reply::json(status, &shape::render_assignment(&call.subscription(), &made)))
}

/// `DELETE …/roleAssignments/A`: tells what it deleted; nothing to delete is no error.
pub(crate) fn delete(call: &Call) -> Result<Reply, Fault> {
    let found = match find(call) {
        Err(fault) if fault.code == Code::RoleAssignmentNotFound => {
            return Ok(Reply::empty(StatusCode::NO_CONTENT));
        }
        found => found?,
    };
    let deleted = call.engine().unassign(found.name)?;
    Ok(Reply::ok(&shape::render_assignment(&call.subscription(), &deleted)))
}

/// The assignment that the URL names, which must be on the URL's very scope: that is what the
/// caller's right was judged on.
fn find(call: &Call) -> Result<Assignment, Fault> {
    let (name, scope) = (call.name("assignment"), scope(call)?);
    let missing = || {
        let message = format!("The role assignment '{name}' is not found.");
        Fault::new(Code::RoleAssignmentNotFound, message)
    };
    let found = call.engine().assignment(Uuid::parse_str(name).map_err(|_| missing())?)?;
    let is_here = found.scope.holds(&scope) && scope.holds(&found.scope);
    if is_here { Ok(found) } else { Err(missing()) }
}

/// The scope in the URL. Only URLs of the three kinds of scopes have a route.
fn scope(call: &Call) -> Result<Scope, Fault> {
    let subscription = call.engine().tenancy().subscription;
    Scope::holding(&call.path, subscription)
        .ok_or_else(|| bad_request(format!("'{}' has no scope.", call.path)))
}

/// The role of this id.
fn role(id: &str) -> Result<&'static Role, Fault> {
    Uuid::parse_str(id).ok().and_then(Role::by_id).ok_or_else(|| {
        let message = format!("The specified role definition with ID '{id}' does not exist.");
        Fault::new(Code::RoleNotFound, message)
    })
}

/// The role with this ARM id, which may begin with our subscription or with the provider.
fn role_of_id(call: &Call, id: &str) -> Result<&'static Role, Fault> {
    let (scope, name) = id.rsplit_once('/').unwrap_or(("", id));
    let ours = shape::definition_id(&call.subscription(), Role::ALL[0]);
    let ours = ours.rsplit_once('/').map_or("", |(scope, _)| scope);
    let anybodys = format!("/providers/{}", shape::DEFINITIONS);
    if [ours, &anybodys].iter().any(|known| known.eq_ignore_ascii_case(scope)) {
        return role(name);
    }
    Err(bad_request(format!("roleDefinitionId '{id}' is not the id of a role definition here.")))
}

/// What the lists can be filtered by: terms joined by `and`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    at_scope: bool,
    principal: Option<Uuid>,
    role_name: Option<String>,
    role_type: Option<String>,
}

impl Filter {
    fn parse(text: &str) -> Result<Self, Fault> {
        let refused = || {
            bad_request(format!(
                "$filter: \"{text}\" is not made of atScope(), atScopeAndBelow(), \
                 principalId eq 'ID', assignedTo('ID'), roleName eq 'NAME' and type eq 'TYPE'."
            ))
        };
        let mut filter = Self::default();
        for term in text.split(" and ").map(str::trim).filter(|_| !text.trim().is_empty()) {
            let lower = term.to_ascii_lowercase();
            let id = |value: &str| Uuid::parse_str(value).map_err(|_| refused());
            if lower == "atscope()" {
                filter.at_scope = true;
            } else if lower == "atscopeandbelow()" {
                filter.at_scope = false;
            } else if let Some(value) = argument(term, "assignedTo(", ")") {
                filter.principal = Some(id(value)?);
            } else if let Some(value) = argument(term, "principalId eq ", "") {
                filter.principal = Some(id(value)?);
            } else if let Some(value) = argument(term, "roleName eq ", "") {
                filter.role_name = Some(value.replace("''", "'"));
            } else if let Some(value) = argument(term, "type eq ", "") {
                filter.role_type = Some(value.to_owned());
            } else {
                return Err(refused());
            }
        }
        Ok(filter)
    }

    fn passes_role(&self, role: &Role) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        is(&self.role_name, role.name) && is(&self.role_type, BUILT_IN)
    }
}

/// The quoted text between `before`, in any case of letters, and `behind`.
fn argument<'a>(term: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let (start, rest) = term.split_at_checked(before.len())?;
    if !start.eq_ignore_ascii_case(before) {
        return None;
    }
    rest.strip_suffix(behind)?.trim().strip_prefix('\'')?.strip_suffix('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_understood_as_clients_send_them() {
        let id = Uuid::from_u128(7);
        for (text, expected) in [
            (String::new(), Filter::default()),
            ("atScope()".to_owned(), Filter { at_scope: true, ..Filter::default() }),
            (
                format!("atScope() and assignedTo('{id}')"),
                Filter { at_scope: true, principal: Some(id), ..Filter::default() },
            ),
            (format!("principalId eq '{id}'"), Filter { principal: Some(id), ..Filter::default() }),
            (
                "rolename EQ 'Backup Reader'".to_owned(),
                Filter { role_name: Some("Backup Reader".to_owned()), ..Filter::default() },
            ),
        ] {
            assert_eq!(Filter::parse(&text), Ok(expected), "{text}");
        }
        for text in ["principalId eq 'x'", "roleName eq Reader", "name eq 'x'", "atScope() or x"] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
