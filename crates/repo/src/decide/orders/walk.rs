//! What points need, as a collector learns it; and what it plans from that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::facts::{self, NOW, Set, bits, has};
use super::{Defect, NEEDS, PACKS, Protocol, World, collector};
use crate::collect::Repacking;
use crate::collect::plan::{Facts, Going, Plan, Task, plan};
use crate::state::State;
use crate::usage::{ANYBODY, Figures, Usage, counted_on};

/// What there is in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listed {
    pub packs: Set,
    pub indexes: Set,
    pub manifests: Set,
}

/// What a collector knows of what points need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Walked {
    pub points: Set,
    /// The chunks that they need of each pack.
    pub claims: [u8; PACKS],
    /// The packs that were listed.
    pub listed: Set,
    /// Packs that had been condemned, and found damaged.
    pub ever: Set,
    pub suspect: Set,
    pub suspicions: u8,
    /// Packs that are to be condemned, what was needed of them then, and the copies of it.
    pub going: Set,
    pub needed: [u8; PACKS],
    pub fresh: Set,
}

impl Walked {
    pub fn new(facts: &facts::Facts, listed: Set) -> Self {
        let facts::Facts { ever, suspect, suspicions, .. } = *facts;
        Self { listed, ever, suspect, suspicions, ..Self::default() }
    }

    /// The state in which points were walked, as far as it is looked at.
    pub fn state(&self, now: &facts::Facts) -> State {
        let Self { ever, suspect, suspicions, .. } = *self;
        facts::Facts { ever, suspect, suspicions, ..*now }.state()
    }

    /// The packs are to go, now that what is needed of them is copied.
    pub fn choose(&mut self, packs: Set) {
        self.going = packs;
        self.needed = [0; PACKS];
        for pack in bits(packs) {
            self.needed[usize::from(pack)] = self.claims[usize::from(pack)];
        }
    }

    fn usage_of(&self, claims: &[u8; PACKS]) -> Usage {
        let listed = bits(self.listed).map(|pack| (facts::pack_id(pack), 1)).collect();
        let mut usage = Usage::new(Arc::new(listed));
        usage.points.extend(bits(self.points).map(|point| (facts::point_id(point), 0)));
        for (pack, chunks) in (0..).zip(claims) {
            for chunk in bits((*chunks).into()) {
                usage.claim(facts::pack_id(pack), chunk.into(), ANYBODY);
            }
        }
        usage
    }

    pub fn usage(&self) -> Usage {
        self.usage_of(&self.claims)
    }

    pub fn going(&self) -> Going {
        let fresh = facts::packs_of(self.fresh);
        Going::new(bits(self.going).map(facts::pack_id), fresh, &self.usage_of(&self.needed))
    }
}

impl World {
    /// Adds what points need. A chunk is counted on where the code says, of the packs that were
    /// listed.
    pub fn walk(&self, points: Set, facts: &facts::Facts, walked: &mut Walked) -> Option<()> {
        for point in bits(points) {
            if !has(self.manifests, point) {
                return None;
            }
            for chunk in bits(NEEDS[usize::from(point)]) {
                let sound = walked.listed & !facts.condemned & !facts.suspect;
                let holders = bits(self.holders(chunk)).map(|pack| (pack, has(sound, pack)));
                let counted = counted_on(holders);
                if counted.is_empty() {
                    return None;
                }
                for pack in counted {
                    walked.claims[usize::from(pack)] |= 1 << chunk;
                }
            }
        }
        walked.points |= points;
        Some(())
    }

    /// What the code plans.
    pub fn planned(
        &self,
        facts: &facts::Facts,
        listed: Listed,
        walked: &Walked,
        waits: bool,
        protocol: &Protocol,
    ) -> Plan {
        let mut state = facts.state();
        if protocol.defect == Some(Defect::CollectOpen) {
            state.sessions.clear();
        }
        let figures = |pack: u8| {
            let stored = self.chunks[usize::from(pack)].count_ones().into();
            let live = walked.claims[usize::from(pack)].count_ones().into();
            (facts::pack_id(pack), Figures { stored, live, dead_cost: stored - live })
        };
        let needed = bits(self.visible()).filter(|pack| walked.claims[usize::from(*pack)] != 0);
        let figures: HashMap<_, _> = needed.map(figures).collect();
        // Not in the moment in which it was condemned: then everything would be done at once.
        let now = NOW + SignedDuration::from_secs(2);
        let listing = collector::listing(listed);
        let all = Facts { listing, state, usage: walked.usage(), figures, now };
        let grace = if waits { Duration::MAX } else { Duration::from_secs(1) };
        let when = |asked| if asked { Repacking::Full } else { Repacking::Never };
        plan(&all, Task { grace, repack: when(protocol.repacks), merge: when(protocol.merges) })
    }
}
