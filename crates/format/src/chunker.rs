//! Where chunks begin and end: block-aligned, content-defined (`docs/format.md` §4).
//!
//! The chunker sees one block at a time and answers with boundaries; the bytes stay where they
//! are. Its decisions are never needed for correctness: any cut between blocks is a correct one.
//!
//! ```text
//!            data block                 data block
//!          ┌───────────┐              ┌────────────┐
//!          ▼           │              ▼            │
//!   Empty ────────► Open(n) ──zero──► Open(n)+zeros ──4th zero: cut before──► Hole
//!     ▲                │                                                       │
//!     └──── cut ───────┘ ◄───────────────── data block ────────────────────────┘
//! ```

use model::units::BLOCK;

/// The least blocks of a chunk that ends by content: 16 KiB.
pub const MIN_BLOCKS: u32 = 4;
/// The blocks of a chunk on average: 44 KiB.
pub const AVERAGE_BLOCKS: u32 = 11;
/// The most blocks of a chunk: 128 KiB.
pub const MAX_BLOCKS: u32 = 32;
/// Zero blocks in a row that make a hole: 16 KiB.
pub const HOLE_BLOCKS: u64 = 4;

/// Behind the minimum, one block in eight ends a chunk: 3 + 8 = 11 blocks on average.
const BOUNDARY_MASK: u64 = 0b111;
const _: () = assert!(MIN_BLOCKS as u64 + BOUNDARY_MASK == AVERAGE_BLOCKS as u64);
const _: () = assert!(HOLE_BLOCKS < MAX_BLOCKS as u64);

const BLOCK_SIZE: usize = BLOCK as usize;
static ZERO_BLOCK: [u8; BLOCK_SIZE] = [0; BLOCK_SIZE];

/// What a block means for the chunks around it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// The open chunk ends before this block, and before the zero blocks that precede it.
    pub cut_before: bool,
    /// Zero blocks that precede this block and belong to its chunk. Zero for a zero block.
    pub zeros: u32,
    /// This block belongs to a chunk.
    pub data: bool,
    /// The chunk ends behind this block.
    pub cut_after: bool,
}

/// Finds boundaries in a run of blocks.
#[derive(Debug, Clone)]
pub struct Chunker {
    hash: BlockHash,
    /// Blocks in the open chunk, without `zeros`.
    open: u32,
    /// Zero blocks behind them, whose chunk is not yet known. From 4 on: a hole.
    zeros: u64,
}

impl Chunker {
    /// A chunker that starts behind a boundary.
    pub fn new(boundary_key: &[u8; 32]) -> Self {
        Self { hash: BlockHash::new(boundary_key), open: 0, zeros: 0 }
    }

    /// A chunker that starts inside a hole: zero blocks to come are part of it.
    pub fn in_hole(boundary_key: &[u8; 32]) -> Self {
        Self { zeros: HOLE_BLOCKS, ..Self::new(boundary_key) }
    }

    /// Whether the place behind the last block is a boundary: no chunk is open, none may begin
    /// with zero blocks already seen.
    pub const fn at_boundary(&self) -> bool {
        self.open == 0 && (self.zeros == 0 || self.zeros >= HOLE_BLOCKS)
    }

    /// Whether a chunk is open.
    pub const fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Zero blocks behind the open chunk, or in the hole.
    pub const fn zeros(&self) -> u64 {
        self.zeros
    }

    /// Takes one block of 4096 bytes.
    pub fn push(&mut self, block: &[u8]) -> Step {
        debug_assert_eq!(block.len(), BLOCK_SIZE);
        if block == ZERO_BLOCK { self.push_zeros(1) } else { self.push_data(block) }
    }

    /// Takes `count` zero blocks that nobody needs to look at.
    pub fn push_zeros(&mut self, count: u64) -> Step {
        self.zeros = self.zeros.saturating_add(count);
        let cut_before = self.zeros >= HOLE_BLOCKS && self.open > 0;
        if cut_before {
            self.open = 0;
        }
        Step { cut_before, ..Step::default() }
    }

    fn push_data(&mut self, block: &[u8]) -> Step {
        let zeros = if self.zeros < HOLE_BLOCKS { self.zeros as u32 } else { 0 };
        self.zeros = 0;
        let cut_before = self.open > 0 && self.open + zeros + 1 > MAX_BLOCKS;
        if cut_before {
            self.open = 0;
        }
        self.open += zeros + 1;
        let cut_after = self.open >= MAX_BLOCKS
            || (self.open >= MIN_BLOCKS && self.hash.of(block) & BOUNDARY_MASK == 0);
        if cut_after {
            self.open = 0;
        }
        Step { cut_before, zeros, data: true, cut_after }
    }
}

/// A cheap keyed hash of a block: four lanes of folded multiplications.
///
/// It is keyed so that the sizes of a known file's chunks differ between vaults. It need not
/// resist anybody who can ask for many boundaries: a found boundary harms nothing.
#[derive(Debug, Clone)]
struct BlockHash {
    keys: [u64; 4],
}

impl BlockHash {
    fn new(key: &[u8; 32]) -> Self {
        let mut keys = [0; 4];
        for (word, bytes) in keys.iter_mut().zip(key.chunks_exact(8)) {
            // An odd word is never zero, so no lane multiplies its input away.
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight")) | 1;
        }
        Self { keys }
    }

    fn of(&self, block: &[u8]) -> u64 {
        let mut lanes = self.keys;
        for stripe in block.chunks_exact(64) {
            for (lane, (pair, key)) in lanes.iter_mut().zip(stripe.chunks_exact(16).zip(&self.keys))
            {
                let (low, high) = pair.split_at(8);
                let low = u64::from_le_bytes(low.try_into().expect("half of sixteen"));
                let high = u64::from_le_bytes(high.try_into().expect("half of sixteen"));
                *lane = fold(low ^ key, high ^ *lane);
            }
        }
        let left = fold(lanes[0] ^ self.keys[1], lanes[1] ^ self.keys[0]);
        let right = fold(lanes[2] ^ self.keys[3], lanes[3] ^ self.keys[2]);
        fold(left ^ self.keys[2], right ^ self.keys[1])
    }
}

/// Both halves of a 128-bit product, in one.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests;
