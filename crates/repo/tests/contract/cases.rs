//! The cases: what every object store must do. Each runs on a store of its own.

use std::sync::Barrier;
use std::thread;

use repo::objects::{ObjectStore, StoreError};

/// One case.
pub type Case = fn(&dyn ObjectStore);
type Store<'a> = &'a dyn ObjectStore;

/// All cases, by what they say.
pub const CASES: [(&str, Case); 54] = [
    ("what was put is got", |store| keeps(store, "config", b"one")),
    ("an empty object", |store| keeps(store, "packs/aa/bb", b"")),
    ("an object of one byte", |store| keeps(store, "a", b"\0")),
    ("an object of a few blocks", |store| keeps(store, "log/01", &pattern(70_000))),
    ("an object larger than any pack", |store| keeps(store, "packs/aa/01", &pattern(17 << 20))),
    ("every byte value", |store| keeps(store, "a", &(0..=255).collect::<Vec<u8>>())),
    ("a name with every allowed sign", |store| keeps(store, "az09/a.b_c-d", b"x")),
    ("a deep name", |store| keeps(store, "a/b/c/d/e/f/g/h", b"x")),
    ("the longest name", |store| keeps(store, &format!("packs/{}", "x".repeat(249)), b"x")),
    ("one name may begin like another", one_name_begins_like_another),
    ("a put never replaces", put_never_replaces),
    ("a refused put changes nothing", refused_put_changes_nothing),
    ("one of many creates", one_of_many_creates),
    ("one of many creates, name after name", one_of_many_creates_each),
    ("a name is free again once deleted", name_is_free_again),
    ("a missing object is not got", |store| missing(store.get("dir/b").map(drop))),
    ("a missing object has no range", |store| missing(store.get_range("b", 0, 1).map(drop))),
    ("a missing object has no empty range", |store| missing(store.get_range("b", 0, 0).map(drop))),
    ("a missing object has no size", |store| missing(store.size("b").map(drop))),
    ("a directory is no object", directory_is_no_object),
    ("an object is no directory", object_is_no_directory),
    ("the whole as a range", |store| ranges(store, &[(0, 10, "0123456789")])),
    ("ranges inside", |store| ranges(store, &[(3, 2, "34"), (0, 1, "0"), (1, 8, "12345678")])),
    ("the last byte", |store| ranges(store, &[(9, 1, "9")])),
    ("empty ranges", |store| ranges(store, &[(0, 0, ""), (5, 0, ""), (10, 0, "")])),
    ("a range beyond the end", |store| outside(store, &[(0, 11), (10, 1), (9, 2)])),
    ("a range behind the end", |store| outside(store, &[(11, 0), (11, 1), (1 << 40, 5)])),
    ("a range without end", |store| outside(store, &[(u64::MAX, 1), (1, u64::MAX), (0, 1 << 62)])),
    ("a range of an empty object", range_of_an_empty_object),
    ("ranges of a large object", ranges_of_a_large_object),
    ("ranges from many threads", ranges_from_many_threads),
    ("an empty store lists nothing", |store| lists(store, &[("", &[]), ("packs/", &[])])),
    ("a list of a directory", list_of_a_directory),
    ("a list of a beginning", list_of_a_beginning),
    ("a list of everything", list_of_everything),
    ("a list is sorted", list_is_sorted),
    ("a list tells sizes", list_tells_sizes),
    ("a list has what was just put", list_has_what_was_just_put),
    ("a list has not what was just deleted", list_has_not_what_was_deleted),
    ("a list longer than a page", list_longer_than_a_page),
    ("a delete", delete_takes_one),
    ("a delete of nothing", |store| store.delete("packs/aa/01").expect("gone is gone")),
    ("deletes of one object at once", deletes_at_once),
    ("bad names", bad_names),
    ("many at once", many_at_once),
    ("a reader finds the whole or nothing", whole_or_nothing),
    ("an object outlives its neighbours", outlives_its_neighbours),
    ("a damaged object is replaced", damaged_is_replaced),
    ("what is not there is not replaced", nothing_is_not_replaced),
    ("a replaced object has its name taken still", replaced_is_still_there),
    ("a reader finds the damaged or the replaced", replaced_in_one_step),
    ("bad names are not replaced", |store| {
        let refused = store.replace("../a", b"x");
        assert!(matches!(refused, Err(StoreError::BadName { .. })), "{refused:?}");
    }),
    ("there is room for data", |store| store.takes_data().expect("room")),
    ("its time goes on, where it tells", |store| {
        let tell = || store.time().expect("a time, or none");
        let (first, second) = (tell(), tell());
        assert!(first <= second, "{first:?}, then {second:?}");
        assert!(store.list("").expect("listed").is_empty(), "asking leaves nothing");
    }),
];

/// Bytes that are different everywhere.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

fn put(store: Store<'_>, name: &str, bytes: &[u8]) {
    store.put(name, bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
}

fn get(store: Store<'_>, name: &str) -> Vec<u8> {
    store.get(name).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

fn keeps(store: Store<'_>, name: &str, bytes: &[u8]) {
    put(store, name, bytes);
    assert!(get(store, name) == bytes, "{name} has other bytes");
    assert_eq!(store.size(name).expect("it is there"), bytes.len() as u64);
}

fn missing(answer: Result<(), StoreError>) {
    assert!(matches!(answer, Err(StoreError::NotFound { .. })), "{answer:?}");
}

fn names(store: Store<'_>, prefix: &str) -> Vec<String> {
    let listed = store.list(prefix).unwrap_or_else(|error| panic!("{prefix}: {error:?}"));
    listed.into_iter().map(|object| object.name).collect()
}

fn lists(store: Store<'_>, rows: &[(&str, &[&str])]) {
    for (prefix, expected) in rows {
        assert_eq!(names(store, prefix), *expected, "under '{prefix}'");
    }
}

fn one_name_begins_like_another(store: Store<'_>) {
    for name in ["log/1", "log/10", "log-1", "log/1.5"] {
        put(store, name, name.as_bytes());
    }
    for name in ["log/1", "log/10", "log-1", "log/1.5"] {
        assert_eq!(get(store, name), name.as_bytes());
    }
}

fn put_never_replaces(store: Store<'_>) {
    put(store, "a", b"first");
    let again = store.put("a", b"second");
    assert!(matches!(&again, Err(StoreError::AlreadyExists { name }) if name == "a"), "{again:?}");
    assert_eq!(get(store, "a"), b"first");
}

fn refused_put_changes_nothing(store: Store<'_>) {
    put(store, "a/b", b"first");
    for other in [&b""[..], b"x", &pattern(100_000)] {
        store.put("a/b", other).expect_err("it is there");
        assert_eq!(store.size("a/b").expect("it is there"), 5);
    }
    assert_eq!(names(store, ""), ["a/b"]);
}

/// Lets eight create an object at once; who did.
fn winners(store: Store<'_>, name: &str) -> Vec<u8> {
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        let put = |number: u8| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                match store.put(name, &[number; 5_000]) {
                    Ok(()) => Some(number),
                    Err(StoreError::AlreadyExists { .. }) => None,
                    Err(error) => panic!("{error:?}"),
                }
            })
        };
        let threads: Vec<_> = (0..8).map(put).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn one_of_many_creates(store: Store<'_>) {
    let winners = winners(store, "log/1");
    assert_eq!(winners.len(), 1, "{winners:?} all created it");
    assert_eq!(get(store, "log/1"), [winners[0]; 5_000]);
}

fn one_of_many_creates_each(store: Store<'_>) {
    for number in 1..12 {
        let name = format!("log/{number:020}");
        let winners = winners(store, &name);
        assert_eq!(winners.len(), 1, "{winners:?} all created {name}");
        assert_eq!(get(store, &name), [winners[0]; 5_000]);
    }
}

fn name_is_free_again(store: Store<'_>) {
    put(store, "a", b"one");
    store.delete("a").expect("it is there");
    keeps(store, "a", b"two");
}

fn directory_is_no_object(store: Store<'_>) {
    put(store, "dir/a", b"x");
    missing(store.get("dir").map(drop));
    missing(store.size("dir").map(drop));
    missing(store.get_range("dir", 0, 1).map(drop));
    store.get("dir/a").expect("it is there");
}

fn object_is_no_directory(store: Store<'_>) {
    put(store, "dir/a", b"x");
    for answer in [store.get("dir/a/b").map(drop), store.size("nodir/a").map(drop)] {
        let refused = matches!(answer, Err(StoreError::NotFound { .. } | StoreError::Io { .. }));
        assert!(refused, "{answer:?}");
    }
}

fn ranges(store: Store<'_>, rows: &[(u64, u64, &str)]) {
    put(store, "a", b"0123456789");
    for (offset, length, expected) in rows {
        let bytes = store.get_range("a", *offset, *length).expect("inside");
        assert_eq!(bytes, expected.as_bytes(), "{offset} {length}");
    }
}

fn outside(store: Store<'_>, rows: &[(u64, u64)]) {
    put(store, "a", b"0123456789");
    for (offset, length) in rows {
        let answer = store.get_range("a", *offset, *length);
        assert!(matches!(answer, Err(StoreError::Range { .. })), "{offset} {length}: {answer:?}");
    }
}

fn range_of_an_empty_object(store: Store<'_>) {
    put(store, "a", b"");
    assert_eq!(store.get_range("a", 0, 0).expect("inside"), b"");
    let answer = store.get_range("a", 0, 1);
    assert!(matches!(answer, Err(StoreError::Range { .. })), "{answer:?}");
}

fn ranges_of_a_large_object(store: Store<'_>) {
    let bytes = pattern(3 << 20);
    put(store, "packs/aa/01", &bytes);
    for (offset, length) in [(0, 80), (1 << 20, 256 << 10), ((3 << 20) - 40, 40), (777, 1 << 21)] {
        let range = store.get_range("packs/aa/01", offset, length).expect("inside");
        assert!(range == bytes[offset as usize..][..length as usize], "{offset} {length}");
    }
}

fn ranges_from_many_threads(store: Store<'_>) {
    let bytes = pattern(1 << 20);
    put(store, "packs/aa/01", &bytes);
    thread::scope(|scope| {
        for thread in 0..24_u64 {
            let bytes = &bytes;
            scope.spawn(move || {
                let (offset, length) = (thread * 40_000, 30_000 + thread);
                let range = store.get_range("packs/aa/01", offset, length).expect("inside");
                assert!(range == bytes[offset as usize..][..length as usize], "{offset}");
            });
        }
    });
}

const SOME: [&str; 6] = ["packs/aa/01", "packs/ab/02", "packs/aa/00", "log/1", "config", "packs-x"];

fn put_some(store: Store<'_>) {
    for name in SOME {
        put(store, name, name.as_bytes());
    }
}

fn list_of_a_directory(store: Store<'_>) {
    put_some(store);
    lists(
        store,
        &[
            ("packs/", &["packs/aa/00", "packs/aa/01", "packs/ab/02"]),
            ("packs/aa/", &["packs/aa/00", "packs/aa/01"]),
            ("log/", &["log/1"]),
            ("nothing/", &[]),
            ("config/", &[]),
        ],
    );
}

fn list_of_a_beginning(store: Store<'_>) {
    put_some(store);
    lists(
        store,
        &[
            ("packs/a", &["packs/aa/00", "packs/aa/01", "packs/ab/02"]),
            ("packs/aa/01", &["packs/aa/01"]),
            ("pack", &["packs-x", "packs/aa/00", "packs/aa/01", "packs/ab/02"]),
            ("con", &["config"]),
            ("x", &[]),
        ],
    );
}

fn list_of_everything(store: Store<'_>) {
    put_some(store);
    let mut all = SOME;
    all.sort_unstable();
    assert_eq!(names(store, ""), all);
}

fn list_is_sorted(store: Store<'_>) {
    let put_in = ["b/2", "b/10", "a-z", "a/z", "b/1", "a_z", "a.z", "az"];
    for name in put_in {
        put(store, name, b"");
    }
    let mut sorted = put_in;
    sorted.sort_unstable();
    assert_eq!(names(store, ""), sorted);
}

fn list_tells_sizes(store: Store<'_>) {
    for size in [0, 1, 4_096, 100_000] {
        put(store, &format!("packs/aa/{size}"), &pattern(size));
    }
    for object in store.list("packs/").expect("a list") {
        assert_eq!(object.name, format!("packs/aa/{}", object.size));
    }
}

fn list_has_what_was_just_put(store: Store<'_>) {
    for number in 0..10 {
        put(store, &format!("log/{number}"), b"x");
        assert_eq!(names(store, "log/").len(), number + 1);
    }
}

fn list_has_not_what_was_deleted(store: Store<'_>) {
    put_some(store);
    for left in (0..3).rev() {
        store.delete(&names(store, "packs/")[0]).expect("it is there");
        assert_eq!(names(store, "packs/").len(), left);
    }
    assert_eq!(names(store, ""), ["config", "log/1", "packs-x"]);
}

fn list_longer_than_a_page(store: Store<'_>) {
    const THREADS: usize = 8;
    const EACH: usize = 130;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                (0..EACH).for_each(|number| put(store, &format!("log/{thread}-{number:03}"), b""));
            });
        }
    });
    let names = names(store, "log/");
    assert_eq!(names.len(), THREADS * EACH);
    assert!(names.is_sorted());
}

fn delete_takes_one(store: Store<'_>) {
    put_some(store);
    store.delete("packs/aa/01").expect("it is there");
    store.delete("packs/aa/01").expect("gone is gone");
    missing(store.get("packs/aa/01").map(drop));
    missing(store.size("packs/aa/01").map(drop));
    assert_eq!(names(store, "packs/"), ["packs/aa/00", "packs/ab/02"]);
    keeps(store, "packs/aa/03", b"the place can be used again");
}

fn deletes_at_once(store: Store<'_>) {
    put(store, "packs/aa/01", b"x");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| store.delete("packs/aa/01").expect("gone is gone"));
        }
    });
    missing(store.get("packs/aa/01").map(drop));
}

fn bad_names(store: Store<'_>) {
    let long = "x".repeat(300);
    for name in [
        "", "/", "/a", "a/", "a//b", "..", "a/../b", ".tmp/x", "A", "a b", "ä", "a\0", "%41", &long,
    ] {
        for answer in [
            store.put(name, b"x"),
            store.get(name).map(drop),
            store.get_range(name, 0, 1).map(drop),
            store.size(name).map(drop),
            store.delete(name),
        ] {
            assert!(matches!(answer, Err(StoreError::BadName { .. })), "{name:?}: {answer:?}");
        }
    }
    assert_eq!(names(store, ""), Vec::<String>::new());
}

fn many_at_once(store: Store<'_>) {
    thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for number in 0..20 {
                    let name = format!("packs/{thread:02}/{number:02}");
                    keeps(store, &name, name.as_bytes());
                    if number % 3 == 0 {
                        store.delete(&name).expect("it is there");
                    }
                }
            });
        }
    });
    assert_eq!(names(store, "packs/").len(), 8 * 13);
}

fn whole_or_nothing(store: Store<'_>) {
    let bytes = pattern(4 << 20);
    thread::scope(|scope| {
        let writer = scope.spawn(|| put(store, "packs/aa/01", &bytes));
        loop {
            let done = writer.is_finished();
            match store.get("packs/aa/01") {
                Ok(found) => assert!(found == bytes, "{} bytes of it", found.len()),
                Err(StoreError::NotFound { .. }) if !done => {}
                Err(error) => panic!("{error:?}"),
            }
            if done {
                break;
            }
        }
    });
}

fn outlives_its_neighbours(store: Store<'_>) {
    put_some(store);
    for name in SOME.iter().filter(|name| **name != "packs/aa/01") {
        store.delete(name).expect("it is there");
    }
    assert_eq!(get(store, "packs/aa/01"), b"packs/aa/01");
    assert_eq!(names(store, ""), ["packs/aa/01"]);
}

/// Runs every case over a new store each.
pub fn check<S: ObjectStore>(mut make: impl FnMut() -> S) {
    for (name, case) in CASES {
        eprintln!("case: {name}");
        case(&make());
    }
}

fn damaged_is_replaced(store: Store<'_>) {
    for (old, new) in [(70_000, 70_000), (5, 100_000), (100_000, 0), (0, 10)] {
        let name = format!("packs/aa/{old}");
        put(store, &name, &vec![1; old]);
        put(store, &format!("{name}-beside"), b"other");
        store.replace(&name, &pattern(new)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(get(store, &name) == pattern(new), "{name} has other bytes");
        assert_eq!(store.size(&name).expect("it is there"), new as u64);
        assert_eq!(get(store, &format!("{name}-beside")), b"other");
    }
    assert_eq!(names(store, "").len(), 8);
}

fn nothing_is_not_replaced(store: Store<'_>) {
    missing(store.replace("packs/aa/01", b"x"));
    put(store, "packs/aa/01", b"x");
    missing(store.replace("packs/aa", b"x"));
    missing(store.replace("packs/aa/02", b"x"));
    store.delete("packs/aa/01").expect("it is there");
    missing(store.replace("packs/aa/01", b"x"));
    assert_eq!(names(store, ""), [""; 0]);
}

fn replaced_is_still_there(store: Store<'_>) {
    put(store, "a/b", b"damaged");
    store.replace("a/b", b"sound").expect("it is there");
    let again = store.put("a/b", b"other");
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    store.replace("a/b", b"sound").expect("twice is as good as once");
    assert_eq!(get(store, "a/b"), b"sound");
    store.delete("a/b").expect("it is there");
    put(store, "a/b", b"new");
}

fn replaced_in_one_step(store: Store<'_>) {
    put(store, "a/b", &[1; 50_000]);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            loop {
                let bytes = get(store, "a/b");
                assert!(bytes == [1; 50_000] || bytes == [2; 80_000], "{} bytes", bytes.len());
                if bytes[0] == 2 {
                    return;
                }
            }
        });
        thread::sleep(std::time::Duration::from_millis(5));
        store.replace("a/b", &[2; 80_000]).expect("it is there");
        reader.join().expect("no panic");
    });
}
