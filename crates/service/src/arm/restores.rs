//! Restore requests: every id and word in their bodies is checked before the engine hears of it.

use std::path::PathBuf;

use api::arm::VIRTUAL_MACHINES;
use api::arm::network::{SUBNETS, VIRTUAL_NETWORKS};
use api::arm::restore::{
    ALTERNATE_LOCATION, HoldfastTarget, ORIGINAL_LOCATION, RESTORE_DISKS, RestoreRequest as Sent,
    RestoreRequestProperties as Properties,
};
use api::arm::store::STORAGE_ACCOUNTS;
use engine::{ImageFormat, RestoreForm, RestoreRequest};
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::Item;
use model::network::{Network, SUBNET};
use model::store::Store;
use model::vault::Vault;
use uuid::Uuid;

use super::items::vault_id;
use super::{accepted, bad_request, networks, points};
use crate::call::{Call, Reply};

/// `POST ITEM/recoveryPoints/P/restore`
pub(crate) fn restore(call: &Call) -> Result<Reply, Fault> {
    let (vault, item) = call.item()?;
    let point = points::point_id(call, &item)?;
    let sent: Sent = call.body()?;
    if let Some(named) = &sent.properties.recovery_point_id
        && named.parse() != Ok(point)
    {
        let message = format!("The body's recoveryPointId '{named}' is not the URL's '{point}'.");
        return Err(bad_request(message));
    }
    let wanted = wanted(call, &vault, &item, &sent.properties)?;
    let job = call.engine().restore(&item, point, wanted)?;
    Ok(accepted(call, &arm_id::item(&vault_id(call, &vault), &item), &job.to_string()))
}

/// What the request asks for. What cannot be done is refused.
fn wanted(
    call: &Call,
    vault: &Vault,
    item: &Item,
    sent: &Properties,
) -> Result<RestoreRequest, Fault> {
    let mut form = match sent.recovery_type.as_str() {
        RESTORE_DISKS => RestoreForm::Disks { format: format(sent.holdfast_target.as_ref())? },
        ALTERNATE_LOCATION => {
            let name = sent.target_vm_name().unwrap_or_default().to_owned();
            RestoreForm::NewVm { name, network: None }
        }
        ORIGINAL_LOCATION => {
            let message = "Restoring over the original disks (OriginalLocation) is not supported.";
            return Err(Fault::new(Code::RestoreTypeNotSupported, message));
        }
        other => {
            let known = format!("{RESTORE_DISKS} nor {ALTERNATE_LOCATION}");
            return Err(bad_request(format!("recoveryType '{other}' is neither {known}.")));
        }
    };
    check_source(call, vault, item, sent)?;
    let luns = sent.luns().map_err(|error| bad_request(format!("{error}.")))?;
    let store = store(call, sent)?;
    let directory = directory(call, sent)?;
    let resource_group = group(call, sent)?;
    match &mut form {
        RestoreForm::NewVm { name, network } => {
            let group = resource_group.as_deref().unwrap_or(&item.vm_resource_group);
            check_vm(call, group, name, sent)?;
            *network = self::network(call, sent)?.map(Box::new);
        }
        RestoreForm::Disks { .. } => {
            if let Some(group) = &resource_group {
                let id = arm_id::resource_group(&call.subscription(), group);
                call.require("Microsoft.Compute/disks/write", &id)?;
            }
        }
    }
    Ok(RestoreRequest { form, directory, store, resource_group, luns })
}

/// Where the request says what it restores from, and in which region, it must say the truth.
fn check_source(call: &Call, vault: &Vault, item: &Item, sent: &Properties) -> Result<(), Fault> {
    if let Some(source) = sent.source_resource_id.as_deref().filter(|id| !id.is_empty()) {
        let named = parse(call, source, VIRTUAL_MACHINES)?;
        let same = named.group.eq_ignore_ascii_case(&item.vm_resource_group)
            && named.name().eq_ignore_ascii_case(&item.vm_name);
        if !same {
            let message = format!("sourceResourceId '{source}' is not the item's virtual machine.");
            return Err(bad_request(message));
        }
    }
    match sent.region.as_deref().filter(|region| !region.is_empty()) {
        Some(region) if !region.eq_ignore_ascii_case(&vault.region) => {
            let message = format!(
                "The vault is in region '{}'; it does not restore into region '{region}'.",
                vault.region
            );
            Err(Fault::new(Code::RestoreTargetInvalid, message))
        }
        _ => Ok(()),
    }
}

fn store(call: &Call, sent: &Properties) -> Result<Option<Store>, Fault> {
    let Some(id) = sent.storage_account_id.as_deref().filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let named = parse(call, id, STORAGE_ACCOUNTS)?;
    call.require("Microsoft.Storage/storageAccounts/write", id)?;
    call.engine().store(named.group, named.name()).map(Some)
}

/// The directory that the request names itself: more than Azure's clients can say, so it takes a
/// right of Holdfast's own.
fn directory(call: &Call, sent: &Properties) -> Result<Option<PathBuf>, Fault> {
    let target = sent.holdfast_target.as_ref();
    let Some(directory) = target.and_then(|target| target.directory.as_ref()) else {
        return Ok(None);
    };
    let subscription = arm_id::subscription(&call.subscription());
    call.require("Holdfast.Fabric/directories/write", &subscription)?;
    Ok(Some(PathBuf::from(directory)))
}

/// The resource group that the request restores into, if it names one.
fn group(call: &Call, sent: &Properties) -> Result<Option<String>, Fault> {
    let id = sent.target_resource_group_id.as_deref().filter(|id| !id.is_empty());
    let of_group = id.map(|id| parse(call, id, "")).transpose()?.map(|named| named.group);
    let vm = sent.target_virtual_machine_id.as_deref().filter(|id| !id.is_empty());
    let of_vm = vm.map(|id| parse(call, id, VIRTUAL_MACHINES)).transpose()?;
    let of_vm = of_vm.map(|named| named.group);
    match (of_group, of_vm) {
        (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other) => {
            let message = format!(
                "targetResourceGroupId names group '{one}', targetVirtualMachineId group '{other}'."
            );
            Err(bad_request(message))
        }
        (one, other) => Ok(one.or(other).map(str::to_owned)),
    }
}

/// Whether the caller may make the virtual machine that the request names.
fn check_vm(call: &Call, group: &str, name: &str, sent: &Properties) -> Result<(), Fault> {
    if name.is_empty() {
        let message = "The request names no virtual machine to create.";
        return Err(Fault::new(Code::RestoreTargetInvalid, message));
    }
    let own = arm_id::vm(&call.subscription(), group, name);
    let id = sent.target_virtual_machine_id.as_deref().filter(|id| !id.is_empty());
    for id in id.into_iter().chain([own.as_str()]) {
        call.require("Microsoft.Compute/virtualMachines/write", id)?;
    }
    Ok(())
}

/// The network that the request names, by itself or by its subnet.
fn network(call: &Call, sent: &Properties) -> Result<Option<Network>, Fault> {
    let subnet = sent.subnet_id.as_deref().filter(|id| !id.is_empty());
    let subnet = subnet.map(|id| parse(call, id, SUBNETS)).transpose()?;
    let id = sent.virtual_network_id.as_deref().filter(|id| !id.is_empty());
    let named = id.map(|id| parse(call, id, VIRTUAL_NETWORKS)).transpose()?;
    let (group, name) = match (&named, &subnet) {
        (None, None) => return Ok(None),
        (Some(network), Some(subnet)) if !network.is_above(subnet) => {
            let message = "subnetId is not a subnet of virtualNetworkId.";
            return Err(bad_request(message));
        }
        (Some(named), _) | (None, Some(named)) => (named.group, named.name()),
    };
    let subscription = call.subscription();
    let network_id = arm_id::virtual_network(&subscription, group, name);
    let within = subnet.as_ref().map_or(SUBNET, |subnet| subnet.names[1]);
    call.require(
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        &arm_id::subnet(&network_id, within),
    )?;
    let network = call.engine().network(group, name)?;
    if !within.eq_ignore_ascii_case(SUBNET) {
        return Err(networks::no_subnet(&network, within));
    }
    Ok(Some(network))
}

fn format(target: Option<&HoldfastTarget>) -> Result<ImageFormat, Fault> {
    match target.and_then(|target| target.format.as_deref()) {
        None | Some("qcow2") => Ok(ImageFormat::Qcow2),
        Some("raw") => Ok(ImageFormat::Raw),
        Some(other) => Err(bad_request(format!("format '{other}' is neither raw nor qcow2."))),
    }
}

/// What an id in a body names.
struct Named<'a> {
    group: &'a str,
    names: Vec<&'a str>,
}

impl<'a> Named<'a> {
    /// The name of the resource, or of the one that it is in.
    fn name(&self) -> &'a str {
        self.names.first().copied().unwrap_or_default()
    }

    fn is_above(&self, other: &Named<'_>) -> bool {
        self.group.eq_ignore_ascii_case(other.group)
            && self.name().eq_ignore_ascii_case(other.name())
    }
}

/// Reads an id of this type, and of this subscription, in a body.
fn parse<'a>(call: &Call, id: &'a str, kind: &str) -> Result<Named<'a>, Fault> {
    let Some((subscription, group, names)) = arm_id::parse(id, kind) else {
        let kind = if kind.is_empty() { "resource group" } else { kind };
        return Err(bad_request(format!("'{id}' is not the id of a {kind}.")));
    };
    if Uuid::parse_str(subscription) != Ok(call.engine().tenancy().subscription) {
        let message = format!("The subscription '{subscription}' could not be found.");
        return Err(Fault::new(Code::SubscriptionNotFound, message));
    }
    Ok(Named { group, names })
}
