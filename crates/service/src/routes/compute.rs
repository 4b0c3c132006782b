//! Virtual machines and their disks.

use super::{Route, get, list};
use crate::arm::{disks, networks, vms};

pub(super) const ROUTES: &[Route] = &[
    list(subscription!("/providers/Microsoft.Compute/virtualMachines"), VM_READ, vms::list_all),
    get(group!("/providers/Microsoft.Compute/virtualMachines"), VM_READ, vms::list_of_group),
    get(group!("/providers/Microsoft.Compute/virtualMachines/{vm}"), VM_READ, vms::get),
    get(
        group!("/providers/Microsoft.Compute/virtualMachines/{vm}/instanceView"),
        "Microsoft.Compute/virtualMachines/instanceView/read",
        vms::instance_view,
    ),
    list(subscription!("/providers/Microsoft.Compute/disks"), DISK_READ, disks::list_all),
    get(group!("/providers/Microsoft.Compute/disks"), DISK_READ, disks::list_of_group),
    get(group!("/providers/Microsoft.Compute/disks/{disk}"), DISK_READ, disks::get),
    list(subscription!("/providers/Microsoft.Compute/snapshots"), SNAPSHOT_READ, networks::none),
    get(group!("/providers/Microsoft.Compute/snapshots"), SNAPSHOT_READ, networks::none_of_group),
    get(
        group!("/providers/Microsoft.Compute/snapshots/{snapshot}"),
        SNAPSHOT_READ,
        disks::snapshot,
    ),
];

pub(crate) const DISK_READ: &str = "Microsoft.Compute/disks/read";
const SNAPSHOT_READ: &str = "Microsoft.Compute/snapshots/read";
pub(crate) const VM_READ: &str = "Microsoft.Compute/virtualMachines/read";
