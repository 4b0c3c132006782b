//! Virtual machines.

use super::{Route, get, list};
use crate::arm::vms;

pub(super) const ROUTES: &[Route] = &[
    list(subscription!("/providers/Microsoft.Compute/virtualMachines"), VM_READ, vms::list_all),
    get(group!("/providers/Microsoft.Compute/virtualMachines"), VM_READ, vms::list_of_group),
    get(group!("/providers/Microsoft.Compute/virtualMachines/{vm}"), VM_READ, vms::get),
    get(
        group!("/providers/Microsoft.Compute/virtualMachines/{vm}/instanceView"),
        "Microsoft.Compute/virtualMachines/instanceView/read",
        vms::instance_view,
    ),
];

pub(crate) const VM_READ: &str = "Microsoft.Compute/virtualMachines/read";
