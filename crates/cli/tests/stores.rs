//! `holdfast repo` on cloud stores: the real program against the servers of `scripts/stores.sh`.
//! Credentials and endpoints are in the environment, nowhere else.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A repository in the cloud, and a directory for its key and images.
struct Place {
    url: String,
    dir: TempDir,
}

impl Place {
    /// `holdfast repo COMMAND --repo URL --key-file FILE ARGS…`, in the directory.
    fn run(&self, command: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .current_dir(self.dir.path())
            .args(["--json", "repo", command, "--repo", &self.url, "--key-file", "key"])
            .args(args)
            .output()
            .expect("it runs")
    }

    #[track_caller]
    fn ok(&self, command: &str, args: &[&str]) -> Value {
        let output = self.run(command, args);
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command} {args:?}: {text} {errors}");
        serde_json::from_str(&text).expect("one document")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.dir.path().join(name), bytes).expect("writes");
    }
}

/// Bytes that hardly compress.
fn image(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

fn point(document: &Value) -> String {
    document["point"].as_str().expect("a point").to_owned()
}

fn assert_file(path: &Path, expected: &[u8]) {
    assert!(fs::read(path).expect("reads") == expected, "{} differs", path.display());
}

/// init → backup → incremental → list → restore → verify → collect → stats.
fn lives(scheme: &str) {
    let container = std::env::var("HOLDFAST_STORES").expect("scripts/stores.sh names it");
    let dir = TempDir::new().expect("a directory");
    let place = Place { url: format!("{scheme}://{container}/cli/vault"), dir };
    let missing = place.run("list", &[]);
    assert_eq!(missing.status.code(), Some(1), "there is no key yet");
    place.ok("init", &[]);

    let mut disk = image(1, 24 << 20);
    place.write("disk", &disk);
    let first = place.ok("backup", &["--item", "web", "disk"]);
    disk[5 << 20..6 << 20].copy_from_slice(&image(2, 1 << 20));
    place.write("disk", &disk);
    place.write("changed", br#"[{"start": 5242880, "length": 1048576}]"#);
    let from = ["--item", "web", "--parent", &point(&first), "--changed", "changed", "disk"];
    let second = place.ok("backup", &from);
    assert!(second["readBytes"].as_u64().is_some_and(|bytes| bytes < 2 << 20), "{second}");
    assert_eq!(place.ok("list", &[]).as_array().map(Vec::len), Some(2));

    place.ok("restore", &[&point(&second), "out"]);
    assert_file(&place.dir.path().join("out"), &disk);
    let verified = place.ok("verify", &["--read-data"]);
    assert_eq!((&verified["damaged"], &verified["pointsChecked"]), (&json!([]), &json!(2)));

    place.ok("forget", &[&point(&first)]);
    place.ok("collect", &["--grace-hours", "0"]);
    place.ok("collect", &["--grace-hours", "0"]);
    assert_eq!(place.ok("stats", &[])["points"], json!(1));
    place.ok("restore", &[&point(&second), "again"]);
    assert_file(&place.dir.path().join("again"), &disk);
    assert_eq!(place.ok("verify", &["--read-data"])["damaged"], json!([]));

    let elsewhere = Place { url: format!("{scheme}://{container}/cli/nothing"), ..place };
    let nothing = elsewhere.run("list", &[]);
    assert_eq!(nothing.status.code(), Some(3), "{nothing:?}");
}

#[test]
#[ignore = "needs servers: ./test runs it, or scripts/stores.sh"]
fn a_repository_lives_on_s3() {
    lives("s3");
}

#[test]
#[ignore = "needs servers: ./test runs it, or scripts/stores.sh"]
fn a_repository_lives_on_azure() {
    lives("az");
}
