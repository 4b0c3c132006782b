//! Method: events go in by number; what they amount to is compared, and a checkpoint must amount to
//! the same as the events before it.

use format::manifest::Counts;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn session(number: u8) -> SessionId {
    SessionId([number; 8])
}

fn pack(number: u8) -> PackId {
    PackId::new(session(number), [number; 8])
}

fn point(number: u64) -> PointId {
    PointId::new(number).expect("not zero")
}

fn open(number: u8) -> Event {
    Event::Open { session: session(number), actor: "a test".to_owned() }
}

fn commit(owner: u8, number: u64) -> Event {
    let committed = CommittedPoint {
        id: point(number),
        item: "vm".to_owned(),
        parent: None,
        taken_at: at(0),
        counts: Counts::default(),
        manifest: pack(owner),
        manifest_hash: [0; 32],
    };
    Event::Commit { session: session(owner), point: committed, indexes: vec![pack(owner)] }
}

fn fold(events: Vec<Event>) -> State {
    let mut state = State::default();
    for (number, event) in (1_u32..).zip(events) {
        state.apply(u64::from(number), at(i64::from(number)), event);
    }
    state
}

#[test]
fn a_session_ends_with_its_commit_or_its_fence() {
    let fence = Event::Fence { session: session(2) };
    let state = fold(vec![open(1), open(2), open(3), commit(1, 10), fence]);
    let left: Vec<_> = state.sessions.iter().map(|open| (open.id, open.number)).collect();
    assert_eq!(left, [(session(3), 3)]);
    assert!(state.is_open(session(3)) && !state.is_open(session(1)));
}

#[test]
fn a_forgotten_point_is_gone_and_its_index_stays() {
    let state = fold(vec![open(1), commit(1, 10), Event::Forget { point: point(10) }]);
    assert!(state.points.is_empty());
    assert_eq!(state.indexes, BTreeSet::from([pack(1)]));
}

#[test]
fn a_condemned_pack_is_remembered_after_it_was_retired() {
    let state = fold(vec![
        Event::Condemn { packs: vec![pack(1), pack(2)] },
        Event::Condemn { packs: vec![pack(2)] },
        Event::Retire { packs: vec![pack(1)], removed: vec![], added: vec![pack(7)] },
    ]);
    assert_eq!(state.condemned, BTreeMap::from([(pack(2), at(1))]));
    assert_eq!(state.ever_condemned, HashSet::from([pack(1), pack(2)]));
    assert_eq!(state.indexes, BTreeSet::from([pack(7)]));
}

#[test]
fn a_checkpoint_amounts_to_the_entries_before_it() {
    let mut state = fold(vec![
        open(1),
        open(2),
        commit(1, 10),
        Event::Condemn { packs: vec![pack(5)] },
        Event::Suspect { packs: vec![pack(6)] },
    ]);
    state.unreadable.insert(3);
    let mut again = State::from_checkpoint(state.checkpoint());
    assert_eq!(again.condemnations, 0, "condemnations are counted by who sees them");
    (again.condemnations, again.suspicions) = (state.condemnations, state.suspicions);
    assert_eq!(again, state);
}
