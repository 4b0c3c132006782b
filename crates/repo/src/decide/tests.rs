//! What a collector counts on must still be so when its entry is written.

use format::log::Event;
use format::{PackId, SessionId};
use jiff::Timestamp;

use super::*;

fn pack(number: u8) -> PackId {
    PackId::new(SessionId([number; 8]), [number; 8])
}

fn after(before: &State, event: Event) -> State {
    let mut state = before.clone();
    state.apply(1, Timestamp::UNIX_EPOCH, event);
    state
}

/// The decision in `now` of a collector that walked in `walked` and counts on packs 1 and 2.
fn decided(walked: &State, now: &State) -> Condemn {
    let relied = [pack(1), pack(2)];
    condemn(now, &Relied { state: walked, packs: &relied }, &|_| false).expect("all is readable")
}

#[test]
fn who_counts_on_a_pack_that_went_meanwhile_decides_anew() {
    let walked = State::default();
    assert_eq!(decided(&walked, &walked), Condemn::Write);
    let condemned = after(&walked, Event::Condemn { packs: vec![pack(2)] });
    assert_eq!(decided(&walked, &condemned), Condemn::Outdated);
    let suspect = after(&walked, Event::Suspect { packs: vec![pack(1)] });
    assert_eq!(decided(&walked, &suspect), Condemn::Outdated);
    let retired = Event::Retire { packs: vec![pack(2)], removed: vec![], added: vec![] };
    let retired = after(&condemned, retired);
    assert_eq!(decided(&walked, &retired), Condemn::Outdated, "it was condemned in between");
}

#[test]
fn what_was_known_when_points_were_walked_does_not_matter_again() {
    let walked = after(&State::default(), Event::Suspect { packs: vec![pack(1)] });
    assert_eq!(decided(&walked, &walked), Condemn::Write);
    let other = after(&walked, Event::Condemn { packs: vec![pack(3)] });
    assert_eq!(decided(&walked, &other), Condemn::Write);
}
