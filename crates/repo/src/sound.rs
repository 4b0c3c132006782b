//! Whether a pack is what was written: hash, header, table, and every chunk id.

use format::header;
use format::index::IndexedPack;
use format::pack::{self, Segment, TAIL};
use format::seal::{ChunkKind, VaultKeys};
use format::{FormatError, PackId};

/// Checks everything of a pack but its segments: what its own table says of it.
///
/// # Errors
///
/// Damage, another pack, vault or version.
pub(crate) fn frame(
    keys: &VaultKeys,
    id: PackId,
    bytes: &[u8],
) -> Result<IndexedPack, FormatError> {
    header::checked(bytes)?;
    let (kind, found) = pack::decode_header(keys, bytes)?;
    if found != id {
        return Err(FormatError::Invalid { what: "name of the pack" });
    }
    let size = bytes.len() as u64;
    let tail = bytes.len().checked_sub(TAIL).ok_or(FormatError::Length)?;
    let place = pack::table_place(&bytes[tail..], size)?;
    let sealed = &bytes[place.start as usize..place.end as usize];
    let table = pack::open_table(keys, kind, id, sealed, size)?;
    Ok(IndexedPack { id, kind, size, table })
}

/// Whether `plain` is exactly what the chunks of the segment are.
pub(crate) fn holds(keys: &VaultKeys, kind: ChunkKind, plain: &[u8], segment: &Segment) -> bool {
    let mut rest = plain;
    let all = segment.chunks.iter().all(|(id, size)| {
        let chunk = rest.split_at_checked(*size as usize);
        chunk.is_some_and(|(chunk, behind)| {
            rest = behind;
            keys.chunk_id(kind, chunk) == *id
        })
    });
    all && rest.is_empty()
}
