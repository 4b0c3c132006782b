//! Brings log entries back: damaged ones, missing ones, and those that were cut off at the end.
//!
//! An entry is taken if the key opens it under its number, and it fits between its neighbours: it
//! follows the entry before it, and the one behind it follows it. Entries at the end, which the
//! copy has and the store has lost, come back one by one, after what they name.

use format::header::TRAILER;
use format::log::{Entry, Event};
use format::manifest::Manifest;
use format::{IndexId, Kind, index as encoding, log, names};

use super::candidate::{is_index, sound_pack};
use super::{Mender, got};
use crate::error::RepoError;
use crate::objects::ObjectStore;

type Read = Option<(Entry, [u8; TRAILER])>;

impl Mender {
    /// Mends the log.
    pub(super) fn log(&mut self) -> Result<(), RepoError> {
        let end = self.newest(self.store.as_ref())?;
        let mut before = None;
        let mut here = self.entry(self.store.as_ref(), 1)?;
        for number in 1..=end {
            let next = self.entry(self.store.as_ref(), number + 1)?;
            // One that does not fit what comes behind it may be one of another history.
            let fits = |found: &(Entry, [u8; TRAILER])| fits(found, before, &next);
            if !here.as_ref().is_some_and(fits)
                && let Some(found) = self.bring_entry(number, before, &next)?
            {
                here = Some(found);
            }
            before = here.map(|(_, hash)| hash);
            here = next;
        }
        self.lost_end(end, before)
    }

    /// The highest number in a store's log without a gap too wide to be one.
    fn newest(&self, store: &dyn ObjectStore) -> Result<u64, RepoError> {
        let listed = store.list(names::LOG)?;
        let plausible = listed.len() as u64 * 2 + log::CHECKPOINT_EVERY;
        let numbers = listed.iter().filter_map(|object| names::parse_log_entry(&object.name));
        Ok(numbers.filter(|number| *number <= plausible).max().unwrap_or(0))
    }

    fn entry(&self, store: &dyn ObjectStore, number: u64) -> Result<Read, RepoError> {
        let Some(bytes) = got(store, &names::log_entry(number))? else { return Ok(None) };
        Ok(log::decode(&self.keys, number, &bytes).ok())
    }

    /// Takes an entry from the copy, if it fits.
    fn bring_entry(
        &mut self,
        number: u64,
        before: Option<[u8; TRAILER]>,
        next: &Read,
    ) -> Result<Read, RepoError> {
        let Some(from) = self.from.clone() else { return Ok(None) };
        let found = self.entry(from.as_ref(), number)?;
        let Some(found) = found.filter(|found| fits(found, before, next)) else { return Ok(None) };
        let good = |mender: &Self, bytes: &[u8]| {
            let read = log::decode(&mender.keys, number, bytes);
            read.is_ok_and(|(_, hash)| hash == found.1)
        };
        let brought = self.bring(Kind::LogEntry, &names::log_entry(number), &good)?;
        Ok(Some(found).filter(|_| brought))
    }

    /// Goes on with the copy's log where the store's ends.
    fn lost_end(&mut self, end: u64, mut last: Option<[u8; TRAILER]>) -> Result<(), RepoError> {
        let Some(from) = self.from.clone() else { return Ok(()) };
        let mut number = end + 1;
        while let Some((entry, hash)) = self.entry(from.as_ref(), number)? {
            // A log that went on differently here has another entry of this number, or another
            // history: there is nothing to add to it.
            let follows = last.is_some_and(|last| entry.previous == last) || number == 1;
            if !follows {
                return Ok(());
            }
            if let Event::Commit { point, indexes, .. } = &entry.event {
                let name = names::manifest(&point.manifest);
                self.bring_missing(Kind::Manifest, &name, &|mender, bytes| {
                    let read = Manifest::decode(&mender.keys, point.manifest, point.id, bytes);
                    read.is_ok_and(|(_, hash)| hash == point.manifest_hash)
                })?;
                indexes.iter().try_for_each(|index| self.bring_index(*index))?;
            }
            if let Event::Retire { added, .. } = &entry.event {
                added.iter().try_for_each(|index| self.bring_index(*index))?;
            }
            if self.bring_entry(number, last, &None)?.is_none() {
                return Ok(());
            }
            last = Some(hash);
            number += 1;
        }
        Ok(())
    }

    /// The index and its packs, as far as they are missing: packs first.
    fn bring_index(&mut self, id: IndexId) -> Result<(), RepoError> {
        let name = names::index(&id);
        let bytes = match &self.from {
            Some(from) => got(from.as_ref(), &name)?,
            None => None,
        };
        let packs = bytes.and_then(|bytes| encoding::decode(&self.keys, id, &bytes).ok());
        for pack in packs.into_iter().flatten() {
            let kind = pack.kind.pack();
            self.bring_missing(kind, &names::pack(&pack.id), &|mender, bytes| {
                sound_pack(&mender.keys, pack.id, bytes).is_ok()
            })?;
        }
        self.bring_missing(Kind::Index, &name, &|mender, bytes| is_index(&mender.keys, id, bytes))
    }

    fn bring_missing(
        &mut self,
        kind: Kind,
        name: &str,
        good: &dyn Fn(&Self, &[u8]) -> bool,
    ) -> Result<(), RepoError> {
        if self.own(name)?.is_none() {
            self.bring(kind, name, good)?;
        }
        Ok(())
    }
}

/// Whether an entry follows the one before it, and the next one follows it, as far as they are
/// known.
fn fits(
    (entry, hash): &(Entry, [u8; TRAILER]),
    before: Option<[u8; TRAILER]>,
    next: &Read,
) -> bool {
    before.is_none_or(|before| entry.follows(&before))
        && next.as_ref().is_none_or(|(next, _)| next.follows(hash))
}
