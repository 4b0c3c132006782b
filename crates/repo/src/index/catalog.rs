//! The catalogue: what the runs in a cache directory are made of.
//!
//! ```text
//!  DIR/catalogue     head · index objects · packs · runs · proof
//!  DIR/<32 hex>.run  a run
//!  DIR/lock          held (flock) by whoever saves
//! ```
//!
//! Runs have no name until they are saved; the catalogue is renamed into place. Whoever saves
//! removes runs that the new catalogue does not name: other processes keep what they have open.
//! Nothing is synced: what a power cut tears does not prove, and is built anew.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use format::codec::{Reader, Writer};
use format::id::hex;
use format::seal::ChunkKind;
use format::{FormatError, IndexId, Kind, OwnedId};
use rustix::fs::FlockOperation;

use super::run::{Run, RunPlace};
use super::scratch::{FileId, Scratch};
use super::{ChunkIndex, KnownPack, Standing, UNNAMED};

const CATALOGUE: &str = "catalogue";
const MAGIC: &[u8; 8] = b"HFINDEX1";
/// The most bytes of a catalogue: 32 million packs.
const CATALOGUE_MAX: u64 = 1 << 30;

/// What a catalogue says.
struct Catalogue {
    id: FileId,
    indexes: Vec<IndexId>,
    packs: Vec<KnownPack>,
    runs: Vec<RunPlace>,
}

impl Catalogue {
    fn encode(&self, scratch: &Scratch) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(MAGIC);
        writer.raw(&scratch.vault);
        writer.raw(&self.id);
        writer.count(self.indexes.len());
        self.indexes.iter().for_each(|index| writer.raw(&index.0));
        writer.count(self.packs.len());
        for pack in &self.packs {
            writer.raw(&pack.id.0);
            writer.u8(pack.kind.pack().code());
            writer.u64(pack.size);
            writer.u32(pack.index);
            writer.u8(u8::from(pack.gone));
        }
        writer.count(self.runs.len());
        for run in &self.runs {
            writer.raw(&run.id);
            writer.u32(run.pages);
            writer.u64(run.footer);
        }
        let mut bytes = writer.into_bytes();
        bytes.extend_from_slice(&scratch.key.proof(&bytes));
        bytes
    }

    fn decode(bytes: &[u8], scratch: &Scratch) -> Result<Self, FormatError> {
        let damaged = FormatError::Invalid { what: "catalogue of the index's cache" };
        let Some((text, proof)) = bytes.split_last_chunk::<16>() else { return Err(damaged) };
        if scratch.key.proof(text) != *proof {
            return Err(damaged);
        }
        let mut reader = Reader::new(text);
        if reader.array()? != *MAGIC || reader.array()? != scratch.vault {
            return Err(damaged);
        }
        let id = reader.array()?;
        let indexes = reader.list(16, |reader| reader.array().map(OwnedId))?;
        let packs = reader.list(30, |reader| {
            let id = OwnedId(reader.array()?);
            let kind = Kind::from_code(reader.u8()?).and_then(ChunkKind::of_pack);
            let kind = kind.ok_or(FormatError::Invalid { what: "kind of pack" })?;
            let (size, index) = (reader.u64()?, reader.u32()?);
            let gone = reader.flag()?;
            Ok(KnownPack { id, kind, size, standing: Standing::Live, index, gone })
        })?;
        let runs = reader.list(28, |reader| {
            Ok(RunPlace { id: reader.array()?, pages: reader.u32()?, footer: reader.u64()? })
        })?;
        reader.end()?;
        let named = |pack: &KnownPack| pack.gone || (pack.index as usize) < indexes.len();
        if packs.iter().all(named) { Ok(Self { id, indexes, packs, runs }) } else { Err(damaged) }
    }

    /// The catalogue in a directory; none where there is none.
    fn read(directory: &Path, scratch: &Scratch) -> io::Result<Option<Self>> {
        let file = match File::open(directory.join(CATALOGUE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, CATALOGUE_MAX), &mut bytes)?;
        Self::decode(&bytes, scratch).map(Some).map_err(io::Error::other)
    }
}

fn run_name(id: &FileId) -> String {
    format!("{}.run", hex(id))
}

impl ChunkIndex {
    /// The index as it was saved, or an empty one: a cache that cannot be used is as good as none.
    pub fn open(scratch: Arc<Scratch>) -> Self {
        let Some(directory) = scratch.directory() else { return Self::new(scratch) };
        match Self::read_saved(directory, &scratch) {
            Ok(Some(index)) => index,
            Ok(None) => Self::new(scratch),
            Err(error) => {
                let directory = directory.display();
                tracing::warn!(%directory, %error, "the index's cache is built anew");
                Self::new(scratch)
            }
        }
    }

    fn read_saved(directory: &Path, scratch: &Arc<Scratch>) -> io::Result<Option<Self>> {
        let Some(catalogue) = Catalogue::read(directory, scratch)? else { return Ok(None) };
        let mut index = Self::new(Arc::clone(scratch));
        for at in &catalogue.runs {
            let file = File::open(directory.join(run_name(&at.id)))?;
            index.runs.push(Run::open(&scratch.key, file, *at)?);
        }
        index.by_id.reserve(catalogue.packs.len());
        let packs = (0..).zip(&catalogue.packs).filter(|(_, pack)| !pack.gone);
        index.by_id.extend(packs.map(|(number, pack)| (pack.id, number)));
        index.loaded = catalogue.indexes.iter().copied().zip(0..).collect();
        index.packs = catalogue.packs;
        index.names = catalogue.indexes;
        index.base = Some(catalogue.id);
        Ok(Some(index))
    }

    /// Saves the index for whoever opens it next. Where that fails, it takes them longer.
    pub(super) fn save(&mut self) {
        let scratch = Arc::clone(&self.scratch);
        let Some(directory) = scratch.directory() else { return };
        match self.try_save(directory) {
            Ok(()) => self.unsaved = 0,
            Err(error) => {
                let directory = directory.display();
                tracing::warn!(%directory, %error, "the index's cache was not saved");
            }
        }
    }

    fn try_save(&mut self, directory: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600);
        let lock = lock.open(directory.join("lock"))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        // Another process may have saved more than this one has.
        if let Ok(Some(other)) = Catalogue::read(directory, &self.scratch)
            && self.base != Some(other.id)
            && other.indexes.len() >= self.loaded.len()
        {
            return Ok(());
        }
        let catalogue = self.catalogue();
        for run in &self.runs {
            let name = run_name(&run.at().id);
            if !directory.join(&name).exists() {
                self.scratch.link(run.file(), &name)?;
            }
        }
        let temporary = directory.join("catalogue.new");
        let _ = fs::remove_file(&temporary);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary)?;
        io::Write::write_all(&mut file, &catalogue.encode(&self.scratch))?;
        fs::rename(&temporary, directory.join(CATALOGUE))?;
        self.base = Some(catalogue.id);
        remove_others(directory, &catalogue.runs)
    }

    fn catalogue(&self) -> Catalogue {
        let mut numbers = vec![UNNAMED; self.names.len()];
        let mut indexes = Vec::with_capacity(self.loaded.len());
        for (number, (id, old)) in (0..).zip(&self.loaded) {
            indexes.push(*id);
            if let Some(place) = numbers.get_mut(*old as usize) {
                *place = number;
            }
        }
        let mut packs = self.packs.clone();
        for pack in &mut packs {
            pack.index = numbers.get(pack.index as usize).copied().unwrap_or(UNNAMED);
        }
        let runs = self.runs.iter().map(Run::at).collect();
        Catalogue { id: self.scratch.random(), indexes, packs, runs }
    }

    /// Removes a saved index that turned out to be damaged.
    pub fn discard(scratch: &Scratch) {
        if let Some(directory) = scratch.directory() {
            let _ = fs::remove_file(directory.join(CATALOGUE));
        }
    }
}

/// Removes runs that the catalogue does not name.
fn remove_others(directory: &Path, runs: &[RunPlace]) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".run")) else { continue };
        if !runs.iter().any(|run| run_name(&run.id) == name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
