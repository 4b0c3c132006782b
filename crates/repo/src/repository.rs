//! A repository: made, opened, and kept in step with its log.
//!
//! Two locks, always taken in this order: the log view (held while the log is read or written, so
//! one process never races itself), then the index (held for look-ups and insertions only).

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use format::config::Config;
use format::index::IndexedPack;
use format::keyslot::{self, Kek, Key, Stretch, stretch};
use format::log::Event;
use format::pack::{self, TAIL};
use format::seal::{ChunkKind, MasterKey, VaultKeys};
use format::{ChunkId, FormatError, IndexId, Kind, PackId, index as encoding, names};
use jiff::Timestamp;
use model::clock::Clock;
use model::seed::Seed;
use uuid::Uuid;

use crate::error::RepoError;
use crate::index::{ChunkIndex, KnownPack, LocatedSegment, Scratch, Standing};
use crate::keys::{configuration, unlock};
use crate::log::{LogAccess, LogView};
use crate::objects::{ObjectStore, StoreError};
use crate::state::State;

/// What a repository needs from around it.
#[derive(Clone)]
pub struct Environment {
    /// Draws ids and keys.
    pub seed: Arc<dyn Seed>,
    /// Tells the time of log entries, and whether a grace is over.
    pub clock: Arc<dyn Clock>,
    /// Who opens sessions, for people: a host, a process, a job. At most 1024 bytes.
    pub actor: String,
    /// Where indexes are kept between runs, each vault's in a directory named by its id, which is
    /// made (mode 0700) when it is first needed. They are caches: they may be deleted at any time.
    /// They hold ids of chunks and packs, which say nothing without the vault's key. Without such
    /// a place, files without a name serve for as long as the process lives.
    pub caches: Option<PathBuf>,
}

/// A repository. A cheap handle: clones share everything.
#[derive(Clone)]
pub struct Repository {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({})", self.vault())
    }
}

/// What all handles and threads of a repository share.
pub(crate) struct Shared {
    pub store: Arc<dyn ObjectStore>,
    pub keys: VaultKeys,
    pub environment: Environment,
    /// Where indexes make their files.
    pub scratch: Arc<Scratch>,
    log: Mutex<LogView>,
    index: RwLock<IndexView>,
}

struct IndexView {
    chunks: ChunkIndex,
    /// How often the index was built anew because its cache failed.
    generation: u64,
    /// Whether nothing new may rely on what is stored: see format.md §6 rule 8.
    distrusted: bool,
    /// How often packs were found damaged, as far as look-ups know.
    suspicions: u64,
    /// Whether indexes were taken in that only an unreadable log entry may name.
    salvaged: bool,
    /// The number of the log entry behind those that it is in step with; 0 at first.
    in_step_with: u64,
}

impl IndexView {
    const fn new(chunks: ChunkIndex) -> Self {
        Self {
            chunks,
            generation: 0,
            distrusted: false,
            suspicions: 0,
            salvaged: false,
            in_step_with: 0,
        }
    }
}

impl Repository {
    /// Makes the repository of `vault` in an empty store, with a new master key that the key file's
    /// `kek` opens.
    ///
    /// # Errors
    ///
    /// As for [`Self::init_with`].
    pub fn init(
        store: Arc<dyn ObjectStore>,
        vault: Uuid,
        kek: &Kek,
        environment: Environment,
    ) -> Result<Self, RepoError> {
        Self::init_with(store, vault, &[Key::File(kek.clone())], &stretch([0; 16]), environment)
    }

    /// Makes the repository of `vault` in an empty store, with a new master key that each of `keys`
    /// opens. `cost` says how a passphrase is stretched; its salt is replaced by a random one.
    ///
    /// The key slots are written before the configuration, and a repository is there when its
    /// configuration is: whatever interrupts this, it can be done again. A slot left behind by an
    /// interrupted attempt stays; it opens a key that nothing is sealed with.
    ///
    /// # Errors
    ///
    /// [`RepoError::AlreadyARepository`], there is no key, the cost is out of bounds, or the store
    /// failed.
    pub fn init_with(
        store: Arc<dyn ObjectStore>,
        vault: Uuid,
        keys: &[Key],
        cost: &Stretch,
        environment: Environment,
    ) -> Result<Self, RepoError> {
        if keys.is_empty() {
            return Err(RepoError::Input { what: "a repository needs a key".to_owned() });
        }
        match store.size(names::CONFIG) {
            Err(StoreError::NotFound { .. }) => {}
            Ok(_) => return Err(RepoError::AlreadyARepository),
            Err(error) => return Err(error.into()),
        }
        // One that lost its configuration is a repository still: a new one would take its place.
        if !store.list(names::LOG)?.is_empty() {
            return Err(RepoError::AlreadyARepository);
        }
        let mut master = [0; 32];
        environment.seed.fill(&mut master);
        let master = MasterKey::new(master);
        for key in keys {
            let (mut slot, mut salt) = ([0; 16], [0; 16]);
            environment.seed.fill(&mut slot);
            environment.seed.fill(&mut salt);
            let cost = Stretch { salt, ..*cost };
            let bytes = keyslot::encode_for(*vault.as_bytes(), slot, key, &cost, &master)
                .map_err(|error| RepoError::input(&error))?;
            store.put(&names::key_slot(&slot), &bytes)?;
        }
        let keys = VaultKeys::new(*vault.as_bytes(), &master);
        let config = Config { vault: *vault.as_bytes(), created_at: environment.clock.now() };
        match store.put(names::CONFIG, &config.encode(&keys)) {
            Err(StoreError::AlreadyExists { .. }) => return Err(RepoError::AlreadyARepository),
            put => put?,
        }
        Self::with_keys(store, keys, environment)
    }

    /// Opens the repository in `store` with the key of a key file.
    ///
    /// # Errors
    ///
    /// [`RepoError::NotARepository`], [`RepoError::WrongKey`], [`RepoError::UnknownKeySlot`],
    /// damage of the configuration or of every key slot, an unknown version, or the store failed.
    /// Damage of anything else does not keep a repository from being opened.
    pub fn open(
        store: Arc<dyn ObjectStore>,
        kek: &Kek,
        environment: Environment,
    ) -> Result<Self, RepoError> {
        Self::open_with(store, &Key::File(kek.clone()), environment)
    }

    /// Opens the repository in `store` with a key of any kind.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub fn open_with(
        store: Arc<dyn ObjectStore>,
        key: &Key,
        environment: Environment,
    ) -> Result<Self, RepoError> {
        let (config, proof) = configuration(store.as_ref())?;
        let opened = unlock(store.as_ref(), config.vault, &proof, key)?;
        let keys = VaultKeys::new(config.vault, &opened.master);
        Self::with_keys(store, keys, environment)
    }

    pub(crate) fn with_keys(
        store: Arc<dyn ObjectStore>,
        keys: VaultKeys,
        environment: Environment,
    ) -> Result<Self, RepoError> {
        let access = LogAccess { store: store.as_ref(), keys: &keys, environment: &environment };
        let view = access.open()?;
        let seed = Arc::clone(&environment.seed);
        let vault = Uuid::from_bytes(keys.vault()).to_string();
        let cache = environment.caches.as_ref().map(|caches| caches.join(vault));
        let scratch = Arc::new(Scratch::new(cache, keys.cache_key(), keys.vault(), seed));
        let index = RwLock::new(IndexView::new(ChunkIndex::open(Arc::clone(&scratch))));
        let shared = Shared { store, keys, environment, scratch, log: Mutex::new(view), index };
        shared.refresh()?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether a pack that new points may rely on holds this chunk of a disk: one look-up in the
    /// index, which knows what the log said when the repository was last read.
    ///
    /// # Errors
    ///
    /// The index's cache failed and could not be built anew, because the store failed too.
    pub fn has_chunk(&self, id: &ChunkId) -> Result<bool, RepoError> {
        Ok(self.shared.stored(ChunkKind::Data, id)?.is_some())
    }

    /// The vault whose repository it is.
    pub fn vault(&self) -> Uuid {
        Uuid::from_bytes(self.shared.keys.vault())
    }

    /// What the store's own clock says; `None` where it does not tell.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn store_time(&self) -> Result<Option<Timestamp>, RepoError> {
        Ok(self.shared.store.time()?)
    }
}

fn read(index: &RwLock<IndexView>) -> RwLockReadGuard<'_, IndexView> {
    index.read().expect("nothing panics while it holds the index")
}

fn write(index: &RwLock<IndexView>) -> RwLockWriteGuard<'_, IndexView> {
    index.write().expect("nothing panics while it holds the index")
}

/// Says of a pack what the log says of it.
fn set_standing(chunks: &mut ChunkIndex, state: &State, pack: &PackId) {
    if state.condemned.contains_key(pack) {
        chunks.set_standing(pack, Standing::Condemned);
    } else if state.suspect.contains(pack) {
        chunks.set_standing(pack, Standing::Suspect);
    }
}

impl Shared {
    fn access(&self) -> LogAccess<'_> {
        LogAccess { store: self.store.as_ref(), keys: &self.keys, environment: &self.environment }
    }

    fn lock_log(&self) -> MutexGuard<'_, LogView> {
        self.log.lock().expect("nothing panics while it holds the log")
    }

    fn read_index(&self) -> RwLockReadGuard<'_, IndexView> {
        read(&self.index)
    }

    /// Reads on in the log, and loads the indexes it names.
    pub fn refresh(&self) -> Result<(), RepoError> {
        let mut view = self.lock_log();
        let access = self.access();
        access.sync(&mut view)?;
        while !self.follow(&view, false)? {
            // An index cannot be read. If a collector has just replaced it, the log says so.
            let before = view.next;
            access.sync(&mut view)?;
            if view.next == before {
                self.follow(&view, true)?;
                break;
            }
        }
        Ok(())
    }

    /// Looks at the newest state this process knows.
    pub fn state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock_log().state)
    }

    /// The number that the next log entry will have, as far as this process knows.
    pub fn next_entry(&self) -> u64 {
        self.lock_log().next
    }

    /// How often packs were found damaged, as far as look-ups know.
    pub fn suspicions(&self) -> u64 {
        self.read_index().suspicions
    }

    /// Looks chunks up in the index. It may be asked twice: what lies behind the index is a cache,
    /// and if that turns out to be damaged, it is built anew.
    pub fn lookup<T>(
        &self,
        mut look: impl FnMut(&ChunkIndex) -> Result<T, RepoError>,
    ) -> Result<T, RepoError> {
        self.look_twice(|view| look(&view.chunks))
    }

    fn look_twice<T>(
        &self,
        mut look: impl FnMut(&IndexView) -> Result<T, RepoError>,
    ) -> Result<T, RepoError> {
        let (generation, looked) = {
            let index = self.read_index();
            (index.generation, look(&index))
        };
        match looked {
            Err(RepoError::IndexCache { source }) => {
                tracing::warn!(error = %source, "the index's cache is built anew");
                self.renew(generation)?;
                look(&self.read_index())
            }
            looked => looked,
        }
    }

    /// Builds the index of `generation` anew, unless somebody has done it meanwhile.
    fn renew(&self, generation: u64) -> Result<(), RepoError> {
        let view = self.lock_log();
        if self.read_index().generation != generation {
            return Ok(());
        }
        ChunkIndex::discard(&self.scratch);
        self.build_anew(&view.state, true)?;
        Ok(())
    }

    /// All segments of a known pack, in order, as the index object that names it has them.
    pub fn segments(&self, pack: &KnownPack) -> Result<Vec<LocatedSegment>, RepoError> {
        let indexed = match self.index(|index| index.named_by(&pack.id)) {
            Some(index) => self.fetch_index(index),
            None => Ok(Vec::new()),
        };
        let packs = match indexed {
            Err(error) if !error.is_damage() => return Err(error),
            packs => packs.unwrap_or_default(),
        };
        match packs.iter().find(|indexed| indexed.id == pack.id) {
            Some(indexed) => Ok(LocatedSegment::all_of(indexed)),
            None => self.fetch_table(pack.id, pack.size).map(|own| LocatedSegment::all_of(&own)),
        }
    }

    /// Looks at the packs that the index knows.
    pub fn index<T>(&self, look: impl FnOnce(&ChunkIndex) -> T) -> T {
        look(&self.read_index().chunks)
    }

    /// The live pack that holds the chunk, unless nothing stored may be relied on.
    pub fn stored(&self, kind: ChunkKind, id: &ChunkId) -> Result<Option<PackId>, RepoError> {
        self.look_twice(|view| if view.distrusted { Ok(None) } else { view.chunks.live(kind, id) })
    }

    /// Appends what `decide` makes of the newest state.
    pub fn append(
        &self,
        decide: &mut dyn FnMut(&State) -> Result<Event, RepoError>,
    ) -> Result<(), RepoError> {
        let mut view = self.lock_log();
        let appended = self.access().append(&mut view, decide);
        self.follow(&view, true)?;
        appended
    }

    /// Eight random bytes.
    pub fn random(&self) -> [u8; 8] {
        let mut random = [0; 8];
        self.environment.seed.fill(&mut random);
        random
    }

    /// Brings the index in step with the log. If an index object cannot be read, it is rebuilt
    /// from packs, or without `rebuild`, the answer is `false`.
    fn follow(&self, view: &LogView, rebuild: bool) -> Result<bool, RepoError> {
        // Most calls find nothing new, and a look at every index takes its time where many are.
        if self.read_index().in_step_with == view.next {
            return Ok(true);
        }
        let followed = self.follow_state(&view.state, rebuild)?;
        if followed {
            let mut index = write(&self.index);
            (index.in_step_with, index.suspicions) = (view.next, view.state.suspicions);
        }
        Ok(followed)
    }

    fn follow_state(&self, state: &State, rebuild: bool) -> Result<bool, RepoError> {
        let (leaves, anew) = {
            let index = self.read_index();
            let leaves = index.chunks.indexes().any(|index| !state.indexes.contains(index));
            (leaves, leaves && index.chunks.cannot_let_go())
        };
        if anew {
            return self.build_anew(state, rebuild);
        }
        // Which packs a damaged index named cannot be told beside those of an index that leaves.
        let brought = self.bring(&self.index, state, rebuild && !leaves)?;
        if brought || !(rebuild && leaves) { Ok(brought) } else { self.build_anew(state, true) }
    }

    /// Builds the index aside and puts it in the place of the one there is.
    fn build_anew(&self, state: &State, rebuild: bool) -> Result<bool, RepoError> {
        let empty = IndexView::new(ChunkIndex::new(Arc::clone(&self.scratch)));
        let fresh = RwLock::new(empty);
        if !self.bring(&fresh, state, rebuild)? {
            return Ok(false);
        }
        let mut fresh = fresh.into_inner().expect("nothing panics while it holds the index");
        let mut index = write(&self.index);
        fresh.generation = index.generation + 1;
        *index = fresh;
        Ok(true)
    }

    /// Takes index objects in one by one, so that memory does not grow with their number.
    fn bring(
        &self,
        index: &RwLock<IndexView>,
        state: &State,
        rebuild: bool,
    ) -> Result<bool, RepoError> {
        let wanted: Vec<_> = {
            let mut index = write(index);
            index.distrusted = !state.unreadable.is_empty();
            let missing = |id: &&IndexId| !index.chunks.has(id);
            let wanted = state.indexes.iter().filter(missing).copied().collect();
            let leaves = |id: &&IndexId| !state.indexes.contains(id);
            let leaving: Vec<_> = index.chunks.indexes().filter(leaves).copied().collect();
            index.chunks.expect_to_leave(&leaving);
            wanted
        };
        let mut damaged = Vec::new();
        for id in wanted {
            match self.fetch_index(id) {
                Err(error) if error.is_damage() && !rebuild => return Ok(false),
                Err(error) if error.is_damage() => {
                    tracing::error!(%error, "an index is rebuilt from packs");
                    damaged.push(id);
                }
                packs => {
                    let packs = packs?;
                    let chunks = &mut write(index).chunks;
                    chunks.insert_index(id, &packs);
                    packs.iter().for_each(|pack| set_standing(chunks, state, &pack.id));
                }
            }
        }
        for id in damaged {
            let known = |pack: &PackId| read(index).chunks.known(pack).is_some();
            self.rebuild_index(id, state, &known, &mut |pack| {
                let chunks = &mut write(index).chunks;
                chunks.insert(&pack);
                set_standing(chunks, state, &pack.id);
                if pack.id.session() != id.session() {
                    // It may be a dead session's, which no index names: good to read, no more.
                    chunks.set_standing(&pack.id, Standing::Suspect);
                }
            })?;
            write(index).chunks.count_as_loaded(id);
        }
        if !state.unreadable.is_empty() && !read(index).salvaged {
            self.salvage(index)?;
        }
        let chunks = &mut write(index).chunks;
        chunks.let_go();
        state.condemned.keys().for_each(|pack| chunks.set_standing(pack, Standing::Condemned));
        state.suspect.iter().for_each(|pack| chunks.set_standing(pack, Standing::Suspect));
        chunks.settle();
        Ok(true)
    }

    /// Takes in every index in the store. An unreadable entry may be the commit that named it, and
    /// points that are known may need its packs. They are good to read, no more.
    fn salvage(&self, index: &RwLock<IndexView>) -> Result<(), RepoError> {
        for object in self.store.list(names::INDEXES)? {
            let Some(id) = names::parse_owned(names::INDEXES, &object.name) else { continue };
            if read(index).chunks.has(&id) {
                continue;
            }
            match self.fetch_index(id) {
                Err(error) if error.is_damage() => {}
                packs => {
                    let packs = packs?;
                    let chunks = &mut write(index).chunks;
                    for pack in packs {
                        chunks.insert(&pack);
                        chunks.set_standing(&pack.id, Standing::Suspect);
                    }
                }
            }
        }
        write(index).salvaged = true;
        Ok(())
    }

    /// Reads an index.
    pub fn fetch_index(&self, id: IndexId) -> Result<Vec<IndexedPack>, RepoError> {
        let name = names::index(&id);
        let bytes = self
            .store
            .get(&name)
            .map_err(|error| RepoError::unreadable(Kind::Index, &name, error))?;
        encoding::decode(&self.keys, id, &bytes)
            .map_err(|error| RepoError::damaged(Kind::Index, &name, &error))
    }

    /// Gives the packs that a damaged index named: those of its session. An index that a collector
    /// wrote names packs of others: then it is all packs that are not `named` otherwise.
    /// Retired packs are not among them. (A collector knows every one that is still in the store:
    /// it lists packs before it reads the log, and condemns those that it does not know.)
    pub fn rebuild_index(
        &self,
        id: IndexId,
        state: &State,
        named: &dyn Fn(&PackId) -> bool,
        each: &mut dyn FnMut(IndexedPack),
    ) -> Result<(), RepoError> {
        let mut objects = self.store.list(&names::packs_of(id.session()))?;
        if objects.is_empty() {
            objects = self.store.list(names::PACKS)?;
        }
        for object in objects {
            let Some(pack) = names::parse_owned(names::PACKS, &object.name) else { continue };
            if named(&pack) || state.is_open(pack.session()) || state.was_retired(&pack) {
                continue;
            }
            match self.fetch_table(pack, object.size) {
                Ok(indexed) => each(indexed),
                Err(error) if error.is_damage() => {
                    tracing::error!(%error, "a pack cannot be taken into the rebuilt index");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads a pack's own table.
    pub fn fetch_table(&self, id: PackId, size: u64) -> Result<IndexedPack, RepoError> {
        let name = names::pack(&id);
        let range = |start: u64, length: u64| {
            self.store
                .get_range(&name, start, length)
                .map_err(|error| RepoError::unreadable(Kind::DataPack, &name, error))
        };
        let damaged = |error: FormatError| RepoError::damaged(Kind::DataPack, &name, &error);
        let head = range(0, format::header::HEADER as u64)?;
        let (kind, found) = pack::decode_header(&self.keys, &head).map_err(damaged)?;
        if found != id {
            return Err(damaged(FormatError::Invalid { what: "name of the pack" }));
        }
        let tail_start = size.saturating_sub(TAIL as u64);
        let tail = range(tail_start, size - tail_start)?;
        let place = pack::table_place(&tail, size).map_err(damaged)?;
        let sealed = range(place.start, place.end - place.start)?;
        let table = pack::open_table(&self.keys, kind, id, &sealed, size).map_err(damaged)?;
        Ok(IndexedPack { id, kind, size, table })
    }
}
