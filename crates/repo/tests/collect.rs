//! Collecting gets all space back: packs that are mostly dead are written anew, indexes are merged,
//! and whatever happens meanwhile, no point is harmed.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use format::names as naming;
use model::units::{Extent, KIB, MIB};
use repo::objects::{Attempt, Counting, Faulty, Memory, Mishap, ObjectStore, Operation};
use repo::{CollectOptions, CollectReport, NoProgress, Repacking, Repository, VerifyOptions};
use support::{TestDisk, World, assert_restores, changes, full, names, noise, point};

const DAY: Duration = Duration::from_secs(86_400);
const LATER: CollectOptions = CollectOptions { grace: DAY, dry_run: false };
const NOW: CollectOptions = CollectOptions { grace: Duration::ZERO, dry_run: false };

/// A disk of pieces of 64 KiB, each by its number.
fn disk(pieces: impl IntoIterator<Item = u64>) -> TestDisk {
    let mut disk = TestDisk::new(8 * MIB);
    for (place, piece) in (0..).zip(pieces) {
        disk.write(place * 64 * KIB, &noise(piece, 64 * KIB as usize));
    }
    disk
}

fn world(store: &Arc<Memory>, number: u64) -> World {
    World::new(Arc::clone(store) as Arc<dyn ObjectStore>, number)
}

fn bytes(store: &dyn ObjectStore, prefix: &str) -> u64 {
    store.list(prefix).expect("a list").iter().map(|object| object.size).sum()
}

fn collect(repo: &Repository, options: CollectOptions, how: Repacking) -> CollectReport {
    repo.collect_with(&options, how, &NoProgress).expect("a collection")
}

#[track_caller]
fn sound(repo: &Repository) {
    let options = VerifyOptions { read_data: Some(100), record: false };
    assert_eq!(repo.verify(&options, &NoProgress).expect("a verification").damaged, []);
}

/// A store whose one large pack is to a quarter needed, by point 2.
fn mostly_dead() -> (Arc<Memory>, World, Repository, TestDisk) {
    let store = Arc::new(Memory::new());
    let world = world(&store, 1);
    let repo = world.init();
    full(&repo, 1, &mut disk(0..56)).expect("a backup");
    let mut kept = disk(40..56);
    let stats = full(&repo, 2, &mut kept).expect("a backup");
    assert!(stats.stored_bytes < 100 * KIB, "it shares: {stats:?}");
    repo.forget(point(1)).expect("it exists");
    (store, world, repo, kept)
}

#[test]
fn a_mostly_dead_pack_is_written_anew_and_goes_a_grace_later() {
    let (store, world, repo, kept) = mostly_dead();
    let before = bytes(store.as_ref(), "packs/");
    let report = collect(&repo, LATER, Repacking::Worthwhile);
    assert_eq!(report.repacked_packs, 1, "{report:?}");
    assert!((MIB..MIB * 3 / 2).contains(&report.rewritten_bytes), "{report:?}");
    assert!(bytes(store.as_ref(), "packs/") > before, "the old pack can still be read");
    assert_restores(&repo, 2, &kept);
    // Whoever opened the repository before still reads the old one; a new one reads the copy.
    world.clock.advance(86_400);
    let report = collect(&repo, LATER, Repacking::Worthwhile);
    assert_eq!(report.repacked_packs + report.condemned_packs, 0, "it is done: {report:?}");
    assert!(report.deleted_bytes > 3 * MIB, "{report:?}");
    assert!(bytes(store.as_ref(), "packs/") < before - 9 * MIB / 4);
    let fresh = world.open().expect("a repository");
    for repo in [&repo, &fresh] {
        assert_restores(repo, 2, &kept);
        sound(repo);
    }
    // What was copied counts as stored.
    let again = full(&fresh, 3, &mut disk(40..56)).expect("a backup");
    assert_eq!(again.new_bytes, 0);
}

#[test]
fn without_repacking_only_whole_packs_go() {
    let (store, _, repo, kept) = mostly_dead();
    collect(&repo, NOW, Repacking::Never);
    collect(&repo, NOW, Repacking::Never);
    assert!(bytes(store.as_ref(), "packs/") > 3 * MIB);
    assert_restores(&repo, 2, &kept);
}

#[test]
fn a_full_collection_without_a_grace_does_all_in_one_run() {
    let (store, _, repo, kept) = mostly_dead();
    let dry = CollectOptions { dry_run: true, ..NOW };
    let before = bytes(store.as_ref(), "");
    let planned = collect(&repo, dry, Repacking::Full);
    assert_eq!(bytes(store.as_ref(), ""), before, "a plan changes nothing");
    let report = collect(&repo, NOW, Repacking::Full);
    assert_eq!(report.repacked_bytes, planned.repacked_bytes);
    assert_eq!(report.later_bytes, 0, "{report:?}");
    assert_eq!(planned.later_bytes, report.deleted_bytes);
    let packs = bytes(store.as_ref(), "packs/");
    assert!(packs < report.needed_bytes + 8 * KIB, "{packs} for {report:?}");
    assert_eq!(names(store.as_ref(), "index/").len(), 1);
    assert_eq!(names(store.as_ref(), "manifests/").len(), 1);
    let again = collect(&repo, NOW, Repacking::Full);
    let left = again.condemned_packs + again.repacked_packs + again.deleted_packs;
    assert_eq!(left + again.deleted_objects, 0, "nothing is left to do: {again:?}");
    assert_restores(&repo, 2, &kept);
    sound(&repo);
}

#[test]
fn when_all_points_are_gone_only_the_key_and_the_log_remain() {
    for order in [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3]] {
        let store = Arc::new(Memory::new());
        let repo = world(&store, 1).init();
        let mut content = disk(0..32);
        full(&repo, 1, &mut content).expect("a backup");
        content.write(300 * KIB, &noise(99, 100 * KIB as usize));
        changes(&repo, 2, 1, &mut content, &[Extent::new(300 * KIB, 100 * KIB)]).expect("one");
        full(&repo, 3, &mut disk(16..48)).expect("a backup");
        full(&repo, 4, &mut disk(0..32)).expect("a backup");
        for number in order {
            repo.forget(point(number)).expect("it exists");
            if number == 2 {
                collect(&repo, NOW, Repacking::Full);
                sound(&repo);
            }
        }
        collect(&repo, NOW, Repacking::Full);
        let left = names(store.as_ref(), "").into_iter().filter(|name| !name.starts_with("log/"));
        let slots = names(store.as_ref(), naming::KEYS);
        let expected: Vec<_> = std::iter::once("config".to_owned()).chain(slots).collect();
        assert_eq!(left.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn many_small_indexes_become_one() {
    let store = Arc::new(Memory::new());
    let world = world(&store, 1);
    let repo = world.init();
    for number in 1..=40 {
        full(&repo, number, &mut disk([number])).expect("a backup");
    }
    assert_eq!(names(store.as_ref(), "index/").len(), 40);
    let report = collect(&repo, LATER, Repacking::Worthwhile);
    assert_eq!(report.condemned_packs + report.repacked_packs, 0, "{report:?}");
    let left = names(store.as_ref(), "index/");
    assert_eq!(left.len(), 1, "the old ones are gone at once");
    let fresh = world.open().expect("a repository");
    assert_eq!(full(&fresh, 50, &mut disk([7])).expect("a backup").new_bytes, 0);
    for number in 1..=40 {
        assert_restores(&fresh, number, &disk([number]));
    }
    sound(&repo);
    // A merged index names packs of many sessions. Losing it costs time, no data.
    store.delete(&left[0]).expect("it is there");
    let fresh = world.open().expect("a repository");
    assert_restores(&fresh, 17, &disk([17]));
    let report = collect(&fresh, NOW, Repacking::Full);
    assert_eq!(report.condemned_packs, 0, "{report:?}");
    assert_restores(&fresh, 40, &disk([40]));
}

#[test]
fn a_pack_that_does_not_open_is_left_alone_and_named() {
    let (store, _, repo, kept) = mostly_dead();
    let large = store.list("packs/").expect("a list").into_iter().max_by_key(|pack| pack.size);
    let name = large.expect("a pack").name;
    let mut damaged = store.get(&name).expect("it is there");
    // In its last quarter, which is needed.
    let at = damaged.len() * 15 / 16;
    damaged[at] ^= 1;
    store.delete(&name).expect("it is there");
    store.put(&name, &damaged).expect("it is not there");
    for how in [Repacking::Worthwhile, Repacking::Full] {
        let report = collect(&repo, NOW, how);
        assert_eq!(report.left_packs, [name.as_str()], "{report:?}");
        assert_eq!(report.repacked_packs, 0, "{report:?}");
    }
    assert_eq!(store.get(&name).expect("it is still there"), damaged);
    // Nor is it touched once it is known to be damaged.
    let record = VerifyOptions { read_data: Some(100), record: true };
    assert_eq!(repo.verify(&record, &NoProgress).expect("a verification").damaged.len(), 1);
    assert_eq!(collect(&repo, NOW, Repacking::Full).left_packs, Vec::<String>::new());
    assert_eq!(store.get(&name).expect("it is still there"), damaged);
    // A full read stores anew what it held; then nothing needs it any more.
    full(&repo, 3, &mut disk(40..56)).expect("a backup");
    collect(&repo, NOW, Repacking::Full);
    assert_eq!(store.get(&name).ok(), None);
    assert_restores(&repo, 2, &kept);
    sound(&repo);
}

#[test]
fn a_copy_that_is_missing_is_no_reason_to_free_the_other() {
    let store = Arc::new(Memory::new());
    let first = world(&store, 1).init();
    let second = world(&store, 2).open().expect("a repository");
    // Both store the same: neither sees what the other has not committed.
    let begin = |repo: &Repository, number: u64| {
        let taken_at = jiff::Timestamp::UNIX_EPOCH;
        let (id, item) = (point(number), "an item".to_owned());
        repo.begin_point(repo::NewPoint { id, item, taken_at, parent: None }).expect("a session")
    };
    let (mut one, mut other) = (begin(&first, 1), begin(&second, 2));
    for writer in [&mut one, &mut other] {
        let spec = repo::DiskSpec {
            target: "vda".to_owned(),
            serial: String::new(),
            size: 8 * MIB,
            changed: None,
        };
        writer.write_disk(&spec, &mut disk(0..16), &NoProgress).expect("a disk");
    }
    one.commit(b"").expect("a commit");
    other.commit(b"").expect("a commit");
    let packs = store.list("packs/").expect("a list");
    let data: Vec<_> = packs.iter().filter(|pack| pack.size > MIB).collect();
    assert_eq!(data.len(), 2);
    let lowest = data[0].name.clone();
    let kept = store.get(&lowest).expect("it is there");
    store.delete(&lowest).expect("it is there");
    let report = collect(&first, LATER, Repacking::Full);
    assert!(report.condemned_bytes < MIB, "the other is needed: {report:?}");
    store.put(&lowest, &kept).expect("it is not there");
    let report = collect(&first, LATER, Repacking::Full);
    assert!(report.condemned_bytes > MIB, "one of two is enough: {report:?}");
    for number in [1, 2] {
        assert_restores(&second, number, &disk(0..16));
    }
}

/// Who else is at work while one collects.
#[derive(Debug, Clone, Copy)]
enum Other {
    /// Another collector, of the same kind.
    Collects,
    /// A writer that began before, commits.
    Commits,
    /// Somebody backs up, all of which was stored once, as an increment of point 2.
    BacksUp,
    /// Somebody gives the point up and backs the same up again.
    Replaces,
}

/// What is there before: a pack that is mostly dead, and one that is dead but for two ends.
fn busy_store() -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    let repo = world(&store, 1).init();
    full(&repo, 1, &mut disk(0..24)).expect("a backup");
    full(&repo, 2, &mut disk(18..24)).expect("a backup");
    full(&repo, 3, &mut disk([100, 101, 18])).expect("a backup");
    repo.forget(point(1)).expect("it exists");
    store
}

fn commit(writer: repo::PointWriter) {
    writer.commit(b"").expect("what it needs can be read");
}

/// Collects, and lets somebody else work in the middle of its `at`th call of the store; how many
/// calls there were.
fn collect_beside(other: Other, at: u64, options: CollectOptions, case: &str) -> u64 {
    let inner = busy_store();
    let beside = world(&inner, 3).open().expect("a repository");
    let mut writer = beside
        .begin_point(repo::NewPoint {
            id: point(10),
            item: "an item".to_owned(),
            taken_at: jiff::Timestamp::UNIX_EPOCH,
            parent: Some(point(2)),
        })
        .expect("a session");
    let mut grown = disk(18..24);
    grown.write(MIB, &noise(3, 64 * KIB as usize));
    let spec = repo::DiskSpec {
        target: "vda".to_owned(),
        serial: String::new(),
        size: 8 * MIB,
        changed: Some(vec![Extent::new(MIB, 64 * KIB)]),
    };
    writer.write_disk(&spec, &mut grown, &NoProgress).expect("a disk");
    let writer = std::sync::Mutex::new(Some(writer));
    let act = {
        let (beside, grown) = (beside.clone(), grown.clone());
        move || match other {
            Other::Collects => drop(collect(&beside, options, Repacking::Full)),
            Other::Commits => commit(writer.lock().expect("no panic").take().expect("once")),
            Other::BacksUp => {
                let changed = [Extent::new(MIB, 64 * KIB)];
                changes(&beside, 11, 2, &mut grown.clone(), &changed).expect("a backup");
            }
            Other::Replaces => {
                beside.forget(point(2)).expect("it exists");
                full(&beside, 12, &mut disk(0..24)).expect("a backup");
            }
        }
    };
    let calls = AtomicU64::new(0);
    let acted = OnceLock::new();
    let script = move |_: Attempt<'_>| -> Option<Mishap> {
        if calls.fetch_add(1, Ordering::SeqCst) + 1 == at {
            acted.get_or_init(&act);
        }
        None
    };
    let faulty = Arc::new(Faulty::new(Arc::clone(&inner), script));
    let world = World::new(Arc::clone(&faulty) as Arc<dyn ObjectStore>, 2);
    let repo = world.open().expect("a repository");
    repo.collect_with(&options, Repacking::Full, &NoProgress)
        .unwrap_or_else(|error| panic!("{case}: {error}"));
    let calls = faulty.attempts();
    // What is left over is got back, and nothing that is needed goes with it.
    let last = self::world(&inner, 4).open().expect("a repository");
    for _ in 0..2 {
        collect(&last, NOW, Repacking::Full);
    }
    // A condemned pack that a point needs would stay for ever: that must not be what saves it.
    assert_eq!(last.stats().expect("stats").condemned_bytes, 0, "{case}");
    for info in last.points().expect("points") {
        match info.id.get() {
            2 => assert_restores(&last, 2, &disk(18..24)),
            3 => assert_restores(&last, 3, &disk([100, 101, 18])),
            10 | 11 => assert_restores(&last, info.id.get(), &grown),
            12 => assert_restores(&last, 12, &disk(0..24)),
            other => panic!("{case}: point {other}"),
        }
    }
    sound(&last);
    calls
}

#[test]
fn whoever_works_in_the_middle_of_a_collection_loses_nothing() {
    // With a grace: without one, a writer's chunks may be gone before it can store them again.
    for other in [Other::Collects, Other::Commits, Other::BacksUp, Other::Replaces] {
        let mut at = 1;
        loop {
            let calls = collect_beside(other, at, LATER, &format!("{other:?} at call {at}"));
            if calls < at {
                assert!(at > 30, "a collection has {at} calls");
                break;
            }
            at += if support::long() { 1 } else { 3 };
        }
    }
}

/// Merges indexes, and lets another collector retire packs in the middle of the `at`th call of the
/// store. The index that it leaves is damaged at once, and it is slow to delete the packs. How many
/// calls there were.
fn merge_beside_a_slow_delete(at: u64) -> u64 {
    let inner = Arc::new(Memory::new());
    let first = world(&inner, 1);
    let repo = first.init();
    full(&repo, 1, &mut disk(0..16)).expect("a backup");
    full(&repo, 2, &mut disk(20..36)).expect("a backup");
    // Now one index, of a session without packs, names the packs of both.
    collect(&repo, LATER, Repacking::Full);
    full(&repo, 3, &mut disk(40..56)).expect("a backup");
    full(&repo, 4, &mut disk(60..76)).expect("a backup");
    let before = names(inner.as_ref(), "packs/");
    repo.forget(point(1)).expect("it exists");
    assert!(collect(&repo, LATER, Repacking::Never).condemned_packs > 0);
    first.clock.advance(86_400);
    let slow = {
        let inner = Arc::clone(&inner);
        move || {
            let packs: Vec<_> = before
                .iter()
                .map(|name| (name.clone(), inner.get(name).expect("it is listed")))
                .collect();
            let old = names(inner.as_ref(), "index/");
            assert!(collect(&repo, LATER, Repacking::Never).deleted_packs > 0);
            let left = names(inner.as_ref(), "packs/");
            let gone = packs.into_iter().filter(|(name, _)| !left.contains(name));
            let put_back = |(name, bytes): (String, Vec<u8>)| {
                inner.put(&name, &bytes).expect("it is gone");
                name
            };
            let gone: Vec<String> = gone.map(put_back).collect();
            for index in names(inner.as_ref(), "index/") {
                if !old.contains(&index) {
                    inner.damage(&index, b"nothing");
                }
            }
            gone
        }
    };
    let calls = AtomicU64::new(0);
    let retired = Arc::new(OnceLock::new());
    let acted = Arc::clone(&retired);
    let script = move |_: Attempt<'_>| -> Option<Mishap> {
        if calls.fetch_add(1, Ordering::SeqCst) + 1 == at {
            acted.get_or_init(&slow);
        }
        None
    };
    let faulty = Arc::new(Faulty::new(Arc::clone(&inner), script));
    let merging = World::new(Arc::clone(&faulty) as Arc<dyn ObjectStore>, 2);
    let merger = merging.open().expect("a repository");
    let patient = CollectOptions { grace: 100 * DAY, dry_run: false };
    collect(&merger, patient, Repacking::Full);
    let calls = faulty.attempts();
    // Somebody stores the same again, and only then the deleting goes on.
    let later = world(&inner, 3).open().expect("a repository");
    full(&later, 5, &mut disk(0..16)).expect("a backup that relies on nothing retired");
    for name in retired.get().into_iter().flatten() {
        inner.delete(name).expect("it is there");
    }
    for (number, pieces) in [(2, 20..36), (3, 40..56), (4, 60..76), (5, 0..16)] {
        assert_restores(&later, number, &disk(pieces));
    }
    calls
}

#[test]
fn a_retired_pack_never_comes_back_into_an_index() {
    let mut at = 1;
    while at <= merge_beside_a_slow_delete(at) {
        at += 1;
    }
    assert!(at > 20, "only {at} calls");
}

#[test]
fn two_collectors_that_delete_at_once_lose_nothing() {
    let mut at = 2;
    while collect_beside(Other::Collects, at, NOW, &format!("at call {at}")) >= at {
        at += if support::long() { 1 } else { 3 };
    }
}

#[test]
fn a_failure_at_any_call_of_a_full_collection_harms_no_point() {
    for mishap in [Mishap::Fails, Mishap::DoneButFails, Mishap::Full] {
        for dead in [false, true] {
            let mut at = 1;
            loop {
                let case = format!("{mishap:?} at call {at}, dead: {dead}");
                let inner = busy_store();
                let script = move |attempt: Attempt<'_>| match attempt.number {
                    number if number == at => Some(mishap),
                    number if number > at && dead => Some(Mishap::Fails),
                    _ => None,
                };
                let faulty = Arc::new(Faulty::new(Arc::clone(&inner), script));
                let world = World::new(Arc::clone(&faulty) as Arc<dyn ObjectStore>, 2);
                let collected = world
                    .open()
                    .and_then(|repo| repo.collect_with(&NOW, Repacking::Full, &NoProgress));
                let last = self::world(&inner, 3).open().expect("a repository");
                for number in [2, 3] {
                    let pieces = if number == 2 { disk(18..24) } else { disk([100, 101, 18]) };
                    assert_restores(&last, number, &pieces);
                }
                for session in last.sessions().expect("sessions") {
                    last.fence(session.id).expect("it is open");
                }
                collect(&last, NOW, Repacking::Full);
                let report = collect(&last, NOW, Repacking::Full);
                let left = report.condemned_packs + report.repacked_packs + report.deleted_packs;
                assert_eq!(left + report.deleted_objects, 0, "{case}: {report:?}");
                let needed = report.needed_bytes + 8 * KIB;
                assert!(bytes(inner.as_ref(), "packs/") < needed, "{case}: {report:?}");
                sound(&last);
                if faulty.attempts() < at {
                    collected.unwrap_or_else(|error| panic!("{case}: {error}"));
                    break;
                }
                at += if support::long() { 1 } else { 3 };
            }
        }
    }
}

#[test]
fn repacking_reads_and_writes_what_is_needed_and_little_else() {
    let inner = Arc::new(Memory::new());
    let repo = world(&inner, 1).init();
    full(&repo, 1, &mut disk(0..56)).expect("a backup");
    full(&repo, 2, &mut disk(40..56)).expect("a backup");
    repo.forget(point(1)).expect("it exists");
    let store = Arc::new(Counting::new(Arc::clone(&inner)));
    let counted = World::new(Arc::clone(&store) as Arc<dyn ObjectStore>, 2);
    let repo = counted.open().expect("a repository");
    store.take();
    let report = collect(&repo, NOW, Repacking::Full);
    let totals = store.totals();
    let (read, written) = (totals[&Operation::GetRange].bytes, totals[&Operation::Put].bytes);
    println!("{report:?}: read {read}, written {written}");
    for moved in [read, written] {
        let expected = report.rewritten_bytes..report.rewritten_bytes + 64 * KIB;
        assert!(expected.contains(&moved), "{moved} for {report:?}");
    }
}
