//! A collector: lists, reads the log, marks, plans, condemns, opens, rewrites indexes, retires,
//! fences itself, deletes; then it copies, as `copier.rs` says.

use std::sync::Arc;

use format::names;

use super::facts::{self, Set, bits, has, index_id, index_of};
use super::walk::{Listed, Walked};
use super::{Defect, Flight, Protocol, World};
use crate::decide::{self, Condemn, Relied};

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    #[default]
    Idle,
    /// What there is in the store.
    Listed(Listed),
    /// The log before the list: only by a defect.
    ReadFirst(Box<facts::Facts>),
    Condemning,
    Opening,
    Rewriting {
        session: u8,
        removed: Set,
    },
    Retiring {
        session: u8,
        removed: Set,
        added: Set,
    },
    /// Whether it retired.
    Fencing {
        session: u8,
        retired: bool,
    },
    Deleting,
    Sweeping,
    Copying,
    Naming {
        session: u8,
    },
    Replacing {
        session: u8,
    },
    Closing {
        session: u8,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collector {
    pub stage: Stage,
    pub walked: Walked,
    pub delete: Set,
    pub merge: Set,
    pub repack: Set,
    /// Indexes and manifests that nothing refers to.
    pub debris: (Set, Set),
}

impl Collector {
    pub fn has_begun(&self) -> bool {
        self.stage != Stage::Idle
    }

    pub const fn plans(&self) -> bool {
        matches!(self.stage, Stage::Listed(_) | Stage::ReadFirst(_))
    }

    pub const fn appends(&self) -> bool {
        matches!(
            self.stage,
            Stage::Condemning
                | Stage::Retiring { .. }
                | Stage::Naming { .. }
                | Stage::Replacing { .. }
        )
    }

    /// It dies, fails, or is done.
    pub fn give_up(&mut self) {
        *self = Self::default();
    }

    /// The session that it has open.
    const fn session(&self) -> Option<u8> {
        match self.stage {
            Stage::Rewriting { session, .. }
            | Stage::Retiring { session, .. }
            | Stage::Fencing { session, .. }
            | Stage::Naming { session }
            | Stage::Replacing { session }
            | Stage::Closing { session } => Some(session),
            _ => None,
        }
    }

    /// The next stage after condemning, or where nothing is condemned.
    pub fn condemned(&mut self) {
        self.stage = match (self.delete | self.merge, self.debris) {
            (0, (0, 0)) => return self.swept(),
            (0, _) => Stage::Sweeping,
            _ => Stage::Opening,
        };
        self.forget();
    }

    /// The next stage when everything is deleted.
    fn swept(&mut self) {
        self.stage = Stage::Copying;
        self.debris = (0, 0);
        if self.repack == 0 {
            self.give_up();
        }
    }

    /// Forgets what points need where it is not looked at any more.
    fn forget(&mut self) {
        self.walked.going = 0;
        if self.repack == 0 {
            let suspicions = if self.delete == 0 { 0 } else { self.walked.suspicions };
            self.walked = Walked { suspicions, ..Walked::default() };
        }
    }
}

impl World {
    /// Whether nobody works in the session any more.
    pub fn is_dead(&self, session: u8) -> bool {
        match session {
            1 | 2 => !self.writers[usize::from(session) - 1].is_busy(),
            _ => self.collectors.iter().all(|collector| collector.session() != Some(session)),
        }
    }

    pub fn collector_step(&mut self, at: usize, waits: bool, protocol: &Protocol) {
        let defect = protocol.defect;
        match self.collectors[at].stage.clone() {
            Stage::Idle => {
                self.runs -= 1;
                self.collectors[at].stage = if defect == Some(Defect::LogFirst) {
                    Stage::ReadFirst(Box::new(self.facts))
                } else {
                    Stage::Listed(self.listed())
                };
            }
            Stage::Listed(listed) => {
                self.plan(at, &self.facts.clone(), listed, waits, protocol);
            }
            Stage::ReadFirst(facts) => self.plan(at, &facts, self.listed(), waits, protocol),
            Stage::Condemning => match self.may_condemn(at, defect) {
                (Condemn::Write, free) => {
                    self.append_condemn(free);
                    self.collectors[at].condemned();
                }
                (Condemn::Late, _) => self.catch_up(at),
                (Condemn::Outdated, _) => self.collectors[at].give_up(),
            },
            Stage::Opening => self.open_to_retire(at),
            Stage::Rewriting { session, removed } => self.rewrite(at, session, removed, defect),
            Stage::Retiring { session, removed, added } => {
                let retired = self.may_retire(at, session, removed, defect);
                if retired {
                    let packs = self.collectors[at].delete;
                    self.append_flight(&Flight::Retire { packs, removed, added });
                    self.collectors[at].debris.0 |= removed;
                }
                self.collectors[at].stage = Stage::Fencing { session, retired };
            }
            Stage::Fencing { session, retired } => self.fence_itself(at, session, retired),
            Stage::Deleting => {
                let delete = &mut self.collectors[at].delete;
                self.packs &= !(*delete & delete.wrapping_neg());
                *delete &= *delete - 1;
                if *delete == 0 {
                    self.collectors[at].condemned();
                }
            }
            Stage::Sweeping => {
                let (indexes, manifests) = self.collectors[at].debris;
                self.indexes &= !indexes;
                self.manifests &= !manifests;
                self.collectors[at].swept();
            }
            _ => self.copier_step(at, defect),
        }
    }

    /// The next log entry is sent, and no answer comes.
    pub fn collector_unanswered(&mut self, at: usize, defect: Option<Defect>) -> Option<()> {
        let (flight, next) = match self.collectors[at].stage {
            Stage::Condemning => (Flight::Condemn(self.condemns(at, defect)?), Stage::Idle),
            Stage::Retiring { session, removed, added }
                if self.may_retire(at, session, removed, defect) =>
            {
                let packs = self.collectors[at].delete;
                let next = Stage::Fencing { session, retired: false };
                (Flight::Retire { packs, removed, added }, next)
            }
            Stage::Naming { session } if self.may_name(session, defect) => {
                let added = 1 << index_of(session);
                (Flight::Retire { packs: 0, removed: 0, added }, Stage::Closing { session })
            }
            Stage::Replacing { session } => {
                (Flight::Condemn(self.condemns(at, defect)?), Stage::Closing { session })
            }
            _ => return None,
        };
        let keeps = matches!(next, Stage::Fencing { .. });
        if !keeps {
            self.collectors[at].give_up();
        }
        self.collectors[at].stage = next;
        self.flights.push(flight);
        self.lates -= 1;
        Some(())
    }

    fn listed(&self) -> Listed {
        Listed { packs: self.packs, indexes: self.indexes, manifests: self.manifests }
    }

    /// What may be condemned now, if it may and there is any.
    fn condemns(&self, at: usize, defect: Option<Defect>) -> Option<Set> {
        match self.may_condemn(at, defect) {
            (Condemn::Write, free) => Some(free & !self.facts.condemned).filter(|free| *free != 0),
            _ => None,
        }
    }

    pub fn append_condemn(&mut self, free: Set) {
        let free = free & !self.facts.condemned;
        if free != 0 {
            self.append(facts::condemn_event(free));
        }
    }

    fn plan(
        &mut self,
        at: usize,
        facts: &facts::Facts,
        listed: Listed,
        waits: bool,
        protocol: &Protocol,
    ) {
        let defect = protocol.defect;
        let mut walked = Walked::new(facts, listed.packs);
        // What cannot be walked is a loss, and found as one.
        if self.walk(facts.points, facts, &mut walked).is_none() {
            return self.collectors[at].give_up();
        }
        let plan = self.planned(facts, listed, &walked, waits, protocol);
        let condemn = facts::set(plan.condemn.iter().map(facts::number));
        let debris = |prefix| {
            let ids = plan.debris.iter().filter_map(move |name| names::parse_owned(prefix, name));
            facts::set(ids.map(|id| facts::number(&id)))
        };
        walked.going = condemn;
        let collector = &mut self.collectors[at];
        collector.walked = walked;
        collector.delete = facts::set(plan.delete.iter().map(facts::number));
        collector.merge = facts::set(plan.merge.iter().map(facts::number));
        collector.repack = facts::set(plan.repack.iter().map(|(pack, _)| facts::number(pack)));
        collector.debris = (debris(names::INDEXES), debris(names::MANIFESTS));
        if defect == Some(Defect::DeleteLive) {
            collector.delete |= condemn;
        }
        if condemn == 0 || defect == Some(Defect::DeleteLive) {
            return collector.condemned();
        }
        collector.stage = Stage::Condemning;
    }

    /// Walks points that came since, and spares what they need.
    pub fn catch_up(&mut self, at: usize) {
        let mut walked = self.collectors[at].walked;
        let new = self.facts.points & !walked.points;
        if self.walk(new, &self.facts, &mut walked).is_none() {
            return self.collectors[at].give_up();
        }
        self.collectors[at].walked = walked;
    }

    /// Whether it may condemn, and which of the packs that were to go.
    pub fn may_condemn(&self, at: usize, defect: Option<Defect>) -> (Condemn, Set) {
        let walked = &self.collectors[at].walked;
        let (usage, going) = (walked.usage(), walked.going());
        let mut free = going.free(&usage);
        if defect == Some(Defect::CondemnRelied) {
            free = facts::packs_of(walked.going);
        }
        let set = facts::set(free.iter().map(facts::number));
        if free.is_empty() {
            return (Condemn::Write, 0);
        }
        let mut packs = going.relied(&free, &usage);
        if defect == Some(Defect::CondemnUncopied) {
            packs.retain(|pack| !has(walked.fresh, facts::number(pack)));
        }
        let mut before = walked.state(&self.facts);
        let now = self.facts.state();
        if defect == Some(Defect::CondemnDoubted) {
            before.suspect.clone_from(&now.suspect);
        }
        let relied = Relied { state: &before, packs: &packs };
        let knows =
            |point: &_| usage.points.contains_key(point) || defect == Some(Defect::CondemnOutdated);
        (decide::condemn(&now, &relied, &knows).unwrap_or(Condemn::Outdated), set)
    }

    fn may_retire(&self, at: usize, session: u8, removed: Set, defect: Option<Defect>) -> bool {
        let removed: Vec<_> = bits(removed).map(index_id).collect();
        let Collector { walked, delete, .. } = &self.collectors[at];
        let now = self.facts.state();
        let relies = *delete != 0 && defect != Some(Defect::RetireDoubted);
        let before = if relies { walked.state(&self.facts) } else { now.clone() };
        match decide::retire(&now, facts::session_id(session), &removed, &before) {
            Ok(current) => current || defect == Some(Defect::RetireOutdated),
            Err(_) => defect == Some(Defect::RetireFenced),
        }
    }

    /// Opens the session, and takes the indexes of that state that name what goes or are merged.
    fn open_to_retire(&mut self, at: usize) {
        let session = self.next_retiring;
        self.next_retiring += 1;
        let id = facts::session_id(session);
        self.append(format::log::Event::Open { session: id, actor: String::new() });
        let Collector { delete, merge, .. } = self.collectors[at];
        let goes = |index: &u8| has(merge, *index) || self.named(*index) & delete != 0;
        let removed = facts::set(bits(self.facts.indexes & self.indexes).filter(goes));
        self.collectors[at].stage = Stage::Rewriting { session, removed };
    }

    /// Puts one index in their place, without what goes.
    fn rewrite(&mut self, at: usize, session: u8, removed: Set, defect: Option<Defect>) {
        let named = bits(removed).fold(0, |all, index| all | self.named(index));
        let rest = named & !self.collectors[at].delete;
        let added = if rest == 0 { 0 } else { self.put_index(session, rest) };
        if defect == Some(Defect::MergeEarly) {
            self.indexes &= !removed;
        }
        self.collectors[at].stage = Stage::Retiring { session, removed, added };
    }

    /// Puts an index; as a set.
    pub fn put_index(&mut self, session: u8, packs: Set) -> Set {
        let index = index_of(session);
        self.rewritten[usize::from(index - super::OWN)] = packs;
        self.indexes |= 1 << index;
        1 << index
    }

    fn fence_itself(&mut self, at: usize, session: u8, retired: bool) {
        if has(self.facts.sessions, session) {
            self.append_flight(&Flight::Fence(session));
        }
        let collector = &mut self.collectors[at];
        // Only what was removed is swept then: what was to be merged is merged.
        collector.merge = 0;
        match (retired, collector.delete) {
            (false, _) => collector.give_up(),
            (true, 0) => collector.condemned(),
            (true, _) => collector.stage = Stage::Deleting,
        }
    }
}

/// What a collection is told that it finds in the store.
pub fn listing(listed: Listed) -> crate::collect::plan::Listing {
    crate::collect::plan::Listing {
        packs: Arc::new(bits(listed.packs).map(|pack| (facts::pack_id(pack), 1)).collect()),
        indexes: bits(listed.indexes).map(|index| (index_id(index), 1)).collect(),
        manifests: bits(listed.manifests).map(|point| (facts::manifest_id(point), 1)).collect(),
    }
}
