//! `Microsoft.Compute/virtualMachines`, to be read.

use std::collections::HashMap;

use api::arm::vm as shape;
use model::fault::Fault;
use model::role::Scope;
use model::vm::Vm;
use uuid::Uuid;

use super::{list, tenancy};
use crate::call::{Call, Reply};
use crate::routes::compute::VM_READ;

/// `GET …/subscriptions/S/providers/Microsoft.Compute/virtualMachines`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    render_list(call, &visible(call, VM_READ)?)
}

/// The virtual machines on which the caller may do this.
pub(super) fn visible(call: &Call, action: &str) -> Result<Vec<Vm>, Fault> {
    let mut vms = call.engine().vms()?;
    let reach = call.reach(action)?;
    vms.retain(|vm| reach.holds(&Scope::Group(vm.resource_group.clone())));
    Ok(vms)
}

/// `GET …/resourceGroups/G/providers/Microsoft.Compute/virtualMachines`
pub(crate) fn list_of_group(call: &Call) -> Result<Reply, Fault> {
    let group = tenancy::find_group(call)?.name;
    let mut vms = call.engine().vms()?;
    vms.retain(|vm| vm.resource_group.eq_ignore_ascii_case(&group));
    render_list(call, &vms)
}

/// `GET …/virtualMachines/V`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let vm = call.engine().vm(call.name("group"), call.name("vm"))?;
    Ok(Reply::ok(&render(call, &vm, &host_uris(call)?)))
}

/// `GET …/virtualMachines/V/instanceView`
pub(crate) fn instance_view(call: &Call) -> Result<Reply, Fault> {
    let vm = call.engine().vm(call.name("group"), call.name("vm"))?;
    Ok(Reply::ok(&shape::instance_view(&vm)))
}

fn render_list(call: &Call, vms: &[Vm]) -> Result<Reply, Fault> {
    let uris = host_uris(call)?;
    list(call, vms.iter().map(|vm| render(call, vm, &uris)))
}

/// The connections of hosts, by their ids.
pub(super) fn host_uris(call: &Call) -> Result<HashMap<Uuid, String>, Fault> {
    let hosts = call.engine().hosts()?;
    Ok(hosts.into_iter().map(|status| (status.host.id, status.host.uri)).collect())
}

fn render(call: &Call, vm: &Vm, uris: &HashMap<Uuid, String>) -> shape::Vm {
    let host = uris.get(&vm.host).map_or("", String::as_str);
    let mut rendered = shape::render(&call.subscription(), vm, host);
    let expand = call.query("$expand").unwrap_or_default();
    if expand.split(',').any(|part| part.trim().eq_ignore_ascii_case("instanceView")) {
        rendered.properties.instance_view = Some(shape::instance_view(vm));
    }
    rendered
}
