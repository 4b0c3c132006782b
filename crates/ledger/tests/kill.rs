//! A ledger after `kill -9`. Method: this test program runs itself as a child that writes in a loop
//! and says which writes were acknowledged; the child is killed at some moment, and the ledger is
//! read again.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use ledger::Ledger;
use ledger::port::PointQuery;
use ledger::sqlite::SqliteLedger;
use model::job::{JobId, Status};
use model::policy::Policy;
use tempfile::TempDir;
use uuid::Uuid;

mod nouns;

use nouns::{host, item, job, point, vault};

/// Tells the child where its ledger is.
const CHILD_LEDGER: &str = "HOLDFAST_TEST_CHILD_LEDGER";

/// The child: backs up for ever, and names each backup once it is acknowledged. Does nothing where
/// it runs as an ordinary test.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_LEDGER) else { return };
    let ledger = SqliteLedger::open(Path::new(&path)).expect("opens");
    let vault = vault(1);
    let item = item(1, &vault);
    if ledger.vaults().expect("reads").is_empty() {
        ledger
            .create_vault(&vault, &[Policy::default_of(vault.id, vault.created_at)])
            .expect("vault");
        ledger.create_host(&host(1, "qemu:///system")).expect("host");
        ledger.create_item(&item).expect("item");
    }
    let done = ledger.points(PointQuery::of(item.id)).expect("reads").len() as u64;
    for number in done + 1.. {
        // A killed run may have left this number's job behind.
        let mut job = job(u128::from(number), &item);
        if ledger.job(job.id).expect("reads").is_none() {
            ledger.create_job(&job).expect("job");
        }
        job.status = Status::Completed;
        ledger.record_backup(&point(number, &item), &item, &job).expect("records");
        println!("acknowledged {number}");
    }
}

/// Runs the child until it has acknowledged `writes` more, kills it, and returns the last number
/// that it acknowledged.
fn write_and_kill(ledger: &Path, writes: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD_LEDGER, ledger)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut text = String::new();
    let mut acknowledged = 0;
    while acknowledged < writes {
        let read = output.read_line(&mut text).expect("reads");
        assert_ne!(read, 0, "the child ended by itself: {text}");
        acknowledged = text.matches("acknowledged").count();
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("ends");
    output.read_to_string(&mut text).expect("reads");
    let numbers = text.lines().filter_map(|line| line.split_once("acknowledged "));
    numbers.filter_map(|(_, number)| number.parse().ok()).max().expect("at least one")
}

#[test]
fn what_was_acknowledged_is_there_after_kill_9_and_nothing_is_there_by_half() {
    let dir = TempDir::new().expect("temporary directory");
    let path = dir.path().join("ledger.db");
    for writes in [1, 7, 40] {
        let acknowledged = write_and_kill(&path, writes);
        let ledger = SqliteLedger::open(&path).expect("opens after the kill");
        let item = item(1, &vault(1));
        let points = ledger.points(PointQuery::of(item.id)).expect("reads");
        let count = points.len() as u64;
        // The kill may fall between a commit and its acknowledgement.
        assert!((acknowledged..=acknowledged + 1).contains(&count), "{acknowledged} of {count}");
        for (point_read, number) in points.iter().zip((1..=count).rev()) {
            assert_eq!(*point_read, point(number, &item));
            let job = ledger.job(JobId(Uuid::from_u128(number.into()))).expect("reads");
            assert_eq!(job.expect("there").status, Status::Completed, "with its point");
        }
    }
}
