//! From names, as people type them, to the service's resources.
//!
//! A name is compared without regard to case, in all resource groups unless one is given. One that
//! several resources have is a usage error that lists their groups; one that none has is not found.

use api::arm::item::Item;
use api::arm::network::VirtualNetwork;
use api::arm::point::Point;
use api::arm::store::StorageAccount;
use api::arm::vault::Vault;
use api::arm::vm::Vm;
use model::arm_id;
use model::fault::{Code, Fault};

use crate::args::{ItemArg, VaultArg};
use crate::client::{Client, Seen, segment};
use crate::failure::Failure;

/// The vault of this name.
pub fn vault(client: &Client, arg: &VaultArg) -> Result<Seen<Vault>, Failure> {
    let VaultArg { vault: name, resource_group } = arg;
    if let Some(group) = resource_group {
        return client.get(&arm_id::vault(client.subscription(), &segment(group), &segment(name)));
    }
    let path = format!("{}/providers/{}", arm_id::subscription(client.subscription()), VAULTS);
    let mut found: Vec<Seen<Vault>> = client.list(&path)?;
    found.retain(|vault| vault.view.name.eq_ignore_ascii_case(name));
    let missing = || Failure::not_found(format!("There is no vault '{name}'."));
    only(found, |vault| group_of(&vault.id).to_owned(), "vault", name, "--resource-group", missing)
}

/// The provider and type of vaults in a list's path.
pub const VAULTS: &str = "Microsoft.RecoveryServices/vaults";

/// The virtual machine of this name.
pub fn vm(
    client: &Client,
    name: &str,
    group: Option<&str>,
    option: &str,
) -> Result<Seen<Vm>, Failure> {
    if let Some(group) = group {
        return client.get(&arm_id::vm(client.subscription(), &segment(group), &segment(name)));
    }
    let path = arm_id::subscription(client.subscription());
    let mut found: Vec<Seen<Vm>> =
        client.list(&format!("{path}/providers/Microsoft.Compute/virtualMachines"))?;
    found.retain(|vm| vm.view.name.eq_ignore_ascii_case(name));
    let missing = || Failure::not_found(format!("No host has a virtual machine '{name}'."));
    only(found, |vm| group_of(&vm.id).to_owned(), "virtual machine", name, option, missing)
}

/// The protected item of this name, and its vault.
pub fn item(client: &Client, arg: &ItemArg) -> Result<(Seen<Vault>, Seen<Item>), Failure> {
    let vault = vault(client, &arg.vault)?;
    let (name, group) = (&arg.item, arg.vm_resource_group.as_deref());
    let mut found: Vec<Seen<Item>> =
        client.list(&format!("{}/backupProtectedItems", vault.view.id))?;
    found.retain(|item| {
        let in_group = group_of(&item.view.properties.virtual_machine_id);
        item.view.properties.friendly_name.eq_ignore_ascii_case(name)
            && group.is_none_or(|group| in_group.eq_ignore_ascii_case(group))
    });
    let missing = || {
        let message =
            format!("The vault '{}' protects no virtual machine '{name}'.", vault.view.name);
        Fault::new(Code::ItemNotFound, message).into()
    };
    let group = |item: &Item| group_of(&item.properties.virtual_machine_id).to_owned();
    let item = only(found, group, "item", name, "--vm-resource-group", missing)?;
    Ok((vault, item))
}

/// The recovery point with this id, or the newest one for `latest`.
pub fn point(client: &Client, item: &Item, name: &str) -> Result<Seen<Point>, Failure> {
    if name != LATEST {
        return client.get(&format!("{}/recoveryPoints/{}", item.id, segment(name)));
    }
    let points: Vec<Seen<Point>> = client.list(&format!("{}/recoveryPoints", item.id))?;
    let time = |point: &Seen<Point>| {
        point.view.properties.recovery_point_time.parse::<jiff::Timestamp>().ok()
    };
    points.into_iter().max_by_key(time).ok_or_else(|| {
        let name = &item.properties.friendly_name;
        Failure::not_found(format!("There is no recovery point of '{name}' yet."))
    })
}

/// The staging store of this name in this region; the name may have its group before it, as in
/// `GROUP/NAME`.
pub fn store(client: &Client, name: &str, region: &str) -> Result<Seen<StorageAccount>, Failure> {
    let path = arm_id::subscription(client.subscription());
    let mut found: Vec<Seen<StorageAccount>> =
        client.list(&format!("{path}/providers/{}", api::arm::store::STORAGE_ACCOUNTS))?;
    found.retain(|store| {
        let resource = &store.view.resource;
        is_named(&resource.id, &resource.name, name)
            && resource.location.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(region))
    });
    let missing = || Failure::not_found(format!("Region '{region}' has no store '{name}'."));
    let group = |store: &StorageAccount| group_of(&store.resource.id).to_owned();
    only(found, group, "store", name, "GROUP/NAME", missing)
}

/// The virtual network of this name in this region; the name may have its group before it, as in
/// `GROUP/NAME`.
pub fn network(client: &Client, name: &str, region: &str) -> Result<Seen<VirtualNetwork>, Failure> {
    let path = arm_id::subscription(client.subscription());
    let mut found: Vec<Seen<VirtualNetwork>> =
        client.list(&format!("{path}/providers/{}", api::arm::network::VIRTUAL_NETWORKS))?;
    found.retain(|network| {
        let network = &network.view;
        is_named(&network.id, &network.name, name)
            && network.location.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(region))
    });
    let missing = || Failure::not_found(format!("Region '{region}' has no network '{name}'."));
    let group = |network: &VirtualNetwork| group_of(&network.id).to_owned();
    only(found, group, "network", name, "GROUP/NAME", missing)
}

/// Whether the resource is the one that `wanted` names, with or without its group.
fn is_named(id: &str, name: &str, wanted: &str) -> bool {
    match wanted.split_once('/') {
        Some((group, wanted)) => {
            group_of(id).eq_ignore_ascii_case(group) && name.eq_ignore_ascii_case(wanted)
        }
        None => name.eq_ignore_ascii_case(wanted),
    }
}

/// What stands for the newest recovery point.
pub const LATEST: &str = "latest";

/// The resource group in an id.
pub fn group_of(id: &str) -> &str {
    arm_id::named(id, "resourceGroups").unwrap_or_default()
}

/// The only one of `found`.
fn only<T>(
    mut found: Vec<Seen<T>>,
    group: impl Fn(&T) -> String,
    kind: &str,
    name: &str,
    option: &str,
    missing: impl Fn() -> Failure,
) -> Result<Seen<T>, Failure> {
    if found.len() > 1 {
        let groups: Vec<String> = found.iter().map(|one| group(&one.view)).collect();
        return Err(Failure::usage(format!(
            "The resource groups {} each have a {kind} '{name}': choose one with {option}.",
            groups.join(", ")
        )));
    }
    found.pop().ok_or_else(missing)
}
