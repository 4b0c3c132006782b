//! Verifies what holds a repository together: configuration, key slots, and every log entry.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;

use format::config::Config;
use format::id::{hex, unhex};
use format::keyslot::Slot;
use format::log::Event;
use format::{Kind, PackId, SessionId, log as encoding, names};

use super::Findings;
use crate::error::RepoError;
use crate::objects::ObjectStore;
use crate::repository::{Repository, Shared};

/// The newest entry of a log. Kept outside the store, it shows whether entries were removed since:
/// inside the store, a log without its newest entries looks like an earlier log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHead {
    /// The entry's number.
    pub number: u64,
    /// The entry's clear hash.
    pub hash: [u8; 32],
}

/// The text names no entry of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a log's entry is a number from 1 on, a colon, and 64 hexadecimal digits")]
pub struct NotALogHead;

impl fmt::Display for LogHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, hex(&self.hash))
    }
}

impl FromStr for LogHead {
    type Err = NotALogHead;

    fn from_str(text: &str) -> Result<Self, NotALogHead> {
        let (number, hash) = text.split_once(':').ok_or(NotALogHead)?;
        let number = number.parse().ok().filter(|number| *number > 0).ok_or(NotALogHead)?;
        Ok(Self { number, hash: unhex(hash).ok_or(NotALogHead)? })
    }
}

/// What the whole log says, from its first entry on.
#[derive(Debug, Default)]
pub(crate) struct LogCheck {
    pub entries: u64,
    pub head: Option<LogHead>,
    /// All sessions that it ever knew.
    sessions: HashSet<SessionId>,
    /// All packs that were ever condemned.
    pub condemned: HashSet<PackId>,
}

/// The first object of every session that left some, and how many there are.
pub(super) type Written = BTreeMap<SessionId, (Kind, String, u64)>;

impl Repository {
    /// Whether the log still has the entry that a witness saw at its end.
    ///
    /// # Errors
    ///
    /// [`RepoError::Damaged`] if not: the entry is missing, unreadable or another one. Or the store
    /// failed.
    pub fn check_log_head(&self, head: &LogHead) -> Result<(), RepoError> {
        let name = names::log_entry(head.number);
        let bytes = self.shared.get(Kind::LogEntry, &name)?;
        let (_, hash) = encoding::decode(&self.shared.keys, head.number, &bytes)
            .map_err(|error| RepoError::damaged(Kind::LogEntry, &name, &error))?;
        if hash == head.hash {
            return Ok(());
        }
        let reason = "it is not the one that the witness saw: the log was taken back".to_owned();
        Err(RepoError::Damaged { kind: Kind::LogEntry, name, reason })
    }
}

impl Shared {
    /// Configuration and key slots. All points need them, but this process can do without.
    pub(super) fn verify_clear(&self, findings: &mut Findings) -> Result<(), RepoError> {
        let points: Vec<_> = self.state(|state| state.points.keys().copied().collect());
        let config = self.get(Kind::Config, names::CONFIG).and_then(|bytes| {
            Config::decode(&bytes)
                .and_then(|(_, proof)| proof.check(&self.keys))
                .map_err(|error| RepoError::damaged(Kind::Config, names::CONFIG, &error))
        });
        if let Err(error) = config {
            findings.take(error)?;
            findings.hit(names::CONFIG, &points);
        }
        let (mut sound, mut damaged) = (0, Vec::new());
        for slot in self.store.list(names::KEYS)? {
            match self.check_slot(&slot.name) {
                Ok(()) => sound += 1,
                Err(error @ RepoError::Damaged { .. }) => damaged.push((slot.name, error)),
                Err(error) => return Err(error),
            }
        }
        if sound == 0 && damaged.is_empty() {
            findings.add(Kind::KeySlot, names::KEYS, "there is none");
            findings.hit(names::KEYS, &points);
        }
        for (name, error) in damaged {
            let RepoError::Damaged { reason, .. } = error else { continue };
            if sound == 0 {
                findings.add(Kind::KeySlot, &name, &reason);
                findings.hit(&name, &points);
            } else {
                let reason = format!("{reason}; its key opens nothing, {sound} other slots can");
                findings.add(Kind::KeySlot, &name, &reason);
            }
        }
        Ok(())
    }

    /// Whether a key slot is whole, and the one that its name says.
    pub fn check_slot(&self, name: &str) -> Result<(), RepoError> {
        let bytes = self.get(Kind::KeySlot, name)?;
        check_slot(name, self.keys.vault(), &bytes)
    }

    pub(super) fn get(&self, kind: Kind, name: &str) -> Result<Vec<u8>, RepoError> {
        self.store.get(name).map_err(|error| RepoError::unreadable(kind, name, error))
    }

    /// What sessions left in the store.
    pub(super) fn written(&self) -> Result<Written, RepoError> {
        let mut written = Written::new();
        let kinds = [
            (names::MANIFESTS, Kind::Manifest),
            (names::INDEXES, Kind::Index),
            (names::PACKS, Kind::DataPack),
        ];
        for (prefix, kind) in kinds {
            for object in self.store.list(prefix)? {
                if let Some(id) = names::parse_owned(prefix, &object.name) {
                    let first = || (kind, object.name.clone(), 0);
                    written.entry(id.session()).or_insert_with(first).2 += 1;
                }
            }
        }
        Ok(written)
    }

    /// Every entry of the log.
    pub(crate) fn verify_log(&self, findings: &mut Findings) -> Result<LogCheck, RepoError> {
        let mut log = LogCheck { entries: self.next_entry() - 1, ..LogCheck::default() };
        let mut before = None;
        for number in 1..=log.entries {
            let name = names::log_entry(number);
            let decoded = self.get(Kind::LogEntry, &name).and_then(|bytes| {
                encoding::decode(&self.keys, number, &bytes)
                    .map_err(|error| RepoError::damaged(Kind::LogEntry, &name, &error))
            });
            before = match decoded {
                Ok((entry, hash)) => {
                    if before.is_some_and(|before| !entry.follows(&before)) {
                        let reason = "it does not follow the entry before it";
                        findings.add(Kind::LogEntry, &name, reason);
                    }
                    log.take(entry.event);
                    log.head = Some(LogHead { number, hash });
                    Some(hash)
                }
                Err(error) => {
                    findings.take(error)?;
                    None
                }
            };
        }
        Ok(log)
    }
}

/// Whether the bytes are those of the key slot `name` of `vault`.
pub(crate) fn check_slot(name: &str, vault: [u8; 16], bytes: &[u8]) -> Result<(), RepoError> {
    let slot =
        Slot::decode(bytes).map_err(|error| RepoError::damaged(Kind::KeySlot, name, &error))?;
    check_slot_name(name, vault, &slot)
}

/// Whether the slot is the one that its name says.
pub(crate) fn check_slot_name(name: &str, vault: [u8; 16], slot: &Slot) -> Result<(), RepoError> {
    if slot.vault() == vault && names::key_slot(&slot.id()) == name {
        return Ok(());
    }
    let (name, reason) = (name.to_owned(), "it is another slot than its name says".to_owned());
    Err(RepoError::Damaged { kind: Kind::KeySlot, name, reason })
}

impl LogCheck {
    fn take(&mut self, event: Event) {
        match event {
            Event::Open { session, .. }
            | Event::Fence { session }
            | Event::Commit { session, .. } => {
                self.sessions.insert(session);
            }
            Event::Condemn { packs } => self.condemned.extend(packs),
            Event::Checkpoint(state) => {
                self.sessions.extend(state.sessions.iter().map(|open| open.id));
                self.condemned.extend(state.condemned.iter().map(|(pack, _)| *pack));
            }
            Event::Forget { .. } | Event::Retire { .. } | Event::Suspect { .. } => {}
        }
    }

    /// Finds what sessions left that the log does not know.
    pub(super) fn find_strangers(&self, written: &Written, findings: &mut Findings) {
        for (session, (kind, name, count)) in written {
            if !self.sessions.contains(session) {
                let reason = format!(
                    "the log does not know session {session}, which wrote it and {} more: the \
                     newest entries of the log may have been removed",
                    count - 1
                );
                findings.add(*kind, name, &reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_entry_reads_back_as_it_is_told() {
        let text = format!("17:{}", "0a".repeat(32));
        let head: LogHead = text.parse().expect("valid");
        assert_eq!((head.number, head.to_string()), (17, text));
        let none = format!("0:{}", "0a".repeat(32));
        for text in ["", "17", "x:00", "17:0a", "17:zz", &none] {
            assert_eq!(text.parse::<LogHead>(), Err(NotALogHead), "{text}");
        }
    }
}
