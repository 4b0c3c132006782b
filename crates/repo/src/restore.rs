//! Restores a disk to a raw file: in parallel, sparse, every chunk checked.
//!
//! The map is walked in the order of the disk. What a stretch of it needs is sorted by pack, so
//! that neighbouring segments are fetched at once, and handed to workers that open, check, write.

use std::collections::VecDeque;
use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender};
use format::pack::Opener;
use format::seal::ChunkKind;
use format::{ChunkId, FormatError, names};
use model::point::PointId;
use model::units::{BLOCK, Extent, KIB, MIB};
use rustix::fs::{Advice, fadvise};

use crate::error::RepoError;
use crate::index::{Located, LocatedSegment};
use crate::map::{MapEntry, MapReader};
use crate::progress::{Flow, Progress, Transfer};
use crate::read::{ChunkReader, damaged, lost};
use crate::repository::{Repository, Shared};

/// Bytes of the disk whose chunks are sorted and fetched together.
const STRETCH: u64 = 64 * MIB;
/// The most bytes fetched at once.
const FETCH: u64 = 4 * MIB;
/// Bytes between two segments that are fetched too rather than asking twice.
const GAP: u64 = 128 * KIB;
const WORKERS_MAX: usize = 8;
/// How many stretches stay in the page cache: by then the disk has taken the oldest.
const CACHED: usize = 4;

/// What a restore did, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreStats {
    /// The disk's size.
    pub logical_bytes: u64,
    /// Written to the target; the rest are holes.
    pub written_bytes: u64,
    /// Read from the store, without map and manifest.
    pub read_bytes: u64,
}

/// A chunk and where it goes.
#[derive(Clone, Copy)]
struct Wanted {
    id: ChunkId,
    place: Located,
    /// Where it begins on the disk, in blocks.
    block: u64,
}

/// Neighbouring segments of one pack, and what is wanted of them, in the order of the pack.
struct Job {
    wanted: Vec<Wanted>,
    start: u64,
    end: u64,
}

struct Done {
    written: u64,
    read: u64,
}

impl Repository {
    /// Restores the disk `target` of `point` to `out`, a regular file, which is emptied first.
    ///
    /// The file is not synced; that is for whoever knows what else belongs to it.
    ///
    /// # Errors
    ///
    /// [`RepoError::PointNotFound`], [`RepoError::DiskNotFound`], damage of what the disk needs,
    /// [`RepoError::Target`], [`RepoError::Cancelled`], or the store failed. What was written
    /// until then stays.
    pub fn restore_disk(
        &self,
        point: PointId,
        target: &str,
        out: &File,
        progress: &dyn Progress,
    ) -> Result<RestoreStats, RepoError> {
        self.shared.refresh()?;
        let disk = self.shared.disk(point, target)?;
        let sized = out.set_len(0).and_then(|()| out.set_len(disk.size));
        sized.map_err(|source| RepoError::Target { source })?;

        let map = MapReader::new(Arc::clone(&self.shared), disk.root, disk.size);
        let processors = thread::available_parallelism().map_or(1, usize::from);
        // One more than there are processors, because they also wait for the store and the target.
        let count = WORKERS_MAX.min(processors + 1);
        thread::scope(|scope| {
            let (jobs, todo) = crossbeam_channel::unbounded();
            let (done, results) = crossbeam_channel::unbounded();
            for _ in 0..count {
                let (todo, done) = (todo.clone(), done.clone());
                let worker = Worker::new(&self.shared, out, disk.size);
                scope.spawn(move || worker.run(&todo, &done));
            }
            let mut restore = Restore {
                shared: &self.shared,
                jobs,
                results,
                under_way: 0,
                limit: count * 2,
                behind: Behind { out, stretches: VecDeque::new() },
                progress,
                transfer: Transfer { total: disk.data, ..Transfer::default() },
            };
            restore.run(&map, disk.size.div_ceil(BLOCK))?;
            Ok(RestoreStats {
                logical_bytes: disk.size,
                written_bytes: restore.transfer.new,
                read_bytes: restore.transfer.read,
            })
        })
    }
}

struct Restore<'a> {
    shared: &'a Arc<Shared>,
    jobs: Sender<Job>,
    results: Receiver<Result<Done, RepoError>>,
    under_way: usize,
    limit: usize,
    behind: Behind<'a>,
    progress: &'a dyn Progress,
    transfer: Transfer,
}

/// What is written already, the newest stretch last.
///
/// It is handed to the disk while the rest is being restored, and then leaves the page cache: a
/// restored disk is larger than the memory that running guests could spare, and fresh memory costs
/// more than memory that was in use.
struct Behind<'a> {
    out: &'a File,
    stretches: VecDeque<Extent>,
}

impl Behind<'_> {
    fn push(&mut self, stretch: Extent) {
        // Begins to write back what is dirty.
        if let Some(before) = self.stretches.back() {
            self.let_go(*before);
        }
        self.stretches.push_back(stretch);
        if self.stretches.len() > CACHED
            && let Some(oldest) = self.stretches.pop_front()
        {
            self.let_go(oldest);
        }
    }

    /// Advice: what becomes of it changes nothing but speed and memory.
    fn let_go(&self, stretch: Extent) {
        let length = NonZeroU64::new(stretch.length);
        let _ = fadvise(self.out, stretch.start, length, Advice::DontNeed);
    }
}

impl Restore<'_> {
    fn run(&mut self, map: &MapReader, blocks: u64) -> Result<(), RepoError> {
        let mut stretch = Vec::new();
        let mut size = 0;
        map.visit(0..blocks, &mut |entry| {
            stretch.push(entry);
            size += entry.blocks * BLOCK;
            if size >= STRETCH {
                size = 0;
                self.dispatch(std::mem::take(&mut stretch))?;
            }
            Ok(())
        })?;
        self.dispatch(stretch)?;
        while self.under_way > 0 {
            self.receive()?;
        }
        Ok(())
    }

    fn dispatch(&mut self, stretch: Vec<MapEntry>) -> Result<(), RepoError> {
        if let (Some(first), Some(last)) = (stretch.first(), stretch.last()) {
            let (start, end) = (first.block * BLOCK, (last.block + last.blocks) * BLOCK);
            self.behind.push(Extent::new(start, end - start));
        }
        let mut wanted = self.shared.lookup(|index| {
            let find = |entry: &MapEntry| {
                let place = index.locate(ChunkKind::Data, &entry.id)?.into_iter().next();
                let place = place.ok_or_else(|| lost(ChunkKind::Data, &entry.id))?;
                Ok(Wanted { id: entry.id, place, block: entry.block })
            };
            stretch.iter().map(find).collect::<Result<Vec<_>, RepoError>>()
        })?;
        wanted.sort_unstable_by_key(|wanted| {
            (wanted.place.segment.pack, wanted.place.segment.number, wanted.place.offset)
        });
        for job in jobs(&wanted) {
            while self.under_way >= self.limit {
                self.receive()?;
            }
            self.jobs.send(job).expect("workers run until the jobs end");
            self.under_way += 1;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), RepoError> {
        let done = self.results.recv().expect("every job is answered")?;
        self.under_way -= 1;
        self.transfer.read += done.read;
        self.transfer.new += done.written;
        self.transfer.scanned += done.written;
        self.transfer.total = self.transfer.total.max(self.transfer.scanned);
        match self.progress.report(self.transfer) {
            Flow::Continue => Ok(()),
            Flow::Cancel => Err(RepoError::Cancelled),
        }
    }
}

/// Cuts what is wanted, in the order of packs, into fetches.
fn jobs(wanted: &[Wanted]) -> impl Iterator<Item = Job> {
    let place = |wanted: &Wanted| wanted.place.segment;
    let mut start = wanted.first().map_or(0, |first| place(first).start);
    let groups = wanted.chunk_by(move |a, b| {
        let (a, b) = (place(a), place(b));
        let near = b.start.saturating_sub(a.range().end) <= GAP;
        let together = a.pack == b.pack && near && b.range().end - start.min(b.start) <= FETCH;
        if !together {
            start = b.start;
        }
        together
    });
    groups.map(move |group| Job {
        start: place(&group[0]).start,
        end: place(&group[group.len() - 1]).range().end,
        wanted: group.to_vec(),
    })
}

struct Worker<'a> {
    shared: &'a Arc<Shared>,
    out: &'a File,
    size: u64,
    opener: Opener,
    /// Finds chunks elsewhere where a segment is damaged.
    elsewhere: ChunkReader,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Arc<Shared>, out: &'a File, size: u64) -> Self {
        let elsewhere = ChunkReader::new(Arc::clone(shared));
        Self { shared, out, size, opener: Opener::default(), elsewhere }
    }

    fn run(mut self, todo: &Receiver<Job>, done: &Sender<Result<Done, RepoError>>) {
        for job in todo {
            if done.send(self.job(&job)).is_err() {
                return;
            }
        }
    }

    fn job(&mut self, job: &Job) -> Result<Done, RepoError> {
        let pack = job.wanted[0].place.segment;
        let name = names::pack(&pack.pack);
        let fetched = self
            .shared
            .store
            .get_range(&name, job.start, job.end - job.start)
            .map_err(|error| RepoError::unreadable(pack.kind.pack(), &name, error));
        let bytes = match fetched {
            Ok(bytes) => Some(bytes),
            Err(error) if error.is_damage() => None,
            Err(error) => return Err(error),
        };
        let mut written = 0;
        let segment = |wanted: &Wanted| wanted.place.segment;
        for group in job.wanted.chunk_by(|a, b| segment(a) == segment(b)) {
            let place = segment(&group[0]);
            let range =
                (place.start - job.start) as usize..(place.range().end - job.start) as usize;
            let sealed = bytes.as_ref().map(|bytes| &bytes[range]);
            written += self.segment(&place, sealed, group)?;
        }
        Ok(Done { written, read: bytes.map_or(0, |bytes| bytes.len() as u64) })
    }

    /// Opens a segment, checks what is wanted of it, and writes that; the bytes written.
    fn segment(
        &mut self,
        place: &LocatedSegment,
        sealed: Option<&[u8]>,
        wanted: &[Wanted],
    ) -> Result<u64, RepoError> {
        let keys = &self.shared.keys;
        let key = keys.object(place.kind.pack(), place.pack.0, 0);
        let plain = sealed.map(|sealed| {
            self.opener.open(&key, place.number, place.codec, sealed, place.plain as usize)
        });
        let range = |wanted: &Wanted| {
            let start = wanted.place.offset as usize;
            start..start + wanted.place.size as usize
        };
        let good = |plain: &[u8]| {
            wanted.iter().all(|wanted| {
                let chunk = plain.get(range(wanted));
                chunk.is_some_and(|chunk| keys.chunk_id(ChunkKind::Data, chunk) == wanted.id)
            })
        };
        match plain {
            Some(Ok(plain)) if good(plain) => {
                // Neighbours in the segment that are neighbours on the disk are written at once.
                let joined = |a: &Wanted, b: &Wanted| {
                    range(a).end == range(b).start
                        && (b.block - a.block.min(b.block)) * BLOCK == u64::from(a.place.size)
                };
                let mut written = 0;
                for run in wanted.chunk_by(joined) {
                    let bytes = range(&run[0]).start..range(&run[run.len() - 1]).end;
                    written += write(self.out, self.size, run[0].block, &plain[bytes])?;
                }
                Ok(written)
            }
            _ => self.elsewhere(place, wanted),
        }
    }

    /// Restores chunks of a damaged segment one by one, from wherever they can be had.
    fn elsewhere(&self, place: &LocatedSegment, wanted: &[Wanted]) -> Result<u64, RepoError> {
        tracing::error!(pack = %place.pack, segment = place.number, "a segment is damaged");
        let mut written = 0;
        for wanted in wanted {
            let chunk = self.elsewhere.read(ChunkKind::Data, &wanted.id, None)?;
            if chunk.len() != wanted.place.size as usize {
                return Err(damaged(place, &FormatError::Invalid { what: "size of a chunk" }));
            }
            written += write(self.out, self.size, wanted.block, &chunk)?;
        }
        Ok(written)
    }
}

/// Writes blocks, but nothing behind the disk's end.
fn write(out: &File, size: u64, block: u64, bytes: &[u8]) -> Result<u64, RepoError> {
    let start = block * BLOCK;
    let length = (bytes.len() as u64).min(size.saturating_sub(start));
    out.write_all_at(&bytes[..length as usize], start)
        .map_err(|source| RepoError::Target { source })?;
    Ok(length)
}
