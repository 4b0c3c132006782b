//! `holdfast item`: virtual machines under a vault's protection.

use api::arm::VIRTUAL_MACHINES;
use api::arm::item::{Item, ItemRequest, ItemRequestProperties};
use clap::Subcommand;
use model::arm_id;

use super::Service;
use crate::args::{ItemArg, VaultArg};
use crate::client::{Method, Seen, documents};
use crate::failure::Failure;
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
            Self::SetPolicy { item, policy } => set_policy(service, &item, &policy),
            Self::List { vault } => list(service, &vault),
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

fn set_policy(service: &Service, item: &ItemArg, policy: &str) -> Result<Reply, Failure> {
    let client = &service.client;
    let (vault, item) = find::item(client, item)?;
    let properties = ItemRequestProperties {
        protected_item_type: Some(VIRTUAL_MACHINES.to_owned()),
        policy_id: Some(arm_id::policy(&vault.view.id, policy)),
        source_resource_id: Some(item.view.properties.source_resource_id.clone()),
        ..ItemRequestProperties::default()
    };
    client.operate(Method::Put, &item.view.id, &ItemRequest { properties })?;
    let item: Seen<Item> = client.get(&item.view.id)?;
    let properties = &item.view.properties;
    let human =
        format!("'{}' follows the policy '{}'.", properties.friendly_name, properties.policy_name);
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
            properties.protection_state.clone(),
            properties.last_backup_status.clone(),
            newest_point(&item.view),
            next_run(&item.view),
        ]
    };
    let human =
        table(&columns, items.iter().map(row).collect(), "The vault protects no virtual machine.");
    Ok(Reply::done(documents(&items), human))
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
    let told = facts(&[
        ("VM", properties.friendly_name.clone()),
        ("VM's group", find::group_of(&properties.virtual_machine_id).to_owned()),
        ("Policy", properties.policy_name.clone()),
        ("State", properties.protection_state.clone()),
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
