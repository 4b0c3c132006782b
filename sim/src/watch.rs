//! What was written to the ledger, as somebody saw it who does not trust it: what a look at the
//! ledger alone could not tell, because it shows what is and not what was.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use model::job::JobId;
use model::point::PointId;
use model::retention::ClockSight;
use rules::retention::clock::{AHEAD, BACK};
use uuid::Uuid;

/// What was written to the ledger, as somebody saw it who does not trust it. It outlives the
/// process.
#[derive(Default)]
pub struct Watch {
    /// How many mishaps there had been when a job began.
    pub begun: HashMap<JobId, u64>,
    /// The backup of each item that has not ended.
    pub running: HashMap<Uuid, JobId>,
    /// The runs of each item that became a job.
    pub runs: BTreeMap<Uuid, BTreeSet<Timestamp>>,
    /// The last of them, or up to when nothing had to be run.
    pub last: HashMap<Uuid, Timestamp>,
    pub changes: Changes,
    /// Points that a stored plan lets go of.
    pub planned: BTreeSet<PointId>,
    /// Plans that wait for a confirmation, or did.
    pub waiting: BTreeSet<Uuid>,
    /// Plans that an operator confirmed.
    pub confirmed: BTreeSet<Uuid>,
    /// Until when points of immutable vaults were promised to be kept.
    pub promised: HashMap<PointId, Timestamp>,
    /// The latest moment at which the clock was trusted.
    clock_seen: Option<Timestamp>,
    /// Whether it is not trusted.
    pub clock_is_doubted: bool,
    /// Whether an operator says just now that it is right.
    pub clock_is_confirmed: bool,
    /// Until when items can be brought back that were deleted.
    pub deleted: HashMap<Uuid, Timestamp>,
    /// Backups that ended well since they were last taken.
    pub completed: Vec<(Uuid, PointId)>,
    /// How many backups ended well, and how many did not.
    pub good: u64,
    /// See `good`; by their codes.
    pub bad: BTreeMap<&'static str, u64>,
}

/// What has changed, so that runs may be others than they were.
#[derive(Debug, Default)]
pub struct Changes {
    pub items: BTreeSet<Uuid>,
    pub policies: bool,
    set_back: bool,
}

impl Changes {
    /// Whether an item's runs may be others than they were.
    pub fn concern(&self, item: Uuid) -> bool {
        self.policies || self.set_back || self.items.contains(&item)
    }
}

impl Watch {
    /// The last run of an item that became a job.
    pub fn last_run(&self, item: Uuid) -> Option<Timestamp> {
        self.last.get(&item).copied()
    }

    /// The clock was set back, and shows the same moments again.
    pub fn clock_was_set_back(&mut self) {
        self.runs.clear();
        self.changes.set_back = true;
    }

    /// Whether an item's runs may be others than they were at the last look.
    pub fn concern(&self, item: Uuid) -> bool {
        self.changes.concern(item)
    }

    /// Whether an item was deleted, and could not be brought back any more at this moment.
    pub fn may_be_gone(&self, item: Uuid, at: Timestamp) -> bool {
        self.deleted.get(&item).is_some_and(|until| *until <= at)
    }

    /// What has changed since the last look.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// These points are promised to be kept until then; the longest promise counts.
    pub fn promised_until(&mut self, promises: &[(PointId, Timestamp)]) {
        for (point, until) in promises {
            let known = self.promised.entry(*point).or_insert(*until);
            *known = (*known).max(*until);
        }
    }

    /// The clock was looked at, and shows this moment now: what is wrong with what came of it.
    pub fn clock_seen(&mut self, sight: &ClockSight, now: Timestamp) -> Option<String> {
        self.clock_is_doubted = sight.doubt.is_some();
        if self.clock_is_doubted {
            return None;
        }
        let before = std::mem::replace(&mut self.clock_seen, sight.seen)?;
        let seen = sight.seen?;
        let is_wrong = seen.duration_since(before) > AHEAD || now.duration_since(before) < -BACK;
        (is_wrong && !self.clock_is_confirmed)
            .then(|| format!("the clock is trusted at {now}, and was seen at {before} before"))
    }

    /// The runs of an item until then have become jobs, or need not.
    pub fn runs_until(&mut self, item: Uuid, until: Timestamp) {
        let last = self.last.entry(item).or_insert(until);
        *last = until.max(*last);
    }

    /// The runs of these items until then need not become jobs, says the engine.
    pub fn settled(&mut self, items: &[Uuid], until: Timestamp) {
        for item in items {
            // Whoever settles runs although nothing has changed loses them.
            if self.changes.concern(*item) {
                self.runs_until(*item, until);
            }
        }
    }
}
