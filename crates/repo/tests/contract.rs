//! What every object store must do. One suite, run over every adapter and every decorator.

use std::sync::{Arc, Barrier};
use std::thread;

use repo::objects::{
    Attempt, Counting, Faulty, LocalDir, Memory, Mishap, ObjectInfo, ObjectStore, Operation,
    StoreError,
};

fn case_put_and_get(store: &dyn ObjectStore) {
    for (name, bytes) in [("config", &b"one"[..]), ("packs/aa/bb", b""), ("log/01", &[0; 70_000])] {
        store.put(name, bytes).expect("a new name");
        assert_eq!(store.get(name).expect("it is there"), bytes);
        assert_eq!(store.size(name).expect("it is there"), bytes.len() as u64);
    }
}

fn case_put_never_replaces(store: &dyn ObjectStore) {
    store.put("a", b"first").expect("a new name");
    let again = store.put("a", b"second");
    assert!(matches!(again, Err(StoreError::AlreadyExists { name }) if name == "a"));
    assert_eq!(store.get("a").expect("it is there"), b"first");
}

fn case_one_of_many_creates(store: &dyn ObjectStore) {
    let barrier = Barrier::new(8);
    let winners: Vec<u8> = thread::scope(|scope| {
        let put = |number: u8| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                store.put("log/1", &[number; 5_000]).is_ok().then_some(number)
            })
        };
        let threads: Vec<_> = (0..8).map(put).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(winners.len(), 1, "{winners:?} all created it");
    assert_eq!(store.get("log/1").expect("it is there"), [winners[0]; 5_000]);
}

fn case_what_is_not_there(store: &dyn ObjectStore) {
    store.put("dir/a", b"x").expect("a new name");
    for name in ["a", "dir/b", "dir/a/b", "nodir/a"] {
        for answer in [
            store.get(name).map(drop),
            store.get_range(name, 0, 1).map(drop),
            store.size(name).map(drop),
        ] {
            assert!(
                matches!(answer, Err(StoreError::NotFound { .. } | StoreError::Io { .. })),
                "{name}: {answer:?}"
            );
        }
    }
    assert!(matches!(store.get("dir/b"), Err(StoreError::NotFound { .. })));
    assert!(matches!(store.size("b"), Err(StoreError::NotFound { .. })));
}

fn case_ranges(store: &dyn ObjectStore) {
    store.put("a", b"0123456789").expect("a new name");
    for (offset, length, expected) in
        [(0, 10, "0123456789"), (3, 2, "34"), (9, 1, "9"), (10, 0, "")]
    {
        assert_eq!(store.get_range("a", offset, length).expect("inside"), expected.as_bytes());
    }
    for (offset, length) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1), (1, u64::MAX)] {
        let answer = store.get_range("a", offset, length);
        assert!(matches!(answer, Err(StoreError::Range { .. })), "{offset} {length}: {answer:?}");
    }
}

fn case_lists(store: &dyn ObjectStore) {
    for name in ["packs/aa/01", "packs/ab/02", "packs/aa/00", "log/1", "config", "packs-x"] {
        store.put(name, name.as_bytes()).expect("a new name");
    }
    let names = |prefix: &str| -> Vec<String> {
        let listed = store.list(prefix).expect("a list");
        assert!(listed.iter().all(|ObjectInfo { name, size }| *size == name.len() as u64));
        listed.into_iter().map(|object| object.name).collect()
    };
    assert_eq!(names("packs/"), ["packs/aa/00", "packs/aa/01", "packs/ab/02"]);
    assert_eq!(names("packs/aa/"), ["packs/aa/00", "packs/aa/01"]);
    assert_eq!(names("packs/a"), ["packs/aa/00", "packs/aa/01", "packs/ab/02"]);
    assert_eq!(names("pack").len(), 4);
    assert_eq!(names("").len(), 6);
    assert_eq!(names("nothing/"), Vec::<String>::new());
}

fn case_deletes(store: &dyn ObjectStore) {
    store.put("packs/aa/01", b"x").expect("a new name");
    store.put("packs/aa/02", b"y").expect("a new name");
    store.delete("packs/aa/01").expect("it is there");
    store.delete("packs/aa/01").expect("gone is gone");
    assert!(matches!(store.get("packs/aa/01"), Err(StoreError::NotFound { .. })));
    assert_eq!(store.list("packs/").expect("a list").len(), 1);
    store.delete("packs/aa/02").expect("it is there");
    store.put("packs/aa/03", b"z").expect("the place can be used again");
    assert_eq!(store.get("packs/aa/03").expect("it is there"), b"z");
}

fn case_bad_names(store: &dyn ObjectStore) {
    let long = "x".repeat(300);
    for name in
        ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".tmp/x", "A", "a b", "ä", "a\0", &long]
    {
        for answer in [store.put(name, b"x"), store.get(name).map(drop), store.delete(name)] {
            assert!(matches!(answer, Err(StoreError::BadName { .. })), "{name:?}: {answer:?}");
        }
    }
}

fn case_many_at_once(store: &dyn ObjectStore) {
    thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for number in 0..20 {
                    let name = format!("packs/{thread:02}/{number:02}");
                    store.put(&name, name.as_bytes()).expect("a new name");
                    assert_eq!(store.get(&name).expect("it is there"), name.as_bytes());
                    if number % 3 == 0 {
                        store.delete(&name).expect("it is there");
                    }
                }
            });
        }
    });
    assert_eq!(store.list("packs/").expect("a list").len(), 8 * 13);
}

type Case = fn(&dyn ObjectStore);

const CASES: [(&str, Case); 9] = [
    ("put and get", case_put_and_get),
    ("put never replaces", case_put_never_replaces),
    ("one of many creates", case_one_of_many_creates),
    ("what is not there", case_what_is_not_there),
    ("ranges", case_ranges),
    ("lists", case_lists),
    ("deletes", case_deletes),
    ("bad names", case_bad_names),
    ("many at once", case_many_at_once),
];

/// Runs every case over a new store each.
fn check<S: ObjectStore>(make: impl Fn() -> S) {
    for (name, case) in CASES {
        eprintln!("case: {name}");
        case(&make());
    }
}

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
fn decorators_keep_the_contract() {
    check(|| Counting::new(Memory::new()));
    check(|| Faulty::new(Memory::new(), no_fault));
    check(|| Faulty::new(Counting::new(Arc::new(Memory::new())), no_fault));
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
