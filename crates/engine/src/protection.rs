//! Protected items: enabling backup for a virtual machine, and finding what is protected.

use ledger::LedgerError;
use model::fault::{Code, Fault};
use model::item::{DiskSelection, Item, ProtectionState};
use model::job::{JobId, Operation};
use model::vault::Vault;
use model::vm::Vm;
use rules::protection::{self, Enable};
use uuid::Uuid;

use crate::Engine;
use crate::faults::OrFault;
use crate::job_run::{JobRun, NewJob};

impl Engine {
    /// The virtual machines that could be protected by this vault: those of its region that no
    /// vault protects.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn protectable(&self, vault: &Vault) -> Result<Vec<Vm>, Fault> {
        let protected: Vec<Uuid> =
            self.world.ledger.items(None).or_fault()?.iter().map(|item| item.vm).collect();
        let here = |vm: &Vm| vm.region.eq_ignore_ascii_case(&vault.region);
        let mut vms = self.vms()?;
        vms.retain(|vm| here(vm) && !protected.contains(&vm.uuid));
        Ok(vms)
    }

    /// The vault and the item that protect this virtual machine, if any do.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn protection_of(&self, vm: &Vm) -> Result<Option<(Vault, Item)>, Fault> {
        let Some(item) = self.world.ledger.item_of_vm(vm.uuid).or_fault()? else {
            return Ok(None);
        };
        let vault = self.world.ledger.vault(item.vault).or_fault()?;
        Ok(vault.map(|vault| (vault, item)))
    }

    /// Enables backup for a virtual machine, or gives its item another policy. Its new item has no
    /// recovery point yet. The job has ended when this returns.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown VM or policy, `InvalidConfigureProtection` for a VM of
    /// another region, `ProtectedInAnotherVault`; the ledger failed.
    pub fn enable(
        &self,
        vault: &Vault,
        vm_group: &str,
        vm_name: &str,
        policy: &str,
    ) -> Result<(Item, JobId), Fault> {
        let policy = self.policy(vault, policy)?;
        let vm = self.vm(vm_group, vm_name)?;
        let protected = self.protection_of(&vm)?;
        let by = protected.as_ref().map(|(vault, _)| (vault.id, vault.name.as_str()));
        let item = match (protection::enable(vault, &vm, by)?, &protected) {
            (Enable::Update, Some((_, item))) => Item { policy: Some(policy.name), ..item.clone() },
            _ => self.new_item(vault, &vm, policy.name),
        };
        if protected.is_some() {
            self.world.ledger.update_item(&item).or_fault()?;
        } else {
            self.create_item(&item, &vm)?;
        }
        self.world.scheduler.changed();
        let job = self.configured(vault, &item)?;
        Ok((item, job))
    }

    fn new_item(&self, vault: &Vault, vm: &Vm, policy: String) -> Item {
        Item {
            id: model::seed::new_uuid(self.world.seed.as_ref()),
            vault: vault.id,
            vm: vm.uuid,
            vm_name: vm.name.clone(),
            vm_resource_group: vm.resource_group.clone(),
            policy: Some(policy),
            state: ProtectionState::IrPending,
            deletion: None,
            disks: DiskSelection::All,
            last_backup: None,
            chain: None,
            created_at: self.world.clock.now(),
        }
    }

    fn create_item(&self, item: &Item, vm: &Vm) -> Result<(), Fault> {
        match self.world.ledger.create_item(item) {
            Err(LedgerError::VmTaken { vault }) => {
                // Somebody enabled it at the same moment.
                let by = self.world.ledger.vault(vault).or_fault()?;
                let by = by.map_or_else(|| vault.to_string(), |vault| vault.name.to_string());
                let message =
                    format!("Virtual machine '{}' is already protected by vault '{by}'.", vm.name);
                Err(Fault::new(Code::ProtectedInAnotherVault, message))
            }
            other => other.or_fault(),
        }
    }

    fn configured(&self, vault: &Vault, item: &Item) -> Result<JobId, Fault> {
        let properties = vec![
            ("VM Name".to_owned(), item.vm_name.clone()),
            ("Policy Name".to_owned(), item.policy.clone().unwrap_or_default()),
        ];
        let new = NewJob {
            vault: vault.id,
            item: item.id,
            operation: Operation::ConfigureBackup,
            point: None,
            retain_until: None,
            tasks: &[],
            properties,
        };
        JobRun::record_done(&self.world, new)
    }

    /// The vault's items, by the VM's name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn items(&self, vault: &Vault) -> Result<Vec<Item>, Fault> {
        self.world.ledger.items(Some(vault.id)).or_fault()
    }

    /// The vault's item for the VM of this name in this group, both in any case of letters.
    ///
    /// # Errors
    ///
    /// `ItemNotFound`, or the ledger failed.
    pub fn item(&self, vault: &Vault, vm_group: &str, vm_name: &str) -> Result<Item, Fault> {
        let matches = |item: &Item| {
            item.vm_resource_group.eq_ignore_ascii_case(vm_group)
                && item.vm_name.eq_ignore_ascii_case(vm_name)
        };
        self.items(vault)?.into_iter().find(matches).ok_or_else(|| {
            let message = format!(
                "Virtual machine '{vm_name}' of resource group '{vm_group}' is not protected by \
                 vault '{}'.",
                vault.name
            );
            Fault::new(Code::ItemNotFound, message)
        })
    }
}
