//! The requests: lists and gets in the mix of a portal and a few scripts, in open loop.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::client::Client;
use crate::seed::{VAULTS, VMS, vault, vm};

/// Threads that send. With 100 requests a second, each has 640 ms before it keeps others waiting.
const SENDERS: usize = 64;
/// What the project promises for lists and gets.
const P99: Duration = Duration::from_millis(100);

/// Kinds of requests, and how many of a hundred are of each.
const MIX: &[(&str, u64)] = &[
    ("vault list", 6),
    ("vault get", 8),
    ("policy list", 4),
    ("policy get", 4),
    ("item list, one page", 8),
    ("item list, by name", 6),
    ("item get", 12),
    ("container list", 4),
    ("point list", 12),
    ("point get", 8),
    ("job list, one page", 6),
    ("job list, filtered", 8),
    ("job get", 8),
    ("vm list", 2),
    ("vm get", 4),
];

/// Names that exist.
struct Known {
    points: Vec<(usize, String)>,
    jobs: Vec<(usize, String)>,
}

/// Sends `rate` requests a second for so many seconds, and prints what they took.
pub fn run(dir: &Path, seconds: u64, rate: u64) -> Result<()> {
    let client = Client::of(dir)?;
    let known = known(&client)?;
    let total = seconds * rate;
    let taken = Mutex::new(BTreeMap::<&str, Vec<Duration>>::new());
    let failed = AtomicU64::new(0);
    let next = AtomicU64::new(0);
    // Connections are opened before the clock runs, as a client that stays has them.
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| client.fetch(&client.vault(&vault(0), "")));
        }
    });
    let begun = Instant::now();
    let send = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= total {
                return;
            }
            let due = begun + Duration::from_micros(number * 1_000_000 / rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (kind, path) = request(&client, &known, number);
            match client.fetch(&path) {
                Ok(_) => {
                    let mut taken = taken.lock().expect("no sender panics");
                    taken.entry(kind).or_default().push(due.elapsed());
                }
                Err(error) => {
                    if failed.fetch_add(1, Ordering::Relaxed) < 5 {
                        eprintln!("{kind}: {error:#}");
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(send);
        }
    });
    let took = begun.elapsed();
    let taken = taken.into_inner().expect("no sender panics");
    println!("{total} requests at {rate}/s in {:.1} s", took.as_secs_f64());
    let p99 = print(&taken)?;
    let failed = failed.into_inner();
    if failed > 0 {
        bail!("{failed} requests failed");
    }
    let verdict = if p99 <= P99 { "holds" } else { "IS MISSED" };
    println!("p99 of all: {} ms; the promise of {} ms {verdict}", ms(p99), ms(P99));
    Ok(())
}

fn known(client: &Client) -> Result<Known> {
    let names = |list: &Value| -> Vec<String> {
        let entries = list["value"].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect()
    };
    let mut known = Known { points: Vec::new(), jobs: Vec::new() };
    for number in (0..VMS).step_by(VMS / 50) {
        let list = client.get(&client.item(&vault(number), &vm(number), "/recoveryPoints"))?;
        known.points.extend(names(&list).into_iter().map(|name| (number, name)));
    }
    for number in 0..VAULTS {
        let list = client.get(&client.vault(&vault(number), "/backupJobs"))?;
        known.jobs.extend(names(&list).into_iter().map(|name| (number, name)));
    }
    if known.points.is_empty() || known.jobs.is_empty() {
        bail!("the ledger has no points or no jobs");
    }
    Ok(known)
}

/// The kind and the path of a request: the same at every run.
fn request(client: &Client, known: &Known, number: u64) -> (&'static str, String) {
    // Spreads the numbers without a random generator.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let mut left = spread % MIX.iter().map(|(_, share)| share).sum::<u64>();
    let kind = MIX.iter().find(|(_, share)| {
        let found = left < *share;
        left = left.saturating_sub(*share);
        found
    });
    let kind = kind.map_or(MIX[0].0, |(kind, _)| kind);
    let at = usize::try_from(spread / 100).unwrap_or_default();
    let one = at % VMS;
    let (vault, vm) = (vault(one), vm(one));
    let path = match kind {
        "vault list" => client.group("/providers/Microsoft.RecoveryServices/vaults"),
        "vault get" => client.vault(&vault, ""),
        "policy list" => client.vault(&vault, "/backupPolicies"),
        "policy get" => client.vault(&vault, "/backupPolicies/DefaultPolicy"),
        "item list, one page" => client.vault(&vault, "/backupProtectedItems"),
        "item list, by name" => {
            filtered(client, &vault, "/backupProtectedItems", "friendlyName", &vm)
        }
        "item get" => client.item(&vault, &vm, ""),
        "container list" => client.vault(&vault, "/backupProtectionContainers"),
        "point list" => client.item(&vault, &vm, "/recoveryPoints"),
        "point get" => {
            let (number, point) = &known.points[at % known.points.len()];
            let (vault, vm) = (crate::seed::vault(*number), crate::seed::vm(*number));
            client.item(&vault, &vm, &format!("/recoveryPoints/{point}"))
        }
        "job list, one page" => client.vault(&vault, "/backupJobs"),
        "job list, filtered" => filtered(client, &vault, "/backupJobs", "operation", "Backup"),
        "job get" => {
            let (number, job) = &known.jobs[at % known.jobs.len()];
            client.vault(&crate::seed::vault(*number), &format!("/backupJobs/{job}"))
        }
        "vm list" => client.group("/providers/Microsoft.Compute/virtualMachines"),
        _ => client.group(&format!("/providers/Microsoft.Compute/virtualMachines/{vm}")),
    };
    (kind, path)
}

fn filtered(client: &Client, vault: &str, list: &str, key: &str, value: &str) -> String {
    let filter =
        format!("backupManagementType%20eq%20'AzureIaasVM'%20and%20{key}%20eq%20'{value}'");
    client.vault(vault, &format!("{list}?$filter={filter}"))
}

/// Prints a table in milliseconds; returns the 99th percentile of all.
fn print(taken: &BTreeMap<&str, Vec<Duration>>) -> Result<Duration> {
    println!("| request | count | p50 ms | p95 ms | p99 ms | max ms |\n|---|---|---|---|---|---|");
    for (kind, _) in MIX {
        let mut times = taken.get(kind).cloned().unwrap_or_default();
        if !times.is_empty() {
            row(kind, &mut times);
        }
    }
    let mut all: Vec<Duration> = taken.values().flatten().copied().collect();
    row("**all**", &mut all);
    percentile(&all, 99).context("no request was answered")
}

fn row(kind: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let cell = |percent| percentile(times, percent).map_or_else(String::new, ms);
    println!(
        "| {kind} | {} | {} | {} | {} | {} |",
        times.len(),
        cell(50),
        cell(95),
        cell(99),
        cell(100)
    );
}

/// The time that this many percent of the sorted ones do not exceed.
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let at = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
    sorted.get(at).copied()
}

/// Milliseconds, with one decimal.
pub fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}
