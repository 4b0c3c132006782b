//! Memory for a piece: chunks, one behind the other, and room behind them to read into.

use std::ops::{Deref, DerefMut, Range};

use format::chunker::HOLE_BLOCKS;
use model::units::{BLOCK, KIB};

use super::intake::PIECE_MAX;
use super::stow::CHUNK_MAX;

const BLOCK_SIZE: usize = BLOCK as usize;
/// The most bytes that are read into a buffer at once. What is behind a piece when it is full is
/// copied into the next buffer, so this is small.
const ROOM: usize = 64 * KIB as usize;
/// The most bytes of zeros between what is in a buffer and what is read into it.
const GAP: usize = HOLE_BLOCKS as usize * BLOCK_SIZE;
/// Bytes of a buffer: a piece, the open chunk behind it, and room.
const SIZE: usize = PIECE_MAX + CHUNK_MAX + GAP + ROOM;

/// As many bytes as were put into it; its memory is used again and again.
///
/// ```text
///  ├── bytes ──┤ gap ├── unseen ──┤
/// ```
///
/// What is read into it is behind its bytes until each block is kept or dropped.
pub(super) struct Buffer {
    memory: Box<[u8]>,
    bytes: usize,
    /// What was read and is neither kept nor dropped. `bytes <= unseen.start`.
    unseen: Range<usize>,
}

impl Buffer {
    /// An empty buffer. Its memory costs nothing before it is used.
    pub fn new() -> Self {
        Self { memory: vec![0; SIZE].into_boxed_slice(), bytes: 0, unseen: 0..0 }
    }

    /// Empties it.
    pub const fn clear(&mut self) {
        self.bytes = 0;
        self.unseen = 0..0;
    }

    /// Keeps the first `bytes` only.
    pub const fn truncate(&mut self, bytes: usize) {
        if bytes < self.bytes {
            self.bytes = bytes;
        }
    }

    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) {
        self.grow(bytes.len()).copy_from_slice(bytes);
    }

    /// Appends zeros.
    pub fn append_zeros(&mut self, count: usize) {
        self.grow(count).fill(0);
    }

    fn grow(&mut self, count: usize) -> &mut [u8] {
        let end = self.bytes + count;
        // Else it would be in the place of what was read and nobody looked at.
        assert!(self.unseen.is_empty() || end <= self.unseen.start, "no room for {count} bytes");
        let grown = &mut self.memory[self.bytes..end];
        self.bytes = end;
        grown
    }

    /// Memory to read up to `size` bytes into, whole blocks, `gap` bytes behind its bytes; what was
    /// unseen is forgotten. Less than a block if `size` is.
    pub fn room(&mut self, gap: usize, size: usize) -> &mut [u8] {
        assert!(gap <= GAP, "{gap} bytes are more than a chunk's zeros");
        let start = self.bytes + gap;
        let size = size.min(ROOM);
        self.unseen = start..start + (size - size % BLOCK_SIZE);
        &mut self.memory[self.unseen.clone()]
    }

    /// Bytes that are unseen.
    pub const fn unseen(&self) -> usize {
        self.unseen.end - self.unseen.start
    }

    /// The first unseen block.
    pub fn unseen_block(&self) -> Option<&[u8]> {
        self.memory[self.unseen.clone()].get(..BLOCK_SIZE)
    }

    /// Appends the first unseen block.
    pub fn keep_block(&mut self) {
        let start = self.unseen.start;
        if start > self.bytes {
            self.memory.copy_within(start..start + BLOCK_SIZE, self.bytes);
        }
        self.bytes += BLOCK_SIZE;
        self.unseen.start += BLOCK_SIZE;
    }

    /// Passes the first unseen block over.
    pub const fn drop_block(&mut self) {
        self.unseen.start += BLOCK_SIZE;
    }

    /// Passes all that is unseen over.
    pub const fn drop_unseen(&mut self) {
        self.unseen = 0..0;
    }

    /// Moves what is behind the first `bytes` into `next`, which is empty: what was read too.
    pub fn split_into(&mut self, bytes: usize, next: &mut Self) {
        let end = if self.unseen.is_empty() { self.bytes } else { self.unseen.end };
        next.memory[..end - bytes].copy_from_slice(&self.memory[bytes..end]);
        next.bytes = self.bytes - bytes;
        if !self.unseen.is_empty() {
            next.unseen = self.unseen.start - bytes..self.unseen.end - bytes;
        }
        self.bytes = bytes;
        self.unseen = 0..0;
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.bytes]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(byte: u8) -> [u8; BLOCK_SIZE] {
        [byte; BLOCK_SIZE]
    }

    /// Reads blocks of these bytes behind `gap` bytes.
    fn read(buffer: &mut Buffer, gap: usize, blocks: &[u8]) {
        let room = buffer.room(gap, blocks.len() * BLOCK_SIZE);
        assert_eq!(room.len(), blocks.len() * BLOCK_SIZE);
        room.chunks_exact_mut(BLOCK_SIZE).zip(blocks).for_each(|(room, byte)| room.fill(*byte));
    }

    #[test]
    fn blocks_that_are_read_stay_where_they_are_or_move_up_to_the_bytes_before_them() {
        let mut buffer = Buffer::new();
        buffer.append(&block(1));
        read(&mut buffer, 0, &[2, 3, 4]);
        buffer.keep_block();
        assert_eq!(buffer.unseen_block(), Some(block(3).as_slice()));
        buffer.drop_block();
        buffer.keep_block();
        assert_eq!(buffer.unseen_block(), None);
        assert_eq!(*buffer, [block(1), block(2), block(4)].concat());
    }

    #[test]
    fn what_follows_a_full_piece_moves_on_with_what_was_read_and_its_gap() {
        let mut buffer = Buffer::new();
        buffer.append(&block(1));
        buffer.append(&block(2));
        read(&mut buffer, BLOCK_SIZE, &[3, 4]);
        let mut next = Buffer::new();
        buffer.split_into(BLOCK_SIZE, &mut next);
        assert_eq!(*buffer, block(1));
        next.append_zeros(BLOCK_SIZE);
        next.keep_block();
        next.keep_block();
        assert_eq!(*next, [block(2), block(0), block(3), block(4)].concat());
    }

    #[test]
    #[should_panic(expected = "no room")]
    fn nothing_is_put_over_what_was_read() {
        let mut buffer = Buffer::new();
        read(&mut buffer, BLOCK_SIZE, &[1]);
        buffer.append_zeros(BLOCK_SIZE);
        buffer.append(&block(2));
    }

    #[test]
    fn only_whole_blocks_are_read_and_not_many() {
        let mut buffer = Buffer::new();
        assert_eq!(buffer.room(0, BLOCK_SIZE - 1).len(), 0);
        assert_eq!(buffer.room(0, 2 * BLOCK_SIZE + 1).len(), 2 * BLOCK_SIZE);
        assert_eq!(buffer.room(0, usize::MAX).len(), ROOM);
    }
}
