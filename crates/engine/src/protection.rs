//! Protected items: what becomes of them, and finding what is protected.

use std::collections::HashSet;

use jiff::Timestamp;
use ledger::LedgerError;
use ledger::port::ItemQuery;
use model::fault::{Code, Fault};
use model::item::{DiskSelection, Item, ProtectionState};
use model::job::JobId;
use model::vault::Vault;
use model::vm::Vm;
use rules::disks;
use rules::item_life::{self, Wish};
use rules::protection::{self, Enable, Holder};
use uuid::Uuid;

use crate::Engine;
use crate::faults::OrFault;
use crate::job_run::JobRun;

mod change;

pub(crate) use change::change;
use change::configured;

/// How often enabling is decided anew because somebody else did it at the same moment.
const ENABLE_TRIES: u32 = 5;

impl Engine {
    /// The virtual machines that could be protected by this vault: those of its region that no
    /// vault protects.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn protectable(&self, vault: &Vault) -> Result<Vec<Vm>, Fault> {
        let protected: HashSet<Uuid> =
            self.world.ledger.protected_vms().or_fault()?.into_iter().collect();
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

    /// Enables backup for a virtual machine, or gives its item another policy; all its disks, or
    /// those that were selected before. See [`Engine::protect`].
    ///
    /// # Errors
    ///
    /// As [`Engine::protect`].
    pub fn enable(
        &self,
        vault: &Vault,
        vm_group: &str,
        vm_name: &str,
        policy: &str,
    ) -> Result<(Item, JobId), Fault> {
        self.protect(vault, vm_group, vm_name, policy, None)
    }

    /// Enables backup for a virtual machine, or, where the vault has its item already, gives that
    /// another policy and selection of disks, and resumes its protection if it was stopped. A new
    /// item has no recovery point yet. The job has ended when this returns.
    ///
    /// An item is changed without a look at its machine, which may be away, unless disks are
    /// selected.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown VM or policy; `InvalidConfigureProtection` for a VM of
    /// another region, for disks that it does not have, and where the item of this name protects an
    /// earlier machine; `ProtectedInAnotherVault`; `ItemSoftDeleted`; the ledger failed.
    pub fn protect(
        &self,
        vault: &Vault,
        vm_group: &str,
        vm_name: &str,
        policy: &str,
        disks: Option<DiskSelection>,
    ) -> Result<(Item, JobId), Fault> {
        for _ in 0..ENABLE_TRIES {
            if let Some(done) = self.try_to_protect(vault, vm_group, vm_name, policy, &disks)? {
                return Ok(done);
            }
        }
        let message =
            format!("Virtual machine '{vm_name}' is being enabled by somebody else, too.");
        Err(Fault::new(Code::ConflictingOperation, message))
    }

    /// As [`Engine::protect`]; nothing, where somebody enabled the machine at the same moment: then
    /// it is to be decided anew.
    fn try_to_protect(
        &self,
        vault: &Vault,
        vm_group: &str,
        vm_name: &str,
        policy: &str,
        disks: &Option<DiskSelection>,
    ) -> Result<Option<(Item, JobId)>, Fault> {
        let policy = self.policy(vault, policy)?.name;
        let wish = Wish::Protect { policy: policy.clone(), disks: disks.clone() };
        let item = self.world.ledger.item_named(vault.id, vm_group, vm_name).or_fault()?;
        if let Some(item) = item {
            self.is_still(&item)?;
            self.has_disks(&item, disks.as_ref())?;
            return change(&self.world, vault, item, &wish).map(Some);
        }
        let vm = self.vm(vm_group, vm_name)?;
        let protected = self.protection_of(&vm)?;
        let enable = protection::enable(vault, &vm, protected.as_ref().map(holder))?;
        disks::check(&vm.name, &vm.disks, disks.as_ref().unwrap_or(&DiskSelection::All))?;
        if let (Enable::Update, Some((_, item))) = (enable, protected) {
            // It was enabled under another name.
            return change(&self.world, vault, item, &wish).map(Some);
        }
        let item = self.new_item(vault, &vm, policy, disks.clone().unwrap_or_default());
        match self.world.ledger.create_item(&item) {
            Err(LedgerError::VmTaken { .. }) => return Ok(None),
            created => created.or_fault()?,
        }
        self.world.scheduler.changed();
        let job = JobRun::record_done(&self.world, configured(&item))?;
        Ok(Some((item, job)))
    }

    /// Whether a virtual machine could be protected by this vault, under this policy if one is
    /// named. Gives what its operator should know although it could. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Engine::protect`].
    pub fn validate(
        &self,
        vault: &Vault,
        vm_group: &str,
        vm_name: &str,
        policy: Option<&str>,
    ) -> Result<Option<Fault>, Fault> {
        policy.map(|policy| self.policy(vault, policy)).transpose()?;
        let vm = self.vm(vm_group, vm_name)?;
        let protected = self.protection_of(&vm)?;
        protection::enable(vault, &vm, protected.as_ref().map(holder))?;
        if let Some((_, item)) = &protected {
            item_life::may_restore(item)?;
        }
        Ok(protection::advice(&vm))
    }

    /// Stops an item's protection, brings it back, or deletes it. The job has ended when this
    /// returns, except one that deletes data for good: that goes on.
    ///
    /// # Errors
    ///
    /// See [`rules::item_life::change`]; `BackupInProgress` while a backup runs, and where data is
    /// to go for good, while any job of the item does; the ledger failed.
    pub fn change(&self, vault: &Vault, item: Item, wish: &Wish) -> Result<JobId, Fault> {
        change(&self.world, vault, item, wish).map(|(_, job)| job)
    }

    /// Whether the machine of the item's name, if there is one, is the one that it protects.
    fn is_still(&self, item: &Item) -> Result<(), Fault> {
        let named = |vm: &Vm| {
            vm.resource_group.eq_ignore_ascii_case(&item.vm_resource_group)
                && vm.name.eq_ignore_ascii_case(&item.vm_name)
        };
        match self.vms()?.into_iter().find(named).filter(|vm| vm.uuid != item.vm) {
            None => Ok(()),
            Some(vm) => {
                let message = format!(
                    "The vault protects an earlier virtual machine '{}' ({}); the one that has its \
                     name now is another one ({}). Give it another name, or protect it in another \
                     vault.",
                    item.vm_name, item.vm, vm.uuid
                );
                Err(Fault::new(Code::InvalidConfigureProtection, message))
            }
        }
    }

    /// Whether the item's machine has the disks that are selected.
    fn has_disks(&self, item: &Item, disks: Option<&DiskSelection>) -> Result<(), Fault> {
        let Some(selection) = disks.filter(|disks| **disks != DiskSelection::All) else {
            return Ok(());
        };
        let vm = self.vms()?.into_iter().find(|vm| vm.uuid == item.vm).ok_or_else(|| {
            let message = format!(
                "Virtual machine '{}' is on none of the hosts that can be reached, so its disks \
                 cannot be selected.",
                item.vm_name
            );
            Fault::new(Code::VmNotFound, message)
        })?;
        disks::check(&vm.name, &vm.disks, selection)
    }

    fn new_item(&self, vault: &Vault, vm: &Vm, policy: String, disks: DiskSelection) -> Item {
        Item {
            id: model::seed::new_uuid(self.world.seed.as_ref()),
            vault: vault.id,
            vm: vm.uuid,
            vm_name: vm.name.clone(),
            vm_resource_group: vm.resource_group.clone(),
            policy: Some(policy),
            state: ProtectionState::IrPending,
            deletion: None,
            disks,
            last_backup: None,
            chain: None,
            created_at: self.world.clock.now(),
        }
    }

    /// The vault's items, by the VM's name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn items(&self, vault: &Vault) -> Result<Vec<Item>, Fault> {
        self.world.ledger.items(Some(vault.id)).or_fault()
    }

    /// The items of a vault that match, by the VM's name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn find_items(&self, query: &ItemQuery) -> Result<Vec<Item>, Fault> {
        self.world.ledger.find_items(query).or_fault()
    }

    /// When the newest point of each of these items was taken, in their order.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn newest_points(&self, items: &[Item]) -> Result<Vec<Option<Timestamp>>, Fault> {
        let ids: Vec<Uuid> = items.iter().map(|item| item.id).collect();
        self.world.ledger.newest_points(&ids).or_fault()
    }

    /// The vault's item for the VM of this name in this group, both in any case of letters.
    ///
    /// # Errors
    ///
    /// `ItemNotFound`, or the ledger failed.
    pub fn item(&self, vault: &Vault, vm_group: &str, vm_name: &str) -> Result<Item, Fault> {
        let found = self.world.ledger.item_named(vault.id, vm_group, vm_name).or_fault()?;
        found.ok_or_else(|| {
            let message = format!(
                "Virtual machine '{vm_name}' of resource group '{vm_group}' is not protected by \
                 vault '{}'.",
                vault.name
            );
            Fault::new(Code::ItemNotFound, message)
        })
    }
}

/// Who has an item of a virtual machine, as the rules want to know it.
fn holder((vault, item): &(Vault, Item)) -> Holder<'_> {
    Holder { vault: vault.id, name: vault.name.as_str(), deletion: item.deletion }
}
