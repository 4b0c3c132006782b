//! The process that the engine runs in. It may die at any call of a port, before the call or after
//! it, and then does nothing any more: every call fails and leaves no trace.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fabric::fake::FakeHost;

use crate::chance::{Chance, mixed_with};

/// How many events are remembered, to be told when a run fails.
const REMEMBERED: usize = 4000;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out.
    Done,
    /// It fails, and nothing is done.
    Fails,
    /// It is done, and yet it fails.
    DoneButFails,
}

/// Whether a call leaves a trace outside of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It only looks.
    Looks,
    /// It changes something. The answer may get lost when it has.
    Changes,
    /// It changes something, all or nothing, and says so.
    Commits,
}

struct State {
    alive: bool,
    /// How many more calls that change something it lives to see.
    left: Option<u64>,
    /// Nothing goes wrong.
    calm: bool,
    /// How many calls went wrong.
    mishaps: u64,
    deaths: u64,
    chance: Chance,
    /// One call in so many goes wrong.
    trouble: Option<u64>,
    events: VecDeque<String>,
    /// Tells runs apart.
    digest: u64,
    /// What must never be, and was.
    broken: Vec<String>,
}

/// The process, its troubles, and what happened to it.
pub struct Process {
    state: Mutex<State>,
    hosts: Vec<FakeHost>,
}

impl Process {
    /// A process. `trouble`: one call in so many goes wrong. When it dies, its captures on `hosts`
    /// die, too.
    pub fn new(seed: u64, trouble: Option<u64>, hosts: Vec<FakeHost>) -> Self {
        let state = State {
            alive: true,
            left: None,
            calm: true,
            mishaps: 0,
            deaths: 0,
            chance: Chance::new(seed, "trouble"),
            trouble,
            events: VecDeque::new(),
            digest: 0,
            broken: Vec::new(),
        };
        Self { state: Mutex::new(state), hosts }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what happened.
    pub fn note(&self, event: impl FnOnce() -> String) {
        let event = event();
        let mut state = self.lock();
        state.digest = mixed_with(state.digest, &event);
        if state.events.len() == REMEMBERED {
            state.events.pop_front();
        }
        state.events.push_back(event);
    }

    /// The last events.
    pub fn events(&self) -> Vec<String> {
        self.lock().events.iter().cloned().collect()
    }

    /// A number that is the same for runs in which the same happened.
    pub fn digest(&self) -> u64 {
        self.lock().digest
    }

    /// Says that something is as it must never be.
    pub fn break_off(&self, what: String) {
        self.lock().broken.push(what);
    }

    /// The first thing that was as it must never be.
    pub fn broken(&self) -> Option<String> {
        self.lock().broken.first().cloned()
    }

    /// Whether it lives.
    pub fn is_alive(&self) -> bool {
        self.lock().alive
    }

    /// A new process begins.
    pub fn begin(&self) {
        let mut state = self.lock();
        (state.alive, state.left) = (true, None);
        state.mishaps += 1;
    }

    /// It dies now.
    pub fn dies(&self) {
        let mut state = self.lock();
        state.alive = false;
        state.deaths += 1;
        state.mishaps += 1;
        drop(state);
        self.hosts.iter().for_each(FakeHost::process_dies);
    }

    /// It dies after so many more calls that change something.
    pub fn dies_after(&self, calls: u64) {
        self.lock().left = Some(calls);
    }

    /// Whether nothing goes wrong from now on.
    pub fn set_calm(&self, calm: bool) {
        let mut state = self.lock();
        state.calm = calm;
        if calm {
            state.left = None;
        }
    }

    /// How many calls went wrong so far.
    pub fn mishaps(&self) -> u64 {
        self.lock().mishaps
    }

    /// How often it died.
    pub fn deaths(&self) -> u64 {
        self.lock().deaths
    }

    /// Counts something that went wrong without this process's doing.
    pub fn mishap(&self) {
        self.lock().mishaps += 1;
    }

    /// What becomes of a call. `draw` makes its fate depend on nothing but itself, for calls that
    /// threads make in no order.
    pub fn fate(&self, call: Call, draw: Option<u64>) -> Fate {
        let mut state = self.lock();
        if !state.alive {
            return Fate::Fails;
        }
        if call != Call::Looks
            && let Some(left) = state.left.as_mut()
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                state.alive = false;
                state.deaths += 1;
                state.mishaps += 1;
                let done = state.chance.once_in(2);
                drop(state);
                self.hosts.iter().for_each(FakeHost::process_dies);
                self.note(|| format!("the process dies ({})", if done { "done" } else { "not" }));
                return if done { Fate::DoneButFails } else { Fate::Fails };
            }
        }
        let Some(odds) = state.trouble.filter(|_| !state.calm) else {
            return Fate::Done;
        };
        let number = draw.unwrap_or_else(|| state.chance.number());
        if !number.is_multiple_of(odds) {
            return Fate::Done;
        }
        state.mishaps += 1;
        if call == Call::Changes && (number / odds).is_multiple_of(2) {
            Fate::DoneButFails
        } else {
            Fate::Fails
        }
    }

    /// Carries out a call, or lets it fail.
    pub fn call<T, E>(
        &self,
        call: Call,
        what: impl fmt::Display,
        draw: Option<u64>,
        act: impl FnOnce() -> Result<T, E>,
        failed: impl FnOnce() -> E,
    ) -> Result<T, E> {
        match self.fate(call, draw) {
            Fate::Done => act(),
            Fate::Fails => {
                if self.is_alive() {
                    self.note(|| format!("{what} fails"));
                }
                Err(failed())
            }
            Fate::DoneButFails => {
                self.note(|| format!("{what} is done, but fails"));
                act().and_then(|_| Err(failed()))
            }
        }
    }
}
