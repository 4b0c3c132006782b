//! The later part of a collector's run: copies what points need of mostly dead packs into one of
//! its own, says so in the log, and condemns those.

use format::log::Event;

use super::collector::Stage;
use super::facts::{self, bits, copy_of, has, index_of};
use super::{Defect, Flight, World};
use crate::decide::{self, Condemn};

impl World {
    pub fn copier_step(&mut self, at: usize, defect: Option<Defect>) {
        match self.collectors[at].stage {
            Stage::Copying => self.copy(at, defect),
            Stage::Naming { session } => {
                let named = self.may_name(session, defect);
                if named {
                    let added = 1 << index_of(session);
                    self.append_flight(&Flight::Retire { packs: 0, removed: 0, added });
                }
                if named && defect != Some(Defect::CondemnUnnamed) {
                    self.collectors[at].stage = Stage::Replacing { session };
                } else {
                    self.close(at, session);
                }
            }
            Stage::Replacing { session } => match self.may_condemn(at, defect) {
                (Condemn::Late, _) => {
                    self.catch_up(at);
                    if !self.collectors[at].has_begun() {
                        self.close(at, session);
                    }
                }
                (verdict, free) => {
                    if verdict == Condemn::Write {
                        self.append_condemn(free);
                    }
                    self.close(at, session);
                    if defect == Some(Defect::CondemnUnnamed) {
                        self.collectors[at].stage = Stage::Naming { session };
                    }
                }
            },
            Stage::Closing { session } => {
                if has(self.facts.sessions, session) {
                    self.append_flight(&Flight::Fence(session));
                }
                self.collectors[at].give_up();
            }
            _ => {}
        }
    }

    /// Opens a session, and puts what is needed of the packs that open into a pack of it, and an
    /// index of that.
    fn copy(&mut self, at: usize, defect: Option<Defect>) {
        let session = self.next_copying;
        self.next_copying += 1;
        self.append(Event::Open { session: facts::session_id(session), actor: String::new() });
        let collector = &mut self.collectors[at];
        let copied = collector.repack & self.packs & !self.rotten;
        if copied == 0 {
            return self.close(at, session);
        }
        let pack = copy_of(session);
        collector.walked.choose(copied);
        collector.walked.fresh = 1 << pack;
        collector.repack = 0;
        let claims = collector.walked.claims;
        let needed = bits(copied).fold(0, |all, pack| all | claims[usize::from(pack)]);
        self.chunks[usize::from(pack)] = needed.into();
        self.packs |= 1 << pack;
        self.put_index(session, 1 << pack);
        self.collectors[at].stage = match defect {
            Some(Defect::CondemnUnnamed) => Stage::Replacing { session },
            _ => Stage::Naming { session },
        };
    }

    /// Whether the copies may be made known.
    pub fn may_name(&self, session: u8, defect: Option<Defect>) -> bool {
        let state = self.facts.state();
        let decided = decide::retire(&state, facts::session_id(session), &[], &state);
        decided.is_ok() || defect == Some(Defect::NameFenced)
    }

    fn close(&mut self, at: usize, session: u8) {
        self.collectors[at].give_up();
        self.collectors[at].stage = Stage::Closing { session };
    }
}
