//! A collector: lists, reads the log, marks, plans, condemns, opens, rewrites indexes, retires,
//! fences itself, deletes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use format::names;
use model::point::PointId;

use super::facts::{self, NOW, Set, bits, has, index_id, manifest_id, number};
use super::{Defect, Flight, NEEDS, OWN, World};
use crate::collect::Repacking;
use crate::collect::plan::{Facts, Listing, Task, plan};
use crate::decide::{self, Condemn, Walk};
use crate::usage::{ANYBODY, Usage};

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    #[default]
    Idle,
    /// What there is in the store.
    Listed {
        packs: Set,
        indexes: Set,
        manifests: Set,
    },
    /// The log before the list: only by a defect.
    ReadFirst(Box<facts::Facts>),
    Condemning(Walked),
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
}

/// What it knows when it condemns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Walked {
    points: Set,
    /// The packs that they need.
    needed: Set,
    /// The packs that were listed.
    listed: Set,
    /// Packs that had been condemned.
    ever: Set,
    condemn: Set,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collector {
    stage: Stage,
    delete: Set,
    /// Indexes and manifests that nothing refers to.
    debris: (Set, Set),
}

/// What a plan is made of, beside the log.
struct Listed {
    packs: Set,
    indexes: Set,
    manifests: Set,
    /// No grace is over.
    waits: bool,
}

impl Collector {
    pub fn has_begun(&self) -> bool {
        self.stage != Stage::Idle
    }

    pub const fn plans(&self) -> bool {
        matches!(self.stage, Stage::Listed { .. } | Stage::ReadFirst(_))
    }

    pub const fn appends(&self) -> bool {
        matches!(self.stage, Stage::Condemning(_) | Stage::Retiring { .. })
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
            | Stage::Fencing { session, .. } => Some(session),
            _ => None,
        }
    }

    /// The next stage after condemning, or where nothing is condemned.
    fn condemned(&mut self) {
        self.stage = if self.delete == 0 { Stage::Sweeping } else { Stage::Opening };
        if self.delete == 0 && self.debris == (0, 0) {
            self.give_up();
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

    pub fn collector_step(&mut self, at: usize, waits: bool, defect: Option<Defect>) {
        match self.collectors[at].stage.clone() {
            Stage::Idle => {
                let (packs, indexes, manifests) = (self.packs, self.indexes, self.manifests);
                self.runs -= 1;
                self.collectors[at].stage = if defect == Some(Defect::LogFirst) {
                    Stage::ReadFirst(Box::new(self.facts))
                } else {
                    Stage::Listed { packs, indexes, manifests }
                };
            }
            Stage::Listed { packs, indexes, manifests } => {
                let listed = Listed { packs, indexes, manifests, waits };
                self.plan(at, &self.facts.clone(), &listed, defect);
            }
            Stage::ReadFirst(facts) => {
                let (packs, indexes, manifests) = (self.packs, self.indexes, self.manifests);
                self.plan(at, &facts, &Listed { packs, indexes, manifests, waits }, defect);
            }
            Stage::Condemning(walked) => match self.may_condemn(&walked, defect) {
                Condemn::Write => {
                    let free = walked.condemn & !self.facts.condemned;
                    if free != 0 {
                        self.append(facts::condemn_event(free));
                    }
                    self.collectors[at].condemned();
                }
                Condemn::Late => self.catch_up(at, walked),
                Condemn::Outdated => self.collectors[at].give_up(),
            },
            Stage::Opening => self.open_to_retire(at),
            Stage::Rewriting { session, removed } => self.rewrite(at, session, removed),
            Stage::Retiring { session, removed, added } => {
                let retired = self.may_retire(session, removed, defect);
                if retired {
                    let packs = self.collectors[at].delete;
                    self.append(self.event(&Flight::Retire { packs, removed, added }));
                    self.collectors[at].debris.0 |= removed;
                }
                self.collectors[at].stage = Stage::Fencing { session, retired };
            }
            Stage::Fencing { session, retired } => {
                if has(self.facts.sessions, session) {
                    self.append(self.event(&Flight::Fence(session)));
                }
                self.collectors[at].stage = Stage::Deleting;
                if !retired {
                    self.collectors[at].give_up();
                }
            }
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
                self.collectors[at].give_up();
            }
        }
    }

    /// The next log entry is sent, and no answer comes.
    pub fn collector_unanswered(&mut self, at: usize, defect: Option<Defect>) -> Option<()> {
        match self.collectors[at].stage {
            Stage::Condemning(walked) if self.may_condemn(&walked, defect) == Condemn::Write => {
                let free = walked.condemn & !self.facts.condemned;
                if free == 0 {
                    return None;
                }
                self.flights.push(Flight::Condemn(free));
                self.collectors[at].give_up();
            }
            Stage::Retiring { session, removed, added }
                if self.may_retire(session, removed, defect) =>
            {
                let packs = self.collectors[at].delete;
                self.flights.push(Flight::Retire { packs, removed, added });
                self.collectors[at].stage = Stage::Fencing { session, retired: false };
            }
            _ => return None,
        }
        self.lates -= 1;
        Some(())
    }

    fn plan(&mut self, at: usize, facts: &facts::Facts, listed: &Listed, defect: Option<Defect>) {
        let &Listed { packs, indexes, manifests, waits } = listed;
        // What cannot be walked is a loss, and found as one.
        let Some(needed) = self.walk(facts.points, facts, packs) else {
            return self.collectors[at].give_up();
        };
        let grace = if waits { Duration::MAX } else { Duration::ZERO };
        let index = |index| (index_id(self.index_owner(index), index), 1);
        let listing = Listing {
            packs: Arc::new(bits(packs).map(|pack| (facts::pack_id(pack), 1)).collect()),
            indexes: bits(indexes).map(index).collect(),
            manifests: bits(manifests).map(|point| (manifest_id(point), 1)).collect(),
        };
        let mut usage = Usage::new(Arc::clone(&listing.packs));
        usage.points.extend(bits(facts.points).map(|point| (facts::point_id(point), 0)));
        bits(needed).for_each(|pack| usage.claim(facts::pack_id(pack), 0, ANYBODY));
        let mut state = facts.state();
        if defect == Some(Defect::CollectOpen) {
            state.sessions.clear();
        }
        let all = Facts { listing, state, usage, figures: HashMap::new(), now: NOW };
        let task = Task { grace, repack: Repacking::Never, merge: Repacking::Never };
        let plan = plan(&all, task);
        let condemn = facts::set(plan.condemn.iter().map(number));
        let debris = |prefix| {
            let ids = plan.debris.iter().filter_map(move |name| names::parse_owned(prefix, name));
            facts::set(ids.map(|id| number(&id)))
        };
        let collector = &mut self.collectors[at];
        collector.delete = facts::set(plan.delete.iter().map(number));
        collector.debris = (debris(names::INDEXES), debris(names::MANIFESTS));
        if defect == Some(Defect::DeleteLive) {
            collector.delete |= condemn;
        }
        if condemn == 0 || defect == Some(Defect::DeleteLive) {
            return collector.condemned();
        }
        let (points, ever) = (facts.points, facts.ever);
        let walked = Walked { points, needed, listed: packs, ever, condemn };
        collector.stage = Stage::Condemning(walked);
    }

    /// The packs that points need: of those that hold a chunk, the first live one that is listed;
    /// if there is none, all, but condemned ones only if no other has it.
    fn walk(&self, points: Set, facts: &facts::Facts, listed: Set) -> Option<Set> {
        let mut needed = 0;
        for point in bits(points) {
            if !has(self.manifests, point) {
                return None;
            }
            for chunk in bits(NEEDS[usize::from(point)]) {
                let holders = self.holders(chunk);
                let live = holders & !facts.condemned;
                let sound = live & listed;
                needed |= match (sound, live) {
                    (0, 0) if holders == 0 => return None,
                    (0, 0) => holders,
                    (0, live) => live,
                    (sound, _) => sound & sound.wrapping_neg(),
                };
            }
        }
        Some(needed)
    }

    /// Walks points that came since, and spares what they need.
    fn catch_up(&mut self, at: usize, mut walked: Walked) {
        let new = self.facts.points & !walked.points;
        let Some(needed) = self.walk(new, &self.facts, walked.listed) else {
            return self.collectors[at].give_up();
        };
        walked.points |= new;
        walked.needed |= needed;
        walked.condemn &= !needed;
        self.collectors[at].stage = Stage::Condemning(walked);
        if walked.condemn == 0 {
            self.collectors[at].condemned();
        }
    }

    fn may_condemn(&self, walked: &Walked, defect: Option<Defect>) -> Condemn {
        let before = facts::Facts { ever: walked.ever, ..self.facts }.state();
        let points: Vec<PointId> = bits(walked.points).map(facts::point_id).collect();
        let walk = Walk {
            state: &before,
            knows: &|point| points.contains(point) || defect == Some(Defect::CondemnOutdated),
            relied: &facts::packs_of(walked.needed & !walked.condemn),
        };
        decide::condemn(&self.facts.state(), &walk).unwrap_or(Condemn::Outdated)
    }

    fn may_retire(&self, session: u8, removed: Set, defect: Option<Defect>) -> bool {
        let removed: Vec<_> =
            bits(removed).map(|index| index_id(self.index_owner(index), index)).collect();
        match decide::retire(&self.facts.state(), facts::session_id(session), &removed) {
            Ok(current) => current || defect == Some(Defect::RetireOutdated),
            Err(_) => defect == Some(Defect::RetireFenced),
        }
    }

    /// Opens the session, and takes the indexes of that state that name what goes.
    fn open_to_retire(&mut self, at: usize) {
        let session = self.next_session;
        self.next_session += 1;
        let id = facts::session_id(session);
        self.append(format::log::Event::Open { session: id, actor: String::new() });
        let delete = self.collectors[at].delete;
        let names_them = |index: &u8| self.named(*index) & delete != 0;
        let removed = facts::set(bits(self.facts.indexes & self.indexes).filter(names_them));
        self.collectors[at].stage = Stage::Rewriting { session, removed };
    }

    /// Puts new indexes without what goes.
    fn rewrite(&mut self, at: usize, session: u8, removed: Set) {
        let mut added = 0;
        for index in bits(removed) {
            let rest = self.named(index) & !self.collectors[at].delete;
            if rest != 0 {
                let new = OWN + self.rewritten.len() as u8;
                self.rewritten.push((session, rest));
                self.indexes |= 1 << new;
                added |= 1 << new;
            }
        }
        self.collectors[at].stage = Stage::Retiring { session, removed, added };
    }
}
