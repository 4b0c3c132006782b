//! What is asked before a virtual machine is protected, of a region rather than of a vault.

use api::arm::item::{self, StatusRequest};
use api::arm::validation::{self as shape, FeatureRequest, PreValidateRequest, VM_BACKUP};
use model::arm_id;
use model::fault::{Code, Fault};

use super::bad_request;
use super::items::vm_of;
use crate::call::{Call, Reply};
use crate::routes::items::BACKUP_STATUS;

/// `POST …/locations/L/backupStatus`
pub(crate) fn backup_status(call: &Call) -> Result<Reply, Fault> {
    let request: StatusRequest = call.body()?;
    is_vm(request.resource_type.as_deref())?;
    let (group, name) = vm_of(call, &request.resource_id)?;
    call.require(BACKUP_STATUS, &request.resource_id)?;
    let vm = call.engine().vm(group, name)?;
    let region = call.name("location");
    if !vm.region.eq_ignore_ascii_case(region) {
        let message = format!(
            "Region '{region}' has no virtual machine '{}': it is in region '{}'.",
            vm.name, vm.region
        );
        return Err(Fault::new(Code::ResourceNotFound, message));
    }
    let protection = call.engine().protection_of(&vm)?;
    let protection = protection.as_ref().map(|(vault, item)| (vault, item));
    Ok(Reply::ok(&item::render_status(&call.subscription(), protection)))
}

/// `POST …/locations/L/backupPreValidateProtection`: what protecting a VM would say.
pub(crate) fn pre_validate(call: &Call) -> Result<Reply, Fault> {
    let request: PreValidateRequest = call.body()?;
    is_vm(request.resource_type.as_deref())?;
    let (group, name) = vm_of(call, &request.resource_id)?;
    let vault_id = request.vault_id.as_deref().unwrap_or_default();
    let named = |key| arm_id::named(vault_id, key);
    let (Some(vault_group), Some(vault)) = (named("resourceGroups"), named("vaults")) else {
        return Err(bad_request(format!("vaultId '{vault_id}' is not the id of a vault.")));
    };
    call.require("Microsoft.RecoveryServices/Vaults/read", vault_id)?;
    let vault = call.engine().vault(vault_group, vault)?;
    let policy = request.policy();
    let (refused, advice) = match call.engine().validate(&vault, group, name, policy.as_deref()) {
        Ok(advice) => (None, advice),
        Err(fault) if fault.code == Code::Internal => return Err(fault),
        Err(fault) => (Some(fault), None),
    };
    Ok(Reply::ok(&shape::render_validation(group, name, refused.as_ref(), advice.as_ref())))
}

/// `POST …/locations/L/backupValidateFeatures`: backup of virtual machines is there in a region
/// that has a host.
pub(crate) fn validate_features(call: &Call) -> Result<Reply, Fault> {
    let request: FeatureRequest = call.body()?;
    let region = call.name("location");
    let hosts = call.engine().hosts()?;
    let has_host = hosts.iter().any(|status| status.host.region.eq_ignore_ascii_case(region));
    let known = request.feature_type.eq_ignore_ascii_case(VM_BACKUP);
    Ok(Reply::ok(&shape::render_support(known && has_host)))
}

/// Whether a request is about a virtual machine: nothing else can be protected here.
fn is_vm(kind: Option<&str>) -> Result<(), Fault> {
    match kind {
        Some(kind) if !kind.eq_ignore_ascii_case("VM") => {
            let message =
                format!("resourceType '{kind}' is not VM, which is all that can be asked.");
            Err(bad_request(message))
        }
        _ => Ok(()),
    }
}
