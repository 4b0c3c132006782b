//! Full or incremental: how each disk of a virtual machine is read, and why.
//!
//! An incremental is read from the changed blocks that the hypervisor has recorded since a
//! checkpoint. It is right only if the disk is still the one that the checkpoint covered, if the
//! record is whole, and if the recovery point of that moment is still there to build upon. Whatever
//! else is the case, the disk is read in full: that costs time, never data, because only chunks
//! that the repository does not hold are stored.

use model::item::{Chain, ChainDisk};
use model::vm::DiskFormat;

/// What is known about one disk before it is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFacts {
    /// The target in the domain, such as `vda`.
    pub target: String,
    /// The image's format.
    pub format: DiskFormat,
    /// Path of the file or block device.
    pub source: String,
    /// The virtual size in bytes, where it is known.
    pub size: Option<u64>,
    /// The serial number that the guest sees, where the domain sets one.
    pub serial: Option<String>,
}

/// What is known about the chain that the disks could build upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainFacts<'a> {
    /// What the last capture with a checkpoint left behind.
    pub chain: Option<&'a Chain>,
    /// Whether the chain's recovery point is still in the repository.
    pub point_present: bool,
    /// Whether the hypervisor refused the checkpoint in this very job.
    pub refused: bool,
}

/// How one disk is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// All allocated blocks.
    Full {
        /// Why not incremental.
        because: FullReason,
    },
    /// The blocks changed since this checkpoint.
    Incremental {
        /// The checkpoint's name.
        since: String,
    },
}

/// Why a disk is read in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullReason {
    /// There is no earlier recovery point to build upon.
    First,
    /// The image's format records no changes that survive a restart of the VM.
    FormatKeepsNoRecord,
    /// The recovery point to build upon is no longer in the repository.
    PointGone,
    /// The hypervisor says that the checkpoint is missing or its record of changes is broken.
    RecordBroken,
    /// The checkpoint does not cover the disk: it was attached, or selected for backup, later.
    NewDisk,
    /// The disk's size is not what it was.
    Resized,
    /// The size is not known, so it cannot be compared.
    SizeUnknown,
    /// Another image, or one with another serial number, is attached at this target.
    Replaced,
}

impl FullReason {
    /// The reason as a clause for the operator, to follow "read in full because".
    pub const fn clause(self) -> &'static str {
        match self {
            Self::First => "there is no earlier recovery point to build upon",
            Self::FormatKeepsNoRecord => "its image format keeps no record of changed blocks",
            Self::PointGone => "the recovery point it would build upon is gone",
            Self::RecordBroken => "the hypervisor's record of changed blocks is missing or broken",
            Self::NewDisk => "the last backup did not cover it",
            Self::Resized => "the disk's size has changed since the last backup",
            Self::SizeUnknown => "the disk's size could not be read",
            Self::Replaced => "another image is attached in its place since the last backup",
        }
    }

    /// Whether the operator should be told that change tracking had to begin anew. A first backup
    /// and a format without tracking are expected.
    pub const fn is_a_reset(self) -> bool {
        !matches!(self, Self::First | Self::FormatKeepsNoRecord | Self::NewDisk)
    }
}

/// Decides how `disk` is to be read.
pub fn decide(disk: &DiskFacts, facts: ChainFacts<'_>) -> Read {
    match full_reason(disk, facts) {
        Some(because) => Read::Full { because },
        None => Read::Incremental {
            since: facts.chain.map(|chain| chain.checkpoint.clone()).unwrap_or_default(),
        },
    }
}

fn full_reason(disk: &DiskFacts, facts: ChainFacts<'_>) -> Option<FullReason> {
    if disk.format != DiskFormat::Qcow2 {
        return Some(FullReason::FormatKeepsNoRecord);
    }
    let Some(chain) = facts.chain else {
        return Some(FullReason::First);
    };
    if !facts.point_present {
        return Some(FullReason::PointGone);
    }
    if facts.refused {
        return Some(FullReason::RecordBroken);
    }
    match chain.disks.iter().find(|covered| covered.target == disk.target) {
        None => Some(FullReason::NewDisk),
        Some(covered) => changed_identity(disk, covered),
    }
}

fn changed_identity(disk: &DiskFacts, covered: &ChainDisk) -> Option<FullReason> {
    match disk.size {
        None => Some(FullReason::SizeUnknown),
        Some(_) if disk.source != covered.source || disk.serial != covered.serial => {
            Some(FullReason::Replaced)
        }
        Some(size) if size != covered.size => Some(FullReason::Resized),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
