//! Method: one item per state, and a table of what each event makes of it: what is left of it, or
//! the code of the refusal.

use model::item::{Chain, LastBackup};
use model::job::Status;
use model::point::PointId;
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[derive(Debug, Clone, Copy)]
enum State {
    Live(ProtectionState),
    /// Deleted, with this date; whether some of its data may be gone.
    Deleted(Timestamp, bool),
}

const PENDING: State = State::Live(ProtectionState::IrPending);
const PROTECTED: State = State::Live(ProtectionState::Protected);
const STOPPED: State = State::Live(ProtectionState::ProtectionStopped);
const SUSPENDED: State = State::Live(ProtectionState::BackupsSuspended);
const KEPT: State = State::Deleted(Timestamp::MAX, false);
const DUE: State = State::Deleted(NOW, false);
const CUT_OFF: State = State::Deleted(Timestamp::MAX, true);

/// What is asked of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Protect,
    Stop,
    Suspend,
    Delete,
    Undelete,
    Purge,
}

impl Event {
    fn wish(self) -> Wish {
        match self {
            Self::Protect => protect(),
            Self::Stop => Wish::Stop,
            Self::Suspend => Wish::Suspend,
            Self::Delete => Wish::Delete,
            Self::Undelete => Wish::Undelete,
            Self::Purge => Wish::Purge,
        }
    }
}

fn item(state: State) -> Item {
    let (state, deletion) = match state {
        State::Live(state) => (state, None),
        State::Deleted(until, purging) => {
            (ProtectionState::ProtectionStopped, Some(Deletion { at: NOW, until, purging }))
        }
    };
    Item {
        id: Uuid::from_u128(1),
        vault: Uuid::from_u128(2),
        vm: Uuid::from_u128(3),
        vm_name: "web1".to_owned(),
        vm_resource_group: "rg".to_owned(),
        policy: (state != ProtectionState::ProtectionStopped).then(|| "Daily".to_owned()),
        state,
        deletion,
        disks: DiskSelection::Only(vec![1]),
        last_backup: Some(LastBackup { status: Status::Completed, at: NOW, error: None }),
        chain: Some(Chain {
            point: PointId::new(7).expect("not zero"),
            checkpoint: "holdfast-7".to_owned(),
            disks: Vec::new(),
        }),
        created_at: NOW,
    }
}

fn protect() -> Wish {
    Wish::Protect { policy: "Weekly".to_owned(), disks: None }
}

fn facts(points: u64, immutable: bool) -> Facts {
    Facts { points, immutable, soft_delete_days: Some(14), now: NOW }
}

use ProtectionState::{BackupsSuspended, IrPending, Protected, ProtectionStopped};

/// What is left of an item: its state, or that it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Live(ProtectionState),
    Deleted,
    Purging,
}

type Told = Result<Left, Code>;

const fn live(state: ProtectionState) -> Told {
    Ok(Left::Live(state))
}

const STOP: Told = live(ProtectionStopped);
const SOFT: Told = Ok(Left::Deleted);
const GONE: Told = Ok(Left::Purging);
const DELETED: Told = Err(Code::ItemSoftDeleted);
const DENIED: Told = Err(Code::DeniedOnImmutableItem);
const CLOSED: Told = Err(Code::ItemClosed);
const ALIVE: Told = Err(Code::InvalidConfigureProtection);

/// Every state, in the order of the columns below.
const STATES: [State; 7] = [PENDING, PROTECTED, STOPPED, SUSPENDED, KEPT, DUE, CUT_OFF];

/// The facts under which a row holds.
#[derive(Debug, Clone, Copy)]
struct When {
    points: u64,
    immutable: bool,
    soft_delete: bool,
}

const USUAL: When = When { points: 3, immutable: false, soft_delete: true };
const EMPTY: When = When { points: 0, ..USUAL };
const IMMUTABLE: When = When { immutable: true, ..USUAL };
const IMMUTABLE_EMPTY: When = When { immutable: true, ..EMPTY };
const HARD: When = When { soft_delete: false, ..USUAL };
const HARD_IMMUTABLE: When = When { soft_delete: false, ..IMMUTABLE };

/// Every event in every state. Deleted items are: not yet due, due, and being purged.
#[rustfmt::skip]
const TABLE: &[(Event, When, [Told; 7])] = {
    use Event::{Delete, Protect, Purge, Stop, Suspend, Undelete};
    const PEND: Told = live(IrPending);
    const PROT: Told = live(Protected);
    const SUSP: Told = live(BackupsSuspended);
    &[
        //                   IRPending Protected Stopped Suspended  kept     due      purging
        (Protect,  USUAL,           [PEND, PROT, PROT, PROT,        DELETED, DELETED, DELETED]),
        (Protect,  EMPTY,           [PEND, PROT, PEND, PEND,        DELETED, DELETED, DELETED]),
        (Stop,     USUAL,           [STOP, STOP, STOP, STOP,        DELETED, DELETED, DELETED]),
        (Stop,     IMMUTABLE,       [STOP, STOP, STOP, STOP,        DELETED, DELETED, DELETED]),
        (Suspend,  USUAL,           [DENIED, DENIED, CLOSED, DENIED, DELETED, DELETED, DELETED]),
        (Suspend,  IMMUTABLE,       [SUSP, SUSP, CLOSED, SUSP,      DELETED, DELETED, DELETED]),
        (Delete,   USUAL,           [SOFT, SOFT, SOFT, SOFT,        DELETED, DELETED, DELETED]),
        (Delete,   IMMUTABLE,       [DENIED, DENIED, DENIED, DENIED, DELETED, DELETED, DELETED]),
        (Delete,   IMMUTABLE_EMPTY, [SOFT, SOFT, SOFT, SOFT,        DELETED, DELETED, DELETED]),
        (Delete,   HARD,            [GONE, GONE, GONE, GONE,        DELETED, DELETED, DELETED]),
        (Delete,   HARD_IMMUTABLE,  [DENIED, DENIED, DENIED, DENIED, DELETED, DELETED, DELETED]),
        (Undelete, USUAL,           [ALIVE, ALIVE, ALIVE, ALIVE,    STOP,    STOP,    DELETED]),
        (Undelete, HARD,            [ALIVE, ALIVE, ALIVE, ALIVE,    STOP,    STOP,    DELETED]),
        (Purge,    USUAL,           [ALIVE, ALIVE, ALIVE, ALIVE,    DELETED, GONE,    GONE]),
        (Purge,    IMMUTABLE,       [ALIVE, ALIVE, ALIVE, ALIVE,    DELETED, GONE,    GONE]),
    ]
};

fn left(item: &Item) -> Left {
    match item.deletion {
        None => Left::Live(item.state),
        Some(_) if item.state != ProtectionStopped => {
            panic!("{item:?} is deleted, but not stopped")
        }
        Some(deletion) if deletion.purging => Left::Purging,
        Some(_) => Left::Deleted,
    }
}

#[test]
fn every_event_in_every_state_leaves_what_the_table_says() {
    for (event, when, expected) in TABLE {
        let facts = Facts {
            soft_delete_days: when.soft_delete.then_some(14),
            ..facts(when.points, when.immutable)
        };
        for (state, expected) in STATES.into_iter().zip(*expected) {
            let told = change(&item(state), &event.wish(), facts);
            let told = told.map(|change| left(&change.after)).map_err(|fault| fault.code);
            assert_eq!(told, expected, "{event:?} in {state:?}, {when:?}");
        }
    }
}

#[test]
fn every_event_is_told_as_its_job_and_only_protecting_goes_on_beside_a_backup() {
    for (event, state, operation) in [
        (Event::Protect, STOPPED, Operation::ConfigureBackup),
        (Event::Stop, PROTECTED, Operation::DisableBackup),
        (Event::Suspend, PROTECTED, Operation::DisableBackup),
        (Event::Delete, PROTECTED, Operation::DeleteBackupData),
        (Event::Undelete, KEPT, Operation::Undelete),
        (Event::Purge, DUE, Operation::DeleteBackupData),
    ] {
        let facts = facts(3, event == Event::Suspend);
        let change = change(&item(state), &event.wish(), facts).expect("allowed");
        assert_eq!(change.operation, operation, "{event:?}");
        assert_eq!(change.idle, event != Event::Protect, "{event:?}");
    }
}

#[test]
fn what_ends_protection_gives_up_the_chain_and_keeps_the_disks() {
    for (event, policy) in
        [(Event::Stop, None), (Event::Suspend, Some("Daily")), (Event::Delete, None)]
    {
        let facts = facts(if event == Event::Delete { 0 } else { 3 }, true);
        let before = item(PROTECTED);
        let after = change(&before, &event.wish(), facts).expect("allowed").after;
        assert_eq!((after.policy.as_deref(), after.chain), (policy, None), "{event:?}");
        assert_eq!(after.disks, before.disks, "{event:?}: kept for a resumption");
    }
}

#[test]
fn the_period_in_force_at_the_deletion_counts() {
    for (days, until) in [(14, "1970-01-15T00:00:00Z"), (180, "1970-06-30T00:00:00Z")] {
        let facts = Facts { soft_delete_days: Some(days), ..facts(3, false) };
        let deleted = change(&item(PROTECTED), &Wish::Delete, facts).expect("allowed").after;
        let deletion = deleted.deletion.expect("deleted");
        assert_eq!((deletion.at, deletion.until.to_string()), (NOW, until.to_owned()));
        // What the vault says later changes nothing.
        let later = Facts { soft_delete_days: None, now: deletion.until, ..facts };
        let before = Facts { now: deletion.until - SignedDuration::from_nanos(1), ..later };
        assert!(change(&deleted, &Wish::Purge, before).is_err(), "{days}");
        let purged = change(&deleted, &Wish::Purge, later).expect("its date has come").after;
        let purging = Deletion { purging: true, ..deletion };
        assert_eq!(purged, Item { deletion: Some(purging), ..deleted });
    }
}

#[test]
fn a_new_policy_keeps_the_disks_and_the_chain_unless_disks_are_named() {
    let same = change(&item(PROTECTED), &protect(), facts(3, false)).expect("allowed");
    assert_eq!(same.after.policy.as_deref(), Some("Weekly"));
    assert_eq!(
        (&same.after.disks, &same.after.chain),
        (&item(PROTECTED).disks, &item(PROTECTED).chain)
    );
    assert!(!same.idle, "a running backup goes on");
    let all = Wish::Protect { policy: "Weekly".to_owned(), disks: Some(DiskSelection::All) };
    let reset = change(&item(PROTECTED), &all, facts(3, false)).expect("allowed");
    assert_eq!(reset.after.disks, DiskSelection::All);
    assert!(reset.after.chain.is_some());
}

#[test]
fn backups_need_an_active_item_and_restores_one_that_is_not_deleted() {
    for (state, backup, restore) in [
        (PENDING, None, None),
        (PROTECTED, None, None),
        (STOPPED, Some(Code::ItemClosed), None),
        (SUSPENDED, Some(Code::ItemClosed), None),
        (KEPT, Some(Code::ItemSoftDeleted), Some(Code::ItemSoftDeleted)),
        (CUT_OFF, Some(Code::ItemSoftDeleted), Some(Code::ItemSoftDeleted)),
    ] {
        let code = |answer: Result<(), Fault>| answer.err().map(|fault| fault.code);
        assert_eq!(code(may_back_up(&item(state))), backup, "{state:?}");
        assert_eq!(code(may_restore(&item(state))), restore, "{state:?}");
    }
}
