//! What can be protected, what is, and what is asked of it: `protectedItems`, containers, backup
//! now.

use api::arm::item::{
    self as shape, BackupRequest, ExtendedProperties, ItemRequest, ItemRequestProperties,
};
use api::arm::{VIRTUAL_MACHINES, container, vault};
use axum::http::StatusCode;
use engine::{Following, ItemQuery, Wish};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::{DiskSelection, Item};
use model::vault::Vault;

use super::pages::{self, Part};
use super::{accepted, bad_request, link, list, pending};
use crate::call::{Call, Reply, same_vm};
use crate::filter::Filter;
use crate::routes::items::ITEM_DELETE;

/// `GET V/backupProtectableItems`
pub(crate) fn protectable(call: &Call) -> Result<Reply, Fault> {
    let found = call.vault()?;
    let filter = call.filter()?;
    let (subscription, vault_id) = (call.subscription(), vault_id(call, &found));
    let mut vms = call.engine().protectable(&found)?;
    vms.retain(|vm| filter.passes_vms() && filter.passes("friendlyName", &vm.name));
    let render = |vm| container::render_protectable(&subscription, &vault_id, vm);
    list(call, vms.iter().map(render))
}

/// `GET V/backupProtectionContainers`
pub(crate) fn containers(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let filter = call.filter()?;
    let part = pages::part(call, CONTAINERS)?;
    let items = if filter.passes("status", "Registered") {
        find(call, &vault, &filter, &part)?
    } else {
        Vec::new()
    };
    let (subscription, vault_id) = (call.subscription(), vault_id(call, &vault));
    let render = |item: &Item| container::render(&subscription, &vault_id, item);
    pages::page(call, CONTAINERS, &part, items, place, |items| {
        Ok(items.iter().map(render).collect())
    })
}

/// `GET V/backupFabrics/Azure/protectionContainers/C`
pub(crate) fn container(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let name = call.name("container");
    let (group, vm) = arm_id::parse_vm_tail(name).ok_or_else(|| {
        let message = format!("'{name}' is not the container of a virtual machine.");
        Fault::new(Code::ItemNotFound, message)
    })?;
    let item = call.engine().item(&vault, group, vm)?;
    let vault_id = vault_id(call, &vault);
    Ok(Reply::ok(&container::render(&call.subscription(), &vault_id, &item)))
}

/// `GET V/backupProtectedItems`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let part = pages::part(call, ITEMS)?;
    let items = find(call, &vault, &call.filter()?, &part)?;
    pages::page(call, ITEMS, &part, items, place, |items| render_all(call, &vault, items))
}

const ITEMS: &str = "items";
const CONTAINERS: &str = "containers";

/// The vault's items that a filter wants, of one page.
fn find(call: &Call, vault: &Vault, filter: &Filter, part: &Part) -> Result<Vec<Item>, Fault> {
    let after = pages::parsed(part, |place| {
        let (id, vm_name) = place.split_once(' ')?;
        Some((vm_name.to_owned(), id.parse().ok()?))
    })?;
    if !filter.passes_vms() {
        return Ok(Vec::new());
    }
    call.engine().find_items(&ItemQuery {
        vault: vault.id,
        vm_name: filter.get("friendlyName").map(str::to_owned),
        policy: filter.get("policyName").map(str::to_owned),
        after,
        limit: Some(part.fetch),
    })
}

/// An item's place in a list.
fn place(item: &Item) -> String {
    format!("{} {}", item.id, item.vm_name)
}

/// `GET ITEM`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let (vault, item) = call.item()?;
    Ok(Reply::ok(&render(call, &vault, &item)?))
}

/// `PUT ITEM`: everything that a client asks of an item's protection. As in Azure, whoever enables
/// it needs a right on the virtual machine besides the one on the vault.
pub(crate) fn put(call: &Call) -> Result<Reply, Fault> {
    let request: ItemRequest = call.body()?;
    let vault = call.vault()?;
    let wanted = &request.properties;
    let (group, vm) = source(call, wanted)?;
    let (item, job) = match asked(wanted)? {
        Asked::Protect { disks } => {
            if call.item().is_err() {
                let id = arm_id::vm(&call.subscription(), group, vm);
                call.require("Microsoft.Compute/virtualMachines/write", &id)?;
            }
            let policy = policy(call, &vault, wanted)?;
            call.engine().protect(&vault, group, vm, policy, disks)?
        }
        Asked::Change(wish) => {
            let item = call.engine().item(&vault, group, vm)?;
            // Who may only operate backups may not end them: in Azure that takes a Contributor.
            if matches!(wish, Wish::Stop | Wish::Suspend) {
                call.require(ITEM_DELETE, &arm_id::item(&vault_id(call, &vault), &item))?;
            }
            let job = call.engine().change(&vault, item.clone(), &wish)?;
            (item, job)
        }
    };
    Ok(accepted(call, &arm_id::item(&vault_id(call, &vault), &item), &job.to_string()))
}

/// `DELETE ITEM`: stops protection and deletes the item with its data, as far as the vault's soft
/// delete lets it. An item that is not there is as it should be.
pub(crate) fn delete(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let (group, vm) = call.item_vm()?;
    let item = match call.engine().item(&vault, group, vm) {
        Err(fault) if fault.code == Code::ItemNotFound => {
            return Ok(Reply::empty(StatusCode::NO_CONTENT));
        }
        found => found?,
    };
    let job = call.engine().change(&vault, item, &Wish::Delete)?;
    let id = vault_id(call, &vault);
    Ok(pending()
        .with("azure-asyncoperation", link(call, &format!("{id}/backupOperations/{job}")))
        .with("location", link(call, &format!("{id}/backupOperationResults/{job}"))))
}

/// `POST ITEM/backup`
pub(crate) fn backup(call: &Call) -> Result<Reply, Fault> {
    let (vault, item) = call.item()?;
    let retain_until = if call.body.is_empty() {
        None
    } else {
        let request: BackupRequest = call.body()?;
        let expiry = request.properties.recovery_point_expiry_time_in_utc;
        expiry.as_deref().map(moment).transpose()?
    };
    let job = call.engine().backup_now(&item, retain_until)?;
    Ok(accepted(call, &arm_id::item(&vault_id(call, &vault), &item), &job.to_string()))
}

/// Renders an item of this vault.
pub(super) fn render(call: &Call, vault: &Vault, item: &Item) -> Result<shape::Item, Fault> {
    let rendered = render_all(call, vault, std::slice::from_ref(item))?;
    Ok(rendered.into_iter().next().expect("one for each"))
}

/// Renders items of this vault.
fn render_all(call: &Call, vault: &Vault, items: &[Item]) -> Result<Vec<shape::Item>, Fault> {
    let newest = call.engine().newest_points(items)?;
    let following = call.engine().following(vault, items)?;
    let (subscription, warnings) = (call.subscription(), call.engine().vault_warnings(vault));
    let render = |((item, newest_point), following): ((&Item, _), Option<Following>)| {
        shape::render(shape::Facts {
            subscription: &subscription,
            base: &call.base,
            vault,
            item,
            newest_point,
            policy_kind: following.map(|following| following.kind),
            next_run: following.and_then(|following| following.next_run),
            warnings: &warnings,
            now: call.now(),
        })
    };
    Ok(items.iter().zip(newest).zip(following).map(render).collect())
}

/// The ARM id of this vault.
pub(super) fn vault_id(call: &Call, vault: &Vault) -> String {
    vault::id(&call.subscription(), vault)
}

/// What a body asks of an item.
enum Asked {
    /// To be backed up under the body's policy; these disks, if it names any.
    Protect { disks: Option<DiskSelection> },
    /// Something else.
    Change(Wish),
}

/// Reads what a body asks for. The state counts for more than the policy: clients that stop
/// protection send what they read before along with it. No policy, said so, is a stop too.
fn asked(wanted: &ItemRequestProperties) -> Result<Asked, Fault> {
    let refused = |message: String| Fault::new(Code::InvalidConfigureProtection, message);
    let kind = wanted.protected_item_type.as_deref().unwrap_or(VIRTUAL_MACHINES);
    if !kind.eq_ignore_ascii_case(VIRTUAL_MACHINES) {
        let message = format!("protectedItemType '{kind}' is not {VIRTUAL_MACHINES}.");
        return Err(refused(message));
    }
    if wanted.is_rehydrate == Some(true) {
        return Ok(Asked::Change(Wish::Undelete));
    }
    let state = wanted.protection_state.as_deref().unwrap_or_default();
    let is = |known: &str| state.eq_ignore_ascii_case(known);
    if is("ProtectionStopped") {
        return Ok(Asked::Change(Wish::Stop));
    }
    if is("BackupsSuspended") {
        return Ok(Asked::Change(Wish::Suspend));
    }
    if !["", "Protected", "IRPending", "ProtectionError"].into_iter().any(is) {
        return Err(refused(format!("An item cannot be put into the state '{state}'.")));
    }
    if wanted.policy_id.as_deref() == Some("") {
        return Ok(Asked::Change(Wish::Stop));
    }
    let disks = wanted.extended_properties.as_ref().map(ExtendedProperties::selection);
    let disks = disks.transpose().map_err(|what| {
        refused(format!("diskLunList names {what}, which is not the number of a disk."))
    })?;
    Ok(Asked::Protect { disks })
}

/// The resource group and name of the VM to protect: the body's, which must be the URL's.
fn source<'a>(
    call: &'a Call,
    wanted: &'a ItemRequestProperties,
) -> Result<(&'a str, &'a str), Fault> {
    let in_url = call.item_vm()?;
    let Some(id) = wanted.source_resource_id.as_deref() else {
        return Ok(in_url);
    };
    let in_body = vm_of(call, id)?;
    if same_vm(in_url, in_body) {
        return Ok(in_body);
    }
    let message = format!(
        "The URL names virtual machine '{}' of resource group '{}', the body '{id}'.",
        in_url.1, in_url.0
    );
    Err(Fault::new(Code::InvalidConfigureProtection, message))
}

/// The resource group and name of the VM with this ARM id, in our subscription.
pub(super) fn vm_of<'a>(call: &Call, id: &'a str) -> Result<(&'a str, &'a str), Fault> {
    let named = |key| arm_id::named(id, key);
    let subscription = named("subscriptions").unwrap_or_default();
    let (group, vm) = (named("resourceGroups"), named("virtualMachines"));
    match (group, vm) {
        (Some(group), Some(vm)) if subscription.eq_ignore_ascii_case(&call.subscription()) => {
            Ok((group, vm))
        }
        _ => {
            let message =
                format!("'{id}' is not the id of a virtual machine of this subscription.");
            Err(Fault::new(Code::InvalidConfigureProtection, message))
        }
    }
}

/// The name of the policy that the body names, which must be one of this vault.
fn policy<'a>(
    call: &Call,
    vault: &Vault,
    wanted: &'a ItemRequestProperties,
) -> Result<&'a str, Fault> {
    let id = wanted.policy_id.as_deref().unwrap_or_default();
    let of_vault = vault_id(call, vault);
    let prefix = id.get(..of_vault.len()).unwrap_or_default();
    let name = arm_id::named(id, "backupPolicies");
    match name {
        Some(name) if prefix.eq_ignore_ascii_case(&of_vault) => {
            call.require("Microsoft.RecoveryServices/Vaults/backupPolicies/read", id)?;
            Ok(name)
        }
        _ => {
            let message = format!("policyId '{id}' is not a policy of vault '{}'.", vault.name);
            Err(Fault::new(Code::InvalidConfigureProtection, message))
        }
    }
}

/// A moment as clients send it; one without a zone is in UTC.
fn moment(text: &str) -> Result<Timestamp, Fault> {
    let civil = || {
        let civil: DateTime = text.parse().ok()?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    text.parse().ok().or_else(civil).ok_or_else(|| {
        bad_request(format!("recoveryPointExpiryTimeInUTC '{text}' is not a date and time."))
    })
}
