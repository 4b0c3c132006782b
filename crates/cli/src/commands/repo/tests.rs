//! Method: whole command lines run on a repository in a temporary directory; images are small raw
//! files whose content follows from a number.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{self, World};
use crate::failure::{Exit, Failure};

/// A directory with a repository `r` in it.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: TempDir::new().expect("temporary directory") };
        place.ok("init --repo r");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `holdfast repo … --json`. `@name` is a file of the directory, `r` the repository.
    fn run(&self, line: &str) -> (Exit, Value) {
        let path = |name: &str| self.path(name).into_os_string();
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => path(name),
            None if word == "r" => path("r"),
            None => OsString::from(word),
        };
        let args = ["holdfast", "--json", "repo"].map(OsString::from).into_iter();
        let args = args.chain(line.split_whitespace().map(word));
        let connect = |_: &Path| Err(Failure::usage("a repository needs no service"));
        let world = World { connect: &connect, pause: |_| (), watched: false };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = app::run(args, &world, &mut out, &mut err).expect("writes to memory");
        (exit, serde_json::from_slice(&out).expect("one document"))
    }

    #[track_caller]
    fn ok(&self, line: &str) -> Value {
        let (exit, document) = self.run(line);
        assert_eq!(exit, Exit::Done, "{line}: {document}");
        document
    }

    #[track_caller]
    fn fails(&self, line: &str, exit: Exit, code: &str) {
        let (ended, document) = self.run(line);
        assert_eq!((ended, &document["error"]["code"]), (exit, &json!(code)), "{line}: {document}");
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("writes");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("reads")
    }

    /// Backs the image `disk` up as the item `web`; the point.
    fn backup(&self, more: &str) -> String {
        point(&self.ok(&format!("backup --repo r --item web {more} @disk")))
    }
}

fn point(document: &Value) -> String {
    document["point"].as_str().expect("a point").to_owned()
}

/// A megabyte that hardly compresses, with a hole in the middle.
fn image(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(1 << 17)
    .flatten()
    .collect();
    bytes[400_000..700_000].fill(0);
    bytes
}

#[test]
fn what_is_stored_comes_back() {
    let place = Place::new();
    place.write("disk", &image(1));
    let stored = place.ok("backup --repo r --item web @disk");
    assert_eq!((&stored["item"], &stored["logicalBytes"]), (&json!("web"), &json!(1 << 20)));
    for count in ["readBytes", "newBytes", "storedBytes"] {
        assert!(stored[count].as_u64().is_some_and(|bytes| bytes > 600_000), "{count}: {stored}");
    }
    let restored = place.ok(&format!("restore --repo r {} @out", point(&stored)));
    assert_eq!(place.read("out"), image(1));
    assert_eq!(restored["disks"][0]["path"], json!(place.path("out")));
}

#[test]
fn an_incremental_reads_only_what_changed() {
    let place = Place::new();
    place.write("disk", &image(1));
    let first = place.backup("");
    let mut changed = image(1);
    changed[8192..12288].fill(7);
    place.write("disk", &changed);
    place.write("extents", br#"[{"start": 8192, "length": 4096}]"#);
    let line = format!("backup --repo r --item web --parent {first} --changed @extents @disk");
    let second = place.ok(&line);
    assert!(second["readBytes"].as_u64().is_some_and(|bytes| bytes < 600_000), "{second}");
    place.ok(&format!("restore --repo r {} @second", point(&second)));
    place.ok(&format!("restore --repo r {first} @first"));
    assert_eq!((place.read("first"), place.read("second")), (image(1), changed));
    let list = place.ok("list --repo r");
    let told: Vec<(&Value, &Value)> =
        list.as_array().expect("a list").iter().map(|p| (&p["point"], &p["parent"])).collect();
    assert_eq!(told, [(&second["point"], &json!(first)), (&json!(first), &Value::Null)]);
}

#[test]
fn the_key_file_is_its_owners_alone_and_nothing_opens_without_it() {
    let place = Place::new();
    let mode = fs::metadata(place.path("r.key")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    place.ok("init --repo @other --key-file @other.key");
    place.fails("list --repo r --key-file @other.key", Exit::Failed, "UserErrorVaultKeyInvalid");
    place.fails("list --repo r --key-file @none.key", Exit::Failed, "UserErrorVaultKeyInvalid");
    place.ok("list --repo r --key-file @r.key");
}

#[test]
fn a_repository_is_made_once_and_its_key_is_not_replaced() {
    let place = Place::new();
    let key = place.read("r.key");
    place.fails("init --repo r", Exit::Failed, "RepositoryExists");
    assert_eq!(place.read("r.key"), key);
    place.fails("init --repo r --key-file @stray.key", Exit::Failed, "RepositoryExists");
    assert!(!place.path("stray.key").exists(), "a key that opens nothing is not left behind");
}

#[test]
fn what_is_not_there_is_not_found() {
    let place = Place::new();
    place.fails("list --repo @nowhere", Exit::NotFound, "ResourceNotFound");
    assert!(!place.path("nowhere").exists(), "looking makes nothing");
    place.fails("restore --repo r 7 @out", Exit::NotFound, "ResourceNotFound");
    place.fails("forget --repo r 7", Exit::NotFound, "ResourceNotFound");
    place.write("disk", &image(1));
    let id = place.backup("");
    let line = format!("restore --repo r {id} @out --disk vdz");
    place.fails(&line, Exit::NotFound, "ResourceNotFound");
    place.fails("collect --repo r --dead-session 00", Exit::NotFound, "ResourceNotFound");
    let line = "backup --repo r --item web @no-image";
    let (exit, _) = place.run(line);
    assert_eq!(exit, Exit::Failed);
}

#[test]
fn a_file_that_is_there_is_not_replaced_unless_asked() {
    let place = Place::new();
    place.write("disk", &image(1));
    let id = place.backup("");
    place.write("out", b"precious");
    let line = format!("restore --repo r {id} @out");
    place.fails(&line, Exit::Failed, "UserErrorRestoreTargetInvalid");
    assert_eq!(place.read("out"), b"precious");
    place.ok(&format!("{line} --force"));
    assert_eq!(place.read("out"), image(1));
}

#[test]
fn into_a_directory_each_disk_gets_its_name() {
    let place = Place::new();
    place.write("disk", &image(1));
    let id = place.backup("--disk sda");
    fs::create_dir(place.path("out")).expect("makes");
    place.ok(&format!("restore --repo r {id} @out"));
    assert_eq!(place.read("out/sda.raw"), image(1));
}

#[test]
fn damage_is_found_and_has_its_exit_code() {
    let place = Place::new();
    place.write("disk", &image(1));
    let id = place.backup("");
    assert_eq!(place.ok("verify --repo r --read-data")["damaged"], json!([]));
    let largest = files(&place.path("r/packs")).into_iter().max_by_key(|(size, _)| *size);
    let (size, pack) = largest.expect("packs");
    let mut bytes = fs::read(&pack).expect("reads");
    bytes[size / 2] ^= 1;
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).expect("sets");
    fs::write(&pack, bytes).expect("writes");
    let (exit, report) = place.run("verify --repo r --read-data");
    assert_eq!((exit, &report["pointsHit"]), (Exit::Damaged, &json!([id])), "{report}");
    let line = format!("restore --repo r {id} @out");
    place.fails(&line, Exit::Damaged, "UserErrorRepositoryDamaged");
    assert!(!place.path("out").exists(), "what is not whole does not get the name");
    assert_eq!(files(place.dir.path()).iter().filter(|(_, p)| is_part(p)).count(), 0);
}

#[test]
fn what_is_damaged_everywhere_fails_the_restore_and_names_point_and_object() {
    let place = Place::new();
    place.write("disk", &image(1));
    let id = place.backup("");
    place.ok("copy --repo r --to @second");
    let (size, pack) =
        files(&place.path("r/packs")).into_iter().max_by_key(|(size, _)| *size).expect("packs");
    let name = pack.strip_prefix(place.path("r")).expect("inside").to_owned();
    for store in ["r", "second"] {
        let path = place.path(store).join(&name);
        let mut bytes = fs::read(&path).expect("reads");
        bytes[size / 2] ^= 1;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("sets");
        fs::write(&path, bytes).expect("writes");
    }
    let (exit, left) = place.run("repair --repo r --from @second");
    assert_eq!((exit, &left["pointsHit"]), (Exit::Damaged, &json!([id])), "{left}");
    let (exit, failed) = place.run(&format!("restore --repo r {id} @out"));
    assert_eq!(exit, Exit::Damaged, "{failed}");
    let told = failed["error"]["message"].as_str().expect("a message");
    assert!(told.contains(name.to_str().expect("a name")) && told.contains(&id), "{told}");
    assert!(!place.path("out").exists(), "what is not whole does not get the name");
}

#[test]
fn damage_is_found_without_a_key_and_comes_back_from_a_copy() {
    let place = Place::new();
    place.write("disk", &image(1));
    let id = place.backup("");
    let copied = place.ok("copy --repo r --to @second");
    let second = place.path("second");
    // Beside the objects lies what the store keeps back for a full disk: names with a dot.
    let is_object = |path: &Path| {
        let name = path.strip_prefix(&second).expect("inside");
        !name.iter().any(|part| part.as_encoded_bytes().starts_with(b"."))
    };
    let copies = files(&second).iter().filter(|(_, path)| is_object(path)).count();
    assert_eq!(copied["copiedObjects"], json!(copies));
    let again = place.ok("copy --repo r --to @second");
    assert_eq!(
        (&again["copiedObjects"], &again["presentObjects"]),
        (&json!(0), &copied["copiedObjects"])
    );
    let (size, pack) =
        files(&place.path("r/packs")).into_iter().max_by_key(|(size, _)| *size).expect("packs");
    let sound = fs::read(&pack).expect("reads");
    let mut bytes = sound.clone();
    bytes[size / 2] ^= 1;
    fs::write(&pack, bytes).expect("writes");
    fs::rename(place.path("r.key"), place.path("away.key")).expect("moves");
    let (exit, report) = place.run("scrub --repo r");
    assert_eq!(exit, Exit::Damaged);
    let name = pack.strip_prefix(place.path("r")).expect("inside").to_str().expect("a name");
    assert_eq!(report["damaged"][0]["name"], json!(name));
    assert_eq!(place.ok("scrub --repo @second")["damaged"], json!([]));
    fs::rename(place.path("away.key"), place.path("r.key")).expect("moves");

    let (exit, dry) = place.run("repair --repo r --from @second --dry-run");
    assert_eq!((exit, &dry["repaired"][0]["name"]), (Exit::Damaged, &json!(name)), "{dry}");
    let repaired = place.ok("repair --repo r --from @second");
    let kept = repaired["repaired"][0]["quarantined"].as_str().expect("kept");
    assert!(place.path("r").join(kept).exists() && kept.starts_with("quarantine/"), "{kept}");
    assert_eq!(fs::read(&pack).expect("reads"), sound);
    assert_eq!(place.ok("stats --repo r")["quarantinedObjects"], json!(1));
    place.ok(&format!("restore --repo r {id} @out"));
    assert_eq!(place.read("out"), image(1));
    place.ok("init --repo @other --key-file @other.key");
    place.fails("repair --repo r --from @other", Exit::Failed, "OtherVault");
    place.fails("copy --repo r --to @other", Exit::Failed, "OtherVault");
    place.fails("scrub --repo @nowhere", Exit::NotFound, "ResourceNotFound");
}

#[test]
fn a_witness_outside_sees_that_the_log_lost_its_end() {
    let place = Place::new();
    place.write("disk", &image(1));
    place.backup("");
    let head = place.ok("verify --repo r")["logHead"].as_str().expect("an entry").to_owned();
    place.ok(&format!("verify --repo r --log-head {head}"));
    let entries = files(&place.path("r/log"));
    let last = entries.into_iter().map(|(_, path)| path).max().expect("entries");
    fs::remove_file(last).expect("removes");
    place.ok("verify --repo r");
    let (exit, report) = place.run(&format!("verify --repo r --log-head {head}"));
    assert_eq!((exit, &report["damaged"][0]["kind"]), (Exit::Damaged, &json!("log entry")));
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "part")
}

fn files(directory: &Path) -> Vec<(usize, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("lists").flatten() {
        let about = entry.metadata().expect("is there");
        match about.is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push((about.len() as usize, entry.path())),
        }
    }
    found
}

#[test]
fn what_deleting_a_point_frees_is_said_before_and_got_by_a_full_collection() {
    let place = Place::new();
    place.write("disk", &image(1));
    place.backup("");
    let mut changed = image(1);
    changed[..300_000].copy_from_slice(&image(2)[..300_000]);
    place.write("disk", &changed);
    let second = place.backup("");
    let quick = place.ok("list --repo r");
    assert_eq!(quick[0].get("freesBytes"), None, "maps are not read unasked");
    let list = place.ok("list --repo r --space");
    let frees = list[0]["freesBytes"].as_u64().expect("a size");
    // What was changed, and at most a few chunks more: every vault cuts in other places.
    assert!((300_000..700_000).contains(&frees), "{list}");
    assert!(list[0]["uniqueBytes"].as_u64().is_some_and(|bytes| bytes >= 300_000), "{list}");
    let before = place.ok("stats --repo r");
    let alone = before["perPoint"].as_array().expect("a list").iter();
    let alone = alone.filter(|point| point["point"] == json!(second)).collect::<Vec<_>>();
    assert_eq!(alone[0]["freesBytes"], json!(frees));
    assert_eq!(before["fullCollectFreesBytes"], json!(0));
    place.ok(&format!("forget --repo r {second}"));
    let collected = place.ok("collect --repo r --full --grace-hours 0");
    assert_eq!((&collected["full"], &collected["laterBytes"]), (&json!(true), &json!(0)));
    let after = place.ok("stats --repo r");
    let size = |stats: &Value| stats["storedBytes"].as_u64().expect("a size");
    let freed = size(&before) - size(&after);
    assert!(freed.abs_diff(frees) < 4096, "said {frees}, got {freed}");
}

#[test]
fn what_nobody_needs_is_collected() {
    let place = Place::new();
    place.write("disk", &image(1));
    let first = place.backup("");
    place.write("disk", &image(2));
    let second = place.backup("");
    place.ok(&format!("forget --repo r {first}"));
    let dry = place.ok("collect --repo r --grace-hours 0 --dry-run");
    assert_ne!(dry["condemnedPacks"], json!(0), "{dry}");
    place.ok("collect --repo r --grace-hours 0");
    place.ok("collect --repo r --grace-hours 0");
    let stats = place.ok("stats --repo r");
    assert_eq!(stats["points"], json!(1));
    assert!(stats["storedBytes"].as_u64().is_some_and(|bytes| bytes < 1_200_000), "{stats}");
    place.ok(&format!("restore --repo r {second} @out"));
    assert_eq!(place.read("out"), image(2));
}

#[test]
fn a_cloud_store_wants_its_key_file_named() {
    let place = Place::new();
    for url in ["s3://bucket/prefix", "az://container/prefix"] {
        let (exit, document) = place.run(&format!("list --repo {url}"));
        let message = document["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(exit, Exit::Usage);
        assert!(message.contains("--key-file"), "{message}");
    }
    let (exit, _) = place.run("list --repo s3://b/p --key-file @r.key");
    assert_eq!(exit, Exit::Usage, "a bucket's name has three signs at least");
}

/// The slots and their kinds, in the order of the kinds.
fn slots(place: &Place) -> Vec<(String, String)> {
    let list = place.ok("key list --repo r");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let slot = |slot: &Value| (text(&slot["kind"]), text(&slot["slot"]));
    let mut slots: Vec<_> = list.as_array().expect("a list").iter().map(slot).collect();
    slots.sort_unstable();
    slots
}

#[test]
fn keys_of_every_kind_open_a_repository() {
    let place = Place::new();
    place.write("disk", &image(1));
    let id = place.backup("");
    place.write("words", b"correct horse battery staple\n");
    place.write("other", b"correct horse battery stable\n");
    place.write("short", b"secret\n");
    place.ok("key add --repo r --new-passphrase-file @words");
    let added = place.ok("key add --repo r --new-recovery-key");
    place.write("paper", added["recoveryKey"].as_str().expect("shown once").as_bytes());
    place.ok("key add --repo r --new-key-file @second.key");
    let kinds: Vec<_> = slots(&place).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["key file", "key file", "passphrase", "recovery key"]);
    for opens in
        ["--passphrase-file @words", "--recovery-key-file @paper", "--key-file @second.key"]
    {
        place.ok(&format!("restore --repo r {opens} --force {id} @out"));
        assert_eq!(place.read("out"), image(1));
    }
    let wrong = "UserErrorVaultKeyInvalid";
    place.fails("list --repo r --passphrase-file @other", Exit::Failed, wrong);
    place.fails("list --repo r --recovery-key-file @words", Exit::Failed, wrong);
    let short = "key add --repo r --new-passphrase-file @short";
    place.fails(short, Exit::Failed, "SecretUnusable");
    let none = "key add --repo r";
    assert_eq!(place.run(none).0, Exit::Usage);
    let two = "list --repo r --passphrase-file @words --key-file @r.key";
    assert_eq!(place.run(two).0, Exit::Usage);
    let init = "init --repo @new --recovery-key-file @paper";
    assert_eq!(place.run(init).0, Exit::Usage);
}

#[test]
fn a_repository_begins_with_a_passphrase_and_a_recovery_key() {
    let place = Place::new();
    place.write("disk", &image(1));
    place.write("words", b"correct horse battery staple\n");
    place.write("short", b"secret\n");
    place.fails("init --repo @p --passphrase-file @short", Exit::Failed, "SecretUnusable");
    let made = place.ok("init --repo @p --passphrase-file @words --recovery-key-out @paper");
    assert_eq!((&made["keyFile"], made.get("recoveryKey")), (&json!(null), None));
    assert!(!place.path("p.key").exists(), "no key file was asked for");
    let mode = fs::metadata(place.path("paper")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let words = "--repo @p --passphrase-file @words";
    let id = point(&place.ok(&format!("backup {words} --item web @disk")));
    place.ok(&format!("restore --repo @p --recovery-key-file @paper {id} @out"));
    assert_eq!(place.read("out"), image(1));
    // What is there is not replaced, neither a file nor a repository.
    let again = "init --repo @q --recovery-key-out @paper";
    place.fails(again, Exit::Failed, "FileError");
    let again = "init --repo @p --recovery-key-out @paper2";
    place.fails(again, Exit::Failed, "RepositoryExists");
    assert!(!place.path("paper2").exists() && !place.path("p.key").exists());
    let shown = place.ok("init --repo @s --new-recovery-key");
    place.write("shown", shown["recoveryKey"].as_str().expect("shown once").as_bytes());
    place.ok("key list --repo @s --recovery-key-file @shown");
}

#[test]
fn a_wrong_key_is_explained_as_what_it_is() {
    let place = Place::new();
    place.write("words", b"correct horse battery staple\n");
    place.write("paper", b"HFR1-0000000\n");
    for (opens, word) in [
        ("--passphrase-file @words", "passphrase"),
        ("--recovery-key-file @paper", "recovery key"),
        ("--key-file @words", "key file"),
    ] {
        for command in ["list", "key list"] {
            let (exit, document) = place.run(&format!("{command} --repo r {opens}"));
            let details = document["error"]["details"].to_string();
            assert_eq!(exit, Exit::Failed);
            assert!(details.contains(word), "{command} {opens}: {document}");
            let others = ["passphrase", "recovery key", "key file"].into_iter();
            for other in others.filter(|other| *other != word) {
                assert!(!details.contains(other), "{command} {opens}: {document}");
            }
        }
    }
}

#[test]
fn a_key_file_is_rotated_in_its_place() {
    let place = Place::new();
    place.write("disk", &image(1));
    let id = place.backup("");
    let old = place.read("r.key");
    place.write("old", &old);
    let rotated = place.ok("key rotate --repo r");
    assert_eq!(rotated["otherSlots"], json!(0));
    assert_ne!(place.read("r.key"), old);
    let mode = fs::metadata(place.path("r.key")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    place.ok(&format!("restore --repo r {id} @out"));
    assert_eq!(place.read("out"), image(1));
    place.fails("list --repo r --key-file @old", Exit::Failed, "UserErrorVaultKeyInvalid");
    assert!(!place.path("r.key.next").exists());
    place.write("words", b"correct horse battery staple\n");
    place.ok("key add --repo r --new-passphrase-file @words");
    let (exit, _) = place.run("key rotate --repo r --passphrase-file @words");
    assert_eq!(exit, Exit::Usage);
}

#[test]
fn keys_are_removed_and_rotated_but_one_stays() {
    let place = Place::new();
    place.write("disk", &image(1));
    let id = place.backup("");
    let (_, own) = slots(&place).remove(0);
    place.fails(&format!("key remove --repo r {own}"), Exit::Failed, "KeySlotInUse");
    place.fails("key remove --repo r 00", Exit::NotFound, "ResourceNotFound");
    place.fails("key list --repo @nowhere", Exit::NotFound, "ResourceNotFound");
    let before = files(&place.path("r/packs"));
    place.ok("key rotate --repo r --new-key-file @new.key");
    assert_eq!(files(&place.path("r/packs")), before, "nothing stored was touched");
    place.fails("list --repo r", Exit::Failed, "UserErrorVaultKeyInvalid");
    place.ok(&format!("restore --repo r --key-file @new.key {id} @out"));
    assert_eq!(place.read("out"), image(1));
    let mode = fs::metadata(place.path("new.key")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = "key rotate --repo r --key-file @new.key --new-key-file @new.key";
    place.fails(again, Exit::Failed, "UserErrorVaultKeyInvalid");
    let added = place.ok("key add --repo r --key-file @new.key --new-key-file @third.key");
    let slot = added["slot"].as_str().expect("a slot");
    place.ok(&format!("key remove --repo r --key-file @new.key {slot}"));
    place.fails("list --repo r --key-file @third.key", Exit::Failed, "UserErrorVaultKeyInvalid");
}
