//! Packs rot; somebody verifies and says so in the log; a repair brings them back and says that.

use std::collections::BTreeSet;

use format::log::Event;

use super::facts::{self, Set, bits, has};
use super::{Action, Defect, NEEDS, World};
use crate::decide;

/// What must never be written to the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A point, whose content was known to be damaged.
    pub damaged_point: bool,
    /// That the last good copy of something goes, though no other was good.
    pub last_copy: bool,
}

impl World {
    /// What can happen to packs now.
    pub fn harms(&self, mends: bool, actions: &mut Vec<Action>) {
        let Self { rotten, packs, facts, .. } = self;
        if self.rots > 0 {
            let sound = self.visible() & packs & !rotten & !facts.condemned;
            actions.extend(bits(sound).map(Action::Rot));
        }
        actions.extend(bits(rotten & !facts.suspect).map(Action::Record));
        if mends {
            actions.extend(bits(rotten & packs & !facts.condemned).map(Action::Mend));
            actions.extend(bits(facts.suspect & !rotten).map(Action::Clear));
        }
    }

    pub fn harm(&mut self, action: Action, defect: Option<Defect>) -> Option<()> {
        match action {
            Action::Rot(pack) => {
                self.rots -= 1;
                self.rotten |= 1 << pack;
            }
            Action::Record(pack) => {
                let damaged = BTreeSet::from([facts::pack_id(pack)]);
                let packs = decide::suspect(&self.facts.state(), &damaged);
                self.append(Event::Suspect { packs });
            }
            Action::Mend(pack) => self.rotten &= !(1 << pack),
            Action::Clear(pack) => {
                let whole = [facts::pack_id(pack)];
                let mut packs = decide::clear(&self.facts.state(), &whole);
                if defect == Some(Defect::ClearCondemned) {
                    packs = whole.to_vec();
                }
                if packs.is_empty() {
                    return None;
                }
                self.append(Event::Retire { packs, removed: Vec::new(), added: Vec::new() });
            }
            _ => return None,
        }
        Some(())
    }

    /// The packs that can be read.
    pub const fn readable(&self) -> Set {
        self.packs & !self.rotten
    }

    /// Holds what an entry said against what was known before it.
    pub fn look_for_faults(&mut self, before: &Self) {
        let known = |world: &Self| world.rotten & world.facts.suspect;
        for point in bits(self.facts.points) {
            let is_new = !has(before.facts.points, point);
            for chunk in bits(NEEDS[usize::from(point)]) {
                let (was, is) = (before.holders(chunk), self.holders(chunk));
                if is_new {
                    let there = is & self.packs;
                    self.faults.damaged_point |= there != 0 && there & !known(before) == 0;
                    continue;
                }
                let live = |world: &Self| !world.facts.condemned & !world.facts.suspect;
                let lost = was & live(before) != 0 && is & live(self) == 0;
                let condemned = self.facts.condemned & !before.facts.condemned != 0;
                let gone = was & before.readable() != 0 && is & self.packs & !known(self) == 0;
                let retired = before.facts.condemned & !self.facts.condemned != 0;
                self.faults.last_copy |= (lost && condemned) || (gone && retired);
            }
        }
    }
}
