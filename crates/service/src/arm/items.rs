//! What can be protected, what is, and what is asked of it: `protectedItems`, containers, backup
//! now.

use api::arm::item::{
    self as shape, BackupRequest, ItemRequest, ItemRequestProperties, StatusRequest,
};
use api::arm::{container, vault};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::Item;
use model::vault::Vault;

use super::{accepted, bad_request, list};
use crate::call::{Call, Reply, same_vm};
use crate::routes::items::BACKUP_STATUS;

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
    let (subscription, vault_id) = (call.subscription(), vault_id(call, &vault));
    let mut items = call.engine().items(&vault)?;
    let registered = filter.passes_vms() && filter.passes("status", "Registered");
    items.retain(|item| registered && filter.passes("friendlyName", &item.vm_name));
    list(call, items.iter().map(|item| container::render(&subscription, &vault_id, item)))
}

/// `GET V/backupProtectedItems`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let filter = call.filter()?;
    let mut items = call.engine().items(&vault)?;
    items.retain(|item| {
        filter.passes_vms()
            && filter.passes("friendlyName", &item.vm_name)
            && filter.passes("policyName", item.policy.as_deref().unwrap_or_default())
    });
    let rendered = items.iter().map(|item| render(call, &vault, item));
    list(call, rendered.collect::<Result<Vec<_>, _>>()?)
}

/// `GET ITEM`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let (vault, item) = call.item()?;
    Ok(Reply::ok(&render(call, &vault, &item)?))
}

/// `PUT ITEM`: enables backup, or gives the item another policy. As in Azure, whoever enables needs
/// a right on the virtual machine besides the one on the vault.
pub(crate) fn put(call: &Call) -> Result<Reply, Fault> {
    let request: ItemRequest = call.body()?;
    let vault = call.vault()?;
    check_supported(&request.properties)?;
    let (group, vm) = source(call, &request.properties)?;
    if call.item().is_err() {
        let id = arm_id::vm(&call.subscription(), group, vm);
        call.require("Microsoft.Compute/virtualMachines/write", &id)?;
    }
    let policy = policy(call, &vault, &request.properties)?;
    let (item, job) = call.engine().enable(&vault, group, vm, policy)?;
    Ok(accepted(call, &arm_id::item(&vault_id(call, &vault), &item), &job.to_string()))
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

/// `POST …/locations/L/backupStatus`
pub(crate) fn backup_status(call: &Call) -> Result<Reply, Fault> {
    let request: StatusRequest = call.body()?;
    let (group, name) = vm_of(call, &request.resource_id)?;
    call.require(BACKUP_STATUS, &request.resource_id)?;
    let vm = call.engine().vm(group, name)?;
    let protection = call.engine().protection_of(&vm)?;
    let protection = protection.as_ref().map(|(vault, item)| (vault, item));
    Ok(Reply::ok(&shape::render_status(&call.subscription(), protection)))
}

/// Renders an item of this vault.
pub(super) fn render(call: &Call, vault: &Vault, item: &Item) -> Result<shape::Item, Fault> {
    let points = call.engine().points(item)?;
    let following = call.engine().following(item)?;
    Ok(shape::render(shape::Facts {
        subscription: &call.subscription(),
        base: &call.base,
        vault,
        item,
        newest_point: points.first().map(|point| point.taken_at),
        policy_kind: following.map(|following| following.kind),
        next_run: following.and_then(|following| following.next_run),
        warnings: &call.engine().vault_warnings(vault),
    }))
}

/// The ARM id of this vault.
pub(super) fn vault_id(call: &Call, vault: &Vault) -> String {
    vault::id(&call.subscription(), vault)
}

/// Refuses what cannot be done yet, so that nobody believes it was.
fn check_supported(wanted: &ItemRequestProperties) -> Result<(), Fault> {
    let refused = |what: &str| {
        let message = format!("{what} is not supported yet; the request changed nothing.");
        Err(Fault::new(Code::InvalidConfigureProtection, message))
    };
    let state = wanted.protection_state.as_deref().unwrap_or_default();
    if ["ProtectionStopped", "BackupsSuspended", "ProtectionPaused"].contains(&state) {
        return refused("Stopping protection");
    }
    if wanted.is_rehydrate == Some(true) {
        return refused("Bringing back a deleted item");
    }
    let extended = wanted.extended_properties.as_ref();
    let disks = extended.and_then(|extended| extended.disk_exclusion_properties.as_ref());
    if disks.is_some_and(|disks| !disks.is_null()) {
        return refused("Backing up only some disks");
    }
    Ok(())
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
fn vm_of<'a>(call: &Call, id: &'a str) -> Result<(&'a str, &'a str), Fault> {
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
        Some(name) if prefix.eq_ignore_ascii_case(&of_vault) => Ok(name),
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
