//! Which disks of a virtual machine are backed up.
//!
//! Azure numbers data disks (LUN) and gives the OS disk no number. Here the first disk of the
//! domain is the OS disk, and the others count from 0 in the domain's order. A selection holds the
//! numbers, not the disks: it is applied to the machine as it is at the moment of each backup.

use model::fault::{Code, Fault};
use model::item::DiskSelection;
use model::vm::Disk;

/// The number of the disk at this position in the domain; none for the OS disk.
pub fn lun(position: usize) -> Option<u32> {
    position.checked_sub(1).and_then(|lun| lun.try_into().ok())
}

/// What a selection makes of a machine's disks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The targets of the disks that are backed up, in the domain's order.
    pub included: Vec<String>,
    /// The targets and numbers of those that are left out, in the domain's order.
    pub left_out: Vec<(String, u32)>,
    /// Numbers that the selection names and no disk has.
    pub unknown: Vec<u32>,
}

/// Applies a selection to a machine's disks.
pub fn choose(disks: &[Disk], selection: &DiskSelection) -> Choice {
    let mut choice = Choice::default();
    for (position, disk) in disks.iter().enumerate() {
        match lun(position) {
            Some(lun) if !selection.holds(Some(lun)) => {
                choice.left_out.push((disk.target.clone(), lun));
            }
            _ => choice.included.push(disk.target.clone()),
        }
    }
    let data_disks = disks.len().saturating_sub(1);
    if let DiskSelection::Only(luns) | DiskSelection::Except(luns) = selection {
        let is_unknown = |lun: &&u32| usize::try_from(**lun).is_ok_and(|lun| lun >= data_disks);
        choice.unknown = luns.iter().filter(is_unknown).copied().collect();
    }
    choice
}

/// Whether the machine has every disk that a new selection names.
///
/// # Errors
///
/// `InvalidConfigureProtection`, naming the numbers that no disk has.
pub fn check(vm: &str, disks: &[Disk], selection: &DiskSelection) -> Result<(), Fault> {
    let unknown = choose(disks, selection).unknown;
    if unknown.is_empty() {
        return Ok(());
    }
    let numbers: Vec<String> = unknown.iter().map(u32::to_string).collect();
    let message = format!(
        "Virtual machine '{vm}' has no data disk with LUN {}; it has {} data disks, counted from 0.",
        numbers.join(", "),
        disks.len().saturating_sub(1)
    );
    Err(Fault::new(Code::InvalidConfigureProtection, message))
}

#[cfg(test)]
mod tests {
    use model::vm::{DiskFormat, DiskKind};

    use super::*;

    fn disks(targets: &[&str]) -> Vec<Disk> {
        let disk = |target: &&str| Disk {
            target: (*target).to_owned(),
            kind: DiskKind::File,
            format: DiskFormat::Qcow2,
            source: String::new(),
            size: None,
            serial: None,
        };
        targets.iter().map(disk).collect()
    }

    #[track_caller]
    fn choice(selection: DiskSelection, included: &[&str], left_out: &[(&str, u32)]) {
        let disks = disks(&["vda", "vdb", "vdc"]);
        let chosen = choose(&disks, &selection);
        assert_eq!(chosen.included, included);
        let told: Vec<(&str, u32)> =
            chosen.left_out.iter().map(|(target, lun)| (target.as_str(), *lun)).collect();
        assert_eq!(told, left_out);
        check("web1", &disks, &selection).expect("all are there");
    }

    #[test]
    fn the_os_disk_is_always_in() {
        choice(DiskSelection::All, &["vda", "vdb", "vdc"], &[]);
        choice(DiskSelection::Only(vec![]), &["vda"], &[("vdb", 0), ("vdc", 1)]);
        choice(DiskSelection::Only(vec![1]), &["vda", "vdc"], &[("vdb", 0)]);
        choice(DiskSelection::Except(vec![0, 1]), &["vda"], &[("vdb", 0), ("vdc", 1)]);
        choice(DiskSelection::Except(vec![]), &["vda", "vdb", "vdc"], &[]);
    }

    #[test]
    fn a_number_that_no_disk_has_is_told() {
        for selection in [DiskSelection::Only(vec![1, 7, 2]), DiskSelection::Except(vec![7, 2])] {
            let fault = check("web1", &disks(&["vda", "vdb", "vdc"]), &selection);
            let fault = fault.expect_err("no such disk");
            assert_eq!(fault.code, Code::InvalidConfigureProtection);
            assert!(fault.message.contains("LUN 7, 2;"), "{fault}");
        }
        assert_eq!(choose(&[], &DiskSelection::Only(vec![0])).unknown, [0]);
    }
}
