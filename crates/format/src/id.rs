//! Names of things in a repository, as bytes and as hexadecimal text.

use std::fmt;

use crate::codec::{Reader, Writer};
use crate::error::FormatError;

/// The keyed hash of a chunk's bytes: the same chunk has the same id everywhere in one vault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub [u8; 32]);

/// One writer's attempt to write a point, or one run of a collector. Random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 8]);

/// An object that a session wrote: the session's id, and eight random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnedId(pub [u8; 16]);

/// The id of a pack.
pub type PackId = OwnedId;
/// The id of an index.
pub type IndexId = OwnedId;
/// The id of a manifest.
pub type ManifestId = OwnedId;

impl OwnedId {
    /// The object of `session` with these random bytes.
    pub fn new(session: SessionId, random: [u8; 8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&session.0);
        bytes[8..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The session that wrote it.
    pub fn session(&self) -> SessionId {
        SessionId(*self.0.first_chunk().expect("an owned id has 16 bytes"))
    }

    /// The random half.
    pub fn random(&self) -> [u8; 8] {
        *self.0.last_chunk().expect("an owned id has 16 bytes")
    }
}

/// Takes one id.
pub(crate) fn owned(reader: &mut Reader<'_>) -> Result<OwnedId, FormatError> {
    reader.array().map(OwnedId)
}

/// Appends a list of ids.
pub(crate) fn write_owned(writer: &mut Writer, ids: &[OwnedId]) {
    writer.count(ids.len());
    for id in ids {
        writer.raw(&id.0);
    }
}

/// `bytes` as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// The `N` bytes that `text` writes in lower-case hexadecimal digits.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

macro_rules! hexadecimal {
    ($($id:ident),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($id), "({})"), self)
            }
        }
    )*};
}

hexadecimal!(ChunkId, SessionId, OwnedId);
