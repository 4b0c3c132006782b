//! `holdfast item`: virtual machines under a vault's protection.

use api::arm::VIRTUAL_MACHINES;
use api::arm::item::{Item, ItemProperties, ItemRequest, ItemRequestProperties};
use clap::Subcommand;
use model::arm_id;
use serde_json::json;

use super::Service;
use crate::args::{ItemArg, VaultArg};
use crate::client::{Method, Seen, documents};
use crate::failure::{Exit, Failure};
use crate::find;
use crate::output::{Column, Reply, blocks, facts, table};
use crate::text;

/// What can be done with protected items.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put a virtual machine under a vault's protection, or under another policy of it
    Enable {
        /// The vault.
        #[command(flatten)]
        vault: VaultArg,
        /// The virtual machine
        #[arg(long)]
        vm: String,
        /// The virtual machine's resource group, where several have one of this name
        #[arg(long, value_name = "GROUP")]
        vm_resource_group: Option<String>,
        /// The policy
        #[arg(long, default_value = model::policy::DEFAULT_POLICY)]
        policy: String,
    },
    /// Give an item another policy of its vault
    SetPolicy {
        /// The item.
        #[command(flatten)]
        item: ItemArg,
        /// The policy
        #[arg(long)]
        policy: String,
    },
    /// List a vault's items
    List {
        /// The vault.
        #[command(flatten)]
        vault: VaultArg,
    },
    /// Back an item up no more, and keep its recovery points
    Stop {
        /// The item.
        #[command(flatten)]
        item: ItemArg,
        /// Keep the points as the policy says; immutable vaults only
        #[arg(long)]
        as_per_policy: bool,
    },
    /// Back a stopped item up again
    Resume {
        /// The item.
        #[command(flatten)]
        item: ItemArg,
        /// The policy
        #[arg(long, default_value = model::policy::DEFAULT_POLICY)]
        policy: String,
    },
    /// Stop an item's protection and delete its recovery points; for a while it can be undeleted,
    /// unless the vault's soft delete is off
    Delete {
        /// The item.
        #[command(flatten)]
        item: ItemArg,
    },
    /// Bring a deleted item back; its protection is stopped
    Undelete {
        /// The item.
        #[command(flatten)]
        item: ItemArg,
    },
    /// Show an item
    Show {
        /// The item.
        #[command(flatten)]
        item: ItemArg,
    },
}

impl Command {
    /// Carries the command out.
    pub fn run(self, service: &Service) -> Result<Reply, Failure> {
        match self {
            Self::Enable { vault, vm, vm_resource_group, policy } => {
                enable(service, &vault, &vm, vm_resource_group.as_deref(), &policy)
            }
            Self::SetPolicy { item, policy } => {
                let done =
                    |now: &ItemProperties| format!("follows the policy '{}'", now.policy_name);
                change(service, &item, |vault| under(vault, &policy), done)
            }
            Self::List { vault } => list(service, &vault),
            Self::Stop { item, as_per_policy } => {
                let state = if as_per_policy { "BackupsSuspended" } else { "ProtectionStopped" };
                change(service, &item, |_| stopped(state), as_told("is not backed up any more"))
            }
            Self::Resume { item, policy } => {
                change(service, &item, |vault| under(vault, &policy), as_told("is backed up again"))
            }
            Self::Undelete { item } => {
                let undelete = |_: &str| ItemRequestProperties {
                    is_rehydrate: Some(true),
                    ..stopped("ProtectionStopped")
                };
                change(service, &item, undelete, as_told("is back; its protection is stopped"))
            }
            Self::Delete { item } => delete(service, &item),
            Self::Show { item } => {
                let (_, item) = find::item(&service.client, &item)?;
                Ok(Reply::done(item.document, describe(&item.view)))
            }
        }
    }
}

fn enable(
    service: &Service,
    vault: &VaultArg,
    vm: &str,
    vm_group: Option<&str>,
    policy: &str,
) -> Result<Reply, Failure> {
    let client = &service.client;
    let vault = find::vault(client, vault)?.view;
    let vm = find::vm(client, vm, vm_group, "--vm-resource-group")?.view;
    let group = find::group_of(&vm.id);
    let container = arm_id::container(&vault.id, group, &vm.name);
    let path = format!("{container}/protectedItems/VM;{}", arm_id::vm_tail(group, &vm.name));
    let properties = ItemRequestProperties {
        protected_item_type: Some(VIRTUAL_MACHINES.to_owned()),
        policy_id: Some(arm_id::policy(&vault.id, policy)),
        source_resource_id: Some(vm.id.clone()),
        ..ItemRequestProperties::default()
    };
    client.operate(Method::Put, &path, &ItemRequest { properties })?;
    let item: Seen<Item> = client.get(&path)?;
    let human = format!(
        "The vault '{}' protects '{}' under the policy '{}'.",
        vault.name, vm.name, item.view.properties.policy_name
    );
    Ok(Reply::done(item.document, human))
}

/// Backed up under this policy of the vault with this id.
fn under(vault: &str, policy: &str) -> ItemRequestProperties {
    ItemRequestProperties {
        policy_id: Some(arm_id::policy(vault, policy)),
        ..ItemRequestProperties::default()
    }
}

fn stopped(state: &str) -> ItemRequestProperties {
    ItemRequestProperties {
        policy_id: Some(String::new()),
        protection_state: Some(state.to_owned()),
        ..ItemRequestProperties::default()
    }
}

/// The same words whatever the item is now.
fn as_told(words: &str) -> impl FnOnce(&ItemProperties) -> String {
    move |_| words.to_owned()
}

/// Asks for a change of an item, given what to ask for a vault's id, and tells what it is now.
fn change(
    service: &Service,
    item: &ItemArg,
    wanted: impl FnOnce(&str) -> ItemRequestProperties,
    done: impl FnOnce(&ItemProperties) -> String,
) -> Result<Reply, Failure> {
    let client = &service.client;
    let (vault, item) = find::item(client, item)?;
    let properties = ItemRequestProperties {
        protected_item_type: Some(VIRTUAL_MACHINES.to_owned()),
        source_resource_id: Some(item.view.properties.source_resource_id.clone()),
        ..wanted(&vault.view.id)
    };
    client.operate(Method::Put, &item.view.id, &ItemRequest { properties })?;
    let item: Seen<Item> = client.get(&item.view.id)?;
    let properties = &item.view.properties;
    let human = format!("'{}' {}.", properties.friendly_name, done(properties));
    Ok(Reply::done(item.document, human))
}

fn delete(service: &Service, item: &ItemArg) -> Result<Reply, Failure> {
    let client = &service.client;
    let (_, item) = find::item(client, item)?;
    client.delete(&item.view.id)?;
    let name = &item.view.properties.friendly_name;
    let item: Seen<Item> = match client.get(&item.view.id) {
        // Its vault keeps nothing of what is deleted.
        Err(failure) if failure.exit == Exit::NotFound => {
            let human = format!("'{name}' is deleted, with its recovery points.");
            return Ok(Reply::done(json!({"id": item.view.id, "deleted": true}), human));
        }
        found => found?,
    };
    let properties = &item.view.properties;
    let until = properties.deferred_delete_time_in_utc.as_deref().map(text::time);
    let human = format!(
        "'{}' is deleted; it can be undeleted until {}.",
        properties.friendly_name,
        until.unwrap_or_default()
    );
    Ok(Reply::done(item.document, human))
}

fn list(service: &Service, vault: &VaultArg) -> Result<Reply, Failure> {
    let vault = find::vault(&service.client, vault)?;
    let items: Vec<Seen<Item>> =
        service.client.list(&format!("{}/backupProtectedItems", vault.view.id))?;
    let columns = [
        Column::Text("VM"),
        Column::Text("VM's group"),
        Column::Text("Policy"),
        Column::Text("State"),
        Column::Text("Last backup"),
        Column::Text("Newest point"),
        Column::Text("Next run"),
    ];
    let row = |item: &Seen<Item>| {
        let properties = &item.view.properties;
        vec![
            properties.friendly_name.clone(),
            find::group_of(&properties.virtual_machine_id).to_owned(),
            properties.policy_name.clone(),
            state(properties),
            properties.last_backup_status.clone(),
            newest_point(&item.view),
            next_run(&item.view),
        ]
    };
    let human =
        table(&columns, items.iter().map(row).collect(), "The vault protects no virtual machine.");
    Ok(Reply::done(documents(&items), human))
}

/// Where the protection stands; Azure has no state for what is deleted.
fn state(properties: &ItemProperties) -> String {
    match properties.is_scheduled_for_deferred_delete {
        Some(true) => "Deleted".to_owned(),
        _ => properties.protection_state.clone(),
    }
}

fn newest_point(item: &Item) -> String {
    item.properties.last_recovery_point.as_deref().map(text::time).unwrap_or_default()
}

fn next_run(item: &Item) -> String {
    item.properties.holdfast.next_run.as_deref().map(text::time).unwrap_or_default()
}

fn describe(item: &Item) -> String {
    let properties = &item.properties;
    let has_backup = !properties.last_backup_status.is_empty();
    let last =
        format!("{} ({})", properties.last_backup_status, text::time(&properties.last_backup_time));
    let until = properties.deferred_delete_time_in_utc.as_deref();
    let told = facts(&[
        ("VM", properties.friendly_name.clone()),
        ("VM's group", find::group_of(&properties.virtual_machine_id).to_owned()),
        ("Policy", properties.policy_name.clone()),
        ("State", state(properties)),
        ("Undelete until", until.map(text::time).unwrap_or_default()),
        ("Health", properties.health_status.clone()),
        ("Last backup", if has_backup { last } else { String::new() }),
        ("Newest point", newest_point(item)),
        ("Next run", next_run(item)),
        ("Next reads from", properties.holdfast.chain_point.clone().unwrap_or_default()),
    ]);
    let details: Vec<String> = properties
        .health_details
        .iter()
        .map(|detail| format!("{}: {}", detail.title, text::printable(&detail.message)))
        .collect();
    blocks(&[told, details.join("\n")])
}
