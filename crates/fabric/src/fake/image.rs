//! A disk image in memory: only what was written takes space, and clones share it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::units::{Extent, KIB, normalised};

/// Bytes of one grain: what QEMU's bitmaps tell apart.
pub const GRAIN: u64 = 64 * KIB;

/// A disk's content at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    size: u64,
    grains: BTreeMap<u64, Arc<Vec<u8>>>,
}

impl Image {
    /// An image of zeroes.
    pub fn new(size: u64) -> Self {
        Self { size, grains: BTreeMap::new() }
    }

    /// Its size, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes; what lies outside is cut off. The grains that were touched.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Vec<u64> {
        let mut touched = Vec::new();
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() && at < self.size {
            let (grain, within) = (at / GRAIN, at % GRAIN);
            let room = (GRAIN - within).min(self.size - at).min(rest.len() as u64);
            let (now, later) = rest.split_at(index(room));
            let content =
                self.grains.entry(grain).or_insert_with(|| Arc::new(vec![0; index(GRAIN)]));
            Arc::make_mut(content)[index(within)..index(within + room)].copy_from_slice(now);
            touched.push(grain);
            at += room;
            rest = later;
        }
        touched
    }

    /// The bytes of a range that lies within the size.
    pub fn read(&self, range: Extent) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(index(range.length));
        let mut at = range.start;
        while at < range.end() {
            let (grain, within) = (at / GRAIN, at % GRAIN);
            let length = (GRAIN - within).min(range.end() - at);
            match self.grains.get(&grain) {
                Some(content) => bytes.extend(&content[index(within)..index(within + length)]),
                None => bytes.resize(bytes.len() + index(length), 0),
            }
            at += length;
        }
        bytes
    }

    /// The ranges that were ever written.
    pub fn allocated(&self) -> Vec<Extent> {
        self.ranges(self.grains.keys().copied())
    }

    /// Grains as ranges within the size.
    pub fn ranges(&self, grains: impl Iterator<Item = u64>) -> Vec<Extent> {
        let range = |grain: u64| {
            let start = (grain * GRAIN).min(self.size);
            Extent::new(start, GRAIN.min(self.size - start))
        };
        normalised(grains.map(range).collect())
    }
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a range in memory")
}
