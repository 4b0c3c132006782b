//! What the ledger keeps of retention: the times that points are kept by, plans to let go of
//! points, what was seen of the clock, and what was last done for a vault.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::fault::Fault;
use crate::point::PointId;

/// The times of a recovery point that decide for how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointTimes {
    /// The point.
    pub id: PointId,
    /// The item it belongs to.
    pub item: Uuid,
    /// The moment whose state it holds.
    pub taken_at: Timestamp,
    /// Of an on-demand point: kept until then because an operator said so.
    pub retain_until: Option<Timestamp>,
}

/// One point that a plan lets go of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The point.
    pub point: PointId,
    /// The item it belongs to.
    pub item: Uuid,
    /// Since when nothing keeps it.
    pub since: Timestamp,
    /// The rule that kept it until then, in words.
    pub rule: String,
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanState {
    /// It is being carried out.
    Running,
    /// It is not carried out before an operator confirms it.
    Waiting,
    /// An operator confirmed it.
    Confirmed,
}

impl PlanState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Running, Self::Waiting, Self::Confirmed];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Waiting => "Waiting",
            Self::Confirmed => "Confirmed",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A decision to let go of points of one vault: stored before it is carried out, and gone when it
/// was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Names it. What other points would be let go of is another plan.
    pub id: Uuid,
    /// The vault.
    pub vault: Uuid,
    /// When it was made.
    pub made_at: Timestamp,
    /// Where it stands.
    pub state: PlanState,
    /// Why it waits, or waited, for a confirmation.
    pub waits: Option<Fault>,
    /// The points, by item, each item's oldest first.
    pub steps: Vec<Step>,
}

/// What was seen of the clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockSight {
    /// The latest moment at which it was trusted: the high-water mark.
    pub seen: Option<Timestamp>,
    /// By how much an operator found a store's clock to be ahead of it, and said that this is fine.
    pub accepted_offset: Option<SignedDuration>,
    /// Why it is not trusted now.
    pub doubt: Option<Fault>,
}

/// What a collection did. Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collection {
    /// Sizes of all that was deleted.
    pub freed_bytes: u64,
    /// Sizes of what goes when its grace is over.
    pub later_bytes: u64,
    /// What points need.
    pub needed_bytes: u64,
    /// Sizes of the packs that hold it.
    pub live_bytes: u64,
    /// Sizes of packs that were written anew because they were mostly dead.
    pub repacked_bytes: u64,
}

/// What was last done for a vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// When its points were last judged.
    pub judged_at: Option<Timestamp>,
    /// When points were last let go of.
    pub forgot_at: Option<Timestamp>,
    /// How many points were let go of so far.
    pub forgotten: u64,
    /// When space was last collected.
    pub collected_at: Option<Timestamp>,
    /// What that did.
    pub collection: Collection,
    /// Sizes of all that collections have deleted so far, in bytes.
    pub freed_bytes: u64,
    /// Whether points were let go of whose space was not collected yet.
    pub to_collect: bool,
    /// What stood in the way the last time.
    pub fault: Option<Fault>,
}
