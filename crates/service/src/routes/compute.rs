//! Virtual machines.

use super::{Route, get};
use crate::arm::vms;

pub(super) const ROUTES: &[Route] = &[
    get(subscription!("/providers/Microsoft.Compute/virtualMachines"), VM_READ, vms::list_all),
    get(group!("/providers/Microsoft.Compute/virtualMachines"), VM_READ, vms::list_of_group),
    get(group!("/providers/Microsoft.Compute/virtualMachines/{vm}"), VM_READ, vms::get),
    get(
        group!("/providers/Microsoft.Compute/virtualMachines/{vm}/instanceView"),
        "Microsoft.Compute/virtualMachines/instanceView/read",
        vms::instance_view,
    ),
];

const VM_READ: &str = "Microsoft.Compute/virtualMachines/read";
