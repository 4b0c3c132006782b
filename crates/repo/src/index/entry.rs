//! One chunk in one pack: what the index holds of it, in 56 bytes.
//!
//! ```text
//!  id 32 · pack 4 · segment: start 4, number 3, stored 3, plain 3, codec 1 · offset 3 · size 3
//! ```
//!
//! Everything that reading the chunk takes is in it, so that a look-up reads one page and no other
//! table. The sizes fit: a segment has at most 256 KiB and a tag, a pack 256 MiB.

use format::ChunkId;
use format::compress::Codec;

/// Size of an entry, in bytes.
pub(super) const ENTRY: usize = 56;

/// Size of a place, in bytes.
const PLACE: usize = ENTRY - 32;

/// An entry: the chunk's id, then its place.
pub(super) type Entry = [u8; ENTRY];

/// Where a chunk lies, packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place([u8; PLACE]);

/// Where a chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The pack's number in the index.
    pub pack: u32,
    pub start: u32,
    pub number: u32,
    pub stored: u32,
    pub plain: u32,
    pub codec: Codec,
    pub offset: u32,
    pub size: u32,
}

impl Place {
    pub fn new(position: &Position) -> Self {
        let mut bytes = [0; PLACE];
        let mut rest = bytes.as_mut_slice();
        let mut write = |value: u32, width: usize| {
            debug_assert!(width == 4 || value < 1 << (8 * width));
            let (field, behind) = std::mem::take(&mut rest).split_at_mut(width);
            field.copy_from_slice(&value.to_le_bytes()[..width]);
            rest = behind;
        };
        write(position.pack, 4);
        write(position.start, 4);
        write(position.number, 3);
        write(position.stored, 3);
        write(position.plain, 3);
        write(u32::from(position.codec.code()), 1);
        write(position.offset, 3);
        write(position.size, 3);
        Self(bytes)
    }

    /// The pack's number in the index.
    pub fn pack(&self) -> u32 {
        self.field(0, 4)
    }

    /// The chunk's size, in bytes.
    pub fn size(&self) -> u32 {
        self.field(21, 3)
    }

    fn field(&self, at: usize, width: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes[..width].copy_from_slice(&self.0[at..at + width]);
        u32::from_le_bytes(bytes)
    }

    pub fn position(&self) -> Position {
        Position {
            pack: self.pack(),
            start: self.field(4, 4),
            number: self.field(8, 3),
            stored: self.field(11, 3),
            plain: self.field(14, 3),
            codec: if self.0[17] == Codec::Zstd.code() { Codec::Zstd } else { Codec::Plain },
            offset: self.field(18, 3),
            size: self.size(),
        }
    }
}

/// The entry of a chunk at a place.
pub(super) fn entry(id: &ChunkId, place: &Place) -> Entry {
    let mut entry = [0; ENTRY];
    entry[..32].copy_from_slice(&id.0);
    entry[32..].copy_from_slice(&place.0);
    entry
}

/// The chunk's place in an entry.
pub(super) fn place(entry: &Entry) -> Place {
    Place(*entry.last_chunk().expect("an entry ends with a place"))
}

/// The first 64 bits of an id: ids are sorted by them, and partitions go by the highest.
pub(super) fn prefix(id: &[u8]) -> u64 {
    u64::from_be_bytes(*id.first_chunk().expect("an id has 32 bytes"))
}

/// The bits of an id that filters go by. None of them decides the partition.
pub(super) fn filter_key(id: &[u8]) -> u64 {
    u64::from_le_bytes(*id[8..].first_chunk().expect("an id has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_the_largest_values_that_there_are() {
        for codec in [Codec::Plain, Codec::Zstd] {
            let position = Position {
                pack: u32::MAX,
                start: 256 << 20,
                number: 5 << 20,
                stored: (256 << 10) + 16,
                plain: 256 << 10,
                codec,
                offset: (256 << 10) - 1,
                size: 256 << 10,
            };
            let entry = entry(&ChunkId([9; 32]), &Place::new(&position));
            assert_eq!(place(&entry).position(), position);
            assert_eq!(place(&entry).size(), 256 << 10);
        }
    }
}
