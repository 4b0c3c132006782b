//! The log: how actors agree, with nothing but create-only objects.
//!
//! An actor reads to entry n, decides against the state it finds, and creates n + 1. If somebody
//! else was first, it reads on and decides again. Nothing else orders anything: no lock, no clock.
//!
//! An entry that cannot be read is remembered by its number. Reading goes on, because a damaged
//! entry must cost no more than what it said; collecting and building on old data do not.

use std::collections::BTreeSet;

use format::header::TRAILER;
use format::log::{CHECKPOINT_EVERY, Entry, Event};
use format::seal::VaultKeys;
use format::{FormatError, Kind, log as encoding, names};

use crate::error::RepoError;
use crate::objects::{ObjectStore, StoreError};
use crate::repository::Environment;
use crate::state::State;

/// How often an entry is tried against others who are quicker.
const ATTEMPTS: u32 = 1000;

/// The log as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct LogView {
    /// The number of the next entry.
    pub next: u64,
    /// The clear hash of the entry before `next`; zeros where it is unreadable.
    last_hash: [u8; TRAILER],
    /// What the entries before `next` amount to.
    pub state: State,
}

/// What reading and writing the log takes.
pub(crate) struct LogAccess<'a> {
    pub store: &'a dyn ObjectStore,
    pub keys: &'a VaultKeys,
    pub environment: &'a Environment,
}

/// What was found at the place of an entry.
enum Found {
    Entry(Box<Entry>, [u8; TRAILER]),
    Unreadable(FormatError),
    Nothing,
}

impl LogAccess<'_> {
    /// Reads the whole log, from its newest readable checkpoint on.
    pub fn open(&self) -> Result<LogView, RepoError> {
        let listed = self.store.list(names::LOG)?;
        // Numbers are dense. One far off was put there to keep us busy with the gap.
        let plausible = listed.len() as u64 * 2 + CHECKPOINT_EVERY;
        let numbers = listed.iter().filter_map(|object| names::parse_log_entry(&object.name));
        let newest = numbers.filter(|number| *number <= plausible).max().unwrap_or(0);
        let mut view = self.newest_checkpoint(newest)?;
        while view.next <= newest {
            self.step(&mut view, true)?;
        }
        self.sync(&mut view)?;
        Ok(view)
    }

    fn newest_checkpoint(&self, newest: u64) -> Result<LogView, RepoError> {
        let mut number = newest - newest % CHECKPOINT_EVERY;
        while number > 0 {
            if let Found::Entry(entry, hash) = self.fetch(number)?
                && let Event::Checkpoint(checkpoint) = entry.event
            {
                let state = State::from_checkpoint(*checkpoint);
                if !self.any_readable(&state.unreadable)? {
                    return Ok(LogView { next: number + 1, last_hash: hash, state });
                }
                // An entry was repaired since: what it says is missing from this checkpoint.
            } else {
                tracing::warn!(
                    number,
                    "a checkpoint of the log cannot be read; an older one serves"
                );
            }
            number -= CHECKPOINT_EVERY;
        }
        Ok(LogView { next: 1, ..LogView::default() })
    }

    /// Whether one of these entries can be read now.
    fn any_readable(&self, numbers: &BTreeSet<u64>) -> Result<bool, RepoError> {
        for number in numbers {
            if matches!(self.fetch(*number)?, Found::Entry(..)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads on to the end of the log.
    pub fn sync(&self, view: &mut LogView) -> Result<(), RepoError> {
        while self.step(view, false)? {}
        Ok(())
    }

    /// Takes in the next entry; whether there was one. `must_exist`: a later one was seen.
    fn step(&self, view: &mut LogView, must_exist: bool) -> Result<bool, RepoError> {
        let number = view.next;
        match self.fetch(number)? {
            Found::Nothing if !must_exist => return Ok(false),
            Found::Entry(entry, hash) if entry.follows(&view.last_hash) => {
                view.state.apply(number, entry.at, entry.event);
                view.last_hash = hash;
            }
            found => {
                let reason = match found {
                    Found::Nothing => "it is missing".to_owned(),
                    Found::Unreadable(error) => error.to_string(),
                    Found::Entry(..) => "it does not follow the entry before it".to_owned(),
                };
                tracing::error!(number, reason, "a log entry cannot be read");
                // A checkpoint repeats what is known; losing one loses nothing.
                if !number.is_multiple_of(CHECKPOINT_EVERY) {
                    view.state.unreadable.insert(number);
                }
                view.last_hash = [0; TRAILER];
            }
        }
        view.next += 1;
        Ok(true)
    }

    fn fetch(&self, number: u64) -> Result<Found, RepoError> {
        let name = names::log_entry(number);
        let bytes = match self.store.get(&name) {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Ok(Found::Nothing),
            Err(StoreError::TooLarge { .. } | StoreError::Range { .. }) => {
                return Ok(Found::Unreadable(FormatError::Length));
            }
            Err(error) => return Err(error.into()),
        };
        match encoding::decode(self.keys, number, &bytes) {
            Ok((entry, hash)) => Ok(Found::Entry(Box::new(entry), hash)),
            Err(error @ FormatError::Version { .. }) => {
                Err(RepoError::damaged(Kind::LogEntry, &name, &error))
            }
            Err(error) => Ok(Found::Unreadable(error)),
        }
    }

    /// Appends what `decide` makes of the newest state. It may be asked several times.
    ///
    /// # Errors
    ///
    /// Whatever `decide` says; the store failed (the entry may be there nevertheless); or others
    /// were quicker too often.
    pub fn append(
        &self,
        view: &mut LogView,
        decide: &mut dyn FnMut(&State) -> Result<Event, RepoError>,
    ) -> Result<(), RepoError> {
        for _ in 0..ATTEMPTS {
            self.sync(view)?;
            let checkpoint = view.next.is_multiple_of(CHECKPOINT_EVERY);
            let event = if checkpoint {
                Event::Checkpoint(Box::new(view.state.checkpoint()))
            } else {
                decide(&view.state)?
            };
            if self.create(view, event)? && !checkpoint {
                return Ok(());
            }
        }
        Err(RepoError::LogContention { attempts: ATTEMPTS })
    }

    /// Creates the next entry; `false` if somebody else did.
    fn create(&self, view: &mut LogView, event: Event) -> Result<bool, RepoError> {
        let number = view.next;
        let at = self.environment.clock.now();
        let mut salt = [0; 16];
        self.environment.seed.fill(&mut salt);
        let entry = Entry { previous: view.last_hash, at, event };
        let bytes = encoding::encode(self.keys, salt, number, &entry)
            .map_err(|error| RepoError::input(&error))?;
        let hash = *bytes.last_chunk().expect("an object ends with its hash");
        match self.store.put(&names::log_entry(number), &bytes) {
            Ok(()) => {}
            // A store that tried twice may find its own first attempt.
            Err(StoreError::AlreadyExists { .. }) => {
                if !matches!(self.fetch(number)?, Found::Entry(_, found) if found == hash) {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error.into()),
        }
        view.state.apply(number, at, entry.event);
        view.last_hash = hash;
        view.next += 1;
        Ok(true)
    }
}
