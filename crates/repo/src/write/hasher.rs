//! Computes the ids of chunks on all processors, and gives them back in the order they came.
//!
//! Where little is new, reading and hashing is all that a backup does: one thread that does both
//! would leave the other processors idle.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender};
use format::ChunkId;
use format::seal::ChunkKind;

use super::buffer::Buffer;
use crate::repository::Shared;

/// The most workers: two hash as fast as one reader can read.
const WORKERS_MAX: usize = 4;

/// Data chunks, one behind the other, whose ids are not known yet.
pub(super) struct Piece {
    pub plain: Buffer,
    /// The chunks' sizes, in bytes.
    pub sizes: Vec<u32>,
}

/// Chunks, one behind the other.
pub(super) struct Part {
    pub plain: Buffer,
    /// Their ids and sizes.
    pub chunks: Vec<(ChunkId, u32)>,
}

type Job = (Piece, Sender<Part>);

/// The workers, and what they are at.
pub(super) struct Hasher {
    shared: Arc<Shared>,
    jobs: Option<Sender<Job>>,
    /// The answers to come, in order.
    answers: VecDeque<Receiver<Part>>,
    workers: Vec<JoinHandle<()>>,
}

impl Hasher {
    pub fn new(shared: &Arc<Shared>) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let (jobs, todo) = crossbeam_channel::unbounded::<Job>();
        let start = |_| {
            let (todo, shared) = (todo.clone(), Arc::clone(shared));
            thread::spawn(move || {
                for (piece, answer) in todo {
                    // Nobody waits for it where the session was given up.
                    let _ = answer.send(hashed(&shared, piece));
                }
            })
        };
        let workers = (0..WORKERS_MAX.min(processors)).map(start).collect();
        let shared = Arc::clone(shared);
        Self { shared, jobs: Some(jobs), answers: VecDeque::new(), workers }
    }

    /// Whether as many pieces are under way as keep the workers busy.
    pub fn is_full(&self) -> bool {
        self.answers.len() > self.workers.len()
    }

    /// Hands over a piece. Where the workers are behind, the processors have enough to do: it is
    /// hashed here and now, while it is still in this one's cache.
    pub fn submit(&mut self, piece: Piece) {
        let (answer, answers) = crossbeam_channel::bounded(1);
        let jobs = self.jobs.as_ref().expect("workers run until the hasher is dropped");
        if jobs.is_empty() {
            jobs.send((piece, answer)).expect("workers run until the hasher is dropped");
        } else {
            answer.send(hashed(&self.shared, piece)).expect("the answer is kept below");
        }
        self.answers.push_back(answers);
    }

    /// The piece that was handed over first of those under way; waits for it.
    pub fn next(&mut self) -> Option<Part> {
        let answer = self.answers.pop_front()?;
        Some(answer.recv().expect("workers answer every piece"))
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("a hashing worker panicked");
            }
        }
    }
}

fn hashed(shared: &Shared, piece: Piece) -> Part {
    let mut rest = &*piece.plain;
    let id = |size: &u32| {
        let (chunk, behind) = rest.split_at(*size as usize);
        rest = behind;
        (shared.keys.chunk_id(ChunkKind::Data, chunk), *size)
    };
    let chunks = piece.sizes.iter().map(id).collect();
    Part { plain: piece.plain, chunks }
}
