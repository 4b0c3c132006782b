//! The log's state as small sets of numbers, and the ids that the code knows them by.

use format::log::{CommittedPoint, Event, OpenSession};
use format::manifest::Counts;
use format::{IndexId, ManifestId, OwnedId, PackId, SessionId};
use jiff::Timestamp;
use model::point::PointId;

use super::{COPYING, FIRST, NEEDS, OWN, RETIRING, TRIES};
use crate::state::State;

/// A set of small numbers.
pub type Set = u16;

pub const NOW: Timestamp = Timestamp::UNIX_EPOCH;

pub const fn has(set: Set, number: u8) -> bool {
    set & (1 << number) != 0
}

pub fn bits(set: Set) -> impl Iterator<Item = u8> + Clone {
    (0..16).filter(move |number| has(set, *number))
}

pub fn set(numbers: impl Iterator<Item = u8>) -> Set {
    numbers.fold(0, |set, number| set | 1 << number)
}

/// What the log amounts to: [`State`], without what no decision looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facts {
    pub sessions: Set,
    pub points: Set,
    pub indexes: Set,
    pub condemned: Set,
    pub ever: Set,
    pub condemnations: u8,
    pub suspect: Set,
    pub suspicions: u8,
}

impl Facts {
    pub const fn first() -> Self {
        Self {
            sessions: 0,
            points: 1,
            indexes: 1,
            condemned: 0,
            ever: 0,
            condemnations: 0,
            suspect: 0,
            suspicions: 0,
        }
    }

    /// The state that the code decides against.
    pub fn state(&self) -> State {
        let session = |number| OpenSession {
            id: session_id(number),
            opened_at: NOW,
            actor: String::new(),
            number: 0,
        };
        State {
            sessions: bits(self.sessions).map(session).collect(),
            points: bits(self.points)
                .map(|point| (point_id(point), (committed(point), NOW)))
                .collect(),
            indexes: bits(self.indexes).map(index_id).collect(),
            condemned: bits(self.condemned).map(|pack| (pack_id(pack), NOW)).collect(),
            ever_condemned: bits(self.ever).map(pack_id).collect(),
            condemnations: self.condemnations.into(),
            suspect: bits(self.suspect).map(pack_id).collect(),
            suspicions: self.suspicions.into(),
            ..State::default()
        }
    }

    /// Takes in an entry, as the code does.
    pub fn apply(&mut self, event: Event) {
        let mut state = self.state();
        state.apply(1, NOW, event);
        self.sessions = set(state.sessions.iter().map(|open| open.id.0[0]));
        self.points = set(state.points.keys().map(|point| (point.get() - 1) as u8));
        self.indexes = set(state.indexes.iter().map(number));
        self.condemned = set(state.condemned.keys().map(number));
        self.ever = set(state.ever_condemned.iter().map(number));
        self.condemnations = state.condemnations as u8;
        self.suspect = set(state.suspect.iter().map(number));
        self.suspicions = state.suspicions as u8;
    }
}

/// The session of a pack: the first ones, `TRIES` of each writer, and one of each collector's
/// session that copies, with the same number.
pub const fn pack_owner(pack: u8) -> u8 {
    match pack {
        _ if pack < FIRST => 0,
        _ if pack < OWN => 1 + (pack - FIRST) / TRIES,
        _ => pack - OWN + COPYING,
    }
}

/// The pack of a session that copies.
pub const fn copy_of(session: u8) -> u8 {
    session - COPYING + OWN
}

/// The session of an index. Those below `OWN` have the number of the pack they name; of each
/// session of a collector there is one.
pub const fn index_owner(index: u8) -> u8 {
    if index < OWN { pack_owner(index) } else { index - OWN + RETIRING }
}

/// The index of a collector's session.
pub const fn index_of(session: u8) -> u8 {
    session - RETIRING + OWN
}

pub const fn packs_of_writer(writer: u8) -> Set {
    ((1 << TRIES) - 1) << (FIRST + writer * TRIES)
}

pub const fn session_id(session: u8) -> SessionId {
    SessionId([session; 8])
}

pub fn pack_id(pack: u8) -> PackId {
    PackId::new(session_id(pack_owner(pack)), [pack; 8])
}

pub fn index_id(index: u8) -> IndexId {
    IndexId::new(session_id(index_owner(index)), [index; 8])
}

pub fn manifest_id(point: u8) -> ManifestId {
    ManifestId::new(session_id(point), [point; 8])
}

pub const fn number(id: &OwnedId) -> u8 {
    id.0[15]
}

pub fn point_id(point: u8) -> PointId {
    PointId::new(u64::from(point) + 1).expect("not zero")
}

pub fn packs_of(packs: Set) -> Vec<PackId> {
    bits(packs).map(pack_id).collect()
}

pub fn condemn_event(packs: Set) -> Event {
    Event::Condemn { packs: packs_of(packs) }
}

/// What the log says of a point. Point and session have the same number.
pub fn committed(point: u8) -> CommittedPoint {
    assert!(usize::from(point) < NEEDS.len(), "there are three points");
    CommittedPoint {
        id: point_id(point),
        item: String::new(),
        parent: None,
        taken_at: NOW,
        counts: Counts::default(),
        manifest: manifest_id(point),
        manifest_hash: [0; 32],
    }
}
