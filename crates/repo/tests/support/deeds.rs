//! What can be done with a repository, as a table: what is there before, how it is done, and what
//! must hold after it was cut off somewhere. The tests that cut it off differ in how they do that.

use std::sync::Arc;
use std::time::Duration;

use format::keyslot::{Key, stretch};
use format::names as object_names;
use model::units::{Extent, KIB, MIB};
use repo::keys::KeyRing;
use repo::objects::{Memory, ObjectStore};
use repo::{
    CollectOptions, Kek, NoProgress, Repacking, Repair, RepoError, Repository, VerifyOptions, copy,
    repair,
};

use super::{TestDisk, World, changes, full, kek, names, noise, point, restored};

const NOW: CollectOptions = CollectOptions { grace: Duration::ZERO, dry_run: false };
const PIECE: u64 = 64 * KIB;
/// The point that is backed up when all is over.
const LAST: u64 = 50;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Init,
    FirstBackup,
    Incremental,
    Forget,
    Collect,
    /// Repacks and merges indexes too.
    FullCollect,
    /// Finds a damaged pack, and says so in the log.
    Verify,
    /// From a second store: one object of every kind.
    Repair,
    /// To a second store, which is the one that is cut off.
    Copy,
    AddKey,
    RemoveKey,
    RotateKey,
}

/// What is known of a deed that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It said that it was done.
    Done,
    /// It said that it was not.
    Failed,
    /// It said nothing, or that it does not know.
    Unknown,
}

/// What is there before a deed.
pub struct Scene {
    pub deed: Deed,
    /// The objects of the store.
    pub before: Arc<Memory>,
    /// A second store: the sound copy, or what is copied.
    pub second: Arc<Memory>,
    /// Objects that are damaged, and their bytes.
    damaged: Vec<(String, Vec<u8>)>,
}

type Store = Arc<dyn ObjectStore>;

/// A disk of pieces, each by its number.
fn disk(pieces: impl IntoIterator<Item = u64>) -> TestDisk {
    let mut disk = TestDisk::new(2 * MIB);
    for (place, piece) in (0..).zip(pieces) {
        disk.write(place * PIECE, &noise(piece, PIECE as usize));
    }
    disk
}

/// What each point holds.
fn content(number: u64) -> TestDisk {
    match number {
        1 => disk(0..8),
        2 => disk([100].into_iter().chain(1..8)),
        3 => disk([100, 101].into_iter().chain(2..8)),
        // Shares little with point 1, so that its packs are mostly dead without it.
        4 => disk(6..8),
        5 => disk([102, 103, 7]),
        LAST => disk([100, 104].into_iter().chain(2..8)),
        other => panic!("there is no point {other}"),
    }
}

fn incremental(repo: &Repository, number: u64, parent: u64, piece: u64) -> Result<(), RepoError> {
    let changed = Extent::new(piece * PIECE, PIECE);
    changes(repo, number, parent, &mut content(number), &[changed]).map(drop)
}

fn whole(repo: &Repository, number: u64) -> Result<(), RepoError> {
    full(repo, number, &mut content(number)).map(drop)
}

fn recovery() -> Key {
    Key::Recovery(Kek::new([9; 32]))
}

fn rotated() -> Key {
    Key::File(Kek::new([10; 32]))
}

fn ring(store: &Store, key: &Key, world: u64) -> Result<KeyRing, RepoError> {
    KeyRing::open(Arc::clone(store), key, World::new(Arc::clone(store), world).environment.seed)
}

fn opened_with(store: &Store, key: &Key, world: u64) -> Result<Repository, RepoError> {
    let environment = World::new(Arc::clone(store), world).environment;
    Repository::open_with(Arc::clone(store), key, environment)
}

fn everything(record: bool) -> VerifyOptions {
    VerifyOptions { read_data: Some(100), record }
}

impl Deed {
    pub const ALL: [Self; 12] = [
        Self::Init,
        Self::FirstBackup,
        Self::Incremental,
        Self::Forget,
        Self::Collect,
        Self::FullCollect,
        Self::Verify,
        Self::Repair,
        Self::Copy,
        Self::AddKey,
        Self::RemoveKey,
        Self::RotateKey,
    ];

    /// What it needs.
    pub fn scene(self) -> Scene {
        let before = Arc::new(Memory::new());
        let store = Arc::clone(&before) as Store;
        let mut second = Memory::new();
        if self == Self::Init {
            return Scene { deed: self, before, second: Arc::new(second), damaged: Vec::new() };
        }
        self.prepare(&store).unwrap_or_else(|error| panic!("{self:?}: {error}"));
        let mut damaged = Vec::new();
        if matches!(self, Self::Copy | Self::Verify | Self::Repair) {
            second = copied(&before);
        }
        let before = match self {
            Self::Copy => Arc::new(Memory::new()),
            Self::Verify | Self::Repair => {
                damaged = self.damage(&before);
                before
            }
            _ => before,
        };
        Scene { deed: self, before, second: Arc::new(second), damaged }
    }

    fn prepare(self, store: &Store) -> Result<(), RepoError> {
        let repo = World::new(Arc::clone(store), 1).init();
        if self == Self::FirstBackup {
            return Ok(());
        }
        whole(&repo, 1)?;
        incremental(&repo, 2, 1, 0)?;
        if self == Self::Collect {
            whole(&repo, 5)?;
            repo.forget(point(5))?;
        }
        if self == Self::FullCollect {
            whole(&repo, 4)?;
            whole(&repo, 5)?;
            repo.forget(point(1))?;
            repo.forget(point(2))?;
        }
        if self == Self::RemoveKey {
            ring(store, &Key::File(kek()), 2)?.add(&recovery(), &stretch([0; 16]))?;
        }
        Ok(())
    }

    /// Damages objects; which, and what is there then. Nothing for one that is deleted. Of the pack
    /// that is to be repaired, the log knows already.
    fn damage(self, store: &Arc<Memory>) -> Vec<(String, Vec<u8>)> {
        let flip = |name: String| {
            let mut bytes = store.get(&name).expect("it is there");
            let place = bytes.len() / 2;
            bytes[place] ^= 1;
            store.damage(&name, &bytes);
            (name, bytes)
        };
        let packs = store.list(object_names::PACKS).expect("a list");
        let largest = packs.into_iter().max_by_key(|pack| pack.size).expect("a pack").name;
        let pack = flip(largest);
        if self == Self::Verify {
            return vec![pack];
        }
        let repo = World::new(Arc::clone(store) as Store, 3).open().expect("it opens");
        repo.verify(&everything(true), &NoProgress).expect("damage is not an error");
        let first = |prefix| names(store.as_ref(), prefix).remove(0);
        store.delete(&first(object_names::INDEXES)).expect("it is there");
        vec![
            flip(object_names::CONFIG.to_owned()),
            flip(first(object_names::KEYS)),
            flip(object_names::log_entry(2)),
            flip(first(object_names::MANIFESTS)),
            pack,
        ]
    }

    /// The point that it makes.
    const fn makes(self) -> Option<u64> {
        match self {
            Self::FirstBackup => Some(1),
            Self::Incremental => Some(3),
            _ => None,
        }
    }

    /// The points that are there whatever becomes of it.
    const fn keeps(self) -> &'static [u64] {
        match self {
            Self::Init | Self::FirstBackup => &[],
            Self::Forget => &[2],
            Self::FullCollect => &[4, 5],
            _ => &[1, 2],
        }
    }

    /// Whether there is a sound repository also in the middle of it.
    const fn is_sound(self) -> bool {
        !matches!(self, Self::Init | Self::Verify | Self::Repair | Self::Copy)
    }

    /// Keys that may open the repository: those that must, when all is over, and those that must
    /// not.
    fn keys(self) -> (Vec<Key>, Vec<Key>) {
        let first = Key::File(kek());
        match self {
            Self::AddKey => (vec![first, recovery()], vec![]),
            Self::RemoveKey => (vec![first], vec![recovery()]),
            Self::RotateKey => (vec![rotated()], vec![first]),
            _ => (vec![first], vec![]),
        }
    }
}

fn copied(store: &Memory) -> Memory {
    let copy = Memory::new();
    for name in names(store, "") {
        copy.put(&name, &store.get(&name).expect("it is listed")).expect("a new name");
    }
    copy
}

impl Scene {
    /// Puts what is there before into another store.
    pub fn fill(&self, store: &dyn ObjectStore) {
        for name in names(self.before.as_ref(), "") {
            let bytes = self.before.get(&name).expect("it is listed");
            store.put(&name, &bytes).expect("an empty store");
        }
    }

    /// Does it, as the process of this number.
    pub fn carry_out(&self, store: &Store, world: u64) -> Result<(), RepoError> {
        let world = World::new(Arc::clone(store), world);
        let environment = || world.environment.clone();
        let seed = || Arc::clone(&world.environment.seed);
        let first = Key::File(kek());
        match self.deed {
            Deed::Init => {
                Repository::init(Arc::clone(store), super::VAULT, &kek(), environment()).map(drop)
            }
            Deed::FirstBackup => whole(&world.open()?, 1),
            Deed::Incremental => incremental(&world.open()?, 3, 2, 1),
            Deed::Forget => world.open()?.forget(point(1)),
            Deed::Collect => {
                let repo = world.open()?;
                repo.collect(&NOW)?;
                repo.collect(&NOW).map(drop)
            }
            Deed::FullCollect => {
                world.open()?.collect_with(&NOW, Repacking::Full, &NoProgress).map(drop)
            }
            Deed::Verify => world.open()?.verify(&everything(true), &NoProgress).map(drop),
            Deed::Repair => {
                let from = Some(Arc::clone(&self.second) as Store);
                let how = Repair { store: Arc::clone(store), from, dry_run: false };
                repair(&how, &first, environment(), &NoProgress).map(drop)
            }
            Deed::Copy => copy(self.second.as_ref(), store.as_ref(), &NoProgress).map(drop),
            Deed::AddKey => {
                let ring = KeyRing::open(Arc::clone(store), &first, seed())?;
                ring.add(&recovery(), &stretch([0; 16])).map(drop)
            }
            Deed::RemoveKey => {
                let own = KeyRing::open(Arc::clone(store), &first, seed())?;
                let slots = own.slots()?;
                slots.iter().filter(|slot| !slot.is_own).try_for_each(|slot| own.remove(&slot.id))
            }
            Deed::RotateKey => {
                let ring = KeyRing::open(Arc::clone(store), &first, seed())?;
                ring.replace_own(&rotated(), &stretch([0; 16])).map(drop)
            }
        }
    }

    /// Does it once more, as somebody does who does not know how far it came.
    fn again(&self, store: &Store, world: u64) -> Result<(), RepoError> {
        match (self.carry_out(store, world), self.deed) {
            (Err(RepoError::AlreadyARepository), Deed::Init)
            | (Err(RepoError::PointNotFound { .. }), Deed::Forget)
            | (Err(RepoError::PointExists { .. }), Deed::FirstBackup | Deed::Incremental)
            | (Err(RepoError::WrongKey), Deed::RotateKey) => Ok(()),
            (done, _) => done,
        }
    }

    /// Holds what is left after the deed was cut off, seen by new processes, against what must be.
    pub fn check(&self, store: &Store, outcome: Outcome) -> Result<(), String> {
        let deed = self.deed;
        if deed.is_sound() || (outcome == Outcome::Done && deed != Deed::Verify) {
            self.check_cut_off(store, outcome)?;
        } else if deed == Deed::Copy
            && let Ok(repo) = self.opened(store, 60)
        {
            // Half a copy may hold packs of points that it does not list, but none without them.
            listed(&repo)?;
        }
        self.again(store, 70).map_err(|error| format!("it cannot be done again: {error:?}"))?;
        if deed == Deed::Verify {
            return self.check_verified(store);
        }
        self.check_keys(store)?;
        if deed == Deed::Repair {
            // What is whole is relied on again.
            let repo = self.opened(store, 72).map_err(told)?;
            let stats = full(&repo, 1000, &mut content(1)).map_err(told)?;
            ensure(stats.new_bytes == 0, || format!("stored again: {stats:?}"))?;
            repo.forget(point(1000)).map_err(told)?;
        }
        let kept = self.damaged.iter().all(|(_, bytes)| {
            let aside = names(store.as_ref(), object_names::QUARANTINE);
            aside.iter().any(|name| store.get(name).is_ok_and(|kept| kept == *bytes))
        });
        ensure(kept || deed != Deed::Repair, || "damaged bytes were not kept".to_owned())?;
        let repo = self.opened(store, 71).map_err(told)?;
        let expected: Vec<u64> = deed.keeps().iter().copied().chain(deed.makes()).collect();
        sound(&repo, &expected)?;
        self.check_life_goes_on(&repo)
    }

    /// What is there before anybody does anything about it.
    fn check_cut_off(&self, store: &Store, outcome: Outcome) -> Result<(), String> {
        let repo = self.opened(store, 60).map_err(told)?;
        let listed = sound(&repo, self.deed.keeps())?;
        if let Some(made) = self.deed.makes() {
            let there = listed.contains(&made);
            let right = match outcome {
                Outcome::Done => there,
                Outcome::Failed => !there,
                Outcome::Unknown => true,
            };
            ensure(right, || format!("{outcome:?}, and point {made} is there: {there}"))?;
        }
        if outcome == Outcome::Done {
            let gone = self.deed == Deed::Forget && listed.contains(&1);
            ensure(!gone, || "point 1 was forgotten and is there".to_owned())?;
            self.check_keys(store)?;
        }
        Ok(())
    }

    fn check_verified(&self, store: &Store) -> Result<(), String> {
        let repo = self.opened(store, 71).map_err(told)?;
        let report = repo.verify(&everything(false), &NoProgress).map_err(told)?;
        let found: Vec<_> = report.damaged.iter().map(|object| &object.name).collect();
        let known: Vec<_> = self.damaged.iter().map(|(name, _)| name).collect();
        ensure(found == known, || format!("damaged are {known:?}, found are {found:?}"))?;
        // It is known as damaged, so nothing new relies on it.
        whole(&repo, 3).map_err(told)?;
        restores(&repo, 3)
    }

    fn check_keys(&self, store: &Store) -> Result<(), String> {
        let (opening, others) = self.deed.keys();
        for key in &opening {
            opened_with(store, key, 62).map_err(|error| format!("a key does not open: {error}"))?;
        }
        for key in &others {
            let answer = opened_with(store, key, 63);
            let wrong = matches!(answer, Err(RepoError::WrongKey));
            ensure(wrong, || format!("a key opens that should not: {answer:?}"))?;
        }
        Ok(())
    }

    /// A new backup works, and collecting comes to an end, with nothing of the points lost.
    fn check_life_goes_on(&self, repo: &Repository) -> Result<(), String> {
        let mut there = self.deed.keeps().to_vec();
        there.extend(self.deed.makes());
        match there.last() {
            Some(parent @ (2 | 3)) => incremental(repo, LAST, *parent, 1),
            _ => whole(repo, LAST),
        }
        .map_err(|error| format!("no new backup: {error:?}"))?;
        for session in repo.sessions().map_err(told)? {
            repo.fence(session.id).map_err(told)?;
        }
        for _ in 0..2 {
            repo.collect_with(&NOW, Repacking::Full, &NoProgress).map_err(told)?;
        }
        let idle = repo.collect_with(&NOW, Repacking::Full, &NoProgress).map_err(told)?;
        let left = idle.condemned_packs + idle.deleted_packs + idle.deleted_objects;
        ensure(left == 0, || format!("something is left to collect: {idle:?}"))?;
        there.push(LAST);
        sound(repo, &there).map(drop)
    }

    /// The repository, with whichever key of the deed's opens it.
    fn opened(&self, store: &Store, world: u64) -> Result<Repository, RepoError> {
        let (keys, others) = self.deed.keys();
        let mut answers =
            keys.iter().chain(&others).map(|key| opened_with(store, key, world)).peekable();
        loop {
            match answers.next() {
                Some(Err(RepoError::WrongKey)) if answers.peek().is_some() => {}
                Some(answer) => return answer,
                None => return Err(RepoError::WrongKey),
            }
        }
    }
}

fn told(error: RepoError) -> String {
    format!("{error:?}")
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

fn restores(repo: &Repository, number: u64) -> Result<(), String> {
    let bytes = restored(repo, number, "vda").map_err(told)?;
    ensure(bytes == content(number).all(), || format!("point {number} restores to other bytes"))
}

/// The points, all of which restore.
fn listed(repo: &Repository) -> Result<Vec<u64>, String> {
    let points = repo.points().map_err(told)?;
    let listed: Vec<u64> = points.iter().map(|info| info.id.get()).collect();
    listed.iter().try_for_each(|number| restores(repo, *number))?;
    Ok(listed)
}

/// Nothing is damaged, and all points that are listed restore, among them the `expected` ones.
fn sound(repo: &Repository, expected: &[u64]) -> Result<Vec<u64>, String> {
    let listed = listed(repo)?;
    let missing = expected.iter().find(|number| !listed.contains(number));
    ensure(missing.is_none(), || format!("point {missing:?} is gone, there are {listed:?}"))?;
    let report = repo.verify(&everything(false), &NoProgress).map_err(told)?;
    let clean = report.damaged.is_empty() && report.points_hit.is_empty();
    ensure(clean, || format!("{:?} are damaged", report.damaged))?;
    Ok(listed)
}
