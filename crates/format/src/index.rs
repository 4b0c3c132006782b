//! Indexes: the tables of packs, gathered so that opening a repository reads few objects.

use crate::codec::{Reader, Writer};
use crate::error::FormatError;
use crate::header::{HEADER, Kind, OBJECT_MAX};
use crate::id::{IndexId, PackId, owned};
use crate::pack::{TAIL, Table};
use crate::seal::{self, ChunkKind, VaultKeys};

/// The most bytes of text in an index.
pub const INDEX_MAX: usize = 64 * 1024 * 1024;

/// What an index says of one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPack {
    /// The pack.
    pub id: PackId,
    /// What its chunks hold.
    pub kind: ChunkKind,
    /// Size of the object, in bytes.
    pub size: u64,
    /// Its table.
    pub table: Table,
}

impl IndexedPack {
    /// About how many bytes the pack takes in an index.
    pub fn weight(&self) -> usize {
        let chunks: usize = self.table.segments.iter().map(|segment| segment.chunks.len()).sum();
        29 + self.table.segments.len() * 13 + chunks * 36
    }
}

/// Encodes an index of `packs`.
pub fn encode(keys: &VaultKeys, id: IndexId, packs: &[IndexedPack]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.count(packs.len());
    for pack in packs {
        writer.raw(&pack.id.0);
        writer.u8(pack.kind.pack().code());
        writer.u64(pack.size);
        pack.table.encode(&mut writer);
    }
    seal::encode_object(keys, Kind::Index, id.0, 0, &writer.into_bytes())
}

/// Decodes the index `id`.
///
/// # Errors
///
/// Damage, another vault or version, or another index than the name says.
pub fn decode(
    keys: &VaultKeys,
    id: IndexId,
    bytes: &[u8],
) -> Result<Vec<IndexedPack>, FormatError> {
    let opened = seal::decode_object(keys, Kind::Index, 0, bytes, INDEX_MAX)?;
    if opened.object != id.0 {
        return Err(FormatError::Invalid { what: "name of the index" });
    }
    let mut reader = Reader::new(&opened.plain);
    let packs = reader.list(29, decode_pack)?;
    reader.end()?;
    Ok(packs)
}

fn decode_pack(reader: &mut Reader<'_>) -> Result<IndexedPack, FormatError> {
    let id = owned(reader)?;
    let kind = Kind::from_code(reader.u8()?).and_then(ChunkKind::of_pack);
    let kind = kind.ok_or(FormatError::Invalid { what: "kind of pack" })?;
    let size = reader.u64()?;
    let table = Table::decode(reader)?;
    let stored: u64 = table.segments.iter().map(|segment| u64::from(segment.stored)).sum();
    if size > OBJECT_MAX || stored + (HEADER + TAIL) as u64 > size {
        return Err(FormatError::Invalid { what: "size of a pack" });
    }
    Ok(IndexedPack { id, kind, size, table })
}
