//! Packs: many sealed segments and a sealed table of them in one object.

use std::ops::Range;

use crate::codec::{Reader, Writer};
use crate::compress::{Codec, Compressor, Decompressor};
use crate::error::FormatError;
use crate::header::{self, HEADER, Header, Kind, TRAILER};
use crate::id::{ChunkId, PackId};
use crate::seal::{ChunkKind, ObjectKey, TAG, VaultKeys};

/// The most plain bytes in one segment.
pub const SEGMENT_MAX: usize = 256 * 1024;
/// The most plain bytes in one pack.
pub const PACK_MAX: usize = 16 * 1024 * 1024;
/// Size of what follows the table: two sizes and the clear hash, in bytes.
pub const TAIL: usize = 8 + TRAILER;

const TABLE: u32 = u32::MAX;
const TABLE_MAX: usize = 16 * 1024 * 1024;

/// One segment of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Size in the pack, tag included, in bytes.
    pub stored: u32,
    /// Size of the plain text, in bytes.
    pub plain: u32,
    /// How the text is compressed.
    pub codec: Codec,
    /// The chunks in it, one behind the other, and their sizes in bytes.
    pub chunks: Vec<(ChunkId, u32)>,
}

/// The segments of a pack, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The segments.
    pub segments: Vec<Segment>,
}

impl Table {
    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.count(self.segments.len());
        for segment in &self.segments {
            writer.u32(segment.stored);
            writer.u32(segment.plain);
            writer.u8(segment.codec.code());
            writer.count(segment.chunks.len());
            for (id, size) in &segment.chunks {
                writer.raw(&id.0);
                writer.u32(*size);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let segments = reader.list(13, Self::decode_segment)?;
        Ok(Self { segments })
    }

    fn decode_segment(reader: &mut Reader<'_>) -> Result<Segment, FormatError> {
        let (stored, plain) = (reader.u32()?, reader.u32()?);
        let codec = Codec::from_code(reader.u8()?)?;
        let chunks = reader.list(36, |reader| {
            let id = ChunkId(reader.array()?);
            let size = reader.u32()?;
            if size == 0 {
                return Err(FormatError::Invalid { what: "size of a chunk" });
            }
            Ok((id, size))
        })?;
        let sum: u64 = chunks.iter().map(|(_, size)| u64::from(*size)).sum();
        let fits = sum == u64::from(plain) && plain as usize <= SEGMENT_MAX;
        // Neither sealing nor a codec that gave up makes a text grow by more than the tag.
        if !fits || stored as usize > plain as usize + TAG || (stored as usize) < TAG {
            return Err(FormatError::Invalid { what: "size of a segment" });
        }
        Ok(Segment { stored, plain, codec, chunks })
    }

    /// Where each segment lies in the pack, in bytes.
    pub fn places(&self) -> impl Iterator<Item = (Range<u64>, &Segment)> {
        let mut offset = HEADER as u64;
        self.segments.iter().map(move |segment| {
            let place = offset..offset + u64::from(segment.stored);
            offset = place.end;
            (place, segment)
        })
    }
}

/// Builds a pack.
pub struct PackBuilder {
    key: ObjectKey,
    bytes: Vec<u8>,
    table: Table,
}

impl PackBuilder {
    /// An empty pack; `buffer` gives its memory.
    pub fn new(keys: &VaultKeys, kind: ChunkKind, id: PackId, mut buffer: Vec<u8>) -> Self {
        let key = keys.object(kind.pack(), id.0, 0);
        buffer.clear();
        buffer.extend_from_slice(key.header());
        Self { key, bytes: buffer, table: Table::default() }
    }

    /// Compresses, seals and appends `plain`, which holds `chunks`.
    pub fn push(&mut self, plain: &[u8], chunks: &[(ChunkId, u32)], compressor: &mut Compressor) {
        debug_assert!(plain.len() <= SEGMENT_MAX);
        let number = self.table.segments.len() as u32;
        let start = self.bytes.len();
        let codec = compressor.compress(plain, &mut self.bytes);
        self.key.seal_end(number, &[], start, &mut self.bytes);
        self.table.segments.push(Segment {
            stored: (self.bytes.len() - start) as u32,
            plain: plain.len() as u32,
            codec,
            chunks: chunks.to_vec(),
        });
    }

    /// Seals and appends a text that is compressed already: the content of a segment of another
    /// pack. It cannot be taken over sealed, because the key is the pack's.
    pub fn push_text(&mut self, text: &[u8], codec: Codec, plain: u32, chunks: &[(ChunkId, u32)]) {
        let number = self.table.segments.len() as u32;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        self.key.seal_end(number, &[], start, &mut self.bytes);
        let stored = (self.bytes.len() - start) as u32;
        self.table.segments.push(Segment { stored, plain, codec, chunks: chunks.to_vec() });
    }

    /// Opens and decompresses the last segment again, if it does open.
    pub fn open_last<'a>(&self, opener: &'a mut Opener) -> Option<&'a [u8]> {
        let segment = self.table.segments.last()?;
        let number = self.table.segments.len() as u32 - 1;
        let sealed = &self.bytes[self.bytes.len() - segment.stored as usize..];
        opener.open(&self.key, number, segment.codec, sealed, segment.plain as usize).ok()
    }

    /// Opens and decompresses the last segment again, and says whether it is `plain`.
    pub fn last_is(&self, plain: &[u8], opener: &mut Opener) -> bool {
        self.open_last(opener) == Some(plain)
    }

    /// Whether no segment was pushed.
    pub fn is_empty(&self) -> bool {
        self.table.segments.is_empty()
    }

    /// Appends the table; gives the object's bytes and the table.
    pub fn finish(mut self) -> (Vec<u8>, Table) {
        let mut writer = Writer::new();
        self.table.encode(&mut writer);
        let table = writer.into_bytes();
        self.key.seal(TABLE, &[], &table, &mut self.bytes);
        let sealed = (table.len() + TAG) as u32;
        self.bytes.extend_from_slice(&sealed.to_le_bytes());
        self.bytes.extend_from_slice(&(table.len() as u32).to_le_bytes());
        header::append_trailer(&mut self.bytes);
        (self.bytes, self.table)
    }
}

/// Opens segments, one after another; it keeps its working memory.
#[derive(Default)]
pub struct Opener {
    decompressor: Decompressor,
    text: Vec<u8>,
    plain: Vec<u8>,
}

impl Opener {
    /// Opens and decompresses segment `number`; the text is good until the next call.
    ///
    /// The chunk ids are the caller's to check.
    ///
    /// # Errors
    ///
    /// The seal does not open, or the text has another size than `plain` bytes.
    pub fn open(
        &mut self,
        key: &ObjectKey,
        number: u32,
        codec: Codec,
        sealed: &[u8],
        plain: usize,
    ) -> Result<&[u8], FormatError> {
        match codec {
            // Nothing to decompress: the text is opened to where it is read.
            Codec::Plain => key.open_to(number, &[], sealed, &mut self.plain)?,
            Codec::Zstd => {
                key.open_to(number, &[], sealed, &mut self.text)?;
                self.decompressor.decompress(codec, &self.text, plain, &mut self.plain)?;
            }
        }
        if self.plain.len() == plain { Ok(&self.plain) } else { Err(FormatError::Compression) }
    }

    /// The text that was opened last, as `codec` has it compressed.
    pub fn text(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Plain => &self.plain,
            Codec::Zstd => &self.text,
        }
    }
}

/// Where the sealed table of a pack of `size` bytes lies, from the last [`TAIL`] bytes of the pack.
///
/// # Errors
///
/// The sizes cannot be.
pub fn table_place(tail: &[u8], size: u64) -> Result<Range<u64>, FormatError> {
    let mut reader = Reader::new(tail);
    let (sealed, plain) = (reader.u32()? as usize, reader.u32()? as usize);
    if plain > TABLE_MAX || sealed != plain + TAG {
        return Err(FormatError::Invalid { what: "size of a table" });
    }
    let end = size.checked_sub(TAIL as u64).ok_or(FormatError::Length)?;
    let start = end.checked_sub(sealed as u64).filter(|start| *start >= HEADER as u64);
    Ok(start.ok_or(FormatError::Length)?..end)
}

/// Opens the sealed table of a pack of `size` bytes.
///
/// # Errors
///
/// Damage, or segments that do not fill the pack.
pub fn open_table(
    keys: &VaultKeys,
    kind: ChunkKind,
    id: PackId,
    sealed: &[u8],
    size: u64,
) -> Result<Table, FormatError> {
    let mut sealed = sealed.to_vec();
    let length = sealed.len();
    let key = keys.object(kind.pack(), id.0, 0);
    let text = key.open(TABLE, &[], &mut sealed)?;
    let mut reader = Reader::new(text);
    let table = Table::decode(&mut reader)?;
    reader.end()?;
    let stored: u64 = table.segments.iter().map(|segment| u64::from(segment.stored)).sum();
    if stored + (HEADER + length + TAIL) as u64 != size {
        return Err(FormatError::Length);
    }
    Ok(table)
}

/// The kind and id in the first [`HEADER`] bytes of a pack.
///
/// # Errors
///
/// Not a pack of this vault and version.
pub fn decode_header(keys: &VaultKeys, head: &[u8]) -> Result<(ChunkKind, PackId), FormatError> {
    let expected =
        if head.get(8) == Some(&Kind::MapPack.code()) { Kind::MapPack } else { Kind::DataPack };
    let header = Header::decode(&mut Reader::new(head), expected)?;
    keys.check(&header)?;
    let kind = ChunkKind::of_pack(header.kind).expect("one of the two kinds of packs");
    Ok((kind, crate::id::OwnedId(header.object)))
}
