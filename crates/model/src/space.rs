//! How much a vault holds, day by day: what growth is told from.

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

/// How much a vault's repository held when it was last measured on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceSample {
    /// The vault.
    pub vault: Uuid,
    /// The day, in UTC. A vault has one sample of each.
    pub day: Date,
    /// When it was measured.
    pub measured_at: Timestamp,
    /// Recovery points.
    pub points: u64,
    /// Sizes of the disks of all points, in bytes.
    pub logical_bytes: u64,
    /// What it took in the store, in bytes.
    pub stored_bytes: u64,
}

impl SpaceSample {
    /// How many bytes of disks one byte of the store stands for. None where nothing is stored.
    pub fn ratio(&self) -> Option<f64> {
        (self.stored_bytes > 0).then(|| self.logical_bytes as f64 / self.stored_bytes as f64)
    }
}
