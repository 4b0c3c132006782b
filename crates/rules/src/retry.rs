//! Whether a scheduled backup that failed is tried again, and when.
//!
//! Only what may pass by itself is tried again: a host or a store that does not answer, a service
//! that was stopped. What an operator has to put right fails once, with its code.

use jiff::{SignedDuration, Timestamp};
use model::fault::Code;
use uuid::Uuid;

use crate::spread;

/// The longest pause before another attempt.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// How often and when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How many more attempts there are after the first one.
    pub retries: u32,
    /// The pause before the first of them; each further one is twice as long, up to an hour.
    pub after: SignedDuration,
}

/// An attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// The item.
    pub item: Uuid,
    /// Why.
    pub code: Code,
    /// Whether the snapshot had been taken.
    pub snapshot_taken: bool,
    /// Which attempt it was: 1 for the run itself.
    pub attempt: u32,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// When the next attempt begins, if there is one. A quarter of the pause comes on top, spread over
/// the items: those that failed together do not come back together.
pub fn next(failed: &Failed, patience: Patience) -> Option<Timestamp> {
    if failed.attempt > patience.retries || !may_pass(failed.code, failed.snapshot_taken) {
        return None;
    }
    let doublings = failed.attempt.saturating_sub(1).min(16);
    let pause = patience.after.saturating_mul(1 << doublings).min(PAUSE_MAX.max(patience.after));
    let place = spread::place(failed.item, pause / 4);
    failed.ended_at.checked_add(pause.checked_add(place)?).ok()
}

/// Whether what a backup failed of may pass by itself.
pub fn may_pass(code: Code, snapshot_taken: bool) -> bool {
    match code {
        // A host, a guest or a store that is busy or away; a service that was stopped.
        Code::HypervisorUnavailable
        | Code::StoreUnavailable
        | Code::AgentUnavailable
        | Code::BackupInProgress
        | Code::VmNotInDesirableState
        | Code::Interrupted => true,
        // It was there a moment ago: it may have been shut down or started anew meanwhile.
        Code::VmNotFound | Code::DiskNotFound => snapshot_taken,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { retries: 3, after: SignedDuration::from_mins(5) };

    fn failed(code: Code, attempt: u32) -> Failed {
        let (item, ended_at) = (Uuid::from_u128(1), Timestamp::UNIX_EPOCH);
        Failed { item, code, snapshot_taken: false, attempt, ended_at }
    }

    fn pause(failed: &Failed, patience: Patience) -> Option<SignedDuration> {
        next(failed, patience).map(|at| at.duration_since(failed.ended_at))
    }

    #[test]
    fn what_may_pass_is_tried_again_after_longer_and_longer_pauses() {
        for (attempt, minutes) in [(1, 5), (2, 10), (3, 20)] {
            let pause = pause(&failed(Code::HypervisorUnavailable, attempt), PATIENCE);
            let (pause, least) = (pause.expect("again"), SignedDuration::from_mins(minutes));
            assert!(pause >= least && pause < least + least / 4, "{attempt}: {pause}");
        }
        assert_eq!(pause(&failed(Code::HypervisorUnavailable, 4), PATIENCE), None);
    }

    #[test]
    fn a_pause_is_never_longer_than_an_hour_and_a_quarter() {
        let often = Patience { retries: u32::MAX, ..PATIENCE };
        for attempt in [5, 20, u32::MAX] {
            let pause = pause(&failed(Code::StoreUnavailable, attempt), often).expect("again");
            assert!(pause <= SignedDuration::from_mins(75), "{attempt}: {pause}");
        }
    }

    #[test]
    fn items_that_failed_together_do_not_come_back_together() {
        let at = |item| {
            let failed = failed(Code::StoreUnavailable, 1);
            next(&Failed { item: Uuid::from_u128(item), ..failed }, PATIENCE).expect("again")
        };
        let times: std::collections::BTreeSet<Timestamp> = (0..100).map(at).collect();
        assert!(times.len() > 90, "{}", times.len());
    }

    #[test]
    fn what_an_operator_must_put_right_is_not_tried_again() {
        for code in [Code::StoreFull, Code::WrongKey, Code::StoreDamaged, Code::JobCancelled] {
            assert_eq!(next(&failed(code, 1), PATIENCE), None, "{code:?}");
        }
        let no_retries = Patience { retries: 0, ..PATIENCE };
        assert_eq!(next(&failed(Code::StoreUnavailable, 1), no_retries), None);
    }

    #[test]
    fn a_machine_that_vanishes_while_it_is_read_may_come_back() {
        for code in [Code::VmNotFound, Code::DiskNotFound] {
            assert_eq!(next(&failed(code, 1), PATIENCE), None, "{code:?}: it was never there");
            let read = Failed { snapshot_taken: true, ..failed(code, 1) };
            assert!(next(&read, PATIENCE).is_some(), "{code:?}");
        }
    }
}
