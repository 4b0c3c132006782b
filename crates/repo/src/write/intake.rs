//! Takes the bytes of data chunks in: the chunk that is open, and closed ones whose ids are being
//! computed.
//!
//! Closed chunks are handed on in pieces of one segment, so that a piece of new chunks is sealed as
//! it is, without being copied, and is still in a cache when it is hashed.

use std::collections::HashMap;
use std::sync::Arc;

use format::ChunkId;
use format::pack::SEGMENT_MAX;

use super::buffer::Buffer;
use super::hasher::{Hasher, Part, Piece};
use crate::repository::Shared;

/// The most bytes of closed chunks in a piece.
pub(super) const PIECE_MAX: usize = SEGMENT_MAX;

/// Stands for a closed chunk until its id is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ticket(u64);

/// What became of a closed chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub id: ChunkId,
    /// Whether it is new to the vault.
    pub new: bool,
}

/// Where data comes in.
pub(super) struct Intake {
    hasher: Hasher,
    /// Closed chunks, and behind them the open one.
    piece: Piece,
    /// Bytes of the closed chunks.
    closed: usize,
    /// The next chunk to be closed, and the next to be settled.
    next: u64,
    settled: u64,
    outcomes: HashMap<Ticket, Outcome>,
}

impl Intake {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self {
            hasher: Hasher::new(shared),
            piece: Piece { plain: Buffer::new(), sizes: Vec::new() },
            closed: 0,
            next: 0,
            settled: 0,
            outcomes: HashMap::new(),
        }
    }

    /// Appends bytes to the open chunk.
    pub fn append(&mut self, bytes: &[u8]) {
        self.piece.plain.append(bytes);
    }

    /// Appends zeros to the open chunk.
    pub fn append_zeros(&mut self, count: usize) {
        self.piece.plain.append_zeros(count);
    }

    /// Memory to read into what will be appended; see [`Buffer::room`].
    pub fn room(&mut self, gap: usize, size: usize) -> &mut [u8] {
        self.piece.plain.room(gap, size)
    }

    /// What was read into it.
    pub const fn read(&mut self) -> &mut Buffer {
        &mut self.piece.plain
    }

    /// Whether a chunk is open.
    pub fn is_open(&self) -> bool {
        self.piece.plain.len() > self.closed
    }

    /// Takes the open chunk's bytes away, to be appended again later.
    pub fn suspend(&mut self) -> Vec<u8> {
        let open = self.piece.plain[self.closed..].to_vec();
        self.piece.plain.truncate(self.closed);
        open
    }

    /// Closes the open chunk: what will stand for it, and its size in bytes. `buffer` gives memory
    /// for a new piece.
    pub fn close(&mut self, buffer: impl FnOnce() -> Buffer) -> (Ticket, u64) {
        let size = self.piece.plain.len() - self.closed;
        if self.closed + size > PIECE_MAX {
            self.hand_over(buffer);
        }
        self.closed += size;
        self.piece.sizes.push(size as u32);
        let ticket = Ticket(self.next);
        self.next += 1;
        (ticket, size as u64)
    }

    /// Hands the closed chunks to the workers; the open one stays.
    pub fn hand_over(&mut self, buffer: impl FnOnce() -> Buffer) {
        if self.closed == 0 {
            return;
        }
        let mut plain = buffer();
        self.piece.plain.split_into(self.closed, &mut plain);
        let piece = std::mem::replace(&mut self.piece, Piece { plain, sizes: Vec::new() });
        self.closed = 0;
        self.hasher.submit(piece);
    }

    /// Whether somebody should take what [`Self::hashed`] gives before more is closed.
    pub fn is_full(&self) -> bool {
        self.hasher.is_full()
    }

    /// The next chunks whose ids are known, in the order they were closed; waits for them. Each
    /// *must* be settled, in order.
    pub fn hashed(&mut self) -> Option<Part> {
        self.hasher.next()
    }

    /// Says what became of the next chunk.
    pub fn settle(&mut self, outcome: Outcome) {
        self.outcomes.insert(Ticket(self.settled), outcome);
        self.settled += 1;
    }

    /// What became of a chunk, once that is known. Can be asked for once.
    pub fn outcome(&mut self, ticket: Ticket) -> Option<Outcome> {
        self.outcomes.remove(&ticket)
    }
}
