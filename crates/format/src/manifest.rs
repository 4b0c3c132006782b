//! Manifests: what one recovery point holds.

use jiff::Timestamp;
use model::point::PointId;

use crate::codec::{Reader, Writer};
use crate::error::FormatError;
use crate::header::Kind;
use crate::id::{ChunkId, ManifestId};
use crate::map::DISK_MAX;
use crate::seal::{self, VaultKeys};

/// The most engine bytes in a manifest.
pub const ENGINE_MAX: usize = 4 * 1024 * 1024;
/// The most disks of a point.
pub const DISKS_MAX: usize = 256;
/// The most bytes of text in a manifest.
pub const MANIFEST_MAX: usize = 2 * ENGINE_MAX;

/// What it took to make a point, or one of its disks, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sizes of the disks.
    pub logical: u64,
    /// Read from the source.
    pub read: u64,
    /// Of the read ones, those that the vault did not hold yet.
    pub new: u64,
    /// Added to the store.
    pub stored: u64,
}

impl Counts {
    pub(crate) fn encode(&self, writer: &mut Writer) {
        for count in [self.logical, self.read, self.new, self.stored] {
            writer.u64(count);
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            logical: reader.u64()?,
            read: reader.u64()?,
            new: reader.u64()?,
            stored: reader.u64()?,
        })
    }
}

/// One disk of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its target in the domain, such as `vda`.
    pub target: String,
    /// Its serial number; may be empty.
    pub serial: String,
    /// Its exact size, in bytes.
    pub size: u64,
    /// The root of its map; none where the disk is all zero.
    pub root: Option<ChunkId>,
    /// How many chunks its map names.
    pub chunks: u64,
    /// Sum of the sizes of those chunks, in bytes.
    pub data: u64,
    /// Bytes read from the source to make this point.
    pub read: u64,
    /// Of them, those that the vault did not hold yet.
    pub new: u64,
}

/// A recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The point.
    pub point: PointId,
    /// What was backed up, in the words of whoever did.
    pub item: String,
    /// The point whose content it was told the changes against, if any. History, not a need.
    pub parent: Option<PointId>,
    /// The moment whose state the point holds.
    pub taken_at: Timestamp,
    /// When this manifest was written.
    pub written_at: Timestamp,
    /// What it took, without this manifest and its log entry.
    pub counts: Counts,
    /// The disks.
    pub disks: Vec<Disk>,
    /// Whatever the engine wants to find again.
    pub engine: Vec<u8>,
}

impl Manifest {
    /// The object's bytes.
    ///
    /// # Errors
    ///
    /// A text, the number of disks, or the engine bytes are over their limits.
    pub fn encode(&self, keys: &VaultKeys, id: ManifestId) -> Result<Vec<u8>, FormatError> {
        if self.engine.len() > ENGINE_MAX {
            return Err(FormatError::Invalid { what: "engine bytes: more than 4 MiB" });
        }
        if self.disks.len() > DISKS_MAX {
            return Err(FormatError::Invalid { what: "number of disks: more than 256" });
        }
        let mut writer = Writer::new();
        writer.u64(self.point.get());
        writer.text(&self.item)?;
        writer.option_u64(self.parent.map(PointId::get));
        writer.time(self.taken_at);
        writer.time(self.written_at);
        self.counts.encode(&mut writer);
        writer.count(self.disks.len());
        for disk in &self.disks {
            disk.encode(&mut writer)?;
        }
        writer.bytes(&self.engine);
        let plain = writer.into_bytes();
        Ok(seal::encode_object(keys, Kind::Manifest, id.0, self.point.get(), &plain))
    }

    /// Decodes the manifest `id` of `point`, and gives its clear hash too.
    ///
    /// # Errors
    ///
    /// Damage, another vault, version, name or point.
    pub fn decode(
        keys: &VaultKeys,
        id: ManifestId,
        point: PointId,
        bytes: &[u8],
    ) -> Result<(Self, [u8; 32]), FormatError> {
        let opened = seal::decode_object(keys, Kind::Manifest, point.get(), bytes, MANIFEST_MAX)?;
        if opened.object != id.0 {
            return Err(FormatError::Invalid { what: "name of the manifest" });
        }
        let mut reader = Reader::new(&opened.plain);
        let manifest = Self {
            point: read_point(&mut reader)?,
            item: reader.text()?,
            parent: read_parent(&mut reader)?,
            taken_at: reader.time()?,
            written_at: reader.time()?,
            counts: Counts::decode(&mut reader)?,
            disks: reader.list(45, Disk::decode)?,
            engine: reader.bytes(ENGINE_MAX)?.to_vec(),
        };
        reader.end()?;
        if manifest.point != point {
            return Err(FormatError::Invalid { what: "point of the manifest" });
        }
        if manifest.disks.len() > DISKS_MAX {
            return Err(FormatError::Invalid { what: "number of disks" });
        }
        Ok((manifest, opened.hash))
    }
}

impl Disk {
    fn encode(&self, writer: &mut Writer) -> Result<(), FormatError> {
        writer.text(&self.target)?;
        writer.text(&self.serial)?;
        writer.u64(self.size);
        writer.u8(u8::from(self.root.is_some()));
        if let Some(root) = self.root {
            writer.raw(&root.0);
        }
        for count in [self.chunks, self.data, self.read, self.new] {
            writer.u64(count);
        }
        Ok(())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let disk = Self {
            target: reader.text()?,
            serial: reader.text()?,
            size: reader.u64()?,
            root: if reader.flag()? { Some(ChunkId(reader.array()?)) } else { None },
            chunks: reader.u64()?,
            data: reader.u64()?,
            read: reader.u64()?,
            new: reader.u64()?,
        };
        if disk.size > DISK_MAX {
            return Err(FormatError::Invalid { what: "size of a disk" });
        }
        Ok(disk)
    }
}

pub(crate) fn read_point(reader: &mut Reader<'_>) -> Result<PointId, FormatError> {
    PointId::new(reader.u64()?).ok_or(FormatError::Invalid { what: "id of a point" })
}

pub(crate) fn read_parent(reader: &mut Reader<'_>) -> Result<Option<PointId>, FormatError> {
    let parent = reader.option_u64()?;
    let checked = parent
        .map(|number| PointId::new(number).ok_or(FormatError::Invalid { what: "id of a parent" }));
    checked.transpose()
}
