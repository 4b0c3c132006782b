//! Repacks: writes what is needed of mostly dead packs into new ones.
//!
//! ```text
//!  open(session) ─► new packs ─► their indexes ─► retire(adds them) ─► condemn(old) ─► fence
//! ```
//!
//! Wherever this is cut off, the old packs are as good as before, and the new ones are copies that
//! nobody needs. Each worker holds the needed text of one old pack and one new pack: about 24 MiB.

use std::collections::BTreeSet;
use std::thread;

use crossbeam_channel::Receiver;
use format::index::IndexedPack;
use format::log::Event;
use format::pack::{Opener, PackBuilder, Segment};
use format::seal::ChunkKind;
use format::{FormatError, IndexId, PackId, SessionId, names};

use super::indexes::IndexWriter;
use crate::decide;
use crate::error::RepoError;
use crate::repository::Shared;
use crate::sound::holds;
use crate::state::State;
use crate::usage::{NOBODY, Usage, Watched};
use crate::write::PACK_SIZE;

/// The most workers.
const WORKERS_MAX: usize = 4;

/// What was written anew.
#[derive(Debug)]
pub(super) struct Repacked {
    pub session: SessionId,
    /// Packs whose needed segments are all in the new ones.
    pub copied: BTreeSet<PackId>,
    /// The new packs.
    pub fresh: Vec<PackId>,
    /// Sizes of the new packs, in bytes.
    pub bytes: u64,
    /// Names of packs that did not open.
    pub left: Vec<String>,
}

/// A pack to be copied: how large it is, and which of its segments are needed.
struct Job {
    pack: PackId,
    size: u64,
    needed: Vec<bool>,
}

/// What a worker tells.
enum Told {
    Copied { pack: PackId, size: u64 },
    Left { pack: PackId, reason: String },
    Put(IndexedPack),
}

impl Shared {
    /// Copies what `usage` needs of `packs`, and makes the copies known. The session stays open.
    ///
    /// # Errors
    ///
    /// The store failed, or it was cancelled; the session is over then.
    pub(super) fn repack(
        &self,
        packs: &[(PackId, u64)],
        usage: &Usage,
        watched: &mut Watched<'_>,
    ) -> Result<Repacked, RepoError> {
        let session = self.open_session()?;
        let repacked = self.copy_packs(session, packs, usage, watched);
        if repacked.is_err() {
            self.end_session(session)?;
        }
        repacked
    }

    /// Ends a collector's session.
    pub(super) fn end_session(&self, session: SessionId) -> Result<(), RepoError> {
        let mut over = false;
        let fenced = self.append(&mut |state: &State| {
            over = !state.is_open(session);
            if over { Err(RepoError::Cancelled) } else { Ok(Event::Fence { session }) }
        });
        if over { Ok(()) } else { fenced }
    }

    fn copy_packs(
        &self,
        session: SessionId,
        packs: &[(PackId, u64)],
        usage: &Usage,
        watched: &mut Watched<'_>,
    ) -> Result<Repacked, RepoError> {
        let (copied, fresh, left) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut repacked = Repacked { session, copied, fresh, bytes: 0, left };
        let mut indexes = IndexWriter::new(self, session);
        let (jobs, todo) = crossbeam_channel::unbounded();
        for (pack, size) in packs {
            let owners = usage.owners(pack).iter();
            let needed = owners.map(|owner| *owner != NOBODY).collect();
            let job = Job { pack: *pack, size: *size, needed };
            jobs.send(job).map_err(|_| RepoError::Cancelled)?;
        }
        drop(jobs);
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let workers = processors.min(WORKERS_MAX).min(packs.len());
        thread::scope(|scope| {
            let (tell, told) = crossbeam_channel::bounded(workers);
            for _ in 0..workers {
                let (todo, tell) = (todo.clone(), tell.clone());
                scope.spawn(move || {
                    let tell = |told| tell.send(told).map_err(|_| RepoError::Cancelled);
                    if let Err(error) = Copier::new(self, session).run(&todo, &mut |t| tell(Ok(t)))
                    {
                        // Whoever listened has gone: there is nobody to tell.
                        let _ = tell(Err(error));
                    }
                });
            }
            drop(tell);
            for told in told {
                match told? {
                    Told::Put(pack) => {
                        repacked.bytes += pack.size;
                        repacked.fresh.push(pack.id);
                        indexes.push(pack)?;
                    }
                    Told::Left { pack, reason } => {
                        let name = names::pack(&pack);
                        tracing::error!(name, reason, "a pack cannot be repacked; it stays");
                        repacked.left.push(name);
                    }
                    Told::Copied { pack, size } => {
                        repacked.copied.insert(pack);
                        watched.transfer.scanned += size;
                        watched.transfer.read += size;
                    }
                }
                watched.transfer.stored = repacked.bytes;
                watched.tell()?;
            }
            Ok::<_, RepoError>(())
        })?;
        indexes.flush()?;
        repacked.bytes += indexes.bytes;
        self.make_known(session, &indexes.added)?;
        Ok(repacked)
    }

    /// Adds indexes to the log's.
    fn make_known(&self, session: SessionId, added: &[IndexId]) -> Result<(), RepoError> {
        if added.is_empty() {
            return Ok(());
        }
        self.append(&mut |state: &State| {
            decide::retire(state, session, &[], state)?;
            let (packs, removed) = (Vec::new(), Vec::new());
            Ok(Event::Retire { packs, removed, added: added.to_vec() })
        })
    }
}

/// The text of a segment, compressed as it was.
struct Text {
    text: Vec<u8>,
    segment: Segment,
}

/// A new pack that is being filled.
struct Filling {
    builder: PackBuilder,
    id: PackId,
    plain: usize,
}

/// Copies packs, one after another.
struct Copier<'a> {
    shared: &'a Shared,
    session: SessionId,
    opener: Opener,
    data: Option<Filling>,
    map: Option<Filling>,
}

impl<'a> Copier<'a> {
    fn new(shared: &'a Shared, session: SessionId) -> Self {
        Self { shared, session, opener: Opener::default(), data: None, map: None }
    }

    fn run(
        mut self,
        jobs: &Receiver<Job>,
        tell: &mut dyn FnMut(Told) -> Result<(), RepoError>,
    ) -> Result<(), RepoError> {
        for Job { pack, size, needed } in jobs {
            match self.read(pack, size, &needed) {
                Err(error @ (RepoError::Damaged { .. } | RepoError::UnsupportedVersion { .. })) => {
                    tell(Told::Left { pack, reason: error.to_string() })?;
                }
                read => {
                    let (kind, texts) = read?;
                    for text in &texts {
                        self.push(kind, text, tell)?;
                    }
                    tell(Told::Copied { pack, size })?;
                }
            }
        }
        for kind in [ChunkKind::Data, ChunkKind::Map] {
            self.put(kind, tell)?;
        }
        Ok(())
    }

    /// The needed segments of a pack, each opened and every chunk id computed again.
    fn read(
        &mut self,
        id: PackId,
        size: u64,
        needed: &[bool],
    ) -> Result<(ChunkKind, Vec<Text>), RepoError> {
        let IndexedPack { kind, table, .. } = self.shared.fetch_table(id, size)?;
        let name = names::pack(&id);
        let damaged = |error: FormatError| RepoError::damaged(kind.pack(), &name, &error);
        if needed.len() > table.segments.len() {
            return Err(damaged(FormatError::Invalid { what: "number of segments" }));
        }
        let key = self.shared.keys.object(kind.pack(), id.0, 0);
        let wanted: Vec<_> = (0u32..)
            .zip(table.places())
            .filter(|(number, _)| needed.get(*number as usize) == Some(&true))
            .collect();
        let mut texts = Vec::with_capacity(wanted.len());
        // Neighbours are read at once.
        for run in wanted.chunk_by(|(_, (one, _)), (_, (next, _))| one.end == next.start) {
            let (Some((_, (first, _))), Some((_, (last, _)))) = (run.first(), run.last()) else {
                continue;
            };
            let bytes = self
                .shared
                .store
                .get_range(&name, first.start, last.end - first.start)
                .map_err(|error| RepoError::unreadable(kind.pack(), &name, error))?;
            for (number, (place, segment)) in run {
                let from = (place.start - first.start) as usize;
                let sealed = &bytes[from..from + segment.stored as usize];
                let plain = segment.plain as usize;
                let plain = self.opener.open(&key, *number, segment.codec, sealed, plain);
                if !holds(&self.shared.keys, kind, plain.map_err(damaged)?, segment) {
                    return Err(damaged(FormatError::Invalid { what: "chunk" }));
                }
                let text = self.opener.text(segment.codec).to_vec();
                texts.push(Text { text, segment: (*segment).clone() });
            }
        }
        Ok((kind, texts))
    }

    fn push(
        &mut self,
        kind: ChunkKind,
        text: &Text,
        tell: &mut dyn FnMut(Told) -> Result<(), RepoError>,
    ) -> Result<(), RepoError> {
        let Text { text, segment } = text;
        let full = self.filling(kind).as_ref();
        if full.is_some_and(|filling| filling.plain + segment.plain as usize > PACK_SIZE) {
            self.put(kind, tell)?;
        }
        let (shared, session) = (self.shared, self.session);
        // Not through `filling`: the opener is borrowed beside it.
        let slot = match kind {
            ChunkKind::Data => &mut self.data,
            ChunkKind::Map => &mut self.map,
        };
        let filling = slot.get_or_insert_with(|| {
            let id = PackId::new(session, shared.random());
            Filling { builder: PackBuilder::new(&shared.keys, kind, id, Vec::new()), id, plain: 0 }
        });
        filling.builder.push_text(text, segment.codec, segment.plain, &segment.chunks);
        filling.plain += segment.plain as usize;
        let opened = filling.builder.open_last(&mut self.opener);
        if opened.is_some_and(|plain| holds(&shared.keys, kind, plain, segment)) {
            Ok(())
        } else {
            Err(RepoError::VerifyFailed)
        }
    }

    fn filling(&mut self, kind: ChunkKind) -> &mut Option<Filling> {
        match kind {
            ChunkKind::Data => &mut self.data,
            ChunkKind::Map => &mut self.map,
        }
    }

    fn put(
        &mut self,
        kind: ChunkKind,
        tell: &mut dyn FnMut(Told) -> Result<(), RepoError>,
    ) -> Result<(), RepoError> {
        let Some(Filling { builder, id, .. }) = self.filling(kind).take() else { return Ok(()) };
        let (bytes, table) = builder.finish();
        self.shared.store.put(&names::pack(&id), &bytes)?;
        tell(Told::Put(IndexedPack { id, kind, size: bytes.len() as u64, table }))
    }
}
