//! Jobs: what Holdfast does for a protected item, watched while it runs.
//!
//! ```text
//!              ┌────────────► Completed
//!              ├────────────► CompletedWithWarnings
//! InProgress ──┤
//!      │       ├────────────► Failed
//!      ▼       │
//!  Cancelling ─┴────────────► Cancelled
//! ```
//!
//! A job that has ended never changes again; `rules::job_life` holds the transitions.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use crate::fault::Fault;
use crate::point::PointId;

/// Names one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobId(pub Uuid);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// What a job does. The names are Azure's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Puts a virtual machine under a vault's protection, or under another policy.
    ConfigureBackup,
    /// Makes a recovery point.
    Backup,
    /// Gives a recovery point back.
    Restore,
    /// Stops protection and keeps the recovery points.
    DisableBackup,
    /// Stops protection and deletes the item with its recovery points.
    DeleteBackupData,
    /// Brings a deleted item back.
    Undelete,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 6] = [
        Self::ConfigureBackup,
        Self::Backup,
        Self::Restore,
        Self::DisableBackup,
        Self::DeleteBackupData,
        Self::Undelete,
    ];

    /// Azure's name.
    pub const fn azure_name(self) -> &'static str {
        match self {
            Self::ConfigureBackup => "ConfigureBackup",
            Self::Backup => "Backup",
            Self::Restore => "Restore",
            Self::DisableBackup => "DisableBackup",
            Self::DeleteBackupData => "DeleteBackupData",
            Self::Undelete => "Undelete",
        }
    }

    /// The operation with this Azure name.
    pub fn from_azure_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.azure_name() == name)
    }
}

/// Where a job or one of its tasks stands. The names are Azure's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not begun: tasks only.
    NotStarted,
    /// Running.
    InProgress,
    /// Asked to stop, still cleaning up.
    Cancelling,
    /// Stopped because it was asked to.
    Cancelled,
    /// Done, all of it.
    Completed,
    /// Done, with something the operator should know.
    CompletedWithWarnings,
    /// Not done.
    Failed,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::NotStarted,
        Self::InProgress,
        Self::Cancelling,
        Self::Cancelled,
        Self::Completed,
        Self::CompletedWithWarnings,
        Self::Failed,
    ];

    /// Azure's name.
    pub const fn azure_name(self) -> &'static str {
        match self {
            Self::NotStarted => "NotStarted",
            Self::InProgress => "InProgress",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::Completed => "Completed",
            Self::CompletedWithWarnings => "CompletedWithWarnings",
            Self::Failed => "Failed",
        }
    }

    /// The status with this Azure name.
    pub fn from_azure_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.azure_name() == name)
    }

    /// Whether a job in this status will never change again.
    pub const fn has_ended(self) -> bool {
        matches!(
            self,
            Self::Cancelled | Self::Completed | Self::CompletedWithWarnings | Self::Failed
        )
    }
}

/// One task of a job. Azure names them; see the constants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// When it began, if it has.
    pub begun_at: Option<Timestamp>,
}

impl Task {
    /// A task that has not begun.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), status: Status::NotStarted, begun_at: None }
    }
}

/// Fixing the point in time of a virtual machine's disks.
pub const TAKE_SNAPSHOT: &str = "Take Snapshot";
/// Reading, deduplicating and storing the disks.
pub const TRANSFER_TO_VAULT: &str = "Transfer data to vault";
/// Reading back the manifest and a sample of what was stored.
pub const VALIDATE_BACKUP: &str = "Validate backup";
/// Reading a point's disks out of the repository.
pub const TRANSFER_FROM_VAULT: &str = "Transfer data from vault";
/// Defining the restored virtual machine.
pub const CREATE_VM: &str = "Create the virtual machine";

/// How one disk of a job is getting on. No figure but `total_bytes` ever falls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskProgress {
    /// The disk's target, such as `vda`.
    pub target: String,
    /// How the disk is read, and why: one sentence for the operator. Empty for restores.
    pub method: String,
    /// Bytes that have to be read or written in all; grows while an incremental re-synchronises.
    pub total_bytes: u64,
    /// Bytes read or written so far.
    pub done_bytes: u64,
    /// Bytes gone through so far, with what needed no reading because it is empty.
    pub scanned_bytes: u64,
    /// For a backup: bytes that had changed, or are allocated where the disk is read in full.
    pub changed_bytes: u64,
    /// Of those done, the bytes that the repository did not hold before.
    pub new_bytes: u64,
    /// Bytes added to the store for them.
    pub stored_bytes: u64,
}

/// A job, as the ledger knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The vault it works for.
    pub vault: Uuid,
    /// The protected item it works for.
    pub item: Uuid,
    /// What it does.
    pub operation: Operation,
    /// Where it stands.
    pub status: Status,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The point that it writes or reads.
    pub point: Option<PointId>,
    /// For a backup: keep the point at least until then.
    pub retain_until: Option<Timestamp>,
    /// Its tasks, in order.
    pub tasks: Vec<Task>,
    /// Its disks, in the domain's order.
    pub disks: Vec<DiskProgress>,
    /// Facts about it for the operator, in order, such as `("Policy Name", "DefaultPolicy")`.
    pub properties: Vec<(String, String)>,
    /// What it got through with, but the operator should know.
    pub warnings: Vec<Fault>,
    /// Why it failed.
    pub error: Option<Fault>,
}

impl DiskProgress {
    /// Of the bytes done, those that took no room: the repository held them, or they are zeros.
    pub const fn deduplicated_bytes(&self) -> u64 {
        self.done_bytes.saturating_sub(self.new_bytes)
    }
}

impl Job {
    /// Bytes done of all its disks.
    pub fn done_bytes(&self) -> u64 {
        self.disks.iter().map(|disk| disk.done_bytes).sum()
    }

    /// Bytes to do of all its disks.
    pub fn total_bytes(&self) -> u64 {
        self.disks.iter().map(|disk| disk.total_bytes).sum()
    }

    /// How much of the transfer is done, in percent: 100 only for a job that got through.
    pub fn percent(&self) -> f64 {
        match self.status {
            Status::Completed | Status::CompletedWithWarnings => 100.0,
            _ if self.total_bytes() == 0 => 0.0,
            _ => (self.done_bytes() as f64 * 100.0 / self.total_bytes() as f64).min(99.9),
        }
    }
}
