//! The point record: what a recovery point's manifest says beyond its disks' content.
//!
//! The repository stores it as opaque bytes beside the disks, so that a point can be restored, and
//! a vault rebuilt, from its store alone. It outlives every service that wrote it: fields are only
//! ever added, and a reader refuses a version it does not know.
//!
//! It holds libvirt's XML, which is hostile input: its length is bounded before it is parsed.

use serde::{Deserialize, Serialize};

/// The version that is written.
pub const VERSION: u32 = 1;

/// The longest record that is read or written, in bytes. A domain's XML is some ten KiB long,
/// libvirt bounds it to 4 MiB (16 MiB in newer versions, which no real domain comes near), and a
/// record holds it twice.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The most disks that a record may name: more than libvirt can attach.
const MAX_DISKS: usize = 4096;

/// What a recovery point's manifest says beyond its disks' content. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PointRecord {
    /// [`VERSION`].
    pub version: u32,
    /// The VM's ARM id.
    pub vm_id: String,
    /// The domain's UUID.
    pub vm_uuid: String,
    /// The VM's name.
    pub vm_name: String,
    /// The VM's resource group.
    pub resource_group: String,
    /// The region.
    pub region: String,
    /// The vault's ARM id.
    pub vault_id: String,
    /// The vault's name.
    pub vault_name: String,
    /// The name of the policy that held when the point was made.
    pub policy_name: String,
    /// The moment whose state the point holds.
    pub taken_at: String,
    /// What was proven about that moment, by Azure's name.
    pub consistency: String,
    /// Kept at least until then, because an operator said so.
    pub retain_until: Option<String>,
    /// The job that made it.
    pub job_id: String,
    /// The domain's definition at that moment.
    pub domain_xml: String,
    /// The checkpoint that was made with it.
    pub checkpoint: Option<CheckpointRecord>,
    /// The disks, in the domain's order.
    pub disks: Vec<DiskRecord>,
}

/// The checkpoint that was made with a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// Its name on the hypervisor.
    pub name: String,
    /// Its definition, by which the hypervisor can be taught it again.
    pub xml: String,
}

/// One disk of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskRecord {
    /// The target in the domain, such as `vda`.
    pub target: String,
    /// The exact size, in bytes.
    pub size: u64,
    /// The serial number that the guest saw.
    pub serial: Option<String>,
    /// Path of the file or block device.
    pub source: String,
    /// The image's format, by QEMU's name.
    pub format: String,
    /// Whether the checkpoint covers it, so that its next read can be incremental.
    pub tracked: bool,
}

/// Why bytes are not a point record, or a record cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is longer than any real one.
    #[error("the point's record has {bytes} bytes; at most {MAX_BYTES} are accepted")]
    TooLong {
        /// Its length, in bytes.
        bytes: usize,
    },
    /// It names more disks than any VM has.
    #[error("the point's record names {disks} disks; at most {MAX_DISKS} are accepted")]
    TooManyDisks {
        /// How many it names.
        disks: usize,
    },
    /// It was written by a newer version of Holdfast.
    #[error("the point's record is of version {found}; this program knows version {VERSION}")]
    UnknownVersion {
        /// The version found.
        found: u32,
    },
    /// It is not the JSON of one.
    #[error("the point's record cannot be read")]
    Malformed(#[source] serde_json::Error),
}

/// Only the version, which is read before anything else.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl PointRecord {
    /// The record's bytes.
    ///
    /// # Errors
    ///
    /// It is too long, or names too many disks, to be read back.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        check_disks(self.disks.len())?;
        let bytes = serde_json::to_vec(self).map_err(RecordError::Malformed)?;
        check_length(bytes.len())?;
        Ok(bytes)
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    ///
    /// It is too long, of an unknown version, or not a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        check_length(bytes.len())?;
        let Versioned { version } =
            serde_json::from_slice(bytes).map_err(RecordError::Malformed)?;
        if version != VERSION {
            return Err(RecordError::UnknownVersion { found: version });
        }
        let record: Self = serde_json::from_slice(bytes).map_err(RecordError::Malformed)?;
        check_disks(record.disks.len())?;
        Ok(record)
    }
}

fn check_length(bytes: usize) -> Result<(), RecordError> {
    if bytes > MAX_BYTES { Err(RecordError::TooLong { bytes }) } else { Ok(()) }
}

fn check_disks(disks: usize) -> Result<(), RecordError> {
    if disks > MAX_DISKS { Err(RecordError::TooManyDisks { disks }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
