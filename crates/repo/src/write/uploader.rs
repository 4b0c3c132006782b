//! The workers that make packs: compress, seal, verify, put.
//!
//! A batch of chunks becomes one pack, made whole by one worker, so nothing is copied between
//! threads and all cores are busy. Memory is bounded: at most [`Uploader::limit`] batches of
//! [`PACK_MAX`](format::pack::PACK_MAX) plain bytes are under way, and whoever submits more waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender};
use format::compress::Compressor;
use format::index::IndexedPack;
use format::pack::{Opener, PackBuilder, SEGMENT_MAX};
use format::seal::ChunkKind;
use format::{ChunkId, PackId, SessionId, names};

use super::buffer::Buffer;
use super::hasher::Part;
use crate::error::RepoError;
use crate::repository::Shared;

/// The most workers: beyond that, one reader cannot feed them.
const WORKERS_MAX: usize = 8;

/// Chunks that become one pack.
pub(super) struct Batch {
    pub kind: ChunkKind,
    pub parts: Vec<Part>,
    /// Whether to open, decompress and compare what was sealed before it is put.
    pub verify: bool,
}

struct Made {
    pack: IndexedPack,
    /// The batch, whose buffers are used again.
    parts: Vec<Part>,
}

/// Makes packs of batches.
pub(super) struct Uploader {
    jobs: Option<Sender<Batch>>,
    made: Receiver<Result<Made, RepoError>>,
    workers: Vec<JoinHandle<()>>,
    abandoned: Arc<AtomicBool>,
    under_way: usize,
    buffers: Vec<Buffer>,
    /// Packs that were put since they were last taken.
    pub packs: Vec<IndexedPack>,
    /// Bytes of all packs that were put.
    pub stored: u64,
}

struct Worker {
    shared: Arc<Shared>,
    session: SessionId,
    abandoned: Arc<AtomicBool>,
    compressor: Compressor,
    opener: Opener,
    buffer: Vec<u8>,
}

impl Uploader {
    /// Starts the workers: one more than there are processors, because they also wait for stores.
    pub fn new(shared: &Arc<Shared>, session: SessionId) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let (jobs, todo) = crossbeam_channel::unbounded::<Batch>();
        let (done, made) = crossbeam_channel::unbounded();
        let abandoned = Arc::new(AtomicBool::new(false));
        let start = |_| {
            let (todo, done) = (todo.clone(), done.clone());
            let mut worker = Worker {
                shared: Arc::clone(shared),
                session,
                abandoned: Arc::clone(&abandoned),
                compressor: Compressor::new(),
                opener: Opener::default(),
                buffer: Vec::new(),
            };
            thread::spawn(move || {
                for batch in todo {
                    if done.send(worker.make(batch)).is_err() {
                        return;
                    }
                }
            })
        };
        Self {
            jobs: Some(jobs),
            made,
            workers: (0..WORKERS_MAX.min(processors + 1)).map(start).collect(),
            abandoned,
            under_way: 0,
            buffers: Vec::new(),
            packs: Vec::new(),
            stored: 0,
        }
    }

    /// How many batches may be under way.
    fn limit(&self) -> usize {
        self.workers.len()
    }

    /// An empty buffer.
    pub fn buffer(&mut self) -> Buffer {
        self.buffers.pop().unwrap_or_else(Buffer::new)
    }

    /// Keeps a buffer, to be used again.
    pub fn recycle(&mut self, mut buffer: Buffer) {
        buffer.clear();
        self.buffers.push(buffer);
    }

    /// Hands a batch to the workers; waits while too many are under way.
    ///
    /// # Errors
    ///
    /// An earlier batch failed.
    pub fn submit(&mut self, batch: Batch) -> Result<(), RepoError> {
        while self.under_way >= self.limit() {
            self.receive()?;
        }
        let jobs = self.jobs.as_ref().expect("workers run until the uploader is dropped");
        jobs.send(batch).expect("workers run until the uploader is dropped");
        self.under_way += 1;
        Ok(())
    }

    /// Waits until every batch is in the store.
    ///
    /// # Errors
    ///
    /// A batch failed.
    pub fn wait(&mut self) -> Result<(), RepoError> {
        while self.under_way > 0 {
            self.receive()?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), RepoError> {
        let made = self.made.recv().expect("workers run until the uploader is dropped");
        self.under_way -= 1;
        let Made { pack, parts } = made?;
        parts.into_iter().for_each(|part| self.recycle(part.plain));
        self.stored += pack.size;
        self.packs.push(pack);
        Ok(())
    }
}

impl Uploader {
    /// Ends the workers, when each has finished what it is at. Nothing can be submitted any more.
    pub fn abandon(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.jobs = None;
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("a pack worker panicked");
            }
        }
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Worker {
    fn make(&mut self, batch: Batch) -> Result<Made, RepoError> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(RepoError::Cancelled);
        }
        let id = PackId::new(self.session, self.shared.random());
        let buffer = std::mem::take(&mut self.buffer);
        let mut builder = PackBuilder::new(&self.shared.keys, batch.kind, id, buffer);
        for Part { plain, chunks } in &batch.parts {
            let mut start = 0;
            for chunks in segments(chunks) {
                let size: usize = chunks.iter().map(|(_, size)| *size as usize).sum();
                let plain = &plain[start..start + size];
                builder.push(plain, chunks, &mut self.compressor);
                if batch.verify && !builder.last_is(plain, &mut self.opener) {
                    return Err(RepoError::VerifyFailed);
                }
                start += size;
            }
        }
        let (bytes, table) = builder.finish();
        self.shared.store.put(&names::pack(&id), &bytes)?;
        let pack = IndexedPack { id, kind: batch.kind, size: bytes.len() as u64, table };
        self.buffer = bytes;
        Ok(Made { pack, parts: batch.parts })
    }
}

/// Neighbouring chunks, as many as fit one segment.
fn segments(chunks: &[(ChunkId, u32)]) -> impl Iterator<Item = &[(ChunkId, u32)]> {
    let mut rest = chunks;
    std::iter::from_fn(move || {
        let mut size = 0;
        let fits = |(_, chunk): &&(ChunkId, u32)| {
            size += *chunk as usize;
            size <= SEGMENT_MAX
        };
        let count = rest.iter().take_while(fits).count();
        let (segment, left) = rest.split_at(count);
        rest = left;
        (!segment.is_empty()).then_some(segment)
    })
}
