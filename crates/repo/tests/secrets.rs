//! Nothing readable lies in the store, and nothing opens without the key.

mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use format::index;
use format::names as object_names;
use model::units::MIB;
use repo::objects::{Memory, ObjectStore};
use repo::{Kek, RepoError, Repository, keys};
use support::{TestDisk, World, backup, kek, names, noise};

const NEEDLES: [&str; 5] =
    ["a very secret sentence", "item of 1", "vda-target", "serial of", "engine bytes"];

fn written(world: u64) -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    let repo = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, world).init();
    let mut disk = TestDisk::new(6 * MIB);
    disk.write(0, &noise(1, MIB as usize));
    // Once among noise, which is stored as it is, and once where it compresses.
    disk.write(10_000, NEEDLES[0].as_bytes());
    disk.write(3 * MIB, &NEEDLES[0].repeat(10_000).into_bytes());
    backup(&repo, 1, None, &mut [("vda-target", &mut disk, None)]).expect("a backup");
    store
}

#[test]
fn nothing_readable_lies_in_the_store() {
    let store = written(1);
    let mut seen = 0;
    for name in names(store.as_ref(), "") {
        let bytes = store.get(&name).expect("it is listed");
        seen += bytes.len();
        for needle in NEEDLES.map(str::as_bytes) {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{name} holds {:?}", String::from_utf8_lossy(needle));
        }
        assert!(NEEDLES.iter().all(|needle| !name.contains(needle)));
    }
    assert!(seen > MIB as usize, "there was something to look at");
}

/// All chunk ids, and all names but the two that every repository has.
fn marks(store: &Memory) -> BTreeSet<String> {
    let keys = support::vault_keys(store);
    let mut marks: BTreeSet<String> = names(store, "")
        .into_iter()
        .filter(|name| name != object_names::CONFIG && !name.starts_with(object_names::LOG))
        .collect();
    for name in names(store, object_names::INDEXES) {
        let id = object_names::parse_owned(object_names::INDEXES, &name).expect("an index");
        let bytes = store.get(&name).expect("it is listed");
        for pack in index::decode(&keys, id, &bytes).expect("it is sound") {
            let chunks = pack.table.segments.iter().flat_map(|segment| &segment.chunks);
            marks.extend(chunks.map(|(id, _)| id.to_string()));
        }
    }
    marks
}

#[test]
fn two_vaults_with_the_same_content_share_nothing() {
    let (one, two) = (marks(&written(1)), marks(&written(2)));
    assert!(one.len() > 20 && two.len() > 20);
    assert_eq!(one.intersection(&two).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn a_wrong_key_and_a_wrong_place_are_told_apart() {
    let store = written(3);
    let world = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 4);
    let open = |store: &Arc<dyn ObjectStore>, kek: &Kek| {
        Repository::open(Arc::clone(store), kek, world.environment.clone()).map(drop)
    };
    let wrong = open(&world.store, &Kek::new([8; 32]));
    assert!(matches!(wrong, Err(RepoError::WrongKey)), "{wrong:?}");
    let empty: Arc<dyn ObjectStore> = Arc::new(Memory::new());
    let nothing = open(&empty, &kek());
    assert!(matches!(nothing, Err(RepoError::NotARepository)), "{nothing:?}");
    let again = Repository::init(
        Arc::clone(&world.store),
        support::VAULT,
        &kek(),
        world.environment.clone(),
    );
    let again = again.map(drop);
    assert!(matches!(again, Err(RepoError::AlreadyARepository)), "{again:?}");
    store.delete(object_names::CONFIG).expect("it is there");
    let lost = open(&world.store, &kek());
    assert!(matches!(lost, Err(RepoError::Damaged { .. })), "{lost:?}");
}

#[test]
fn a_key_file_is_private_new_and_checked() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("vault.key");
    let world = World::new(Arc::new(Memory::new()), 5);
    let key = keys::generate(world.environment.seed.as_ref());
    keys::write_key_file(&path, &key).expect("a new file");
    let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    keys::write_key_file(&path, &key).expect_err("never replaced");
    let read = keys::read_key_file(&path).expect("a key file");
    let environment = world.environment.clone();
    Repository::init(Arc::clone(&world.store), support::VAULT, &key, environment.clone())
        .expect("an empty store");
    Repository::open(Arc::clone(&world.store), &read, environment).expect("the same key");
    std::fs::write(&path, "holdfast-key-1:00:00").expect("a file");
    let error = keys::read_key_file(&path).map(drop).expect_err("not a key file");
    assert!(error.to_string().contains("is not a key file"), "{error}");
}
