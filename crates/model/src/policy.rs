//! Backup policies: when a virtual machine is backed up, and for how long its points are kept.

use jiff::civil::{Time, Weekday};
use uuid::Uuid;

/// A backup policy of one vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The vault it belongs to.
    pub vault: Uuid,
    /// Its name, unique in the vault.
    pub name: String,
    /// When it backs up.
    pub schedule: Schedule,
    /// How long it keeps daily points, in days.
    pub daily_retention_days: u16,
    /// For how many days Azure would keep the snapshot beside the vault's copy. Stored and told
    /// back; there is no instant tier here.
    pub instant_rp_days: u16,
    /// The zone whose calendar bounds retention: a Windows or an IANA name, as the client sent it.
    pub time_zone: String,
}

/// When a policy backs up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Every day, at this time of day in UTC.
    Daily {
        /// The time of day, in UTC.
        at: Time,
    },
    /// On these days of the week, at this time of day in UTC.
    Weekly {
        /// The days; at least one.
        days: Vec<Weekday>,
        /// The time of day, in UTC.
        at: Time,
    },
}

/// The policy that every new vault has.
pub const DEFAULT_POLICY: &str = "DefaultPolicy";

impl Policy {
    /// The policy that every new vault has: daily at 20:30 UTC, kept for 30 days. Azure's own
    /// numbers (its DefaultPolicy of 2026).
    pub fn default_of(vault: Uuid) -> Self {
        Self {
            vault,
            name: DEFAULT_POLICY.to_owned(),
            schedule: Schedule::Daily { at: Time::constant(20, 30, 0, 0) },
            daily_retention_days: 30,
            instant_rp_days: 2,
            time_zone: "UTC".to_owned(),
        }
    }
}
