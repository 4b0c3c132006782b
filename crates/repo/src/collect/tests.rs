//! Method: facts are made up, the plan is looked at; nothing is executed. Session 9 is open.

use format::log::OpenSession;

use super::*;

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + hour * 3_600).expect("a time")
}

fn session(number: u8) -> SessionId {
    SessionId([number; 8])
}

/// The object `number` of session `owner`.
fn owned(owner: u8, number: u8) -> PackId {
    PackId::new(session(owner), [number; 8])
}

/// Plans at hour 10 with a grace of 2 hours, for a store that holds `packs`.
fn planned(packs: &[PackId], needed: &[PackId], condemned: &[(PackId, i64)]) -> Plan {
    let listing = Listing {
        packs: packs.iter().map(|pack| (*pack, 100)).collect(),
        indexes: vec![owned(1, 50), owned(9, 51)],
        manifests: vec![owned(1, 60), owned(9, 61)],
    };
    let open =
        OpenSession { id: session(9), opened_at: at(0), actor: "a test".to_owned(), number: 1 };
    let state = State {
        sessions: vec![open],
        condemned: condemned.iter().map(|(pack, hour)| (*pack, at(*hour))).collect(),
        ..State::default()
    };
    let marks = Marks { points: BTreeSet::new(), packs: needed.iter().copied().collect() };
    plan(&listing, &state, &marks, at(10), Duration::from_secs(2 * 3_600))
}

#[test]
fn packs_that_no_point_needs_are_condemned_first() {
    let (needed, free) = (owned(1, 1), owned(1, 2));
    let plan = planned(&[needed, free], &[needed], &[]);
    assert_eq!((plan.condemn, plan.delete), (vec![free], vec![]));
    assert_eq!((plan.report.live_bytes, plan.report.condemned_bytes), (100, 100));
}

#[test]
fn condemned_packs_wait_until_their_grace_is_over() {
    let (early, late) = (owned(1, 1), owned(1, 2));
    let plan = planned(&[early, late], &[], &[(early, 8), (late, 9)]);
    assert_eq!((plan.condemn, plan.delete), (vec![], vec![early]));
    assert_eq!((plan.report.deleted_packs, plan.report.waiting_packs), (1, 1));
}

#[test]
fn packs_of_an_open_session_are_left_alone() {
    let plan = planned(&[owned(9, 1)], &[], &[]);
    assert_eq!((plan.condemn, plan.delete), (vec![], vec![]));
    assert_eq!(plan.report.open_sessions, [session(9)]);
}

#[test]
fn a_condemned_pack_that_a_point_needs_is_never_deleted() {
    let pack = owned(1, 1);
    let plan = planned(&[pack], &[pack], &[(pack, 0)]);
    assert_eq!((plan.condemn, plan.delete), (vec![], vec![]));
}

#[test]
fn condemned_packs_that_are_gone_are_retired_too() {
    let pack = owned(1, 1);
    assert_eq!(planned(&[], &[], &[(pack, 0)]).delete, [pack]);
}

#[test]
fn what_nothing_refers_to_goes_unless_its_session_is_open() {
    let plan = planned(&[], &[], &[]);
    let expected = [names::manifest(&owned(1, 60)), names::index(&owned(1, 50))];
    assert_eq!(plan.debris, expected);
}
