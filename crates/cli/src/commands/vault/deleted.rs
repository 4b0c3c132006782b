//! How vaults are deleted, and what can be done with those that are out of sight, but not gone.

use std::collections::BTreeSet;

use api::arm::deleted_vault::{
    self, Blocker, DeletedVault, DeletionPlan, UndeleteProperties, UndeleteRequest,
};
use api::arm::tenancy::Location;
use api::arm::vault::Vault;
use model::arm_id;
use serde_json::json;

use super::Service;
use crate::client::{Client, Method, Seen, documents, segment};
use crate::failure::Failure;
use crate::find;
use crate::output::{Column, Reply, blocks, table};
use crate::text::{self, printable};

/// Deletes a vault, and tells what that made of it.
pub fn delete(service: &Service, vault: &Vault) -> Result<Reply, Failure> {
    let client = &service.client;
    client.delete(&vault.id)?;
    let uuid = &vault.properties.holdfast.vault_uuid;
    let region = vault.location.as_deref().unwrap_or_default();
    let kept = of_region(client, region)?.into_iter().map(|it| it.view);
    let kept = kept.into_iter().find(|it| it.properties.holdfast.vault_uuid == *uuid);
    let name = printable(&vault.name);
    let (purge_at, human) = match kept {
        None => (None, format!("The vault {name} is deleted.")),
        Some(kept) => {
            let until = text::time(&kept.properties.purge_at);
            let human = format!(
                "The vault {name} is soft-deleted, with what is in it. Until {until} it can be \
                 brought back: holdfast vault undelete {}",
                printable(&kept.name)
            );
            (Some(kept.properties.purge_at), human)
        }
    };
    Ok(Reply::done(json!({"id": vault.id, "deleted": true, "purgeAt": purge_at}), human))
}

/// Tells what keeps a vault from being deleted.
pub fn plan(service: &Service, vault: &Vault) -> Result<Reply, Failure> {
    let plan: Seen<DeletionPlan> = service.client.get(&deleted_vault::plan_of(&vault.id))?;
    let properties = &plan.view.properties;
    let name = printable(&vault.name);
    let intro = if properties.blockers.is_empty() {
        format!("Nothing keeps the vault {name} from being deleted.")
    } else {
        format!("To delete the vault {name}, remove what is in the way, in this order:")
    };
    let gone_at = text::time(&properties.gone_at);
    let outcome = match properties.outcome.as_str() {
        "SoftDeleted" => format!("It can be brought back then, until {gone_at}."),
        _ => "It is gone for good then.".to_owned(),
    };
    let last = format!("Then delete it:\n\n    {}\n\n{outcome}", printable(&properties.command));
    let numbered = properties.blockers.iter().enumerate();
    let steps: Vec<String> = numbered.map(|(at, blocker)| step(at + 1, blocker)).collect();
    let human = blocks(&[vec![intro], steps, vec![last]].concat());
    Ok(Reply::done(plan.document, human))
}

fn step(number: usize, blocker: &Blocker) -> String {
    let mut lines = vec![format!("{number}. {}", printable(&blocker.reason))];
    lines.extend(blocker.commands.iter().map(|command| format!("    {}", printable(command))));
    lines.join("\n")
}

/// Lists the soft-deleted vaults of all regions.
pub fn list(service: &Service) -> Result<Reply, Failure> {
    let found = everywhere(&service.client)?;
    let columns = [
        Column::Text("Name"),
        Column::Text("Resource group"),
        Column::Text("Region"),
        Column::Text("Deleted"),
        Column::Text("Gone for good"),
    ];
    let row = |it: &Seen<DeletedVault>| {
        let vault = &it.view;
        vec![
            vault.name.clone(),
            find::group_of(&vault.properties.vault_id).to_owned(),
            region_of(vault).to_owned(),
            text::time(&vault.properties.vault_deletion_time),
            text::time(&vault.properties.purge_at),
        ]
    };
    let rows = found.iter().map(row).collect();
    Ok(Reply::done(documents(&found), table(&columns, rows, "There is no soft-deleted vault.")))
}

/// Brings a soft-deleted vault back.
pub fn undelete(
    service: &Service,
    name: &str,
    region: Option<&str>,
    into: Option<&str>,
) -> Result<Reply, Failure> {
    let client = &service.client;
    let found = find_one(client, name, region)?;
    let was = &found.properties.vault_id;
    let group = into.unwrap_or_else(|| find::group_of(was));
    let subscription = client.subscription();
    let recovery_resource_group_id = arm_id::resource_group(subscription, &segment(group));
    let properties = UndeleteProperties { recovery_resource_group_id };
    let path = format!("{}/undelete", found.id);
    client.operate(Method::Post, &path, &UndeleteRequest { properties })?;
    let own_name = arm_id::named(was, "vaults").unwrap_or(name);
    let id = arm_id::vault(subscription, &segment(group), &segment(own_name));
    let vault: Seen<Vault> = client.get(&id)?;
    let human = format!(
        "The vault {} is back in the resource group {}. Its items are still deleted: bring them back \
         with `holdfast item undelete`. Roles that were held on it have to be given again.",
        printable(own_name),
        printable(group)
    );
    Ok(Reply::done(vault.document, human))
}

/// Lets a soft-deleted vault go for good.
pub fn purge(service: &Service, name: &str, region: Option<&str>) -> Result<Reply, Failure> {
    let found = find_one(&service.client, name, region)?;
    service.client.delete(&found.id)?;
    let human = format!("The vault {} is gone for good.", printable(&found.name));
    Ok(Reply::done(json!({"id": found.id, "deleted": true}), human))
}

fn find_one(client: &Client, name: &str, region: Option<&str>) -> Result<DeletedVault, Failure> {
    let mut found = match region {
        Some(region) => of_region(client, region)?,
        None => everywhere(client)?,
    };
    found.retain(|it| it.view.name.eq_ignore_ascii_case(name));
    if found.len() > 1 {
        let regions: Vec<&str> = found.iter().map(|it| region_of(&it.view)).collect();
        return Err(Failure::usage(format!(
            "The regions {} each have a soft-deleted vault '{name}': choose one with --region.",
            regions.join(", ")
        )));
    }
    let missing = || Failure::not_found(format!("There is no soft-deleted vault '{name}'."));
    found.pop().map(|it| it.view).ok_or_else(missing)
}

fn of_region(client: &Client, region: &str) -> Result<Vec<Seen<DeletedVault>>, Failure> {
    client.list(&deleted_vault::of_region(client.subscription(), &segment(region)))
}

fn everywhere(client: &Client) -> Result<Vec<Seen<DeletedVault>>, Failure> {
    let path = format!("{}/locations", arm_id::subscription(client.subscription()));
    let locations: Vec<Seen<Location>> = client.list(&path)?;
    let regions: BTreeSet<String> = locations.into_iter().map(|it| it.view.name).collect();
    let mut found = Vec::new();
    for region in regions {
        found.extend(of_region(client, &region)?);
    }
    Ok(found)
}

/// The region in the id.
fn region_of(vault: &DeletedVault) -> &str {
    arm_id::named(&vault.id, "locations").unwrap_or_default()
}
