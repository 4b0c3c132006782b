//! That a vault's data was looked at, and what was found.

use jiff::Timestamp;
use uuid::Uuid;

/// The last verification of a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The vault.
    pub vault: Uuid,
    /// When it began.
    pub at: Timestamp,
    /// How many percent of the packs were read, chosen at random; the structure was looked at as a
    /// whole.
    pub percent: u8,
    /// What was read of packs, in bytes.
    pub read_bytes: u64,
    /// Objects that are damaged or missing.
    pub damaged_objects: u64,
    /// Recovery points that cannot be restored as a whole because of them.
    pub points_hit: u64,
}

impl Verification {
    /// Whether nothing was found.
    pub const fn is_clean(&self) -> bool {
        self.damaged_objects == 0
    }
}
