//! What may take the place of a damaged object: bytes that the key proves to be that object.

use format::config::Config;
use format::index::IndexedPack;
use format::pack::Opener;
use format::seal::VaultKeys;
use format::{FormatError, IndexId, Kind, PackId, index as encoding, manifest::Manifest, names};

use super::Mender;
use crate::error::RepoError;
use crate::repository::Repository;
use crate::sound;
use crate::verify::DamagedObject;

impl Mender {
    /// Mends one object that verification found, if the copy has it. Configuration, key slots and
    /// log were mended before.
    pub(super) fn mend(
        &mut self,
        repository: &Repository,
        object: &DamagedObject,
    ) -> Result<(), RepoError> {
        let name = object.name.as_str();
        let owned = |prefix| names::parse_owned(prefix, name);
        if let Some(id) = owned(names::INDEXES) {
            self.bring(Kind::Index, name, &|mender, bytes| is_index(&mender.keys, id, bytes))?;
        } else if let Some(id) = owned(names::PACKS) {
            let known = repository.shared.index(|index| index.known(&id).map(|pack| pack.size));
            let good = |mender: &Self, bytes: &[u8]| {
                known == Some(bytes.len() as u64) && sound_pack(&mender.keys, id, bytes).is_ok()
            };
            self.bring(object.kind, name, &good)?;
        } else if let Some(id) = owned(names::MANIFESTS) {
            let point = repository.shared.state(|state| {
                let mut points = state.points.values().map(|(point, _)| point);
                points.find(|point| point.manifest == id).cloned()
            });
            // Without a point it is an object of a session that the log does not know.
            let Some(point) = point else { return Ok(()) };
            let good = |mender: &Self, bytes: &[u8]| {
                let read = Manifest::decode(&mender.keys, id, point.id, bytes);
                read.is_ok_and(|(_, hash)| hash == point.manifest_hash)
            };
            self.bring(Kind::Manifest, name, &good)?;
        }
        Ok(())
    }

    pub(super) fn is_config(&self, bytes: &[u8]) -> bool {
        let read = Config::decode(bytes);
        read.is_ok_and(|(config, proof)| {
            config.vault == self.keys.vault() && proof.check(&self.keys).is_ok()
        })
    }
}

pub(super) fn is_index(keys: &VaultKeys, id: IndexId, bytes: &[u8]) -> bool {
    encoding::decode(keys, id, bytes).is_ok()
}

/// The pack, if every byte of it is as it was written: hash, header, table, segments, chunk ids.
pub(super) fn sound_pack(
    keys: &VaultKeys,
    id: PackId,
    bytes: &[u8],
) -> Result<IndexedPack, FormatError> {
    let pack = sound::frame(keys, id, bytes)?;
    let key = keys.object(pack.kind.pack(), id.0, 0);
    let mut opener = Opener::default();
    for (number, (place, segment)) in (0..).zip(pack.table.places()) {
        let sealed = &bytes[place.start as usize..place.end as usize];
        let plain = opener.open(&key, number, segment.codec, sealed, segment.plain as usize)?;
        if !sound::holds(keys, pack.kind, plain, segment) {
            return Err(FormatError::Invalid { what: "chunk" });
        }
    }
    Ok(pack)
}
