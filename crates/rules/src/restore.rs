//! What of a recovery point is restored, and whether it may go where somebody wants it.
//!
//! Whoever asks for a restore is not trusted: every answer here is a refusal before anything was
//! written.

use std::path::{Path, PathBuf};

use model::fault::{Code, Fault};
use model::network::Network;
use model::point::PointDisk;
use model::store::Store;

/// What a restore makes of its disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Files.
    Disks,
    /// A virtual machine that starts from them.
    Vm,
}

/// The disks to restore of a point, by target.
///
/// `order` are the targets of all disks that the domain had: the first one is the operating
/// system's, the others count from LUN 0, as the virtual machine shows them. `luns` are the data
/// disks that are wanted: all disks where there is no such list, and the operating system's alone
/// where it is empty. With other lists, it is restored only for a virtual machine, which could not
/// start without it.
///
/// # Errors
///
/// `RestoreTargetInvalid` for a LUN that the point does not hold, or where nothing is left.
pub fn disks<'a>(
    order: &[String],
    held: &'a [PointDisk],
    luns: Option<&[u32]>,
    form: Form,
) -> Result<Vec<&'a PointDisk>, Fault> {
    let Some(luns) = luns else {
        return Ok(held.iter().collect());
    };
    let invalid = |message: String| Fault::new(Code::RestoreTargetInvalid, message);
    let of_point = |target: &String| held.iter().find(|disk| disk.target == *target);
    let os_disk = order.first().and_then(of_point);
    let mut wanted = Vec::new();
    if luns.is_empty() || form == Form::Vm {
        let missing = "The recovery point does not hold the operating system's disk.";
        wanted.push(os_disk.ok_or_else(|| invalid(missing.to_owned()))?);
    }
    for lun in luns {
        let at = usize::try_from(*lun).ok().and_then(|lun| lun.checked_add(1));
        let disk = at.and_then(|at| order.get(at)).and_then(of_point);
        let missing = || invalid(format!("The recovery point holds no data disk with LUN {lun}."));
        let disk = disk.ok_or_else(missing)?;
        if wanted.iter().all(|other| other.target != disk.target) {
            wanted.push(disk);
        }
    }
    Ok(wanted)
}

/// Whether a vault of this region may restore into the store.
///
/// # Errors
///
/// `RestoreTargetInvalid`.
pub fn store(store: &Store, region: &str) -> Result<(), Fault> {
    if store.region.eq_ignore_ascii_case(region) {
        return Ok(());
    }
    let message = format!(
        "Storage account '{}' is in region '{}', but the vault is in region '{region}'. A vault \
         restores only into its own region.",
        store.name, store.region
    );
    Err(Fault::new(Code::RestoreTargetInvalid, message))
}

/// Whether a vault of this region may create a virtual machine on the network.
///
/// # Errors
///
/// `RestoreTargetInvalid`.
pub fn network(network: &Network, region: &str) -> Result<(), Fault> {
    let name = &network.name;
    let message = if !network.region.eq_ignore_ascii_case(region) {
        let other = &network.region;
        format!("Network '{name}' is in region '{other}', but the vault is in region '{region}'.")
    } else if !network.active {
        format!("Network '{name}' is not running, so no virtual machine could start on it.")
    } else {
        return Ok(());
    };
    Err(Fault::new(Code::RestoreTargetInvalid, message))
}

/// Whether a restore may write in this directory: only in one of the `roots` or below. Both are
/// paths without links and detours.
///
/// # Errors
///
/// `RestoreTargetInvalid`.
pub fn directory(directory: &Path, roots: &[PathBuf]) -> Result<(), Fault> {
    if roots.iter().any(|root| directory.starts_with(root)) {
        return Ok(());
    }
    let listed: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    let message = format!(
        "Nothing may be restored into {}: it lies in none of the directories that the operator \
         allows ({}).",
        directory.display(),
        listed.join(", ")
    );
    Err(Fault::new(Code::RestoreTargetInvalid, message))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[track_caller]
    fn check_disks(luns: Option<&[u32]>, form: Form, expected: Result<&[&str], &str>) {
        let order = ["vda", "vdb", "vdc", "vdd"].map(str::to_owned);
        // Disk vdc was left out of the backup.
        let held = ["vda", "vdb", "vdd"]
            .map(|target| PointDisk { target: target.to_owned(), size: 1 << 20 });
        match (disks(&order, &held, luns, form), expected) {
            (Ok(found), Ok(expected)) => {
                let found: Vec<&str> = found.iter().map(|disk| disk.target.as_str()).collect();
                assert_eq!(found, expected, "{luns:?}");
            }
            (Err(fault), Err(expected)) => {
                assert_eq!(fault.code, Code::RestoreTargetInvalid);
                assert!(fault.message.contains(expected), "{fault}");
            }
            (found, expected) => panic!("{luns:?}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn disks_are_chosen_by_their_number_in_the_machine_that_was_backed_up() {
        for (luns, form, expected) in [
            (None, Form::Disks, Ok(&["vda", "vdb", "vdd"][..])),
            (None, Form::Vm, Ok(&["vda", "vdb", "vdd"])),
            (Some(&[][..]), Form::Disks, Ok(&["vda"])),
            (Some(&[]), Form::Vm, Ok(&["vda"])),
            (Some(&[0]), Form::Disks, Ok(&["vdb"])),
            (Some(&[2, 0, 2]), Form::Disks, Ok(&["vdd", "vdb"])),
            (Some(&[2]), Form::Vm, Ok(&["vda", "vdd"])),
            (Some(&[1]), Form::Disks, Err("LUN 1")),
            (Some(&[0, 3]), Form::Disks, Err("LUN 3")),
            (Some(&[u32::MAX]), Form::Vm, Err("LUN 4294967295")),
        ] {
            check_disks(luns, form, expected);
        }
    }

    #[test]
    fn a_point_without_the_first_disk_makes_no_machine() {
        let order = ["vda", "vdb"].map(str::to_owned);
        let held = [PointDisk { target: "vdb".to_owned(), size: 1 }];
        assert!(disks(&order, &held, Some(&[0]), Form::Vm).is_err());
        assert!(disks(&order, &held, Some(&[]), Form::Disks).is_err());
        assert_eq!(disks(&order, &held, Some(&[0]), Form::Disks).map(|disks| disks.len()), Ok(1));
    }

    #[test]
    fn stores_and_networks_are_of_the_vaults_region() {
        let a_store = Store {
            name: "staging".to_owned(),
            resource_group: "g".to_owned(),
            region: "North".to_owned(),
            directory: "/srv".into(),
            builtin: true,
        };
        let a_network = Network {
            uuid: Uuid::nil(),
            name: "default".to_owned(),
            libvirt_name: "default".to_owned(),
            host: Uuid::nil(),
            region: "North".to_owned(),
            resource_group: "g".to_owned(),
            active: true,
            bridge: None,
            prefixes: Vec::new(),
        };
        for (region, active, store_fits, network_fits) in [
            ("north", true, true, true),
            ("NORTH", false, true, false),
            ("south", true, false, false),
        ] {
            assert_eq!(store(&a_store, region).is_ok(), store_fits, "{region}");
            let a_network = Network { active, ..a_network.clone() };
            assert_eq!(network(&a_network, region).is_ok(), network_fits, "{region} {active}");
        }
    }

    #[test]
    fn a_restore_writes_nowhere_but_below_what_is_allowed() {
        let roots = ["/var/lib/libvirt/images", "/data/staging/local"].map(PathBuf::from);
        for (path, allowed) in [
            ("/var/lib/libvirt/images", true),
            ("/var/lib/libvirt/images/a/b", true),
            ("/data/staging/local/x", true),
            ("/var/lib/libvirt/images2", false),
            ("/var/lib/libvirt", false),
            ("/data/staging", false),
            ("/etc", false),
            ("/", false),
        ] {
            assert_eq!(directory(Path::new(path), &roots).is_ok(), allowed, "{path}");
        }
        assert!(directory(Path::new("/x"), &[]).is_err());
    }
}
