//! `holdfast role`: who holds which role where.

use std::collections::HashMap;

use api::arm::role::{ASSIGNMENTS, Assignment, AssignmentRequest, AssignmentRequestProperties};
use api::arm::role::{SERVICE_PRINCIPAL, definition_id};
use clap::{Args, Subcommand};
use engine::seed::SystemSeed;
use model::arm_id;
use model::fault::Code;
use model::role::Role;
use model::seed::new_uuid;

use super::{Service, principal};
use crate::args::VaultArg;
use crate::client::{Client, Seen, documents, segment};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, table};

/// What can be done with roles.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List who holds which role on a scope, above it and under it
    List {
        /// The scope
        #[command(flatten)]
        scope: ScopeArg,
        /// Only those of this principal
        #[arg(long, value_name = "NAME")]
        principal: Option<String>,
    },
    /// Give a principal a role on a scope
    Assign(Holding),
    /// Take a role away from a principal
    Unassign(Holding),
}

/// That a principal holds a role on a scope.
#[derive(Debug, Args)]
pub struct Holding {
    /// The principal's name, client id or object id
    #[arg(long, value_name = "NAME")]
    principal: String,
    /// The role: Owner, Contributor, Reader, 'Backup Contributor', 'Backup Operator' or 'Backup
    /// Reader'
    #[arg(long, value_parser = role)]
    role: &'static Role,
    /// The scope
    #[command(flatten)]
    scope: ScopeArg,
}

/// A scope: a vault, a resource group, or without either the subscription.
#[derive(Debug, Args)]
pub struct ScopeArg {
    /// A vault
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,
    /// A resource group; or the vault's, where several have a vault of this name
    #[arg(long, value_name = "GROUP")]
    resource_group: Option<String>,
}

/// The role of this name.
fn role(name: &str) -> Result<&'static Role, String> {
    Role::by_name(name).ok_or_else(|| {
        let names: Vec<&str> = Role::ALL.iter().map(|role| role.name).collect();
        format!("there is no such role; the roles are {}", names.join(", "))
    })
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        let client = &service.client;
        match self {
            Self::List { scope, principal } => list(client, &scope, principal.as_deref()),
            Self::Assign(holding) => assign(client, &holding),
            Self::Unassign(holding) => unassign(client, &holding),
        }
    }
}

impl ScopeArg {
    /// The scope's ARM id.
    fn id(&self, client: &Client) -> Result<String, Failure> {
        let subscription = client.subscription();
        match (&self.vault, &self.resource_group) {
            (Some(vault), group) => {
                let arg = VaultArg { vault: vault.clone(), resource_group: group.clone() };
                Ok(find::vault(client, &arg)?.view.id)
            }
            (None, Some(group)) => Ok(arm_id::resource_group(subscription, &segment(group))),
            (None, None) => Ok(arm_id::subscription(subscription)),
        }
    }
}

fn list(client: &Client, scope: &ScopeArg, principal: Option<&str>) -> Result<Reply, Failure> {
    let scope = scope.id(client)?;
    let mut held: Vec<Seen<Assignment>> =
        client.list(&format!("{scope}/providers/{ASSIGNMENTS}"))?;
    if let Some(key) = principal {
        let wanted = principal::find(client, key)?.view.properties.object_id;
        held.retain(|one| one.view.properties.principal_id == wanted);
    }
    let names: HashMap<String, String> = principal::all(client)?
        .into_iter()
        .map(|principal| (principal.view.properties.object_id, principal.view.name))
        .collect();
    let columns = [Column::Text("Principal"), Column::Text("Role"), Column::Text("Scope")];
    let row = |one: &Seen<Assignment>| {
        let properties = &one.view.properties;
        let name = names.get(&properties.principal_id).unwrap_or(&properties.principal_id);
        vec![name.clone(), role_name(&properties.role_definition_id), place(&properties.scope)]
    };
    let human = table(&columns, held.iter().map(row).collect(), "Nobody holds a role there.");
    Ok(Reply::done(documents(&held), human))
}

/// The name of the role with this ARM id.
fn role_name(id: &str) -> String {
    let name = id.rsplit('/').next().unwrap_or_default();
    let role = Role::ALL.into_iter().find(|role| role.id.to_string() == name);
    role.map_or(name, |role| role.name).to_owned()
}

/// A scope as people call it.
fn place(scope: &str) -> String {
    match (arm_id::named(scope, "vaults"), arm_id::named(scope, "resourceGroups")) {
        (Some(vault), Some(group)) => format!("vault {vault} ({group})"),
        (None, Some(group)) => format!("resource group {group}"),
        _ => "subscription".to_owned(),
    }
}

fn assign(client: &Client, holding: &Holding) -> Result<Reply, Failure> {
    let scope = holding.scope.id(client)?;
    let principal = principal::find(client, &holding.principal)?.view;
    let body = AssignmentRequest {
        properties: AssignmentRequestProperties {
            role_definition_id: definition_id(client.subscription(), holding.role),
            principal_id: principal.properties.object_id.clone(),
            principal_type: Some(SERVICE_PRINCIPAL.to_owned()),
            ..AssignmentRequestProperties::default()
        },
    };
    let name = new_uuid(&SystemSeed);
    let made = client.put(&format!("{scope}/providers/{ASSIGNMENTS}/{name}"), &body);
    let held: Seen<Assignment> = match made {
        // Whoever asks twice wants the same.
        Err(failure) if failure.code == Code::RoleAssignmentExists.name() => {
            let held = held(client, &scope, holding.role, &principal.properties.object_id)?;
            held.into_iter().next().ok_or(failure)?
        }
        made => made?,
    };
    let scope = place(&held.view.properties.scope);
    let human = format!("{} is {} of the {scope}.", principal.name, holding.role.name);
    Ok(Reply::done(held.document, human))
}

fn unassign(client: &Client, holding: &Holding) -> Result<Reply, Failure> {
    let scope = holding.scope.id(client)?;
    let principal = principal::find(client, &holding.principal)?.view;
    let held = held(client, &scope, holding.role, &principal.properties.object_id)?;
    let (name, role) = (&principal.name, holding.role.name);
    let Some(first) = held.first() else {
        let place = place(&scope);
        return Err(Failure::not_found(format!("{name} is not {role} of the {place}.")));
    };
    client.delete(&first.view.id)?;
    let human = format!("{name} is {role} of the {} no more.", place(&scope));
    Ok(Reply::done(first.document.clone(), human))
}

/// The assignments of this role to this principal on this very scope.
fn held(
    client: &Client,
    scope: &str,
    role: &Role,
    object_id: &str,
) -> Result<Vec<Seen<Assignment>>, Failure> {
    let role = definition_id(client.subscription(), role);
    let path = format!("{scope}/providers/{ASSIGNMENTS}?$filter=atScope()");
    let mut held: Vec<Seen<Assignment>> = client.list(&path)?;
    held.retain(|one| {
        let one = &one.view.properties;
        one.principal_id == object_id
            && one.role_definition_id.eq_ignore_ascii_case(&role)
            && one.scope.eq_ignore_ascii_case(scope)
    });
    Ok(held)
}
