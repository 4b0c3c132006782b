//! Method: one item per state, and a table of what each wish makes of it: the new state, or the
//! code of the refusal.

use model::item::{Chain, LastBackup};
use model::job::Status;
use model::point::PointId;
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[derive(Debug, Clone, Copy)]
enum State {
    Live(ProtectionState),
    Deleted,
}

const PENDING: State = State::Live(ProtectionState::IrPending);
const PROTECTED: State = State::Live(ProtectionState::Protected);
const STOPPED: State = State::Live(ProtectionState::ProtectionStopped);
const SUSPENDED: State = State::Live(ProtectionState::BackupsSuspended);

fn item(state: State) -> Item {
    let (state, deletion) = match state {
        State::Live(state) => (state, None),
        State::Deleted => {
            let deletion = Deletion { at: NOW, until: Timestamp::MAX };
            (ProtectionState::ProtectionStopped, Some(deletion))
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

type Expected = Result<ProtectionState, Code>;

#[track_caller]
fn check(wish: &Wish, facts: Facts, expected: [(State, Expected); 5]) {
    for (state, expected) in expected {
        let before = item(state);
        let got = change(&before, wish, facts);
        let got = got.map(|change| change.after.state).map_err(|fault| fault.code);
        assert_eq!(got, expected, "{wish:?} in {state:?}");
    }
}

use ProtectionState::{BackupsSuspended, IrPending, Protected, ProtectionStopped};

const DELETED: Expected = Err(Code::ItemSoftDeleted);

#[test]
fn protecting_resumes_by_whether_there_are_points_but_never_what_is_deleted() {
    for (points, resumed) in [(0, IrPending), (3, Protected)] {
        check(
            &protect(),
            facts(points, false),
            [
                (PENDING, Ok(IrPending)),
                (PROTECTED, Ok(Protected)),
                (STOPPED, Ok(resumed)),
                (SUSPENDED, Ok(resumed)),
                (State::Deleted, DELETED),
            ],
        );
    }
}

#[test]
fn stopping_leaves_no_policy_and_no_chain() {
    let stopped = Ok(ProtectionStopped);
    check(
        &Wish::Stop,
        facts(3, false),
        [
            (PENDING, stopped),
            (PROTECTED, stopped),
            (STOPPED, stopped),
            (SUSPENDED, stopped),
            (State::Deleted, DELETED),
        ],
    );
    let change = change(&item(PROTECTED), &Wish::Stop, facts(3, false)).expect("allowed");
    assert_eq!((change.operation, change.idle), (Operation::DisableBackup, true));
    assert_eq!((change.after.policy, change.after.chain), (None, None));
    assert_eq!(change.after.disks, item(PROTECTED).disks, "kept for a resumption");
}

#[test]
fn only_an_immutable_vault_suspends_and_keeps_the_policy() {
    let denied = Err(Code::DeniedOnImmutableItem);
    let closed = Err(Code::ItemClosed);
    for (immutable, answer) in [(true, Ok(BackupsSuspended)), (false, denied)] {
        check(
            &Wish::Suspend,
            facts(3, immutable),
            [
                (PENDING, answer),
                (PROTECTED, answer),
                (STOPPED, closed),
                (SUSPENDED, answer),
                (State::Deleted, DELETED),
            ],
        );
    }
    let suspended = change(&item(PROTECTED), &Wish::Suspend, facts(3, true)).expect("allowed");
    assert_eq!(suspended.after.policy.as_deref(), Some("Daily"));
}

#[test]
fn deleting_sets_a_date_and_an_immutable_vault_refuses_it() {
    let stopped = Ok(ProtectionStopped);
    for (points, immutable, answer) in
        [(3, false, stopped), (0, true, stopped), (3, true, Err(Code::DeniedOnImmutableItem))]
    {
        check(
            &Wish::Delete,
            facts(points, immutable),
            [
                (PENDING, answer),
                (PROTECTED, answer),
                (STOPPED, answer),
                (SUSPENDED, answer),
                (State::Deleted, DELETED),
            ],
        );
    }
    let deleted = change(&item(PROTECTED), &Wish::Delete, facts(3, false)).expect("allowed");
    let deletion = deleted.after.deletion.expect("deleted");
    assert_eq!(deletion.at, NOW);
    assert_eq!(deletion.until.to_string(), "1970-01-15T00:00:00Z");
}

#[test]
fn undeleting_brings_a_deleted_item_back_stopped() {
    let not_deleted = Err(Code::InvalidConfigureProtection);
    check(
        &Wish::Undelete,
        facts(3, false),
        [
            (PENDING, not_deleted),
            (PROTECTED, not_deleted),
            (STOPPED, not_deleted),
            (SUSPENDED, not_deleted),
            (State::Deleted, Ok(ProtectionStopped)),
        ],
    );
    let back = change(&item(State::Deleted), &Wish::Undelete, facts(3, false)).expect("allowed");
    assert_eq!((back.operation, back.after.deletion), (Operation::Undelete, None));
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
        (State::Deleted, Some(Code::ItemSoftDeleted), Some(Code::ItemSoftDeleted)),
    ] {
        let code = |answer: Result<(), Fault>| answer.err().map(|fault| fault.code);
        assert_eq!(code(may_back_up(&item(state))), backup, "{state:?}");
        assert_eq!(code(may_restore(&item(state))), restore, "{state:?}");
    }
}

#[test]
fn without_soft_delete_nothing_is_deleted_and_nobody_is_told_so() {
    let facts = Facts { soft_delete_days: None, ..facts(1, false) };
    let got = change(&item(PROTECTED), &Wish::Delete, facts).map_err(|fault| fault.code);
    assert_eq!(got, Err(Code::VaultSettingNotSupported));
}
