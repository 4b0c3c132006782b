//! Defects that are planted to see that they are found. Each is a port that does not do what it
//! promises; the engine's own code is never changed.

/// A planted defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The store has packs only until the process dies: a commit goes before its packs.
    PacksAreNotDurable,
    /// The store loses log entries when the process dies.
    LogEntriesAreNotDurable,
    /// A bit flips in a pack while it lies there.
    PacksRot,
    /// The ledger says that a backup is completed, but has not recorded its point.
    PointIsNotRecorded,
    /// The ledger loses the end of a job.
    EndIsNotRecorded,
    /// The ledger does not settle a run with its job.
    RunIsNotSettled,
    /// The ledger has no lease on items: it lets two backups of one begin.
    ItemIsNotLeased,
    /// The ledger tells the first version of a policy for ever.
    PolicyIsStale,
    /// The ledger does not store what retention plans.
    PlanIsNotStored,
    /// The rule that keeps an item's newest point takes another one for it: the ledger tells of one
    /// that is newer, and is none.
    NewestMayGo,
    /// The ledger says that a plan which waits was confirmed.
    PlanNeedsNoConfirmation,
    /// The ledger does not tell until when points of an immutable vault were promised to be kept.
    PromisesAreForgotten,
    /// The ledger does not tell what was seen of the clock.
    ClockSightIsLost,
    /// The hypervisor says that nothing was written.
    NothingIsDirty,
    /// The hypervisor forgets what it had tracked when a capture is discarded.
    DiscardForgets,
    /// The hypervisor reads what the guest writes meanwhile.
    SnapshotIsTorn,
    /// The clock is months ahead for a moment.
    ClockLies,
}
