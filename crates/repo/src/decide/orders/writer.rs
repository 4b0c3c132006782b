//! A writer: opens, looks chunks up, puts packs, index and manifest, commits; rescues; gives up.

use std::collections::HashSet;

use format::PackId;
use format::log::Event;

use super::facts::{self, Set, bits, committed, has, manifest_id, point_id, session_id};
use super::{Defect, FIRST, Flight, NEEDS, TRIES, World};
use crate::decide::{self, Commit, Reliance, Settled};

/// The incremental writer, and what it was told that changed.
const INCREMENTAL: usize = 1;
const CHANGED: Set = 0b100;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    #[default]
    Ready,
    /// The parent's manifest was read.
    ParentRead,
    Packing,
    Indexing,
    Committing,
    /// The commit was not answered, or the point cannot be stored: the session is to be ended.
    Settling,
    /// Reported: the point exists.
    Done,
    /// Reported: it does not, and never will.
    Failed,
    /// Reported: somebody ended the session.
    Refused,
    /// Reported: nobody knows.
    Unsettled,
    Dead,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Writer {
    pub phase: Phase,
    /// Packs of others that hold chunks of the point.
    relied: Set,
    /// Packs it has made or is making.
    tries: u8,
    /// Condemnations seen when the session opened.
    condemnations: u8,
    /// What was known to be damaged where chunks are looked up: how often, and which packs.
    suspicions: u8,
    suspect: Set,
    /// Packs that were condemned and retired before: this process never heard of them.
    unheard: Set,
    /// Whether a log entry of it was not answered.
    pub unanswered: bool,
}

impl Writer {
    pub fn ended(phase: Phase) -> Self {
        Self { phase, ..Self::default() }
    }

    /// What is reported is the end; what came before matters only to look at.
    fn end(&mut self, phase: Phase) {
        let (tries, unanswered) = (self.tries, self.unanswered);
        *self = Self { phase, tries: tries.min(2), unanswered, ..Self::default() };
    }

    pub const fn is_busy(&self) -> bool {
        (self.phase as u8) < Phase::Done as u8
    }

    /// Whether its next step writes to the log, and may go without an answer.
    pub const fn appends(&self) -> bool {
        matches!(self.phase, Phase::Committing | Phase::Settling)
    }

    pub const fn was_rescued(&self) -> bool {
        self.tries > 1
    }
}

const fn session(number: usize) -> u8 {
    number as u8 + 1
}

const fn pack(number: usize, tries: u8) -> u8 {
    FIRST + number as u8 * TRIES + tries - 1
}

impl World {
    pub fn writer_step(&mut self, number: usize, defect: Option<Defect>) {
        match self.writers[number].phase {
            Phase::Ready if number == INCREMENTAL && has(self.facts.points, 0) => {
                self.refresh(number);
                self.writers[number].phase = Phase::ParentRead;
            }
            Phase::Ready if number == INCREMENTAL => self.writers[number].end(Phase::Refused),
            Phase::Ready => {
                self.refresh(number);
                self.open(number, defect);
            }
            Phase::ParentRead => self.open(number, defect),
            Phase::Packing => {
                self.packs |= 1 << pack(number, self.writers[number].tries);
                self.writers[number].phase = Phase::Indexing;
            }
            Phase::Indexing => {
                let own = pack(number, self.writers[number].tries);
                if self.chunks[usize::from(own)] != 0 {
                    self.indexes |= 1 << own;
                }
                self.manifests |= 1 << session(number);
                self.writers[number].phase = Phase::Committing;
            }
            Phase::Committing => self.commit(number, defect),
            Phase::Settling => self.settle(number),
            _ => {}
        }
    }

    /// The next log entry is sent, and no answer comes.
    pub fn writer_unanswered(&mut self, number: usize, defect: Option<Defect>) -> Option<()> {
        let flight = match self.writers[number].phase {
            Phase::Committing if self.verdict(number, defect) == Some(Commit::Write) => {
                let unsettled = defect == Some(Defect::FailUnsettled);
                let then = if unsettled { Phase::Failed } else { Phase::Settling };
                self.writers[number].phase = then;
                Flight::Commit(number as u8)
            }
            Phase::Settling if self.settled(number) == Settled::Fence => {
                self.writers[number].end(Phase::Unsettled);
                Flight::Fence(session(number))
            }
            _ => return None,
        };
        self.writers[number].unanswered = true;
        self.lates -= 1;
        self.flights.push(flight);
        Some(())
    }

    /// Brings what chunks are looked up in up to date, as far as it tells what is damaged.
    fn refresh(&mut self, number: usize) {
        let (suspicions, suspect) = (self.facts.suspicions, self.facts.suspect);
        let writer = &mut self.writers[number];
        (writer.suspicions, writer.suspect) = (suspicions, suspect);
    }

    fn open(&mut self, number: usize, defect: Option<Defect>) {
        let parent = (number == INCREMENTAL).then(|| point_id(0));
        let allowed = decide::open_point(&self.facts.state(), point_id(session(number)), parent);
        if allowed.is_err() && defect != Some(Defect::OpenUnchecked) {
            return self.writers[number].end(Phase::Refused);
        }
        self.append(Event::Open { session: session_id(session(number)), actor: String::new() });
        let writer = &mut self.writers[number];
        writer.condemnations = self.facts.condemnations;
        writer.unheard = self.facts.ever & !self.facts.condemned;
        let looked_up = match number {
            INCREMENTAL if defect == Some(Defect::SkipHeal) => CHANGED,
            INCREMENTAL => CHANGED | self.damaged(number),
            _ => NEEDS[number + 1],
        };
        let stored = self.stow(number, looked_up, defect).expect("nothing is read");
        if defect == Some(Defect::CommitFirst) && stored {
            self.writers[number].phase = Phase::Committing;
        }
    }

    /// What the incremental one takes over, but no live pack holds: read again from the disk.
    /// Where nothing is known to be damaged, nobody looks.
    fn damaged(&self, number: usize) -> Set {
        let suspect = self.writers[number].suspect;
        if self.visible() & suspect & !self.facts.condemned == 0 {
            return 0;
        }
        let bad = self.facts.condemned | suspect;
        let lost = bits(NEEDS[number + 1]).filter(|chunk| self.holders(*chunk) & !bad == 0);
        facts::set(lost)
    }

    /// Looks chunks up in the state that is read now: those in live packs are relied on, others go
    /// to the next own pack; whether there are such. `None` if only condemned and suspect packs
    /// have had a chunk, and none of them can be read.
    fn stow(&mut self, number: usize, chunks: Set, defect: Option<Defect>) -> Option<bool> {
        let opening = self.writers[number].tries == 0;
        if !opening {
            self.refresh(number);
        }
        let doubted = match defect {
            Some(Defect::RelySuspect) => 0,
            _ => self.writers[number].suspect,
        };
        let own = bits(facts::packs_of_writer(number as u8) & self.packs);
        let own = own.fold(0, |own, pack| own | self.chunks[usize::from(pack)]);
        let (mut relied, mut fresh) = (0, 0);
        for chunk in bits(chunks & !own) {
            let holders = self.holders(chunk);
            match bits(holders & !self.facts.condemned & !doubted).next() {
                Some(pack) => relied |= 1 << pack,
                // A new chunk comes from the disk; a rescued one from where it still is.
                None if opening || holders & self.readable() != 0 => fresh |= 1 << chunk,
                None => return None,
            }
        }
        let writer = &mut self.writers[number];
        writer.relied = relied;
        writer.tries += 1;
        writer.phase = if fresh == 0 { Phase::Indexing } else { Phase::Packing };
        self.chunks[usize::from(pack(number, self.writers[number].tries))] = fresh;
        Some(fresh != 0)
    }

    fn verdict(&self, number: usize, defect: Option<Defect>) -> Option<Commit> {
        let writer = &self.writers[number];
        let packs: HashSet<PackId> = facts::packs_of(writer.relied).into_iter().collect();
        let parent = (number == INCREMENTAL).then(|| point_id(0));
        let reliance = Reliance {
            packs: &packs,
            parent: parent.filter(|_| defect != Some(Defect::SkipParent)),
            condemnations: writer.condemnations.into(),
            suspicions: writer.suspicions.into(),
            stands_alone: writer.was_rescued(),
        };
        let mut state = self.facts.state();
        state.ever_condemned.retain(|pack| !has(writer.unheard, facts::number(pack)));
        if matches!(defect, Some(Defect::RelySuspect | Defect::CommitDoubted)) {
            state.suspect.clear();
            state.suspicions = reliance.suspicions;
        }
        let session = session_id(session(number));
        match decide::commit(&state, session, point_id(number as u8 + 1), &reliance) {
            _ if defect == Some(Defect::CommitUnread) => Some(Commit::Write),
            Err(_) if defect == Some(Defect::CommitFenced) => Some(Commit::Write),
            Ok(Commit::Rescue) if defect == Some(Defect::SkipLiveness) => Some(Commit::Write),
            verdict => verdict.ok(),
        }
    }

    fn commit(&mut self, number: usize, defect: Option<Defect>) {
        match self.verdict(number, defect) {
            Some(Commit::Write) => {
                self.append(self.commit_event(number as u8));
                self.writers[number].end(Phase::Done);
            }
            // What the writer takes over from its parent is looked at now, too.
            Some(Commit::Rescue)
                if self.writers[number].tries < TRIES
                    && self.stow(number, NEEDS[number + 1], defect).is_some() => {}
            Some(Commit::Rescue) => self.writers[number].phase = Phase::Settling,
            None => self.writers[number].end(Phase::Refused),
        }
    }

    pub fn commit_event(&self, number: u8) -> Event {
        let own = facts::packs_of_writer(number) & self.indexes;
        Event::Commit {
            session: session_id(number + 1),
            point: committed(number + 1),
            indexes: bits(own).map(facts::index_id).collect(),
        }
    }

    fn settled(&self, number: usize) -> Settled {
        let own = session(number);
        decide::settle(&self.facts.state(), session_id(own), point_id(own), manifest_id(own))
    }

    fn settle(&mut self, number: usize) {
        match self.settled(number) {
            Settled::Fence => {
                self.append(Event::Fence { session: session_id(session(number)) });
                self.writers[number].end(Phase::Failed);
            }
            Settled::Exists => self.writers[number].end(Phase::Done),
            // It may have been there, and forgotten: then "failed" is not what is true of it.
            Settled::Gone => self.writers[number].end(Phase::Refused),
        }
    }
}
