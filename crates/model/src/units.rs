//! Bytes, blocks and ranges of a disk.

/// One KiB, in bytes.
pub const KIB: u64 = 1024;
/// One MiB, in bytes.
pub const MIB: u64 = 1024 * KIB;
/// One GiB, in bytes.
pub const GIB: u64 = 1024 * MIB;

/// The grid of all disk work, in bytes: the block of the common file systems, and a multiple of
/// every sector size that QEMU offers a guest.
pub const BLOCK: u64 = 4 * KIB;

/// A range of a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// Offset of the first byte.
    pub start: u64,
    /// Number of bytes.
    pub length: u64,
}

impl Extent {
    /// The range of `length` bytes from `start`.
    pub const fn new(start: u64, length: u64) -> Self {
        Self { start, length }
    }

    /// Offset of the first byte behind the range; `u64::MAX` where that would overflow.
    pub const fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// Whether the range holds no byte.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes that both ranges hold, if any.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end().min(other.end());
        (start < end).then(|| Self::new(start, end - start))
    }
}

/// Sorts `extents`, drops empty ones, and joins those that touch or overlap.
pub fn normalised(mut extents: Vec<Extent>) -> Vec<Extent> {
    extents.retain(|extent| !extent.is_empty());
    extents.sort_unstable();
    let mut joined: Vec<Extent> = Vec::with_capacity(extents.len());
    for extent in extents {
        match joined.last_mut() {
            Some(last) if extent.start <= last.end() => {
                last.length = last.end().max(extent.end()) - last.start;
            }
            _ => joined.push(extent),
        }
    }
    joined
}

/// The number of bytes in `extents`, which must not overlap.
pub fn total(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| extent.length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_and_overlapping_extents_become_one() {
        let messy = vec![
            Extent::new(100, 10),
            Extent::new(0, 50),
            Extent::new(40, 20),
            Extent::new(60, 5),
            Extent::new(7, 0),
        ];
        assert_eq!(normalised(messy), [Extent::new(0, 65), Extent::new(100, 10)]);
    }

    #[test]
    fn an_intersection_holds_only_what_both_hold() {
        let disk = Extent::new(0, 100);
        assert_eq!(disk.intersection(&Extent::new(90, 50)), Some(Extent::new(90, 10)));
        assert_eq!(disk.intersection(&Extent::new(100, 1)), None);
    }
}
