//! Keys and sealing.
//!
//! All keys of a vault derive from one master key (`docs/format.md` §3, *Keys*). A key object has
//! neither `Debug` nor serialisation, and wipes itself.
//!
//! # Invariants
//!
//! - No key seals two texts under one nonce: object ids are random, segment numbers count.
//! - A sealed text opens only in the object, at the place and as the segment it was sealed for.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::codec::{Reader, Writer};
use crate::compress::{Codec, Compressor, Decompressor};
use crate::error::FormatError;
use crate::header::{self, Header, Kind};
use crate::id::ChunkId;

/// Bytes that sealing adds to a text.
pub const TAG: usize = 16;
/// The generation of data keys in use.
pub const EPOCH: u32 = 1;

/// What a vault's keys derive from.
pub struct MasterKey(pub(crate) Zeroizing<[u8; 32]>);

impl MasterKey {
    /// The key of these random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }
}

/// What a chunk holds; decides with which key its id is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// Blocks of a disk.
    Data,
    /// A page of a map.
    Map,
}

impl ChunkKind {
    /// The kind of pack that holds such chunks.
    pub const fn pack(self) -> Kind {
        match self {
            Self::Data => Kind::DataPack,
            Self::Map => Kind::MapPack,
        }
    }

    /// The kind of chunks in such a pack.
    pub const fn of_pack(kind: Kind) -> Option<Self> {
        match kind {
            Kind::DataPack => Some(Self::Data),
            Kind::MapPack => Some(Self::Map),
            _ => None,
        }
    }
}

/// The keys of one vault.
pub struct VaultKeys {
    vault: [u8; 16],
    data_id: Zeroizing<[u8; 32]>,
    map_id: Zeroizing<[u8; 32]>,
    boundary: Zeroizing<[u8; 32]>,
    config: Zeroizing<[u8; 32]>,
    cache: Zeroizing<[u8; 32]>,
    epoch: Zeroizing<[u8; 32]>,
}

pub(crate) fn derive(context: &str, material: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in material {
        hasher.update(part);
    }
    Zeroizing::new(*hasher.finalize().as_bytes())
}

impl VaultKeys {
    /// Derives the keys.
    pub fn new(vault: [u8; 16], master: &MasterKey) -> Self {
        let master = master.0.as_slice();
        Self {
            vault,
            data_id: derive("holdfast 1 chunk id data", &[master]),
            map_id: derive("holdfast 1 chunk id map", &[master]),
            boundary: derive("holdfast 1 chunk boundary", &[master]),
            config: derive("holdfast 1 configuration", &[master]),
            cache: derive("holdfast 1 local cache", &[master]),
            epoch: derive("holdfast 1 epoch", &[master, &EPOCH.to_le_bytes()]),
        }
    }

    /// The vault.
    pub const fn vault(&self) -> [u8; 16] {
        self.vault
    }

    /// Checks that these keys are those of an object with this header.
    pub(crate) fn check(&self, header: &Header) -> Result<(), FormatError> {
        if header.vault != self.vault {
            return Err(FormatError::Vault);
        }
        if header.epoch != EPOCH {
            return Err(FormatError::Invalid { what: "epoch" });
        }
        Ok(())
    }

    /// The id of a chunk.
    pub fn chunk_id(&self, kind: ChunkKind, bytes: &[u8]) -> ChunkId {
        let key = match kind {
            ChunkKind::Data => &self.data_id,
            ChunkKind::Map => &self.map_id,
        };
        ChunkId(*blake3::keyed_hash(key, bytes).as_bytes())
    }

    /// The key of the chunker's block hash.
    pub fn boundary_key(&self) -> &[u8; 32] {
        &self.boundary
    }

    pub(crate) fn config_mac(&self, bytes: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.config, bytes).as_bytes()
    }

    /// The key that proves what this vault keeps outside of its store to be its own.
    pub fn cache_key(&self) -> CacheKey {
        CacheKey(self.cache.clone())
    }

    /// The key of one object. `place` is a log entry's number, a manifest's point, else 0.
    pub fn object(&self, kind: Kind, object: [u8; 16], place: u64) -> ObjectKey {
        let header = Header { kind, epoch: EPOCH, vault: self.vault, object };
        let key = derive("holdfast 1 object", &[self.epoch.as_slice(), &[kind.code()], &object]);
        ObjectKey::new(&key, header, place)
    }
}

/// Proves that bytes of a local cache are whole, and of this vault: `docs/format.md` §3, *Keys*.
#[derive(Clone)]
pub struct CacheKey(Zeroizing<[u8; 32]>);

impl CacheKey {
    /// What only the vault's key makes of `bytes`.
    pub fn proof(&self, bytes: &[u8]) -> [u8; 16] {
        let hash = blake3::keyed_hash(&self.0, bytes);
        *hash.as_bytes().first_chunk().expect("32 bytes are more than 16")
    }
}

/// Seals and opens the segments of one object.
pub struct ObjectKey {
    key: LessSafeKey,
    header: [u8; header::HEADER],
    place: u64,
}

impl ObjectKey {
    pub(crate) fn new(key: &[u8; 32], header: Header, place: u64) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM, key).expect("the key has 32 bytes");
        Self { key: LessSafeKey::new(unbound), header: header.encode(), place }
    }

    /// The object's header.
    pub const fn header(&self) -> &[u8; header::HEADER] {
        &self.header
    }

    fn nonce(segment: u32) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&segment.to_le_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn associated(&self, segment: u32, extra: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(&self.header);
        writer.u32(segment);
        writer.u64(self.place);
        writer.raw(extra);
        writer.into_bytes()
    }

    /// Appends `plain`, sealed, to `out`.
    pub fn seal(&self, segment: u32, extra: &[u8], plain: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(plain);
        self.seal_end(segment, extra, start, out);
    }

    /// Seals what `out` holds from `start` on, where it is.
    pub fn seal_end(&self, segment: u32, extra: &[u8], start: usize, out: &mut Vec<u8>) {
        let associated = Aad::from(self.associated(segment, extra));
        let tag = self
            .key
            .seal_in_place_separate_tag(Self::nonce(segment), associated, &mut out[start..])
            .expect("texts are far shorter than the cipher's limit");
        out.extend_from_slice(tag.as_ref());
    }

    /// Opens `sealed` in place and returns the text.
    ///
    /// # Errors
    ///
    /// It was not sealed with this key for this place: damage, a swap, or the wrong key.
    pub fn open<'a>(
        &self,
        segment: u32,
        extra: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a [u8], FormatError> {
        let associated = Aad::from(self.associated(segment, extra));
        self.key
            .open_in_place(Self::nonce(segment), associated, sealed)
            .map(|text| &*text)
            .map_err(|_| FormatError::Seal)
    }

    /// Opens `sealed` and replaces `text` by its text.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`]; `text` is then of no use.
    pub fn open_to(
        &self,
        segment: u32,
        extra: &[u8],
        sealed: &[u8],
        text: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let (sealed, tag) = sealed.split_last_chunk::<TAG>().ok_or(FormatError::Seal)?;
        text.resize(sealed.len(), 0);
        let associated = Aad::from(self.associated(segment, extra));
        self.key
            .open_separate_gather(Self::nonce(segment), associated, sealed, tag, text)
            .map_err(|_| FormatError::Seal)
    }
}

/// Encodes an object that is one sealed text: index, manifest, log entry.
pub fn encode_object(
    keys: &VaultKeys,
    kind: Kind,
    object: [u8; 16],
    place: u64,
    plain: &[u8],
) -> Vec<u8> {
    let key = keys.object(kind, object, place);
    let mut compressor = Compressor::new();
    let mut text = Vec::new();
    let codec = compressor.compress(plain, &mut text);
    let mut field = Writer::new();
    field.count(plain.len());
    field.u8(codec.code());
    field.raw(&[0; 3]);
    let field = field.into_bytes();

    let mut out = key.header().to_vec();
    out.extend_from_slice(&field);
    key.seal(0, &field, &text, &mut out);
    header::append_trailer(&mut out);
    out
}

/// A decoded object: its id, its text, and its clear hash.
pub struct Opened {
    /// The object id of its header.
    pub object: [u8; 16],
    /// The text.
    pub plain: Vec<u8>,
    /// The clear hash at its end.
    pub hash: [u8; header::TRAILER],
}

/// Decodes an object that [`encode_object`] made, of at most `max` bytes of text.
///
/// # Errors
///
/// Damage, another kind, vault, place or version, or a longer text.
pub fn decode_object(
    keys: &VaultKeys,
    kind: Kind,
    place: u64,
    bytes: &[u8],
    max: usize,
) -> Result<Opened, FormatError> {
    let (body, hash) = header::checked(bytes)?;
    let mut reader = Reader::new(body);
    let header = Header::decode(&mut reader, kind)?;
    keys.check(&header)?;
    let field = reader.array::<8>()?;
    let mut parts = Reader::new(&field);
    let size = parts.u32()? as usize;
    let codec = Codec::from_code(parts.u8()?)?;
    if parts.array::<3>()? != [0; 3] {
        return Err(FormatError::Invalid { what: "reserved bytes" });
    }
    if size > max {
        return Err(FormatError::Length);
    }
    let mut sealed = reader.rest().to_vec();
    let text = keys.object(kind, header.object, place).open(0, &field, &mut sealed)?;
    let mut plain = Vec::new();
    Decompressor::new().decompress(codec, text, size, &mut plain)?;
    Ok(Opened { object: header.object, plain, hash })
}
