//! Many short runs, each from a seed. The seed of a failure runs alone with
//! `HOLDFAST_SEED=N cargo test --release --locked -p sim --test seeds`.
//!
//! `HOLDFAST_SEEDS=N` runs as many as one likes, `HOLDFAST_LONG=1` twenty times as many as usual.

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sim::{Report, Scenario, run};

/// How many seeds are run unless somebody says otherwise.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// The seeds that are to be run.
fn seeds() -> std::ops::RangeInclusive<u64> {
    if let Some(seed) = number("HOLDFAST_SEED") {
        return seed..=seed;
    }
    let long = env::var_os("HOLDFAST_LONG").is_some();
    let count = number("HOLDFAST_SEEDS").unwrap_or(if long { 20 * SEEDS } else { SEEDS });
    1..=count
}

#[test]
fn whatever_happens_in_a_month_no_invariant_is_broken() {
    let seeds = seeds();
    let (next, last) = (AtomicU64::new(*seeds.start()), *seeds.end());
    let (reports, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed > last {
                return;
            }
            match run(&Scenario::short(seed)) {
                Ok(report) => reports.lock().expect("not poisoned").push(report),
                Err(failure) => {
                    match seeds.start() == seeds.end() {
                        true => println!("{failure:#}\n"),
                        false => println!("{failure}\n"),
                    }
                    failures.lock().expect("not poisoned").push(failure.scenario.seed);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let reports = reports.into_inner().expect("not poisoned");
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    println!(
        "{} runs: {} backups, {} failed, {} acts, {} deaths, {} mishaps, {} points compared",
        reports.len(),
        sum(|it| it.backups),
        sum(|it| it.failed.values().sum()),
        sum(|it| it.acts),
        sum(|it| it.deaths),
        sum(|it| it.mishaps),
        sum(|it| it.compared as u64),
    );
    let mut failed = BTreeMap::new();
    for (code, count) in reports.iter().flat_map(|report| &report.failed) {
        *failed.entry(code).or_insert(0) += count;
    }
    println!("backups that failed, by code: {failed:?}");
    let failures = failures.into_inner().expect("not poisoned");
    assert!(failures.is_empty(), "seeds that broke an invariant: {failures:?}");
}
