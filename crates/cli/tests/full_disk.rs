//! `holdfast repo` on a file system that is really full: the real program on a small ext4 of its
//! own. Takes root and the right to mount, so it runs only when asked for:
//!
//!   cargo test --release --locked -p repo -p cli --test full_disk -- --ignored
//!
//! Method: somebody else's file leaves so and so much room, and a step is tried. Where it fails, it
//! must say that the store is full, and leave nothing behind that counts; then everything that a
//! full store must allow is done, with not a byte left.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const FULL: &str = "UserErrorRepositoryFull";

/// A small file system, unmounted in the end, and a directory beside it.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new(inodes: u64) -> Self {
        let place = Self { dir: TempDir::new().expect("a directory") };
        let (image, at) = (place.path("image"), place.path("full"));
        File::create(&image).and_then(|file| file.set_len(24 * MIB)).expect("a sparse file");
        fs::create_dir(&at).expect("a directory");
        let inodes = inodes.to_string();
        let mkfs = ["-q", "-F", "-m", "0", "-O", "^has_journal", "-N", inodes.as_str()];
        must(Command::new("mkfs.ext4").args(mkfs).arg(&image));
        must(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Somebody else's file takes all but `left` bytes.
    fn fill(&self, name: &str, left: u64) {
        let file = File::create(self.path("full").join(name)).expect("an inode is left");
        let space = rustix::fs::fstatvfs(&file).expect("a file system");
        let size = (space.f_bavail * space.f_frsize).saturating_sub(left);
        // The blocks that say where blocks are take room too: down to what fits.
        for less in 0..64 {
            let size = size.saturating_sub(less * 4 * KIB);
            let none = rustix::fs::FallocateFlags::empty();
            if size == 0 || rustix::fs::fallocate(&file, none, 0, size).is_ok() {
                return;
            }
        }
        panic!("the file system cannot be filled");
    }

    /// Somebody else's files take all inodes but `left`.
    fn fill_inodes(&self, name: &str, left: u64) {
        let directory = self.path("full");
        let free = rustix::fs::statvfs(&directory).expect("a file system").f_ffree;
        for number in left..free {
            File::create(directory.join(format!("{name}-{number}"))).expect("an inode is left");
        }
    }

    fn make_room(&self) {
        for entry in fs::read_dir(self.path("full")).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                fs::remove_file(path).expect("it is there");
            }
        }
    }

    fn run(&self, line: &str) -> (Option<i32>, Value) {
        let mut words = line.split_whitespace();
        let command = words.next().expect("a command");
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .current_dir(self.dir.path())
            .args(["--json", "repo", command, "--repo", "full/vault", "--key-file", "key"])
            .args(words)
            .output()
            .expect("it runs");
        let told = || String::from_utf8_lossy(&stderr).into_owned();
        let document = serde_json::from_slice(&stdout);
        (status.code(), document.unwrap_or_else(|error| panic!("{line}: {error}: {}", told())))
    }

    #[track_caller]
    fn ok(&self, line: &str) -> Value {
        let (code, document) = self.run(line);
        assert_eq!(code, Some(0), "{line}: {document}");
        document
    }

    /// Whether there was room for it. If not, it must have been said in full.
    #[track_caller]
    fn fits(&self, line: &str) -> Option<Value> {
        let (code, document) = self.run(line);
        if code == Some(0) {
            return Some(document);
        }
        let error = &document["error"];
        assert_eq!((code, &error["code"]), (Some(1), &json!(FULL)), "{line}: {document}");
        let details = error["details"].as_array().map_or(0, Vec::len);
        assert_eq!(details, 2, "a cause and an action: {document}");
        None
    }

    #[track_caller]
    fn assert_restores(&self, point: &str, expected: &[u8]) {
        self.ok(&format!("restore {point} out --force"));
        assert!(fs::read(self.path("out")).expect("reads") == expected, "{point} differs");
    }

    #[track_caller]
    fn assert_points(&self, expected: &[&str]) {
        let list = self.ok("list");
        let points: BTreeSet<&str> =
            list.as_array().expect("a list").iter().filter_map(|it| it["point"].as_str()).collect();
        assert_eq!(points, expected.iter().copied().collect());
    }

    /// What lies under a directory of the repository, by kind of object.
    fn count(&self, under: &str) -> usize {
        files(&self.path("full/vault").join(under))
    }

    /// Which steps of a backup left something.
    fn steps(&self) -> [usize; 3] {
        ["packs", "index", "manifests"].map(|under| self.count(under))
    }

    /// Everything that a full store must allow, until nothing is left of what was stored.
    #[track_caller]
    fn empties(&self, points: &[&str]) {
        self.ok("verify --read-data");
        for point in points {
            self.ok(&format!("forget {point}"));
        }
        for _ in 0..2 {
            self.ok("collect --grace-hours 0");
        }
        self.assert_points(&[]);
        let stats = self.ok("stats");
        assert_eq!((&stats["packs"], &stats["openSessions"]), (&json!(0), &json!(0)), "{stats}");
        assert_eq!(self.count("packs"), 0, "packs that stay for ever");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path("full")).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{:?} is left", self.dir.path());
    }
}

#[track_caller]
fn must(command: &mut Command) {
    let output = command.output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}: this test needs root and mounts");
}

fn files(path: &Path) -> usize {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let count = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path) } else { 1 }
    };
    entries.map(count).sum()
}

/// Bytes that hardly compress.
fn image(number: u64, length: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length as usize).collect()
}

fn point(document: &Value) -> String {
    document["point"].as_str().expect("a point").to_owned()
}

/// A repository with one point, and two images beside it.
fn begun(inodes: u64) -> (Place, String, Vec<u8>, Vec<u8>) {
    let place = Place::new(inodes);
    let (one, two) = (image(1, MIB), image(2, 3 * MIB));
    fs::write(place.path("one"), &one).expect("writes");
    fs::write(place.path("two"), &two).expect("writes");
    place.ok("init");
    let first = point(&place.ok("backup --item web one"));
    (place, first, one, two)
}

/// Whether a backup has room with `left` bytes free.
fn has_room(left: u64) -> bool {
    let (place, ..) = begun(400);
    place.fill("somebodys", left);
    place.fits("backup --item web two").is_some()
}

/// A backup with `left` bytes free, and everything after it. What its steps left.
fn attempt(left: u64) -> [usize; 3] {
    let (place, first, one, two) = begun(400);
    let before = place.steps();
    place.fill("somebodys", left);
    let second = place.fits("backup --item web two").map(|document| point(&document));
    let after = place.steps();
    assert_eq!(place.count(".tmp"), 0, "with {left} bytes left");
    let points: Vec<&str> =
        [Some(&first), second.as_ref()].into_iter().flatten().map(String::as_str).collect();
    place.fill("and-all-the-rest", 0);
    place.assert_points(&points);
    place.assert_restores(&first, &one);
    if let Some(second) = &second {
        place.assert_restores(second, &two);
    }
    place.empties(&points);
    place.make_room();
    let again = point(&place.ok("backup --item web two"));
    place.assert_restores(&again, &two);
    [0, 1, 2].map(|at| after[at] - before[at])
}

#[test]
#[ignore = "needs root and mounts: ./test runs it"]
fn a_backup_that_runs_out_of_room_at_any_step_leaves_nothing_that_counts() {
    // Where it just fits, so that the levels below end in its last steps.
    let (mut short, mut enough) = (3 * MIB, 4 * MIB);
    assert!(!has_room(short) && has_room(enough));
    while enough - short > 4 * KIB {
        let middle = (short + enough) / 2;
        if has_room(middle) { enough = middle } else { short = middle }
    }
    let (parts, blocks) =
        if std::env::var_os("HOLDFAST_LONG").is_some() { (16, 64) } else { (3, 14) };
    let coarse = (0..parts).map(|part| short / parts * part);
    let ends: BTreeSet<_> =
        coarse.chain((0..blocks).map(|less| short - less * 4 * KIB)).map(attempt).collect();
    eprintln!("it fits with {enough} bytes; what was left by those that did not: {ends:?}");
    assert!(ends.len() >= 3, "the levels end in different steps: {ends:?}");
}

#[test]
#[ignore = "needs root and mounts: ./test runs it"]
fn a_repository_that_has_no_room_to_begin_begins_when_it_has() {
    let mut failed = 0;
    for left in (0..100).step_by(7).map(|blocks| blocks * 4 * KIB) {
        let place = Place::new(400);
        place.fill("somebodys", left);
        if place.fits("init").is_none() {
            failed += 1;
            place.make_room();
            place.ok("init");
        }
        place.make_room();
        fs::write(place.path("one"), image(1, MIB)).expect("writes");
        let first = point(&place.ok("backup --item web one"));
        place.assert_restores(&first, &image(1, MIB));
    }
    assert!(failed > 3, "{failed}");
}

#[test]
#[ignore = "needs root and mounts: ./test runs it"]
fn a_file_system_without_inodes_is_full_too() {
    for left in [0, 2, 4, 6, 8] {
        let (place, first, one, two) = begun(400);
        place.fill_inodes("somebodys", left);
        let second = place.fits("backup --item web two").map(|document| point(&document));
        // Nightly attempts must not eat up what is kept back.
        for _ in 0..if second.is_none() { 20 } else { 0 } {
            place.fits("backup --item web two");
        }
        place.fill_inodes("rest", 0);
        let points: Vec<&str> =
            [Some(&first), second.as_ref()].into_iter().flatten().map(String::as_str).collect();
        assert_eq!(place.count(".tmp"), 0, "with {left} inodes left");
        place.assert_points(&points);
        place.assert_restores(&first, &one);
        place.empties(&points);
        place.make_room();
        let again = point(&place.ok("backup --item web two"));
        place.assert_restores(&again, &two);
    }
}

#[test]
#[ignore = "needs root and mounts: ./test runs it"]
fn a_store_that_cannot_be_written_is_read_and_not_called_full() {
    let (place, first, one, _) = begun(400);
    must(Command::new("mount").args(["-o", "remount,ro"]).arg(place.path("full")));
    place.assert_points(&[&first]);
    place.assert_restores(&first, &one);
    let (code, document) = place.run("backup --item web two");
    let told = &document["error"]["code"];
    assert_eq!((code, told), (Some(1), &json!("UserErrorRepositoryUnavailable")), "{document}");
}
