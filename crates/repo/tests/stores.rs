//! The contract on real servers: an S3 server and an Azure Blob server, which `scripts/stores.sh`
//! starts. Every case has a prefix of its own.

#[path = "contract/cases.rs"]
mod cases;
mod support;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::seed::Seed;
use model::units::{Extent, MIB};
use repo::objects::{Cloud, CloudKind, CloudPlace, ObjectStore, Patience, Retrying, StoreError};
use repo::{CollectOptions, NoProgress, VerifyOptions};
use support::{TestDisk, World, assert_restores, changes, full, noise, point};

struct NoJitter;

impl Seed for NoJitter {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// The bucket and the container of the servers.
fn container() -> String {
    std::env::var("HOLDFAST_STORES").expect("scripts/stores.sh names them")
}

fn store(kind: CloudKind, container: &str, prefix: &str) -> impl ObjectStore + use<> {
    let place = CloudPlace { kind, container: container.to_owned(), prefix: prefix.to_owned() };
    let cloud = Cloud::new(&place, std::env::vars()).expect("a store");
    Retrying::new(cloud, Patience::default(), Arc::new(NoJitter))
}

fn check(test: &str, kind: CloudKind) {
    let container = container();
    let mut number = 0;
    cases::check(|| {
        number += 1;
        store(kind, &container, &format!("{test}/{number}"))
    });
    // The same bytes again are refused too, when the first answer is an answer.
    let store = store(kind, &container, &format!("{test}/same"));
    store.put("a", b"same").expect("a new name");
    let again = store.put("a", b"same");
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    // The servers run on this machine, so their clock is ours, cut to whole seconds.
    let told = store.time().expect("asked").expect("a server tells");
    let apart = Timestamp::now().duration_since(told).abs();
    assert!(apart < SignedDuration::from_secs(60), "{told}");
}

/// A life of a repository, and what is left of it.
fn live(test: &str, kind: CloudKind) {
    let container = container();
    let store: Arc<dyn ObjectStore> = Arc::new(store(kind, &container, test));
    let place = World::new(Arc::clone(&store), 1);
    let repo = place.init();
    let mut disk = TestDisk::new(24 * MIB);
    disk.write(0, &noise(1, 20 * MIB as usize));
    full(&repo, 1, &mut disk).expect("a backup");
    disk.write(MIB, &noise(2, 3 * MIB as usize));
    changes(&repo, 2, 1, &mut disk, &[Extent::new(MIB, 3 * MIB)]).expect("an incremental");
    repo.forget(point(1)).expect("it is there");
    let options = CollectOptions { grace: Duration::ZERO, dry_run: false };
    for _ in 0..2 {
        repo.collect(&options).expect("what only the first point needed goes");
    }
    // Another process, which knows nothing but the store and the key.
    let repo = World::new(store, 2).open().expect("it opens");
    let options = VerifyOptions { read_data: Some(100), record: false };
    assert_eq!(repo.verify(&options, &NoProgress).expect("a report").damaged, []);
    assert_restores(&repo, 2, &disk);
}

#[test]
#[ignore = "needs servers: ./test runs it, or scripts/stores.sh"]
fn s3_keeps_the_contract() {
    check("s3-contract", CloudKind::S3);
}

#[test]
#[ignore = "needs servers: ./test runs it, or scripts/stores.sh"]
fn azure_keeps_the_contract() {
    check("azure-contract", CloudKind::Azure);
}

#[test]
#[ignore = "needs servers: ./test runs it, or scripts/stores.sh"]
fn a_repository_lives_on_s3() {
    live("s3-life", CloudKind::S3);
}

#[test]
#[ignore = "needs servers: ./test runs it, or scripts/stores.sh"]
fn a_repository_lives_on_azure() {
    live("azure-life", CloudKind::Azure);
}

#[test]
#[ignore = "needs servers: ./test runs it, or scripts/stores.sh"]
fn a_missing_bucket_is_no_missing_object() {
    for kind in [CloudKind::S3, CloudKind::Azure] {
        let store = store(kind, "no-such-place", "a");
        let answer = store.get("config");
        assert!(matches!(answer, Err(StoreError::Io { .. })), "{kind:?}: {answer:?}");
    }
}
