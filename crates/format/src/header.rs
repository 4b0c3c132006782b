//! The frame of every object: 48 bytes of header in front, a clear hash behind.

use crate::codec::{Reader, Writer};
use crate::error::FormatError;

/// What every object starts with.
pub const MAGIC: [u8; 8] = *b"HOLDFAST";
/// The version of all object kinds so far.
pub const VERSION: u8 = 1;
/// Size of a header, in bytes.
pub const HEADER: usize = 48;
/// Size of the clear hash at the end, in bytes.
pub const TRAILER: usize = 32;
/// The largest object, in bytes. Readers refuse larger ones before they fetch them.
pub const OBJECT_MAX: u64 = 256 * 1024 * 1024;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The repository's configuration.
    Config,
    /// A key slot.
    KeySlot,
    /// A pack of disk data.
    DataPack,
    /// A pack of map pages.
    MapPack,
    /// An index.
    Index,
    /// A manifest of a recovery point.
    Manifest,
    /// A log entry.
    LogEntry,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Config,
        Self::KeySlot,
        Self::DataPack,
        Self::MapPack,
        Self::Index,
        Self::Manifest,
        Self::LogEntry,
    ];

    /// The byte that stands for the kind.
    pub const fn code(self) -> u8 {
        match self {
            Self::Config => 1,
            Self::KeySlot => 2,
            Self::DataPack => 3,
            Self::MapPack => 4,
            Self::Index => 5,
            Self::Manifest => 6,
            Self::LogEntry => 7,
        }
    }

    /// The kind with this byte.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The kind in words, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Config => "configuration",
            Self::KeySlot => "key slot",
            Self::DataPack => "data pack",
            Self::MapPack => "map pack",
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::LogEntry => "log entry",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The header of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the object is.
    pub kind: Kind,
    /// The generation of the keys that seal it; 0 where none does.
    pub epoch: u32,
    /// The vault it belongs to.
    pub vault: [u8; 16],
    /// Tells it from all others of its kind.
    pub object: [u8; 16],
}

impl Header {
    /// The bytes.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut writer = Writer::new();
        writer.raw(&MAGIC);
        writer.u8(self.kind.code());
        writer.u8(VERSION);
        writer.u16(0);
        writer.u32(self.epoch);
        writer.raw(&self.vault);
        writer.raw(&self.object);
        writer.into_bytes().try_into().expect("the fields make 48 bytes")
    }

    /// Takes the header of an object of `expected` kind.
    ///
    /// # Errors
    ///
    /// Too few bytes, or another magic, kind or version.
    pub fn decode(reader: &mut Reader<'_>, expected: Kind) -> Result<Self, FormatError> {
        if reader.array::<8>()? != MAGIC {
            return Err(FormatError::Magic);
        }
        let found = reader.u8()?;
        let version = reader.u8()?;
        if version != VERSION {
            return Err(FormatError::Version { version });
        }
        let kind = Kind::from_code(found)
            .filter(|kind| *kind == expected)
            .ok_or(FormatError::Kind { expected, found })?;
        if reader.u16()? != 0 {
            return Err(FormatError::Invalid { what: "header" });
        }
        Ok(Self { kind, epoch: reader.u32()?, vault: reader.array()?, object: reader.array()? })
    }
}

/// Appends the clear hash of all bytes so far.
pub fn append_trailer(object: &mut Vec<u8>) {
    let hash = blake3::hash(object);
    object.extend_from_slice(hash.as_bytes());
}

/// The bytes of an object before its clear hash, and the hash, once it is known to match.
///
/// The hash is checked first, so that a flipped bit is never told as an unknown version.
///
/// # Errors
///
/// Too few bytes, another magic or version, or the hash does not match.
pub fn checked(object: &[u8]) -> Result<(&[u8], [u8; TRAILER]), FormatError> {
    let (body, trailer) = object.split_last_chunk::<TRAILER>().ok_or(FormatError::Length)?;
    if *blake3::hash(body).as_bytes() != *trailer {
        return Err(FormatError::Hash);
    }
    if !body.starts_with(&MAGIC) {
        return Err(FormatError::Magic);
    }
    match body.get(9) {
        Some(&VERSION) => Ok((body, *trailer)),
        Some(&version) => Err(FormatError::Version { version }),
        None => Err(FormatError::Length),
    }
}
