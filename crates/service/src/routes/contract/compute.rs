//! Virtual machines.

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
    ]
}

const EXPAND: Parameter = Parameter {
    name: "$expand",
    meaning: "`instanceView`, to be told that too.",
    pattern: "",
    example: "instanceView",
};
