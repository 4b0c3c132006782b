//! The configuration: the one object that must be readable without a key.

use jiff::Timestamp;

use crate::chunker::{AVERAGE_BLOCKS, MAX_BLOCKS, MIN_BLOCKS};
use crate::codec::{Reader, Writer};
use crate::error::FormatError;
use crate::header::{self, Header, Kind};
use crate::seal::VaultKeys;

/// A repository's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The vault whose repository it is.
    pub vault: [u8; 16],
    /// When it was made.
    pub created_at: Timestamp,
}

/// The keyed hash in a configuration and what it covers, to be checked once the key is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProof {
    covered: Vec<u8>,
    mac: [u8; 32],
}

impl Config {
    /// The object's bytes.
    pub fn encode(&self, keys: &VaultKeys) -> Vec<u8> {
        let header = Header { kind: Kind::Config, epoch: 0, vault: self.vault, object: [0; 16] };
        let mut writer = Writer::new();
        writer.raw(&header.encode());
        writer.raw(&[MIN_BLOCKS as u8, AVERAGE_BLOCKS as u8, MAX_BLOCKS as u8, 0]);
        writer.time(self.created_at);
        let mut bytes = writer.into_bytes();
        let mac = keys.config_mac(&bytes);
        bytes.extend_from_slice(&mac);
        header::append_trailer(&mut bytes);
        bytes
    }

    /// Reads a configuration. Believe it after [`ConfigProof::check`] only.
    ///
    /// # Errors
    ///
    /// Damage, another version, or chunk sizes that this version does not write.
    pub fn decode(bytes: &[u8]) -> Result<(Self, ConfigProof), FormatError> {
        let (body, _) = header::checked(bytes)?;
        let (covered, mac) = body.split_last_chunk::<32>().ok_or(FormatError::Length)?;
        let mut reader = Reader::new(covered);
        let header = Header::decode(&mut reader, Kind::Config)?;
        if header.epoch != 0 || header.object != [0; 16] {
            return Err(FormatError::Invalid { what: "header" });
        }
        let sizes = reader.array::<4>()?;
        if sizes != [MIN_BLOCKS as u8, AVERAGE_BLOCKS as u8, MAX_BLOCKS as u8, 0] {
            return Err(FormatError::Invalid { what: "chunk sizes" });
        }
        let created_at = reader.time()?;
        reader.end()?;
        let proof = ConfigProof { covered: covered.to_vec(), mac: *mac };
        Ok((Self { vault: header.vault, created_at }, proof))
    }
}

impl ConfigProof {
    /// Checks that who wrote the configuration had the vault's key.
    ///
    /// # Errors
    ///
    /// Who wrote it had another key.
    pub fn check(&self, keys: &VaultKeys) -> Result<(), FormatError> {
        // Compared in constant time: blake3's own hash type does.
        let expected = blake3::Hash::from_bytes(keys.config_mac(&self.covered));
        if expected == blake3::Hash::from_bytes(self.mac) { Ok(()) } else { Err(FormatError::Seal) }
    }
}
