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
    /// The policy, by name; in the same vault.
    pub policy: String,
    /// Where its protection stands.
    pub state: ProtectionState,
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
}

impl ProtectionState {
    /// Azure's name.
    pub const fn azure_name(self) -> &'static str {
        match self {
            Self::IrPending => "IRPending",
            Self::Protected => "Protected",
        }
    }

    /// The state with this Azure name.
    pub fn from_azure_name(name: &str) -> Option<Self> {
        [Self::IrPending, Self::Protected].into_iter().find(|state| state.azure_name() == name)
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
