//! A binary fuse filter: says of a set of keys that a key is not in it, or may be.
//!
//! One byte per place, about 1.17 places per key, three of them read per question; one in 256 keys
//! that are not in the set gets a wrong *may be*. After Graf and Lemire, *Binary Fuse Filters: Fast
//! and Smaller Than Xor Filters* (2022). Keys are parts of hashes, hashed again with a seed.

/// How many seeds are tried before the keys are taken to hold one twice.
const ATTEMPTS: u64 = 64;

/// How the places of a filter are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub seed: u64,
    /// Places of one segment: a power of two.
    pub segment: u32,
    /// All places, in bytes.
    pub length: u32,
}

impl Shape {
    fn new(keys: usize) -> Self {
        let count = keys as f64;
        let segment = if keys > 1 { count.ln() / 3.33_f64.ln() + 2.25 } else { 2.0 };
        let segment = 1_u32 << (segment.floor() as u32).clamp(2, 18);
        let factor = (0.875 + 0.25 * 1e6_f64.ln() / count.max(2.0).ln()).max(1.125);
        let capacity = if keys > 1 { (count * factor).round() as u32 } else { 0 };
        let starts = capacity.div_ceil(segment).saturating_sub(2).max(1);
        Self { seed: 0, segment, length: (starts + 2) * segment }
    }

    /// Whether [`Self::places`] stay inside of `length` bytes.
    pub fn is_sound(&self) -> bool {
        let whole = self.segment.is_power_of_two() && self.length.is_multiple_of(self.segment);
        whole && self.length / self.segment >= 3
    }

    fn hash(&self, key: u64) -> u64 {
        let mut hash = key.wrapping_add(self.seed);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }

    fn places(&self, hash: u64) -> [usize; 3] {
        let starts = u64::from(self.length - 2 * self.segment);
        let first = ((u128::from(hash) * u128::from(starts)) >> 64) as u32;
        let mask = self.segment - 1;
        let second = (first + self.segment) ^ ((hash >> 18) as u32 & mask);
        let third = (first + 2 * self.segment) ^ (hash as u32 & mask);
        [first as usize, second as usize, third as usize]
    }

    /// Whether the key may be in the set whose filter's bytes these are.
    pub fn may_hold(&self, bytes: &[u8], key: u64) -> bool {
        let hash = self.hash(key);
        let [first, second, third] = self.places(hash);
        print(hash) == bytes[first] ^ bytes[second] ^ bytes[third]
    }
}

const fn print(hash: u64) -> u8 {
    (hash ^ (hash >> 32)) as u8
}

/// Builds filters, one after another; it keeps its working memory.
#[derive(Default)]
pub(super) struct Builder {
    counts: Vec<u32>,
    hashes: Vec<u64>,
    alone: Vec<u32>,
    order: Vec<(u64, u32)>,
}

impl Builder {
    /// Appends the filter of `keys` to `out`. Keys that are there twice cost time, no more.
    pub fn build(&mut self, keys: &mut Vec<u64>, out: &mut Vec<u8>) -> Shape {
        let mut attempt = 0_u64;
        loop {
            let mut shape = Shape::new(keys.len());
            shape.seed = attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            if self.peel(&shape, keys) {
                self.assign(&shape, out);
                return shape;
            }
            attempt += 1;
            // Different ids with equal keys do not occur by chance; equal ids are left out before.
            if attempt.is_multiple_of(ATTEMPTS) {
                keys.sort_unstable();
                keys.dedup();
            }
        }
    }

    /// Finds an order in which every key has a place of its own; whether there is one.
    fn peel(&mut self, shape: &Shape, keys: &[u64]) -> bool {
        let length = shape.length as usize;
        self.counts.clear();
        self.counts.resize(length, 0);
        self.hashes.clear();
        self.hashes.resize(length, 0);
        self.order.clear();
        for key in keys {
            let hash = shape.hash(*key);
            for place in shape.places(hash) {
                self.counts[place] += 1;
                self.hashes[place] ^= hash;
            }
        }
        self.alone.clear();
        self.alone.extend((0..shape.length).filter(|place| self.counts[*place as usize] == 1));
        while let Some(place) = self.alone.pop() {
            if self.counts[place as usize] != 1 {
                continue;
            }
            let hash = self.hashes[place as usize];
            self.order.push((hash, place));
            for other in shape.places(hash) {
                self.counts[other] -= 1;
                self.hashes[other] ^= hash;
                if self.counts[other] == 1 {
                    self.alone.push(other as u32);
                }
            }
        }
        self.order.len() == keys.len()
    }

    fn assign(&self, shape: &Shape, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + shape.length as usize, 0);
        let bytes = &mut out[start..];
        for (hash, place) in self.order.iter().rev() {
            // Its own place is still zero.
            let others = shape.places(*hash).into_iter().fold(0, |sum, place| sum ^ bytes[place]);
            bytes[*place as usize] = print(*hash) ^ others;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u64, salt: u64) -> Vec<u64> {
        (0..count).map(|key| (key + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
    }

    #[test]
    fn every_key_may_be_there_and_few_others() {
        for count in [0, 1, 2, 3, 5, 10, 100, 1000, 70_000] {
            let (mut builder, mut bytes) = (Builder::default(), vec![1, 2, 3]);
            let shape = builder.build(&mut keys(count, 0), &mut bytes);
            let filter = &bytes[3..];
            assert!(shape.is_sound());
            assert_eq!(filter.len(), shape.length as usize);
            assert!(keys(count, 0).iter().all(|key| shape.may_hold(filter, *key)), "{count}");
            let others = keys(100_000, 1 << 40);
            let wrong = others.iter().filter(|key| shape.may_hold(filter, **key)).count();
            assert!(count < 10 || wrong < 700, "{wrong} of 100,000 at {count}");
            let per_key = filter.len() as f64 / count.max(1) as f64;
            assert!(count < 70_000 || per_key < 1.2, "{per_key} bytes a key");
        }
    }

    #[test]
    fn a_key_that_is_there_twice_still_gives_a_filter() {
        let (mut builder, mut bytes) = (Builder::default(), Vec::new());
        let mut twice = [keys(500, 0), keys(300, 0)].concat();
        let shape = builder.build(&mut twice, &mut bytes);
        assert!(keys(500, 0).iter().all(|key| shape.may_hold(&bytes, *key)));
    }
}
