//! From a passphrase to a key: Argon2id, with bounds, because what stands in a slot is hostile.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::Kek;
use crate::codec::{Reader, Writer};
use crate::error::FormatError;

/// What new slots get: on a processor of today, most of a second and 256 MiB for each guess.
pub(super) const STRETCH: Stretch =
    Stretch { memory_kib: 256 * 1024, passes: 3, lanes: 4, salt: [0; 16] };

/// The most memory, in KiB, that somebody else's slot makes a reader take.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;
const MEMORY_KIB_A_LANE_MIN: u32 = 8;

/// How much work and memory a passphrase takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// How often it is gone over.
    pub passes: u32,
    /// Lanes, which could be filled side by side.
    pub lanes: u32,
    /// Random bytes, so that equal passphrases give other keys.
    pub salt: [u8; 16],
}

impl Stretch {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u32(self.memory_kib);
        writer.u32(self.passes);
        writer.u32(self.lanes);
        writer.raw(&self.salt);
        writer.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let (memory_kib, passes, lanes) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let stretch = Self { memory_kib, passes, lanes, salt: reader.array()? };
        reader.end()?;
        stretch.check()?;
        Ok(stretch)
    }

    fn check(&self) -> Result<(), FormatError> {
        let good = (1..=PASSES_MAX).contains(&self.passes)
            && (1..=LANES_MAX).contains(&self.lanes)
            && (self.lanes * MEMORY_KIB_A_LANE_MIN..=MEMORY_KIB_MAX).contains(&self.memory_kib);
        if good { Ok(()) } else { Err(FormatError::Invalid { what: "cost of a passphrase" }) }
    }

    /// The passphrase's key.
    pub(super) fn apply(&self, passphrase: &str) -> Result<Kek, FormatError> {
        self.check()?;
        let invalid = |_| FormatError::Invalid { what: "cost of a passphrase" };
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32));
        let params = params.map_err(invalid)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut key = Zeroizing::new([0; 32]);
        argon
            .hash_password_into(passphrase.as_bytes(), &self.salt, key.as_mut_slice())
            .map_err(invalid)?;
        Ok(Kek(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(memory_kib: u32, passes: u32, lanes: u32) -> Result<Stretch, FormatError> {
        Stretch::decode(&Stretch { memory_kib, passes, lanes, salt: [7; 16] }.encode())
    }

    #[test]
    fn costs_without_bounds_are_refused_before_they_are_paid() {
        for (memory, passes, lanes) in [(8, 1, 1), (256 * 1024, 3, 4), (1024 * 1024, 16, 16)] {
            assert!(with(memory, passes, lanes).is_ok(), "{memory} {passes} {lanes}");
        }
        for (memory, passes, lanes) in [
            (0, 1, 1),
            (7, 1, 1),
            (127, 1, 16),
            (1024 * 1024 + 1, 1, 1),
            (u32::MAX, 1, 1),
            (64, 0, 1),
            (64, 17, 1),
            (64, u32::MAX, 1),
            (64, 1, 0),
            (1024, 1, 17),
            (64, 1, u32::MAX),
        ] {
            assert!(with(memory, passes, lanes).is_err(), "{memory} {passes} {lanes}");
        }
        let good = with(64, 1, 1).expect("good").encode();
        assert!(Stretch::decode(&good[..27]).is_err());
        assert!(Stretch::decode(&[good.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn everything_changes_the_key() {
        let key = |passphrase: &str, memory_kib, passes, lanes, salt| {
            let stretch = Stretch { memory_kib, passes, lanes, salt: [salt; 16] };
            *stretch.apply(passphrase).map_err(|error| error.to_string()).expect("in bounds").0
        };
        let keys = [
            key("correct horse", 64, 1, 1, 1),
            key("correct horse ", 64, 1, 1, 1),
            key("correct horse", 65, 1, 1, 1),
            key("correct horse", 64, 2, 1, 1),
            key("correct horse", 64, 1, 2, 1),
            key("correct horse", 64, 1, 1, 2),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(key("correct horse", 64, 1, 1, 1), keys[0]);
    }
}
