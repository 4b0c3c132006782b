//! `Microsoft.Compute/disks`: the disks of virtual machines, to be read.

use api::arm::disk as shape;
use model::fault::{Code, Fault};
use model::vm::Vm;

use super::{list, tenancy, vms};
use crate::call::{Call, Reply};
use crate::routes::compute::DISK_READ;

/// `GET …/providers/Microsoft.Compute/disks`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    render_list(call, &vms::visible(call, DISK_READ)?)
}

/// `GET …/resourceGroups/G/providers/Microsoft.Compute/disks`
pub(crate) fn list_of_group(call: &Call) -> Result<Reply, Fault> {
    let group = tenancy::find_group(call)?.name;
    let mut vms = call.engine().vms()?;
    vms.retain(|vm| vm.resource_group.eq_ignore_ascii_case(&group));
    render_list(call, &vms)
}

/// `GET …/disks/N`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let (group, name) = (call.name("group"), call.name("disk"));
    for vm in call.engine().vms()? {
        if !vm.resource_group.eq_ignore_ascii_case(group) {
            continue;
        }
        let mut disks = vm.disks.iter();
        if let Some(disk) = disks.find(|disk| shape::name(&vm, disk).eq_ignore_ascii_case(name)) {
            return Ok(Reply::ok(&shape::render(&call.subscription(), &vm, disk)));
        }
    }
    Err(missing("disks", group, name))
}

/// `GET …/snapshots/N`: there are none.
pub(crate) fn snapshot(call: &Call) -> Result<Reply, Fault> {
    Err(missing("snapshots", call.name("group"), call.name("snapshot")))
}

fn missing(kind: &str, group: &str, name: &str) -> Fault {
    let message = format!(
        "The Resource 'Microsoft.Compute/{kind}/{name}' under resource group '{group}' was not \
         found."
    );
    Fault::new(Code::ResourceNotFound, message)
}

fn render_list(call: &Call, vms: &[Vm]) -> Result<Reply, Fault> {
    let subscription = call.subscription();
    let disks = vms.iter().flat_map(|vm| vm.disks.iter().map(move |disk| (vm, disk)));
    list(call, disks.map(|(vm, disk)| shape::render(&subscription, vm, disk)))
}
