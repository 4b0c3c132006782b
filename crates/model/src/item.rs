//! Protected items: virtual machines under a vault's protection.

use jiff::Timestamp;
use uuid::Uuid;

use crate::fault::Fault;
use crate::job::Status;
use crate::point::PointId;

/// A virtual machine under a vault's protection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The item's own id. A VM that leaves a vault and comes back gets a new one.
    pub id: Uuid,
    /// The vault that protects it.
    pub vault: Uuid,
    /// The VM, by its domain's UUID. At most one item in all vaults has it.
    pub vm: Uuid,
    /// The VM's name in Azure's API when it was enabled: part of the item's own name, so it stays
    /// as it is even if the domain is renamed.
    pub vm_name: String,
    /// The VM's resource group when it was enabled, for the same reason.
    pub vm_resource_group: String,
    /// The policy, by name; in the same vault. None while its protection is stopped.
    pub policy: Option<String>,
    /// Where its protection stands.
    pub state: ProtectionState,
    /// Set while it is deleted but can still be brought back (soft delete).
    pub deletion: Option<Deletion>,
    /// Which of the VM's disks are backed up.
    pub disks: DiskSelection,
    /// How its last backup ended, if one did.
    pub last_backup: Option<LastBackup>,
    /// From where the next incremental can be read, if from anywhere.
    pub chain: Option<Chain>,
    /// When it was enabled.
    pub created_at: Timestamp,
}

/// Where an item's protection stands. The names are Azure's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtectionState {
    /// Enabled; no recovery point yet.
    IrPending,
    /// Enabled, with at least one recovery point.
    Protected,
    /// Not backed up any more; its points are kept until somebody deletes them.
    ProtectionStopped,
    /// Not backed up any more; its points are kept as the policy says, and expire.
    BackupsSuspended,
}

impl ProtectionState {
    /// Every state.
    pub const ALL: [Self; 4] =
        [Self::IrPending, Self::Protected, Self::ProtectionStopped, Self::BackupsSuspended];

    /// Azure's name.
    pub const fn azure_name(self) -> &'static str {
        match self {
            Self::IrPending => "IRPending",
            Self::Protected => "Protected",
            Self::ProtectionStopped => "ProtectionStopped",
            Self::BackupsSuspended => "BackupsSuspended",
        }
    }

    /// The state with this Azure name.
    pub fn from_azure_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.azure_name() == name)
    }
}

/// An item's deletion, until its data is really gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When it was deleted.
    pub at: Timestamp,
    /// Until when it can be brought back: the vault's period at the time of the deletion counts.
    pub until: Timestamp,
    /// Its data is being deleted for good, so nothing brings it back any more, whatever the date:
    /// some of it may be gone already.
    pub purging: bool,
}

/// Which disks of a VM are backed up, by their numbers (LUN): Azure's numbers of data disks. The OS
/// disk has none and is always backed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DiskSelection {
    /// All of them.
    #[default]
    All,
    /// The OS disk and these.
    Only(Vec<u32>),
    /// All but these.
    Except(Vec<u32>),
}

impl DiskSelection {
    /// Whether the disk with this number is backed up; `None` is the OS disk.
    pub fn holds(&self, lun: Option<u32>) -> bool {
        match (self, lun) {
            (Self::All, _) | (_, None) => true,
            (Self::Only(luns), Some(lun)) => luns.contains(&lun),
            (Self::Except(luns), Some(lun)) => !luns.contains(&lun),
        }
    }
}

/// How an item's last backup ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastBackup {
    /// How: one of the statuses in which a job has ended.
    pub status: Status,
    /// When it began.
    pub at: Timestamp,
    /// Why it failed, if it did.
    pub error: Option<Fault>,
}

/// From where an item's next incremental can be read: a checkpoint on the hypervisor, and the
/// recovery point whose content the disks had when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The recovery point.
    pub point: PointId,
    /// The checkpoint's name on the hypervisor.
    pub checkpoint: String,
    /// The disks it covers.
    pub disks: Vec<ChainDisk>,
}

/// A disk as it was when a checkpoint was made. An incremental is read only from the same disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainDisk {
    /// The target in the domain, such as `vda`.
    pub target: String,
    /// The exact size, in bytes.
    pub size: u64,
    /// Path of the file or block device.
    pub source: String,
    /// The serial number that the guest sees, where the domain sets one.
    pub serial: Option<String>,
}
