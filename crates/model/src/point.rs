//! Recovery points.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use crate::job::JobId;

/// Names one recovery point everywhere: in ARM ids, in the ledger, and in the repository.
///
/// A random number of 63 bits, never zero, written in decimal: Azure's point names are decimal
/// numbers, and a signed 64-bit column can hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointId(u64);

impl PointId {
    /// The id with this number, unless it is zero or does not fit 63 bits.
    pub const fn new(number: u64) -> Option<Self> {
        if number == 0 || number > i64::MAX as u64 { None } else { Some(Self(number)) }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The text is not the decimal number of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a recovery point's id is a decimal number from 1 to 9223372036854775807")]
pub struct NotAPointId;

impl FromStr for PointId {
    type Err = NotAPointId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAPointId);
        }
        text.parse().ok().and_then(Self::new).ok_or(NotAPointId)
    }
}

/// What was proven about a point's state when its disks were captured. Never more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consistency {
    /// Nothing was proven: as if the power had failed at that moment. A powered-off VM is this.
    Crash,
    /// The guest's file systems were frozen while the point in time was taken.
    FileSystem,
    /// The guest's applications reported that they were quiesced, and the file systems were frozen.
    Application,
}

impl Consistency {
    /// Azure's name, as in a recovery point's `recoveryPointType`.
    pub const fn azure_name(self) -> &'static str {
        match self {
            Self::Crash => "CrashConsistent",
            Self::FileSystem => "FileSystemConsistent",
            Self::Application => "AppConsistent",
        }
    }

    /// The consistency with this Azure name.
    pub fn from_azure_name(name: &str) -> Option<Self> {
        [Self::Crash, Self::FileSystem, Self::Application]
            .into_iter()
            .find(|consistency| consistency.azure_name() == name)
    }
}

/// A recovery point, as the ledger knows it. The repository's manifest holds the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The point's id.
    pub id: PointId,
    /// The vault whose repository holds it.
    pub vault: Uuid,
    /// The protected item it belongs to.
    pub item: Uuid,
    /// The job that wrote it.
    pub job: JobId,
    /// The moment whose state it holds: when the disks' point in time was fixed.
    pub taken_at: Timestamp,
    /// What was proven about that moment.
    pub consistency: Consistency,
    /// Kept at least until this moment because an operator said so (Backup now, retain until).
    pub retain_until: Option<Timestamp>,
    /// Sum of the sizes of its disks, in bytes.
    pub logical_bytes: u64,
    /// Bytes that were read from the source to make it.
    pub read_bytes: u64,
    /// Bytes that it added to the store.
    pub stored_bytes: u64,
    /// Its disks, in the domain's order.
    pub disks: Vec<PointDisk>,
}

/// One disk of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointDisk {
    /// The disk's target in the domain, such as `vda`.
    pub target: String,
    /// The exact size, in bytes.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_decimal_number_of_63_bits() {
        assert_eq!("17523471602712".parse(), PointId::new(17_523_471_602_712).ok_or(NotAPointId));
        for bad in ["", "0", "-1", "+1", "1x", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(bad.parse::<PointId>(), Err(NotAPointId), "{bad:?}");
        }
    }
}
