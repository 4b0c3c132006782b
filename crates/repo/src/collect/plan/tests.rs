//! Method: facts are made up, the plan is looked at; nothing is executed. Session 9 is open.

use format::log::OpenSession;

use super::*;
use crate::usage::ANYBODY;

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

/// What is known at hour 10 of a store that holds `packs`, each of 100 bytes.
fn facts(packs: &[PackId], needed: &[PackId], condemned: &[(PackId, i64)]) -> Facts {
    let listing = Listing {
        packs: Arc::new(packs.iter().map(|pack| (*pack, 100)).collect()),
        indexes: BTreeMap::from([(owned(1, 50), 10), (owned(9, 51), 10)]),
        manifests: BTreeMap::from([(owned(1, 60), 10), (owned(9, 61), 10)]),
    };
    let open =
        OpenSession { id: session(9), opened_at: at(0), actor: "a test".to_owned(), number: 1 };
    let state = State {
        sessions: vec![open],
        condemned: condemned.iter().map(|(pack, hour)| (*pack, at(*hour))).collect(),
        ..State::default()
    };
    let mut usage = Usage::new(Arc::clone(&listing.packs));
    needed.iter().for_each(|pack| usage.claim(*pack, 0, ANYBODY));
    Facts { listing, state, usage, figures: HashMap::new(), now: at(10) }
}

/// Plans with a grace of 2 hours.
fn planned(packs: &[PackId], needed: &[PackId], condemned: &[(PackId, i64)]) -> Plan {
    let grace = Duration::from_secs(2 * 3_600);
    let task = Task { grace, repack: Repacking::Worthwhile, merge: Repacking::Worthwhile };
    plan(&facts(packs, needed, condemned), task)
}

/// The packs that are repacked, of those with so many dead bytes of 100.
fn repacked(repacking: Repacking, dead: &[(PackId, u64)], change: impl Fn(&mut State)) -> Vec<u8> {
    let packs: Vec<_> = dead.iter().map(|(pack, _)| *pack).collect();
    let mut facts = facts(&packs, &packs, &[]);
    change(&mut facts.state);
    let figures = |dead: u64| Figures { stored: 100, live: 100 - dead, dead_cost: dead };
    facts.figures = dead.iter().map(|(pack, dead)| (*pack, figures(*dead))).collect();
    let task = Task { grace: Duration::from_secs(1), repack: repacking, merge: Repacking::Never };
    let plan = plan(&facts, task);
    assert_eq!(plan.condemn, [], "what is needed is condemned only when it is copied");
    plan.repack.iter().map(|(pack, _)| pack.random()[0]).collect()
}

#[test]
fn packs_that_are_half_dead_are_repacked_and_the_worst_comes_first() {
    let dead = [(owned(1, 1), 49), (owned(1, 2), 50), (owned(1, 3), 99), (owned(1, 4), 0)];
    assert_eq!(repacked(Repacking::Worthwhile, &dead, |_| ()), [3, 2]);
    assert_eq!(repacked(Repacking::Full, &dead, |_| ()), [3, 2, 1]);
    assert_eq!(repacked(Repacking::Never, &dead, |_| ()), Vec::<u8>::new());
}

#[test]
fn suspect_packs_and_those_of_open_sessions_are_not_repacked() {
    let dead = [(owned(1, 1), 90), (owned(9, 2), 90), (owned(1, 3), 90)];
    let suspect = |state: &mut State| {
        state.suspect.insert(owned(1, 1));
    };
    assert_eq!(repacked(Repacking::Full, &dead, suspect), [3]);
}

#[test]
fn many_small_indexes_are_merged_and_large_ones_are_not() {
    let merged = |count: u8, size: u64, how: Repacking| {
        let mut facts = facts(&[], &[], &[]);
        facts.listing.indexes = (1..=count).map(|number| (owned(1, number), size)).collect();
        facts.state.indexes = facts.listing.indexes.keys().copied().collect();
        let task = Task { grace: Duration::ZERO, repack: Repacking::Never, merge: how };
        plan(&facts, task).merge.len()
    };
    assert_eq!(merged(31, 1000, Repacking::Worthwhile), 0);
    assert_eq!(merged(32, 1000, Repacking::Worthwhile), 32);
    assert_eq!(merged(32, SMALL_INDEX, Repacking::Worthwhile), 0);
    assert_eq!(merged(2, 1000, Repacking::Full), 2);
    assert_eq!(merged(1, 1000, Repacking::Full), 0);
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
fn what_was_put_and_condemned_after_the_list_has_its_grace_too() {
    let pack = owned(1, 1);
    assert_eq!(planned(&[], &[], &[(pack, 9)]).delete, []);
    assert_eq!(planned(&[], &[pack], &[(pack, 0)]).delete, [], "it may be the last good copy");
}

#[test]
fn what_nothing_refers_to_goes_unless_its_session_is_open() {
    let plan = planned(&[], &[], &[]);
    let expected = [names::manifest(&owned(1, 60)), names::index(&owned(1, 50))];
    assert_eq!(plan.debris, expected);
}
