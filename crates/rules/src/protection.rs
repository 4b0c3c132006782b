//! Whether a virtual machine may be protected by a vault, and what an enable request means.

use model::fault::{Code, Fault};
use model::item::{Deletion, Item};
use model::vault::Vault;
use model::vm::{AgentState, DiskKind, PowerState, Vm};
use uuid::Uuid;

/// What an enable request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enable {
    /// The VM is not protected yet: it gets an item.
    New,
    /// This vault protects it already: its item gets the request's policy.
    Update,
}

/// The vault that has an item of a virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder<'a> {
    /// The vault.
    pub vault: Uuid,
    /// Its name.
    pub name: &'a str,
    /// Set while the item is deleted, but not gone.
    pub deletion: Option<Deletion>,
}

/// Decides what enabling `vm` in `vault` means. `held_by` is the vault that has an item of it now:
/// a soft-deleted item is in the way, too, until it is gone.
///
/// # Errors
///
/// `InvalidConfigureProtection` where the VM is in another region than the vault,
/// `ProtectedInAnotherVault` where another vault protects it. Region first: a VM of another region
/// can never be protected here, whatever else is changed.
pub fn enable(vault: &Vault, vm: &Vm, held_by: Option<Holder<'_>>) -> Result<Enable, Fault> {
    if !vault.region.eq_ignore_ascii_case(&vm.region) {
        return Err(Fault::new(
            Code::InvalidConfigureProtection,
            format!(
                "Virtual machine '{}' is in region '{}', but vault '{}' is in region '{}'. A vault \
                 protects only virtual machines of its own region.",
                vm.name, vm.region, vault.name, vault.region
            ),
        ));
    }
    match held_by {
        None => Ok(Enable::New),
        Some(holder) if holder.vault == vault.id => Ok(Enable::Update),
        Some(holder) => {
            let until = holder.deletion.map_or_else(String::new, |deletion| {
                format!(
                    " It is deleted there, and in the way until its data is gone: {:.0}.",
                    deletion.until
                )
            });
            let message = format!(
                "Virtual machine '{}' is already registered with another recovery services vault, \
                 '{}'. Please select a different virtual machine for registration.{until}",
                vm.name, holder.name
            );
            Err(Fault::new(Code::ProtectedInAnotherVault, message))
        }
    }
}

/// Whether a protected virtual machine is still in its vault's region. One that was moved to
/// another is a new machine there, to be protected by a vault of that region (Azure).
///
/// # Errors
///
/// `VmNotFound`.
pub fn is_in_region(vault: &Vault, item: &Item, region: &str) -> Result<(), Fault> {
    if vault.region.eq_ignore_ascii_case(region) {
        return Ok(());
    }
    let message = format!(
        "Virtual machine '{}' is in region '{region}' now, but vault '{}' is in region '{}'. Its \
         recovery points stay and can be restored; protect it in a vault of its new region once they \
         are gone here.",
        item.vm_name, vault.name, vault.region
    );
    Err(Fault::new(Code::VmNotFound, message))
}

/// What the operator should know of a virtual machine that is about to be protected: the first
/// thing that its recovery points will lack.
pub fn advice(vm: &Vm) -> Option<Fault> {
    if let Some(disk) = vm.disks.iter().find(|disk| disk.kind == DiskKind::Other) {
        let message = format!("Disk {} of '{}' will not be backed up.", disk.target, vm.name);
        return Some(Fault::new(Code::DiskNotSupported, message));
    }
    let silent = !matches!(vm.agent, AgentState::Connected { .. });
    (silent && vm.power == PowerState::Running).then(|| {
        let message = format!(
            "The guest agent of '{}' does not answer: its recovery points will be crash-consistent.",
            vm.name
        );
        Fault::new(Code::AgentUnavailable, message)
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::tags::Tags;
    use model::vault::{Redundancy, VaultName, VaultSettings};

    use super::*;

    fn vault() -> Vault {
        Vault {
            id: Uuid::from_u128(1),
            name: VaultName::new("vault1").expect("valid"),
            resource_group: "rg".to_owned(),
            region: "north".to_owned(),
            redundancy: Redundancy::GeoRedundant,
            settings: VaultSettings::default(),
            tags: Tags::new(),
            created_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn vm(region: &str) -> Vm {
        Vm {
            uuid: Uuid::from_u128(2),
            name: "web1".to_owned(),
            domain: "web1".to_owned(),
            host: Uuid::from_u128(3),
            region: region.to_owned(),
            resource_group: "rg".to_owned(),
            power: PowerState::Running,
            disks: Vec::new(),
            agent: AgentState::NoChannel,
            vcpus: 1,
            memory_bytes: 0,
            interfaces: Vec::new(),
            os: None,
        }
    }

    #[test]
    fn a_vm_of_the_same_region_is_enabled_once_and_then_updated() {
        assert_eq!(enable(&vault(), &vm("NORTH"), None), Ok(Enable::New));
        let here = Some(Holder { vault: vault().id, name: "vault1", deletion: None });
        assert_eq!(enable(&vault(), &vm("north"), here), Ok(Enable::Update));
    }

    #[test]
    fn a_vm_of_another_region_is_refused_naming_both() {
        let fault = enable(&vault(), &vm("south"), None).expect_err("other region");
        assert_eq!(fault.code, Code::InvalidConfigureProtection);
        assert!(fault.message.contains("'south'") && fault.message.contains("'north'"));
    }

    #[test]
    fn a_silent_agent_of_a_running_machine_is_told() {
        let running = vm("north");
        assert_eq!(advice(&running).map(|fault| fault.code), Some(Code::AgentUnavailable));
        assert_eq!(advice(&Vm { power: PowerState::Off, ..running.clone() }), None);
        let agent = AgentState::Connected { version: None };
        assert_eq!(advice(&Vm { agent, ..running }), None);
    }

    #[test]
    fn a_vm_of_another_vault_is_refused_naming_it() {
        let elsewhere = Holder { vault: Uuid::from_u128(9), name: "vault9", deletion: None };
        let fault = enable(&vault(), &vm("north"), Some(elsewhere)).expect_err("other vault");
        assert_eq!(fault.code, Code::ProtectedInAnotherVault);
        assert!(fault.message.contains("'vault9'"));

        let (at, until) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let deletion = Some(Deletion { at, until, purging: false });
        let deleted = Holder { deletion, ..elsewhere };
        let fault = enable(&vault(), &vm("north"), Some(deleted)).expect_err("not gone yet");
        assert_eq!(fault.code, Code::ProtectedInAnotherVault);
        assert!(fault.message.ends_with("gone: 1970-01-01T00:00:00Z."), "{fault}");
    }
}
