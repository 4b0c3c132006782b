//! What every object store must do: one suite, run over every adapter and every decorator. Real
//! servers get the same cases in `tests/stores.rs`.

mod cases;
mod faults;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use cases::check;
use repo::objects::{
    Attempt, Counting, Faulty, LocalDir, Memory, Mishap, ObjectStore, Operation, StoreError,
};

fn no_fault(_: Attempt<'_>) -> Option<Mishap> {
    None
}

#[test]
fn memory_keeps_the_contract() {
    check(Memory::new);
}

#[test]
fn a_local_directory_keeps_the_contract() {
    let directories = tempfile::tempdir().expect("a directory");
    let number = std::cell::Cell::new(0);
    check(|| {
        number.set(number.get() + 1);
        LocalDir::open(directories.path().join(format!("{}/store", number.get()))).expect("a store")
    });
}

#[test]
fn a_local_directory_on_a_simulated_disk_keeps_the_contract() {
    check(|| LocalDir::open_on(support::disk::SimDisk::new(), "/store").expect("a store"));
}

#[test]
fn decorators_keep_the_contract() {
    check(|| Counting::new(Memory::new()));
    check(|| Faulty::new(Memory::new(), no_fault));
    check(|| Faulty::new(Counting::new(Arc::new(Memory::new())), no_fault));
}

#[test]
fn an_adapter_refuses_even_the_same_bytes_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let local = LocalDir::open(directory.path()).expect("a store");
    for store in [&Memory::new() as &dyn ObjectStore, &local] {
        store.put("a", b"same").expect("a new name");
        let again = store.put("a", b"same");
        assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    }
}

#[test]
fn the_counting_store_counts_what_succeeds() {
    let store = Counting::new(Memory::new());
    store.put("a", b"12345").expect("a new name");
    store.put("a", b"12345").expect_err("it is there");
    store.get_range("a", 1, 2).expect("inside");
    let totals = store.totals();
    assert_eq!((totals[&Operation::Put].requests, totals[&Operation::Put].bytes), (1, 5));
    assert_eq!((totals[&Operation::GetRange].requests, totals[&Operation::GetRange].bytes), (1, 2));
    let calls = store.take();
    assert_eq!(calls.len(), 2);
    assert_eq!(store.take(), []);
}

#[test]
fn the_faulty_store_fails_as_told() {
    let store = Faulty::new(Memory::new(), |attempt: Attempt<'_>| match attempt.number {
        1 => Some(Mishap::Fails),
        2 => Some(Mishap::DoneButFails),
        4 => Some(Mishap::Full),
        _ => None,
    });
    assert!(matches!(store.put("a", b"x"), Err(StoreError::Io { .. })));
    assert!(matches!(store.put("a", b"x"), Err(StoreError::Io { .. })));
    assert_eq!(store.get("a").expect("the second put was done"), b"x");
    assert!(matches!(store.put("b", b"x"), Err(StoreError::Full { .. })));
    assert_eq!(store.attempts(), 4);
}

#[test]
fn debris_of_a_dead_process_is_ignored_and_cleaned() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("store");
    let store = LocalDir::open(&root).expect("a store");
    let debris = root.join(".tmp/1-0");
    std::fs::write(&debris, b"half an obj").expect("a file");
    assert_eq!(store.list("").expect("a list"), []);
    let again = LocalDir::open(&root).expect("the same store");
    assert!(!debris.exists());
    again.put("a", b"x").expect("a new name");
    assert_eq!(std::fs::read_dir(root.join(".tmp")).expect("a directory").count(), 0);
    assert!(LocalDir::open_existing(directory.path().join("none")).is_err());
    assert!(!directory.path().join("none").exists());
}

#[test]
fn an_object_larger_than_any_of_ours_is_not_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = LocalDir::open(directory.path()).expect("a store");
    let file = std::fs::File::create(directory.path().join("config")).expect("a file");
    file.set_len(1 << 40).expect("a sparse file");
    assert!(matches!(store.get("config"), Err(StoreError::TooLarge { .. })));
}

#[test]
fn what_is_no_regular_file_is_no_object_and_nobody_waits_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = LocalDir::open(directory.path()).expect("a store");
    let pipe = directory.path().join("config");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    std::fs::create_dir(directory.path().join("keys")).expect("a directory");
    for name in ["config", "keys"] {
        for answer in [
            store.get(name).map(drop),
            store.get_range(name, 0, 1).map(drop),
            store.size(name).map(drop),
        ] {
            assert!(matches!(answer, Err(StoreError::NotFound { .. })), "{name}: {answer:?}");
        }
    }
}
