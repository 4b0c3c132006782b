//! Whether a virtual machine may be protected by a vault, and what an enable request means.

use model::fault::{Code, Fault};
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

/// Decides what enabling `vm` in `vault` means. `protected_by` is the vault that protects it now.
///
/// # Errors
///
/// `InvalidConfigureProtection` where the VM is in another region than the vault,
/// `ProtectedInAnotherVault` where another vault protects it. Region first: a VM of another region
/// can never be protected here, whatever else is changed.
pub fn enable(vault: &Vault, vm: &Vm, protected_by: Option<(Uuid, &str)>) -> Result<Enable, Fault> {
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
    match protected_by {
        None => Ok(Enable::New),
        Some((id, _)) if id == vault.id => Ok(Enable::Update),
        Some((_, other)) => Err(Fault::new(
            Code::ProtectedInAnotherVault,
            format!(
                "Virtual machine '{}' is already registered with another recovery services vault, \
                 '{other}'. Please select a different virtual machine for registration.",
                vm.name
            ),
        )),
    }
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
        }
    }

    #[test]
    fn a_vm_of_the_same_region_is_enabled_once_and_then_updated() {
        assert_eq!(enable(&vault(), &vm("NORTH"), None), Ok(Enable::New));
        let here = Some((vault().id, "vault1"));
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
        let elsewhere = Some((Uuid::from_u128(9), "vault9"));
        let fault = enable(&vault(), &vm("north"), elsewhere).expect_err("other vault");
        assert_eq!(fault.code, Code::ProtectedInAnotherVault);
        assert!(fault.message.contains("'vault9'"));
    }
}
