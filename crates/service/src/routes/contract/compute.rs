//! Virtual machines.

use api::arm::disk::Disk;
use api::arm::vm::{InstanceView, Vm};
use api::openapi::{Operation, Parameter};

use super::get;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get(
            "VirtualMachines_ListAll",
            subscription!("/providers/Microsoft.Compute/virtualMachines"),
            "The virtual machines of all hosts.",
        )
        .query(EXPAND)
        .lists::<Vm>(),
        get(
            "VirtualMachines_List",
            group!("/providers/Microsoft.Compute/virtualMachines"),
            "The virtual machines of a resource group.",
        )
        .query(EXPAND)
        .lists::<Vm>(),
        get(
            "VirtualMachines_Get",
            group!("/providers/Microsoft.Compute/virtualMachines/{vm}"),
            "A virtual machine.",
        )
        .query(EXPAND)
        .gives::<Vm>(200),
        get(
            "VirtualMachines_InstanceView",
            group!("/providers/Microsoft.Compute/virtualMachines/{vm}/instanceView"),
            "How a virtual machine is doing.",
        )
        .gives::<InstanceView>(200),
        get(
            "Disks_ListAll",
            subscription!("/providers/Microsoft.Compute/disks"),
            "The disks of all virtual machines.",
        )
        .lists::<Disk>(),
        get(
            "Disks_List",
            group!("/providers/Microsoft.Compute/disks"),
            "The disks of a resource group's virtual machines.",
        )
        .lists::<Disk>(),
        get(
            "Disks_Get",
            group!("/providers/Microsoft.Compute/disks/{disk}"),
            "A disk of a virtual machine.",
        )
        .gives::<Disk>(200),
        get(
            "Snapshots_ListAll",
            subscription!("/providers/Microsoft.Compute/snapshots"),
            "Snapshots: there are none.",
        )
        .lists::<Disk>(),
        get(
            "Snapshots_List",
            group!("/providers/Microsoft.Compute/snapshots"),
            "Snapshots: there are none.",
        )
        .lists::<Disk>(),
        get(
            "Snapshots_Get",
            group!("/providers/Microsoft.Compute/snapshots/{snapshot}"),
            "A snapshot: there are none, so this is always an error.",
        ),
    ]
}

const EXPAND: Parameter = Parameter {
    name: "$expand",
    meaning: "`instanceView`, to be told that too.",
    pattern: "",
    example: "instanceView",
};
