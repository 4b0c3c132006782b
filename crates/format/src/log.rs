//! Log entries: what exists in a repository, in the order it was agreed.

use jiff::Timestamp;
use model::point::PointId;

use crate::codec::{Reader, Writer};
use crate::error::FormatError;
use crate::header::Kind;
use crate::id::{IndexId, ManifestId, PackId, SessionId, owned, write_owned};
use crate::manifest::{Counts, read_parent, read_point};
use crate::seal::{self, VaultKeys};

/// Entries whose number is divisible by this are checkpoints.
pub const CHECKPOINT_EVERY: u64 = 64;
/// The most bytes of text in an entry.
pub const ENTRY_MAX: usize = 64 * 1024 * 1024;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The clear hash of the entry before; zeros for the first, or where that is unreadable.
    pub previous: [u8; 32],
    /// When it was made, by the clock of whoever made it.
    pub at: Timestamp,
    /// What it says.
    pub event: Event,
}

impl Entry {
    /// Whether it was written behind the entry with this hash, as far as can be known: zeros stand
    /// for an entry that somebody could not read.
    pub fn follows(&self, hash: &[u8; 32]) -> bool {
        let unknown = [0; 32];
        *hash == unknown || self.previous == unknown || self.previous == *hash
    }
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A session begins.
    Open {
        /// The session.
        session: SessionId,
        /// Who opened it, for people.
        actor: String,
    },
    /// A point exists from now on, and its session is over.
    Commit {
        /// The session that wrote it.
        session: SessionId,
        /// The point.
        point: CommittedPoint,
        /// The indexes of the packs that the session wrote.
        indexes: Vec<IndexId>,
    },
    /// A point exists no more.
    Forget {
        /// The point.
        point: PointId,
    },
    /// Packs may not be used any more and will be deleted.
    Condemn {
        /// The packs.
        packs: Vec<PackId>,
    },
    /// A session is over without a point.
    Fence {
        /// The session.
        session: SessionId,
    },
    /// Everything that the entries before this one amount to.
    Checkpoint(Box<Checkpoint>),
    /// Condemned packs are about to be deleted, and indexes were written anew without them.
    Retire {
        /// The packs.
        packs: Vec<PackId>,
        /// The indexes that go.
        removed: Vec<IndexId>,
        /// The indexes that come instead.
        added: Vec<IndexId>,
    },
    /// Packs were found damaged; nothing new may rely on them.
    Suspect {
        /// The packs.
        packs: Vec<PackId>,
    },
}

/// What the log says of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedPoint {
    /// The point.
    pub id: PointId,
    /// What was backed up.
    pub item: String,
    /// The point whose content it was told the changes against, if any.
    pub parent: Option<PointId>,
    /// The moment whose state it holds.
    pub taken_at: Timestamp,
    /// What it took.
    pub counts: Counts,
    /// Its manifest.
    pub manifest: ManifestId,
    /// The clear hash of its manifest.
    pub manifest_hash: [u8; 32],
}

/// The state of a repository after some entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Sessions that are not over, in the order they began.
    pub sessions: Vec<OpenSession>,
    /// Points that exist and when they were committed, by id.
    pub points: Vec<(CommittedPoint, Timestamp)>,
    /// Indexes in use.
    pub indexes: Vec<IndexId>,
    /// Condemned packs that were not yet retired, and when they were condemned.
    pub condemned: Vec<(PackId, Timestamp)>,
    /// Packs found damaged.
    pub suspect: Vec<PackId>,
    /// Numbers of entries that could not be read.
    pub unreadable: Vec<u64>,
}

/// A session that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// The session.
    pub id: SessionId,
    /// When it began.
    pub opened_at: Timestamp,
    /// Who opened it.
    pub actor: String,
    /// The number of its entry.
    pub number: u64,
}

const OPEN: u8 = 1;
const COMMIT: u8 = 2;
const FORGET: u8 = 3;
const CONDEMN: u8 = 4;
const FENCE: u8 = 5;
const CHECKPOINT: u8 = 6;
const RETIRE: u8 = 7;
const SUSPECT: u8 = 8;

/// Encodes the entry with this number. `salt` is 16 random bytes, new for every attempt.
///
/// # Errors
///
/// A text is over its limit, or the entry over [`ENTRY_MAX`].
pub fn encode(
    keys: &VaultKeys,
    salt: [u8; 16],
    number: u64,
    entry: &Entry,
) -> Result<Vec<u8>, FormatError> {
    let mut writer = Writer::new();
    writer.raw(&entry.previous);
    writer.time(entry.at);
    encode_event(&mut writer, &entry.event)?;
    let plain = writer.into_bytes();
    if plain.len() > ENTRY_MAX {
        return Err(FormatError::Length);
    }
    Ok(seal::encode_object(keys, Kind::LogEntry, salt, number, &plain))
}

/// Decodes the entry with this number, and gives its clear hash too.
///
/// # Errors
///
/// Damage, another vault, version or number, or a checkpoint where none belongs.
pub fn decode(
    keys: &VaultKeys,
    number: u64,
    bytes: &[u8],
) -> Result<(Entry, [u8; 32]), FormatError> {
    let opened = seal::decode_object(keys, Kind::LogEntry, number, bytes, ENTRY_MAX)?;
    let mut reader = Reader::new(&opened.plain);
    let previous = reader.array()?;
    let at = reader.time()?;
    let event = decode_event(&mut reader)?;
    reader.end()?;
    let is_checkpoint = matches!(event, Event::Checkpoint(_));
    if is_checkpoint != number.is_multiple_of(CHECKPOINT_EVERY) {
        return Err(FormatError::Invalid { what: "place of a checkpoint" });
    }
    Ok((Entry { previous, at, event }, opened.hash))
}

fn encode_event(writer: &mut Writer, event: &Event) -> Result<(), FormatError> {
    match event {
        Event::Open { session, actor } => {
            writer.u8(OPEN);
            writer.raw(&session.0);
            writer.text(actor)?;
        }
        Event::Commit { session, point, indexes } => {
            writer.u8(COMMIT);
            writer.raw(&session.0);
            point.encode(writer)?;
            write_owned(writer, indexes);
        }
        Event::Forget { point } => {
            writer.u8(FORGET);
            writer.u64(point.get());
        }
        Event::Condemn { packs } => {
            writer.u8(CONDEMN);
            write_owned(writer, packs);
        }
        Event::Fence { session } => {
            writer.u8(FENCE);
            writer.raw(&session.0);
        }
        Event::Checkpoint(checkpoint) => {
            writer.u8(CHECKPOINT);
            checkpoint.encode(writer)?;
        }
        Event::Retire { packs, removed, added } => {
            writer.u8(RETIRE);
            for ids in [packs, removed, added] {
                write_owned(writer, ids);
            }
        }
        Event::Suspect { packs } => {
            writer.u8(SUSPECT);
            write_owned(writer, packs);
        }
    }
    Ok(())
}

fn decode_event(reader: &mut Reader<'_>) -> Result<Event, FormatError> {
    Ok(match reader.u8()? {
        OPEN => Event::Open { session: SessionId(reader.array()?), actor: reader.text()? },
        COMMIT => Event::Commit {
            session: SessionId(reader.array()?),
            point: CommittedPoint::decode(reader)?,
            indexes: reader.list(16, owned)?,
        },
        FORGET => Event::Forget { point: read_point(reader)? },
        CONDEMN => Event::Condemn { packs: reader.list(16, owned)? },
        FENCE => Event::Fence { session: SessionId(reader.array()?) },
        CHECKPOINT => Event::Checkpoint(Box::new(Checkpoint::decode(reader)?)),
        RETIRE => Event::Retire {
            packs: reader.list(16, owned)?,
            removed: reader.list(16, owned)?,
            added: reader.list(16, owned)?,
        },
        SUSPECT => Event::Suspect { packs: reader.list(16, owned)? },
        _ => return Err(FormatError::Invalid { what: "kind of log entry" }),
    })
}

impl CommittedPoint {
    fn encode(&self, writer: &mut Writer) -> Result<(), FormatError> {
        writer.u64(self.id.get());
        writer.text(&self.item)?;
        writer.option_u64(self.parent.map(PointId::get));
        writer.time(self.taken_at);
        self.counts.encode(writer);
        writer.raw(&self.manifest.0);
        writer.raw(&self.manifest_hash);
        Ok(())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            id: read_point(reader)?,
            item: reader.text()?,
            parent: read_parent(reader)?,
            taken_at: reader.time()?,
            counts: Counts::decode(reader)?,
            manifest: owned(reader)?,
            manifest_hash: reader.array()?,
        })
    }
}

impl Checkpoint {
    fn encode(&self, writer: &mut Writer) -> Result<(), FormatError> {
        writer.count(self.sessions.len());
        for session in &self.sessions {
            writer.raw(&session.id.0);
            writer.time(session.opened_at);
            writer.text(&session.actor)?;
            writer.u64(session.number);
        }
        writer.count(self.points.len());
        for (point, committed_at) in &self.points {
            point.encode(writer)?;
            writer.time(*committed_at);
        }
        write_owned(writer, &self.indexes);
        writer.count(self.condemned.len());
        for (pack, at) in &self.condemned {
            writer.raw(&pack.0);
            writer.time(*at);
        }
        write_owned(writer, &self.suspect);
        writer.count(self.unreadable.len());
        for number in &self.unreadable {
            writer.u64(*number);
        }
        Ok(())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            sessions: reader.list(30, |reader| {
                Ok(OpenSession {
                    id: SessionId(reader.array()?),
                    opened_at: reader.time()?,
                    actor: reader.text()?,
                    number: reader.u64()?,
                })
            })?,
            points: reader
                .list(115, |reader| Ok((CommittedPoint::decode(reader)?, reader.time()?)))?,
            indexes: reader.list(16, owned)?,
            condemned: reader.list(28, |reader| Ok((owned(reader)?, reader.time()?)))?,
            suspect: reader.list(16, owned)?,
            unreadable: reader.list(8, Reader::u64)?,
        })
    }
}
