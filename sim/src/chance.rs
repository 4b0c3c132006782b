//! Numbers from a seed: the only source of chance in a simulation.

use std::sync::{Mutex, PoisonError};

use model::seed::Seed;

/// Mixes a number, so that neighbours have nothing in common (SplitMix64).
pub const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Mixes a text into a number.
pub fn mixed_with(number: u64, text: &str) -> u64 {
    text.bytes()
        .fold(number, |number, byte| (number ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed. Others of the same seed are told apart by `what`.
    pub fn new(seed: u64, what: &str) -> Self {
        Self(mixed(mixed_with(mixed(seed), what)))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number below `end`, which is above 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// A place in a list of `length` entries, which is not empty.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// Whether what happens once in `times` happens now.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of them; none of an empty list.
    pub fn one_of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() { None } else { list.get(self.place(list.len())) }
    }
}

/// The randomness port over such a stream.
pub struct ChanceSeed(Mutex<Chance>);

impl ChanceSeed {
    /// Draws from this stream.
    pub fn new(chance: Chance) -> Self {
        Self(Mutex::new(chance))
    }
}

impl Seed for ChanceSeed {
    fn fill(&self, bytes: &mut [u8]) {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&chance.number().to_le_bytes()[..part.len()]);
        }
    }
}
